//! The ports' contract: what [`Records`], [`Known`], [`Cursors`], [`Doors`], [`Goods`], [`Shipments`], [`Prices`], [`Accounts`],
//! [`Signs`], [`Tokens`] and [`Queue`] promise the flows, run against every adapter.
//!
//! An adapter is enrolled by one line at the foot of this file, and an `async fn` of that name that makes fresh, empty ports.

mod accounts;
mod beside;
mod conformance;
mod goods;
mod prices;
mod queue;
mod records;
mod shipments;
mod signs;
mod tokens;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use puente::{
    domain::{
        document::{Document, Operation, Step},
        ids::{AttemptId, OrderKey},
        record::{Intent, Summary, Write},
        version::Version,
    },
    embedded::{Embedded, Options},
    ports::{
        Accounts, Clock, Cursors, Doors, Goods, Known, Prices, Queue, Records, Shipments, Signs, SystemClock, Tokens,
    },
};

use crate::support::moto::{self, Stack};

/// An adapter under test: its ports, empty, nobody else's.
pub(crate) struct Ports {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) known: Arc<dyn Known>,
    pub(crate) cursors: Arc<dyn Cursors>,
    pub(crate) doors: Arc<dyn Doors>,
    pub(crate) goods: Arc<dyn Goods>,
    pub(crate) prices: Arc<dyn Prices>,
    pub(crate) shipments: Arc<dyn Shipments>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) signs: Arc<dyn Signs>,
    pub(crate) tokens: Arc<dyn Tokens>,
    pub(crate) queue: Arc<dyn Queue>,
    /// The time the queue goes by: sleeping on it is how a test lets time pass.
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a delivered message of this queue stays invisible.
    pub(crate) visibility: Duration,
    /// After so many deliveries a message of this queue is dead.
    pub(crate) max_receives: u32,
    /// Random histories per test: fewer where each write crosses a network.
    pub(crate) cases: u32,
    /// What must live as long as the ports: a directory, an emulator.
    pub(crate) _keeps: Box<dyn std::any::Any + Send>,
}

impl Ports {
    /// Lets time pass for the queue.
    async fn pass(&self, time: Duration) {
        let time = SignedDuration::try_from(time).unwrap();
        self.clock.sleep_until(self.clock.now() + time).await;
    }
}

/// A clock that stands still until somebody sleeps on it.
struct HandClock(AtomicI64);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
    async fn sleep_until(&self, when: Timestamp) {
        self.0.fetch_max(when.as_microsecond(), Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

async fn embedded() -> Option<Ports> {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(at(0).as_microsecond())));
    let (visibility, max_receives) = (Duration::from_secs(30), 3);
    let options = Options { clock: clock.clone(), visibility, max_receives, ..Options::default() };
    let file = Arc::new(Embedded::open_with(directory.path(), options).unwrap());
    Some(Ports {
        records: file.clone(),
        known: file.clone(),
        cursors: file.clone(),
        doors: file.clone(),
        goods: file.clone(),
        prices: file.clone(),
        shipments: file.clone(),
        accounts: file.clone(),
        signs: file.clone(),
        tokens: file.clone(),
        queue: file,
        clock,
        visibility,
        max_receives,
        cases: 100,
        _keeps: Box::new(directory),
    })
}

/// The time of an emulator's queues: the system's, and as much more as was slept on it.
struct EmulatorClock {
    stack: Arc<Stack>,
    ahead: AtomicI64,
}

#[async_trait]
impl Clock for EmulatorClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_micros(self.ahead.load(Ordering::SeqCst))
    }
    async fn sleep_until(&self, when: Timestamp) {
        let time = when.duration_since(self.now());
        if time.is_positive() {
            self.stack.pass(time.unsigned_abs()).await;
            self.ahead.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
        }
    }
}

/// On an emulator that serves others too.
async fn aws() -> Option<Ports> {
    Some(on(moto::stack_with(EMULATED.0, EMULATED.1).await?))
}

/// The same with a key in KMS that tokens are encrypted with.
async fn aws_with_token_key() -> Option<Ports> {
    Some(on(moto::stack_with(EMULATED.0, EMULATED.1).await?.with_token_key().await))
}

/// On an emulator of its own.
async fn aws_alone() -> Option<Ports> {
    Some(on(moto::busy_stack(EMULATED.0, EMULATED.1).await?))
}

/// The visibility of the emulator's queues, which is longer than a busy machine takes for any test, and their deliveries.
const EMULATED: (Duration, u32) = (Duration::from_mins(10), 3);

fn on(stack: Stack) -> Ports {
    let aws = stack.aws();
    let stack = Arc::new(stack);
    let clock = Arc::new(EmulatorClock { stack: stack.clone(), ahead: AtomicI64::default() });
    Ports {
        records: aws.records,
        known: aws.known,
        cursors: aws.cursors.clone(),
        doors: aws.cursors,
        goods: aws.goods,
        prices: aws.prices,
        shipments: aws.shipments,
        accounts: aws.accounts,
        signs: aws.signs,
        tokens: aws.tokens,
        queue: aws.queue,
        clock,
        visibility: EMULATED.0,
        max_receives: EMULATED.1,
        cases: 20,
        _keeps: Box::new(stack),
    }
}

/// The models that the simulation runs the flows on: what they let pass, the adapters must.
async fn simulation() -> Option<Ports> {
    let models = conformance::Models::new(Duration::from_secs(30), 3);
    Some(Ports {
        records: models.table.clone(),
        known: models.table.clone(),
        cursors: models.table.clone(),
        doors: models.table.clone(),
        goods: models.table.clone(),
        prices: models.table.clone(),
        shipments: models.table.clone(),
        accounts: models.table.clone(),
        signs: models.table.clone(),
        tokens: models.table.clone(),
        queue: models.queue.clone(),
        clock: models.clock.clone(),
        visibility: Duration::from_secs(30),
        max_receives: 3,
        cases: 100,
        _keeps: Box::new(models),
    })
}

/// A moment of the tests' day, in seconds from its noon.
fn at(second: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn key(connection: &str, order: &str) -> OrderKey {
    OrderKey::new(connection.parse().unwrap(), order.parse().unwrap())
}

fn version(second: i64, tie: u16, content: u8) -> Version {
    // A version is text with a hash at its end: any will do.
    format!("{}/{tie:05}/{content:016x}", at(second)).parse().unwrap()
}

fn summary(number: &str) -> Summary {
    Summary {
        number: number.into(),
        total: None,
        currency: None,
        life: 1,
        buyer: None,
        flags: vec!["books: 0.01 too much".into()],
    }
}

fn record(version: &Version) -> Write {
    Write::Record { version: version.clone(), summary: summary("#1042"), arrived: at(0), over: at(0) }
}

fn document(id: &str) -> Document {
    Document { id: id.into(), number: Some(format!("SO-{id}")) }
}

fn intent(key: &OrderKey, planned: &Version, attempt: &str, epoch: u64, now: Timestamp) -> Intent {
    // Each of them is written and read back by some of the cases.
    let operation = Operation::ALL[attempt.bytes().map(usize::from).sum::<usize>() % Operation::ALL.len()];
    Intent {
        step: Step::example(operation, key.sale()),
        planned: planned.clone(),
        last: true,
        attempt: AttemptId::new(attempt),
        epoch,
        start_by: now + SignedDuration::from_secs(5),
        settle_at: now + SignedDuration::from_secs(20),
        unknown: false,
        refused: false,
    }
}

/// Runs every test of the suite against one adapter.
macro_rules! enrol {
    ($adapter:ident) => {
        mod $adapter {
            enrol!($adapter: records
                every_condition_holds_and_fails_as_the_pure_function_says
                random_histories_end_as_the_pure_function_says
                one_of_many_begins
                many_arrivals_leave_the_newest
                payloads_come_back_as_they_were
                payloads_the_head_names_are_never_dropped
                the_due_index_suggests_what_is_due
                pages_hold_every_head_once_those_written_last_first
                a_head_written_while_paging_is_not_shown_twice
                a_list_ends_at_the_time_it_is_asked_for
                orders_are_found_under_every_value_they_ever_had
                the_key_of_search_is_drawn_once
                counts_follow_the_states
                a_timeline_keeps_its_order);
            enrol!($adapter: beside
                ids_are_learnt_per_erp_and_forgotten
                what_was_begun_is_no_id
                cursors_move
                a_front_door_keeps_its_last_day);
            enrol!($adapter: goods
                random_histories_end_as_the_pure_function_says
                shelves_of_any_name_are_apart
                what_is_due_is_found_by_connection
                lists_hold_every_row_once_whatever_the_pages
                a_halt_stands_until_it_is_lifted
                many_who_write_one_row_lose_nothing
                one_of_many_is_given_the_last_unit
                a_poll_may_settle_many_orders_at_once
                a_poll_has_a_number_of_its_own_under_the_lease_alone);
            enrol!($adapter: prices
                random_histories_end_as_the_pure_function_says
                tags_of_any_name_are_apart
                tags_are_beside_everything_else_of_their_connection
                what_is_due_is_found_by_connection
                a_list_holds_every_tag_once_whatever_the_pages
                many_who_write_one_tag_lose_nothing
                one_of_many_tells_the_store_a_price);
            enrol!($adapter: shipments
                random_histories_end_as_the_pure_function_says
                shipments_of_any_name_are_apart
                shipments_are_beside_the_records_of_their_orders
                what_is_due_is_found_by_connection
                a_list_holds_every_shipment_once_whatever_the_pages
                many_who_write_one_shipment_lose_nothing
                one_of_many_tells_the_store);
            enrol!($adapter: accounts
                random_histories_end_as_the_pure_ledger_says
                one_of_many_takes_the_lease
                slots_of_many_never_overlap
                every_mark_counts
                accounts_of_one_name_are_two);
            enrol!($adapter: signs
                a_sign_is_the_last_of_its_fact
                who_a_shop_is_comes_back
                the_last_run_of_a_task_is_kept
                the_last_claim_of_a_task_is_no_run);
            enrol!($adapter: tokens
                a_token_comes_back_as_it_was_kept
                a_swap_holds_for_the_version_that_was_seen_only
                of_two_that_renew_at_once_one_wins_and_the_other_reads_the_winners);
            enrol!($adapter: queue
                every_kind_of_message_comes_back_as_it_was
                what_is_not_deleted_comes_again
                a_delayed_message_waits
                batches_larger_than_a_request
                a_receiver_waits_and_gives_up
                the_buried_are_seen_and_redriven_as_they_are
                who_moves_a_letter_back_is_said
                received_too_often_it_is_dead
                many_receivers_share_without_loss);
        }
    };
    ($adapter:ident: $part:ident $($test:ident)+) => {
        mod $part {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    // `None`: the adapter's emulator is skipped, visibly.
                    if let Some(ports) = super::super::$adapter().await {
                        super::super::$part::$test(&ports).await;
                    }
                }
            )+
        }
    };
}

enrol!(embedded);
enrol!(aws);

mod encrypted {
    enrol!(aws_with_token_key: tokens
        a_token_comes_back_as_it_was_kept
        a_swap_holds_for_the_version_that_was_seen_only
        of_two_that_renew_at_once_one_wins_and_the_other_reads_the_winners);
}

/// What the flows ask of the models. Not theirs: an index that is up to date at once, pages of a list, several
/// ERPs' ids, a receiver that waits.
mod simulation {
    enrol!(simulation: records
        every_condition_holds_and_fails_as_the_pure_function_says
        random_histories_end_as_the_pure_function_says
        one_of_many_begins
        many_arrivals_leave_the_newest
        payloads_come_back_as_they_were
        payloads_the_head_names_are_never_dropped
        counts_follow_the_states
        a_timeline_keeps_its_order);
    enrol!(simulation: beside
        what_was_begun_is_no_id
        cursors_move
        a_front_door_keeps_its_last_day);
    enrol!(simulation: goods
        random_histories_end_as_the_pure_function_says
        shelves_of_any_name_are_apart
        what_is_due_is_found_by_connection
        lists_hold_every_row_once_whatever_the_pages
        a_halt_stands_until_it_is_lifted
        many_who_write_one_row_lose_nothing
        one_of_many_is_given_the_last_unit
        a_poll_may_settle_many_orders_at_once
        a_poll_has_a_number_of_its_own_under_the_lease_alone);
    enrol!(simulation: prices
        random_histories_end_as_the_pure_function_says
        tags_of_any_name_are_apart
        tags_are_beside_everything_else_of_their_connection
        what_is_due_is_found_by_connection
        a_list_holds_every_tag_once_whatever_the_pages
        many_who_write_one_tag_lose_nothing
        one_of_many_tells_the_store_a_price);
    enrol!(simulation: shipments
        random_histories_end_as_the_pure_function_says
        shipments_of_any_name_are_apart
        shipments_are_beside_the_records_of_their_orders
        what_is_due_is_found_by_connection
        a_list_holds_every_shipment_once_whatever_the_pages
        many_who_write_one_shipment_lose_nothing
        one_of_many_tells_the_store);
    enrol!(simulation: signs
        the_last_claim_of_a_task_is_no_run);
    enrol!(simulation: accounts
        random_histories_end_as_the_pure_ledger_says
        one_of_many_takes_the_lease
        slots_of_many_never_overlap
        every_mark_counts
        accounts_of_one_name_are_two);
    enrol!(simulation: tokens
        a_token_comes_back_as_it_was_kept
        a_swap_holds_for_the_version_that_was_seen_only
        of_two_that_renew_at_once_one_wins_and_the_other_reads_the_winners);
    enrol!(simulation: queue
        every_kind_of_message_comes_back_as_it_was
        what_is_not_deleted_comes_again
        a_delayed_message_waits
        batches_larger_than_a_request
        the_buried_are_seen_and_redriven_as_they_are
        received_too_often_it_is_dead
        many_receivers_share_without_loss);
}
