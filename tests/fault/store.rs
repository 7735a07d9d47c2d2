//! A store over a line that breaks: it posts each webhook until somebody answers, and gets as far as the killing has got.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Method;
use puente::outbound::{Call, Client};
use puente_sandbox::store::{Delivery, Shop, What};
use tokio::{sync::watch, task::JoinHandle};

/// What the webhooks carry.
pub const KEY: &str = "the-shops-webhooks-carry-this";

/// How long a store waits for an answer, as the real ones do.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So many webhooks may be ahead of the killing.
const AHEAD: usize = 12;
/// The longest that a store tries one webhook.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a store saw.
#[derive(Debug, Default)]
pub struct Posted {
    /// Posts, repetitions among them.
    pub sent: u32,
    /// Webhooks by the status of their answer.
    pub answered: BTreeMap<u16, u32>,
}

/// Posts every webhook of `shop` to `edge`. Not faster than the killing: `done` of a thousand says how far that has got.
pub fn post(
    edge: SocketAddr,
    connection: &'static str,
    shop: &Shop,
    mut done: watch::Receiver<usize>,
) -> JoinHandle<Posted> {
    let deliveries = shop.deliveries().to_vec();
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
