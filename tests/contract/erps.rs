//! What every ERP connector must do, whatever it speaks.
//!
//! The checks take a [`Bench`]: a connector with a way to tell what its ERP really holds. Every row of `ERPS` is enrolled by itself: its
//! kit has the sandbox's ERP speak as it does, in each class and bulk mode that there is of it. A real instance fills in a bench of its
//! own. What follows on faults is the sandbox's own ERP with `rest`.

use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use puente::{
    Error, Kind, Result, Retry,
    config::Section,
    domain::{
        document::{Document, Operation, Step},
        ids::{OrderId, OrderKey, Reference},
        money::Amount,
        order::Order,
        reason::Why,
        rules::Rules,
    },
    erp::{BookPage, Class, Draft, ERPS, Erp, Job, Row, SendError},
    fuzzing::Way,
    outbound::Meter,
    ports::{Clock as _, SystemClock},
};
use puente_sandbox::erp::{self as sandbox, Bulk, Config, Fault, Faults, Vendor as _};

use crate::support::tryton::Memory;

/// A connector, and what its ERP really holds.
pub struct Bench {
    /// The connector.
    pub erp: Box<dyn Erp>,
    /// An article code that the ERP knows.
    pub known_sku: &'static str,
    /// How many documents carry a reference, asked without the connector.
    pub count: Box<dyn Fn(&Reference) -> usize + Send + Sync>,
}

/// Permits everything, and counts.
#[derive(Default)]
struct Open {
    permits: Mutex<usize>,
}

#[async_trait]
impl Meter for Open {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        *self.permits.lock().unwrap() += 1;
        Ok(())
    }
}

/// Permits nothing.
struct Shut;

#[async_trait]
impl Meter for Shut {
    async fn permit(&self, _timeout: Duration) -> Result<()> {
        Err(Error::new(Kind::Limited, "today's calls are used up").retry(Retry::After(Duration::from_secs(60))))
    }
}

/// Permits so many.
struct Few(Mutex<usize>);

#[async_trait]
impl Meter for Few {
    async fn permit(&self, timeout: Duration) -> Result<()> {
        let fewer = self.0.lock().unwrap().checked_sub(1);
        let Some(fewer) = fewer else { return Shut.permit(timeout).await };
        *self.0.lock().unwrap() = fewer;
        Ok(())
    }
}

/// A way out that permits everything.
pub fn open() -> Way {
    Way::by(Arc::new(Open::default()))
}

/// One that permits nothing.
pub fn shut() -> Way {
    Way::by(Arc::new(Shut))
}

/// An order of 26.78 EUR with one line.
pub fn sale(order: &str, sku: &str) -> Job {
    let json = format!(
        r##"{{"schema":1,"id":"{order}","number":"#{order}","placed_at":"2026-01-31T22:30:00-03:00",
        "updated_at":"2026-02-01T01:31:00Z","currency":"EUR","status":"open","payment":"paid",
        "customer":{{"id":"7","name":"Ana Canary","email":"canary@example.com"}},
        "lines":[{{"id":"1","sku":"{sku}","title":"Mate","quantity":"2","unit_price":"10","amount":"20",
        "discounts":[{{"label":"ten","amount":"2"}}],"taxes":[{{"name":"IVA","rate":"0.21","amount":"3.78"}}]}}],
        "charges":[{{"kind":"shipping","label":"post","amount":"5"}}],"tax":"3.78","total":"26.78"}}"##
    );
    let order: Order = serde_json::from_str(&json).unwrap();
    let key = OrderKey::new("acme".parse().unwrap(), order.id.clone());
    Job {
        step: Step::create(key.sale()),
        version: order.version(),
        key,
        order: Arc::new(order),
        rules: Arc::new(Rules::default()),
    }
}

/// Sales that can be created.
pub fn sales(bench: &Bench, orders: &[&str]) -> Vec<Job> {
    orders.iter().map(|order| sale(order, bench.known_sku)).collect()
}

/// Their drafts.
pub async fn drafts(bench: &Bench, sales: &[Job]) -> Vec<Draft> {
    let prepared = bench.erp.prepare(&open().with(&Memory::default()), Operation::Create, sales, false).await;
    prepared.into_iter().map(|draft| draft.unwrap()).collect()
}

async fn look_up(bench: &Bench, step: &Step) -> Option<puente::erp::Found> {
    bench.erp.look_up(&open().calls(), std::slice::from_ref(step)).await.unwrap().remove(0)
}

/// What is created is found under its reference, with our version.
pub async fn what_is_created_is_found_with_our_version(bench: &Bench, order: &str) {
    let sales = sales(bench, &[order]);
    let document =
        bench.erp.send(&open().calls(), Operation::Create, &drafts(bench, &sales).await).await.remove(0).unwrap();
    let found = look_up(bench, &sales[0].step).await.expect("it should be found");
    assert_eq!(found.document.id, document.id);
    assert_eq!(found.version.as_ref(), Some(&sales[0].version));
    assert!(found.finished, "create takes it to the configured state");
    let nobody = OrderKey::new("acme".parse().unwrap(), format!("{order}-nobody").parse::<OrderId>().unwrap());
    let nobody = Step::create(nobody.sale());
    assert_eq!(look_up(bench, &nobody).await, None);
    // Several at once are answered in their order.
    let both = [nobody.clone(), sales[0].step.clone(), nobody];
    let answers = bench.erp.look_up(&open().calls(), &both).await.unwrap();
    assert_eq!(answers.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
}

/// A second create makes no second document where the class says so.
pub async fn a_second_create_is_no_second_document(bench: &Bench, order: &str) {
    let class = bench.erp.can(Operation::Create).unwrap().class;
    let drafts = drafts(bench, &sales(bench, &[order])).await;
    let first = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0).unwrap();
    let second = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    match class {
        Class::Key => assert_eq!(second.unwrap().id, first.id),
        Class::Unique => assert!(matches!(second, Err(SendError::Exists)), "{second:?}"),
        Class::Searchable | Class::Nothing => assert!(second.is_ok(), "nothing protects from it: {second:?}"),
    }
    let documents = if class <= Class::Unique { 1 } else { 2 };
    assert_eq!((bench.count)(&drafts[0].reference), documents);
}

/// An article the ERP does not know stops its own order only, before anything is sent.
pub async fn an_unknown_article_stops_its_own_order_only(bench: &Bench, order: &str) {
    let mut three = sales(bench, &[&format!("{order}-a"), &format!("{order}-b"), &format!("{order}-c")]);
    three[1] = sale(&format!("{order}-b"), "NO-SUCH-SKU");
    let prepared = bench.erp.prepare(&open().with(&Memory::default()), Operation::Create, &three, false).await;
    assert!(prepared[0].is_ok() && prepared[2].is_ok(), "{prepared:?}");
    let Err(SendError::Refused(error)) = &prepared[1] else { panic!("{prepared:?}") };
    assert!(error.to_string().contains("NO-SUCH-SKU"), "{error}");
    // By its code: a list groups those of all ERPs.
    assert_eq!(Why::of(error), Some(&Why::UnknownArticle { sku: "NO-SUCH-SKU".to_owned() }));
}

/// Where the calls end before all is resolved, what was answered stays answered: otherwise a day of few calls would be spent on the
/// same order, day after day.
pub async fn what_is_refused_stays_refused_where_the_calls_end(bench: &Bench, order: &str) {
    let mut two = sales(bench, &[&format!("{order}-a"), &format!("{order}-b")]);
    two[0] = sale(&format!("{order}-a"), "NO-SUCH-SKU");
    let mut last = None;
    for calls in 1..=20 {
        let way = Way::by(Arc::new(Few(Mutex::new(calls))));
        let mut prepared = bench.erp.prepare(&way.with(&Memory::default()), Operation::Create, &two, false).await;
        if prepared[1].is_ok() {
            break;
        }
        last = Some(prepared.remove(0));
    }
    assert!(matches!(&last, Some(Err(SendError::Refused(_)))), "{last:?}");
}

/// Without a permit nothing is sent, and nobody's order is to blame.
pub async fn without_a_permit_nothing_is_sent(bench: &Bench, order: &str) {
    let drafts = drafts(bench, &sales(bench, &[order])).await;
    let shut = shut();
    let outcome = bench.erp.send(&shut.calls(), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(&outcome, Err(SendError::Account(_) | SendError::NotNow(_))), "{outcome:?}");
    assert_eq!((bench.count)(&drafts[0].reference), 0);
}

/// An answer for each, whatever the number; nothing for nothing.
pub async fn there_is_one_answer_each(bench: &Bench) {
    assert!(bench.erp.prepare(&open().with(&Memory::default()), Operation::Create, &[], false).await.is_empty());
    assert!(bench.erp.look_up(&open().calls(), &[]).await.unwrap().is_empty());
    for &operation in Operation::ALL {
        assert!(bench.erp.finish(&open().calls(), operation, &[]).await.is_empty());
    }
}

/// The books hold every document once, with the ERP's own total, page by page: more `orders` than are told in one call.
pub async fn the_books_hold_what_was_made(bench: &Bench, orders: &[&str]) {
    let drafts = drafts(bench, &sales(bench, orders)).await;
    for some in drafts.chunks(bench.erp.can(Operation::Create).unwrap().max_bulk) {
        assert!(bench.erp.send(&open().calls(), Operation::Create, some).await.iter().all(Result::is_ok));
    }
    let now = SystemClock.now();
    let around = now - SignedDuration::from_hours(1)..now + SignedDuration::from_hours(1);
    let (mut entries, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = bench.erp.books(&open().calls(), &around, cursor.as_deref()).await.unwrap();
        let page = page.expect("its books can be told");
        pages += 1;
        assert!(pages < 1000, "no end of pages");
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(pages > 1, "{} entries on one page", entries.len());
    for draft in &drafts {
        let ours: Vec<_> = entries.iter().filter(|entry| entry.reference == draft.reference.as_str()).collect();
        let [entry] = ours[..] else { panic!("{} is there {} times", draft.reference, ours.len()) };
        assert_eq!((entry.total.to_string().as_str(), entry.currency.as_str()), ("26.78", "EUR"));
    }
    let before = now - SignedDuration::from_hours(48)..now - SignedDuration::from_hours(24);
    assert_eq!(bench.erp.books(&open().calls(), &before, None).await.unwrap(), Some(BookPage::default()));
    assert!(bench.erp.books(&open().calls(), &around, Some("no cursor")).await.is_err());
}

#[test]
fn every_example_parses_builds_and_has_sane_capabilities() {
    for row in ERPS {
        let section = Section::from_toml(row.example).unwrap_or_else(|error| panic!("{}: {error}", row.kind));
        let erp = (row.build)(&section).unwrap_or_else(|error| panic!("{}: {error}", row.kind));
        assert!(erp.can(Operation::Create).is_some(), "{}: every ERP takes sales", row.kind);
        for &operation in Operation::ALL {
            assert!(erp.can(operation).is_none_or(|can| can.max_bulk >= 1), "{}: {operation:?}", row.kind);
        }
        let patience = erp.patience();
        assert!(patience.timeout > Duration::ZERO, "{}", row.kind);
        assert!(patience.settle >= patience.timeout * 2, "{}: settle", row.kind);
    }
}

#[test]
fn every_connector_refuses_a_key_it_does_not_know() {
    for row in ERPS {
        let surprised = format!("surprise_key = 1\n{}", row.example);
        let error = (row.build)(&Section::from_toml(&surprised).unwrap()).err().expect(row.kind);
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains("surprise_key"), "{}: {error}", row.kind);
    }
}

fn row(kind: &str) -> &'static Row {
    ERPS.iter().find(|row| row.kind == kind).unwrap()
}

/// A `rest` connector for a section.
pub fn rest(toml: &str) -> Box<dyn Erp> {
    (row("rest").build)(&Section::from_toml(toml).unwrap()).unwrap()
}

/// The sandbox's ERP as a row's kit plays it, with its connector.
pub async fn bench_of(row: &Row, config: Config) -> (Arc<sandbox::Erp>, Bench) {
    let erp = Arc::new(sandbox::Erp::start(Config { vendor: row.kit.vendor, ..config }).await.unwrap());
    let books = Arc::clone(&erp);
    let count =
        move |reference: &Reference| books.orders().iter().filter(|made| made.reference == reference.as_str()).count();
    let section = Section::from_toml(&erp.config_example()).unwrap();
    let connector = (row.build)(&section).unwrap_or_else(|error| panic!("{}: {error}", row.kind));
    (erp, Bench { erp: connector, known_sku: "MATE-01", count: Box::new(count) })
}

/// The sandbox's own ERP, with `rest` connected to it.
pub async fn bench(config: Config) -> (Arc<sandbox::Erp>, Bench) {
    let (erp, bench) = bench_of(row("rest"), config).await;
    let section = erp.config_example().replace("timeout = \"2s\"", "timeout = \"1s\"\nsettle = \"60s\"");
    (erp, Bench { erp: rest(&section), ..bench })
}

pub const CLASSES: [sandbox::Class; 4] =
    [sandbox::Class::Key, sandbox::Class::Unique, sandbox::Class::Searchable, sandbox::Class::Nothing];

pub const BULKS: [Bulk; 3] = [Bulk::Atomic, Bulk::PerItem, Bulk::Unknown];

async fn of(class: sandbox::Class, bulk: Bulk) -> (Arc<sandbox::Erp>, Bench) {
    bench(Config { class, bulk, ..Config::default() }).await
}

/// Everything that holds of an ERP whatever it speaks.
async fn keeps_the_contract(bench: &Bench) {
    let asked = bench.erp.can(Operation::Create).unwrap().class != Class::Nothing;
    if asked {
        what_is_created_is_found_with_our_version(bench, "found").await;
    }
    a_second_create_is_no_second_document(bench, "twice").await;
    an_unknown_article_stops_its_own_order_only(bench, "sku").await;
    without_a_permit_nothing_is_sent(bench, "shut").await;
    what_is_refused_stays_refused_where_the_calls_end(bench, "few").await;
    if asked {
        there_is_one_answer_each(bench).await;
    }
}

#[tokio::test]
async fn every_row_that_can_tells_its_books_page_by_page() {
    for row in ERPS {
        let every = CLASSES.into_iter().flat_map(|class| BULKS.map(|bulk| (class, bulk)));
        let configs = every.map(|(class, bulk)| Config { vendor: row.kit.vendor, class, bulk, ..Config::default() });
        for config in configs.filter(|config| row.kit.vendor.can_be(config)) {
            let (_erp, bench) = bench_of(row, Config { bulk_limit: 2, ..config }).await;
            if row.kit.books {
                the_books_hold_what_was_made(&bench, &["books-1", "books-2", "books-3"]).await;
            } else {
                let now = SystemClock.now();
                let day = now - SignedDuration::from_hours(1)..now;
                assert_eq!(bench.erp.books(&open().calls(), &day, None).await.unwrap(), None, "{}", row.kind);
            }
        }
    }
}

#[tokio::test]
async fn every_row_keeps_the_contract_in_every_class_and_bulk_mode_there_is_of_it() {
    for row in ERPS {
        let mut played = 0;
        for (class, bulk) in CLASSES.into_iter().flat_map(|class| BULKS.map(|bulk| (class, bulk))) {
            let config = Config { vendor: row.kit.vendor, class, bulk, ..Config::default() };
            if !row.kit.vendor.can_be(&config) {
                continue;
            }
            let (erp, bench) = bench_of(row, config).await;
            keeps_the_contract(&bench).await;
            assert!(!bench.erp.probe(&open().calls()).await.unwrap().words.is_empty(), "{}", row.kind);
            assert!(erp.orders().iter().all(|made| made.total.to_string() == "26.78"), "the ERP's own total");
            assert!(!erp.orders().is_empty() && !erp.customers().is_empty(), "{}", row.kind);
            played += 1;
        }
        assert!(played > 0, "{}: its kit can be nothing", row.kind);
    }
    let can_be = |row: &Row, class, bulk| row.kit.vendor.can_be(&Config { class, bulk, ..Config::default() });
    let all = CLASSES.into_iter().all(|class| BULKS.into_iter().all(|bulk| can_be(row("rest"), class, bulk)));
    assert!(all, "a section describes any ERP");
}

#[tokio::test]
async fn an_idempotency_header_makes_one_document() {
    let erp = sandbox::Erp::start(Config { class: sandbox::Class::Key, ..Config::default() }).await.unwrap();
    let section = erp.config_example().replace("bulk_limit = 50", "bulk_limit = 1");
    let rest = rest(&format!("{section}create.idempotency_header = \"Idempotency-Key\"\n"));
    let drafts =
        rest.prepare(&open().with(&Memory::default()), Operation::Create, &[sale("1", "MATE-01")], false).await;
    let drafts: Vec<Draft> = drafts.into_iter().map(Result::unwrap).collect();
    let first = rest.send(&open().calls(), Operation::Create, &drafts).await.remove(0).unwrap();
    assert_eq!(rest.send(&open().calls(), Operation::Create, &drafts).await.remove(0).unwrap(), first);
    assert_eq!(erp.orders().len(), 1);
}

#[tokio::test]
async fn a_429_concerns_the_account_and_says_when() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let drafts = drafts(&bench, &sales(&bench, &["1"])).await;
    for (wait, retry) in [(Some(Duration::from_secs(7)), Retry::After(Duration::from_secs(7))), (None, Retry::Backoff)]
    {
        erp.next("POST /orders", Fault::Limited(wait));
        let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
        let Err(SendError::Account(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.kind(), error.retryable()), (Kind::Limited, retry));
    }
    // Also when the products are asked for.
    erp.next("GET /products", Fault::Limited(Some(Duration::from_secs(3))));
    let outcome = bench
        .erp
        .prepare(&open().with(&Memory::default()), Operation::Create, &sales(&bench, &["2"]), false)
        .await
        .remove(0);
    assert!(
        matches!(outcome, Err(SendError::Account(error)) if error.retryable() == Retry::After(Duration::from_secs(3)))
    );
    assert!(erp.orders().is_empty());
}

#[tokio::test]
async fn lost_credentials_concern_the_account_and_say_what_to_do() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let drafts = drafts(&bench, &sales(&bench, &["1"])).await;
    erp.next("POST /orders", Fault::Unauthorized);
    let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    let Err(SendError::Account(error)) = outcome else { panic!("{outcome:?}") };
    assert!(error.kind() == Kind::Config && error.to_string().contains("secret_headers"), "{error}");
}

#[tokio::test]
async fn whatever_may_have_happened_is_unknown_and_the_look_up_says_it_did() {
    let after = [
        Fault::ErrorAfter,
        Fault::HangAfter,
        Fault::ResetAfter,
        Fault::BrokenBody,
        Fault::Drip(Duration::from_millis(200)),
    ];
    for (place, fault) in after.into_iter().enumerate() {
        let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
        let sales = sales(&bench, &["a", "b"]);
        let drafts = drafts(&bench, &sales).await;
        erp.next("POST /orders", fault);
        for outcome in bench.erp.send(&open().calls(), Operation::Create, &drafts).await {
            assert!(matches!(outcome, Err(SendError::Unknown(_))), "{place} {fault:?}: {outcome:?}");
        }
        let steps: Vec<Step> = sales.iter().map(|sale| sale.step.clone()).collect();
        for (found, sale) in bench.erp.look_up(&open().calls(), &steps).await.unwrap().into_iter().zip(&sales) {
            assert_eq!(found.expect("it was created").version, Some(sale.version.clone()), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn whatever_may_have_happened_is_unknown_even_if_it_did_not() {
    for fault in [Fault::ErrorBefore, Fault::HangBefore, Fault::ResetBefore, Fault::Unavailable] {
        let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
        let sales = sales(&bench, &["1"]);
        let drafts = drafts(&bench, &sales).await;
        erp.next("POST /orders", fault);
        let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
        assert!(matches!(outcome, Err(SendError::Unknown(_))), "{fault:?}: {outcome:?}");
        assert_eq!(look_up(&bench, &sales[0].step).await, None, "{fault:?}");
    }
}

#[tokio::test]
async fn a_create_that_lands_late_is_found_after_a_while() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let sales = sales(&bench, &["1"]);
    let drafts = drafts(&bench, &sales).await;
    erp.next("POST /orders", Fault::Late(Duration::from_secs(5)));
    let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(outcome, Err(SendError::Unknown(_))), "{outcome:?}");
    assert_eq!(look_up(&bench, &sales[0].step).await, None, "not yet");
    let landed = async {
        while look_up(&bench, &sales[0].step).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(bench.erp.patience().settle, landed).await.expect("it lands within settle");
}

#[tokio::test]
async fn an_unreachable_erp_did_nothing_for_certain() {
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let drafts = drafts(&bench, &sales(&bench, &["1"])).await;
    let away = rest(&sandbox::Plain.section(&Config::default(), closed));
    let outcome = away.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(outcome, Err(SendError::Account(_) | SendError::NotNow(_))), "{outcome:?}");
    let prepared = away
        .prepare(&open().with(&Memory::default()), Operation::Create, &sales(&bench, &["1"]), false)
        .await
        .remove(0);
    assert!(matches!(prepared, Err(SendError::Account(_) | SendError::NotNow(_))), "{prepared:?}");
    let failure = away.look_up(&open().calls(), &[Step::create(drafts[0].reference.clone())]).await.unwrap_err();
    assert!(matches!(failure, SendError::Account(_)), "{failure:?}");
    // The same port closed and opened again: an ERP that restarts.
    erp.listen(false).await;
    assert!(TcpStream::connect(erp.addr()).is_err());
    erp.listen(true).await;
    assert!(bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0).is_ok());
}

/// Three drafts, the second of an article that the ERP forgets before they are created.
async fn spoilt(bench: &Bench) -> Vec<Draft> {
    let mut three = drafts(bench, &sales(bench, &["a", "b", "c"])).await;
    three[1].body = three[1].body.replace("\"P1\"", "\"P999\"");
    assert!(three[1].body.contains("P999"), "the draft names its article");
    three
}

#[tokio::test]
async fn a_refused_atomic_bulk_is_refused_alike_and_nothing_of_it_is_created() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &spoilt(&bench).await).await;
    let words: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Err(SendError::Refused(error)) => error.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(words.iter().all(|one| *one == words[0] && one.contains("unknown article")), "{words:?}");
    assert!(erp.orders().is_empty());
    // Also when one of them exists: only alone it says so.
    let drafts = drafts(&bench, &sales(&bench, &["a", "d"])).await;
    assert!(bench.erp.send(&open().calls(), Operation::Create, &drafts[..1]).await[0].is_ok());
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &drafts).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Refused(_)))), "{outcomes:?}");
    assert!(matches!(
        bench.erp.send(&open().calls(), Operation::Create, &drafts[..1]).await[0],
        Err(SendError::Exists)
    ));
}

#[tokio::test]
async fn a_per_item_bulk_refuses_only_the_guilty() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::PerItem).await;
    let drafts = spoilt(&bench).await;
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &drafts).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Err(SendError::Refused(error)) if error.to_string().contains("unknown article")));
    assert_eq!(erp.orders().len(), 2);
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &drafts).await;
    assert!(matches!(outcomes[0], Err(SendError::Exists)) && matches!(outcomes[1], Err(SendError::Refused(_))));
}

#[tokio::test]
async fn a_bulk_of_which_a_part_may_be_created_is_unknown() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Unknown).await;
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &spoilt(&bench).await).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Unknown(_)))), "{outcomes:?}");
    assert_eq!(erp.orders().len(), 1, "what came before the refused one");
    // Half of it, then 400: the same.
    let drafts = drafts(&bench, &sales(&bench, &["x", "y"])).await;
    erp.next("POST /orders", Fault::Half);
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &drafts).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Unknown(_)))), "{outcomes:?}");
    assert_eq!((bench.count)(&drafts[0].reference), 1);
    // Alone it is certain.
    let alone = bench.erp.send(&open().calls(), Operation::Create, &spoilt(&bench).await[1..2]).await.remove(0);
    assert!(matches!(alone, Err(SendError::Refused(_))), "{alone:?}");
}

#[tokio::test]
async fn a_total_that_differs_is_never_a_success() {
    let config = Config { checks_totals: false, ..Config::default() };
    let (erp, bench) = bench(config).await;
    let sales = sales(&bench, &["1"]);
    let mut drafts = drafts(&bench, &sales).await;
    // The ERP adds a line up differently.
    drafts[0].body = drafts[0].body.replace("\"net\": \"18\"", "\"net\": \"18.01\"");
    let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    let Err(SendError::Unknown(error)) = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().contains("26.79") && error.to_string().contains("26.78"), "{error}");
    assert_eq!(erp.orders().len(), 1, "it exists: a refusal would be a lie");
    // The look-up that follows gives it to a person instead of adopting it.
    assert_eq!(look_up(&bench, &sales[0].step).await.unwrap().version, None);
}

#[tokio::test]
async fn an_erp_that_checks_totals_refuses_the_order() {
    let (_erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let mut drafts = drafts(&bench, &sales(&bench, &["1"])).await;
    drafts[0].body = drafts[0].body.replace("\"net\": \"18\"", "\"net\": \"18.01\"");
    let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(&outcome, Err(SendError::Refused(error)) if error.to_string().contains("26.79")), "{outcome:?}");
}

#[tokio::test]
async fn drafts_are_confirmed_and_one_that_could_not_be_is_found_unfinished() {
    let (erp, bench) = bench(Config { drafts: true, ..Config::default() }).await;
    what_is_created_is_found_with_our_version(&bench, "1").await;
    assert!(erp.orders().iter().all(|made| made.state == "confirmed"));
    let sales = sales(&bench, &["2"]);
    let drafts = drafts(&bench, &sales).await;
    erp.next("POST /orders/2/confirm", Fault::ErrorBefore);
    let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
    assert!(matches!(outcome, Err(SendError::Unknown(_))), "it exists: {outcome:?}");
    let found = look_up(&bench, &sales[0].step).await.unwrap();
    assert!(!found.finished);
    let documents: Vec<Document> = vec![found.document];
    assert!(bench.erp.finish(&open().calls(), Operation::Create, &documents).await.remove(0).is_ok());
    assert!(look_up(&bench, &sales[0].step).await.unwrap().finished);
}

#[tokio::test]
async fn a_batch_costs_one_call_each_for_products_customers_and_orders() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let orders: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let names: Vec<&str> = orders.iter().map(String::as_str).collect();
    let (sales, memory) = (sales(&bench, &names), Memory::default());
    let out = open();
    let calls = out.with(&memory);
    let prepare = |afresh| bench.erp.prepare(&calls, Operation::Create, &sales, afresh);
    let drafts: Vec<Draft> = prepare(false).await.into_iter().map(Result::unwrap).collect();
    assert!(bench.erp.send(&open().calls(), Operation::Create, &drafts).await.iter().all(Result::is_ok));
    let calls = |from: usize| erp.calls().split_off(from).into_iter().map(|call| call.what).collect::<Vec<_>>();
    assert_eq!(calls(0), ["GET /products", "GET /customers", "POST /customers", "POST /orders"]);
    // What is known is not asked again, unless it may be stale; the customer is then found and not made again.
    assert!(prepare(false).await.iter().all(Result::is_ok));
    assert_eq!(calls(4), Vec::<String>::new());
    assert!(prepare(true).await.iter().all(Result::is_ok));
    assert_eq!(calls(4), ["GET /products", "GET /customers"]);
    assert_eq!(erp.customers().len(), 1);
}

#[tokio::test]
async fn one_poisonous_article_spoils_its_own_order_only() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let mut batch = sales(&bench, &["a", "b", "c", "d"]);
    batch[2] = sale("c", "BOOM");
    batch[3] = sale("d", "BOMB-02");
    let poison = vec![sandbox::Poison { words: "BOOM".to_owned(), status: 400 }];
    erp.set_faults(Faults { poison, ..Faults::default() });
    let prepared = bench.erp.prepare(&open().with(&Memory::default()), Operation::Create, &batch, false).await;
    let fine: Vec<bool> = prepared.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, true, false, true], "{prepared:?}");
    // A path that is wrong for everybody is nobody's fault, and is not asked for every article.
    let before = erp.calls().len();
    let lost = rest(&erp.config_example().replace("\"/products?", "\"/nowhere?"));
    let prepared = lost.prepare(&open().with(&Memory::default()), Operation::Create, &batch, false).await;
    assert!(prepared.iter().all(|outcome| matches!(outcome, Err(SendError::Account(_)))), "{prepared:?}");
    assert!(erp.calls().len() - before <= 4, "{}", erp.calls().len() - before);
}

#[tokio::test]
async fn a_firewall_that_refuses_a_text_is_no_lost_credential() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let drafts = drafts(&bench, &sales(&bench, &["1", "2"])).await;
    // As it stands in a body, and in a query.
    let words = [drafts[0].reference.to_string(), drafts[0].reference.to_string().replace('/', "%2F")];
    let poison = words.into_iter().map(|words| sandbox::Poison { words, status: 403 }).collect();
    erp.set_faults(Faults { poison, ..Faults::default() });
    let outcomes = bench.erp.send(&open().calls(), Operation::Create, &drafts).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(SendError::Ambiguous(_)))), "{outcomes:?}");
    assert!(bench.erp.send(&open().calls(), Operation::Create, &drafts[1..]).await[0].is_ok());
    // Nor is it when it is asked for.
    let steps = [Step::create(drafts[0].reference.clone())];
    let looked = bench.erp.look_up(&open().calls(), &steps).await;
    assert!(matches!(looked, Err(SendError::Ambiguous(_))), "{looked:?}");
}

#[tokio::test]
async fn an_article_that_may_not_be_asked_for_is_its_orders_alone() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    for status in [400, 403, 414] {
        let poison = vec![sandbox::Poison { words: "BOOM".to_owned(), status }];
        erp.set_faults(Faults { poison, ..Faults::default() });
        // Alone, nobody else's article tells: one that nobody has does.
        let alone = bench
            .erp
            .prepare(&open().with(&Memory::default()), Operation::Create, &[sale("a", "BOOM")], false)
            .await
            .remove(0);
        assert!(matches!(alone, Err(SendError::Refused(_))), "{status}: {alone:?}");
        let batch = [sale("a", "BOOM"), sale("b", "MATE-01"), sale("c", "BOOM-2")];
        let prepared = bench.erp.prepare(&open().with(&Memory::default()), Operation::Create, &batch, false).await;
        assert_eq!(prepared.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false], "{prepared:?}");
    }
}

#[tokio::test]
async fn four_hundred_unknown_articles_cost_no_more_calls_than_one() {
    let erp = sandbox::Erp::start(Config::default()).await.unwrap();
    let one_by_one = rest(&erp.config_example().replace("products.at_most = 100", "products.at_most = 1"));
    let many = |count: usize| {
        let mut sale = sale("a", "MATE-01");
        let mut order = (*sale.order).clone();
        let first = order.lines[0].clone();
        order.lines.extend((0..count).map(|n| {
            let mut line = first.clone();
            line.sku = Some(format!("NOBODY-{n:03}"));
            (line.amount, line.unit_price) = (Amount::ZERO, Amount::ZERO);
            line
        }));
        sale.order = order.into();
        sale
    };
    for (count, most) in [(400, 0), (30, 2)] {
        let before = erp.calls().len();
        let outcome = one_by_one
            .prepare(&open().with(&Memory::default()), Operation::Create, &[many(count)], false)
            .await
            .remove(0);
        assert!(matches!(outcome, Err(SendError::Refused(_))), "{outcome:?}");
        assert!(erp.calls().len() - before <= most, "{count}: {} calls", erp.calls().len() - before);
    }
}

#[tokio::test]
async fn a_customer_whose_creation_got_lost_is_not_made_twice() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let (sales, memory) = (sales(&bench, &["1"]), Memory::default());
    erp.next("POST /customers", Fault::ErrorAfter);
    let outcome = bench.erp.prepare(&open().with(&memory), Operation::Create, &sales, false).await.remove(0);
    assert!(matches!(outcome, Err(SendError::NotNow(_))), "nothing happened to the order: {outcome:?}");
    assert!(bench.erp.prepare(&open().with(&memory), Operation::Create, &sales, false).await.remove(0).is_ok());
    assert_eq!(erp.customers().len(), 1);
}

#[tokio::test]
async fn a_look_up_that_lists_nothing_readable_says_so() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::Atomic).await;
    let sales = sales(&bench, &["1"]);
    for fault in [Fault::ErrorBefore, Fault::BrokenBody, Fault::HangBefore, Fault::ResetBefore, Fault::Unauthorized] {
        erp.next("GET /orders", fault);
        let answer = bench.erp.look_up(&open().calls(), &[sales[0].step.clone()]).await;
        assert!(answer.is_err(), "{fault:?}: not there would be a guess: {answer:?}");
    }
}

#[tokio::test]
async fn no_personal_data_in_what_a_setback_says() {
    let (erp, bench) = of(sandbox::Class::Unique, Bulk::PerItem).await;
    for fault in [Fault::ErrorBefore, Fault::BrokenBody, Fault::ResetAfter, Fault::Unauthorized, Fault::Limited(None)] {
        let drafts = drafts(&bench, &sales(&bench, &["1"])).await;
        erp.next("POST /orders", fault);
        let outcome = bench.erp.send(&open().calls(), Operation::Create, &drafts).await.remove(0);
        let words = format!("{outcome:?}").to_lowercase();
        assert!(!words.contains("canary"), "{fault:?}: {words}");
    }
}

#[tokio::test]
async fn the_sandbox_counts_what_comes_above_its_limits() {
    let limits =
        sandbox::Limits { calls: 3, window: Duration::from_hours(1), per_day: 100, day: Duration::from_secs(86_400) };
    let (erp, bench) = bench(Config { limits: Some(limits), ..Config::default() }).await;
    for _ in 0..3 {
        assert!(bench.erp.probe(&open().calls()).await.unwrap().words.contains("sandbox ERP"));
    }
    let error = bench.erp.probe(&open().calls()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limited);
    assert!(matches!(error.retryable(), Retry::After(wait) if wait > Duration::from_mins(55)), "{error:?}");
    assert_eq!((erp.violations(), erp.calls().len(), erp.busiest(Duration::from_hours(1))), (1, 4, 4));
}

#[tokio::test]
async fn the_sandboxs_tryton_changes_cancels_and_credits_as_the_real_one_does() {
    let row = row("tryton");
    let config = Config { class: sandbox::Class::Unique, bulk: Bulk::Atomic, ..Config::default() };
    let erp = sandbox::Erp::start(Config { vendor: row.kit.vendor, ..config }).await.unwrap();
    let section = format!("{}state = \"quotation\"\n", erp.config_example());
    let bench = Bench {
        erp: (row.build)(&Section::from_toml(&section).unwrap()).unwrap(),
        known_sku: "MATE-01",
        count: Box::new(|_: &Reference| 1),
    };
    let send = async |job: &Job| {
        let (operation, memory) = (job.step.operation(), Memory::default());
        let way = open();
        let draft = bench.erp.prepare(&way.with(&memory), operation, std::slice::from_ref(job), false).await.remove(0);
        bench.erp.send(&way.calls(), operation, &[draft.unwrap()]).await.remove(0)
    };
    let first = sale("life", bench.known_sku);
    let document = send(&first).await.unwrap();
    let booked = first.step.booked(&[], &first.version, &document).remove(0);
    // Another piece.
    let mut order = (*first.order).clone();
    let amount = |text: &str| text.parse::<Amount>().unwrap();
    (order.lines[0].quantity, order.lines[0].amount) = (amount("3"), amount("30"));
    (order.lines[0].taxes[0].amount, order.tax, order.total) = (amount("5.88"), amount("5.88"), amount("38.88"));
    let step = Step::amend(&booked, first.version.clone());
    let amend = Job { step, version: order.version(), order: Arc::new(order), ..first.clone() };
    assert_eq!(send(&amend).await.unwrap(), document);
    let found = look_up(&bench, &amend.step).await.unwrap();
    assert_eq!((found.version.as_ref(), found.finished), (Some(&amend.version), true));
    assert!(matches!(send(&amend).await, Err(SendError::Exists)));
    // What it was before lands no more.
    let late = Job { version: first.version.clone(), order: first.order.clone(), ..amend.clone() };
    assert!(matches!(send(&late).await, Err(SendError::Refused(_) | SendError::Exists)));
    assert_eq!(erp.orders()[0].total.to_string(), "38.88");
    // All of it is given back.
    let refund = puente::domain::order::Refund::new("9", amount("38.88"));
    let mut sold = (*amend.order).clone();
    sold.refunds = vec![refund.clone()];
    let step = Step::credit(first.key.credit("9"), "9", &booked);
    let credit = Job { step, order: Arc::new(sold.credit(&refund).unwrap()), ..amend.clone() };
    assert!(send(&credit).await.is_ok());
    assert!(matches!(send(&credit).await, Err(SendError::Exists)));
    assert_eq!(erp.orders()[1].total.to_string(), "-38.88");
    // Cancelled, and cancelled already.
    let cancel = Job { step: Step::cancel(&booked), ..amend };
    assert!(!look_up(&bench, &cancel.step).await.unwrap().cancelled);
    for _ in 0..2 {
        assert_eq!(send(&cancel).await.unwrap().id, document.id);
    }
    assert!(look_up(&bench, &cancel.step).await.unwrap().cancelled);
}
