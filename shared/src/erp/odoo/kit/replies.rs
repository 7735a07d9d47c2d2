//! Answers of an Odoo to fuzz its connector with, and what they say.

use serde_json::{Value, json};

use super::super::{EXAMPLE, map::Body};
use crate::{
    domain::{
        document::{Action, Operation, Step},
        version::Version,
    },
    erp::kit::{Address, Fuzzed, Reads, Replies, Told, text, with_line},
};

/// JSON-2.
#[derive(Debug)]
struct Json2;

impl Reads for Json2 {
    fn reference(&self) -> &'static str {
        "client_order_ref"
    }

    fn documents(&self, body: &[u8]) -> Option<Value> {
        serde_json::from_slice(body).ok()
    }

    fn told(&self, status: u16, body: &[u8], drafts: usize, place: usize, _reference: &str) -> Option<Told> {
        let body: Value = serde_json::from_slice(body).ok()?;
        // Where somebody is refused the others are loaded once more: what comes of them another answer says.
        let ids = body.get("ids").and_then(Value::as_array).filter(|ids| status == 200 && ids.len() == drafts)?;
        Some(Told { made: text(ids.get(place)), there: ids.iter().all(Value::is_i64) })
    }

    /// A document whose total is wrong is deleted again, or named to a person.
    fn takes_back(&self) -> bool {
        true
    }

    fn is_cancelled(&self, document: &Value) -> Option<bool> {
        Some(document.get("state") == Some(&json!("cancel")))
    }

    fn draft(&self, reference: &str) -> String {
        body(reference, None)
    }

    fn draft_of(&self, step: &Step) -> String {
        match &step.action {
            Action::Cancel { document } => json!({ "document": document }).to_string(),
            Action::Amend { document, base } => body(step.reference.as_str(), Some((document.clone(), base.clone()))),
            Action::Create | Action::Credit { .. } => {
                debug_assert!(matches!(step.operation(), Operation::Create | Operation::Credit));
                body(step.reference.as_str(), None)
            }
        }
    }
}

fn body(reference: &str, amends: Option<(crate::domain::document::Document, Version)>) -> String {
    let body = Body {
        version: "2026-02-01T01:31:00Z/00000/0123456789abcdef".parse().unwrap_or_else(|_| Version::unread()),
        total: "26.78".to_owned(),
        currency: "EUR".to_owned(),
        amends,
        fields: vec!["id".to_owned(), "client_order_ref".to_owned()],
        rows: vec![vec![format!("puente.{reference}"), reference.to_owned()]],
    };
    serde_json::to_string(&body).unwrap_or_default()
}

pub(super) fn fuzzed(at: &Address<'_>) -> Vec<Fuzzed> {
    let section = with_line(EXAMPLE, "url =", &format!("url = \"http://{}\"\nprotocol = \"json-2\"", at.addr));
    vec![Fuzzed { section, reads: Box::new(Json2), replies: replies(at.canary) }]
}

fn result(result: &str) -> String {
    format!("200\n{result}")
}

fn says(status: u16, name: &str, message: &str) -> String {
    format!(
        "{status}\n{}",
        json!({"name": name, "message": message, "arguments": [message], "context": {}, "debug": ""})
    )
}

fn order(id: usize, state: &str) -> String {
    format!(
        r#"{{"id":{id},"client_order_ref":"acme/{id}","origin":"puente 2026-02-01T01:31:00Z/00000/0123456789abcdef 26.78 #{id}","name":"S{id}","state":"{state}","amount_total":26.78,"currency_id":[1,"EUR"],"order_line":[3],"locked":false}}"#
    )
}

fn orders(orders: &[String]) -> String {
    result(&format!("[{}]", orders.join(",")))
}

fn loaded(ids: &str) -> String {
    result(&format!(r#"{{"ids":{ids},"messages":[],"nextrow":0}}"#))
}

fn replies(canary: &str) -> Replies {
    let odd = says(422, "odoo.exceptions.UserError", &format!("[{canary}] is odd."));
    Replies {
        looked_up: vec![
            orders(&[order(1, "sale"), order(2, "cancel")]),
            result("[]"),
            orders(&[order(1, "draft"), order(2, "sent").replace("26.78,", "1e30,")]),
            // Somebody wrote our reference on another order too.
            orders(&[order(1, "sale"), order(1, "sale").replace("\"id\":1", "\"id\":7")]),
        ],
        probed: vec![
            [result(r#"[{"id":1,"name":"Shop"}]"#), result(r#"[{"expiration_date":"2027-01-31 10:00:00"}]"#)].join("\n%%\n"),
            result("[]"),
        ],
        finished: vec![
            [orders(&[order(5, "draft"), order(6, "sale")]), result("true")].join("\n%%\n"),
            orders(&[order(5, "draft").replace("26.78,", "-79228162514264337593543950335,")]),
            odd.clone(),
        ],
        prepared: prepared(),
        sent: vec![
            [loaded("[5,6]"), orders(&[order(5, "draft"), order(6, "draft")]), result("true")].join("\n%%\n"),
            [loaded("[5,5]"), orders(&[order(5, "draft")]), odd.clone()].join("\n%%\n"),
            [
                result(r#"{"ids":false,"messages":[{"type":"error","record":1,"field":"order_line","message":"no"}]}"#),
                loaded("[5]"),
                orders(&[order(5, "draft")]),
                result("true"),
            ]
            .join("\n%%\n"),
            result(r#"{"ids":false,"messages":[{"type":"error","record":0,"message":"could not serialize access due to concurrent update\n"}]}"#),
            odd,
            says(403, "odoo.exceptions.AccessError", &format!("You are not allowed to access {canary}")),
            says(500, "builtins.ValueError", &format!("Invalid field {canary}")),
            says(500, "psycopg2.OperationalError", "server closed the connection"),
            "404\n<html>".to_owned(),
            // A cancellation: read, its lines, cancelled, read.
            [
                orders(&[order(5, "sale"), order(6, "cancel")]),
                result(r#"[{"id":3,"order_id":[5,"S5"],"product_id":[1,"A"],"product_uom_qty":1.0,"price_unit":1.5,"tax_ids":[],"name":"A","qty_delivered":0.0,"qty_invoiced":0.0}]"#),
                result("true"),
                orders(&[order(5, "cancel")]),
            ]
            .join("\n%%\n"),
        ],
    }
}

fn prepared() -> Vec<String> {
    let codes = ["YERBA-500", "MATE-CAL", "ACE-ARB-500", "SAL-ESC", "TALAVERA-S", "SHIPPING", "TIP", "FEE", "DISCOUNT"];
    let products = codes.map(|code| format!(r#"{{"id":4,"default_code":"{code}","active":true,"sale_ok":true}}"#));
    let company = r#"[{"id":1,"currency_id":[1,"EUR"],"tax_calculation_rounding_method":"round_per_line"}]"#;
    let resolved = [
        result(company),
        result(r#"[{"id":2,"currency_id":[2,"MXN"]},{"id":3,"currency_id":[3,"ARS"]}]"#),
        result(r#"[{"id":9,"name":"21% G","amount":21.0,"amount_type":"percent","price_include":false,"include_base_amount":false,"sequence":1},{"id":10,"name":"10% G","amount":10.0,"amount_type":"percent","price_include":true,"include_base_amount":false,"sequence":1}]"#),
        result(&format!("[{}]", products.join(","))),
        result(r#"[{"id":6,"code":"ES"}]"#),
        loaded("[11,12,13,21,22,23]"),
    ]
    .join("\n%%\n");
    vec![
        resolved.clone(),
        // Rates beyond what can be multiplied, and one that leaves nothing to divide by.
        resolved.replace("21.0", "79228162514264337593543950335"),
        resolved.replace("21.0", "-100.0"),
        says(403, "odoo.exceptions.AccessError", "You are not allowed to access 'Contact' (res.partner) records."),
    ]
}
