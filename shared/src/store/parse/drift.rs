//! The types of what drifts: text, codes, amounts, lists and objects that arrive as something else.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::money::Amount;

/// Text that may be absent. A number is its text; what is no text at all (`false`, `[]`) counts as absent, as PHP means it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(super) Cow<'a, str>);

/// A code: text in which every digit counts, such as an id or a SKU. A JSON number is taken digit by digit, whatever its size.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Code<'a>(Cow<'a, str>);

/// An amount that may be absent: `null`, `""` or `false` (`WooCommerce` writes all three).
#[derive(Clone, Copy, Default)]
pub(crate) struct Money(pub Option<Amount>);

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
