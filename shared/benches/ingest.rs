//! Verify, parse and map: what every webhook costs before its order is put into the queue.
//!
//! Bodies of about 1, 5 and 100 KB: the stores' own samples, stripped of what a short order lacks, or with more lines of the
//! same kind. Their books hold at every size, so that no time goes into flags. `cargo bench -p puente --bench ingest`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot go on is meant to stop there"
)]

use std::{hint::black_box, str::FromStr};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use puente::{
    config::Section,
    store::{Reading, STORES, Store},
    webhook::{RawWebhook, verify},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const SIZES: [usize; 3] = [1_000, 5_000, 100_000];

fn add(value: &mut Value, amount: Decimal) {
    let sum = Decimal::from_str(value.as_str().unwrap()).unwrap() + amount;
    *value = json!(format!("{sum:.2}"));
}

fn amount(value: &Value) -> Decimal {
    Decimal::from_str(value.as_str().unwrap()).unwrap()
}

/// The sample with `lines` copies of its second line and, if `short`, without what a short order lacks.
fn shopify(sample: &str, lines: u64, short: bool) -> String {
    let mut order: Value = serde_json::from_str(sample).unwrap();
    let line = order["line_items"].as_array_mut().unwrap().remove(1);
    let off = amount(&line["discount_allocations"][0]["amount"]);
    let tax = amount(&line["tax_lines"][0]["price"]);
    let net = amount(&line["price"]) - off;
    let times = Decimal::from(lines) - Decimal::ONE;
    add(&mut order["total_price"], net * times);
    add(&mut order["current_total_price"], net * times);
    add(&mut order["total_tax"], tax * times);
    add(&mut order["total_discounts"], off * times);
    for n in 0..lines {
        let mut copy = line.clone();
        copy["id"] = json!(15_200_011_223_344_000_000_u64 + n);
        copy["sku"] = json!(format!("MATE-{n:04}"));
        order["line_items"].as_array_mut().unwrap().push(copy);
    }
    if short {
        // One article only.
        let first = order["line_items"].as_array_mut().unwrap().remove(0);
        let off = amount(&first["discount_allocations"][0]["amount"]);
        let gross = amount(&first["price"]) * Decimal::from(first["quantity"].as_u64().unwrap());
        add(&mut order["total_price"], off - gross);
        add(&mut order["total_tax"], -amount(&first["tax_lines"][0]["price"]));
        add(&mut order["total_discounts"], -off);
        let shipping = order["shipping_lines"].as_array_mut().unwrap().remove(0);
        let price = amount(&shipping["price"]);
        let off = price - amount(&shipping["discounted_price"]);
        add(&mut order["total_price"], off - price);
        add(&mut order["total_tax"], -amount(&shipping["tax_lines"][0]["price"]));
        add(&mut order["total_discounts"], -off);
        let object = order.as_object_mut().unwrap();
        for field in [
            "discount_applications",
            "billing_address",
            "shipping_address",
            "customer",
            "note_attributes",
            "discount_codes",
            "tax_lines",
            "subtotal_price",
            "total_line_items_price",
            "current_total_price",
            "total_outstanding",
            "contact_email",
            "tags",
            "note",
            "total_cash_rounding_payment_adjustment_set",
            "original_total_duties_set",
            "original_total_additional_fees_set",
            "cancel_reason",
            "fulfillments",
            "fulfillment_status",
            "confirmed",
            "phone",
            "refunds",
        ] {
            object.remove(field);
        }
    }
    order.to_string()
}

fn woocommerce(sample: &str, lines: u64, short: bool) -> String {
    let mut order: Value = serde_json::from_str(sample).unwrap();
    let line = order["line_items"].as_array_mut().unwrap().remove(1);
    let (net, tax) = (amount(&line["total"]), amount(&line["total_tax"]));
    let times = Decimal::from(lines) - Decimal::ONE;
    add(&mut order["total"], (net + tax) * times);
    add(&mut order["total_tax"], tax * times);
    for n in 0..lines {
        let mut copy = line.clone();
        copy["id"] = json!(9_000_000 + n);
        copy["sku"] = json!(format!("SAL-{n:04}"));
        order["line_items"].as_array_mut().unwrap().push(copy);
    }
    if short {
        let first = order["line_items"].as_array_mut().unwrap().remove(0);
        add(&mut order["total"], -amount(&first["total"]) - amount(&first["total_tax"]));
        add(&mut order["total_tax"], -amount(&first["total_tax"]));
        let object = order.as_object_mut().unwrap();
        for field in [
            "billing",
            "shipping",
            "meta_data",
            "_links",
            "coupon_lines",
            "gift_cards",
            "refunds",
            "payment_method_title",
            "customer_note",
            "transaction_id",
            "order_key",
            "date_completed",
            "date_completed_gmt",
            "discount_total",
            "discount_tax",
        ] {
            object.remove(field);
        }
    }
    order.to_string()
}

/// A body of about `size` bytes.
fn body(kind: &str, sample: &str, size: usize) -> String {
    let make = match kind {
        "shopify" => shopify,
        "woocommerce" => woocommerce,
        other => panic!("no body for {other}"),
    };
    let short = size <= 1_000;
    let mut lines = 1;
    while make(sample, lines + 1, short).len() <= size {
        lines += 1;
    }
    make(sample, lines, short)
}

fn built(example: &str, build: fn(&Section) -> puente::Result<Box<dyn Store>>) -> Box<dyn Store> {
    build(&Section::from_toml(example).unwrap()).unwrap()
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest");
    let now: Timestamp = "2026-03-15T00:10:00Z".parse().unwrap();
    for row in STORES.iter().filter(|row| row.kind != "canonical") {
        let store = built(row.example, row.build);
        for size in SIZES {
            let body = body(row.kind, row.sample, size);
            let raw =
                RawWebhook { headers: store.sign(body.as_bytes(), now), body: body.clone().into(), received: now };
            let read = |raw: RawWebhook| store.read(&verify(raw, store.scheme(), store.secrets()).ok().unwrap());
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
