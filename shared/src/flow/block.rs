//! Leaving an account alone: an ERP that fails for everybody, a store that asks for it.

use jiff::{SignedDuration, Timestamp};

use super::Puente;
use crate::{
    Error, Result,
    domain::{
        event::Event,
        ids::AccountId,
        sign::{Fact, Party},
    },
};

/// Leaves an account alone until then, whoever would call it: on its ledger, in its signs of life, in the log. `strikes`: the failures in
/// a row when the call was permitted.
pub(super) async fn block(
    puente: &Puente,
    of: &AccountId,
    until: Timestamp,
    strikes: u32,
    error: &Error,
) -> Result<()> {
    let because = error.to_string();
    puente.accounts.block(of, until, &because, strikes).await?;
    puente.tell.of(&Event::Blocked { account: of, until, error });
    let (party, now) = (Party::Account(of.clone()), puente.clock.now());
    if strikes == 0 {
        puente.signs.seen(party.clone(), Fact::Blocked, now, None).await;
    }
    puente.signs.seen(party, Fact::Failed, now, Some(because)).await;
    Ok(())
}

/// After so many failures in a row a block is as long as it gets.
pub(super) const LONGEST_BLOCK: u32 = 11;

/// How long an account is left alone after its `strikes`-th failure in a row: from seconds to half an hour, so that six hours
/// of outage cost a handful of probe calls.
pub(super) fn block_for(puente: &Puente, strikes: u32) -> SignedDuration {
    let most = 1_u64.saturating_mul(1 << strikes.min(12)).min(1800);
    let jitter = puente.chance.below(most * 250);
    SignedDuration::from_millis(i64::try_from(most * 1000 + jitter).unwrap_or(i64::MAX))
}
