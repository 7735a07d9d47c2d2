//! Finding orders: by an exact value (number, document, buyer's e-mail), or through the lists of several connections at once.
//!
//! Every step reads an index and a bounded number of records. A page may therefore hold fewer orders than asked for while there is
//! another one; it is the last where no next place is named.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Puente, is_of_one_record};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        order::Order,
        record::{Head, State, Summary},
        search::{Term, terms},
    },
    ports::{Page, Place, Query, Unreadable},
};

/// How many records, or lists, are read at a time.
const AT_A_TIME: usize = 8;

/// What is looked for: all of it must hold.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In these connections.
    pub connections: Vec<ConnectionId>,
    /// Orders that stand so.
    pub state: Option<State>,
    /// Last changed at this time or later.
    pub from: Option<Timestamp>,
    /// Last changed before this time.
    pub to: Option<Timestamp>,
    /// Found under these values: the first one is looked up, now or as it once was; the others must be the order's now.
    pub terms: Vec<Term>,
    /// At most so many, at least 1.
    pub limit: usize,
    /// Where the last page ended.
    pub after: Option<After>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// In lists, the latest change first.
    Listed(Timestamp, OrderKey),
    /// Among what has a value, by connection and order.
    Found(OrderKey),
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The records.
    pub heads: Vec<Head>,
    /// Records in their place that cannot be read. Whether they are wanted cannot be told either.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins, if there is one.
    pub next: Option<After>,
}

/// Looks for orders.
pub async fn search(puente: &Puente, wanted: &Wanted) -> Result<Found> {
    match wanted.terms.first() {
        Some(term) => by_term(puente, wanted, term).await,
        None => listed(puente, wanted).await,
    }
}

/// The term of a buyer's e-mail; `None` if no order can have it.
pub async fn buyer(puente: &Puente, email: &str) -> Result<Option<Term>> {
    Ok(puente.records.search_key(None).await?.and_then(|key| key.term(email)))
}

/// The summary of an order, with what stands for its buyer's e-mail.
pub(super) async fn summary(puente: &Puente, order: &Order) -> Result<Summary> {
    let summary = Summary::of(order);
    let Some(email) = order.customer.as_ref().and_then(|customer| customer.email.as_deref()) else {
        return Ok(summary);
    };
    let key = puente.records.search_key(Some(&*puente.chance)).await?;
    Ok(Summary { buyer: key.and_then(|key| key.buyer(email)), ..summary })
}

async fn by_term(puente: &Puente, wanted: &Wanted, term: &Term) -> Result<Found> {
    let after = match &wanted.after {
        None => None,
        Some(After::Found(key)) => Some(key),
        Some(After::Listed(..)) => return Err(foreign()),
    };
    let mut connections = wanted.connections.clone();
    connections.sort();
    let mut all = puente.settings.connections();
    all.sort();
    // Who sees everything is answered in one question.
    let scopes = if connections == all { vec![None] } else { connections.iter().map(Some).collect() };
    let mut keys = Vec::new();
    for scope in scopes {
        let done = scope.zip(after).is_some_and(|(connection, after)| *connection < after.connection);
        if !done && keys.len() < wanted.limit {
            keys.extend(puente.records.find(term, scope, after, wanted.limit - keys.len()).await?);
        }
    }
    let next = keys.last().filter(|_| keys.len() == wanted.limit).cloned().map(After::Found);
    let read = stream::iter(keys).map(|key| async move { (puente.records.head(&key).await, key) }).buffered(AT_A_TIME);
    let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
    for (head, key) in read.collect::<Vec<_>>().await {
        match head {
            Ok(head) => heads.extend(head.filter(|head| wanted.takes(head))),
            Err(error) if is_of_one_record(&error) => {
                unreadable.push(Unreadable { key, updated: None, why: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Found { heads, unreadable, next })
}

async fn listed(puente: &Puente, wanted: &Wanted) -> Result<Found> {
    let after = match &wanted.after {
        None => None,
        Some(After::Listed(updated, key)) => Some((*updated, key)),
        Some(After::Found(_)) => return Err(foreign()),
    };
    let ask = |connection: &ConnectionId| {
        let query = Query {
            connection: connection.clone(),
            state: wanted.state,
            from: wanted.from,
            limit: wanted.limit,
            cursor: wanted.begins(connection, after),
        };
        async move { puente.records.list(&query).await.map(|page| (query.connection, page)) }
    };
    let asked: Vec<_> = wanted.connections.iter().map(ask).collect();
    let pages: Vec<(ConnectionId, Page)> = stream::iter(asked).buffered(AT_A_TIME).try_collect().await?;
    // Beyond the place at which the first of the lists ends for now, others may be missing.
    let ends = pages.iter().filter_map(|(connection, page)| {
        let Place { updated, order } = page.cursor.as_ref()?;
        Some((*updated, OrderKey::new(connection.clone(), order.clone()?)))
    });
    let horizon = ends.max();
    let place = |head: &Head| (head.updated, head.key.clone());
    // An own list ends, and goes on, where its adapter says: the time of what cannot be read need not be exact.
    let is_here = |updated: Timestamp, key: &OrderKey| {
        let told =
            after.is_some_and(|(then, last)| key.connection != last.connection && (updated, key) >= (then, last));
        let beyond =
            |(then, last): &(Timestamp, OrderKey)| key.connection != last.connection && (updated, key) < (*then, last);
        !told && !horizon.as_ref().is_some_and(beyond)
    };
    let (mut heads, mut unreadable): (Vec<Head>, Vec<Unreadable>) = (Vec::new(), Vec::new());
    for (_, page) in pages {
        heads.extend(page.heads);
        unreadable.extend(page.unreadable);
    }
    heads.retain(|head| is_here(head.updated, &head.key) && wanted.takes(head));
    unreadable.retain(|one| one.updated.is_none_or(|updated| is_here(updated, &one.key)));
    heads.sort_by_key(|head| std::cmp::Reverse(place(head)));
    let more = heads.len() > wanted.limit;
    heads.truncate(wanted.limit);
    let next = if more { heads.last().map(place) } else { horizon };
    if let Some(last) = heads.last().map(place).filter(|_| more) {
        // The next page has them.
        unreadable.retain(|one| one.updated.is_none_or(|updated| (updated, &one.key) >= (last.0, &last.1)));
    }
    Ok(Found { heads, unreadable, next: next.map(|(updated, key)| After::Listed(updated, key)) })
}

impl Wanted {
    /// Whether a record is wanted; the first term was looked up.
    fn takes(&self, head: &Head) -> bool {
        let within = self.from.is_none_or(|from| head.updated >= from) && self.to.is_none_or(|to| head.updated < to);
        let own = terms(head);
        within
            && self.connections.contains(&head.key.connection)
            && self.state.is_none_or(|state| head.state() == state)
            && self.terms.iter().skip(1).all(|term| own.contains(term))
    }

    /// Where the list of a connection begins, if all lists together go on after this place. A little early, since an adapter's index
    /// need not tell times within a microsecond apart.
    fn begins(&self, connection: &ConnectionId, after: Option<(Timestamp, &OrderKey)>) -> Option<Place> {
        let soon = |at: Timestamp| at.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX);
        match after {
            None => self.to.map(|to| Place { updated: to, order: None }),
            Some((updated, key)) if key.connection == *connection => {
                Some(Place { updated, order: Some(key.order.clone()) })
            }
            Some((updated, key)) if *connection < key.connection => Some(Place { updated: soon(updated), order: None }),
            Some((updated, _)) => Some(Place { updated, order: None }),
        }
    }
}

fn foreign() -> Error {
    Error::new(Kind::Unreadable, "`cursor` is not one of this search: take it from the page before")
}
