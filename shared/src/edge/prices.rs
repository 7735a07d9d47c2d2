//! Prices as people see them: what the operator's API answers, and the command line shows.

use iso_currency::Currency;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        goods::{InStore, Sku},
        ids::ConnectionId,
        money::Amount,
        price::{Price, PriceRules, Wanted},
        schema::CurrencyCode,
    },
    flow::goods::prices::Shown,
};

/// The price of an article: what the ERP says, what the store should have, and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ArticlePrice)]
pub struct PriceView {
    /// Whose.
    pub connection: ConnectionId,
    /// The ERP's code of the article.
    pub article: Sku,
    /// The store's code; none: several of its codes stand for the article, or it is ignored.
    pub code: Option<Sku>,
    /// What the ERP says that it costs.
    pub erp: Amount,
    /// In which currency (ISO 4217).
    #[schema(value_type = CurrencyCode)]
    pub currency: Currency,
    /// The price that the store should have; none: there is none that it could be told, for the reason in `note`.
    pub should: Option<Price>,
    /// The price that it has, as far as is known.
    pub has: Option<Price>,
    /// How the store has the article.
    pub store: InStore,
    /// How far it is.
    pub state: PriceState,
    /// From when on the ERP says another price, where it knows that already.
    pub changes_at: Option<Timestamp>,
    /// When it is looked at again.
    pub due: Option<Timestamp>,
    /// Attempts since one succeeded.
    pub attempts: u32,
    /// Why it waits, or what is wrong with it, in words.
    pub note: Option<String>,
}

/// How far a price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceState {
    /// The store has it.
    Right,
    /// It would be written, were prices of this connection not only shown.
    Differs,
    /// It waits for its turn, or for another attempt.
    Waiting,
    /// It is being written, or the outcome of that is unknown.
    Underway,
    /// The store has no such article, or none whose price can be written.
    NotThere,
    /// A person has to look; `note` says why.
    Stopped,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PricePage)]
pub struct PricesView {
    /// By article.
    pub prices: Vec<PriceView>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

impl PriceView {
    /// A price of a connection, as `rules` make it. `tells`: whether the store is told.
    #[must_use]
    pub fn of(connection: ConnectionId, shown: Shown, rules: &PriceRules, tells: bool, now: Timestamp) -> Self {
        let Shown { sku, code, tag, wanted } = shown;
        let state = match &wanted {
            _ if tag.telling.is_some() => PriceState::Underway,
            _ if tag.stopped => PriceState::Stopped,
            _ if code.is_none() || !matches!(tag.store, InStore::Unknown | InStore::Kept) => PriceState::NotThere,
            Wanted::Right => PriceState::Right,
            Wanted::Unpriced(_) => PriceState::Stopped,
            Wanted::Write(_) | Wanted::TooFar(_) if tells => PriceState::Waiting,
            Wanted::Write(_) | Wanted::TooFar(_) => PriceState::Differs,
        };
        let why = match &wanted {
            Wanted::Unpriced(why) => Some(why.to_string()),
            _ => None,
        };
        let offer = tag.current(now).clone();
        Self {
            connection,
            article: sku,
            code,
            erp: offer.price.amount,
            currency: offer.price.currency,
            should: offer.in_store(rules).ok(),
            has: tag.said,
            store: tag.store,
            state,
            changes_at: tag.begins(now),
            due: tag.due,
            attempts: tag.attempts,
            note: tag.note.or(why),
        }
    }

    /// Whether something is to be written, or a person has to look.
    #[must_use]
    pub fn differs(&self) -> bool {
        !matches!(self.state, PriceState::Right | PriceState::NotThere)
    }
}
