//! What an answer says. The one question that matters is always the same: *for certain nothing happened*, or not?
//!
//! Whatever leaves that open after a write (a time-out, 5xx, a broken body, a 2xx that does not tell the id) is
//! [`SendError::Unknown`] and will be looked up. Of the ERP's words only those at the configured pointer are repeated, cut short.

use std::time::Duration;

use serde_json::{Number, Value};

use super::request::{Pointer, Request};
use crate::{
    Error, Kind, Retry,
    domain::reason::{Reason, Why},
    erp::{SendError, quoted, status::wait},
    outbound::{Answer, Failure},
};

/// The most values that are read of an answer. Each takes a hundred times the room of its text, so that a bound on bytes alone
/// would be none on memory.
const MOST_VALUES: usize = 200_000;

/// An error that can be said of several orders.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) what: What,
    kind: Kind,
    retry: Option<Retry>,
    says: Box<Reason>,
}

/// Which error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Refused,
    NotNow,
    Account,
    Ambiguous,
    Unknown,
    Exists,
}

impl Verdict {
    pub(super) fn new(what: What, kind: Kind, says: impl Into<Reason>) -> Self {
        Self { what, kind, retry: None, says: Box::new(says.into()) }
    }

    pub(super) fn refused(says: impl Into<Reason>) -> Self {
        Self::new(What::Refused, Kind::Refused, says)
    }

    pub(super) fn ambiguous(says: impl Into<Reason>) -> Self {
        Self::new(What::Ambiguous, Kind::Refused, says)
    }

    pub(super) fn unknown(says: impl Into<Reason>) -> Self {
        Self::new(What::Unknown, Kind::Unavailable, says)
    }

    pub(super) fn exists() -> Self {
        Self::new(What::Exists, Kind::Refused, "the reference exists")
    }

    /// The same words, but of something that left the outcome open.
    pub(super) fn in_doubt(self, words: &str) -> Self {
        Self { what: What::Unknown, says: Box::new(format!("{words}: {}", self.says).into()), ..self }
    }

    /// The same words, with the whole account as the reason.
    pub(super) fn of_the_account(self) -> Self {
        Self { what: What::Account, ..self }
    }

    /// The same words, of an order: calls that ask for something else pass.
    pub(super) fn of_the_order(self) -> Self {
        let why = Why::NameRefused { because: self.says };
        Self { what: What::Refused, says: Box::new(why.into()), ..self }
    }

    /// Whether it was said of the whole call, whatever it carried.
    pub(super) fn is_of_the_call(&self) -> bool {
        matches!(self.what, What::Refused | What::Ambiguous)
    }

    /// The same of a customer, seen from the order that needs it: whatever is open about the customer, nothing happened to
    /// the order. The customer is looked up, or upserted under the same reference, the next time.
    pub(super) fn later(self) -> Self {
        match self.what {
            What::Unknown | What::Exists => Self { what: What::NotNow, retry: Some(Retry::Backoff), ..self },
            _ => self,
        }
    }

    /// A customer that is being created for another order, and cannot be looked up for so long.
    pub(super) fn awaits(customer: &str, wait: Duration) -> Self {
        let says = Box::new(Why::CustomerAwaited { customer: customer.to_owned() }.into());
        Self { what: What::NotNow, kind: Kind::Unavailable, retry: Some(Retry::After(wait)), says }
    }

    /// A customer that has to be created first.
    pub(super) fn absent() -> Self {
        let says = Box::new("the customer is not in the ERP yet".into());
        Self { what: What::NotNow, kind: Kind::NotFound, retry: Some(Retry::Backoff), says }
    }

    /// Whether it only says that something is not there.
    pub(super) fn is_absence(&self) -> bool {
        self.kind == Kind::NotFound
    }

    pub(super) fn error(&self) -> Error {
        let error = match &*self.says {
            Reason::Known(why) => Error::new(self.kind, "").caused_by(why.clone()),
            Reason::Text(words) => Error::new(self.kind, words.clone()),
        };
        match self.retry {
            Some(retry) => error.retry(retry),
            None => error,
        }
    }

    pub(super) fn send_error(&self) -> SendError {
        match self.what {
            What::Refused => SendError::Refused(self.error()),
            What::NotNow => SendError::NotNow(self.error()),
            What::Account => SendError::Account(self.error()),
            What::Ambiguous => SendError::Ambiguous(self.error()),
            What::Unknown => SendError::Unknown(self.error()),
            What::Exists => SendError::Exists,
        }
    }
}

/// Why a call has no answer. `write`: it may have had an effect.
pub(super) fn failed(failure: &Failure, write: bool) -> Verdict {
    let error = failure.error();
    let what = match failure {
        Failure::Unknown(_) if write => What::Unknown,
        // Not reached, not permitted, or silent when asked: that is nobody's order.
        Failure::Unknown(_) => What::Account,
        Failure::NotSent(error) => match error.kind() {
            Kind::Limited | Kind::Unavailable | Kind::Config => What::Account,
            _ => What::NotNow,
        },
    };
    Verdict { what, kind: error.kind(), retry: Some(error.retryable()), says: Box::new(Reason::of(error)) }
}

/// The body of an answer that is a success, or what it is instead. `name` is the request's key in the section.
pub(super) fn read(name: &str, request: &Request, answer: &Answer, write: bool) -> Result<Value, Verdict> {
    let status = answer.status.as_u16();
    let body = value(&answer.body);
    if !request.is_ok(status) {
        return Err(declined(name, request, answer, body.as_ref(), write));
    }
    match body {
        // Some ERPs put their errors into an answer of 200.
        Some(body) => match words_at(request.error.as_ref(), &body) {
            None => Ok(body),
            Some(words) if request.says_exists(status, Some(&words)) => Err(Verdict::exists()),
            Some(said) => Err(Verdict::refused(Why::ErpRefused { request: None, status: None, said: Some(said) })),
        },
        None if answer.body.is_empty() && !write => Ok(Value::Null),
        None => {
            let words = format!("the answer to {name} ({status}) is not JSON, or has more than {MOST_VALUES} values");
            let what = if write { What::Unknown } else { What::Account };
            Err(Verdict::new(what, Kind::Unavailable, words))
        }
    }
}

/// A body as JSON; none if it is not, or has more values than any answer needs.
pub(super) fn value(body: &[u8]) -> Option<Value> {
    // Every value but the first follows one of these, so there are no more than this.
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MOST_VALUES { None } else { serde_json::from_slice(body).ok() }
}

fn declined(name: &str, request: &Request, answer: &Answer, body: Option<&Value>, write: bool) -> Verdict {
    let status = answer.status.as_u16();
    let words = body.and_then(|body| words_at(request.error.as_ref(), body));
    let tail = words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    match status {
        429 => Verdict {
            what: What::Account,
            kind: Kind::Limited,
            retry: Some(wait(&answer.headers).map_or(Retry::Backoff, Retry::After)),
            says: Box::new(format!("the ERP's own limit is reached (429){tail}").into()),
        },
        401 => {
            let todo = "check the credentials in secret_headers and their rights";
            Verdict::new(What::Account, Kind::Config, format!("the ERP does not let us in ({status}); {todo}{tail}"))
        }
        403 => Verdict::ambiguous(format!(
            "the ERP refuses {name} (403): the credentials in secret_headers lack the right to it, or a firewall before the ERP \
             objects to what the call carries{tail}"
        )),
        301 | 307 | 308 => {
            let todo = "set url to where the ERP is now, redirects are not followed";
            Verdict::new(What::Account, Kind::Config, format!("{name} is redirected ({status}); {todo}"))
        }
        _ if (400..500).contains(&status) && status != 408 => {
            let exists = request.says_exists(status, words.as_deref());
            let why = Why::ErpRefused { request: Some(name.to_owned()), status: Some(status), said: words };
            if exists {
                Verdict::exists()
            } else if write {
                Verdict::refused(why)
            } else {
                // Asked together: it is for one of them, or for all.
                Verdict::ambiguous(why)
            }
        }
        _ => Verdict {
            what: if write {
                What::Unknown
            } else if status == 500 {
                // One poisonous order can do that to a look-up; an outage says 502 to 504.
                What::NotNow
            } else {
                What::Account
            },
            kind: Kind::Unavailable,
            retry: wait(&answer.headers).map(Retry::After),
            says: Box::new(format!("the ERP answered {name} with {status}{tail}").into()),
        },
    }
}

impl Request {
    /// Whether an item of a success says that it is none.
    pub(super) fn tells_errors(&self, body: &Value) -> bool {
        let said = |item: &Value| words_at(self.error.as_ref(), item).is_some();
        items(self, body).is_some_and(|items| items.into_iter().any(said))
    }
}

/// The items of an answer: the array at `items`, or the one value there.
pub(super) fn items<'v>(request: &Request, body: &'v Value) -> Option<Vec<&'v Value>> {
    match request.items.of(body)? {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Null => None,
        one => Some(vec![one]),
    }
}

/// A text or a number as text; a number that is not what the ERP wrote any more is none.
pub(super) fn text_at(pointer: Option<&Pointer>, value: &Value) -> Option<String> {
    match pointer?.of(value)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if is_exact(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether the digits are the ERP's own: a fraction, or a number beyond 64 bits, was read as a float, which holds 15 of them.
fn is_exact(number: &Number) -> bool {
    let text = number.to_string();
    let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    !number.is_f64() || (digits <= 15 && !text.contains('e'))
}

/// The ERP's words at `pointer`, quoted.
pub(super) fn words_at(pointer: Option<&Pointer>, value: &Value) -> Option<String> {
    let found = pointer?.of(value)?;
    let text = match found {
        Value::Null | Value::Bool(false) => return None,
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => return None,
        other => other.to_string(),
    };
    (!text.trim().is_empty()).then(|| quoted(&text))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: http::HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn request(toml: &str) -> Request {
        toml::from_str(toml).unwrap()
    }

    fn verdict(toml: &str, status: u16, body: &str, write: bool) -> Verdict {
        read("create", &request(toml), &answer(status, body), write).unwrap_err()
    }

    #[test]
    fn a_write_leaves_a_doubt_wherever_it_may_have_happened() {
        let create = "error = '/message'";
        for status in [408, 500, 502, 503, 504, 302, 303] {
            assert_eq!(verdict(create, status, "{}", true).what, What::Unknown, "{status}");
        }
        assert_eq!(verdict(create, 200, "{\"id\": 1", true).what, What::Unknown, "a body that breaks off");
        assert_eq!(verdict(create, 201, "", true).what, What::Unknown, "no body");
        for status in [400, 404, 413, 422] {
            assert_eq!(verdict(create, status, "{}", true).what, What::Refused, "{status}");
        }
        for status in [401, 429, 308] {
            assert_eq!(verdict(create, status, "{}", true).what, What::Account, "{status}");
        }
        assert_eq!(verdict(create, 403, "{}", true).what, What::Ambiguous);
        assert_eq!(verdict(create, 409, "{}", true).what, What::Exists);
        // A 2xx that is not one of those configured: accepted for later, perhaps.
        assert_eq!(verdict("ok = [201]", 202, "{}", true).what, What::Unknown);
    }

    #[test]
    fn a_read_that_fails_had_no_effect() {
        assert_eq!(verdict("", 500, "", false).what, What::NotNow);
        assert_eq!(verdict("", 503, "", false).what, What::Account);
        for status in [400, 403, 404, 413, 414, 422] {
            assert_eq!(verdict("", status, "", false).what, What::Ambiguous, "{status}");
        }
        assert_eq!(verdict("", 200, "<html>", false).what, What::Account);
        let lost = Failure::Unknown(Error::new(Kind::Unavailable, "no answer"));
        assert_eq!(failed(&lost, false).what, What::Account);
        assert_eq!(failed(&lost, true).what, What::Unknown);
        let denied = Failure::NotSent(Error::new(Kind::Limited, "the day is used up"));
        assert_eq!(failed(&denied, true).what, What::Account);
    }

    #[test]
    fn existing_is_told_by_status_or_by_words() {
        let by_words = "exists = [499]\nexists_text = 'already used'\nerror = '/e'";
        assert_eq!(verdict(by_words, 422, r#"{"e": "reference already used"}"#, true).what, What::Exists);
        assert_eq!(verdict(by_words, 422, r#"{"e": "unknown SKU"}"#, true).what, What::Refused);
        assert_eq!(verdict(by_words, 409, "{}", true).what, What::Refused);
        // Inside an answer of 200.
        assert_eq!(verdict(by_words, 200, r#"{"e": "reference already used"}"#, true).what, What::Exists);
        assert_eq!(verdict(by_words, 200, r#"{"e": "no such customer"}"#, true).what, What::Refused);
    }

    #[test]
    fn an_answer_of_too_many_values_is_not_taken_apart() {
        let body = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert!(value(body(MOST_VALUES).as_bytes()).is_some());
        assert!(value(body(MOST_VALUES + 1).as_bytes()).is_none());
        let many = verdict("", 200, &body(MOST_VALUES + 1), true);
        assert_eq!(many.what, What::Unknown);
        assert!(many.error().to_string().contains("200000 values"), "{}", many.error());
        assert_eq!(verdict("", 200, &body(MOST_VALUES + 1), false).what, What::Account);
    }

    #[test]
    fn an_erps_words_are_cut_and_hold_no_address() {
        let long = format!(r#"{{"e": "no credit for ana@example.com\n{}"}}"#, "x".repeat(1000));
        let words = verdict("error = '/e'", 422, &long, true).error().to_string();
        assert!(!words.contains('@') && !words.contains('\n') && words.len() < 400, "{words}");
        // Without a pointer nothing of the body is repeated.
        assert!(!verdict("", 422, r#"{"e": "canary"}"#, true).error().to_string().contains("canary"));
    }

    #[test]
    fn a_number_is_what_the_erp_wrote_or_nothing() {
        let text = |json: &str| text_at(Some(&Pointer::default()), &serde_json::from_str(json).unwrap());
        for exact in ["0", "-7", "18446744073709551615", "26.78", "0.001", "1234567890123.45"] {
            assert_eq!(text(exact).as_deref(), Some(exact));
        }
        // As floats: the ids 1.2345678901234568e22 and 1e23, and one more than the ten billiards that are meant.
        for lost in ["12345678901234567890123", "100000000000000000000001", "9999999999999999.99"] {
            assert_eq!(text(lost), None, "{lost}");
        }
    }

    #[test]
    fn retry_after_is_seen_from_the_erps_own_clock() {
        let mut limited = answer(429, "");
        limited.headers.insert("date", "Sat, 31 Jan 2026 10:00:00 GMT".parse().unwrap());
        limited.headers.insert("retry-after", "Sat, 31 Jan 2026 10:00:30 GMT".parse().unwrap());
        let retry = |answer: &Answer| read("create", &request(""), answer, true).unwrap_err().error().retryable();
        assert_eq!(retry(&limited), Retry::After(std::time::Duration::from_secs(30)));
        limited.headers.remove("date");
        assert_eq!(retry(&limited), Retry::Backoff, "a date without a date to see it from");
        limited.headers.insert("retry-after", "7".parse().unwrap());
        assert_eq!(retry(&limited), Retry::After(std::time::Duration::from_secs(7)));
        limited.headers.remove("retry-after");
        assert_eq!(retry(&limited), Retry::Backoff);
    }
}
