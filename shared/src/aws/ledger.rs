//! The ledgers of accounts on DynamoDB: each operation of [`Ledger`] as conditional updates.
//!
//! A reservation is additive while slots are taken (busy) and absolute while none are (idle), within a day or at the start
//! of the next. Each of the four is an update of its own that holds only there; the item that comes back with a refusal says
//! which one applies, or, asked by the pure function, why there is no slot. A repeated or lost update can only waste slots.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::{
    expression::Update,
    head::json,
    item::{Item, Reader, damaged, nanos, number, text},
    keys::Key,
    table::{Outcome, Table},
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::AccountId,
        ledger::{Denied, Departed, Ledger, Limits, Purpose, Released, Request, Slots, Taken},
    },
    ports::Accounts,
};

/// How often an operation looks for the branch that applies while others change the item.
const ROUNDS: u32 = 12;

/// The ledgers of accounts.
#[derive(Clone)]
pub struct DynamoAccounts(Table);

/// Which of the four forms a reservation takes.
#[derive(Debug, Clone, Copy)]
struct Branch {
    /// The first reservation of a new day.
    fresh: bool,
    /// No slot is taken from now on.
    idle: bool,
}

impl Branch {
    fn of(ledger: &Ledger, limits: &Limits, now: Timestamp) -> Self {
        Self { fresh: limits.day(now).number > ledger.day, idle: ledger.tat.is_none_or(|tat| tat < now) }
    }
}

impl DynamoAccounts {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }

    async fn update(&self, of: &AccountId, update: Update) -> Result<Outcome> {
        self.0.update(Key::ledger(of), update).await
    }
}

#[async_trait]
impl Accounts for DynamoAccounts {
    async fn ledger(&self, of: &AccountId) -> Result<Ledger> {
        let item = self.0.get(Key::ledger(of)).await?;
        item.as_ref().map_or_else(|| Ok(Ledger::default()), read)
    }

    async fn take(
        &self,
        of: &AccountId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken> {
        let mut update = Update::default();
        let free = update.missing("holder");
        let endless = update.missing("lease_until");
        let ours = update.is("holder", "=", text(nonce));
        let over = update.is("lease_until", "<", nanos(now - clock_error));
        update
            .only_if(format!("({free} OR {endless} OR {ours} OR {over})"))
            .add("epoch", number(1))
            .set_once("mark", number(0))
            .set("holder", text(nonce))
            .set("lease_until", nanos(until));
        match self.update(of, update).await? {
            Outcome::Done(item) => Ok(Taken::Taken(read(&item)?)),
            Outcome::Refused(..) => Ok(Taken::Held),
        }
    }

    async fn mark(&self, of: &AccountId, now: Timestamp) -> Result<bool> {
        let mut update = Update::default();
        let held = update.exists("holder");
        let live = update.is("lease_until", ">=", nanos(now));
        update.only_if(held).only_if(live).add("mark", number(1));
        Ok(matches!(self.update(of, update).await?, Outcome::Done(_)))
    }

    async fn release(&self, of: &AccountId, epoch: u64, seen: Option<u64>) -> Result<Released> {
        let mut update = Update::default();
        let ours = update.is("epoch", "=", number(epoch));
        let held = update.exists("holder");
        update.only_if(ours).only_if(held).remove(&["holder", "lease_until"]);
        if let Some(seen) = seen {
            let unmarked = update.is("mark", "=", number(seen));
            update.only_if(unmarked);
        }
        match self.update(of, update).await? {
            Outcome::Done(_) => Ok(Released::Released),
            Outcome::Refused(None, _) => Ok(Released::Lost),
            Outcome::Refused(Some(item), repeated) => {
                let ledger = read(&item)?;
                Ok(match (ledger.epoch == epoch, &ledger.holder) {
                    (true, Some(_)) => Released::Marked(ledger.mark),
                    // Only we could release our epoch: the first of two equal requests did.
                    (true, None) if repeated => Released::Released,
                    _ => Released::Lost,
                })
            }
        }
    }

    async fn reserve(
        &self,
        of: &AccountId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>> {
        let mut branch = Branch { fresh: false, idle: false };
        for _ in 0..ROUNDS {
            let refused = match reservation(request, limits, now, branch) {
                Some(update) => match self.update(of, update).await? {
                    Outcome::Done(item) => {
                        let (ledger, spacing) = (read(&item)?, limits.spacing());
                        let first = ledger.tat.zip(run(request, limits)).map(|(tat, run)| tat - run);
                        let (first, strikes) = (first.ok_or_else(|| damaged("tat"))?, ledger.strikes);
                        return Ok(Ok(Slots { first, spacing, k: request.k, strikes }));
                    }
                    Outcome::Refused(item, _) => item.as_ref().map_or_else(|| Ok(Ledger::default()), read)?,
                },
                None => self.ledger(of).await?,
            };
            if let Err(denied) = refused.clone().reserve(request, limits, now) {
                return Ok(Err(denied));
            }
            branch = Branch::of(&refused, limits, now);
        }
        // Fail closed: without a reservation nobody may call.
        Err(Error::new(Kind::Unavailable, format!("the ledger of {of} is too busy: no send slot could be reserved")))
    }

    // Two facts, each written where it is news. Cut short in between, a block stands and is not counted: the next is no longer.
    async fn block(&self, of: &AccountId, until: Timestamp, because: &str, seen: u32) -> Result<()> {
        let mut block = Update::default();
        let later = block.missing_or("blocked_until", "<", nanos(until));
        block.only_if(later).set("blocked_until", nanos(until)).set("blocked_because", text(because));
        self.update(of, block).await?;
        let mut strike = Update::default();
        let uncounted = if seen == 0 {
            strike.missing_or("strikes", "=", number(0))
        } else {
            strike.is("strikes", "=", number(seen))
        };
        strike.only_if(uncounted).set("strikes", number(seen.saturating_add(1)));
        self.update(of, strike).await.map(drop)
    }

    async fn unblock(&self, of: &AccountId, now: Timestamp) -> Result<()> {
        let mut update = Update::default();
        let over = update.missing_or("blocked_until", "<=", nanos(now));
        update.only_if(over);
        update.set("strikes", number(0)).remove(&["blocked_until", "blocked_because"]);
        self.update(of, update).await.map(drop)
    }

    async fn poll(&self, of: &AccountId, epoch: u64) -> Result<Option<u64>> {
        let mut update = Update::default();
        let ours = update.is("epoch", "=", number(epoch));
        let held = update.exists("holder");
        update.only_if(ours).only_if(held).add("polls", number(1));
        // A request that is repeated counts twice: a number that no poll has is none the worse.
        match self.update(of, update).await? {
            Outcome::Done(item) => Ok(Some(read(&item)?.polls)),
            Outcome::Refused(..) => Ok(None),
        }
    }

    async fn departed(&self, of: &AccountId, epoch: u64, departed: &Departed) -> Result<()> {
        let mut update = Update::default();
        let ours = update.is("epoch", "=", number(epoch));
        let held = update.exists("holder");
        update.only_if(ours).only_if(held).set("per_departure", number(departed.calls));
        update.set("spent", json(&departed.spent)?);
        match departed.departs_at {
            Some(at) => update.set("departs_at", nanos(at)),
            None => update.remove(&["departs_at"]),
        };
        match &departed.hold {
            Some(waiting) => update.set("hold", json(waiting)?),
            None => update.remove(&["hold"]),
        };
        self.update(of, update).await.map(drop)
    }
}

/// From the first slot to the next free one; `None` if that is beyond all time.
fn run(request: &Request, limits: &Limits) -> Option<SignedDuration> {
    i32::try_from(request.k).ok().and_then(|k| limits.spacing().checked_mul(k))
}

/// [`Ledger::reserve`] as an update that holds only in `branch`; `None` if there it can hold for no item.
fn reservation(request: &Request, limits: &Limits, now: Timestamp, branch: Branch) -> Option<Update> {
    let (day, error, run) = (limits.day(now), limits.clock_error, run(request, limits)?);
    let other = if request.purpose == Purpose::Other { request.k } else { 0 };
    // What may be used before, so that `k` more stay within the day.
    let room = limits.per_day.checked_sub(request.k)?;
    let room_other = if other > 0 { limits.other_per_day().checked_sub(other)? } else { u32::MAX };
    // Every slot, sent as late and travelling as long as allowed, must be over before the reset.
    let last_first =
        (day.end - error - limits.lateness - limits.jitter).checked_sub(run).ok()?.min(now + request.reach(limits));
    if now < day.start + error || last_first < now {
        return None;
    }

    let mut update = Update::default();
    if let Some((epoch, until)) = request.lease {
        let ours = update.is("epoch", "=", number(epoch));
        let held = update.exists("holder");
        update.only_if(ours).only_if(held).set("lease_until", nanos(until));
    }
    let open = update.missing_or("blocked_until", "<=", nanos(now));
    update.only_if(open);

    let today = number(day.number);
    if branch.fresh {
        // Never backwards: a slow clock must not reopen yesterday.
        let later = update.missing_or("day", "<", today.clone());
        update.only_if(later).set("day", today).set("used", number(request.k)).set("used_other", number(other));
    } else {
        let same = update.is("day", "=", today);
        let left = update.is("used", "<=", number(room));
        update.only_if(same).only_if(left).add("used", number(request.k));
        if other > 0 {
            let left = update.missing_or("used_other", "<=", number(room_other));
            update.only_if(left).add("used_other", number(other));
        }
    }
    if branch.idle {
        let idle = update.missing_or("tat", "<", nanos(now));
        update.only_if(idle).set("tat", nanos(now + run));
    } else {
        let taken = update.is("tat", ">=", nanos(now));
        let near = update.is("tat", "<=", nanos(last_first));
        update.only_if(taken).only_if(near).add("tat", number(run.as_nanos()));
    }
    Some(update)
}

fn read(item: &Item) -> Result<Ledger> {
    let item = Reader(item);
    Ok(Ledger {
        holder: item.text_if("holder").map(str::to_owned),
        lease_until: item.nanos_if("lease_until")?,
        epoch: item.number("epoch")?,
        mark: item.number("mark")?,
        tat: item.nanos_if("tat")?,
        day: item.number("day")?,
        used: item.number("used")?,
        used_other: item.number("used_other")?,
        blocked_until: item.nanos_if("blocked_until")?,
        strikes: item.number("strikes")?,
        blocked_because: item.text_if("blocked_because").map(str::to_owned),
        departs_at: item.nanos_if("departs_at")?,
        per_departure: item.number("per_departure")?,
        spent: parsed(item, "spent")?.unwrap_or_default(),
        hold: parsed(item, "hold")?,
        polls: item.number("polls")?,
    })
}

/// What was written as JSON under `name`, if it is there.
fn parsed<T: DeserializeOwned>(item: Reader<'_>, name: &str) -> Result<Option<T>> {
    item.text_if(name).map(|text| serde_json::from_str(text).map_err(|_| damaged(name))).transpose()
}
