//! `puente connections`: signs of life (`list.rs`), signing in to a store (`authorize.rs`), and `apply`: what AWS needs to know of `puente.toml`, published.
//!
//! Invariant: nothing is changed before everything was checked and shown, and the order of the changes is safe if they are cut
//! short anywhere: secrets, then API keys and their usage plans, the configuration after them, what is superfluous last. Run
//! again, it does what is left. No value of a secret is ever shown, except in the URLs that are asked for.

mod apply;
mod authorize;
mod difference;
mod found;
mod list;

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Read},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use clap::{Args, Subcommand};
use puente::{
    Error, Kind, Result,
    aws::{Access, Aws, Gateway, Place},
    config::Secret,
    domain::ids::ConnectionId,
    parties::{Needs, Settings},
    ports::{Bundle, Secrets},
};
use secrecy::SecretString;
use serde::Serialize;

use self::{
    difference::{Content, Difference, Row, difference},
    found::Found,
};
use crate::{
    output::{self, Output},
    place::ConfigFile,
    progress,
};

/// Show when each connection last received, fetched and sent, and what failed; sign in to stores; publish to AWS.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Connections {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows when each connection and ERP account last received, fetched, sent, and what failed last.
    List(list::List),
    /// Signs in to a store whose tokens expire.
    ///
    /// An app of the shop's own organisation needs nobody. Where a person has to let the app in, this prints the page to open, and
    /// reads the address that the shop sends back to from standard input. What was kept before is replaced.
    Authorize(authorize::Authorize),
    /// Publishes puente.toml to AWS: secrets, API keys, usage plans, the configuration itself.
    Apply(Apply),
}

/// `connections apply`.
///
/// Shows the difference first. Region and credentials are found as AWS's own tools find them.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Apply {
    #[command(flatten)]
    file: ConfigFile,
    /// The table of the stack, its output `TableName`.
    #[arg(long, env = "PUENTE_TABLE", value_name = "NAME")]
    table: String,
    /// The id of the stack's usage plan, its output `UsagePlanId`.
    #[arg(long, env = "PUENTE_USAGE_PLAN", value_name = "ID", required_unless_present = "no_gateway")]
    usage_plan: Option<String>,
    /// What the names of the stack's secrets begin with, its parameter and output `SecretPrefix`: its functions may read no others.
    #[arg(long, env = "PUENTE_SECRET_PREFIX", value_name = "PREFIX", default_value = "puente/")]
    secret_prefix: String,
    /// There is no API Gateway in front: `puente serve --backend aws` counts for itself.
    #[arg(long, conflicts_with = "usage_plan")]
    no_gateway: bool,
    /// The value of a secret, by its name in the file, from a file (`-`: standard input). Repeatable. A newline at its end is not
    /// part of it.
    #[arg(long = "secret", value_name = "NAME=FILE", value_parser = secret_file)]
    secrets: Vec<(String, PathBuf)>,
    /// Show the difference and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Delete what is superfluous too: API keys and usage plans of ours, and secrets that nothing refers to any more, also those
    /// of a release that kept every value as a secret of its own (these can be restored for 30 days). Not before the functions
    /// run this release.
    #[arg(long)]
    prune: bool,
    /// Show at the end where each store posts to, with its key.
    #[arg(long)]
    show_urls: bool,
    /// Where the stack is reached, if not at API Gateway's own address: a domain of yours.
    #[arg(long, env = "PUENTE_URL", value_name = "URL")]
    url: Option<String>,
}

/// What is wanted.
pub(crate) struct Wanted {
    text: String,
    needs: Needs,
    /// Values given on the command line, by the secret's name.
    given: BTreeMap<String, Secret>,
    prune: bool,
}

impl Wanted {
    /// The names of the secrets with the connections' keys.
    fn keys(&self) -> impl Iterator<Item = (&ConnectionId, &str)> {
        self.needs.doors.iter().flat_map(|(id, door)| door.keys.iter().map(move |key| (id, key.as_str())))
    }

    /// Whether a connection's key is being changed.
    fn two_keys(&self, connection: &ConnectionId) -> bool {
        self.needs.doors.get(connection).is_some_and(|door| door.keys.len() > 1)
    }
}

/// What is said at the end.
#[derive(Serialize)]
struct Report<'a> {
    changes: &'a [Row],
    applied: bool,
    urls: BTreeMap<String, String>,
}

/// Runs the command.
pub(crate) async fn run(connections: Connections, output: Output) -> Result<()> {
    match connections.command {
        Some(Command::Apply(apply)) => publish(apply, output).await,
        Some(Command::Authorize(authorize)) => authorize::run(authorize, output).await,
        Some(Command::List(list)) => list::run(&list, output).await,
        None => list::run(&connections.list, output).await,
    }
}

async fn publish(apply: Apply, output: Output) -> Result<()> {
    let wanted = apply.wanted()?;
    let access = Access::discovered().await?;
    // Nothing here goes through the queue.
    let place = Place {
        table: apply.table.clone(),
        queue: String::new(),
        dead: None,
        secrets: apply.secret_prefix.clone(),
        token_key: None,
    };
    let aws = Aws::new(&access, place);
    let gateway = apply.usage_plan.as_ref().map(|plan| (access.gateway(&apply.table), plan.as_str()));
    let spinner = progress::spinner("looking at what is there");
    let found = found::look(&aws, gateway.as_ref().map(|(gateway, plan)| (gateway, *plan)), &wanted).await;
    spinner.finish_and_clear();
    let found = found?;
    let difference = difference(&wanted, &found)?;
    // With every secret as it will be: what a connector does not take is told before anything is changed.
    let file = apply.file.config.display().to_string();
    let settings = Settings::parse(&wanted.text, &file, Arc::new(Values::of(&wanted, &difference)))?;
    settings.check().await?;
    for id in settings.changing_keys() {
        output.remark(format!(
            "connection {id} has two keys: either opens, and each may spend a day of its own. Take the old one out of the file \
             once the store has the new one"
        ));
    }

    let applied = !apply.dry_run && !difference.steps.is_empty();
    if !output.is_json() {
        output::line(difference.shown())?;
    }
    if applied {
        if !apply.yes {
            confirmed()?;
        }
        apply::apply(&aws, gateway.as_ref().map(|(gateway, _)| gateway), &wanted, &found, &difference.steps).await?;
    }
    let urls = apply.urls(&wanted, gateway.as_ref().map(|(gateway, _)| gateway), &found, &difference);
    let report = Report { changes: &difference.rows, applied, urls };
    output.answer(&report, || {
        let mut lines = vec![match (difference.steps.len(), apply.dry_run) {
            (0, _) => "nothing to do".to_owned(),
            (n, true) => format!("{n} to do; nothing was changed"),
            (n, false) => format!("done: {n}; functions and servers see the configuration within five minutes"),
        }];
        lines.extend(report.urls.iter().map(|(connection, url)| format!("{connection}: {url}")));
        lines.join("\n")
    })
}

impl Apply {
    fn wanted(&self) -> Result<Wanted> {
        let text = self.file.text()?;
        let needs = self.file.settings()?.needs()?;
        let mut given = BTreeMap::new();
        for (name, path) in &self.secrets {
            if !needs.names().contains(name.as_str()) {
                let words = format!("--secret {name}: the configuration does not refer to a secret of that name");
                return Err(Error::new(Kind::Config, words));
            }
            let again = |(other, from): &&(String, PathBuf)| other == name || from == path && path.as_os_str() == "-";
            if self.secrets.iter().filter(again).count() > 1 {
                let words = format!("--secret {name}: given twice, or read from standard input with another");
                return Err(Error::new(Kind::Config, words));
            }
            given.insert(name.clone(), read(name, path)?);
        }
        Ok(Wanted { text, needs, given, prune: self.prune })
    }

    /// Where each store posts to; its key only if that was asked for, and is not one that only this look has drawn.
    fn urls(
        &self,
        wanted: &Wanted,
        gateway: Option<&Gateway>,
        found: &Found,
        difference: &Difference,
    ) -> BTreeMap<String, String> {
        let stage = found.door.as_ref().and_then(|door| Some(gateway?.url(&door.stage)));
        let Some(base) = self.url.clone().or(stage) else { return BTreeMap::new() };
        let base = base.trim_end_matches('/');
        let one = |(id, door): (&ConnectionId, &puente::parties::Door)| {
            let mut url = format!("{base}/v1/connections/{id}/webhook");
            let shown = self.show_urls
                && !(self.dry_run && door.keys.first().is_some_and(|key| difference.drawn.contains(key)));
            if let Some(key) = door.keys.first().and_then(|key| difference.values.get(key)).filter(|_| shown) {
                let mut query = reqwest::Url::parse(&url).ok()?;
                query.query_pairs_mut().append_pair("key", key.expose());
                url = query.into();
            }
            Some((id.to_string(), url))
        };
        wanted.needs.doors.iter().filter_map(one).collect()
    }
}

/// The secrets as they will be.
struct Values(BTreeMap<Bundle, BTreeMap<String, SecretString>>);

impl Values {
    fn of(wanted: &Wanted, difference: &Difference) -> Self {
        let value = |name: &String| Some((name.clone(), difference.values.get(name)?.clone()));
        let bundles = wanted.needs.bundles.iter().map(|(bundle, names)| {
            let content: Content = names.iter().filter_map(value).collect();
            (bundle.clone(), apply::secrets(&content))
        });
        Self(bundles.collect())
    }
}

#[async_trait]
impl Secrets for Values {
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, SecretString>> {
        let content = self.0.get(bundle).cloned();
        content.ok_or_else(|| Error::new(Kind::Bug, format!("`{bundle}` was not looked for")))
    }
}

fn secret_file(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty());
    let (name, file) = parts.ok_or("write NAME=FILE, or NAME=- for standard input")?;
    Ok((name.to_owned(), file.into()))
}

fn read(name: &str, path: &PathBuf) -> Result<Secret> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    let told = |why: &str| Error::new(Kind::Config, format!("--secret {name}: {}: {why}", path.display()));
    read.map_err(|error| told("cannot be read as text").caused_by(error))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(told("is empty")),
        secret => Ok(Secret::new(secret)),
    }
}

/// Asks on the terminal.
fn confirmed() -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Kind::Refused, "nobody can be asked here: --yes applies, --dry-run only shows"));
    }
    output::ask("apply this? [y/N]");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Error::new(Kind::Unavailable, "cannot read the answer").caused_by(error))?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::new(Kind::Refused, "nothing was changed"))
}
