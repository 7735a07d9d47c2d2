//! What happens is told by an event of `domain/event.rs`: no other file writes a line to the log by itself, or spells an event's name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use puente::domain::event::{Event, Happened};

/// The macros that write a line.
const LINES: [&str; 6] = ["trace!", "debug!", "info!", "warn!", "error!", "event!"];

/// Every file of the sources.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in ["shared/src", "functions/src", "cli/src", "sandbox/src"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 200, "{}", files.len());
    files
}

/// Who writes a counted event to the log alone loses its count: only a `Tell` does both.
#[test]
fn what_is_counted_is_told_and_not_only_logged() {
    let mut logged = 0;
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices(".log()") {
            let Some(from) = text[..at].rfind("Event::") else { continue };
            let made = &text[from + "Event::".len()..at];
            // From the event's name to its closing brace.
            let event: String = made.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !made.trim_end().ends_with('}') {
                continue;
            }
            let row = Event::TABLE.iter().find(|(name, ..)| *name == event);
            assert!(matches!(row, Some((_, _, "log_only", 0))), "{}: {event} is counted", file.display());
            logged += 1;
        }
    }
    assert!(logged > 10, "{logged}");
}

#[test]
fn no_name_of_an_event_is_spelled_anywhere_else() {
    let files = sources();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.to_string_lossy().contains("domain/event/")) {
        let text = fs::read_to_string(file).unwrap();
        // What tests look for is theirs to say.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let writes =
                line.contains("event = \"") || LINES.iter().any(|name| line.contains(&format!("tracing::{name}")));
            let names =
                Event::TABLE.iter().any(|(_, name, ..)| name.contains('.') && line.contains(&format!("\"{name}\"")));
            if writes || names {
                found.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_happens_to_orders_keeps_the_names_that_timelines_have() {
    let names: Vec<_> = Happened::ALL.iter().map(|what| what.as_str()).collect();
    let expected = [
        "announced",
        "accepted",
        "duplicate",
        "superseded",
        "tied",
        "flagged",
        "fetch_put_off",
        "replayed",
        "replay_passed_over",
        "booked",
        "unknown",
        "deferred",
        "rescheduled",
        "progressed",
        "synced",
        "adopted",
        "noted",
        "note_passed_over",
        "parked",
        "dead",
        "ignored",
    ];
    assert_eq!(names, expected);
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
