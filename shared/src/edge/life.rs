//! Signs of life: when each connection and ERP account last received, fetched, sent, and what failed last.
//!
//! `puente connections` and the operator's API answer with the same.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Result,
    domain::{
        ids::{AccountId, ConnectionId, ErpId},
        sign::{Fact, Party, Sign},
    },
    flow::Puente,
};

/// The signs of life of connections and of the accounts they send to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignsOfLife)]
pub struct LifeView {
    /// By name.
    pub connections: Vec<ConnectionLife>,
    /// By name.
    pub erps: Vec<AccountLife>,
}

/// A connection's signs of life, each to the minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionLife {
    /// Which.
    pub connection: ConnectionId,
    /// Where its orders go.
    pub erp: ErpId,
    /// When something about an order last arrived.
    pub received: Option<Timestamp>,
    /// When its store last answered a question of ours.
    pub fetched: Option<Timestamp>,
    /// When the ERP last took an order of it.
    pub sent: Option<Timestamp>,
    /// The last question to its store that failed.
    pub failed: Option<FailureView>,
    /// Since when its store is left alone because it asked for that, if it is.
    pub blocked_since: Option<Timestamp>,
    /// Until when, if it is.
    pub blocked_until: Option<Timestamp>,
}

/// An account's signs of life, each to the minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountLife {
    /// Which.
    pub erp: ErpId,
    /// When it last took an order.
    pub sent: Option<Timestamp>,
    /// Since when it is blocked, if it is.
    pub blocked_since: Option<Timestamp>,
    /// Until when, if it is.
    pub blocked_until: Option<Timestamp>,
    /// The last call that failed for the whole account.
    pub failed: Option<FailureView>,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureView {
    /// When.
    pub at: Timestamp,
    /// The words.
    pub reason: String,
    /// Whether the same worked since.
    pub over: bool,
}

/// The signs of these connections.
pub async fn life(puente: &Puente, connections: Vec<ConnectionId>) -> Result<LifeView> {
    let with_erp = |id: ConnectionId| puente.settings.erp_of(&id).map(|erp| (id, erp));
    let connections: Vec<(ConnectionId, ErpId)> = connections.into_iter().filter_map(with_erp).collect();
    let erps: BTreeSet<ErpId> = connections.iter().map(|(_, erp)| erp.clone()).collect();
    let of_shop = |(id, _): &(ConnectionId, ErpId)| [Party::Connection(id.clone()), Party::Account(id.into())];
    let of_erp = |erp: &ErpId| Party::Account(erp.into());
    let parties: Vec<Party> = connections.iter().flat_map(of_shop).chain(erps.iter().map(of_erp)).collect();
    let mut signs = puente.signs.signs(&parties).await?.into_iter();
    let mut view = LifeView { connections: Vec::new(), erps: Vec::new() };
    for (connection, erp) in connections {
        let (signs, stores) = (signs.next().unwrap_or_default(), signs.next().unwrap_or_default());
        let fetched = at(&signs, Fact::Fetched);
        // The ledger of a store that never asked for it is not read.
        let (blocked_since, blocked_until) = match at(&stores, Fact::Blocked) {
            Some(since) => blocked(puente, &(&connection).into(), Some(since)).await?,
            None => (None, None),
        };
        view.connections.push(ConnectionLife {
            connection,
            erp,
            received: at(&signs, Fact::Received),
            fetched,
            sent: at(&signs, Fact::Sent),
            failed: failure(&signs, fetched),
            blocked_since,
            blocked_until,
        });
    }
    for erp in erps {
        let signs = signs.next().unwrap_or_default();
        let (blocked_since, blocked_until) = blocked(puente, &(&erp).into(), at(&signs, Fact::Blocked)).await?;
        let sent = at(&signs, Fact::Sent);
        view.erps.push(AccountLife { erp, sent, blocked_since, blocked_until, failed: failure(&signs, sent) });
    }
    Ok(view)
}

/// Since when and until when an account is blocked, if it is. `since`: when a block last began.
async fn blocked(
    puente: &Puente,
    account: &AccountId,
    since: Option<Timestamp>,
) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let until = puente.accounts.ledger(account).await?.blocked_until.filter(|until| *until > puente.clock.now());
    Ok((since.filter(|_| until.is_some()), until))
}

fn at(signs: &[Sign], fact: Fact) -> Option<Timestamp> {
    signs.iter().find(|sign| sign.fact == fact).map(|sign| sign.at)
}

/// The last failure. `worked`: when the same last succeeded.
fn failure(signs: &[Sign], worked: Option<Timestamp>) -> Option<FailureView> {
    let sign = signs.iter().find(|sign| sign.fact == Fact::Failed)?;
    let reason = sign.detail.clone().unwrap_or_default();
    Some(FailureView { at: sign.at, reason, over: worked.is_some_and(|worked| worked > sign.at) })
}
