//! What the Tryton connector sends, to the byte, and what it makes of answers that a healthy Tryton does not give.

use std::sync::{Arc, Mutex};

use puente::{
    domain::{document::Operation, order::ChargeKind},
    erp::{Draft, Erp, Job, SendError},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::{
    made::{charge, discount, line, order, sale, small},
    support::tryton::{Memory, PRODUCTS, connector, counted},
};

type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// Speaks as Tryton does, unless `twist` has another answer to a method with these parameters.
async fn pretend(
    twist: impl Fn(&str, &Value) -> Option<ResponseTemplate> + Send + Sync + 'static,
) -> (MockServer, Box<dyn Erp>, Requests) {
    let server = MockServer::start().await;
    let requests: Requests = Arc::default();
    let seen = requests.clone();
    let answer = move |request: &Request| {
        assert_eq!(request.headers["authorization"], "Basic cHVlbnRlOnNlY3JldA==");
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["accept-encoding"].to_str().unwrap().contains("gzip"));
        assert_eq!(request.url.path(), "/erp/rpc/");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        // With any other member Tryton would answer errors as HTTP statuses.
        assert_eq!(members, ["id", "method", "params"]);
        let (method, parameters) = (body["method"].as_str().unwrap().to_owned(), body["params"].clone());
        assert_eq!(parameters.as_array().unwrap().last(), Some(&json!({"company": 1, "language": "en"})));
        seen.lock().unwrap().push((method.clone(), parameters.clone()));
        twist(&method, &parameters).unwrap_or_else(|| says(healthy(&method, &parameters)))
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let section = format!(
        "url = \"{}\"\ndatabase = \"erp\"\nusername = \"puente\"\npassword = {{ literal = \"secret\" }}\nweb_shop = \"Web\"\n\
         taxes = {{ \"0.21\" = \"VAT\" }}\n{PRODUCTS}\n",
        server.uri()
    );
    let erp = connector(&section);
    (server, erp, requests)
}

fn says(result: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"id": 1, "result": result}))
}

fn complains(error: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"id": 1, "error": error}))
}

fn user_error(message: &str) -> ResponseTemplate {
    complains(json!(["UserError", [message, "", null]]))
}

/// The ids of a call on records.
fn ids_of(parameters: &Value) -> Vec<i64> {
    parameters[0].as_array().unwrap().iter().filter_map(Value::as_i64).collect()
}

fn healthy(method: &str, parameters: &Value) -> Value {
    let exact = |text: &str| json!({"__class__": "Decimal", "decimal": text});
    let count = parameters[0].as_array().map_or(0, Vec::len);
    match method {
        "model.web.shop.search_read" => json!([{"id": 7, "company": 1, "warehouses": [5]}]),
        "model.account.configuration.read" => json!([{"id": 1, "tax_rounding": "document"}]),
        "model.currency.currency.search_read" => json!([{"id": 3, "code": "EUR", "rounding": exact("0.01")}]),
        "model.account.tax.search_read" => json!([{"id": 11, "name": "VAT", "type": "percentage", "sequence": null,
            "rate": exact("0.21"), "update_unit_price": 0, "childs": []}]),
        "model.product.product.search_read" => parameters[0][0][2]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(n, code)| json!({"id": 100 + n, "code": code, "salable": true, "sale_uom.": {"id": 1, "digits": 0}}))
            .collect(),
        "model.country.country.search_read" => json!([{"id": 32, "code": "AR"}]),
        "model.party.party.search_read" => json!([]),
        "model.party.party.create" => (0..count).map(|n| json!(200 + n)).collect(),
        "model.party.address.create" => (0..count).map(|n| json!(300 + n)).collect(),
        "model.sale.sale.create" => (0..count).map(|n| json!(400 + n)).collect(),
        "model.sale.sale.search_read" => {
            let ids: Vec<i64> = parameters[0][0][2].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
            let sale = |id: &i64| {
                json!({"id": id, "web_id": null, "number": format!("S{id}"), "state": "quotation",
                    "total_amount": exact("24.20"), "lines.": [{"id": 1, "note": null}]})
            };
            ids.iter().map(sale).collect()
        }
        "model.sale.sale.quote" | "model.sale.sale.confirm" | "model.sale.sale.process" => Value::Null,
        other => panic!("{other}"),
    }
}

async fn drafts(erp: &dyn Erp, sales: &[Job]) -> Vec<Draft> {
    let (way, _) = counted();
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, sales, false).await;
    answers.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn one_order_is_exactly_these_requests() {
    let (_server, erp, requests) = pretend(|_, _| None).await;
    let mut order = order(
        "EUR",
        false,
        vec![line("ART-01", "3", "29.97", Some(("0.21", "6.29")))],
        vec![charge(ChargeKind::Shipping, "4.99", Some(("0.21", "1.05")))],
    );
    order.id = "820982911946154508".parse().unwrap();
    order.number = "#1001".to_owned();
    let customer = order.customer.as_mut().unwrap();
    (customer.id, customer.email) = (Some("115310627314723954".to_owned()), Some("ada@example.com".to_owned()));
    order.discounts = vec![discount("LOYAL", "1.00")];
    crate::made::add_up(&mut order);
    let (way, _) = counted();
    let mut sale = sale(order);
    sale.version = "2026-05-07T01:30:00.000000Z/00000/00112233aabbccdd".parse().unwrap();
    let drafts = drafts(&*erp, &[sale]).await;
    let documents: Vec<_> =
        erp.send(&way.calls(), Operation::Create, &drafts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!((documents[0].id.as_str(), documents[0].number.as_deref()), ("400", Some("S400")));
    let sent: Vec<Value> = requests
        .lock()
        .unwrap()
        .iter()
        .map(|(method, parameters)| json!({"method": method, "params": parameters}))
        .collect();
    insta::assert_json_snapshot!(sent);
}

#[tokio::test]
async fn a_failure_while_creating_leaves_doubt_and_a_refusal_none() {
    type Twist = fn() -> ResponseTemplate;
    let cases: [(Twist, &str); 8] = [
        (|| ResponseTemplate::new(502), "unknown"),
        (|| ResponseTemplate::new(504), "unknown"),
        (|| ResponseTemplate::new(200).set_body_string("<html>welcome</html>"), "unknown"),
        (|| ResponseTemplate::new(423), "not now"),
        (|| ResponseTemplate::new(429).insert_header("retry-after", "30"), "account"),
        (|| complains(json!(["ConcurrencyException", "Record modified"])), "not now"),
        (|| user_error("The web ID on the sale must be unique per shop."), "exists"),
        (|| user_error("The period is closed."), "refused"),
    ];
    for (twist, meaning) in cases {
        let broken = move |method: &str, _: &Value| (method == "model.sale.sale.create").then(twist);
        let (_server, erp, _) = pretend(broken).await;
        let drafts = drafts(&*erp, &[sale(small()), sale(small())]).await;
        let (way, _) = counted();
        for answer in erp.send(&way.calls(), Operation::Create, &drafts).await {
            let is = match answer.unwrap_err() {
                SendError::Refused(_) => "refused",
                SendError::NotNow(_) => "not now",
                SendError::Account(_) => "account",
                SendError::Ambiguous(_) => "ambiguous",
                SendError::Unknown(_) => "unknown",
                SendError::Exists => "exists",
            };
            assert_eq!(is, meaning);
        }
    }
}

#[tokio::test]
async fn once_created_every_failure_is_in_doubt() {
    // Whatever happens to the calls after it, the sales are there.
    for method in ["quote", "search_read", "confirm"] {
        for status in [401, 423, 429, 500] {
            let failing = format!("model.sale.sale.{method}");
            let (_server, erp, _) =
                pretend(move |method, _| (method == failing).then(|| ResponseTemplate::new(status))).await;
            let drafts = drafts(&*erp, &[sale(small())]).await;
            let (way, _) = counted();
            let answers = erp.send(&way.calls(), Operation::Create, &drafts).await;
            assert!(matches!(&answers[0], Err(SendError::Unknown(_))), "{method} {status}: {answers:?}");
        }
    }
}

#[tokio::test]
async fn a_sale_that_tryton_will_not_confirm_does_not_hold_the_others() {
    let guilty = |method: &str, parameters: &Value| {
        let asked = method == "model.sale.sale.confirm" && ids_of(parameters).contains(&402);
        asked.then(|| user_error("The customer is over its credit limit."))
    };
    let (_server, erp, requests) = pretend(guilty).await;
    let sales: Vec<Job> = (0..8).map(|_| sale(small())).collect();
    let drafts = drafts(&*erp, &sales).await;
    let (way, _) = counted();
    let answers = erp.send(&way.calls(), Operation::Create, &drafts).await;
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Err(SendError::Refused(error)) if n == 2 => {
                let text = error.to_string();
                assert!(text.contains("refuses to confirm") && text.contains("credit limit"), "{text}");
            }
            other => assert!(other.is_ok() && n != 2, "{n}: {other:?}"),
        }
    }
    let confirms = requests.lock().unwrap().iter().filter(|(method, _)| method.ends_with("confirm")).count();
    // All, then halves: at most 2 log2 8 more.
    assert!(confirms <= 7, "{confirms}");
}

#[tokio::test]
async fn a_customer_that_tryton_refuses_does_not_hold_the_others() {
    let guilty = |method: &str, parameters: &Value| {
        let asked = method == "model.party.party.create" && parameters.to_string().contains("canary@");
        asked.then(|| user_error("The email address \"canary@example\" of party \"Jane Canary\" is not valid."))
    };
    let (_server, erp, _) = pretend(guilty).await;
    let mut orders: Vec<_> = (0..5).map(|_| small()).collect();
    orders[3].customer.as_mut().unwrap().email = Some("canary@example".to_owned());
    let sales: Vec<Job> = orders.into_iter().map(sale).collect();
    let (way, _) = counted();
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, &sales, false).await;
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Err(SendError::Refused(error)) if n == 3 => {
                let text = error.to_string();
                assert!(text.contains("customer") && !text.to_lowercase().contains("canary"), "{text}");
            }
            other => assert!(other.is_ok() && n != 3, "{n}: {other:?}"),
        }
    }
    // A customer whose creation is in doubt: of the sale nothing was sent, and the doubt is told.
    let lost = |method: &str, _: &Value| (method == "model.party.party.create").then(|| ResponseTemplate::new(504));
    let (_server, erp, _) = pretend(lost).await;
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, &sales[..1], false).await;
    assert!(matches!(&answers[0], Err(SendError::Unknown(_))), "{answers:?}");
    // A read that fails is no doubt at all.
    let down =
        |method: &str, _: &Value| (method == "model.party.party.search_read").then(|| ResponseTemplate::new(500));
    let (_server, erp, _) = pretend(down).await;
    let answers = erp.prepare(&way.with(&Memory::default()), Operation::Create, &sales[..1], false).await;
    assert!(matches!(&answers[0], Err(SendError::NotNow(_))), "{answers:?}");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    // An article is made salable after its order was parked: the replay must see it.
    let asked = Arc::new(Mutex::new(0));
    let twist = move |method: &str, _: &Value| {
        (method == "model.product.product.search_read").then(|| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let salable = *asked > 1;
            says(json!([{"id": 1, "code": "ART-01", "salable": salable, "sale_uom.": {"id": 1, "digits": 0}}]))
        })
    };
    let (_server, erp, _) = pretend(twist).await;
    let (way, _) = counted();
    let (ids, order) = (Memory::default(), sale(small()));
    let first = erp.prepare(&way.with(&ids), Operation::Create, std::slice::from_ref(&order), false).await;
    assert!(matches!(&first[0], Err(SendError::Refused(_))), "{first:?}");
    let second = erp.prepare(&way.with(&ids), Operation::Create, &[order], false).await;
    assert!(second[0].is_ok(), "{second:?}");
}

#[tokio::test]
async fn nothing_to_do_takes_no_call() {
    let (_server, erp, requests) = pretend(|_, _| None).await;
    let (way, _) = counted();
    assert!(erp.prepare(&way.with(&Memory::default()), Operation::Create, &[], false).await.is_empty());
    assert!(erp.send(&way.calls(), Operation::Create, &[]).await.is_empty());
    assert!(erp.finish(&way.calls(), Operation::Create, &[]).await.is_empty());
    assert!(erp.look_up(&way.calls(), &[]).await.unwrap().is_empty());
    assert!(requests.lock().unwrap().is_empty());
}

#[test]
fn a_wrong_section_names_its_key() {
    let row = puente::erp::ERPS.iter().find(|row| row.kind == "tryton").unwrap();
    let build = |text: &str| {
        let section = puente::config::Section::from_toml(text).unwrap();
        (row.build)(&section).err().map(|error| error.to_string())
    };
    assert_eq!(build(row.example), None);
    for (from, to, told) in [
        ("timeout = \"60s\"", "timeout = 0", "timeout"),
        ("timeout = \"60s\"", "timeout = \"soon\"", "timeout"),
        ("bulk = 100", "bulk = 0", "bulk"),
        ("http://127.0.0.1:8000", "not an address", "url"),
        ("http://127.0.0.1:8000", "ftp://127.0.0.1", "url"),
        ("state = \"confirmed\"", "state = \"shipped\"", "state"),
        ("web_shop =", "webshop =", "webshop"),
        ("shipping =", "shiping =", "shiping"),
    ] {
        assert!(row.example.contains(from), "{from}");
        let error = build(&row.example.replace(from, to)).unwrap_or_else(|| panic!("{to} is accepted"));
        assert!(error.contains(told), "{error}");
    }
}
