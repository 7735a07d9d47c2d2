//! The demo's stage: two shops and an ERP of the sandbox, a directory with a puente.toml, and the very parts of `serve`.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use puente::{
    Error, Kind, Result,
    domain::{
        event::{Event, Told},
        ids::{ConnectionId, ErpId, OrderKey},
        ledger::Ledger,
    },
    embedded::{Embedded, Options},
    flow::Puente,
    parties::Settings,
    ports::{Chance, Clock, SystemChance, SystemClock},
    store::row,
};
use puente_sandbox::{
    erp::{self, Erp, Fault, Faults, Poison},
    store::{Delivery, Expect, Plan, Serving, Shop, Truth, What},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    place::{self, ConfigFile},
    serve::engine::{self, Doors, Engine, Pace},
};

/// The ERP account.
const ACCOUNT: &str = "sandbox";

/// Webhooks of the second shop that its front door has no room for.
const REFUSED: usize = 3;

/// What the ERP does wrong once so many orders are in it. Not all in a row: after each failure the account rests longer.
const MISCHIEF: [(usize, &str, Fault); 6] = [
    (0, "GET /products", Fault::ErrorBefore),
    (2, "POST /orders", Fault::HangAfter),
    (20, "POST /orders", Fault::Limited(Some(Duration::from_secs(1)))),
    (35, "POST /customers", Fault::Unavailable),
    (50, "POST /orders", Fault::ErrorAfter),
    (70, "POST /orders", Fault::HangAfter),
];

/// Plays [`MISCHIEF`].
#[derive(Debug, Default)]
pub(super) struct Mischief {
    played: AtomicUsize,
}

impl Mischief {
    /// The next one, if its time has come.
    pub(super) fn next(&self, erp: &Erp, in_erp: usize) {
        let played = self.played.load(Ordering::Relaxed);
        if let Some((from, what, fault)) = MISCHIEF.get(played).filter(|(from, ..)| *from <= in_erp) {
            Event::Mischief { from: *from, what, fault }.log();
            erp.next(what, *fault);
            self.played.store(played + 1, Ordering::Relaxed);
        }
    }
}

/// Jitter of two seconds at most: nobody wants to watch an hour's backoff.
struct Hasty;

impl Chance for Hasty {
    fn below(&self, n: u64) -> u64 {
        SystemChance.below(n.min(2000))
    }
    fn token(&self) -> String {
        SystemChance.token()
    }
}

/// Everything the demo plays with.
pub(super) struct Stage {
    /// The ERP.
    pub(super) erp: Erp,
    /// The shops.
    pub(super) shops: Vec<Playing>,
    /// The orders that the ERP never takes.
    pub(super) poisoned: Vec<OrderKey>,
    /// What serves.
    pub(super) puente: Puente,
    /// Serving.
    pub(super) engine: Engine,
    _home: TempDir,
}

/// A shop and its connection.
pub(super) struct Playing {
    /// Its connection.
    pub(super) id: ConnectionId,
    /// The shop.
    pub(super) shop: Shop,
    /// Its address for webhooks, key included.
    pub(super) key: String,
    /// Its section of the configuration.
    store: String,
    _serving: Serving,
}

impl Stage {
    /// Sets everything up: `orders` orders, drawn with `seed`.
    pub(super) async fn set(orders: usize, seed: u64) -> Result<Self> {
        let home = tempfile::tempdir().map_err(|error| told("cannot make a temporary directory", error))?;
        let config = erp::Config { bulk_limit: 8, ..erp::Config::default() };
        let erp = Erp::start(config).await.map_err(|error| told("cannot start the sandbox's ERP", error))?;
        let half = orders / 2;
        let shops = vec![
            playing(home.path(), "tango-shop", "shopify", orders - half, seed).await?,
            playing(home.path(), "milonga-woo", "woocommerce", half, seed.wrapping_add(1)).await?,
        ];
        let poisoned = spoil(&erp, &shops, seed)?;
        let file = ConfigFile { config: home.path().join("puente.toml") };
        write(&file.config, &configuration(&erp, &shops, orders))?;
        let settings = file.settings()?;
        settings.check().await?;
        let puente = open(settings, home.path()).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| told("cannot listen", error))?;
        // The demo backfills when all webhooks are sent: earlier it would bring them all by itself.
        let pace = Pace { workers: 2, ..Pace::default() }.sweep_only();
        let engine = Engine::start(puente.clone(), listener, Doors::open(), pace).await?;
        Ok(Self { erp, shops, poisoned, puente, engine, _home: home })
    }

    /// The truth about every order of every shop.
    pub(super) fn truth(&self) -> Result<Vec<(OrderKey, Truth)>> {
        let mut all = Vec::new();
        for playing in &self.shops {
            for truth in playing.shop.truth() {
                all.push((playing.key_of(&truth)?, truth));
            }
        }
        Ok(all)
    }

    /// The ERP account's ledger, and the calls it allows a day.
    pub(super) async fn quota(&self) -> Result<(Ledger, u32)> {
        let id: ErpId = ACCOUNT.parse()?;
        let account = self.puente.settings.account(&id).await?;
        let per_day = account.map_or(0, |account| account.limits.per_day);
        Ok((self.puente.accounts.ledger(&(&id).into()).await?, per_day))
    }
}

impl Playing {
    fn key_of(&self, truth: &Truth) -> Result<OrderKey> {
        Ok(OrderKey::new(self.id.clone(), truth.order.parse()?))
    }
}

async fn playing(home: &Path, name: &str, kind: &str, orders: usize, seed: u64) -> Result<Playing> {
    let id: ConnectionId = name.parse()?;
    let row = row(kind).ok_or_else(|| Error::new(Kind::Bug, format!("there is no store of kind {kind}")))?;
    let since = SystemClock.now() - jiff::SignedDuration::from_hours(2);
    let domain = format!("{name}.myshopify.com");
    let mut plan = Plan::new(row.kit, &domain, &format!("{name}-signs-with-this"), seed, orders, since);
    plan.lost_per_thousand = 40;
    let key = format!("{name}-is-called-with-this");
    write(&home.join(format!("{name}.key")), &key)?;
    let shop = Shop::open(plan.clone());
    let serving = shop.serve().await.map_err(|error| told("cannot start the sandbox's shop", error))?;
    let mut secrets = Vec::new();
    let section = row.kit.section(&plan, &format!("http://{}", serving.addr()), &mut |what, secret| {
        let file = format!("{name}.{what}");
        let reference = format!("{{ file = \"{file}\" }}");
        secrets.push((file, secret.to_owned()));
        reference
    });
    for (file, secret) in secrets {
        write(&home.join(file), &secret)?;
    }
    let store = format!("kind = \"{kind}\"\n{section}");
    Ok(Playing { id, shop, key, store, _serving: serving })
}

/// What goes wrong at the ERP: some calls fail once, and two orders always do.
fn spoil(erp: &Erp, shops: &[Playing], seed: u64) -> Result<Vec<OrderKey>> {
    let mut poisoned = Vec::new();
    let mut faults = Faults::drawn(seed, [(Fault::ErrorBefore, 8), (Fault::ResetAfter, 8)]);
    faults.writes_only = true;
    for (playing, status) in shops.iter().zip([422, 500]) {
        let truth = playing.shop.truth();
        let good = |order: &str| truth.iter().find(|t| t.order == order && matches!(t.expect, Expect::InErp { .. }));
        // Among the first to arrive: it has most of the demo's time to come to its end.
        let victim = playing.shop.deliveries().iter().find_map(|delivery| good(delivery.order.as_deref()?));
        if let Some(victim) = victim {
            let key = playing.key_of(victim)?;
            // As the body of a create has it; a look-up's query has the slash encoded.
            faults.poison.push(Poison { words: format!("\"{}\"", key.sale()), status });
            poisoned.push(key);
        }
    }
    erp.set_faults(faults);
    Ok(poisoned)
}

fn configuration(erp: &Erp, shops: &[Playing], orders: usize) -> String {
    // The sandbox's ERP has no limits of its own: enough for a minute, and for the day not to be short.
    let (rate, per_day) = ((orders / 10).max(40), (orders * 20).max(5000));
    let mut text = format!(
        "[erp.{ACCOUNT}]\nkind = \"rest\"\nlimits = {{ rate = \"{rate}/s\", per_day = {per_day} }}\nmax_attempts = 6\n{}\n",
        erp.config_example().replace("timeout = \"2s\"", "timeout = \"500ms\"")
    );
    for (place, playing) in shops.iter().enumerate() {
        let id = &playing.id;
        // What is not signed by the shop does not count.
        let signed = |delivery: &&Delivery| !matches!(delivery.what, What::Forged | What::Ping);
        let genuine = playing.shop.deliveries().iter().filter(signed).count();
        let per_day = if place == 0 { 100_000 } else { genuine.saturating_sub(REFUSED).max(1) };
        let _ = write!(
            text,
            "[connection.{id}]\nerp = \"{ACCOUNT}\"\nkey = {{ file = \"{id}.key\" }}\n\
             limits = {{ rate = \"1000/s\", per_day = {per_day} }}\n\
             [connection.{id}.store]\n{}\n",
            playing.store
        );
    }
    text
}

async fn open(settings: Settings, home: &Path) -> Result<Puente> {
    let visibility = engine::visibility(&settings).await;
    let data = Embedded::open_with(home.join("data"), Options { visibility, ..Options::default() })?;
    Ok(Puente { chance: Arc::new(Hasty), ..place::puente(settings, &data)? })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| told("cannot write to a temporary directory", error))
}

fn told(words: &'static str, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, words).caused_by(error)
}
