//! From jobs to documents on their way: prepare together, write the intents, go on in bulks.

use std::{collections::HashSet, panic::AssertUnwindSafe};

use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_A_TIME,
    batch::{Batch, Ready, Rendered},
    bulk::{halves, same_reason},
    discreet::discreet,
    ids::Cache,
    meter::LONGEST_START,
    outcome::{awaits, failed, refused},
    pace::{FLOOR, asked_for, backoff},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Operation, Step},
        event::Happened,
        reason::{Reason, Why},
        record::{Doubt, End, Head, Rest, Write, Written},
    },
    erp::{Draft, Job, SendError},
};

impl Batch<'_> {
    /// Sends jobs, operation by operation. What the ERP cannot do is a person's.
    pub(super) async fn send(&mut self, mut ready: Vec<Ready>, max_bulk: usize) -> Result<()> {
        for &operation in Operation::ALL {
            let (mut jobs, others): (Vec<_>, Vec<_>) =
                ready.into_iter().partition(|one| one.job.step.operation() == operation);
            ready = others;
            if operation == Operation::Cancel {
                jobs = self.possible_anew(jobs).await?;
            }
            match self.account.erp.can(operation) {
                Some(can) => self.send_all(operation, jobs, can.max_bulk.min(max_bulk)).await?,
                None => {
                    for one in &jobs {
                        self.refuse(one, Why::CannotDo { operation }.into()).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Of the sales that are to be cancelled and made anew, those that can be made: an unknown article must not leave an order without
    /// any sale.
    async fn possible_anew(&mut self, jobs: Vec<Ready>) -> Result<Vec<Ready>> {
        let (anew, mut possible): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|one| one.anew.is_some());
        if anew.is_empty() {
            return Ok(possible);
        }
        let as_made = |one: &Ready| {
            let step = Step::create(one.job.step.reference.clone());
            let order = one.anew.clone().unwrap_or_else(|| one.job.order.clone());
            let (job, head) = (Job { step, order, ..one.job.clone() }, one.head.clone());
            Ready { job, last: false, anew: None, head }
        };
        let rendered = self.prepare(Operation::Create, anew.iter().map(as_made).collect(), false).await?;
        let made: HashSet<_> = rendered.into_iter().map(|one| one.ready.job.key).collect();
        possible.extend(anew.into_iter().filter(|one| made.contains(&one.job.key)));
        Ok(possible)
    }

    /// Prepares jobs of one operation together, writes the intents of those that have none yet, and sends them in bulks.
    async fn send_all(&mut self, operation: Operation, jobs: Vec<Ready>, max_bulk: usize) -> Result<()> {
        if self.closing().await {
            return self.left_behind(jobs).await;
        }
        if jobs.is_empty() {
            return Ok(());
        }
        let mut rest = self.prepare(operation, jobs, false).await?.into_iter().peekable();
        while rest.peek().is_some() {
            let chunk: Vec<Rendered> = rest.by_ref().take(max_bulk.max(1)).collect();
            if self.closing().await {
                return self.left_behind(chunk.into_iter().chain(rest).map(|one| one.ready).collect()).await;
            }
            let chunk = self.intend_all(chunk).await?;
            self.send_bulk(operation, chunk).await?;
        }
        Ok(())
    }

    /// Nothing was sent of these: fresh ones are still due; the others get back the attempt that their intent counted.
    async fn left_behind(&mut self, left: Vec<Ready>) -> Result<()> {
        for ready in &left {
            self.not_sent(ready).await?;
        }
        Ok(())
    }

    pub(super) async fn prepare(
        &mut self,
        operation: Operation,
        ready: Vec<Ready>,
        afresh: bool,
    ) -> Result<Vec<Rendered>> {
        let (mut rendered, mut suspects) = (Vec::new(), Vec::new());
        // Whether the ERP answered for one of them, whatever it said.
        let mut answered = false;
        // Those that were refused together once already, with the words.
        let mut groups: Vec<(Vec<Ready>, Option<Error>)> = vec![(ready, None)];
        while let Some((group, known)) = groups.pop() {
            let decided = !suspects.is_empty() && (self.over().await || (!answered && same_reason(&suspects)));
            // What can be sent is sent while there is time for it: else a search that is longer than a departure keeps all waiting.
            let short = known.is_some() && !rendered.is_empty() && !self.slots.another_call_and_step_fit();
            if decided || short {
                groups.push((group, known));
                break;
            }
            let mut refused = Vec::new();
            for (ready, outcome) in self.render(operation, group, afresh).await {
                answered |= matches!(outcome, Ok(_) | Err(SendError::Refused(_)));
                match outcome {
                    Ok(draft) => rendered.push(Rendered { ready, draft, afresh }),
                    Err(SendError::Ambiguous(error)) => refused.push((ready, error)),
                    Err(send_error) => self.unprepared(ready, send_error).await?,
                }
            }
            if let [_, _, ..] = refused.as_slice() {
                // Together: halves tell whose it is.
                let error = refused.first().map(|(_, error)| error.clone());
                let refused = refused.into_iter().map(|(ready, _)| ready).collect();
                let (first, second) = halves(refused, self.epoch, |ready: &Ready| &ready.head);
                groups.extend([(second, error.clone()), (first, error)]);
            } else {
                suspects.append(&mut refused);
            }
        }
        let others_pass = answered || self.passed;
        self.judge(suspects.iter().map(|(ready, error)| (ready, error.clone())).collect(), others_pass).await?;
        for (group, known) in groups {
            for ready in group {
                match &known {
                    // The next departure tells it from those that never failed.
                    Some(error) if ready.head.intent.is_none() => {
                        self.defer(&ready, error, self.now() + FLOOR, true).await?;
                    }
                    _ => self.not_sent(&ready).await?,
                }
            }
        }
        Ok(rendered)
    }

    /// What the connector makes of each.
    async fn render(
        &self,
        operation: Operation,
        ready: Vec<Ready>,
        afresh: bool,
    ) -> Vec<(Ready, std::result::Result<Draft, SendError>)> {
        let jobs: Vec<Job> = ready.iter().map(|one| one.job.clone()).collect();
        let erp = &self.account.erp;
        let ids = Cache(self);
        let calls = self.calls(&ids);
        let together = AssertUnwindSafe(erp.prepare(&calls, operation, &jobs, afresh)).catch_unwind().await;
        let outcomes = if let Ok(outcomes) = together {
            outcomes
        } else {
            // One of them made the connector panic: each alone, so that it parks that one only.
            let mut outcomes = Vec::new();
            for job in &jobs {
                let one = std::slice::from_ref(job);
                let alone = AssertUnwindSafe(erp.prepare(&calls, operation, one, afresh)).catch_unwind().await;
                outcomes.push(
                    alone
                        .ok()
                        .and_then(|mut outcomes| outcomes.pop())
                        .unwrap_or_else(|| Err(SendError::Refused(Error::new(Kind::Bug, "").caused_by(Why::Bug)))),
                );
            }
            outcomes
        };
        let orders: Vec<_> = jobs.iter().map(|job| &*job.order).collect();
        let outcomes = discreet(outcomes, &orders);
        // What was begun here is over.
        self.slots.start_by(None).await;
        ready.into_iter().zip(outcomes).collect()
    }

    /// A job that could not be rendered: of its document nothing was sent.
    pub(super) async fn unprepared(&mut self, ready: Ready, send_error: SendError) -> Result<()> {
        if ready.head.intent.is_some() {
            return self.set_back(&ready, send_error).await;
        }
        match send_error {
            SendError::Refused(error) => self.refuse(&ready, refused(&error)).await?,
            SendError::NotNow(ref error) | SendError::Unknown(ref error) => {
                // A customer whose creation is in doubt is looked up again, once that can be trusted.
                let settle = match &send_error {
                    SendError::Unknown(_) => {
                        SignedDuration::try_from(self.account.erp.patience().settle).unwrap_or(LONGEST_START)
                    }
                    _ => SignedDuration::ZERO,
                };
                let due = self.now() + self.wait(error, ready.head.attempts).max(settle);
                self.defer(&ready, error, due, awaits(error)).await?;
            }
            // Still due; the ledger says when the account may be called again.
            SendError::Account(error) => self.close(&error).await?,
            SendError::Ambiguous(error) => self.judge(vec![(&ready, error)], false).await?,
            SendError::Exists => {}
        }
        Ok(())
    }

    /// A job of which nothing was sent waits. `forgiven`: that is no attempt of its own.
    pub(super) async fn defer(&self, ready: &Ready, error: &Error, due: Timestamp, forgiven: bool) -> Result<()> {
        let (head, reason) = (&ready.head, failed(error));
        let write = Write::Defer {
            desired: head.desired.clone(),
            steps: head.steps,
            epoch: self.epoch,
            due,
            floor: self.now() + FLOOR,
            forgiven,
            reason: reason.clone(),
        };
        if self.write(&head.key, write).await?.applied() {
            self.tell_why(&head.key, Happened::Deferred, &reason, None).await;
        }
        Ok(())
    }

    /// A job of which nothing was sent stops for a person.
    pub(super) async fn refuse(&mut self, ready: &Ready, reason: Reason) -> Result<()> {
        let head = &ready.head;
        if head.intent.is_some() {
            return self.park(head, &ready.job.version, Doubt::None, End::Parked, reason).await;
        }
        let rest = Rest::Stop { end: End::Parked, reason: reason.clone() };
        let (desired, steps) = (head.desired.clone(), head.steps);
        let write = Write::Rest { desired, steps, attempts: head.attempts, rest };
        if self.write(&head.key, write).await?.applied() {
            self.tell_why(&head.key, Happened::Parked, &reason, None).await;
        }
        Ok(())
    }

    pub(super) fn wait(&self, error: &Error, attempts: u32) -> SignedDuration {
        asked_for(error).unwrap_or_else(|| backoff(self.puente, attempts))
    }

    /// Writes the intent of a fresh step. `None`: the record changed meanwhile, it is planned anew.
    pub(super) async fn intend(&self, ready: &Ready) -> Result<Option<Head>> {
        let intent = self.intent(&ready.job, ready.last, false);
        let due = intent.settle_at.max(self.now() + backoff(self.puente, ready.head.attempts));
        let write = Write::Begin { desired: ready.head.desired.clone(), steps: ready.head.steps, intent, due };
        match self.write(&ready.job.key, write).await? {
            Written::Applied(head) => Ok(Some(head)),
            Written::Refused(_) => Ok(None),
        }
    }

    /// Only what has its intent on record may be sent.
    pub(super) async fn intend_all(&self, chunk: Vec<Rendered>) -> Result<Vec<Rendered>> {
        let intended: Vec<Result<Option<Rendered>>> = stream::iter(chunk)
            .map(|mut one| async move {
                if one.ready.head.intent.is_none() {
                    let Some(head) = self.intend(&one.ready).await? else { return Ok(None) };
                    one.ready.head = head;
                    if let Some(remark) = &one.draft.remark {
                        let attempt = one.ready.head.intent.as_ref().map(|intent| &intent.attempt);
                        self.tell(&one.ready.head.key, Happened::Booked, Some(remark), attempt).await;
                    }
                }
                Ok(Some(one))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        intended.into_iter().filter_map(Result::transpose).collect()
    }
}
