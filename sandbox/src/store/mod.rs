//! A shop that sends webhooks as its vendor does, keeps the truth about every order, and lets them be fetched.
//!
//! How a vendor writes orders, signs and answers is its [`Vendor`], which lies with the vendor's connector: `store/<name>/kit.rs` of
//! the library, in which a shop is opened like this:
//!
//! ```ignore
//! let shop = Shop::open(Plan::new(row.kit, "acme.myshopify.com", "secret", 7, 100, since));
//! assert!(shop.deliveries().len() > 100);
//! assert_eq!(shop.truth().len(), 100);
//! ```

mod fulfilment;
mod oauth;
mod purchase;
mod rest;
mod stock;
mod vendor;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::Decimal;

pub use self::{
    fulfilment::{Sent, Told},
    oauth::{App, Tokens},
    purchase::{Article, Buyer, CANARY, CATALOGUE, Edit, Line, Purchase, Shipping, Stage, State, Story},
    rest::{Answer, Asked, Shelf},
    stock::{Goods, Stock, Tag},
    vendor::{Vendor, digest, header},
};
use crate::{dice::Dice, net::Server};

/// What the shop is like.
#[derive(Clone)]
pub struct Plan {
    /// Whose shop it is.
    pub vendor: &'static dyn Vendor,
    /// Its domain.
    pub shop: String,
    /// What it signs with.
    pub secret: String,
    /// What its REST interface asks for: a token, or `user:password`.
    pub token: String,
    /// An app whose tokens end, instead (Shopify).
    pub app: Option<App>,
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
    pub fn new(
        vendor: &'static dyn Vendor,
        shop: &str,
        secret: &str,
        seed: u64,
        orders: usize,
        since: Timestamp,
    ) -> Self {
        Self {
            vendor,
            shop: shop.to_owned(),
            secret: secret.to_owned(),
            token: "ck_sandbox:cs_sandbox".to_owned(),
            app: None,
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
    /// When the store sent it.
    pub at: Timestamp,
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
                plan.vendor.suit(&mut purchase);
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
            let (order, number) = (self.plan.vendor.id(purchase), self.plan.vendor.number(purchase));
            Truth { order, number, expect, lost: purchase.story == Story::Lost }
        };
        self.purchases.iter().map(of).collect()
    }

    /// Lets the orders be fetched, in their last state, and its stock, its prices and what is sent be read and written, on a free loopback port.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn serve(&self) -> io::Result<Serving> {
        let real = self.purchases.iter().filter(|purchase| purchase.story != Story::Forged);
        let orders = real
            .map(|purchase| {
                let (state, vendor) = (purchase.last(), self.plan.vendor);
                (state.at, vendor.id(purchase), vendor.order(&self.plan, purchase, state))
            })
            .collect();
        let open = Shelf::new(self.plan.clone(), orders);
        let (tokens, stock, visits) = (open.tokens.clone(), open.stock.clone(), Arc::new(rest::Visits::default()));
        let sent = open.sent.clone();
        let server = Server::start(rest::router(Arc::new(open), visits.clone())).await?;
        Ok(Serving { server, tokens, stock, sent, visits })
    }
}

/// A shop's REST interface. It stops when dropped.
#[derive(Debug)]
pub struct Serving {
    server: Server,
    tokens: Option<Arc<Tokens>>,
    stock: Arc<Stock>,
    sent: Arc<Sent>,
    visits: Arc<rest::Visits>,
}

impl Serving {
    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.visits.calls().len()
    }

    /// The most calls in any `window`.
    #[must_use]
    pub fn busiest(&self, window: Duration) -> usize {
        let calls = self.visits.calls();
        let within = |(from, at): (usize, &Instant)| {
            calls.iter().skip(from).take_while(|call| call.duration_since(*at) < window).count()
        };
        calls.iter().enumerate().map(within).max().unwrap_or(0)
    }

    /// The next call is answered with this, and not looked at.
    pub fn next(&self, answer: Answer) {
        self.visits.next().push_back(answer);
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// The tokens that its app was given, if it has one.
    #[must_use]
    pub fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_deref()
    }

    /// What it has of its articles and what they cost: to be seen, and to be set by hand.
    #[must_use]
    pub fn stock(&self) -> &Stock {
        &self.stock
    }

    /// What it was told of what was sent.
    #[must_use]
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Closes the port, so that connections are refused; or opens it again. Returns when it is so.
    pub async fn listen(&self, open: bool) {
        self.server.listen(open).await;
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
        other if !plan.vendor.tells(other) => Story::Paid,
        Story::Paid if dice.chance(plan.lost_per_thousand) => Story::Lost,
        other => other,
    }
}

/// Every delivery, and when it arrives: an order's own keep their order, those of different orders mix.
fn travel(plan: &Plan, purchases: &[Purchase], dice: &mut Dice) -> Vec<Delivery> {
    let mut timed: Vec<(u64, Delivery)> = Vec::new();
    if let Some((headers, body)) = plan.vendor.ping() {
        timed.push((0, Delivery { headers, body, order: None, what: What::Ping, at: plan.since }));
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
    let body = Bytes::from(plan.vendor.body(plan, purchase, state).to_string());
    let mut plan = plan.clone();
    if what == What::Forged {
        plan.secret.push_str("-not");
    }
    let headers = plan.vendor.headers(&plan, purchase, state, &body);
    Delivery { headers, body, order: Some(plan.vendor.id(purchase)), what, at: state.at }
}
