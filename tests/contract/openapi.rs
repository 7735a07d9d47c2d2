//! The OpenAPI document against a real `puente serve`: a validator reads it, then schemathesis calls every operation with what
//! the document allows and with what it does not.
//!
//! By hand, with what it called and found: `cargo test --workspace --test contract openapi -- --nocapture`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use puente::edge::openapi::document;
use puente_sandbox::erp::{Config, Erp};

use crate::support::{
    binary::Serve,
    venv::{target, venv},
};

const KEY: &str = "schemathesis-key";
const API_KEY: &str = "schemathesis-api-key";
const OPERATOR: &str = "schemathesis-operator";
const SECRET: &str = "whsec_c2NoZW1hdGhlc2lzLXdlYmhvb2stc2VjcmV0LTMy";

/// A server whose connection `api` takes canonical orders, and whose `shop` can be asked for some, though nobody is there; `None`:
/// offline, and the skip was said.
async fn serve() -> Option<(PathBuf, tempfile::TempDir, Erp, Serve)> {
    let python = python().await?;
    let erp = Erp::start(Config::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    for (name, secret) in
        [("key", KEY), ("shop-key", "schemathesis-key-of-the-shop"), ("api-key", API_KEY), ("webhook", SECRET)]
    {
        std::fs::write(home.path().join(name), secret).unwrap();
    }
    let file = |name: &str| format!("{{ file = {:?} }}", home.path().join(name).to_str().unwrap());
    let text = format!(
        "[erp.main]\nkind = \"rest\"\n{}\n\
         [connection.api]\nerp = \"main\"\nkey = {}\nlimits = {{ rate = \"100000/s\", per_day = 100000000 }}\n\
         store = {{ kind = \"canonical\", webhook_secrets = [{}], api_keys = [{}] }}\n\
         [connection.shop]\nerp = \"main\"\nkey = {}\ngoods = {{ stock = \"show\", shipments = \"show\", prices = \"show\", \
         price = {{ currency = \"EUR\", tax = \"included\" }} }}\n\
         store = {{ kind = \"woocommerce\", url = \"http://127.0.0.1:1\", webhook_secrets = [{}], consumer_key = {}, \
         consumer_secret = {} }}\n",
        erp.config_example(),
        file("key"),
        file("webhook"),
        file("api-key"),
        file("shop-key"),
        file("webhook"),
        file("api-key"),
        file("api-key"),
    );
    std::fs::write(home.path().join("puente.toml"), text).unwrap();
    let serve = Serve::start_in(home.path(), &[], &[("PUENTE_OPERATOR_KEY", OPERATOR)]);
    Some((python, home, erp, serve))
}

/// The environment with both programs; `None`: offline, and the skip was said.
async fn python() -> Option<PathBuf> {
    tokio::task::spawn_blocking(|| venv("schemathesis", &support("requirements.txt"))).await.unwrap()
}

fn support(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/schemathesis").join(name)
}

/// Runs it: what it says. Fails with all of that if it has a finding.
async fn holds(mut command: Command) -> String {
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (said, erred) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{erred}");
    said.into_owned()
}

/// schemathesis on a running server, with its settings.
fn schemathesis(python: &Path, serve: &Serve) -> Command {
    let mut command = Command::new(python.join("bin/schemathesis"));
    command.arg("--config-file").arg("schemathesis.toml").arg("run").arg(format!("{}/v1/openapi.json", serve.url));
    command
        .env("PUENTE_TEST_KEY", KEY)
        .env("PUENTE_TEST_API_KEY", API_KEY)
        .env("PUENTE_TEST_OPERATOR", OPERATOR)
        .env("PUENTE_TEST_WEBHOOK_SECRET", SECRET);
    // Where its settings find their hooks.
    command.current_dir(support("")).env("PYTHONDONTWRITEBYTECODE", "1");
    // What it keeps lies with the build.
    command.env("HYPOTHESIS_STORAGE_DIRECTORY", target().join("hypothesis"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let Some((python, _home, _erp, serve)) = serve().await else { return };
    let said = holds(schemathesis(&python, &serve)).await;
    let summary =
        said.find("SUMMARY").and_then(|at| said[at..].split_once('\n')).expect("schemathesis ends with a summary");
    assert!(summary.1.contains("No issues found"), "{said}");
    println!("schemathesis:\n{}", summary.1.trim());
}

#[tokio::test]
async fn the_document_is_valid_openapi() {
    let Some(python) = python().await else { return };
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("openapi.json");
    std::fs::write(&file, document().to_json().unwrap()).unwrap();
    let mut command = Command::new(python.join("bin/openapi-spec-validator"));
    command.args(["--schema", "3.1"]).arg(file);
    holds(command).await;
}
