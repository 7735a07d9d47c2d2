//! Verify, parse and map: what every webhook costs before its order is put into the queue.
//!
//! Bodies that the stores' kits make, of one line, and of as many as make about 20 and 100 KB. Their books hold at every size, so
//! that no time goes into flags. `cargo bench -p puente --features fixtures --bench ingest`.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a bench that cannot go on is meant to stop there")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use puente::{
    config::Section,
    store::{Reading, Row, STORES},
    webhook::RawWebhook,
};
use puente_sandbox::store::{Line, Plan, Purchase, Story};

const SIZES: [usize; 3] = [0, 20_000, 100_000];

/// A body of about `size` bytes, or of one line.
fn body(row: &Row, plan: &Plan, size: usize) -> String {
    let mut purchase = Purchase::invent(1, 1, Story::Paid, plan.since, &plan.currencies);
    purchase.lines.truncate(1);
    row.kit.suit(&mut purchase);
    let show = |purchase: &Purchase| row.kit.body(plan, purchase, purchase.last()).to_string();
    let line = purchase.lines.first().unwrap().clone();
    while show(&purchase).len() < size {
        let id = line.id + purchase.lines.len() as u64;
        purchase.lines.push(Line { id, ..line.clone() });
    }
    show(&purchase)
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest");
    let now: Timestamp = "2026-03-15T00:10:00Z".parse().unwrap();
    // A key of every scheme's form.
    let secret = "whsec_cHVlbnRlLXRlc3Qtc2VjcmV0LTAwMDE=";
    for row in STORES {
        let plan = Plan::new(row.kit, "acme.myshopify.com", secret, 1, 0, now);
        let section =
            row.kit.section(&plan, "http://127.0.0.1:1", &mut |_, secret| format!("{{ literal = '{secret}' }}"));
        let store = (row.build)(&Section::from_toml(&section).unwrap()).unwrap();
        for size in SIZES {
            let body = body(row, &plan, size);
            let raw =
                RawWebhook { headers: store.sign(body.as_bytes(), now), body: body.clone().into(), received: now };
            let read = |raw: RawWebhook| store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap());
            match read(raw.clone()) {
                Reading::Order(order) => assert!(order.flags.is_empty(), "{:?}", order.flags),
                other => panic!("{}: {other:?}", row.kind),
            }
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_with_input(BenchmarkId::new(row.kind, body.len()), &raw, |bencher, raw| {
                bencher.iter_batched(|| raw.clone(), |raw| black_box(read(raw)), BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
