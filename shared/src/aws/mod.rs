//! The ports on AWS: one DynamoDB table, an SQS work queue with its dead-letter queue, Secrets Manager.
//!
//! Invariant: every change of a record or a ledger is one conditional update that says in its own condition what it relies
//! on. Nothing is read, changed and written back. Credentials and region come from the environment that Lambda sets, or
//! from the caller: no other place is searched.

mod app;
mod body;
mod client;
mod expression;
mod facts;
mod head;
mod index;
mod item;
mod ledger;
mod published;
mod queue;
mod records;
mod secrets;
mod table;
mod write;

use std::sync::Arc;

use aws_config::{
    Region, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::region::ProvideRegion,
};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};

pub use self::{
    app::App,
    body::{decode, encode},
    ledger::DynamoAccounts,
    published::Published,
    queue::SqsQueue,
    records::DynamoRecords,
    secrets::SecretsManager,
};
use crate::{Error, Kind, Result};

/// Everything of ours on AWS. Clients only; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    /// The records of orders.
    pub records: Arc<DynamoRecords>,
    /// The ledgers of ERP accounts.
    pub accounts: Arc<DynamoAccounts>,
    /// The work queue and its dead-letter queue.
    pub queue: Arc<SqsQueue>,
    /// The secrets.
    pub secrets: Arc<SecretsManager>,
    /// The published configuration.
    pub published: Arc<Published>,
}

/// Where our parts on AWS are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name of the table.
    pub table: String,
    /// The URL of the work queue.
    pub queue: String,
    /// The URL of the dead-letter queue; without it nothing can be buried, listed or redriven.
    pub dead: Option<String>,
}

/// Who calls, and where to.
#[derive(Clone)]
pub struct Access {
    credentials: SharedCredentialsProvider,
    region: Option<Region>,
    endpoint: Option<String>,
}

impl Access {
    /// As Lambda says it: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_REGION`; and
    /// `AWS_ENDPOINT_URL`, where everything is at an emulator. No other place is searched.
    pub async fn from_env() -> Self {
        Self {
            credentials: SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
            region: EnvironmentVariableRegionProvider::new().region().await,
            endpoint: variable("AWS_ENDPOINT_URL").ok(),
        }
    }

    /// With these keys, in this region.
    #[must_use]
    pub fn with_keys(key: &str, secret: &str, region: &str) -> Self {
        Self {
            credentials: SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "puente")),
            region: Some(Region::new(region.to_owned())),
            endpoint: None,
        }
    }

    /// All services at one address: an emulator.
    #[must_use]
    pub fn at(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    fn sdk(&self) -> SdkConfig {
        client::sdk(self.credentials.clone(), self.region.clone(), self.endpoint.clone())
    }
}

impl Aws {
    /// As the functions find it: [`Access::from_env`], and `PUENTE_TABLE`, `PUENTE_QUEUE_URL` and `PUENTE_DEAD_QUEUE_URL` as
    /// `template.yaml` sets them. [`Kind::Config`] names the variable that is missing.
    pub async fn from_env() -> Result<Self> {
        let place = Place {
            table: variable("PUENTE_TABLE")?,
            queue: variable("PUENTE_QUEUE_URL")?,
            dead: variable("PUENTE_DEAD_QUEUE_URL").ok(),
        };
        Ok(Self::new(&Access::from_env().await, place))
    }

    /// Our parts at `place`, called with `access`. Makes no call.
    #[must_use]
    pub fn new(access: &Access, place: Place) -> Self {
        let sdk = access.sdk();
        let table = table::Table::new(&sdk, place.table);
        Self {
            records: Arc::new(DynamoRecords::new(table.clone())),
            accounts: Arc::new(DynamoAccounts::new(table.clone())),
            queue: Arc::new(SqsQueue::new(&sdk, place.queue, place.dead)),
            secrets: Arc::new(SecretsManager::new(&sdk)),
            published: Arc::new(Published::new(table)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "Lambda says in its environment where the stack's own parts are")]
fn variable(name: &str) -> Result<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::new(Kind::Config, format!("the environment has no {name}: template.yaml sets it")))
}
