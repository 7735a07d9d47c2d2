//! How a kind of store shows its orders: everything about it that the sandbox has to know.

use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use sha2::Sha256;

use super::{Answer, Asked, Plan, Purchase, Shelf, State, Story};

/// A kind of store, as its shops write, sign and answer. It shares no code with the connector that it tests.
pub trait Vendor: fmt::Debug + Send + Sync {
    /// What is said of the shop in its section of `puente.toml`, without `kind`: lines of TOML. `url` is where its REST interface is;
    /// `secret` gives, for a name and a secret, the reference to it.
    fn section(&self, plan: &Plan, url: &str, secret: &mut dyn FnMut(&str, &str) -> String) -> String;

    /// Whether such a thing happens there.
    fn tells(&self, _story: Story) -> bool {
        true
    }

    /// Changes what was bought into what can be bought there.
    fn suit(&self, _purchase: &mut Purchase) {}

    /// The order's id.
    fn id(&self, purchase: &Purchase) -> String {
        purchase.id.to_string()
    }

    /// The number that people use.
    fn number(&self, purchase: &Purchase) -> String {
        purchase.number.to_string()
    }

    /// One state of an order, as the REST interface shows it.
    fn order(&self, plan: &Plan, purchase: &Purchase, state: State) -> Value;

    /// One state of an order, as a webhook has it.
    fn body(&self, plan: &Plan, purchase: &Purchase, state: State) -> Value {
        self.order(plan, purchase, state)
    }

    /// The headers of that webhook: signed.
    fn headers(&self, plan: &Plan, purchase: &Purchase, state: State, body: &[u8]) -> HeaderMap;

    /// The unsigned ping that it sends when a webhook is created.
    fn ping(&self) -> Option<(HeaderMap, Bytes)> {
        None
    }

    /// What its REST interface answers; nothing is there where a store cannot be asked.
    fn answer(&self, _shelf: &Shelf, _asked: &Asked) -> Answer {
        Answer::of(StatusCode::NOT_FOUND, Value::Null)
    }

    /// What it answers to a `POST` or `PUT`; nobody may change anything where a store cannot be told.
    fn told(&self, _shelf: &Shelf, _asked: &Asked) -> Answer {
        Answer::of(StatusCode::METHOD_NOT_ALLOWED, Value::Null)
    }

    /// Whether a number that is written on the condition of another one is refused where that one is not right.
    fn compares(&self) -> bool {
        false
    }

    /// Makes an order of some other shop one of the plan's, where a body says whose it is: for real payloads.
    fn adopt(&self, _plan: &Plan, _body: &mut Value) {}
}

/// HMAC-SHA256. On purpose not the library's own code, which this checks.
#[must_use]
pub fn digest(secret: &[u8], body: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return Vec::new();
    };
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

/// Adds a header, where name and value make one.
pub fn header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        assert_eq!(
            digest(b"Jefe", b"what do ya want for nothing?"),
            [
                0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a,
                0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43
            ]
        );
    }
}
