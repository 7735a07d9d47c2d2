//! Bodies of requests: never more than is allowed, and never for longer.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::SignedDuration;
use rust_decimal::prelude::ToPrimitive;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;

use crate::{Error, Kind, Result, domain::money::Amount, ports::Clock};

/// How long a body may take to arrive, in seconds.
const BODY_SECONDS: i64 = 10;

/// The largest body of a question, in bytes.
const LARGEST_QUESTION: usize = 16 * 1024;

/// What somebody asks, as JSON. What is wrong with it is said by its place: the words would repeat what it says.
pub(super) async fn json<T: DeserializeOwned>(request: Request<Body>, clock: &dyn Clock) -> Result<T> {
    let (parts, body) = request.into_parts();
    let body = read(&parts, body, LARGEST_QUESTION, clock).await?;
    serde_json::from_slice(&body).map_err(|cause| {
        let (line, column) = (cause.line(), cause.column());
        let words =
            format!("the body is not what is asked for here (line {line}, column {column}): /v1/openapi.json has it");
        Error::new(Kind::Unreadable, words)
    })
}

/// The length that a body is said to have.
pub(super) fn length(parts: &Parts) -> Option<usize> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, of at most `largest` bytes.
pub(super) async fn read(parts: &Parts, body: Body, largest: usize, clock: &dyn Clock) -> Result<Bytes> {
    let too_large = || Error::new(Kind::TooLarge, format!("the body is larger than {} KiB", largest / 1024));
    if length(parts) > Some(largest) {
        return Err(too_large());
    }
    let whole = async {
        let broken = |cause: Box<dyn std::error::Error + Send + Sync>| match cause.downcast_ref::<LengthLimitError>() {
            Some(_) => too_large(),
            None => Error::new(Kind::Unreadable, "the body broke off"),
        };
        Ok(Limited::new(body, largest).collect().await.map_err(broken)?.to_bytes())
    };
    let late = clock.sleep_until(clock.now() + SignedDuration::from_secs(BODY_SECONDS));
    tokio::select! {
        biased;
        whole = whole => whole,
        () = late => Err(Error::new(Kind::Unreadable, "the body did not arrive in time")),
    }
}

/// A whole number, for `#[serde(deserialize_with = "whole")]`. JSON has one kind of number, and 27.0 is a whole one:
/// <https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.2>.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let Some(raw) = Option::<&RawValue>::deserialize(deserializer)? else { return Ok(None) };
    let number = Amount::parse(raw.get()).ok().map(Amount::decimal).filter(|number| number.fract().is_zero());
    let whole = number.and_then(|number| number.to_usize());
    whole.map(Some).ok_or_else(|| D::Error::custom("not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "whole")]
        limit: Option<usize>,
    }

    #[test]
    fn a_whole_number_is_whole_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|body| body.limit).ok();
        for (text, limit) in [("27", 27), ("27.0", 27), ("2.7e1", 27), ("0", 0)] {
            assert_eq!(read(&format!(r#"{{"limit":{text}}}"#)), Some(Some(limit)), "{text}");
        }
        assert_eq!(read("{}"), Some(None));
        assert_eq!(read(r#"{"limit":null}"#), Some(None));
        for text in [r#""27""#, "27.5", "-1", "true", "[27]", "1e99"] {
            assert_eq!(read(&format!(r#"{{"limit":{text}}}"#)), None, "{text}");
        }
    }
}
