//! A Tryton that answers as a test says.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

pub(super) use crate::erp::doubles::{Asked, Remembered, methods};
use crate::{config::Section, erp::Erp};

/// A Tryton that answers methods as `say` does, and what it was asked. Its error is what has a member `error`.
pub(super) async fn tryton(
    more: &str,
    say: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
) -> (MockServer, Box<dyn Erp>, Asked) {
    let server = MockServer::start().await;
    let asked = Asked::default();
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
