//! One bulk: called, halved while an atomic ERP refuses it, and adopted where the unique key says that it is there already.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::batch::{Batch, Rendered};
use crate::{
    Error, Kind, Result,
    domain::record::Document,
    erp::{Bulk, Draft, Setback},
};

/// So many single orders refused alike, and none accepted, mean that no order is to blame.
const ALIKE: usize = 3;

/// So many refusals of one order by itself, with growing waits in between, and it is to blame all the same.
const ITS_OWN: u32 = 3;

fn alike(refused: &[(Rendered, Error)]) -> bool {
    let same = |pair: &[(Rendered, Error)]| matches!(pair, [(_, a), (_, b)] if a.to_string() == b.to_string());
    refused.len() >= ALIKE && refused.windows(2).all(same)
}

fn spared(one: &Rendered) -> bool {
    one.ready.head.attempts < ITS_OWN
}

fn refusal(outcomes: Vec<std::result::Result<Document, Setback>>) -> Option<Error> {
    outcomes.into_iter().find_map(|outcome| match outcome {
        Err(Setback::Refused(error)) => Some(error),
        _ => None,
    })
}

fn all_unknown(outcomes: &[std::result::Result<Document, Setback>]) -> Option<&Error> {
    match outcomes.first() {
        Some(Err(Setback::Unknown(error))) if outcomes.iter().all(|o| matches!(o, Err(Setback::Unknown(_)))) => {
            Some(error)
        }
        _ => None,
    }
}

impl Batch<'_> {
    /// Creates a chunk, halving what an atomic bulk refuses until the guilty ones stand alone.
    pub(super) async fn create(&mut self, chunk: Vec<Rendered>) -> Result<()> {
        let bulk = self.account.erp.manners().bulk;
        let mut groups = vec![chunk];
        let mut refreshed = false;
        let mut accepted = false;
        let mut refused: Vec<(Rendered, Error)> = Vec::new();
        let mut together_refused: Option<Error> = None;
        while let Some(mut group) = groups.pop() {
            if self.over().await || (!accepted && alike(&refused)) {
                groups.push(group);
                break;
            }
            if self.too_late(&group) {
                group = self.begin_anew(group).await?;
            }
            if group.is_empty() {
                continue;
            }
            let outcomes = self.call(&group).await;
            let together = outcomes.iter().all(|outcome| matches!(outcome, Err(Setback::Refused(_))))
                && (bulk == Bulk::Atomic || group.len() == 1);
            if together && !refreshed && !self.refused_as_known(&group, &outcomes) {
                // Perhaps a remembered id is stale: resolve once more before blaming anybody.
                refreshed = true;
                together_refused = refusal(outcomes);
                let ready = group.into_iter().map(|one| one.ready).collect();
                groups.push(self.prepare(ready, true).await?);
                continue;
            }
            if together && group.len() > 1 {
                together_refused = refusal(outcomes);
                let second = group.split_off(group.len() / 2);
                groups.push(second);
                groups.push(group);
                continue;
            }
            if outcomes.iter().any(|outcome| matches!(outcome, Err(Setback::Exists))) {
                self.adopt_existing(group, outcomes, &mut groups).await?;
                continue;
            }
            if let Some(error) = all_unknown(&outcomes) {
                // Not one answer: the account may be in trouble, and the next hundred orders should not find out.
                self.close(error).await?;
            }
            let mut stale = Vec::new();
            for (one, outcome) in group.into_iter().zip(outcomes) {
                match outcome {
                    Ok(document) => {
                        accepted = true;
                        self.created(&one, document).await?;
                    }
                    // Perhaps a remembered id is stale: not blamed before that is known.
                    Err(Setback::Refused(_)) if bulk == Bulk::PerItem && !refreshed => stale.push(one.ready),
                    // Held back until it is known whether the order or the account is to blame.
                    Err(Setback::Refused(error)) if bulk == Bulk::Atomic => refused.push((one, error)),
                    Err(setback) => self.set_back(&one.ready, setback).await?,
                }
            }
            if !stale.is_empty() {
                refreshed = true;
                groups.push(self.prepare(stale, true).await?);
            }
        }
        // Cut short before anything was accepted, nobody knows whether orders are to blame or the account. Then one order goes
        // first, as after any block: the whole bulk would only be cut short again.
        let undecided = !accepted && !groups.is_empty();
        let known = refused.iter().any(|(_, error)| self.is_known(error));
        let account_is_to_blame = !accepted && (undecided || known || alike(&refused));
        if account_is_to_blame
            && let Some(error) = refused.first().map(|(_, error)| error).or(together_refused.as_ref())
        {
            self.block(error).await?;
        }
        for (one, error) in refused {
            let setback =
                if account_is_to_blame && spared(&one) { Setback::NotNow(error) } else { Setback::Refused(error) };
            self.set_back(&one.ready, setback).await?;
        }
        for one in groups.into_iter().flatten() {
            self.not_sent(&one.ready).await?;
        }
        Ok(())
    }

    /// Whether the time is over in which calls of the group's intents may start.
    fn too_late(&self, group: &[Rendered]) -> bool {
        let now = self.now();
        group.iter().filter_map(|one| one.ready.head.intent.as_ref()).any(|intent| intent.start_by < now)
    }

    /// Halving a refused bulk took all the time that its intents allow. Nothing of it is in the ERP, so that what is left begins
    /// anew; a step in doubt has to be looked up again first, and waits. Left to the next departure, the whole bulk would be
    /// refused again, and again not be halved to its end.
    async fn begin_anew(&mut self, group: Vec<Rendered>) -> Result<Vec<Rendered>> {
        let mut fresh = Vec::new();
        for mut one in group {
            let Some(head) = self.not_sent(&one.ready).await? else { continue };
            if head.intent.is_none() && head.desired == one.ready.sale.version {
                one.ready.head = head;
                fresh.push(one);
            }
        }
        self.intend_all(fresh).await
    }

    /// Whether `error` is what the account was blocked for, with nothing accepted since: no single order is to blame for it then,
    /// and the block goes on. Else everything that an ERP refuses for a while would be blamed one by one, at ten calls each.
    fn is_known(&self, error: &Error) -> bool {
        self.ledger.strikes > 0 && self.ledger.blocked_because.as_ref().is_some_and(|known| *known == error.to_string())
    }

    /// Whether all were refused for what the account was blocked for, and none is to be blamed yet.
    fn refused_as_known(&self, group: &[Rendered], outcomes: &[std::result::Result<Document, Setback>]) -> bool {
        self.account.erp.manners().bulk == Bulk::Atomic
            && group.iter().all(spared)
            && outcomes.iter().all(|outcome| matches!(outcome, Err(Setback::Refused(error)) if self.is_known(error)))
    }

    /// One create call, inside the time its intents allow.
    pub(super) async fn call(&self, group: &[Rendered]) -> Vec<std::result::Result<Document, Setback>> {
        let start_by = group.iter().filter_map(|one| one.ready.head.intent.as_ref().map(|i| i.start_by)).min();
        self.slots.start_by(start_by).await;
        let drafts: Vec<Draft> = group.iter().map(|one| one.draft.clone()).collect();
        let outcomes = AssertUnwindSafe(self.account.erp.create(&self.metered, &drafts)).catch_unwind().await;
        self.slots.start_by(None).await;
        let unknown = || Setback::Unknown(Error::new(Kind::Bug, "the connector failed while sending"));
        let mut outcomes = outcomes.unwrap_or_default();
        // A connector that answers for too few leaves the rest in doubt, never forgotten.
        outcomes.truncate(group.len());
        while outcomes.len() < group.len() {
            outcomes.push(Err(unknown()));
        }
        outcomes
    }

    /// The unique key refused some: they are in the ERP already. Look all up, adopt those, and send the others again.
    pub(super) async fn adopt_existing(
        &mut self,
        group: Vec<Rendered>,
        outcomes: Vec<std::result::Result<Document, Setback>>,
        groups: &mut Vec<Vec<Rendered>>,
    ) -> Result<()> {
        let atomic = self.account.erp.manners().bulk == Bulk::Atomic;
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        for (one, outcome) in group.into_iter().zip(outcomes) {
            match outcome {
                _ if atomic => asked.push(one),
                Err(Setback::Exists) => asked.push(one),
                outcome => others.push((one, outcome)),
            }
        }
        for (one, outcome) in others {
            match outcome {
                Ok(document) => self.created(&one, document).await?,
                Err(setback) => self.set_back(&one.ready, setback).await?,
            }
        }
        let references: Vec<_> = asked.iter().map(|one| one.ready.sale.reference.clone()).collect();
        let found = match self.account.erp.look_up(&self.metered, &references).await {
            Ok(found) => found,
            // Their intents stand: looked up after settle.
            Err(failure) => return self.close(failure.error()).await,
        };
        let (mut again, mut unfinished, mut adopted) = (Vec::new(), Vec::new(), false);
        for (one, found) in asked.into_iter().zip(found) {
            match found {
                None => again.push(one),
                Some(found) => {
                    adopted = true;
                    if found.finished {
                        self.adopt(&one.ready.head, &found).await?;
                    } else {
                        unfinished.push((one.ready.head, found));
                    }
                }
            }
        }
        self.finish(unfinished.iter().map(|(head, found)| (head, found.clone())).collect()).await?;
        if adopted {
            groups.push(again);
        } else {
            // Refused as existing, yet not to be found: in doubt until settle.
            tracing::warn!(event = "erp.exists_unfound", erp = %self.account.id, orders = again.len());
        }
        Ok(())
    }
}
