//! The steps of an order's life as people see them: the documents that are booked in the ERP, and what is still to be done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Kind, Result,
    domain::{
        document::{Booked, Document, Operation, Step},
        ids::Reference,
        order::{Order, Status},
        reason::Reason,
        record::{End, Head, State},
        version::Version,
    },
    flow::{Puente, record},
    ports::Payload,
};

/// A document of an order in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderDocument)]
pub struct DocumentView {
    /// What it is.
    pub kind: Kinds,
    /// Of a credit note: the store's id of the refund.
    pub refund: Option<String>,
    /// The ERP's id.
    pub id: String,
    /// The number people see in the ERP.
    pub number: Option<String>,
    /// The reference that it carries, or would carry had we made it.
    #[schema(value_type = String)]
    pub reference: Reference,
    /// The state of the order that it was made from, where that is known.
    pub version: Option<Version>,
    /// Whether it was cancelled since.
    pub cancelled: bool,
    /// Whether it says what the order's present state says of it.
    pub current: bool,
    /// Where people look at it in the ERP, where that can be told.
    pub link: Option<String>,
}

/// Kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderDocumentKind)]
pub enum Kinds {
    /// What was sold.
    Sale,
    /// What was given back of it.
    Credit,
}

/// What is still to be done for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenStep)]
pub struct OpenView {
    /// Whose turn it is.
    pub next: Turn,
    /// The step on record, if there is one: what it does in the ERP.
    pub operation: Option<Operation>,
    /// The reference of that step.
    #[schema(value_type = Option<String>)]
    pub reference: Option<Reference>,
    /// Why it is still to be done.
    pub detail: String,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OpenTurn)]
pub enum Turn {
    /// A step was begun: its answer, or a look-up, tells what came of it.
    Erp,
    /// The next step is due, and planned when the order departs.
    Departure,
    /// The order stopped: nothing is done before a person acts.
    Person,
}

/// The documents of an order; `content` is what the store says now, where that could be read.
pub(super) async fn documents(puente: &Puente, head: &Head, content: Option<&Order>) -> Result<Vec<DocumentView>> {
    let mut documents = Vec::new();
    let terms = puente.settings.erp_of(&head.key.connection).and_then(|erp| puente.settings.terms(&erp).transpose());
    let links = terms.transpose()?.map(|terms| terms.links).unwrap_or_default();
    for entry in &head.booked {
        let current = !entry.cancelled && (is_at_rest(head) || carries(puente, head, entry, content).await?);
        let Document { id, number } = entry.document.clone();
        let link = if entry.is_sale() { &links.sale } else { &links.credit };
        documents.push(DocumentView {
            kind: if entry.is_sale() { Kinds::Sale } else { Kinds::Credit },
            refund: entry.refund().map(ToOwned::to_owned),
            id,
            number,
            reference: entry.reference.clone(),
            version: entry.version.clone(),
            cancelled: entry.cancelled,
            current,
            link: link.as_ref().map(|link| link.to(&entry.document.id)),
        });
    }
    Ok(documents)
}

/// Whether its documents together stand for what is desired.
fn is_at_rest(head: &Head) -> bool {
    head.intent.is_none() && head.applied.as_ref() == Some(&head.desired)
}

/// Whether a document says the same as what is desired: of the sale what was sold, of a credit note its refund.
async fn carries(puente: &Puente, head: &Head, entry: &Booked, content: Option<&Order>) -> Result<bool> {
    // Then no sale is to stand, whatever this one says.
    if entry.is_sale() && content.is_some_and(|order| order.status == Status::Cancelled) {
        return Ok(false);
    }
    // Where nobody kept it, the sale was at rest with that one.
    let Some(version) = entry.version.as_ref().or(head.applied.as_ref()) else { return Ok(false) };
    if version.content == head.desired.content {
        return Ok(true);
    }
    let (Some(desired), Some(held)) = (content, content_of(puente, head, version).await?) else { return Ok(false) };
    let Some(refund) = entry.refund() else { return Ok(desired.same_goods(&held)) };
    let of = |order: &Order| {
        order.refunds.iter().find(|one| one.id == refund).map(|refund| (refund.amount, refund.taken_off))
    };
    Ok(of(desired).is_some() && of(desired) == of(&held))
}

/// The content of a version, if it is kept and can be read.
async fn content_of(puente: &Puente, head: &Head, version: &Version) -> Result<Option<Order>> {
    let Some(Payload::Order(bytes)) = puente.records.payload(&head.key, version).await? else { return Ok(None) };
    match record::deserialise(&head.key, &bytes) {
        Ok(order) => Ok(Some(order)),
        // A later release's, say: the story is told without it.
        Err(error) if error.kind() == Kind::Unreadable => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is still to be done for an order.
pub(super) fn open(head: &Head) -> Option<OpenView> {
    let stopped = head.parked.as_ref().filter(|parked| parked.version == head.desired);
    let step = head.intent.as_ref().map(|intent| &intent.step);
    let (next, detail) = match (stopped, step) {
        // What is in doubt stays so, whatever a rule says of the order.
        (Some(parked), Some(_)) => (Turn::Person, parked.reason.words()),
        (Some(parked), None) if parked.end != End::Ignored => (Turn::Person, parked.reason.words()),
        (Some(_), None) => return None,
        (None, Some(step)) => {
            let in_doubt = head.intent.as_ref().is_some_and(|intent| intent.unknown);
            let sent = || format!("{} {} is on its way", on_its_way(step.operation()), step.reference);
            (Turn::Erp, if in_doubt { doubt(step) } else { sent() })
        }
        (None, None) if matches!(head.state(), State::Synced | State::Fetching) => return None,
        (None, None) => {
            let due = || match head.sale() {
                Some(sale) => {
                    format!("what follows sale {}, if anything, is planned at the next departure", sale.document.name())
                }
                None => "no sale of it is in the ERP yet".to_owned(),
            };
            (Turn::Departure, head.reason.as_ref().map_or_else(due, Reason::words))
        }
    };
    Some(OpenView {
        next,
        operation: step.map(Step::operation),
        reference: step.map(|step| step.reference.clone()),
        detail,
    })
}

/// What a step sends.
pub(super) fn on_its_way(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "the sale",
        Operation::Amend => "the change of sale",
        Operation::Cancel => "the cancellation of sale",
        Operation::Credit => "the credit note",
    }
}

/// What is not known of a step.
pub(super) fn doubt(step: &Step) -> String {
    let reference = &step.reference;
    match step.operation() {
        Operation::Create | Operation::Credit => format!(
            "whether the ERP holds {reference} is not known: that reference is looked up before anything is sent again"
        ),
        Operation::Amend | Operation::Cancel => format!(
            "whether {} {reference} arrived in the ERP is not known: the sale is looked up before anything is sent again",
            on_its_way(step.operation())
        ),
    }
}
