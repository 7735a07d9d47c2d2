//! Tryton 8: sales of a web shop, created in bulk through JSON-RPC and taken to the configured state.
//!
//! Invariant: at most one `sale.sale` per reference. The module `web_shop` makes (`web_shop`, `web_id`) unique and our
//! reference is the `web_id`, so a second create is refused (class [`Class::Unique`]); a create is one database transaction
//! for the whole bulk ([`Bulk::Atomic`]). The version stands in the note of the sale's first line, which is printed nowhere.
//!
//! A sale is changed only while it is a draft or a quotation and carries the version that the change was made from (`amend.rs`), and
//! cancelled while Tryton does not process it yet (`cancel.rs`). A refund is a return sale of its own reference (`credit.rs`).
//!
//! Transitions are buttons (`quote`, `confirm`, `process`) that Tryton refuses on a sale in another state: what was cut short
//! is read first and then taken on from where it stands. Vendor pages: docs.tryton.org, "Sale Module" and "Web Shop Module".

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
mod invoicing;
#[cfg(feature = "fixtures")]
mod kit;
mod map;
mod parties;
mod prices;
mod resolve;
mod sales;
mod shipments;
mod stock;
mod wire;

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use self::config::Tryton;
use self::config::{State, build, links};
use super::{
    BookPage, Bulk, Capabilities, Class, Draft, Erp, Found, Job, Patience, Probed, Row, SendError, booking::Memory,
    prices::Prices, repeatable, settings::Named, shipments::Shipments, stock::Stock,
};
use crate::{
    Error, Kind, Result,
    domain::document::{Document, Operation, Step},
    outbound::Calls,
};

/// The table's row.
pub const ROW: Row = Row {
    kind: "tryton",
    build,
    links,
    example: EXAMPLE,
    #[cfg(feature = "fixtures")]
    kit: &kit::KIT,
};

const EXAMPLE: &str = r#"kind = "tryton"
url = "http://127.0.0.1:8000"
database = "erp"
username = "puente"
password = { env = "TRYTON_PASSWORD" }
company = 1                       # its id; needed only if there are several
web_shop = "Web"                  # its name or id
state = "confirmed"               # draft, quotation, confirmed (Tryton then processes it by itself) or processing
# Only drafts and quotations can be changed by what the store changes later; of what Tryton processes that is left to a person.
# credit_state = "quotation"      # of a refund's return sale; otherwise as `state`. Processed, Tryton makes a draft credit note of it
                                  # (or what the company's invoice method says); posting that is Tryton's, or a person's
# The codes of the products that stand for what is not an article. Only those that occur are needed, and `rounding`: what rounding
# of tax leaves between the store's total and Tryton's is booked on it. `adjustment` is for orders.total_mismatch = "adjust"; `refund` for money given back without saying for what, and
# for goods that are not restocked where others of the same refund are.
products = { shipping = "SHIPPING", tip = "TIP", duty = "DUTY", fee = "FEE", discount = "DISCOUNT", rounding = "ROUNDING", store_credit = "CREDIT", refund = "REFUND", gift_card = "GIFT-CARD", custom = "CUSTOM", adjustment = "ADJUSTMENT" }
# The store's taxes, by their name or rate, and the name or id of Tryton's.
taxes = { "0.21" = "VAT 21%", "0.10" = "VAT 10%" }
# payment_term = "Paid in the shop"
# warehouse = "Warehouse"         # otherwise the web shop's first
timeout = "60s"                   # for one call
bulk = 100                        # sales in one call
"#;

#[async_trait]
impl Erp for Tryton {
    fn can(&self, operation: Operation) -> Option<Capabilities> {
        // A second step like it is refused, or finds it done.
        let each = Capabilities { class: Class::Unique, bulk: Bulk::PerItem, max_bulk: self.settings.bulk };
        match operation {
            // One call makes all of them, or none.
            Operation::Create | Operation::Credit => Some(Capabilities { bulk: Bulk::Atomic, ..each }),
            Operation::Amend | Operation::Cancel => Some(each),
        }
    }

    fn patience(&self) -> Patience {
        let timeout = self.server.timeout;
        Patience { timeout, settle: timeout * 2 }
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
        let resolver = resolve::Resolver { tryton: self, calls: calls.http, memory };
        let drafts = match operation {
            Operation::Create | Operation::Amend | Operation::Credit => resolver.drafts(jobs).await,
            Operation::Cancel => Ok(jobs.iter().map(cancel::draft).collect()),
        };
        match drafts {
            Ok(answers) if operation == Operation::Credit => self.of_standing_sales(calls.http, jobs, answers).await,
            Ok(answers) => answers,
            Err(send_error) => jobs.iter().map(|_| Err(send_error.clone())).collect(),
        }
    }

    async fn send(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        drafts: &[Draft],
    ) -> Vec<Result<Document, SendError>> {
        match operation {
            Operation::Create | Operation::Credit => self.create_sales(calls.http, operation, drafts).await,
            Operation::Amend => self.amend_sales(calls.http, drafts).await,
            Operation::Cancel => self.cancel_sales(calls.http, drafts).await,
        }
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        self.find_sales(calls.http, steps).await
    }

    async fn finish(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        self.finish_sales(calls.http, operation, documents).await
    }

    async fn books(&self, calls: &Calls<'_>, day: &Range<Timestamp>, cursor: Option<&str>) -> Result<Option<BookPage>> {
        self.list_sales(calls.http, day, cursor).await.map(Some).map_err(SendError::into_error)
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
        #[derive(Deserialize)]
        struct Shop {
            name: String,
            company: i64,
        }
        let series = repeatable(&self.server.series(calls.http).await.map_err(SendError::into_error)?);
        let nothing: Option<i64> = None;
        let domain = self.settings.web_shop.domain("name");
        let parameters = wire::parameters![domain, 0, nothing, nothing, ["name", "company"]];
        let shops: Vec<Shop> = self
            .server
            .read(calls.http, "model.web.shop.search_read", parameters)
            .await
            .map_err(SendError::into_error)?;
        let named = &self.settings.web_shop;
        match shops.as_slice() {
            [shop] if shop.company == self.settings.company => {
                let lacks = self.settings.products.rounding.is_none();
                let rounding =
                    if lacks { "; products.rounding is not set: a cent of rounding parks an order" } else { "" };
                Ok(format!("Tryton {series}, web shop {}{rounding}", repeatable(&shop.name)).into())
            }
            [shop] => Err(Error::new(
                Kind::Config,
                format!(
                    "the web shop {named} is company {}'s, and `company` says {}",
                    shop.company, self.settings.company
                ),
            )),
            _ => Err(Error::new(Kind::Config, format!("Tryton {series} has no web shop {named}: check `web_shop`"))),
        }
    }
}
