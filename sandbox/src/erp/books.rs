//! What the ERP knows: articles, customers, orders. It adds every order up by itself, exactly.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Bulk, Class, Config};

/// An order in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The ERP's id.
    pub id: u64,
    /// The number people see.
    pub number: String,
    /// The reference its maker gave it.
    pub reference: String,
    /// The maker's version of it.
    pub version: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// What the ERP computed from the lines.
    pub total: Decimal,
    /// What the maker said the total is.
    pub stated_total: Option<String>,
    /// The customer's id, if one was named.
    pub customer: Option<String>,
    /// `confirmed`, or `draft` where the configuration makes drafts.
    pub state: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A customer in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The ERP's id.
    pub id: u64,
    /// The reference its maker gave it.
    pub reference: String,
    /// The name.
    pub name: Option<String>,
}

/// A status and a JSON body.
pub(super) type Reply = (u16, Value);

/// The books.
pub(super) struct Books {
    config: Config,
    products: Vec<String>,
    pub(super) orders: Vec<Made>,
    pub(super) parties: Vec<Party>,
}

#[derive(Deserialize)]
struct Document {
    reference: String,
    version: Option<String>,
    currency: String,
    customer: Option<Value>,
    total: Option<String>,
    #[serde(default)]
    tax_included: bool,
    tax: String,
    discount: Option<String>,
    lines: Vec<Item>,
    #[serde(default)]
    charges: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    sku: Option<String>,
    product: Option<Value>,
    net: String,
}

/// A checked document.
struct Sound {
    document: Document,
    total: Decimal,
}

impl Books {
    pub(super) fn new(config: Config) -> Self {
        let products = config.products.clone();
        Self { config, products, orders: Vec::new(), parties: Vec::new() }
    }

    /// `POST /orders`: one document or an array of them.
    pub(super) fn post_orders(&mut self, body: Value, key: Option<&str>, now: Timestamp) -> Reply {
        let (documents, alone) = match body {
            Value::Array(documents) => (documents, false),
            one => (vec![one], true),
        };
        if documents.len() > self.config.bulk_limit {
            return refusal(413, "too_many", &format!("at most {} orders in one call", self.config.bulk_limit));
        }
        if alone || documents.len() == 1 {
            let (status, item) = documents
                .into_iter()
                .next()
                .map_or_else(|| refusal(400, "empty", "no order"), |document| self.post(document, key, now));
            let wrapped = if alone || status >= 300 { item } else { json!([item]) };
            return (status, wrapped);
        }
        match self.config.bulk {
            Bulk::Atomic => {
                let checked = self.check_all(&documents);
                match checked {
                    Err(refusal) => refusal,
                    Ok(()) => (201, documents.into_iter().map(|document| self.post(document, None, now).1).collect()),
                }
            }
            Bulk::PerItem => {
                let item = |document: Value| {
                    let reference = document.get("reference").cloned();
                    let (status, mut item) = self.post(document, None, now);
                    if let Some(fields) = item.as_object_mut() {
                        fields.insert("status".to_owned(), json!(status));
                        fields.insert("reference".to_owned(), reference.unwrap_or_default());
                    }
                    item
                };
                (207, documents.into_iter().map(item).collect())
            }
            // Stops at the first that is wrong; what came before stays.
            Bulk::Unknown => {
                let mut made = Vec::new();
                for document in documents {
                    match self.post(document, None, now) {
                        (status, item) if status < 300 => made.push(item),
                        (_, item) => return (400, item),
                    }
                }
                (201, Value::Array(made))
            }
        }
    }

    /// The first half of a bulk only.
    pub(super) fn post_half(&mut self, body: Value, now: Timestamp) -> Reply {
        if let Value::Array(documents) = body {
            let half = documents.len() / 2;
            for document in documents.into_iter().take(half) {
                let _ = self.post(document, None, now);
            }
        }
        refusal(400, "failed", "the import failed")
    }

    /// `GET /orders?reference=…`: those visible at `now`, the lag considered.
    pub(super) fn find_orders(&self, references: &[String], now: Timestamp, lag: Duration) -> Reply {
        if self.config.class == Class::Nothing {
            return refusal(404, "not_offered", "orders cannot be looked up");
        }
        let visible = |made: &&Made| now.duration_since(made.created_at).unsigned_abs() >= lag;
        let sought = |made: &&Made| references.contains(&made.reference);
        (200, self.orders.iter().filter(sought).filter(visible).map(told).take(self.config.page).collect())
    }

    /// `POST /orders/{id}/confirm`.
    pub(super) fn confirm(&mut self, id: &str) -> Reply {
        match self.orders.iter_mut().find(|made| made.id.to_string() == id) {
            Some(made) => {
                made.state = "confirmed";
                (200, told(made))
            }
            None => refusal(404, "not_found", "no such order"),
        }
    }

    /// `GET /products?sku=…`.
    pub(super) fn find_products(&self, skus: &[String]) -> Reply {
        let known = self.products.iter().enumerate().filter(|(_, sku)| skus.contains(sku));
        (200, known.map(|(place, sku)| json!({"id": product_id(place), "sku": sku})).collect())
    }

    /// `GET /customers?reference=…`.
    pub(super) fn find_parties(&self, references: &[String]) -> Reply {
        let known = self.parties.iter().filter(|party| references.contains(&party.reference));
        (200, known.map(|party| json!(party)).collect())
    }

    /// `POST /customers`: makes one. It does not look whether there is one already: few ERPs do.
    pub(super) fn post_party(&mut self, body: &Value) -> Reply {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(reference) = text("reference") else {
            return refusal(422, "reference", "a customer needs a reference");
        };
        let party = Party { id: self.parties.len() as u64 + 1, reference, name: text("name") };
        let answer = (201, json!(party));
        self.parties.push(party);
        answer
    }

    fn post(&mut self, document: Value, key: Option<&str>, now: Timestamp) -> Reply {
        let sound = match self.check(document) {
            Ok(sound) => sound,
            Err(refusal) => return refusal,
        };
        let same = self.orders.iter().find(|made| made.reference == key.unwrap_or(&sound.document.reference));
        match (self.config.class, same) {
            (Class::Key, Some(made)) => return (200, told(made)),
            (Class::Unique, Some(made)) => return exists(&made.reference),
            _ => {}
        }
        let id = self.orders.len() as u64 + 1;
        let made = Made {
            id,
            number: format!("SO{id:05}"),
            reference: sound.document.reference,
            version: sound.document.version,
            currency: sound.document.currency,
            total: sound.total,
            stated_total: sound.document.total,
            customer: sound.document.customer.as_ref().and_then(id_text),
            state: if self.config.drafts { "draft" } else { "confirmed" },
            created_at: now,
        };
        let answer = (201, told(&made));
        self.orders.push(made);
        answer
    }

    fn check_all(&self, documents: &[Value]) -> Result<(), Reply> {
        let mut seen = BTreeSet::new();
        for document in documents {
            let reference = self.check(document.clone())?.document.reference;
            let taken = self.orders.iter().any(|made| made.reference == reference) || seen.contains(&reference);
            if taken && self.config.class == Class::Unique {
                return Err(exists(&reference));
            }
            seen.insert(reference);
        }
        Ok(())
    }

    /// Adds the document up.
    fn check(&self, document: Value) -> Result<Sound, Reply> {
        let document: Document =
            serde_json::from_value(document).map_err(|error| refusal(400, "unreadable", &error.to_string()))?;
        for line in &document.lines {
            let known = match (&line.product, &line.sku) {
                (Some(product), _) if !product.is_null() => {
                    let id = id_text(product);
                    (0..self.products.len()).any(|place| Some(product_id(place)) == id)
                }
                (_, Some(sku)) => self.products.contains(sku),
                // A line of free text.
                _ => true,
            };
            if !known {
                let sku = line.sku.as_deref().unwrap_or("(none)");
                return Err(refusal(422, "unknown_sku", &format!("unknown article {sku}")));
            }
        }
        let amount = |text: &str| {
            Decimal::from_str(text).map_err(|_| refusal(400, "unreadable", &format!("{text:?} is not an amount")))
        };
        let mut total = Decimal::ZERO;
        for item in document.lines.iter().chain(&document.charges) {
            total += amount(&item.net)?;
        }
        total -= amount(document.discount.as_deref().unwrap_or("0"))?;
        if !document.tax_included {
            total += amount(&document.tax)?;
        }
        if let Some(stated) = document.total.as_deref().filter(|_| self.config.checks_totals)
            && amount(stated)? != total
        {
            return Err(refusal(422, "total", &format!("the lines make {total}, the document says {stated}")));
        }
        Ok(Sound { document, total })
    }
}

fn product_id(place: usize) -> String {
    format!("P{}", place + 1)
}

fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn told(made: &Made) -> Value {
    json!(made)
}

fn exists(reference: &str) -> Reply {
    refusal(409, "exists", &format!("the reference {reference} exists"))
}

pub(super) fn refusal(status: u16, code: &str, words: &str) -> Reply {
    (status, json!({"error": words, "code": code}))
}
