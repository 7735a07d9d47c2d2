//! Orders without an intent: each is planned by itself, and those that need a step are sent.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{StreamExt, stream};

use super::{
    AT_A_TIME,
    batch::{Batch, Ready},
    look_up::Looked,
    plan::{Known, Next, Plan, plan, waits_for_a_person},
};
use crate::{
    Kind, Result,
    domain::{
        document::Step,
        event::Happened,
        message::{Arrival, Message, News},
        order::Order,
        reason::{Reason, Why},
        record::{End, Head, QUESTION, Rest, Write},
        version::Version,
    },
    erp::{Found, Job},
    flow::record,
    parties::Connection,
};

/// What planning made of an order.
enum Begun {
    /// It needs a step.
    Ready(Box<Ready>),
    /// It needs a step, and nobody kept what its sale carries.
    Unidentified(Box<Ready>),
    /// Its record was written: nothing more to do now.
    Rests,
}

impl Batch<'_> {
    /// Plans the orders without an intent, and sends those that need a step.
    pub(super) async fn begin(&mut self, heads: Vec<Head>) -> Result<()> {
        let planned: Vec<Result<Begun>> =
            stream::iter(&heads).map(|head| self.plan(head)).buffered(AT_A_TIME).collect().await;
        let (mut ready, mut unidentified) = (Vec::new(), Vec::new());
        for begun in planned {
            match begun? {
                Begun::Ready(one) => ready.push(*one),
                Begun::Unidentified(one) => unidentified.push(*one),
                Begun::Rests => {}
            }
        }
        self.identify(unidentified).await?;
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
                Looked::Gone => self.refuse(&one, sale_gone(&one.head)).await?,
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

    /// Sales that an earlier release booked, which did not keep what they carry, and that are to be changed now: what they carry is read
    /// in the ERP and put on record, and they are planned anew.
    async fn identify(&mut self, ready: Vec<Ready>) -> Result<()> {
        let sale = |one: &Ready| one.head.sale().map(|sale| Step::create(sale.reference.clone()));
        let steps: Vec<Step> = ready.iter().filter_map(sale).collect();
        let looked = self.look_up(&ready.iter().map(|one| &one.head).collect::<Vec<_>>(), &steps).await?;
        for (one, looked) in ready.iter().zip(looked.answers) {
            match looked {
                Looked::There(Found { version: Some(version), cancelled: false, .. }) => {
                    self.book(&one.head, &version).await?;
                }
                Looked::There(Found { document, cancelled: false, .. }) => {
                    let document = document.name().to_owned();
                    self.refuse(one, Why::ForeignDocument { document }.into()).await?;
                }
                Looked::There(_) | Looked::Missing | Looked::Gone => self.refuse(one, sale_gone(&one.head)).await?,
                Looked::Refused { error, .. } => self.judge(vec![(one, error)], true).await?,
                // Still due; the ledger says when the account may be asked again.
                Looked::Unasked => {}
            }
        }
        Ok(())
    }

    /// The sale of `head` carries `version`.
    async fn book(&self, head: &Head, version: &Version) -> Result<()> {
        let mut booked = head.booked.clone();
        for sale in booked.iter_mut().filter(|entry| entry.is_live_sale()) {
            sale.version = Some(version.clone());
        }
        let write = Write::Book { desired: head.desired.clone(), steps: head.steps, booked };
        self.write(&head.key, write).await.map(drop)
    }

    /// Plans one order.
    async fn plan(&self, head: &Head) -> Result<Begun> {
        // If the question is lost again and again, the order is given up below like any other.
        if head.desired.is_unread() && head.attempts < self.account.max_attempts {
            return self.ask_again(head).await.map(|()| Begun::Rests);
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
            Plan::Take(Next { step, order, last, anew }) => {
                let (key, version) = (head.key.clone(), head.desired.clone());
                let job = Job { key, step, version, order, rules: Arc::new(connection.orders.clone()) };
                let one = Box::new(Ready { job, last, anew, head: head.clone() });
                let known = head.sale().is_none_or(|sale| sale.version.is_some());
                Ok(if known { Begun::Ready(one) } else { Begun::Unidentified(one) })
            }
            Plan::Rest(rest) => self.rest(head, rest).await.map(|()| Begun::Rests),
        }
    }

    /// Planning found no step.
    async fn rest(&self, head: &Head, rest: Rest) -> Result<()> {
        let (what, reason) = match &rest {
            Rest::Synced => (Happened::Synced, Why::StaysAsItIs.into()),
            Rest::Stop { end, reason } => ((*end).into(), reason.clone()),
        };
        let (desired, steps) = (head.desired.clone(), head.steps);
        let write = Write::Rest { desired, steps, attempts: head.attempts, rest };
        if self.write(&head.key, write).await?.applied() {
            self.tell_why(&head.key, what, &reason, None).await;
        }
        Ok(())
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
        let contents = self.contents(head).await?;
        Ok(self.with_known(head, &contents, connection, |known| plan(known, order)))
    }

    /// The contents that the order's documents carry, but for `desired`.
    pub(super) async fn contents(&self, head: &Head) -> Result<HashMap<Version, Order>> {
        let mut contents = HashMap::new();
        let standing = head.booked.iter().filter(|entry| !entry.cancelled);
        let carried = standing.filter_map(|entry| entry.version.as_ref().or(head.applied.as_ref()));
        for version in carried.filter(|version| **version != head.desired) {
            if !contents.contains_key(version)
                && let Some(order) = self.order(&head.key, version).await?
            {
                contents.insert(version.clone(), order);
            }
        }
        Ok(contents)
    }

    /// What planning has to know of an order. A panic in one order's own work parks that order and costs its batchmates nothing.
    pub(super) fn with_known(
        &self,
        head: &Head,
        contents: &HashMap<Version, Order>,
        connection: &Connection,
        planned: impl FnOnce(&Known<'_>) -> Plan,
    ) -> Plan {
        let mut booked = head.booked.clone();
        // Of a sale whose version nobody kept: it was at rest with that one, and is looked up before anything is done to it.
        for entry in booked.iter_mut().filter(|entry| entry.version.is_none()) {
            entry.version.clone_from(&head.applied);
        }
        let known = Known {
            key: &head.key,
            booked: &booked,
            contents,
            version: &head.desired,
            by_hand: waits_for_a_person(head),
            rules: &connection.orders,
            can: &|operation| self.account.erp.can(operation).is_some(),
        };
        let isolated = AssertUnwindSafe(|| planned(&known));
        std::panic::catch_unwind(isolated).unwrap_or_else(|_| stop(End::Parked, Why::Bug))
    }
}

/// The sale on record is not in the ERP any more.
pub(super) fn sale_gone(head: &Head) -> Reason {
    let document = head.document().map(|sale| sale.name().to_owned()).unwrap_or_default();
    Why::SaleGone { document }.into()
}

fn stop(end: End, why: Why) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: why.into() })
}
