//! What is the file's own: permissions, versions, full and damaged disks, several processes, one transaction for many.
//! What every adapter must do is in the ports' contract suite.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{
        document::{Booked, Document, Step},
        goods::{GoodsWrite, Halt, Mark, ShelfId},
        ids::{AccountId, AttemptId, ConnectionId, ErpId, OrderKey},
        ledger::Ledger,
        message::{Arrival, Message, News},
        record::{Entry, Intent, State, Summary, Write, Written},
        search::Term,
        sign::{Fact, Identity, Party, Sign},
        version::{ContentHash, Version},
    },
    ports::{Accounts, Admitted, Cursors, Doors, Known, Payload, Query, Queue, Records, Signs},
};

/// A clock that is moved by hand, once: sleeping on it moves it.
#[derive(Default)]
struct HandClock(AtomicU64);

impl HandClock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        start + SignedDuration::from_micros(i64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }
    async fn sleep_until(&self, when: Timestamp) {
        if let Ok(time) = Duration::try_from(when.duration_since(self.now())) {
            self.pass(time);
        }
        tokio::task::yield_now().await;
    }
}

fn open(dir: &Path) -> (Embedded, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let options = Options { clock: clock.clone(), ..Options::default() };
    (Embedded::open_with(dir, options).unwrap(), clock)
}

fn at(second: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn key(order: &str) -> OrderKey {
    OrderKey::new("shop".parse().unwrap(), order.parse().unwrap())
}

fn version(n: i64) -> Version {
    Version { modified: at(n), tie: 0, content: ContentHash::of(n.to_be_bytes()) }
}

fn record(n: i64) -> Write {
    let summary = Summary { number: n.to_string(), total: None, currency: None, life: 0, buyer: None, flags: vec![] };
    Write::Record { version: version(n), summary, arrived: at(0), over: at(0) }
}

fn arrival(connection: &str, order: &str) -> Message {
    Message::Arrival(Arrival::new(
        OrderKey::new(connection.parse().unwrap(), order.parse().unwrap()),
        at(0),
        "r",
        News::Changed,
    ))
}

async fn receive(queue: &Embedded, max: usize) -> Vec<crate::ports::Delivery> {
    queue.receive(max, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    assert!(Records::write(&file, &key("1"), &record(1), at(0)).await.unwrap().applied());
    file.send(&[arrival("shop", "1")], Duration::ZERO).await.unwrap();
    drop(file);
    let (file, _) = open(dir.path());
    assert_eq!(file.head(&key("1")).await.unwrap().unwrap().desired, version(1));
    assert_eq!(receive(&file, 10).await.len(), 1);
}

#[tokio::test]
async fn an_answered_write_survives_a_power_cut() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let pragma = async |name: &'static str| {
        file.write(move |sql| Ok(sql.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))?))
            .await
            .unwrap()
    };
    assert_eq!(pragma("synchronous").await, 2, "FULL: the log is flushed by every commit");
    assert_eq!((pragma("fullfsync").await, pragma("checkpoint_fullfsync").await), (1, 1));
}

#[test]
fn many_may_open_a_new_directory_at_once() {
    let dir = TempDir::new().unwrap();
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let path = dir.path().to_owned();
            std::thread::spawn(move || Embedded::open(path).map(|_| ()))
        })
        .collect();
    for one in opened {
        one.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_record_of_a_later_release_is_the_records_own_trouble_and_not_the_files() {
    let dir = TempDir::new().unwrap();
    let file = Embedded::open(dir.path()).unwrap();
    Records::write(&file, &key("1"), &record(1), at(0)).await.unwrap();
    let sql = Connection::open(dir.path().join("puente.db")).unwrap();
    for later in ["json_set(json, '$.schema', 99)", "json_set(json, '$.desired', 'of another kind')"] {
        sql.execute(&format!("UPDATE head SET json = {later}"), []).unwrap();
        let kind = file.head(&key("1")).await.unwrap_err().kind();
        assert!(!matches!(kind, Kind::Unavailable | Kind::Limited), "{kind:?}");
    }
}

#[tokio::test]
async fn two_processes_share_one_directory() {
    let dir = TempDir::new().unwrap();
    // The system's clock: what the other process sends must be found in time.
    let serve = Embedded::open(dir.path()).unwrap();
    let cli = Embedded::open(dir.path()).unwrap();
    Records::write(&serve, &key("1"), &record(1), at(0)).await.unwrap();
    assert!(cli.head(&key("1")).await.unwrap().is_some());
    // What another process sends is found by looking, without a wake-up.
    let (found, sent) = tokio::join!(serve.receive(1, Duration::from_secs(30)), async {
        cli.send(&[arrival("shop", "1")], Duration::ZERO).await
    });
    sent.unwrap();
    assert_eq!(found.unwrap().len(), 1);
    let erp: AccountId = "erp/main".parse().unwrap();
    let (a, b) = tokio::join!(
        serve.take(&erp, "a", at(0), at(90), SignedDuration::ZERO),
        cli.take(&erp, "b", at(0), at(90), SignedDuration::ZERO)
    );
    let held =
        [a.unwrap(), b.unwrap()].iter().filter(|taken| matches!(taken, crate::domain::ledger::Taken::Held)).count();
    assert_eq!(held, 1, "one conducts, the other does not");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("new/data");
    let (file, _) = open(&data);
    Records::write(&file, &key("1"), &record(1), at(0)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_others_could_read_before_is_the_owners_alone_now() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (file, _) = open(&data);
    // As a copy, an earlier release or a backup that was put back may leave them.
    fs::write(data.join("puente.schema-1.db"), "").unwrap();
    let paths: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(paths.iter().any(|path| path.ends_with("puente.db-wal")) && paths.len() >= 4, "{paths:?}");
    for path in &paths {
        set(path, 0o664);
    }
    set(&data, 0o755);
    let again = Embedded::open(&data).unwrap();
    Records::write(&again, &key("1"), &record(1), at(0)).await.unwrap();
    for path in &paths {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&data), 0o700);
    drop((file, again));

    // A directory with other things in it is not ours to close.
    fs::write(data.join("notes.txt"), "").unwrap();
    set(&data, 0o755);
    drop(Embedded::open(&data).unwrap());
    assert_eq!((mode(&data), mode(&data.join("puente.db"))), (0o755, 0o600));
}

#[test]
fn a_directory_that_cannot_be_one_is_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = Embedded::open(dir.path().join("file/data")).err().unwrap();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[test]
fn a_later_release_another_program_and_no_database_are_refused_untouched() {
    let refused = |prepare: &dyn Fn(&Path), words: &str| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("puente.db");
        prepare(&path);
        let before = fs::read(&path).unwrap();
        let error = Embedded::open(dir.path()).err().unwrap();
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("puente.db"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before, "it is left as it was");
    };
    let later = |path: &Path| {
        drop(Embedded::open(path.parent().unwrap()).unwrap());
        Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    };
    refused(&later, "later release of puente (schema 99");
    let foreign =
        |path: &Path| Connection::open(path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    refused(&foreign, "another program's");
    refused(
        &|path| fs::write(path, "not a database at all, but long enough to be looked at".repeat(100)).unwrap(),
        "not a puente",
    );
}

/// As the last release with one document to an order wrote them: one at rest, one on its way, one that waits.
const RELEASED_HEADS: [(&str, &str); 3] = [
    (
        "1",
        r#"{"schema":1,"key":{"connection":"shop","order":"1"},"summary":{"number":"1"},
        "desired":"2026-01-01T12:00:01.000000Z/00000/0000000000000001","newest":"2026-01-01T12:00:01Z",
        "applied":"2026-01-01T12:00:01.000000Z/00000/0000000000000001","attempts":0,"epoch":3,"last":"a1",
        "document":{"id":"7","number":"S7"},"updated":"2026-01-01T12:00:05Z"}"#,
    ),
    (
        "2",
        r#"{"schema":1,"key":{"connection":"shop","order":"2"},"summary":{"number":"2"},
        "desired":"2026-01-01T12:00:01.000000Z/00000/0000000000000001","newest":"2026-01-01T12:00:01Z",
        "due":"2026-01-01T12:00:20Z","soon":"2026-01-01T12:00:20Z","attempts":1,"epoch":3,
        "intent":{"step":{"operation":"create","reference":"shop/2"},
        "planned":"2026-01-01T12:00:01.000000Z/00000/0000000000000001","attempt":"a1","epoch":3,
        "start_by":"2026-01-01T12:00:10Z","settle_at":"2026-01-01T12:00:20Z","unknown":false,"refused":false},
        "updated":"2026-01-01T12:00:05Z"}"#,
    ),
    (
        "3",
        r#"{"schema":1,"key":{"connection":"shop","order":"3"},"summary":{"number":"3"},
        "desired":"2026-01-01T12:00:01.000000Z/00000/0000000000000001","newest":"2026-01-01T12:00:01Z",
        "due":"2026-01-01T12:00:02Z","attempts":0,"epoch":0,"updated":"2026-01-01T12:00:01Z"}"#,
    ),
];

#[tokio::test]
async fn records_of_the_released_schema_are_read_and_written_on() {
    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..2]).map_err(|_| ()).unwrap();
    for (id, json) in RELEASED_HEADS {
        let insert = "INSERT INTO head (connection, id, state, updated, json) VALUES ('shop', ?1, 'synced', 0, ?2)";
        sql.execute(insert, [id, json]).unwrap();
    }
    // Of an ERP account: there were no others.
    let used = r#"{"epoch":7,"mark":2,"tat":"2026-01-01T12:00:09Z","day":20454,"used":41}"#;
    sql.execute("INSERT INTO ledger (erp, json) VALUES ('main', ?1)", [used]).unwrap();
    drop(sql);

    let (file, _) = open(dir.path());
    assert!(dir.path().join("puente.schema-2.db").exists(), "what a release before this one can go on with");
    let head = async |id| file.head(&key(id)).await.unwrap().unwrap();
    let (synced, sending, waiting) = (head("1").await, head("2").await, head("3").await);
    let document = Document { id: "7".into(), number: Some("S7".into()) };
    assert_eq!(synced.booked, [Booked::of_unknown_version(key("1").sale(), document)]);
    assert_eq!((synced.state(), synced.steps, synced.schema), (State::Synced, 1, 2));
    assert_eq!((sending.state(), waiting.state()), (State::Sending, State::Waiting));
    assert!(sending.booked.is_empty() && waiting.booked.is_empty());
    // What an earlier release began says nothing of what is left, and is planned once more after it.
    let complete = Write::complete(&sending, &sending.desired, &Document { id: "8".into(), number: None }).unwrap();
    let Written::Applied(head) = Records::write(&file, &key("2"), &complete, at(30)).await.unwrap() else { panic!() };
    assert_eq!((head.state(), head.due, head.steps), (State::Waiting, Some(at(30)), 1));
    let ledger = file.ledger(&"erp/main".parse().unwrap()).await.unwrap();
    assert_eq!((ledger.epoch, ledger.mark, ledger.tat, ledger.used), (7, 2, Some(at(9)), 41), "no call is forgotten");
    assert_eq!(file.ledger(&"store/main".parse().unwrap()).await.unwrap(), Ledger::default());
    // They are found as if they had been searchable from the beginning.
    for (term, order) in
        [(Term::document("S7"), "1"), (Term::document("7"), "1"), (Term::document("8"), "2"), (Term::number("#3"), "3")]
    {
        assert_eq!(file.find(&term.unwrap(), None, None, 10).await.unwrap(), [key(order)]);
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    Records::write(&file, &key("1"), &record(1), at(0)).await.unwrap();
    // SQLite answers SQLITE_FULL at its own page limit as it does when the disk is full.
    let full =
        |pages: i64| async move { move |sql: &Connection| Ok(sql.pragma_update(None, "max_page_count", pages)?) };
    file.write(full(1).await).await.unwrap();
    let noise: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let payload = Payload::Raw(noise.into());
    // Concurrent writes that share the failed transaction are told as well, or are on the disk.
    let (one, first) = (key("1"), version(1));
    let big = file.keep(&one, &first, &payload);
    let id = ("sku".to_owned(), "7".to_owned());
    let erp: ErpId = "main".parse().unwrap();
    let (big, small) = tokio::join!(big, file.learn(&erp, std::slice::from_ref(&id)));
    let error = big.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::Unavailable, crate::Retry::Backoff));
    assert!(error.to_string().contains("is full"), "{error}");
    let learnt = file.ids(&erp, std::slice::from_ref(&id.0)).await.unwrap();
    assert_eq!(small.is_ok(), learnt.contains_key("sku"), "answered and kept, or neither");
    assert!(file.head(&key("1")).await.unwrap().is_some(), "what was accepted is there");
    // Space again: everything goes on without a restart.
    file.write(full(1_000_000).await).await.unwrap();
    file.keep(&key("1"), &version(1), &payload).await.unwrap();
    assert_eq!(file.payload(&key("1"), &version(1)).await.unwrap(), Some(payload));
}

#[tokio::test]
async fn a_failed_piece_of_work_costs_its_neighbours_nothing() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    // Hold the writer, so that the three that follow share one transaction.
    let (hold, until) = std::sync::mpsc::channel::<()>();
    let holding = file.write(move |_| {
        let _ = until.recv();
        Ok(())
    });
    let insert = |name: &'static str| {
        file.write(move |sql| {
            sql.execute("INSERT INTO cursor VALUES (?1, 'x')", [name])?;
            Ok(())
        })
    };
    let fails = file.write(|sql| -> Result<(), Fault> {
        sql.execute("INSERT INTO cursor VALUES ('undone', 'x')", [])?;
        Err(Error::new(Kind::Refused, "no").into())
    });
    let panics = file.write(|sql| -> Result<(), Fault> {
        sql.execute("INSERT INTO cursor VALUES ('panicked', 'x')", [])?;
        panic!("on purpose")
    });
    let release = async {
        tokio::task::yield_now().await;
        hold.send(()).unwrap();
    };
    let (first, a, failed, panicked, b, ()) = tokio::join!(holding, insert("a"), fails, panics, insert("b"), release);
    for neighbour in [first, a, b] {
        neighbour.unwrap();
    }
    assert_eq!(failed.unwrap_err().kind(), Kind::Refused);
    assert_eq!(panicked.unwrap_err().kind(), Kind::Bug);
    for (name, there) in [("a", true), ("b", true), ("undone", false), ("panicked", false)] {
        assert_eq!(file.cursor(name).await.unwrap().is_some(), there, "{name}");
    }
}

#[tokio::test]
async fn a_file_another_process_keeps_locked_is_told_and_recovers() {
    let dir = TempDir::new().unwrap();
    let options = Options { patience: Duration::from_millis(50), ..Options::default() };
    let file = Embedded::open_with(dir.path(), options).unwrap();
    let other = Connection::open(file.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = file.set_cursor("a", "b").await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::Unavailable, crate::Retry::Backoff));
    assert!(error.to_string().contains("locked by another process"), "{error}");
    assert!(Records::ready(&file).await.is_err());
    // Reading goes on meanwhile.
    assert_eq!(file.cursor("a").await.unwrap(), None);
    other.execute_batch("COMMIT").unwrap();
    file.set_cursor("a", "b").await.unwrap();
}

#[tokio::test]
async fn a_damaged_page_is_told_not_read_as_nothing() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    for n in 0..50 {
        Records::write(&file, &key(&n.to_string()), &record(n), at(n)).await.unwrap();
    }
    let path = file.file().to_owned();
    drop(file);
    // All pages of the heads, and none of what the tables are called.
    let sql = Connection::open(&path).unwrap();
    let page = |name: &str| -> usize {
        let page = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let found = sql.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], page);
        usize::try_from(found.unwrap()).unwrap()
    };
    let pages = [page("head"), page("sqlite_autoindex_head_1")];
    drop(sql);
    let mut bytes = fs::read(&path).unwrap();
    for page in pages {
        bytes[(page - 1) * 4096..page * 4096].fill(0xee);
    }
    fs::write(&path, bytes).unwrap();
    let (file, _) = open(dir.path());
    let error = file.head(&key("1")).await.unwrap_err();
    assert!(error.to_string().contains("is damaged") && error.to_string().contains("puente.db"), "{error}");
}

#[tokio::test]
async fn an_older_file_is_backed_up_and_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    file.set_cursor("kept", "yes").await.unwrap();
    let path = file.file().to_owned();
    drop(file);
    // A release of tomorrow with one more migration, which fails at first: nothing is changed.
    let with = |more| [&file::MIGRATIONS[..], &[more]].concat();
    let mut sql = Connection::open(&path).unwrap();
    assert!(file::migrate(&mut sql, &path, &with("ALTER TABLE cursor ADD COLUMN note TEXT; nonsense")).is_err());
    let tables = |sql: &Connection| -> i64 {
        sql.query_row("SELECT count(*) FROM pragma_table_info('cursor')", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(tables(&sql), 2);
    file::migrate(&mut sql, &path, &with("ALTER TABLE cursor ADD COLUMN note TEXT")).map_err(|_| ()).unwrap();
    assert_eq!(tables(&sql), 3);
    let version = file::MIGRATIONS.len();
    for backup in [format!("puente.schema-{version}.db"), format!("puente.schema-{version}.2.db")] {
        let old = Connection::open(dir.path().join(&backup)).unwrap();
        let value: String =
            old.query_row("SELECT value FROM cursor WHERE name = 'kept'", [], |row| row.get(0)).unwrap();
        assert_eq!((value.as_str(), tables(&old)), ("yes", 2), "{backup}");
    }
    assert!(Embedded::open(dir.path()).is_err(), "the release of today refuses it now");
}

#[tokio::test]
async fn old_payloads_go_and_needed_ones_stay() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let key = key("1");
    let keep = |n: i64| {
        let (file, key) = (file.clone(), key.clone());
        async move {
            file.keep(&key, &version(n), &Payload::Order(n.to_string().into())).await.unwrap();
            Records::write(&file, &key, &record(n), at(n)).await.unwrap();
        }
    };
    keep(1).await;
    let intent = Intent {
        step: Step::create(key.sale()),
        planned: version(1),
        last: true,
        attempt: AttemptId::new("a1"),
        epoch: 1,
        start_by: at(10),
        settle_at: at(20),
        unknown: false,
        refused: false,
    };
    let begin = Write::Begin { desired: version(1), steps: 0, intent, due: at(20) };
    assert!(Records::write(&file, &key, &begin, at(2)).await.unwrap().applied());
    for n in 2..=30 {
        keep(n).await;
    }
    let mut kept = Vec::new();
    for n in 1..=30 {
        if let Some(payload) = file.payload(&key, &version(n)).await.unwrap() {
            assert_eq!(payload, Payload::Order(n.to_string().into()));
            kept.push(n);
        }
    }
    assert!(kept.contains(&1), "the intent's");
    assert_eq!(kept.last(), Some(&30), "the desired one");
    assert!(kept.len() <= 12, "{kept:?}");
}

#[tokio::test]
async fn a_looping_order_does_not_fill_the_disk_with_its_timeline() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let entry =
        |n: i64| Entry { at: at(n), event: n.to_string(), detail: None, why: None, version: None, attempt: None };
    let lines: Vec<_> = (0..600).map(|n| (key("1"), entry(n))).collect();
    file.note(&lines).await.unwrap();
    file.note(&[(key("2"), entry(0))]).await.unwrap();
    let kept = file.timeline(&key("1")).await.unwrap();
    assert_eq!((kept.len(), kept.last().map(|e| e.event.as_str())), (500, Some("599")));
    assert_eq!(file.timeline(&key("2")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_receipt_is_good_for_its_own_delivery_only() {
    let dir = TempDir::new().unwrap();
    let (file, clock) = open(dir.path());
    file.send(&[arrival("shop", "1")], Duration::ZERO).await.unwrap();
    let first = receive(&file, 1).await.remove(0);
    assert!(receive(&file, 1).await.is_empty(), "invisible while somebody works on it");
    clock.pass(Duration::from_mins(1));
    let second = receive(&file, 1).await.remove(0);
    assert_eq!((first.receives, second.receives), (1, 2));
    // The first worker wakes late: it must not delete what the second works on.
    file.delete(&first.receipt).await.unwrap();
    clock.pass(Duration::from_mins(1));
    let third = receive(&file, 1).await.remove(0);
    file.delete(&third.receipt).await.unwrap();
    clock.pass(Duration::from_mins(1));
    assert!(receive(&file, 1).await.is_empty());
}

#[tokio::test]
async fn received_too_often_it_is_dead_with_its_reason_and_comes_back_by_redrive() {
    let dir = TempDir::new().unwrap();
    let (file, clock) = open(dir.path());
    file.send(&[arrival("shop", "1")], Duration::ZERO).await.unwrap();
    for n in 1..=10 {
        assert_eq!(receive(&file, 1).await.remove(0).receives, n);
        clock.pass(Duration::from_mins(1));
    }
    assert!(receive(&file, 1).await.is_empty());
    let dead = file.dead(10).await.unwrap().remove(0);
    assert_eq!(dead.message, Some(arrival("shop", "1")));
    assert!(dead.reason.contains("received 10 times"), "{}", dead.reason);
    assert_eq!(dead.since, Some(clock.now()));
    assert_eq!(file.redrive(10, None).await.unwrap(), 1);
    assert!(file.dead(10).await.unwrap().is_empty());
    let again = receive(&file, 1).await.remove(0);
    assert_eq!((again.receives, again.message.unwrap()), (1, arrival("shop", "1")));
}

#[tokio::test]
async fn a_flooding_shop_does_not_starve_the_others() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let flood: Vec<_> = (0..100).map(|n| arrival("flood", &n.to_string())).collect();
    file.send(&flood, Duration::ZERO).await.unwrap();
    file.send(&[arrival("quiet", "1"), arrival("quiet", "2")], Duration::ZERO).await.unwrap();
    let shop = |delivery: &crate::ports::Delivery| match delivery.message.as_ref().unwrap() {
        Message::Arrival(arrival) => arrival.connection.to_string(),
        Message::Wake { .. } | Message::Publish { .. } | Message::Backfill(_) => unreachable!(),
    };
    // One at a time: in turn.
    let mut first = Vec::new();
    for _ in 0..2 {
        first.extend(receive(&file, 1).await.iter().map(shop));
    }
    assert!(first.contains(&"quiet".to_owned()), "{first:?}");
    // In batches: one of each, then the rest.
    let batch: Vec<_> = receive(&file, 10).await.iter().map(shop).collect();
    assert_eq!(batch.iter().filter(|shop| *shop == "quiet").count(), 1);
    assert_eq!(batch.len(), 10);
    // A lane that empties and fills again does not starve the flood either.
    let mut flooded = 0;
    for n in 0..10 {
        file.send(&[arrival("a-quiet", &n.to_string())], Duration::ZERO).await.unwrap();
        let delivery = receive(&file, 1).await.remove(0);
        flooded += usize::from(shop(&delivery) == "flood");
        file.delete(&delivery.receipt).await.unwrap();
    }
    assert!((4..=6).contains(&flooded), "{flooded}");
}

#[tokio::test]
async fn a_message_nobody_can_decode_is_delivered_as_such_without_its_content() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    file.send(&[arrival("shop", "1")], Duration::ZERO).await.unwrap();
    file.write(|sql| {
        let body = crate::payload::pack(br#"{"arrival":{"connection":"Jane Doe"}}"#);
        sql.execute("UPDATE message SET body = ?1", [body])?;
        Ok(())
    })
    .await
    .unwrap();
    let error = receive(&file, 1).await.remove(0).message.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreadable);
    assert!(!error.to_string().contains("Jane"), "{error}");
}

#[tokio::test]
async fn a_waiting_receiver_wakes_when_something_is_sent() {
    let dir = TempDir::new().unwrap();
    // The system's clock: only a wake-up can end the wait in time.
    let file = Embedded::open(dir.path()).unwrap();
    let wait = file.receive(1, Duration::from_mins(20));
    let send = async {
        tokio::task::yield_now().await;
        file.send(&[arrival("shop", "1")], Duration::ZERO).await
    };
    let both = async { tokio::join!(wait, send) };
    let (delivered, _) = tokio::time::timeout(Duration::from_mins(2), both).await.unwrap();
    assert_eq!(delivered.unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_too_large_is_refused_and_the_others_are_sent() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let mut large = arrival("shop", "large");
    if let Message::Arrival(arrival) = &mut large {
        arrival.request = hex::encode(noise);
    }
    let answers = file.send(&[arrival("shop", "1"), large, arrival("shop", "2")], Duration::ZERO).await.unwrap();
    let kinds: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Ok(()), Err(Kind::TooLarge), Ok(())]);
    assert_eq!(receive(&file, 10).await.len(), 2);
}

#[tokio::test]
async fn a_secret_of_aws_is_refused_with_what_to_write_instead() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    let error = file.secrets(&Bundle::Edge("shop".parse().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("env"), "{error}");
}

#[tokio::test]
async fn a_file_of_the_release_before_signs_of_life_gets_them_and_keeps_its_orders() {
    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &[include_str!("schema.sql")]).map_err(|_| ()).unwrap();
    sql.execute("INSERT INTO cursor (name, value) VALUES ('kept', 'yes')", []).unwrap();
    drop(sql);
    let (file, _) = open(dir.path());
    assert_eq!(file.cursor("kept").await.unwrap().as_deref(), Some("yes"));
    assert!(dir.path().join("puente.schema-1.db").exists());
    let (shop, erp): (ConnectionId, ErpId) = ("acme".parse().unwrap(), "main".parse().unwrap());
    let parties = [Party::Account((&erp).into()), Party::Connection(shop.clone())];
    for (second, detail) in [(1, Some("no answer")), (2, None)] {
        let sign = Sign { fact: Fact::Failed, at: at(second), detail: detail.map(str::to_owned) };
        file.sign(&parties[1], &sign).await.unwrap();
    }
    let identity = Identity { id: 7, domains: vec!["shop.example".into()] };
    file.set_identity(&shop, &identity).await.unwrap();
    assert_eq!(file.identity(&shop).await.unwrap(), Some(identity));
    let last = Sign { fact: Fact::Failed, at: at(2), detail: None };
    assert_eq!(file.signs(&parties).await.unwrap(), [vec![], vec![last]]);
}

#[tokio::test]
async fn a_file_of_the_release_before_stock_gets_its_shelves_and_keeps_its_orders() {
    use crate::ports::Goods;

    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..7]).map_err(|_| ()).unwrap();
    let (id, json) = RELEASED_HEADS[0];
    let insert = "INSERT INTO head (connection, id, state, updated, json) VALUES ('shop', ?1, 'synced', 0, ?2)";
    sql.execute(insert, [id, json]).unwrap();
    // A ledger that says nothing of polls.
    let used = r#"{"epoch":7,"mark":2,"tat":"2026-01-01T12:00:09Z","day":20454,"used":41,"holder":"me"}"#;
    sql.execute("INSERT INTO ledger (account, json) VALUES ('erp/main', ?1)", [used]).unwrap();
    drop(sql);

    let (file, _) = open(dir.path());
    assert!(dir.path().join("puente.schema-7.db").exists(), "what the release before this one can go on with");
    assert_eq!(file.head(&key("1")).await.unwrap().unwrap().state(), State::Synced);
    let of = AccountId::Erp("main".parse().unwrap());
    assert_eq!(file.poll(&of, 7).await.unwrap(), Some(1));
    assert_eq!(file.ledger(&of).await.unwrap().used, 41);
    let shelf = ShelfId { erp: "main".parse().unwrap(), place: "*".parse().unwrap(), sku: "MATE".parse().unwrap() };
    let shop: ConnectionId = "shop".parse().unwrap();
    let mark = GoodsWrite::Mark(vec![Mark::of(shop.clone())]);
    assert!(Goods::write(&file, &shelf, &mark, at(1)).await.unwrap());
    assert_eq!(Goods::due(&file, &shop, at(1), 10).await.unwrap(), [shelf]);
    let halt = Halt { since: at(1), by: "ana".to_owned() };
    file.halt(&shop, Some(&halt)).await.unwrap();
    assert_eq!(file.halted(&shop).await.unwrap(), Some(halt));
}

#[tokio::test]
async fn what_lay_among_positions_and_ids_gets_its_own_place() {
    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..5]).map_err(|_| ()).unwrap();
    sql.execute_batch(
        "INSERT INTO cursor VALUES ('backfill/acme', '2026-01-01T00:00:00Z'), ('front-door/acme', '2026-03-01 1990'),
             ('task/backfill/begun', '2026-03-01T03:17:00.123456789Z');
         INSERT INTO known VALUES ('main', 'sku', '7'), ('main', 'begun/acme/customer/9', '2026-03-01T03:17:20.5Z');
         INSERT INTO sign VALUES ('task/backfill', 'run', 'null');",
    )
    .unwrap();
    drop(sql);
    let (file, _) = open(dir.path());
    let (shop, erp): (ConnectionId, ErpId) = ("acme".parse().unwrap(), "main".parse().unwrap());
    let admitted = Admitted { day: jiff::civil::date(2026, 3, 1), requests: 1990 };
    assert_eq!(file.admitted(&shop).await.unwrap(), Some(admitted));
    let claimed = file.claimed("backfill").await.unwrap().map(|at| at.to_string());
    assert_eq!(claimed.as_deref(), Some("2026-03-01T03:17:00.123456789Z"));
    let name = "acme/customer/9".to_owned();
    let begun = file.begun(&erp, std::slice::from_ref(&name)).await.unwrap();
    assert_eq!(begun[&name].to_string(), "2026-03-01T03:17:20.5Z");
    // What stays, and nothing else is left of it.
    assert_eq!(file.cursor("backfill/acme").await.unwrap().as_deref(), Some("2026-01-01T00:00:00Z"));
    let sql = Connection::open(file.file()).unwrap();
    let left =
        |table: &str| -> i64 { sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
    assert_eq!((left("cursor"), left("known"), left("sign")), (1, 1, 2));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_its_place_in_lists() {
    let dir = TempDir::new().unwrap();
    let (file, _) = open(dir.path());
    for n in 1..=5 {
        // All of one moment, which a microsecond does not tell exactly.
        let now = at(1) + SignedDuration::from_nanos(300);
        Records::write(&file, &key(&n.to_string()), &record(n), now).await.unwrap();
    }
    file.write(|sql| {
        sql.execute("UPDATE head SET json = 'canary' WHERE id IN ('2', '4')", [])?;
        sql.execute("UPDATE head SET json = json_set(json, '$.schema', 99) WHERE id = '5'", [])?;
        Ok(())
    })
    .await
    .unwrap();
    for limit in 1..=5 {
        let mut query = Query { connection: key("1").connection, state: None, from: None, limit, cursor: None };
        let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
        loop {
            let page = file.list(&query).await.unwrap();
            assert!(page.heads.len() + page.unreadable.len() <= limit);
            heads.extend(page.heads.into_iter().map(|head| head.key.order.to_string()));
            unreadable.extend(page.unreadable);
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(heads, ["3", "1"], "{limit} at a time");
        let told: Vec<_> = unreadable.iter().map(|one| (one.key.order.as_str(), one.why.as_str())).collect();
        let [(first, later), (second, damaged), (third, _)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((*first, *second, *third), ("5", "4", "2"));
        assert!(later.contains("cannot be read: a later release"), "{later}");
        assert!(
            damaged.starts_with(&format!("order {} cannot be read", key("4"))) && !damaged.contains("canary"),
            "{damaged}"
        );
    }
    // What is due names them still: whoever sends the others passes them over.
    let due = file.due(&key("1").connection, at(1_000_000), 10).await.unwrap();
    assert_eq!(due.len(), 5);
}

#[tokio::test]
async fn a_file_of_the_release_before_shipments_gets_them_and_keeps_its_shelves() {
    use crate::{
        domain::shipment::{Shipment, ShipmentId, ShipmentWrite},
        ports::Shipments,
    };

    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..8]).map_err(|_| ()).unwrap();
    let halt = "INSERT INTO halt (connection, json) VALUES ('shop', ?1)";
    sql.execute(halt, [r#"{"since":"2026-01-01T12:00:00Z","by":"ana"}"#]).unwrap();
    drop(sql);

    let (file, _) = open(dir.path());
    assert!(dir.path().join("puente.schema-8.db").exists(), "what the release before this one can go on with");
    let shop: ConnectionId = "shop".parse().unwrap();
    assert_eq!(crate::ports::Goods::halted(&file, &shop).await.unwrap().unwrap().by, "ana");
    let id: ShipmentId = "7".parse().unwrap();
    let (number, items) = ("OUT/7".to_owned(), std::collections::BTreeMap::new());
    let shipment = Shipment { id: id.clone(), number, items, carrier: None, parcels: Vec::new() };
    let noted = ShipmentWrite::Noted { shipment, poll: 1 };
    assert!(Shipments::write(&file, &key("1"), &id, &noted, at(1)).await.unwrap());
    assert_eq!(Shipments::due(&file, &shop, at(1), 10).await.unwrap(), [(key("1"), id)]);
}

#[tokio::test]
async fn a_file_of_the_release_before_prices_gets_them_and_keeps_its_shipments() {
    use crate::{
        domain::{
            money::Amount,
            price::{Offer, PriceWrite, Quote, Quoted},
            shipment::{Dispatch, Shipment, ShipmentId},
        },
        ports::{Prices, Shipments},
    };

    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..9]).map_err(|_| ()).unwrap();
    let shipment = "INSERT INTO shipment (connection, id, shipment, due, json) VALUES ('shop', '1', '7', 0, ?1)";
    let noted = Shipment {
        id: "7".parse().unwrap(),
        number: "OUT/7".to_owned(),
        items: std::collections::BTreeMap::new(),
        carrier: None,
        parcels: Vec::new(),
    };
    let dispatch = Dispatch::new(noted, 1, at(0));
    sql.execute(shipment, [serde_json::to_string(&dispatch).unwrap()]).unwrap();
    drop(sql);

    let (file, _) = open(dir.path());
    assert!(dir.path().join("puente.schema-9.db").exists(), "what the release before this one can go on with");
    let shop: ConnectionId = "shop".parse().unwrap();
    let id: ShipmentId = "7".parse().unwrap();
    assert_eq!(Shipments::due(&file, &shop, at(1), 10).await.unwrap(), [(key("1"), id)]);
    assert_eq!(Shipments::of_order(&file, &key("1")).await.unwrap()[0].shipment.number, "OUT/7");
    let price = Quote { amount: Amount::from(12), currency: iso_currency::Currency::EUR, taxed: true, rate: None };
    let quoted = Quoted { offer: Offer { price, compare_at: None }, later: None, poll: 1, afresh: false, daily: false };
    let mate = "mate".parse().unwrap();
    assert!(Prices::write(&file, &shop, &mate, &PriceWrite::Quoted(quoted), at(1)).await.unwrap());
    assert_eq!(Prices::due(&file, &shop, at(1), 10).await.unwrap(), [mate]);
}

#[tokio::test]
async fn an_older_file_is_left_as_it_is_by_whoever_does_not_serve_and_under_whoever_does() {
    let dir = TempDir::new().unwrap();
    let path = file::create(dir.path()).unwrap();
    let mut sql = Connection::open(&path).unwrap();
    file::migrate(&mut sql, &path, &file::MIGRATIONS[..4]).map_err(|_| ()).unwrap();
    let schema = || sql.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let backup = dir.path().join("puente.schema-4.db");
    let beside = || Options { migrate: false, ..Options::default() };
    let error = Embedded::open_with(dir.path(), beside()).err().unwrap();
    let words = error.to_string();
    assert!(error.kind() == Kind::Config && words.contains("earlier release"), "{words}");
    assert!(words.contains("schema 4") && words.contains("`puente serve`"), "{words}");
    // The release that serves from it goes on.
    let served = file::lock(&path).unwrap();
    let error = Embedded::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("another process serves from there"), "{error}");
    assert!(schema() == 4 && !backup.exists());
    drop(served);
    drop(Embedded::open(dir.path()).unwrap());
    assert!(schema() == i64::try_from(file::MIGRATIONS.len()).unwrap() && backup.exists());
    // Up to date, or new, it is anybody's.
    drop(Embedded::open_with(dir.path(), beside()).unwrap());
    drop(Embedded::open_with(dir.path().join("new"), beside()).unwrap());
}
