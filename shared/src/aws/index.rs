//! What the two indexes answer: what is due, and lists. They lag, so that they only suggest: lists of orders show the heads themselves,
//! read consistently.

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;
use jiff::Timestamp;

use super::{
    head,
    item::{Item, Reader, sortable},
    keys::{DUE, Key, STATE, order_of, place, place_sk, state_pk},
    table::{Query as Ask, Sort, Table},
};
use crate::{
    Error, Result,
    domain::{
        ids::{ConnectionId, OrderKey},
        record::State,
    },
    ports::{Page, Place, Query, Unreadable},
};

/// What is due at `now` in a partition of the index, earliest first.
pub(super) async fn due(table: &Table, partition: &str, now: Timestamp, limit: usize) -> Result<Vec<Item>> {
    let now = sortable(now);
    let sort = Some(("due", Sort::AtMost(&now)));
    table.query(&Ask { index: Some(DUE), partition: ("connection", partition), sort, ascending: true, limit }).await
}

/// The earliest `due` of a partition.
pub(super) async fn next_due(table: &Table, partition: &str) -> Result<Option<Timestamp>> {
    let partition = ("connection", partition);
    let ask = Ask { index: Some(DUE), partition, sort: None, ascending: true, limit: 1 };
    let items = table.query(&ask).await?;
    items.first().map(|item| Reader(item).parsed("due")).transpose()
}

/// The rows of a list, in its order, after a place in it. The index may name what is gone by now: only the end of the list makes fewer
/// of them.
pub(super) async fn listed(table: &Table, list: &str, mut after: Option<String>, limit: usize) -> Result<Vec<Item>> {
    let mut rows = Vec::new();
    while rows.len() < limit {
        let left = limit - rows.len();
        let sort = after.as_deref().map(|after| ("listed", Sort::After(after)));
        let ask = Ask { index: Some(STATE), partition: ("shelf", list), sort, ascending: true, limit: left };
        let named = table.query(&ask).await?;
        let keys: Vec<Key> = named.iter().map(Key::of).collect::<Result<_>>()?;
        let mut found = table.get_many(keys.iter().cloned(), false).await?;
        for key in keys {
            if let Some(at) = found.iter().position(|item| key.is_of(item)) {
                rows.push(found.swap_remove(at));
            }
        }
        after = named.last().map(|item| Ok::<_, Error>(Reader(item).text("listed")?.to_owned())).transpose()?;
        if named.len() < left {
            break;
        }
    }
    Ok(rows)
}

/// How many orders lie on each shelf.
pub(super) async fn counts(table: &Table, connection: &ConnectionId) -> Result<HashMap<State, u64>> {
    let counts = State::ALL.iter().map(|&state| async move {
        let shelf = state_pk(connection, state);
        let ask =
            Ask { index: Some(STATE), partition: ("shelf", &shelf), sort: None, ascending: false, limit: usize::MAX };
        Ok::<_, Error>((state, table.count(&ask).await?))
    });
    let counts = try_join_all(counts).await?;
    Ok(counts.into_iter().filter(|(_, count)| *count > 0).collect())
}

/// A page of heads, most recently changed first.
pub(super) async fn list(table: &Table, query: &Query) -> Result<Page> {
    let limit = query.limit.clamp(1, 200);
    // Without an end, one that no place lies beyond.
    let before = query.cursor.as_ref().map_or_else(|| "~".to_owned(), place_sk);
    let from = query.from.map_or_else(|| "!".to_owned(), |from| place_sk(&Place { updated: from, order: None }));
    let shelves: Vec<String> = match query.state {
        Some(state) => vec![state_pk(&query.connection, state)],
        None => State::ALL.iter().map(|&state| state_pk(&query.connection, state)).collect(),
    };
    // One more than asked for tells whether there is a next page.
    let found = shelves.iter().map(|shelf| {
        // Both ends belong to it; the place itself, where the last page ended, is left out below.
        let sort = Some(("listed", Sort::Between(&from, &before)));
        let ask = Ask { index: Some(STATE), partition: ("shelf", shelf), sort, ascending: false, limit: limit + 2 };
        async move { table.query(&ask).await }
    });
    let mut found: Vec<(String, OrderKey)> = try_join_all(found)
        .await?
        .iter()
        .flatten()
        .map(|item| {
            let item = Reader(item);
            Ok((item.text("listed")?.to_owned(), order_of(&query.connection, item.text("pk")?)?))
        })
        .collect::<Result<_>>()?;
    found.retain(|(listed, _)| *listed != before);
    found.sort_by(|one, other| other.cmp(one));
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| more).map(|(listed, _)| place(listed)).transpose()?;

    // While an order moves from one shelf to another the index may show it on both, or on the old one only.
    let mut seen = HashSet::new();
    let keys: Vec<_> =
        found.iter().filter(|(_, order)| seen.insert(order)).map(|(_, order)| Key::head(order)).collect();
    let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
    for item in &table.get_many(keys, true).await? {
        let key = order_of(&query.connection, Reader(item).text("pk")?)?;
        match head::of(&key, item) {
            Ok(head) => heads.push(head),
            Err(error) => {
                let listed = found.iter().find(|(_, order)| *order == key).map(|(listed, _)| place(listed));
                let updated = listed.transpose()?.map(|place| place.updated);
                unreadable.push(Unreadable { key, updated, why: error.to_string() });
            }
        }
    }
    heads.retain(|head| query.state.is_none_or(|state| head.state() == state));
    heads.sort_by(|one, other| (other.updated, &other.key).cmp(&(one.updated, &one.key)));
    Ok(Page { heads, unreadable, cursor })
}
