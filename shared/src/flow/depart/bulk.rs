//! One bulk call. While an atomic ERP refuses it, it is halved; documents that the ERP says it already has are looked up and adopted.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, StreamExt, stream};

use super::{
    AT_A_TIME,
    batch::{Batch, Rendered},
    discreet::discreet,
    ids::Cache,
    look_up::Looked,
    meter::End,
    outcome::failed_before,
    pace::FLOOR,
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation},
        event::Event,
        ledger::Denied,
        reason::Why,
        record::{Count, Head},
    },
    erp::{Bulk, Class, Draft, SendError},
};

/// If so many orders are refused one by one in the same words, and none is accepted, the account is to blame and no order.
const ALIKE: usize = 3;

/// After so many attempts an order that is refused once more in the same words is to blame, whatever happens to others.
pub(super) const REPEATED: u32 = 3;

/// Whether enough orders were refused one by one, in the same words, to blame the account.
pub(super) fn same_reason<T>(refused: &[(T, Error)]) -> bool {
    let same = |pair: &[(T, Error)]| matches!(pair, [(_, a), (_, b)] if a.is_alike(b));
    refused.len() >= ALIKE && refused.windows(2).all(same)
}

/// Splits a group that was refused together: orders that failed before go second, apart from those that did not. Among equals each
/// `turn` draws the line elsewhere: always there, it could leave the same ones in the guilty one's company for good.
pub(super) fn halves<T>(mut group: Vec<T>, turn: u64, head: impl Fn(&T) -> &Head) -> (Vec<T>, Vec<T>) {
    let by = usize::try_from(turn).unwrap_or_default() % group.len().max(1);
    group.rotate_left(by);
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
        // Orders that were refused alone, in answers that do not say why.
        let mut suspects: Vec<(Rendered, Error)> = Vec::new();
        // The words in which a whole group was last refused, and whether a part of a refused group is left to another departure.
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
                // Whether the group was already refused as part of a larger one.
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
            // Asked of each order: in a halved bulk some ids may have been resolved again, and others not.
            let refreshed = group.iter().all(|one| one.afresh);
            if together && !refreshed && !self.refused_as_known(&group, &outcomes) {
                // Perhaps a remembered id is stale: resolve once more before blaming anybody.
                words = refusal(outcomes);
                let ready = group.into_iter().map(|one| one.ready).collect();
                groups.push(self.prepare(operation, ready, true).await?);
                continue;
            }
            let unexplained = outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Ambiguous(_))));
            if (together || unexplained) && group.len() > 1 {
                words = refusal(outcomes);
                let (first, second) = halves(group, self.epoch, |one| &one.ready.head);
                groups.extend([second, first]);
                continue;
            }
            if outcomes.iter().any(|outcome| matches!(outcome, Err(SendError::Exists))) {
                self.adopt_existing(operation, group, outcomes, &mut groups).await?;
                continue;
            }
            if let Some(error) = all_unknown(&outcomes) {
                // No order was answered: the account may be in trouble, and the next hundred orders must not be put in doubt too.
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
                    // A remembered id may be stale: resolved once more before the order is blamed.
                    Err(SendError::Refused(_)) if bulk == Bulk::PerItem && !one.afresh => stale.push(one.ready),
                    // Decided after the loop: only then is it known whether the order or the account is to blame.
                    Err(SendError::Refused(error)) if bulk == Bulk::Atomic => refused.push((one, error)),
                    Err(SendError::Ambiguous(error)) => suspects.push((one, error)),
                    Err(send_error) => {
                        accepted |= matches!(send_error, SendError::Refused(_));
                        self.set_back(&one.ready, send_error).await?;
                    }
                }
            }
            if !stale.is_empty() {
                groups.push(self.prepare(operation, stale, true).await?);
            }
        }
        // If the loop ended early and nothing was accepted, nobody knows yet whether orders or the account are to blame. One order goes
        // first then, as after any block: the whole bulk would only be cut short again.
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
        // A refusal with reasons is an answer too.
        self.passed |= accepted || (!account_is_to_blame && !refused.is_empty());
        let told = suspects.iter().map(|(one, error)| (&one.ready, error.clone())).collect();
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

    /// Whether `start_by` of an intent among them has passed.
    fn too_late(&self, group: &[Rendered]) -> bool {
        let now = self.now();
        group.iter().filter_map(|one| one.ready.head.intent.as_ref()).any(|intent| intent.start_by < now)
    }

    /// `start_by` passed while earlier calls were made, or while a bulk was halved. Nothing of this group is booked (it was not sent, or
    /// `refused` as a whole), so that fresh intents are written and it goes on now: left to the next departure, a bulk would be refused
    /// as a whole again, and never be halved to its end. A step in doubt needs a new look-up first, and waits.
    async fn begin_anew(&self, group: Vec<Rendered>, refused: bool) -> Result<Vec<Rendered>> {
        let put_back: Vec<Result<Option<Rendered>>> = stream::iter(group)
            .map(|mut one| async move {
                // The attempt of an order in doubt that was refused counts, so that its next bulk is smaller.
                let count = if refused && one.is_in_doubt() { Count::Kept } else { Count::Forgiven };
                let soon = self.now() + FLOOR;
                let reason = if refused { Why::Together } else { Why::NotItsTurn }.into();
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

    /// Whether orders are held for this very `error`, and none was accepted since. Then no single order is to blame and the hold goes
    /// on: else an ERP that refuses everything for a while would have order after order blamed, at ten calls each.
    fn is_known(&self, error: &Error) -> bool {
        self.ledger.hold.as_ref().is_some_and(|hold| hold.because == error.to_string())
    }

    /// Whether all were refused for the reason that orders are held for, and none of them is to blame yet.
    fn refused_as_known(&self, group: &[Rendered], outcomes: &[std::result::Result<Document, SendError>]) -> bool {
        group.iter().zip(outcomes).all(|(one, outcome)| {
            self.can(one.operation()).bulk == Bulk::Atomic
                && matches!(outcome, Err(SendError::Refused(error)) if self.is_known(error) && self.is_spared(one, error))
        })
    }

    /// Whether an order that was refused alone may be tried again while the account is to blame: not where only a person may allow that
    /// (in doubt, in an ERP that cannot be asked), and at most `max_attempts` times.
    fn is_spared(&self, one: &Rendered, error: &Error) -> bool {
        let head = &one.ready.head;
        let person = self.can(one.operation()).class == Class::Nothing && one.is_in_doubt();
        let again =
            head.attempts >= REPEATED && head.reason.as_ref().is_some_and(|reason| reason.words() == error.to_string());
        !person && !again && head.attempts < self.account.max_attempts
    }

    /// One call, inside the time that its intents allow.
    async fn call(&self, operation: Operation, group: &[Rendered]) -> Vec<std::result::Result<Document, SendError>> {
        let start_by = group.iter().filter_map(|one| one.ready.head.intent.as_ref().map(|i| i.start_by)).min();
        self.slots.start_by(start_by).await;
        let drafts: Vec<Draft> = group.iter().map(|one| one.draft.clone()).collect();
        let ids = Cache(self);
        let calls = self.calls(&ids);
        let outcomes = AssertUnwindSafe(self.account.erp.send(&calls, operation, &drafts)).catch_unwind().await;
        self.slots.start_by(None).await;
        let unknown = || SendError::Unknown(Error::new(Kind::Bug, "the connector failed while sending"));
        let mut outcomes = outcomes.unwrap_or_default();
        // If a connector answers for too few, the rest is in doubt: looked up later, and not forgotten.
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
                Looked::Gone => self.gone(&one.ready.head).await?,
                // Its intent stays on record: looked up again once it has settled.
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
            // Refused because they exist, and not found: in doubt, and looked up again once they have settled.
            self.puente.tell.of(&Event::ExistsUnfound { erp: &self.account.id, orders: again.len() });
        }
        Ok(())
    }
}
