//! An ERP account that is really limited, behind a line that breaks.

use std::time::Duration;

use puente_sandbox::erp::{Config, Erp, Fault as Failure, Limits};

use crate::{
    report::Report,
    support::proxy::{Fault, Proxy},
};

/// What the ERP wants to see with every call.
pub const PASSWORD: &str = "Bearer the-erp-is-opened-with-this";

/// Calls a second. The ERP counts them when they arrive, on a machine that is busy: `jitter_ms` is for that.
const RATE: usize = 40;

/// How its line breaks. Nothing holds a request back: the ERP counts what arrives, and the sender can only answer for when
/// it sends.
const BREAKS: [(Fault, u32); 6] = [
    (Fault::Refused, 15),
    (Fault::RequestCut, 8),
    (Fault::ReplyDropped, 12),
    (Fault::ReplyCut, 8),
    (Fault::ReplyHeld(Duration::from_millis(300)), 20),
    (Fault::Silent, 6),
];

/// The account.
pub struct Account {
    pub erp: Erp,
    pub line: Proxy,
}

impl Account {
    /// Starts its ERP, and the line to it, which breaks from now on.
    pub async fn start(seed: u64) -> Self {
        let limits =
            Limits { calls: RATE, window: Duration::from_secs(1), per_day: 1_000_000, day: Duration::from_hours(24) };
        let config = Config { limits: Some(limits), authorization: Some(PASSWORD.to_owned()), ..Config::default() };
        let erp = Erp::start(config).await.unwrap();
        let line = Proxy::to(Some(erp.addr()), seed).await;
        line.breaks(&BREAKS);
        Self { erp, line }
    }

    /// Its part of `puente.toml`; `password` refers to [`PASSWORD`].
    pub fn section(&self, name: &str, password: &str) -> String {
        let example = self.erp.config_example();
        let section = example
            .replace(&self.erp.addr().to_string(), &self.line.addr.to_string())
            .replace("timeout = \"2s\"", "timeout = \"1s\"")
            .replace("{ env = \"SANDBOX_ERP_AUTHORIZATION\" }", password);
        assert!(section.contains("1s") && section.contains(password), "{section}");
        format!(
            "[erp.{name}]\nkind = \"rest\"\nlimits = {{ rate = \"{RATE}/s\", per_day = 1000000, jitter_ms = 500 }}\n{section}\n"
        )
    }

    /// Now and then the ERP itself fails, before it has made an order or after.
    pub fn fails(&self, report: &mut Report) {
        let (failure, kind) = match report.count() % 10 {
            3 => (Failure::ErrorBefore, "ERP: 500, nothing done"),
            8 => (Failure::ErrorAfter, "ERP: 500, and it was done"),
            _ => return,
        };
        self.erp.next("POST /orders", failure);
        report.fault(kind, 1);
    }
}
