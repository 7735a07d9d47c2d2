//! The sandbox and the library, which share no code, agree: on signatures, on every order's money, on how orders are fetched.
//! Where they do not, one of them misreads the vendor.

use std::collections::BTreeMap;

use jiff::Timestamp;
use puente::{
    config::Section,
    domain::order::Order,
    outbound::Client,
    store::{Reading, STORES, Store},
    webhook::{RawWebhook, verify},
};
use puente_sandbox::store::{CATALOGUE, Expect, Plan, Shop, Truth, Vendor, What};

const SECRET: &str = "sandbox-secret";
const BOTH: [Vendor; 2] = [Vendor::Shopify, Vendor::WooCommerce];

fn since() -> Timestamp {
    "2026-01-31T23:50:00Z".parse().unwrap()
}

fn shop(vendor: Vendor, orders: usize) -> Shop {
    let mut plan = Plan::new(vendor, "acme.myshopify.com", SECRET, 11, orders, since());
    plan.currencies = vec![("EUR", 2), ("JPY", 0), ("KWD", 3)];
    plan.lost_per_thousand = 50;
    Shop::open(plan)
}

fn store(vendor: Vendor, url: &str) -> Box<dyn Store> {
    let (kind, section) = match vendor {
        Vendor::Shopify => (
            "shopify",
            format!(
                "shop = 'acme.myshopify.com'\nwebhook_secrets = [{{ literal = '{SECRET}' }}]\napi_url = '{url}'\n\
                 token = {{ literal = 'ck_sandbox:cs_sandbox' }}\nall_orders = true"
            ),
        ),
        Vendor::WooCommerce => (
            "woocommerce",
            format!(
                "url = '{url}'\nwebhook_secrets = [{{ literal = '{SECRET}' }}]\n\
                 consumer_key = {{ literal = 'ck_sandbox' }}\nconsumer_secret = {{ literal = 'cs_sandbox' }}"
            ),
        ),
    };
    let row = STORES.iter().find(|row| row.kind == kind).unwrap();
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

#[test]
fn every_delivery_is_read_as_it_was_meant() {
    for vendor in BOTH {
        let (shop, store) = (shop(vendor, 400), store(vendor, "http://127.0.0.1:1"));
        let truth = truth(&shop);
        for delivery in shop.deliveries() {
            let raw = RawWebhook { headers: delivery.headers.clone(), body: delivery.body.clone(), received: since() };
            assert_eq!(store.is_ping(&raw), delivery.what == What::Ping);
            let verified = verify(raw, store.scheme(), store.secrets());
            let (What::Forged | What::Ping) = delivery.what else {
                let reading = store.read(&verified.unwrap());
                let id = delivery.order.as_deref().unwrap();
                match (delivery.what, reading) {
                    (What::Malformed, Reading::Unmapped(Some(of), _)) => assert_eq!(of.as_str(), id),
                    (What::BadBooks, Reading::Order(order)) => assert!(!order.proof().holds(), "{id}"),
                    (What::Test, Reading::Order(order)) => assert!(order.test, "{id}"),
                    (_, Reading::Order(order)) => agrees(&order, &truth[id]),
                    (what, reading) => panic!("{vendor:?} {what:?} {id}: {reading:?}"),
                }
                continue;
            };
            assert!(verified.is_err(), "{vendor:?} {:?}", delivery.what);
        }
    }
}

#[tokio::test]
async fn a_backfill_finds_every_order_also_those_no_webhook_told_of() {
    for vendor in BOTH {
        let shop = shop(vendor, 300);
        let serving = shop.serve().await.unwrap();
        let (store, client) = (store(vendor, &format!("http://{}", serving.addr())), Client::new().unwrap());
        let truth = truth(&shop);
        assert!(truth.values().any(|truth| truth.lost), "{vendor:?}");
        let (mut found, mut page) = (BTreeMap::new(), None);
        loop {
            let changes = store.changed_since(&client, since(), page.as_deref()).await.unwrap();
            found.extend(changes.orders.into_iter().map(|order| (order.id.to_string(), order)));
            page = changes.next;
            if page.is_none() {
                break;
            }
        }
        for (id, truth) in &truth {
            if matches!(truth.expect, Expect::InErp { .. }) {
                agrees(found.get(id).unwrap_or_else(|| panic!("{vendor:?} {id} was not listed")), truth);
            }
        }
        let (id, one) = truth.iter().find(|(_, truth)| truth.lost).unwrap();
        agrees(&store.fetch(&client, &id.parse().unwrap()).await.unwrap().expect("it exists"), one);
        assert!(store.fetch(&client, &"404404".parse().unwrap()).await.unwrap().is_none());
        serving.listen(false);
    }
}
