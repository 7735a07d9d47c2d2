//! Somebody's own system is told stock, prices and shipments as signed events, also where nobody knows whether it heard them.

use std::sync::Arc;

use jiff::SignedDuration;
use puente::{
    config::Section,
    domain::{
        goods::{Count, GoodsRules, GoodsWrite, Mark, Publish, ShelfId, number::Keeps},
        ids::{ConnectionId, OrderKey},
        message::{Arrival, News},
        price::{Offer, PriceRules, PriceWrite, Quote, Quoted, Tax},
        shipment::{Parcel, Shipment, ShipmentWrite},
    },
    embedded::Embedded,
    flow::{self, Puente, signs::Signs, tell::Tell},
    outbound::Client,
    parties::{Account, Connection, Settings},
    ports::{Clock as _, SystemChance},
    store::STORES,
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::edge::doubles::{SetClock, UncalledErp, order};

const SECRET: &str = "whsec_cHVlbnRlLXRlc3Qtbm90aWZ5LTAwMDAwMDAwMQ==";

/// A company's own system that is told stock and shipments, and takes what it is told unless it fails.
struct Told {
    puente: Puente,
    clock: Arc<SetClock>,
    receiver: MockServer,
    polls: u64,
    _home: tempfile::TempDir,
}

fn own() -> ConnectionId {
    "own".parse().unwrap()
}

fn shelf() -> ShelfId {
    ShelfId { erp: "main".parse().unwrap(), place: "*".parse().unwrap(), sku: "A".parse().unwrap() }
}

impl Told {
    async fn new() -> Self {
        let receiver = MockServer::start().await;
        let section = format!(
            "webhook_secrets = [{{ literal = '{SECRET}' }}]\nnotify = {{ url = '{}', secret = {{ literal = '{SECRET}' }} }}",
            receiver.uri()
        );
        let row = STORES.iter().find(|row| row.kind == "canonical").unwrap();
        let store = (row.build)(&Section::from_toml(&section).unwrap()).unwrap();
        assert_eq!(row.keeps, Some(Keeps::Sellable));
        let goods = GoodsRules {
            stock: Some(Publish::Publish),
            prices: Some(Publish::Publish),
            price: PriceRules {
                currency: Some("EUR".parse().unwrap()),
                tax: Some(Tax::Included),
                ..PriceRules::default()
            },
            shipments: Some(Publish::Publish),
            ..GoodsRules::default()
        };
        let connection =
            Connection { goods, keeps: row.keeps, ..Connection::new(own(), "main".parse().unwrap(), store) };
        let account = Account::new("main".parse().unwrap(), Box::new(UncalledErp), vec![own()]);
        let home = tempfile::tempdir().unwrap();
        let (data, clock) = (Arc::new(Embedded::open(home.path()).unwrap()), SetClock::at("2026-03-01T12:00:00Z"));
        let puente = Puente {
            settings: Arc::new(Settings::fixed(vec![connection], vec![account]).unwrap()),
            records: data.clone(),
            known: data.clone(),
            cursors: data.clone(),
            doors: data.clone(),
            goods: data.clone(),
            prices: data.clone(),
            shipments: data.clone(),
            accounts: data.clone(),
            signs: Signs::new(data.clone()),
            tokens: data.clone(),
            queue: data,
            clock: clock.clone(),
            chance: Arc::new(SystemChance),
            client: Client::new().unwrap(),
            tell: Tell::default(),
        };
        Self { puente, clock, receiver, polls: 0, _home: home }
    }

    /// The ERP has so many of A.
    async fn counted(&mut self, quantity: i64, daily: bool) {
        self.polls += 1;
        let (read_at, marks) = (self.clock.now(), vec![Mark::of(own())]);
        let count = Count { quantity: quantity.into(), poll: self.polls, read_at, settled: vec![], marks, daily };
        assert!(self.puente.goods.write(&shelf(), &GoodsWrite::Count(count), read_at).await.unwrap());
    }

    /// The ERP says so many euros for A.
    async fn priced(&mut self, amount: &str, daily: bool) {
        self.polls += 1;
        let (amount, currency) = (amount.parse().unwrap(), "EUR".parse().unwrap());
        let offer = Offer { price: Quote { amount, currency, taxed: true, rate: None }, compare_at: None };
        let quoted = PriceWrite::Quoted(Quoted { offer, later: None, poll: self.polls, afresh: false, daily });
        assert!(self.puente.prices.write(&own(), &shelf().sku, &quoted, self.clock.now()).await.unwrap());
    }

    /// The conductor looks after so many seconds, and the system answers that: the events that it was sent, with their ids.
    async fn conducted(&self, seconds: i64, status: u16) -> Vec<(String, Value)> {
        self.clock.advance(seconds);
        self.receiver.reset().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&self.receiver).await;
        let deadline = self.clock.now() + SignedDuration::from_mins(5);
        assert!(flow::goods::conduct::conduct(&self.puente, &own(), deadline).await.unwrap().conducted);
        let event = |request: &Request| {
            let id = request.headers["webhook-id"].to_str().unwrap().to_owned();
            (id, serde_json::from_slice(&request.body).unwrap())
        };
        self.receiver.received_requests().await.unwrap().iter().map(event).collect()
    }

    /// The prices of A that it is told.
    async fn prices(&self, seconds: i64, status: u16) -> Vec<String> {
        let events = self.conducted(seconds, status).await;
        events.iter().map(|(_, event)| event["data"]["articles"][0]["amount"].as_str().unwrap().to_owned()).collect()
    }

    /// The numbers of A that it is told.
    async fn numbers(&self, seconds: i64, status: u16) -> Vec<i64> {
        let events = self.conducted(seconds, status).await;
        events.iter().map(|(_, event)| event["data"]["articles"][0]["quantity"].as_i64().unwrap()).collect()
    }
}

#[tokio::test]
async fn a_number_is_told_once_and_each_night_again() {
    let mut told = Told::new().await;
    told.counted(7, false).await;
    assert_eq!(told.numbers(0, 200).await, [7]);
    assert!(told.numbers(3600, 200).await.is_empty(), "it has what it was told");
    // The same number from another poll is no news; at night it is told again, for a system that has lost some.
    told.counted(7, false).await;
    assert!(told.numbers(60, 200).await.is_empty());
    told.counted(7, true).await;
    assert_eq!(told.numbers(60, 200).await, [7]);
    assert!(told.numbers(3600, 200).await.is_empty(), "once");
}

/// It was told five, and nobody knows whether it heard: seven is told again, though seven is the last that it took for certain.
#[tokio::test]
async fn what_is_in_doubt_is_told_again_though_it_is_the_last_number_that_was_taken() {
    let mut told = Told::new().await;
    told.counted(7, false).await;
    assert_eq!(told.numbers(0, 200).await, [7]);
    told.counted(5, false).await;
    assert_eq!(told.numbers(60, 500).await, [5]);
    told.counted(7, false).await;
    assert!(told.numbers(5, 200).await.is_empty(), "not before the lost one cannot land any more");
    assert_eq!(told.numbers(3600, 200).await, [7]);
    assert!(told.numbers(3600, 200).await.is_empty());
}

/// As of numbers; and what differs much from the price that it was told waits for a person.
#[tokio::test]
async fn a_price_is_told_once_each_night_again_and_where_it_is_in_doubt() {
    let mut told = Told::new().await;
    told.priced("7", false).await;
    assert_eq!(told.prices(0, 200).await, ["7"]);
    told.priced("7", false).await;
    assert!(told.prices(3600, 200).await.is_empty(), "it has what it was told");
    told.priced("7", true).await;
    assert_eq!(told.prices(60, 200).await, ["7"]);
    told.priced("5", false).await;
    assert_eq!(told.prices(60, 500).await, ["5"]);
    told.priced("7", false).await;
    assert!(told.prices(5, 200).await.is_empty(), "not before the lost one cannot land any more");
    assert_eq!(told.prices(3600, 200).await, ["7"]);
    assert!(told.prices(3600, 200).await.is_empty());
    told.priced("70", false).await;
    assert!(told.prices(60, 200).await.is_empty());
    let tag = told.puente.prices.tag(&own(), &shelf().sku).await.unwrap().unwrap();
    assert!(tag.stopped && tag.note.is_some_and(|why| why.starts_with("from 7 to 70 is a change")));
}

/// What the ERP sent, with these parcels.
fn shipment(tracking: &[&str]) -> ShipmentWrite {
    let parcels = tracking.iter().map(|number| Parcel { number: (*number).to_owned(), url: None });
    let shipment = Shipment {
        id: "7".parse().unwrap(),
        number: "OUT/7".to_owned(),
        items: [("A".parse().unwrap(), 1.into())].into(),
        carrier: None,
        parcels: parcels.collect(),
    };
    ShipmentWrite::Noted { shipment, poll: 1 }
}

#[tokio::test]
async fn a_shipment_is_told_under_one_id_until_it_is_taken_and_each_change_under_another() {
    let told = Told::new().await;
    let key = OrderKey::new(own(), "1".parse().unwrap());
    let arrival = Arrival {
        connection: own(),
        order: key.order.clone(),
        received: told.clock.now(),
        request: "r".to_owned(),
        by: None,
        tries: 0,
        waits: 0,
        news: News::State { order: Arc::new(serde_json::from_str(&order("1").to_string()).unwrap()) },
    };
    flow::record::arrival(&told.puente, &arrival).await.unwrap();
    let noted = async |tracking: &[&str]| {
        assert!(
            told.puente
                .shipments
                .write(&key, &"7".parse().unwrap(), &shipment(tracking), told.clock.now())
                .await
                .unwrap()
        );
    };
    noted(&["T1"]).await;
    let first = told.conducted(0, 500).await;
    assert!(told.conducted(5, 200).await.is_empty(), "not before the lost one cannot land any more");
    let again = told.conducted(3600, 200).await;
    assert_eq!((first.len(), again.len(), &first[0].0), (1, 1, &again[0].0));
    assert_eq!(again[0].1["type"], "shipment.created");
    assert_eq!(again[0].1["data"]["sent"], json!({"lines": [{"line": "1", "quantity": "1"}], "completes": true}));
    assert!(again[0].1["data"]["sequence"].as_i64() > first[0].1["data"]["sequence"].as_i64());
    assert!(told.conducted(3600, 200).await.is_empty(), "it has it");
    // Another number, and back to the first.
    let mut ids = vec![again[0].0.clone()];
    for tracking in ["T2", "T1"] {
        noted(&[tracking]).await;
        let events = told.conducted(60, 200).await;
        let [(id, event)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (&event["type"], &event["data"]["parcels"][0]["number"]),
            (&json!("shipment.updated"), &json!(tracking))
        );
        assert!(!ids.contains(id), "{id}");
        ids.push(id.clone());
    }
    let dispatch = told.puente.shipments.of_order(&key).await.unwrap().remove(0);
    assert!(dispatch.is_told() && dispatch.due.is_none());
}
