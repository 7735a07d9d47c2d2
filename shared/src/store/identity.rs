//! Who a shop says it is: learnt once with its own token, kept, and known to every process from then on.
//!
//! Needed where a signature does not say whose order it is. Shopify signs for all shops of an app with one secret, and an order's
//! status page has the shop's own domain, which no configuration knows by itself.

use std::sync::{PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use crate::domain::sign::Identity;

/// How long "nobody has learnt it yet" is believed: what another process learns is known everywhere a minute later.
const UNKNOWN: SignedDuration = SignedDuration::from_mins(1);

/// What is known of a shop's identity in this process.
#[derive(Debug, Default)]
pub struct Learnt(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    identity: Option<Identity>,
    looked: Option<Timestamp>,
}

impl Learnt {
    /// Keeps it.
    pub fn set(&self, identity: Identity) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).identity = Some(identity);
    }

    /// What `ask` finds in it; `None` where nobody has learnt it yet.
    pub fn with<T>(&self, ask: impl FnOnce(&Identity) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).identity.as_ref().map(ask)
    }

    /// Whether somebody should look at `now` if it was learnt meanwhile: at most once a minute, and never once it is known.
    pub fn to_look_up(&self, now: Timestamp) -> bool {
        let due = |known: &Known| known.identity.is_none() && known.looked.is_none_or(|last| now >= last + UNKNOWN);
        if !due(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return false;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let due = due(&known);
        if due {
            known.looked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_up_once_a_minute_until_it_is_known() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let learnt = Learnt::default();
        assert!(learnt.to_look_up(now));
        assert!(!learnt.to_look_up(now + SignedDuration::from_secs(59)));
        assert!(learnt.to_look_up(now + SignedDuration::from_secs(60)));
        assert_eq!(learnt.with(|identity| identity.id), None);
        learnt.set(Identity { id: 7, domains: vec!["shop.example".into()] });
        assert_eq!(learnt.with(|identity| identity.id), Some(7));
        assert!(!learnt.to_look_up(now + SignedDuration::from_hours(1)));
    }
}
