//! Where the configuration and the data are, and opening both: a file and a directory on one machine, or the stack on AWS.
//!
//! Commands other than `serve` open the data beside a running `serve`: the file allows several processes, and AWS more so.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use puente::{
    Error, Kind, Result,
    aws::{self, Access, App, Aws},
    domain::ids::{ConnectionId, ErpId},
    embedded::{Embedded, Options},
    flow::{Puente, signs::Signs, tell::Tell},
    outbound::Client,
    parties::Settings,
    ports::{Bundle, Secrets, SystemChance, SystemClock},
};
use secrecy::SecretString;

/// On one machine there is no secret store: secrets are in the environment or in files.
struct NoSecretStore;

#[async_trait]
impl Secrets for NoSecretStore {
    async fn secrets(&self, _: &Bundle) -> Result<BTreeMap<String, SecretString>> {
        let words = "{ secret = \"name\" } is for AWS; on one machine write { env = \"NAME\" } or { file = \"path\" }";
        Err(Error::new(Kind::Config, words))
    }
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "puente.toml")]
    pub(crate) config: PathBuf,
}

/// What holds the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// One directory on this machine.
    Embedded,
    /// The stack on AWS.
    Aws,
}

/// Where the configuration and the data are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Location {
    /// What holds the data. `aws` takes the table, the queues, the published configuration and the key for tokens of the stack that
    /// `PUENTE_TABLE`, `PUENTE_QUEUE_URL`, `PUENTE_DEAD_QUEUE_URL`, `PUENTE_SECRET_PREFIX` and `PUENTE_TOKEN_KEY` name; region and
    /// credentials are found as AWS's own tools find them. `--config` and `--data` are then ignored.
    #[arg(long, value_enum, env = "PUENTE_BACKEND", default_value = "embedded")]
    pub(crate) backend: Backend,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The directory with the data of `puente serve`.
    #[arg(long, value_name = "DIR", default_value = "puente-data")]
    pub(crate) data: PathBuf,
}

impl ConfigFile {
    /// The text of the file.
    pub(crate) fn text(&self) -> Result<String> {
        let told = |error: std::io::Error| {
            let what = if error.kind() == std::io::ErrorKind::NotFound {
                "there is no such file; `puente config example > puente.toml` writes one to start from"
            } else {
                "cannot read it"
            };
            Error::new(Kind::Config, format!("{}: {what}", self.config.display())).caused_by(error)
        };
        fs::read_to_string(&self.config).map_err(told)
    }

    /// The settings; secrets are fetched when first needed.
    pub(crate) fn settings(&self) -> Result<Settings> {
        Settings::parse(&self.text()?, &self.config.display().to_string(), Arc::new(NoSecretStore))
    }

    /// The `kind` of each store, by connection.
    pub(crate) fn store_kinds(&self) -> Result<BTreeMap<String, String>> {
        let text = self.text()?;
        let root: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Error::new(Kind::Config, format!("{}: {}", self.config.display(), error.message()))
        })?;
        let all = root.get("connection").and_then(toml::Value::as_table);
        let kind = |(name, connection): (&String, &toml::Value)| {
            let kind = connection.get("store")?.get("kind")?.as_str()?;
            Some((name.clone(), kind.to_owned()))
        };
        Ok(all.into_iter().flatten().filter_map(kind).collect())
    }
}

impl Location {
    /// Everything the flows need, on data that is there already.
    pub(crate) async fn open(&self) -> Result<Puente> {
        match self.backend {
            Backend::Embedded => puente(self.file.settings()?, &self.data()?),
            Backend::Aws => aws().await?.puente().await,
        }
    }

    /// The same with every part of the configuration checked, `ask`'s own question last; the data may begin here, if all is well.
    pub(crate) async fn begin(&self, ask: impl AsyncFnOnce(&Settings) -> Result<()>) -> Result<Puente> {
        match self.backend {
            Backend::Embedded => {
                let settings = self.file.settings()?;
                settings.check().await?;
                ask(&settings).await?;
                puente(settings, &self.beside()?)
            }
            Backend::Aws => {
                let puente = aws().await?.puente().await?;
                puente.settings.check().await?;
                ask(&puente.settings).await?;
                Ok(puente)
            }
        }
    }

    /// The data, which must be there: a mistyped directory is not an empty one.
    fn data(&self) -> Result<Embedded> {
        if !self.data.join("puente.db").exists() {
            let words = format!(
                "there is no data in {}: give --data the directory that `puente serve` was given",
                self.data.display()
            );
            return Err(Error::new(Kind::Config, words));
        }
        self.beside()
    }

    /// The data, beside whoever serves from there: an older file is left as it is.
    fn beside(&self) -> Result<Embedded> {
        Embedded::open_with(&self.data, Options { migrate: false, ..Options::default() })
    }
}

/// The stack on AWS that the environment names.
pub(crate) async fn aws() -> Result<App> {
    App::new(Aws::new(&Access::discovered().await?, aws::Place::from_env()?), Tell::default())
}

/// Everything the flows need, on one machine.
pub(crate) fn puente(settings: Settings, data: &Embedded) -> Result<Puente> {
    Ok(Puente {
        settings: Arc::new(settings),
        records: Arc::new(data.clone()),
        known: Arc::new(data.clone()),
        cursors: Arc::new(data.clone()),
        doors: Arc::new(data.clone()),
        goods: Arc::new(data.clone()),
        prices: Arc::new(data.clone()),
        shipments: Arc::new(data.clone()),
        accounts: Arc::new(data.clone()),
        signs: Signs::new(Arc::new(data.clone())),
        tokens: Arc::new(data.clone()),
        queue: Arc::new(data.clone()),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        client: Client::new()?,
        tell: Tell::default(),
    })
}

/// The connections asked for: the one named, which must exist, or all.
pub(crate) fn connections(settings: &Settings, one: Option<&ConnectionId>) -> Result<Vec<ConnectionId>> {
    named(settings.connections(), one, "connection")
}

/// The connections asked for of which `takes_part` says no error: its error for the one named; `nobody` where it is none of them.
pub(crate) fn connections_that<T>(
    settings: &Settings,
    one: Option<&ConnectionId>,
    takes_part: impl Fn(&ConnectionId) -> Result<T>,
    nobody: &'static str,
) -> Result<Vec<ConnectionId>> {
    let mut all = connections(settings, one)?;
    match one {
        Some(one) => drop(takes_part(one)?),
        None => all.retain(|connection| takes_part(connection).is_ok()),
    }
    if all.is_empty() { Err(Error::new(Kind::NotFound, nobody)) } else { Ok(all) }
}

/// The ERP accounts asked for: the one named, which must exist, or all.
pub(crate) fn accounts(settings: &Settings, one: Option<&ErpId>) -> Result<Vec<ErpId>> {
    named(settings.accounts(), one, "ERP")
}

fn named<I: PartialEq + Clone + std::fmt::Display>(all: Vec<I>, one: Option<&I>, what: &str) -> Result<Vec<I>> {
    match one {
        None => Ok(all),
        Some(one) if all.contains(one) => Ok(vec![one.clone()]),
        Some(one) => {
            let known = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let words = format!("there is no {what} `{one}` in the configuration (there is: {known})");
            Err(Error::new(Kind::NotFound, words))
        }
    }
}
