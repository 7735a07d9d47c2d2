//! Two shops, each with an ERP account of its own that is really limited and behind a line that breaks.

use std::{net::SocketAddr, time::Duration};

use puente::ports::Records;
use puente_sandbox::{
    erp::{Class, Config, Erp, Fault as Failure, Limits},
    store::{Plan, Shop},
};
use tokio::task::JoinHandle;

use crate::{
    report::Report,
    store::{self, Posted},
    support::{
        audit::Audit,
        orders::vendor,
        proxy::{Fault, Proxy},
    },
};

/// What the shops sign with, what their webhooks carry, and what the ERPs want to see with every call.
pub const SECRETS: [(&str, &str); 3] =
    [("webhook", "the-shops-sign-with-this"), ("key", store::KEY), ("erp", "Bearer the-erp-is-opened-with-this")];

/// The connections, and the ERP account of each.
pub const CONNECTIONS: [&str; 2] = ["shopify", "woo"];
pub const ERPS: [&str; 2] = ["main", "other"];

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
pub struct Market {
    shops: [Shop; 2],
    erps: [Erp; 2],
    lines: [Proxy; 2],
}

impl Market {
    /// Opens shops with so many orders together, and starts their ERPs, whose lines break from now on.
    pub async fn open(orders: usize, seed: u64) -> Self {
        let since = "2026-03-01T08:00:00Z".parse().unwrap();
        let shop = |vendor, name, seed| Shop::open(Plan::new(vendor, name, SECRETS[0].1, seed, orders / 2, since));
        let erps = [erp(Class::Unique).await, erp(Class::Searchable).await];
        let lines = [Proxy::to(Some(erps[0].addr()), seed + 2).await, Proxy::to(Some(erps[1].addr()), seed + 3).await];
        for line in &lines {
            line.breaks(&ERP_BREAKS);
            line.is_far(Duration::from_millis(30));
        }
        Self {
            shops: [
                shop(vendor("shopify"), "kill.myshopify.com", seed),
                shop(vendor("woocommerce"), "https://kill.example", seed + 1),
            ],
            erps,
            lines,
        }
    }

    /// The whole `puente.toml`; `reference` refers to one of [`SECRETS`].
    pub fn config(&self, reference: impl Fn(&str) -> String) -> String {
        let (key, secret) = (reference("key"), reference("webhook"));
        let stores = [
            "kind = \"shopify\", shop = \"kill.myshopify.com\"",
            "kind = \"woocommerce\", url = \"https://kill.example\"",
        ];
        let mut text = String::new();
        for place in 0..2 {
            let (connection, name, store) = (CONNECTIONS[place], ERPS[place], stores[place]);
            let section = self.erps[place]
                .config_example()
                .replace(&self.erps[place].addr().to_string(), &self.lines[place].addr.to_string())
                .replace("timeout = \"2s\"", "timeout = \"1s\"")
                .replace("{ env = \"SANDBOX_ERP_AUTHORIZATION\" }", &reference("erp"));
            text += &format!(
                "[erp.{name}]\nkind = \"rest\"\n\
                 limits = {{ rate = \"{RATE}/s\", per_day = 1000000, jitter_ms = 500 }}\n{section}\n\
                 [connection.{connection}]\nerp = \"{name}\"\nkey = {key}\n\
                 limits = {{ rate = \"10000/s\", per_day = 1000000 }}\n\
                 store = {{ {store}, webhook_secrets = [{secret}] }}\n"
            );
        }
        text
    }

    /// Posts every webhook to `edge`, as fast as the killing goes on.
    pub fn post(&self, edge: SocketAddr, report: &Report) -> [JoinHandle<Posted>; 2] {
        [0, 1].map(|place| store::post(edge, CONNECTIONS[place], &self.shops[place], report.progress()))
    }

    /// Whether an ERP was asked something and has not answered.
    pub fn busy(&self) -> bool {
        self.lines.iter().any(Proxy::busy)
    }

    /// Whether an ERP has answered a moment ago.
    pub fn has_just_replied(&self) -> bool {
        self.lines.iter().any(Proxy::has_just_replied)
    }

    /// Returns when one is asked something.
    pub async fn asked(&self) {
        tokio::select! {
            () = self.lines[0].asked() => {}
            () = self.lines[1].asked() => {}
        }
    }

    /// Now and then an ERP itself fails, before it has made an order or after.
    pub fn fails(&self, report: &mut Report) {
        let (failure, kind) = match report.count() % 30 {
            10 => (Failure::ErrorBefore, "ERP: 500, nothing done"),
            25 => (Failure::ErrorAfter, "ERP: 500, and it was done"),
            _ => return,
        };
        self.erps[report.count() / 30 % 2].next("POST /orders", failure);
        report.fault(kind, 1);
    }

    /// No fault from now on.
    pub fn mends(&self) {
        self.lines.iter().for_each(|line| line.breaks(&[]));
    }

    /// Tells the report what the lines played.
    pub fn tells(&self, report: &mut Report) {
        self.lines.iter().for_each(|line| report.line("ERP", line));
    }

    /// The records against all books.
    pub async fn audit(&self, records: &dyn Records) -> Audit {
        let mut audit = Audit::default();
        for ((connection, shop), erp) in CONNECTIONS.into_iter().zip(&self.shops).zip(&self.erps) {
            audit = audit.and(Audit::of(erp, records, connection, shop).await);
        }
        audit
    }
}

/// One that refuses a reference twice, and one that does not: there only we can prevent a double. No create lands after it was
/// looked for here, so that neither may have one.
async fn erp(class: Class) -> Erp {
    let limits =
        Limits { calls: RATE, window: Duration::from_secs(1), per_day: 1_000_000, day: Duration::from_hours(24) };
    let authorization = Some(SECRETS[2].1.to_owned());
    Erp::start(Config { class, limits: Some(limits), authorization, ..Config::default() }).await.unwrap()
}
