//! Sales in Tryton: created together, taken on together, found again by their reference.
//!
//! Whatever happens after the create call succeeded, the sales are there: only a refusal or a success is certain then, and
//! everything else is UNKNOWN, to be looked up and finished.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use iso_currency::Currency;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{
    State, Tryton, map,
    wire::{self, BookedSale, FoundSale, parameters},
};
use crate::{
    Error, Kind, Result,
    domain::{
        audit::BookEntry,
        document::{Document, Step},
        money::Amount,
        reason::{Reason, Why},
    },
    erp::{BookPage, Draft, Found, SendError, repeatable, totals::stored},
    outbound::Metered,
};

/// What became of sales, by id. Missing: so far so good.
type Setbacks = HashMap<i64, SendError>;

impl State {
    /// The state of a sale; `None` if it was cancelled, or in a state of somebody's own.
    fn of(text: &str) -> Option<Self> {
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
    pub(super) async fn create_sales(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        if drafts.is_empty() {
            return Vec::new();
        }
        let all = |send_error: &SendError| drafts.iter().map(|_| Err(send_error.clone())).collect();
        let bodies: Result<Vec<&RawValue>, _> = drafts.iter().map(|draft| serde_json::from_str(&draft.body)).collect();
        let Ok(bodies) = bodies else {
            return all(&SendError::Refused(Error::new(Kind::Bug, "the rendered sale is not JSON")));
        };
        let created: Result<wire::Ids, _> =
            self.server.write(calls, "model.sale.sale.create", parameters![bodies]).await;
        match created {
            // One sale is never two orders.
            Ok(ids) if ids.len() == drafts.len() && ids.iter().collect::<HashSet<_>>().len() == ids.len() => {
                self.take_on(calls, &ids, true).await
            }
            Ok(_) => {
                all(&SendError::Unknown(Error::new(Kind::Unavailable, "Tryton answered for another number of sales")))
            }
            Err(send_error) => all(&send_error),
        }
    }

    pub(super) async fn finish_sales(
        &self,
        calls: &Metered,
        documents: &[Document],
    ) -> Vec<Result<Document, SendError>> {
        if documents.is_empty() {
            return Vec::new();
        }
        let ids: Result<Vec<i64>, _> = documents.iter().map(|document| document.id.parse()).collect();
        let Ok(ids) = ids else {
            let bug = || Err(SendError::Refused(Error::new(Kind::Bug, "a document's id is not one of Tryton's")));
            return documents.iter().map(|_| bug()).collect();
        };
        self.take_on(calls, &ids, false).await
    }

    pub(super) async fn find_sales(&self, calls: &Metered, steps: &[Step]) -> Result<Vec<Option<Found>>, SendError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = steps.iter().map(|step| step.reference.as_str()).collect();
        let domain = wire::raw(&parameters![self.in_our_shop(), ("web_id", "in", ids)]);
        let found = self.read(calls, domain).await?;
        let answer = |step: &Step| {
            let mut ours = found.iter().filter(|sale| sale.web_id.as_deref() == Some(step.reference.as_str()));
            let sale = ours.next()?;
            // Web shops of one name: which sale is the right one, a person has to compare.
            let alone = ours.all(|other| other.id == sale.id);
            let finished = State::of(&sale.state).is_some_and(|state| state >= self.settings.state);
            let version = sale.mark().map(|(version, _)| version).filter(|_| alone);
            Some(Found { document: sale.document(), version, finished })
        };
        Ok(steps.iter().map(answer).collect())
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
            super::Named::Id(id) => wire::raw(&("web_shop", "=", id)),
            super::Named::Name(name) => wire::raw(&("web_shop.name", "=", name)),
        }
    }

    async fn read(&self, calls: &Metered, domain: Box<RawValue>) -> Result<Vec<FoundSale>, SendError> {
        let nothing: Option<i64> = None;
        let parameters = parameters![domain, 0, nothing, nothing, FoundSale::FIELDS];
        self.server.read(calls, "model.sale.sale.search_read", parameters).await
    }

    /// Takes sales to the configured state. `created`: they are drafts that were created a moment ago; otherwise each may
    /// stand anywhere, and that is read first.
    async fn take_on(&self, calls: &Metered, ids: &[i64], created: bool) -> Vec<Result<Document, SendError>> {
        let mut setbacks = Setbacks::new();
        let outcome = self.steps(calls, ids, created, &mut setbacks).await;
        let (found, failed) = match outcome {
            Ok(found) => (found, None),
            Err(send_error) => (HashMap::new(), Some(send_error)),
        };
        let answer = |id: &i64| {
            if let Some(send_error) = setbacks.remove(id) {
                return Err(send_error);
            }
            if let Some(send_error) = &failed {
                return Err(in_doubt(send_error.clone(), created));
            }
            found.get(id).map(FoundSale::document).ok_or_else(|| {
                SendError::Unknown(Error::new(
                    Kind::Unavailable,
                    "the sale was in Tryton and is not to be seen any more",
                ))
            })
        };
        ids.iter().map(answer).collect()
    }

    /// The calls, each for all sales: quote, read, confirm, process. The error is everybody's.
    async fn steps(
        &self,
        calls: &Metered,
        ids: &[i64],
        created: bool,
        setbacks: &mut Setbacks,
    ) -> Result<HashMap<i64, FoundSale>, SendError> {
        let target = self.settings.state;
        let standing = if created { HashMap::new() } else { self.by_id(calls, ids).await? };
        let drafts: Vec<i64> = if created {
            ids.to_vec()
        } else {
            ids.iter().copied().filter(|id| standing.get(id).is_some_and(|sale| sale.state == "draft")).collect()
        };
        let quoted = target > State::Draft && !drafts.is_empty();
        if quoted {
            self.transition(calls, "quote", drafts, created, setbacks).await?;
        }
        // One read tells the numbers, the states, and whether Tryton came to the store's totals.
        let found = if created || quoted { self.by_id(calls, ids).await? } else { standing };
        let wrong = check(&found, setbacks);
        if created && !wrong.is_empty() {
            self.undo(calls, &found, &wrong, setbacks).await;
        }
        let at = |state: &str, setbacks: &Setbacks| -> Vec<i64> {
            let there = |id: &i64| found.get(id).is_some_and(|sale| sale.state == state) && !setbacks.contains_key(id);
            ids.iter().copied().filter(there).collect()
        };
        if target >= State::Confirmed {
            let quotations = at("quotation", setbacks);
            self.transition(calls, "confirm", quotations, created, setbacks).await?;
        }
        if target >= State::Processing {
            let mut confirmed = at("quotation", setbacks);
            confirmed.extend(at("confirmed", setbacks));
            self.transition(calls, "process", confirmed, created, setbacks).await?;
        }
        Ok(found)
    }

    async fn by_id(&self, calls: &Metered, ids: &[i64]) -> Result<HashMap<i64, FoundSale>, SendError> {
        let found = self.read(calls, wire::raw(&[("id", "in", ids)])).await?;
        Ok(found.into_iter().map(|sale| (sale.id, sale)).collect())
    }

    /// Presses a button on all of them. Where Tryton refuses one it refuses all: it is found by halving.
    async fn transition(
        &self,
        calls: &Metered,
        button: &str,
        ids: Vec<i64>,
        created: bool,
        setbacks: &mut Setbacks,
    ) -> Result<(), SendError> {
        let method = format!("model.sale.sale.{button}");
        let mut groups = vec![ids];
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            match self.server.write::<IgnoredAny>(calls, &method, parameters![group]).await {
                Ok(_) => {}
                Err(SendError::Refused(_)) if group.len() > 1 => {
                    let second = group.split_off(group.len() / 2);
                    groups.extend([second, group]);
                }
                Err(SendError::Refused(error)) => {
                    let why = Why::NotTakenOn { step: button.to_owned(), because: Box::new(Reason::of(&error)) };
                    setbacks.extend(group.first().map(|id| (*id, SendError::Refused(why.into()))));
                }
                Err(send_error) => {
                    // Those that went through before are not known from those that did not: all are looked up.
                    return Err(in_doubt(send_error, created));
                }
            }
        }
        Ok(())
    }

    /// Takes back sales that were just created with a wrong total, so that it is true that nothing happened.
    async fn undo(&self, calls: &Metered, found: &HashMap<i64, FoundSale>, wrong: &[i64], setbacks: &mut Setbacks) {
        let quotations: Vec<i64> =
            wrong.iter().copied().filter(|id| found.get(id).is_some_and(|sale| sale.state != "draft")).collect();
        let mut undone = Ok(IgnoredAny);
        if !quotations.is_empty() {
            undone = self.server.write(calls, "model.sale.sale.cancel", parameters![quotations]).await;
        }
        if undone.is_ok() {
            undone = self.server.write(calls, "model.sale.sale.delete", parameters![wrong]).await;
        }
        if undone.is_err() {
            for (id, send_error) in setbacks.iter_mut().filter(|(id, _)| wrong.contains(id)) {
                if let SendError::Refused(error) = send_error {
                    let because = Box::new(Reason::of(error));
                    *send_error = SendError::Refused(Why::NotTakenBack { document: id.to_string(), because }.into());
                }
            }
        }
    }
}

/// Cancelled sales, and those whose total is not the store's: which ids are of the second kind.
fn check(found: &HashMap<i64, FoundSale>, setbacks: &mut Setbacks) -> Vec<i64> {
    let mut wrong = Vec::new();
    for (id, sale) in found {
        let document = sale.number.as_deref().map_or_else(|| id.to_string(), repeatable);
        if State::of(&sale.state).is_none() {
            let why = Why::SaleCancelled { document, state: repeatable(&sale.state) };
            setbacks.insert(*id, SendError::Refused(why.into()));
            continue;
        }
        let (Some((_, total)), Some(is)) = (sale.mark(), sale.total_amount) else { continue };
        if is.0 != total {
            let currency = sale.currency.as_ref().and_then(|currency| Currency::from_code(&currency.code));
            let why = Why::MadeOtherwise { currency, store: stored(total), erp: stored(is.0) };
            setbacks.entry(*id).or_insert_with(|| SendError::Refused(why.into()));
            wrong.push(*id);
        }
    }
    wrong
}

/// After a create everything but a refusal is in doubt: the sales are there.
fn in_doubt(send_error: SendError, created: bool) -> SendError {
    match send_error {
        SendError::NotNow(error) | SendError::Account(error) | SendError::Ambiguous(error) if created => {
            SendError::Unknown(error)
        }
        other => other,
    }
}

impl FoundSale {
    fn document(&self) -> Document {
        Document { id: self.id.to_string(), number: self.number.clone() }
    }

    /// Our mark: the version, and the total the sale must have.
    fn mark(&self) -> Option<(crate::domain::version::Version, rust_decimal::Decimal)> {
        self.lines.iter().find_map(|line| map::read_note(line.note.as_deref()?))
    }
}
