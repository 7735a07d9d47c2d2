//! Asking an ERP what is available: by the conductor of its account, after the orders of a departure, from the part of the day that
//! orders leave over.
//!
//! The number that comes back contains every sale that was in the ERP before the question's first byte, and nothing else is believed of
//! it: so the heads of all orders that are owed are read first, then the question is asked. What was booked meanwhile counts twice
//! until the next poll: too low, never too high.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{
    article::AT_A_TIME,
    commit::{mark_sets, marks, of_version, take_back},
    prices, sent,
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::Document,
        event::Event,
        goods::{
            Commitment, Count, GoodsWrite, Place, Settled, ShelfId, Sku,
            schedule::{Page, Polls},
        },
        ids::{AccountId, ErpId, OrderKey},
        ledger::Ledger,
        money::Amount,
        order::Status,
        record::Head,
        version::Version,
    },
    erp::{
        SendError,
        stock::{Stock, StockAsk, StockPage},
    },
    flow::{Puente, record::deserialise},
    outbound::Calls,
    parties::{Account, Selling},
    ports::Payload,
};

/// So many orders are settled in one write of a shelf.
const TOGETHER: usize = 40;

/// So many articles are asked for by name in one question.
const NAMED: usize = 500;

/// So many pages of a full count are asked for in one poll; the rest is the next one's.
const PAGES: u32 = 20;

/// How far the polls of an account are.
pub(in crate::flow) async fn polls(puente: &Puente, erp: &ErpId) -> Result<Polls> {
    let text = puente.cursors.cursor(&cursor(erp)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

async fn keep(puente: &Puente, erp: &ErpId, polls: &Polls) -> Result<()> {
    let text = serde_json::to_string(polls)
        .map_err(|cause| Error::new(Kind::Bug, "how far the polls are cannot be written").caused_by(cause))?;
    puente.cursors.set_cursor(&cursor(erp), &text).await
}

fn cursor(erp: &ErpId) -> String {
    format!("goods/{erp}")
}

/// Asks `account`, whose lease of `epoch` is ours, what is available and what was sent. The calls are those of `calls`, whose meter counts
/// them as other work than orders.
pub(in crate::flow) async fn poll(
    puente: &Puente,
    account: &Account,
    epoch: u64,
    calls: &Calls<'_>,
    spent: impl AsyncFn() -> u32,
) -> Result<()> {
    let (selling, shipping) = (puente.settings.selling(&account.id), puente.settings.shipping(&account.id));
    let pricing = puente.settings.pricing(&account.id);
    if selling.is_empty() && shipping.is_empty() && pricing.is_empty() {
        return Ok(());
    }
    let mut polls = polls(puente, &account.id).await?;
    let now = puente.clock.now();
    if !polls.is_due(now) {
        return Ok(());
    }
    let stock = account.erp.stock().filter(|_| !selling.is_empty());
    let sent = account.erp.shipments().filter(|_| !shipping.is_empty());
    let costs = account.erp.prices().filter(|_| !pricing.is_empty());
    if stock.is_none() && sent.is_none() && costs.is_none() {
        // Nobody can ask it: the sweeper need not wake anybody for that before another release can.
        polls.next = Some(account.limits.day(now).end);
        return keep(puente, &account.id, &polls).await;
    }
    let of = AccountId::from(&account.id);
    let Some(number) = puente.accounts.poll(&of, epoch).await? else { return Ok(()) };
    let before = spent().await;
    let mut asked = Asked::default();
    if let Some(stock) = stock {
        let poll = Poll { puente, stock, selling: &selling, calls, number, began: now };
        match poll.run(&account.id, &mut polls, account).await {
            Ok(done) => {
                polls.learn(done.changed, now, &account.limits.time_zone);
                let took = spent().await.saturating_sub(before);
                puente.tell.of(&Event::StockPolled { erp: &account.id, articles: done.changed, calls: took });
                asked = done;
            }
            Err(error) => {
                asked.failed = true;
                puente.tell.of(&Event::StockUnread { erp: &account.id, error: &error });
            }
        }
    }
    if let Some(sent) = sent {
        match sent::poll(puente, &account.id, sent, &shipping, calls, (number, &mut polls)).await {
            Ok(shipments) => puente.tell.of(&Event::ShipmentsPolled { erp: &account.id, shipments }),
            Err(error) => {
                asked.failed = true;
                puente.tell.of(&Event::ShipmentsUnread { erp: &account.id, error: &error });
            }
        }
    }
    let took = spent().await.saturating_sub(before);
    let due = polls.prices.is_due(now) || prices::ask::are_new(&pricing, &polls.prices);
    if let Some(costs) = costs.filter(|_| due) {
        let today = account.limits.day(now).number;
        let asked =
            prices::ask::poll(puente, &account.id, costs, &pricing, calls, (number, today), &mut polls.prices).await;
        // Counted for themselves: the other questions are not put further apart by them.
        polls.prices.calls = spent().await.saturating_sub(before).saturating_sub(took);
        match asked {
            Ok(prices) => puente.tell.of(&Event::PricesPolled { erp: &account.id, prices, calls: polls.prices.calls }),
            Err(error) => puente.tell.of(&Event::PricesUnread { erp: &account.id, error: &error }),
        }
    }
    let ledger: Ledger = puente.accounts.ledger(&of).await?;
    if !asked.failed {
        if asked.full {
            polls.full_calls = took;
        } else {
            polls.calls = took;
        }
    }
    let calls = took.max(polls.calls).max(1);
    let changes = polls.after(calls, asked.tight, &ledger, &account.limits, puente.clock.now());
    // Prices have times of their own, and are all that is asked for where nothing else is on.
    let next = polls.prices.next.filter(|_| costs.is_some());
    polls.next = if stock.is_none() && sent.is_none() { next } else { next.into_iter().chain([changes]).min() };
    keep(puente, &account.id, &polls).await
}

/// What a poll came to.
#[derive(Default)]
struct Asked {
    /// Articles that were answered for.
    changed: usize,
    /// Whether something that is nearly gone was sold since the last poll.
    tight: bool,
    /// Whether it was, or ended, a count of everything.
    full: bool,
    /// Whether some of it was not answered.
    failed: bool,
}

struct Poll<'a> {
    puente: &'a Puente,
    stock: &'a dyn Stock,
    selling: &'a [Selling],
    calls: &'a Calls<'a>,
    number: u64,
    began: Timestamp,
}

/// An order that is owed, with the sale that is booked.
struct Owed<'a> {
    own: &'a Selling,
    order: OrderKey,
    /// Where, and how much its store took.
    shelves: Vec<(ShelfId, Commitment)>,
    document: Document,
    version: Version,
}

/// The orders that were in the ERP before the first byte, by the shelf that they took something off.
type Settling = BTreeMap<ShelfId, Vec<(OrderKey, Settled)>>;

impl Poll<'_> {
    async fn run(&self, erp: &ErpId, polls: &mut Polls, account: &Account) -> Result<Asked> {
        let settling = self.settling(erp).await?;
        let places: BTreeSet<&Place> = self.selling.iter().map(|one| &one.place).collect();
        let today = account.limits.day(self.began).number;
        let (mut changed, mut full) = (0, false);
        // A warehouse that was never asked is counted whole, and all of them once a day.
        let uncounted = places.iter().any(|place| !polls.since.contains_key(place.as_str()));
        if uncounted || polls.counted != Some(today) && self.is_time_to_count(account) || polls.page.is_some() {
            full = true;
            changed += self.count(&places, polls, today, &settling).await?;
        } else {
            for place in places {
                changed += self.changes(place, polls, &settling).await?;
            }
        }
        let tight = self.is_tight(&settling).await?;
        Ok(Asked { changed, tight, full, failed: false })
    }

    /// Once a day everything is counted: as soon as the account's day is three hours old.
    fn is_time_to_count(&self, account: &Account) -> bool {
        let day = account.limits.day(self.began);
        self.began.duration_since(day.start) >= jiff::SignedDuration::from_hours(3)
    }

    /// What changed since the last poll, and what has to be settled.
    async fn changes(&self, place: &Place, polls: &mut Polls, settling: &Settling) -> Result<usize> {
        let since = polls.since.get(place.as_str()).cloned();
        let owed: Vec<Sku> = settling.keys().filter(|id| id.place == *place).map(|id| id.sku.clone()).collect();
        let mut answered = 0;
        let mut chunks = owed.chunks(NAMED);
        let mut mark = None;
        let mut named: &[Sku] = chunks.next().unwrap_or_default();
        let mut page: Option<String> = None;
        loop {
            let ask = StockAsk { place, since: since.as_deref(), skus: named, page: page.as_deref() };
            let answer = self.stock.page(self.calls, &ask).await.map_err(SendError::into_error)?;
            answered += self.keep(place, &answer, settling, false).await?;
            // The first answer's: what changes while the others are asked for is asked for again.
            mark = mark.or(answer.mark);
            page = answer.next;
            if page.is_none() {
                let Some(more) = chunks.next() else { break };
                named = more;
            }
        }
        if let Some(mark) = mark {
            polls.since.insert(place.to_string(), mark);
        }
        Ok(answered)
    }

    /// Everything, a few pages at a time.
    async fn count(
        &self,
        places: &BTreeSet<&Place>,
        polls: &mut Polls,
        today: i64,
        settling: &Settling,
    ) -> Result<usize> {
        let mut answered = 0;
        let mut left = PAGES;
        let begun = polls.page.take();
        let from = begun.as_ref().map(|page| page.place.clone());
        for place in places.iter().filter(|place| from.as_deref().is_none_or(|from| place.as_str() >= from)) {
            let mut page =
                begun.as_ref().filter(|page| page.place == place.as_str()).and_then(|page| page.page.clone());
            let mut first = page.is_none();
            loop {
                if left == 0 {
                    polls.page = Some(Page { place: place.to_string(), page });
                    return Ok(answered);
                }
                left -= 1;
                let ask = StockAsk { place, since: None, skus: &[], page: page.as_deref() };
                let answer = match self.stock.page(self.calls, &ask).await {
                    Ok(answer) => answer,
                    Err(send_error) => {
                        // What was counted so far stands; the rest goes on from here.
                        polls.page = Some(Page { place: place.to_string(), page });
                        return Err(send_error.into_error());
                    }
                };
                answered += self.keep(place, &answer, settling, true).await?;
                if first && let Some(mark) = &answer.mark {
                    polls.since.insert(place.to_string(), mark.clone());
                }
                first = false;
                page = answer.next;
                if page.is_none() {
                    break;
                }
            }
        }
        polls.counted = Some(today);
        Ok(answered)
    }

    /// Writes down a page. The orders of an article are settled only where the article was answered for.
    async fn keep(&self, place: &Place, answer: &StockPage, settling: &Settling, daily: bool) -> Result<usize> {
        for (article, why) in &answer.unread {
            self.puente.tell.of(&Event::StockRowUnread { article, why });
        }
        let written: Vec<Result<()>> = stream::iter(&answer.rows)
            .map(|(sku, quantity)| self.level(place, sku, *quantity, settling, daily))
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        written.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(answer.rows.len())
    }

    async fn level(&self, place: &Place, sku: &Sku, quantity: Amount, settling: &Settling, daily: bool) -> Result<()> {
        let selling: Vec<&Selling> = self.selling.iter().filter(|one| one.place == *place).collect();
        let Some(first) = selling.first() else { return Ok(()) };
        let id = first.shelf(sku.clone());
        let settled = settling.get(&id).map(Vec::as_slice).unwrap_or_default();
        let (now, rest) = settled.split_at(settled.len().min(TOGETHER));
        let count = Count {
            quantity,
            poll: self.number,
            read_at: self.began,
            settled: now.to_vec(),
            marks: marks(&selling, None),
            daily,
        };
        let at = self.puente.clock.now();
        if !self.puente.goods.write(&id, &GoodsWrite::Count(count), at).await? {
            // A later poll has answered: its number contains the same orders.
            return Ok(());
        }
        for settled in rest.chunks(TOGETHER) {
            let settle =
                GoodsWrite::Settle { poll: self.number, settled: settled.to_vec(), marks: marks(&selling, None) };
            self.puente.goods.write(&id, &settle, at).await?;
        }
        mark_sets(self.puente, &id).await
    }

    /// The orders that are owed, and are in the ERP now.
    async fn settling(&self, erp: &ErpId) -> Result<Settling> {
        let mut owed: BTreeMap<OrderKey, Vec<(ShelfId, Commitment)>> = BTreeMap::new();
        let mut after = None;
        loop {
            const PAGE: usize = 1000;
            let page = self.puente.goods.commitments(erp, after.as_ref(), PAGE).await?;
            let full = page.len() >= PAGE;
            after = page.last().map(|(id, order, _)| (id.clone(), order.clone()));
            for (id, order, one) in page {
                if !one.owed().is_zero() {
                    owed.entry(order).or_default().push((id, one));
                }
            }
            if !full {
                break;
            }
        }
        let heads: Vec<(OrderKey, Result<Option<Head>>)> = stream::iter(owed.keys().cloned())
            .map(|order| async move {
                let head = self.puente.records.head(&order).await;
                (order, head)
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        let mut booked = Vec::new();
        let mut settling = Settling::new();
        for (order, head) in heads {
            // One that a later release wrote stays owed.
            let Ok(Some(head)) = head else { continue };
            let own = self.selling.iter().find(|one| one.connection == order.connection);
            let mut shelves = owed.remove(&order).unwrap_or_default();
            if let Some(own) = own {
                shelves = take_back(self.puente, own, &order, &head, shelves).await?;
            }
            if self.is_over(&order, &head).await? {
                let version = head.desired.clone();
                // But for what a later state took, whose turn to be put on record has not come.
                for (id, one) in shelves.into_iter().filter(|(_, one)| one.version.modified <= head.newest) {
                    let settled = Settled { quantity: one.quantity, version: version.clone() };
                    settling.entry(id).or_default().push((order.clone(), settled));
                }
                continue;
            }
            let sale = head.sale().and_then(|sale| Some((sale.document.clone(), sale.version.clone()?)));
            if let (Some(own), Some((document, version)), false) = (own, sale, shelves.is_empty()) {
                booked.push(Owed { own, order, shelves, document, version });
            }
        }
        let reflected = self.reflected(&booked).await?;
        for Owed { own, order, shelves, document, version } in booked {
            if reflected.as_ref().is_some_and(|reflected| !reflected.contains(&document.id)) {
                continue;
            }
            let took = of_version(self.puente, own, &order, &version).await?;
            for (id, _) in shelves {
                // Of what the sale does not name none is in the ERP.
                let quantity = took.get(&id).copied().unwrap_or_default();
                settling.entry(id).or_default().push((order.clone(), Settled { quantity, version: version.clone() }));
            }
        }
        Ok(settling)
    }

    /// Whether an order was cancelled and the ERP has no sale of it, nor may get one: nothing of it is owed any more.
    async fn is_over(&self, order: &OrderKey, head: &Head) -> Result<bool> {
        if head.intent.is_some() || head.sale().is_some() || head.desired.is_unread() {
            return Ok(false);
        }
        let Some(Payload::Order(bytes)) = self.puente.records.payload(order, &head.desired).await? else {
            return Ok(false);
        };
        Ok(deserialise(order, &bytes).is_ok_and(|order| order.status == Status::Cancelled))
    }

    /// Which of these sales lower what is available, by the ids of their documents; none: all of them.
    async fn reflected(&self, booked: &[Owed<'_>]) -> Result<Option<BTreeSet<String>>> {
        if booked.is_empty() || self.stock.reflects() {
            return Ok(None);
        }
        let sales: Vec<_> = booked.iter().map(|owed| owed.document.clone()).collect();
        let reflected = self.stock.reflected(self.calls, &sales).await.map_err(SendError::into_error)?;
        Ok(Some(reflected.into_iter().collect()))
    }

    /// Whether something that is nearly gone was sold: it is asked for sooner.
    async fn is_tight(&self, settling: &Settling) -> Result<bool> {
        let scarce: HashMap<&Place, u32> = self.selling.iter().map(|one| (&one.place, one.rules.scarce)).collect();
        let mut shelves = stream::iter(settling.keys().take(NAMED))
            .map(|id| async move { Ok::<_, Error>((id, self.puente.goods.shelf(id).await?)) })
            .buffered(AT_A_TIME);
        while let Some((id, shelf)) = shelves.try_next().await? {
            let line = Amount::from(i64::from(scarce.get(&id.place).copied().unwrap_or_default()) * 2);
            if shelf.left().is_some_and(|left| left <= line) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
