//! Odoo before 19, which speaks JSON-RPC. These versions are **not run here**: a fixture answers with the shapes that servers of 14, 17
//! and 18 were seen to answer with. What is shown is what the connector sends to them and what it makes of their answers, and not what
//! they would do with it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use puente::{
    config::Section,
    domain::{
        document::{Booked, Document, DocumentKind, Operation},
        reason::Why,
    },
    erp::{Draft, ERPS, Erp, Job, SendError},
};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{
    life::{Answer, why},
    made::{line, order, sale, small},
    odoo_life::{cancelling, pieces},
    support::tryton::{Memory, counted},
};

const VERSIONS: [u32; 3] = [14, 17, 18];
const KEY: &str = "the-key-that-is-accepted-now";
const NEXT_KEY: &str = "the-key-that-replaces-it-then";
/// The integration user's id, and the order's.
const USER: i64 = 7;
const ORDER: i64 = 31;

/// A call of a method of a model.
#[derive(Clone, Debug)]
struct Asked {
    /// `sale.order.load`.
    what: String,
    positional: Value,
    named: Value,
}

/// What the fixture has been told to say, and what it was asked.
struct Script {
    major: u32,
    key: Mutex<&'static str>,
    /// By method: answers in their order, of which the last one stays.
    answers: Mutex<HashMap<String, VecDeque<Value>>>,
    asked: Mutex<Vec<Asked>>,
    /// Every path, service and method.
    log: Mutex<Vec<String>>,
}

fn result(value: Value) -> Value {
    json!({"result": value})
}

/// An error as these versions say it: inside of HTTP 200.
fn error(name: &str, message: &str) -> Value {
    let data = json!({"name": name, "message": message, "arguments": [message], "context": {}, "debug": "Traceback"});
    json!({"error": {"code": 200, "message": "Odoo Server Error", "data": data}})
}

impl Script {
    fn answer(&self, service: &str, method: &str, args: &[Value]) -> Value {
        match (service, method) {
            ("common", "version") => result(json!({"server_version": format!("{}.0", self.major)})),
            ("common", "authenticate") => {
                let known = args[..2] == [json!("x"), json!("puente")] && args[2] == *self.key.lock().unwrap();
                result(if known { json!(USER) } else { json!(false) })
            }
            ("object", "execute_kw") => {
                assert_eq!(args[..2], [json!("x"), json!(USER)]);
                if args[2] != *self.key.lock().unwrap() {
                    return error("odoo.exceptions.AccessDenied", "Access Denied");
                }
                let what = format!("{}.{}", args[3].as_str().unwrap(), args[4].as_str().unwrap());
                let answer = self.next(&what);
                self.asked.lock().unwrap().push(Asked { what, positional: args[5].clone(), named: args[6].clone() });
                answer
            }
            other => panic!("{other:?}"),
        }
    }

    fn next(&self, what: &str) -> Value {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(what).unwrap_or_else(|| panic!("nobody expects {what}"));
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }
}

/// The script as the server has it.
struct Told(Arc<Script>);

impl Respond for Told {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path();
        if path != "/jsonrpc" {
            self.0.log.lock().unwrap().push(path.to_owned());
            // 18 answers as if it had JSON-2; 14 and 17 do not.
            return ResponseTemplate::new(if self.0.major == 18 { 200 } else { 404 });
        }
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((call["jsonrpc"].as_str(), call["method"].as_str()), (Some("2.0"), Some("call")));
        let params = &call["params"];
        let (service, method) = (params["service"].as_str().unwrap(), params["method"].as_str().unwrap());
        self.0.log.lock().unwrap().push(format!("{service}.{method}"));
        let mut answer = self.0.answer(service, method, params["args"].as_array().unwrap());
        (answer["jsonrpc"], answer["id"]) = (json!("2.0"), call["id"].clone());
        ResponseTemplate::new(200).set_body_json(answer)
    }
}

/// A connector before a fixture.
struct Before {
    major: u32,
    server: MockServer,
    script: Arc<Script>,
    erp: Box<dyn Erp>,
    memory: Memory,
}

fn connector(server: &MockServer, more: &str) -> Box<dyn Erp> {
    let section = format!(
        "url = \"{}\"\ndatabase = \"x\"\nusername = \"puente\"\napi_key = {{ literal = \"{KEY}\" }}\n\
         next_api_key = {{ literal = \"{NEXT_KEY}\" }}\nproducts = {{ rounding = \"ROUNDING\" }}\n\
         taxes = {{ \"0.21\" = \"VAT 21%\" }}\n{more}",
        server.uri()
    );
    let row = ERPS.iter().find(|row| row.kind == "odoo").expect("a row for Odoo");
    (row.build)(&Section::from_toml(&section).unwrap()).unwrap()
}

impl Before {
    async fn of(major: u32) -> Self {
        let script = Script {
            major,
            key: Mutex::new(KEY),
            answers: Mutex::default(),
            asked: Mutex::default(),
            log: Mutex::default(),
        };
        let (server, script) = (MockServer::start().await, Arc::new(script));
        wiremock::Mock::given(any()).respond_with(Told(script.clone())).mount(&server).await;
        let before = Self { major, erp: connector(&server, ""), server, script, memory: Memory::default() };
        let tax = json!({"id": 5, "name": "VAT 21%", "amount": 21.0, "amount_type": "percent", "price_include": false,
            "include_base_amount": false, "sequence": 1});
        let product = |id, code| json!({"id": id, "default_code": code, "active": true, "sale_ok": true});
        for (what, found) in [
            (
                "res.company",
                json!([{"id": 1, "name": "Tienda", "currency_id": [1, "EUR"],
                "tax_calculation_rounding_method": "round_per_line"}]),
            ),
            ("res.users.apikeys", json!([])),
            ("decimal.precision", json!([{"id": 1, "digits": 2}])),
            ("account.tax", json!([tax])),
            ("product.product", json!([product(4, "ART-01"), product(9, "ROUNDING")])),
            ("res.country", json!([{"id": 10, "code": "AR"}])),
            (
                "res.country.state",
                json!([{"id": 554, "code": "B", "name": "Buenos Aires", "country_id": [10, "Argentina"]}]),
            ),
        ] {
            before.says(&format!("{what}.search_read"), [result(found)]);
        }
        before.says("res.partner.load", [loaded(&[7, 8])]);
        before
    }

    /// What a method answers from now on.
    fn says(&self, what: &str, answers: impl IntoIterator<Item = Value>) {
        self.script.answers.lock().unwrap().insert(what.to_owned(), answers.into_iter().collect());
    }

    /// How the order stands, each time it is read.
    fn stands(&self, states: &[(&Job, &str)]) {
        let record = |(job, state): &(&Job, &str)| {
            let mark = format!("puente {} {} {}", job.version, job.order.total, job.order.number);
            let mut record = json!({"id": ORDER, "name": "S00031", "state": state, "origin": mark,
                "client_order_ref": job.step.reference, "currency_id": [1, "EUR"]});
            record["amount_total"] = serde_json::from_str(&job.order.total.to_string()).unwrap();
            if self.major >= 17 {
                record["locked"] = json!(false);
            }
            result(json!([record]))
        };
        self.says("sale.order.search_read", states.iter().map(record));
    }

    /// Its one line, named as the load named it.
    fn has_a_line(&self) {
        let load = self.asked("sale.order.load").remove(0);
        let fields = load.named["fields"].as_array().unwrap().clone();
        let column = fields.iter().position(|field| field == "order_line/id").unwrap();
        let name = load.named["data"][0][column].clone();
        let line = json!({"id": 41, "order_id": [ORDER, "S00031"], "product_id": [4, "Article"], "product_uom_qty": 2.0,
            "price_unit": 10.0, "tax_id": [5], "name": "Article", "qty_delivered": 0.0, "qty_invoiced": 0.0});
        self.says("sale.order.line.search_read", [result(json!([line]))]);
        self.says("sale.order.line.get_external_id", [result(json!({"41": name}))]);
    }

    /// The calls of a method so far.
    fn asked(&self, what: &str) -> Vec<Asked> {
        self.script.asked.lock().unwrap().iter().filter(|asked| asked.what == what).cloned().collect()
    }

    async fn prepare(&self, job: &Job) -> Result<Draft, SendError> {
        let (way, _) = counted();
        let (calls, operation) = (way.with(&self.memory), job.step.operation());
        self.erp.prepare(&calls, operation, std::slice::from_ref(job), false).await.remove(0)
    }

    async fn send(&self, job: &Job) -> Answer {
        let draft = self.prepare(job).await?;
        self.send_draft(job.step.operation(), draft).await
    }

    async fn send_draft(&self, operation: Operation, draft: Draft) -> Answer {
        let (way, _) = counted();
        self.erp.send(&way.with(&self.memory), operation, &[draft]).await.remove(0)
    }

    /// Sold and confirmed.
    async fn sold(&self) -> (Job, Booked) {
        let job = sale(small());
        self.says("sale.order.load", [loaded(&[ORDER])]);
        self.says("sale.order.action_confirm", [result(json!(true))]);
        self.stands(&[(&job, "draft")]);
        let document = self.send(&job).await.unwrap();
        assert_eq!(document, Document { id: ORDER.to_string(), number: Some("S00031".to_owned()) });
        self.has_a_line();
        let (reference, version) = (job.step.reference.clone(), Some(job.version.clone()));
        (job, Booked { reference, kind: DocumentKind::Sale, version, document, cancelled: false })
    }
}

/// What a `load` answers.
fn loaded(ids: &[i64]) -> Value {
    result(json!({"ids": ids, "messages": [], "nextrow": 0}))
}

#[tokio::test]
async fn the_version_decides_the_protocol() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        let (way, counter) = counted();
        let told = before.erp.probe(&way.with(&before.memory)).await.unwrap();
        assert_eq!(told.words, format!("Odoo {major}, company Tienda"));
        assert_eq!(counter.take(), 4);
        let calls = ["common.version", "common.authenticate", "object.execute_kw", "object.execute_kw"];
        assert_eq!(*before.script.log.lock().unwrap(), calls, "{major}");
        // Another process, which remembers it.
        let again = connector(&before.server, "").probe(&way.with(&before.memory)).await.unwrap();
        assert_eq!((again, counter.take()), (told, 2));
        let context = &before.asked("res.company.search_read")[0].named["context"];
        assert_eq!(*context, json!({"allowed_company_ids": [1], "tz": "UTC"}));
    }
}

#[tokio::test]
async fn a_log_in_that_is_none_is_the_accounts_matter() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        *before.script.key.lock().unwrap() = "another";
        let (way, counter) = counted();
        let error = before.erp.probe(&way.with(&before.memory)).await.unwrap_err();
        assert!(error.to_string().contains("api_key"), "{error}");
        assert_eq!(counter.take(), 3, "the version, and each key once");
        // Nothing of it is remembered.
        *before.script.key.lock().unwrap() = NEXT_KEY;
        before.erp.probe(&way.with(&before.memory)).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_ends_is_replaced_by_the_next_while_orders_come() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        let (job, booked) = before.sold().await;
        *before.script.key.lock().unwrap() = NEXT_KEY;
        before.stands(&[(&job, "sale"), (&job, "cancel")]);
        before.says("sale.order.action_cancel", [result(json!(true))]);
        assert_eq!(before.send(&cancelling(&job, &booked)).await.unwrap(), booked.document);
        let denied = before.script.log.lock().unwrap().len();
        before.send(&cancelling(&job, &booked)).await.unwrap();
        let calls = before.script.log.lock().unwrap().len() - denied;
        assert_eq!(calls, 2, "the key that was accepted is tried first");
    }
}

#[tokio::test]
async fn a_sale_is_loaded_with_the_names_and_prices_of_before_19() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        // A third of ten is no price of two decimals.
        let lines = vec![line("ART-01", "3", "10.00", Some(("0.21", "2.10")))];
        let job = sale(order("EUR", false, lines, vec![]));
        before.says("sale.order.load", [loaded(&[ORDER])]);
        before.says("sale.order.action_confirm", [result(json!(true))]);
        before.stands(&[(&job, "draft")]);
        before.send(&job).await.unwrap();
        let load = before.asked("sale.order.load").remove(0);
        let fields = load.named["fields"].as_array().unwrap();
        let column = |name: &str| fields.iter().position(|field| field == name);
        assert!(column("order_line/tax_ids/.id").is_none(), "the name of 19");
        assert_eq!(load.positional, json!([]));
        let context = json!({"allowed_company_ids": [1], "tz": "UTC", "noupdate": true, "mode": "update"});
        assert_eq!(load.named["context"], context);
        let columns = ["product_id/.id", "product_uom_qty", "price_unit", "tax_id/.id"];
        let columns = columns.map(|name| column(&format!("order_line/{name}")).unwrap());
        let rows = load.named["data"].as_array().unwrap();
        let told: Vec<_> = rows.iter().map(|row| columns.map(|at| row[at].as_str().unwrap())).collect();
        assert_eq!(told, [["4", "2", "3.33", "5"], ["4", "1", "3.34", "5"]], "{major}");
        let read = before.asked("sale.order.search_read").remove(0);
        let asks_lock = read.named["fields"].as_array().unwrap().contains(&json!("locked"));
        assert_eq!(asks_lock, major >= 17, "before 17 it is a state, and no field");
        let confirm = before.asked("sale.order.action_confirm").remove(0);
        assert_eq!(confirm.positional, json!([[ORDER]]));
    }
}

#[tokio::test]
async fn a_method_that_returns_nothing_has_no_result_and_was_done() {
    for major in [17, 18] {
        let before = Before::of(major).await;
        let job = sale(small());
        before.says("sale.order.load", [loaded(&[ORDER])]);
        before.says("sale.order.action_confirm", [json!({})]);
        before.stands(&[(&job, "draft")]);
        assert_eq!(before.send(&job).await.unwrap().id, ORDER.to_string());
    }
}

#[tokio::test]
async fn a_cancellation_that_is_answered_with_a_question_is_in_doubt() {
    let wizard = json!({"type": "ir.actions.act_window", "res_model": "sale.order.cancel", "view_mode": "form", "target": "new"});
    for major in VERSIONS {
        let before = Before::of(major).await;
        let (job, booked) = before.sold().await;
        let cancellation = cancelling(&job, &booked);
        before.says("sale.order.action_cancel", [result(wizard.clone())]);
        before.stands(&[(&job, "sale")]);
        let answer = before.send(&cancellation).await;
        assert!(matches!(answer, Err(SendError::Unknown(_))), "{major}: {answer:?}");
        let asked = before.asked("sale.order.action_cancel").remove(0);
        assert_eq!(asked.positional, json!([[ORDER]]));
        assert_eq!(asked.named["context"]["disable_cancel_warning"], json!(true));
        let lines = before.asked("sale.order.line.search_read").remove(0);
        let fields = lines.named["fields"].as_array().unwrap();
        assert!(fields.contains(&json!("tax_id")) && !fields.contains(&json!("tax_ids")), "{fields:?}");
        // With the answer and the state that it has where it is done.
        before.says("sale.order.action_cancel", [result(json!(true))]);
        before.stands(&[(&job, "sale"), (&job, "cancel")]);
        assert_eq!(before.send(&cancellation).await.unwrap(), booked.document);
    }
}

#[tokio::test]
async fn a_confirmed_order_whose_delivery_would_not_follow_waits_for_a_person() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        let (job, booked) = before.sold().await;
        let change = pieces(&job, &booked, "3", "30.00", "6.30");
        before.stands(&[(&job, "sale"), (&change, "sale")]);
        let answer = before.send(&change).await;
        let loads = before.asked("sale.order.load");
        if major == 18 {
            assert_eq!(answer.unwrap(), booked.document);
            let context = json!({"allowed_company_ids": [1], "tz": "UTC", "noupdate": true});
            assert_eq!(loads[1].named["context"], context, "what is there is changed");
        } else {
            let Why::TooLate { because, .. } = why(&answer) else { panic!("{answer:?}") };
            assert_eq!(because, "it is confirmed, and its delivery would not follow", "{major}");
            assert_eq!(loads.len(), 1, "nothing is written");
        }
    }
}

#[tokio::test]
async fn a_quotation_is_changed_in_every_version() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        let (job, booked) = before.sold().await;
        let change = pieces(&job, &booked, "3", "30.00", "6.30");
        before.stands(&[(&job, "draft"), (&change, "draft")]);
        assert_eq!(before.send(&change).await.unwrap(), booked.document);
        assert_eq!(before.asked("sale.order.load").len(), 2);
    }
}

/// What an answer is called, for a table.
fn class<T>(answer: &Result<T, SendError>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(SendError::Refused(_)) => "refused",
        Err(SendError::NotNow(_)) => "not now",
        Err(SendError::Account(_)) => "account",
        Err(SendError::Ambiguous(_)) => "ambiguous",
        Err(SendError::Unknown(_)) => "unknown",
        Err(SendError::Exists) => "exists",
    }
}

/// An error, and what it means of a call that reads, of a load, and of one after the document was written. What a load refuses of one order
/// it says in its answer: an exception is said of all of them.
const ERRORS: [(&str, &str, [&str; 3]); 9] = [
    ("odoo.exceptions.AccessDenied", "Access Denied", ["account", "account", "unknown"]),
    ("odoo.exceptions.AccessError", "You are not allowed to", ["ambiguous", "ambiguous", "refused"]),
    ("odoo.exceptions.UserError", "The period is locked", ["ambiguous", "ambiguous", "refused"]),
    ("odoo.exceptions.ValidationError", "A field is missing", ["ambiguous", "ambiguous", "refused"]),
    ("odoo.exceptions.MissingError", "Record does not exist", ["not now", "not now", "unknown"]),
    ("psycopg2.errors.SerializationFailure", "could not serialize access", ["not now", "not now", "unknown"]),
    ("psycopg2.errors.DeadlockDetected", "deadlock detected", ["not now", "not now", "unknown"]),
    // The connection to the database is gone: whether it committed before, nobody knows.
    ("psycopg2.OperationalError", "server closed the connection", ["not now", "unknown", "unknown"]),
    ("builtins.ValueError", "a secret of the server's", ["ambiguous", "ambiguous", "refused"]),
];

#[tokio::test]
async fn an_error_inside_of_a_200_is_what_its_name_says() {
    for major in VERSIONS {
        for (name, message, meant) in ERRORS {
            let said = error(name, message);
            let job = sale(small());
            let before = Before::of(major).await;
            before.says("account.tax.search_read", [said.clone()]);
            let read = before.prepare(&job).await.map(drop);

            let before = Before::of(major).await;
            let draft = before.prepare(&job).await.unwrap();
            before.says("sale.order.load", [said.clone()]);
            let written = before.send_draft(Operation::Create, draft.clone()).await.map(drop);

            before.says("sale.order.load", [loaded(&[ORDER])]);
            before.stands(&[(&job, "draft")]);
            before.says("sale.order.action_confirm", [said]);
            let after = before.send_draft(Operation::Create, draft).await.map(drop);

            let answers = [&read, &written, &after];
            assert_eq!(answers.map(class), meant, "{major} {name}: {answers:?}");
            for answer in answers {
                let words = answer.as_ref().unwrap_err().error().unwrap().to_string();
                assert!(!words.contains("secret") && !words.contains("Traceback"), "{words}");
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_is_busy_says_so_inside_of_a_load_and_nothing_happened() {
    for major in VERSIONS {
        let before = Before::of(major).await;
        let words = "could not serialize access due to concurrent update\n";
        let busy = json!({"ids": false, "messages": [{"type": "error", "record": 0, "message": words}]});
        before.says("sale.order.load", [result(busy)]);
        let answer = before.send(&sale(small())).await;
        assert_eq!(class(&answer), "not now", "{answer:?}");
    }
}
