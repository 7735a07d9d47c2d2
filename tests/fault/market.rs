//! A shop of every kind, each with an ERP account of its own that is really limited and behind a line that breaks.

use std::{net::SocketAddr, time::Duration};

use puente::{
    ports::Records,
    store::{Row, STORES},
};
use puente_sandbox::{
    erp::{Class, Config, Erp, Fault as Failure, Limits},
    store::{Plan, Serving, Shop},
};
use tokio::task::JoinHandle;

use crate::{
    report::Report,
    store::{self, Posted},
    support::{
        audit::Audit,
        proxy::{Fault, Proxy},
    },
};

/// What the webhooks carry and what the ERPs want to see with every call; then by the kits' names: what the shops sign with, and
/// what they are asked with.
pub const SECRETS: [(&str, &str); 6] = [
    ("key", store::KEY),
    ("erp", "Bearer the-erp-is-opened-with-this"),
    ("secret", "the-shops-sign-with-this"),
    ("token", "the-shops-are-asked:with-this"),
    ("user", "the-shops-are-asked"),
    ("password", "with-this"),
];

/// A connection, and its ERP account, for every kind of store: each named as the kind is.
pub fn names() -> impl Iterator<Item = &'static str> {
    STORES.iter().map(|row| row.kind)
}

/// Calls a second. The ERP counts them when they arrive, on a machine that is busy: `jitter_ms` is for that.
const RATE: usize = 40;

/// How the lines to the ERPs break. Nothing holds a request back: the ERP counts what arrives, and the sender can only answer
/// for when it sends. Not more often: after each failure an account rests, and a resting account has nothing to lose.
const ERP_BREAKS: [(Fault, u32); 6] = [
    (Fault::Refused, 15),
    (Fault::RequestCut, 6),
    (Fault::ReplyDropped, 10),
    (Fault::ReplyCut, 6),
    (Fault::ReplyHeld(Duration::from_millis(300)), 40),
    (Fault::Silent, 5),
];

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

/// Everything outside of Puente.
pub struct Market(Vec<Stall>);

/// A shop, its ERP, and the line to that.
struct Stall {
    row: &'static Row,
    plan: Plan,
    shop: Shop,
    serving: Serving,
    erp: Erp,
    line: Proxy,
}

impl Market {
    /// Opens shops with so many orders together, and starts their ERPs, whose lines break from now on.
    pub async fn open(orders: usize, seed: u64) -> Self {
        let since = "2026-03-01T08:00:00Z".parse().unwrap();
        let secret = |name: &str| SECRETS.iter().find(|(of, _)| *of == name).unwrap().1;
        let mut stalls = Vec::new();
        for (row, seed) in STORES.iter().zip(seed..) {
            let orders = orders / STORES.len();
            let mut plan = Plan::new(row.kit, "kill.myshopify.com", secret("secret"), seed, orders, since);
            plan.token = secret("token").to_owned();
            let shop = Shop::open(plan.clone());
            let serving = shop.serve().await.unwrap();
            // One that refuses a reference twice and one that does not, in turn.
            let erp = erp([Class::Unique, Class::Searchable][stalls.len() % 2]).await;
            let line = Proxy::to(Some(erp.addr()), seed + 10).await;
            line.breaks(&ERP_BREAKS);
            line.is_far(Duration::from_millis(30));
            stalls.push(Stall { row, plan, shop, serving, erp, line });
        }
        Self(stalls)
    }

    /// The whole `puente.toml`; `reference` refers to one of [`SECRETS`].
    pub fn config(&self, reference: impl Fn(&str) -> String) -> String {
        let key = reference("key");
        let mut text = String::new();
        for Stall { row, plan, serving, erp, line, .. } in &self.0 {
            let name = row.kind;
            let section = erp
                .config_example()
                .replace(&erp.addr().to_string(), &line.addr.to_string())
                .replace("timeout = \"2s\"", "timeout = \"1s\"")
                .replace("{ env = \"SANDBOX_ERP_AUTHORIZATION\" }", &reference("erp"));
            let url = format!("http://{}", serving.addr());
            let store = row.kit.section(plan, &url, &mut |name, _| reference(name));
            text += &format!(
                "[erp.{name}]\nkind = \"rest\"\n\
                 limits = {{ rate = \"{RATE}/s\", per_day = 1000000, jitter_ms = 500 }}\n{section}\n\
                 [connection.{name}]\nerp = \"{name}\"\nkey = {key}\n\
                 limits = {{ rate = \"10000/s\", per_day = 1000000 }}\n\
                 [connection.{name}.store]\nkind = \"{name}\"\n{store}\n"
            );
        }
        text
    }

    /// Posts every webhook to `edge`, as fast as the killing goes on.
    pub fn post(&self, edge: SocketAddr, report: &Report) -> Vec<JoinHandle<Posted>> {
        self.0.iter().map(|stall| store::post(edge, stall.row.kind, &stall.shop, report.progress())).collect()
    }

    fn lines(&self) -> impl Iterator<Item = &Proxy> {
        self.0.iter().map(|stall| &stall.line)
    }

    /// Whether an ERP was asked something and has not answered.
    pub fn busy(&self) -> bool {
        self.lines().any(Proxy::busy)
    }

    /// Whether an ERP has answered a moment ago.
    pub fn has_just_replied(&self) -> bool {
        self.lines().any(Proxy::has_just_replied)
    }

    /// Returns when one is asked something.
    pub async fn asked(&self) {
        futures::future::select_all(self.lines().map(|line| Box::pin(line.asked()))).await;
    }

    /// Now and then an ERP itself fails, before it has made an order or after.
    pub fn fails(&self, report: &mut Report) {
        let (failure, kind) = match report.count() % 30 {
            10 => (Failure::ErrorBefore, "ERP: 500, nothing done"),
            25 => (Failure::ErrorAfter, "ERP: 500, and it was done"),
            _ => return,
        };
        self.0[report.count() / 30 % self.0.len()].erp.next("POST /orders", failure);
        report.fault(kind, 1);
    }

    /// No fault from now on.
    pub fn mends(&self) {
        self.lines().for_each(|line| line.breaks(&[]));
    }

    /// Tells the report what the lines played.
    pub fn tells(&self, report: &mut Report) {
        self.lines().for_each(|line| report.line("ERP", line));
    }

    /// The records against all books.
    pub async fn audit(&self, records: &dyn Records) -> Audit {
        let mut audit = Audit::default();
        for Stall { row, shop, erp, .. } in &self.0 {
            audit = audit.and(Audit::of(erp, records, row.kind, shop).await);
        }
        audit
    }
}

/// Where a reference is not refused twice only we can prevent a double. No create lands after it was looked for here, so that
/// neither class may have one.
async fn erp(class: Class) -> Erp {
    let limits =
        Limits { calls: RATE, window: Duration::from_secs(1), per_day: 1_000_000, day: Duration::from_hours(24) };
    let authorization = Some(SECRETS[2].1.to_owned());
    Erp::start(Config { class, limits: Some(limits), authorization, ..Config::default() }).await.unwrap()
}
