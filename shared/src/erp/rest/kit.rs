//! An ERP of plain JSON for the suites and the sandbox, which has one of its own; and answers of such ERPs, understood in each way
//! that a section can have them understood.

use puente_sandbox::erp::Plain;
use serde_json::{Value, json};

use crate::{
    domain::{
        document::{Action, Step},
        version::Version,
    },
    erp::kit::{Address, Fuzzed, Kit, Reads, Replies, Told, text, with_line},
};

/// The kit.
pub(super) const KIT: Kit = Kit { vendor: &Plain, books: false, fuzzed };

/// How items of an answer are told apart, and whether each has its own status.
#[derive(Debug, Clone, Copy)]
struct Json {
    by_place: bool,
    per_item: bool,
}

impl Reads for Json {
    fn reference(&self) -> &'static str {
        "reference"
    }

    fn documents(&self, body: &[u8]) -> Option<Value> {
        // Nothing is listed in what is no JSON.
        Some(serde_json::from_slice(body).unwrap_or_default())
    }

    fn told(&self, status: u16, body: &[u8], drafts: usize, place: usize, reference: &str) -> Option<Told> {
        let success = (200..300).contains(&status);
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let items = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
        let items: Vec<&Value> = if self.by_place {
            items.get(place).filter(|_| items.len() == drafts).into_iter().collect()
        } else {
            items.iter().filter(|item| text(item.get("reference")).as_deref() == Some(reference)).collect()
        };
        let fine = quiet(body.get("error"));
        let id = |item: &&Value| text(item.get("id")).filter(|_| fine && quiet(item.get("error")));
        let accepted = |item: &&Value| !self.per_item || text(item.get("status")).is_none_or(|s| s.starts_with('2'));
        let there = success && items.iter().any(|item| id(item).is_some() && accepted(item));
        let ids: Vec<Option<String>> = items.iter().map(id).collect();
        let made = ids.first().cloned().flatten();
        let made = made.filter(|made| (success || self.per_item) && ids.iter().all(|id| id.as_ref() == Some(made)));
        Some(Told { made, there })
    }

    /// What the example says of each operation: credit notes are told by their place, changes by the status and the error only.
    fn told_of(&self, status: u16, body: &[u8], steps: &[Step], place: usize) -> Option<Told> {
        let step = steps.get(place)?;
        let reference = step.reference.as_str();
        match &step.action {
            Action::Create => self.told(status, body, steps.len(), place, reference),
            Action::Credit { .. } => {
                Self { by_place: true, per_item: false }.told(status, body, steps.len(), place, reference)
            }
            Action::Amend { document, .. } | Action::Cancel { document } => {
                let answer = serde_json::from_slice::<Value>(body);
                let all_quiet = |answer: &Value| {
                    let items = answer.as_array().map_or(&[] as &[Value], Vec::as_slice);
                    quiet(answer.get("error")) && items.iter().all(|item| quiet(item.get("error")))
                };
                let fine = body.is_empty() || answer.is_ok_and(|answer| all_quiet(&answer));
                let there = (200..300).contains(&status) && fine;
                Some(Told { made: there.then(|| document.id.clone()), there })
            }
        }
    }

    fn is_cancelled(&self, document: &Value) -> Option<bool> {
        Some(document.get("state").and_then(Value::as_str) == Some("cancelled"))
    }

    fn draft(&self, reference: &str) -> String {
        written(&Action::Create, reference)
    }

    fn draft_of(&self, step: &Step) -> String {
        written(&step.action, step.reference.as_str())
    }
}

/// A document, what it is about and, for those that compare, the store's total.
fn written(action: &Action, reference: &str) -> String {
    let (total, version) = ("26.78", Version::unread());
    json!({"total": total, "action": action, "version": version, "document": {"reference": reference}}).to_string()
}

/// Whether there is no error.
fn quiet(error: Option<&Value>) -> bool {
    match error {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(words)) => words.trim().is_empty(),
        Some(Value::Array(words)) => words.is_empty(),
        Some(_) => false,
    }
}

fn fuzzed(at: &Address<'_>) -> Vec<Fuzzed> {
    let named = with_line(include_str!("example.toml"), "url =", &format!("url = \"http://{}\"", at.addr));
    let placed = with_line(&named, "create.reference", "");
    let bulk = |text: &str, mode: &str| with_line(text, "bulk =", &format!("bulk = \"{mode}\""));
    let per_item = |text: &str| format!("{}\ncreate.status = \"/status\"", bulk(text, "per_item"));
    let strict = format!("{named}\n{STRICT}");
    let one = |section: String, by_place, per_item| Fuzzed {
        section,
        reads: Box::new(Json { by_place, per_item }),
        replies: replies(at.canary),
    };
    vec![
        one(named.clone(), false, false),
        one(per_item(&named), false, true),
        one(bulk(&placed, "unknown"), true, false),
        one(per_item(&placed), true, true),
        one(strict, false, false),
    ]
}

/// Everything that can be compared and finished.
const STRICT: &str = r#"
create.total = "/total"
create.state = "/state"
look_up.total = "/total"
look_up.stated_total = "/stated"
finish.method = "POST"
finish.path = "/orders/confirm"
finish.error = "/error"
finished = ["confirmed"]
"#;

fn replies(canary: &str) -> Replies {
    let listed = |n: usize| {
        format!(
            r#"{{"reference":"acme/{n}","id":"SO-{n}","number":"S{n}","version":"note 2026-02-01T01:31:00Z/00000/0123456789abcdef","state":"draft","total":26.78,"stated":"26.78"}}"#
        )
    };
    let looked_up = vec![
        format!("200\n[{},{}]", listed(1), listed(3)),
        format!("200\n[{},{}]", listed(1), listed(1).replace("SO-1", "SO-7")),
        format!("200\n[{}]", listed(1).replace("draft", "cancelled")),
        format!("200\n[{},{}]", listed(1), listed(1).replace("SO-1", "7").replace("draft", "cancelled")),
        format!("200\n[{}]", listed(1).replace("SO-1", "7")),
        "200\n[]".to_owned(),
        format!("200\n{}", listed(2)),
        format!("422\n{{\"error\":\"{canary} is not known\"}}"),
        "503 retry-after: 7\n<html>".to_owned(),
    ];
    let skus = ["YERBA-500", "MATE-CAL", "ACE-ARB-500", "SAL-ESC", "TALAVERA-S"]
        .map(|sku| format!(r#"{{"sku":"{sku}","id":"{sku}"}}"#))
        .join(",");
    let made = |n: usize| {
        format!(
            r#"{{"reference":"acme/{n}","id":"SO-{n}","number":"S{n}","status":201,"total":"26.78","state":"draft"}}"#
        )
    };
    let refused = |n: usize| format!(r#"{{"reference":"acme/{n}","status":422,"error":"{canary} is not known"}}"#);
    let list = |items: &[String]| format!("[{}]", items.join(","));
    Replies {
        finished: looked_up.clone(),
        looked_up,
        probed: vec![
            "200\n{\"name\":\"Acme ERP 12.4\"}".to_owned(),
            "401\n{}".to_owned(),
            "308 location: /x\n".to_owned(),
        ],
        prepared: vec![
            format!("200\n[{skus}]\n%%\n200\n[]\n%%\n201\n{{\"reference\":\"acme/customer/318\",\"id\":\"C-1\"}}"),
            format!("500\n{{\"error\":\"{canary}\"}}"),
        ],
        sent: vec![
            format!("201\n{}", made(1)),
            format!("201\n{}\n%%\n200\n{{}}", list(&[made(1), made(2)])),
            format!("207\n{}", list(&[made(2), refused(1), made(3)])),
            format!("200\n{}", list(&[made(1), made(1), refused(1), made(9)])),
            format!("400\n{}", list(&[refused(1), made(2)])),
            format!("422\n{{\"error\":\"{canary} is not known\"}}"),
            "204\n".to_owned(),
            format!("412\n{{\"error\":\"{canary} carries another version\"}}"),
            "429 retry-after: 30\n".to_owned(),
            "503 retry-after: Sat, 31 Jan 2026 10:00:30 GMT\n<html>".to_owned(),
            format!("200\n{{\"error\":\"{canary} exists\"}}"),
        ],
    }
}
