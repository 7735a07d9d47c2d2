//! What outlives an invocation of a function, or a round of a server: clients, made once, and the published configuration,
//! read again when it is five minutes old.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Aws;
use crate::{
    Error, Kind, Result,
    domain::event::Event,
    flow::{Puente, signs::Signs, tell::Tell},
    outbound::Client,
    parties::Settings,
    ports::{Clock, SystemChance, SystemClock},
};

/// How old the configuration may be. Secrets are fetched again with it.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How soon reading it is tried again where it failed and an older one serves on.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How often it is read before its time, because somebody shows what it does not know.
const EARLY: SignedDuration = SignedDuration::from_mins(1);

/// Clients and the configuration, shared by everything a process does.
pub struct App {
    aws: Aws,
    client: Client,
    signs: Signs,
    tell: Tell,
    clock: Arc<dyn Clock>,
    loaded: Mutex<Option<Loaded>>,
}

/// The settings, when they were read, and until when they are fresh.
struct Loaded {
    settings: Arc<Settings>,
    read: Timestamp,
    until: Timestamp,
}

impl App {
    /// As the environment says, see [`Aws::from_env`]. The connection to the table is warm when this returns.
    pub async fn from_env(tell: Tell) -> Result<Self> {
        let app = Self::new(Aws::from_env().await?, tell)?;
        if let Err(error) = app.puente().await {
            // No reason to end: each invocation says so again, and it works as soon as a configuration is published.
            app.tell.of(&Event::ConfigUnusable { error: &error });
        }
        Ok(app)
    }

    /// On these adapters; what happens is told to `tell`.
    pub fn new(aws: Aws, tell: Tell) -> Result<Self> {
        Self::with_clock(aws, tell, Arc::new(SystemClock))
    }

    /// The same, by this clock.
    pub fn with_clock(aws: Aws, tell: Tell, clock: Arc<dyn Clock>) -> Result<Self> {
        let signs = Signs::new(aws.signs.clone());
        Ok(Self { aws, client: Client::new()?, signs, tell, clock, loaded: Mutex::new(None) })
    }

    /// The adapters.
    #[must_use]
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Where what happens is told.
    #[must_use]
    pub fn tell(&self) -> &Tell {
        &self.tell
    }

    /// Everything the flows work with.
    pub async fn puente(&self) -> Result<Puente> {
        Ok(Puente {
            settings: self.settings().await?,
            records: self.aws.records.clone(),
            known: self.aws.known.clone(),
            cursors: self.aws.cursors.clone(),
            doors: self.aws.cursors.clone(),
            goods: self.aws.goods.clone(),
            prices: self.aws.prices.clone(),
            shipments: self.aws.shipments.clone(),
            accounts: self.aws.accounts.clone(),
            signs: self.signs.clone(),
            tokens: self.aws.tokens.clone(),
            queue: self.aws.queue.clone(),
            clock: self.clock.clone(),
            chance: Arc::new(SystemChance),
            client: self.client.clone(),
            tell: self.tell.clone(),
        })
    }

    /// Somebody shows a key or a signature that the configuration does not know: perhaps it has changed. Whether it was read
    /// again, which strangers can bring about once a minute and no oftener.
    pub async fn look_again(&self) -> bool {
        let now = self.clock.now();
        match &mut *self.loaded.lock().await {
            Some(known) if now >= known.read + EARLY => {
                // Also where reading fails: the next try is a minute from now.
                (known.read, known.until) = (now, now);
            }
            _ => return false,
        }
        self.settings().await.is_ok()
    }

    async fn settings(&self) -> Result<Arc<Settings>> {
        let mut loaded = self.loaded.lock().await;
        let now = self.clock.now();
        if let Some(known) = &*loaded
            && now < known.until
        {
            return Ok(known.settings.clone());
        }
        match (self.read().await, &mut *loaded) {
            (Ok(settings), loaded) => {
                let settings = Arc::new(settings);
                *loaded = Some(Loaded { settings: settings.clone(), read: now, until: now + FRESH });
                Ok(settings)
            }
            // An order must not wait for a table that is slow to say what it said five minutes ago.
            (Err(error), Some(known)) => {
                self.tell.of(&Event::ConfigStale { error: &error });
                known.until = now + AGAIN;
                Ok(known.settings.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read(&self) -> Result<Settings> {
        let unpublished = || {
            Error::new(
                Kind::Config,
                "no configuration is published: `puente connections apply` publishes your puente.toml",
            )
        };
        let text = self.aws.published.config().await?.ok_or_else(unpublished)?;
        let settings = Settings::parse(&text, "puente.toml", self.aws.secrets.clone())?;
        let keyless: Vec<String> = settings.keyless().iter().map(ToString::to_string).collect();
        if keyless.is_empty() {
            return Ok(settings);
        }
        let names = keyless.join(", ");
        Err(Error::new(
            Kind::Config,
            format!("puente.toml: on AWS every connection needs a `key`; without one: {names}"),
        ))
    }
}
