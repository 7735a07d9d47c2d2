//! What tests of the whole path ask of a real ERP, whichever it is.

use std::{collections::BTreeMap, path::Path};

use puente::domain::{ids::order_of, money::Amount};
use serde_json::{Value, json};

use crate::support::{
    odoo::Odoo,
    tryton::{Tryton, USER},
};

/// What stands in an ERP: each order's documents together, and how often each document is there.
#[derive(Default)]
pub struct Books {
    pub net: BTreeMap<String, Amount>,
    pub documents: BTreeMap<String, u32>,
}

impl Books {
    fn enter(&mut self, reference: &str, total: Option<Amount>) {
        *self.documents.entry(reference.to_owned()).or_default() += 1;
        if let Some(total) = total {
            *self.net.entry(order_of(reference).to_owned()).or_insert(Amount::ZERO) += total;
        }
    }
}

/// A running ERP.
pub trait Real {
    /// Its `kind` in `puente.toml`.
    const KIND: &'static str;

    /// Its address.
    fn url(&self) -> &str;

    /// Its section, and more of it.
    fn lines(&self, more: &str) -> String;

    /// What is secret in its section.
    fn secret(&self) -> &str;

    /// What it printed last.
    fn printed(&self) -> String;

    /// More of its section, with which sales can be changed, cancelled and credited.
    fn changeable(&self) -> &'static str;

    /// What stands in it of the orders of `acme`.
    async fn books(&self) -> Books;

    /// People there take the sales of these references so far that nobody can change them any more.
    async fn ship(&self, references: &[String]);

    /// Its section, its secret in a file beside it.
    fn section_in(&self, dir: &Path, more: &str) -> String {
        let file = dir.join("password");
        std::fs::write(&file, self.secret()).unwrap();
        let literal = format!("{{ literal = \"{}\" }}", self.secret());
        self.lines(more).replace(&literal, &format!("{{ file = {:?} }}", file.to_str().unwrap()))
    }
}

impl Real for Tryton {
    const KIND: &'static str = "tryton";

    fn url(&self) -> &str {
        &self.url
    }

    fn lines(&self, more: &str) -> String {
        self.section(more)
    }

    fn secret(&self) -> &str {
        USER.1
    }

    fn printed(&self) -> String {
        self.log()
    }

    fn changeable(&self) -> &'static str {
        "state = \"quotation\"\n"
    }

    async fn books(&self) -> Books {
        let fields = json!(["web_id", "total_amount", "state"]);
        let mut books = Books::default();
        for sale in self.search("sale.sale", json!([["web_id", "like", "acme/%"]]), fields).await {
            let total = sale["total_amount"]["decimal"].as_str().unwrap().parse().unwrap();
            books.enter(sale["web_id"].as_str().unwrap(), (sale["state"] != "cancelled").then_some(total));
        }
        books
    }

    async fn ship(&self, references: &[String]) {
        let found = self.search("sale.sale", json!([["web_id", "in", references]]), json!(["id"])).await;
        let ids: Vec<i64> = found.iter().map(|sale| sale["id"].as_i64().unwrap()).collect();
        for button in ["confirm", "process"] {
            self.rpc(&format!("model.sale.sale.{button}"), json!([ids])).await;
        }
    }
}

/// A number of Odoo's, from its digits.
pub fn digits(value: &Value) -> Amount {
    value.to_string().parse().unwrap()
}

impl Real for Odoo {
    const KIND: &'static str = "odoo";

    fn url(&self) -> &str {
        &self.url
    }

    fn lines(&self, more: &str) -> String {
        self.section(more)
    }

    fn secret(&self) -> &str {
        self.key()
    }

    fn printed(&self) -> String {
        self.log()
    }

    fn changeable(&self) -> &'static str {
        "credit_state = \"posted\"\nsettle = \"12s\"\n"
    }

    async fn books(&self) -> Books {
        let mut books = Books::default();
        let ours = json!([["client_order_ref", "=like", "acme/%"]]);
        for sale in self.search("sale.order", ours, json!(["client_order_ref", "amount_total", "state"])).await {
            let total = (sale["state"] != "cancel").then(|| digits(&sale["amount_total"]));
            books.enter(sale["client_order_ref"].as_str().unwrap(), total);
        }
        let ours = json!([["move_type", "=", "out_refund"], ["ref", "=like", "acme/%"]]);
        for note in self.search("account.move", ours, json!(["ref", "amount_total", "state"])).await {
            let total = (note["state"] != "cancel").then(|| -digits(&note["amount_total"]));
            books.enter(note["ref"].as_str().unwrap(), total);
        }
        books
    }

    async fn ship(&self, references: &[String]) {
        let domain = json!([["picking_id.sale_id.client_order_ref", "in", references]]);
        let moves = self.search("stock.move", domain, json!(["product_uom_qty", "picking_id"])).await;
        let mut pickings = Vec::new();
        for one in moves {
            let vals = json!({"quantity": one["product_uom_qty"], "picked": true});
            self.call("stock.move", "write", json!({"ids": [one["id"]], "vals": vals})).await;
            pickings.push(one["picking_id"][0].clone());
        }
        pickings.sort_by_key(Value::as_i64);
        pickings.dedup();
        self.call("stock.picking", "button_validate", json!({"ids": pickings})).await;
    }
}
