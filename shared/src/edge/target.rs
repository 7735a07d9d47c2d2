//! What a request is about, as its path names it.

use crate::{domain::operator::Sight, parties::Settings};

/// A connection or an account; perhaps there is nothing of that name.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::edge) enum Target {
    /// A connection, or an order of it.
    Connection(String),
    /// An ERP account.
    Erp(String),
}

impl Target {
    /// What the decoded parameters of a path name; `None` if neither a connection nor an account is among them.
    pub(in crate::edge) fn of<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        parameters.into_iter().find_map(|(name, value)| match name {
            "connection" => Some(Self::Connection(value.to_owned())),
            "erp" => Some(Self::Erp(value.to_owned())),
            _ => None,
        })
    }

    /// Whether somebody sees it. Of an account that is enough which sees one of its connections.
    pub(in crate::edge) fn is_seen(&self, sight: &Sight, settings: &Settings) -> bool {
        match self {
            Self::Connection(name) => sight.sees(name),
            Self::Erp(name) => sight.sees_any(&settings.connections_of(name)),
        }
    }
}
