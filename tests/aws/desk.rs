//! Where `puente connections apply` is typed: a stack on the emulator with its usage plan, and a directory with a puente.toml.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::Arc,
};

use http::Method;
use puente::{
    aws::SecretsManager,
    outbound::{Call, Client},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    binary::puente,
    moto::{self, Stack},
};

/// What no output may hold.
pub const CANARY: &str = "canary-of-a-secret";

/// A stack with its usage plan, and a directory to work in.
pub struct Desk {
    pub stack: Stack,
    plan: String,
    pub dir: TempDir,
    pub endpoint: String,
}

impl Desk {
    pub async fn new() -> Option<Self> {
        let stack = moto::stack().await?;
        let stage = json!({ "apiId": format!("api-{}", stack.place.table), "stage": "live" });
        let plan = json!({
            "name": format!("stack {}", stack.place.table), "apiStages": [stage],
            "throttle": { "rateLimit": 10, "burstLimit": 20 }, "quota": { "limit": 300, "period": "DAY" },
        });
        let plan = rest(&stack, Method::POST, "/usageplans", Some(plan)).await["id"].as_str().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("canary"), format!("{CANARY}\n")).unwrap();
        let endpoint = stack.endpoint.clone();
        Some(Self { stack, plan, dir, endpoint })
    }

    /// The name in Secrets Manager of a secret of this stack: the emulator has one drawer for all.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.stack.place.secrets)
    }

    /// Writes a puente.toml with these connections: name, and what else it says.
    pub fn write(&self, connections: &[(&str, &str)]) {
        self.write_as(connections, str::to_owned);
    }

    /// The same as the release before bundles had it: the names are those of secrets in Secrets Manager.
    pub fn write_old(&self, connections: &[(&str, &str)]) {
        self.write_as(connections, |name| self.name(name));
    }

    fn write_as(&self, connections: &[(&str, &str)], called: impl Fn(&str) -> String) {
        let mut text = format!(
            "[erp.main]\nkind = \"tryton\"\nurl = \"http://127.0.0.1:9\"\ndatabase = \"d\"\nusername = \"u\"\nweb_shop = \"Web\"\n\
             password = {{ secret = \"{}\" }}\n",
            called("erp")
        );
        for (name, more) in connections {
            text += &format!(
                "[connection.{name}]\nerp = \"main\"\nkey = {{ secret = \"{}\" }}\n{more}\n\
                 store = {{ kind = \"shopify\", shop = \"{name}.myshopify.com\", webhook_secrets = [{{ secret = \"{}\" }}] }}\n",
                called(&format!("{name}/key")),
                called(&format!("{name}/webhook")),
            );
        }
        std::fs::write(self.dir.path().join("puente.toml"), text).unwrap();
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let output = Command::new(puente())
            .current_dir(self.dir.path())
            .args(["connections", "apply"])
            .args(args)
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
                ("PUENTE_TABLE", self.stack.place.table.as_str()),
                ("PUENTE_USAGE_PLAN", self.plan.as_str()),
                ("PUENTE_SECRET_PREFIX", self.stack.place.secrets.as_str()),
            ])
            .output()
            .unwrap();
        assert!(!words(&output).contains(CANARY), "{}", words(&output));
        output
    }

    /// Applies: the changes other than `keep`, as `action what name`.
    pub fn apply(&self, args: &[&str]) -> Vec<String> {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", words(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = |row: &Value| {
            let part = |name: &str| row[name].as_str().unwrap().replace(&self.stack.place.secrets, "");
            format!("{} {} {}", part("action"), part("what"), part("name"))
        };
        let rows = report["changes"].as_array().unwrap().iter().map(row);
        rows.filter(|row| !row.starts_with("keep ")).collect()
    }

    /// Refused: its words.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", words(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Everything a secret needs to be there.
    pub fn all(&self, connections: &[&str]) -> Vec<String> {
        let mut args = vec!["--yes".to_owned(), "--secret".to_owned(), "erp=canary".to_owned()];
        for name in connections {
            args.extend(["--secret".to_owned(), format!("{name}/webhook=canary")]);
        }
        args
    }

    pub fn apply_all(&self, connections: &[&str]) -> Vec<String> {
        let args = self.all(connections);
        self.apply(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub async fn secret(&self, name: &str) -> Option<String> {
        let list = json!({ "IncludePlannedDeletion": false });
        let list = moto::call(&self.stack.endpoint, "secretsmanager", "secretsmanager.ListSecrets", &list).await;
        let name = self.name(name);
        list["SecretList"].as_array().unwrap().iter().find(|secret| secret["Name"] == name.as_str())?;
        let get = json!({ "SecretId": name });
        let got = moto::call(&self.stack.endpoint, "secretsmanager", "secretsmanager.GetSecretValue", &get).await;
        got["SecretString"].as_str().map(str::to_owned)
    }

    /// One of the texts in a bundle.
    pub async fn kept(&self, bundle: &str, name: &str) -> Option<String> {
        let content: Value = serde_json::from_str(&self.secret(bundle).await?).unwrap();
        content[name].as_str().map(str::to_owned)
    }

    /// Makes a secret as the release before bundles made it: a text under its own name, tagged with the stack's table.
    pub async fn old_secret(&self, name: &str, value: &str) {
        let tags = json!([{ "Key": "puente:table", "Value": self.stack.place.table }]);
        let secret = json!({ "Name": self.name(name), "SecretString": value, "Tags": tags });
        moto::call(&self.stack.endpoint, "secretsmanager", "secretsmanager.CreateSecret", &secret).await;
    }

    /// The values of this stack's keys of a connection, each with the name of its plan.
    pub async fn keys(&self, connection: &str) -> BTreeSet<(String, String)> {
        let stage = format!("api-{}", self.stack.place.table);
        let plans = rest(&self.stack, Method::GET, "/usageplans", None).await["item"].as_array().unwrap().clone();
        let all = rest(&self.stack, Method::GET, "/apikeys?includeValues=true", None).await;
        let mut found = BTreeSet::new();
        for plan in plans.iter().filter(|plan| plan["apiStages"][0]["apiId"] == stage.as_str()) {
            let path = format!("/usageplans/{}/keys", plan["id"].as_str().unwrap());
            for member in rest(&self.stack, Method::GET, &path, None).await["item"].as_array().unwrap() {
                let key = all["item"].as_array().unwrap().iter().find(|key| key["id"] == member["id"]).unwrap();
                if key["name"] == format!("puente/{connection}") {
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    found.insert((text(&key["value"]), text(&plan["name"])));
                }
            }
        }
        found
    }

    pub fn base(&self) -> String {
        format!("stack {}", self.stack.place.table)
    }

    /// The secret store as the functions of this stack have it.
    pub fn bundles(&self) -> Arc<SecretsManager> {
        self.stack.aws().secrets
    }

    pub async fn published(&self) -> Option<String> {
        self.stack.aws().published.config().await.unwrap()
    }
}

pub fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One call of API Gateway's REST API.
pub async fn rest(stack: &Stack, method: Method, path: &str, body: Option<Value>) -> Value {
    let credential = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/apigateway/aws4_request";
    let authorization = format!("{credential}, SignedHeaders=host, Signature=0");
    let headers = [("authorization", authorization), ("content-type", "application/json".to_owned())];
    let call = Call {
        method,
        url: format!("{}{path}", stack.endpoint).parse().unwrap(),
        headers: headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        body: body.map(|body| body.to_string()).unwrap_or_default().into(),
        timeout: std::time::Duration::from_secs(20),
    };
    let answer = Client::new().unwrap().send(call).await.unwrap();
    assert!(answer.status.is_success(), "{path}: {:?}", answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}
