//! Every store of `STORES`, built once from its example section with two secrets, as while one is being rotated.

use std::sync::LazyLock;

use jiff::Timestamp;
use puente::{
    config::{Secret, Section},
    domain::order::Order,
    store::{Reading, Row, STORES, Store},
    webhook::{RawWebhook, VerifiedWebhook},
};

/// The secrets, in a form that every scheme takes.
pub const SECRETS: [&str; 2] = ["whsec_cHVlbnRlLXRlc3Qtc2VjcmV0LTAwMDE=", "whsec_cHVlbnRlLXRlc3Qtc2VjcmV0LTAwMDI="];

/// The stores.
pub static BUILT: LazyLock<Vec<(&'static Row, Box<dyn Store>)>> = LazyLock::new(|| {
    let build = |row: &'static Row| {
        let literals = SECRETS.map(|secret| format!("{{ literal = '{secret}' }}")).join(", ");
        let ours = |line: &str| line.trim_start().starts_with("webhook_secrets");
        let secrets = format!("webhook_secrets = [{literals}]");
        let lines: Vec<&str> = row.example.lines().map(|line| if ours(line) { &*secrets } else { line }).collect();
        (row, (row.build)(&Section::from_toml(&lines.join("\n")).unwrap()).unwrap())
    };
    STORES.iter().map(build).collect()
});

/// The moment at which everything arrives.
pub fn now() -> Timestamp {
    "2026-03-15T00:10:00Z".parse().unwrap()
}

/// The secrets, as secrets.
pub fn secrets() -> Vec<Secret> {
    SECRETS.map(Secret::new).into()
}

/// `body` as the store would deliver it, verified.
pub fn delivered(store: &dyn Store, body: &[u8]) -> VerifiedWebhook {
    let raw = RawWebhook { headers: store.sign(body, now()), body: body.to_vec().into(), received: now() };
    store.entrance().signed().unwrap().verify(raw).expect("what a store signs verifies")
}

/// The sample order of each store.
pub fn samples() -> Vec<Order> {
    let read = |(row, store): &(&Row, Box<dyn Store>)| match store.read(&delivered(&**store, row.sample.as_bytes())) {
        Reading::Order(order) => *order,
        other => panic!("the sample of {} is {other:?}", row.kind),
    };
    BUILT.iter().map(read).collect()
}
