//! What a connector may call out with.

use super::{Keeper, Metered};
use crate::ports::Ids;

/// The ways out of a connector, store's and ERP's alike: what it does not have from here it does not get.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    /// The way to the network: a permit for each call.
    pub http: &'a Metered,
    /// The ids that are remembered for it.
    pub ids: &'a dyn Ids,
    /// The token of its account.
    pub tokens: &'a Keeper,
}

impl<'a> Calls<'a> {
    /// These three.
    #[must_use]
    pub fn new(http: &'a Metered, ids: &'a dyn Ids, tokens: &'a Keeper) -> Self {
        Self { http, ids, tokens }
    }
}
