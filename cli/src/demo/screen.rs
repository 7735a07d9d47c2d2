//! What the demo shows: progress while it runs, and at its end a table in which every webhook and order is accounted for.

use std::{collections::BTreeMap, fmt::Write as _};

use comfy_table::Cell;
use indicatif::{MultiProgress, ProgressBar};
use puente::domain::record::State;

use super::{
    Report,
    audit::{Stopped, Tally},
    post::Answers,
};
use crate::{
    output::{Tone, bar, cell, number, plain, table_within, tone},
    progress,
};

/// As wide as a page.
const WIDTH: u16 = 110;

/// Progress, live; silent when nobody watches.
pub(super) struct Screen {
    sent: ProgressBar,
    synced: ProgressBar,
    rest: ProgressBar,
    _all: MultiProgress,
}

impl Screen {
    /// For so many webhooks and orders that should reach the ERP.
    pub(super) fn new(webhooks: usize, orders: usize) -> Self {
        let all = MultiProgress::new();
        let style = progress::style("{prefix:>12} {bar:30.green/white.dim} {pos}/{len} {msg}");
        let bar = |length: usize, prefix: &'static str| {
            let bar = ProgressBar::new(length as u64).with_style(style.clone()).with_prefix(prefix);
            all.add(bar)
        };
        let (sent, synced) = (bar(webhooks, "webhooks"), bar(orders, "in the ERP"));
        let rest = all.add(ProgressBar::new_spinner().with_style(progress::style("{spinner:>12} {msg}")));
        Self { sent, synced, rest, _all: all }
    }

    /// Shows how far it is.
    pub(super) fn show(&self, answers: &Answers, tally: &Tally, erp_calls: usize, phase: &str) {
        self.sent.set_position(Answers::count(&answers.sent) as u64);
        let (accepted, refused) = (Answers::count(&answers.accepted), answers.refused());
        self.sent.set_message(format!("accepted {accepted} · refused {refused}"));
        self.synced.set_position(tally.of(State::Synced) as u64);
        let (waiting, parked, dead) = (tally.waiting(), tally.of(State::Parked), tally.of(State::Dead));
        let retried = tally.retried;
        self.synced.set_message(format!("on the way {waiting} · retried {retried} · parked {parked} · dead {dead}"));
        self.rest.set_message(format!("{phase} · ERP calls {erp_calls}"));
        self.rest.tick();
    }

    /// Clears it.
    pub(super) fn clear(&self) {
        for bar in [&self.sent, &self.synced, &self.rest] {
            bar.finish_and_clear();
        }
    }
}

/// The end of the demo, for people.
pub(super) fn closing(report: &Report, stopped: &[Stopped], calls: &BTreeMap<u64, usize>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n{}\n{}", webhooks(report), orders(report, stopped), books(report));
    let _ = writeln!(text, "\nERP calls in each second ({} in all):\n{}", report.erp_calls, chart(calls));
    text.push_str(&verdict(report));
    text
}

fn webhooks(report: &Report) -> String {
    let rows = [
        ("accepted: a new state of an order", report.recorded, Tone::Good),
        ("accepted: a duplicate, nothing to do", report.duplicates, Tone::Faint),
        ("accepted: superseded by a newer state", report.superseded, Tone::Faint),
        ("a ping, answered and ignored", report.pings, Tone::Faint),
        ("refused: the signature is forged (401)", report.forged, Tone::Warn),
        ("refused at the front door (429): backfill fetched it", report.limited, Tone::Warn),
        ("failed", report.failed, Tone::Bad),
    ];
    let rows = rows
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(what, count, tone)| vec![cell(what, tone), number(count)]);
    let all = vec![plain("sent by the shops"), number(report.sent)];
    narrow(&["every webhook", ""], rows.chain([all]))
}

fn orders(report: &Report, stopped: &[Stopped]) -> String {
    let mut rows = vec![vec![cell("in the ERP, once", Tone::Good), number(report.books.in_erp), plain("")]];
    for ((state, _), alike) in groups(stopped) {
        let Some(first) = alike.first() else { continue };
        // Of several alike one speaks for all.
        let why = match (state, alike.len()) {
            ("ignored", _) => first.reason.clone(),
            (_, 1) => format!("{}: {}", first.number, first.reason),
            (_, more) => format!("{} (and {} like it): {}", first.number, more - 1, first.reason),
        };
        rows.push(vec![cell(state, tone(first.state)), number(alike.len()), plain(why)]);
    }
    if report.waiting > 0 {
        rows.push(vec![cell("still on the way", Tone::Warn), number(report.waiting), plain("")]);
    }
    if report.unseen > 0 {
        let why = "known from forged webhooks only: nothing of them was believed";
        rows.push(vec![cell("never seen", Tone::Faint), number(report.unseen), plain(why)]);
    }
    rows.push(vec![plain("placed in the shops"), number(report.orders), plain("")]);
    let why = "of all these: their webhooks never came, or found the front door's day used up";
    rows.push(vec![cell("brought by backfill alone", Tone::Faint), number(report.backfilled), plain(why)]);
    narrow(&["every order", "", "why"], rows)
}

fn books(report: &Report) -> String {
    let zero = |count: usize| if count == 0 { cell(count, Tone::Good) } else { cell(count, Tone::Bad) };
    let rows = vec![
        vec![plain("lost"), zero(report.books.lost)],
        vec![plain("doubled"), zero(report.books.doubled)],
        vec![plain("wrong total"), zero(report.books.wrong_total)],
        vec![plain("where they should not be"), zero(report.books.astray)],
        vec![plain("attempts that failed and were made good"), plain(report.retried)],
        vec![plain("ERP calls per order"), plain(report.calls_per_order)],
        vec![
            plain("ERP quota used"),
            plain(format!(
                "{} {} of {}",
                bar(report.quota_used.into(), report.quota_per_day.into(), 20),
                report.quota_used,
                report.quota_per_day
            )),
        ],
    ];
    narrow(&["the ERP's own books against the shops' truth", ""], rows)
}

/// Stopped orders by their state and the beginning of their reason, before its figures.
fn groups(stopped: &[Stopped]) -> BTreeMap<(&'static str, &str), Vec<&Stopped>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in stopped {
        let kind = one.reason.split([':', '"', '(']).next().unwrap_or_default();
        groups.entry((one.state.as_str(), kind)).or_default().push(one);
    }
    groups
}

/// Tables that fit a page, also when they are written to a file.
fn narrow(header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let columns = console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.min(WIDTH));
    table_within(Some(columns), header, rows)
}

/// Calls per second as bars, one line a second.
fn chart(calls: &BTreeMap<u64, usize>) -> String {
    let most = calls.values().copied().max().unwrap_or(0);
    let last = calls.keys().copied().max().unwrap_or(0);
    let line = |second: u64| {
        let count = calls.get(&second).copied().unwrap_or(0);
        let bar = bar(count as u64, most as u64, 40);
        format!("{second:>4}s {} {count}\n", bar.trim_end_matches('░'))
    };
    (0..=last).map(line).fold(String::new(), |text, line| text + &line)
}

fn verdict(report: &Report) -> String {
    let seconds = report.seconds;
    if report.holds {
        let words = format!("The books balance: nothing lost, nothing doubled, every total right ({seconds} s).");
        return console::style(words).green().bold().to_string();
    }
    let words = if report.waiting > 0 {
        format!("Not settled: {} orders are still on the way after {seconds} s.", report.waiting)
    } else {
        format!("The books do not balance ({seconds} s).")
    };
    console::style(words).red().bold().to_string()
}
