//! The records on DynamoDB.
//!
//! | partition | sort | what |
//! |---|---|---|
//! | `order/{connection}/{order}` | `head` | the head, see `head.rs` |
//! | | `payload/{version}` | a version's content, packed; in parts beside it where it is large |
//! | | `note/{time}/{id}` | a line of the timeline, for [`KEPT`] |
//! | `id/{erp}/{name}` | `id` | an id of the ERP |
//! | `cursor/{name}` | `cursor` | a position |

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    facts::Facts,
    head::{self, HEAD, partition},
    index,
    item::{Reader, damaged, number, sortable, text},
    table::{self, Outcome, Query as Ask, Table, key},
    write,
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, ErpId, OrderKey},
        record::{Entry, Head, State, Write, Written},
        version::Version,
    },
    payload::{pack, unpack},
    ports::{Page, Payload, Query, Records},
};

/// How long a line of the timeline is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The largest payload that is unpacked, in bytes.
const LARGEST_PAYLOAD: usize = 32 * 1024 * 1024;
/// How often a write looks for the branch that applies while others write between its attempts.
const ROUNDS: u32 = 12;
/// The longest name of an id: a partition key has at most 2048 bytes.
const LONGEST_NAME: usize = 1900;

/// The records of orders.
#[derive(Clone)]
pub struct DynamoRecords(Table);

impl DynamoRecords {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }
}

#[async_trait]
impl Records for DynamoRecords {
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>> {
        self.0.get(&partition(key), HEAD).await?.as_ref().map(head::read).transpose()
    }

    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written> {
        let token = Uuid::new_v4().simple().to_string();
        let mut facts = Facts::usual();
        for _ in 0..ROUNDS {
            let update = write::update(write, key, now, &token, facts)?;
            let (item, repeated) = match self.0.update(&partition(key), HEAD, update).await? {
                Outcome::Done(item) => return Ok(Written::Applied(head::read(&item)?)),
                Outcome::Refused(None, _) if !matches!(write, Write::Record { .. }) => {
                    return Ok(Written::Refused(None));
                }
                Outcome::Refused(None, _) => continue,
                Outcome::Refused(Some(item), repeated) => (item, repeated),
            };
            let head = head::read(&item)?;
            let ours = Reader(&item).text_if("token") == Some(&token);
            if ours || repeated && write.done_already(&head) {
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
        let mut item = key(partition(order), payload_key(version));
        item.insert("kind".to_owned(), text(kind));
        self.0.put_large(item, pack(content), true).await.map_err(|error| error.within(format!("order {order}")))
    }

    async fn payload(&self, order: &OrderKey, version: &Version) -> Result<Option<Payload>> {
        let Some((item, packed)) = self.0.get_large(&partition(order), &payload_key(version)).await? else {
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
        index::due(&self.0, connection, now, limit).await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        index::next_due(&self.0, connection).await
    }

    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()> {
        let lines = entries.iter().map(|(order, entry)| {
            // A version 7 UUID grows within the process: lines of one moment keep their order.
            let mut item = key(partition(order), format!("note/{}/{}", sortable(entry.at), Uuid::now_v7()));
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
            sort: Some(("sk", "begins_with", "note/")),
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

    async fn ids(&self, erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        let names: BTreeSet<&String> = names.iter().filter(|name| fits(name)).collect();
        let keys: Vec<_> = names.into_iter().map(|name| id_key(erp, name)).collect();
        // A stale id is found out by the ERP's own answer: no need to read consistently.
        let items = if keys.is_empty() { Vec::new() } else { self.0.get_many(keys, false).await? };
        let read = |item| {
            let item = Reader(item);
            Ok((item.text("name")?.to_owned(), item.text("id")?.to_owned()))
        };
        items.iter().map(read).collect()
    }

    async fn learn(&self, erp: &ErpId, ids: &[(String, String)]) -> Result<()> {
        // A batch refuses a key that stands twice in it: the last one counts.
        let ids: BTreeMap<&String, &String> =
            ids.iter().filter(|(name, _)| fits(name)).map(|(name, id)| (name, id)).collect();
        let puts = ids.into_iter().map(|(name, id)| {
            let mut item = id_key(erp, name);
            item.insert("name".to_owned(), text(name));
            item.insert("id".to_owned(), text(id));
            table::put(item)
        });
        self.0.write_many(&puts.collect::<Result<Vec<_>>>()?).await
    }

    async fn forget(&self, erp: &ErpId, names: &[String]) -> Result<()> {
        let names: BTreeSet<&String> = names.iter().filter(|name| fits(name)).collect();
        let deletes = names.into_iter().map(|name| table::delete(id_key(erp, name)));
        self.0.write_many(&deletes.collect::<Result<Vec<_>>>()?).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>> {
        let item = self.0.get(&format!("cursor/{name}"), "cursor").await?;
        item.as_ref().map(|item| Reader(item).text("value").map(str::to_owned)).transpose()
    }

    async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        let mut item = key(format!("cursor/{name}"), "cursor");
        item.insert("value".to_owned(), text(value));
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn ready(&self) -> Result<()> {
        self.0.get("config", "config").await.map(drop)
    }
}

fn payload_key(version: &Version) -> String {
    format!("payload/{version}")
}

fn id_key(erp: &ErpId, name: &str) -> super::item::Item {
    key(format!("id/{erp}/{name}"), "id")
}

/// Longer names cannot be keys: they are never remembered, and asked for each time.
fn fits(name: &str) -> bool {
    name.len() <= LONGEST_NAME
}
