//! Makers of orders: one description, and the body each store would send for it.
//!
//! All data is invented. The books of what is made always add up; a test that wants them broken breaks them itself.

use jiff::Timestamp;
use puente::{
    domain::order::Order,
    store::Store,
    webhook::{RawWebhook, VerifiedWebhook, verify},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

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
    /// A test order (only Shopify and canonical orders can say so).
    pub test: bool,
    /// Refunds: id and amount.
    pub refunds: Vec<(u64, Decimal)>,
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

    /// The body for a store of `kind`, as in [`puente::store::STORES`].
    pub fn body(&self, kind: &str) -> String {
        match kind {
            "shopify" => self.shopify(),
            "woocommerce" => self.woocommerce(),
            "canonical" => self.canonical(),
            other => panic!("no maker for a {other} order"),
        }
    }

    /// Shopify's REST order.
    pub fn shopify(&self) -> String {
        let refunded: Decimal = self.refunds.iter().map(|(_, amount)| *amount).sum();
        let state = match (self.paid, refunded) {
            (false, _) => "pending",
            (true, none) if none.is_zero() => "paid",
            (true, part) if part < self.total() => "partially_refunded",
            _ => "refunded",
        };
        let lines: Vec<Value> = (1_u64..)
            .zip(&self.items)
            .map(|(n, item)| {
                let discount = item.discount > Decimal::ZERO;
                json!({
                    "id": self.id.wrapping_mul(100) + n, "sku": text(&item.sku), "title": format!("Article {}", item.sku),
                    "name": format!("Article {}", item.sku), "quantity": item.quantity, "current_quantity": item.quantity,
                    "price": money(item.price), "total_discount": "0.00", "gift_card": false, "taxable": true,
                    "product_id": 7_000_000_000_000_u64 + n, "variant_id": 8_000_000_000_000_u64 + n, "duties": [],
                    "discount_allocations": if discount {
                        json!([{"amount": money(item.discount), "discount_application_index": 0}])
                    } else { json!([]) },
                    "tax_lines": if item.tax.is_zero() { json!([]) } else {
                        json!([{"title": "VAT", "price": money(item.tax), "rate": 0.21, "channel_liable": null}])
                    },
                })
            })
            .collect();
        let address = json!({"first_name": "Ada", "last_name": "Ejemplo", "address1": "Calle Falsa 1", "address2": null,
            "city": "Rosario", "province": "Santa Fe", "zip": "2000", "country": "Argentina", "country_code": "AR",
            "company": null, "phone": null, "name": "Ada Ejemplo"});
        let head = json!({
            "id": self.id, "admin_graphql_api_id": format!("gid://shopify/Order/{}", self.id),
            "name": format!("#{}", self.id), "order_number": self.id % 1_000_000, "test": self.test,
            "created_at": self.placed.to_string(), "processed_at": self.placed.to_string(),
            "updated_at": self.updated.to_string(),
            "cancelled_at": self.cancelled.then(|| self.updated.to_string()),
            "currency": self.currency, "presentment_currency": self.currency, "financial_status": state,
            "order_status_url": format!("https://{SHOP}/548380009/orders/0123456789abcdef/authenticate?key=invented"),
        });
        let books = json!({
            "source_name": "web", "taxes_included": false, "total_price": money(self.total()), "total_tax": money(self.tax()),
            "total_discounts": money(self.items.iter().map(|i| i.discount).sum()), "total_tip_received": "0.00",
            "discount_applications": [{"type": "discount_code", "code": "WELCOME", "value": "10.0",
                "value_type": "percentage", "allocation_method": "across", "target_selection": "all", "target_type": "line_item"}],
        });
        let rest = json!({
            "email": self.email, "phone": null, "note_attributes": [],
            "customer": self.email.as_ref().map(|email| json!({"id": self.id.wrapping_add(9_000_000_000_000), "email": email,
                "first_name": "Ada", "last_name": "Ejemplo", "phone": null})),
            "billing_address": address, "shipping_address": address,
            "line_items": lines,
            "shipping_lines": [{"id": self.id.wrapping_mul(100) + 99, "title": "Correo", "code": "STD", "price": money(self.shipping),
                "discounted_price": money(self.shipping), "discount_allocations": [], "tax_lines": []}],
            "refunds": self.refunds.iter().map(|(id, amount)| json!({
                "id": id, "order_id": self.id, "note": "returned", "created_at": self.updated.to_string(),
                "refund_line_items": [], "order_adjustments": [],
                "transactions": [{"id": id + 1, "kind": "refund", "status": "success", "amount": money(*amount),
                    "currency": self.currency}],
            })).collect::<Vec<_>>(),
        });
        joined([head, books, rest])
    }

    /// `WooCommerce`'s REST v3 order.
    pub fn woocommerce(&self) -> String {
        let refunded: Decimal = self.refunds.iter().map(|(_, amount)| *amount).sum();
        let status = match (self.cancelled, self.paid) {
            (true, _) => "cancelled",
            (false, false) => "pending",
            (false, true) if !refunded.is_zero() && refunded >= self.total() => "refunded",
            (false, true) => "processing",
        };
        let gmt = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let lines: Vec<Value> = (1_u64..)
            .zip(&self.items)
            .map(|(n, item)| {
                let taxes = if item.tax.is_zero() {
                    json!([])
                } else {
                    json!([{"id": 3, "total": money(item.tax), "subtotal": money(item.tax)}])
                };
                json!({
                    "id": self.id.wrapping_mul(100) + n, "name": format!("Article {}", item.sku), "product_id": n, "variation_id": 0,
                    "quantity": item.quantity, "tax_class": "", "subtotal": money(item.amount()),
                    "subtotal_tax": money(item.tax), "total": money(item.amount() - item.discount),
                    "total_tax": money(item.tax), "taxes": taxes, "meta_data": [], "sku": item.sku, "price": 1.0,
                })
            })
            .collect();
        let address = json!({"first_name": "Ada", "last_name": "Ejemplo", "company": "", "address_1": "Calle Falsa 1",
            "address_2": "", "city": "Rosario", "state": "S", "postcode": "2000", "country": "AR",
            "email": self.email.clone().unwrap_or_default(), "phone": ""});
        let head = json!({
            "id": self.id, "parent_id": 0, "number": self.id.to_string(), "status": status, "currency": self.currency,
            "created_via": "checkout", "prices_include_tax": false,
            "date_created": gmt(self.placed), "date_created_gmt": gmt(self.placed),
            "date_modified": gmt(self.updated), "date_modified_gmt": gmt(self.updated),
            "date_paid_gmt": self.paid.then(|| gmt(self.placed)),
            "total": money(self.total()), "total_tax": money(self.tax()), "shipping_total": money(self.shipping),
        });
        let rest = json!({
            "customer_id": 0, "billing": address, "shipping": address, "meta_data": [], "line_items": lines,
            "tax_lines": [{"id": 1, "rate_code": "AR-VAT-1", "rate_id": 3, "label": "VAT", "compound": false,
                "tax_total": money(self.tax()), "shipping_tax_total": "0.00", "rate_percent": 21}],
            "shipping_lines": [{"id": self.id.wrapping_mul(100) + 99, "method_title": "Correo", "method_id": "flat_rate",
                "total": money(self.shipping), "total_tax": "0.00", "taxes": [], "meta_data": []}],
            "fee_lines": [], "coupon_lines": [{"id": 5, "code": "welcome", "discount": "2.50", "discount_tax": "0.00"}],
            "refunds": self.refunds.iter().map(|(id, amount)| json!({"id": id, "reason": "returned",
                "total": format!("-{}", money(*amount))})).collect::<Vec<_>>(),
        });
        joined([head, rest])
    }

    /// The canonical order as JSON.
    pub fn canonical(&self) -> String {
        let payment = match (self.paid, self.refunds.iter().map(|(_, amount)| *amount).sum::<Decimal>()) {
            (false, _) => "pending",
            (true, none) if none.is_zero() => "paid",
            (true, part) if part < self.total() => "partially_refunded",
            _ => "refunded",
        };
        let lines: Vec<Value> = (1_u64..)
            .zip(&self.items)
            .map(|(n, item)| {
                let mut line = json!({
                    "id": n.to_string(), "title": format!("Article {}", item.sku), "quantity": item.quantity.to_string(),
                    "unit_price": money(item.price), "amount": money(item.amount()),
                });
                if !item.sku.is_empty() {
                    line["sku"] = json!(item.sku);
                }
                if !item.discount.is_zero() {
                    line["discounts"] = json!([{"label": "WELCOME", "amount": money(item.discount)}]);
                }
                if !item.tax.is_zero() {
                    line["taxes"] = json!([{"name": "VAT", "rate": "0.21", "amount": money(item.tax)}]);
                }
                line
            })
            .collect();
        let mut order = json!({
            "schema": 1, "id": self.id.to_string(), "number": format!("#{}", self.id), "placed_at": self.placed.to_string(),
            "updated_at": self.updated.to_string(), "currency": self.currency, "channel": "web", "test": self.test,
            "status": if self.cancelled { "cancelled" } else { "open" }, "payment": payment, "lines": lines,
            "charges": [{"kind": "shipping", "label": "Correo", "amount": money(self.shipping)}],
            "tax_included": false, "tax": money(self.tax()), "total": money(self.total()),
            "refunds": self.refunds.iter().map(|(id, amount)| json!({"id": id.to_string(), "amount": money(*amount),
                "reason": "returned"})).collect::<Vec<_>>(),
        });
        if let Some(email) = &self.email {
            order["customer"] =
                json!({"id": self.id.wrapping_add(9_000_000).to_string(), "name": "Ada Ejemplo", "email": email});
        }
        order.to_string()
    }

    /// The canonical order.
    pub fn order(&self) -> Order {
        serde_json::from_str(&self.canonical()).unwrap()
    }
}

/// `body` as `store` would deliver it at `now`: signed.
pub fn delivery(store: &dyn Store, body: &str, now: Timestamp) -> RawWebhook {
    RawWebhook { headers: store.sign(body.as_bytes(), now), body: body.to_owned().into_bytes().into(), received: now }
}

/// The same, verified.
pub fn verified(store: &dyn Store, body: &str, now: Timestamp) -> VerifiedWebhook {
    verify(delivery(store, body, now), store.scheme(), store.secrets()).map_err(|e| e.to_string()).ok().unwrap()
}

/// One object of several: `json!` has a limit of its own.
fn joined<const N: usize>(parts: [Value; N]) -> String {
    let mut whole = serde_json::Map::new();
    for part in parts {
        let Value::Object(part) = part else { unreachable!("parts are objects") };
        whole.extend(part);
    }
    Value::Object(whole).to_string()
}

fn money(amount: Decimal) -> String {
    format!("{amount:.2}")
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}
