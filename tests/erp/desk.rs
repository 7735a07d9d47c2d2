//! A shop of one's own before a real Tryton: its orders arrive and depart, and what came of them can be asked on both sides.

use std::ops::Deref;

use puente::domain::{
    ids::OrderKey,
    money::Amount,
    order::{Line, Order, Payment, Refund, Returned, Status},
    time::Stamp,
};
use serde_json::{Value, json};

use crate::{
    flow::{Inside, OWN},
    life::total,
    made::{add_up, amount, line, order, taxed},
    support::tryton::{Tryton, tryton},
};

/// A shop, and the Tryton that its orders go to.
pub struct Desk {
    pub inside: Inside,
    pub tryton: &'static Tryton,
}

impl Deref for Desk {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.inside
    }
}

impl Desk {
    /// Before the Tryton of all tests; `None`: offline.
    pub fn new(more: &str) -> Option<Self> {
        tryton().map(|tryton| Self::before(tryton, more))
    }

    /// Before one of its own: what is changed there would be others' too.
    pub fn alone(more: &str) -> Option<Self> {
        let tryton: &'static Tryton = Box::leak(Box::new(Tryton::start()?));
        Some(Self::before(tryton, more))
    }

    pub fn before(tryton: &'static Tryton, more: &str) -> Self {
        Self { inside: Inside::of(tryton, more, &OWN), tryton }
    }

    /// The documents of an order in Tryton, the sale first.
    pub async fn documents(&self, order: &Order) -> Vec<Value> {
        let web_id = key(order).sale();
        let domain =
            json!([["OR", ["web_id", "=", web_id.as_str()], ["web_id", "like", format!("{}/%", web_id.as_str())]]]);
        let fields = json!([
            "web_id",
            "number",
            "state",
            "total_amount",
            "party",
            "origin",
            "invoice_state",
            "shipment_state",
            "invoices",
            "shipments",
            "lines.quantity"
        ]);
        let mut found = self.tryton.search("sale.sale", domain, fields).await;
        found.sort_by_key(|sale| sale["id"].as_i64());
        found
    }

    pub async fn sale(&self, order: &Order) -> Value {
        self.documents(order).await.remove(0)
    }

    /// What each document of an order comes to.
    pub async fn totals(&self, order: &Order) -> Vec<Amount> {
        self.documents(order).await.iter().map(|document| amount(total(document))).collect()
    }

    /// The party of a customer of ours.
    pub async fn party(&self, customer: &str) -> i64 {
        let domain = json!([["code", "=", format!("acme/customer/{customer}")], ["active", "in", [true, false]]]);
        self.tryton.search("party.party", domain, json!(["id"])).await[0]["id"].as_i64().unwrap()
    }

    pub async fn press(&self, order: &Order, buttons: &[&str]) {
        let id = self.sale(order).await["id"].clone();
        for button in buttons {
            self.tryton.rpc(&format!("model.sale.sale.{button}"), json!([[id]])).await;
        }
    }
}

pub fn key(order: &Order) -> OrderKey {
    OrderKey::new("acme".parse().unwrap(), order.id.clone())
}

/// Two cups, 24.20 with their tax.
pub fn sold() -> Order {
    order("EUR", false, vec![cups(2)], vec![])
}

fn cups(pieces: i64) -> Line {
    let mut line = line("ART-01", &pieces.to_string(), &format!("{}.00", pieces * 10), Some(("0.21", &tax(pieces))));
    line.unit_price = amount("10.00");
    line
}

/// 21 % of so many cups.
fn tax(pieces: i64) -> String {
    format!("{}.{:02}", pieces * 210 / 100, pieces * 210 % 100)
}

fn later(order: &Order) -> Order {
    let minutes = order.updated_at.at().as_second() / 60 + 1;
    let at = jiff::Timestamp::from_second(minutes * 60).unwrap();
    Order { updated_at: Stamp::parse(&at.to_string()).unwrap(), ..order.clone() }
}

/// A third cup: 36.30.
pub fn edited(order: &Order) -> Order {
    let mut order = later(order);
    order.lines = vec![cups(3)];
    add_up(&mut order);
    order
}

pub fn cancelled(order: &Order) -> Order {
    Order { status: Status::Cancelled, ..later(order) }
}

/// One cup comes back: 12.10.
pub fn refunded(order: &Order) -> Order {
    let back = Returned {
        line: order.lines[0].id.clone(),
        quantity: Amount::ONE,
        amount: amount("10.00"),
        taxes: vec![taxed("0.21", "2.10")],
        restock: true,
    };
    let refund = Refund { lines: vec![back], ..Refund::new("r1", amount("12.10")) };
    Order { refunds: vec![refund], payment: Payment::PartiallyRefunded, ..later(order) }
}

/// Another order of the same customer.
pub fn another(of: &Order) -> Order {
    Order { customer: of.customer.clone(), ..sold() }
}

pub fn customer(order: &Order) -> &str {
    order.customer.as_ref().unwrap().id.as_deref().unwrap()
}
