//! What Puente does to an ERP, and what came of it: operations, steps, and the documents that are booked there.
//!
//! A new operation is a variant of [`Operation`] and of [`Action`], a row of what each ERP can do, and what planning makes of it; it
//! is no new method.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use super::{ids::Reference, version::Version};

/// The operations on an ERP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErpOperation)]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Create the sale.
    Create,
    /// Change the sale to what was sold by now.
    Amend,
    /// Cancel the sale.
    Cancel,
    /// Book a credit note for one refund.
    Credit,
}

impl Operation {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// As it is stored, and in log lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What it does, for people: "the ERP cannot …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Create => "create a sale",
            Self::Amend => "change a sale",
            Self::Cancel => "cancel a sale",
            Self::Credit => "book a credit note",
        }
    }

    /// What came of it, for the order's timeline.
    #[must_use]
    pub fn told(self, document: &Document) -> String {
        let name = document.name();
        match self {
            Self::Create => format!("as {name}"),
            Self::Amend => format!("sale {name} was changed"),
            Self::Cancel => format!("sale {name} was cancelled"),
            Self::Credit => format!("credit note {name}"),
        }
    }
}

/// What is done to the ERP, and under which reference: all that is needed to look it up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// The reference its document carries.
    pub reference: Reference,
}

/// An operation, and what it is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Action {
    /// [`Operation::Create`].
    Create,
    /// [`Operation::Amend`].
    Amend {
        /// The sale.
        document: Document,
        /// The version that it must carry: a call that lands late would else put an older content over a newer one.
        base: Version,
    },
    /// [`Operation::Cancel`].
    Cancel {
        /// The sale, by its id: a call that lands late would else cancel the sale that was made in its place.
        document: Document,
    },
    /// [`Operation::Credit`].
    Credit {
        /// The store's id of the refund.
        refund: String,
        /// The sale that is credited.
        sale: Document,
    },
}

impl Step {
    /// The first step of every order; of a sale that was made anew, under a reference of its own.
    #[must_use]
    pub fn create(sale: Reference) -> Self {
        Self { action: Action::Create, reference: sale }
    }

    /// Changes a sale that carries `base`.
    #[must_use]
    pub fn amend(sale: &Booked, base: Version) -> Self {
        Self { action: Action::Amend { document: sale.document.clone(), base }, reference: sale.reference.clone() }
    }

    /// Cancels a sale.
    #[must_use]
    pub fn cancel(sale: &Booked) -> Self {
        Self { action: Action::Cancel { document: sale.document.clone() }, reference: sale.reference.clone() }
    }

    /// Credits a refund of a sale.
    #[must_use]
    pub fn credit(reference: Reference, refund: &str, sale: &Booked) -> Self {
        Self { action: Action::Credit { refund: refund.to_owned(), sale: sale.document.clone() }, reference }
    }

    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self.action {
            Action::Create => Operation::Create,
            Action::Amend { .. } => Operation::Amend,
            Action::Cancel { .. } => Operation::Cancel,
            Action::Credit { .. } => Operation::Credit,
        }
    }

    /// The version that the order's documents stand for once this step, planned with `planned`, has left a document of version
    /// `found`. What a cancelled sale carries, and a credit note, says nothing of it.
    #[must_use]
    pub fn carries(&self, planned: &Version, found: &Version) -> Version {
        match self.action {
            Action::Create | Action::Amend { .. } => found.clone(),
            Action::Cancel { .. } | Action::Credit { .. } => planned.clone(),
        }
    }

    /// What is booked once this step has left `document` with the content of `version`.
    #[must_use]
    pub fn booked(&self, booked: &[Booked], version: &Version, document: &Document) -> Vec<Booked> {
        let mut booked = booked.to_vec();
        let entry = |kind| Booked {
            reference: self.reference.clone(),
            kind,
            version: Some(version.clone()),
            document: document.clone(),
            cancelled: false,
        };
        match &self.action {
            Action::Create => booked.push(entry(DocumentKind::Sale)),
            Action::Credit { refund, .. } => booked.push(entry(DocumentKind::Credit { refund: refund.clone() })),
            Action::Amend { document: of, .. } => {
                for sale in booked.iter_mut().filter(|entry| entry.document.id == of.id && entry.is_sale()) {
                    sale.version = Some(version.clone());
                    sale.document = document.clone();
                }
            }
            Action::Cancel { document: of } => {
                for sale in booked.iter_mut().filter(|entry| entry.document.id == of.id && entry.is_sale()) {
                    sale.cancelled = true;
                }
            }
        }
        booked
    }
}

#[cfg(any(test, feature = "fixtures"))]
impl Step {
    /// A made-up step of `operation`, under this reference: for tests that go through all of them.
    #[must_use]
    pub fn example(operation: Operation, reference: Reference) -> Self {
        let document = || Document { id: "7".to_owned(), number: Some("SO-7".to_owned()) };
        let action = match operation {
            Operation::Create => Action::Create,
            Operation::Amend => Action::Amend { document: document(), base: Version::unread() },
            Operation::Cancel => Action::Cancel { document: document() },
            Operation::Credit => Action::Credit { refund: "9".to_owned(), sale: document() },
        };
        Self { action, reference }
    }
}

/// A document of an order that is in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// The reference of the step that made it.
    pub reference: Reference,
    /// What it is.
    pub kind: DocumentKind,
    /// The version it carries. `None`: not known, since a release that did not keep it made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The document.
    pub document: Document,
    /// Whether it was cancelled since. At most one sale is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

impl Booked {
    /// The sale of a record that was written before versions were kept with documents.
    #[must_use]
    pub fn of_unknown_version(reference: Reference, document: Document) -> Self {
        Self { reference, kind: DocumentKind::Sale, version: None, document, cancelled: false }
    }

    /// Whether it is a sale, cancelled or not.
    #[must_use]
    pub fn is_sale(&self) -> bool {
        self.kind == DocumentKind::Sale
    }

    /// Whether it is the sale that stands for the order: at most one is.
    #[must_use]
    pub fn is_live_sale(&self) -> bool {
        self.is_sale() && !self.cancelled
    }

    /// The refund that it credits, if it is a credit note.
    #[must_use]
    pub fn refund(&self) -> Option<&str> {
        match &self.kind {
            DocumentKind::Sale => None,
            DocumentKind::Credit { refund } => Some(refund),
        }
    }
}

/// Kinds of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// What was sold.
    Sale,
    /// What was given back of it.
    Credit {
        /// The store's id of the refund.
        refund: String,
    },
}

/// The ERP's document of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = ErpDocument)]
pub struct Document {
    /// The ERP's id.
    pub id: String,
    /// The number people see in the ERP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

impl Document {
    /// What people call it: its number, else its id.
    #[must_use]
    pub fn name(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale() -> Booked {
        let document = Document { id: "7".into(), number: Some("S7".into()) };
        let version = "2026-01-01T00:00:00.000000Z/00000/9f86d081884c7d65".parse().unwrap();
        let key: crate::domain::ids::OrderKey = serde_json::from_str(r#"{"connection":"acme","order":"1"}"#).unwrap();
        Step::create(key.sale()).booked(&[], &version, &document).remove(0)
    }

    #[test]
    fn a_create_is_stored_as_releases_before_operations_stored_it() {
        let step = Step::create(sale().reference);
        let stored = r#"{"operation":"create","reference":"acme/1"}"#;
        assert_eq!(serde_json::to_string(&step).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Step>(stored).unwrap(), step);
        let booked = serde_json::to_value(sale()).unwrap();
        assert_eq!((&booked["kind"], booked.get("cancelled")), (&"sale".into(), None));
    }

    #[test]
    fn every_step_is_read_as_it_is_stored_and_books_one_thing() {
        let (sale, document) = (sale(), Document { id: "8".into(), number: None });
        let now: Version = "2026-01-02T00:00:00.000000Z/00000/0000000000000001".parse().unwrap();
        let base = sale.version.clone().unwrap();
        let key: crate::domain::ids::OrderKey = serde_json::from_str(r#"{"connection":"acme","order":"1"}"#).unwrap();
        let credit = Step::credit(key.credit("9"), "9", &sale);
        let booked = |step: &Step, document: &Document| step.booked(std::slice::from_ref(&sale), &now, document);
        for step in [Step::amend(&sale, base), Step::cancel(&sale), credit.clone()] {
            let stored = serde_json::to_string(&step).unwrap();
            assert_eq!(serde_json::from_str::<Step>(&stored).unwrap(), step, "{stored}");
        }
        let amended = booked(&Step::amend(&sale, now.clone()), &sale.document);
        assert!(amended.len() == 1 && amended[0].version.as_ref() == Some(&now) && !amended[0].cancelled);
        let cancelled = booked(&Step::cancel(&sale), &sale.document);
        assert!(cancelled.len() == 1 && cancelled[0].cancelled && cancelled[0].version == sale.version);
        let credited = booked(&credit, &document);
        assert_eq!((credited.len(), credited[1].refund(), &credited[0]), (2, Some("9"), &sale));
    }
}
