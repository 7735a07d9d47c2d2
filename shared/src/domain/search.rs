//! What an order is found by: exact values beside its record. Number and document come from the record itself; a buyer's e-mail is kept
//! as an HMAC only, under a key that is drawn once and never leaves the records.
//!
//! An order is found under every value it ever had: somebody who asks for the old address of a buyer means that order. Nothing but
//! search reads these values.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use strum::IntoStaticStr;

use super::{
    document::Booked,
    record::{Head, Summary, Write},
};

/// The longest value that is kept, in bytes: it is part of a key. Nobody looks for longer ones.
const LONGEST: usize = 200;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum By {
    /// The number people use, without `#`.
    Number,
    /// The ERP's number or id of the document.
    Document,
    /// The HMAC of a buyer's e-mail.
    Buyer,
}

impl By {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A value that orders are found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    by: By,
    value: String,
}

impl Term {
    /// The number people use, as somebody types it. `None`: no order has such a one.
    #[must_use]
    pub fn number(text: &str) -> Option<Self> {
        Self::new(By::Number, text.trim().trim_start_matches('#'))
    }

    /// The ERP's number or id.
    #[must_use]
    pub fn document(text: &str) -> Option<Self> {
        Self::new(By::Document, text)
    }

    fn new(by: By, text: &str) -> Option<Self> {
        let value = text.trim().to_ascii_lowercase();
        (!value.is_empty() && value.len() <= LONGEST).then_some(Self { by, value })
    }

    /// What it is.
    #[must_use]
    pub fn by(&self) -> By {
        self.by
    }

    /// The value, as it is compared.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// What a record is found by now.
#[must_use]
pub fn terms(head: &Head) -> Vec<Term> {
    of_summary(&head.summary).into_iter().chain(of_documents(&head.booked)).collect()
}

/// What a write adds to that.
#[must_use]
pub fn added(write: &Write) -> Vec<Term> {
    match write {
        Write::Record { summary, .. } => of_summary(summary),
        Write::Complete { booked, .. } => of_documents(booked),
        _ => Vec::new(),
    }
}

fn of_summary(summary: &Summary) -> Vec<Term> {
    let buyer = summary.buyer.as_deref().and_then(|digest| Term::new(By::Buyer, digest));
    Term::number(&summary.number).into_iter().chain(buyer).collect()
}

fn of_documents(booked: &[Booked]) -> Vec<Term> {
    let named = booked.iter().flat_map(|booked| [Some(&booked.document.id), booked.document.number.as_ref()]);
    let mut terms: Vec<Term> = named.flatten().filter_map(|text| Term::document(text)).collect();
    // A batch of writes refuses a key that stands twice in it.
    terms.sort();
    terms.dedup();
    terms
}

/// The key of the HMACs of buyers' e-mails: a plain hash of an address is found by trying addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct SearchKey([u8; 32]);

impl SearchKey {
    /// A new one, from texts that nobody else has, each with more than a hundred bits of chance.
    #[must_use]
    pub fn drawn(token: impl Fn() -> String) -> Self {
        let mut sha = Sha256::new();
        for _ in 0..4 {
            sha.update(token());
        }
        Self(sha.finalize().into())
    }

    /// One that was kept; `None` if it is none.
    #[must_use]
    pub fn kept(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What stands for a buyer's e-mail; `None` of an address that is none. Case and blanks around it make no difference.
    #[must_use]
    pub fn buyer(&self, email: &str) -> Option<String> {
        let email = email.trim().to_lowercase();
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.0).ok().filter(|_| !email.is_empty())?;
        hmac.update(email.as_bytes());
        Some(hex::encode(hmac.finalize().into_bytes()))
    }

    /// The term of a buyer's e-mail.
    #[must_use]
    pub fn term(&self, email: &str) -> Option<Term> {
        Term::new(By::Buyer, &self.buyer(email)?)
    }
}

impl fmt::Debug for SearchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SearchKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_people_type_them() {
        assert_eq!(Term::number(" #1042 "), Term::number("1042"));
        assert_eq!(Term::document("SO-7"), Term::document("so-7 "));
        assert_ne!(Term::number("7"), Term::document("7"));
        for none in ["", " ", "#", &"x".repeat(201)] {
            assert_eq!(Term::number(none), None, "{none}");
        }
    }

    #[test]
    fn an_e_mail_is_kept_as_what_only_this_key_makes_of_it() {
        let (key, other) = (SearchKey([1; 32]), SearchKey([2; 32]));
        let digest = key.buyer("Ana@Example.com").unwrap();
        assert_eq!(key.buyer(" ana@example.COM "), Some(digest.clone()));
        assert_ne!(other.buyer("ana@example.com"), Some(digest.clone()));
        assert_ne!(digest, hex::encode(Sha256::digest("ana@example.com")), "no plain hash");
        assert_eq!((key.buyer(""), key.term("  ")), (None, None));
        assert_eq!(format!("{key:?}"), "SearchKey(…)");
        assert_eq!(SearchKey::kept(key.bytes()), Some(key));
        assert_eq!(SearchKey::kept(b"short"), None);
    }
}
