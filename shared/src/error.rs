//! One error for the whole library: what happened, and whether trying again can help.
//!
//! Retryability is a field, decided where the answer is read, never guessed later from a message. The text is for the
//! person who reads it: it names the order and what to do, and never holds a secret or personal data.

use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, whether a retry can help, and the words for the person who reads it.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    retry: Retry,
    context: Cow<'static, str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    /// What tells it from others that were given the same words.
    was: Option<u64>,
}

/// The family an error belongs to. The HTTP edge turns it into a status, the flows into a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `puente.toml` or the environment is wrong. The text names file, line and key.
    Config,
    /// A signature or a key did not match: nothing of the request may be used.
    Forged,
    /// The input is not what its sender promised: bad JSON, a wrong type, an unknown currency. Names the field.
    Unreadable,
    /// The input is larger than a limit of ours.
    TooLarge,
    /// There is no such connection, ERP, order or document.
    NotFound,
    /// The other side understood and said no, for good.
    Refused,
    /// A quota, ours or theirs, has no room now.
    Limited,
    /// A dependency (queue, records, store, ERP) cannot be reached or is failing.
    Unavailable,
    /// Our own code failed on this input: a panic that was caught, an impossible state.
    Bug,
}

/// Whether trying the same thing again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail the same way until a person changes something.
    Never,
    /// Try again, each time later: exponential backoff with full jitter.
    Backoff,
    /// The other side said when.
    After(Duration),
}

impl Error {
    /// An error of `kind`, with the retry that kind usually deserves.
    pub fn new(kind: Kind, context: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            Kind::Limited | Kind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        Self { kind, retry, context: context.into(), source: None, was: None }
    }

    /// The same error with another retry.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same error with what caused it. An error without words of its own says what its cause says.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = source.into();
        self.source = Some(source.into());
        self
    }

    /// The same error, its text preceded by `context`: `order 1042: …`.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.context = Cow::Owned(match &*self.context {
            "" => context.to_string(),
            own => format!("{context}: {own}"),
        });
        self
    }

    /// The same error in other words, which stand for its causes as well.
    #[must_use]
    pub fn reworded(self, words: impl Into<Cow<'static, str>>) -> Self {
        let mut hasher = DefaultHasher::new();
        self.to_string().hash(&mut hasher);
        Self { context: words.into(), source: None, was: Some(hasher.finish()), ..self }
    }

    /// Whether both say the same, and said the same before either was reworded.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        self.was == other.was && self.to_string() == other.to_string()
    }

    /// Its family.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retryable(&self) -> Retry {
        self.retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        // The causes belong to the sentence: "cannot open puente.db: disk is full".
        let mut colon = if self.context.is_empty() { "" } else { ": " };
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "{colon}{cause}")?;
            colon = ": ";
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}
