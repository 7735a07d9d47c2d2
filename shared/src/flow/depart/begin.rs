//! Orders without an intent: each is planned by itself, and those that need a step are sent.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{StreamExt, stream};

use super::{
    AT_A_TIME,
    batch::{Batch, Ready},
    look_up::Looked,
    plan::{Next, Plan, plan},
};
use crate::{
    Kind, Result,
    domain::{
        event::Happened,
        message::{Arrival, Message, News},
        reason::Why,
        record::{End, Head, QUESTION, Rest, Write},
    },
    erp::Job,
    flow::record,
    parties::Connection,
};

impl Batch<'_> {
    /// Plans the orders without an intent, and sends those that need a step.
    pub(super) async fn begin(&mut self, heads: Vec<Head>) -> Result<()> {
        let planned: Vec<Result<Option<Ready>>> =
            stream::iter(&heads).map(|head| self.plan(head)).buffered(AT_A_TIME).collect().await;
        let mut ready = planned.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        if self.account.look_up_first && !ready.is_empty() {
            ready = self.look_up_first(ready).await?;
        }
        self.send(ready, usize::MAX).await
    }

    /// After a restore from a backup the ERP may hold more than the records know: everything is looked up first.
    pub(super) async fn look_up_first(&mut self, ready: Vec<Ready>) -> Result<Vec<Ready>> {
        let steps: Vec<_> = ready.iter().map(|one| one.job.step.clone()).collect();
        let looked = self.look_up(&ready.iter().map(|one| &one.head).collect::<Vec<_>>(), &steps).await?;
        let mut missing = Vec::new();
        for (one, looked) in ready.into_iter().zip(looked.answers) {
            match looked {
                Looked::Missing => missing.push(one),
                Looked::Refused { error, .. } => self.judge(vec![(&one, error)], true).await?,
                // Still due; the ledger says when the account may be asked again.
                Looked::Unasked => {}
                Looked::There(found) => {
                    let Some(head) = self.intend(&one).await? else { continue };
                    if found.finished {
                        self.adopt(&head, &found).await?;
                    } else {
                        self.finish(vec![(&head, found)]).await?;
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Plans one order. `Ok(None)`: its record was written, nothing more to do now.
    async fn plan(&self, head: &Head) -> Result<Option<Ready>> {
        // If the question is lost again and again, the order is given up below like any other.
        if head.desired.is_unread() && head.attempts < self.account.max_attempts {
            return self.ask_again(head).await.map(|()| None);
        }
        let connection = self.connection(&head.key).await?;
        let plan = match self.planned(head, &connection).await {
            // One payload that cannot be read must not keep the whole account waiting.
            Err(error) if error.kind() == Kind::Unreadable => {
                stop(End::Parked, Why::Unreadable { words: error.to_string() })
            }
            plan => plan?,
        };
        match plan {
            Plan::Take(Next { step, order, last }) => Ok(Some(Ready {
                job: Job {
                    key: head.key.clone(),
                    step,
                    version: head.desired.clone(),
                    order,
                    rules: Arc::new(connection.orders.clone()),
                },
                last,
                head: head.clone(),
            })),
            Plan::Rest(rest) => {
                let (what, reason) = match &rest {
                    Rest::Synced => (Happened::Synced, Why::StaysAsItIs.into()),
                    Rest::Stop { end, reason } => ((*end).into(), reason.clone()),
                };
                let (desired, steps) = (head.desired.clone(), head.steps);
                let write = Write::Rest { desired, steps, attempts: head.attempts, rest };
                if self.write(&head.key, write).await?.applied() {
                    self.tell_why(&head.key, what, &reason, None).await;
                }
                Ok(None)
            }
        }
    }

    /// The message that asks the store for this order's content was lost. It is sent again first, then the record waits for it anew:
    /// a crash in between asks twice, and never not at all.
    async fn ask_again(&self, head: &Head) -> Result<()> {
        let question = Message::Arrival(Arrival::new(head.key.clone(), self.now(), "asked again", News::Changed));
        self.puente.queue.send(&[question], Duration::ZERO).await?.into_iter().collect::<Result<()>>()?;
        let defer = Write::Defer {
            desired: head.desired.clone(),
            steps: head.steps,
            epoch: self.epoch,
            due: self.now() + QUESTION,
            floor: self.now(),
            forgiven: false,
            reason: Why::QuestionLost.into(),
        };
        self.write(&head.key, defer).await.map(drop)
    }

    async fn planned(&self, head: &Head, connection: &Connection) -> Result<Plan> {
        if head.attempts >= self.account.max_attempts {
            let why = Why::GaveUp { attempts: head.attempts, last: head.reason.clone().map(Box::new) };
            self.bury(&head.key, &why.words()).await?;
            return Ok(stop(End::Dead, why));
        }
        let Some(order) = self.order(&head.key, &head.desired).await? else {
            return Ok(stop(End::Parked, Why::Unreadable { words: record::why_raw(head) }));
        };
        let mut in_erp = None;
        if let Some(version) = head.held() {
            in_erp = self.order(&head.key, version).await?;
            if in_erp.is_none() {
                // Going on as if the ERP held nothing would create a second sale.
                return Ok(stop(End::Parked, Why::StateMissing));
            }
        }
        // A panic in one order's own work parks that order and costs its batchmates nothing.
        let isolated = AssertUnwindSafe(|| plan(head, order, in_erp.as_ref(), &connection.orders));
        Ok(std::panic::catch_unwind(isolated).unwrap_or_else(|_| stop(End::Parked, Why::Bug)))
    }
}

fn stop(end: End, why: Why) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: why.into() })
}
