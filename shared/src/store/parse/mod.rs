//! Reading JSON whose types drift: typed, in one pass, borrowing from the body; never a float, never a panic.
//!
//! What the vendors document as a string arrives as a number, `null`, `false` or `""` when a plugin or PHP had a hand in it.
//! The types here take what can be taken without guessing. An error names the field and never quotes the body.

mod drift;
mod html;
mod scan;

use std::fmt::Write as _;

use iso_currency::Currency;
use serde::Deserialize;
use serde_path_to_error::Segment;

pub(crate) use self::{
    drift::{Code, Money, Text, list, object},
    html::plain,
    scan::elements,
};
use crate::domain::{ids::OrderId, money::Amount, order::Flag, time::Stamp};

/// The order that a deletion names. Its body is an id and nothing else.
pub(crate) fn deleted(body: &[u8]) -> Option<OrderId> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Gone<'a> {
        #[serde(borrow)]
        id: Code<'a>,
    }
    let gone: Gone<'_> = serde_json::from_slice(without_mark(body)).ok()?;
    order_id(gone.id.as_str()).ok()
}

/// Reads `body`. The common case is one plain pass; only a failure pays for the second, which finds the field's path.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Flag> {
    let body = without_mark(body);
    serde_json::from_slice(body).map_err(|error| {
        let mut json = serde_json::Deserializer::from_slice(body);
        let detail = match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(error) => match place(error.path()) {
                path if path.is_empty() => why(error.inner()),
                path => format!("{path}: {}", why(error.inner())),
            },
            // Only the end of the text is wrong: something follows the JSON.
            Ok(_) => why(&error),
        };
        flag("unreadable", detail)
    })
}

/// `body` without the byte order marks in front of it. A PHP file that begins with one puts it before everything that the site
/// sends, one for each such file. (A signature covers it: it is verified before this.)
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    let mut rest = body;
    while let Some(after) = rest.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf") {
        rest = after;
    }
    rest
}

/// A flag.
pub(crate) fn flag(code: &str, detail: impl Into<String>) -> Flag {
    Flag { code: code.to_owned(), detail: detail.into() }
}

/// An ISO 4217 code. A shop's own invention (`BTC`, `GGP`, `IRT`, points) is refused: no ERP could book it, and taking it for
/// a relative would be a guess with money.
pub(crate) fn currency(code: &str) -> Result<Currency, Flag> {
    Currency::from_code(code).ok_or_else(|| {
        // The code itself is short and no one's secret, but it is the sender's: only what looks like a code is repeated.
        let shown = if code.len() <= 8 && code.chars().all(char::is_alphanumeric) { code } else { "the given text" };
        flag("currency", format!("currency: {shown} is not an ISO 4217 code; the order cannot be booked in it"))
    })
}

/// An order's id: digits, as many as there are.
pub(crate) fn order_id(text: &str) -> Result<OrderId, Flag> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let id = if digits { text.parse().ok() } else { None };
    id.ok_or_else(|| flag("unreadable", "id: is not a whole number"))
}

/// A point in time; `field` is for the error.
pub(crate) fn stamp(field: &str, text: &str) -> Result<Stamp, Flag> {
    Stamp::parse(text).map_err(|error| flag("unreadable", format!("{field}: {error}")))
}

/// `price` × `quantity`, unless it is too large to be believed.
pub(crate) fn product(price: Amount, quantity: Amount) -> Option<Amount> {
    Amount::try_from((price * quantity).decimal()).ok()
}

/// An ISO 3166-1 alpha-2 code, if it is one.
pub(crate) fn country(code: &str) -> Option<String> {
    (code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic())).then(|| code.to_ascii_uppercase())
}

/// The parts that are not empty, joined.
pub(crate) fn joined(parts: &[&str], between: &str) -> Option<String> {
    let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

/// Where it is wrong: `line_items[0].price`. A key that is no plain name may be anything, and is not repeated.
fn place(path: &serde_path_to_error::Path) -> String {
    let mut place = String::new();
    for segment in path {
        match segment {
            // Writing into a string cannot fail.
            Segment::Seq { index } => drop(write!(place, "[{index}]")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let dot = if place.is_empty() { "" } else { "." };
                place.push_str(dot);
                place.push_str(if plain { name } else { "?" });
            }
            Segment::Unknown => {}
        }
    }
    place
}

/// What is wrong, without the words of the body: serde's own messages quote the offending value before `expected`.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut words = match text.rfind(", expected ") {
        Some(at) => format!("is not{}", text.get(at + ", expected".len()..).unwrap_or_default()),
        None => text,
    };
    if let Some((end, _)) = words.char_indices().nth(160) {
        words.truncate(end);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
        #[serde(borrow, default)]
        code: Code<'a>,
        #[serde(default)]
        money: Money,
        #[serde(default, deserialize_with = "list")]
        list: Vec<Amount>,
        #[serde(default, deserialize_with = "object")]
        object: Option<Inner>,
    }

    #[derive(Deserialize)]
    struct Inner {
        amount: Amount,
    }

    fn read(json: &str) -> Shape<'_> {
        parse(json.as_bytes()).map_err(|f| f.detail).unwrap()
    }

    fn fault(json: &str) -> String {
        parse::<Shape<'_>>(json.as_bytes()).err().unwrap().detail
    }

    #[test]
    fn text_takes_what_is_text_and_borrows_it() {
        for (json, text) in [
            (r#""Té verde""#, "Té verde"),
            (r#""a\"b""#, "a\"b"),
            ("12", "12"),
            ("-3", "-3"),
            ("null", ""),
            ("false", ""),
            ("[1,[2]]", ""),
            (r#"{"a":{"b":1}}"#, ""),
        ] {
            assert_eq!(read(&format!(r#"{{"text":{json}}}"#)).text.as_str(), text, "{json}");
        }
        assert!(matches!(read(r#"{"text":"plain"}"#).text.0, Cow::Borrowed("plain")));
    }

    #[test]
    fn a_code_keeps_every_digit() {
        for (json, code) in [
            ("820982911946154508", "820982911946154508"),
            // As a float this would be 1.2345678901234568e22, and another article.
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.10", "1.10"),
            (r#""000123""#, "000123"),
            (r#""a\u002db""#, "a-b"),
            ("null", ""),
            ("false", ""),
            ("{}", ""),
        ] {
            assert_eq!(read(&format!(r#"{{"code":{json}}}"#)).code.as_str(), code, "{json}");
        }
    }

    #[test]
    fn money_may_be_absent_and_is_never_a_float() {
        assert_eq!(read(r#"{"money":10.799999999999999}"#).money.0.unwrap().to_string(), "10.8");
        assert_eq!(read(r#"{"money":"-16.20"}"#).money.0.unwrap().to_string(), "-16.2");
        for absent in ["null", "false", "\"\""] {
            assert!(read(&format!(r#"{{"money":{absent}}}"#)).money.0.is_none());
        }
    }

    #[test]
    fn php_lists_and_objects() {
        for two in ["[1,2]", r#"{"0":1,"2":2}"#] {
            assert_eq!(read(&format!(r#"{{"list":{two}}}"#)).list.len(), 2);
        }
        assert!(read(r#"{"list":null}"#).list.is_empty());
        assert_eq!(read(r#"{"object":{"amount":1.5}}"#).object.unwrap().amount.to_string(), "1.5");
        for none in ["null", "[]", "\"\"", "false"] {
            assert!(read(&format!(r#"{{"object":{none}}}"#)).object.is_none());
        }
        assert!(fault(r#"{"object":[1]}"#).contains("object"));
    }

    #[test]
    fn a_fault_names_the_field_and_never_quotes_the_body() {
        assert_eq!(
            fault(r#"{"list":[1,"1,5"]}"#).split(" at line").next().unwrap(),
            "list[1]: is not a decimal number that can be kept exactly"
        );
        let detail = fault(r#"{"object":"canary@example.com"}"#);
        assert!(detail.starts_with("object: is not an object"), "{detail}");
        for json in [
            r#"{"object":{"canary@example.com":1}}"#,
            r#"{"object":"canary, expected canary"}"#,
            r#"{"list":"canary"}"#,
            r#"{"money":"canary"}"#,
            "{} canary",
            "canary",
        ] {
            assert!(!fault(json).contains("canary"), "{}", fault(json));
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        for mark in ["\u{feff}", "\u{feff}\u{feff}", "\n\u{feff} "] {
            assert_eq!(read(&format!("{mark}{{\"code\":7}}")).code.as_str(), "7");
            assert_eq!(deleted(format!("{mark}{{\"id\":7}}").as_bytes()).unwrap().as_str(), "7");
        }
        assert!(fault("\u{feff}").contains("EOF"), "{}", fault("\u{feff}"));
    }

    #[test]
    fn depth_costs_nothing_where_it_is_ignored_and_is_refused_where_it_is_read() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&format!(r#"{{"unknown":{deep},"code":7}}"#)).code.as_str(), "7");
        assert!(fault(&format!(r#"{{"list":{deep}}}"#)).starts_with("list[0]"));
    }
}
