//! Who reads and replays orders, and which connections they see.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::ids::ConnectionId;

/// The most characters of an operator's name that are kept: it stands in logs and timelines.
const LONGEST_NAME: usize = 128;

/// Stands for all connections, where connections are listed.
const ALL: &str = "*";

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray)]
pub enum Scope {
    /// Read orders, and stock: `orders:read`.
    #[serde(rename = "orders:read")]
    #[strum(serialize = "orders:read")]
    OrdersRead,
    /// Replay orders, note what was made of them by hand, and hold what is written to a store: `orders:write`.
    #[serde(rename = "orders:write")]
    #[strum(serialize = "orders:write")]
    OrdersWrite,
    /// See how the ERP accounts stand: `ops`.
    #[serde(rename = "ops")]
    #[strum(serialize = "ops")]
    Ops,
}

/// Which connections an operator sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// All, also those that are added later.
    All,
    /// These.
    Only(BTreeSet<String>),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name, for logs and timelines; never a secret.
    pub name: String,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// Which connections they see.
    pub sight: Sight,
}

impl Scope {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name, without what an issuer of tokens puts in front.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Sight {
    /// The connections of these names; `*` is all of them.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        if names.contains(ALL) { Self::All } else { Self::Only(names) }
    }

    /// Whether the connection of that name is seen.
    #[must_use]
    pub fn sees(&self, connection: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(connection),
        }
    }

    /// Whether an ERP account to which these connections' orders go is seen: by whoever sees one of them.
    #[must_use]
    pub fn sees_any(&self, connections: &[ConnectionId]) -> bool {
        *self == Self::All || connections.iter().any(|connection| self.sees(connection.as_str()))
    }
}

impl fmt::Display for Sight {
    /// As [`Sight::of`] reads it, separated by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str(ALL),
            Self::Only(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")),
        }
    }
}

impl Operator {
    /// One who may do everything and sees all.
    #[must_use]
    pub fn of_all(name: &str) -> Self {
        Self::new(name, Scope::ALL.to_vec(), Sight::All)
    }

    /// With a name as it may stand in a log: no control characters, and not too long.
    #[must_use]
    pub fn new(name: &str, scopes: Vec<Scope>, sight: Sight) -> Self {
        let name = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        Self { name, scopes, sight }
    }

    /// Whether they may do that.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sees_what_is_listed_and_nothing_by_default() {
        let one = Sight::of(["acme"]);
        assert!(one.sees("acme") && !one.sees("other") && !one.sees("*"));
        let (acme, other): (ConnectionId, ConnectionId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        assert!(one.sees_any(&[other.clone(), acme]) && !one.sees_any(&[other]) && !one.sees_any(&[]));
        assert!(!Sight::of([]).sees("acme"));
        assert!(Sight::of(["acme", "*"]).sees("other") && Sight::All.sees_any(&[]));
        for sight in [one, Sight::All, Sight::of(["a", "b"])] {
            assert_eq!(Sight::of(sight.to_string().split_whitespace()), sight);
        }
    }

    #[test]
    fn a_name_cannot_break_a_log() {
        let operator = Operator::of_all(&format!("ana\u{1b}[2J\n{}", "x".repeat(500)));
        assert!(operator.name.starts_with("ana[2Jxxx") && operator.name.len() == 128, "{}", operator.name);
    }
}
