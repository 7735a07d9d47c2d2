//! Answers of an ERP to everything else a connector asks: nothing is found or resolved that the answer does not say, nothing is
//! missing that it does.
//!
//! The first byte chooses the connector and the question, the rest is a script of answers (see `erp`).

use puente::{
    domain::{
        document::{Document, Operation},
        ids::Reference,
    },
    erp::Found,
};
use serde_json::Value;

use super::{
    CANARY, check_error,
    erp::{CONNECTORS, Scripted, Speaks, check_setback, script, text, with_bench},
};

pub fn erp_replies(data: &[u8]) {
    let Some((choice, answers)) = data.split_first() else { return };
    let (connector, question) = (usize::from(*choice) % CONNECTORS, usize::from(*choice) / CONNECTORS % 4);
    let answers = script(answers);
    with_bench(&answers, |bench| {
        let connected = &bench.connectors[connector];
        match question {
            0 => {
                let steps = bench.steps();
                match bench.ask(async |calls| connected.erp.look_up(calls, &steps).await) {
                    Ok(found) => {
                        assert_eq!(found.len(), steps.len(), "one answer for each step");
                        let told = steps.iter().zip(&found);
                        told.for_each(|(step, found)| {
                            seen(connected.speaks, &answers[0], &step.reference, found.as_ref())
                        });
                    }
                    Err(send_error) => check_error(&send_error.into_error()),
                }
            }
            1 => match bench.ask(async |calls| connected.erp.probe(calls).await) {
                Ok(name) => assert!(name.chars().count() <= 1000),
                Err(error) => check_error(&error),
            },
            2 => {
                let document = |id: &str| Document { id: id.to_owned(), number: None };
                let documents = [document("5"), document("6")];
                let outcomes = bench.ask(async |calls| connected.erp.finish(calls, &documents).await);
                assert_eq!(outcomes.len(), documents.len(), "one outcome for each document");
                for (outcome, document) in outcomes.iter().zip(&documents) {
                    match outcome {
                        Ok(finished) => assert_eq!(finished.id, document.id),
                        Err(send_error) => check_setback(send_error),
                    }
                }
            }
            _ => {
                let sales = &bench.sales;
                let outcomes =
                    bench.ask(async |calls| connected.erp.prepare(calls, Operation::Create, sales, false).await);
                assert_eq!(outcomes.len(), sales.len(), "one draft for each sale");
                for (outcome, sale) in outcomes.iter().zip(sales) {
                    match outcome {
                        Ok(draft) => {
                            assert_eq!(draft.reference, sale.step.reference);
                            serde_json::from_str::<serde::de::IgnoredAny>(&draft.body).expect("a document is JSON");
                        }
                        Err(send_error) => check_setback(send_error),
                    }
                }
            }
        }
    });
}

/// Compares what was found under a reference with what the answer lists.
fn seen(speaks: Speaks, answer: &Scripted, reference: &Reference, found: Option<&Found>) {
    // Tryton's connector reads over what it does not need; where all of it is no JSON there is nothing to compare with.
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return assert!(speaks == Speaks::Tryton || found.is_none(), "found in what is no JSON");
    };
    let (body, key) = match speaks {
        Speaks::Tryton => (body.get("result").cloned().unwrap_or_default(), "web_id"),
        _ => (body, "reference"),
    };
    let items = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
    let id = |item: &Value| text(item.get("id")).unwrap_or_default();
    let mut ids: Vec<String> = items.iter().filter(|item| item[key] == reference.as_str()).map(id).collect();
    ids.sort();
    ids.dedup();
    match found {
        None => assert!(ids.is_empty(), "the answer lists what is said not to be there"),
        Some(found) => {
            assert!(ids.contains(&found.document.id), "found, and the answer does not list it");
            assert!(found.version.is_none() || ids.len() == 1, "two documents, and one is taken for the right one");
            let content = found.version.as_ref().map(|version| version.content.to_string());
            let listed = body.to_string().to_ascii_lowercase();
            assert!(content.is_none_or(|content| listed.contains(&content)), "another version");
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    const MOST: &str = "79228162514264337593543950335";
    const VERSION: &str = "2026-02-01T01:31:00Z/00000/0123456789abcdef";
    let item = |n: usize| {
        format!(
            r#"{{"reference":"acme/{n}","id":"SO-{n}","number":"S{n}","version":"note {VERSION}","state":"draft","total":26.78,"stated":"26.78"}}"#
        )
    };
    let looked_up = [
        format!("200\n[{},{}]", item(1), item(3)),
        format!("200\n[{},{}]", item(1), item(1).replace("SO-1", "SO-7")),
        "200\n[]".to_owned(),
        format!("200\n{}", item(2)),
        format!("422\n{{\"error\":\"{CANARY} is not known\"}}"),
        "503 retry-after: 7\n<html>".to_owned(),
    ];
    let probed =
        ["200\n{\"name\":\"Acme ERP 12.4\"}".to_owned(), "401\n{}".to_owned(), "308 location: /x\n".to_owned()];
    let skus = ["YERBA-500", "MATE-CAL", "ACE-ARB-500", "SAL-ESC", "TALAVERA-S"]
        .map(|sku| format!(r#"{{"sku":"{sku}","id":"{sku}"}}"#))
        .join(",");
    let prepared = [
        format!("200\n[{skus}]\n%%\n200\n[]\n%%\n201\n{{\"reference\":\"acme/customer/318\",\"id\":\"C-1\"}}"),
        format!("500\n{{\"error\":\"{CANARY}\"}}"),
    ];
    let sale = |id: usize, state: &str| {
        format!(
            r#"{{"id":{id},"web_id":"acme/{id}","number":"S{id}","state":"{state}","total_amount":{{"__class__":"Decimal","decimal":"26.78"}},"lines.":[{{"note":null}},{{"note":"puente {VERSION} 26.78"}}]}}"#
        )
    };
    let result = |result: &str| format!("200\n{{\"id\":1,\"result\":{result}}}");
    let says = |error: &str| format!("200\n{{\"id\":1,\"error\":{error}}}");
    let products =
        ["YERBA-500", "MATE-CAL", "ACE-ARB-500", "SAL-ESC", "TALAVERA-S", "SHIPPING", "TIP", "FEE", "DISCOUNT"]
            .map(|code| format!(r#"{{"id":4,"code":"{code}","salable":true,"sale_uom.":{{"id":1,"digits":0}}}}"#))
            .join(",");
    let resolved = [
        result(r#"[{"id":1,"company":1,"warehouses":[3]}]"#),
        result(r#"[{"id":1,"tax_rounding":"line"}]"#),
        result(r#"[{"id":1,"code":"EUR","rounding":{"__class__":"Decimal","decimal":"0.01"}},{"id":2,"code":"MXN","rounding":null},{"id":3,"code":"ARS","rounding":{"__class__":"Decimal","decimal":"1E-2"}}]"#),
        result(r#"[{"id":9,"name":"VAT 21%","type":"percentage","sequence":1,"rate":{"__class__":"Decimal","decimal":"0.21"},"update_unit_price":false,"childs":[]},{"id":10,"name":"VAT 10%","type":"percentage","sequence":null,"rate":{"__class__":"Decimal","decimal":"0.10"},"update_unit_price":0,"childs":[]}]"#),
        result(&format!("[{products}]")),
        result(r#"[{"id":6,"code":"ES"}]"#),
        result("[]"),
        result("[11,12,13]"),
        result("[21,22,23,24,25]"),
    ]
    .join("\n%%\n");
    let tryton = [
        vec![
            result(&format!("[{},{}]", sale(1, "processing"), sale(2, "cancelled"))),
            result("[]"),
            // Two web shops of one name: the last sale was taken for the right one.
            result(&format!("[{},{}]", sale(1, "confirmed"), sale(1, "confirmed").replace("\"id\":1", "\"id\":7"))),
        ],
        vec![[result(r#""8.0.1""#), result(r#"[{"name":"Web","company":1}]"#)].join("\n%%\n"), result("[]")],
        vec![
            [result(&format!("[{},{}]", sale(5, "draft"), sale(6, "quotation"))), result("null")].join("\n%%\n"),
            // Their difference was beyond what a decimal holds.
            result(&format!(
                "[{}]",
                sale(5, "draft").replace("\"26.78", &format!("\"{MOST}")).replace(" 26.78", &format!(" -{MOST}"))
            )),
            says(&format!(r#"["UserError",["The record \"{CANARY}\" of \"Sale\" is odd.","",null]]"#)),
        ],
        vec![
            resolved.clone(),
            // Rounded by nothing or by less, a tax's remainder was given back for ever.
            resolved.replace(r#""decimal":"0.01""#, r#""decimal":"0""#),
            resolved.replace(r#""decimal":"0.01""#, r#""decimal":"-0.01""#),
            // Rates beyond what can be multiplied, and one that leaves nothing to divide by.
            resolved.replace(r#""decimal":"0.21""#, r#""decimal":"79228162514264337593543950335""#),
            resolved.replace(r#""decimal":"0.21""#, r#""decimal":"-1""#),
            says(r#"["UserWarning",["credit","Somebody is over the limit.",""]]"#),
        ],
    ];
    let mut seeds = Vec::new();
    for connector in 0..CONNECTORS {
        for (question, answers) in [&looked_up[..], &probed, &looked_up, &prepared].into_iter().enumerate() {
            let answers = if connector + 1 == CONNECTORS { &tryton[question] } else { answers };
            let choice = u8::try_from(connector + CONNECTORS * question).unwrap();
            seeds.extend(answers.iter().map(|answer| [&[choice], answer.as_bytes()].concat()));
        }
    }
    seeds
}
