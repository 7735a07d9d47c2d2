//! A Tryton that answers as a test says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::{Result, config::Section, erp::Erp, ports::Ids};

/// The methods that were called, with their parameters.
pub(super) type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A Tryton that answers methods as `say` does, and what it was asked. Its error is what has a member `error`.
pub(super) async fn tryton(
    more: &str,
    say: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
) -> (MockServer, Box<dyn Erp>, Asked) {
    let server = MockServer::start().await;
    let asked: Asked = Arc::default();
    let seen = asked.clone();
    let answer = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let method = body["method"].as_str().unwrap().to_owned();
        seen.lock().unwrap().push((method.clone(), body["params"].clone()));
        let said = say(&method, &body["params"]);
        let said = match said.get("error") {
            Some(error) => json!({"id": 1, "error": error}),
            None => json!({"id": 1, "result": said}),
        };
        ResponseTemplate::new(200).set_body_string(said.to_string())
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let section = format!(
        "url = \"{}\"\ndatabase = \"erp\"\nusername = \"puente\"\npassword = {{ literal = \"secret\" }}\nweb_shop = \"Web\"\n{more}",
        server.uri()
    );
    let erp = super::config::build(&Section::from_toml(&section).unwrap()).unwrap();
    (server, erp, asked)
}

/// The methods that were called since the last time.
pub(super) fn methods(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut *asked.lock().unwrap()).into_iter().map(|(method, _)| method).collect()
}

/// Ids, remembered.
#[derive(Default)]
pub(super) struct Remembered(Mutex<HashMap<String, String>>);

#[async_trait]
impl Ids for Remembered {
    async fn ids(&self, names: &[String]) -> Result<HashMap<String, String>> {
        let known = self.0.lock().unwrap();
        Ok(names.iter().filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect())
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.lock().unwrap().extend(ids.iter().cloned());
        Ok(())
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.lock().unwrap().retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn begin(&self, _names: &[String]) -> Result<HashMap<String, std::time::Duration>> {
        Ok(HashMap::new())
    }
}
