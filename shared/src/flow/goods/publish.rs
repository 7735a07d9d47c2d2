//! Bringing a store the numbers of stock that are due.
//!
//! A pass lists the store's orders first, so that what it sold and no
//! webhook told of is committed; then it reads what the store has, where that is in doubt; then it computes the numbers, from the
//! shelves as they are at that moment, and writes those that differ. Every number has its intent on record before its first byte.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    article::{self, AT_A_TIME, Article},
    commit::selling_of,
    pass::{CALL, Conducted, DISAGREES, REFUSED, SETTLE, one_each},
};
use crate::{
    Result,
    domain::{
        event::Event,
        goods::{
            GoodsWrite, InStore, Listing, Mark, Pending, ShelfId, Sku, Tell,
            number::{Keeps, Number, Outlet},
        },
        ids::{AccountId, AttemptId},
        sign::{Fact, Party},
    },
    flow::{
        Puente,
        ask::{Ask, Errand},
        depart,
        tasks::backfill,
    },
    parties::{Connection, Selling},
    store::goods::{NewStock, NotSet, Stocked},
};

/// Brings numbers to a store, under the lease of its conductor.
pub(super) struct Publisher<'a> {
    pub(super) puente: &'a Puente,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) own: &'a Selling,
    pub(super) selling: &'a [Selling],
    pub(super) epoch: u64,
    pub(super) until: Timestamp,
    /// Whether numbers are written; otherwise what the store has is only looked at.
    pub(super) writes: bool,
}

impl Publisher<'_> {
    /// One pass over what is due.
    pub(super) async fn pass(&self, ids: &[ShelfId], done: &mut Conducted) -> Result<()> {
        let due = self.read(ids).await?;
        let (mut settled, mut open) = (Vec::new(), Vec::new());
        for one in due {
            match self.at_a_glance(&one) {
                Some(write) => settled.push((one.id.clone(), write)),
                None => open.push(one),
            }
        }
        done.looked_at += u32::try_from(settled.len() + open.len()).unwrap_or(u32::MAX);
        self.write(settled).await?;
        if open.is_empty() {
            return Ok(());
        }
        let ask = Ask::new(self.puente, self.connection, Errand::List);
        if self.connection.store.can_fetch() {
            let listed = backfill::one(self.puente, &self.connection.id, None, self.until).await?;
            if let Some(why) = listed.and_then(|listed| listed.stopped) {
                // Numbers that are made without knowing what the store sold would sell it twice.
                return self.put_off(&open, &why).await;
            }
        }
        let stocked = match self.look(&ask, &open).await {
            Ok(stocked) => stocked,
            Err(error) => return self.put_off(&open, &error.to_string()).await,
        };
        // Again: what the list brought is committed by now.
        let ids: Vec<ShelfId> = open.iter().map(|one| one.id.clone()).collect();
        let open = self.read(&ids).await?;
        self.tell(&ask, open, &stocked, done).await
    }

    /// What needs no call: nothing is published of it, or the store has the right number without any doubt.
    fn at_a_glance(&self, one: &Article) -> Option<GoodsWrite> {
        let listing = one.listing(&self.connection.id);
        let seen = |read| GoodsWrite::Seen {
            connection: self.connection.id.clone(),
            epoch: self.epoch,
            seen: listing.dirt,
            value: listing.said,
            read,
        };
        if one.code.is_none() {
            return Some(seen(Some((InStore::Ambiguous, None))));
        }
        let Some(number) = self.number(one, None) else { return Some(seen(None)) };
        if listing.is_in_doubt() {
            return None;
        }
        let right = !self.writes || listing.store != InStore::Kept || Some(number.value) == listing.said;
        right.then(|| seen(None))
    }

    /// What the store has of those that only it can tell.
    async fn look(&self, ask: &Ask, open: &[Article]) -> Result<BTreeMap<Sku, Stocked>> {
        let doubtful: Vec<Sku> = open
            .iter()
            .filter(|one| {
                let listing = one.listing(&self.connection.id);
                listing.is_in_doubt() || listing.item.is_none() || self.own.keeps == Keeps::Sellable
            })
            .filter_map(|one| one.code.clone())
            .collect();
        if doubtful.is_empty() {
            return Ok(BTreeMap::new());
        }
        let stocked = self.connection.store.stock(&ask.calls(), &doubtful).await?;
        if !self.connection.store.is_only_told() {
            self.puente.signs.seen(self.party(), Fact::Fetched, self.puente.clock.now(), None).await;
        }
        Ok(stocked.into_iter().map(|one| (one.sku.clone(), one)).collect())
    }

    /// Writes the numbers that differ, each with its intent first.
    async fn tell(
        &self,
        ask: &Ask,
        open: Vec<Article>,
        stocked: &BTreeMap<Sku, Stocked>,
        done: &mut Conducted,
    ) -> Result<()> {
        let (mut settled, mut intents) = (Vec::new(), Vec::new());
        for one in open {
            let Some(code) = one.code.clone() else { continue };
            let listing = one.listing(&self.connection.id);
            let found = stocked.get(&code);
            let state = found.map_or(listing.store, |found| found.store);
            let item = found.map_or_else(|| listing.item.clone(), |found| found.item.clone());
            let has = found.and_then(|found| found.number);
            // What nobody can read is told again where it is in doubt, whatever it was told before.
            let said = listing.said.filter(|_| !self.connection.store.is_only_told());
            let before = has.or(said);
            let read = found.map(|found| (found.store, found.item.clone()));
            let number = self.number(&one, has);
            let wanted = number.filter(|number| self.writes && Some(number.value) != before);
            if let (Some(number), Some(item), InStore::Kept) = (wanted, item, state) {
                let (tell, new) = self.intent(&listing, number, code, item, before, read);
                intents.push((one, listing, tell, new));
                continue;
            }
            let value = if state == InStore::Kept { before } else { None };
            let connection = self.connection.id.clone();
            let seen = GoodsWrite::Seen { connection, epoch: self.epoch, seen: listing.dirt, value, read };
            settled.push((one.id.clone(), self.making_room(&one, &listing, value, seen)));
        }
        self.write(settled).await?;
        let begun: Vec<Result<Option<(Article, Listing, NewStock)>>> = stream::iter(intents)
            .map(|(one, listing, tell, new)| async move {
                let now = self.puente.clock.now();
                // Refused: an order came meanwhile, and it is still due.
                let begun = self.puente.goods.write(&one.id, &tell, now).await?;
                Ok(begun.then_some((one, listing, new)))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let begun: Vec<(Article, Listing, NewStock)> =
            begun.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        if begun.is_empty() {
            return Ok(());
        }
        let stock: Vec<NewStock> = begun.iter().map(|(.., new)| new.clone()).collect();
        let answers = one_each(self.connection.store.set_stock(&ask.calls(), &stock).await, stock.len());
        let mut writes = Vec::new();
        for ((one, listing, new), answer) in begun.iter().zip(answers) {
            done.written += u32::from(answer.is_ok());
            done.failed += u32::from(answer.is_err());
            let value = answer.as_ref().ok().copied();
            let (first, second) = self.came_of(listing, new, answer);
            writes.push((one.id.clone(), self.making_room(one, listing, value, first)));
            writes.extend(second.map(|write| (one.id.clone(), write)));
        }
        self.puente.signs.seen(self.party(), Fact::Sent, self.puente.clock.now(), None).await;
        self.write(writes).await
    }

    /// A number that is about to be sent: its intent, and what the store is sent.
    fn intent(
        &self,
        listing: &Listing,
        number: Number,
        sku: Sku,
        item: String,
        from: Option<i64>,
        read: Option<(InStore, Option<String>)>,
    ) -> (GoodsWrite, NewStock) {
        let attempt = AttemptId::new(self.puente.chance.token());
        let begun = self.puente.clock.now();
        let start_by = begun + CALL;
        let (value, settle_at) = (number.value, start_by + SETTLE);
        let tell = Tell {
            connection: self.connection.id.clone(),
            pending: Pending { value, attempt: attempt.clone(), start_by, settle_at },
            epoch: self.epoch,
            seen: listing.dirt,
            scarce: number.scarce,
            read,
        };
        (GoodsWrite::Tell(tell), NewStock { sku, item, from, to: value, attempt, begun })
    }

    /// `write`, which says that this store has `now`. Where the article is scarce and that is less than it had, another may be given more,
    /// and is marked by the same write: were it another one, a lost answer in between would leave the other store held back.
    fn making_room(&self, one: &Article, before: &Listing, now: Option<i64>, write: GoodsWrite) -> GoodsWrite {
        let selling = selling_of(&one.id, self.selling);
        let outlets: Vec<Outlet<'_>> = selling.iter().map(|other| other.outlet()).collect();
        if now >= before.highest() || !one.shelf.is_scarce(&outlets) {
            return write;
        }
        let others = selling.iter().filter(|other| other.connection != self.connection.id);
        let marks = others.map(|other| Mark::of(other.connection.clone())).collect();
        GoodsWrite::WithMarks(Box::new(write), marks)
    }

    /// What is written down of an answer, one after the other.
    fn came_of(
        &self,
        listing: &Listing,
        new: &NewStock,
        answer: Result<i64, NotSet>,
    ) -> (GoodsWrite, Option<GoodsWrite>) {
        let now = self.puente.clock.now();
        let connection = self.connection.id.clone();
        let failed = |attempt, certain, wait: SignedDuration, check, note: String| GoodsWrite::Failed {
            connection: connection.clone(),
            attempt,
            certain,
            due: now + wait,
            check,
            note,
        };
        let attempt = Some(new.attempt.clone());
        let again = depart::backoff(self.puente, listing.attempts);
        match answer {
            Ok(value) => {
                let told = GoodsWrite::Told {
                    connection: connection.clone(),
                    attempt: new.attempt.clone(),
                    value,
                    seen: listing.dirt,
                };
                let note =
                    format!("the store was told {} and says {value}: does something else set its stock?", new.to);
                let disagrees = (value != new.to).then(|| failed(None, true, DISAGREES, true, note));
                (told, disagrees)
            }
            Err(NotSet::Stale) => {
                (failed(attempt, true, SignedDuration::from_secs(1), true, NotSet::Stale.words()), None)
            }
            Err(NotSet::Refused(error)) => (failed(attempt, true, REFUSED, true, error.to_string()), None),
            Err(NotSet::NotNow(error)) => (failed(attempt, true, again, false, error.to_string()), None),
            Err(NotSet::Unknown(error)) => (failed(attempt, false, again, true, error.to_string()), None),
        }
    }

    /// Not now: what is due stays so, a while later.
    async fn put_off(&self, open: &[Article], why: &str) -> Result<()> {
        self.puente.tell.of(&Event::StockPutOff { connection: &self.connection.id, articles: open.len(), why });
        let words = format!("stock: {why}");
        self.puente.signs.seen(self.party(), Fact::Failed, self.puente.clock.now(), Some(words)).await;
        let writes = open
            .iter()
            .map(|one| {
                let listing = one.listing(&self.connection.id);
                let write = GoodsWrite::Failed {
                    connection: self.connection.id.clone(),
                    attempt: listing.pending.map(|pending| pending.attempt),
                    certain: false,
                    due: self.puente.clock.now() + depart::backoff(self.puente, listing.attempts.max(4)),
                    check: listing.check,
                    note: why.to_owned(),
                };
                (one.id.clone(), write)
            })
            .collect();
        self.write(writes).await
    }

    /// The number of a listing. `has`: what the store has, where that was read just now.
    fn number(&self, one: &Article, has: Option<i64>) -> Option<Number> {
        one.number(self.own, self.selling, has, self.puente.clock.now())
    }

    /// Those of these shelves whose listing is due.
    async fn read(&self, ids: &[ShelfId]) -> Result<Vec<Article>> {
        let articles = article::read(self.puente, self.own, ids).await?;
        let now = self.puente.clock.now();
        // The index only suggests.
        let is_due = |one: &Article| one.listing(&self.connection.id).due.is_some_and(|due| due <= now);
        Ok(articles.into_iter().filter(is_due).collect())
    }

    /// Writes to many shelves at a time; of one shelf, in their order.
    async fn write(&self, writes: Vec<(ShelfId, GoodsWrite)>) -> Result<()> {
        let mut by_shelf: BTreeMap<ShelfId, Vec<GoodsWrite>> = BTreeMap::new();
        for (id, write) in writes {
            by_shelf.entry(id).or_default().push(write);
        }
        let written: Vec<Result<()>> = stream::iter(by_shelf)
            .map(|(id, writes)| async move {
                for write in writes {
                    self.puente.goods.write(&id, &write, self.puente.clock.now()).await?;
                }
                Ok(())
            })
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        written.into_iter().collect()
    }

    fn party(&self) -> Party {
        Party::Account(AccountId::from(&self.connection.id))
    }
}
