//! Bringing a store the prices that are due.
//!
//! What the store has is read first, each time: a price that is right there is not written again, and one that differs much from it waits
//! for a person. What is written has its intent on record before its first byte; where the answer is lost, that article is left alone
//! until the lost call cannot land any more, and the store is read again then.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::super::{
    article::AT_A_TIME,
    pass::{CALL, Conducted, DISAGREES, REFUSED, one_each},
};
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        goods::{InStore, Sku},
        ids::{AccountId, AttemptId},
        price::{InShop, NotTold, Price, PriceTag, PriceWrite, Sending, Telling, Wanted},
        sign::{Fact, Party},
    },
    flow::{
        Puente,
        ask::{Ask, Errand},
        depart,
    },
    parties::{Connection, Pricing},
    store::{
        goods::NotSet,
        prices::{NewPrice, Priced},
    },
};

/// From when on a price whose answer was lost cannot land any more, counted from the last moment at which the first call may have been
/// begun: Shopify may take ten calls for a hundred articles. Each call has its own, shorter, time-out.
const SETTLE: SignedDuration = SignedDuration::from_mins(4);

/// How long a store that cannot be read is left alone.
const PUT_OFF: SignedDuration = SignedDuration::from_mins(5);

/// Brings prices to a store, under the lease of its conductor.
pub(in crate::flow::goods) struct Pricer<'a> {
    pub(in crate::flow::goods) puente: &'a Puente,
    pub(in crate::flow::goods) connection: &'a Arc<Connection>,
    pub(in crate::flow::goods) own: &'a Pricing,
    pub(in crate::flow::goods) epoch: u64,
    /// Whether prices are written; otherwise what the store has is only looked at.
    pub(in crate::flow::goods) writes: bool,
}

/// A price that is due.
struct Due {
    sku: Sku,
    tag: PriceTag,
}

/// A price whose intent is on record.
struct Begun {
    due: Due,
    new: NewPrice,
    start_by: Timestamp,
}

impl Pricer<'_> {
    /// One pass over what is due.
    pub(in crate::flow::goods) async fn pass(&self, skus: &[Sku], done: &mut Conducted) -> Result<()> {
        let at = self.puente.clock.now();
        let (mut settled, mut open) = (Vec::new(), Vec::new());
        for due in self.read(skus).await? {
            match self.own.code(&due.sku).cloned() {
                None => settled.push(self.seen(&due, Some(InShop::none(InStore::Ambiguous)))),
                Some(_) if self.is_right(&due, at) => settled.push(self.seen(&due, None)),
                Some(code) => open.push((code, due)),
            }
        }
        done.prices += u32::try_from(settled.len() + open.len()).unwrap_or(u32::MAX);
        self.write(settled, at).await?;
        if open.is_empty() {
            return Ok(());
        }
        let ask = Ask::new(self.puente, self.connection, Errand::List);
        let codes: Vec<Sku> = open.iter().map(|(code, _)| code.clone()).collect();
        let found = match self.connection.store.prices(&ask.calls(), &codes).await {
            Ok(found) => found.into_iter().map(|one| (one.sku.clone(), one)).collect(),
            Err(error) => return self.put_off(open, &error.to_string(), done).await,
        };
        self.tell(&ask, open, &found, done).await
    }

    /// Whether the store has it without any doubt.
    fn is_right(&self, Due { tag, .. }: &Due, at: Timestamp) -> bool {
        let known = !tag.is_in_doubt();
        known && tag.wanted(&self.own.rules.price, tag.said, at) == Wanted::Right
    }

    /// Writes the prices that differ from what was found in the store, each with its intent first.
    async fn tell(
        &self,
        ask: &Ask,
        open: Vec<(Sku, Due)>,
        found: &BTreeMap<Sku, Priced>,
        done: &mut Conducted,
    ) -> Result<()> {
        let at = self.puente.clock.now();
        let (mut settled, mut wanted) = (Vec::new(), Vec::new());
        for (code, due) in open {
            let read = self.in_shop(&due, found.get(&code));
            match self.decide(&due, &read, found.get(&code), at) {
                Decided::Rest => settled.push(self.seen(&due, Some(read))),
                Decided::Stop(why) => settled.push(self.stopped(&due, read, why)),
                Decided::Write(price, item) => wanted.push((code, due, read, price, item)),
            }
        }
        self.write(settled, at).await?;
        let begun: Vec<Result<Option<Begun>>> = stream::iter(wanted)
            .map(|(code, due, read, price, item)| self.begin(code, due, read, price, item))
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let begun: Vec<Begun> = begun.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        // Who stood still for so long may not be alone any more: another may be writing other prices.
        let now = self.puente.clock.now();
        let (late, begun): (Vec<Begun>, Vec<Begun>) = begun.into_iter().partition(|one| one.start_by < now);
        let late = late.into_iter().flat_map(|one| self.came_of(one, Err(not_in_time()))).collect();
        self.write(late, at).await?;
        if begun.is_empty() {
            return Ok(());
        }
        let prices: Vec<NewPrice> = begun.iter().map(|one| one.new.clone()).collect();
        let answers = one_each(self.connection.store.set_prices(&ask.calls(), &prices).await, prices.len());
        done.prices_written += count(answers.iter().filter(|answer| answer.is_ok()).count());
        done.prices_failed += count(answers.iter().filter(|answer| answer.is_err()).count());
        self.puente.signs.seen(self.party(), Fact::Sent, self.puente.clock.now(), None).await;
        let writes = begun.into_iter().zip(answers).flat_map(|(one, answer)| self.came_of(one, answer)).collect();
        self.write(writes, at).await
    }

    /// How the store has an article. One that nobody can ask has what it was told.
    fn in_shop(&self, Due { tag, .. }: &Due, found: Option<&Priced>) -> InShop {
        let Some(found) = found else { return InShop::none(InStore::Absent) };
        let told = if self.connection.store.is_only_told() { tag.said } else { None };
        InShop { store: found.store, item: found.item.clone(), price: found.price.or(told) }
    }

    /// What becomes of a price, now that the store was read.
    fn decide(&self, due: &Due, read: &InShop, found: Option<&Priced>, at: Timestamp) -> Decided {
        let rules = &self.own.rules.price;
        let (InStore::Kept, Some(item)) = (read.store, &read.item) else { return Decided::Rest };
        if let (Some(own), Some(other)) = (rules.currency, found.and_then(|found| found.currency))
            && own != other
        {
            let (own, other) = (own.code(), other.code());
            return Decided::Stop(format!(
                "the store's prices are in {other}, and goods.price.currency says {own}: correct it"
            ));
        }
        match due.tag.wanted(rules, read.price, at) {
            Wanted::Unpriced(why) => Decided::Stop(why.to_string()),
            Wanted::TooFar(price) => Decided::Stop(format!(
                "from {} to {} is a change of more than {} %: if that is right, `puente prices release --connection {} {}`",
                read.price.map_or_else(|| "nothing".to_owned(), |price| price.amount.to_string()),
                price.amount,
                rules.most_change,
                self.connection.id,
                due.sku,
            )),
            Wanted::Write(price) if self.writes => Decided::Write(price, item.clone()),
            // Whether it has what it was told nobody knows: where that is in doubt it is told again.
            Wanted::Right if self.writes && self.connection.store.is_only_told() => match read.price {
                Some(price) => Decided::Write(price, item.clone()),
                None => Decided::Rest,
            },
            Wanted::Right | Wanted::Write(_) => Decided::Rest,
        }
    }

    /// Writes down that a price is about to be sent; none: it changed meanwhile, or another conductor took over, and it is still due.
    async fn begin(&self, code: Sku, due: Due, read: InShop, price: Price, item: String) -> Result<Option<Begun>> {
        let begun = self.puente.clock.now();
        let start_by = begun + CALL;
        let attempt = AttemptId::new(self.puente.chance.token());
        let telling = Telling { price, attempt: attempt.clone(), settle_at: start_by + SETTLE };
        let sending = Sending { telling, epoch: self.epoch, rev: due.tag.rev, read: Some(read), begun };
        let holds =
            self.puente.prices.write(&self.connection.id, &due.sku, &PriceWrite::Sending(sending), begun).await?;
        let new = NewPrice { sku: code, item, to: price, attempt, begun };
        Ok(holds.then_some(Begun { due, new, start_by }))
    }

    /// What is written down of an answer, one after the other.
    fn came_of(&self, begun: Begun, answer: Result<Price, NotSet>) -> Vec<(Sku, PriceWrite)> {
        let Begun { due: Due { sku, tag }, new, .. } = begun;
        let now = self.puente.clock.now();
        let not_told = |attempt, certain, wait: SignedDuration, note: String| {
            let (epoch, seen, due) = (self.epoch, tag.dirt, Some(now + wait));
            PriceWrite::NotTold(NotTold { attempt, epoch, seen, certain, due, read: None, note })
        };
        let again = depart::backoff(self.puente, tag.attempts);
        let attempt = Some(new.attempt.clone());
        let writes = match answer {
            Ok(price) => {
                let told = PriceWrite::Told { attempt: new.attempt, price, seen: tag.dirt };
                let (to, has) = (new.to.amount, price.amount);
                let note = format!("the store was told {to} and says {has}: does something else set its prices?");
                let disagrees = (price != new.to).then(|| not_told(None, false, DISAGREES, note));
                [Some(told), disagrees]
            }
            Err(NotSet::Stale) => {
                [Some(not_told(attempt, true, SignedDuration::from_secs(1), NotSet::Stale.words())), None]
            }
            Err(NotSet::Refused(error)) => [Some(not_told(attempt, true, REFUSED, error.to_string())), None],
            Err(NotSet::NotNow(error)) => [Some(not_told(attempt, true, again, error.to_string())), None],
            Err(NotSet::Unknown(error)) => [Some(not_told(attempt, false, again, error.to_string())), None],
        };
        writes.into_iter().flatten().map(|write| (sku.clone(), write)).collect()
    }

    fn seen(&self, due: &Due, read: Option<InShop>) -> (Sku, PriceWrite) {
        (due.sku.clone(), PriceWrite::Seen { epoch: self.epoch, seen: due.tag.dirt, read })
    }

    /// A person has to look, or the ERP to say another price.
    fn stopped(&self, Due { sku, tag }: &Due, read: InShop, note: String) -> (Sku, PriceWrite) {
        // Looked at once a day: said once.
        if !tag.stopped || tag.note.as_ref() != Some(&note) {
            let (connection, article) = (&self.connection.id, sku.as_str());
            self.puente.tell.of(&Event::PriceStopped { connection, article, why: &note });
        }
        let not_told = NotTold {
            attempt: underway(tag),
            epoch: self.epoch,
            seen: tag.dirt,
            certain: true,
            due: None,
            read: Some(read),
            note,
        };
        (sku.clone(), PriceWrite::NotTold(not_told))
    }

    /// Not now: what is due stays so, a while later.
    async fn put_off(&self, open: Vec<(Sku, Due)>, why: &str, done: &mut Conducted) -> Result<()> {
        done.put_off = true;
        self.puente.tell.of(&Event::PricesPutOff { connection: &self.connection.id, articles: open.len(), why });
        let now = self.puente.clock.now();
        self.puente.signs.seen(self.party(), Fact::Failed, now, Some(format!("prices: {why}"))).await;
        let write = |Due { sku, tag }: Due| {
            let due = now + PUT_OFF + depart::backoff(self.puente, tag.attempts.max(4));
            let not_told = NotTold {
                attempt: underway(&tag),
                epoch: self.epoch,
                seen: tag.dirt,
                certain: false,
                due: Some(due),
                read: None,
                note: why.to_owned(),
            };
            (sku, PriceWrite::NotTold(not_told))
        };
        self.write(open.into_iter().map(|(_, due)| write(due)).collect(), now).await
    }

    /// Those of these articles whose price is due.
    async fn read(&self, skus: &[Sku]) -> Result<Vec<Due>> {
        let tags: Vec<Result<Option<Due>>> = stream::iter(skus.to_vec())
            .map(|sku| async move {
                let tag = self.puente.prices.tag(&self.connection.id, &sku).await?;
                Ok(tag.map(|tag| Due { sku, tag }))
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let tags: Vec<Due> = tags.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        let now = self.puente.clock.now();
        // The index only suggests.
        Ok(tags.into_iter().filter(|one| one.tag.due.is_some_and(|due| due <= now)).collect())
    }

    /// Writes to many tags at a time what was decided at `at`; to one, in their order.
    async fn write(&self, writes: Vec<(Sku, PriceWrite)>, at: Timestamp) -> Result<()> {
        let mut by_article: BTreeMap<Sku, Vec<PriceWrite>> = BTreeMap::new();
        for (sku, write) in writes {
            by_article.entry(sku).or_default().push(write);
        }
        let written: Vec<Result<()>> = stream::iter(by_article)
            .map(|(sku, writes)| async move {
                for write in writes {
                    self.puente.prices.write(&self.connection.id, &sku, &write, at).await?;
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

/// What becomes of a price.
enum Decided {
    /// Nothing is to be written.
    Rest,
    /// A person has to look, for this reason.
    Stop(String),
    /// This is written, to what the store calls so.
    Write(Price, String),
}

/// The attempt that is on its way, or of unknown outcome.
fn underway(tag: &PriceTag) -> Option<AttemptId> {
    tag.telling.as_ref().map(|telling| telling.attempt.clone())
}

fn not_in_time() -> NotSet {
    NotSet::NotNow(Error::new(Kind::Unavailable, "it could not be told in time"))
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
