//! What a store's HTTP answer means, and where calls may go.

use http::{StatusCode, header};
use jiff::Timestamp;
use url::Url;

use crate::{
    Error, Kind, Result, Retry,
    outbound::{Answer, asks_for_less, retry_after},
};

/// The answer if it is a success, `None` for 404, else the error with its retry. `credentials` says which keys to look at.
pub(crate) fn read(answer: Answer, store: &str, credentials: &str) -> Result<Option<Answer>> {
    let status = answer.status;
    let error = match status {
        _ if status.is_success() => return Ok(Some(answer)),
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let what =
                format!("{store} refused our credentials ({status}): check {credentials}, and what they may read");
            Error::new(Kind::Config, what)
        }
        _ if asks_for_less(status) => {
            wait(Error::new(Kind::Limited, format!("{store} asks to call less ({status})")), &answer)
        }
        // 423 and 402 close a shop for a while.
        StatusCode::PAYMENT_REQUIRED | StatusCode::LOCKED | StatusCode::REQUEST_TIMEOUT => {
            wait(Error::new(Kind::Unavailable, format!("{store} is closed for now ({status})")), &answer)
        }
        _ if status.is_server_error() => {
            wait(Error::new(Kind::Unavailable, format!("{store} is failing ({status})")), &answer)
        }
        _ if status.is_redirection() => {
            let what =
                format!("{store} answers from elsewhere ({status}): put the address it redirects to into its url");
            Error::new(Kind::Config, what)
        }
        _ => Error::new(Kind::Refused, format!("{store} refused the call ({status})")),
    };
    Err(error)
}

/// A base address for calls with credentials. Plain http to another machine needs `allow_insecure`, see `config/plain_http.rs`.
pub(crate) fn base(key: &str, text: &str) -> Result<Url> {
    let refuse = |why: &str| Error::new(Kind::Config, format!("{key} {why}"));
    let mut url: Url = text.parse().map_err(|_| refuse("is not a URL such as https://shop.example"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("has credentials in it: they have their own keys"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refuse("must be https: credentials and customers' data travel there"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// `path` below `base`, whatever path the base has itself.
pub(crate) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only URLs without a host refuse this, and `base` has none of those.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn wait(error: Error, answer: &Answer) -> Error {
    // A connector has no clock. The answer's own Date serves; without one only the form in seconds can be used.
    let now = answer
        .headers
        .get(header::DATE)
        .and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok())
        .map_or(Timestamp::MAX, |date| date.timestamp());
    match retry_after(&answer.headers, now) {
        Some(after) if !after.is_zero() => error.retry(Retry::After(after)),
        _ => error.retry(Retry::Backoff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Result<Option<Answer>> {
        let status = StatusCode::from_u16(status).unwrap();
        read(Answer { status, headers: http::HeaderMap::new(), body: bytes::Bytes::new() }, "the shop", "token")
    }

    #[test]
    fn each_status_says_what_to_do() {
        assert!(outcome(200).unwrap().is_some());
        assert!(outcome(404).unwrap().is_none());
        for (status, kind, retry) in [
            (401, Kind::Config, Retry::Never),
            (403, Kind::Config, Retry::Never),
            (301, Kind::Config, Retry::Never),
            (400, Kind::Refused, Retry::Never),
            (429, Kind::Limited, Retry::Backoff),
            (430, Kind::Limited, Retry::Backoff),
            (402, Kind::Unavailable, Retry::Backoff),
            (500, Kind::Unavailable, Retry::Backoff),
            (503, Kind::Unavailable, Retry::Backoff),
        ] {
            let error = outcome(status).err().unwrap();
            assert_eq!((error.kind(), error.retryable()), (kind, retry), "{status}");
        }
        assert!(outcome(401).err().unwrap().to_string().contains("token"));
    }

    #[test]
    fn a_base_is_an_address_without_credentials() {
        for good in [
            "https://shop.example",
            "https://shop.example/tienda/",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(base("url", good).is_ok(), "{good}");
        }
        for bad in ["ftp://a", "shop", "https://u:p@shop.example"] {
            assert!(base("url", bad).is_err(), "{bad}");
        }
        let url = base("url", "https://shop.example/tienda/?a=b#c").unwrap();
        assert_eq!(below(&url, &["wp-json", "a/b"]).as_str(), "https://shop.example/tienda/wp-json/a%2Fb");
    }
}
