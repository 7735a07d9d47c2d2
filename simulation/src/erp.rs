//! The ERP: books in memory, of any of the four classes and three bulk modes, behind a network that loses what it likes; and
//! the connector that speaks to it.
//!
//! Every call spends a permit of the production meter. What an ERP does with a request it does by true time, whatever became
//! of whoever sent it: a create can land after its sender gave up, or died.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use puente::{
    Error, Kind, Result, Retry,
    domain::{ids::Reference, record::Document, version::Version},
    erp::{Bulk, Class, Draft, Erp, Found, Ids, Manners, Sale, Setback},
    outbound::{Failure, Metered},
};

use crate::{
    executor::Micros,
    fault::{Fault, Place},
    world::{Effect, HOUR, MINUTE, SECOND, World},
};

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

/// What the ids of records that are gone end with.
pub const GONE: &str = "-gone";

/// How the ERP is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What it declares.
    pub manners: Manners,
    /// Whether a sale is made as a draft and confirmed by a second call.
    pub drafts: bool,
    /// Whether sales need customers, which are made by calls of their own.
    pub customers: bool,
}

/// A sale in the books.
#[derive(Debug, Clone)]
pub struct Booked {
    /// The reference it carries.
    pub reference: Reference,
    /// The version it carries.
    pub version: Version,
    /// Its total.
    pub total: String,
    /// Whether it was confirmed.
    pub finished: bool,
    /// From when on a look-up finds it.
    pub found_from: Micros,
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
    /// When a late one lands, counted from its sending.
    pub lands: Micros,
}

/// What the ERP holds.
#[derive(Default)]
pub struct Books {
    /// What happens to the next calls.
    pub told: Vec<Told>,
    /// Until then it refuses every create, whatever it is.
    pub refuses_until: Micros,
    /// So much later a document can be found.
    pub found_after: Micros,
    /// How long it is at each call, if that is told.
    pub takes: Option<Micros>,
    /// Sales, in the order they were made.
    pub sales: Vec<Booked>,
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
    settings: Settings,
    books: Mutex<Books>,
}

/// The connector.
pub struct Connector(pub Arc<ModelErp>);

/// Why a call brought no answer to read.
enum Lost {
    /// Nothing left us, or the account is closed for everybody.
    Account(Error),
    /// Nobody knows.
    Unknown(Error),
}

impl Lost {
    fn setback(&self) -> Setback {
        let again = |error: &Error| Error::new(error.kind(), error.to_string()).retry(error.retryable());
        match self {
            Self::Account(error) => Setback::Account(again(error)),
            Self::Unknown(error) => Setback::Unknown(again(error)),
        }
    }

    fn failure(self) -> Failure {
        match self {
            Self::Account(error) => Failure::NotSent(error),
            Self::Unknown(error) => Failure::Unknown(error),
        }
    }
}

type Act<T> = Box<dyn FnMut(&ModelErp, &mut Books) -> T + Send>;
type Outcome = std::result::Result<Document, Setback>;

/// What the ERP says to one document.
#[derive(Debug, Clone)]
enum Said {
    Made(Document),
    Exists,
    Refused(String),
    /// The whole call failed with a 500.
    Failed,
    /// The whole call was refused, and a part of it may have been made.
    Half,
}

impl ModelErp {
    /// One with empty books.
    #[must_use]
    pub fn new(world: Arc<World>, settings: Settings) -> Arc<Self> {
        Arc::new(Self { world, settings, books: Mutex::default() })
    }

    /// Its books.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// How it is.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// One call: permit, first byte, what the ERP does, answer. `makes`: the references it may make.
    async fn reach<T: Send + 'static>(
        self: &Arc<Self>,
        calls: &Metered,
        what: &'static str,
        makes: &[Reference],
        act: impl FnMut(&Self, &mut Books) -> T + Send + 'static,
    ) -> std::result::Result<T, Lost> {
        let world = &self.world;
        let effect = world.effect(Place::Erp, what);
        match effect {
            Effect::DieBefore => world.die().await,
            Effect::FreezeBefore(time) => world.freeze(time).await,
            _ => {}
        }
        let timeout = self.settings.manners.timeout;
        calls.permit(timeout).await.map_err(Lost::Account)?;
        let permille = world.faults().permille;
        let stalled = world.strikes(Fault::FreezeBeforeSend, permille);
        if stalled {
            world.freeze(world.chance.within(5 * SECOND, 10 * MINUTE)).await;
        }
        let at = world.now();
        self.books().sent.push(Sent { at, stalled });
        world.say(|| format!("> {what}"));
        let act: Act<T> = Box::new(act);
        let timeout = Micros::try_from(timeout.as_micros()).unwrap_or(MINUTE);
        let answer = self.answer(what, effect, timeout, makes, act).await;
        world.say(|| format!("< {what}: {}", if answer.is_ok() { "answered" } else { "not answered" }));
        match effect {
            Effect::DieAfter => world.die().await,
            Effect::FreezeAfter(time) => world.freeze(time).await,
            _ => {}
        }
        answer
    }

    async fn answer<T: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        effect: Effect,
        timeout: Micros,
        makes: &[Reference],
        mut act: Act<T>,
    ) -> std::result::Result<T, Lost> {
        let world = &self.world;
        let unknown = |words: &'static str| Lost::Unknown(Error::new(Kind::Unavailable, words));
        let account = |words: &'static str| Lost::Account(Error::new(Kind::Unavailable, words));
        if let Some(closed) = self.closed() {
            world.executor.sleep(world.chance.within(1_000, 200_000)).await;
            return Err(closed);
        }
        // Processing takes a while, always less than the time-out where nothing goes wrong.
        let told = self.books().takes;
        let takes = told.unwrap_or_else(|| world.chance.within(20_000, (timeout / 3).min(2 * SECOND)));
        match effect {
            Effect::Fail => {
                world.executor.sleep(takes).await;
                return Err(unknown("the ERP answered 500"));
            }
            Effect::Unanswered => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                world.executor.sleep(timeout - takes).await;
                return Err(unknown("no answer in time"));
            }
            // Something in between sent it again: the second answer is the one that comes back.
            Effect::Twice => {
                self.act(&mut act);
                world.executor.sleep(takes).await;
            }
            _ => {}
        }
        let told = self.told(what);
        let Some(fault) = told.map(|told| told.fault).or_else(|| self.fault()) else {
            world.executor.sleep(takes).await;
            return Ok(self.act(&mut act));
        };
        match fault {
            Fault::ErpRefused => Err(account("the ERP refused the connection")),
            Fault::ErpTls => {
                world.executor.sleep(takes).await;
                Err(account("no TLS with the ERP"))
            }
            Fault::ErpResetBefore => {
                world.executor.sleep(takes).await;
                Err(unknown("the connection broke before the answer"))
            }
            Fault::ErpResetAfter => {
                self.act(&mut act);
                world.executor.sleep(takes).await;
                Err(unknown("the connection broke before the answer"))
            }
            Fault::ErpDrips => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                world.executor.sleep(timeout - takes).await;
                Err(unknown("no answer in time"))
            }
            Fault::ErpErrorBefore => {
                world.executor.sleep(takes).await;
                Err(unknown("the ERP answered 500"))
            }
            Fault::ErpErrorAfter => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                Err(unknown("the ERP answered 500"))
            }
            Fault::ErpBroken => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                Err(unknown("the ERP's answer cannot be read"))
            }
            Fault::ErpTooMany => {
                let wait = Duration::from_secs(world.chance.within(1, 300).unsigned_abs());
                let error = Error::new(Kind::Limited, "the ERP answered 429").retry(Retry::After(wait));
                Err(Lost::Account(error))
            }
            Fault::ErpTooManySilent => Err(Lost::Account(Error::new(Kind::Limited, "the ERP answered 429"))),
            Fault::ErpLate | Fault::ErpVeryLate => {
                let settle = Micros::try_from(self.settings.manners.settle.as_micros()).unwrap_or(MINUTE);
                let now = world.now();
                let lands = if let Some(told) = told {
                    now + told.lands
                } else if fault == Fault::ErpLate {
                    // Within what the ERP can still be at work on it, clocks considered.
                    now + world.chance.within(timeout, (settle - SECOND).max(timeout + 1))
                } else {
                    // After the look-up that did not find it: `start_by` may lie minutes after this call.
                    now + settle + world.chance.within(0, 10 * MINUTE)
                };
                if fault == Fault::ErpVeryLate {
                    self.books().very_late.extend(makes.iter().map(ToString::to_string));
                }
                let (erp, executor) = (Arc::clone(self), world.executor.clone());
                world.executor.spawn("the ERP", 0, async move {
                    executor.sleep_until(lands).await;
                    erp.world.say(|| "a lost call lands".to_owned());
                    erp.act(&mut act);
                });
                world.executor.sleep(timeout).await;
                Err(unknown("no answer in time"))
            }
            Fault::ErpQuotaGone | Fault::ErpUnauthorized => {
                self.books().closed = Some((fault, world.now() + world.chance.within(5 * MINUTE, 2 * HOUR)));
                world.executor.sleep(takes).await;
                Err(self.closed().unwrap_or_else(|| account("the ERP is closed")))
            }
            _ => {
                world.executor.sleep(takes).await;
                Ok(self.act(&mut act))
            }
        }
    }

    /// Whether nobody gets in just now.
    fn closed(&self) -> Option<Lost> {
        let books = self.books();
        let now = self.world.now();
        if books.down_until > now {
            return Some(Lost::Account(Error::new(Kind::Unavailable, "the ERP refused the connection")));
        }
        match books.closed {
            Some((Fault::ErpQuotaGone, until)) if until > now => {
                let wait = Duration::from_micros((until - now).unsigned_abs());
                Some(Lost::Account(Error::new(Kind::Limited, "the ERP's quota is gone").retry(Retry::After(wait))))
            }
            Some((_, until)) if until > now => {
                Some(Lost::Account(Error::new(Kind::Refused, "the ERP answered 401").retry(Retry::Backoff)))
            }
            _ => None,
        }
    }

    /// What was told to happen to this call.
    fn told(&self, what: &'static str) -> Option<Told> {
        let mut books = self.books();
        let place = books.told.iter().position(|told| told.call == what)?;
        Some(books.told.remove(place))
    }

    /// The fault of this call, if it has one. Where it is, faults of the ERP come more often than others: there are few calls.
    fn fault(&self) -> Option<Fault> {
        let permille = (self.world.faults().permille * 4).min(700);
        if !self.world.chance.permille(permille) {
            return None;
        }
        let mut kinds = self.world.faults().at(Place::Erp);
        kinds.retain(|kind| !matches!(kind, Fault::FreezeBeforeSend | Fault::LookUpLags | Fault::HalfCommitted));
        if kinds.is_empty() {
            return None;
        }
        let fault = self.world.chance.one_of(&kinds);
        self.world.struck(fault);
        Some(fault)
    }

    fn act<T>(&self, act: &mut Act<T>) -> T {
        act(self, &mut self.books())
    }

    fn create(&self, books: &mut Books, drafts: &[Draft]) -> Vec<Said> {
        let rendered: Vec<Rendered> = drafts.iter().map(|draft| Rendered::of(&draft.body)).collect();
        let alike = |said: &Said| vec![said.clone(); drafts.len()];
        if rendered.iter().any(|one| one.sku == POISON_SKU) {
            return alike(&Said::Failed);
        }
        let unique = self.settings.manners.create == Class::Unique;
        let wrong = |books: &Books, draft: &Draft, one: &Rendered| {
            if one.stale {
                return Some(Said::Refused("there is no such article any more".to_owned()));
            }
            if one.sku == REFUSED_SKU || self.world.now() < books.refuses_until {
                return Some(Said::Refused(PERIOD_CLOSED.to_owned()));
            }
            let known = books.sales.iter().any(|sale| sale.reference == draft.reference);
            (unique && known).then_some(Said::Exists)
        };
        if self.settings.manners.bulk == Bulk::Atomic {
            let wrongs = drafts.iter().zip(&rendered).filter_map(|(draft, one)| wrong(books, draft, one));
            let wrongs: Vec<Said> = wrongs.collect();
            if let Some(first) = wrongs.iter().find(|said| matches!(said, Said::Exists)).or(wrongs.first()) {
                return alike(first);
            }
        }
        let mut said = Vec::new();
        let half = drafts.len() > 1 && self.world.strikes(Fault::HalfCommitted, 100);
        for (place, (draft, one)) in drafts.iter().zip(&rendered).enumerate() {
            let broken = half && self.settings.manners.bulk == Bulk::Unknown && place >= drafts.len() / 2;
            match wrong(books, draft, one) {
                // What came before the wrong one is made, and nobody is told.
                Some(_) if self.settings.manners.bulk == Bulk::Unknown && drafts.len() > 1 => {
                    return alike(&Said::Half);
                }
                _ if broken => return alike(&Said::Half),
                Some(wrong) => said.push(wrong),
                None => said.push(Said::Made(self.book(books, draft, one))),
            }
        }
        said
    }

    fn book(&self, books: &mut Books, draft: &Draft, one: &Rendered) -> Document {
        let known = books.sales.iter().position(|sale| sale.reference == draft.reference);
        // An idempotency key: the first document is the answer.
        if self.settings.manners.create == Class::Key
            && let Some(place) = known
        {
            return document(place);
        }
        let now = self.world.now() + books.found_after;
        let found_from = if self.world.strikes(Fault::LookUpLags, 300) {
            // Within settle, as long as the reference's uniqueness does not catch what comes too early.
            let settle = Micros::try_from(self.settings.manners.settle.as_micros()).unwrap_or(MINUTE);
            let most = if self.settings.manners.create == Class::Searchable { settle / 8 } else { 5 * MINUTE };
            now + self.world.chance.within(0, most)
        } else {
            now
        };
        self.world.say(|| format!("booked {} as of {}", draft.reference, one.version));
        books.sales.push(Booked {
            reference: draft.reference.clone(),
            version: one.version.clone(),
            total: one.total.clone(),
            finished: !self.settings.drafts,
            found_from,
        });
        document(books.sales.len() - 1)
    }
}

fn document(place: usize) -> Document {
    Document { id: place.to_string(), number: Some(format!("S{place}")) }
}

/// What a draft's body says.
struct Rendered {
    version: Version,
    sku: String,
    total: String,
    /// Whether it names something by an id that the ERP does not know any more.
    stale: bool,
}

impl Rendered {
    fn body(version: &Version, sku: &str, total: &str, stale: bool) -> String {
        format!("{version}|{sku}|{total}|{stale}")
    }

    fn of(body: &str) -> Self {
        let parts: Vec<&str> = body.split('|').collect();
        Self {
            version: parts[0].parse().unwrap(),
            sku: parts[1].to_owned(),
            total: parts[2].to_owned(),
            stale: parts[3].parse().unwrap(),
        }
    }
}

fn refused(words: impl Into<String>) -> Setback {
    Setback::Refused(Error::new(Kind::Refused, words.into()))
}

impl Connector {
    fn outcome(said: Said) -> Outcome {
        match said {
            Said::Made(document) => Ok(document),
            Said::Exists => Err(Setback::Exists),
            Said::Refused(words) => Err(refused(words)),
            Said::Failed => Err(Setback::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500"))),
            Said::Half => Err(Setback::Unknown(Error::new(Kind::Unavailable, "a part may have been created"))),
        }
    }

    /// The ids of `names`: from the cache, else asked for; customers that are missing are made.
    async fn resolve(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        names: &[String],
        afresh: bool,
    ) -> std::result::Result<BTreeMap<String, String>, Setback> {
        let error = |error: Error| Setback::NotNow(error);
        if afresh {
            ids.forget(names).await.map_err(error)?;
        }
        let mut known: BTreeMap<_, _> = ids.ids(names).await.map_err(error)?.into_iter().collect();
        let missing: Vec<String> = names.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let asked = missing.clone();
        let found = self.0.reach(calls, "erp.resolve", &[], move |_, books| {
            let exists = |name: &&String| {
                if let Some(sku) = name.strip_prefix("product/") {
                    sku != UNKNOWN_SKU
                } else {
                    books.customers.contains(name)
                }
            };
            let id = |name: &String| (name.clone(), format!("id of {name}"));
            asked.iter().filter(exists).map(id).collect::<Vec<_>>()
        });
        let mut found = found.await.map_err(|lost| lost.setback())?;
        let names = |found: &[(String, String)]| found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let there = names(&found);
        let unmade: Vec<String> =
            missing.into_iter().filter(|name| !name.starts_with("product/") && !there.contains(name)).collect();
        let in_doubt = if unmade.is_empty() { Default::default() } else { ids.begin(&unmade).await.map_err(error)? };
        let unmade: Vec<String> = unmade.into_iter().filter(|name| !in_doubt.contains(name)).collect();
        if !unmade.is_empty() {
            let references = unmade.clone();
            let made = self.0.reach(calls, "erp.create_customers", &[], move |erp, books| {
                let class = erp.settings.manners.create;
                let id = |name: &String| (name.clone(), format!("id of {name}"));
                let made: Vec<_> = references.iter().map(id).collect();
                for reference in &references {
                    if class > Class::Unique || !books.customers.contains(reference) {
                        books.customers.push(reference.clone());
                    }
                }
                made
            });
            found.extend(made.await.map_err(|lost| lost.setback())?);
        }
        ids.learn(&found).await.map_err(error)?;
        known.extend(found);
        Ok(known)
    }
}

#[async_trait]
impl Erp for Connector {
    fn manners(&self) -> Manners {
        self.0.settings.manners
    }

    async fn prepare(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        sales: &[Sale],
        afresh: bool,
    ) -> Vec<std::result::Result<Draft, Setback>> {
        let sku = |sale: &Sale| sale.order.lines.first().and_then(|line| line.sku.clone()).unwrap_or_default();
        let customer = |sale: &Sale| {
            let id = sale.order.customer.as_ref().and_then(|customer| customer.id.as_ref())?;
            let wanted = self.0.settings.customers;
            wanted.then(|| Reference::customer(&sale.key.connection, id).to_string())
        };
        let mut names: Vec<String> = Vec::new();
        for sale in sales {
            assert_ne!(sku(sale), PANIC_SKU, "{ON_REQUEST}");
            if sale.order.number != sale.key.to_string() {
                self.0.world.violated(format!("{} is sent with the content of {}", sale.key, sale.order.number));
            }
            names.push(format!("product/{}", sku(sale)));
            names.extend(customer(sale));
        }
        names.sort();
        names.dedup();
        let known = match self.resolve(calls, ids, &names, afresh).await {
            Ok(known) => known,
            Err(setback) => {
                let again = |setback: &Setback| match setback {
                    Setback::Account(error) => {
                        Setback::Account(Error::new(error.kind(), error.to_string()).retry(error.retryable()))
                    }
                    Setback::Unknown(error) => Setback::Unknown(Error::new(error.kind(), error.to_string())),
                    Setback::NotNow(error) => Setback::NotNow(Error::new(error.kind(), error.to_string())),
                    Setback::Refused(error) => refused(error.to_string()),
                    Setback::Exists => Setback::Exists,
                };
                return sales.iter().map(|_| Err(again(&setback))).collect();
            }
        };
        let render = |sale: &Sale| {
            let sku = sku(sale);
            let Some(product) = known.get(&format!("product/{sku}")) else {
                return Err(refused(format!("article {sku} is not in the ERP")));
            };
            if let Some(name) = customer(sale).filter(|name| !known.contains_key(name)) {
                return Err(Setback::NotNow(Error::new(Kind::Unavailable, format!("{name} is being created"))));
            }
            let ids = [Some(product), customer(sale).and_then(|name| known.get(&name))];
            let stale = ids.into_iter().flatten().any(|id| id.ends_with(GONE));
            let body = Rendered::body(&sale.version, &sku, &sale.order.total.to_string(), stale);
            Ok(Draft { reference: sale.reference.clone(), body })
        };
        sales.iter().map(render).collect()
    }

    async fn create(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Outcome> {
        let references: Vec<Reference> = drafts.iter().map(|draft| draft.reference.clone()).collect();
        let sent = drafts.to_vec();
        let said = self.0.reach(calls, "erp.create", &references, move |erp, books| erp.create(books, &sent)).await;
        let outcomes: Vec<Outcome> = match said {
            Err(lost) => return drafts.iter().map(|_| Err(lost.setback())).collect(),
            Ok(said) => said.into_iter().map(Self::outcome).collect(),
        };
        let open: Vec<Document> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).cloned().collect();
        if !self.0.settings.drafts || open.is_empty() {
            return outcomes;
        }
        let mut finished = self.finish(calls, &open).await.into_iter();
        let confirmed = |outcome: Outcome| match outcome {
            // It exists, whatever became of its confirmation.
            Ok(_) => match finished.next() {
                Some(Ok(document)) => Ok(document),
                _ => Err(Setback::Unknown(Error::new(Kind::Unavailable, "created, but not confirmed"))),
            },
            setback => setback,
        };
        outcomes.into_iter().map(confirmed).collect()
    }

    async fn look_up(
        &self,
        calls: &Metered,
        references: &[Reference],
    ) -> std::result::Result<Vec<Option<Found>>, Failure> {
        let asked = references.to_vec();
        let found = self.0.reach(calls, "erp.look_up", &[], move |erp, books| {
            let now = erp.world.now();
            let find = |reference: &Reference| {
                let sales = books.sales.iter().enumerate();
                let mut sales = sales.filter(|(_, sale)| &sale.reference == reference && sale.found_from <= now);
                sales.next().map(|(place, sale)| Found {
                    document: document(place),
                    version: Some(sale.version.clone()),
                    finished: sale.finished,
                })
            };
            asked.iter().map(find).collect::<Vec<_>>()
        });
        found.await.map_err(Lost::failure)
    }

    async fn finish(&self, calls: &Metered, documents: &[Document]) -> Vec<Outcome> {
        let places: Vec<usize> = documents.iter().map(|document| document.id.parse().unwrap()).collect();
        let finished = self.0.reach(calls, "erp.finish", &[], move |_, books| {
            for place in &places {
                books.sales[*place].finished = true;
            }
        });
        match finished.await {
            Ok(()) => documents.iter().cloned().map(Ok).collect(),
            Err(lost) => documents.iter().map(|_| Err(lost.setback())).collect(),
        }
    }

    async fn probe(&self, calls: &Metered) -> Result<String> {
        calls.permit(self.0.settings.manners.timeout).await?;
        Ok("model".to_owned())
    }
}
