//! What makes one state of an order newer than another: the store's modification time, and a hash of the content.
//!
//! Delivery ids are useless for this (`WooCommerce` repeats them within a second, Shopify's retries carry old payloads),
//! and a time alone is not enough: two changes within one second, refunds that move no timestamp. See [`compare`].

use std::{fmt, str::FromStr};

use jiff::{Timestamp, fmt::strtime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Kind, Result};

/// One state of an order. Its text form sorts as the versions do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// When the store last modified the order.
    pub modified: Timestamp,
    /// 0 as it came from the store; one more than the state it replaces when two states share one modification time
    /// and the later one was found by asking the store (or by its place in the order's life).
    pub tie: u16,
    /// The content, without any timestamp.
    pub content: ContentHash,
}

/// The first 64 bits of a SHA-256 over an order's content without timestamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 8]);

impl Version {
    /// The place of a content that is still asked of the store: whatever state arrives is newer.
    #[must_use]
    pub fn unread() -> Self {
        Self { modified: Timestamp::UNIX_EPOCH, tie: 0, content: ContentHash([0; 8]) }
    }

    /// Whether the order's content is not known yet.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        *self == Self::unread()
    }
}

/// How an arriving state stands to the one on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is newer: it becomes what the ERP should hold.
    Newer,
    /// The same content: nothing to do but to remember the later time.
    Duplicate,
    /// Older than what is on record.
    Superseded,
    /// Another content with the same time: only the store can tell which is the last.
    Tied,
}

/// The version rule. `desired` is on record, its content last seen with the modification time `newest`.
#[must_use]
pub fn compare(desired: &Version, newest: Timestamp, arriving: &Version) -> Standing {
    if arriving.content == desired.content {
        Standing::Duplicate
    } else if desired.is_unread() {
        // Of nothing there is no later state.
        Standing::Newer
    } else if arriving.is_unread() || arriving.modified < newest {
        Standing::Superseded
    } else if arriving.modified > newest || arriving.tie > desired.tie {
        Standing::Newer
    } else {
        Standing::Tied
    }
}

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(bytes);
        let mut short = [0; 8];
        for (to, from) in short.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self(short)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = strtime::format("%Y-%m-%dT%H:%M:%S.%6fZ", self.modified).map_err(|_| fmt::Error)?;
        write!(f, "{time}/{:05}/{}", self.tie, self.content)
    }
}

impl FromStr for Version {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let mut parts = text.split('/');
            let modified = parts.next()?.parse().ok()?;
            let tie = parts.next()?.parse().ok()?;
            let mut content = [0; 8];
            hex::decode_to_slice(parts.next()?, &mut content).ok()?;
            parts.next().is_none().then_some(Self { modified, tie, content: ContentHash(content) })
        };
        read().ok_or_else(|| Error::new(Kind::Unreadable, "is not a version"))
    }
}

impl TryFrom<String> for Version {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(at: &str, tie: u16, content: &[u8]) -> Version {
        Version { modified: at.parse().unwrap(), tie, content: ContentHash::of(content) }
    }

    #[test]
    fn the_text_form_round_trips_and_sorts_as_the_versions_do() {
        let earlier = version("2026-01-01T00:00:00Z", 0, b"a");
        let later = version("2026-01-01T00:00:00.5Z", 0, b"b");
        let tied = version("2026-01-01T00:00:00.5Z", 10, b"a");
        for v in [&earlier, &later, &tied] {
            assert_eq!(&v.to_string().parse::<Version>().unwrap(), v);
        }
        assert!(earlier.to_string() < later.to_string() && later.to_string() < tied.to_string());
        assert!("nonsense".parse::<Version>().is_err());
    }

    #[test]
    fn any_state_is_newer_than_a_content_that_nobody_has_read() {
        let unread = Version::unread();
        assert_eq!(unread.to_string().parse::<Version>().unwrap(), unread);
        for at in ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z"] {
            let state = version(at, 0, b"a");
            assert_eq!(compare(&unread, unread.modified, &state), Standing::Newer, "{at}");
            // A state on record is never overwritten with "still asked".
            assert_ne!(compare(&state, state.modified, &unread), Standing::Newer, "{at}");
        }
        assert_eq!(compare(&unread, unread.modified, &unread), Standing::Duplicate);
    }

    #[test]
    fn the_version_rule() {
        let on_record = version("2026-01-01T00:00:10Z", 0, b"a");
        let now = on_record.modified;
        assert_eq!(compare(&on_record, now, &version("2026-01-01T00:00:11Z", 0, b"b")), Standing::Newer);
        assert_eq!(compare(&on_record, now, &version("2026-01-01T00:00:09Z", 0, b"b")), Standing::Superseded);
        assert_eq!(compare(&on_record, now, &version("2026-01-01T00:00:10Z", 0, b"b")), Standing::Tied);
        assert_eq!(compare(&on_record, now, &version("2026-01-01T00:00:10Z", 1, b"b")), Standing::Newer);
        // The same content, whatever its time.
        assert_eq!(compare(&on_record, now, &version("2026-01-01T00:00:59Z", 0, b"a")), Standing::Duplicate);
        // A state from between two sightings of the content on record is older than it.
        let seen_again = "2026-01-01T00:00:59Z".parse().unwrap();
        assert_eq!(compare(&on_record, seen_again, &version("2026-01-01T00:00:30Z", 0, b"b")), Standing::Superseded);
    }
}
