//! What a shelf is named by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result, domain::ids::ErpId};

/// An article's code, as the ERP spells it: 1 to 100 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

/// The warehouses that a connection sells from, as the configuration names them: `Main`, `Main+Shop`; `*` for all of the company.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place(String);

/// An article of an ERP account, in certain warehouses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShelfId {
    /// Whose.
    pub erp: ErpId,
    /// In which warehouses.
    pub place: Place,
    /// Which article.
    pub sku: Sku,
}

impl Sku {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(Error::new(Kind::Unreadable, "an article's code has 1 to 100 characters, and no control characters"))
        }
    }
}

impl Place {
    /// All warehouses.
    const ALL: &str = "*";

    /// Of warehouses in any order, named as the configuration has them; none: all.
    pub fn of(warehouses: &[String]) -> Result<Self> {
        if warehouses.is_empty() {
            return Ok(Self(Self::ALL.to_owned()));
        }
        let mut names: Vec<&str> = warehouses.iter().map(|name| name.trim()).collect();
        names.sort_unstable();
        names.dedup();
        let bad = |name: &&str| name.is_empty() || name.contains(['+', '*', '/']) || name.chars().any(char::is_control);
        if names.len() > 10 || names.iter().any(bad) {
            return Err(Error::new(Kind::Config, "at most ten warehouses, by their names, without `+`, `*` and `/`"));
        }
        Ok(Self(names.join("+")))
    }

    /// Their names; none: all.
    pub fn warehouses(&self) -> impl Iterator<Item = &str> {
        self.0.split('+').filter(|name| *name != Self::ALL)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both sell from some warehouse, and not from the same ones: what one sells would be missing in what is left for the
    /// other, and nobody would know.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let all = |place: &Self| place.0 == Self::ALL;
        self != other
            && (all(self) || all(other) || self.warehouses().any(|name| other.warehouses().any(|o| o == name)))
    }
}

impl TryFrom<String> for Place {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        if text == Self::ALL {
            return Self::of(&[]);
        }
        Self::of(&text.split('+').map(str::to_owned).collect::<Vec<_>>())
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::try_from(text.to_owned())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
as_text!(Sku, Place);
