//! What an ERP says that was sent.

use async_trait::async_trait;

use crate::{
    domain::{ids::Reference, shipment::Shipment},
    erp::SendError,
    outbound::Calls,
};

/// What an ERP is asked about its shipments.
#[derive(Debug, Clone, Copy)]
pub struct ShipmentAsk<'a> {
    /// Those that were sent or changed since: the `mark` of an earlier answer. None: nothing yet, only where changes begin.
    pub since: Option<&'a str>,
    /// The [`next`](ShipmentPage::next) of the page before.
    pub page: Option<&'a str>,
}

/// A page of what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShipmentPage {
    /// Shipments of our sales, as they are now. A shipment of several sales is told once for each, with what is of that one.
    pub rows: Vec<Sent>,
    /// Shipments that cannot be read, by their numbers, and why.
    pub unread: Vec<(String, String)>,
    /// Where the next question for changes begins, by the ERP's own clock; none: as before.
    pub mark: Option<String>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// A shipment, and the reference of the sale that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The sale's, as we wrote it there.
    pub sale: Reference,
    /// What was sent.
    pub shipment: Shipment,
}

/// The ERP's shipments to customers.
#[async_trait]
pub trait Shipments: Send + Sync {
    /// A page of those that left, with what changed of them since (tracking numbers often follow later). As few calls as it takes, and no
    /// more than a handful, however many they are.
    async fn page(&self, calls: &Calls<'_>, ask: &ShipmentAsk<'_>) -> Result<ShipmentPage, SendError>;
}
