//! Makers of orders: one description, of which every kind of store makes its own body (`kit.rs` in its folder).
//!
//! All data is invented. The books of what is made always add up; a test that wants them broken breaks them itself.

use jiff::Timestamp;
use puente::{
    store::{Store, row},
    webhook::{RawWebhook, VerifiedWebhook},
};
use puente_sandbox::store::{Article, Buyer, Line, Plan, Purchase, Shipping, Stage, State, Story, Vendor};
use rust_decimal::Decimal;

/// The shop that every Shopify body says it is from.
pub const SHOP: &str = "acme.myshopify.com";

/// A secret that fits every store's scheme, for sections of tests.
pub const SECRET: &str = "whsec_cHVlbnRlLXRlc3Qtc2VjcmV0LTAwMDE=";

/// What was bought: change what matters to the test, keep the rest.
#[derive(Debug, Clone)]
pub struct Made {
    /// The store's id.
    pub id: u64,
    /// When it was placed.
    pub placed: Timestamp,
    /// When it was last modified.
    pub updated: Timestamp,
    /// ISO 4217.
    pub currency: &'static str,
    /// The lines.
    pub items: Vec<Item>,
    /// Carriage, before tax.
    pub shipping: Decimal,
    /// Paid, or still pending.
    pub paid: bool,
    /// Cancelled.
    pub cancelled: bool,
    /// A test order, where the store can say so.
    pub test: bool,
    /// Refunds: id and amount.
    pub refunds: Vec<(u64, Decimal)>,
    /// How much more the store says it comes to than its parts make.
    pub off: Decimal,
    /// The buyer's address; `None` is an order without a customer.
    pub email: Option<String>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Item {
    /// Article; "" for a custom line.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// Price of one, before discount and tax.
    pub price: Decimal,
    /// Discount on the whole line.
    pub discount: Decimal,
    /// Tax on the whole line, on top.
    pub tax: Decimal,
}

impl Item {
    /// `quantity` of `sku` at `cents` each, with neither discount nor tax.
    pub fn new(sku: &str, quantity: u32, cents: i64) -> Self {
        Self {
            sku: sku.to_owned(),
            quantity,
            price: Decimal::new(cents, 2),
            discount: Decimal::ZERO,
            tax: Decimal::ZERO,
        }
    }

    fn amount(&self) -> Decimal {
        self.price * Decimal::from(self.quantity)
    }
}

impl Made {
    /// A paid order of two lines with a discount, tax and shipping; each id has its own total.
    pub fn new(id: u64) -> Self {
        let placed = Timestamp::from_second(1_767_268_800 + i64::try_from(id % 100_000).unwrap_or(0)).unwrap();
        let mut cup = Item::new("CUP-1", 2, 1250);
        cup.discount = Decimal::new(250, 2);
        cup.tax = Decimal::new(473, 2);
        Self {
            id,
            placed,
            updated: placed,
            currency: "USD",
            items: vec![cup, Item::new("TEA-7", 1, 400 + i64::try_from(id % 97).unwrap_or(0))],
            shipping: Decimal::new(500, 2),
            paid: true,
            cancelled: false,
            test: false,
            refunds: Vec::new(),
            off: Decimal::ZERO,
            email: Some(format!("buyer{id}@example.com")),
        }
    }

    /// What the buyer pays.
    pub fn total(&self) -> Decimal {
        self.items.iter().map(|i| i.amount() - i.discount + i.tax).sum::<Decimal>() + self.shipping
    }

    /// All tax.
    pub fn tax(&self) -> Decimal {
        self.items.iter().map(|i| i.tax).sum()
    }

    /// The body of a webhook of a store of `kind`, as in [`puente::store::STORES`].
    pub fn body(&self, kind: &str) -> String {
        self.body_of(vendor(kind))
    }

    /// The same of any vendor's shop.
    pub fn body_of(&self, vendor: &'static dyn Vendor) -> String {
        let plan = Plan::new(vendor, SHOP, SECRET, 0, 0, self.placed);
        let mut purchase = self.purchase();
        vendor.suit(&mut purchase);
        // What it makes of the tax is its own; here the test says it.
        for (line, item) in purchase.lines.iter_mut().zip(&self.items) {
            line.tax = minor(item.tax);
        }
        if let Some(shipping) = &mut purchase.shipping {
            shipping.tax = 0;
        }
        vendor.body(&plan, &purchase, purchase.last()).to_string()
    }

    fn purchase(&self) -> Purchase {
        let lines = (1_u64..).zip(&self.items).map(|(n, item)| Line {
            id: self.id.wrapping_mul(100).wrapping_add(n),
            article: Article {
                sku: item.sku.clone().into(),
                title: format!("Article {}", item.sku).into(),
                price: minor(item.price),
            },
            quantity: item.quantity.into(),
            discount: minor(item.discount),
            tax: minor(item.tax),
            gift_card: false,
        });
        let stage = match (self.cancelled, self.paid) {
            (true, _) => Stage::Cancelled,
            (false, true) => Stage::Paid,
            (false, false) => Stage::Pending,
        };
        Purchase {
            story: if self.test { Story::Test } else { Story::Paid },
            id: self.id,
            number: self.id,
            placed_at: self.placed,
            currency: (self.currency, 2),
            tax_included: false,
            tax_per_thousand: 210,
            tax_name: "VAT",
            lines: lines.collect(),
            edit: None,
            shipping: Some(Shipping { title: "Correo", price: minor(self.shipping), tax: 0 }),
            tip: 0,
            coupon: Some("WELCOME"),
            buyer: self.email.as_ref().map(|email| Buyer {
                id: Some(self.id.wrapping_add(9_000_000_000_000)),
                first: "Ada",
                last: "Ejemplo".to_owned(),
                email: email.clone(),
                city: "Rosario",
            }),
            states: vec![State { at: self.updated, stage }],
            goodwill: self.refunds.iter().map(|(id, amount)| (*id, minor(*amount))).collect(),
            off: minor(self.off),
            token: "0123456789abcdef".to_owned(),
        }
    }
}

/// The shops of that kind of store.
pub fn vendor(kind: &str) -> &'static dyn Vendor {
    row(kind).unwrap().kit
}

fn minor(amount: Decimal) -> i64 {
    i64::try_from(amount * Decimal::ONE_HUNDRED).unwrap()
}

/// `body` as `store` would deliver it at `now`: signed.
pub fn delivery(store: &dyn Store, body: &str, now: Timestamp) -> RawWebhook {
    RawWebhook { headers: store.sign(body.as_bytes(), now), body: body.to_owned().into_bytes().into(), received: now }
}

/// The same, verified.
pub fn verified(store: &dyn Store, body: &str, now: Timestamp) -> VerifiedWebhook {
    store.entrance().signed().unwrap().verify(delivery(store, body, now)).map_err(|e| e.to_string()).ok().unwrap()
}
