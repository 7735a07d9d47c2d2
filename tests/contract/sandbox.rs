//! The sandbox's shops and the connectors, which share no code, agree: on signatures, on every order's money, on how orders are
//! fetched. Where they do not, one of them misreads the vendor. A new row of `STORES` is enrolled by itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use puente::{
    config::Section,
    domain::order::Order,
    fuzzing::Way,
    store::{Reading, Row, STORES, Store},
    webhook::RawWebhook,
};
use puente_sandbox::store::{CATALOGUE, Delivery, Expect, Plan, Shop, Story, Truth, What};

use crate::support::orders::SECRET;

fn since() -> Timestamp {
    "2026-01-31T23:50:00Z".parse().unwrap()
}

fn shop_of(row: &Row, seed: u64, orders: usize) -> Shop {
    let mut plan = Plan::new(row.kit, "acme.myshopify.com", SECRET, seed, orders, since());
    plan.currencies = vec![("EUR", 2), ("JPY", 0), ("KWD", 3)];
    plan.lost_per_thousand = 50;
    Shop::open(plan)
}

fn shop(row: &Row, orders: usize) -> Shop {
    shop_of(row, 11, orders)
}

fn store(row: &Row, url: &str) -> Box<dyn Store> {
    let plan = Plan::new(row.kit, "acme.myshopify.com", SECRET, 0, 0, since());
    let section = row.kit.section(&plan, url, &mut |_, secret| format!("{{ literal = '{secret}' }}"));
    (row.build)(&Section::from_toml(&section).unwrap()).unwrap()
}

fn truth(shop: &Shop) -> BTreeMap<String, Truth> {
    shop.truth().into_iter().map(|truth| (truth.order.clone(), truth)).collect()
}

fn agrees(order: &Order, truth: &Truth) {
    assert_eq!(order.number, truth.number);
    // Whatever the vendor makes of them on the way.
    for line in &order.lines {
        let known = CATALOGUE.iter().any(|article| article.title == line.title);
        assert!(known || ["Gift card", "Misspelt article"].contains(&line.title.as_str()), "{}", line.title);
    }
    if let Expect::InErp { total, currency } = truth.expect {
        assert_eq!((order.total.decimal(), order.currency.code()), (total.normalize(), currency), "{}", order.id);
        assert!(order.proof().holds() && order.proof().untraced_tax.is_zero(), "{}: {:?}", order.id, order.proof());
    }
}

fn raw(delivery: &Delivery) -> RawWebhook {
    RawWebhook { headers: delivery.headers.clone(), body: delivery.body.clone(), received: delivery.at }
}

#[test]
fn every_delivery_is_read_as_it_was_meant() {
    for row in STORES {
        let (shop, store) = (shop(row, 400), store(row, "http://127.0.0.1:1"));
        let truth = truth(&shop);
        for delivery in shop.deliveries() {
            let (raw, what) = (raw(delivery), delivery.what);
            assert_eq!(store.is_ping(&raw), what == What::Ping);
            let verified = store.entrance().signed().unwrap().verify(raw);
            let (What::Forged | What::Ping) = what else {
                let reading = store.read(&verified.unwrap());
                let id = delivery.order.as_deref().unwrap();
                match (what, reading) {
                    (What::Malformed, Reading::Unmapped(Some(of), _)) => assert_eq!(of.as_str(), id),
                    (What::BadBooks, Reading::Order(order)) => assert!(!order.proof().holds(), "{id}"),
                    (What::Test, Reading::Order(order)) => assert!(order.test, "{id}"),
                    (_, Reading::Order(order)) => agrees(&order, &truth[id]),
                    (what, reading) => panic!("{} {what:?} {id}: {reading:?}", row.kind),
                }
                continue;
            };
            assert!(verified.is_err(), "{} {what:?}", row.kind);
        }
    }
}

#[tokio::test]
async fn a_backfill_finds_every_order_also_those_no_webhook_told_of() {
    for row in STORES {
        let shop = shop(row, 300);
        let serving = shop.serve().await.unwrap();
        let (store, way) = (store(row, &format!("http://{}", serving.addr())), Way::open());
        if !store.can_fetch() {
            continue;
        }
        let truth = truth(&shop);
        assert!(truth.values().any(|truth| truth.lost), "{}", row.kind);
        let (mut found, mut page) = (BTreeMap::new(), None);
        loop {
            let changes = store.changed_since(&way.calls(), since(), page.as_deref()).await.unwrap();
            found.extend(changes.orders.into_iter().map(|order| (order.id.to_string(), order)));
            for changed in changes.ids {
                let order = store.fetch(&way.calls(), &changed.order).await.unwrap().expect("it is listed");
                found.insert(order.id.to_string(), order);
            }
            page = changes.next;
            if page.is_none() {
                break;
            }
        }
        for (id, truth) in &truth {
            if matches!(truth.expect, Expect::InErp { .. }) {
                agrees(found.get(id).unwrap_or_else(|| panic!("{} {id} was not listed", row.kind)), truth);
            }
        }
        let (id, one) = truth.iter().find(|(_, truth)| truth.lost).unwrap();
        agrees(&store.fetch(&way.calls(), &id.parse().unwrap()).await.unwrap().expect("it exists"), one);
        assert!(store.fetch(&way.calls(), &"404404".parse().unwrap()).await.unwrap().is_none(), "{}", row.kind);
        serving.listen(false).await;
    }
}

#[test]
fn the_same_seed_makes_the_same_shop() {
    for row in STORES {
        let bodies = |seed| -> Vec<Vec<u8>> {
            shop_of(row, seed, 50).deliveries().iter().map(|delivery| delivery.body.to_vec()).collect()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
    }
}

#[test]
fn a_shop_of_a_hundred_orders_has_everything() {
    for row in STORES {
        let shop = shop_of(row, 3, 100);
        let kinds: BTreeSet<What> = shop.deliveries().iter().map(|delivery| delivery.what).collect();
        let told = |what, story| row.kit.tells(story).then_some(what);
        let everywhere = [
            What::Normal,
            What::Duplicate,
            What::Stale,
            What::SameSecond,
            What::Forged,
            What::UnknownSku,
            What::BadBooks,
            What::Malformed,
            What::Unpaid,
        ];
        let sometimes =
            [told(What::Test, Story::Test), told(What::Refunded, Story::Refunded), row.kit.ping().map(|_| What::Ping)];
        let wanted: BTreeSet<What> = everywhere.into_iter().chain(sometimes.into_iter().flatten()).collect();
        assert_eq!(kinds, wanted, "{}", row.kind);
        let truth = shop.truth();
        assert_eq!(truth.len(), 100);
        let ids: BTreeSet<_> = truth.iter().map(|truth| &truth.order).collect();
        assert_eq!(ids.len(), 100, "every order has its own id");
        assert!(truth.iter().filter(|truth| matches!(truth.expect, Expect::InErp { .. })).count() > 60);
    }
}

#[test]
fn a_stale_delivery_comes_after_the_newer_one() {
    for row in STORES {
        let mut newest = BTreeMap::new();
        for delivery in shop_of(row, 9, 300).deliveries() {
            let before = newest.insert(delivery.order.clone(), delivery.at);
            match delivery.what {
                What::Stale => assert!(before.unwrap() > delivery.at),
                What::SameSecond => assert_eq!(before, Some(delivery.at)),
                _ => {}
            }
        }
    }
}
