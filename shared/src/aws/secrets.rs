//! Secrets in AWS Secrets Manager: each [`Bundle`] is one secret, a JSON object of names and texts.
//!
//! Its name is the bundle's with the stack's prefix in front, such as `puente/edge/acme`: by these names the roles of the functions
//! say who may read what. What `puente` makes is tagged with the table of its stack. Only that is ever deleted: another stack's
//! secrets, and those that a person made, lie in the same drawer.

use std::collections::BTreeMap;

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
use crate::{
    Error, Kind, Result,
    ports::{Bundle, Secrets},
};

/// How long a deleted secret can be brought back, in days: the longest there is.
const RECOVERY: i64 = 30;

/// The secrets of the configuration: `{ secret = "name" }`.
#[derive(Clone)]
pub struct SecretsManager {
    client: Client,
    /// What the names of all bundles begin with.
    prefix: String,
    /// Of the stack.
    table: String,
}

impl SecretsManager {
    pub(super) fn new(sdk: &SdkConfig, prefix: String, table: String) -> Self {
        Self { client: Client::new(sdk), prefix, table }
    }

    /// The name of a bundle in Secrets Manager.
    #[must_use]
    pub fn name_of(&self, bundle: &Bundle) -> String {
        format!("{}{bundle}", self.prefix)
    }

    /// Whether a name is one of the stack's secrets, if there is such a secret.
    #[must_use]
    pub fn is_own_name(&self, name: &str) -> bool {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        name.starts_with(&self.prefix) && name.len() <= 512 && name.bytes().all(good)
    }

    /// The text of the secret of that name, if there is one.
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

    /// Makes a bundle that is not there yet, for this stack.
    pub async fn create(&self, bundle: &Bundle, content: &BTreeMap<String, SecretString>) -> Result<()> {
        let (name, text) = (self.name_of(bundle), written(content)?);
        let owner = Tag::builder().key(OWNER).value(&self.table).build();
        let create = self.client.create_secret().name(&name).secret_string(text.expose_secret()).tags(owner);
        let made = create.send().await;
        made.map(drop).map_err(|error| failed("cannot make a secret", &error).within(format!("secret `{name}`")))
    }

    /// Gives a bundle another content. The old one stays in Secrets Manager as its previous version.
    pub async fn change(&self, bundle: &Bundle, content: &BTreeMap<String, SecretString>) -> Result<()> {
        let (name, text) = (self.name_of(bundle), written(content)?);
        let put = self.client.put_secret_value().secret_id(&name).secret_string(text.expose_secret()).send().await;
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

/// What the text of a bundle says; `None` if it is no JSON object of texts.
#[must_use]
pub fn content(text: &SecretString) -> Option<BTreeMap<String, SecretString>> {
    serde_json::from_str(text.expose_secret()).ok()
}

fn written(content: &BTreeMap<String, SecretString>) -> Result<SecretString> {
    let plain: BTreeMap<_, _> = content.iter().map(|(name, secret)| (name, secret.expose_secret())).collect();
    let text = serde_json::to_string(&plain);
    text.map(SecretString::from).map_err(|_| Error::new(Kind::Bug, "secrets cannot be written as JSON"))
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, SecretString>> {
        let name = self.name_of(bundle);
        let text = self.find(&name).await?.ok_or_else(|| {
            let words = format!("Secrets Manager has no secret `{name}`: `puente connections apply` makes it");
            Error::new(Kind::Config, words)
        })?;
        content(&text).ok_or_else(|| {
            let words = format!(
                "the secret `{name}` is not a JSON object of names and texts, as `puente connections apply` writes it"
            );
            Error::new(Kind::Config, words)
        })
    }
}
