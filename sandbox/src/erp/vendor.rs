//! How a kind of ERP is reached, called and answers: everything about it that the sandbox has to know.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Books, Config};

/// A status and a JSON body.
pub type Reply = (u16, Value);

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its query, as it stands in the address.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// What the query has under `key`.
    #[must_use]
    pub fn words(&self, key: &str) -> Vec<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        pairs.filter(|(name, _)| *name == key).map(|(_, value)| plain(value)).collect()
    }
}

/// A kind of ERP. It shares no code with the connector that it tests.
pub trait Vendor: fmt::Debug + Send + Sync {
    /// The section of `puente.toml` that reaches an ERP at `addr`, without `[erp.NAME]` and `kind`: its keys are dotted, so that
    /// it stands under any name.
    fn section(&self, config: &Config, addr: SocketAddr) -> String;

    /// Whether an ERP of this kind can be set up like this.
    fn can_be(&self, _config: &Config) -> bool {
        true
    }

    /// The name of a call, by which it is counted and its faults are told.
    fn name(&self, asked: &Asked) -> String {
        format!("{} {}", asked.method, asked.path)
    }

    /// Whether a call may change something.
    fn writes(&self, asked: &Asked) -> bool {
        asked.method != Method::GET && asked.method != Method::HEAD
    }

    /// What comes of a call in the books, and what is answered.
    fn answer(&self, books: &mut Books, asked: &Asked) -> Reply;

    /// The same where it fails half-way through a bulk; an ERP that cannot do a part of one does all of it.
    fn half(&self, books: &mut Books, asked: &Asked) -> Reply {
        self.answer(books, asked)
    }
}

/// The text of an id, which some write as a number.
#[must_use]
pub fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
