//! Envelope encryption of the accounts' tokens with a key of KMS: a token is sealed with a data key of its own, and lies beside that
//! data key as KMS encrypted it. Whoever may read the table and may not use the key reads no token that was written so.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-cryptography.html#enveloping>. The table and the account are the encryption
//! context, which the audit log of AWS shows and the roles are confined to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use aws_config::SdkConfig;
use aws_sdk_kms::{Client, operation::decrypt::DecryptError, primitives::Blob, types::DataKeySpec};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::client::failed;
use crate::{Error, Kind, Result, domain::ids::AccountId, ports::sign_in, seal::SealKey};

/// The names of the encryption context.
const TABLE: &str = "puente:table";
const ACCOUNT: &str = "puente:account";

/// The stack's way to seal tokens and to open them.
#[derive(Clone)]
pub(super) struct Envelope(Arc<Inner>);

struct Inner {
    sdk: SdkConfig,
    /// Made when it is first needed: most functions need no token.
    client: OnceLock<Client>,
    /// The key of KMS that new tokens are sealed with, if the stack has one.
    key: Option<String>,
    table: String,
    /// The data key of each account as it was opened last: KMS is asked once for each version of a token, not for each reading.
    opened: Mutex<HashMap<AccountId, (Vec<u8>, SealKey)>>,
}

/// A token as it lies in the table.
pub(super) struct Sealed {
    /// The token, sealed with the data key.
    pub(super) content: Vec<u8>,
    /// The data key, encrypted by KMS.
    pub(super) data_key: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(sdk: &SdkConfig, key: Option<String>, table: String) -> Self {
        let (client, opened) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { sdk: sdk.clone(), client, key, table, opened }))
    }

    /// Whether the stack has a key for new tokens.
    pub(super) fn seals(&self) -> bool {
        self.0.key.is_some()
    }

    /// Seals a token; `None` where the stack has no key for it.
    pub(super) async fn seal(&self, of: &AccountId, secret: &SecretString) -> Result<Option<Sealed>> {
        let Some(key) = &self.0.key else { return Ok(None) };
        let made = self.client().generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256);
        let made =
            made.encryption_context(TABLE, &self.0.table).encryption_context(ACCOUNT, of.to_string()).send().await;
        let made = made
            .map_err(|error| failed("cannot encrypt a token with the KMS key that PUENTE_TOKEN_KEY names", &error))?;
        let seal = made.plaintext.and_then(seal_key);
        let (Some(seal), Some(data_key)) = (seal, made.ciphertext_blob) else {
            return Err(Error::new(Kind::Unavailable, "KMS made no data key"));
        };
        let sealed = Sealed { content: seal.seal(of, secret)?, data_key: data_key.into_inner() };
        self.remember(of, &sealed.data_key, seal);
        Ok(Some(sealed))
    }

    /// Opens what [`seal`](Self::seal) made; `None` if it is damaged, or another account's.
    pub(super) async fn open(&self, of: &AccountId, sealed: &Sealed) -> Result<Option<SecretString>> {
        let Some(seal) = self.data_key(of, &sealed.data_key).await? else { return Ok(None) };
        Ok(seal.open(of, &sealed.content))
    }

    async fn data_key(&self, of: &AccountId, encrypted: &[u8]) -> Result<Option<SealKey>> {
        if let Some(seal) = self.remembered(of, encrypted) {
            return Ok(Some(seal));
        }
        let opened = self.client().decrypt().ciphertext_blob(Blob::new(encrypted));
        let opened = opened.encryption_context(TABLE, &self.0.table).encryption_context(ACCOUNT, of.to_string());
        let opened = match opened.send().await {
            Ok(opened) => opened,
            Err(error) => {
                // What KMS never made, or made for another account or table.
                let foreign = matches!(error.as_service_error(), Some(DecryptError::InvalidCiphertextException(_)));
                if foreign {
                    return Ok(None);
                }
                let failed = failed("cannot decrypt a token with the KMS key it was encrypted with", &error);
                return Err(match error.as_service_error() {
                    Some(_) => failed.within(format!("give the stack this key back as TokenKey, or {}", sign_in(of))),
                    None => failed,
                });
            }
        };
        let seal = opened.plaintext.and_then(seal_key);
        if let Some(seal) = &seal {
            self.remember(of, encrypted, seal.clone());
        }
        Ok(seal)
    }

    fn remembered(&self, of: &AccountId, encrypted: &[u8]) -> Option<SealKey> {
        let opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(of).filter(|(as_kept, _)| as_kept == encrypted).map(|(_, seal)| seal.clone())
    }

    fn remember(&self, of: &AccountId, encrypted: &[u8], seal: SealKey) {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(of.clone(), (encrypted.to_vec(), seal));
    }

    fn client(&self) -> &Client {
        self.0.client.get_or_init(|| Client::new(&self.0.sdk))
    }
}

/// The bytes are wiped once the key is made of them.
fn seal_key(plain: Blob) -> Option<SealKey> {
    SealKey::new(SecretSlice::<u8>::from(plain.into_inner()).expose_secret())
}
