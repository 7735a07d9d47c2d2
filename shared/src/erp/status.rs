//! What a missing answer means, and what the status of one does, where an ERP has not said it in its own words: the same for every ERP
//! that runs a call in one transaction.
//!
//! Whoever answers with a 5xx, or not at all, may have given up on a call that then succeeds. Below 500 nothing happened.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};

use super::SendError;
use crate::{
    Error, Kind, Retry,
    domain::reason::Why,
    outbound::{Answer, Failure, retry_after},
};

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// It does not.
    Read,
    /// It does.
    Write,
}

/// What an ERP says of itself in messages.
pub(super) struct Words {
    /// Its name.
    pub(super) name: &'static str,
    /// Nobody is logged in, and what to check.
    pub(super) log_in: &'static str,
    /// A 403, and what may be the reason.
    pub(super) forbidden: &'static str,
}

/// A call without an answer.
#[must_use]
pub(super) fn failure(failure: Failure, intent: Intent) -> SendError {
    match failure {
        Failure::NotSent(error) => SendError::Account(error),
        Failure::Unknown(error) => in_doubt(error, intent),
    }
}

/// An answer that is not 200.
#[must_use]
pub(super) fn status(answer: &Answer, intent: Intent, words: &Words) -> SendError {
    let name = words.name;
    let account = |text: String| SendError::Account(Error::new(Kind::Config, text));
    match answer.status {
        StatusCode::UNAUTHORIZED => account(words.log_in.to_owned()),
        StatusCode::FORBIDDEN => SendError::Ambiguous(Error::new(Kind::Refused, words.forbidden)),
        StatusCode::NOT_FOUND => {
            account(format!("{name} is not there, or has no such database: check `url` and `database`"))
        }
        code if code.is_redirection() => {
            account("the server redirects: write the address it redirects to as `url`".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let error = Error::new(Kind::Limited, format!("{name} asks for fewer calls or log-ins (429)"));
            SendError::Account(error.retry(wait(&answer.headers).map_or(Retry::Backoff, Retry::After)))
        }
        StatusCode::REQUEST_TIMEOUT => {
            in_doubt(Error::new(Kind::Unavailable, format!("{name} gave up on the call (408)")), intent)
        }
        StatusCode::PAYLOAD_TOO_LARGE if intent == Intent::Write => SendError::Refused(Why::CallTooLarge.into()),
        code if code.is_server_error() => {
            in_doubt(Error::new(Kind::Unavailable, format!("{name} is failing ({})", code.as_u16())), intent)
        }
        code => no(Why::ErpRefused { request: None, status: Some(code.as_u16()), said: None }.into(), intent),
    }
}

/// The ERP says no, and nothing happened.
#[must_use]
pub(super) fn no(error: Error, intent: Intent) -> SendError {
    match intent {
        // Asked together: it is for one of them, or for all.
        Intent::Read => SendError::Ambiguous(error),
        Intent::Write => SendError::Refused(error),
    }
}

/// What may have happened, where it changes something.
#[must_use]
pub(super) fn in_doubt(error: Error, intent: Intent) -> SendError {
    match intent {
        Intent::Read => SendError::NotNow(error),
        Intent::Write => SendError::Unknown(error),
    }
}

/// `Retry-After`, seen from the answer's own `Date`: the ERP's clock, not ours, is what its date is about.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let now = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    // Without a `Date` only seconds can be understood.
    let seconds = headers.get(header::RETRY_AFTER)?.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if seconds || now.is_some() { retry_after(headers, now.unwrap_or(Timestamp::MIN)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words { name: "The ERP", log_in: "log in", forbidden: "forbidden" };

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

    #[test]
    fn each_status_has_its_meaning() {
        let of = |code: u16, intent| {
            let status = StatusCode::from_u16(code).unwrap();
            let answer = Answer { status, headers: HeaderMap::new(), body: bytes::Bytes::new() };
            name(&super::status(&answer, intent, &WORDS))
        };
        for (code, write, read) in [
            (302, "account", "account"),
            (400, "refused", "ambiguous"),
            (401, "account", "account"),
            (403, "ambiguous", "ambiguous"),
            (404, "account", "account"),
            (408, "unknown", "not now"),
            (413, "refused", "ambiguous"),
            (414, "refused", "ambiguous"),
            (422, "refused", "ambiguous"),
            (429, "account", "account"),
            (500, "unknown", "not now"),
            (502, "unknown", "not now"),
            (503, "unknown", "not now"),
            (504, "unknown", "not now"),
        ] {
            assert_eq!(of(code, Intent::Write), write, "{code}");
            assert_eq!(of(code, Intent::Read), read, "{code}");
        }
    }

    #[test]
    fn retry_after_is_passed_on_and_seen_from_the_erps_own_clock() {
        let after = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let answer = Answer { status: StatusCode::TOO_MANY_REQUESTS, headers, body: bytes::Bytes::new() };
            let SendError::Account(error) = status(&answer, Intent::Write, &WORDS) else { panic!() };
            error.retryable()
        };
        assert_eq!(after(&[("retry-after", "30")]), Retry::After(Duration::from_secs(30)));
        let until = ("retry-after", "Sat, 31 Jan 2026 10:00:30 GMT");
        assert_eq!(after(&[until, ("date", "Sat, 31 Jan 2026 10:00:00 GMT")]), Retry::After(Duration::from_secs(30)));
        assert_eq!(after(&[until]), Retry::Backoff);
    }
}
