//! Encryption of the accounts' tokens where they lie.
//!
//! XChaCha20-Poly1305 (RFC 8439 with a nonce of 24 bytes, which may be drawn by chance): <https://docs.rs/chacha20poly1305>. The
//! account's name is authenticated with it: what was moved to another account does not open.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Error, Kind, Result, domain::ids::AccountId};

/// What sealed content begins with: its form.
const FORM: u8 = 1;

const NONCE: usize = 24;

/// A key that tokens are sealed with.
#[derive(Clone)]
pub(crate) struct SealKey(XChaCha20Poly1305);

impl SealKey {
    /// The bytes of a key.
    pub(crate) const LEN: usize = 32;

    /// The key of these bytes; `None` if they are not [`LEN`](Self::LEN).
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        XChaCha20Poly1305::new_from_slice(bytes).ok().map(Self)
    }

    /// Encrypts the secret of an account.
    pub(crate) fn seal(&self, of: &AccountId, secret: &SecretString) -> Result<Vec<u8>> {
        let (nonce, name): ([u8; NONCE], _) = (rand::random(), of.to_string());
        let content = Payload { msg: secret.expose_secret().as_bytes(), aad: name.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), content);
        let sealed = sealed.map_err(|_| Error::new(Kind::Bug, format!("the token of {of} cannot be encrypted")))?;
        Ok([&[FORM], nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made; `None` if it was made with another key or for another account, or is damaged.
    pub(crate) fn open(&self, of: &AccountId, sealed: &[u8]) -> Option<SecretString> {
        let (form, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().filter(|_| *form == FORM)?;
        let name = of.to_string();
        let content = Payload { msg: sealed, aad: name.as_bytes() };
        let opened = self.0.decrypt(&XNonce::from(*nonce), content).ok()?;
        String::from_utf8(opened).ok().map(SecretString::from)
    }
}
