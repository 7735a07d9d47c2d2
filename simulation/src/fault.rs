//! What can go wrong, by name; which of it a history suffers, and how often it did.

use std::collections::{BTreeMap, BTreeSet};

/// Declares the kinds once: the name people read, where it strikes, and what it is.
macro_rules! faults {
    ($($(#[doc = $what:literal])* $kind:ident, $place:ident, $name:literal;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $what])* $kind,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name, for tables.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Where it strikes.
            #[must_use]
            pub fn place(self) -> Place {
                match self { $(Self::$kind => Place::$place,)* }
            }
        }
    };
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In what the store sends and answers.
    Store,
    /// In the queue.
    Queue,
    /// In records and ledgers.
    Table,
    /// Between us and the ERP, or in it.
    Erp,
    /// In the process itself, at any call it makes.
    Process,
    /// At a time of its own.
    World,
}

faults! {
    /// The store sends a webhook twice, at the same moment or later.
    WebhookTwice, Store, "webhook delivered twice";
    /// Webhooks overtake each other, by up to a quarter of an hour.
    WebhookLate, Store, "webhook late, overtaken by newer ones";
    /// The store sends it once and not again, whatever the answer.
    WebhookLost, Store, "webhook never sent";
    /// Two states of an order have one modification time.
    SameSecond, Store, "two states in one second";
    /// A refund that moves no modification time.
    SilentChange, Store, "a change that moves no timestamp";
    /// A signed body that cannot be mapped.
    Garbled, Store, "signed body that cannot be mapped";
    /// A webhook that says only which order changed.
    Pointer, Store, "webhook that only points to the order";
    /// The store deletes an order.
    Deletion, Store, "order deleted in the store";
    /// A webhook whose signature is forged.
    Forgery, Store, "forged webhook";
    /// The store cannot be asked for a while, or says 429.
    StoreDown, Store, "store cannot be asked";
    /// The store's list of changes shows the newest ones minutes later.
    ListLags, Store, "store's list of changes lags";
    /// One shop sends ten times as many orders.
    Flood, Store, "one shop floods";
    /// The webhook secret is rotated: the store signs with the new one first.
    SecretRotated, Store, "webhook secret rotated";

    /// The queue delivers a message to two workers.
    QueueTwice, Queue, "message delivered twice";
    /// The queue delivers late, and out of order.
    QueueLate, Queue, "message delayed in the queue";
    /// The queue does not take a message.
    SendRefused, Queue, "queue refuses a message";
    /// The queue took it, and its answer is lost.
    SendUnanswered, Queue, "queue takes a message, answer lost";
    /// Some entries of a batch are not taken.
    SendPartly, Queue, "queue takes a part of a batch";
    /// A message that is done is not deleted.
    DeleteLost, Queue, "deletion of a done message lost";
    /// A message becomes visible while it is worked on.
    VisibilityLapse, Queue, "visibility lapses during the work";
    /// A message that nobody can decode.
    Undecodable, Queue, "message that cannot be decoded";
    /// Somebody redrives the dead-letter queue meanwhile.
    RedriveMeanwhile, World, "dead letters redriven meanwhile";
    /// A person replays an order, needed or not.
    ReplayMeanwhile, World, "orders replayed meanwhile";

    /// The table throttles.
    Throttled, Table, "table throttles";
    /// The table answers 500 and did nothing.
    TableError, Table, "table answers 500";
    /// The write was applied, and every answer is lost.
    WriteUnanswered, Table, "write applied, answer lost";
    /// The SDK repeats a write that had been applied.
    WrittenTwice, Table, "write repeated by the SDK";
    /// A read or write takes seconds.
    TableSlow, Table, "table slow";
    /// The index shows writes seconds to minutes later.
    IndexLags, Table, "index lags";

    /// The ERP refuses the connection.
    ErpRefused, Erp, "ERP refuses the connection";
    /// TLS fails: nothing was sent.
    ErpTls, Erp, "TLS to the ERP fails";
    /// The connection breaks after the request; the ERP did nothing.
    ErpResetBefore, Erp, "connection breaks, ERP did nothing";
    /// The connection breaks after the request; the ERP did it.
    ErpResetAfter, Erp, "connection breaks, ERP did it";
    /// The answer drips so slowly that our time-out ends it; the ERP did it.
    ErpDrips, Erp, "answer drips beyond the time-out";
    /// 429 with Retry-After.
    ErpTooMany, Erp, "ERP answers 429, says when";
    /// 429 without.
    ErpTooManySilent, Erp, "ERP answers 429, does not say when";
    /// 500, nothing done.
    ErpErrorBefore, Erp, "ERP answers 500, did nothing";
    /// 500, done.
    ErpErrorAfter, Erp, "ERP answers 500, did it";
    /// 200 with a body nobody can read; done.
    ErpBroken, Erp, "ERP answers 200 with a broken body";
    /// The create lands after our time-out, before settle.
    ErpLate, Erp, "create lands after the time-out";
    /// The create lands after settle, so after a negative look-up.
    ErpVeryLate, Erp, "create lands after a negative look-up";
    /// A document can be found seconds after it was made.
    LookUpLags, Erp, "look-up lags";
    /// The ERP's own quota is gone, for hours.
    ErpQuotaGone, Erp, "ERP's own quota gone";
    /// 401 until somebody rotates the password here too.
    ErpUnauthorized, Erp, "ERP answers 401 after a rotation";
    /// Nobody answers for minutes or hours.
    ErpOutage, World, "ERP down for minutes or hours";
    /// It refuses everything in the same words, for minutes or hours: a period is closed.
    ErpRefusesAll, World, "ERP refuses everything for a while";
    /// A bulk call commits half and answers 400.
    HalfCommitted, Erp, "bulk commits half, answers 400";
    /// People there ship or invoice a sale: it can be neither changed nor cancelled any more.
    Shipped, World, "sale shipped or invoiced in between";
    /// People there change a sale by hand.
    ChangedByHand, World, "sale changed by hand in the ERP";
    /// People there delete a sale.
    SaleDeleted, World, "sale deleted in the ERP";
    /// Ids in the cache are stale.
    StaleIds, World, "cached ids stale";
    /// The ERP refuses an order for good.
    OrderRefused, World, "order refused for good";
    /// An order makes the ERP fail whatever it travels with.
    OrderPoison, World, "order that makes the ERP fail";
    /// A firewall answers every create call with 403 that carries this order.
    PoisonText, World, "order whose text a firewall refuses";
    /// Every look-up that asks for this order, or for its article, is answered 414.
    PoisonLookUp, World, "order that may not be asked for";
    /// An order of hundreds of articles, none of which the ERP knows.
    ManyUnknown, World, "order of hundreds of unknown articles";
    /// A shop spends what it can: each of its many orders asks for an article that the ERP does not know.
    Spender, World, "shop that spends the account's day";
    /// We lose the right to create, for minutes or hours: 403.
    ErpForbidsAll, World, "ERP forbids every create for a while";
    /// An order makes our own code panic.
    OrderPanics, World, "order that makes our code panic";

    /// The process dies.
    Crash, Process, "process dies";
    /// Its memory is gone: it dies with everything it holds.
    OutOfMemory, Process, "process out of memory";
    /// The process stands still for seconds.
    Freeze, Process, "process frozen for seconds";
    /// It stands still for longer than a lease lasts.
    LongFreeze, Process, "process frozen beyond its lease";
    /// It stands still between its last check and the first byte to the ERP.
    FreezeBeforeSend, Erp, "frozen between last check and first byte";
    /// The function's time is over.
    TimeOut, World, "function's time-out";
    /// A release replaces every process.
    Deploy, World, "deployed mid-flight";
    /// The event source holds workers back.
    PollerThrottled, World, "event source throttled";

    /// Clocks are off by up to the configured error.
    Skew, World, "clocks off, within the error";
    /// Clocks jump, within the configured error.
    ClockJump, World, "clocks jump";
    /// The ERP's day ends.
    Midnight, World, "the ERP's midnight";
    /// Its clocks are put forward or back.
    DaylightSaving, World, "daylight saving begins or ends";
    /// The table is restored from a backup.
    BackupRestored, World, "backup restored";
}

/// Which faults a history suffers.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    kinds: BTreeSet<Fault>,
    /// How many of a thousand calls fail while faults are on.
    pub permille: u32,
    on: bool,
    counts: BTreeMap<Fault, u64>,
}

impl Faults {
    /// These kinds, at this rate.
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = Fault>, permille: u32) -> Self {
        Self { kinds: kinds.into_iter().collect(), permille, on: true, counts: BTreeMap::new() }
    }

    /// Whether a kind may happen now.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.on && self.kinds.contains(&fault)
    }

    /// Whether a kind was among the history's, whenever.
    #[must_use]
    pub fn had(&self, fault: Fault) -> bool {
        self.kinds.contains(&fault)
    }

    /// The kinds.
    pub fn kinds(&self) -> impl Iterator<Item = Fault> {
        self.kinds.iter().copied()
    }

    /// Those of a place that may happen now.
    #[must_use]
    pub fn at(&self, place: Place) -> Vec<Fault> {
        self.kinds().filter(|fault| self.on && fault.place() == place).collect()
    }

    /// No faults from now on.
    pub fn end(&mut self) {
        self.on = false;
    }

    /// One happened.
    pub fn count(&mut self, fault: Fault) {
        *self.counts.entry(fault).or_default() += 1;
    }

    /// How often each happened.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Fault, u64> {
        &self.counts
    }
}
