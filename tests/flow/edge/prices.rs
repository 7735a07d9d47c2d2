//! Prices over the operator's API: what the ERP says, what the store should have and has, and releasing one that changes much.

use http::StatusCode;
use puente::{
    domain::{
        goods::InStore,
        price::{InShop, NotTold, Offer, Price, PriceTag, PriceWrite, Quote, Quoted},
    },
    ports::Prices as _,
};
use serde_json::{Value, json};

use super::{Edge, as_operator, goods::woken};

const PATH: &str = "/v1/connections/acme/prices";

async fn write(edge: &Edge, connection: &str, article: &str, write: PriceWrite) {
    let (connection, article) = (connection.parse().unwrap(), article.parse().unwrap());
    assert!(edge.records.write(&connection, &article, &write, edge.puente.clock.now()).await.unwrap(), "{write:?}");
}

async fn tag(edge: &Edge, article: &str) -> PriceTag {
    edge.records.tag(&"acme".parse().unwrap(), &article.parse().unwrap()).await.unwrap().unwrap()
}

/// The ERP says so many euros, without tax, of 21 per cent.
pub(super) async fn quoted(edge: &Edge, connection: &str, article: &str, amount: &str) {
    let price = Quote {
        amount: amount.parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        taxed: false,
        rate: Some("21".parse().unwrap()),
    };
    let quoted = Quoted { offer: Offer { price, compare_at: None }, later: None, poll: 1, afresh: false, daily: false };
    write(edge, connection, article, PriceWrite::Quoted(quoted)).await;
}

fn read(amount: &str) -> InShop {
    let price = Price { amount: amount.parse().unwrap(), compare_at: None };
    InShop { store: InStore::Kept, item: Some("7".to_owned()), price: Some(price) }
}

/// Five of `acme`: one that the store has, one that waits, one that changes much, one that is for nothing, and one that the store has not.
/// And one of `small`, which is only shown.
async fn priced() -> Edge {
    let edge = Edge::new();
    for (article, amount) in [("A", "100"), ("B", "10"), ("C/é #1", "1"), ("D", "0"), ("E", "5")] {
        quoted(&edge, "acme", article, amount).await;
    }
    quoted(&edge, "small", "A", "10").await;
    write(&edge, "acme", "A", PriceWrite::Seen { epoch: 1, seen: 1, read: Some(read("121")) }).await;
    let stop = |note: &str, read| {
        let note = note.to_owned();
        PriceWrite::NotTold(NotTold { attempt: None, epoch: 1, seen: 1, certain: true, due: None, read, note })
    };
    write(&edge, "acme", "C/é #1", stop("a change of more than 50 %", Some(read("12.10")))).await;
    let absent = InShop::none(InStore::Absent);
    write(&edge, "acme", "E", PriceWrite::Seen { epoch: 1, seen: 1, read: Some(absent) }).await;
    edge
}

fn states(body: &Value) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    body["prices"].as_array().unwrap().iter().map(|one| (text(one, "article"), text(one, "state"))).collect()
}

#[tokio::test]
async fn prices_are_listed_with_what_the_store_should_have_and_has() {
    let edge = priced().await;
    let answer = edge.call(as_operator("GET", PATH)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let pairs = |of: &[(&str, &str)]| of.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect();
    let all: Vec<(String, String)> =
        pairs(&[("A", "right"), ("B", "waiting"), ("C/é #1", "stopped"), ("D", "stopped"), ("E", "not_there")]);
    assert_eq!(states(&answer.body), all);
    let right = &answer.body["prices"][0];
    assert_eq!(
        (&right["erp"], &right["currency"], &right["should"], &right["has"]),
        (&json!("100"), &json!("EUR"), &json!({ "amount": "121" }), &json!({ "amount": "121" }))
    );
    let for_nothing = &answer.body["prices"][3];
    assert_eq!(for_nothing["should"], Value::Null);
    assert_eq!(for_nothing["note"], "the ERP's price is 0: a store is told no price of 0 or less");
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
    assert_eq!(states(&stopped.body), pairs(&[("C/é #1", "stopped"), ("D", "stopped")]));
    let shown = edge.call(as_operator("GET", "/v1/connections/small/prices")).await;
    assert_eq!(states(&shown.body), pairs(&[("A", "differs")]));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_or_is_off_is_said() {
    let edge = priced().await;
    for bad in ["state=lost", "limit=0", "limit=201", "cursor=%25%25", "of=acme"] {
        let answer = edge.call(as_operator("GET", &format!("{PATH}?{bad}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.body);
    }
    let off = edge.call(as_operator("GET", "/v1/connections/open/prices")).await;
    assert_eq!(off.status, StatusCode::NOT_FOUND);
    assert!(off.body["detail"].as_str().unwrap().contains("prices ="), "{}", off.body);
    for unknown in ["acme/prices/NEVER", "acme/prices/a%0Ab", "small/prices/B"] {
        let answer = edge.call(as_operator("POST", &format!("/v1/connections/{unknown}/release"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}: {}", answer.body);
    }
    assert!(woken(&edge).await.is_empty());
}

#[tokio::test]
async fn a_price_that_changes_much_is_told_when_somebody_releases_it() {
    let edge = priced().await;
    let answer = edge.call(as_operator("POST", "/v1/connections/acme/prices/C%2F%C3%A9%20%231/release")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    assert_eq!((&answer.body["article"], &answer.body["result"]), (&json!("C/é #1"), &json!("queued")));
    let released = tag(&edge, "C/é #1").await;
    assert_eq!((released.stopped, released.due), (false, Some(edge.puente.clock.now())));
    assert_eq!(released.released, Some(Price { amount: "1.21".parse().unwrap(), compare_at: None }));
    assert_eq!(woken(&edge).await, ["acme"]);
    // What needs no releasing is only looked at again.
    edge.call(as_operator("POST", "/v1/connections/acme/prices/B/release")).await;
    assert_eq!(tag(&edge, "B").await.released, None);
}
