//! What a person made in the ERP by hand and then told us of: what their word makes of the order's booked documents. Pure.
//!
//! The word travels through a queue, and may be delivered late or twice. So it names what its giver looked at: the version that they
//! made the document from, and the sale as it was booked then. Invariant: a word is booked once, with that version, and never
//! touches a sale that it was not about.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    document::{Booked, Document, DocumentKind},
    ids::Reference,
    order::Order,
    record::Head,
    version::Version,
};
use crate::{Error, Kind};

/// The most characters of a document's id or number, and of a refund's id.
const LONGEST: usize = 128;

/// What a person made in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "made", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = MadeByHand)]
pub enum Made {
    /// The sale.
    Sale {
        /// The sale.
        document: Document,
    },
    /// The sale was changed to what the store says now.
    Edit {},
    /// The sale was cancelled.
    Cancellation {},
    /// The credit note of a refund.
    Credit {
        /// The store's id of the refund.
        refund: String,
        /// The credit note.
        document: Document,
    },
}

/// What a person made, and what of the order they looked at when they said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// What they made.
    pub what: Made,
    /// From which version of the order: what the document carries.
    pub version: Version,
    /// The sale that was booked then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<Seen>,
}

/// A sale as it was booked when a person looked at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The sale.
    pub document: Document,
    /// The version it carried, where that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// Why what a person made is not booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An id or a number that cannot be one.
    Malformed(&'static str),
    /// Only the order's id is known.
    Unread,
    /// A step of it is on its way, or its outcome is not known.
    InDoubt {
        /// Its reference.
        reference: Reference,
        /// Whether it waits for a person.
        stopped: bool,
    },
    /// A sale stands already.
    SaleStands(Document),
    /// The sale is on record, and was cancelled since.
    SaleCancelled(Document),
    /// No sale stands that could be changed, cancelled or credited.
    NoSale,
    /// The sale carries what the store says now.
    NothingToEdit(Document),
    /// The sale was changed since the person looked at it.
    SaleChanged(Document),
    /// The order has no such refund; these are those it has.
    UnknownRefund(Vec<String>),
    /// A credit note of that refund is on record.
    CreditStands {
        /// The refund.
        refund: String,
        /// The credit note.
        document: Document,
    },
}

impl Made {
    /// What is told of it: `sale` is the one that it is about, where it makes none.
    fn words(&self, sale: Option<&Document>) -> String {
        let of = sale.map(|sale| format!(" {}", sale.name())).unwrap_or_default();
        match self {
            Self::Sale { document } => format!("sale {}", document.name()),
            Self::Edit {} => format!("sale{of} was changed by hand"),
            Self::Cancellation {} => format!("sale{of} was cancelled by hand"),
            Self::Credit { refund, document } => format!("credit note {} for refund {refund}", document.name()),
        }
    }

    /// What is wrong with how it is written.
    fn malformed(&self) -> Option<Refusal> {
        let (document, refund) = match self {
            Self::Sale { document } => (Some(document), None),
            Self::Credit { refund, document } => (Some(document), Some(refund)),
            Self::Edit {} | Self::Cancellation {} => (None, None),
        };
        let is_name = |text: &String| {
            (1..=LONGEST).contains(&text.chars().count())
                && !text.trim().is_empty()
                && !text.chars().any(char::is_control)
        };
        let wrong = |text: Option<&String>| text.is_some_and(|text| !is_name(text));
        [
            (wrong(document.map(|document| &document.id)), "the document's id"),
            (wrong(document.and_then(|document| document.number.as_ref())), "the document's number"),
            (wrong(refund), "the refund's id"),
        ]
        .into_iter()
        .find_map(|(wrong, what)| wrong.then_some(Refusal::Malformed(what)))
    }
}

impl Adoption {
    /// What a person says that they made of the order as they see it: `content` is what the store says, where that could be read.
    /// Refused is what cannot be so, or is on record already.
    pub fn new(what: Made, head: &Head, content: Option<&Order>) -> Result<Self, Refusal> {
        if let Some(malformed) = what.malformed() {
            return Err(malformed);
        }
        if head.desired.is_unread() {
            return Err(Refusal::Unread);
        }
        let sale = head.sale();
        match (&what, sale) {
            (Made::Sale { document }, _) => {
                if let Some(entry) = sale_of(&head.booked, document) {
                    return Err(if entry.cancelled {
                        Refusal::SaleCancelled(entry.document.clone())
                    } else {
                        Refusal::SaleStands(entry.document.clone())
                    });
                }
            }
            (_, None) => return Err(Refusal::NoSale),
            (Made::Edit {}, Some(sale)) if sale.version.as_ref() == Some(&head.desired) => {
                return Err(Refusal::NothingToEdit(sale.document.clone()));
            }
            (Made::Credit { refund, .. }, Some(_)) => {
                let refunds: Vec<String> =
                    content.iter().flat_map(|order| &order.refunds).map(|refund| refund.id.clone()).collect();
                if let Some(document) = credit_of(&head.booked, refund).map(|note| note.document.clone()) {
                    return Err(Refusal::CreditStands { refund: refund.clone(), document });
                }
                if !refunds.contains(refund) {
                    return Err(Refusal::UnknownRefund(refunds));
                }
            }
            (Made::Edit {} | Made::Cancellation {}, Some(_)) => {}
        }
        let seen = |sale: &Booked| Seen { document: sale.document.clone(), version: sale.version.clone() };
        let adoption = Self { what, version: head.desired.clone(), sale: sale.map(seen) };
        adoption.books(head).map(|_| adoption)
    }

    /// What is booked once this is on record in `head`; `None`: it is there already, since this was delivered before.
    /// Refused is what the order has overtaken since it was said.
    pub fn books(&self, head: &Head) -> Result<Option<Vec<Booked>>, Refusal> {
        let mut booked = head.booked.clone();
        let entry = |reference, kind, document: &Document| Booked {
            reference,
            kind,
            version: Some(self.version.clone()),
            document: document.clone(),
            cancelled: false,
        };
        match &self.what {
            Made::Sale { document } => {
                if sale_of(&booked, document).is_some() {
                    return Ok(None);
                }
                if let Some(sale) = head.sale() {
                    return Err(Refusal::SaleStands(sale.document.clone()));
                }
                let before = booked.iter().filter(|entry| entry.is_sale()).count();
                booked.push(entry(head.key.sale_after(before), DocumentKind::Sale, document));
            }
            Made::Credit { refund, document } => {
                match credit_of(&booked, refund) {
                    Some(note) if note.document.id == document.id => return Ok(None),
                    Some(note) => {
                        let (refund, document) = (refund.clone(), note.document.clone());
                        return Err(Refusal::CreditStands { refund, document });
                    }
                    None => {}
                }
                let kind = DocumentKind::Credit { refund: refund.clone() };
                booked.push(entry(head.key.credit(refund), kind, document));
            }
            Made::Edit {} | Made::Cancellation {} => {
                let seen = self.sale.as_ref().ok_or(Refusal::NoSale)?;
                let is_seen = |entry: &&mut Booked| entry.is_sale() && entry.document.id == seen.document.id;
                let sale = booked.iter_mut().find(is_seen).ok_or(Refusal::NoSale)?;
                match self.what {
                    Made::Cancellation {} if sale.cancelled => return Ok(None),
                    Made::Cancellation {} => sale.cancelled = true,
                    _ if sale.version.as_ref() == Some(&self.version) => return Ok(None),
                    _ if sale.cancelled => return Err(Refusal::SaleCancelled(sale.document.clone())),
                    // A word that comes late would put an older content over a newer one.
                    _ if sale.version != seen.version => return Err(Refusal::SaleChanged(sale.document.clone())),
                    _ => sale.version = Some(self.version.clone()),
                }
            }
        }
        // Nobody knows what the step on record made: it may be the same document.
        match &head.intent {
            Some(intent) => Err(Refusal::InDoubt {
                reference: intent.step.reference.clone(),
                stopped: head.parked.as_ref().is_some_and(|parked| parked.version == head.desired),
            }),
            None => Ok(Some(booked)),
        }
    }

    /// What it is about, for timelines and answers.
    #[must_use]
    pub fn words(&self) -> String {
        self.what.words(self.sale.as_ref().map(|sale| &sale.document))
    }
}

/// The sale with that document, cancelled or not.
fn sale_of<'a>(booked: &'a [Booked], document: &Document) -> Option<&'a Booked> {
    booked.iter().find(|entry| entry.is_sale() && entry.document.id == document.id)
}

/// The credit note of a refund.
fn credit_of<'a>(booked: &'a [Booked], refund: &str) -> Option<&'a Booked> {
    booked.iter().find(|entry| entry.refund() == Some(refund) && !entry.cancelled)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => {
                write!(f, "{what} has 1 to {LONGEST} characters, none of them a control character")
            }
            Self::Unread => {
                f.write_str("only the order's id is known so far: wait until the store has said what it is")
            }
            Self::InDoubt { reference, stopped } => {
                let wait = if *stopped { "replay the order, and wait until that was" } else { "wait until it was" };
                write!(f, "whether {reference} is in the ERP is not known yet: {wait} looked up, then say it again")
            }
            Self::SaleStands(sale) => write!(f, "sale {} is on record already", sale.name()),
            Self::SaleCancelled(sale) => write!(f, "sale {} is on record as cancelled", sale.name()),
            Self::NoSale => {
                f.write_str("no sale of this order is on record: if there is one in the ERP, say that first")
            }
            Self::NothingToEdit(sale) => {
                write!(f, "sale {} is on record already with what the store says now", sale.name())
            }
            Self::SaleChanged(sale) => write!(
                f,
                "sale {} was changed on record meanwhile: compare it with the store, then say it again",
                sale.name()
            ),
            Self::UnknownRefund(known) if known.is_empty() => {
                f.write_str("the store says nothing of a refund of this order")
            }
            Self::UnknownRefund(known) => {
                write!(f, "the order has no such refund; its refunds are: {}", known.join(", "))
            }
            Self::CreditStands { refund, document } => {
                write!(f, "credit note {} for refund {refund} is on record already", document.name())
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Malformed(_) | Refusal::UnknownRefund(_) => Kind::Unreadable,
            _ => Kind::Refused,
        };
        Self::new(kind, refusal.to_string())
    }
}

#[cfg(test)]
mod tests;
