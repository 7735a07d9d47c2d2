//! What Puente does to an ERP, and what came of it: operations, steps, and the documents that are booked there.
//!
//! A new operation is a variant here, a row of what each ERP can do, and what planning makes of it; it is no new method.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use super::{ids::Reference, version::Version};

/// The operations on an ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Create the sale.
    Create,
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
        }
    }

    /// What came of it, for the order's timeline.
    #[must_use]
    pub fn told(self, document: &Document) -> String {
        match self {
            Self::Create => format!("as {}", document.name()),
        }
    }
}

/// What is done to the ERP, and under which reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The operation.
    pub operation: Operation,
    /// The reference its document carries.
    pub reference: Reference,
}

impl Step {
    /// The first step of every order.
    #[must_use]
    pub fn create(sale: Reference) -> Self {
        Self { operation: Operation::Create, reference: sale }
    }

    /// What is booked once this step has left `document` with the content of `version`.
    #[must_use]
    pub fn booked(&self, booked: &[Booked], version: &Version, document: &Document) -> Vec<Booked> {
        let mut booked = booked.to_vec();
        match self.operation {
            Operation::Create => booked.push(Booked {
                reference: self.reference.clone(),
                kind: DocumentKind::Sale,
                version: Some(version.clone()),
                document: document.clone(),
                cancelled: false,
            }),
        }
        booked
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
}

/// Kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// What was sold.
    Sale,
}

/// The ERP's document of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
