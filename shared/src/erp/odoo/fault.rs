//! What an unhappy answer of Odoo means: the one place that decides between "nothing happened" and "it may have".
//!
//! Odoo runs a call in one database transaction and rolls it back on every exception, so an error that *it* reports is certain, also
//! where its status is 500. A 5xx without its words, or a missing answer, is not: the call may still commit, as Odoo does where the
//! client hung up. Shapes as seen on running servers of 14, 17, 18 and 19.

use serde::Deserialize;

use crate::{
    Error, Kind,
    domain::reason::Why,
    erp::{
        SendError, quoted,
        status::{self, Intent, Words, in_doubt},
    },
    outbound::Answer,
};

/// No key is accepted.
#[must_use]
pub(super) fn log_in() -> SendError {
    SendError::Account(Error::new(Kind::Config, WORDS.log_in))
}

const WORDS: Words = Words {
    name: "Odoo",
    log_in: "Odoo refuses the log-in: check `api_key` (keys end, usually after 90 days), `database`, and that the user is active",
    forbidden: "the call was refused (403): a firewall before Odoo objects to whoever calls, or to what the call carries",
};

/// An answer whose status is not 200.
#[must_use]
pub(super) fn status(answer: &Answer, intent: Intent) -> SendError {
    match serde_json::from_slice::<Exception>(&answer.body) {
        Ok(said) => exception(&said, intent),
        Err(_) => status::status(answer, intent, &WORDS),
    }
}

/// An answer that is not what Odoo answers.
#[must_use]
pub(super) fn unreadable(method: &str, intent: Intent) -> SendError {
    let text = format!("the answer to {method} is not one of Odoo: check `url`, and what stands in between");
    in_doubt(Error::new(Kind::Unavailable, text), intent)
}

/// An error inside of a JSON-RPC answer.
#[derive(Deserialize)]
struct Told {
    data: Exception,
}

/// Whether it is that the log-in is refused.
#[must_use]
pub(super) fn is_of_log_in(error: &str) -> bool {
    serde_json::from_str::<Told>(error).is_ok_and(|told| told.data.name.ends_with(".AccessDenied"))
}

/// What an error inside of a JSON-RPC answer means: `{code, message, data: {name, message, …}}`.
#[must_use]
pub(super) fn said(error: &str, intent: Intent) -> SendError {
    match serde_json::from_str::<Told>(error) {
        Ok(told) => exception(&told.data, intent),
        Err(_) => unreadable("execute_kw", intent),
    }
}

/// An exception of Odoo's.
#[derive(Deserialize)]
struct Exception {
    name: String,
    #[serde(default)]
    message: String,
}

fn exception(said: &Exception, intent: Intent) -> SendError {
    let (module, class) = said.name.rsplit_once('.').unwrap_or(("", &said.name));
    match class {
        "AccessDenied" | "Unauthorized" => log_in(),
        // A right that is lacking for one kind of record is lacking for every order.
        "AccessError" => status::no(told(&said.message, RIGHT), intent),
        "MissingError" => not_now("somebody deleted the same record in Odoo at that moment"),
        _ if module.starts_with("psycopg2") => match class {
            "SerializationFailure" | "DeadlockDetected" | "LockNotAvailable" | "QueryCanceled" | "PoolError" => {
                not_now("Odoo's database was busy with the same records")
            }
            _ => in_doubt(Error::new(Kind::Unavailable, "Odoo lost its database during the call"), intent),
        },
        _ if is_busy(&said.message) => not_now("Odoo's database was busy with the same records"),
        // No such model: a module is not installed.
        "UserError" | "ValidationError" | "RedirectWarning" | "NotFound" => status::no(refused(&said.message), intent),
        // The text of a Python exception can hold anything: it stays in Odoo's own log.
        _ => status::no(Why::ErpFailed.into(), intent),
    }
}

/// What helps where the user lacks a right.
const RIGHT: &str = " (give the integration user that right in Odoo, then replay it)";

/// What helps where the books are closed up to the day that a document or a delivery is of.
const PERIOD: &str = " (open the period in Odoo, or do it there with a day that is open, then replay it)";

/// Odoo's refusal in its own words. A load says a lacking right as it says anything else of a record.
#[must_use]
pub(super) fn refused(message: &str) -> Error {
    let known = [
        ("You are not allowed to ", RIGHT),
        ("Lock Date", PERIOD),
        ("lock date", PERIOD),
        ("locked fiscal period", PERIOD),
    ];
    told(message, known.iter().find(|(words, _)| message.contains(words)).map_or("", |(_, advice)| advice))
}

fn told(message: &str, advice: &str) -> Error {
    let said = quoted(&without_brackets(message)) + advice;
    Why::ErpRefused { request: None, status: None, said: Some(said) }.into()
}

/// Whether the database refused it for the moment: everything was rolled back, and Odoo does not try again by itself.
#[must_use]
pub(super) fn is_busy(message: &str) -> bool {
    ["could not serialize access", "deadlock detected", "could not obtain lock", "concurrent update"]
        .iter()
        .any(|known| message.contains(known))
}

pub(super) fn not_now(text: &'static str) -> SendError {
    SendError::NotNow(Error::new(Kind::Unavailable, text))
}

/// Odoo names values and people in square brackets ("The VAT number [ESX] for partner [Ana] does not seem to be valid"): what stands
/// in them is not repeated.
fn without_brackets(message: &str) -> String {
    let mut parts = message.split('[');
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("[…]");
        clean.push_str(part.split_once(']').map_or("", |(_, after)| after));
    }
    clean
}
