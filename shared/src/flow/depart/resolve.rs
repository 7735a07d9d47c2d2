//! Orders with a step of unknown outcome, after its settle time: looked up, adopted where the ERP has it, sent again with the
//! same content where it has not.

use std::{collections::HashMap, sync::Arc};

use super::{
    batch::{Batch, Ready},
    begin::sale_gone,
    bulk::REPEATED,
    ids::Cache,
    look_up::Looked,
    outcome::{failed, stuck},
    pace::backoff,
    plan::{Next, Plan, again},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation},
        event::Happened,
        reason::Why,
        record::{Count, Doubt, End, Head, Intent, Rest, Write, Written},
    },
    erp::{Class, Found, Job, SendError},
};

impl Batch<'_> {
    /// Looks up the steps of unknown outcome: adopts what is there, sends the same content again where nothing is.
    pub(super) async fn resolve(&mut self, heads: Vec<Head>) -> Result<()> {
        let (for_a_person, heads): (Vec<Head>, Vec<Head>) =
            heads.into_iter().partition(|head| self.class(head) == Class::Nothing);
        self.hand_over(for_a_person).await?;
        let mut again = Vec::new();
        for chunk in heads.chunks(100) {
            let steps: Vec<_> =
                chunk.iter().filter_map(|head| head.intent.as_ref().map(|intent| intent.step.clone())).collect();
            let looked = self.look_up(&chunk.iter().collect::<Vec<_>>(), &steps).await?;
            let mut unfinished = Vec::new();
            for (head, looked) in chunk.iter().zip(looked.answers) {
                match looked {
                    Looked::Missing => again.extend(self.resend(head).await?),
                    Looked::There(found) if found.finished => self.adopt(head, &found).await?,
                    Looked::There(found) => unfinished.push((head, found)),
                    Looked::Gone => self.gone(head).await?,
                    Looked::Refused { error, refused } => self.not_to_be_asked_for(head, &error, refused).await?,
                    // Its intent stays on record and it is still due; the account is left alone for a while.
                    Looked::Unasked => {}
                }
            }
            self.finish(unfinished).await?;
            if let Some(error) = looked.failed {
                if let [alone] = chunk {
                    self.postpone(alone, &error).await?;
                }
                break;
            }
        }
        self.send_again(again).await
    }

    /// How far the ERP protects itself from a second step like the one on record.
    fn class(&self, head: &Head) -> Class {
        head.intent.as_ref().map_or(Class::Nothing, |intent| self.can(intent.step.operation()).class)
    }

    /// One poison order that makes the ERP fail on the whole bulk must not drag its batchmates to the end of their attempts:
    /// each further attempt travels in a bulk a quarter of the size.
    async fn send_again(&mut self, again: Vec<Ready>) -> Result<()> {
        let attempts = again.iter().map(|one| one.head.attempts).max().unwrap_or(0);
        let max_bulk = again.len() >> attempts.saturating_sub(1).saturating_mul(2).min(16);
        self.send(again, max_bulk.max(1)).await
    }

    /// An ERP that can neither refuse a second document nor be asked: at most once, the rest is a person's.
    async fn hand_over(&mut self, heads: Vec<Head>) -> Result<()> {
        for head in heads {
            let Some(intent) = &head.intent else { continue };
            if head.is_let_go() {
                // A person replayed it, which confirms that the document is missing. It is sent alone, so that an order that makes the
                // ERP fail cannot put others in doubt; and begun only when it is its turn, or a departure that ends before that
                // would hand it over again although nothing was sent.
                if self.closing().await {
                    continue;
                }
                let ready = self.resend(&head).await?;
                self.send(ready.into_iter().collect(), 1).await?;
                continue;
            }
            let (reference, operation) = (intent.step.reference.clone(), Some(intent.step.operation()));
            let reason = Why::NeverAnswered { reference, operation }.into();
            self.park(&head, &head.desired, Doubt::Stands, End::Parked, reason).await?;
        }
        Ok(())
    }

    /// The ERP refuses to look up this order, which is in doubt, and answers for others. That costs an attempt: nothing else would ever
    /// end it.
    async fn not_to_be_asked_for(&mut self, head: &Head, error: &Error, refused: bool) -> Result<()> {
        let Some(intent) = &head.intent else { return Ok(()) };
        let tried = head.attempts + 1;
        let gives_up = tried >= self.account.max_attempts;
        let ends = gives_up || (refused && tried >= REPEATED);
        if !ends {
            let later = self.now() + backoff(self.puente, tried.max(4));
            return self.reschedule(head, later, Count::Added, true, failed(error)).await.map(drop);
        }
        let (reference, operation) = (intent.step.reference.clone(), Some(intent.step.operation()));
        let why = Why::NotLookedUp { reference, words: error.to_string(), operation };
        // Whatever version comes next has to be looked up too.
        let doubt = if self.class(head) == Class::Key { Doubt::Bound } else { Doubt::Stands };
        if !refused {
            self.bury(&head.key, &why.words()).await?;
        }
        let end = if refused { End::Parked } else { End::Dead };
        self.park(head, &head.desired, doubt, end, why.into()).await
    }

    /// The ERP does not say whether it has this order: it is looked up later, behind the others. Asked about first after every block, it
    /// would keep the whole account closed.
    async fn postpone(&mut self, head: &Head, error: &Error) -> Result<()> {
        if self.slots.held_back().await {
            return Ok(());
        }
        let later = self.now() + backoff(self.puente, head.attempts.max(4));
        self.reschedule(head, later, Count::Kept, true, failed(error)).await.map(drop)
    }

    /// The sale that the step is about is gone: only a person can say what was meant by that.
    pub(super) async fn gone(&mut self, head: &Head) -> Result<()> {
        self.park(head, &head.desired, Doubt::Stands, End::Parked, sale_gone(head)).await
    }

    /// The ERP holds the step's document: the record says so, with the version the document carries.
    pub(super) async fn adopt(&mut self, head: &Head, found: &Found) -> Result<()> {
        // What a cancelled sale carries is no matter any more.
        let cancelled = head.intent.as_ref().filter(|intent| intent.step.operation() == Operation::Cancel);
        let version = cancelled.map(|intent| &intent.planned).or(found.version.as_ref());
        let Some(version) = version else {
            let reason = Why::ForeignDocument { document: found.document.name().to_owned() }.into();
            return self.park(head, &head.desired, Doubt::Stands, End::Parked, reason).await;
        };
        self.complete(head, version, &found.document, Happened::Adopted).await
    }

    /// Found, but not in the configured state yet.
    pub(super) async fn finish(&mut self, mut unfinished: Vec<(&Head, Found)>) -> Result<()> {
        for &operation in Operation::ALL {
            let of = |(head, _): &(&Head, Found)| {
                head.intent.as_ref().is_some_and(|intent| intent.step.operation() == operation)
            };
            let (found, others): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(of);
            unfinished = others;
            if !found.is_empty() {
                self.finish_all(operation, found).await?;
            }
        }
        Ok(())
    }

    async fn finish_all(&mut self, operation: Operation, unfinished: Vec<(&Head, Found)>) -> Result<()> {
        let documents: Vec<Document> = unfinished.iter().map(|(_, found)| found.document.clone()).collect();
        let outcomes = self.account.erp.finish(&self.calls(&Cache(self)), operation, &documents).await;
        for ((head, mut found), outcome) in unfinished.into_iter().zip(outcomes) {
            match outcome {
                Ok(document) => {
                    found.document = document;
                    self.adopt(head, &found).await?;
                }
                Err(SendError::Refused(error)) => {
                    let error = self.discreet_about(error, &[head]).await;
                    let document = found.document.name().to_owned();
                    let reason = stuck(document, &error);
                    self.park(head, &head.desired, Doubt::Stands, End::Parked, reason).await?;
                }
                // The document is there, and not in the state it should have: the step stays in doubt.
                Err(SendError::Account(error)) => {
                    let error = self.discreet_about(error, &[head]).await;
                    self.close(&error).await?;
                    self.postpone(head, &error).await?;
                }
                Err(SendError::NotNow(error) | SendError::Ambiguous(error) | SendError::Unknown(error)) => {
                    let error = self.discreet_about(error, &[head]).await;
                    if !self.slots.held_back().await {
                        self.hold([&head.key], &error);
                    }
                    self.postpone(head, &error).await?;
                }
                Err(SendError::Exists) => {}
            }
        }
        Ok(())
    }

    /// Looked up after its settle time and not there: the same step with the same content, still in doubt.
    async fn resend(&mut self, head: &Head) -> Result<Option<Ready>> {
        let Some(intent) = &head.intent else { return Ok(None) };
        if head.attempts >= self.account.max_attempts {
            let why = Why::NeverArrived { attempts: head.attempts };
            // An ERP that knows the key answers whatever comes next with this step's document, so that no version can leave before it.
            // Elsewhere a newer one can, and has attempts of its own.
            let (judged, doubt) = match self.class(head) {
                Class::Key => (&head.desired, Doubt::Bound),
                _ => (&intent.planned, Doubt::Stands),
            };
            if *judged == head.desired {
                self.bury(&head.key, &why.words()).await?;
            }
            self.park(head, judged, doubt, End::Dead, why.into()).await?;
            return Ok(None);
        }
        // After a refusal for good newer content may be sent. The look-up that was just made was needed all the same.
        let content = if intent.refused { &head.desired } else { &intent.planned };
        let connection = self.connection(&head.key).await?;
        let order = match self.order(&head.key, content).await {
            Ok(Some(order)) => order,
            Ok(None) => {
                self.park(head, content, Doubt::Stands, End::Parked, Why::ContentGone.into()).await?;
                return Ok(None);
            }
            Err(error) if error.kind() == Kind::Unreadable => {
                let reason = Why::Unreadable { words: error.to_string() }.into();
                self.park(head, content, Doubt::Stands, End::Parked, reason).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let contents = match self.contents(head).await {
            Err(error) if error.kind() == Kind::Unreadable => HashMap::new(),
            contents => contents?,
        };
        let planned = self.with_known(head, &contents, &connection, |known| again(intent, known, order));
        let (end, reason) = match planned {
            Plan::Take(Next { step, order, last, .. }) => {
                let rules = Arc::new(connection.orders.clone());
                let job = Job { key: head.key.clone(), step, version: content.clone(), order, rules };
                return self.send_once_more(head, intent, job, last).await;
            }
            // Nobody wants it, and a person has looked: it is planned anew.
            Plan::Rest(_) if head.is_let_go() => {
                let lift = Write::Lift { looked_up: intent.attempt.clone() };
                self.write(&head.key, lift).await?;
                return Ok(None);
            }
            Plan::Rest(Rest::Stop { end, reason }) => (end, reason),
            Plan::Rest(Rest::Synced) => (End::Parked, Why::NothingToSend.into()),
        };
        self.park(head, content, Doubt::Stands, end, reason).await?;
        Ok(None)
    }

    /// On record before anything else is tried: from here every failure knows of the doubt.
    async fn send_once_more(&self, head: &Head, intent: &Intent, job: Job, last: bool) -> Result<Option<Ready>> {
        let next = self.intent(&job, last, true);
        let due = next.settle_at.max(self.now() + backoff(self.puente, head.attempts));
        let write = Write::Resend { looked_up: intent.attempt.clone(), intent: next, due };
        match self.write(&head.key, write).await? {
            Written::Applied(head) => Ok(Some(Ready { job, last, anew: None, head })),
            Written::Refused(_) => Ok(None),
        }
    }
}
