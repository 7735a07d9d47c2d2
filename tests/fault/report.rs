//! How often it is killed, what happened meanwhile, and the table that says so.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use puente::domain::audit::Finding;
use tokio::sync::watch;

use crate::{
    store::Posted,
    support::{audit::Audit, proxy::Proxy},
};

/// The kills of all processes together, where nobody asks for another number.
const KILLS: usize = 210;

/// A run: the seed, the kills so far, and the faults.
pub struct Report {
    title: &'static str,
    pub seed: u64,
    goal: usize,
    began: Instant,
    kills: BTreeMap<(&'static str, &'static str), usize>,
    /// How much of the killing is done, of a thousand.
    done: watch::Sender<usize>,
    faults: BTreeMap<String, u64>,
    posted: Posted,
    audit: Audit,
}

impl Report {
    /// A run that kills `share` per cent of all processes that are killed. `PUENTE_KILLS` and `PUENTE_SEED` are heard.
    pub fn begin(title: &'static str, share: usize) -> Self {
        #[allow(clippy::disallowed_methods, reason = "how long, and which seed, is said from outside")]
        let told = |name| std::env::var(name).ok();
        let kills = told("PUENTE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
        let seed = told("PUENTE_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
        let report = Self {
            title,
            seed,
            goal: (kills * share).div_ceil(100),
            began: Instant::now(),
            kills: BTreeMap::new(),
            done: watch::Sender::new(0),
            faults: BTreeMap::new(),
            posted: Posted::default(),
            audit: Audit::default(),
        };
        eprintln!("{title}: {} kills, seed {seed} (PUENTE_KILLS and PUENTE_SEED say others)", report.goal);
        report
    }

    /// So many processes are to be killed.
    pub fn goal(&self) -> usize {
        self.goal
    }

    /// How far it has got.
    pub fn progress(&self) -> watch::Receiver<usize> {
        self.done.subscribe()
    }

    /// A process was killed, at a moment of that kind.
    pub fn killed(&mut self, process: &'static str, moment: &'static str) {
        *self.kills.entry((process, moment)).or_default() += 1;
        self.done.send_replace(self.count() * 1000 / self.goal);
        // It stops by itself, whatever happens.
        assert!(self.began.elapsed() < Duration::from_secs(120 + 3 * self.goal as u64), "it takes too long");
    }

    /// Processes killed so far.
    pub fn count(&self) -> usize {
        self.kills.values().sum()
    }

    /// Of these, so many of one kind.
    pub fn of(&self, process: &str) -> usize {
        self.kills.iter().filter(|((of, _), _)| *of == process).map(|(_, count)| count).sum()
    }

    /// Faults that were played on a line.
    pub fn line(&mut self, between: &str, proxy: &Proxy) {
        for (fault, times) in proxy.played() {
            *self.faults.entry(format!("{between}: {fault}")).or_default() += times;
        }
    }

    /// Faults of another kind.
    pub fn fault(&mut self, kind: &str, times: u64) {
        *self.faults.entry(kind.to_owned()).or_default() += times;
    }

    /// What a store saw.
    pub fn posted(&mut self, posted: Posted) {
        self.posted.sent += posted.sent;
        for (status, count) in posted.answered {
            *self.posted.answered.entry(status).or_default() += count;
        }
    }

    /// Prints the table, and holds the run to what must be so.
    pub fn close(&mut self, audit: Audit) {
        self.audit = audit;
        eprintln!("{self}");
        self.audit.holds();
        assert!(self.audit.settled(), "it never settled: {:#?}", self.audit);
        assert!(self.count() >= self.goal);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}, seed {}", self.title, self.seed)?;
        let mut line = |name: &str, count: u64| writeln!(f, "  {name:<44}{count:>8}");
        for ((process, moment), count) in &self.kills {
            line(&format!("killed: {process}, {moment}"), *count as u64)?;
        }
        line("killed in all", self.count() as u64)?;
        for (fault, count) in &self.faults {
            line(fault, *count)?;
        }
        line("faults in all", self.faults.values().sum())?;
        line("webhooks posted, repetitions among them", self.posted.sent.into())?;
        for (status, count) in &self.posted.answered {
            line(&format!("webhooks answered {status}"), (*count).into())?;
        }
        for (state, count) in &self.audit.books.states {
            line(&format!("orders {state}"), *count as u64)?;
        }
        let audit = &self.audit;
        let found = [
            ("orders in the ERP", audit.books.in_erp),
            ("lost", audit.count(&[Finding::Lost])),
            ("doubled", audit.count(&[Finding::Doubled])),
            ("with a wrong total", audit.count(&[Finding::WrongTotal])),
            ("where they do not belong", audit.count(&[Finding::NotWanted, Finding::NoCause])),
            ("without a due", audit.count(&[Finding::Forgotten])),
            ("stopped without a reason", audit.count(&[Finding::Unexplained])),
            ("ERP calls above the limits", audit.violations),
        ];
        for (name, count) in found {
            line(name, count as u64)?;
        }
        line("seconds", self.began.elapsed().as_secs())
    }
}
