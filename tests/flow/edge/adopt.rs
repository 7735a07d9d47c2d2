//! What a person made in the ERP by hand: from the operator's API over the queue onto the order's record, and into its story.

use axum::body::Body;
use http::{Request, StatusCode};
use puente::{
    domain::{
        document::{Document, Operation, Step},
        ids::{AttemptId, OrderKey},
        message::{Arrival, Message, News},
        operator::{Operator, Scope, Sight},
        order::Order,
        record::{End, Head, Intent, Rest, State, Write},
    },
    edge::{operate::Access, people},
    flow,
    ports::Records as _,
};
use serde_json::{Value, json};

use super::{Answer, Edge, OPERATOR, as_operator, call, doubles::order};

const PATH: &str = "/v1/connections/acme/orders/1";

/// An order with two refunds whose sale is in the ERP, and that is parked for a person.
struct Desk(Edge);

fn key() -> OrderKey {
    OrderKey::new("acme".parse().unwrap(), "1".parse().unwrap())
}

/// The order, changed at that minute: with that total, and these refunds.
fn state(minute: u32, total: &str, refunds: &[&str]) -> Order {
    let mut body = order("1");
    body["updated_at"] = json!(format!("2026-03-01T11:{minute:02}:00Z"));
    body["total"] = json!(total);
    for field in ["unit_price", "amount"] {
        body["lines"][0][field] = json!(total);
    }
    if !refunds.is_empty() {
        body["payment"] = json!("partially_refunded");
        body["refunds"] = refunds.iter().map(|id| json!({ "id": id, "amount": "1.00" })).collect();
    }
    serde_json::from_str(&body.to_string()).unwrap()
}

impl Desk {
    async fn new() -> Self {
        let desk = Self(Edge::new());
        desk.arrives(state(1, "12.50", &[])).await;
        let head = desk.head().await;
        let booked = Step::create(head.key.sale()).booked(&[], &head.desired, &document("7", "SO-7"));
        desk.write(Write::Book { desired: head.desired, steps: head.steps, booked }).await;
        desk.arrives(state(2, "12.50", &["8", "9"])).await;
        desk.parks().await;
        desk
    }

    async fn arrives(&self, order: Order) {
        let news = News::State { order: order.into() };
        self.delivered(&Arrival::new(key(), self.0.puente.clock.now(), "r", news)).await;
    }

    async fn delivered(&self, arrival: &Arrival) -> bool {
        flow::record::arrival(&self.0.puente, arrival).await.unwrap().is_some()
    }

    async fn head(&self) -> Head {
        self.0.records.head(&key()).await.unwrap().unwrap()
    }

    async fn write(&self, write: Write) {
        assert!(self.0.records.write(&key(), &write, self.0.puente.clock.now()).await.unwrap().applied(), "{write:?}");
    }

    async fn parks(&self) {
        let Head { desired, steps, attempts, .. } = self.head().await;
        let rest = Rest::Stop { end: End::Parked, reason: "book it by hand".to_owned().into() };
        self.write(Write::Rest { desired, steps, attempts, rest }).await;
    }

    async fn adopt(&self, body: &Value) -> Answer {
        self.0.call(asking(PATH, body)).await
    }

    async fn story(&self) -> Value {
        self.0.call(as_operator("GET", PATH)).await.body
    }

    /// What the timeline says of documents that were noted or not.
    async fn told(&self) -> Vec<(String, String)> {
        let lines = self.0.records.timeline(&key()).await.unwrap().into_iter();
        let lines = lines.filter(|line| line.event.contains("note"));
        lines.map(|line| (line.event, line.detail.unwrap_or_default())).collect()
    }
}

fn document(id: &str, number: &str) -> Document {
    Document { id: id.into(), number: Some(number.into()) }
}

fn asking(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(format!("{path}/adopt")).header("authorization", format!("Bearer {OPERATOR}"));
    request.body(body.to_string().into()).unwrap()
}

fn credit(refund: &str, id: &str) -> Value {
    json!({ "made": "credit", "refund": refund, "document": { "id": id, "number": format!("CN-{id}") } })
}

#[tokio::test]
async fn a_credit_note_made_by_hand_is_noted_once_and_the_order_is_planned_anew_at_once() {
    let desk = Desk::new().await;
    let story = desk.story().await;
    assert_eq!(
        (&story["open"]["next"], &story["documents"][0]["current"]),
        (&json!("person"), &json!(true)),
        "{story}"
    );
    let answer = desk.adopt(&credit("9", "70")).await;
    assert_eq!((answer.status, &answer.body["result"]), (StatusCode::ACCEPTED, &json!("queued")), "{}", answer.body);
    assert_eq!(answer.body["noted"], "credit note CN-70 for refund 9");
    let queued = desk.0.queued().await;
    assert_eq!((queued.len(), queued[0].by.as_deref()), (1, Some("operator")));
    // A queue delivers twice, and perhaps after somebody moved it out of the dead letters: who said it stays who said it.
    let Message::Arrival(again) = Message::Arrival(queued[0].clone()).wanted_by("bob") else { panic!() };
    for arrival in [&queued[0], &again] {
        assert!(desk.delivered(arrival).await, "the account is woken");
    }
    let head = desk.head().await;
    assert_eq!((head.booked.len(), head.steps, head.state()), (2, 2, State::Waiting));
    assert_eq!(head.due, Some(desk.0.puente.clock.now()));
    assert_eq!(desk.told().await, [("noted".into(), "credit note CN-70 for refund 9, noted by operator".into())]);
    let story = desk.story().await;
    let note = &story["documents"][1];
    assert_eq!(
        note,
        &json!({ "kind": "credit", "refund": "9", "id": "70", "number": "CN-70", "reference": "acme/1/refund/9",
                 "version": head.desired.to_string(), "cancelled": false, "current": true, "link": null })
    );
    assert_eq!(
        (&story["open"]["next"], &story["order"]["document"]["id"]),
        (&json!("departure"), &json!("7")),
        "{story}"
    );
    // Said once more it is told to whoever says it.
    let twice = desk.adopt(&credit("9", "71")).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.body["detail"].as_str().unwrap().contains("credit note CN-70 for refund 9 is on record already"));
    assert!(desk.0.queued().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_so_is_refused_and_queues_nothing() {
    let desk = Desk::new().await;
    let sale = |id: &str| json!({ "made": "sale", "document": { "id": id } });
    for (body, words) in [
        (credit("10", "70"), "its refunds are: 8, 9"),
        (sale("8"), "sale SO-7 is on record already"),
        (sale(""), "the document's id has 1 to 128 characters"),
        (json!({ "made": "tea" }), "/v1/openapi.json"),
        (json!({ "made": "credit", "document": { "id": "7" } }), "/v1/openapi.json"),
        (json!({ "made": "edit", "document": { "id": "7" } }), "/v1/openapi.json"),
        (json!([]), "/v1/openapi.json"),
    ] {
        let answer = desk.adopt(&body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.body["detail"].as_str().unwrap().contains(words), "{body}: {}", answer.body);
    }
    // Without a sale nothing can be changed, cancelled or credited.
    let head = desk.head().await;
    desk.write(Write::Book { desired: head.desired, steps: head.steps, booked: vec![] }).await;
    for body in [json!({ "made": "edit" }), json!({ "made": "cancellation" }), credit("9", "70")] {
        let answer = desk.adopt(&body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("no sale of this order"), "{}", answer.body);
    }
    for path in ["/v1/connections/acme/orders/2", "/v1/connections/nobody/orders/1"] {
        assert_eq!(desk.0.call(asking(path, &sale("8"))).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let router = people(desk.0.puente.clone(), Access::Decided);
    for (scopes, sight, status) in [
        (vec![Scope::OrdersRead, Scope::Ops], Sight::All, StatusCode::FORBIDDEN),
        (vec![Scope::OrdersWrite], Sight::of(["small"]), StatusCode::NOT_FOUND),
        (vec![Scope::OrdersWrite], Sight::of(["acme"]), StatusCode::ACCEPTED),
    ] {
        assert!(desk.0.queued().await.is_empty(), "before {status}");
        let mut request = asking(PATH, &sale("8"));
        request.extensions_mut().insert(Operator::new("eva", scopes, sight));
        assert_eq!(call(&router, request).await.status, status);
    }
}

#[tokio::test]
async fn while_a_step_is_in_doubt_it_is_refused_and_one_on_its_way_is_passed_over_in_the_timeline() {
    let desk = Desk::new().await;
    assert_eq!(desk.adopt(&json!({ "made": "cancellation" })).await.status, StatusCode::ACCEPTED);
    let head = desk.head().await;
    let now = desk.0.puente.clock.now();
    let later = now + jiff::SignedDuration::from_secs(60);
    let intent = Intent {
        step: Step::credit(key().credit("8"), "8", head.sale().unwrap()),
        planned: head.desired.clone(),
        last: false,
        attempt: AttemptId::new("a"),
        epoch: 1,
        start_by: now,
        settle_at: later,
        unknown: true,
        refused: false,
    };
    desk.write(Write::Replay { asked: now }).await;
    desk.write(Write::Begin { desired: head.desired.clone(), steps: head.steps, intent, due: later }).await;
    let answer = desk.adopt(&credit("9", "70")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("acme/1/refund/8") && detail.contains("wait until it was looked up"), "{detail}");
    let queued = desk.0.queued().await;
    assert!(queued.len() == 1 && !desk.delivered(&queued[0]).await);
    assert!(desk.head().await.sale().is_some(), "it was not booked");
    let told = desk.told().await;
    assert!(told.len() == 1 && told[0].0 == "note_passed_over", "{told:?}");
    assert!(
        told[0].1.contains("sale SO-7 was cancelled by hand, noted by operator: not booked")
            && told[0].1.contains("then say it again"),
        "{told:?}"
    );
    let story = desk.story().await;
    let open = &story["open"];
    assert_eq!(
        (&open["next"], &open["operation"], &open["reference"]),
        (&json!("erp"), &json!(Operation::Credit.as_str()), &json!("acme/1/refund/8")),
        "{story}"
    );
}

#[tokio::test]
async fn a_change_made_by_hand_stands_for_the_state_that_was_looked_at_and_a_newer_one_is_still_open() {
    let desk = Desk::new().await;
    desk.arrives(state(3, "14.00", &[])).await;
    desk.parks().await;
    assert_eq!(desk.story().await["documents"][0]["current"], false, "another total");
    let seen = desk.head().await.desired;
    assert_eq!(desk.adopt(&json!({ "made": "edit" })).await.status, StatusCode::ACCEPTED);
    // Between the word and the worker the store says something else.
    let queued = desk.0.queued().await;
    desk.arrives(state(4, "15.00", &[])).await;
    assert!(desk.delivered(&queued[0]).await);
    let head = desk.head().await;
    assert_eq!(head.sale().unwrap().version, Some(seen), "not the newer state");
    let story = desk.story().await;
    assert_eq!(
        (&story["documents"][0]["current"], &story["open"]["next"]),
        (&json!(false), &json!("departure")),
        "{story}"
    );
    assert_eq!(desk.told().await[0].1, "sale SO-7 was changed by hand, noted by operator");
}
