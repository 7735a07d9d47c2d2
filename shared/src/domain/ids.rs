//! Names of things, each its own type, checked where it enters.

use std::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// Why a name cannot be one, as the person who wrote it should read it.
fn refuse(what: &str, why: &str) -> Error {
    Error::new(Kind::Unreadable, format!("{what} {why}"))
}

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::try_from(text.to_owned())
            }
        }
    };
}

text_id! {
    /// One shop's connection, as named in `puente.toml`: lower-case letters, digits, `-` and `_`, at most 64.
    ConnectionId
}
text_id! {
    /// One ERP account, as named in `puente.toml`: lower-case letters, digits, `-` and `_`, at most 64.
    ErpId
}
text_id! {
    /// One operator of `puente serve`, as named in `puente.toml`: lower-case letters, digits, `-` and `_`, at most 64.
    OperatorId
}
text_id! {
    /// The store's own id of an order, as text (Shopify's exceed 2^53): at most 128 characters, none of them a control
    /// character.
    OrderId
}

impl TryFrom<String> for ConnectionId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if is_slug(&text) {
            Ok(Self(text))
        } else {
            Err(refuse("a connection's name", "has only a-z, 0-9, '-' and '_', and at most 64 of them"))
        }
    }
}

impl TryFrom<String> for ErpId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if is_slug(&text) {
            Ok(Self(text))
        } else {
            Err(refuse("an ERP's name", "has only a-z, 0-9, '-' and '_', and at most 64 of them"))
        }
    }
}

impl TryFrom<String> for OperatorId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if is_slug(&text) {
            Ok(Self(text))
        } else {
            Err(refuse("an operator's name", "has only a-z, 0-9, '-' and '_', and at most 64 of them"))
        }
    }
}

impl TryFrom<String> for OrderId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if !(1..=128).contains(&text.chars().count()) {
            return Err(refuse("an order's id", "has 1 to 128 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(refuse("an order's id", "has no control characters"));
        }
        Ok(Self(text))
    }
}

impl OrderId {
    /// Why no order may have this id: its references would be those of a customer (`customer/7`), of a refund of another order
    /// (`5/refund/9`), or of a sale of it that was made anew (`5/v/1`). Asked where orders enter; what is stored is read as it is.
    #[must_use]
    pub fn ambiguous(&self) -> Option<&'static str> {
        if self.0.starts_with("customer/") {
            return Some("begins with `customer/`: in the ERP it could not be told from a customer");
        }
        if self.0.contains("/refund/") {
            return Some("contains `/refund/`: in the ERP it could not be told from a refund");
        }
        let anew = self.0.rsplit_once("/v/").is_some_and(|(_, count)| count.bytes().all(|byte| byte.is_ascii_digit()));
        anew.then_some("ends with `/v/` and a number: in the ERP it could not be told from another order's sale")
    }
}

/// An account that calls are made to: an ERP's, or the one that a connection has with its store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AccountId {
    /// An ERP account.
    Erp(ErpId),
    /// A connection's account with its store.
    Store(ConnectionId),
}

impl fmt::Display for AccountId {
    /// Its name, such as `erp/main` or `store/acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erp(id) => write!(f, "erp/{id}"),
            Self::Store(id) => write!(f, "store/{id}"),
        }
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for AccountId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        match text.split_once('/') {
            Some(("erp", id)) => id.parse().map(Self::Erp),
            Some(("store", id)) => id.parse().map(Self::Store),
            _ => Err(refuse("an account's name", "is such as `erp/main` or `store/acme`")),
        }
    }
}

impl std::str::FromStr for AccountId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(text.to_owned())
    }
}

impl From<&ErpId> for AccountId {
    fn from(id: &ErpId) -> Self {
        Self::Erp(id.clone())
    }
}

impl From<&ConnectionId> for AccountId {
    fn from(id: &ConnectionId) -> Self {
        Self::Store(id.clone())
    }
}

/// An order of a connection: the key of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Whose order.
    pub connection: ConnectionId,
    /// Which one.
    pub order: OrderId,
}

impl OrderKey {
    /// The key of `order` in `connection`.
    #[must_use]
    pub fn new(connection: ConnectionId, order: OrderId) -> Self {
        Self { connection, order }
    }

    /// The order that a reference of one of its documents names; none: it is no order's.
    #[must_use]
    pub fn of(reference: &Reference) -> Option<Self> {
        let (connection, order) = order_of(reference.as_str()).split_once('/')?;
        Some(Self { connection: connection.parse().ok()?, order: order.parse().ok()? })
    }

    /// The reference of the sale in the ERP, the first step of every order: `connection/order`.
    #[must_use]
    pub fn sale(&self) -> Reference {
        Reference(self.to_string())
    }

    /// The reference of a sale that is made after `before` others of the order, which were cancelled: `connection/order/v/1`. Counted,
    /// not named after a version: two calls that may both land must carry one reference.
    #[must_use]
    pub fn sale_after(&self, before: usize) -> Reference {
        if before == 0 { self.sale() } else { Reference(format!("{self}/v/{before}")) }
    }

    /// The reference of the credit note of a refund: `connection/order/refund/9`.
    #[must_use]
    pub fn credit(&self, refund: &str) -> Reference {
        Reference(format!("{self}/refund/{refund}"))
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.connection, self.order)
    }
}

/// A step's own reference in the ERP: `connection/order`, `connection/order/v/1`, `connection/order/refund/id`,
/// `connection/customer/id`.
///
/// The ERP document carries it; looking it up tells whether the step happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference(String);

/// The reference of the order's first sale, of any document's reference of that order: `acme/5` of `acme/5/v/1` and
/// `acme/5/refund/9`. See [`OrderId::ambiguous`].
#[must_use]
pub fn order_of(reference: &str) -> &str {
    if let Some((order, _)) = reference.split_once("/refund/") {
        return order;
    }
    match reference.rsplit_once("/v/") {
        Some((order, count)) if !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) => order,
        _ => reference,
    }
}

impl Reference {
    /// The reference of a customer.
    #[must_use]
    pub fn customer(connection: &ConnectionId, customer: &str) -> Self {
        Self(format!("{connection}/customer/{customer}"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One attempt to take a step: unique for ever, written into the intent, so that a write of ours is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttemptId(String);

impl AttemptId {
    /// From a text nobody else has, see [`crate::ports::Chance::token`].
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_order_has_the_reference_of_a_customer_or_a_refund() {
        let shop: ConnectionId = "acme".parse().unwrap();
        for (id, collides) in [
            ("customer/7", true),
            ("5/refund/9", true),
            ("5/v/1", true),
            ("customer", false),
            ("5/refund", false),
            ("5/v/x", false),
        ] {
            let id: OrderId = id.parse().unwrap();
            assert_eq!(id.ambiguous().is_some(), collides, "{id}");
        }
        let order = OrderKey::new(shop.clone(), "customer/7".parse().unwrap());
        assert_eq!(order.sale(), Reference::customer(&shop, "7"), "which is why");
    }

    #[test]
    fn every_document_of_an_order_names_it() {
        let key = OrderKey::new("acme".parse().unwrap(), "2026/7".parse().unwrap());
        for reference in [key.sale(), key.sale_after(0), key.sale_after(12), key.credit("9"), key.credit("v/1")] {
            assert_eq!(order_of(reference.as_str()), key.sale().as_str(), "{reference}");
        }
        assert_eq!(order_of("acme/5/v/x"), "acme/5/v/x");
    }

    #[test]
    fn an_accounts_name_is_read_as_it_is_written() {
        for id in [AccountId::Erp("main".parse().unwrap()), AccountId::Store("acme".parse().unwrap())] {
            assert_eq!(AccountId::try_from(id.to_string()).unwrap(), id);
        }
        for bad in ["main", "erp/", "shop/acme", "store/a/b", ""] {
            assert!(AccountId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_checked_where_it_enters() {
        assert!("acme-shop".parse::<ConnectionId>().is_ok());
        for bad in ["", "Acme", "a/b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<ConnectionId>().is_err(), "{bad}");
        }
        assert!("820982911946154508".parse::<OrderId>().is_ok());
        assert!("order with / and é".parse::<OrderId>().is_ok());
        assert!("é".repeat(128).parse::<OrderId>().is_ok());
        assert!("é".repeat(129).parse::<OrderId>().is_err());
        assert!("a\nb".parse::<OrderId>().is_err());
        assert!("".parse::<OrderId>().is_err());
    }
}
