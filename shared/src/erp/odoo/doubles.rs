//! An Odoo for unit tests, in both protocols.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

pub(super) use crate::erp::doubles::{Asked, Remembered, methods};
use crate::{config::Section, erp::Erp};

/// An Odoo of a version that answers `model.method` as `say` does with the arguments by name, and what it was asked.
/// Over JSON-2 a null is an error.
pub(super) async fn odoo(
    major: u32,
    more: &str,
    say: impl Fn(&str, &Value) -> Value + Send + Sync + 'static,
) -> (MockServer, Box<dyn Erp>, Asked) {
    let server = MockServer::start().await;
    let asked = Asked::default();
    let seen = asked.clone();
    let answer = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let path: Vec<&str> = request.url.path().split('/').collect();
        if let ["", "json", "2", model, method] = path.as_slice() {
            let what = format!("{model}.{method}");
            seen.lock().unwrap().push((what.clone(), body.clone()));
            return match say(&what, &body) {
                Value::Null => {
                    ResponseTemplate::new(500).set_body_json(json!({"name": "builtins.ValueError", "message": "x"}))
                }
                answer => ResponseTemplate::new(200).set_body_json(answer),
            };
        }
        let params = &body["params"];
        let result = match params["method"].as_str().unwrap() {
            "version" => json!({"server_version": format!("{major}.0")}),
            "authenticate" => json!(7),
            _ => {
                let what = format!("{}.{}", params["args"][3].as_str().unwrap(), params["args"][4].as_str().unwrap());
                seen.lock().unwrap().push((what.clone(), params["args"][6].clone()));
                say(&what, &params["args"][6])
            }
        };
        ResponseTemplate::new(200).set_body_json(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let section = format!(
        "url = \"{}\"\ndatabase = \"x\"\nusername = \"puente\"\napi_key = {{ literal = \"key\" }}\n{more}",
        server.uri()
    );
    let erp = super::config::build(&Section::from_toml(&section).unwrap()).unwrap();
    (server, erp, asked)
}
