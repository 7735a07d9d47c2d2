//! The shops' side: many clients at once post webhooks and count the answers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use puente::{
    Error, Kind, Result,
    outbound::{Call, Client},
};
use puente_sandbox::store::What;
use reqwest::{Method, Url, header::HeaderMap};

use super::stage::Stage;

/// Clients at once.
const CLIENTS: u32 = 16;

/// How long the shops take for all of it, at least.
const TAKES: Duration = Duration::from_secs(6);

/// What the shops were answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Webhooks sent.
    pub(super) sent: AtomicUsize,
    /// Answered 2xx, about an order.
    pub(super) accepted: AtomicUsize,
    /// Answered 2xx, about no order: a ping.
    pub(super) pings: AtomicUsize,
    /// Answered 401.
    pub(super) forged: AtomicUsize,
    /// Answered 429.
    pub(super) limited: AtomicUsize,
    /// Answered anything else, or not at all.
    pub(super) failed: AtomicUsize,
}

struct Letter {
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    what: What,
}

impl Answers {
    /// So many of a kind.
    pub(super) fn count(of: &AtomicUsize) -> usize {
        of.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub(super) fn refused(&self) -> usize {
        Self::count(&self.forged) + Self::count(&self.limited) + Self::count(&self.failed)
    }
}

/// How many webhooks there are to post.
pub(super) fn letters(stage: &Stage) -> usize {
    stage.shops.iter().map(|playing| playing.shop.deliveries().len()).sum()
}

/// Posts every webhook of every shop.
pub(super) async fn everything(stage: &Stage, answers: Arc<Answers>) -> Result<()> {
    let queue = Arc::new(Mutex::new(queue(stage)?));
    let client = Client::new()?;
    // Between two webhooks of one client.
    let breath = TAKES * CLIENTS / u32::try_from(letters(stage).max(1)).unwrap_or(u32::MAX);
    let mut clients = tokio::task::JoinSet::new();
    for place in 0..CLIENTS {
        let (queue, client, answers) = (queue.clone(), client.clone(), answers.clone());
        clients.spawn(async move {
            // Not all in one breath.
            tokio::time::sleep(breath * place / CLIENTS).await;
            loop {
                let Some(letter) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
                post(&client, letter, &answers).await;
                tokio::time::sleep(breath).await;
            }
        });
    }
    while clients.join_next().await.is_some() {}
    Ok(())
}

/// The shops' webhooks in turn.
fn queue(stage: &Stage) -> Result<VecDeque<Letter>> {
    let mut shops = Vec::new();
    for playing in &stage.shops {
        let base = format!("{}/v1/connections/{}/webhook", stage.engine.url(), playing.id);
        let url = Url::parse_with_params(&base, [("key", &playing.key)])
            .map_err(|error| Error::new(Kind::Bug, "the demo's own address").caused_by(error))?;
        shops.push(playing.shop.deliveries().iter().map(move |delivery| Letter {
            url: url.clone(),
            headers: delivery.headers.clone(),
            body: delivery.body.to_vec(),
            what: delivery.what,
        }));
    }
    let mut queue = VecDeque::new();
    loop {
        let before = queue.len();
        queue.extend(shops.iter_mut().filter_map(Iterator::next));
        if queue.len() == before {
            return Ok(queue);
        }
    }
}

async fn post(client: &Client, letter: Letter, answers: &Answers) {
    let ping = letter.what == What::Ping;
    let call = Call {
        method: Method::POST,
        url: letter.url,
        headers: letter.headers,
        body: letter.body.into(),
        timeout: Duration::from_secs(10),
    };
    let answer = client.send(call).await;
    let counted = match answer.map(|answer| answer.status.as_u16()) {
        Ok(200..300) if ping => &answers.pings,
        Ok(200..300) => &answers.accepted,
        Ok(401) => &answers.forged,
        Ok(429) => &answers.limited,
        _ => &answers.failed,
    };
    counted.fetch_add(1, Ordering::Relaxed);
    answers.sent.fetch_add(1, Ordering::Relaxed);
}
