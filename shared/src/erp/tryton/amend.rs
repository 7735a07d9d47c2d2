//! Sales that are there and become what was sold by now.
//!
//! Invariant: a sale is changed only where it still carries the version that the change was made from. It is read, and the one write that
//! changes it names when it and its lines were last changed: Tryton refuses the whole call if that is not so any more. The write takes
//! away the very lines that were read, too, which are gone for ever once anything else has replaced them: a call that lands late changes
//! nothing, however coarse the database's clock is.
//!
//! Lines can be changed in a draft only: a quotation goes back to draft first, keeps its number, and is quoted again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    State, Tryton,
    sales::{Just, Setbacks},
    wire::{self, FoundSale, Seen, parameters},
};
use crate::{
    Error, Kind, Result,
    domain::{
        document::{Document, Operation},
        ids::Reference,
        reason::Why,
        version::Version,
    },
    erp::{Draft, SendError, booking::Halving, repeatable},
    outbound::Metered,
};

/// What becomes of a sale that is there.
#[derive(Serialize, Deserialize)]
pub(super) struct Amendment {
    /// The sale.
    pub(super) document: Document,
    /// The version it must carry.
    pub(super) base: Version,
    /// The version it will carry.
    pub(super) version: Version,
    /// Its own values.
    pub(super) header: Box<RawValue>,
    /// Its lines, a list.
    pub(super) lines: Box<RawValue>,
}

/// A sale and what becomes of it.
struct Change<'a> {
    id: i64,
    reference: &'a Reference,
    to: Amendment,
}

impl Tryton {
    /// Changes sales, each by itself: one that cannot be changed keeps no other from it.
    pub(super) async fn amend_sales(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        let changes: Option<Vec<Change<'_>>> = drafts.iter().map(Change::of).collect();
        let Some(changes) = changes else {
            let bug = || SendError::Refused(Error::new(Kind::Bug, "the rendered change of a sale is none"));
            return drafts.iter().map(|_| Err(bug())).collect();
        };
        let mut setbacks = Setbacks::new();
        let all: Vec<&Change<'_>> = changes.iter().collect();
        let mut found = self.standing(calls, &all, &mut setbacks).await;

        let fine = |id: &i64, setbacks: &Setbacks| !setbacks.contains_key(id);
        let quotations: Vec<&FoundSale> =
            found.values().filter(|sale| sale.state == "quotation" && fine(&sale.id, &setbacks)).collect();
        let quoted: Vec<i64> = quotations.iter().map(|sale| sale.id).collect();
        if !quoted.is_empty() {
            let mut halving = Halving::of(quotations);
            while let Some(sales) = halving.take() {
                let ids: Vec<i64> = sales.iter().map(|sale| sale.id).collect();
                let outcome =
                    self.server.write_if(calls, "model.sale.sale.draft", parameters![ids], &seen(&sales)).await;
                halving.came(sales, outcome);
            }
            setbacks.extend(halving.failed().into_iter().map(|(sale, send_error)| (sale.id, send_error)));
            let reset = |change: &&Change<'_>| quoted.contains(&change.id) && fine(&change.id, &setbacks);
            let reset: Vec<&Change<'_>> = changes.iter().filter(reset).collect();
            // Once more: they were changed by that.
            found.extend(self.standing(calls, &reset, &mut setbacks).await);
        }

        let writes = changes.iter().filter(|change| fine(&change.id, &setbacks));
        let mut halving = Halving::of(writes.filter_map(|change| Some((change, found.get(&change.id)?))).collect());
        while let Some(writes) = halving.take() {
            let sales: Vec<&FoundSale> = writes.iter().map(|(_, sale)| *sale).collect();
            let values = writes.iter().flat_map(|(change, sale)| [wire::raw(&[change.id]), change.values(sale)]);
            let outcome = self.server.write_if(calls, "model.sale.sale.write", values, &seen(&sales)).await;
            halving.came(writes, outcome);
        }
        // As they were before, as far as can be: whoever looks into what was refused finds a quotation again.
        let mut back = Vec::new();
        for ((change, _), send_error) in halving.failed() {
            if matches!(send_error, SendError::Refused(_)) && quoted.contains(&change.id) {
                back.push(change.id);
            }
            setbacks.insert(change.id, send_error);
        }
        if !back.is_empty() {
            self.press(calls, "quote", back).await;
        }

        let landed: Vec<i64> = changes.iter().map(|change| change.id).filter(|id| fine(id, &setbacks)).collect();
        let taken = if landed.is_empty() {
            Vec::new()
        } else {
            self.take_on(calls, &landed, Just::Amended, self.target(Operation::Amend)).await
        };
        let mut taken: HashMap<i64, Result<Document, SendError>> = landed.into_iter().zip(taken).collect();
        let lost = || Err(SendError::Unknown(Error::new(Kind::Bug, "the sale was changed and not looked at")));
        let answer = |change: &Change<'_>| match setbacks.remove(&change.id) {
            Some(send_error) => Err(send_error),
            // They carry the new version, whatever keeps them from going on: the look-up that follows puts that on record.
            None => taken.remove(&change.id).unwrap_or_else(lost).map_err(|send_error| match send_error {
                SendError::Refused(error) => SendError::Unknown(error),
                other => other,
            }),
        };
        changes.iter().map(answer).collect()
    }

    /// Reads sales: those that cannot be changed are set back, and why.
    async fn standing(
        &self,
        calls: &Metered,
        changes: &[&Change<'_>],
        setbacks: &mut Setbacks,
    ) -> HashMap<i64, FoundSale> {
        let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
        if ids.is_empty() {
            return HashMap::new();
        }
        match self.by_id(calls, &ids).await {
            Ok(found) => {
                let judged = |change: &&Change<'_>| Some((change.id, change.hindrance(found.get(&change.id))?));
                setbacks.extend(changes.iter().filter_map(judged));
                found
            }
            Err(send_error) => {
                setbacks.extend(ids.into_iter().map(|id| (id, send_error.clone())));
                HashMap::new()
            }
        }
    }
}

/// When they were last changed.
fn seen(sales: &[&FoundSale]) -> Seen {
    sales.iter().flat_map(|sale| sale.seen()).collect()
}

impl<'a> Change<'a> {
    fn of(draft: &'a Draft) -> Option<Self> {
        let to: Amendment = serde_json::from_str(&draft.body).ok()?;
        Some(Self { id: to.document.id.parse().ok()?, reference: &draft.reference, to })
    }

    /// What keeps it from being changed, as it stands.
    fn hindrance(&self, sale: Option<&FoundSale>) -> Option<SendError> {
        let document = || self.to.document.name().to_owned();
        // After Tryton was set up anew another sale may have its id.
        let Some(sale) = sale.filter(|sale| sale.web_id.as_deref() == Some(self.reference.as_str())) else {
            return Some(SendError::Refused(Why::SaleGone { document: document() }.into()));
        };
        let version = sale.mark().map(|(version, _)| version);
        if version.as_ref() == Some(&self.to.version) {
            return Some(SendError::Exists);
        }
        let why = match State::of(&sale.state) {
            None if sale.state == "cancelled" => {
                Why::SaleCancelled { document: document(), state: repeatable(&sale.state) }
            }
            Some(State::Draft | State::Quotation) if version.as_ref() == Some(&self.to.base) && sale.adds_up() => {
                return None;
            }
            Some(State::Draft | State::Quotation) => Why::ChangedByHand { document: document() },
            Some(State::Confirmed | State::Processing) | None => {
                Why::TooLate { operation: Operation::Amend, document: document(), because: sale.standing() }
            }
        };
        Some(SendError::Refused(why.into()))
    }

    /// What is written to it: other lines instead of those that were read.
    fn values(&self, sale: &FoundSale) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Values<'a> {
            #[serde(flatten)]
            header: HashMap<String, &'a RawValue>,
            lines: (Delete, (&'static str, &'a RawValue)),
        }
        type Delete = (&'static str, Vec<i64>);
        let header = serde_json::from_str(self.to.header.get()).unwrap_or_default();
        wire::raw(&Values { header, lines: (("delete", sale.line_ids()), ("create", &self.to.lines)) })
    }
}
