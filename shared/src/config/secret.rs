//! Secrets of the configuration: referred to in the file, fetched from elsewhere, never shown.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    Error, Kind, Result,
    ports::{Bundle, Secrets},
};

/// How a secret is written, said to whom wrote it otherwise.
pub(super) const HOW: &str = "a secret is not written into the file: write { env = \"NAME\" }, { file = \"path\" } or \
                              { secret = \"name in the secret store\" }";

/// The key of a secret that was fetched. No field of any connector has this name, so only a [`Secret`] can be read from it.
pub(super) const MARK: &str = "\u{1}secret";

/// A secret of the configuration, already fetched: `{ env = "NAME" }`, `{ file = "path" }` or `{ secret = "name" }`.
/// Written out in the file itself it is refused.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Where a secret is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An environment variable.
    Env(String),
    /// A file, seen from the directory of the configuration; a newline at its end is not part of the secret.
    File(String),
    /// The secret store.
    Named(String),
    /// Written out: only in tests and examples.
    Literal(String),
}

/// Where secrets are fetched.
pub(crate) struct Vault {
    /// For `{ secret = ".." }`.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Where the configuration file is: paths in it are seen from there.
    home: PathBuf,
}

impl Vault {
    /// The directory that paths in `file` are seen from.
    pub(crate) fn of(file: &str, secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, home: Path::new(file).parent().map(Path::to_owned).unwrap_or_default() }
    }
}

impl Secret {
    /// A secret from text: for tests, and for adapters that fetched it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret that an environment variable holds; `None` if it is not set, or empty.
    #[must_use]
    pub fn of_environment(name: &str) -> Option<Self> {
        environment(name).filter(|text| !text.is_empty()).map(Self::new)
    }

    /// The secret that a file holds; a newline at its end is not part of it. The error says which file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| unread(path, cause))?;
        Ok(Self::new(text.trim_end_matches(['\r', '\n'])))
    }

    /// The secret itself. Keep it as short as you can.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The fewest characters of a key or a signature's secret of ours: shorter ones can be tried out. What vendors make has 32 and
    /// more (Shopify's client secret, Standard Webhooks), `openssl rand -hex 16` makes as many.
    pub const LEAST: usize = 16;

    /// Why it cannot be a key or a signature's secret; `None` if it is long enough.
    #[must_use]
    pub fn too_short(&self) -> Option<String> {
        let short = self.expose().chars().count() < Self::LEAST;
        short.then(|| format!("is shorter than {} characters: `openssl rand -hex 16` makes a good one", Self::LEAST))
    }

    /// Whether `text` is this secret, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        use sha2::{Digest as _, Sha256};
        // Digests have one length, so that the secret's own length does not show either.
        let (ours, theirs) = (Sha256::digest(self.expose()), Sha256::digest(text));
        subtle::ConstantTimeEq::ct_eq(ours.as_slice(), theirs.as_slice()).into()
    }

    /// Which of `secrets` `text` is. All are compared: the time taken does not say which one it was.
    #[must_use]
    pub fn which<'a>(secrets: &'a [Self], text: &str) -> Option<&'a Self> {
        secrets.iter().fold(None, |found, secret| if secret.is(text) { Some(secret) } else { found })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fetched)
    }
}

/// Reads a secret that was fetched, and nothing else. The refused value is never quoted.
struct Fetched;

impl<'de> Visitor<'de> for Fetched {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as { env = \"NAME\" }, { file = \"path\" } or { secret = \"name in the secret store\" }")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(HOW))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(HOW))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(HOW))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut secret = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == MARK {
                secret = Some(Secret::new(map.next_value::<String>()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        secret.ok_or_else(|| A::Error::custom(HOW))
    }
}

/// The `key` of a connection: one secret, or a list of two while it is being changed, the new one first.
#[derive(Default)]
pub(crate) struct Keys(pub(crate) Vec<Secret>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrTwo;
        impl<'de> Visitor<'de> for OneOrTwo {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Fetched.expecting(f)?;
                f.write_str(", or a list of two of these while the key is being changed")
            }

            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Keys, E> {
                Err(E::custom(HOW))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keys, A::Error> {
                Fetched.visit_map(map).map(|key| Keys(vec![key]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = list.next_element()? {
                    keys.push(key);
                }
                match keys.len() {
                    1 | 2 => Ok(Keys(keys)),
                    _ => {
                        Err(A::Error::custom("a list of keys has two while the key is being changed: the new, the old"))
                    }
                }
            }
        }
        deserializer.deserialize_any(OneOrTwo)
    }
}

impl Source {
    /// The source that `{ key = "text" }` refers to.
    pub(super) fn of(key: &str, text: &str) -> Option<Self> {
        let text = text.to_owned();
        match key {
            "env" => Some(Self::Env(text)),
            "file" => Some(Self::File(text)),
            "secret" => Some(Self::Named(text)),
            "literal" => Some(Self::Literal(text)),
            _ => None,
        }
    }

    /// The name in the reference.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Env(name) | Self::File(name) | Self::Named(name) | Self::Literal(name) => name,
        }
    }

    /// Fetches the secret. The error says what is missing, never what was found.
    pub(super) async fn fetch(&self, opened: &mut Opened<'_>) -> Result<String> {
        let missing = |words: String| Error::new(Kind::Config, words);
        let text = match self {
            Self::Env(name) => environment(name)
                .ok_or_else(|| missing(format!("the environment variable {name} is not set (or is not text)")))?,
            Self::File(path) => {
                let path = opened.vault.home.join(path);
                let text = tokio::fs::read_to_string(&path).await.map_err(|cause| unread(&path, cause))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            Self::Named(name) => opened.named(name).await?,
            Self::Literal(_) => return Err(missing(HOW.to_owned())),
        };
        if text.is_empty() {
            return Err(missing(format!("the secret that {} holds is empty", self.name())));
        }
        Ok(text)
    }
}

fn unread(path: &Path, cause: std::io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot read the secret's file {}", path.display())).caused_by(cause)
}

/// A bundle of the secret store, fetched with the first of its secrets that is asked for, and only once.
pub(super) struct Opened<'a> {
    vault: &'a Vault,
    bundle: &'a Bundle,
    content: Option<BTreeMap<String, SecretString>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(vault: &'a Vault, bundle: &'a Bundle) -> Self {
        Self { vault, bundle, content: None }
    }

    async fn named(&mut self, name: &str) -> Result<String> {
        let content = match &mut self.content {
            Some(content) => content,
            none => none.insert(self.vault.secrets.secrets(self.bundle).await?),
        };
        let secret = content.get(name).map(|secret| secret.expose_secret().to_owned());
        secret.ok_or_else(|| {
            let words =
                format!("the secret `{}` has no `{name}` in it: `puente connections apply` puts it there", self.bundle);
            Error::new(Kind::Config, words)
        })
    }
}

/// What stands in the place of a secret that a role does not need: of a form that every connector takes, different every time,
/// and known to nobody. Neither can anything be opened with it, nor does anything signed with it exist.
pub(super) fn stand_in() -> String {
    let unguessable = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes).concat();
    format!("whsec_{}", BASE64_STANDARD.encode(unguessable))
}

#[allow(clippy::disallowed_methods, reason = "the one home of the environment: secrets that puente.toml refers to")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
