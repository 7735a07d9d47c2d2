//! The ERP: books in memory, of any of the four classes and three bulk modes, behind a network that loses what it likes; and
//! the connector that speaks to it.
//!
//! Every call spends a permit of the production meter. What an ERP does with a request it does by true time, whatever became
//! of whoever sent it: a create can land after its sender gave up, or died.

mod books;
mod connector;
mod network;
mod prices;
mod shipments;
mod stock;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use puente::{
    domain::{
        document::Operation,
        ids::{Reference, order_of},
        money::Amount,
        version::Version,
    },
    erp::{Capabilities, Class, Patience},
};

use crate::{executor::Micros, fault::Fault, warehouse::Shared, world::World};

pub use self::{books::SHIPPED, connector::Connector};

/// Why the ERP refuses.
pub const PERIOD_CLOSED: &str = "the period is closed";
/// A SKU that the ERP refuses.
pub const REFUSED_SKU: &str = "REFUSED";
/// A SKU that makes the ERP fail with a 500.
pub const POISON_SKU: &str = "POISON";
/// A SKU that makes our connector panic.
pub const PANIC_SKU: &str = "PANIC";
/// What such a panic says.
pub const ON_REQUEST: &str = "a panic on request";
/// A SKU that the ERP does not know.
pub const UNKNOWN_SKU: &str = "UNKNOWN";

/// A SKU that a firewall before the ERP objects to: whatever create carries it is answered 403.
pub const FORBIDDEN_SKU: &str = "<b>FORBIDDEN</b>";
/// A SKU that nobody may ask for: a call that does is answered 414.
pub const LONG_SKU: &str = "LONG";
/// What SKUs begin with that the ERP does not know, each another one.
pub const NEW_SKU: &str = "NEW-";

/// What the ids of records that are gone end with.
pub const GONE: &str = "-gone";

/// How the ERP is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What it declares of creating sales and credit notes.
    pub creates: Capabilities,
    /// Whether it can change a sale.
    pub amends: bool,
    /// Whether it does so whatever version the sale carries.
    pub amends_blindly: bool,
    /// Whether it can cancel a sale.
    pub cancels: bool,
    /// Whether it can book credit notes.
    pub credits: bool,
    /// How long it may take.
    pub patience: Patience,
    /// Whether a sale is made as a draft and confirmed by a second call.
    pub drafts: bool,
    /// Whether a sale is left as a quotation, which lowers what is available only once somebody who works there has confirmed it.
    pub quotes: bool,
    /// Calls of a create after its first, such as reading back, which make nothing.
    pub more_calls: u32,
    /// Whether sales need customers, which are made by calls of their own.
    pub customers: bool,
    /// For how many articles one call asks.
    pub at_most: usize,
}

impl Settings {
    /// One that can do everything, in one call each.
    #[must_use]
    pub fn plain(creates: Capabilities, patience: Patience) -> Self {
        Self {
            creates,
            amends: true,
            amends_blindly: creates.class > Class::Unique,
            cancels: true,
            credits: true,
            patience,
            drafts: false,
            quotes: false,
            more_calls: 0,
            customers: false,
            at_most: 100,
        }
    }

    /// What it declares of an operation.
    #[must_use]
    pub fn can(&self, operation: Operation) -> Option<Capabilities> {
        let can = match operation {
            Operation::Create => true,
            Operation::Amend => self.amends,
            Operation::Cancel => self.cancels,
            Operation::Credit => self.credits,
        };
        can.then_some(self.creates)
    }
}

/// A document in the books.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a document")]
pub struct Booked {
    /// Its place in the books, which is its id.
    pub place: usize,
    /// The reference it carries.
    pub reference: Reference,
    /// Whether it is a credit note; else a sale.
    pub credit: bool,
    /// The version it carries; none any more where somebody changed it by hand.
    pub version: Option<Version>,
    /// Its article.
    pub sku: String,
    /// Its total.
    pub total: String,
    /// Whether it was confirmed.
    pub finished: bool,
    /// Whether it lowers what is available.
    pub counted: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Whether it was shipped, or invoiced: it stays as it is.
    pub shipped: bool,
    /// Whether somebody deleted it.
    pub deleted: bool,
    /// From when on a look-up finds it.
    pub found_from: Micros,
}

impl Booked {
    /// A sale in its final state, which can be found at once.
    #[must_use]
    pub fn sale(place: usize, reference: Reference, version: Version, total: &str) -> Self {
        let (version, sku, total) = (Some(version), String::new(), total.to_owned());
        let (credit, counted, cancelled, shipped, deleted) = (false, true, false, false, false);
        Self {
            place,
            reference,
            credit,
            version,
            sku,
            total,
            finished: true,
            counted,
            cancelled,
            shipped,
            deleted,
            found_from: 0,
        }
    }

    /// Whether it is a document of that order: `sale` is the reference of its first sale.
    #[must_use]
    pub fn is_of(&self, sale: &Reference) -> bool {
        order_of(self.reference.as_str()) == sale.as_str()
    }

    /// Whether it counts.
    #[must_use]
    pub fn stands(&self) -> bool {
        !self.cancelled && !self.deleted
    }

    /// What it adds to what its order comes to.
    #[must_use]
    pub fn amount(&self) -> Amount {
        let total = Amount::parse(&self.total).unwrap();
        if self.credit { -total } else { total }
    }
}

/// A call, at the moment its first byte left.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// True time.
    pub at: Micros,
    /// Whether its process stood still between its last check and the first byte: nothing can hold such a call to its slot.
    pub stalled: bool,
}

/// What happens to the next call of a name, in place of chance.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Which call: `erp.create`, `erp.look_up`, ...
    pub call: &'static str,
    /// What happens to it.
    pub fault: Fault,
    /// When a late one lands, counted from its sending; how long a 429 says to wait.
    pub time: Micros,
}

/// What the ERP holds.
#[derive(Default)]
pub struct Books {
    /// What happens to the next calls.
    pub told: Vec<Told>,
    /// Until then it refuses every create, whatever it is.
    pub refuses_until: Micros,
    /// Until then it answers every create with 403: we lost the right.
    pub forbids_until: Micros,
    /// Whether its section was changed so that it takes no sales any more.
    pub cannot: bool,
    /// References that nobody may ask for: a look-up that does is answered 414.
    pub unaskable: BTreeSet<String>,
    /// What it says of an article in place of its usual words: of one that it does not know, or refuses for that.
    pub words: BTreeMap<String, String>,
    /// References whose documents are found unfinished: finishing one is refused (`true`), or fails with a 500.
    pub stuck: BTreeMap<String, bool>,
    /// So much later a document can be found.
    pub found_after: Micros,
    /// How long it is at each call, if that is told.
    pub takes: Option<Micros>,
    /// Sales and credit notes, in the order they were made.
    pub documents: Vec<Booked>,
    /// Customers: their references, in the order they were made.
    pub customers: Vec<String>,
    /// Calls, in the order they were sent.
    pub sent: Vec<Sent>,
    /// Nobody answers before then.
    pub down_until: Micros,
    /// Its own quota is gone, or our password is old, until then.
    pub closed: Option<(Fault, Micros)>,
    /// References of which a create landed after its settle time.
    pub very_late: Vec<String>,
}

/// The ERP.
pub struct ModelErp {
    world: Arc<World>,
    settings: Mutex<Settings>,
    books: Mutex<Books>,
    /// Where its goods lie, if it has any.
    warehouse: Option<Shared>,
}

impl ModelErp {
    /// One with empty books.
    #[must_use]
    pub fn new(world: Arc<World>, settings: Settings) -> Arc<Self> {
        Self::with(world, settings, None)
    }

    /// One that keeps stock.
    #[must_use]
    pub fn with(world: Arc<World>, settings: Settings, warehouse: Option<Shared>) -> Arc<Self> {
        Arc::new(Self { world, settings: Mutex::new(settings), books: Mutex::default(), warehouse })
    }

    /// A sale takes goods, or gives them back.
    fn moved(&self, sku: &str, units: i64) {
        if let Some(warehouse) = &self.warehouse {
            warehouse.stock().moved(sku, units);
        }
    }

    /// Its books.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// How it is.
    #[must_use]
    pub fn settings(&self) -> Settings {
        *self.settings.lock().unwrap()
    }

    /// Somebody who works there does something to a sale that stands.
    pub fn somebody(&self, does: impl FnOnce(&mut Booked)) {
        let mut books = self.books();
        let standing: Vec<usize> =
            books.documents.iter().filter(|one| !one.credit && one.stands()).map(|one| one.place).collect();
        if !standing.is_empty() {
            let place = self.world.chance.one_of(&standing);
            self.world.say(|| format!("somebody is at {}", books.documents[place].reference));
            does(&mut books.documents[place]);
        }
    }

    /// Somebody who works there goes through the quotations, and confirms about half of them.
    pub fn confirm_some(&self) {
        for sale in self.books().documents.iter_mut().filter(|one| !one.credit && one.stands() && !one.counted) {
            if self.world.chance.permille(500) {
                self.world.say(|| format!("somebody confirms {}", sale.reference));
                sale.counted = true;
                self.moved(&sale.sku, -1);
            }
        }
    }

    /// Its owner sets it up differently.
    pub fn set_up(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap());
    }
}
