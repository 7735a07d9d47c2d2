//! Shipments over the operator's API: what the ERP sent, what the store was told, and having one looked at again.

use http::StatusCode;
use puente::{
    domain::{
        ids::OrderKey,
        shipment::{Failed, Parcel, Shipment, ShipmentId, ShipmentWrite},
    },
    ports::Shipments as _,
};
use serde_json::{Value, json};

use super::{Edge, as_operator, goods::woken};

const PATH: &str = "/v1/connections/acme/shipments";

fn key(connection: &str, order: &str) -> OrderKey {
    OrderKey::new(connection.parse().unwrap(), order.parse().unwrap())
}

async fn write(edge: &Edge, order: &OrderKey, id: &ShipmentId, write: ShipmentWrite) {
    assert!(edge.records.write(order, id, &write, edge.puente.clock.now()).await.unwrap(), "{write:?}");
}

/// The ERP sent two of A of an order.
pub(super) async fn sent(edge: &Edge, connection: &str, order: &str, id: &str) {
    let id: ShipmentId = id.parse().unwrap();
    let shipment = Shipment {
        id: id.clone(),
        number: format!("OUT/{id}"),
        items: [("A".parse().unwrap(), "2".parse().unwrap())].into(),
        carrier: Some("Andreani".to_owned()),
        parcels: vec![Parcel { number: "T-1".to_owned(), url: None }],
    };
    write(edge, &key(connection, order), &id, ShipmentWrite::Noted { shipment, poll: 1 }).await;
}

/// Four of `acme`: one waits, one was told, one stopped, one of an order with a name of its own; and one of `small`, which is only shown.
async fn dispatched() -> Edge {
    let edge = Edge::new();
    for (order, id) in [("1", "11"), ("2", "12"), ("3", "13"), ("a/b #4", "14")] {
        sent(&edge, "acme", order, id).await;
    }
    sent(&edge, "small", "1", "21").await;
    let lines = [("line-1".to_owned(), "2".parse().unwrap())].into();
    let told = ShipmentWrite::Told { attempt: None, epoch: 1, seen: 1, fulfilment: Some("gid://9".to_owned()), lines };
    write(&edge, &key("acme", "2"), &"12".parse().unwrap(), told).await;
    let note = "the order is cancelled in the store".to_owned();
    let stopped = Failed { attempt: None, epoch: 1, seen: 1, certain: true, due: None, note };
    write(&edge, &key("acme", "3"), &"13".parse().unwrap(), ShipmentWrite::Failed(stopped)).await;
    edge
}

fn states(body: &Value) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    body["shipments"].as_array().unwrap().iter().map(|one| (text(one, "shipment"), text(one, "state"))).collect()
}

#[tokio::test]
async fn what_was_sent_is_listed_with_what_the_store_was_told() {
    let edge = dispatched().await;
    let answer = edge.call(as_operator("GET", PATH)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let pairs = |of: &[(&str, &str)]| of.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect();
    let all: Vec<(String, String)> = pairs(&[("11", "waiting"), ("12", "told"), ("13", "stopped"), ("14", "waiting")]);
    assert_eq!(states(&answer.body), all);
    let told = &answer.body["shipments"][1];
    assert_eq!(
        (&told["fulfilment"], &told["order"], &told["number"]),
        (&json!("gid://9"), &json!("2"), &json!("OUT/12"))
    );
    assert_eq!(told["items"], json!([{ "article": "A", "quantity": "2" }]));
    assert_eq!(told["parcels"], json!([{ "number": "T-1" }]));
    assert_eq!(answer.body["shipments"][2]["note"], "the order is cancelled in the store");
    // Page by page, and by state.
    let (mut seen, mut path) = (Vec::new(), format!("{PATH}?limit=1"));
    loop {
        let page = edge.call(as_operator("GET", &path)).await.body;
        seen.extend(states(&page));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("{PATH}?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, all);
    let stopped = edge.call(as_operator("GET", &format!("{PATH}?state=stopped"))).await;
    assert_eq!(states(&stopped.body), pairs(&[("13", "stopped")]));
    let shown = edge.call(as_operator("GET", "/v1/connections/small/shipments")).await;
    assert_eq!(states(&shown.body), pairs(&[("21", "shown")]));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_or_is_off_is_said() {
    let edge = dispatched().await;
    for bad in ["state=lost", "limit=0", "limit=201", "cursor=%25%25", "of=acme"] {
        let answer = edge.call(as_operator("GET", &format!("{PATH}?{bad}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.body);
    }
    let off = edge.call(as_operator("GET", "/v1/connections/open/shipments")).await;
    assert_eq!(off.status, StatusCode::NOT_FOUND);
    assert!(off.body["detail"].as_str().unwrap().contains("shipments ="), "{}", off.body);
    for unknown in ["acme/orders/1/shipments/99", "acme/orders/9/shipments/11", "acme/orders/1/shipments/a%20b"] {
        let answer = edge.call(as_operator("POST", &format!("/v1/connections/{unknown}/retry"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}: {}", answer.body);
    }
    assert!(woken(&edge).await.is_empty());
}

#[tokio::test]
async fn a_shipment_that_stopped_is_looked_at_again_when_somebody_wants_it() {
    let edge = dispatched().await;
    let answer = edge.call(as_operator("POST", "/v1/connections/acme/orders/3/shipments/13/retry")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    assert_eq!(answer.body["result"], "queued");
    let all = edge.records.of_order(&key("acme", "3")).await.unwrap();
    assert_eq!((all[0].stopped, all[0].due), (false, Some(edge.puente.clock.now())));
    assert_eq!(woken(&edge).await, ["acme"]);
    // Of an order with a name of its own too.
    let answer = edge.call(as_operator("POST", "/v1/connections/acme/orders/a%2Fb%20%234/shipments/14/retry")).await;
    assert_eq!((answer.status, &answer.body["order"]), (StatusCode::ACCEPTED, &json!("a/b #4")));
}
