//! One bulk: called, halved while an atomic ERP refuses it, and adopted where the unique key says that it is there already.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};

use super::{
    AT_A_TIME,
    batch::{Batch, Rendered},
    discreet::discreet,
    look_up::Looked,
    meter::End,
    outcome::{TOGETHER, failed_before},
    pace::FLOOR,
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation},
        ledger::Denied,
        record::{Count, Head},
    },
    erp::{Bulk, Class, Draft, SendError},
};

/// So many single orders refused alike, and none accepted, mean that no order is to blame.
const ALIKE: usize = 3;

/// After so many attempts an order that is refused once more in the same words is to blame all the same.
pub(super) const REPEATED: u32 = 3;

/// Whether so many were refused by themselves, and in the same words, that no order is to blame.
pub(super) fn same_reason<T>(refused: &[(T, Error)]) -> bool {
    let same = |pair: &[(T, Error)]| matches!(pair, [(_, a), (_, b)] if a.is_alike(b));
    refused.len() >= ALIKE && refused.windows(2).all(same)
}

/// A group that was refused together, in two: those that something happened to before apart from the others, which go first.
pub(super) fn halves<T>(group: Vec<T>, head: impl Fn(&T) -> &Head) -> (Vec<T>, Vec<T>) {
    let (mut fresh, mut known): (Vec<T>, Vec<T>) = group.into_iter().partition(|one| !failed_before(head(one)));
    if fresh.is_empty() {
        fresh = known.split_off(known.len() / 2);
    } else if known.is_empty() {
        known = fresh.split_off(fresh.len() / 2);
    }
    (fresh, known)
}

/// The words of a refusal.
fn refusal(outcomes: Vec<std::result::Result<Document, SendError>>) -> Option<Error> {
    outcomes.into_iter().find_map(|outcome| match outcome {
        Err(SendError::Refused(error) | SendError::Ambiguous(error)) => Some(error),
        _ => None,
    })
}

fn all_unknown(outcomes: &[std::result::Result<Document, SendError>]) -> Option<&Error> {
    match outcomes.first() {
        Some(Err(SendError::Unknown(error))) if outcomes.iter().all(|o| matches!(o, Err(SendError::Unknown(_)))) => {
            Some(error)
        }
        _ => None,
    }
}

impl Batch<'_> {
    /// Sends a chunk of one operation, halving what an atomic bulk refuses until the guilty ones stand alone.
    pub(super) async fn send_bulk(&mut self, operation: Operation, chunk: Vec<Rendered>) -> Result<()> {
        let bulk = self.can(operation).bulk;
        let mut groups = vec![chunk];
        let mut accepted = false;
        let mut refused: Vec<(Rendered, Error)> = Vec::new();
        // Refused by themselves in answers that do not say why.
        let mut suspects: Vec<(Rendered, Error)> = Vec::new();
        // What a whole group was last refused with, and whether something of one was left to another departure.
        let (mut words, mut cut_short): (Option<Error>, bool) = (None, false);
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            if self.over().await || (!accepted && (same_reason(&refused) || same_reason(&suspects))) {
                groups.push(group);
                cut_short = true;
                break;
            }
            if self.too_late(&group) {
                // Whether it was refused already, with others.
                let refused = words.is_some();
                cut_short |= refused && group.iter().any(Rendered::is_in_doubt);
                group = self.begin_anew(group, refused).await?;
                if group.is_empty() {
                    continue;
                }
            }
            let outcomes = self.call(operation, &group).await;
            let together = outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Refused(_))))
                && (bulk == Bulk::Atomic || group.len() == 1);
            // Each order for itself: a part of a halved bulk was perhaps resolved again, and another was not.
            let refreshed = group.iter().all(|one| one.afresh);
            if together && !refreshed && !self.refused_as_known(&group, &outcomes) {
                // Perhaps a remembered id is stale: resolve once more before blaming anybody.
                words = refusal(outcomes);
                let ready = group.into_iter().map(|one| one.ready).collect();
                groups.push(self.prepare(ready, true).await?);
                continue;
            }
            let unexplained = outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Ambiguous(_))));
            if (together || unexplained) && group.len() > 1 {
                words = refusal(outcomes);
                let (first, second) = halves(group, |one| &one.ready.head);
                groups.extend([second, first]);
                continue;
            }
            if outcomes.iter().any(|outcome| matches!(outcome, Err(SendError::Exists))) {
                self.adopt_existing(operation, group, outcomes, &mut groups).await?;
                continue;
            }
            if let Some(error) = all_unknown(&outcomes) {
                // Not one answer: the account may be in trouble, and the next hundred orders should not find out.
                if !self.slots.held_back().await {
                    self.hold(group.iter().map(|one| &one.ready.head.key), error);
                }
            }
            let mut stale = Vec::new();
            for (one, outcome) in group.into_iter().zip(outcomes) {
                match outcome {
                    Ok(document) => {
                        accepted = true;
                        self.taken(&one, &document).await?;
                    }
                    // Perhaps a remembered id is stale: not blamed before that is known.
                    Err(SendError::Refused(_)) if bulk == Bulk::PerItem && !one.afresh => stale.push(one.ready),
                    // Held back until it is known whether the order or the account is to blame.
                    Err(SendError::Refused(error)) if bulk == Bulk::Atomic => refused.push((one, error)),
                    Err(SendError::Ambiguous(error)) => suspects.push((one, error)),
                    Err(send_error) => {
                        accepted |= matches!(send_error, SendError::Refused(_));
                        self.set_back(&one.ready, send_error).await?;
                    }
                }
            }
            if !stale.is_empty() {
                groups.push(self.prepare(stale, true).await?);
            }
        }
        // Cut short before anything was accepted, nobody knows whether orders are to blame or the account. Then one order goes
        // first, as after any block: the whole bulk would only be cut short again.
        let known = refused.iter().any(|(_, error)| self.is_known(error));
        let account_is_to_blame = !accepted && (cut_short || known || same_reason(&refused));
        let lost = matches!(self.slots.end().await, Some(End::Denied(Denied::Lost)));
        if account_is_to_blame
            && !lost
            && let Some(error) = refused.first().map(|(_, error)| error).or(words.as_ref())
        {
            let left = groups.iter().flatten();
            let all = refused.iter().chain(&suspects).map(|(one, _)| one).chain(left);
            self.hold(all.map(|one| &one.ready.head.key), error);
        }
        // Also one that it refused with reasons was answered.
        self.passed |= accepted || (!account_is_to_blame && !refused.is_empty());
        let told = suspects.iter().map(|(one, error)| (&one.ready, error.again())).collect();
        self.judge(told, self.passed).await?;
        for (one, error) in refused {
            let spared = account_is_to_blame && self.is_spared(&one, &error);
            let send_error = if spared { SendError::NotNow(error) } else { SendError::Refused(error) };
            self.set_back(&one.ready, send_error).await?;
        }
        for one in groups.into_iter().flatten() {
            self.not_sent(&one.ready).await?;
        }
        Ok(())
    }

    /// Whether the time is over in which calls of an intent among them may start.
    fn too_late(&self, group: &[Rendered]) -> bool {
        let now = self.now();
        group.iter().filter_map(|one| one.ready.head.intent.as_ref()).any(|intent| intent.start_by < now)
    }

    /// What came before a group, or halving a refused bulk, took all the time that its intents allow. Nothing of it was sent, or it was
    /// `refused` whole, so that it begins anew; a step in doubt has to be looked up again first, and waits. Left to the next
    /// departure, a whole bulk would be refused again, and again not be halved to its end.
    async fn begin_anew(&self, group: Vec<Rendered>, refused: bool) -> Result<Vec<Rendered>> {
        let put_back: Vec<Result<Option<Rendered>>> = stream::iter(group)
            .map(|mut one| async move {
                // The attempt of one in doubt that was refused counts, so that its company shrinks.
                let count = if refused && one.is_in_doubt() { Count::Kept } else { Count::Forgiven };
                let soon = self.now() + FLOOR;
                let reason = if refused { TOGETHER } else { "it was not its turn in time" }.to_owned();
                let written = self.reschedule(&one.ready.head, soon, count, false, reason).await?;
                Ok(written.filter(|head| head.intent.is_none() && head.desired == one.ready.job.version).map(|head| {
                    one.ready.head = head;
                    one
                }))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let fresh = put_back.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        self.intend_all(fresh).await
    }

    /// Whether `error` is what orders were held for, with nothing accepted since: no single order is to blame for it then,
    /// and the hold goes on. Else everything that an ERP refuses for a while would be blamed one by one, at ten calls each.
    fn is_known(&self, error: &Error) -> bool {
        self.ledger.hold.as_ref().is_some_and(|hold| hold.because == error.to_string())
    }

    /// Whether all were refused for what orders were held for, and none is to be blamed yet.
    fn refused_as_known(&self, group: &[Rendered], outcomes: &[std::result::Result<Document, SendError>]) -> bool {
        group.iter().zip(outcomes).all(|(one, outcome)| {
            self.can(one.operation()).bulk == Bulk::Atomic
                && matches!(outcome, Err(SendError::Refused(error)) if self.is_known(error) && self.is_spared(one, error))
        })
    }

    /// Whether an order that was refused by itself may be tried again while the account is to blame. Not where that is a person's to
    /// allow, and not without an end.
    fn is_spared(&self, one: &Rendered, error: &Error) -> bool {
        let head = &one.ready.head;
        let person = self.can(one.operation()).class == Class::Nothing && one.is_in_doubt();
        let again =
            head.attempts >= REPEATED && head.reason.as_ref().is_some_and(|reason| *reason == error.to_string());
        !person && !again && head.attempts < self.account.max_attempts
    }

    /// One call, inside the time that its intents allow.
    async fn call(&self, operation: Operation, group: &[Rendered]) -> Vec<std::result::Result<Document, SendError>> {
        let start_by = group.iter().filter_map(|one| one.ready.head.intent.as_ref().map(|i| i.start_by)).min();
        self.slots.start_by(start_by).await;
        let drafts: Vec<Draft> = group.iter().map(|one| one.draft.clone()).collect();
        let outcomes = AssertUnwindSafe(self.account.erp.send(&self.metered, operation, &drafts)).catch_unwind().await;
        self.slots.start_by(None).await;
        let unknown = || SendError::Unknown(Error::new(Kind::Bug, "the connector failed while sending"));
        let mut outcomes = outcomes.unwrap_or_default();
        // A connector that answers for too few leaves the rest in doubt, never forgotten.
        outcomes.truncate(group.len());
        while outcomes.len() < group.len() {
            outcomes.push(Err(unknown()));
        }
        let orders: Vec<_> = group.iter().map(|one| &*one.ready.job.order).collect();
        discreet(outcomes, &orders)
    }

    /// The unique key refused some: they are in the ERP already. Look all up, adopt those, and send the others again.
    async fn adopt_existing(
        &mut self,
        operation: Operation,
        group: Vec<Rendered>,
        outcomes: Vec<std::result::Result<Document, SendError>>,
        groups: &mut Vec<Vec<Rendered>>,
    ) -> Result<()> {
        let atomic = self.can(operation).bulk == Bulk::Atomic;
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        for (one, outcome) in group.into_iter().zip(outcomes) {
            match outcome {
                _ if atomic => asked.push(one),
                Err(SendError::Exists) => asked.push(one),
                outcome => others.push((one, outcome)),
            }
        }
        for (one, outcome) in others {
            match outcome {
                Ok(document) => self.taken(&one, &document).await?,
                Err(send_error) => self.set_back(&one.ready, send_error).await?,
            }
        }
        let steps: Vec<_> = asked.iter().map(|one| one.ready.job.step.clone()).collect();
        let heads: Vec<_> = asked.iter().map(|one| one.ready.head.clone()).collect();
        let looked = self.look_up(&heads.iter().collect::<Vec<_>>(), &steps).await?;
        let (mut again, mut unfinished, mut adopted) = (Vec::new(), Vec::new(), false);
        for (one, looked) in asked.into_iter().zip(looked.answers) {
            match looked {
                Looked::Missing => again.push(one),
                // Its intent stands: looked up after settle.
                Looked::Refused { .. } | Looked::Unasked => {}
                Looked::There(found) => {
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
