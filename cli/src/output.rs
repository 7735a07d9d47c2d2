//! The one place that writes to the terminal: tables for people, JSON for programs.
//!
//! Standard output carries the answer and nothing else; errors and progress go to standard error. A reader that goes away
//! (`puente orders list | head`) ends the writing, not with a panic. Colours only on a terminal without `NO_COLOR`.

use std::{
    fmt::Display,
    io::{self, Write},
};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;
use puente::{Error, Kind, Result, domain::record::State};
use serde::Serialize;

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// What a cell's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Warn,
    /// A person has to do something.
    Bad,
    /// Of little interest.
    Faint,
}

impl Output {
    /// Tables, or with `json` JSON.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Writes `value` as JSON, or what `people` makes of it.
    pub(crate) fn answer<T: Serialize>(self, value: &T, people: impl FnOnce() -> String) -> Result<()> {
        if !self.json {
            return line(people());
        }
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Error::new(Kind::Bug, "the answer cannot be written as JSON").caused_by(error))?;
        line(text)
    }
}

/// Writes a line for people, on standard output.
pub(crate) fn line(text: impl Display) -> Result<()> {
    write(&mut io::stdout().lock(), &text.to_string())
}

/// Writes a remark beside the answer, on standard error.
pub(crate) fn remark(text: impl Display) {
    // If even that cannot be written there is nobody to tell.
    let _ = write(&mut io::stderr().lock(), &text.to_string());
}

/// Writes why a command failed, on standard error.
pub(crate) fn failure(error: &Error) {
    let label = console::style("error:").for_stderr().red().bold();
    remark(format!("{label} {error}"));
}

fn write(to: &mut impl Write, text: &str) -> Result<()> {
    match writeln!(to, "{}", text.trim_end_matches('\n')).and_then(|()| to.flush()) {
        // Nobody reads on.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(|error| Error::new(Kind::Unavailable, "cannot write the answer").caused_by(error)),
    }
}

/// A table: its header, then its rows. As wide as the terminal; where there is none, as its words, for `grep`.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let columns = console::Term::stdout().size_checked().map(|(_, columns)| columns);
    table_within(columns, header, rows)
}

/// A table of at most so many columns.
pub(crate) fn table_within(columns: Option<u16>, header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(columns) = columns {
        table.set_width(columns);
    }
    if !console::colors_enabled() {
        table.force_no_tty();
    }
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    table.add_rows(rows);
    table.trim_fmt()
}

/// A cell.
pub(crate) fn cell(text: impl Display, tone: Tone) -> Cell {
    let cell = Cell::new(text.to_string());
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Warn => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Faint => cell.fg(Color::DarkGrey),
    }
}

/// A cell without a tone.
pub(crate) fn plain(text: impl Display) -> Cell {
    cell(text, Tone::Plain)
}

/// A cell with a number: to the right.
pub(crate) fn number(n: impl Display) -> Cell {
    plain(n).set_alignment(CellAlignment::Right)
}

/// What is there, or a dash.
pub(crate) fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A time as people read it: UTC, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How far `at` is from `now`, in words: `in 3m 20s`, `5s ago`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let (hours, minutes, rest) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    let words = match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        (0..48, _) => format!("{hours}h {minutes}m"),
        _ => format!("{}d", hours / 24),
    };
    if seconds < 0 { format!("{words} ago") } else { format!("in {words}") }
}

/// The tone of an order's state.
pub(crate) fn tone(state: State) -> Tone {
    match state {
        State::Synced => Tone::Good,
        State::Waiting | State::Sending => Tone::Warn,
        State::Parked | State::Dead => Tone::Bad,
        State::Ignored => Tone::Faint,
    }
}

/// A bar of `width` characters, `part` of `whole` filled, in eighths of a character.
pub(crate) fn bar(part: u64, whole: u64, width: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let whole = whole.max(1);
    let eighths = part.min(whole).saturating_mul(width * 8) / whole;
    let (full, rest) = (eighths / 8, usize::try_from(eighths % 8).unwrap_or(0));
    let mut bar = "█".repeat(usize::try_from(full).unwrap_or(0));
    bar.push_str(EIGHTHS.get(rest).copied().unwrap_or_default());
    let drawn = full + u64::from(rest > 0);
    bar.push_str(&"░".repeat(usize::try_from(width.saturating_sub(drawn)).unwrap_or(0)));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_told() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(5, 10, 4), "██░░");
        assert_eq!(bar(1, 32, 4), "▏░░░");
        assert_eq!(bar(99, 10, 4), "████");
        assert_eq!(bar(0, 0, 2), "░░");
    }
}
