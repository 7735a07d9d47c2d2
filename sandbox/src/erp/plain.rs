//! The sandbox's own interface, plain JSON over HTTP, which is nobody's product: what `kind = "rest"` reaches. The ERP adds every
//! order up by itself, exactly.

use std::{collections::BTreeSet, fmt::Write as _, net::SocketAddr, str::FromStr};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Bulk, Class, Config,
    books::{Books, Entry, Made},
    changes,
    vendor::{Asked, Reply, Vendor, id_text},
};

/// An ERP of plain JSON.
#[derive(Debug)]
pub struct Plain;

impl Vendor for Plain {
    fn section(&self, config: &Config, addr: SocketAddr) -> String {
        let class = match config.class {
            Class::Key => "key",
            Class::Unique => "unique",
            Class::Searchable => "searchable",
            Class::Nothing => "nothing",
        };
        let bulk = match config.bulk {
            Bulk::Atomic => "atomic",
            Bulk::PerItem => "per_item",
            Bulk::Unknown => "unknown",
        };
        let (limit, page) = (config.bulk_limit, config.page);
        let mut text = format!(
            "url = \"http://{addr}\"\ntimeout = \"2s\"\nclass = \"{class}\"\nbulk = \"{bulk}\"\nbulk_limit = {limit}\n{}",
            include_str!("section.toml")
        );
        if config.authorization.is_some() {
            text.push_str("secret_headers.Authorization = { env = \"SANDBOX_ERP_AUTHORIZATION\" }\n");
        }
        if config.class != Class::Nothing {
            let _ = writeln!(text, "{}look_up.at_most = {page}", include_str!("look_up.toml"));
        }
        if config.class != Class::Nothing && (config.drafts || config.changes) {
            text.push_str("look_up.state = \"/state\"\n");
        }
        if config.drafts {
            text.push_str(
                "create.state = \"/state\"\nfinished = [\"confirmed\"]\n\
                 finish = { method = \"POST\", path = \"/orders/{{ document.id }}/confirm\", error = \"/error\" }\n",
            );
        }
        // Where nothing can be looked up, only a person can tell what became of a change.
        if config.changes && config.class != Class::Nothing {
            text.push_str(include_str!("changes.toml"));
            if config.unconditional {
                text.push_str("amend.class = \"searchable\"\nsettle = \"4s\"\n");
            } else {
                text.push_str("amend.headers = { If-Match = '\"{{ base }}\"' }\n");
            }
            if config.drafts {
                text.push_str(
                    "credit.state = \"/state\"\namend.state = \"/state\"\n\
                     finish_credits = { method = \"POST\", path = \"/credits/{{ document.id }}/confirm\", error = \"/error\" }\n",
                );
            }
        }
        text
    }

    fn answer(&self, books: &mut Books, asked: &Asked) -> Reply {
        let body =
            || serde_json::from_slice::<Value>(&asked.body).map_err(|error| refusal(400, "json", &error.to_string()));
        let key = asked.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/orders") => body().map_or_else(|refusal| refusal, |body| post_orders(books, body, key)),
            ("GET", "/orders") => find_orders(books, &asked.words("reference")),
            ("GET", "/products") => find_products(books, &asked.words("sku")),
            ("GET", "/customers") => find_parties(books, &asked.words("reference")),
            ("POST", "/customers") => body().map_or_else(|refusal| refusal, |body| post_party(books, &body)),
            ("POST", "/credits") => body().map_or_else(|refusal| refusal, |body| changes::credit(books, body, key)),
            ("GET", "/health") => (200, json!({"name": "sandbox ERP 1.0"})),
            (method, path) => {
                let mut parts = path.split('/').skip(1);
                match (method, parts.next(), parts.next(), parts.next(), parts.next()) {
                    ("POST", Some("orders" | "credits"), Some(id), Some("confirm"), None) => confirm(books, id),
                    ("PUT", Some("orders"), Some(id), None, None) => {
                        let base = asked.headers.get("if-match").and_then(|base| base.to_str().ok());
                        body().map_or_else(|refusal| refusal, |body| changes::amend(books, id, body, base))
                    }
                    ("POST", Some("orders"), Some(id), Some("cancel"), None) => changes::cancel(books, id),
                    _ => refusal(404, "path", "no such path"),
                }
            }
        }
    }

    fn name(&self, asked: &Asked) -> String {
        changes::name(asked)
    }

    fn half(&self, books: &mut Books, asked: &Asked) -> Reply {
        if let Ok(Value::Array(documents)) = serde_json::from_slice(&asked.body) {
            let half = documents.len() / 2;
            for document in documents.into_iter().take(half) {
                let _ = post(books, document, None);
            }
        }
        refusal(400, "failed", "the import failed")
    }
}

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) reference: String,
    version: Option<String>,
    currency: String,
    customer: Option<Value>,
    total: Option<String>,
    /// Of a credit note, the sale's id.
    pub(super) sale: Option<Value>,
    #[serde(default)]
    tax_included: bool,
    tax: String,
    discount: Option<String>,
    pub(super) lines: Vec<Item>,
    #[serde(default)]
    charges: Vec<Item>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    sku: Option<String>,
    product: Option<Value>,
    net: String,
    pub(super) quantity: Option<String>,
    pub(super) restock: Option<bool>,
}

/// A checked document.
pub(super) struct Sound {
    pub(super) document: Document,
    total: Decimal,
}

impl Sound {
    /// As it stands in the books, in this state.
    pub(super) fn entry(self, state: &'static str) -> Entry {
        Entry {
            reference: self.document.reference,
            version: self.document.version,
            currency: self.document.currency,
            total: self.total,
            stated_total: self.document.total,
            customer: self.document.customer.as_ref().and_then(id_text),
            state,
        }
    }
}

/// The state that documents are made in.
pub(super) fn first_state(books: &Books) -> &'static str {
    if books.config.drafts { "draft" } else { "confirmed" }
}

/// `POST /orders`: one document or an array of them.
fn post_orders(books: &mut Books, body: Value, key: Option<&str>) -> Reply {
    let (documents, alone) = match body {
        Value::Array(documents) => (documents, false),
        one => (vec![one], true),
    };
    if documents.len() > books.config.bulk_limit {
        return refusal(413, "too_many", &format!("at most {} orders in one call", books.config.bulk_limit));
    }
    if alone || documents.len() == 1 {
        let (status, item) = documents
            .into_iter()
            .next()
            .map_or_else(|| refusal(400, "empty", "no order"), |document| post(books, document, key));
        let wrapped = if alone || status >= 300 { item } else { json!([item]) };
        return (status, wrapped);
    }
    match books.config.bulk {
        Bulk::Atomic => {
            let checked = check_all(books, &documents);
            match checked {
                Err(refusal) => refusal,
                Ok(()) => (201, documents.into_iter().map(|document| post(books, document, None).1).collect()),
            }
        }
        Bulk::PerItem => {
            let item = |document: Value| {
                let reference = document.get("reference").cloned();
                let (status, mut item) = post(books, document, None);
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
                match post(books, document, None) {
                    (status, item) if status < 300 => made.push(item),
                    (_, item) => return (400, item),
                }
            }
            (201, Value::Array(made))
        }
    }
}

/// `GET /orders?reference=…`: those that can be found by now.
fn find_orders(books: &Books, references: &[String]) -> Reply {
    if books.config.class == Class::Nothing {
        return refusal(404, "not_offered", "orders cannot be looked up");
    }
    (200, books.found(references).map(told).take(books.config.page).collect())
}

/// `POST /orders/{id}/confirm`, and the same of a credit note.
fn confirm(books: &mut Books, id: &str) -> Reply {
    match books.orders.iter_mut().find(|made| made.id.to_string() == id) {
        Some(made) if made.cancelled => refusal(422, "cancelled", "it was cancelled"),
        Some(made) => {
            made.state = "confirmed";
            (200, told(made))
        }
        None => refusal(404, "not_found", "no such document"),
    }
}

/// `GET /products?sku=…`.
fn find_products(books: &Books, skus: &[String]) -> Reply {
    let known = books.products().iter().enumerate().filter(|(_, sku)| skus.contains(sku));
    (200, known.map(|(place, sku)| json!({"id": product_id(place), "sku": sku})).collect())
}

/// `GET /customers?reference=…`.
fn find_parties(books: &Books, references: &[String]) -> Reply {
    let known = books.parties.iter().filter(|party| references.contains(&party.reference));
    (200, known.map(|party| json!(party)).collect())
}

/// `POST /customers`: makes one. It does not look whether there is one already: few ERPs do.
fn post_party(books: &mut Books, body: &Value) -> Reply {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(reference) = text("reference") else {
        return refusal(422, "reference", "a customer needs a reference");
    };
    (201, json!(books.welcome(reference, text("name"))))
}

fn post(books: &mut Books, document: Value, key: Option<&str>) -> Reply {
    let sound = match check(books, document) {
        Ok(sound) => sound,
        Err(refusal) => return refusal,
    };
    if let Some(reply) = taken(books, key.unwrap_or(&sound.document.reference)) {
        return reply;
    }
    let state = first_state(books);
    (201, told(&books.book(sound.entry(state))))
}

/// What is answered to a reference that exists, as the ERP's class has it.
pub(super) fn taken(books: &Books, reference: &str) -> Option<Reply> {
    let same = books.orders.iter().find(|made| made.reference == reference)?;
    match books.config.class {
        Class::Key => Some((200, told(same))),
        Class::Unique => Some(exists(reference)),
        Class::Searchable | Class::Nothing => None,
    }
}

fn check_all(books: &Books, documents: &[Value]) -> Result<(), Reply> {
    let mut seen = BTreeSet::new();
    for document in documents {
        let reference = check(books, document.clone())?.document.reference;
        let taken = books.has(&reference) || seen.contains(&reference);
        if taken && books.config.class == Class::Unique {
            return Err(exists(&reference));
        }
        seen.insert(reference);
    }
    Ok(())
}

/// Adds the document up.
pub(super) fn check(books: &Books, document: Value) -> Result<Sound, Reply> {
    let document: Document =
        serde_json::from_value(document).map_err(|error| refusal(400, "unreadable", &error.to_string()))?;
    for line in &document.lines {
        let known = match (&line.product, &line.sku) {
            (Some(product), _) if !product.is_null() => {
                let id = id_text(product);
                (0..books.products().len()).any(|place| Some(product_id(place)) == id)
            }
            (_, Some(sku)) => books.products().contains(sku),
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
    if let Some(stated) = document.total.as_deref().filter(|_| books.config.checks_totals)
        && amount(stated)? != total
    {
        return Err(refusal(422, "total", &format!("the lines make {total}, the document says {stated}")));
    }
    Ok(Sound { document, total })
}

fn product_id(place: usize) -> String {
    format!("P{}", place + 1)
}

pub(super) fn told(made: &Made) -> Value {
    json!(made)
}

fn exists(reference: &str) -> Reply {
    refusal(409, "exists", &format!("the reference {reference} exists"))
}

pub(super) fn refusal(status: u16, code: &str, words: &str) -> Reply {
    (status, json!({"error": words, "code": code}))
}
