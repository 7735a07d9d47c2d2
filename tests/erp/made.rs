//! Invented orders.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use puente::{
    domain::{
        document::Step,
        ids::OrderKey,
        money::Amount,
        order::{Address, Charge, ChargeKind, Customer, Discount, Line, Order, Payment, SCHEMA, Status, Tax},
        rules::{Mismatch, Rules},
        time::Stamp,
    },
    erp::Job,
};

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A number nobody else in this run has: orders of different tests never meet.
pub fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// A line of one article; `tax` is its rate and amount.
pub fn line(sku: &str, quantity: &str, total: &str, tax: Option<(&str, &str)>) -> Line {
    Line {
        id: format!("line-{sku}"),
        sku: Some(sku.to_owned()),
        title: format!("Article {sku}"),
        quantity: amount(quantity),
        unit_price: amount(total),
        amount: amount(total),
        discounts: vec![],
        taxes: tax.map(|(rate, amount)| taxed(rate, amount)).into_iter().collect(),
        gift_card: false,
        restock: None,
    }
}

pub fn taxed(rate: &str, tax: &str) -> Tax {
    Tax { name: "VAT".to_owned(), rate: Some(amount(rate)), amount: amount(tax) }
}

pub fn charge(kind: ChargeKind, total: &str, tax: Option<(&str, &str)>) -> Charge {
    Charge {
        kind,
        label: "A charge".to_owned(),
        amount: amount(total),
        discounts: vec![],
        taxes: tax.map(|(rate, amount)| taxed(rate, amount)).into_iter().collect(),
    }
}

pub fn discount(label: &str, off: &str) -> Discount {
    Discount { label: label.to_owned(), amount: amount(off) }
}

/// An order of `lines` and `charges` whose books add up.
pub fn order(currency: &str, tax_included: bool, lines: Vec<Line>, charges: Vec<Charge>) -> Order {
    let id = format!("{}", unique());
    let address = Address {
        name: Some("Ada Example".to_owned()),
        street: Some("1 Invented Street".to_owned()),
        city: Some("Springfield".to_owned()),
        region: Some("Anywhere".to_owned()),
        postal_code: Some("12345".to_owned()),
        country: Some("AR".to_owned()),
        ..Address::default()
    };
    let placed = Stamp::parse("2026-05-06T22:30:00-03:00").unwrap();
    let mut order = Order {
        schema: SCHEMA,
        id: id.parse().unwrap(),
        number: format!("#{id}"),
        placed_at: placed,
        updated_at: placed,
        currency: iso(currency),
        channel: None,
        test: false,
        status: Status::Open,
        payment: Payment::Paid,
        store_status: None,
        customer: Some(Customer {
            id: Some(format!("c{id}")),
            name: Some("Ada Example".to_owned()),
            email: Some(format!("ada{id}@example.com")),
            ..Customer::default()
        }),
        billing: Some(address.clone()),
        shipping: Some(address),
        lines,
        charges,
        discounts: vec![],
        tax_included,
        tax: Amount::ZERO,
        total: Amount::ZERO,
        current_total: None,
        refunds: vec![],
        stock: vec![],
        flags: vec![],
    };
    add_up(&mut order);
    order
}

fn iso<T: serde::de::DeserializeOwned>(code: &str) -> T {
    serde_json::from_value(code.into()).unwrap()
}

/// Makes the books add up.
pub fn add_up(order: &mut Order) {
    let taxes = order.lines.iter().flat_map(|l| &l.taxes).chain(order.charges.iter().flat_map(|c| &c.taxes));
    order.tax = taxes.map(|tax| tax.amount).sum();
    order.total = Amount::ZERO;
    order.total = -order.proof().difference;
    assert!(order.proof().holds());
}

pub fn sale(order: Order) -> Job {
    ruled(order, Rules::default())
}

pub fn ruled(order: Order, rules: Rules) -> Job {
    let key = OrderKey::new("acme".parse().unwrap(), order.id.clone());
    Job {
        step: Step::create(key.sale()),
        version: order.version(),
        key,
        order: Arc::new(order),
        rules: Arc::new(rules),
    }
}

pub fn adjusting(limit: &str) -> Rules {
    Rules { total_mismatch: Mismatch::Adjust, adjust_limit: amount(limit), ..Rules::default() }
}

/// A small order: one article, 21 % on top.
pub fn small() -> Order {
    order("EUR", false, vec![line("ART-01", "2", "20.00", Some(("0.21", "4.20")))], vec![])
}
