//! Plays histories, and replays one with its trace.
//!
//! ```sh
//! cargo run --release -p puente-simulation -- --histories 20000     # the seeds 0 to 19999
//! cargo run --release -p puente-simulation -- --seed 4711 --trace   # one of them, line by line
//! ```

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};
use puente_simulation::{
    campaign::{self, Campaign, guarded, quiet_panics},
    fault::Fault,
    history::About,
    world::HOUR,
};

/// Simulated histories of Puente: what can go wrong goes wrong, and what must hold is checked.
#[derive(Parser)]
struct Options {
    /// How many histories.
    #[arg(long, default_value_t = 1000)]
    histories: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// After how many failed histories to stop.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Histories in which stores are told their stock.
    #[arg(long)]
    goods: bool,
    /// Plays the one history of `--seed`, and writes down everything that happens in it.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let about = if options.goods { About::Goods } else { About::Orders };
    if options.trace {
        return trace(about, options.seed);
    }
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(options.histories) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} histories, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let campaign = campaign::play(about, options.seed, options.histories, options.failures, || bar.inc(1));
    bar.finish_and_clear();
    println!("{}\n{}", faults(&campaign), sums(&campaign));
    for (seed, violations) in &campaign.failed {
        println!("Seed {seed} FAILED:");
        violations.iter().take(2).for_each(|violation| println!("  {violation}"));
        if violations.len() > 2 {
            println!("  and {} more", violations.len() - 2);
        }
        let goods = if options.goods { " --goods" } else { "" };
        println!("Replay it: cargo run --release -p puente-simulation -- --seed {seed}{goods} --trace");
    }
    if campaign.failed.is_empty() {
        println!("Every invariant held.");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn trace(about: About, seed: u64) -> ExitCode {
    quiet_panics();
    let client = puente::outbound::Client::new().unwrap();
    match guarded(about, seed, &client, true) {
        Ok(report) => {
            report.trace.iter().for_each(|line| println!("{line}"));
            report.violations.iter().for_each(|violation| println!("VIOLATED: {violation}"));
            if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(panic) => {
            println!("{panic}");
            ExitCode::FAILURE
        }
    }
}

fn table(rows: impl IntoIterator<Item = (String, String)>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    for (what, figure) in rows {
        table.add_row([what, figure]);
    }
    if let Some(figures) = table.column_mut(1) {
        figures.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn faults(campaign: &Campaign) -> Table {
    let count = |fault: Fault| campaign.faults.get(&fault).copied().unwrap_or(0);
    table(Fault::ALL.iter().map(|fault| (fault.name().to_owned(), count(*fault).to_string())))
}

fn sums(campaign: &Campaign) -> Table {
    let seconds = campaign.took.as_secs_f64();
    let rate = campaign.histories as f64 / seconds.max(0.001);
    table([
        ("histories".to_owned(), campaign.histories.to_string()),
        ("faults".to_owned(), campaign.faults.values().sum::<u64>().to_string()),
        ("kinds of fault that happened".to_owned(), campaign.faults.len().to_string()),
        ("webhooks answered 2xx".to_owned(), campaign.accepted.to_string()),
        ("documents in the ERPs".to_owned(), campaign.booked.to_string()),
        ("calls to the ERPs".to_owned(), campaign.calls.to_string()),
        ("units sold, where stores are told their stock".to_owned(), campaign.sold.to_string()),
        ("of these not there".to_owned(), campaign.oversold.to_string()),
        ("invariants checked".to_owned(), campaign.checks.to_string()),
        (
            "longest until all was at rest, in virtual hours".to_owned(),
            format!("{:.1}", campaign.longest as f64 / HOUR as f64),
        ),
        ("histories a second".to_owned(), format!("{rate:.0}")),
        ("seconds".to_owned(), format!("{seconds:.1}")),
    ])
}
