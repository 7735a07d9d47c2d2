//! [`puente::ports::Queue`]: at least once, never lost, and the dead-letter queue beside it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use puente::{
    domain::{
        message::{Arrival, BackfillRequest, Message, News},
        order::{Flag, Order},
    },
    ports::{Delivery, Queue},
};

use super::{Ports, at};

/// What an emulated or real network may take.
const SLACK: Duration = Duration::from_secs(2);

fn arrival(order: &str, news: News) -> Message {
    Message::Arrival(Arrival {
        connection: "shop".parse().unwrap(),
        order: order.parse().unwrap(),
        received: at(0),
        request: "req-1".into(),
        by: Some("ana".into()),
        tries: 1,
        waits: 0,
        news,
    })
}

pub(super) fn changed(order: &str) -> Message {
    arrival(order, News::Changed)
}

fn wake(erp: &str) -> Message {
    Message::Wake { erp: erp.parse().unwrap() }
}

fn order(line: &str, lines: usize) -> Order {
    let line = format!(
        r#"{{"id":"l1","sku":"TABLE","title":"{line}","quantity":"1.5","unit_price":"10.10","amount":"15.15"}}"#
    );
    let text = format!(
        r##"{{"schema":1,"id":"1042","number":"#1042","placed_at":"2026-01-01T09:00:00-03:00",
            "updated_at":"2026-01-01T12:00:00Z","currency":"ARS","status":"open","payment":"paid",
            "lines":[{}],"tax":"0","total":"15.15"}}"##,
        vec![line; lines].join(",")
    );
    serde_json::from_str(&text).unwrap()
}

async fn send(queue: &dyn Queue, messages: &[Message]) {
    let answers = queue.send(messages, Duration::ZERO).await.unwrap();
    assert_eq!(answers.len(), messages.len());
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
}

/// Receives until nothing comes any more.
async fn drain(queue: &dyn Queue) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(10, Duration::from_secs(1)).await.unwrap();
        if some.is_empty() {
            return all;
        }
        assert!(some.len() <= 10);
        all.extend(some);
    }
}

/// As a multiset: the order is nobody's promise.
pub(super) fn sorted(messages: impl IntoIterator<Item = Message>) -> Vec<String> {
    let mut texts: Vec<_> = messages.into_iter().map(|message| serde_json::to_string(&message).unwrap()).collect();
    texts.sort();
    texts
}

fn messages(deliveries: Vec<Delivery>) -> Vec<Message> {
    deliveries.into_iter().map(|delivery| delivery.message.unwrap()).collect()
}

pub(super) async fn every_kind_of_message_comes_back_as_it_was(ports: &Ports) {
    let flag = Flag { code: "unmapped".into(), detail: "line_items[0].price: not a number".into() };
    let sent = [
        wake("main"),
        changed("order/with a slash and é"),
        arrival("2", News::Deleted),
        arrival("3", News::Replay),
        arrival("4", News::State { order: Arc::new(order("a table, señor", 1)) }),
        arrival("5", News::Unmapped { flag, raw: "eyJhIjoxfQ==".repeat(20_000) }),
        Message::Backfill(BackfillRequest {
            connection: "shop".parse().unwrap(),
            since: at(-60),
            request: "req-2".into(),
            by: None,
        }),
        // Larger than a message may be, but not once it is packed.
        arrival("6", News::State { order: Arc::new(order(&"a long title ".repeat(20), 4_000)) }),
    ];
    send(&*ports.queue, &sent).await;
    send(&*ports.queue, &[]).await;
    let received = drain(&*ports.queue).await;
    assert!(received.iter().all(|delivery| delivery.receives == 1));
    assert_eq!(sorted(messages(received)), sorted(sent));
}

pub(super) async fn what_is_not_deleted_comes_again(ports: &Ports) {
    let queue = &*ports.queue;
    send(queue, &[changed("1"), changed("2")]).await;
    let first = drain(queue).await;
    assert_eq!(first.len(), 2);
    for delivery in &first {
        if delivery.message.as_ref().unwrap() == &changed("1") {
            queue.delete(&delivery.receipt).await.unwrap();
            // Deleting twice is no error: the reply of the first may have been lost.
            queue.delete(&delivery.receipt).await.unwrap();
        }
    }
    ports.pass(ports.visibility + SLACK).await;
    let again = drain(queue).await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].receives, again[0].message.as_ref().unwrap()), (2, &changed("2")));
    queue.delete(&again[0].receipt).await.unwrap();
    ports.pass(ports.visibility + SLACK).await;
    assert!(drain(queue).await.is_empty());
    queue.ready().await.unwrap();
}

pub(super) async fn a_delayed_message_waits(ports: &Ports) {
    let queue = &*ports.queue;
    let delay = Duration::from_mins(1);
    queue.send(&[wake("main")], delay).await.unwrap().remove(0).unwrap();
    send(queue, &[wake("second")]).await;
    let now = queue.receive(10, Duration::ZERO).await.unwrap();
    // It is done, and does not come again with the other.
    queue.delete(&now[0].receipt).await.unwrap();
    assert_eq!(sorted(messages(now)), sorted([wake("second")]));
    ports.pass(delay + SLACK).await;
    let later = queue.receive(10, Duration::from_secs(1)).await.unwrap();
    assert_eq!(sorted(messages(later)), sorted([wake("main")]));
}

pub(super) async fn batches_larger_than_a_request(ports: &Ports) {
    let queue = &*ports.queue;
    let sent: Vec<Message> = (0..37).map(|n| changed(&n.to_string())).collect();
    send(queue, &sent).await;
    assert!(queue.receive(3, Duration::from_secs(1)).await.unwrap().len() <= 3, "no more than asked for");
    ports.pass(ports.visibility + SLACK).await;
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let some = queue.receive(10, Duration::from_secs(1)).await.unwrap();
        assert!(!some.is_empty(), "{} of {} came", received.len(), sent.len());
        for delivery in some {
            queue.delete(&delivery.receipt).await.unwrap();
            received.push(delivery.message.unwrap());
        }
    }
    assert_eq!(sorted(received), sorted(sent));
}

pub(super) async fn a_receiver_waits_and_gives_up(ports: &Ports) {
    let queue = &*ports.queue;
    let before = ports.clock.now();
    assert!(queue.receive(1, Duration::from_secs(2)).await.unwrap().is_empty());
    assert!(ports.clock.now().duration_since(before).as_secs() >= 1, "it waited");
    send(queue, &[wake("main")]).await;
    assert_eq!(queue.receive(1, Duration::from_secs(5)).await.unwrap().len(), 1);
}

pub(super) async fn the_buried_are_seen_and_redriven_as_they_are(ports: &Ports) {
    let queue = &*ports.queue;
    assert_eq!((queue.dead(10).await.unwrap().len(), queue.redrive(10, None).await.unwrap()), (0, 0));
    let buried = [arrival("1", News::Replay), arrival("2", News::State { order: Arc::new(order("a table", 1)) })];
    for (message, reason) in buried.iter().zip(["gave up after 10 attempts", "there is no connection `shop`, señor"]) {
        queue.bury(message, reason).await.unwrap();
    }
    assert!(queue.receive(10, Duration::ZERO).await.unwrap().is_empty(), "the dead are not work");
    // Looking takes nothing away.
    for _ in 0..2 {
        let dead = queue.dead(10).await.unwrap();
        let reasons: HashSet<&str> = dead.iter().map(|dead| dead.reason.as_str()).collect();
        assert_eq!(reasons, HashSet::from(["gave up after 10 attempts", "there is no connection `shop`, señor"]));
        assert_eq!(sorted(dead.into_iter().filter_map(|dead| dead.message)), sorted(buried.clone()));
    }
    assert_eq!(queue.redrive(1, None).await.unwrap(), 1);
    assert_eq!(queue.dead(10).await.unwrap().len(), 1);
    assert_eq!(queue.redrive(10, None).await.unwrap(), 1);
    assert!(queue.dead(10).await.unwrap().is_empty());
    assert_eq!(sorted(messages(drain(queue).await)), sorted(buried));
}

pub(super) async fn who_moves_a_letter_back_is_said(ports: &Ports) {
    let queue = &*ports.queue;
    for message in [arrival("1", News::Replay), Message::Wake { erp: "main".parse().unwrap() }] {
        queue.bury(&message, "gave up").await.unwrap();
    }
    assert_eq!(queue.redrive(10, Some("ana")).await.unwrap(), 2);
    let back = messages(drain(queue).await);
    let by: Vec<_> = back
        .iter()
        .filter_map(|message| match message {
            Message::Arrival(arrival) => Some(arrival.by.as_deref()),
            Message::Wake { .. } | Message::Publish { .. } | Message::Backfill(_) => None,
        })
        .collect();
    assert_eq!((back.len(), by), (2, vec![Some("ana")]));
}

pub(super) async fn received_too_often_it_is_dead(ports: &Ports) {
    let queue = &*ports.queue;
    send(queue, &[changed("1")]).await;
    for n in 1..=ports.max_receives {
        let delivery = queue.receive(10, Duration::from_secs(1)).await.unwrap().remove(0);
        assert_eq!(delivery.receives, n);
        ports.pass(ports.visibility + SLACK).await;
    }
    assert!(queue.receive(10, Duration::from_secs(1)).await.unwrap().is_empty());
    let dead = queue.dead(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].message.as_ref()), (1, Some(&changed("1"))));
    assert!(!dead[0].reason.is_empty());
    assert_eq!(queue.redrive(10, None).await.unwrap(), 1);
    let again = queue.receive(10, Duration::from_secs(1)).await.unwrap();
    assert_eq!(sorted(messages(again)), sorted([changed("1")]));
}

pub(super) async fn many_receivers_share_without_loss(ports: &Ports) {
    let queue = &*ports.queue;
    let sent: Vec<Message> = (0..60).map(|n| changed(&n.to_string())).collect();
    let halves = join_all(sent.chunks(15).map(|part| queue.send(part, Duration::ZERO))).await;
    assert!(halves.into_iter().flat_map(Result::unwrap).all(|answer| answer.is_ok()));
    // Each finishes what it gets, long before anybody else may see it.
    let work = async || {
        let mut done = Vec::new();
        loop {
            let some = queue.receive(5, Duration::from_secs(1)).await.unwrap();
            if some.is_empty() {
                return done;
            }
            for delivery in some {
                queue.delete(&delivery.receipt).await.unwrap();
                done.push(delivery.message.unwrap());
            }
        }
    };
    let received = join_all((0..6).map(|_| work())).await;
    let mut times: HashMap<String, u32> = HashMap::new();
    for message in received.into_iter().flatten() {
        *times.entry(sorted([message]).remove(0)).or_default() += 1;
    }
    assert_eq!(times.len(), sent.len(), "nothing is lost");
    assert!(times.values().all(|times| *times == 1), "nobody else gets it while it is invisible");
}
