//! Reading JSON whose types drift: typed, in one pass, borrowing from the body; never a float, never a panic.
//!
//! What the vendors document as a string arrives as a number, `null`, `false` or `""` when a plugin or PHP had a hand in it.
//! The types here take what can be taken without guessing. An error names the field and never quotes the body.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    marker::PhantomData,
};

use iso_currency::Currency;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use crate::domain::{ids::OrderId, money::Amount, order::Flag, time::Stamp};

/// Text that may be absent. A number is its text; what is no text at all (`false`, `[]`) counts as absent, as PHP means it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

/// A code: text in which every digit counts, such as an id or a SKU. A JSON number is taken digit by digit, whatever its size.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Code<'a>(Cow<'a, str>);

/// An amount that may be absent: `null`, `""` or `false` (`WooCommerce` writes all three).
#[derive(Clone, Copy, Default)]
pub(crate) struct Money(pub Option<Amount>);

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

/// The elements of a list of orders, each as its own text, so that one that cannot be read does not hide the others. `key` is where
/// the list stands in the body, if not alone.
///
/// Only strings and brackets are looked at: an element may hold what is no JSON (`NaN`, a broken escape, bytes that are no UTF-8).
/// `None` if there is no such list, or its end is missing.
pub(crate) fn elements<'a>(body: &'a [u8], key: Option<&str>) -> Option<Vec<&'a [u8]>> {
    let mut scan = Scan { text: without_mark(body), at: 0 };
    if let Some(key) = key {
        scan.expect(b'{')?;
        loop {
            let name = scan.value()?;
            scan.expect(b':')?;
            if name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) == Some(key.as_bytes()) {
                break;
            }
            scan.value()?;
            scan.expect(b',')?;
        }
    }
    scan.expect(b'[')?;
    let mut elements = Vec::new();
    if scan.peek()? == b']' {
        return Some(elements);
    }
    loop {
        elements.push(scan.value()?);
        match scan.peek()? {
            b',' => scan.at += 1,
            b']' => return Some(elements),
            _ => return None,
        }
    }
}

/// A place in a text that is JSON as far as its brackets and strings go.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The text of the value that begins here.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let (from, mut depth, mut string) = (self.at, 0_usize, false);
        loop {
            let byte = *self.text.get(self.at)?;
            match byte {
                b'\\' if string => self.at += 1,
                b'"' => string = !string,
                _ if string => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b']' | b'}' | b',' | b':' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let value = self.text.get(from..self.at)?.trim_ascii_end();
        (!value.is_empty()).then_some(value)
    }
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

/// Text without `WordPress`'s HTML entities for `& < > " '`, as `wp_specialchars_decode(…, ENT_QUOTES)` gives it: each entity
/// once, so that `&amp;lt;` becomes `&lt;`.
/// <https://developer.wordpress.org/reference/functions/wp_specialchars_decode/>
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        plain.push_str(before);
        let decoded = entity.split_once(';').and_then(|(name, after)| Some((special(name.get(1..)?)?, after)));
        let (character, after) = decoded.unwrap_or(('&', entity.get(1..).unwrap_or_default()));
        plain.push(character);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// The character of an entity's name. Leading zeros of numbers do not count.
fn special(name: &str) -> Option<char> {
    let number = |text: &str, radix| u32::from_str_radix(text, radix).ok().and_then(char::from_u32);
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(hex.get(1..)?, 16)?,
            decimal => number(decimal, 10)?,
        },
    };
    "&<>\"'".contains(character).then_some(character)
}

/// The parts that are not empty, joined.
pub(crate) fn joined(parts: &[&str], between: &str) -> Option<String> {
    let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

/// A list that may be `null`, or (from PHP, when its keys have gaps) an object whose values are the elements.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element()? {
                list.push(element);
            }
            Ok(list)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some((IgnoredAny, element)) = map.next_entry()? {
                list.push(element);
            }
            Ok(list)
        }
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_any(List(PhantomData))
}

/// An object of which PHP makes `[]`, `""`, `false` or `null` when it has nothing to say.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
            // An empty list is PHP's empty object; a filled one is something else.
            match seq.next_element::<IgnoredAny>()? {
                None => Ok(None),
                Some(_) => Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self)),
            }
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<T>, E> {
            if text.is_empty() { Ok(None) } else { Err(E::invalid_type(serde::de::Unexpected::Other("text"), &self)) }
        }
        fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Option<T>, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Object(PhantomData))
}

impl Text<'_> {
    /// Trimmed; empty if absent.
    pub(crate) fn as_str(&self) -> &str {
        self.0.trim()
    }

    /// Trimmed, if there is any.
    pub(crate) fn owned(&self) -> Option<String> {
        owned(&self.0)
    }
}

impl Code<'_> {
    /// Trimmed; empty if absent.
    pub(crate) fn as_str(&self) -> &str {
        self.0.trim()
    }

    /// Trimmed, if there is any.
    pub(crate) fn owned(&self) -> Option<String> {
        owned(&self.0)
    }
}

fn owned(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text<'de>, E> {
                // Titles and names only: where digits count, the field is a `Code`.
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(AnyText)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Code<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(match token.as_bytes().first() {
            Some(b'"') if token.contains('\\') => {
                Self(Cow::Owned(serde_json::from_str(token).map_err(serde::de::Error::custom)?))
            }
            Some(b'"') => Self(Cow::Borrowed(token.trim_matches('"'))),
            Some(b'-' | b'0'..=b'9') => Self(Cow::Borrowed(token)),
            _ => Self::default(),
        })
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match <&'de RawValue>::deserialize(deserializer)?.get() {
            "null" | "false" | "\"\"" => Ok(Self(None)),
            token => {
                let text = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
                Amount::parse(text).map(|amount| Self(Some(amount))).map_err(serde::de::Error::custom)
            }
        }
    }
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
    fn the_elements_of_a_list_are_told_apart_whatever_is_in_them() {
        let texts = |body: &[u8], key: Option<&str>| {
            elements(body, key)
                .map(|all| all.iter().map(|e| String::from_utf8_lossy(e).into_owned()).collect::<Vec<_>>())
        };
        let odd = br#"[{"a":"]},[\""}, NaN ,null,"x,y",[1,[2]],{"b":"\q"},1e999]"#;
        assert_eq!(
            texts(odd, None).unwrap(),
            [r#"{"a":"]},[\""}"#, "NaN", "null", "\"x,y\"", "[1,[2]]", r#"{"b":"\q"}"#, "1e999"]
        );
        assert_eq!(texts(b"[{\"a\":\"\xff\"},2]", None).unwrap().len(), 2);
        assert_eq!(texts(b"\xef\xbb\xbf [ ]", None).unwrap().len(), 0);
        assert_eq!(texts(br#"{"x":{"orders":[9]},"orders":[1,2],"y":3}"#, Some("orders")).unwrap(), ["1", "2"]);
        for none in ["", "[", "[1", "[1,", "[1}", "{}", "null", "[,]", "{\"orders\":{}}", "[\"a]"] {
            assert!(texts(none.as_bytes(), None).is_none(), "{none}");
            assert!(texts(none.as_bytes(), Some("orders")).is_none(), "{none}");
        }
    }

    #[test]
    fn depth_costs_nothing_where_it_is_ignored_and_is_refused_where_it_is_read() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&format!(r#"{{"unknown":{deep},"code":7}}"#)).code.as_str(), "7");
        assert!(fault(&format!(r#"{{"list":{deep}}}"#)).starts_with("list[0]"));
    }
}
