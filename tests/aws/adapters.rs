//! What only the AWS adapters can get wrong: writes that meet themselves, batches that fail in part, large values.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use puente::{
    Kind,
    aws::{Access, Aws, Patience, Place},
    domain::{
        document::{Booked, Document, Step},
        goods::{self, Commit, GoodsWrite, Mark, Settled, Shelf, ShelfId},
        ids::{AccountId, AttemptId, OrderKey},
        ledger::{Limits, Purpose, Released, Request, Taken},
        message::{Arrival, Message, News},
        money::Amount,
        order::Flag,
        price::{self, Offer, Price, PriceWrite, Quote, Quoted, Telling},
        record::{Count, Doubt, End, Head, Intent, Rest, SCHEMA, State, Summary, Write, Written},
        shipment::{Sending, Shipment, ShipmentId, ShipmentWrite, Underway},
        version::Version,
    },
    ports::{Accounts, Bundle, Goods, Known, Payload, Prices, Query, Queue, Records, Secrets, Shipments},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

use crate::{
    proxy::{Answer, Proxy},
    support::{
        moto::{self, Stack, stack},
        proxy as line,
    },
};

fn at(second: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn version(second: i64) -> Version {
    format!("{}/00000/{:016x}", at(second), second).parse().unwrap()
}

fn key(order: &str) -> OrderKey {
    OrderKey::new("acme".parse().unwrap(), order.parse().unwrap())
}

fn record(second: i64) -> Write {
    let summary = Summary { number: "#1042".into(), total: None, currency: None, life: 1, buyer: None, flags: vec![] };
    Write::Record { version: version(second), summary, arrived: at(0), over: at(0) }
}

fn intent(key: &OrderKey, attempt: &str, unknown: bool) -> Intent {
    Intent {
        step: Step::create(key.sale()),
        planned: version(1),
        last: true,
        attempt: AttemptId::new(attempt),
        epoch: 1,
        start_by: at(15),
        settle_at: at(30),
        unknown,
        refused: false,
    }
}

fn begin(key: &OrderKey) -> Write {
    Write::Begin { desired: version(1), steps: 0, intent: intent(key, "a1", false), due: at(40) }
}

fn message(order: &str, raw: &str) -> Message {
    Message::Arrival(Arrival::new(
        OrderKey::new("acme".parse().unwrap(), order.parse().unwrap()),
        at(0),
        "r-1",
        News::Unmapped { flag: Flag { code: "unmapped".into(), detail: "x".into() }, raw: raw.into() },
    ))
}

/// Text that does not compress, the same every time.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from((state >> 58) % 64).unwrap())
    };
    (0..length).map(|_| next()).filter(|c| *c != '\\').collect()
}

async fn through(stack: &Stack) -> (Proxy, Aws) {
    let proxy = Proxy::before(&stack.endpoint).await;
    let aws = Aws::new(&stack.access().at(&proxy.endpoint), stack.place.clone());
    (proxy, aws)
}

#[tokio::test]
async fn an_emulator_may_take_longer_than_aws() {
    let Some(stack) = stack().await else { return };
    let emulator = stack.endpoint.trim_start_matches("http://").parse().unwrap();
    let line = line::Proxy::to(Some(emulator), 1).await;
    // As a busy machine makes it, and AWS never is.
    line.is_far(Duration::from_secs(3));
    let access = stack.access().at(format!("http://{}", line.addr));
    let patient = Aws::new(&access, stack.place.clone());
    assert_eq!(patient.records.head(&key("1")).await.unwrap(), None);
    let sent = patient.queue.send(&[message("1", "{}")], Duration::ZERO).await.unwrap();
    assert!(sent.into_iter().all(|sent| sent.is_ok()));
    assert_eq!(patient.queue.receive(1, Duration::from_secs(1)).await.unwrap().len(), 1);

    let asked = Instant::now();
    let usual = Aws::new(&access.patient(Patience::AWS), stack.place.clone());
    let error = usual.records.head(&key("1")).await.unwrap_err();
    assert!(error.to_string().contains("AWS did not answer in time"), "{error}");
    assert!(asked.elapsed() >= Patience::AWS.attempt, "{:?}", asked.elapsed());
}

/// An update that is sent again counts twice, so that no time-out but those of [`Patience`] may send one again.
#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_waited_for_and_nothing_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = 0;
        let next = async |listener: &TcpListener| timeout(Duration::from_secs(1), listener.accept()).await;
        while let Ok(Ok((mut stream, _))) = next(&listener).await {
            asked += 1;
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{").await.unwrap();
            tokio::time::sleep(Duration::from_secs(7)).await;
            // Nobody may be there any more.
            let _ = stream.write_all(b"}").await;
        }
        asked
    });
    let place = Place { table: "t".into(), queue: "q".into(), dead: None, secrets: "s/".into(), token_key: None };
    let access = Access::with_keys("test", "test", "eu-west-1").at(&endpoint).patient(moto::PATIENCE);
    assert_eq!(Aws::new(&access, place).records.head(&key("1")).await.unwrap(), None);
    assert_eq!(asked.await.unwrap(), 1);
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_applied_once() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let attempt = || AttemptId::new("a1");
    let reschedule = Write::Reschedule {
        attempt: attempt(),
        backoff: at(60),
        floor: at(11),
        count: Count::Kept,
        doubtful: false,
        reason: "busy".into(),
    };
    let resend = |key: &OrderKey| Write::Resend { looked_up: attempt(), intent: intent(key, "a2", true), due: at(50) };
    let document = Document { id: "7".into(), number: None };
    let defer = Write::Defer {
        desired: version(1),
        steps: 0,
        epoch: 1,
        due: at(60),
        floor: at(11),
        forgiven: false,
        reason: "busy".into(),
    };
    let park = Write::Park {
        attempt: attempt(),
        judged: version(1),
        doubt: Doubt::None,
        end: End::Parked,
        given_up: None,
        reason: "no such article".into(),
        floor: at(11),
    };
    type Writes<'a> = Box<dyn Fn(&OrderKey) -> Vec<Write> + 'a>;
    let writes: Vec<(&str, Writes<'_>)> = vec![
        ("record", Box::new(|_| vec![record(1)])),
        ("a newer record", Box::new(|_| vec![record(1), record(2)])),
        ("touch", Box::new(|_| vec![record(1), Write::Touch { desired: version(1), newest: at(9), arrived: at(9) }])),
        ("begin", Box::new(|key| vec![record(1), begin(key)])),
        ("resend", Box::new(move |key| vec![record(1), begin(key), resend(key)])),
        ("complete", {
            let complete = move |key: &OrderKey| Write::Complete {
                attempt: attempt(),
                found: version(1),
                booked: Step::create(key.sale()).booked(&[], &version(1), &document),
                steps: 1,
            };
            Box::new(move |key| vec![record(1), begin(key), complete(key)])
        }),
        ("reschedule", Box::new(move |key| vec![record(1), begin(key), reschedule.clone()])),
        // These add and subtract: applied twice, the count would be wrong.
        ("forgive", {
            let forgive = Write::Reschedule {
                attempt: AttemptId::new("a2"),
                backoff: at(60),
                floor: at(11),
                count: Count::Forgiven,
                doubtful: false,
                reason: "busy".into(),
            };
            Box::new(move |key| vec![record(1), begin(key), resend(key), forgive.clone()])
        }),
        ("defer", Box::new(move |_| vec![record(1), defer.clone()])),
        ("park", Box::new(move |key| vec![record(1), begin(key), park.clone()])),
        (
            "rest",
            Box::new(|_| {
                vec![record(1), Write::Rest { desired: version(1), steps: 0, attempts: 0, rest: Rest::Synced }]
            }),
        ),
        ("replay", Box::new(|key| vec![record(1), begin(key), Write::Replay { asked: Timestamp::MAX }])),
    ];
    for (name, writes) in writes {
        let key = key(name);
        let writes = writes(&key);
        let mut expected: Option<Head> = None;
        for (n, write) in writes.iter().enumerate() {
            if n + 1 == writes.len() {
                proxy.lose_next("UpdateItem");
            }
            let written = aws.records.write(&key, write, at(10)).await.unwrap();
            expected = write.apply(&key, expected.as_ref(), at(10));
            assert_eq!(written, Written::Applied(expected.clone().unwrap()), "{name}: {write:?}");
        }
        assert_eq!(aws.records.head(&key).await.unwrap(), expected, "{name}: the record");
    }
}

#[tokio::test]
async fn a_lost_reply_is_recognised_though_somebody_wrote_after_it() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let one = key("one");
    aws.records.write(&one, &record(1), at(10)).await.unwrap();
    // Between the lost reply and the SDK's second try an arrival comes in and leaves its own mark on the item.
    let (access, place, target) = (stack.access(), stack.place.clone(), one.clone());
    let arrived = std::sync::Once::new();
    proxy.trouble(move |called, _| {
        let mut lost = false;
        if called.ends_with("UpdateItem") {
            arrived.call_once(|| {
                lost = true;
                // On a runtime of its own, since this one stands still meanwhile.
                let write = async { Aws::new(&access, place.clone()).records.write(&target, &record(2), at(11)).await };
                let alone =
                    || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write);
                let written = std::thread::scope(|scope| scope.spawn(alone).join().unwrap());
                assert!(written.unwrap().applied());
            });
        }
        if lost { Answer::Lost } else { Answer::Arrives }
    });
    let written = aws.records.write(&one, &begin(&one), at(10)).await.unwrap();
    let Written::Applied(head) = written else { panic!("the attempt on record is ours: {written:?}") };
    assert_eq!((head.desired, head.attempts), (version(2), 1));
    // Somebody else's attempt is not.
    let mut foreign = begin(&one);
    if let Write::Begin { intent, .. } = &mut foreign {
        intent.attempt = AttemptId::new("a9");
    }
    proxy.lose_next("UpdateItem");
    assert!(!aws.records.write(&one, &foreign, at(12)).await.unwrap().applied());
}

fn shelf(code: &str) -> ShelfId {
    ShelfId { erp: "main".parse().unwrap(), place: "*".parse().unwrap(), sku: code.parse().unwrap() }
}

fn took(order: &str, quantity: i64, second: i64) -> GoodsWrite {
    let (quantity, version) = (Some(Amount::from(quantity)), version(second));
    GoodsWrite::Commit(Commit { order: key(order), quantity, reserved: Amount::ZERO, version, booked: Amount::ZERO })
}

#[tokio::test]
async fn a_shelf_that_was_written_though_the_reply_was_lost_is_written_once() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let (id, goods) = (shelf("a"), &aws.goods);
    let marks = vec![Mark::of("acme".parse().unwrap()), Mark::of("other".parse().unwrap())];
    let settled = Settled { quantity: Amount::from(2), version: version(1) };
    let (quantity, settled) = (Amount::from(5), vec![(key("1"), settled)]);
    let count = goods::Count { quantity, poll: 1, read_at: at(0), settled, marks: marks.clone(), daily: false };
    let mut pure = Shelf::default();
    for write in [
        took("1", 2, 1),
        took("2", 2, 1),
        GoodsWrite::Mark(marks[..1].to_vec()),
        GoodsWrite::Count(count),
        took("2", 0, 2),
    ] {
        proxy.lose_next("TransactWriteItems");
        assert!(goods.write(&id, &write, at(1)).await.unwrap(), "{write:?}");
        assert!(write.apply(&mut pure, at(1)));
        assert_eq!(goods.shelf(&id).await.unwrap(), pure, "{write:?}");
    }
    assert!(pure.commitments.is_empty() && pure.listings.len() == 2);
}

#[tokio::test]
async fn a_shipment_that_was_written_though_the_reply_was_lost_is_written_once() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let (order, id): (_, ShipmentId) = (key("1"), "7".parse().unwrap());
    let shipment = Shipment {
        id: id.clone(),
        number: "OUT/7".to_owned(),
        items: BTreeMap::new(),
        carrier: None,
        parcels: Vec::new(),
    };
    let underway = Underway { attempt: AttemptId::new("a1"), lines: BTreeMap::new(), begun: at(1), settle_at: at(60) };
    let (attempt, fulfilment) = (Some(underway.attempt.clone()), Some("gid://1".to_owned()));
    let mut pure = None;
    for write in [
        ShipmentWrite::Noted { shipment, poll: 1 },
        ShipmentWrite::Sending(Sending { underway, epoch: 1, rev: 1 }),
        // The attempt is not on its way any more when it is asked for again.
        ShipmentWrite::Told { attempt, epoch: 1, seen: 1, fulfilment, lines: BTreeMap::new() },
    ] {
        proxy.lose_next("TransactWriteItems");
        assert!(aws.shipments.write(&order, &id, &write, at(1)).await.unwrap(), "{write:?}");
        assert!(write.apply(&mut pure, at(1)));
        assert_eq!(
            aws.shipments.of_order(&order).await.unwrap(),
            pure.clone().into_iter().collect::<Vec<_>>(),
            "{write:?}"
        );
    }
    assert_eq!(pure.unwrap().attempts, 0);
}

#[tokio::test]
async fn a_price_that_was_written_though_the_reply_was_lost_is_written_once() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let (shop, sku) = ("acme".parse().unwrap(), "a".parse().unwrap());
    let quote = Quote { amount: Amount::from(12), currency: "EUR".parse().unwrap(), taxed: true, rate: None };
    let offer = Offer { price: quote, compare_at: None };
    let price = Price { amount: Amount::from(12), compare_at: None };
    let telling = Telling { price, attempt: AttemptId::new("a1"), settle_at: at(60) };
    let attempt = telling.attempt.clone();
    let mut pure = None;
    for write in [
        PriceWrite::Quoted(Quoted { offer, later: None, poll: 1, afresh: false, daily: false }),
        PriceWrite::Sending(price::Sending { telling, epoch: 1, rev: 1, read: None, begun: at(1) }),
        // The attempt is not on its way any more when it is asked for again.
        PriceWrite::Told { attempt, price, seen: 1 },
    ] {
        proxy.lose_next("TransactWriteItems");
        assert!(aws.prices.write(&shop, &sku, &write, at(1)).await.unwrap(), "{write:?}");
        assert!(write.apply(&mut pure, at(1)));
        assert_eq!(aws.prices.tag(&shop, &sku).await.unwrap(), pure, "{write:?}");
    }
    assert_eq!(pure.unwrap().attempts, 0);
}

/// The index still names what was taken away since: a list that ended there would be taken for the whole.
#[tokio::test]
async fn a_page_of_shelves_is_full_though_some_of_it_is_gone() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let goods = &aws.goods;
    for code in ["a", "b", "c", "d"] {
        assert!(goods.write(&shelf(code), &took("1", 2, 1), at(1)).await.unwrap());
        let mark = GoodsWrite::Mark(vec![Mark::of("acme".parse().unwrap())]);
        assert!(goods.write(&shelf(code), &mark, at(1)).await.unwrap());
    }
    let lags = || {
        let asked = std::sync::Once::new();
        proxy.trouble(move |called, answer| {
            if called.ends_with("Query") {
                asked.call_once(|| answer["Items"][0]["pk"]["S"] = "goods/main/*/gone".into());
            }
            Answer::Arrives
        });
    };
    lags();
    let erp = "main".parse().unwrap();
    let found = goods.commitments(&erp, None, 2).await.unwrap();
    assert_eq!(found.iter().map(|(id, ..)| id.sku.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    let after = (found[1].0.clone(), found[1].1.clone());
    assert_eq!(goods.commitments(&erp, Some(&after), 2).await.unwrap().len(), 1);
    lags();
    let found = goods.listings(&"acme".parse().unwrap(), None, 2).await.unwrap();
    assert_eq!(found.iter().map(|(id, _)| id.sku.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[tokio::test]
async fn a_ledger_whose_reply_was_lost_grants_no_slot_twice() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    let (erp, limits): (AccountId, _) = ("erp/main".parse().unwrap(), Limits::default());
    proxy.lose_next("UpdateItem");
    let Taken::Taken(ledger) = aws.accounts.take(&erp, "me", at(0), at(90), limits.clock_error).await.unwrap() else {
        panic!("nobody else has it")
    };
    let request = Request { k: 2, purpose: Purpose::Orders, lease: Some((ledger.epoch, at(90))) };
    proxy.lose_next("UpdateItem");
    let first = aws.accounts.reserve(&erp, &request, &limits, at(1)).await.unwrap().unwrap();
    let second = aws.accounts.reserve(&erp, &request, &limits, at(1)).await.unwrap().unwrap();
    assert!(second.first >= first.first + first.spacing * 2, "slots of our own, wasted ones before them");
    proxy.lose_next("UpdateItem");
    let released = aws.accounts.release(&erp, ledger.epoch, Some(ledger.mark)).await.unwrap();
    assert_eq!(released, Released::Released, "only we could release our epoch");
    assert_eq!(aws.accounts.release(&erp, ledger.epoch, None).await.unwrap(), Released::Lost);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_reached_grants_nothing() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    proxy.down(true);
    let request = Request { k: 1, purpose: Purpose::Orders, lease: None };
    let erp = "erp/main".parse().unwrap();
    let error = aws.accounts.reserve(&erp, &request, &Limits::default(), at(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn entries_that_fail_or_are_not_mentioned_answer_their_own_message() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    proxy.trouble(|called, answer| {
        if called.ends_with("SendMessageBatch") {
            let sent = answer["Successful"].as_array_mut().unwrap();
            sent.retain(|entry| entry["Id"] != "1" && entry["Id"] != "11");
            let failed = serde_json::json!({ "Id": "11", "Code": "InternalError", "SenderFault": false });
            answer["Failed"] = serde_json::json!([failed]);
        }
        Answer::Arrives
    });
    let messages: Vec<Message> = (0..13).map(|n| message(&n.to_string(), "x")).collect();
    let outcomes = aws.queue.send(&messages, Duration::ZERO).await.unwrap();
    let failed: Vec<usize> = (0..13).filter(|n| outcomes[*n].is_err()).collect();
    assert_eq!(failed, [1, 11]);
    for n in failed {
        assert_eq!(outcomes[n].as_ref().unwrap_err().kind(), Kind::Unavailable);
    }
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_has_taken_nothing() {
    let Some(stack) = stack().await else { return };
    let (proxy, aws) = through(&stack).await;
    proxy.down(true);
    let outcomes = aws.queue.send(&[message("1", "x"), message("2", "x")], Duration::ZERO).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable)));
    assert!(aws.queue.ready().await.is_err() && aws.records.ready().await.is_err());
    proxy.down(false);
    aws.queue.ready().await.unwrap();
    aws.records.ready().await.unwrap();
}

#[tokio::test]
async fn large_messages_travel_apart_and_too_large_ones_sink_nobody() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    // Packed to some 0.5 MB each: two fit into one request, ten would not.
    let messages: Vec<Message> =
        (0..5).map(|n| message(&n.to_string(), &noise(if n == 2 { 3_000_000 } else { 500_000 }))).collect();
    let outcomes = aws.queue.send(&messages, Duration::ZERO).await.unwrap();
    let kinds: Vec<Option<Kind>> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(puente::Error::kind)).collect();
    assert_eq!(kinds, [None, None, Some(Kind::TooLarge), None, None]);
    let mut received = Vec::new();
    while let [delivery, ..] = &mut aws.queue.receive(1, Duration::ZERO).await.unwrap()[..] {
        received.push(std::mem::replace(&mut delivery.message, Err(puente::Error::new(Kind::Bug, "taken"))).unwrap());
    }
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|message| messages.contains(message)));
}

#[tokio::test]
async fn a_reason_with_anything_in_it_can_be_given() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    for reason in ["", "a\u{0}b\u{FFFF}c\u{1b}", &"long ".repeat(10_000)] {
        aws.queue.bury(&message("1", "x"), reason).await.unwrap();
    }
    let mut reasons: Vec<String> = aws.queue.dead(10).await.unwrap().into_iter().map(|dead| dead.reason).collect();
    reasons.sort_by_key(String::len);
    assert_eq!(reasons[0], "abc");
    assert_eq!(reasons[1], "no reason was given");
    assert_eq!(reasons[2].chars().count(), 1000);
}

#[tokio::test]
async fn without_a_dead_letter_queue_nothing_pretends_to_be_buried() {
    let Some(stack) = stack().await else { return };
    let place = puente::aws::Place { dead: None, ..stack.place.clone() };
    let aws = Aws::new(&stack.access(), place);
    assert_eq!(aws.queue.bury(&message("1", "x"), "why").await.unwrap_err().kind(), Kind::Config);
    assert_eq!(aws.queue.dead(1).await.unwrap_err().kind(), Kind::Config);
}

#[tokio::test]
async fn a_payload_larger_than_an_item_lies_in_parts() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    let key = key("1");
    let payload = Payload::Order(noise(1_200_000).into_bytes().into());
    aws.records.keep(&key, &version(1), &payload).await.unwrap();
    aws.records.keep(&key, &version(1), &payload).await.unwrap();
    assert!(aws.records.payload(&key, &version(1)).await.unwrap() == Some(payload));
    assert!(aws.records.payload(&key, &version(2)).await.unwrap().is_none());
    assert!(aws.records.timeline(&key).await.unwrap().is_empty(), "parts are no lines");
}

#[tokio::test]
async fn a_record_of_a_later_release_is_the_records_own_trouble_and_not_the_tables() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    let key = key("1");
    assert!(aws.records.write(&key, &record(1), at(0)).await.unwrap().applied());
    let change = |expression: &str, value: Value| {
        json!({
            "TableName": stack.place.table,
            "Key": { "pk": { "S": format!("order/{key}") }, "sk": { "S": "head" } },
            "UpdateExpression": format!("SET {expression} = :value"),
            "ExpressionAttributeValues": { ":value": value },
        })
    };
    // A schema that is not ours yet, and an end that we do not know.
    for (attribute, value) in [("parked_end", json!({ "S": "lost" })), ("#s", json!({ "N": "99" }))] {
        let mut request = change(attribute, value);
        if attribute == "#s" {
            request["ExpressionAttributeNames"] = json!({ "#s": "schema" });
        } else {
            request["UpdateExpression"] =
                "SET parked_end = :value, parked_version = desired, parked_reason = :value".into();
        }
        moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.UpdateItem", &request).await;
        let kind = aws.records.head(&key).await.unwrap_err().kind();
        assert!(!matches!(kind, Kind::Unavailable | Kind::Limited), "{kind:?}");
    }
}

/// A record whose sale an earlier release made: it has the document, and says nothing of its version or of steps.
#[tokio::test]
async fn a_record_of_the_released_schema_is_read_and_written_on() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    let key = key("1");
    assert!(aws.records.write(&key, &record(1), at(0)).await.unwrap().applied());
    let released = json!({
        "TableName": stack.place.table,
        "Key": { "pk": { "S": format!("order/{key}") }, "sk": { "S": "head" } },
        "UpdateExpression": "SET #s = :one, document = :document, applied = desired REMOVE due, soon",
        "ExpressionAttributeNames": { "#s": "schema" },
        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":document": { "S": r#"{"id":"7","number":"S7"}"# } },
    });
    moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.UpdateItem", &released).await;
    let head = aws.records.head(&key).await.unwrap().unwrap();
    let document = Document { id: "7".into(), number: Some("S7".into()) };
    assert_eq!(head.booked, [Booked::of_unknown_version(key.sale(), document)]);
    assert_eq!((head.steps, head.held()), (1, Some(&version(1))));
    // What was planned as if nothing were booked would make a second sale.
    assert!(aws.records.write(&key, &record(2), at(1)).await.unwrap().applied());
    let begin = |steps| Write::Begin { desired: version(2), steps, intent: intent(&key, "a1", false), due: at(40) };
    assert!(!aws.records.write(&key, &begin(0), at(2)).await.unwrap().applied());
    let Written::Applied(head) = aws.records.write(&key, &begin(1), at(2)).await.unwrap() else { panic!() };
    let complete = Write::complete(&head, &version(2), &Document { id: "8".into(), number: None }).unwrap();
    let Written::Applied(head) = aws.records.write(&key, &complete, at(3)).await.unwrap() else { panic!() };
    assert_eq!((head.schema, head.steps, head.booked.len()), (SCHEMA, 2, 2));
    assert_eq!(aws.records.head(&key).await.unwrap(), Some(head));
}

/// A step that an earlier release began says nothing of what is left: planning finds out, and it is never taken for the last.
#[tokio::test]
async fn a_step_that_a_released_schema_began_is_completed_and_planned_once_more() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    let key = key("1");
    for write in [record(1), begin(&key)] {
        assert!(aws.records.write(&key, &write, at(0)).await.unwrap().applied());
    }
    let released = json!({
        "TableName": stack.place.table,
        "Key": { "pk": { "S": format!("order/{key}") }, "sk": { "S": "head" } },
        "UpdateExpression": "SET #s = :one REMOVE #i.#l",
        "ExpressionAttributeNames": { "#s": "schema", "#i": "intent", "#l": "last" },
        "ExpressionAttributeValues": { ":one": { "N": "1" } },
    });
    moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.UpdateItem", &released).await;
    let head = aws.records.head(&key).await.unwrap().unwrap();
    assert_eq!(head.intent.as_ref().map(|intent| intent.last), Some(false));
    let complete = Write::complete(&head, &version(1), &Document { id: "7".into(), number: None }).unwrap();
    let Written::Applied(head) = aws.records.write(&key, &complete, at(3)).await.unwrap() else { panic!() };
    assert_eq!((head.state(), head.due, head.steps), (State::Waiting, Some(at(3)), 1));
    let rest = Write::Rest { desired: version(1), steps: 1, attempts: 0, rest: Rest::Synced };
    let Written::Applied(head) = aws.records.write(&key, &rest, at(4)).await.unwrap() else { panic!() };
    assert_eq!((head.state(), head.due), (State::Synced, None));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_its_place_in_lists() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    for order in ["1", "2", "3", "4"] {
        assert!(aws.records.write(&key(order), &record(1), at(1)).await.unwrap().applied());
    }
    for (order, update, value) in
        [("2", "SET summary = :v", json!({ "S": "{\"canary\"" })), ("3", "SET #s = :v", json!({ "N": "99" }))]
    {
        let mut damage = json!({
            "TableName": stack.place.table,
            "Key": { "pk": { "S": format!("order/{}", key(order)) }, "sk": { "S": "head" } },
            "UpdateExpression": update,
            "ExpressionAttributeValues": { ":v": value },
        });
        if update.contains('#') {
            damage["ExpressionAttributeNames"] = json!({ "#s": "schema" });
        }
        moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.UpdateItem", &damage).await;
    }
    for limit in 1..=4 {
        let mut query = Query { connection: key("1").connection, state: None, from: None, limit, cursor: None };
        let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
        loop {
            let page = aws.records.list(&query).await.unwrap();
            heads.extend(page.heads.into_iter().map(|head| head.key.order.to_string()));
            unreadable.extend(page.unreadable);
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        heads.sort();
        unreadable.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(heads, ["1", "4"], "{limit} at a time");
        let [damaged, later] = unreadable.as_slice() else { panic!("{unreadable:?}") };
        assert_eq!((damaged.updated, later.updated), (Some(at(1)), Some(at(1))));
        let words = format!("order {} cannot be read: the table's item has no readable `summary`", key("2"));
        assert!(damaged.why.starts_with(&words) && !damaged.why.contains("canary"), "{}", damaged.why);
        assert!(later.why.contains(&format!("order {} cannot be read: a later release", key("3"))), "{}", later.why);
    }
    let alone = aws.records.head(&key("2")).await.unwrap_err().to_string();
    assert!(alone.contains(&format!("order {} cannot be read", key("2"))), "{alone}");
}

/// While an update runs, functions of both releases do: each must find what the other began.
#[tokio::test]
async fn what_an_earlier_release_began_is_found_where_it_wrote_it() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    let (erp, name) = ("main".parse().unwrap(), "acme/customer/9".to_owned());
    let item = json!({
        "pk": { "S": format!("id/main/begun/{name}") }, "sk": { "S": "id" },
        "name": { "S": format!("begun/{name}") }, "id": { "S": at(7).to_string() },
    });
    let put = json!({ "TableName": stack.place.table, "Item": item });
    moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.PutItem", &put).await;
    let names = std::slice::from_ref(&name);
    assert_eq!(aws.known.begun(&erp, names).await.unwrap()[&name], at(7));
    aws.known.begin(&erp, names, at(9)).await.unwrap();
    let get = json!({
        "TableName": stack.place.table,
        "Key": { "pk": item["pk"], "sk": item["sk"] },
    });
    let kept = moto::call(&stack.endpoint, "dynamodb", "DynamoDB_20120810.GetItem", &get).await;
    assert_eq!((&kept["Item"]["id"]["S"], &kept["Item"]["name"]), (&json!(at(9).to_string()), &item["name"]));
}

#[tokio::test]
async fn the_configuration_is_published_whatever_its_size() {
    let Some(stack) = stack().await else { return };
    let aws = stack.aws();
    assert_eq!(aws.published.config().await.unwrap(), None);
    for text in ["# small\n".to_owned(), noise(900_000), "# small again: ñ\n".to_owned()] {
        aws.published.publish_config(&text).await.unwrap();
        assert!(aws.published.config().await.unwrap().as_deref() == Some(&text), "{} bytes", text.len());
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named() {
    let Some(stack) = stack().await else { return };
    let secrets = stack.aws().secrets;
    let [one, two, three] = ["one", "two", "three"].map(|name| Bundle::Edge(name.parse().unwrap()));
    stack.secret(&secrets.name_of(&one), r#"{"key":"s3cret"}"#).await;
    assert_eq!(secrets.secrets(&one).await.unwrap()["key"].expose_secret(), "s3cret");
    stack.secret(&secrets.name_of(&three), "s3cret").await;
    for (bundle, says) in [(two, "connections apply"), (three, "not a JSON object")] {
        let error = secrets.secrets(&bundle).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let name = secrets.name_of(&bundle);
        let words = error.to_string();
        assert!(words.contains(&name) && words.contains(says) && !words.contains("s3cret"), "{error}");
    }
}
