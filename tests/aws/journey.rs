//! The whole way: a shop's webhooks as API Gateway events, the queue, the worker's batches, the ERP; and the books of all
//! three agree.

use std::collections::{HashMap, HashSet};

use puente::{
    domain::{
        ids::OrderKey,
        record::{State, Write},
    },
    ports::{Clock, Query, Queue, Records, SystemClock},
};
use puente_functions::{ingest::Ingest, sweep, worker};
use puente_sandbox::{erp::Fault, store::Expect};
use rust_decimal::Decimal;

use crate::stack::{World, api_event, event, shop, soon};

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

    world.rest(&app).await;

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
    let now = SystemClock.now();
    assert!(aws.records.write(&key, &Write::Replay { asked: now }, now).await.unwrap().applied());
    assert_eq!(sweep::handle(&app, soon()).await.unwrap().figures["woken"], 1);
    let batch = world.batch().await.unwrap();
    worker::handle(&app, &batch.event, soon()).await.unwrap();
    assert_eq!(world.erp.orders().len(), made.len());
}

#[tokio::test]
async fn attempts_run_out_and_a_redrive_brings_the_order_into_the_erp() {
    let Some(world) = World::new().await else { return };
    let (app, aws) = (world.app(), world.aws());
    // As many failures as there are attempts.
    for _ in 0..2 {
        world.erp.next("POST /orders", Fault::ErrorBefore);
    }
    let ingest = Ingest::new(world.app());
    let request = lambda_http::request::from_str(&event("ingest")).unwrap();
    assert_eq!(ingest.answer(request).await.status().as_u16(), 200);
    world.rest(&app).await;
    let query = Query {
        connection: "acme-shop".parse().unwrap(),
        state: Some(State::Dead),
        from: None,
        limit: 10,
        cursor: None,
    };
    let page = aws.records.list(&query).await.unwrap();
    let [head] = page.heads.as_slice() else { panic!("{page:?}") };
    assert!(head.reason.as_ref().unwrap().words().contains("gave up after 2 attempts"), "{head:?}");
    let dead = aws.queue.dead(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("gave up after 2 attempts"), "{dead:?}");
    assert!(world.erp.orders().is_empty());

    // The ERP is well again. The second and third redrive find nothing, and change nothing.
    for moved in [1, 0, 0] {
        assert_eq!(aws.queue.redrive(10, None).await.unwrap(), moved);
        world.rest(&app).await;
        assert_eq!(aws.records.head(&head.key).await.unwrap().unwrap().state(), State::Synced);
        assert_eq!(world.erp.orders().len(), 1);
    }
}
