//! The ports on AWS: one DynamoDB table, an SQS work queue with its dead-letter queue, Secrets Manager, and a
//! key of KMS where the stack has one.
//!
//! Invariant: every change of a record or a ledger is one conditional update that says in its own condition what it relies
//! on. Nothing is read, changed and written back, but rows of
//! goods and of shipments on the condition that they are still what was read (`row.rs`). In a function credentials and region come from the environment that Lambda
//! sets, and no other place is searched; [`Access::discovered`] searches as AWS's own tools do.

mod app;
mod batch;
mod body;
mod client;
mod cursors;
mod envelope;
mod expression;
mod facts;
#[cfg(feature = "publish")]
mod front_door;
mod goods;
mod head;
mod index;
mod item;
mod keys;
mod known;
mod ledger;
mod prices;
mod published;
mod queue;
mod records;
mod row;
mod secrets;
mod shipments;
mod signs;
mod table;
mod tokens;
mod write;

use std::sync::Arc;

use aws_config::{
    Region, SdkConfig,
    default_provider::credentials::DefaultCredentialsChain,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    imds::region::ImdsRegionProvider,
    meta::region::{ProvideRegion, RegionProviderChain},
    profile::ProfileFileRegionProvider,
    provider_config::ProviderConfig,
};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};

use self::envelope::Envelope;
#[cfg(feature = "publish")]
pub use self::front_door::{ApiKey, Gateway, Plan, Stage};
pub use self::{
    app::App,
    batch::{Batch, Record},
    body::{decode, encode},
    client::Patience,
    cursors::DynamoCursors,
    goods::DynamoGoods,
    known::DynamoKnown,
    ledger::DynamoAccounts,
    prices::DynamoPrices,
    published::Published,
    queue::SqsQueue,
    records::DynamoRecords,
    secrets::{SecretsManager, content},
    shipments::DynamoShipments,
    signs::DynamoSigns,
    tokens::DynamoTokens,
};
use crate::{Error, Kind, Result};

/// The tag with the table of the stack that a secret, an API key or a usage plan belongs to: several stacks share one account.
const OWNER: &str = "puente:table";

/// Everything of ours on AWS. Clients only; cheap to clone.
#[derive(Clone)]
pub struct Aws {
    /// The records of orders.
    pub records: Arc<DynamoRecords>,
    /// What is remembered of ERPs' articles and customers.
    pub known: Arc<DynamoKnown>,
    /// Positions and front doors.
    pub cursors: Arc<DynamoCursors>,
    /// The shelves.
    pub goods: Arc<DynamoGoods>,
    /// The price tags.
    pub prices: Arc<DynamoPrices>,
    /// The shipments.
    pub shipments: Arc<DynamoShipments>,
    /// The ledgers of accounts.
    pub accounts: Arc<DynamoAccounts>,
    /// Signs of life.
    pub signs: Arc<DynamoSigns>,
    /// The accounts' tokens.
    pub tokens: Arc<DynamoTokens>,
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
    /// What the names of the stack's secrets begin with.
    pub secrets: String,
    /// The key of KMS, by its ARN, that the accounts' tokens are encrypted with; without it they lie in the table as they are.
    pub token_key: Option<String>,
}

/// What the names of a stack's secrets begin with, unless it says otherwise.
const SECRETS: &str = "puente/";

/// Who calls, and where to.
#[derive(Clone)]
pub struct Access {
    credentials: SharedCredentialsProvider,
    region: Option<Region>,
    endpoint: Option<String>,
    patience: Patience,
}

impl Access {
    /// As Lambda says it: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_REGION`; and
    /// `AWS_ENDPOINT_URL`, where everything is at an emulator. No other place is searched.
    pub async fn from_env() -> Self {
        Self {
            credentials: SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
            region: EnvironmentVariableRegionProvider::new().region().await,
            endpoint: variable("AWS_ENDPOINT_URL").ok(),
            patience: Patience::AWS,
        }
    }

    /// As AWS's own tools find it, for servers and people's machines: the environment, a profile in `~/.aws`, a web identity
    /// (EKS), the container's credentials (ECS, EKS Pod Identity), the instance's role (EC2); the region likewise. Profiles
    /// that sign in through a browser (SSO) are not among them: `aws configure export-credentials` makes variables of them.
    /// And `AWS_ENDPOINT_URL`. <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
    pub async fn discovered() -> Result<Self> {
        let provider = ProviderConfig::default().with_http_client(client::http());
        let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(ImdsRegionProvider::builder().configure(&provider).build());
        let words = "no AWS region is known: set AWS_REGION, or `region` in the profile";
        let region = regions.region().await.ok_or_else(|| Error::new(Kind::Config, words))?;
        let chain = DefaultCredentialsChain::builder().configure(provider).region(region.clone()).build().await;
        Ok(Self {
            credentials: SharedCredentialsProvider::new(chain),
            region: Some(region),
            endpoint: variable("AWS_ENDPOINT_URL").ok(),
            patience: Patience::AWS,
        })
    }

    /// With these keys, in this region.
    #[must_use]
    pub fn with_keys(key: &str, secret: &str, region: &str) -> Self {
        Self {
            credentials: SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "puente")),
            region: Some(Region::new(region.to_owned())),
            endpoint: None,
            patience: Patience::AWS,
        }
    }

    /// All services at one address: an emulator.
    #[must_use]
    pub fn at(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// With other time-outs than [`Patience::AWS`]: an emulator on a busy machine takes longer.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// API Gateway's keys and usage plans, of the stack with this table. Makes no call.
    #[cfg(feature = "publish")]
    #[must_use]
    pub fn gateway(&self, table: &str) -> Gateway {
        Gateway::new(&self.sdk(), table.to_owned())
    }

    fn sdk(&self) -> SdkConfig {
        client::sdk(self.credentials.clone(), self.region.clone(), self.endpoint.clone(), self.patience)
    }
}

impl Place {
    /// `PUENTE_TABLE`, `PUENTE_QUEUE_URL`, `PUENTE_DEAD_QUEUE_URL`, `PUENTE_SECRET_PREFIX` and `PUENTE_TOKEN_KEY`, the last three as the
    /// stack has them. [`Kind::Config`] names the variable that is missing.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            table: variable("PUENTE_TABLE")?,
            queue: variable("PUENTE_QUEUE_URL")?,
            dead: variable("PUENTE_DEAD_QUEUE_URL").ok(),
            secrets: variable("PUENTE_SECRET_PREFIX").unwrap_or_else(|_| SECRETS.to_owned()),
            token_key: variable("PUENTE_TOKEN_KEY").ok(),
        })
    }
}

impl Aws {
    /// As the functions find it: [`Access::from_env`], and [`Place::from_env`] as `template.yaml` sets it. [`Kind::Config`] names the
    /// variable that is missing.
    pub async fn from_env() -> Result<Self> {
        Ok(Self::new(&Access::from_env().await, Place::from_env()?))
    }

    /// Our parts at `place`, called with `access`. Makes no call.
    #[must_use]
    pub fn new(access: &Access, place: Place) -> Self {
        let sdk = access.sdk();
        let secrets = SecretsManager::new(&sdk, place.secrets, place.table.clone());
        let envelope = Envelope::new(&sdk, place.token_key, place.table.clone());
        let table = table::Table::new(&sdk, place.table);
        Self {
            records: Arc::new(DynamoRecords::new(table.clone())),
            known: Arc::new(DynamoKnown::new(table.clone())),
            cursors: Arc::new(DynamoCursors::new(table.clone())),
            goods: Arc::new(DynamoGoods::new(table.clone())),
            prices: Arc::new(DynamoPrices::new(table.clone())),
            shipments: Arc::new(DynamoShipments::new(table.clone())),
            accounts: Arc::new(DynamoAccounts::new(table.clone())),
            signs: Arc::new(DynamoSigns::new(table.clone())),
            tokens: Arc::new(DynamoTokens::new(table.clone(), envelope)),
            queue: Arc::new(SqsQueue::new(&sdk, place.queue, place.dead)),
            secrets: Arc::new(secrets),
            published: Arc::new(Published::new(table)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "Lambda says in its environment where the stack's own parts are")]
fn variable(name: &str) -> Result<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::new(Kind::Config, format!("the environment has no {name}: it is an output of the stack")))
}
