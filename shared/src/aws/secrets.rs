//! Secrets in AWS Secrets Manager, each as a plain string under its own name.
//!
//! What `puente` makes is tagged with the table of its stack. Only that is ever deleted: another stack's secrets, and those that
//! a person made, lie in the same drawer.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{
    Client,
    operation::{
        delete_secret::DeleteSecretError, describe_secret::DescribeSecretError, get_secret_value::GetSecretValueError,
    },
    types::Tag,
};
use secrecy::{ExposeSecret, SecretString};

use super::{OWNER, client::failed};
use crate::{Error, Kind, Result, ports::Secrets};

/// How long a deleted secret can be brought back, in days: the longest there is.
const RECOVERY: i64 = 30;

/// The secrets of the configuration: `{ secret = "name" }`.
#[derive(Clone)]
pub struct SecretsManager {
    client: Client,
    /// Of the stack.
    table: String,
}

impl SecretsManager {
    pub(super) fn new(sdk: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(sdk), table }
    }

    /// The secret of that name, if there is one.
    pub async fn find(&self, name: &str) -> Result<Option<SecretString>> {
        let answer = match self.client.get_secret_value().secret_id(name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let missing =
                    matches!(error.as_service_error(), Some(GetSecretValueError::ResourceNotFoundException(_)));
                let failed = || failed("cannot read a secret", &error).within(format!("secret `{name}`"));
                return if missing { Ok(None) } else { Err(failed()) };
            }
        };
        let text = answer.secret_string.filter(|text| !text.is_empty()).ok_or_else(|| {
            Error::new(Kind::Config, format!("the secret `{name}` in Secrets Manager is empty or binary, not text"))
        })?;
        Ok(Some(SecretString::from(text)))
    }

    /// Whether there is a secret of that name that this stack made and nobody deleted.
    pub async fn is_ours(&self, name: &str) -> Result<bool> {
        match self.client.describe_secret().secret_id(name).send().await {
            Ok(secret) => {
                let owned = |tag: &Tag| tag.key() == Some(OWNER) && tag.value() == Some(&self.table);
                Ok(secret.deleted_date.is_none() && secret.tags().iter().any(owned))
            }
            Err(error) => match error.as_service_error() {
                Some(DescribeSecretError::ResourceNotFoundException(_)) => Ok(false),
                _ => Err(failed("cannot look for a secret", &error).within(format!("secret `{name}`"))),
            },
        }
    }

    /// Makes a secret that is not there yet, for this stack.
    pub async fn create(&self, name: &str, value: &SecretString) -> Result<()> {
        let owner = Tag::builder().key(OWNER).value(&self.table).build();
        let create = self.client.create_secret().name(name).secret_string(value.expose_secret()).tags(owner);
        create
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("cannot make a secret", &error).within(format!("secret `{name}`")))
    }

    /// Gives a secret another value. The old one stays in Secrets Manager as its previous version.
    pub async fn change(&self, name: &str, value: &SecretString) -> Result<()> {
        let put = self.client.put_secret_value().secret_id(name).secret_string(value.expose_secret()).send().await;
        put.map(drop).map_err(|error| failed("cannot change a secret", &error).within(format!("secret `{name}`")))
    }

    /// Lets a secret be deleted in 30 days: until then `restore-secret` brings it back. One that is gone already is fine.
    pub async fn retire(&self, name: &str) -> Result<()> {
        match self.client.delete_secret().secret_id(name).recovery_window_in_days(RECOVERY).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteSecretError::ResourceNotFoundException(_)) => Ok(()),
                _ => Err(failed("cannot delete a secret", &error).within(format!("secret `{name}`"))),
            },
        }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn secret(&self, name: &str) -> Result<SecretString> {
        self.find(name).await?.ok_or_else(|| {
            Error::new(Kind::Config, format!("Secrets Manager has no secret `{name}`: create it, or correct the name"))
        })
    }
}
