//! Somebody's own system for the suites and the sandbox: canonical orders, signed by the Standard Webhooks scheme.

#![allow(clippy::indexing_slicing, reason = "a key of an object is added, whatever it is called")]

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;
use puente_sandbox::store::{Buyer, Line, Plan, Purchase, Stage, State, Story, Vendor, digest, header};
use serde_json::{Value, json};

/// The vendor.
#[derive(Debug)]
pub(super) struct Kit;

impl Vendor for Kit {
    fn section(&self, plan: &Plan, _url: &str, secret: &mut dyn FnMut(&str, &str) -> String) -> String {
        format!("webhook_secrets = [{}]\n", secret("secret", &plan.secret))
    }

    /// What an edit took away is nobody's to know.
    fn tells(&self, story: Story) -> bool {
        !matches!(story, Story::Edited | Story::Refunded)
    }

    fn number(&self, purchase: &Purchase) -> String {
        format!("#{}", purchase.number)
    }

    fn order(&self, _plan: &Plan, of: &Purchase, state: State) -> Value {
        let payment = match state.stage {
            Stage::Pending => "pending",
            Stage::Cancelled => "voided",
            Stage::Refunded => "partially_refunded",
            _ if !of.goodwill.is_empty() => "partially_refunded",
            Stage::Paid | Stage::Fulfilled => "paid",
        };
        let mut charges = Vec::new();
        if let Some(shipping) = &of.shipping {
            charges.push(json!({"kind": "shipping", "label": shipping.title, "amount": of.money(shipping.price),
                "taxes": taxes(of, shipping.tax)}));
        }
        if of.tip != 0 {
            charges.push(json!({"kind": "tip", "label": "Propina", "amount": of.money(of.tip)}));
        }
        let total = if of.story == Story::Malformed { json!("a lot") } else { json!(of.money(of.total())) };
        let mut order = json!({
            "schema": 1, "id": self.id(of), "number": self.number(of), "placed_at": of.placed_at.to_string(),
            "updated_at": state.at.to_string(), "currency": of.currency.0, "channel": "web",
            "test": of.story == Story::Test,
            "status": if state.stage == Stage::Cancelled { "cancelled" } else { "open" },
            "payment": payment, "lines": of.lines.iter().map(|each| line(of, each)).collect::<Value>(),
            "charges": charges, "tax_included": of.tax_included, "tax": of.money(of.tax()), "total": total,
            "refunds": of.goodwill.iter().map(|(id, amount)| json!({"id": id.to_string(), "amount": of.money(*amount),
                "taken_off": "0", "reason": "returned"})).collect::<Value>(),
        });
        if let Some(buyer) = &of.buyer {
            order["customer"] = customer(buyer);
        }
        order
    }

    fn headers(&self, plan: &Plan, purchase: &Purchase, state: State, body: &[u8]) -> HeaderMap {
        let id = format!("msg_{}", purchase.token);
        let time = state.at.as_second().to_string();
        let key = plan.secret.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
        // What is no key signs nothing that anybody believes.
        let key = key.unwrap_or_else(|| plan.secret.clone().into_bytes());
        let signature = digest(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body].concat());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("webhook-id", &id),
            ("webhook-timestamp", &time),
            ("webhook-signature", &format!("v1,{}", BASE64_STANDARD.encode(signature))),
        ] {
            header(&mut headers, name, value);
        }
        headers
    }
}

fn line(of: &Purchase, line: &Line) -> Value {
    let mut shown = json!({
        "id": line.id.to_string(), "title": line.article.title, "quantity": line.quantity.to_string(),
        "unit_price": of.money(line.article.price), "amount": of.money(line.amount()), "gift_card": line.gift_card,
        "taxes": taxes(of, line.tax),
    });
    if !line.article.sku.is_empty() {
        shown["sku"] = json!(line.article.sku);
    }
    if line.discount != 0 {
        shown["discounts"] = json!([{"label": of.coupon.unwrap_or("Rebaja"), "amount": of.money(line.discount)}]);
    }
    shown
}

fn taxes(of: &Purchase, tax: i64) -> Value {
    if tax == 0 {
        return json!([]);
    }
    let rate = format!("0.{:03}", of.tax_per_thousand);
    json!([{"name": of.tax_name, "rate": rate, "amount": of.money(tax)}])
}

fn customer(buyer: &Buyer) -> Value {
    let mut customer = json!({"name": format!("{} {}", buyer.first, buyer.last), "email": buyer.email});
    if let Some(id) = buyer.id {
        customer["id"] = json!(id.to_string());
    }
    customer
}
