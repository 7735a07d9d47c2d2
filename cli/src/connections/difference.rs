//! The difference between what is wanted and what is found, as rows to read and steps to take. Pure: it asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use puente::{
    Error, Kind, Result,
    aws::{ApiKey, Plan},
    config::{FrontDoor, Secret},
    domain::ids::ConnectionId,
    ports::Bundle,
};
use serde::Serialize;

use super::{
    Wanted,
    found::{Found, FoundDoor},
};
use crate::output::{Tone, cell, plain, table};

/// How many random bytes a key is made of.
const KEY_BYTES: usize = 32;
/// How many characters API Gateway takes for a key.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 20..=128;

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// It is made.
    Create,
    /// It becomes another.
    Change,
    /// It is as it should be.
    Keep,
    /// It is superfluous, and stays.
    Extra,
    /// It is superfluous, and is deleted.
    Delete,
    /// It is served no more.
    Stop,
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: &'static str,
    name: String,
    action: Action,
    note: String,
}

/// A change, in terms of what it changes. Plans are told by their names: some are still to be made.
pub(super) enum Step {
    CreateSecret { bundle: Bundle, content: Content },
    ChangeSecret { bundle: Bundle, content: Content },
    CreatePlan { limits: FrontDoor },
    CreateKey { connection: ConnectionId, value: Secret, plan: String },
    MoveKey { connection: ConnectionId, key: String, from: Vec<String>, plan: String },
    SetRetired { names: BTreeSet<String> },
    Publish,
    DeleteKey { name: String, id: String, from: Vec<String> },
    DeletePlan { plan: Plan },
    DeleteSecret { name: String },
}

/// What is in a bundle of secrets, by their names.
pub(super) type Content = BTreeMap<String, Secret>;

/// All of it.
pub(super) struct Difference {
    /// What a person reads.
    pub(super) rows: Vec<Row>,
    /// What is to be done, in this order.
    pub(super) steps: Vec<Step>,
    /// The value of every wanted secret, as it will be.
    pub(super) values: BTreeMap<String, Secret>,
    /// The names of those whose value was drawn here: another look draws another.
    pub(super) drawn: BTreeSet<String>,
}

/// What is to be done; an error is about what cannot be done, and nothing was changed.
pub(super) fn difference(wanted: &Wanted, found: &Found) -> Result<Difference> {
    let mut all = Difference { rows: Vec::new(), steps: Vec::new(), values: BTreeMap::new(), drawn: BTreeSet::new() };
    // Before anything else: afterwards nobody would know them.
    if !found.superfluous.is_subset(&found.retired) {
        all.steps.push(Step::SetRetired { names: found.superfluous.clone() });
    }
    all.values(wanted, found)?;
    all.keys_are_good(wanted)?;
    let outworn = all.secrets(wanted, found);
    let mut superfluous = Vec::new();
    if let Some(door) = &found.door {
        superfluous = all.front_door(wanted, door);
    }
    all.configuration(wanted, found);
    all.steps.extend(superfluous);
    all.steps.extend(outworn);
    for name in &found.superfluous {
        all.superfluous("secret", name, "nothing refers to it any more", wanted.prune);
        if wanted.prune {
            all.steps.push(Step::DeleteSecret { name: name.clone() });
        }
    }
    if wanted.prune && !(found.superfluous.is_empty() && found.retired.is_empty()) {
        all.steps.push(Step::SetRetired { names: BTreeSet::new() });
    }
    Ok(all)
}

impl Difference {
    fn row(&mut self, what: &'static str, name: impl Into<String>, action: Action, note: impl Into<String>) {
        self.rows.push(Row { what, name: name.into(), action, note: note.into() });
    }

    fn superfluous(&mut self, what: &'static str, name: &str, why: &str, prune: bool) {
        let (action, how) = if prune { (Action::Delete, "") } else { (Action::Extra, "; --prune deletes it") };
        self.row(what, name, action, format!("{why}{how}"));
    }

    /// The value of every secret: one that is given, or the one that is there, or of a key one that is drawn.
    fn values(&mut self, wanted: &Wanted, found: &Found) -> Result<()> {
        let keys: BTreeSet<&str> = wanted.keys().map(|(_, key)| key).collect();
        let mut missing = Vec::new();
        for name in wanted.needs.names() {
            let there = || found.bundles.values().find_map(|content| content.get(name));
            let value = wanted.given.get(name).or_else(there).or_else(|| found.elsewhere.get(name)).cloned();
            let value = match value {
                Some(value) => value,
                None if keys.contains(name) => {
                    self.drawn.insert(name.to_owned());
                    Secret::new(random_key())
                }
                None => {
                    missing.push(name);
                    continue;
                }
            };
            self.values.insert(name.to_owned(), value);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let give: Vec<_> = missing.iter().map(|name| format!("--secret {name}=FILE")).collect();
        let words = format!(
            "Secrets Manager has no {}: nothing was changed. Give what is missing: {} (`-` instead of FILE reads standard input)",
            missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            give.join(" ")
        );
        Err(Error::new(Kind::Config, words))
    }

    /// The bundles; returned are the steps that take out what nobody needs, which come last. Until then it stays: whoever still has
    /// the configuration of before may need it.
    fn secrets(&mut self, wanted: &Wanted, found: &Found) -> Vec<Step> {
        let mut last = Vec::new();
        for (bundle, names) in &wanted.needs.bundles {
            let there = found.bundles.get(bundle);
            let mut content = Content::new();
            let mut news = Vec::new();
            for name in names {
                let Some(value) = self.values.get(name) else { continue };
                let is = there.and_then(|there| there.get(name));
                if !is.is_some_and(|is| is.is(value.expose())) {
                    news.push(format!("{name}: {}", self.why(name, is.is_some(), wanted, found)));
                }
                content.insert(name.clone(), value.clone());
            }
            let outworn: Content =
                there.into_iter().flatten().filter(|(name, _)| !names.contains(*name)).map(own).collect();
            let (label, full) = (bundle.to_string(), content.clone().into_iter().chain(outworn.clone()).collect());
            match there {
                None => {
                    self.row("secret", &label, Action::Create, news.join("; "));
                    self.steps.push(Step::CreateSecret { bundle: bundle.clone(), content: full });
                }
                Some(_) if !news.is_empty() => {
                    self.row("secret", &label, Action::Change, news.join("; "));
                    self.steps.push(Step::ChangeSecret { bundle: bundle.clone(), content: full });
                }
                Some(_) => self.row("secret", &label, Action::Keep, ""),
            }
            for name in outworn.keys() {
                self.superfluous("value", &format!("{label}: {name}"), "nothing refers to it any more", wanted.prune);
            }
            if wanted.prune && !outworn.is_empty() {
                last.push(Step::ChangeSecret { bundle: bundle.clone(), content });
            }
        }
        last
    }

    /// Where a value comes from that a bundle does not have yet.
    fn why(&self, name: &str, other: bool, wanted: &Wanted, found: &Found) -> &'static str {
        match () {
            () if wanted.given.contains_key(name) && other => "another value is given",
            () if wanted.given.contains_key(name) => "its value is given",
            () if self.drawn.contains(name) => "a random key",
            () if found.elsewhere.contains_key(name) => "from the secret of that name",
            () => "as in another part",
        }
    }

    /// Every key is one that API Gateway takes, and only one connection's.
    fn keys_are_good(&self, wanted: &Wanted) -> Result<()> {
        let mut owners: BTreeMap<&str, &ConnectionId> = BTreeMap::new();
        for (id, key) in wanted.keys() {
            let Some(value) = self.values.get(key) else { continue };
            let about = format!("connection `{id}`: its key, the secret `{key}`");
            if !KEY_LENGTH.contains(&value.expose().len()) {
                let words = format!(
                    "{about}, has fewer than 20 or more than 128 characters, which API Gateway does not take; nothing was \
                     changed. Without that secret a key is made"
                );
                return Err(Error::new(Kind::Config, words));
            }
            if let Some(other) = owners.insert(value.expose(), id) {
                let words =
                    format!("{about}, is that of connection `{other}` too: each needs its own. Nothing was changed");
                return Err(Error::new(Kind::Config, words));
            }
        }
        Ok(())
    }

    /// Keys and plans; returned are the steps that delete, which come last.
    fn front_door(&mut self, wanted: &Wanted, found: &FoundDoor) -> Vec<Step> {
        let own = |limits: Option<FrontDoor>| limits.filter(|limits| Some(*limits) != found.base.limits);
        let plan_of = |limits| own(limits).map_or_else(|| found.base.name.clone(), Plan::name_of);
        let plans: BTreeMap<String, FrontDoor> =
            wanted.needs.doors.values().filter_map(|door| own(door.limits)).map(|l| (Plan::name_of(l), l)).collect();
        for (name, limits) in &plans {
            if found.plan(name).is_some() {
                self.row("usage plan", name, Action::Keep, "");
                continue;
            }
            let note = format!("{} requests a second, {} a day", limits.per_second, limits.per_day);
            self.row("usage plan", name, Action::Create, note);
            self.steps.push(Step::CreatePlan { limits: *limits });
        }
        let mut used = BTreeSet::new();
        for (connection, key) in wanted.keys() {
            let Some(value) = self.values.get(key).cloned() else { continue };
            let limits = wanted.needs.doors.get(connection).and_then(|door| door.limits);
            let (name, plan) = (ApiKey::name_of(connection), plan_of(limits));
            let overlap =
                if wanted.two_keys(connection) { "; one of two, each with a day's count of its own" } else { "" };
            let Some(key) = found.key(&value) else {
                self.row("API key", name, Action::Create, format!("under `{plan}`{overlap}"));
                self.steps.push(Step::CreateKey { connection: connection.clone(), value, plan });
                continue;
            };
            used.insert(key.id.as_str());
            let is = found.plans_of(&key.id);
            let to = found.plan(&plan).map(|plan| plan.id.as_str());
            if to.is_some_and(|to| is == [to]) {
                self.row("API key", name, Action::Keep, overlap.trim_start_matches("; "));
                continue;
            }
            self.row(
                "API key",
                name,
                Action::Change,
                format!("goes under `{plan}`; its day's count begins anew{overlap}"),
            );
            let (connection, key) = (connection.clone(), key.id.clone());
            let from = is.into_iter().filter(|from| Some(from.as_str()) != to).collect();
            self.steps.push(Step::MoveKey { connection, key, from, plan });
        }
        let mut last = Vec::new();
        for key in found.keys.iter().filter(|key| key.ours && !used.contains(key.id.as_str())) {
            self.superfluous("API key", &key.name, "no connection has this key", wanted.prune);
            let (name, id, from) = (key.name.clone(), key.id.clone(), found.plans_of(&key.id));
            last.push(Step::DeleteKey { name, id, from });
        }
        let wants = |plan: &Plan| plans.contains_key(&plan.name) && plan.stages.contains(&found.stage);
        for plan in found.own.iter().filter(|plan| !wants(plan)) {
            self.superfluous("usage plan", &plan.name, "no connection has these limits", wanted.prune);
            last.push(Step::DeletePlan { plan: plan.clone() });
        }
        if wanted.prune { last } else { Vec::new() }
    }

    /// The configuration itself.
    fn configuration(&mut self, wanted: &Wanted, found: &Found) {
        for id in wanted.needs.doors.keys() {
            let there = found.needs.doors.contains_key(id);
            self.row("connection", id.as_str(), if there { Action::Keep } else { Action::Create }, "");
        }
        for id in found.needs.doors.keys().filter(|id| !wanted.needs.doors.contains_key(*id)) {
            let note = "not in the file: its orders are carried no more, until it is put back";
            self.row("connection", id.as_str(), Action::Stop, note);
        }
        let action = match &found.text {
            Some(text) if *text == wanted.text => Action::Keep,
            Some(_) => Action::Change,
            None => Action::Create,
        };
        self.row("configuration", "puente.toml", action, "");
        if action != Action::Keep {
            self.steps.push(Step::Publish);
        }
    }

    /// As a table.
    pub(super) fn shown(&self) -> String {
        let row = |row: &Row| {
            let (word, tone) = match row.action {
                Action::Create => ("create", Tone::Good),
                Action::Change => ("change", Tone::Warn),
                Action::Keep => ("keep", Tone::Faint),
                Action::Extra => ("extra", Tone::Warn),
                Action::Delete => ("delete", Tone::Bad),
                Action::Stop => ("stop", Tone::Bad),
            };
            vec![cell(word, tone), plain(row.what), plain(&row.name), plain(&row.note)]
        };
        table(&["", "what", "name", ""], self.rows.iter().map(row))
    }
}

/// 256 random bits, as a URL takes them.
fn random_key() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>())
}

fn own((name, value): (&String, &Secret)) -> (String, Secret) {
    (name.clone(), value.clone())
}
