//! What a connector brings for the suites: its ERP as the sandbox plays it, and answers to fuzz it with (feature `fixtures`).
//!
//! A kit shares no code with its connector: a mistake in reading or in adding up would otherwise hide itself.

use std::net::SocketAddr;

use puente_sandbox::erp::Vendor;
use serde_json::Value;

use crate::domain::document::{Operation, Step};

/// The kit of a row.
#[derive(Debug)]
pub struct Kit {
    /// The ERP.
    pub vendor: &'static dyn Vendor,
    /// Whether the connector can tell the ERP's books.
    pub books: bool,
    /// Connectors to fuzz: one, or several where a section can make its connector read answers differently.
    pub fuzzed: fn(&Address<'_>) -> Vec<Fuzzed>,
}

/// Where an ERP that answers anything is.
#[derive(Debug)]
pub struct Address<'a> {
    /// It listens there.
    pub addr: SocketAddr,
    /// Somebody's address, which answers repeat where real ones repeat personal data.
    pub canary: &'a str,
}

/// A connector to fuzz.
pub struct Fuzzed {
    /// Its section.
    pub section: String,
    /// What its ERP's answers say.
    pub reads: Box<dyn Reads>,
    /// Answers to begin from.
    pub replies: Replies,
}

/// Scripts of answers, each to one question. A script is text: an answer begins with a line of its status and, perhaps, one header;
/// the body follows; a line `%%` separates it from the next.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    /// To a look-up.
    pub looked_up: Vec<String>,
    /// To a probe.
    pub probed: Vec<String>,
    /// To what finishes documents 5 and 6.
    pub finished: Vec<String>,
    /// To what is asked before documents can be rendered.
    pub prepared: Vec<String>,
    /// To a bulk of creates.
    pub sent: Vec<String>,
}

/// What an answer to a bulk says of one of its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The id that it was made with, where that is said beyond doubt.
    pub made: Option<String>,
    /// Whether "for certain nothing happened" would be a lie.
    pub there: bool,
}

/// How answers are to be understood, whatever stands in them.
pub trait Reads {
    /// The member that holds a document's reference in a look-up.
    fn reference(&self) -> &'static str;

    /// What a look-up's body lists: an object, or an array of them. `None`: there is nothing to compare with.
    fn documents(&self, body: &[u8]) -> Option<Value>;

    /// What the answer to a bulk of `drafts` says of the one at `place`. `None`: there is nothing to compare with.
    fn told(&self, status: u16, body: &[u8], drafts: usize, place: usize, reference: &str) -> Option<Told>;

    /// Whether the connector may take back what was made, and then say that nothing happened.
    fn takes_back(&self) -> bool {
        false
    }

    /// The same of the answer to any operation's drafts, each of the step in its place.
    fn told_of(&self, status: u16, body: &[u8], steps: &[Step], place: usize) -> Option<Told> {
        let step = steps.get(place).filter(|step| step.operation() == Operation::Create)?;
        self.told(status, body, steps.len(), place, step.reference.as_str())
    }

    /// Whether a document of a look-up was cancelled. `None`: there is nothing to compare with.
    fn is_cancelled(&self, _document: &Value) -> Option<bool> {
        None
    }

    /// The body of a sale's draft, as the connector renders it.
    fn draft(&self, reference: &str) -> String;

    /// The body of any step's draft.
    fn draft_of(&self, step: &Step) -> String {
        self.draft(step.reference.as_str())
    }
}

/// An example section whose lines that begin with `begins`, of which it has some, are `instead`.
pub(super) fn with_line(example: &str, begins: &str, instead: &str) -> String {
    assert!(example.lines().any(|line| line.starts_with(begins)), "the example has no line `{begins}`");
    let line = |line| if str::starts_with(line, begins) { instead } else { line };
    example.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A text, or a number as text if its digits cannot have been lost in a float.
#[must_use]
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
            let few = digits <= 15 && !text.contains('e');
            (few || !number.is_f64()).then_some(text)
        }
        _ => None,
    }
}
