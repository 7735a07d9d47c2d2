//! The requests of a `rest` ERP: which there are, what each can say of itself, and how a pointer is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{Error, Kind, Result, domain::document::Operation, erp::Class};

/// The requests of a section: a variant, its key there, and the settings that it uses beside `method`, `path`, `body`, `ok` and
/// `error`. A further one is a row here, a field of the section, and what its templates can use: the compiler asks for both.
macro_rules! requests {
    ($($name:ident = $key:ident ($($setting:ident),*);)*) => {
        /// The requests of a section.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Name {
            $($name,)*
        }

        impl Name {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// As in the section.
            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($key),)*
                }
            }

            fn uses(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$(stringify!($setting),)*],)*
                }
            }
        }
    };
}

requests! {
    Create = create (exists, exists_text, idempotency_header, items, reference, id, number, state, total, status);
    // Their reference is the sale's own: as an idempotency key it would be answered with the sale as it was made.
    Amend = amend (class, document, headers, at_most, exists, exists_text, items, reference, id, number, state, total, status);
    Cancel = cancel (class, headers, at_most, exists, exists_text, items, reference, id, number, status);
    Credit = credit (
        class, document, headers, at_most, exists, exists_text, idempotency_header, items, reference, id, number, state, total, status
    );
    LookUp = look_up (none, at_most, items, reference, id, number, version, state, total, stated_total);
    LookUpCredits = look_up_credits (none, at_most, items, reference, id, number, version, state, total, stated_total);
    Products = products (none, at_most, items, reference, id);
    FindCustomers = find_customers (none, at_most, items, reference, id);
    Customers = customers (at_most, idempotency_header, items, reference, id, status);
    Finish = finish (exists, exists_text, at_most);
    FinishCredits = finish_credits (exists, exists_text, at_most);
    Stock = stock (none, at_most, items, reference, quantity, next, mark, reflects);
    Probe = probe (number);
}

impl From<Operation> for Name {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Create => Self::Create,
            Operation::Amend => Self::Amend,
            Operation::Cancel => Self::Cancel,
            Operation::Credit => Self::Credit,
        }
    }
}

/// One request and how its answer is read.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request {
    /// The HTTP method.
    pub(super) method: String,
    /// Template of the path and query, from the slash on.
    pub(super) path: String,
    /// Template of the body.
    pub(super) body: Option<String>,
    /// The statuses of success; none: every 2xx.
    pub(super) ok: Vec<u16>,
    /// What the request's headers are beside those of every request: templates.
    pub(super) headers: BTreeMap<String, String>,
    /// How far the ERP protects itself from doing this twice; none: the section's.
    pub(super) class: Option<Class>,
    /// Template of one document, where it is not the section's.
    pub(super) document: Option<String>,
    /// The statuses that say it is done already, or that the document is another by now; none: 409, and 412 where there are headers.
    pub(super) exists: Vec<u16>,
    /// Words in the error text that say the same.
    pub(super) exists_text: Option<String>,
    /// The statuses that say none of those asked for is there.
    pub(super) none: Vec<u16>,
    /// The most that one call asks for.
    pub(super) at_most: Option<usize>,
    /// The header that carries the reference as an idempotency key.
    pub(super) idempotency_header: Option<String>,
    /// Where the array of items is; if there is no array, the value there is the one item.
    pub(super) items: Pointer,
    /// Where an item says which of ours it is: the reference, or the SKU.
    pub(super) reference: Option<Pointer>,
    /// Where an item has its id.
    pub(super) id: Option<Pointer>,
    /// Where it has the number people see.
    pub(super) number: Option<Pointer>,
    /// Where it has our version.
    pub(super) version: Option<Pointer>,
    /// Where it has its state.
    pub(super) state: Option<Pointer>,
    /// Where it has the total the ERP computed.
    pub(super) total: Option<Pointer>,
    /// Where it has the store's total, as the document carried it.
    pub(super) stated_total: Option<Pointer>,
    /// Where an item has what is available of it.
    pub(super) quantity: Option<Pointer>,
    /// Where the whole answer has the name of the next page.
    pub(super) next: Option<Pointer>,
    /// Where the whole answer says from when on the next question asks for changes.
    pub(super) mark: Option<Pointer>,
    /// Whether a sale is in the numbers as soon as it is made.
    pub(super) reflects: Option<bool>,
    /// Where an item has its own HTTP status.
    pub(super) status: Option<Pointer>,
    /// Where an error has its words, in the whole answer and in an item.
    pub(super) error: Option<Pointer>,
}

/// A JSON Pointer (RFC 6901): empty for the whole, or `/data/0/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pointer(String);

impl Pointer {
    /// What it points at.
    pub(super) fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // After a tilde only 0 and 1 have a meaning.
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!("{text:?} is not a JSON Pointer such as \"/data/0/id\" (RFC 6901)")))
        }
    }
}

impl Request {
    /// The most that one call asks for.
    pub(super) fn at_most(&self) -> usize {
        self.at_most.unwrap_or(1).max(1)
    }

    /// Whether `status` is a success.
    pub(super) fn is_ok(&self, status: u16) -> bool {
        if self.ok.is_empty() { (200..300).contains(&status) } else { self.ok.contains(&status) }
    }

    /// Whether `status` or the ERP's words say that the reference exists.
    pub(super) fn says_exists(&self, status: u16, words: Option<&str>) -> bool {
        // 412 is what a header such as If-Match is answered with.
        let usual = status == 409 || (status == 412 && !self.headers.is_empty());
        let by_status = if self.exists.is_empty() { usual } else { self.exists.contains(&status) };
        let by_words = self.exists_text.as_deref().zip(words).is_some_and(|(sought, words)| words.contains(sought));
        by_status || by_words
    }

    /// Whether nothing is read of an answer that is a success.
    pub(super) fn is_quiet(&self) -> bool {
        let said = [&self.id, &self.reference, &self.status, &self.total, &self.state];
        said.into_iter().all(Option::is_none)
    }

    pub(super) fn check(&self, request: Name) -> Result<()> {
        let name = request.as_str();
        let method = http::Method::from_bytes(self.method.as_bytes());
        let known = self.method.bytes().all(|b| b.is_ascii_uppercase()) && !self.method.is_empty() && method.is_ok();
        need(known, &format!("{name}.method: such as \"GET\" or \"POST\""))?;
        need(self.path.starts_with('/'), &format!("{name}.path: begins with a slash"))?;
        need(self.at_most != Some(0), &format!("{name}.at_most: at least 1"))?;
        for (setting, set) in self.settings() {
            need(!set || request.uses().contains(&setting), &format!("{name}.{setting}: {name} has no use for it"))?;
        }
        Ok(())
    }

    fn settings(&self) -> [(&'static str, bool); 21] {
        [
            ("headers", !self.headers.is_empty()),
            ("class", self.class.is_some()),
            ("document", self.document.is_some()),
            ("exists", !self.exists.is_empty()),
            ("exists_text", self.exists_text.is_some()),
            ("none", !self.none.is_empty()),
            ("at_most", self.at_most.is_some()),
            ("idempotency_header", self.idempotency_header.is_some()),
            ("items", self.items != Pointer::default()),
            ("reference", self.reference.is_some()),
            ("id", self.id.is_some()),
            ("number", self.number.is_some()),
            ("version", self.version.is_some()),
            ("state", self.state.is_some()),
            ("total", self.total.is_some()),
            ("stated_total", self.stated_total.is_some()),
            ("quantity", self.quantity.is_some()),
            ("next", self.next.is_some()),
            ("mark", self.mark.is_some()),
            ("reflects", self.reflects.is_some()),
            ("status", self.status.is_some()),
        ]
    }
}

/// An error about the section, which names its key.
pub(super) fn wrong(words: impl Into<String>) -> Error {
    Error::new(Kind::Config, words.into())
}

pub(super) fn need(holds: bool, words: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(words)) }
}
