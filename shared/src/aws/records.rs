//! The records on DynamoDB: heads, contents, timelines, and what is found under what. `keys.rs` says where each lies.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    facts::Facts,
    head, index,
    item::{Reader, bytes, damaged, number},
    keys::{Key, NOTES, found, order_of, partition, term_pk},
    table::{self, Outcome, Query as Ask, Sort, Table},
    write,
};
use crate::{
    Error, Kind, Result,
    domain::{
        event::{Event, Told},
        ids::{ConnectionId, OrderKey},
        record::{Entry, Head, State, Write, Written},
        search::{SearchKey, Term, added},
        version::Version,
    },
    payload::{pack, unpack},
    ports::{Chance, Page, Payload, Query, Records},
};

/// How long a line of the timeline is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The largest payload that is unpacked, in bytes.
const LARGEST_PAYLOAD: usize = 32 * 1024 * 1024;
/// How often a write looks for the branch that applies while others write between its attempts.
const ROUNDS: u32 = 12;

/// The records of orders.
#[derive(Clone)]
pub struct DynamoRecords(Table, Arc<OnceLock<SearchKey>>);

impl DynamoRecords {
    pub(super) fn new(table: Table) -> Self {
        Self(table, Arc::default())
    }

    /// Has the order found under what `write` adds. Once the write is done: an order that is not found is a nuisance, one that cannot
    /// be written waits.
    async fn searchable(&self, key: &OrderKey, write: &Write) {
        let puts = added(write).into_iter().map(|term| table::put(Key::term(&term, key).item()));
        let written = match puts.collect::<Result<Vec<_>>>() {
            Ok(puts) => self.0.write_many(&puts).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            Event::SearchLost { order: key, error: &error }.log();
        }
    }
}

#[async_trait]
impl Records for DynamoRecords {
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>> {
        self.0.get(Key::head(key)).await?.as_ref().map(|item| head::of(key, item)).transpose()
    }

    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written> {
        let token = Uuid::new_v4().simple().to_string();
        let mut facts = Facts::usual();
        for _ in 0..ROUNDS {
            let update = write::update(write, key, now, &token, facts)?;
            let (item, repeated) = match self.0.update(Key::head(key), update).await? {
                Outcome::Done(item) => {
                    let head = head::of(key, &item)?;
                    self.searchable(key, write).await;
                    return Ok(Written::Applied(head));
                }
                Outcome::Refused(None, _) if !matches!(write, Write::Record { .. }) => {
                    return Ok(Written::Refused(None));
                }
                Outcome::Refused(None, _) => continue,
                Outcome::Refused(Some(item), repeated) => (item, repeated),
            };
            let head = head::of(key, &item)?;
            let ours = Reader(&item).text_if("token") == Some(&token);
            if ours || repeated && write.done_already(&head) {
                self.searchable(key, write).await;
                return Ok(Written::Applied(head));
            }
            if write.apply(key, Some(&head), now).is_none() {
                return Ok(Written::Refused(Some(head)));
            }
            facts = Facts::of(&head, write, now);
        }
        Err(Error::new(Kind::Unavailable, format!("order {key}: too many writers at once, the write found no moment")))
    }

    async fn keep(&self, order: &OrderKey, version: &Version, payload: &Payload) -> Result<()> {
        let (kind, content) = match payload {
            Payload::Order(content) => ("order", content),
            Payload::Raw(content) => ("raw", content),
        };
        let key = Key::payload(order, version);
        self.0
            .put_large(key, &[("kind", kind)], pack(content), true)
            .await
            .map_err(|error| error.within(format!("order {order}")))
    }

    async fn payload(&self, order: &OrderKey, version: &Version) -> Result<Option<Payload>> {
        let Some((item, packed)) = self.0.get_large(Key::payload(order, version)).await? else {
            return Ok(None);
        };
        let content = Bytes::from(unpack(&packed, LARGEST_PAYLOAD)?);
        match Reader(&item).text("kind")? {
            "order" => Ok(Some(Payload::Order(content))),
            "raw" => Ok(Some(Payload::Raw(content))),
            _ => Err(damaged("kind")),
        }
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>> {
        let items = index::due(&self.0, connection.as_str(), now, limit).await?;
        items.iter().map(|item| order_of(connection, Reader(item).text("pk")?)).collect()
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        index::next_due(&self.0, connection.as_str()).await
    }

    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>> {
        let partition = term_pk(term);
        let own = connection.map(|connection| format!("{connection}/")).unwrap_or_default();
        // Keys with one beginning lie together, wherever those of other connections lie.
        let after = after.filter(|after| connection.is_none_or(|connection| *connection == after.connection));
        let after = after.map_or_else(|| own.clone(), ToString::to_string);
        let sort = (!after.is_empty()).then_some(("sk", Sort::After(&after)));
        let ask = Ask { index: None, partition: ("pk", &partition), sort, ascending: true, limit };
        let items = self.0.query(&ask).await?;
        let keys = items.iter().map(|item| Reader(item).text("sk"));
        keys.take_while(|sk| sk.as_ref().map_or(true, |sk| sk.starts_with(&own))).map(|sk| found(sk?)).collect()
    }

    async fn search_key(&self, chance: Option<&dyn Chance>) -> Result<Option<SearchKey>> {
        if let Some(key) = self.1.get() {
            return Ok(Some(key.clone()));
        }
        let read = async || {
            let item = self.0.get(Key::search_key()).await?;
            let key = |item| Reader(item).bytes_if("secret").and_then(SearchKey::kept).ok_or_else(|| damaged("secret"));
            item.as_ref().map(key).transpose()
        };
        let found = match (read().await?, chance) {
            (None, Some(chance)) => {
                let drawn = SearchKey::drawn(|| chance.token());
                let mut item = Key::search_key().item();
                item.insert("secret".to_owned(), bytes(drawn.bytes().to_vec()));
                self.0.put(item, true).await?;
                // Perhaps another process was faster.
                read().await?
            }
            (found, _) => found,
        };
        Ok(found.map(|key| self.1.get_or_init(|| key).clone()))
    }

    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()> {
        let lines = entries.iter().map(|(order, entry)| {
            let mut item = Key::note(order, entry.at).item();
            item.insert("entry".to_owned(), head::json(entry)?);
            item.insert("expires".to_owned(), number((entry.at + KEPT).as_second()));
            table::put(item)
        });
        self.0.write_many(&lines.collect::<Result<Vec<_>>>()?).await
    }

    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>> {
        let partition = partition(key);
        let ask = Ask {
            index: None,
            partition: ("pk", &partition),
            sort: Some(("sk", Sort::Begins(NOTES))),
            ascending: true,
            limit: usize::MAX,
        };
        let lines = self.0.query(&ask).await?;
        let read = |line| serde_json::from_str(Reader(line).text("entry")?).map_err(|_| damaged("entry"));
        lines.iter().map(read).collect()
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        index::list(&self.0, query).await
    }

    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>> {
        index::counts(&self.0, connection).await
    }

    async fn ready(&self) -> Result<()> {
        self.0.get(Key::config()).await.map(drop)
    }
}
