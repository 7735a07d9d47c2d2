//! The one place that writes to the terminal: tables for people, JSON for programs.
//!
//! Standard output carries the answer and nothing else; errors, remarks and progress go to standard error. A reader that goes away
//! (`puente orders list | head`) ends the writing, not with a panic. Colours only on a terminal without `NO_COLOR`.
//!
//! Invariant: what stores and ERPs say reaches a terminal as text and never as a command to it: [`cell`] and [`inert`] show control
//! and direction characters as `\u{1b}`. JSON is exact: programs read it, not terminals.

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
        write(&mut io::stdout().lock(), &text)
    }

    /// Writes a remark beside the answer, on standard error.
    pub(crate) fn remark(self, text: impl Display) {
        if self.json {
            told_as_json("remark", &text.to_string());
        } else {
            // If even that cannot be written there is nobody to tell.
            let _ = write(&mut io::stderr().lock(), &inert(text));
        }
    }

    /// Writes why a command failed, on standard error.
    pub(crate) fn failure(self, error: &Error) {
        if self.json {
            told_as_json(title(error.kind()), &error.to_string());
        } else {
            let label = console::style("error:").for_stderr().red().bold();
            let _ = write(&mut io::stderr().lock(), &format!("{label} {}", inert(error)));
        }
    }
}

/// Writes a line for people, on standard output.
pub(crate) fn line(text: impl Display) -> Result<()> {
    write(&mut io::stdout().lock(), &coloured(&text.to_string()))
}

/// Asks something of whoever sits at the terminal, on standard error.
pub(crate) fn ask(text: impl Display) {
    // If even that cannot be written there is nobody to ask.
    let _ = write(&mut io::stderr().lock(), &inert(text));
}

/// Why a command failed, or a remark, for programs: the members of a problem document (RFC 9457) that make sense without HTTP.
#[derive(Serialize)]
struct Told<'a> {
    title: &'a str,
    detail: &'a str,
}

/// Writes what is wrong with the command line, for programs.
pub(crate) fn misuse(words: &str) {
    told_as_json("the command line is wrong", words.trim().trim_start_matches("error: "));
}

fn told_as_json(title: &str, detail: &str) {
    let text = serde_json::to_string_pretty(&Told { title, detail }).unwrap_or_default();
    let _ = write(&mut io::stderr().lock(), &text);
}

/// The kind of a failure in words.
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => "the configuration cannot be used",
        Kind::Forged => "not let in",
        Kind::Unreadable => "the input cannot be used",
        Kind::TooLarge => "too large",
        Kind::NotFound => "not found",
        Kind::Refused => "refused",
        Kind::Limited => "a limit is reached",
        Kind::Unavailable => "not available now",
        Kind::Bug => "a bug of puente's",
    }
}

/// Text that a terminal shows and does not obey: control characters (but the end of a line), and those that turn the direction of
/// what follows, are spelled out.
pub(crate) fn inert(text: impl Display) -> String {
    let mut shown = String::new();
    for c in text.to_string().chars() {
        if obeyed(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal does something on this character besides showing it.
fn obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n')
}

/// The same for an answer made of cells and words of ours: the colours in it are ours too, since no cell holds the beginning of one.
fn coloured(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut shown = inert(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        let begin = if end.is_some_and(|end| part[end..].starts_with('m')) { "\u{1b}[" } else { "\\u{1b}[" };
        shown.push_str(begin);
        shown.push_str(&inert(part));
    }
    shown
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

/// A cell, [`inert`].
pub(crate) fn cell(text: impl Display, tone: Tone) -> Cell {
    let cell = Cell::new(inert(text));
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
    if at <= now { format!("{words} ago") } else { format!("in {words}") }
}

/// The tone of an order's state.
pub(crate) fn tone(state: State) -> Tone {
    match state {
        State::Synced => Tone::Good,
        State::Waiting | State::Sending | State::Fetching => Tone::Warn,
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
    fn a_terminal_shows_what_stores_say_and_obeys_none_of_it() {
        // Clears the screen, sets the title, turns the direction, a C1 control, a carriage return over what stood there.
        let hostile = "a\u{1b}[2J\u{1b}]0;owned\u{7}b\u{202e}c\u{2066}d\u{9b}31me\rf\ng";
        let shown = "a\\u{1b}[2J\\u{1b}]0;owned\\u{7}b\\u{202e}c\\u{2066}d\\u{9b}31me\\u{d}f\ng";
        assert_eq!(inert(hostile), shown);
        let table = table_within(None, &["what"], [vec![plain(hostile)], vec![cell(hostile, Tone::Bad)]]);
        assert!(
            !table.contains("\u{1b}[2J") && !table.contains(['\u{202e}', '\u{2066}', '\u{9b}', '\r', '\u{7}']),
            "{table}"
        );
        assert!(table.contains("owned") && coloured(&table) == table, "{table}");
        // Words outside of a table keep nothing but colours.
        assert_eq!(
            coloured("\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J\u{1b}c"),
            "\u{1b}[1;31mred\u{1b}[0m \\u{1b}[2J\\u{1b}c"
        );
        assert_eq!(inert("número 7\ninvoice, שלום"), "número 7\ninvoice, שלום");
    }

    #[test]
    fn less_than_a_second_ago_is_not_yet_to_come() {
        let now: Timestamp = "2026-03-01T12:00:00.5Z".parse().unwrap();
        let from = |at: &str| distance(at.parse().unwrap(), now);
        assert_eq!(from("2026-03-01T12:00:00.4Z"), "0s ago");
        assert_eq!(from("2026-03-01T11:59:55.5Z"), "5s ago");
        assert_eq!(from("2026-03-01T12:00:00.9Z"), "in 0s");
        assert_eq!(from("2026-03-01T12:03:20.5Z"), "in 3m 20s");
    }

    #[test]
    fn a_bar_is_as_wide_as_told() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(5, 10, 4), "██░░");
        assert_eq!(bar(1, 32, 4), "▏░░░");
        assert_eq!(bar(99, 10, 4), "████");
        assert_eq!(bar(0, 0, 2), "░░");
    }
}
