//! `load`, Odoo's way of importing rows: here as "create what is not there yet", all in one transaction.
//!
//! With `mode` "update" and `noupdate` in its context a row whose external id is known is answered with the id of the record that has
//! it, and nothing of that record is written; without these two it would be changed, and its lines would be added again. A load that
//! is refused names the places of the guilty records: they are left out, and the others are loaded without them.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    Odoo,
    fault::{is_busy, not_now, refused},
    wire::{Arguments, Maybe},
};
use crate::{Error, Kind, erp::SendError, outbound::Calls};

/// What became of one record's rows.
#[derive(Debug)]
pub(super) enum Loaded {
    /// They are there: the ids of its records, in the order of their rows.
    There(Vec<i64>),
    /// Odoo refuses it, and says so of this one.
    Refused(Error),
    /// It waits: too many others were refused.
    Later,
}

/// What is written where a record is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Kept,
    /// What the rows say.
    Changed,
}

/// The answer of a load.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ids: Maybe<Vec<i64>>,
    #[serde(default)]
    messages: Vec<Message>,
}

/// What Odoo says of a record.
#[derive(Deserialize)]
struct Message {
    r#type: String,
    #[serde(default, rename = "message")]
    words: String,
    /// Its place in the call.
    record: Option<usize>,
    #[serde(default)]
    field: Maybe<String>,
}

/// So often the guilty are left out and the others loaded: Odoo names about ten of them at once.
const ROUNDS: usize = 5;

/// Loads groups of rows; where a group is one record of several rows, it has one id.
pub(super) async fn load(
    odoo: &Odoo,
    calls: &Calls<'_>,
    (model, known): (&str, Known),
    fields: &[&str],
    groups: Vec<Vec<Vec<String>>>,
) -> Result<Vec<Loaded>, SendError> {
    let mut blamed: HashMap<usize, Error> = HashMap::new();
    for _ in 0..ROUNDS {
        let left: Vec<usize> = (0..groups.len())
            .filter(|at| !blamed.contains_key(at) && groups.get(*at).is_some_and(|g| !g.is_empty()))
            .collect();
        if left.is_empty() {
            return Ok(answers(&groups, &blamed, HashMap::new()));
        }
        let rows: Vec<&Vec<String>> = left.iter().filter_map(|at| groups.get(*at)).flatten().collect();
        // The place of each record in the call: a row without an external id belongs to the one above it.
        let places: Vec<usize> = left
            .iter()
            .flat_map(|at| groups.get(*at).into_iter().flatten().map(move |row| (*at, row)))
            .filter(|(_, row)| row.first().is_some_and(|id| !id.is_empty()))
            .map(|(at, _)| at)
            .collect();
        let mut arguments = Arguments::new().with("fields", fields).with("data", &rows).in_context("noupdate", true);
        if known == Known::Kept {
            arguments = arguments.in_context("mode", "update");
        }
        let answer: Result<Answer, _> = odoo.server.write(calls, model, "load", arguments).await;
        let answer = answer.map_err(|send_error| match send_error {
            // What a record is refused for stands in the answer: this is said of the whole call.
            SendError::Refused(error) => SendError::Ambiguous(error),
            send_error => send_error,
        })?;
        if let Some(ids) = answer.ids.0 {
            if ids.len() != places.len() {
                let words = "Odoo answered for another number of records";
                return Err(SendError::Unknown(Error::new(Kind::Unavailable, words)));
            }
            let mut there: HashMap<usize, Vec<i64>> = HashMap::new();
            for (at, id) in places.into_iter().zip(ids) {
                there.entry(at).or_default().push(id);
            }
            return Ok(answers(&groups, &blamed, there));
        }
        let errors: Vec<&Message> = answer.messages.iter().filter(|message| message.r#type == "error").collect();
        if errors.iter().any(|message| is_busy(&message.words)) {
            return Err(not_now("Odoo's database was busy with the same records"));
        }
        let before = blamed.len();
        for message in &errors {
            let place = message.record.and_then(|record| places.get(record));
            let Some(place) = place.or_else(|| left.first().filter(|_| left.len() == 1)) else { continue };
            blamed.entry(*place).or_insert_with(|| refused(&message.told()));
        }
        if blamed.len() == before {
            // Nobody is named: it is said of the whole call.
            let said = errors.first().map(|message| message.told()).unwrap_or_default();
            return Err(SendError::Ambiguous(refused(&said)));
        }
    }
    // Those that were named are; the others have a call of their own next time.
    let later = |at| blamed.get(&at).map_or(Loaded::Later, |error| Loaded::Refused(error.clone()));
    Ok((0..groups.len()).map(later).collect())
}

/// Why a record waits.
pub(super) fn later() -> SendError {
    not_now("Odoo refused too many other records in the same call")
}

fn answers(
    groups: &[Vec<Vec<String>>],
    blamed: &HashMap<usize, Error>,
    mut there: HashMap<usize, Vec<i64>>,
) -> Vec<Loaded> {
    let answer = |at: usize| match blamed.get(&at) {
        Some(error) => Loaded::Refused(error.clone()),
        None => Loaded::There(there.remove(&at).unwrap_or_default()),
    };
    (0..groups.len()).map(answer).collect()
}

impl Message {
    /// Its words, and the field that they are about.
    fn told(&self) -> String {
        match &self.field.0 {
            Some(field) if !self.words.contains(field.as_str()) => format!("{field}: {}", self.words),
            _ => self.words.clone(),
        }
    }
}
