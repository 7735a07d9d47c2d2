//! Encryption of the accounts' tokens: with a key in a file of its own, so that a copy of the database opens no account.
//!
//! XChaCha20-Poly1305 (RFC 8439 with a nonce of 24 bytes, which may be drawn by chance): <https://docs.rs/chacha20poly1305>. The
//! account's name is authenticated with it: a row that was moved to another account does not open.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::{Error, Kind, Result, domain::ids::AccountId, ports::sign_in};

/// The name of the key's file, beside the database.
pub(super) const FILE: &str = "token.key";

/// What sealed content begins with: its form.
const FORM: u8 = 1;

const KEY: usize = 32;
const NONCE: usize = 24;

/// The key's file of the database `file`.
pub(super) fn beside(file: &Path) -> PathBuf {
    file.with_file_name(FILE)
}

/// Encrypts `secret`. The key is made, if there is none.
pub(super) fn seal(key: &Path, of: &AccountId, secret: &SecretString) -> Result<Vec<u8>> {
    let cipher = match read(key)? {
        Some(cipher) => cipher,
        None => make(key)?,
    };
    let (nonce, name): ([u8; NONCE], _) = (rand::random(), of.to_string());
    let content = Payload { msg: secret.expose_secret().as_bytes(), aad: name.as_bytes() };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), content)
        .map_err(|_| Error::new(Kind::Bug, format!("the token of {of} cannot be encrypted")))?;
    Ok([&[FORM], nonce.as_slice(), &sealed].concat())
}

/// Decrypts what [`seal`] made.
pub(super) fn open(key: &Path, of: &AccountId, sealed: &[u8]) -> Result<SecretString> {
    let cipher = read(key)?;
    let opened = || {
        let (form, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().filter(|_| *form == FORM)?;
        let name = of.to_string();
        let content = Payload { msg: sealed, aad: name.as_bytes() };
        String::from_utf8(cipher?.decrypt(&XNonce::from(*nonce), content).ok()?).ok()
    };
    opened().map(SecretString::from).ok_or_else(|| {
        let words = format!(
            "the token of {of} does not open with the key in {}: it was written with another key, or damaged. Put the key it was \
             written with back, or {}",
            key.display(),
            sign_in(of)
        );
        Error::new(Kind::Config, words)
    })
}

/// The key in the file; `None` if there is no file.
fn read(file: &Path) -> Result<Option<XChaCha20Poly1305>> {
    let bytes: SecretSlice<u8> = match fs::read(file) {
        Ok(bytes) => bytes.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(file, "cannot be read", error)),
    };
    let key = <[u8; KEY]>::try_from(bytes.expose_secret());
    let key = key.map_err(|_| {
        let words = format!(
            "{} is not a key of {KEY} bytes: put the right one back, or delete it and sign in to every store again \
             (`puente connections authorize NAME`)",
            file.display()
        );
        Error::new(Kind::Config, words)
    })?;
    Ok(Some(XChaCha20Poly1305::new(&Key::from(key))))
}

/// Makes a key. Of several processes that make one at once, one wins: the file appears whole, or not at all.
fn make(file: &Path) -> Result<XChaCha20Poly1305> {
    let made = || {
        let dir = file.parent().unwrap_or(Path::new("."));
        let new = dir.join(format!("{FILE}.{:016x}", rand::random::<u64>()));
        let written = write(&new, &rand::random()).and_then(|()| match fs::hard_link(&new, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        fs::remove_file(&new)?;
        written?;
        // The name must survive a power cut as well as what is encrypted under it.
        fs::File::open(dir)?.sync_all()
    };
    made().map_err(|error| refused(file, "cannot be made", error))?;
    read(file)?.ok_or_else(|| Error::new(Kind::Unavailable, format!("{} is gone again", file.display())))
}

fn write(file: &Path, key: &[u8; KEY]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(file)?;
    io::Write::write_all(&mut open, key)?;
    open.sync_all()
}

fn refused(file: &Path, what: &str, cause: io::Error) -> Error {
    let words = format!("the key that tokens are encrypted with {what}: {}", file.display());
    Error::new(Kind::Config, words).caused_by(cause)
}
