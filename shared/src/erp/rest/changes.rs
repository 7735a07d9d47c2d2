//! How sales are changed, cancelled and credited: what is sent, what answers mean, and what a section can get wrong.

use http::StatusCode;

use super::{
    answer::What,
    tests::{build, example, smallest, step, why},
    trial::sample,
    *,
};
use crate::{domain::document::Action, erp::Class};

/// The call of an operation on the sample order.
fn call(rest: &Rest, operation: Operation) -> Call {
    let job = sample(operation).unwrap();
    let draft = match operation {
        Operation::Cancel => Rest::bare(&job).unwrap(),
        _ => rest.draft(&job, &map::Resolved::trial(), rest.books(&job).unwrap()).unwrap(),
    };
    let request = rest.section.operation(operation).unwrap();
    rest.call(operation.into(), request, &send::data(&[draft]).unwrap(), Some("key")).unwrap()
}

fn body(call: &Call) -> serde_json::Value {
    serde_json::from_slice(&call.body).unwrap()
}

#[test]
fn the_example_changes_cancels_and_credits() {
    let rest = example();
    let amend = call(&rest, Operation::Amend);
    assert_eq!((amend.method.as_str(), amend.url.path()), ("PUT", "/api/orders/1"));
    let Action::Amend { base, .. } = sample(Operation::Amend).unwrap().step.action else { panic!() };
    assert_eq!(amend.headers["if-match"], format!("\"{base}\"").as_str());
    // The document of a sale, with the version that it is changed to.
    let version = sample(Operation::Create).unwrap().version;
    assert_eq!(body(&amend)["version"], version.to_string());
    assert_eq!(body(&amend)["total"], "25.78");
    assert_ne!(base, version);
    let cancel = call(&rest, Operation::Cancel);
    assert_eq!((cancel.url.path(), cancel.body.len()), ("/api/orders/1/cancel", 0));
    let credit = call(&rest, Operation::Credit);
    assert_eq!(credit.url.path(), "/api/credit-notes");
    let note = body(&credit);
    assert_eq!(note["reference"], "acme-shop/1001/refund/1");
    assert_eq!(note["credits"], "1");
    assert_eq!(note["total"], "21.78");
    assert_eq!(note["lines"][0]["restock"], true);
}

/// The smallest section that can change a sale, with these keys of `amend`, and `more`.
fn amending(keys: &str, more: &str) -> String {
    smallest(&format!("amend = {{ method = 'PUT', path = '/orders/{{{{ sale.id }}}}'{keys} }}\n{more}"))
        .replace("reference = '/ref'", "reference = '/ref', version = '/v', state = '/state'")
}

#[test]
fn a_change_says_what_it_is_a_change_of_or_settle_is_told() {
    let missing = why(&amending("", ""));
    assert!(missing.contains("amend.class") && missing.contains("base"), "{missing}");
    for carried in [
        ", headers = { If-Match = '{{ base }}' }",
        ", body = '{ \"expects\": {{ base }} }'",
        ", document = '{ \"expects\": {{ base }} }'",
    ] {
        let rest = build(&amending(carried, "")).unwrap();
        assert_eq!(rest.can(Operation::Amend).unwrap().class, Class::Unique, "{carried}");
    }
    let searchable = ", class = 'searchable'";
    assert!(why(&amending(searchable, "")).contains("settle"), "{}", why(&amending(searchable, "")));
    let rest = build(&amending(searchable, "settle = '1m'")).unwrap();
    assert_eq!(rest.can(Operation::Amend).unwrap().class, Class::Searchable);
    assert_eq!(rest.can(Operation::Create).unwrap().class, Class::Unique, "of its own");
    assert!(build(&amending(", class = 'searchable', body = '{{ base }}'", "")).is_ok());
}

#[test]
fn what_is_not_configured_it_cannot_do() {
    let rest = build(&smallest("")).unwrap();
    for operation in [Operation::Amend, Operation::Cancel, Operation::Credit] {
        assert_eq!(rest.can(operation), None);
    }
    let limits = example().can(Operation::Amend).unwrap();
    assert_eq!((limits.max_bulk, limits.class), (1, Class::Unique));
}

#[test]
fn a_section_whose_changes_do_not_fit_together_names_its_key() {
    let state = |toml: String| toml.replace("reference = '/ref'", "reference = '/ref', state = '/state'");
    let cancel = "cancel = { method = 'POST', path = '/orders/{{ sale.id }}/cancel' }\n";
    let credit = |keys: &str| smallest(&format!("credit = {{ method = 'POST', path = '/credits'{keys} }}"));
    let finish = "finish_credits = { method = 'POST', path = '/c/{{ document.id }}' }\nfinished = ['done']";
    for (toml, key) in [
        (amending(", headers = { If-Match = '{{ base }}' }", "").replace(", version = '/v'", ""), "look_up.version"),
        (amending(", headers = { 'a b' = '{{ base }}' }", ""), "amend.headers"),
        (amending(", headers = { If-Match = '{{ bass }}' }", ""), "bass"),
        (amending(", headers = { If-Match = '{{ base }}' }, at_most = 2", ""), "at_most"),
        (amending(", total = '/t', body = '{{ base }}'", ""), "look_up.total"),
        (amending(", version = '/v'", ""), "amend.version"),
        // The sale's own reference as a key would be answered with the sale as it was made.
        (amending(", body = '{{ base }}', idempotency_header = 'K'", ""), "amend.idempotency_header"),
        (smallest(cancel), "cancelled"),
        (state(smallest(cancel)), "cancelled"),
        (smallest(&format!("cancelled = ['x']\n{cancel}")), "look_up.state"),
        (state(smallest("cancelled = ['x']\nfinished = ['x']")), "cancelled"),
        (credit(", document = '{}'"), "credit.id"),
        (credit(", id = '/id'"), "credit.document"),
        (credit(", id = '/id', document = '{{ refnd }}'"), "refnd"),
        (credit(", id = '/id', document = '{}', class = 'perhaps'"), "perhaps"),
        (
            smallest("look_up_credits = { method = 'GET', path = '/c', reference = '/r', id = '/id' }"),
            "look_up_credits",
        ),
        (smallest(finish), "finish_credits"),
    ] {
        assert!(why(&toml).contains(key), "{key}: {}", why(&toml));
    }
    assert!(build(&state(smallest(&format!("cancelled = ['gone']\n{cancel}")))).is_ok());
}

/// What an answer says of the sample's step: the document's id, or which error.
fn said(rest: &Rest, operation: Operation, status: u16, body: &'static str) -> Result<String, What> {
    let draft = Rest::bare(&sample(operation).unwrap()).unwrap();
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
    };
    let request = rest.section.operation(operation).unwrap();
    let made = rest.outcomes(operation, request, &[draft], &answer).remove(0);
    made.map(|made| made.document.id).map_err(|verdict| verdict.what)
}

#[test]
fn a_change_needs_no_words_but_a_success() {
    let rest = example();
    for operation in [Operation::Amend, Operation::Cancel] {
        assert_eq!(said(&rest, operation, 204, ""), Ok("1".to_owned()), "{operation:?}");
        assert_eq!(said(&rest, operation, 200, r#"{"id": 1}"#), Ok("1".to_owned()));
        assert_eq!(said(&rest, operation, 200, r#"{"error": "it was shipped"}"#), Err(What::Refused));
        assert_eq!(said(&rest, operation, 200, r#"[{"error": "it was shipped"}]"#), Err(What::Refused));
        assert_eq!(said(&rest, operation, 200, "<html>"), Err(What::Unknown), "{operation:?}");
        for (status, what) in [(409, What::Exists), (404, What::Refused), (422, What::Refused), (500, What::Unknown)] {
            assert_eq!(said(&rest, operation, status, "{}"), Err(what), "{operation:?} {status}");
        }
    }
    // Another version is there; a cancellation asks for none.
    assert_eq!(said(&rest, Operation::Amend, 412, "{}"), Err(What::Exists));
    assert_eq!(said(&rest, Operation::Cancel, 412, "{}"), Err(What::Refused));
    // A credit note is a new document: its id has to be told.
    assert_eq!(said(&rest, Operation::Credit, 201, "{}"), Err(What::Unknown));
    assert_eq!(said(&rest, Operation::Credit, 201, r#"{"id": 9}"#), Ok("9".to_owned()));
}

#[test]
fn an_answer_about_another_document_is_in_doubt() {
    let rest = build(&amending(", body = '{{ base }}', id = '/id'", "")).unwrap();
    assert_eq!(said(&rest, Operation::Amend, 200, r#"{"id": "1"}"#), Ok("1".to_owned()));
    assert_eq!(said(&rest, Operation::Amend, 200, r#"{"id": "2"}"#), Err(What::Unknown));
    assert_eq!(said(&rest, Operation::Amend, 200, "{}"), Err(What::Unknown));
}

/// What is found of the step among documents of the reference `a/1`: id, whether with a version, whether cancelled.
fn found(action: Action, listed: &[(&str, &str)]) -> Option<(String, bool, bool)> {
    let rest = build(&amending(", body = '{{ base }}'", "cancelled = ['gone', 'true']")).unwrap();
    let version = sample(Operation::Create).unwrap().version;
    let item =
        |(id, state): &(&str, &str)| format!(r#"{{"id": "{id}", "ref": "a/1", "v": "{version}", "state": {state}}}"#);
    let text = format!("[{}]", listed.iter().map(item).collect::<Vec<_>>().join(","));
    let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from(text) };
    let seen = rest.seen(Name::LookUp, rest.section.look_up.as_ref().unwrap(), &answer).unwrap();
    let found = rest.one_of(&seen, &Step { action, ..step() })?;
    Some((found.document.id, found.version.is_some(), found.cancelled))
}

#[test]
fn a_cancelled_document_is_found_as_one_and_hides_no_other() {
    let document = |id: &str| Document { id: id.to_owned(), number: None };
    let cancel = |id: &str| Action::Cancel { document: document(id) };
    let amend = |id: &str| Action::Amend { document: document(id), base: sample(Operation::Create).unwrap().version };
    let (live, gone) = ("\"open\"", "\"gone\"");
    let some = |id: &str, version, cancelled| Some((id.to_owned(), version, cancelled));
    assert_eq!(found(Action::Create, &[("1", live)]), some("1", true, false));
    assert_eq!(found(Action::Create, &[("1", gone)]), some("1", true, true));
    assert_eq!(found(Action::Create, &[("1", gone), ("2", live)]), some("2", true, false));
    assert_eq!(found(Action::Create, &[("1", live), ("2", live)]), some("1", false, false));
    assert_eq!(found(Action::Create, &[("1", gone), ("2", gone)]), some("1", false, true));
    // By its id, whatever else carries the reference.
    assert_eq!(found(cancel("2"), &[("1", live), ("2", gone)]), some("2", true, true));
    assert_eq!(found(cancel("1"), &[("1", live), ("2", gone)]), some("1", true, false));
    assert_eq!(found(cancel("3"), &[("1", live), ("2", gone)]), None);
    assert_eq!(found(amend("2"), &[("1", live), ("2", live)]), some("2", false, false));
    assert_eq!(found(amend("1"), &[("1", live), ("2", gone)]), some("1", true, false));
    // A flag is a state too.
    assert_eq!(found(cancel("1"), &[("1", "true")]), some("1", true, true));
}

#[test]
fn without_a_state_nothing_is_said_of_a_document() {
    let rest = build(&amending(", body = '{{ base }}'", "cancelled = ['gone']")).unwrap();
    let look_up = rest.section.look_up.as_ref().unwrap();
    let seen = |body: &'static str| {
        let answer =
            Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) };
        rest.seen(Name::LookUp, look_up, &answer)
    };
    assert!(seen(r#"[{"id": 1, "ref": "a/1", "state": "open"}]"#).is_ok());
    assert_eq!(seen(r#"[{"id": 1, "ref": "a/1"}]"#).err().map(|verdict| verdict.what), Some(What::Account));
}
