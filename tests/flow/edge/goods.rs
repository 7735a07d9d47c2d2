//! Stock over the operator's API: what a store should have and has, and holding what is written to it.

use std::time::Duration;

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use puente::{
    domain::{
        goods::{Count, GoodsWrite, Halt, InStore, Mark, ShelfId},
        ids::{ConnectionId, OrderKey},
        message::Message,
        operator::{Operator, Scope, Sight},
    },
    edge::{operate::Access, people},
    flow::{
        self,
        goods::{hold, view},
    },
    ports::Goods as _,
};
use serde_json::{Value, json};

use super::{Answer, Edge, KEY, as_operator, call, says, webhook};

const PATH: &str = "/v1/connections/acme/goods";

fn connection(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

fn shelf(sku: &str) -> ShelfId {
    ShelfId { erp: "main".parse().unwrap(), place: "*".parse().unwrap(), sku: sku.parse().unwrap() }
}

/// `acme` sold one of A and `small` another; the ERP has ten of A, and five each of B and C. The store of `acme` has nine of A and five of
/// B, as it was read there; of C nobody knows.
async fn stocked() -> Edge {
    let edge = Edge::new();
    edge.webhook(says("order", "1")).await;
    edge.call(webhook("small", KEY, says("order", "2"))).await;
    for arrival in edge.queued().await {
        flow::record::arrival(&edge.puente, &arrival).await.unwrap();
    }
    let now = edge.puente.clock.now();
    for (sku, quantity) in [("A", "10"), ("B", "5"), ("C", "5")] {
        let marks = ["acme", "small"].map(|name| Mark::of(connection(name)));
        let quantity = quantity.parse().unwrap();
        let count = Count { quantity, poll: 1, read_at: now, settled: vec![], marks: marks.into(), daily: false };
        assert!(edge.records.write(&shelf(sku), &GoodsWrite::Count(count), now).await.unwrap());
    }
    for (sku, value) in [("A", 9), ("B", 5)] {
        let listing = edge.records.shelf(&shelf(sku)).await.unwrap().listings[&connection("acme")].clone();
        let seen = GoodsWrite::Seen {
            connection: connection("acme"),
            epoch: 1,
            seen: listing.dirt,
            value: Some(value),
            read: Some((InStore::Kept, Some(format!("item {sku}")))),
        };
        assert!(edge.records.write(&shelf(sku), &seen, now).await.unwrap());
    }
    edge
}

fn articles(answer: &Answer) -> Vec<&str> {
    answer.body["goods"].as_array().unwrap().iter().map(|one| one["article"].as_str().unwrap()).collect()
}

/// The connections whose conductors were woken: what comes together waits a second, by the queue's own clock.
pub(super) async fn woken(edge: &Edge) -> Vec<String> {
    let deliveries = edge.puente.queue.receive(100, Duration::from_millis(1500)).await.unwrap();
    let of = |message| match message {
        Message::Publish { connection } => connection.to_string(),
        other => panic!("{other:?}"),
    };
    deliveries.into_iter().map(|delivery| of(delivery.message.unwrap())).collect()
}

#[tokio::test]
async fn an_operator_sees_what_a_store_should_have_and_what_it_has() {
    let edge = stocked().await;
    let answer = edge.call(as_operator("GET", PATH)).await;
    assert_eq!((answer.status, articles(&answer)), (StatusCode::OK, vec!["A", "B", "C"]), "{}", answer.body);
    let a = &answer.body["goods"][0];
    // Ten, less one that each store sold and the ERP does not know yet.
    for (field, value) in [
        ("erp", json!("10")),
        ("owed", json!("2")),
        ("left", json!("8")),
        ("should", json!(8)),
        ("has", json!(9)),
        ("differs", json!(true)),
        ("store", json!("kept")),
        ("code", json!("A")),
    ] {
        assert_eq!(a[field], value, "{field}: {a}");
    }
    // One that the store has right, and one that nobody has read there.
    let differs = |at: usize| answer.body["goods"][at]["differs"].as_bool().unwrap();
    assert!(!differs(1) && differs(2), "{}", answer.body);
    assert_eq!((&answer.body["cursor"], &answer.body["hold"]["held"]), (&Value::Null, &json!(false)));

    let whole = edge.call(as_operator("GET", &format!("{PATH}/A"))).await;
    assert_eq!(whole.status, StatusCode::OK);
    let key = |one: &Value| format!("{}/{}", one["connection"].as_str().unwrap(), one["order"].as_str().unwrap());
    let orders = |name: &str| -> Vec<String> {
        whole.body[name].as_array().unwrap().iter().map(|one| key(&one["order"])).collect()
    };
    assert_eq!(orders("commitments"), ["acme/1", "small/2"], "{}", whole.body);
    assert_eq!(whole.body["listings"].as_array().unwrap().len(), 2);
    // The other's number is gross: with the one that it keeps reserved.
    let small = &whole.body["listings"][1];
    assert_eq!((&small["should"], &small["reserved"]), (&json!(9), &json!("1")), "{small}");
}

#[tokio::test]
async fn what_differs_comes_in_pages_and_none_is_passed_over() {
    let edge = stocked().await;
    let mut seen = Vec::new();
    let mut path = format!("{PATH}?differs=true&limit=1");
    loop {
        let answer = edge.call(as_operator("GET", &path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(articles(&answer).len() <= 1);
        seen.extend(articles(&answer).into_iter().map(str::to_owned));
        let Some(cursor) = answer.body["cursor"].as_str() else { break };
        path = format!("{PATH}?differs=true&limit=1&cursor={cursor}");
    }
    assert_eq!(seen, ["A", "C"]);
    for bad in ["differs=perhaps", "limit=0", "limit=201", "cursor=%25%25", "of=acme"] {
        let answer = edge.call(as_operator("GET", &format!("{PATH}?{bad}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.body);
    }
    for nothing in
        ["/v1/connections/acme/goods/NEVER-SEEN", "/v1/connections/open/goods", "/v1/connections/open/goods/A"]
    {
        assert_eq!(edge.call(as_operator("GET", nothing)).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    // What to do is said where stock is not on.
    let off = edge.call(as_operator("POST", "/v1/connections/open/goods/hold")).await;
    assert!(off.status == StatusCode::NOT_FOUND && off.body["detail"].as_str().unwrap().contains("goods = {"));
    assert_eq!(edge.records.halted(&connection("open")).await.unwrap(), None);
}

#[tokio::test]
async fn who_holds_a_store_is_told_and_a_release_wakes_its_conductor() {
    let edge = stocked().await;
    let router = people(edge.puente.clone(), Access::Decided);
    let ana = Operator::new("ana", Scope::ALL.to_vec(), Sight::All);
    let bob = Operator { name: "bob".to_owned(), ..ana.clone() };
    let hold = as_one(&router, &ana, "POST", &format!("{PATH}/hold")).await;
    assert_eq!((hold.status, &hold.body["by"]), (StatusCode::OK, &json!("ana")), "{}", hold.body);
    let halt = Halt { since: edge.puente.clock.now(), by: "ana".to_owned() };
    assert_eq!(edge.records.halted(&connection("acme")).await.unwrap(), Some(halt));
    // Whoever comes later learns who it was, and does not take their place.
    edge.clock.advance(60);
    let again = as_one(&router, &bob, "POST", &format!("{PATH}/hold")).await;
    assert_eq!(again.body, hold.body);
    assert_eq!(edge.call(as_operator("GET", PATH)).await.body["hold"], hold.body);
    assert_eq!(woken(&edge).await, Vec::<String>::new());

    let release = as_one(&router, &bob, "POST", &format!("{PATH}/release")).await;
    assert_eq!((release.status, &release.body["held"]), (StatusCode::OK, &json!(false)));
    assert_eq!(edge.records.halted(&connection("acme")).await.unwrap(), None);
    assert_eq!(woken(&edge).await, ["acme"]);
}

#[tokio::test]
async fn while_a_store_is_held_what_is_due_stays_due() {
    let edge = stocked().await;
    let due = async || edge.records.due(&connection("acme"), edge.puente.clock.now(), 10).await.unwrap();
    let before = due().await;
    assert!(!before.is_empty());
    hold::hold(&edge.puente, &connection("acme"), "ana", "test").await.unwrap();
    let deadline = edge.puente.clock.now() + jiff::SignedDuration::from_mins(5);
    let done = flow::goods::conduct::conduct(&edge.puente, &connection("acme"), deadline).await.unwrap();
    assert_eq!((done.looked_at, due().await), (0, before));
    // Nothing else would have looked at A before the night: it had come to rest.
    hold::release(&edge.puente, &connection("acme"), "ana", "test").await.unwrap();
    assert_eq!(hold::look_again(&edge.puente, &connection("acme"), |_| ()).await.unwrap(), 2);
    assert!(due().await.contains(&shelf("A")));
}

#[tokio::test]
async fn of_connections_that_are_not_seen_nothing_is_told_and_nothing_is_held() {
    let edge = stocked().await;
    let router = people(edge.puente.clone(), Access::Decided);
    let ana = Operator::new("ana", Scope::ALL.to_vec(), Sight::of(["acme"]));
    for (method, path) in [("GET", ""), ("GET", "/A"), ("POST", "/hold"), ("POST", "/release")] {
        let there = as_one(&router, &ana, method, &format!("/v1/connections/small/goods{path}")).await;
        let nowhere = as_one(&router, &ana, method, &format!("/v1/connections/nobody/goods{path}")).await;
        assert_eq!((there.status, nowhere.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{path}");
        assert_eq!(there.body["detail"], nowhere.body["detail"], "{path}");
    }
    assert_eq!(edge.records.halted(&connection("small")).await.unwrap(), None);
    assert_eq!(woken(&edge).await, Vec::<String>::new());
    // Who sells from the same shelf, and what they sold, is not hers to see either.
    let whole = as_one(&router, &ana, "GET", &format!("{PATH}/A")).await;
    assert!(whole.status == StatusCode::OK && !whole.body.to_string().contains("small"), "{}", whole.body);
    assert_eq!(whole.body["stock"]["owed"], "2", "her own number is made of it all the same");
    // Seeing is not holding.
    let reader = Operator::new("eva", vec![Scope::OrdersRead], Sight::All);
    for (method, path, status) in
        [("GET", "", 200), ("GET", "/A", 200), ("POST", "/hold", 403), ("POST", "/release", 403)]
    {
        assert_eq!(as_one(&router, &reader, method, &format!("{PATH}{path}")).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn pages_of_a_connection_follow_each_other() {
    let edge = stocked().await;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = view::page(&edge.puente, &connection("acme"), after.as_ref(), 2).await.unwrap();
        seen.extend(page.articles.into_iter().map(|one| one.id.sku.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["A", "B", "C"]);
    let key = OrderKey::new(connection("acme"), "1".parse().unwrap());
    let whole = view::whole(&edge.puente, &connection("acme"), &"A".parse().unwrap()).await.unwrap().unwrap();
    assert!(whole.commitments.contains_key(&key));
}

async fn as_one(router: &Router, operator: &Operator, method: &str, path: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(operator.clone());
    call(router, request).await
}
