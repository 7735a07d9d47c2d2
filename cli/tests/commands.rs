//! Every command as a user types it, against a running `serve` and an ERP of the sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test is meant to stop there"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use puente_sandbox::{
    erp::{Config, Erp, Fault},
    store::{App, Plan, Shop},
};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with a puente.toml for an ERP.
struct Home {
    dir: TempDir,
}

/// A running serve; ends with the test.
struct Serving {
    child: Child,
    url: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Home {
    fn new(erp: &Erp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "a-secret-of-the-canary").unwrap();
        fs::write(dir.path().join("key"), "a-key-of-the-canary").unwrap();
        let text = format!(
            "[erp.main]\nkind = \"rest\"\nlimits = {{ rate = \"40/s\", per_day = 1000 }}\nmax_attempts = 1\n\
             links = {{ sale = \"https://erp.example/sales/{{id}}\" }}\n{}\n\
             [connection.acme]\nerp = \"main\"\nkey = {{ file = \"key\" }}\n\
             store = {{ kind = \"shopify\", shop = \"acme.myshopify.com\", webhook_secrets = [{{ file = \"secret\" }}] }}\n",
            erp.config_example().replace("\"2s\"", "\"500ms\"")
        );
        fs::write(dir.path().join("puente.toml"), text).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command in the directory.
    fn run(&self, args: &[&str]) -> Output {
        puente().current_dir(self.path()).args(args).output().unwrap()
    }

    /// Runs a command that must succeed, as JSON.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {}", text(&output)))
    }

    /// Runs a command that must fail: its words.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn serve(&self) -> Serving {
        let mut child = puente()
            .current_dir(self.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line:?}");
        Serving { child, url }
    }

    /// The connection's signs of life, once it has sent an order.
    fn is_alive(&self) {
        let began = Instant::now();
        loop {
            let life = self.json(&["connections"]);
            let (shop, erp) = (&life["connections"][0], &life["erps"][0]);
            if shop["received"].is_string() && shop["sent"].is_string() && erp["sent"].is_string() {
                assert_eq!((&shop["connection"], &shop["failed"]), (&Value::from("acme"), &Value::Null), "{life}");
                let shown = text(&self.run(&["connections", "list"]));
                assert!(
                    shown.contains("acme")
                        && (shown.contains("ago") || shown.contains("in 0s"))
                        && shown.contains("never"),
                    "{shown}"
                );
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no sign of life: {life}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The state of the one order, once it is `state`.
    fn until(&self, state: &str) -> Value {
        let began = Instant::now();
        loop {
            let orders = self.json(&["orders", "list"]);
            if orders[0]["status"] == state {
                return orders[0].clone();
            }
            assert!(began.elapsed() < Duration::from_mins(2), "never {state}: {orders}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn puente() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_puente"));
    command.env_remove("PUENTE_OPERATOR_KEY").env_remove("PUENTE_LOG");
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The sample's articles.
fn selling() -> Config {
    let sample = puente::store::STORES.iter().find(|row| row.kind == "shopify").unwrap().sample;
    let order: Value = serde_json::from_str(sample).unwrap();
    let skus = order["line_items"].as_array().unwrap().iter().filter_map(|line| line["sku"].as_str());
    Config { products: skus.map(str::to_owned).collect(), ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_the_shop_to_the_erp_and_every_question_about_it() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    let check = home.json(&["check"]);
    assert_eq!((&check["ok"], &check["erps"][0]["class"]), (&Value::Bool(true), &Value::from("unique")), "{check}");

    // Nothing says yet which orders are this shop's once it has a domain of its own.
    assert!(check["connections"][0]["lacks"].as_str().unwrap().contains("shop_id"), "{check}");

    let serving = home.serve();
    let sent = home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    assert_eq!(sent["status"], 200, "{sent}");
    let order = home.until("synced");
    assert_eq!(erp.orders().len(), 1);
    let number = order["number"].as_str().unwrap();

    // By its number, with or without its sign, by its id, by both.
    let id = order["order"].as_str().unwrap();
    for name in [number, number.trim_start_matches('#'), id, &format!("acme/{id}")] {
        let story = home.json(&["orders", "show", name]);
        assert_eq!(story["order"]["order"], *id);
        let events: Vec<&str> =
            story["timeline"].as_array().unwrap().iter().filter_map(|entry| entry["event"].as_str()).collect();
        assert!(events.contains(&"accepted") && events.contains(&"synced"), "{events:?}");
    }
    let shown = text(&home.run(&["orders", "show", number]));
    assert!(shown.contains("synced") && shown.contains(id) && !shown.contains('\u{1b}'), "{shown}");
    let document = home.json(&["orders", "show", id])["documents"][0].clone();
    let link = format!("https://erp.example/sales/{}", document["id"].as_str().unwrap());
    assert!(document["link"] == link && shown.contains(&link), "{document} {shown}");
    // The order itself, with the decimals of its currency.
    let story = home.json(&["orders", "show", id]);
    let (line, total) = (&story["content"]["lines"][0], story["order"]["total"].as_str().unwrap());
    for part in ["buyer", "quantity", "payment", line["title"].as_str().unwrap(), &format!("{total}.00")] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(text(&home.run(&["orders", "show", id, "--raw"])).contains("\"lines\""));
    home.is_alive();
    assert!(home.fails(&["orders", "show", "77"]).contains("was not seen yet"));

    let quota = home.json(&["quota"]);
    // A permit that grows too old on a busy machine is not used, and another is taken: never fewer than calls.
    let (used, calls) = (quota[0]["used"].as_u64().unwrap(), u64::try_from(erp.calls().len()).unwrap());
    assert!((calls..=calls + 2).contains(&used), "{calls} calls: {quota}");
    assert!(text(&home.run(&["quota"])).contains("of 1000 used"));
    assert!(text(&home.run(&["orders", "list", "--state", "parked"])).contains("no orders"));

    // Replaying what is there changes nothing.
    let replayed = home.json(&["orders", "replay", number]);
    assert_eq!(replayed["orders"].as_array().unwrap().len(), 1);
    let began = Instant::now();
    while !home.json(&["orders", "show", id])["timeline"].to_string().contains("replayed") {
        assert!(began.elapsed() < Duration::from_mins(2));
        std::thread::sleep(Duration::from_millis(50));
    }
    home.until("synced");
    assert_eq!(erp.orders().len(), 1);

    // Another order of the same number: the number alone names neither, and a list that is cut says so.
    let sample = puente::store::STORES.iter().find(|row| row.kind == "shopify").unwrap().sample;
    let twin = "5920011223344556999";
    fs::write(home.path().join("twin.json"), sample.replace(id, twin)).unwrap();
    let sent = home.json(&["send", "--connection", "acme", "twin.json", "--url", &serving.url]);
    assert_eq!(sent["body"]["accepted"][0]["order"], twin, "{sent}");
    let began = Instant::now();
    while home.json(&["orders", "list", "--number", number]).as_array().unwrap().len() < 2 {
        assert!(began.elapsed() < Duration::from_mins(2));
        std::thread::sleep(Duration::from_millis(50));
    }
    let both = home.fails(&["orders", "show", number]);
    assert!(both.contains("say which of") && both.contains(id) && both.contains(twin), "{both}");
    let cut = home.run(&["orders", "list", "--limit", "1", "--json"]);
    let remark: Value = serde_json::from_slice(&cut.stderr).unwrap_or_else(|error| panic!("{error}: {}", text(&cut)));
    assert!(cut.status.success() && remark["detail"].as_str().unwrap().contains("there are more"), "{remark}");
    assert_eq!(serde_json::from_slice::<Value>(&cut.stdout).unwrap().as_array().unwrap().len(), 1);
    let cut = home.run(&["orders", "list", "--limit", "1"]);
    assert!(String::from_utf8_lossy(&cut.stderr).starts_with("there are more than these 1"), "{}", text(&cut));
    assert!(home.run(&["orders", "list", "--limit", "2"]).stderr.is_empty());

    // A second serve on the same data would be a second conductor of everything.
    let second = home.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(second.contains("another process serves"), "{second}");
    let mut log = String::new();
    fs::File::open(home.path().join("log")).unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("order.synced") && !log.contains("canary"), "{log}");
}

/// One request to `serve` as `operator`, by their key: status and body.
async fn ask(serving: &Serving, method: reqwest::Method, path: &str, key: &str) -> (u16, Value) {
    let url = format!("{}{path}", serving.url).parse().unwrap();
    let headers = [(reqwest::header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())].into_iter().collect();
    let call = puente::outbound::Call {
        method,
        url,
        headers,
        body: Vec::<u8>::new().into(),
        timeout: Duration::from_secs(30),
    };
    let answer = puente::outbound::Client::new().unwrap().send(call).await.unwrap();
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_the_configuration_do_and_see_what_is_listed_and_their_replays_have_a_name() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    let mut config = fs::read_to_string(home.path().join("puente.toml")).unwrap();
    config += "[connection.other]\nerp = \"main\"\nkey = { file = \"key-2\" }\n\
               store = { kind = \"shopify\", shop = \"other.myshopify.com\", webhook_secrets = [{ file = \"secret\" }] }\n";
    for (name, connections, scopes) in [
        ("ana", "acme", "\"orders:read\", \"orders:write\", \"ops\""),
        ("bob", "other", "\"orders:read\", \"orders:write\", \"ops\""),
        ("eva", "*", "\"orders:read\""),
    ] {
        fs::write(home.path().join(name), format!("the-key-of-the-operator-{name}")).unwrap();
        let key = format!("[operator.{name}]\nkey = {{ file = \"{name}\" }}\n");
        config += &(key + &format!("connections = [\"{connections}\"]\nscopes = [{scopes}]\n"));
    }
    fs::write(home.path().join("key-2"), "another-key-canary").unwrap();
    fs::write(home.path().join("puente.toml"), config).unwrap();
    let serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    let order = home.until("synced")["order"].as_str().unwrap().to_owned();
    let key = |name: &str| format!("the-key-of-the-operator-{name}");
    let get = async |path: &str, name: &str| ask(&serving, reqwest::Method::GET, path, &key(name)).await;
    let of_acme = format!("/v1/connections/acme/orders/{order}");

    for name in ["ana", "eva"] {
        assert_eq!(get(&of_acme, name).await.0, 200, "{name}");
    }
    // Nothing of another's: as of what is not there.
    let there = get(&of_acme, "bob").await;
    let nowhere = get("/v1/connections/nobody/orders/1", "bob").await;
    assert_eq!((there.0, &there.1["detail"]), (404, &nowhere.1["detail"]));
    assert_eq!((get("/v1/erps/main/quota", "bob").await.0, get("/v1/erps/main/quota", "eva").await.0), (200, 403));
    let replay = format!("{of_acme}/replay");
    let asked = async |key: &str| ask(&serving, reqwest::Method::POST, &replay, key).await.0;
    assert_eq!((asked(&key("eva")).await, asked(&key("bob")).await, asked("nobody's").await), (403, 404, 401));
    // There is no PUENTE_OPERATOR_KEY: an empty one is none.
    assert_eq!(asked("").await, 401);

    assert_eq!(asked(&key("ana")).await, 202);
    let began = Instant::now();
    loop {
        let story = home.json(&["orders", "show", &order]);
        let replayed = story["timeline"].as_array().unwrap().iter().find(|entry| entry["event"] == "replayed");
        if let Some(replayed) = replayed {
            assert_eq!(replayed["detail"], "replayed by ana");
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{story}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = fs::read_to_string(home.path().join("log")).unwrap();
    assert!(log.lines().any(|line| line.contains("order.replay_asked") && line.contains("ana")), "{log}");
    assert!(!log.contains("the-key-of") && !log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_order_is_listed_redriven_and_arrives() {
    let erp = Erp::start(selling()).await.unwrap();
    // The one attempt it has fails; so the next look finds nothing, and gives up.
    erp.next("POST /orders", Fault::ErrorBefore);
    let home = Home::new(&erp);
    let serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    let dead = home.until("dead");
    assert!(dead["reason"].as_str().unwrap().contains("gave up"), "{dead}");
    let listed = home.json(&["dlq", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let asked = home.json(&["orders", "replay", "--state", "dead", "--dry-run"]);
    assert_eq!((asked["orders"].as_array().unwrap().len(), &asked["replayed"]), (1, &Value::Bool(false)));
    assert_eq!(home.json(&["dlq", "redrive", "--all"])["moved"], 1);
    home.until("synced");
    assert_eq!(erp.orders().len(), 1);
    assert_eq!(home.json(&["dlq", "list"]).as_array().unwrap().len(), 0);
}

/// A canonical order of one article, changed at that minute, with these refunds of 1.00.
fn canonical(minute: u32, refunds: &[&str]) -> String {
    let payment = if refunds.is_empty() { "paid" } else { "partially_refunded" };
    let refunds: Vec<Value> = refunds.iter().map(|id| serde_json::json!({ "id": id, "amount": "1.00" })).collect();
    serde_json::json!({
        "schema": 1, "id": "1", "number": "#1", "currency": "EUR", "tax": "0", "total": "12.50",
        "placed_at": "2026-03-01T10:00:00Z", "updated_at": format!("2026-03-01T10:{minute:02}:00Z"),
        "status": "open", "payment": payment, "refunds": refunds,
        "customer": { "name": "Ana", "email": "ana@buyer.example" },
        "lines": [{ "id": "1", "sku": "A", "title": "A", "quantity": 1, "unit_price": "12.50", "amount": "12.50" }],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_note_that_a_person_booked_is_noted_and_shown_with_the_sale() {
    let erp = Erp::start(Config { products: vec!["A".to_owned()], ..Config::default() }).await.unwrap();
    let home = Home::new(&erp);
    let config = fs::read_to_string(home.path().join("puente.toml")).unwrap();
    let (before, _) = config.split_once("store = {").unwrap();
    let by_hand = "store = { kind = \"canonical\", api_keys = [{ file = \"secret\" }] }\n\
                   orders = { after = { refund = \"park\" } }\n";
    fs::write(home.path().join("puente.toml"), format!("{before}{by_hand}")).unwrap();
    let serving = home.serve();
    let send = |body: String| {
        fs::write(home.path().join("order.json"), body).unwrap();
        home.json(&["send", "--connection", "acme", "order.json", "--url", &serving.url]);
    };
    send(canonical(1, &[]));
    home.until("synced");
    send(canonical(2, &["9"]));
    let parked = home.until("parked");
    assert!(parked["reason"].as_str().unwrap().contains("by hand"), "{parked}");
    let calls = erp.calls().len();

    for (said, words) in [
        (["--refund", "10", "--document", "70"].as_slice(), "its refunds are: 9"),
        (&["--sale", "8"], "is on record already"),
    ] {
        let refused = home.fails(&[&["orders", "adopt", "acme/1"], said].concat());
        assert!(refused.contains("order acme/1: ") && refused.contains(words), "{refused}");
    }
    assert!(home.fails(&["orders", "adopt", "acme/2", "--edited"]).contains("was not seen yet"));
    for wrong in [
        [].as_slice(),
        &["--refund", "9"],
        &["--document", "70"],
        &["--edited", "--cancelled"],
        &["--edited", "--number", "CN-7"],
    ] {
        let output = home.run(&[&["orders", "adopt", "acme/1"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
    }
    assert_eq!(home.json(&["orders", "show", "acme/1"])["order"]["status"], "parked", "none of it was heard");

    let credit = ["orders", "adopt", "#1", "--refund", "9", "--document", "70", "--number", "CN-7", "--by", "maria"];
    let adopted = home.json(&credit);
    assert_eq!((&adopted["noted"], &adopted["result"]), (&"credit note CN-7 for refund 9".into(), &"queued".into()));
    home.until("synced");
    assert_eq!((erp.calls().len(), erp.orders().len()), (calls, 1), "the ERP was not asked");
    assert!(home.fails(&credit).contains("credit note CN-7 for refund 9 is on record already"));

    let story = home.json(&["orders", "show", "acme/1"]);
    let told = story["timeline"].as_array().unwrap().iter().find(|line| line["event"] == "noted").unwrap();
    assert_eq!(told["detail"], "credit note CN-7 for refund 9, noted by maria");
    assert_eq!((story["documents"].as_array().unwrap().len(), &story["open"]), (2, &Value::Null), "{story}");
    let shown = text(&home.run(&["orders", "show", "acme/1"]));
    for part in ["credit note for refund 9", "CN-7 (id 70)", "acme/1/refund/9", "as the store says now"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_ends_well_and_leaves_the_lease() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    let mut serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    home.until("synced");
    let asked = Command::new("kill").args(["-TERM", &serving.child.id().to_string()]).status().unwrap();
    assert!(asked.success() && serving.child.wait().unwrap().success());
    assert_eq!(home.json(&["quota"])[0]["conductor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_a_kill_and_arrives_once() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    // It arrives in the ERP, nobody is told, and serve is killed before it can ask.
    erp.next("POST /orders", Fault::HangAfter);
    let serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    // "Sending" says that it may be on its way: only the ERP says that it came.
    let began = Instant::now();
    while erp.orders().is_empty() {
        assert!(began.elapsed() < Duration::from_mins(2), "it never reached the ERP");
        std::thread::sleep(Duration::from_millis(10));
    }
    home.until("sending");
    drop(serving);
    let again = home.serve();
    home.until("synced");
    assert_eq!(erp.orders().len(), 1);
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_place_and_no_secret() {
    let erp = Erp::start(Config::default()).await.unwrap();
    let home = Home::new(&erp);
    let nobody = home.fails(&["send", "--connection", "acme", "--sample", "--url", "http://127.0.0.1:1"]);
    assert!(nobody.contains("is `puente serve` running there?") && !nobody.contains("canary"), "{nobody}");
    let unknown = home.fails(&["send", "--connection", "acmee", "--sample"]);
    assert!(unknown.contains("no connection `acmee`") && unknown.contains("acme"), "{unknown}");
    assert!(home.fails(&["orders", "list"]).contains("there is no data in puente-data"));
    // Nothing at all is no answer to a question for nothing.
    for none in [["orders", "list"], ["dlq", "list"], ["dlq", "redrive"]] {
        let none = home.run(&[none.as_slice(), &["--limit", "0"]].concat());
        assert_eq!(none.status.code(), Some(2), "{}", text(&none));
    }
    let other = home.fails(&["check", "--config", "other.toml"]);
    assert!(other.contains("other.toml: there is no such file"), "{other}");
    let beyond = home.fails(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(beyond.contains("PUENTE_OPERATOR_KEY") && !beyond.contains("acme"), "{beyond}");
    let open = home.fails(&["serve", "--listen", "0.0.0.0:0", "--open"]);
    assert!(open.contains("--open") && open.contains("PUENTE_OPERATOR_KEY"), "{open}");
    let output = puente()
        .current_dir(home.path())
        .args(["serve", "--open"])
        .env("PUENTE_OPERATOR_KEY", "a-canary-for-operators")
        .output();
    let both = text(&output.unwrap());
    assert!(both.contains("leave out one") && !both.contains("canary"), "{both}");
    let host = puente().args(["serve", "--host", "https://shop.example"]).output().unwrap();
    assert!(text(&host).contains("not a host's name such as shop.example"), "{}", text(&host));

    fs::remove_file(home.path().join("secret")).unwrap();
    let missing = home.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(missing.contains("puente.toml:") && missing.contains("webhook_secrets[0]"), "{missing}");
    assert!(!home.path().join("puente-data").exists(), "a mistake leaves nothing behind");

    fs::write(home.path().join("secret"), "a-secret-of-the-canary").unwrap();
    let nobody = home.fails(&["connections", "authorize", "acmee"]);
    assert!(nobody.contains("no connection `acmee`") && nobody.contains("there is: acme"), "{nobody}");
    let lasting = home.fails(&["connections", "authorize", "acme"]);
    assert!(lasting.contains("client_id and client_secret"), "{lasting}");
    assert!(!home.path().join("puente-data").exists(), "a mistake leaves nothing behind");
    erp.listen(false).await;
    let check = home.run(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(text(&check).contains("failed") && !text(&check).contains("canary"), "{}", text(&check));

    // An app whose tokens nobody gives: why is said once.
    let settings = fs::read_to_string(home.path().join("puente.toml")).unwrap();
    let app = "client_id = \"app-1\", client_secret = { file = \"secret\" }, api_url = \"http://127.0.0.1:1\"";
    let app = settings.replace("webhook_secrets = [{ file = \"secret\" }]", app);
    fs::write(home.path().join("app.toml"), app).unwrap();
    let check = home.run(&["check", "--config", "app.toml", "--json"]);
    let told: Value = serde_json::from_slice(&check.stdout).unwrap();
    let shop = &told["connections"][0];
    assert!(shop["answer"].as_str().unwrap().contains("cannot connect"), "{shop}");
    assert_eq!(shop["token"], "token: client credentials, not renewed", "{shop}");
}

/// What a command that fails says to programs: its exit code, title and detail.
fn problem(output: &Output) -> (Option<i32>, String, String) {
    assert!(output.stdout.is_empty(), "{}", text(output));
    let told: Value =
        serde_json::from_slice(&output.stderr).unwrap_or_else(|error| panic!("{error}: {}", text(output)));
    let word = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{name}: {told}")).to_owned();
    (output.status.code(), word("title"), word("detail"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_a_failure_is_json_too() {
    let erp = Erp::start(Config::default()).await.unwrap();
    let home = Home::new(&erp);
    let (code, title, detail) = problem(&home.run(&["orders", "list", "--json"]));
    assert_eq!((code, title.as_str()), (Some(1), "the configuration cannot be used"));
    assert!(detail.contains("there is no data in puente-data"), "{detail}");
    let (code, title, detail) = problem(&home.run(&["--json", "send", "--connection", "acmee", "--sample"]));
    assert_eq!((code, title.as_str()), (Some(1), "not found"));
    assert!(detail.contains("no connection `acmee`"), "{detail}");
    let (code, title, detail) = problem(&home.run(&["orders", "list", "--limit", "0", "--json"]));
    assert_eq!((code, title.as_str()), (Some(2), "the command line is wrong"));
    assert!(detail.contains("--limit") && !detail.starts_with("error"), "{detail}");
    // Asked for, and so no failure.
    let help = home.run(&["orders", "--json", "--help"]);
    assert!(help.status.success() && help.stderr.is_empty(), "{}", text(&help));
    // Without it, words.
    assert!(home.fails(&["orders", "list"]).starts_with("error: there is no data"));
}

#[test]
fn a_webhook_without_a_body_is_told_of_the_sample() {
    let output = puente().args(["send", "--connection", "acme"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("--sample"), "{}", text(&output));
    let both = puente().args(["send", "--connection", "acme", "order.json", "--sample"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2), "{}", text(&both));
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_nothing_can_answer_are_told_as_mistakes() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    let serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    home.until("synced");
    // A connection that is none is not asked of the stores.
    let nowhere = home.fails(&["orders", "show", "nope/1"]);
    assert!(nowhere.contains("no connection `nope`") && nowhere.contains("there is: acme"), "{nowhere}");
    assert!(!nowhere.contains("backfill"), "{nowhere}");
    assert!(home.fails(&["orders", "show", "acme/77"]).contains("was not seen yet"));
    // Days the wrong way round are no empty list; one day is a day.
    let round = home.fails(&["orders", "list", "--from", "2026-03-02", "--to", "2026-03-01"]);
    assert!(round.contains("--from 2026-03-02 is after --to 2026-03-01"), "{round}");
    let day = home.run(&["orders", "list", "--from", "2026-03-01", "--to", "2026-03-01"]);
    assert!(day.status.success(), "{}", text(&day));
    // A task says its name, and counts in words.
    let ran = home.json(&["tasks", "run", "sweep"]);
    assert_eq!(
        (&ran["task"], &ran["did"]),
        (&Value::from("sweep"), &Value::from("looked at 1 ERP account, woke 0")),
        "{ran}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_shown_compared_and_held() {
    let erp = Erp::start(selling()).await.unwrap();
    let home = Home::new(&erp);
    let path = home.path().join("puente.toml");
    let off = fs::read_to_string(&path).unwrap();
    let on = "\ngoods = { stock = \"show\", shipments = \"show\", prices = \"show\", \
              price = { currency = \"EUR\", tax = \"included\" } }\nstore = {";
    fs::write(&path, off.replace("\nstore = {", on)).unwrap();
    let serving = home.serve();
    home.json(&["send", "--connection", "acme", "--sample", "--url", &serving.url]);
    home.until("synced");
    let goods = home.json(&["goods", "list"]);
    let sku = goods[0]["article"].as_str().unwrap();
    // Its ERP was not asked yet: nobody knows what the store should have, so that nothing would be written.
    assert_eq!((&goods[0]["should"], &goods[0]["differs"]), (&Value::Null, &Value::from(false)), "{goods}");
    assert_eq!(home.json(&["goods", "diff"]), serde_json::json!([]));
    let whole = home.json(&["goods", "show", sku]);
    assert_eq!(whole[0]["commitments"][0]["order"]["connection"], "acme", "{whole}");
    let shown = text(&home.run(&["goods", "show", sku, "--connection", "acme"]));
    assert!(shown.contains(sku) && shown.contains("nothing yet"), "{shown}");
    assert!(home.fails(&["goods", "show", "NEVER-SEEN"]).contains("was not seen yet"));

    // Who holds it is told to whoever looks.
    assert_eq!(home.run(&["goods", "hold"]).status.code(), Some(2), "of which store?");
    let held = home.json(&["goods", "hold", "--connection", "acme", "--by", "ana"]);
    assert_eq!((&held[0]["held"], &held[0]["by"]), (&Value::from(true), &Value::from("ana")), "{held}");
    let shown = text(&home.run(&["goods", "list"]));
    assert!(shown.contains("by ana") && shown.contains("puente goods release"), "{shown}");
    let released = home.json(&["goods", "release", "--all"]);
    assert_eq!(released[0]["was_held"], Value::from(true), "{released}");

    // An ERP that cannot be asked, neither what is available nor what was sent, is named.
    let checked = text(&home.run(&["check"]));
    for part in ["goods.stock: ERP main", "goods.prices: ERP main", "goods.shipments: ERP main"] {
        assert!(checked.contains(part), "{part}: {checked}");
    }

    // Nobody was told any price yet.
    assert_eq!(home.json(&["prices", "list"]), serde_json::json!([]));
    let shown = text(&home.run(&["prices", "diff"]));
    assert!(shown.contains("every store has its prices"), "{shown}");
    let unknown = home.fails(&["prices", "release", "--connection", "acme", "NEVER-SEEN"]);
    assert!(unknown.contains("has not said a price"), "{unknown}");

    // Nothing was sent yet.
    assert_eq!(home.json(&["shipments", "list"]), serde_json::json!([]));
    let shown = text(&home.run(&["shipments", "list", "--stopped"]));
    assert!(shown.contains("nothing was sent"), "{shown}");
    let unknown = home.fails(&["shipments", "retry", "--connection", "acme", "1", "77"]);
    assert!(unknown.contains("was not seen yet"), "{unknown}");

    fs::write(&path, off).unwrap();
    for args in [
        &["goods", "list"][..],
        &["goods", "diff", "--connection", "acme"],
        &["goods", "hold", "--all"],
        &["prices", "list"],
        &["prices", "release", "--connection", "acme", "A"],
        &["shipments", "list"],
        &["shipments", "retry", "--connection", "acme", "1", "77"],
    ] {
        assert!(home.fails(args).contains("goods = {"), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_to_a_store_and_its_token_is_kept_where_nobody_reads_it() {
    let erp = Erp::start(Config::default()).await.unwrap();
    let home = Home::new(&erp);
    let (vendor, secret) = (puente::store::row("shopify").unwrap().kit, "a-secret-of-the-canary");
    let mut plan = Plan::new(vendor, "acme.myshopify.com", secret, 3, 1, "2026-01-31T10:00:00Z".parse().unwrap());
    let lives = Duration::from_hours(24);
    plan.app = Some(App { id: "app-1".into(), secret: secret.into(), own: true, lives });
    let shop = Shop::open(plan).serve().await.unwrap();
    let settings = fs::read_to_string(home.path().join("puente.toml")).unwrap();
    let app =
        format!("client_id = \"app-1\", client_secret = {{ file = \"secret\" }}, api_url = \"http://{}\"", shop.addr());
    let app = settings.replace("webhook_secrets = [{ file = \"secret\" }]", &app);
    fs::write(home.path().join("puente.toml"), app).unwrap();

    let answer = home.json(&["connections", "authorize", "acme"]);
    assert_eq!((&answer["connection"], &answer["kind"]), (&"acme".into(), &"client credentials".into()), "{answer}");
    assert!(answer["expires_at"].is_string(), "{answer}");
    let token = shop.tokens().unwrap().access().unwrap();
    assert!(!answer.to_string().contains(&token));
    let data = home.path().join("puente-data");
    assert!(data.join("token.key").exists());
    for entry in fs::read_dir(&data).unwrap() {
        let file = fs::read(entry.unwrap().path()).unwrap();
        assert!(!file.windows(token.len()).any(|bytes| bytes == token.as_bytes()));
    }
    // The same token serves whoever asks the store next.
    home.json(&["backfill", "--connection", "acme"]);
    assert_eq!(shop.tokens().unwrap().access().as_ref(), Some(&token));
}

#[test]
fn the_example_is_a_configuration() {
    let output = puente().args(["config", "example"]).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("[erp.") && text.contains("[connection.") && text.starts_with('#'), "{text}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("puente.toml"), &text).unwrap();
    let check = puente().current_dir(dir.path()).arg("check").output().unwrap();
    // Only what it refers to is missing.
    let words = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(words.lines().all(|line| line.contains("environment variable")), "{words}");
}
