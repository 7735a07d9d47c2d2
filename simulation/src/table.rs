//! The table: records and ledgers as DynamoDB keeps them. Conditional writes are atomic and run the production's own pure
//! functions; heads are read consistently, the index lags; a write may be repeated by the SDK, or its answer be lost.

mod prices;
mod shipments;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Result,
    domain::{
        goods::{Commitment, GoodsWrite, Halt, Listing, Shelf, ShelfId, Sku, schedule::Polls},
        ids::{AccountId, ConnectionId, ErpId, OrderKey},
        ledger::{Denied, Departed, Ledger, Limits, Released, Request, Slots, Taken},
        price::PriceTag,
        record::{Entry, Head, State, Write, Written},
        search::{SearchKey, Term, terms},
        shipment::{Dispatch, ShipmentId},
        sign::{Fact, Identity, Party, Sign},
        task::Run,
        version::Version,
    },
    ports::{
        Accounts, Admitted, Chance, Cursors, Doors, Goods, Kept, Known, Page, Payload, Query, Records, Signs, Swapped,
        Token, Tokens, Unreadable,
    },
};

use crate::{
    erp::GONE,
    executor::Micros,
    fault::{Fault, Place},
    world::{MINUTE, SECOND, World},
};

/// What the table holds.
#[derive(Clone, Default)]
pub struct Rows {
    /// Heads.
    pub heads: BTreeMap<OrderKey, Head>,
    /// Those that a later release wrote: nobody here can read them.
    pub unreadable: BTreeSet<OrderKey>,
    /// Which write a head comes from, so that a repeated request finds its own.
    tokens: BTreeMap<OrderKey, String>,
    payloads: HashMap<(OrderKey, Version), Payload>,
    /// Lines of timelines.
    pub timelines: BTreeMap<OrderKey, Vec<Entry>>,
    ids: BTreeMap<String, String>,
    begun: BTreeMap<String, Timestamp>,
    cursors: BTreeMap<String, String>,
    admitted: BTreeMap<ConnectionId, Admitted>,
    /// Signs of life.
    pub signs: BTreeMap<(Party, Fact), Sign>,
    identities: BTreeMap<ConnectionId, Identity>,
    /// Shelves.
    pub shelves: BTreeMap<ShelfId, Shelf>,
    /// How often it was kept what a state of an order took.
    pub commits: u64,
    halts: BTreeMap<ConnectionId, Halt>,
    /// Shipments.
    pub shipments: BTreeMap<(OrderKey, ShipmentId), Dispatch>,
    /// Which write a shipment comes from.
    shipment_tokens: BTreeMap<(OrderKey, ShipmentId), String>,
    /// Price tags.
    pub prices: BTreeMap<(ConnectionId, Sku), PriceTag>,
    /// Which write a price tag comes from.
    price_tokens: BTreeMap<(ConnectionId, Sku), String>,
    runs: BTreeMap<String, Run>,
    claims: BTreeMap<String, Timestamp>,
    kept: BTreeMap<AccountId, Kept>,
    /// Ledgers.
    pub ledgers: BTreeMap<AccountId, Ledger>,
    index: BTreeMap<OrderKey, Timestamp>,
    /// What the index will show, and from when.
    lagging: BTreeMap<(Micros, u64), (OrderKey, Option<Timestamp>)>,
    shown: BTreeMap<OrderKey, Micros>,
    writes: u64,
    /// When departures ended.
    pub departures: Vec<Micros>,
}

impl Rows {
    /// When the first number of stock is due at a store.
    #[must_use]
    pub fn next_listing(&self) -> Option<Timestamp> {
        self.shelves.values().flat_map(|shelf| shelf.listings.values()).filter_map(|listing| listing.due).min()
    }

    /// When the first price is due.
    #[must_use]
    pub fn next_price(&self) -> Option<Timestamp> {
        self.prices.values().filter_map(|tag| tag.due).min()
    }

    /// When the first shipment is due.
    #[must_use]
    pub fn next_shipment(&self) -> Option<Timestamp> {
        self.shipments.values().filter_map(|dispatch| dispatch.due).min()
    }
}

/// The table.
pub struct Table {
    world: Arc<World>,
    rows: Mutex<Rows>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self { world, rows: Mutex::default() }
    }

    /// Its rows, as they are.
    pub fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    /// How far the questions for stock are.
    #[must_use]
    pub fn polls(&self, erp: &ErpId) -> Option<Polls> {
        serde_json::from_str(self.rows().cursors.get(&format!("goods/{erp}"))?).ok()
    }

    /// A backup.
    #[must_use]
    pub fn backup(&self) -> Rows {
        self.rows().clone()
    }

    /// Restores a backup.
    pub fn restore(&self, backup: Rows) {
        *self.rows() = backup;
    }

    /// Ids that the cache holds become those of records that are gone.
    pub fn spoil_ids(&self) {
        for id in self.rows().ids.values_mut() {
            id.push_str(GONE);
        }
    }

    async fn call<T>(&self, name: &'static str, mut act: impl FnMut(&mut Rows, bool) -> T) -> Result<T> {
        self.world.call(Place::Table, name, |again| act(&mut self.rows(), again)).await
    }

    fn written(
        &self,
        rows: &mut Rows,
        key: &OrderKey,
        write: &Write,
        now: Timestamp,
        token: &str,
        again: bool,
    ) -> Written {
        let old = rows.heads.get(key);
        if again
            && let Some(head) = old
            && (rows.tokens.get(key).is_some_and(|last| last == token) || write.done_already(head))
        {
            return Written::Applied(head.clone());
        }
        let Some(head) = write.apply(key, old, now) else { return Written::Refused(old.cloned()) };
        if head.forgotten() {
            self.world.violated(format!("{key}: {write:?} leaves an order without a due: {head:?}"));
        }
        self.world.say(|| format!("{key}: {} -> {:?}", kind(write), head.state()));
        let due = head.due;
        rows.heads.insert(key.clone(), head.clone());
        rows.tokens.insert(key.clone(), token.to_owned());
        self.show(rows, key, due);
        Written::Applied(head)
    }

    /// The index shows a write a moment later; a lagging one much later. Never an older write after a newer one.
    fn show(&self, rows: &mut Rows, key: &OrderKey, due: Option<Timestamp>) {
        let chance = &self.world.chance;
        let lag = if self.world.strikes(Fault::IndexLags, 100) {
            chance.within(SECOND, 2 * MINUTE)
        } else {
            self.world.takes(0, SECOND / 20)
        };
        let at = (self.world.now() + lag).max(rows.shown.get(key).copied().unwrap_or(0));
        rows.shown.insert(key.clone(), at);
        rows.writes += 1;
        rows.lagging.insert((at, rows.writes), (key.clone(), due));
    }

    fn index<'a>(&self, rows: &'a mut Rows) -> &'a BTreeMap<OrderKey, Timestamp> {
        let now = self.world.now();
        while let Some(entry) = rows.lagging.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                (key, Some(due)) => rows.index.insert(key, due),
                (key, None) => rows.index.remove(&key),
            };
        }
        &rows.index
    }

    /// When the index shows the next write.
    #[must_use]
    pub fn next_shown(&self) -> Option<Micros> {
        self.rows().lagging.first_key_value().map(|((at, _), _)| *at)
    }
}

/// A write of a shelf.
fn goods(write: &GoodsWrite) -> String {
    match write {
        GoodsWrite::Commit(one) => format!("commits {:?} of {}", one.quantity.map(|n| n.to_string()), one.order),
        GoodsWrite::Mark(marks) => format!("marks {} stores", marks.len()),
        GoodsWrite::Count(one) => {
            format!("counted {} in poll {}, {} settled", one.quantity, one.poll, one.settled.len())
        }
        GoodsWrite::Settle { poll, settled, .. } => format!("settles {} of poll {poll}", settled.len()),
        GoodsWrite::Tell(one) => format!("tells {} of {} ({})", one.connection, one.pending.value, one.pending.attempt),
        GoodsWrite::Told { connection, value, attempt, .. } => format!("{connection} says {value} ({attempt})"),
        GoodsWrite::Seen { connection, value, read, .. } => {
            format!("{connection} has {value:?}, read: {}", read.is_some())
        }
        GoodsWrite::Failed { connection, attempt, certain, note, .. } => {
            format!("{connection} was not told ({attempt:?}, for certain: {certain}): {note}")
        }
        GoodsWrite::Reserve { order, reserved, .. } => format!("{reserved} of {order} are reserved there"),
        GoodsWrite::WithMarks(write, marks) => format!("{}, and marks {} stores", goods(write), marks.len()),
    }
}

/// A write's name.
fn kind(write: &Write) -> String {
    let text = format!("{write:?}");
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    match write {
        Write::Begin { intent, due, .. } | Write::Resend { intent, due, .. } => {
            let step = intent.step.operation().as_str();
            format!("{name} {step} attempt {} start by {} due {due}", intent.attempt, intent.start_by)
        }
        Write::Complete { attempt, found, .. } => format!("{name} attempt {attempt} found {found}"),
        Write::Record { version, .. } => format!("{name} {version}"),
        Write::Reschedule { reason, .. } | Write::Park { reason, .. } | Write::Defer { reason, .. } => {
            format!("{name}: {reason}")
        }
        Write::Rest { rest, .. } => format!("{name} {rest:?}"),
        Write::Touch { .. } | Write::Replay { .. } | Write::Book { .. } | Write::Lift { .. } => name,
    }
}

#[async_trait]
impl Records for Table {
    async fn head(&self, key: &OrderKey) -> Result<Option<Head>> {
        let head =
            self.call("records.head", |rows, _| (rows.unreadable.contains(key), rows.heads.get(key).cloned())).await?;
        match head {
            (true, _) => Err(Error::new(Kind::Config, format!("{key}: a later release wrote it"))),
            (false, head) => Ok(head),
        }
    }

    async fn write(&self, key: &OrderKey, write: &Write, now: Timestamp) -> Result<Written> {
        let token = self.world.chance.token();
        self.call("records.write", |rows, again| self.written(rows, key, write, now, &token, again)).await
    }

    async fn keep(&self, key: &OrderKey, version: &Version, payload: &Payload) -> Result<()> {
        self.call("records.keep", |rows, _| {
            rows.payloads.insert((key.clone(), version.clone()), payload.clone());
        })
        .await
    }

    async fn payload(&self, key: &OrderKey, version: &Version) -> Result<Option<Payload>> {
        self.call("records.payload", |rows, _| rows.payloads.get(&(key.clone(), version.clone())).cloned()).await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<OrderKey>> {
        self.call("records.due", |rows, _| {
            let index = self.index(rows);
            let ours = index.iter().filter(|(key, due)| &key.connection == connection && **due <= now);
            let mut due: Vec<_> = ours.map(|(key, due)| (*due, key.clone())).collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, key)| key).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        self.call("records.next_due", |rows, _| {
            let index = self.index(rows);
            index.iter().filter(|(key, _)| &key.connection == connection).map(|(_, due)| *due).min()
        })
        .await
    }

    async fn find(
        &self,
        term: &Term,
        connection: Option<&ConnectionId>,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<Vec<OrderKey>> {
        self.call("records.find", |rows, _| {
            let found = rows.heads.iter().filter(|(key, head)| {
                let here = connection.is_none_or(|connection| key.connection == *connection);
                here && after.is_none_or(|after| *key > after) && terms(head).contains(term)
            });
            found.map(|(key, _)| key.clone()).take(limit).collect()
        })
        .await
    }

    /// Drawn long ago, and read once in the life of a process: no call of a history.
    async fn search_key(&self, _chance: Option<&dyn Chance>) -> Result<Option<SearchKey>> {
        Ok(SearchKey::kept(&[7; 32]))
    }

    async fn note(&self, entries: &[(OrderKey, Entry)]) -> Result<()> {
        self.call("records.note", |rows, again| {
            for (key, entry) in entries.iter().filter(|_| !again) {
                rows.timelines.entry(key.clone()).or_default().push(entry.clone());
            }
        })
        .await
    }

    async fn timeline(&self, key: &OrderKey) -> Result<Vec<Entry>> {
        self.call("records.timeline", |rows, _| rows.timelines.get(key).cloned().unwrap_or_default()).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let wanted = |head: &&Head| {
            head.key.connection == query.connection
                && query.state.is_none_or(|state| head.state() == state)
                && query.from.is_none_or(|from| head.updated >= from)
        };
        self.call("records.list", |rows, _| {
            let listed = rows.heads.values().filter(wanted).take(query.limit).cloned();
            let (unreadable, heads) = listed.partition::<Vec<_>, _>(|head| rows.unreadable.contains(&head.key));
            let why = || "a later release wrote it".to_owned();
            let told = |head: Head| Unreadable { key: head.key, updated: Some(head.updated), why: why() };
            Page { heads, unreadable: unreadable.into_iter().map(told).collect(), cursor: None }
        })
        .await
    }

    async fn counts(&self, connection: &ConnectionId) -> Result<HashMap<State, u64>> {
        self.call("records.counts", |rows, _| {
            let mut counts = HashMap::new();
            for head in rows.heads.values().filter(|head| &head.key.connection == connection) {
                *counts.entry(head.state()).or_default() += 1;
            }
            counts
        })
        .await
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Known for Table {
    async fn ids(&self, _erp: &ErpId, names: &[String]) -> Result<HashMap<String, String>> {
        self.call("known.ids", |rows, _| {
            names.iter().filter_map(|name| Some((name.clone(), rows.ids.get(name)?.clone()))).collect()
        })
        .await
    }

    async fn learn(&self, _erp: &ErpId, ids: &[(String, String)]) -> Result<()> {
        self.call("known.learn", |rows, _| rows.ids.extend(ids.iter().cloned())).await
    }

    async fn forget(&self, _erp: &ErpId, names: &[String]) -> Result<()> {
        self.call("known.forget", |rows, _| rows.ids.retain(|name, _| !names.contains(name))).await
    }

    async fn begun(&self, _erp: &ErpId, names: &[String]) -> Result<HashMap<String, Timestamp>> {
        self.call("known.begun", |rows, _| {
            names.iter().filter_map(|name| Some((name.clone(), *rows.begun.get(name)?))).collect()
        })
        .await
    }

    async fn begin(&self, _erp: &ErpId, names: &[String], until: Timestamp) -> Result<()> {
        self.call("known.begin", |rows, _| rows.begun.extend(names.iter().map(|name| (name.clone(), until)))).await
    }

    async fn ended(&self, _erp: &ErpId, names: &[String]) -> Result<()> {
        self.call("known.ended", |rows, _| rows.begun.retain(|name, _| !names.contains(name))).await
    }
}

#[async_trait]
impl Cursors for Table {
    async fn cursor(&self, name: &str) -> Result<Option<String>> {
        self.call("cursors.cursor", |rows, _| rows.cursors.get(name).cloned()).await
    }

    async fn set_cursor(&self, name: &str, value: &str) -> Result<()> {
        self.call("cursors.set_cursor", |rows, _| {
            rows.cursors.insert(name.to_owned(), value.to_owned());
        })
        .await
    }
}

#[async_trait]
impl Doors for Table {
    async fn admitted(&self, connection: &ConnectionId) -> Result<Option<Admitted>> {
        self.call("doors.admitted", |rows, _| rows.admitted.get(connection).copied()).await
    }

    async fn set_admitted(&self, connection: &ConnectionId, admitted: Admitted) -> Result<()> {
        self.call("doors.set_admitted", |rows, _| {
            rows.admitted.insert(connection.clone(), admitted);
        })
        .await
    }
}

#[async_trait]
impl Goods for Table {
    async fn shelf(&self, id: &ShelfId) -> Result<Shelf> {
        self.call("goods.shelf", |rows, _| rows.shelves.get(id).cloned().unwrap_or_default()).await
    }

    async fn write(&self, id: &ShelfId, write: &GoodsWrite, now: Timestamp) -> Result<bool> {
        self.call("goods.write", |rows, again| {
            let mut shelf = rows.shelves.get(id).cloned().unwrap_or_default();
            // A repeated request of ours finds its own token.
            let applied = again || write.apply(&mut shelf, now);
            self.world.say(|| format!("{}: {}{}", id.sku, goods(write), if applied { "" } else { ": refused" }));
            if applied && !again {
                rows.commits += u64::from(matches!(write, GoodsWrite::Commit(_)));
                rows.shelves.insert(id.clone(), shelf);
            }
            applied
        })
        .await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<ShelfId>> {
        self.call("goods.due", |rows, _| {
            let due = |(id, shelf): (&ShelfId, &Shelf)| {
                let due = shelf.listings.get(connection)?.due?;
                (due <= now).then(|| (due, id.clone()))
            };
            let mut due: Vec<_> = rows.shelves.iter().filter_map(due).collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, id)| id).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        self.call("goods.next_due", |rows, _| {
            rows.shelves.values().filter_map(|shelf| shelf.listings.get(connection)?.due).min()
        })
        .await
    }

    async fn commitments(
        &self,
        erp: &ErpId,
        after: Option<&(ShelfId, OrderKey)>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, OrderKey, Commitment)>> {
        self.call("goods.commitments", |rows, _| {
            let place = |id: &ShelfId, order: &OrderKey| (id.sku.clone(), id.place.clone(), order.clone());
            let ours = rows.shelves.iter().filter(|(id, _)| &id.erp == erp);
            let mut all: Vec<_> = ours
                .flat_map(|(id, shelf)| {
                    shelf.commitments.iter().map(|(order, one)| (id.clone(), order.clone(), one.clone()))
                })
                .filter(|(id, order, _)| after.is_none_or(|(last, of)| place(id, order) > place(last, of)))
                .collect();
            all.sort_by_key(|(id, order, _)| place(id, order));
            all.truncate(limit);
            all
        })
        .await
    }

    async fn listings(
        &self,
        connection: &ConnectionId,
        after: Option<&ShelfId>,
        limit: usize,
    ) -> Result<Vec<(ShelfId, Listing)>> {
        self.call("goods.listings", |rows, _| {
            let place = |id: &ShelfId| (id.sku.clone(), id.place.clone(), id.erp.clone());
            let listed = |(id, shelf): (&ShelfId, &Shelf)| {
                let listing = shelf.listings.get(connection)?;
                after.is_none_or(|last| place(id) > place(last)).then(|| (id.clone(), listing.clone()))
            };
            let mut all: Vec<_> = rows.shelves.iter().filter_map(listed).collect();
            all.sort_by_key(|(id, _)| place(id));
            all.truncate(limit);
            all
        })
        .await
    }

    async fn halted(&self, connection: &ConnectionId) -> Result<Option<Halt>> {
        self.call("goods.halted", |rows, _| rows.halts.get(connection).cloned()).await
    }

    async fn halt(&self, connection: &ConnectionId, halt: Option<&Halt>) -> Result<()> {
        self.call("goods.halt", |rows, _| {
            match halt {
                Some(halt) => rows.halts.insert(connection.clone(), halt.clone()),
                None => rows.halts.remove(connection),
            };
        })
        .await
    }
}

#[async_trait]
impl Signs for Table {
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()> {
        self.call("signs.sign", |rows, _| {
            rows.signs.insert((of.clone(), sign.fact), sign.clone());
        })
        .await
    }

    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>> {
        self.call("signs.read", |rows, _| {
            let of_party = |of: &Party| {
                rows.signs.iter().filter(|((party, _), _)| party == of).map(|(_, sign)| sign.clone()).collect()
            };
            of.iter().map(of_party).collect()
        })
        .await
    }

    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>> {
        self.call("signs.identity", |rows, _| rows.identities.get(connection).cloned()).await
    }

    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()> {
        self.call("signs.set_identity", |rows, _| {
            rows.identities.insert(connection.clone(), identity.clone());
        })
        .await
    }

    async fn claimed(&self, task: &str) -> Result<Option<Timestamp>> {
        self.call("signs.claimed", |rows, _| rows.claims.get(task).copied()).await
    }

    async fn claim(&self, task: &str, at: Timestamp) -> Result<()> {
        self.call("signs.claim", |rows, _| {
            rows.claims.insert(task.to_owned(), at);
        })
        .await
    }

    async fn ran(&self, task: &str, run: &Run) -> Result<()> {
        self.call("signs.ran", |rows, _| {
            rows.runs.insert(task.to_owned(), run.clone());
        })
        .await
    }

    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>> {
        self.call("signs.runs", |rows, _| tasks.iter().map(|task| rows.runs.get(*task).cloned()).collect()).await
    }
}

#[async_trait]
impl Tokens for Table {
    async fn get(&self, of: &AccountId) -> Result<Option<Kept>> {
        self.call("tokens.get", |rows, _| rows.kept.get(of).cloned()).await
    }

    async fn swap(&self, of: &AccountId, expected: Option<u64>, new: &Token) -> Result<Swapped> {
        self.call("tokens.swap", |rows, again| {
            let found = rows.kept.get(of).cloned();
            let next = expected.map_or(1, |version| version + 1);
            // The first of two equal requests wrote it.
            if again && found.as_ref().is_some_and(|kept| kept.version == next && kept.token.is(new)) {
                return Swapped::Written(next);
            }
            let swapped = Kept::swap(found, expected);
            if let Swapped::Written(version) = swapped {
                rows.kept.insert(of.clone(), Kept { token: new.clone(), version });
            }
            swapped
        })
        .await
    }

    async fn put(&self, of: &AccountId, new: &Token) -> Result<()> {
        self.call("tokens.put", |rows, _| {
            let version = rows.kept.get(of).map_or(0, |kept| kept.version) + 1;
            rows.kept.insert(of.clone(), Kept { token: new.clone(), version });
        })
        .await
    }
}

#[async_trait]
impl Accounts for Table {
    async fn ledger(&self, of: &AccountId) -> Result<Ledger> {
        self.call("ledger.read", |rows, _| rows.ledger(of).clone()).await
    }

    async fn take(
        &self,
        of: &AccountId,
        nonce: &str,
        now: Timestamp,
        until: Timestamp,
        clock_error: SignedDuration,
    ) -> Result<Taken> {
        self.call("ledger.take", |rows, _| {
            let taken = rows.ledger(of).take(nonce, now, until, clock_error);
            self.world.say(|| format!("take {of}: {}", if matches!(taken, Taken::Held) { "held" } else { "taken" }));
            taken
        })
        .await
    }

    async fn mark(&self, of: &AccountId, now: Timestamp) -> Result<bool> {
        self.call("ledger.mark", |rows, _| rows.ledger(of).leave_mark(now)).await
    }

    async fn release(&self, of: &AccountId, epoch: u64, seen: Option<u64>) -> Result<Released> {
        self.call("ledger.release", |rows, again| {
            let ledger = rows.ledger(of);
            // Only we could release our epoch: the first of two equal requests did.
            if again && ledger.epoch == epoch && ledger.holder.is_none() {
                return Released::Released;
            }
            let released = ledger.release(epoch, seen);
            self.world.say(|| format!("release {of}: {released:?}"));
            released
        })
        .await
    }

    async fn reserve(
        &self,
        of: &AccountId,
        request: &Request,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<std::result::Result<Slots, Denied>> {
        self.call("ledger.reserve", |rows, _| {
            let answer = rows.ledger(of).reserve(request, limits, now);
            self.world.say(|| format!("reserve: {answer:?}"));
            answer
        })
        .await
    }

    async fn block(&self, of: &AccountId, until: Timestamp, because: &str, seen: u32) -> Result<()> {
        self.call("ledger.block", |rows, again| {
            if !again {
                self.world.say(|| format!("block {of} until {until}: {because}"));
                rows.ledger(of).block(until, because, seen);
            }
        })
        .await
    }

    async fn unblock(&self, of: &AccountId, now: Timestamp) -> Result<()> {
        self.call("ledger.unblock", |rows, _| rows.ledger(of).unblock(now)).await
    }

    async fn poll(&self, of: &AccountId, epoch: u64) -> Result<Option<u64>> {
        self.call("accounts.poll", |rows, _| rows.ledgers.entry(of.clone()).or_default().poll(epoch)).await
    }

    async fn departed(&self, of: &AccountId, epoch: u64, departed: &Departed) -> Result<()> {
        self.call("ledger.departed", |rows, _| {
            rows.ledger(of).departed(epoch, departed);
            rows.departures.push(self.world.now());
            self.world.say(|| format!("departed {of}: {departed:?}"));
        })
        .await
    }
}

impl Rows {
    fn ledger(&mut self, of: &AccountId) -> &mut Ledger {
        self.ledgers.entry(of.clone()).or_default()
    }
}
