//! `puente connections apply` as a user types it, on the emulator.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use http::Method;
use puente::outbound::{Call, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    proxy::Proxy,
    support::{
        binary::puente,
        moto::{self, Stack},
    },
};

/// What no output may hold.
const CANARY: &str = "canary-of-a-secret";

/// A stack with its usage plan, and a directory to work in.
struct Desk {
    stack: Stack,
    plan: String,
    dir: TempDir,
    endpoint: String,
}

impl Desk {
    async fn new() -> Option<Self> {
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

    /// The name of a secret of this stack: the emulator has one drawer for all.
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.stack.place.table)
    }

    /// Writes a puente.toml with these connections: name, and what else it says.
    fn write(&self, connections: &[(&str, &str)]) {
        let mut text = format!(
            "[erp.main]\nkind = \"tryton\"\nurl = \"http://127.0.0.1:9\"\ndatabase = \"d\"\nusername = \"u\"\nweb_shop = \"Web\"\n\
             password = {{ secret = \"{}\" }}\n",
            self.name("erp")
        );
        for (name, more) in connections {
            text += &format!(
                "[connection.{name}]\nerp = \"main\"\nkey = {{ secret = \"{}\" }}\n{more}\n\
                 store = {{ kind = \"shopify\", shop = \"{name}.myshopify.com\", webhook_secrets = [{{ secret = \"{}\" }}] }}\n",
                self.name(&format!("{name}/key")),
                self.name(&format!("{name}/webhook")),
            );
        }
        std::fs::write(self.dir.path().join("puente.toml"), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
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
            ])
            .output()
            .unwrap();
        assert!(!words(&output).contains(CANARY), "{}", words(&output));
        output
    }

    /// Applies: the changes other than `keep`, as `action what name`.
    fn apply(&self, args: &[&str]) -> Vec<String> {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", words(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = |row: &Value| {
            let part = |name: &str| row[name].as_str().unwrap().replace(&format!("{}/", self.stack.place.table), "");
            format!("{} {} {}", part("action"), part("what"), part("name"))
        };
        let rows = report["changes"].as_array().unwrap().iter().map(row);
        rows.filter(|row| !row.starts_with("keep ")).collect()
    }

    /// Refused: its words.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", words(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Everything a secret needs to be there.
    fn all(&self, connections: &[&str]) -> Vec<String> {
        let mut args = vec!["--yes".to_owned(), "--secret".to_owned(), format!("{}=canary", self.name("erp"))];
        for name in connections {
            args.extend(["--secret".to_owned(), format!("{}=canary", self.name(&format!("{name}/webhook")))]);
        }
        args
    }

    fn apply_all(&self, connections: &[&str]) -> Vec<String> {
        let args = self.all(connections);
        self.apply(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    async fn secret(&self, name: &str) -> Option<String> {
        let list = json!({ "IncludePlannedDeletion": false });
        let list = moto::call(&self.stack.endpoint, "secretsmanager", "secretsmanager.ListSecrets", &list).await;
        let name = self.name(name);
        list["SecretList"].as_array().unwrap().iter().find(|secret| secret["Name"] == name.as_str())?;
        let get = json!({ "SecretId": name });
        let got = moto::call(&self.stack.endpoint, "secretsmanager", "secretsmanager.GetSecretValue", &get).await;
        got["SecretString"].as_str().map(str::to_owned)
    }

    /// The values of this stack's keys of a connection, each with the name of its plan.
    async fn keys(&self, connection: &str) -> BTreeSet<(String, String)> {
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

    fn base(&self) -> String {
        format!("stack {}", self.stack.place.table)
    }

    async fn published(&self) -> Option<String> {
        self.stack.aws().published.config().await.unwrap()
    }
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One call of API Gateway's REST API.
async fn rest(stack: &Stack, method: Method, path: &str, body: Option<Value>) -> Value {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_makes_everything_and_the_second_changes_nothing() {
    let Some(desk) = Desk::new().await else { return };
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);

    // What is missing is told before anything is changed, and looking changes nothing.
    let missing = desk.refused(&["--yes"]);
    assert!(missing.contains(&format!("--secret {}=FILE", desk.name("one/webhook"))), "{missing}");
    assert!(missing.contains("nothing was changed") && !missing.contains("one/key"), "{missing}");
    let mut look = desk.all(&["one", "two"]);
    look.push("--dry-run".to_owned());
    let looked = desk.apply(&look.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((desk.secret("erp").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
    // Nobody there to be asked.
    let unasked: Vec<&str> =
        look.iter().map(String::as_str).filter(|arg| !["--yes", "--dry-run"].contains(arg)).collect();
    assert!(desk.refused(&unasked).contains("--yes"));
    assert_eq!(desk.secret("erp").await, None);

    let made = desk.apply_all(&["one", "two"]);
    assert_eq!(made, looked);
    let expected = [
        "create secret erp",
        "create secret one/key",
        "create secret one/webhook",
        "create secret two/key",
        "create secret two/webhook",
        "create usage plan puente 20-5000",
        "create API key puente/one",
        "create API key puente/two",
        "create connection one",
        "create connection two",
        "create configuration puente.toml",
    ];
    assert_eq!(made, expected);
    assert_eq!(desk.secret("erp").await.as_deref(), Some(CANARY));
    let key = desk.secret("one/key").await.unwrap();
    assert_eq!(key.len(), 43, "256 bits");
    assert_eq!(desk.keys("one").await, [(key.clone(), desk.base())].into());
    let other = desk.secret("two/key").await.unwrap();
    assert_eq!(desk.keys("two").await, [(other.clone(), "puente 20-5000".to_owned())].into());
    assert_eq!(desk.published().await.unwrap(), std::fs::read_to_string(desk.dir.path().join("puente.toml")).unwrap());

    assert_eq!(desk.apply(&[]), Vec::<String>::new());
    let again = words(&desk.run(&["--prune"]));
    assert!(again.contains("nothing to do") && !again.contains(&key), "{again}");
    let api = format!("https://api-{}.execute-api.eu-west-1.amazonaws.com/live", desk.stack.place.table);
    assert!(again.contains(&format!("one: {api}/v1/connections/one/webhook\n")), "{again}");
    // The one place that shows a key, because somebody asked.
    let urls = words(&desk.run(&["--show-urls", "--url", "https://orders.example/"]));
    assert!(urls.contains(&format!("https://orders.example/v1/connections/two/webhook?key={other}")), "{urls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_keys_and_connections_change_and_only_prune_deletes() {
    let Some(desk) = Desk::new().await else { return };
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);
    desk.apply_all(&["one", "two"]);
    let (first, second) = (desk.secret("one/key").await.unwrap(), desk.secret("two/key").await.unwrap());

    // Other limits: under another plan, with the same key. What the file says as the stack does is the stack's plan.
    desk.write(&[("one", "limits = { rate = \"5/s\", per_day = 100 }"), ("two", "limits = { rate = \"10/s\" }")]);
    let changed = desk.apply(&["--yes"]);
    let expected = [
        "create usage plan puente 5-100",
        "change API key puente/one",
        "change API key puente/two",
        "extra usage plan puente 20-5000",
        "change configuration puente.toml",
    ];
    assert_eq!(changed, expected);
    assert_eq!(desk.keys("one").await, [(first.clone(), "puente 5-100".to_owned())].into());
    assert_eq!(desk.keys("two").await, [(second.clone(), desk.base())].into());

    // Another key: the old one stays until it is pruned, since a store may still carry it.
    let rotated = "a-new-key-of-more-than-twenty-characters";
    std::fs::write(desk.dir.path().join("new"), rotated).unwrap();
    let given = format!("{}=new", desk.name("one/key"));
    let changed = desk.apply(&["--yes", "--secret", &given]);
    let extra = ["extra API key puente/one", "extra usage plan puente 20-5000"];
    assert_eq!(changed, [&["change secret one/key", "create API key puente/one"], &extra[..]].concat());
    assert_eq!(desk.keys("one").await.len(), 2);

    // A connection goes: first only from the configuration.
    desk.write(&[("one", "limits = { rate = \"5/s\", per_day = 100 }")]);
    let changed = desk.apply(&["--yes"]);
    let left = [
        "extra API key puente/one",
        "extra API key puente/two",
        "extra usage plan puente 20-5000",
        "stop connection two",
        "change configuration puente.toml",
        "extra secret two/key",
        "extra secret two/webhook",
    ];
    assert_eq!(sorted(changed), sorted(left.map(str::to_owned).to_vec()));
    assert_eq!(desk.secret("two/key").await, Some(second.clone()));
    assert_eq!(desk.keys("two").await.len(), 1);
    // It is remembered what is superfluous, also when the configuration that named it is gone.
    let known = desk.apply(&[]);
    assert!(known.contains(&"extra secret two/webhook".to_owned()), "{known:?}");

    let pruned = desk.apply(&["--yes", "--prune"]);
    assert!(pruned.iter().all(|row| row.starts_with("delete ")) && pruned.len() == 5, "{pruned:?}");
    assert_eq!(desk.keys("one").await, [(rotated.to_owned(), "puente 5-100".to_owned())].into());
    assert_eq!(desk.keys("two").await.len(), 0);
    assert_eq!((desk.secret("two/key").await, desk.secret("two/webhook").await), (None, None));
    let described = json!({ "SecretId": desk.name("two/key") });
    let described =
        moto::call(&desk.stack.endpoint, "secretsmanager", "secretsmanager.DescribeSecret", &described).await;
    assert!(!described["DeletedDate"].is_null(), "it can be restored: {described}");
    assert_eq!(desk.secret("erp").await.as_deref(), Some(CANARY), "what is referred to stays");
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_short_after_every_change_the_next_run_goes_on() {
    let Some(mut desk) = Desk::new().await else { return };
    let proxy = Proxy::before(&desk.stack.endpoint).await;
    desk.endpoint.clone_from(&proxy.endpoint);
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);
    let mut args = desk.all(&["one", "two"]);
    let mut runs = 0;
    for (prune, refers) in [(false, true), (true, false)] {
        if !refers {
            desk.write(&[("one", "")]);
            args = vec!["--yes".to_owned(), "--prune".to_owned()];
        }
        let before = desk.published().await;
        let wanted = Some(std::fs::read_to_string(desk.dir.path().join("puente.toml")).unwrap());
        loop {
            // One change is let through, and then nothing more.
            let changes = AtomicU32::new(0);
            proxy.refuse(move |call| changes_something(call) && changes.fetch_add(1, Ordering::Relaxed) > 0);
            let output = desk.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            runs += 1;
            assert!(runs < 60, "it never ends: {}", words(&output));
            if output.status.success() {
                break;
            }
            assert!(words(&output).contains("run it again"), "{}", words(&output));
            // The configuration comes after everything it refers to, and before anything is deleted.
            let published = desk.published().await;
            assert!(published == before || published == wanted);
            let ready = desk.keys("one").await.len() == 1 && desk.secret("one/webhook").await.is_some();
            assert!(published != wanted || ready, "published too early");
            let deleted = prune && (desk.keys("two").await.is_empty() || desk.secret("two/key").await.is_none());
            assert!(!deleted || published == wanted, "deleted too early");
        }
        proxy.refuse(|_| false);
        assert_eq!(desk.published().await, wanted);
        assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
    }
    assert!(runs > 15, "{runs}");
    assert_eq!((desk.keys("two").await.len(), desk.secret("two/webhook").await), (0, None));
    let plans = rest(&desk.stack, Method::GET, "/usageplans", None).await;
    let ours = |plan: &&Value| plan["tags"]["puente:table"] == desk.stack.place.table.as_str();
    assert_eq!(plans["item"].as_array().unwrap().iter().filter(ours).count(), 0, "{plans}");
}

/// Whether a call changes something.
fn changes_something(call: &str) -> bool {
    let reads = ["GetItem", "GetSecretValue", "DescribeSecret"];
    !call.starts_with("GET ") && !reads.iter().any(|read| call.ends_with(read))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_told_before_anything_is_changed() {
    let Some(desk) = Desk::new().await else { return };
    let config = desk.dir.path().join("puente.toml");
    desk.write(&[("one", ""), ("two", "")]);
    let good = std::fs::read_to_string(&config).unwrap();
    let all = desk.all(&["one", "two"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();

    std::fs::write(&config, good.replace(&format!("{{ secret = \"{}\" }}", desk.name("one/key")), "{ env = \"ONE\" }"))
        .unwrap();
    let words = desk.refused(&all);
    assert!(words.contains("puente.toml:10: connection.one.key: ") && words.contains("puente/one/key"), "{words}");

    std::fs::write(&config, good.replace("shop = \"two.myshopify.com\"", "shoop = \"two.myshopify.com\"")).unwrap();
    assert!(desk.refused(&all).contains("connection.two.store"), "a connector's own mistakes too");

    std::fs::write(&config, &good).unwrap();
    std::fs::write(desk.dir.path().join("short"), "too-short").unwrap();
    std::fs::write(desk.dir.path().join("long"), "a-key-that-is-long-enough").unwrap();
    let short = format!("{}=short", desk.name("one/key"));
    assert!(desk.refused(&[&all[..], &["--secret", &short]].concat()).contains("fewer than 20"));
    let (one, two) = (format!("{}=long", desk.name("one/key")), format!("{}=long", desk.name("two/key")));
    let shared = desk.refused(&[&all[..], &["--secret", &one, "--secret", &two]].concat());
    assert!(shared.contains("each needs its own") && !shared.contains("long-enough"), "{shared}");
    let unknown = desk.refused(&[&all[..], &["--secret", "other=long"]].concat());
    assert!(unknown.contains("does not refer to"), "{unknown}");
    assert_eq!((desk.secret("erp").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
}
