//! What an unhappy answer of Tryton means: the one place that decides between "nothing happened" and "it may have".
//!
//! Tryton runs a call in one database transaction and rolls it back on every exception, so an error that *it* reports is
//! certain. A 5xx or a missing answer is not: a proxy may have given up on a call that then succeeds. Business errors come
//! inside of HTTP 200 (`trytond/protocols/jsonrpc.py`). Messages quote records, people and addresses among them: only what is
//! known to be no personal data is passed on.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    Error, Kind,
    domain::reason::Why,
    erp::{
        SendError, quoted,
        status::{self, Intent, Words, in_doubt},
    },
    outbound::Answer,
};

/// The unique keys: "The web ID on the sale must be unique per shop.", "The code on party must be unique."
const UNIQUE: [&str; 2] = ["must be unique per shop", "code on party must be unique"];

/// An answer that is not 200.
#[must_use]
pub(super) fn status(answer: &Answer, intent: Intent) -> SendError {
    // Concurrent changes: the transaction was rolled back.
    if answer.status == StatusCode::LOCKED {
        return SendError::NotNow(Error::new(Kind::Unavailable, "Tryton was busy with the same records (423)"));
    }
    status::status(answer, intent, &WORDS)
}

const WORDS: Words = Words {
    name: "Tryton",
    log_in: "Tryton refuses the log-in: check `username` and `password`, and that the user is active",
    forbidden: "Tryton refuses the call (403): the user needs access to sales, parties, products and taxes of Tryton 8 with the \
                modules sale and web_shop, or a firewall before it objects to what the call carries",
};

/// An answer that is not what Tryton answers.
#[must_use]
pub(super) fn unreadable(method: &str, intent: Intent) -> SendError {
    let text = format!("the answer to {method} is not one of Tryton 8: check `url`, and what stands in between");
    in_doubt(Error::new(Kind::Unavailable, text), intent)
}

/// An error inside of HTTP 200: `["UserError", [message, …]]`, or `[text of an exception, traceback]`.
#[must_use]
pub(super) fn said(error: &str, intent: Intent) -> SendError {
    let parts: Vec<&RawValue> = serde_json::from_str(error).unwrap_or_default();
    let text = |at: usize| parts.get(at).map_or("", |raw| raw.get());
    let class: String = serde_json::from_str(text(0)).unwrap_or_default();
    match class.as_str() {
        "UserError" => {
            let message = first(text(1));
            if UNIQUE.iter().any(|key| message.contains(key)) {
                return SendError::Exists;
            }
            if moved_on(&message) {
                return SendError::NotNow(Error::new(
                    Kind::Unavailable,
                    "somebody changed, took on or deleted the same sale in Tryton at that moment",
                ));
            }
            let said = Some(without_people(&message) + right(&message));
            SendError::Refused(Why::ErpRefused { request: None, status: None, said }.into())
        }
        "UserWarning" => {
            let said = without_people(&first_of(text(1), 1));
            SendError::Refused(Why::ErpWarns { said }.into())
        }
        "ConcurrencyException" => SendError::NotNow(Error::new(
            Kind::Unavailable,
            "somebody changed the same records in Tryton at that moment",
        )),
        "LoginException" => SendError::Account(Error::new(
            Kind::Config,
            "Tryton asks for more than a password: allow the integration user to log in with its password alone",
        )),
        text if busy(text) => SendError::NotNow(Error::new(Kind::Unavailable, "Tryton's database was busy")),
        text if broken(text) => {
            in_doubt(Error::new(Kind::Unavailable, "Tryton lost its database during the call"), intent)
        }
        // The text of a Python exception can hold anything: it stays in Tryton's own log.
        _ => SendError::Refused(Why::ErpFailed.into()),
    }
}

/// Whether the sale is not as it was read a moment ago: its state lacks the button, or it or a line of it was deleted. All of the call was
/// rolled back; read again, it tells what can be done.
fn moved_on(message: &str) -> bool {
    let gone = message.starts_with("You are trying to ") && message.contains("that don't exist");
    let sale = [r#"of "Sale""#, r#"of "Sale Line""#].iter().any(|model| message.contains(model));
    message.starts_with("You can not call \"") || (gone && sale)
}

/// What helps where the user lacks a right.
fn right(message: &str) -> &'static str {
    let lacks =
        ["You are not allowed to access \"", "Calling button \""].iter().any(|words| message.starts_with(words));
    if lacks { " (give the integration user that right in Tryton, then replay it)" } else { "" }
}

/// Refused by the database for the moment, and rolled back.
fn busy(text: &str) -> bool {
    ["database is locked", "could not serialize", "deadlock detected", "lock timeout", "could not obtain lock"]
        .iter()
        .any(|known| text.contains(known))
}

/// The connection between Tryton and its database broke: perhaps while it committed.
fn broken(text: &str) -> bool {
    ["server closed the connection", "connection already closed", "the connection is lost", "SSL connection"]
        .iter()
        .any(|known| text.contains(known))
}

fn first(json: &str) -> String {
    first_of(json, 0)
}

/// The `at`-th member of a list as text; the text itself where it is no list.
fn first_of(json: &str, at: usize) -> String {
    let parts: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    let text = parts.get(at).map_or(json, |raw| raw.get());
    serde_json::from_str(text).unwrap_or_default()
}

/// Tryton's message as it may be repeated.
fn without_people(message: &str) -> String {
    // Tryton forgets a quote here. It names a button and a kind of record, and nobody.
    if let Some(button) = message.strip_prefix("Calling button \"") {
        return quoted(&format!("Calling button {}", button.replace('"', "")));
    }
    quoted(&without_names(message))
}

/// Where Tryton's own words go on after a name.
const GOES_ON: [&str; 4] = [" of ", " on ", " in record ", " for field "];

/// What may be repeated after one of these words: kinds of records, fields, buttons, and what a book is closed for.
const KEPT: [&str; 8] = ["field", "of", "sale", "method", "call", "access", "period", "date"];

/// Tryton's messages quote names of records in double quotes. Those that say which field of which kind of record, and of which
/// sale, help and are kept; any other may be a person or an address.
fn without_names(message: &str) -> String {
    // A value may hold quotes itself: everything up to the field's name is the value.
    if let Some((_, field)) = message.strip_prefix("The value \"").and_then(|rest| rest.rsplit_once("\" for field \""))
    {
        return without_names(&format!("The value for field \"{field}"));
    }
    let mut parts = message.split('"');
    let mut clean = parts.next().unwrap_or_default().to_owned();
    let mut rest = parts.peekable();
    while let Some(quoted) = rest.next() {
        let mut after = rest.next().unwrap_or_default();
        let before = clean.trim_end();
        let model = KEPT.iter().any(|word| before.ends_with(word));
        let sale = (before.ends_with("record") || before.ends_with(" on"))
            && rest.peek().is_some_and(|of| of.starts_with("Sale"));
        let kept = model || sale;
        // A name may hold quotes itself, `Juan "Juancho" Paz`: all of it is the name, up to where Tryton's own words go on.
        while !kept && rest.peek().is_some() && !GOES_ON.contains(&after) {
            rest.next();
            after = rest.next().unwrap_or_default();
        }
        clean.push('"');
        clean.push_str(if kept { quoted } else { "…" });
        clean.push('"');
        clean.push_str(after);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(send_error: &SendError) -> &'static str {
        match send_error {
            SendError::Refused(_) => "refused",
            SendError::NotNow(_) => "not now",
            SendError::Account(_) => "account",
            SendError::Ambiguous(_) => "ambiguous",
            SendError::Unknown(_) => "unknown",
            SendError::Exists => "exists",
        }
    }

    fn words(send_error: &SendError) -> String {
        send_error.error().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn what_is_busy_is_for_later() {
        let locked = Answer { status: StatusCode::LOCKED, headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
        assert_eq!(name(&status(&locked, Intent::Write)), "not now");
        assert_eq!(name(&status(&Answer { status: StatusCode::BAD_GATEWAY, ..locked }, Intent::Write)), "unknown");
    }

    #[test]
    fn each_error_inside_of_http_200_has_its_meaning() {
        for (error, meaning) in [
            (r#"["UserError",["The web ID on the sale must be unique per shop.","",null]]"#, "exists"),
            (r#"["UserError",["The code on party must be unique.","",null]]"#, "exists"),
            (r#"["UserError",["You are not allowed to access \"Sale\".","Within groups",null]]"#, "refused"),
            (r#"["UserWarning",["credit limit","The credit is short.",""]]"#, "refused"),
            (r#"["UserError",["You can not call \"cancel\" on \"7 [#1]\" of \"Sale\".","",null]]"#, "not now"),
            (
                r#"["UserError",["You are trying to read records \"2\" of \"Sale Line\" that don't exist.","",null]]"#,
                "not now",
            ),
            (
                r#"["UserError",["You are trying to write to records \"2\" of \"Sale\" that don't exist.","",null]]"#,
                "not now",
            ),
            (
                r#"["UserError",["You are trying to read records \"2\" of \"Party\" that don't exist.","",null]]"#,
                "refused",
            ),
            (r#"["ConcurrencyException","Record was modified in the mean time"]"#, "not now"),
            (r#"["LoginException",["sms","Code:","char"]]"#, "account"),
            (r#"["database is locked","Traceback"]"#, "not now"),
            (r#"["could not serialize access due to concurrent update",""]"#, "not now"),
            (r#"["server closed the connection unexpectedly",""]"#, "unknown"),
            (r#"["'nosuchfield'",""]"#, "refused"),
            (r#""nonsense""#, "refused"),
        ] {
            assert_eq!(name(&said(error, Intent::Write)), meaning, "{error}");
        }
        let lost = r#"["server closed the connection unexpectedly",""]"#;
        assert_eq!(name(&said(lost, Intent::Read)), "not now");
    }

    #[test]
    fn a_message_is_cut_short_and_holds_no_address() {
        let long = format!(r#"["UserError",["No mail to canary@example.com: {}","",null]]"#, "x".repeat(100_000));
        let text = words(&said(&long, Intent::Write));
        assert!(text.len() < 400 && !text.contains("canary"), "{text:.500}");
    }

    #[test]
    fn a_missing_right_and_a_closed_period_are_named() {
        let said = |message: &str| {
            let error = serde_json::json!(["UserError", [message, "", serde_json::Value::Null]]).to_string();
            words(&super::said(&error, Intent::Write))
        };
        let text = said("Calling button \"draft on \"Sale\" is not allowed.");
        assert!(
            text.contains("Calling button draft on Sale is not allowed") && text.contains("integration user"),
            "{text}"
        );
        let text = said("You are not allowed to access \"Sale\".");
        assert!(text.contains(r#"access "Sale""#) && text.contains("integration user"), "{text}");
        let period =
            r#"To continue, you must reopen the period "2026-11" of company "Invented" for the date "11/30/2026"."#;
        let text = said(period);
        assert!(text.contains(r#"reopen the period "2026-11""#), "{text}");
        assert!(!text.contains("integration user"), "{text}");
    }

    #[test]
    fn messages_name_the_field_and_never_the_person() {
        let error = r#"["UserError",["The value \"Jane Canary, Secret Street 1\" for field \"Invoice Address\" in record \"[#1005]\" of \"Sale\" is not valid according to its domain.","",null]]"#;
        let text = words(&said(error, Intent::Write));
        assert!(text.contains(r#"field "Invoice Address" in record "[#1005]" of "Sale""#), "{text}");
        assert!(!text.contains("Canary") && !text.contains("Street"), "{text}");
        let error = r#"["UserError",["The record \"Jane Canary\" of \"Party\" is odd. To \"quote\" party \"Jane Canary\"","",null]]"#;
        let text = words(&said(error, Intent::Write));
        assert!(!text.contains("Canary"), "{text}");
        let nested = r#"["UserError",["The record \"Jane \"Canary\" Doe\" of \"Party\" is odd.","",null]]"#;
        let text = words(&said(nested, Intent::Write));
        assert!(text.contains(r#"of "Party" is odd"#) && !text.contains("Canary"), "{text}");
        let python = r#"["Jane Canary","Traceback of Jane Canary"]"#;
        assert!(!words(&said(python, Intent::Write)).contains("Canary"));
        let warning = r#"["UserWarning",["Jane Canary","\"Jane Canary\" is over the limit.",""]]"#;
        let text = words(&said(warning, Intent::Write));
        assert!(text.contains("always ignore") && !text.contains("Canary"), "{text}");
    }
}
