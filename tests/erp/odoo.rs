//! The whole path into a real Odoo, in both of its protocols: to the cent, each order once, in few calls.

use std::sync::Arc;

use puente::{
    domain::{document::Operation, ids::OrderKey, order::Order, record::State},
    erp::{Draft, ERPS, Erp, SendError},
    ports::Records,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use crate::{
    flow::{Inside, ONE_AT_A_TIME, OWN},
    made::{amount, line, order, sale},
    real::{Real, digits},
    support::{
        odoo::{Odoo, odoo},
        tryton::{Memory, counted},
        venv::say,
    },
};

const ORDERS: usize = 100;

fn connector(odoo: &Odoo, more: &str) -> Box<dyn Erp> {
    let row = ERPS.iter().find(|row| row.kind == "odoo").expect("a row for Odoo");
    (row.build)(&puente::config::Section::from_toml(&odoo.section(more)).expect("TOML")).expect("a connector")
}

/// An order of somebody whose customers come again; every one another total, with one state before it.
fn state(at: usize, edited: bool) -> Order {
    let net = 1990 + i64::try_from(at % 83).unwrap() * 7;
    let tax = (net * 3 * 21 + 50) / 100;
    let cents = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let first = line(&format!("ART-{:02}", at % 19 + 1), "3", &cents(net * 3), Some(("0.21", cents(tax).as_str())));
    let mut order = order("EUR", false, vec![first, line("ART-20", "1", "9.99", None)], vec![]);
    order.id = format!("{}", 40_000 + at).parse().unwrap();
    order.number = format!("#{at}");
    order.customer.as_mut().unwrap().id = Some(format!("c{}", at % 30));
    if !edited {
        order.payment = puente::domain::order::Payment::Pending;
        order.updated_at = puente::domain::time::Stamp::parse("2026-05-06T21:30:00-03:00").unwrap();
    }
    order
}

/// A hundred orders, each state three times, out of order: one sale each, with the store's total, in 0.05 calls an order.
async fn a_hundred(protocol: &str) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(odoo) = Odoo::start() else { return };
    let inside = Inside::of(&odoo, &format!("protocol = \"{protocol}\"\n"), &OWN);
    let mut bodies: Vec<String> = (0..ORDERS)
        .flat_map(|at| [false, true].map(|edited| serde_json::to_string(&state(at, edited)).unwrap()))
        .flat_map(|body| std::iter::repeat_n(body, 3))
        .collect();
    bodies.shuffle(&mut StdRng::seed_from_u64(19));
    for body in &bodies {
        inside.arrive(body).await;
    }
    let first = inside.depart().await.calls;
    let books = odoo.books().await;
    for at in 0..ORDERS {
        let order = state(at, true);
        let key = OrderKey::new("acme".parse().unwrap(), order.id.clone());
        let head = inside.data.head(&key).await.unwrap().unwrap();
        assert_eq!(head.state(), State::Synced, "{key}: {:?}", head.reason);
        assert_eq!(books.net[key.sale().as_str()], order.total, "{key}");
        assert_eq!(books.documents[key.sale().as_str()], 1, "{key}");
    }
    assert_eq!(books.documents.len(), ORDERS);
    let states = odoo.search("sale.order", json!([["state", "=", "sale"]]), json!(["picking_ids"])).await;
    assert_eq!(states.len(), ORDERS, "all are confirmed");
    assert!(states.iter().all(|sale| sale["picking_ids"].as_array().unwrap().len() == 1), "one delivery each");
    // What is known by now is not asked for again: another hundred of the same customers and articles.
    for at in ORDERS..2 * ORDERS {
        inside.arrive(&serde_json::to_string(&state(at, true)).unwrap()).await;
    }
    let second = inside.depart().await.calls;
    say(&format!("{ORDERS} orders into Odoo over {protocol}: {first} calls, and {second} for the next {ORDERS}."));
    assert!(second <= 5, "{second} calls for {ORDERS} orders");
    assert_eq!(odoo.books().await.documents.len(), 2 * ORDERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_arrive_once_each_over_json_2() {
    a_hundred("json-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_orders_arrive_once_each_over_json_rpc() {
    a_hundred("json-rpc").await;
}

/// The error of an answer, and its words.
fn words(error: &SendError) -> String {
    error.error().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_at_once_make_one_order() {
    let Some(odoo) = odoo() else { return };
    for protocol in ["json-2", "json-rpc"] {
        eight_at_once(odoo, protocol).await;
    }
}

async fn eight_at_once(odoo: &Odoo, protocol: &str) {
    let erp: Arc<dyn Erp> = connector(odoo, &format!("protocol = \"{protocol}\"\n")).into();
    let job = sale(crate::made::small());
    let (way, _) = counted();
    let memory = Memory::default();
    let draft = erp.prepare(&way.with(&memory), Operation::Create, std::slice::from_ref(&job), false).await.remove(0);
    let draft = draft.unwrap();
    let senders = (0..8).map(|_| {
        let (erp, draft) = (erp.clone(), draft.clone());
        tokio::spawn(async move {
            let (way, _) = counted();
            erp.send(&way.with(&Memory::default()), Operation::Create, &[draft]).await.remove(0)
        })
    });
    let mut ids = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        match sender.await.unwrap() {
            Ok(document) => ids.push(document.id),
            // The database was busy with the same record.
            Err(SendError::NotNow(_) | SendError::Unknown(_)) => {}
            Err(other) => panic!("{}", words(&other)),
        }
    }
    ids.dedup();
    assert!(ids.len() <= 1, "{ids:?}");
    let reference = job.step.reference.as_str();
    let found = odoo.search("sale.order", json!([["client_order_ref", "=", reference]]), json!(["picking_ids"])).await;
    assert_eq!(found.len(), 1);
    let again = erp.send(&way.with(&memory), Operation::Create, &[draft]).await.remove(0).unwrap();
    assert_eq!(again.id, found[0]["id"].to_string());
}

/// What each answer of a `prepare` and a `send` together says.
async fn taken(odoo: &Odoo, more: &str, orders: Vec<Order>) -> Vec<Result<Value, String>> {
    let erp = connector(odoo, more);
    let jobs: Vec<_> = orders.into_iter().map(sale).collect();
    let (way, _) = counted();
    let memory = Memory::default();
    let prepared = erp.prepare(&way.with(&memory), Operation::Create, &jobs, false).await;
    let drafts: Vec<_> = prepared.iter().flatten().cloned().collect();
    let mut sent = erp.send(&way.with(&memory), Operation::Create, &drafts).await.into_iter();
    let answers = prepared.into_iter().map(|draft| draft.and_then(|_| sent.next().unwrap()));
    let told = |answer: Result<puente::domain::document::Document, SendError>| {
        answer.map(|document| json!(document.id.parse::<i64>().unwrap())).map_err(|error| words(&error))
    };
    answers.map(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_guilty_order_waits() {
    let Some(odoo) = odoo() else { return };
    let fine = || crate::made::small();
    let with = |sku: &str| order("EUR", false, vec![line(sku, "1", "10.00", None)], vec![]);
    let mut foreign = fine();
    foreign.currency = serde_json::from_value(json!("CHF")).unwrap();
    let answers = taken(odoo, "", vec![fine(), with("RETIRED"), with("NOBODY-KNOWS-IT"), foreign, fine()]).await;
    assert!(answers[0].is_ok() && answers[4].is_ok(), "{answers:?}");
    let refused = |at: usize| answers[at].as_ref().unwrap_err();
    assert!(refused(1).contains("RETIRED"), "{}", refused(1));
    assert!(refused(2).contains("NOBODY-KNOWS-IT"), "{}", refused(2));
    assert!(refused(3).contains("CHF"), "{}", refused(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn currencies_are_those_of_pricelists_and_totals_the_stores() {
    let Some(odoo) = odoo() else { return };
    let of = |currency: &str, total: &str| order(currency, false, vec![line("ART-01", "3", total, None)], vec![]);
    let orders = vec![of("USD", "10.00"), of("JPY", "1000"), of("EUR", "0.01")];
    let answers = taken(odoo, "", orders).await;
    for (answer, (currency, total)) in answers.iter().zip([("USD", "10"), ("JPY", "1000"), ("EUR", "0.01")]) {
        let id = answer.as_ref().unwrap();
        let found = odoo.search("sale.order", json!([["id", "=", id]]), json!(["currency_id", "amount_total"])).await;
        assert_eq!(found[0]["currency_id"][1], currency);
        assert_eq!(digits(&found[0]["amount_total"]), amount(total));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provinces_are_those_of_odoo_and_what_is_none_stays_readable() {
    let Some(odoo) = odoo() else { return };
    let (erp, memory) = (connector(odoo, ""), Memory::default());
    let (way, counter) = counted();
    let places = [
        ("ES", "M", Some("Madrid"), "Springfield"),
        ("ES", "Vizcaya", Some("Bizkaia (Vizcaya)"), "Springfield"),
        ("AR", "AR-B", Some("Buenos Aires"), "Springfield"),
        ("ES", "Tierra Inventada", None, "Springfield, Tierra Inventada"),
    ];
    let mut spent = Vec::new();
    for _ in 0..2 {
        let going = |(country, region): (&str, &str)| {
            let mut order = crate::made::small();
            let mut address = order.shipping.take().unwrap();
            (address.country, address.region) = (Some(country.to_owned()), Some(region.to_owned()));
            (order.billing, order.shipping) = (Some(address.clone()), Some(address));
            sale(order)
        };
        let jobs: Vec<_> = places.iter().map(|(country, region, ..)| going((country, region))).collect();
        let calls = way.with(&memory);
        let drafts = erp.prepare(&calls, Operation::Create, &jobs, false).await;
        spent.push(counter.take());
        let drafts: Vec<_> = drafts.into_iter().map(|draft| draft.unwrap()).collect();
        let answers = erp.send(&calls, Operation::Create, &drafts).await;
        counter.take();
        for (answer, (_, region, province, city)) in answers.iter().zip(places) {
            let id: i64 = answer.as_ref().unwrap().id.parse().unwrap();
            let sale =
                odoo.search("sale.order", json!([["id", "=", id]]), json!(["partner_shipping_id"])).await.remove(0);
            let partner = json!([["id", "=", sale["partner_shipping_id"][0]]]);
            let partner = odoo.search("res.partner", partner, json!(["city", "state_id"])).await.remove(0);
            assert_eq!(partner["city"], city, "{region}");
            let found =
                odoo.search("res.country.state", json!([["id", "=", partner["state_id"][0]]]), json!(["name"])).await;
            assert_eq!(found.first().and_then(|state| state["name"].as_str()), province, "{region}");
        }
    }
    assert_eq!(spent[1], 1, "what is known is not asked for again: only customers are loaded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_a_wrong_database_are_the_accounts_matter() {
    let Some(odoo) = odoo() else { return };
    for (more, said) in [
        (odoo.section("protocol = \"json-2\"\n").replace(odoo.key(), "0123456789abcdef"), "api_key"),
        (odoo.section("protocol = \"json-rpc\"\n").replace(odoo.key(), "0123456789abcdef"), "api_key"),
    ] {
        let row = ERPS.iter().find(|row| row.kind == "odoo").unwrap();
        let erp = (row.build)(&puente::config::Section::from_toml(&more).unwrap()).unwrap();
        let (way, _) = counted();
        let error = erp.probe(&way.with(&Memory::default())).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let (way, counter) = counted();
    let told = connector(odoo, "").probe(&way.with(&Memory::default())).await.unwrap();
    assert!(told.words.starts_with("Odoo 19, company Tienda"), "{told:?}");
    assert!(told.credentials_end.iter().any(|day| day.year() > 2045), "keys of the set-up last long: {told:?}");
    assert!(counter.take() <= 4);
}

/// A connector to a server that answers as a test wants it to, and drafts for it.
fn against(server: &wiremock::MockServer, more: &str, drafts: usize) -> (Box<dyn Erp>, Vec<Draft>) {
    let section = format!(
        "url = \"{}\"\ndatabase = \"x\"\napi_key = {{ literal = \"0123456789abcdef\" }}\nprotocol = \"json-2\"\n{more}",
        server.uri()
    );
    let row = ERPS.iter().find(|row| row.kind == "odoo").unwrap();
    let erp = (row.build)(&puente::config::Section::from_toml(&section).unwrap()).unwrap();
    let draft = |_| {
        let job = sale(crate::made::small());
        let row = format!("puente.{}", job.step.reference);
        let body =
            json!({"version": job.version, "total": "24.20", "currency": "EUR", "fields": ["id"], "rows": [[row]]});
        Draft { reference: job.step.reference, body: body.to_string(), remark: None }
    };
    (erp, (0..drafts).map(draft).collect())
}

/// What a server answers to a method.
async fn answers(server: &wiremock::MockServer, method: &str, status: u16, body: Value) {
    wiremock::Mock::given(wiremock::matchers::path(format!("/json/2/sale.order/{method}")))
        .respond_with(wiremock::ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

#[tokio::test]
async fn however_many_are_refused_those_that_were_named_are_and_the_others_wait() {
    // It names one in each call, and there are more of them than calls that are made for one bulk.
    let server = wiremock::MockServer::start().await;
    let named = json!({"ids": false, "messages": [{"type": "error", "record": 0, "message": "no"}]});
    answers(&server, "load", 200, named).await;
    let (erp, drafts) = against(&server, "", 7);
    let (way, counter) = counted();
    let answers = erp.send(&way.with(&Memory::default()), Operation::Create, &drafts).await;
    let calls = usize::try_from(counter.take()).unwrap();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(SendError::Refused(_)))).count();
    let waiting = answers.iter().filter(|answer| matches!(answer, Err(SendError::NotNow(_)))).count();
    assert_eq!((refused, waiting), (calls, drafts.len() - calls), "{answers:?}");
    assert!(waiting > 0);
}

/// What comes of an order that is a draft when it is read, cannot be confirmed, and then stands like this.
async fn confirmed_by_another(state: &str) -> Result<puente::domain::document::Document, SendError> {
    let server = wiremock::MockServer::start().await;
    let (erp, drafts) = against(&server, "", 1);
    let version = serde_json::from_str::<Value>(&drafts[0].body).unwrap()["version"].as_str().unwrap().to_owned();
    let sale = |state: &str| {
        let (reference, mark) = (drafts[0].reference.as_str(), format!("puente {version} 24.20"));
        json!([{"id": 1, "name": "S00001", "client_order_ref": reference, "origin": mark, "state": state, "amount_total": 24.2,
            "currency_id": [1, "EUR"]}])
    };
    answers(&server, "load", 200, json!({"ids": [1], "messages": []})).await;
    let refusal = json!({"name": "odoo.exceptions.UserError", "message": "Some orders are not in a state requiring confirmation."});
    answers(&server, "action_confirm", 422, refusal).await;
    wiremock::Mock::given(wiremock::matchers::path("/json/2/sale.order/search_read"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(sale("draft")))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    answers(&server, "search_read", 200, sale(state)).await;
    let (way, _) = counted();
    erp.send(&way.with(&Memory::default()), Operation::Create, &drafts).await.remove(0)
}

#[tokio::test]
async fn an_order_that_was_confirmed_since_it_was_read_is_confirmed() {
    // A call whose answer was lost may still be at work.
    assert_eq!(confirmed_by_another("sale").await.unwrap().number.as_deref(), Some("S00001"));
    let still = confirmed_by_another("draft").await.unwrap_err();
    assert!(matches!(still, SendError::Refused(_)) && words(&still).contains("refuses to confirm it"), "{still:?}");
}

#[tokio::test]
async fn an_exception_that_names_nobody_is_said_of_the_whole_call() {
    // As Odoo answers where a column is unknown to it.
    let exception = json!({"name": "builtins.ValueError", "message": "Invalid field name 'x'"});
    let server = wiremock::MockServer::start().await;
    answers(&server, "load", 500, exception.clone()).await;
    let (erp, drafts) = against(&server, "", 7);
    let (way, _) = counted();
    let told = erp.send(&way.with(&Memory::default()), Operation::Create, &drafts).await;
    assert!(told.iter().all(|answer| matches!(answer, Err(SendError::Ambiguous(_)))), "{told:?}");

    // The orders are there, and it fails where they are read.
    let server = wiremock::MockServer::start().await;
    let ids: Vec<usize> = (1..=7).collect();
    answers(&server, "load", 200, json!({"ids": ids, "messages": []})).await;
    answers(&server, "search_read", 500, exception).await;
    let (erp, drafts) = against(&server, "", 7);
    let told = erp.send(&way.with(&Memory::default()), Operation::Create, &drafts).await;
    assert!(told.iter().all(|answer| matches!(answer, Err(SendError::Unknown(_)))), "{told:?}");
}

#[tokio::test]
async fn whatever_keeps_an_order_from_its_invoice_the_order_is_there() {
    let server = wiremock::MockServer::start().await;
    let (erp, drafts) = against(&server, "invoice = \"draft\"\n", 1);
    let version = serde_json::from_str::<Value>(&drafts[0].body).unwrap()["version"].as_str().unwrap().to_owned();
    let sale = json!([{"id": 1, "name": "S00001", "client_order_ref": drafts[0].reference.as_str(),
        "origin": format!("puente {version} 24.20"), "state": "sale", "amount_total": 24.2, "currency_id": [1, "EUR"],
        "invoice_status": "to invoice", "invoice_ids": []}]);
    answers(&server, "load", 200, json!({"ids": [1], "messages": []})).await;
    answers(&server, "search_read", 200, sale).await;
    // Nothing of the invoice happened; the order did.
    let busy =
        json!({"name": "odoo.exceptions.UserError", "message": "could not serialize access due to concurrent update"});
    wiremock::Mock::given(wiremock::matchers::path("/json/2/sale.advance.payment.inv/create"))
        .respond_with(wiremock::ResponseTemplate::new(422).set_body_json(busy))
        .mount(&server)
        .await;
    let (way, _) = counted();
    let answer = erp.send(&way.with(&Memory::default()), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(answer, Err(SendError::Unknown(_))), "{answer:?}");
}
