//! The key that the accounts' tokens are sealed with: in a file of its own, so that a copy of the database opens no account.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::{Error, Kind, Result, domain::ids::AccountId, ports::sign_in, seal::SealKey};

/// The name of the key's file, beside the database.
pub(super) const FILE: &str = "token.key";

/// The key's file of the database `file`.
pub(super) fn beside(file: &Path) -> PathBuf {
    file.with_file_name(FILE)
}

/// Encrypts `secret`. The key is made, if there is none.
pub(super) fn seal(key: &Path, of: &AccountId, secret: &SecretString) -> Result<Vec<u8>> {
    let sealing = match read(key)? {
        Some(sealing) => sealing,
        None => make(key)?,
    };
    sealing.seal(of, secret)
}

/// Decrypts what [`seal`] made.
pub(super) fn open(key: &Path, of: &AccountId, sealed: &[u8]) -> Result<SecretString> {
    let opened = read(key)?.and_then(|key| key.open(of, sealed));
    opened.ok_or_else(|| {
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
fn read(file: &Path) -> Result<Option<SealKey>> {
    let bytes: SecretSlice<u8> = match fs::read(file) {
        Ok(bytes) => bytes.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(file, "cannot be read", error)),
    };
    let key = SealKey::new(bytes.expose_secret()).ok_or_else(|| {
        let words = format!(
            "{} is not a key of {} bytes: put the right one back, or delete it and sign in to every store again \
             (`puente connections authorize NAME`)",
            file.display(),
            SealKey::LEN
        );
        Error::new(Kind::Config, words)
    })?;
    Ok(Some(key))
}

/// Makes a key. Of several processes that make one at once, one wins: the file appears whole, or not at all.
fn make(file: &Path) -> Result<SealKey> {
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

fn write(file: &Path, key: &[u8; SealKey::LEN]) -> io::Result<()> {
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
