//! Secrets in AWS Secrets Manager, each as a plain string under its own name.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use secrecy::SecretString;

use super::client::failed;
use crate::{Error, Kind, Result, ports::Secrets};

/// The secrets of the configuration: `{ secret = "name" }`.
#[derive(Clone)]
pub struct SecretsManager(Client);

impl SecretsManager {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn secret(&self, name: &str) -> Result<SecretString> {
        let answer = self.0.get_secret_value().secret_id(name).send().await.map_err(|error| {
            let missing = matches!(error.as_service_error(), Some(GetSecretValueError::ResourceNotFoundException(_)));
            if missing {
                Error::new(
                    Kind::Config,
                    format!("Secrets Manager has no secret `{name}`: create it, or correct the name"),
                )
            } else {
                failed("cannot read a secret", &error).within(format!("secret `{name}`"))
            }
        })?;
        let text = answer.secret_string.filter(|text| !text.is_empty()).ok_or_else(|| {
            Error::new(Kind::Config, format!("the secret `{name}` in Secrets Manager is empty or binary, not text"))
        })?;
        Ok(SecretString::from(text))
    }
}
