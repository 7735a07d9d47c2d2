//! The whole way: a shop's webhooks as API Gateway events, the queue, the worker's batches, the ERP; and the books of all
//! three agree.

use std::collections::{HashMap, HashSet};

use jiff::SignedDuration;
use puente::{
    domain::{
        ids::OrderKey,
        record::{State, Write},
    },
    ports::{Clock, Queue, Records, SystemClock},
};
use puente_functions::{ingest::Ingest, sweep, worker};
use puente_sandbox::{erp::Fault, store::Expect};
use rust_decimal::Decimal;

use crate::stack::{World, api_event, failed, shop};

/// More than this many rounds means that something turns for ever.
const ROUNDS: usize = 60;

#[tokio::test]
async fn every_order_of_a_shop_is_in_the_erp_once_or_where_a_person_finds_it() {
    let Some(world) = World::new().await else { return };
    let (app, aws) = (world.app(), world.aws());
    let shop = shop(11, 26);
    let ingest = Ingest::new(world.app());
    // The first orders are made, and then the ERP says that it failed: they are looked up, not made again.
    world.erp.next("POST /orders", Fault::ErrorAfter);

    let mut refused = 0;
    for delivery in shop.deliveries() {
        let event = api_event(&delivery.headers, &delivery.body);
        let request = lambda_http::request::from_str(&event).unwrap();
        match ingest.answer(request).await.status().as_u16() {
            200 => {}
            401 => refused += 1,
            status => panic!("{:?} was answered {status}", delivery.what),
        }
    }
    assert!(refused > 0, "the shop's forgeries are refused");

    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(rounds < ROUNDS, "it does not come to rest");
        let mut idle = true;
        while let Some(batch) = world.batch().await {
            idle = false;
            let soon = SystemClock.now() + SignedDuration::from_secs(60);
            // At least once: every batch comes twice.
            let first = worker::handle(&app, &batch.event, soon).await.unwrap();
            let answer = worker::handle(&app, &batch.event, soon).await.unwrap();
            assert_eq!((failed(&first), failed(&answer)), (vec![], vec![]));
            world.settle(&batch, &[]).await;
        }
        if sweep::handle(&app).await.unwrap().woken > 0 {
            continue;
        }
        match aws.records.next_due(&"acme-shop".parse().unwrap()).await.unwrap() {
            None if idle => break,
            Some(due) => SystemClock.sleep_until(due).await,
            None => {}
        }
    }

    let made = world.erp.orders();
    assert_eq!(world.erp.doubled(), Vec::<String>::new());
    let totals: HashMap<&str, Decimal> = made.iter().map(|made| (made.reference.as_str(), made.total)).collect();
    let mut in_erp = HashSet::new();
    for truth in shop.truth() {
        let key = OrderKey::new("acme-shop".parse().unwrap(), truth.order.parse().unwrap());
        let head = aws.records.head(&key).await.unwrap();
        let state = head.as_ref().map(|head| head.state());
        match truth.expect {
            Expect::InErp { total, .. } => {
                assert_eq!(totals.get(key.to_string().as_str()), Some(&total), "{} {head:?}", truth.number);
                assert_eq!(state, Some(State::Synced), "{}", truth.number);
                in_erp.insert(key.to_string());
            }
            Expect::Parked => assert_eq!(state, Some(State::Parked), "{} {head:?}", truth.number),
            Expect::Nowhere => assert!(matches!(state, None | Some(State::Ignored)), "{} {head:?}", truth.number),
        }
        if head.is_some() {
            assert!(!aws.records.timeline(&key).await.unwrap().is_empty(), "{}", truth.number);
        }
    }
    assert_eq!(in_erp.len(), made.len(), "nothing else is in the ERP");
    assert!(aws.queue.dead(10).await.unwrap().is_empty());

    // The lists agree with the records.
    let counts = aws.records.counts(&"acme-shop".parse().unwrap()).await.unwrap();
    assert_eq!(counts.get(&State::Synced).copied(), Some(in_erp.len() as u64));
    assert_eq!(counts.get(&State::Waiting), None);

    // Replaying what is synced changes nothing in the ERP.
    let one = in_erp.into_iter().next().unwrap();
    let key = OrderKey::new("acme-shop".parse().unwrap(), one.split_once('/').unwrap().1.parse().unwrap());
    assert!(aws.records.write(&key, &Write::Replay, SystemClock.now()).await.unwrap().applied());
    assert_eq!(sweep::handle(&app).await.unwrap().woken, 1);
    let batch = world.batch().await.unwrap();
    let soon = SystemClock.now() + SignedDuration::from_secs(60);
    worker::handle(&app, &batch.event, soon).await.unwrap();
    assert_eq!(world.erp.orders().len(), made.len());
}
