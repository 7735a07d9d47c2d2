//! Documents found again: by the reference or the id of a step, and day by day for the books.

use std::ops::Range;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use super::{
    Odoo,
    config::InvoiceState,
    domain,
    records::{Model, Record},
    wire::{Arguments, Exact, Link, Maybe, raw},
};
use crate::{
    Error, Kind,
    domain::{
        audit::BookEntry,
        document::{Action, Step},
        money::Amount,
    },
    erp::{BookPage, Found, SendError},
    outbound::Calls,
};

impl Odoo {
    /// What Odoo has of the documents that steps are about: sales in one call, credit notes in another.
    pub(super) async fn find(&self, calls: &Calls<'_>, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        let (mut references, mut ids, mut credits) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match &step.action {
                // An id that is none of Odoo's is found nowhere.
                Action::Cancel { document } | Action::Amend { document, .. } => ids.extend(document.id.parse::<i64>()),
                Action::Create => references.push(step.reference.as_str()),
                Action::Credit { .. } => credits.push(step.reference.as_str()),
            }
        }
        let ours = ("company_id", "=", self.settings.company);
        let mut sales = Vec::new();
        if !references.is_empty() || !ids.is_empty() {
            let either = domain![ours, "|", (Model::Sale.reference(), "in", references), ("id", "in", ids)];
            sales = self.records(calls, Model::Sale, &either).await?;
        }
        let mut unposted = Vec::new();
        if self.settings.invoice == Some(InvoiceState::Posted) {
            unposted = self.draft_invoices(calls, sales.iter()).await?;
        }
        let mut notes = Vec::new();
        if !credits.is_empty() {
            let refunds =
                domain![ours, ("move_type", "=", "out_refund"), (Model::CreditNote.reference(), "in", credits)];
            notes = self.records(calls, Model::CreditNote, &refunds).await?;
        }
        let among = |step: &Step| if matches!(step.action, Action::Credit { .. }) { &notes } else { &sales };
        Ok(steps.iter().map(|step| self.found(step, among(step), &unposted)).collect())
    }

    /// What was found of one step; `unposted` are invoices that are drafts, and should not be.
    fn found(&self, step: &Step, found: &[Record], unposted: &[i64]) -> Option<Found> {
        let named = |record: &Record| match &step.action {
            Action::Cancel { document } | Action::Amend { document, .. } => record.id.to_string() == document.id,
            Action::Create | Action::Credit { .. } => true,
        };
        // By id too it must be the order's: after Odoo was set up anew another may have it.
        let record = found.iter().find(|record| record.is_of(&step.reference) && named(record))?;
        // Somebody wrote our reference on another one too: which is the right one, a person has to compare.
        let alone = !found.iter().any(|other| other.is_of(&step.reference) && other.id != record.id);
        let invoiced = !record.is_to_invoice() && record.invoices().iter().all(|id| !unposted.contains(id));
        let taken_on = !record.is_draft() || !self.takes_on(step.operation());
        let finished = match step.action {
            Action::Cancel { .. } => record.is_cancelled(),
            _ => taken_on && record.adds_up() && invoiced,
        };
        let version = record.version().filter(|_| alone);
        Some(Found { document: record.document(), version, finished, cancelled: record.is_cancelled() })
    }

    /// A page of our sales orders by their ids, so that none is passed over; the last of them with our credit notes.
    pub(super) async fn page(
        &self,
        calls: &Calls<'_>,
        day: &Range<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<BookPage, SendError> {
        let (mut model, mut after) = match cursor {
            None => (Model::Sale, 0),
            Some(cursor) => place(cursor)?,
        };
        let mut entries = Vec::new();
        loop {
            let found = self.booked(calls, model, after, day).await?;
            let full = found.len() >= self.settings.bulk;
            let last = found.last().map(|booked| booked.id);
            for booked in found {
                entries.push(booked.entry(model)?);
            }
            match (last, model) {
                (Some(last), _) if full => {
                    return Ok(BookPage { entries, next: Some(format!("{} {last}", model.name())) });
                }
                (_, Model::Sale) => (model, after) = (Model::CreditNote, 0),
                (_, Model::CreditNote) => return Ok(BookPage { entries, next: None }),
            }
        }
    }

    /// Ours of a kind after an id, made or changed in a span of time.
    async fn booked(
        &self,
        calls: &Calls<'_>,
        model: Model,
        after: i64,
        day: &Range<Timestamp>,
    ) -> Result<Vec<Booked>, SendError> {
        let (from, until) = (moment(day.start), moment(day.end));
        let kind = match model {
            Model::Sale => raw(&("company_id", "!=", false)),
            Model::CreditNote => raw(&("move_type", "=", "out_refund")),
        };
        // One that was written again later is still one that was made that day.
        let domain = domain![
            ("company_id", "=", self.settings.company),
            kind,
            (model.mark(), "=like", "puente %"),
            ("state", "!=", "cancel"),
            ("id", ">", after),
            "|",
            "&",
            ("create_date", ">=", &from),
            ("create_date", "<", &until),
            "&",
            ("write_date", ">=", &from),
            ("write_date", "<", &until)
        ];
        let arguments = Arguments::new()
            .with("domain", &domain)
            .with("fields", [model.reference(), "amount_total", "currency_id"])
            .with("limit", self.settings.bulk)
            .with("order", "id");
        self.server.read(calls, model.name(), "search_read", arguments).await
    }
}

/// A document in the books.
#[derive(Deserialize)]
struct Booked {
    id: i64,
    #[serde(default, alias = "client_order_ref", rename = "ref")]
    reference: Maybe<String>,
    amount_total: Exact,
    currency_id: Link,
}

impl Booked {
    fn entry(self, model: Model) -> Result<BookEntry, SendError> {
        // A credit note is a sale of less than nothing.
        let total = if model == Model::CreditNote { -self.amount_total.0 } else { self.amount_total.0 };
        let total = Amount::try_from(total).map_err(|_| unreadable("a total in Odoo is no amount".to_owned()))?;
        let reference = self.reference.0.unwrap_or_default();
        Ok(BookEntry { reference, total, currency: self.currency_id.1 })
    }
}

/// Where a page begins.
fn place(cursor: &str) -> Result<(Model, i64), SendError> {
    let place = cursor.split_once(' ').and_then(|(name, after)| {
        let model = [Model::Sale, Model::CreditNote].into_iter().find(|model| model.name() == name)?;
        Some((model, after.parse().ok()?))
    });
    place.ok_or_else(|| unreadable(format!("the cursor {cursor:?} is not one of Odoo's books")))
}

fn unreadable(what: String) -> SendError {
    SendError::NotNow(Error::new(Kind::Unreadable, what))
}

/// How Odoo writes a moment, in UTC and to the second.
const MOMENT: &str = "%Y-%m-%d %H:%M:%S";

/// A moment as Odoo reads it.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime(MOMENT).to_string()
}

/// A moment as Odoo wrote it.
pub(super) fn at(moment: &str) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(DateTime::strptime(MOMENT, moment).ok()?).ok()
}
