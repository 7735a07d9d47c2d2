//! Odoo 14 to 19: sales orders of a web shop, and credit notes, from outside and with nothing installed there.
//!
//! Invariant: at most one `sale.order` and one credit note per reference. They are made by `load` with an external id that is our
//! reference, which Odoo writes in the record's own transaction and keeps unique: whoever loads it again is answered with the record that
//! is there (class [`Class::Key`]). The version and the total stand in "Source Document" (`origin`).
//!
//! A departure is: customers loaded, orders loaded, orders read back, orders confirmed; ids of articles and taxes are remembered. Nothing
//! is confirmed that does not come to the store's total in its currency. A sales order is changed only while nothing of it is delivered or
//! invoiced (`amend.rs`), and cancelled only then (`cancel.rs`): Odoo itself would not refuse.
//!
//! Vendor pages: odoo.com/documentation, "External JSON-2 API" (19) and "External API" (14 to 18).

mod amend;
pub mod books;
mod cancel;
mod config;
mod credit;
mod customer;
#[cfg(test)]
mod doubles;
mod fault;
mod find;
mod invoice;
#[cfg(feature = "fixtures")]
mod kit;
mod load;
mod map;
mod names;
mod orders;
mod partners;
mod places;
mod prices;
mod probe;
mod records;
mod resolve;
mod shipments;
mod sold;
mod stock;
mod wire;

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;

pub(crate) use self::config::Odoo;
use self::config::{build, links};
use super::{
    BookPage, Bulk, Capabilities, Class, Draft, Erp, Found, Job, Patience, Probed, Row, SendError, booking::Memory,
    prices::Prices, shipments::Shipments, stock::Stock,
};
use crate::{
    Result,
    domain::document::{Document, Operation, Step},
    outbound::Calls,
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "odoo",
    build,
    links,
    example: EXAMPLE,
    #[cfg(feature = "fixtures")]
    kit: &kit::KIT,
};

const EXAMPLE: &str = r#"kind = "odoo"
url = "http://127.0.0.1:8069"
database = "erp"
username = "puente"               # the integration user's log-in; Odoo 19 does not need it
api_key = { env = "ODOO_API_KEY" }
# next_api_key = { env = "ODOO_NEXT_API_KEY" }  # keys end, usually after 90 days: while one replaces the other, both are tried
# protocol = "json-rpc"           # or "json-2"; otherwise by the server's version
company = 1                       # its id
state = "confirmed"               # or "draft": it stays a quotation
credit_state = "draft"            # or "posted": a refund's credit note is in the books at once
# invoice = "draft"               # or "posted": a confirmed order is invoiced at once. Such an order is neither changed nor cancelled later
# Who buys is a contact of its own, known by our reference. Those whom somebody typed by hand can be found by "email" or "tax_id".
customers = "reference"
# identification_types = { dni = "DNI", cuit = "CUIT" }  # Odoo's names of the types of tax ids, in Latin America
# The codes ("Internal Reference") of the products that stand for what is not an article. Only those that occur are needed, and
# `rounding`: what rounding of tax leaves between the store's total and Odoo's is booked on it. `adjustment` is for
# orders.total_mismatch = "adjust"; `refund` for money given back without saying for what.
products = { shipping = "SHIPPING", tip = "TIP", duty = "DUTY", fee = "FEE", discount = "DISCOUNT", rounding = "ROUNDING", store_credit = "CREDIT", refund = "REFUND", gift_card = "GIFT-CARD", custom = "CUSTOM", adjustment = "ADJUSTMENT" }
# The store's taxes, by their name or rate, and the name or id of Odoo's.
taxes = { "0.21" = "21% G", "0.10" = "10% G" }
# pricelists = { USD = "Web USD" }  # by currency: an order's currency is that of its pricelist; otherwise the first one of that currency
# warehouse = "Main"              # each of these by its name or id
# payment_term = "Immediate Payment"
# sales_team = "Website"
# tags = ["web"]
timeout = "60s"                   # for one call
# settle = "150s"                 # after that nothing of a lost call can still land: more than the server's limit_time_real
bulk = 100                        # orders in one call
"#;

#[async_trait]
impl Erp for Odoo {
    fn can(&self, operation: Operation) -> Option<Capabilities> {
        // A load names whom it refuses, and the others are loaded without them.
        let each = Capabilities { class: Class::Key, bulk: Bulk::PerItem, max_bulk: self.settings.bulk };
        Some(match operation {
            Operation::Create | Operation::Credit => each,
            // A second cancellation finds it done.
            Operation::Cancel => Capabilities { class: Class::Unique, ..each },
            // A write that lands late would be done.
            Operation::Amend => Capabilities { class: Class::Searchable, ..each },
        })
    }

    fn patience(&self) -> Patience {
        Patience { timeout: self.server.timeout, settle: self.settle }
    }

    async fn prepare(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        jobs: &[Job],
        afresh: bool,
    ) -> Vec<Result<Draft, SendError>> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let resolver = resolve::Resolver { odoo: self, calls, memory };
        let drafts = match operation {
            Operation::Create | Operation::Amend | Operation::Credit => resolver.drafts(operation, jobs).await,
            Operation::Cancel => Ok(jobs.iter().map(cancel::draft).collect()),
        };
        drafts.unwrap_or_else(|send_error| jobs.iter().map(|_| Err(send_error.clone())).collect())
    }

    async fn send(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        if drafts.is_empty() {
            return Vec::new();
        }
        match operation {
            Operation::Create | Operation::Credit => self.create(calls, operation, drafts).await,
            Operation::Amend => self.amend(calls, drafts).await,
            Operation::Cancel => self.cancel(calls, drafts).await,
        }
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        self.find(calls, steps).await
    }

    async fn finish(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        if documents.is_empty() {
            return Vec::new();
        }
        self.finish_found(calls, operation, documents).await
    }

    async fn books(&self, calls: &Calls<'_>, day: &Range<Timestamp>, cursor: Option<&str>) -> Result<Option<BookPage>> {
        self.page(calls, day, cursor).await.map(Some).map_err(SendError::into_error)
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }

    fn prices(&self) -> Option<&dyn Prices> {
        Some(self)
    }

    fn shipments(&self) -> Option<&dyn Shipments> {
        Some(self)
    }

    async fn probe(&self, calls: &Calls<'_>) -> Result<Probed> {
        self.tried(calls).await.map_err(SendError::into_error)
    }
}

/// `domain![(field, operator, value), "|", …]`: each clause serialised by itself.
macro_rules! domain {
    ($($clause:expr),* $(,)?) => {
        [$(crate::erp::odoo::wire::raw(&$clause)),*]
    };
}
use domain;
