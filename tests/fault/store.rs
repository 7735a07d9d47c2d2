//! A store over a line that breaks: it posts each webhook until somebody answers, and gets as far as the killing has got.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Method;
use puente::outbound::{Call, Client};
use puente_sandbox::store::{Delivery, Plan, Shop, Vendor, What};
use tokio::{sync::watch, task::JoinHandle};

use crate::support::proxy::Fault;

/// What the shops sign with, and what their webhooks carry.
pub const SECRET: &str = "the-shops-sign-with-this";
pub const KEY: &str = "the-shops-webhooks-carry-this";

/// How long a store waits for an answer, as the real ones do.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So many webhooks may be ahead of the killing.
const AHEAD: usize = 4;
/// The longest that a store tries one webhook.
const PATIENCE: Duration = Duration::from_mins(3);

/// How the line between the stores and the edge breaks.
pub const EDGE_BREAKS: [(Fault, u32); 7] = [
    (Fault::Refused, 40),
    (Fault::RequestCut, 40),
    (Fault::RequestHeld(Duration::from_millis(150)), 40),
    (Fault::ReplyDropped, 80),
    (Fault::ReplyCut, 40),
    (Fault::ReplyHeld(Duration::from_millis(150)), 40),
    (Fault::Silent, 4),
];

/// The shops' part of `puente.toml`: `reference` names a secret, `erps` the account of each.
pub fn connections(reference: impl Fn(&str) -> String, erps: [&str; 2]) -> String {
    let (key, secret) = (reference("key"), reference("webhook"));
    let limits = "limits = { rate = \"10000/s\", per_day = 1000000 }";
    format!(
        "[connection.shopify]\nerp = \"{}\"\nkey = {key}\n{limits}\n\
         store = {{ kind = \"shopify\", shop = \"kill.myshopify.com\", webhook_secrets = [{secret}] }}\n\
         [connection.woo]\nerp = \"{}\"\nkey = {key}\n{limits}\n\
         store = {{ kind = \"woocommerce\", url = \"https://kill.example\", webhook_secrets = [{secret}] }}\n",
        erps[0], erps[1]
    )
}

/// What a store saw.
#[derive(Debug, Default)]
pub struct Posted {
    /// Posts, repetitions among them.
    pub sent: u32,
    /// Webhooks by the status of their answer.
    pub answered: BTreeMap<u16, u32>,
}

/// The shops, by connection: one of each vendor, with so many orders together.
pub fn shops(orders: usize, seed: u64) -> [(&'static str, Shop); 2] {
    let since = "2026-03-01T08:00:00Z".parse().unwrap();
    let open = |vendor, name, seed| Shop::open(Plan::new(vendor, name, SECRET, seed, orders / 2, since));
    [
        ("shopify", open(Vendor::Shopify, "kill.myshopify.com", seed)),
        ("woo", open(Vendor::WooCommerce, "https://kill.example", seed + 1)),
    ]
}

/// Posts every webhook of `shop` to `edge`. Not faster than the killing: `done` of a thousand is how far that has got.
pub fn post(
    edge: SocketAddr,
    (connection, shop): &(&'static str, Shop),
    mut done: watch::Receiver<usize>,
) -> JoinHandle<Posted> {
    let (connection, deliveries) = (*connection, shop.deliveries().to_vec());
    tokio::spawn(async move {
        let client = Client::new().unwrap();
        let mut posted = Posted::default();
        for (place, delivery) in deliveries.iter().enumerate() {
            let turn = |done: &usize| done * deliveries.len() >= place.saturating_sub(AHEAD) * 1000;
            done.wait_for(turn).await.unwrap();
            let status = deliver(&client, edge, connection, delivery, &mut posted.sent).await;
            let right = if delivery.what == What::Forged { 401 } else { 200 };
            assert_eq!(status, right, "{:?}", delivery.what);
            *posted.answered.entry(status).or_default() += 1;
        }
        posted
    })
}

/// Posts one webhook until somebody answers it.
async fn deliver(client: &Client, edge: SocketAddr, connection: &str, delivery: &Delivery, sent: &mut u32) -> u16 {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let call = Call {
            method: Method::POST,
            url: format!("http://{edge}/v1/connections/{connection}/webhook?key={KEY}").parse().unwrap(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
            timeout: TIMEOUT,
        };
        *sent += 1;
        match client.send(call).await {
            Ok(answer) if answer.status.as_u16() < 500 => return answer.status.as_u16(),
            _ => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
    panic!("no answer for {:?}", delivery.what);
}
