//! Asking an ERP what its articles cost: with the questions about stock, from the same part of the day.
//!
//! What has changed is asked for a few times a day, everything once. Where a list says other prices from a certain time on, what it says
//! then is asked for as well: the stores have those prices when they begin, and not when somebody asks next.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::super::{article::AT_A_TIME, wake};
use crate::{
    Error, Kind, Result,
    domain::{
        event::Event,
        goods::{Sku, schedule::PricesSoFar},
        ids::ErpId,
        price::{Later, Offer, PriceWrite, Quote, Quoted},
    },
    erp::{
        SendError,
        prices::{PriceAsk, Prices},
    },
    flow::Puente,
    outbound::Calls,
    parties::Pricing,
};

/// So often what has changed is asked for.
const EVERY: SignedDuration = SignedDuration::from_hours(6);

/// When what could not be asked is asked again.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What a list says within this time is asked for beforehand: until everything is asked for the next time, and longer.
const AHEAD: SignedDuration = SignedDuration::from_hours(30);

/// So many pages of a list are asked for; one that is longer is refused.
const PAGES: usize = 40;

/// What a list says of articles.
type List = BTreeMap<Sku, Quote>;

/// What the price lists that connections name say, by their names; by none: what stands on each article.
type Lists = BTreeMap<String, List>;

/// Asks for what is due, in the poll `number`, and notes it. How many prices there were; `today` is the account's day.
pub(in crate::flow::goods) async fn poll(
    puente: &Puente,
    erp: &ErpId,
    asked: &dyn Prices,
    pricing: &[Pricing],
    calls: &Calls<'_>,
    (number, today): (u64, i64),
    so_far: &mut PricesSoFar,
) -> Result<usize> {
    let now = puente.clock.now();
    // Until it is answered: what fails is not asked for with every poll.
    so_far.next = Some(now + AGAIN);
    let names: BTreeSet<String> = pricing.iter().flat_map(|own| lists_of(own).into_iter().flatten()).collect();
    let daily = so_far.counted != Some(today);
    // Nothing is written where a price begins or ends by the clock alone: what has changed would not be answered with it.
    let turned = so_far.changes_at.is_some_and(|at| at <= now);
    // A list that is known may be new to a connection.
    let terms: BTreeMap<String, String> =
        pricing.iter().map(|own| (own.connection.to_string(), terms_of(own))).collect();
    so_far.tried.clone_from(&terms);
    let is_new = |(connection, terms): &(&String, &String)| so_far.terms.get(*connection) != Some(*terms);
    let afresh: BTreeSet<String> = terms.iter().filter(is_new).map(|(connection, _)| connection.clone()).collect();
    let full = daily || turned || !afresh.is_empty() || names.iter().any(|name| !so_far.since.contains_key(name));
    let marks = if full { BTreeMap::new() } else { so_far.since.clone() };
    let priced: BTreeSet<String> = pricing.iter().map(|own| own.rules.price.list.clone().unwrap_or_default()).collect();
    let question = Question { puente, erp, asked, calls, priced: &priced };
    let (lists, changes_at, new_marks) = question.all(&names, now, &marks).await?;
    let soon = changes_at.filter(|at| *at <= now + AHEAD);
    // Where that cannot be had now, what was answered stands all the same.
    let (later, failed) = match soon {
        None => (Announced::Nothing, None),
        Some(at) => match question.all(&names, at, &marks).await {
            Ok((lists, ..)) => (Announced::From(at, lists), None),
            Err(error) => (Announced::Unknown, Some(error)),
        },
    };
    let mut rows = 0;
    let said = Said { lists, at: now, later, afresh, number, full, daily };
    for own in pricing {
        rows += note(puente, own, &said).await?;
    }
    so_far.since.extend(new_marks);
    so_far.counted = Some(today);
    so_far.terms = terms;
    // Where only what has changed was answered, nothing may have been said of what begins next.
    so_far.changes_at = if full { changes_at } else { so_far.changes_at.into_iter().chain(changes_at).min() };
    so_far.answered = Some(now);
    let again = now + if failed.is_some() { AGAIN } else { EVERY };
    so_far.next = so_far.changes_at.into_iter().chain([again]).min();
    failed.map_or(Ok(rows), Err)
}

/// Whether one of these connections is asked for otherwise than it was: then nobody waits for the next time.
pub(in crate::flow::goods) fn are_new(pricing: &[Pricing], so_far: &PricesSoFar) -> bool {
    pricing.iter().any(|own| so_far.tried.get(own.connection.as_str()) != Some(&terms_of(own)))
}

/// What a connection is asked for, in a word.
fn terms_of(own: &Pricing) -> String {
    let [list, compared] = lists_of(own);
    format!("{}\t{}", list.unwrap_or_default(), compared.unwrap_or_default())
}

/// The list that a connection's prices are of, and the one that they are compared to.
fn lists_of(own: &Pricing) -> [Option<String>; 2] {
    let price = &own.rules.price;
    [Some(price.list.clone().unwrap_or_default()), price.compare_at.clone()]
}

struct Question<'a> {
    puente: &'a Puente,
    erp: &'a ErpId,
    asked: &'a dyn Prices,
    calls: &'a Calls<'a>,
    /// The lists that prices are of: one that they are only compared to may leave out most articles.
    priced: &'a BTreeSet<String>,
}

impl Question<'_> {
    /// What these lists say at a time, the earliest time at which one says something else, and where the next questions begin.
    async fn all(
        &self,
        names: &BTreeSet<String>,
        at: Timestamp,
        marks: &BTreeMap<String, String>,
    ) -> Result<(Lists, Option<Timestamp>, BTreeMap<String, String>)> {
        let (mut lists, mut changes_at, mut new_marks) = (Lists::new(), None::<Timestamp>, BTreeMap::new());
        for name in names {
            let list = Some(name.as_str()).filter(|name| !name.is_empty());
            let (list, changes, mark) = self.one(list, at, marks.get(name).map(String::as_str)).await?;
            changes_at = changes_at.into_iter().chain(changes).min();
            new_marks.extend(mark.map(|mark| (name.clone(), mark)));
            lists.insert(name.clone(), list);
        }
        Ok((lists, changes_at, new_marks))
    }

    async fn one(
        &self,
        list: Option<&str>,
        at: Timestamp,
        since: Option<&str>,
    ) -> Result<(List, Option<Timestamp>, Option<String>)> {
        let (mut rows, mut changes_at, mut mark, mut page) = (List::new(), None::<Timestamp>, None, None::<String>);
        for _ in 0..PAGES {
            let ask = PriceAsk { list, at, since, page: page.as_deref() };
            let answer = self.asked.page(self.calls, &ask).await.map_err(SendError::into_error)?;
            for (article, why) in answer.unread.iter().filter(|_| self.priced.contains(list.unwrap_or_default())) {
                self.puente.tell.of(&Event::PriceUnread { erp: self.erp, article, why });
            }
            rows.extend(answer.rows);
            changes_at = changes_at.into_iter().chain(answer.changes_at).min();
            // What changes while pages are read is asked for again: the mark of the first one counts.
            mark = mark.or(answer.mark);
            page = answer.next;
            if page.is_none() {
                return Ok((rows, changes_at, mark));
            }
        }
        let name = list.unwrap_or("the sale prices");
        Err(Error::new(
            Kind::TooLarge,
            format!(
                "{name}: the ERP has more than {PAGES} pages of articles for sale, more than are read: mark as not for sale what no shop sells"
            ),
        ))
    }
}

/// What lists say from a certain time on.
enum Announced {
    /// Nothing else, as far ahead as is asked.
    Nothing,
    /// This.
    From(Timestamp, Lists),
    /// They could not be asked: what they said before stands.
    Unknown,
}

/// What the lists of an account said.
struct Said {
    /// Now.
    lists: Lists,
    /// When.
    at: Timestamp,
    later: Announced,
    /// The connections that were asked for otherwise before.
    afresh: BTreeSet<String>,
    /// In which poll.
    number: u64,
    /// Whether of all articles; otherwise only of those that may have changed.
    full: bool,
    /// Whether the stores are compared, whatever it was.
    daily: bool,
}

/// Notes the prices of one connection. How many there were.
async fn note(puente: &Puente, own: &Pricing, said: &Said) -> Result<usize> {
    let Said { lists, later, .. } = said;
    let afresh = said.afresh.contains(own.connection.as_str());
    let names = lists_of(own);
    let [list, compared] = &names;
    let named = |lists: &Lists| -> BTreeSet<Sku> {
        names.iter().flatten().filter_map(|name| lists.get(name)).flat_map(BTreeMap::keys).cloned().collect()
    };
    let mut articles = named(lists);
    if let Announced::From(_, lists) = later {
        articles.extend(named(lists));
    }
    let written: Vec<Result<bool>> = stream::iter(articles)
        .map(|sku| async move {
            // What did not change stands on the tag.
            let reads = !said.full || matches!(later, Announced::Unknown);
            let tag = if reads { puente.prices.tag(&own.connection, &sku).await? } else { None };
            let before = tag.as_ref().map(|tag| &tag.offer).filter(|_| !said.full);
            let offer = |lists: &Lists, before: Option<&Offer>| {
                let says = |name: &Option<String>| lists.get(name.as_ref()?)?.get(&sku).cloned();
                let price = says(list).or_else(|| before.map(|offer| offer.price.clone()))?;
                let kept = || before.and_then(|offer| offer.compare_at.clone()).filter(|_| compared.is_some());
                Some(Offer { price, compare_at: says(compared).or_else(kept) })
            };
            // Only in the list that prices are compared to: it is not sold at a price of its own.
            let Some(now) = offer(lists, before) else { return Ok(false) };
            let then = match later {
                Announced::Nothing => None,
                Announced::From(from, lists) => offer(lists, Some(&now)).map(|offer| Later { from: *from, offer }),
                // What has begun is what the lists say now.
                Announced::Unknown => {
                    tag.as_ref().and_then(|tag| tag.later.clone()).filter(|later| later.from > said.at)
                }
            };
            let then = then.filter(|then| then.offer != now);
            let quoted = Quoted { offer: now, later: then, poll: said.number, afresh, daily: said.daily };
            puente.prices.write(&own.connection, &sku, &PriceWrite::Quoted(quoted), puente.clock.now()).await
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let written = written.into_iter().collect::<Result<Vec<bool>>>()?.into_iter().filter(|written| *written).count();
    if written > 0 {
        wake(puente, &own.connection, Duration::ZERO).await?;
    }
    Ok(written)
}
