//! Webhooks as real shops sent them, from public bug reports, each with its right result: through the edge, the queue, the record and
//! the conductor into a model of an ERP.
//!
//! The bodies lie beside the checkout (`../shared/cases`), a folder each with what was delivered and a README that says what is right.
//! Where they are not there, the test says so in a line.

use std::{
    collections::BTreeMap,
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::SignedDuration;
use puente::{
    config::Section,
    domain::{
        event::Outcome,
        ids::{ErpId, OrderKey},
        ledger::Limits,
        order::{ChargeKind, Order, Payment, TaxIdKind},
        reason::Reason,
        record::{Entry, Head, State},
    },
    flow::ingest::{self, Verdict},
    parties::{Account, Connection, Settings},
    ports::Payload,
    store::STORES,
    webhook::RawWebhook,
};
use puente_simulation::erp::Connector;
use serde::Deserialize;

use crate::calm::World;

/// What came of a case.
struct Played {
    name: String,
    world: World,
    verdicts: Vec<Verdict>,
}

/// One delivery of a case.
#[derive(Deserialize)]
struct Delivery {
    file: String,
    connection: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The connections that the cases are delivered to, without store credentials.
fn connections(erp: &ErpId) -> Vec<Connection> {
    let secrets = "webhook_secrets = [{ literal = 'whsec-of-the-cases' }]";
    [
        ("woo", "woocommerce", format!("url = 'https://shop.example'\n{secrets}")),
        ("shop", "shopify", format!("shop = 'h1.myshopify.com'\nshop_id = 548380009\n{secrets}")),
    ]
    .into_iter()
    .map(|(name, kind, section)| {
        let row = STORES.iter().find(|row| row.kind == kind).unwrap();
        let store = (row.build)(&Section::from_toml(&section).unwrap()).unwrap();
        Connection::new(name.parse().unwrap(), erp.clone(), store)
    })
    .collect()
}

fn world() -> World {
    let mut world = World::starting("2026-10-06T08:00:00Z", 1, 0, Limits::default());
    let erp = &world.history.erp_id;
    let connections = connections(erp);
    let names = connections.iter().map(|connection| connection.id.clone()).collect();
    let account = Account::new(erp.clone(), Box::new(Connector(world.history.erp.clone())), names);
    world.puente.settings = Arc::new(Settings::fixed(connections, vec![account]).unwrap());
    world
}

/// Delivers what a case delivers, signed as its store signs, and lets everything come to rest after each.
fn play(folder: &Path) -> Played {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let deliveries = std::fs::read(folder.join("deliveries.json")).unwrap();
    let deliveries: Vec<Delivery> = serde_json::from_slice(&deliveries).unwrap();
    let (world, mut verdicts) = (world(), Vec::new());
    for delivery in deliveries {
        let id = delivery.connection.parse().unwrap();
        let connection = world.play(world.puente.settings.connection(&id)).unwrap().unwrap();
        let body = std::fs::read(folder.join(&delivery.file)).unwrap();
        let mut headers = connection.store.sign(&body, world.now());
        for (header, value) in &delivery.headers {
            headers.insert(http::HeaderName::try_from(header).unwrap(), value.parse().unwrap());
        }
        let raw = RawWebhook { headers, body: body.into(), received: world.now() };
        let opened = ingest::open(&connection, raw).unwrap();
        verdicts.extend(world.play(ingest::webhook(&world.puente, &connection, "case", opened)).unwrap());
        world.run_for(SignedDuration::from_mins(2));
    }
    world.run_for(SignedDuration::from_mins(30));
    world.assert_single();
    Played { name, world, verdicts }
}

impl Played {
    fn key(&self, connection: &str, order: &str) -> OrderKey {
        OrderKey::new(connection.parse().unwrap(), order.parse().unwrap())
    }

    /// The only order of the case.
    fn head(&self) -> Head {
        let heads = self.world.heads();
        assert_eq!(heads.len(), 1, "{}: {:?}", self.name, heads.keys());
        heads.values().next().unwrap().clone()
    }

    /// Its state as it was understood.
    fn order(&self) -> Order {
        let head = self.head();
        match self.world.play(self.world.puente.records.payload(&head.key, &head.desired)).unwrap() {
            Some(Payload::Order(bytes)) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("{}: {other:?}", self.name),
        }
    }

    fn timeline(&self, key: &OrderKey) -> Vec<Entry> {
        self.world.timeline(key)
    }

    /// The totals of the sales in the ERP.
    fn sales(&self) -> Vec<String> {
        self.world.sales().into_iter().map(|sale| sale.total).collect()
    }

    fn is(&self, state: State) {
        let head = self.head();
        assert_eq!(head.state(), state, "{}: {:?}", self.name, head.reason);
    }

    fn reason(&self) -> String {
        self.head().reason.map(|reason| reason.words()).unwrap_or_default()
    }

    /// Stopped, with nothing in the ERP and words that say all of these.
    fn is_parked_for(&self, says: &[&str]) {
        self.is(State::Parked);
        let reason = self.reason();
        for word in says {
            assert!(reason.contains(word), "{}: {word} is not in: {reason}", self.name);
        }
    }
}

/// Its README's "right", as assertions.
fn is_right(case: &Played) {
    match case.name.split('-').next().unwrap() {
        "01" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!((case.sales(), order.total.to_string()), (vec!["33.3".into()], "33.3".into()));
            assert_eq!((order.lines.len(), order.payment), (3, Payment::Paid));
            let shipping = order.charges.iter().find(|charge| charge.kind == ChargeKind::Shipping).unwrap();
            assert_eq!(shipping.amount.to_string(), "10");
            let id = order.customer.unwrap().tax_id.unwrap();
            assert_eq!((id.kind, id.value.as_str()), (TaxIdKind::Dni, "4589743"));
        }
        "04" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!(case.sales(), ["504"]);
            let id = order.customer.unwrap().tax_id.unwrap();
            assert_eq!((id.kind, id.value.as_str()), (TaxIdKind::Cpf, "111.444.777-35"));
            // Who lost is named, without its value.
            let flag = order.flags.iter().find(|flag| flag.code == "tax_id").unwrap();
            assert!(flag.detail.contains("_billing_cnpj") && !flag.detail.contains("222"), "{}", flag.detail);
        }
        "05" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!((case.sales(), order.currency.code()), (vec!["119000".into()], "COP"));
            assert_eq!(order.customer.unwrap().tax_id.unwrap().value, "1020304050");
        }
        "10" => {
            let order = case.order();
            case.is(State::Ignored);
            assert_eq!((order.payment, order.total.to_string()), (Payment::PartiallyPaid, "25".into()));
            assert!(case.sales().is_empty() && case.reason().contains("not paid yet"), "{}", case.reason());
        }
        "14" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!((case.sales(), order.lines[0].quantity.to_string()), (vec!["12.45".into()], "0.5".into()));
            assert_eq!(order.lines[0].title, "Vorhang „Lino“ – 1,5 m × 2 & Bordüre");
        }
        "18" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!((case.sales(), order.total.to_string()), (vec!["38.4".into()], "38.4".into()));
            assert_eq!((order.lines.len(), order.lines[0].quantity.to_string()), (1, "1".into()));
            let discounts = order.lines[0].discounts.iter().map(|discount| discount.amount);
            assert_eq!(discounts.sum::<puente::domain::money::Amount>().to_string(), "9.6");
            assert!(order.proof().holds());
        }
        "20" => {
            let order = case.order();
            case.is(State::Synced);
            assert_eq!((case.sales(), order.total.to_string()), (vec!["30".into()], "30".into()));
            let skus: Vec<_> = order.lines.iter().map(|line| line.sku.as_deref().unwrap_or_default()).collect();
            assert_eq!(skus, ["KEEP"]);
        }
        "22" => {
            case.is_parked_for(&["25.00 GBP", "before it reached the ERP"]);
            assert!(case.sales().is_empty());
        }
        "23" => {
            case.is_parked_for(&["25.00 GBP", "after it reached the ERP", "credit"]);
            assert_eq!(case.sales(), ["115"]);
        }
        "38" => {
            // Both shapes of the error are there for a person, with what to change.
            assert!(case.verdicts.iter().all(|verdict| verdict.result == Outcome::Flagged), "{:?}", case.verdicts);
            let heads: Vec<Head> = case.world.heads().values().cloned().collect();
            assert_eq!(heads.len(), 2);
            for head in heads {
                let reason = head.reason.as_ref().map(Reason::words).unwrap_or_default();
                assert_eq!(head.state(), State::Parked);
                assert!(reason.contains("may not read orders") && reason.contains("Webhooks"), "{reason}");
            }
        }
        "39" => {
            assert_eq!(case.verdicts[0].result, Outcome::Flagged);
            assert_eq!(case.head().key, case.key("woo", "12848"));
            case.is_parked_for(&["Legacy API", "WP REST API Integration v3"]);
        }
        "41" => {
            assert_eq!(case.verdicts[0].result, Outcome::Accepted);
            case.is(State::Synced);
            assert_eq!(case.sales(), ["10"]);
        }
        "42" => {
            let order = case.order();
            assert_eq!((order.total.to_string(), order.lines[0].quantity.to_string()), ("60".into(), "6".into()));
            case.is(State::Ignored);
            // No state is dropped without a trace.
            let timeline = case.timeline(&case.head().key);
            for (total, units) in [("20.00", 2), ("30.00", 3), ("40.00", 4), ("50.00", 5)] {
                let says = format!("total {total} EUR, {units} units on 1 line");
                let told =
                    timeline.iter().any(|line| line.detail.as_ref().is_some_and(|detail| detail.contains(&says)));
                assert!(told, "nothing tells of {says}: {timeline:?}");
            }
        }
        _ => panic!("{}: nobody wrote down what is right", case.name),
    }
}

#[test]
fn orders_as_real_shops_sent_them_come_out_right() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    let Ok(folders) = std::fs::read_dir(&place) else {
        println!("skipped: the cases are not beside this checkout ({})", place.display());
        return;
    };
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // All of them are tried, whatever is wrong with one.
        if catch_unwind(|| is_right(&play(folder))).is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "wrong: {wrong:?}");
    println!("{} cases are right", folders.len());
}
