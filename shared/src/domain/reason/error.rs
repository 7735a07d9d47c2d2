//! A code inside of an error: how a connector's refusal reaches the record as more than words.

use super::{Reason, Why};
use crate::{Error, Kind};

impl std::error::Error for Why {}

/// Refused for good: the error's words are the code's.
impl From<Why> for Error {
    fn from(why: Why) -> Self {
        Self::new(Kind::Refused, "").caused_by(why)
    }
}

impl Error {
    /// The same error, its words through `hide`; where it carries a code, its arguments through `hide`, and no code where those do not
    /// hold all that is hidden.
    #[must_use]
    pub(crate) fn hiding(self, hide: impl Fn(&str) -> String) -> Self {
        let words = hide(&self.to_string());
        // A code that quotes somebody where `Why::hiding` does not look loses the code, not the hiding.
        let hidden = Why::of(&self).cloned().map(|why| why.hiding(&hide)).filter(|why| why.words() == words);
        match hidden {
            Some(why) => self.reworded("").caused_by(why),
            None => self.reworded(words),
        }
    }
}

impl Why {
    /// The code that `error` carries, if it says all that the error says.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        let why: &Self = std::error::Error::source(error)?.downcast_ref()?;
        (why.words() == error.to_string()).then_some(why)
    }

    /// The same reason, the ERP's own words in it through `hide`.
    fn hiding(mut self, hide: &dyn Fn(&str) -> String) -> Self {
        match &mut self {
            Self::ErpWarns { said: text }
            | Self::ErpRefused { said: Some(text), .. }
            | Self::Refused { words: text } => {
                *text = hide(text);
            }
            Self::CustomerRefused { because }
            | Self::AddressRefused { because }
            | Self::NotTakenBack { because, .. }
            | Self::NotTakenOn { because, .. }
            | Self::NameRefused { because } => match &mut **because {
                Reason::Text(words) => *words = hide(words),
                Reason::Known(why) => *why = why.clone().hiding(hide),
            },
            _ => {}
        }
        self
    }
}

impl Reason {
    /// What `error` says: its code, or else its words.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Why::of(error).map_or_else(|| Self::Text(error.to_string()), |why| why.clone().into())
    }
}
