//! Sales found again: by the reference or the id of a step, and day by day for the books.

use std::{collections::HashMap, ops::Range};

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    Named, State, Tryton,
    wire::{self, BookedSale, FoundSale, parameters},
};
use crate::{
    Error, Kind,
    domain::{
        audit::BookEntry,
        document::{Action, Operation, Step},
        money::Amount,
    },
    erp::{BookPage, Found, SendError},
    outbound::Metered,
};

impl State {
    /// The state of a sale; `None` if it was cancelled, or in a state of somebody's own.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "draft" => Some(Self::Draft),
            "quotation" => Some(Self::Quotation),
            "confirmed" => Some(Self::Confirmed),
            "processing" | "done" => Some(Self::Processing),
            _ => None,
        }
    }
}

impl Tryton {
    /// What Tryton has of the documents that steps are about, in one call: by reference, or of cancellations by id.
    pub(super) async fn find_sales(&self, calls: &Metered, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let (mut references, mut ids) = (Vec::new(), Vec::new());
        for step in steps {
            match &step.action {
                // An id that is none of Tryton's is found nowhere.
                Action::Cancel { document } => ids.extend(document.id.parse::<i64>()),
                Action::Create | Action::Amend { .. } | Action::Credit { .. } => {
                    references.push(step.reference.as_str());
                }
            }
        }
        let by_reference = ("web_id", "in", references);
        let domain = if ids.is_empty() {
            wire::raw(&parameters![self.in_our_shop(), by_reference])
        } else {
            wire::raw(&parameters![self.in_our_shop(), parameters!["OR", by_reference, ("id", "in", ids)]])
        };
        let found = self.read_sales(calls, domain).await?;
        Ok(steps.iter().map(|step| self.found(step, &found)).collect())
    }

    /// What was found of one step.
    fn found(&self, step: &Step, found: &[FoundSale]) -> Option<Found> {
        // By id too it must be the order's: after Tryton was set up anew another sale may have it.
        let named = |sale: &FoundSale| match &step.action {
            Action::Cancel { document } => sale.id.to_string() == document.id,
            Action::Create | Action::Amend { .. } | Action::Credit { .. } => true,
        };
        let ours = |sale: &&FoundSale| sale.web_id.as_deref() == Some(step.reference.as_str()) && named(sale);
        let mut ours = found.iter().filter(ours);
        let sale = ours.next()?;
        // Web shops of one name: which sale is the right one, a person has to compare.
        let alone = ours.all(|other| other.id == sale.id);
        let (operation, cancelled) = (step.operation(), sale.state == "cancelled");
        let finished = match operation {
            Operation::Cancel => cancelled,
            Operation::Create | Operation::Amend | Operation::Credit => {
                State::of(&sale.state).is_some_and(|state| state >= self.target(operation)) && sale.adds_up()
            }
        };
        let version = sale.mark().map(|(version, _)| version).filter(|_| alone);
        Some(Found { document: sale.document(), version, finished, cancelled })
    }

    /// The sales of our web shop that carry a reference as ours are, by their ids, so that none is passed over while pages are read.
    pub(super) async fn list_sales(
        &self,
        calls: &Metered,
        day: &Range<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<BookPage, SendError> {
        let wrong = |what: String| SendError::NotNow(Error::new(Kind::Unreadable, what));
        let after: i64 = cursor
            .map_or(Ok(0), str::parse)
            .map_err(|_| wrong(format!("the cursor {cursor:?} is not one of Tryton's books")))?;
        let within = |field: &'static str| {
            let (from, until) = (wire::Moment(day.start), wire::Moment(day.end));
            [(field, ">=", from), (field, "<", until)].map(|clause| wire::raw(&clause))
        };
        // A sale that was written again later is still one that was made that day.
        let touched = parameters!["OR", within("create_date"), within("write_date")];
        let shop = self.in_our_shop();
        let domain = parameters![
            shop,
            ("web_id", "like", "%/%"),
            ("state", "!=", "cancelled"),
            ("id", ">", after),
            wire::raw(&touched)
        ];
        let most = self.settings.bulk;
        let parameters = parameters![domain, 0, most, [("id", "ASC")], BookedSale::FIELDS];
        let sales: Vec<BookedSale> = self.server.read(calls, "model.sale.sale.search_read", parameters).await?;
        let next = sales.last().filter(|_| sales.len() >= most).map(|last| last.id.to_string());
        let entry = |sale: BookedSale| {
            let total = Amount::try_from(sale.total_amount.0)
                .map_err(|_| wrong(format!("the total of {} is no amount", sale.web_id)))?;
            Ok(BookEntry { reference: sale.web_id, total, currency: sale.currency.code })
        };
        Ok(BookPage { entries: sales.into_iter().map(entry).collect::<Result<_, SendError>>()?, next })
    }

    fn in_our_shop(&self) -> Box<RawValue> {
        match &self.settings.web_shop {
            Named::Id(id) => wire::raw(&("web_shop", "=", id)),
            Named::Name(name) => wire::raw(&("web_shop.name", "=", name)),
        }
    }

    async fn read_sales(&self, calls: &Metered, domain: Box<RawValue>) -> Result<Vec<FoundSale>, SendError> {
        let nothing: Option<i64> = None;
        let parameters = parameters![domain, 0, nothing, nothing, FoundSale::FIELDS];
        self.server.read(calls, "model.sale.sale.search_read", parameters).await
    }

    /// Sales by their ids; who is missing is not there any more, or not to be seen.
    pub(super) async fn by_id(&self, calls: &Metered, ids: &[i64]) -> Result<HashMap<i64, FoundSale>, SendError> {
        let found = self.read_sales(calls, wire::raw(&[("id", "in", ids)])).await?;
        Ok(found.into_iter().map(|sale| (sale.id, sale)).collect())
    }
}
