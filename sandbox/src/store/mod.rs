//! A shop that sends webhooks as Shopify or `WooCommerce` do, keeps the truth about every order, and lets them be fetched.
//!
//! ```
//! use puente_sandbox::store::{Plan, Shop, Vendor};
//!
//! let since = "2026-01-31T10:00:00Z".parse().unwrap();
//! let shop = Shop::open(Plan::new(Vendor::Shopify, "acme.myshopify.com", "secret", 7, 100, since));
//! assert!(shop.deliveries().len() > 100);
//! assert_eq!(shop.truth().len(), 100);
//! ```

mod http;
mod purchase;
mod shopify;
mod woocommerce;

use std::{io, net::SocketAddr, sync::Arc};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::Sha256;

pub use self::purchase::{Article, CANARY, CATALOGUE};
use self::purchase::{Purchase, Stage, State, Story};
use crate::{dice::Dice, net::Server};

/// Whose shape the shop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// REST orders, `X-Shopify-Hmac-Sha256`.
    Shopify,
    /// REST API v3, `X-WC-Webhook-Signature`.
    WooCommerce,
}

/// What the shop is like.
#[derive(Clone)]
pub struct Plan {
    /// Its shape.
    pub vendor: Vendor,
    /// Its domain.
    pub shop: String,
    /// What it signs with.
    pub secret: String,
    /// What its REST interface asks for: an access token (Shopify), `key:secret` (`WooCommerce`).
    pub token: String,
    /// The same seed makes the same orders and deliveries.
    pub seed: u64,
    /// How many orders.
    pub orders: usize,
    /// When the first one was placed.
    pub since: Timestamp,
    /// Its currencies: ISO 4217 and the number of decimals. Each order has one of them.
    pub currencies: Vec<(&'static str, u32)>,
    /// Of a thousand ordinary orders, how many have a webhook that never comes: only the REST interface tells of them.
    pub lost_per_thousand: u16,
}

impl Plan {
    /// A shop in euros that loses no webhook.
    #[must_use]
    pub fn new(vendor: Vendor, shop: &str, secret: &str, seed: u64, orders: usize, since: Timestamp) -> Self {
        Self {
            vendor,
            shop: shop.to_owned(),
            secret: secret.to_owned(),
            token: "ck_sandbox:cs_sandbox".to_owned(),
            seed,
            orders,
            since,
            currencies: vec![("EUR", 2)],
            lost_per_thousand: 0,
        }
    }
}

/// What is special about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Nothing.
    Normal,
    /// The same bytes as before.
    Duplicate,
    /// An older state, after a newer one.
    Stale,
    /// An older state of the same second, after the newer one.
    SameSecond,
    /// Signed with another secret: to be refused.
    Forged,
    /// An article the ERP does not know.
    UnknownSku,
    /// A total that its parts do not make.
    BadBooks,
    /// Signed, but its total is no number.
    Malformed,
    /// Not paid (yet).
    Unpaid,
    /// A test order.
    Test,
    /// Paid, and a part of it given back already.
    Refunded,
    /// The vendor's unsigned ping when a webhook is created: about no order, to be answered 200.
    Ping,
}

/// A webhook to post, in this order.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The store's id of the order; a ping has none.
    pub order: Option<String>,
    /// What is special.
    pub what: What,
}

/// Where an order must be in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// In the ERP, once, with this total.
    InErp {
        /// Exactly.
        total: Decimal,
        /// ISO 4217.
        currency: &'static str,
    },
    /// Not in the ERP: a person has to look at it.
    Parked,
    /// Not in the ERP, and nobody needs to do anything: unpaid, cancelled before it was paid, a test, a forgery.
    Nowhere,
}

/// The truth about an order, when everything has come to rest (only paid orders go to the ERP, differences are parked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The store's id.
    pub order: String,
    /// The number people use.
    pub number: String,
    /// Where it must be.
    pub expect: Expect,
    /// Whether only the REST interface tells of it.
    pub lost: bool,
}

/// A shop, with everything that will happen in it.
pub struct Shop {
    plan: Plan,
    purchases: Vec<Purchase>,
    deliveries: Vec<Delivery>,
}

/// What happens to every shop at least once, if it has as many orders …
const STORIES: [Story; 15] = [
    Story::Paid,
    Story::Duplicate,
    Story::OutOfOrder,
    Story::SameSecond,
    Story::Forged,
    Story::UnknownSku,
    Story::BadBooks,
    Story::Malformed,
    Story::Unpaid,
    Story::Cancelled,
    Story::Steps,
    Story::Delivered,
    Story::Test,
    Story::Edited,
    Story::Refunded,
];

/// … and how often, of a thousand further orders.
const SHARES: [(Story, u64); 14] = [
    (Story::Duplicate, 80),
    (Story::OutOfOrder, 60),
    (Story::SameSecond, 40),
    (Story::Forged, 20),
    (Story::UnknownSku, 20),
    (Story::BadBooks, 15),
    (Story::Malformed, 10),
    (Story::Unpaid, 40),
    (Story::Cancelled, 20),
    (Story::Steps, 200),
    (Story::Delivered, 120),
    (Story::Test, 10),
    (Story::Edited, 40),
    (Story::Refunded, 10),
];

impl Shop {
    /// Opens it: everything that will happen follows from the plan.
    #[must_use]
    pub fn open(plan: Plan) -> Self {
        let mut dice = Dice::new(plan.seed, 0);
        let mut stories: Vec<Story> = (0..plan.orders).map(|n| story(&plan, &mut dice, n)).collect();
        dice.shuffle(&mut stories);
        let purchases: Vec<Purchase> = (0..)
            .zip(stories)
            .map(|(n, story)| {
                let mut purchase = Purchase::invent(plan.seed, n, story, plan.since, &plan.currencies);
                if plan.vendor == Vendor::WooCommerce {
                    purchase.make_net();
                }
                purchase
            })
            .collect();
        let deliveries = travel(&plan, &purchases, &mut dice);
        Self { plan, purchases, deliveries }
    }

    /// The webhooks, in the order in which they arrive.
    #[must_use]
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// The truth about every order.
    #[must_use]
    pub fn truth(&self) -> Vec<Truth> {
        let of = |purchase: &Purchase| {
            let expect = match (purchase.story, purchase.last().stage) {
                (Story::UnknownSku | Story::BadBooks | Story::Malformed | Story::Refunded, _) => Expect::Parked,
                (Story::Forged | Story::Test, _) | (_, Stage::Pending | Stage::Cancelled) => Expect::Nowhere,
                _ => Expect::InErp { total: purchase.decimal(purchase.total()), currency: purchase.currency.0 },
            };
            let number = match self.plan.vendor {
                Vendor::Shopify => format!("#{}", purchase.number),
                Vendor::WooCommerce => purchase.number.to_string(),
            };
            Truth { order: id(&self.plan, purchase), number, expect, lost: purchase.story == Story::Lost }
        };
        self.purchases.iter().map(of).collect()
    }

    /// Lets the orders be fetched, in their last state, on a free loopback port.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn serve(&self) -> io::Result<Serving> {
        let real = self.purchases.iter().filter(|purchase| purchase.story != Story::Forged);
        let orders = real
            .map(|purchase| {
                let state = purchase.last();
                (state.at, id(&self.plan, purchase), order(&self.plan, purchase, state))
            })
            .collect();
        let open = http::Shelf { vendor: self.plan.vendor, token: self.plan.token.clone(), orders };
        Ok(Serving { server: Server::start(http::router(Arc::new(open))).await? })
    }
}

/// A shop's REST interface. It stops when dropped.
#[derive(Debug)]
pub struct Serving {
    server: Server,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Closes the port, so that connections are refused; or opens it again.
    pub fn listen(&self, open: bool) {
        self.server.listen(open);
    }
}

fn story(plan: &Plan, dice: &mut Dice, n: usize) -> Story {
    let drawn = STORIES.get(n).copied().unwrap_or_else(|| {
        let (roll, mut reach) = (dice.below(1000), 0);
        let told = SHARES.iter().find(|(_, share)| {
            reach += share;
            roll < reach
        });
        told.map_or(Story::Paid, |(story, _)| *story)
    });
    match drawn {
        // WooCommerce has no test orders, and its edits leave no trace of what was removed.
        Story::Test | Story::Edited | Story::Refunded if plan.vendor == Vendor::WooCommerce => Story::Paid,
        Story::Paid if dice.chance(plan.lost_per_thousand) => Story::Lost,
        other => other,
    }
}

/// Every delivery, and when it arrives: an order's own keep their order, those of different orders mix.
fn travel(plan: &Plan, purchases: &[Purchase], dice: &mut Dice) -> Vec<Delivery> {
    let mut timed: Vec<(u64, Delivery)> = Vec::new();
    if plan.vendor == Vendor::WooCommerce {
        timed.push((0, ping()));
    }
    for (place, purchase) in (0_u64..).zip(purchases) {
        let mut time = place * 100;
        for (state, what) in sent(purchase) {
            time += dice.below(700);
            timed.push((time, delivery(plan, purchase, state, what)));
        }
    }
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, delivery)| delivery).collect()
}

/// Which states are sent, in the order they arrive.
fn sent(purchase: &Purchase) -> Vec<(State, What)> {
    let last = purchase.last();
    let first = purchase.states.first().copied().unwrap_or(last);
    match purchase.story {
        Story::Lost => vec![],
        Story::Paid => vec![(last, What::Normal)],
        Story::Duplicate => vec![(last, What::Normal), (last, What::Duplicate), (last, What::Duplicate)],
        Story::OutOfOrder => vec![(last, What::Normal), (first, What::Stale)],
        Story::SameSecond => vec![(last, What::Normal), (first, What::SameSecond)],
        Story::Forged => vec![(last, What::Forged)],
        Story::UnknownSku => vec![(last, What::UnknownSku)],
        Story::BadBooks => vec![(last, What::BadBooks)],
        Story::Malformed => vec![(last, What::Malformed)],
        Story::Test => vec![(last, What::Test)],
        Story::Unpaid => vec![(last, What::Unpaid)],
        Story::Refunded => vec![(last, What::Refunded)],
        Story::Steps | Story::Delivered | Story::Cancelled | Story::Edited => purchase
            .states
            .iter()
            .map(|state| (*state, if state.stage == Stage::Pending { What::Unpaid } else { What::Normal }))
            .collect(),
    }
}

fn delivery(plan: &Plan, purchase: &Purchase, state: State, what: What) -> Delivery {
    let body = Bytes::from(order(plan, purchase, state).to_string());
    let mut plan = plan.clone();
    if what == What::Forged {
        plan.secret.push_str("-not");
    }
    let headers = match plan.vendor {
        Vendor::Shopify => {
            let name = format!("{}-{}", purchase.token, state.at.as_second());
            shopify::headers(&plan, shopify::topic(purchase, state), &body, &name, state.at)
        }
        Vendor::WooCommerce => woocommerce::headers(&plan, woocommerce::topic(purchase, state), &body, state.at),
    };
    Delivery { headers, body, order: Some(id(&plan, purchase)), what }
}

fn ping() -> Delivery {
    let mut headers = HeaderMap::new();
    header(&mut headers, "content-type", "application/x-www-form-urlencoded");
    header(&mut headers, "user-agent", "WooCommerce/10.9.0 Hookshot (WordPress/6.9)");
    Delivery { headers, body: Bytes::from_static(b"webhook_id=7"), order: None, what: What::Ping }
}

fn order(plan: &Plan, purchase: &Purchase, state: State) -> serde_json::Value {
    match plan.vendor {
        Vendor::Shopify => shopify::order(plan, purchase, state),
        Vendor::WooCommerce => woocommerce::order(plan, purchase, state),
    }
}

fn id(plan: &Plan, purchase: &Purchase) -> String {
    match plan.vendor {
        Vendor::Shopify => purchase.id.to_string(),
        Vendor::WooCommerce => purchase.number.to_string(),
    }
}

/// HMAC-SHA256 in base64, as both vendors sign. On purpose not the library's own code, which this checks.
fn signature(secret: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn plan(vendor: Vendor, seed: u64, orders: usize) -> Plan {
        Plan::new(vendor, "acme.example", "secret", seed, orders, "2026-01-31T23:50:00Z".parse().unwrap())
    }

    const BOTH: [Vendor; 2] = [Vendor::Shopify, Vendor::WooCommerce];

    #[test]
    fn the_same_seed_makes_the_same_shop() {
        for vendor in BOTH {
            let bodies = |seed| -> Vec<Bytes> {
                Shop::open(plan(vendor, seed, 50)).deliveries().iter().map(|delivery| delivery.body.clone()).collect()
            };
            assert_eq!(bodies(1), bodies(1));
            assert_ne!(bodies(1), bodies(2));
        }
    }

    #[test]
    fn a_shop_of_a_hundred_orders_has_everything() {
        for vendor in BOTH {
            let shop = Shop::open(plan(vendor, 3, 100));
            let mut kinds = BTreeMap::<What, usize>::new();
            for delivery in shop.deliveries() {
                *kinds.entry(delivery.what).or_default() += 1;
            }
            let only = if vendor == Vendor::Shopify { [What::Test, What::Refunded] } else { [What::Ping, What::Ping] };
            for what in [
                What::Normal,
                What::Duplicate,
                What::Stale,
                What::SameSecond,
                What::Forged,
                What::UnknownSku,
                What::BadBooks,
                What::Malformed,
                What::Unpaid,
                only[0],
                only[1],
            ] {
                assert!(kinds.contains_key(&what), "{vendor:?} {what:?}");
            }
            let truth = shop.truth();
            assert_eq!(truth.len(), 100);
            let ids: std::collections::BTreeSet<_> = truth.iter().map(|truth| &truth.order).collect();
            assert_eq!(ids.len(), 100, "every order has its own id");
            assert!(truth.iter().filter(|truth| matches!(truth.expect, Expect::InErp { .. })).count() > 60);
        }
    }

    /// Adds a delivered body up by the vendor's own rules, from its text.
    fn adds_up(vendor: Vendor, order: &serde_json::Value) -> (Decimal, Decimal) {
        let amount = |value: &serde_json::Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
        let each = |key: &str| order[key].as_array().unwrap().iter();
        match vendor {
            Vendor::Shopify => {
                let lines: Decimal = each("line_items")
                    .map(|line| {
                        let off: Decimal = line["discount_allocations"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|of| amount(&of["amount"]))
                            .sum();
                        amount(&line["price"]) * Decimal::from(line["quantity"].as_i64().unwrap()) - off
                    })
                    .sum();
                let shipping: Decimal = each("shipping_lines").map(|line| amount(&line["price"])).sum();
                let taxes = |line: &serde_json::Value| -> Decimal {
                    line["tax_lines"].as_array().unwrap().iter().map(|tax| amount(&tax["price"])).sum()
                };
                let tax: Decimal = each("line_items").chain(each("shipping_lines")).map(taxes).sum();
                assert_eq!(tax, amount(&order["total_tax"]));
                let on_top = if order["taxes_included"].as_bool().unwrap() { Decimal::ZERO } else { tax };
                let sum = lines + shipping + on_top + amount(&order["total_tip_received"]);
                // What went without money was not sold; what was paid back was.
                let unsold: Decimal = each("refunds")
                    .filter(|refund| refund["transactions"] == json!([]))
                    .flat_map(|refund| refund["refund_line_items"].as_array().unwrap())
                    .map(|item| {
                        let tax = if on_top.is_zero() {
                            Decimal::ZERO
                        } else {
                            amount(&item["total_tax_set"]["shop_money"]["amount"])
                        };
                        amount(&item["subtotal_set"]["shop_money"]["amount"]) + tax
                    })
                    .sum();
                if unsold > Decimal::ZERO {
                    assert_eq!(amount(&order["total_price"]) - unsold, amount(&order["current_total_price"]));
                }
                (sum - unsold, amount(&order["total_price"]) - unsold)
            }
            Vendor::WooCommerce => {
                let all = each("line_items").chain(each("shipping_lines")).chain(each("fee_lines"));
                let sum = all.map(|line| amount(&line["total"]) + amount(&line["total_tax"])).sum();
                (sum, amount(&order["total"]))
            }
        }
    }

    #[test]
    fn bodies_add_up_to_the_truth_unless_they_are_meant_not_to() {
        for vendor in BOTH {
            let mut plan = plan(vendor, 5, 400);
            plan.currencies = vec![("EUR", 2), ("JPY", 0), ("KWD", 3)];
            let shop = Shop::open(plan);
            let truth: BTreeMap<_, _> = shop.truth().into_iter().map(|truth| (truth.order, truth.expect)).collect();
            for delivery in shop.deliveries() {
                let Some(id) = &delivery.order else { continue };
                if delivery.what == What::Malformed {
                    continue;
                }
                let order: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
                let (sum, total) = adds_up(vendor, &order);
                assert_eq!(sum == total, delivery.what != What::BadBooks, "{vendor:?} {id}: {sum} {total}");
                if let Expect::InErp { total: expected, currency } = truth[id] {
                    assert_eq!((total, order["currency"].as_str().unwrap()), (expected, currency));
                }
            }
        }
    }

    #[test]
    fn deliveries_are_signed_and_forgeries_are_not() {
        // The vendors' formula, once more and independent of `signature`: HMAC-SHA256 of RFC 4231, test case 2.
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            STANDARD.encode([
                0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a,
                0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43
            ])
        );
        for (vendor, name) in
            [(Vendor::Shopify, "x-shopify-hmac-sha256"), (Vendor::WooCommerce, "x-wc-webhook-signature")]
        {
            for delivery in Shop::open(plan(vendor, 1, 60)).deliveries() {
                let right = delivery.headers.get(name).is_some_and(|sent| sent == &signature("secret", &delivery.body));
                assert_eq!(right, !matches!(delivery.what, What::Forged | What::Ping), "{:?}", delivery.what);
            }
        }
    }

    #[test]
    fn a_stale_delivery_comes_after_the_newer_one() {
        let shop = Shop::open(plan(Vendor::Shopify, 9, 300));
        let time = |delivery: &Delivery| {
            let order: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
            order["updated_at"].as_str().unwrap().parse::<Timestamp>().unwrap()
        };
        let mut newest = BTreeMap::new();
        for delivery in shop.deliveries() {
            let at = time(delivery);
            let before = newest.insert(delivery.order.clone(), at);
            match delivery.what {
                What::Stale => assert!(before.unwrap() > at),
                What::SameSecond => assert_eq!(before, Some(at)),
                _ => {}
            }
        }
    }
}
