//! Answers of a Tryton to fuzz its connector with, and what they say.

use serde_json::{Value, json};

use super::super::EXAMPLE;
use crate::{
    domain::{
        document::{Action, Step},
        version::Version,
    },
    erp::kit::{Address, Fuzzed, Reads, Replies, Told, text, with_line},
};

/// Tryton's JSON-RPC.
#[derive(Debug)]
struct Rpc;

impl Reads for Rpc {
    fn reference(&self) -> &'static str {
        "web_id"
    }

    /// The connector reads over what it does not need; where all of it is no JSON there is nothing to compare with.
    fn documents(&self, body: &[u8]) -> Option<Value> {
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(body.get("result").cloned().unwrap_or_default())
    }

    fn told(&self, status: u16, body: &[u8], drafts: usize, place: usize, _reference: &str) -> Option<Told> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let fine = status == 200 && body.get("error").is_none_or(Value::is_null);
        let ids = body.get("result").and_then(Value::as_array).filter(|ids| fine && ids.len() == drafts);
        Some(Told {
            made: ids.and_then(|ids| text(ids.get(place))),
            there: ids.is_some_and(|ids| ids.iter().all(Value::is_i64)),
        })
    }

    /// A sale whose total is wrong is deleted again, or named to a person.
    fn takes_back(&self) -> bool {
        true
    }

    fn draft(&self, reference: &str) -> String {
        format!(r#"{{"web_id":"{reference}"}}"#)
    }

    fn draft_of(&self, step: &Step) -> String {
        match &step.action {
            Action::Create | Action::Credit { .. } => self.draft(step.reference.as_str()),
            Action::Cancel { document } => json!({ "document": document }).to_string(),
            Action::Amend { document, base } => {
                json!({ "document": document, "base": base, "version": Version::unread(), "header": {}, "lines": [] })
                    .to_string()
            }
        }
    }
}

pub(super) fn fuzzed(at: &Address<'_>) -> Vec<Fuzzed> {
    let section = with_line(EXAMPLE, "url =", &format!("url = \"http://{}\"", at.addr));
    vec![Fuzzed { section, reads: Box::new(Rpc), replies: replies(at.canary) }]
}

const MOST: &str = "79228162514264337593543950335";

fn result(result: &str) -> String {
    format!("200\n{{\"id\":1,\"result\":{result}}}")
}

fn says(error: &str) -> String {
    format!("200\n{{\"id\":1,\"error\":{error}}}")
}

fn sale(id: usize, state: &str) -> String {
    format!(
        r#"{{"id":{id},"web_id":"acme/{id}","number":"S{id}","state":"{state}","total_amount":{{"__class__":"Decimal","decimal":"26.78"}},"lines.":[{{"note":null}},{{"note":"puente 2026-02-01T01:31:00Z/00000/0123456789abcdef 26.78"}}]}}"#
    )
}

/// With all that a change of it rests on.
fn amendable(id: usize, state: &str) -> String {
    let stamps = r#""_timestamp":"1796042442.83049","invoice_state":"none","shipment_state":"waiting","lines.":[{"id":3,"_timestamp":"1796042442.83049","note""#;
    sale(id, state).replacen(r#""lines.":[{"note""#, stamps, 1)
}

fn sales(sales: &[String]) -> String {
    result(&format!("[{}]", sales.join(",")))
}

fn replies(canary: &str) -> Replies {
    Replies {
        looked_up: vec![
            sales(&[sale(1, "processing"), sale(2, "cancelled")]),
            result("[]"),
            sales(&[amendable(1, "draft"), amendable(2, "quotation")]),
            // Two web shops of one name: the last sale was taken for the right one.
            sales(&[sale(1, "confirmed"), sale(1, "confirmed").replace("\"id\":1", "\"id\":7")]),
        ],
        probed: vec![[result(r#""8.0.1""#), result(r#"[{"name":"Web","company":1}]"#)].join("\n%%\n"), result("[]")],
        finished: vec![
            [sales(&[sale(5, "draft"), sale(6, "quotation")]), result("null")].join("\n%%\n"),
            // Their difference was beyond what a decimal holds.
            sales(&[sale(5, "draft").replace("\"26.78", &format!("\"{MOST}")).replace(" 26.78", &format!(" -{MOST}"))]),
            says(&format!(r#"["UserError",["The record \"{canary}\" of \"Sale\" is odd.","",null]]"#)),
        ],
        prepared: prepared(),
        sent: sent(canary),
    }
}

fn prepared() -> Vec<String> {
    let codes = ["YERBA-500", "MATE-CAL", "ACE-ARB-500", "SAL-ESC", "TALAVERA-S", "SHIPPING", "TIP", "FEE", "DISCOUNT"];
    let products =
        codes.map(|code| format!(r#"{{"id":4,"code":"{code}","salable":true,"sale_uom.":{{"id":1,"digits":0}}}}"#));
    let resolved = [
        result(r#"[{"id":1,"company":1,"warehouses":[3]}]"#),
        result(r#"[{"id":1,"tax_rounding":"line"}]"#),
        result(r#"[{"id":1,"code":"EUR","rounding":{"__class__":"Decimal","decimal":"0.01"}},{"id":2,"code":"MXN","rounding":null},{"id":3,"code":"ARS","rounding":{"__class__":"Decimal","decimal":"1E-2"}}]"#),
        result(r#"[{"id":9,"name":"VAT 21%","type":"percentage","sequence":1,"rate":{"__class__":"Decimal","decimal":"0.21"},"update_unit_price":false,"childs":[]},{"id":10,"name":"VAT 10%","type":"percentage","sequence":null,"rate":{"__class__":"Decimal","decimal":"0.10"},"update_unit_price":0,"childs":[]}]"#),
        result(&format!("[{}]", products.join(","))),
        result(r#"[{"id":6,"code":"ES"}]"#),
        result("[]"),
        result("[11,12,13]"),
        result("[21,22,23,24,25]"),
    ]
    .join("\n%%\n");
    let instead = |old: &str, new: &str| resolved.replace(&decimal(old), &decimal(new));
    vec![
        resolved.clone(),
        // Rounded by nothing or by less, a tax's remainder was given back for ever.
        instead("0.01", "0"),
        instead("0.01", "-0.01"),
        // Rates beyond what can be multiplied, and one that leaves nothing to divide by.
        instead("0.21", MOST),
        instead("0.21", "-1"),
        says(r#"["UserWarning",["credit","Somebody is over the limit.",""]]"#),
    ]
}

fn decimal(number: &str) -> String {
    format!(r#""decimal":"{number}""#)
}

fn sent(canary: &str) -> Vec<String> {
    let read = sales(&[sale(5, "quotation"), sale(6, "quotation")]);
    vec![
        [result("[5,6]"), result("null"), read.clone(), result("null")].join("\n%%\n"),
        [result("[5]"), result("null"), sales(&[sale(5, "draft")]), result("null")].join("\n%%\n"),
        [
            result("[5,5]"),
            result("null"),
            read,
            says(r#"["UserError",["The record \"Ana\" of \"Sale\" is odd.","",null]]"#),
        ]
        .join("\n%%\n"),
        says(r#"["UserError",["The web ID on the sale must be unique per shop.","",null]]"#),
        says(&format!(
            r#"["UserError",["The value \"{canary}\" for field \"Party\" in record \"[#5]\" of \"Sale\" is not valid.","",null]]"#
        )),
        says(&format!(r#"["UserWarning",["credit","\"{canary}\" is over the limit.",""]]"#)),
        says(r#"["server closed the connection unexpectedly",""]"#),
        // A change: read, back to draft, read, written, quoted, read.
        [
            sales(&[amendable(5, "quotation"), amendable(6, "draft")]),
            result("null"),
            sales(&[amendable(5, "draft"), amendable(6, "draft")]),
            result("null"),
            result("null"),
            sales(&[amendable(5, "quotation"), amendable(6, "quotation")]),
        ]
        .join("\n%%\n"),
        says(r#"["ConcurrencyException","Records were modified in the meanwhile"]"#),
        // A cancellation: read, cancelled; too late; gone.
        [sales(&[amendable(5, "confirmed"), amendable(6, "cancelled")]), result("null"), result("null")].join("\n%%\n"),
        sales(&[amendable(5, "processing")]),
        says(r#"["UserError",["You are trying to read records \"5\" of \"Sale\" that don't exist.","",null]]"#),
        says(r#"["UserError",["Calling button \"draft on \"Sale\" is not allowed.","",null]]"#),
    ]
}
