//! Changes that bytes with JSON in them can take: a value deleted, doubled, replaced, wrapped or of another type, and damage
//! that knows nothing of JSON.

use proptest::{prelude::*, sample::Index};
use serde::de::IgnoredAny;

use crate::targets::CANARY;

/// One change. An [`Index`] says where.
#[derive(Debug, Clone)]
pub enum Change {
    /// A value, with its key, is not there.
    Deleted(Index),
    /// It is there twice.
    Doubled(Index),
    /// It is something else.
    Replaced(Index, String),
    /// It stands where another one was.
    Copied(Index, Index),
    /// A text is what it says, anything else its own text.
    Retyped(Index),
    /// It is deep inside of lists or objects.
    Wrapped(Index, usize, bool),
    /// A byte is another one.
    Byte(Index, u8),
    /// The end is missing.
    Cut(Index),
    /// A few bytes are there twice.
    Repeated(Index, usize),
}

/// A change.
pub fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        2 => at().prop_map(Change::Deleted),
        2 => at().prop_map(Change::Doubled),
        4 => (at(), odd()).prop_map(|(at, value)| Change::Replaced(at, value)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Copied(from, to)),
        1 => at().prop_map(Change::Retyped),
        1 => (at(), prop_oneof![Just(1), Just(130), 1..2000_usize], any::<bool>())
            .prop_map(|(at, depth, list)| Change::Wrapped(at, depth, list)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), 1..100_usize).prop_map(|(at, length)| Change::Repeated(at, length)),
    ]
}

/// A value that somebody's code did not expect.
fn odd() -> impl Strategy<Value = String> {
    let known = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "1",
        "0.1",
        "1e5",
        "1e-30",
        "-1e28",
        "1e400",
        "5e-324",
        "9223372036854775807",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "1000000000000000",
        "79228162514264337593543950335",
        "0.0000000001",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        r#""""#,
        r#"" ""#,
        r#""-1""#,
        r#""1,5""#,
        r#""1e5""#,
        r#""NaN""#,
        r#""79228162514264337593543950335""#,
        r#""-79228162514264337593543950335""#,
        r#""0.0000000000000000000000000001""#,
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\u202e\u0301é😀﷽""#,
        r#""EUR""#,
        r#""JPY""#,
        r#""9999-12-31T23:59:59Z""#,
        r#""-009999-01-01T00:00:00Z""#,
        r#""acme/1""#,
        r#""\"""#,
        "NaN",
        "\u{feff}1",
        r#"{"__class__":"Decimal","decimal":"79228162514264337593543950335"}"#,
        r#"{"__class__":"Decimal","decimal":"-79228162514264337593543950335"}"#,
        r#"{"__class__":"Decimal","decimal":"1E-28"}"#,
    ];
    let text = |text: &str| serde_json::to_string(text).unwrap();
    prop_oneof![
        8 => prop::sample::select(known.map(str::to_owned).to_vec()),
        2 => Just(text(CANARY)),
        1 => Just(text(&format!("\"{CANARY}\", expected {CANARY}"))),
        1 => any::<String>().prop_map(move |any| text(&any)),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => (any::<i64>(), 0..30_u32).prop_map(|(digits, scale)| format!("{digits}e-{scale}")),
        1 => (1..20_000_usize).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
    ]
}

/// `seed` after `changes`, one after the other.
pub fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    changes.iter().fold(seed.to_vec(), |mut bytes, change| {
        apply(&mut bytes, change);
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Repeated(at, length) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::Deleted(at) => {
            if let Some(found) = value(bytes, *at) {
                // With the comma before it, or else the one behind it.
                let (mut start, mut end) = (found.key, found.end);
                if bytes[..start].ends_with(b",") {
                    start -= 1;
                } else if bytes[end..].starts_with(b",") {
                    end += 1;
                }
                bytes.drain(start..end);
            }
        }
        Change::Doubled(at) => {
            if let Some(found) = value(bytes, *at) {
                let piece = [b",", &bytes[found.key..found.end]].concat();
                bytes.splice(found.end..found.end, piece);
            }
        }
        Change::Replaced(at, with) => put(bytes, *at, |_| with.clone().into_bytes()),
        Change::Copied(from, to) => {
            if let Some(piece) = value(bytes, *from).map(|found| bytes[found.start..found.end].to_vec()) {
                put(bytes, *to, |_| piece.clone());
            }
        }
        Change::Retyped(at) => put(bytes, *at, |old| match old {
            [b'"', inner @ .., b'"'] => inner.to_vec(),
            other => serde_json::to_vec(&String::from_utf8_lossy(other)).unwrap(),
        }),
        Change::Wrapped(at, depth, list) => put(bytes, *at, |old| {
            let (open, close): (&[u8], &[u8]) = if *list { (b"[", b"]") } else { (b"{\"id\":", b"}") };
            [&open.repeat(*depth), old, &close.repeat(*depth)].concat()
        }),
    }
}

/// A JSON value in the bytes, and where its key begins if it has one.
struct Found {
    key: usize,
    start: usize,
    end: usize,
}

/// Writes something in the place of a value.
fn put(bytes: &mut Vec<u8>, at: Index, make: impl Fn(&[u8]) -> Vec<u8>) {
    if let Some(found) = value(bytes, at) {
        let with = make(&bytes[found.start..found.end]);
        bytes.splice(found.start..found.end, with);
    }
}

/// One of the values: what follows a colon, a comma, a bracket or a line's beginning and can be read.
fn value(bytes: &[u8], at: Index) -> Option<Found> {
    let mut previous = b'\n';
    let begins = |(place, byte): (usize, &u8)| {
        let begins = matches!(previous, b':' | b',' | b'[' | b'\n').then_some(place);
        previous = *byte;
        begins
    };
    let starts: Vec<usize> = bytes.iter().enumerate().filter_map(begins).collect();
    let start = *at.get(&starts);
    let mut values = serde_json::Deserializer::from_slice(&bytes[start..]).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let end = start + values.byte_offset();
    let quotes = || bytes[..start.saturating_sub(2)].iter().rposition(|byte| *byte == b'"');
    let key = if bytes[..start].ends_with(b"\":") { quotes().unwrap_or(start) } else { start };
    Some(Found { key, start, end })
}
