//! Sales orders that are there and become what was sold by now.
//!
//! Odoo has no condition for a write: a call that lands late would put an older state over a newer one. So an order is changed only
//! where it was just read with the version that the change was made from, and the next step waits until nothing of a lost call can
//! still be at work (class [`Searchable`](crate::erp::Class::Searchable), `settle`). What is written is absolute, by the names of
//! lines: written twice it is the same. Lines that are not sold any more stay with a quantity of nothing, as Odoo wants it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Odoo,
    load::{self, Known, Loaded},
    map::Body,
    orders::{Just, Setbacks, all, bodies, fields},
    records::{Model, Record, SaleLine, gone},
    wire::{Arguments, Edition},
};
use crate::{
    Error, Kind,
    domain::{
        document::{Document, Operation},
        ids::Reference,
        reason::Why,
    },
    erp::{Draft, SendError},
    outbound::Calls,
};

/// The place of the quantity in the cells of a line.
const QUANTITY: usize = 2;

/// How sales orders stand.
struct Standing {
    sales: HashMap<i64, Record>,
    lines: Vec<SaleLine>,
    /// The external ids of lines.
    names: HashMap<i64, String>,
}

impl Odoo {
    /// Changes sales orders, each by itself: one that cannot be changed keeps no other from it.
    pub(super) async fn amend(&self, calls: &Calls<'_>, drafts: &[Draft]) -> Vec<Result<Document, SendError>> {
        let bodies = match bodies(drafts) {
            Ok(bodies) => bodies,
            Err(send_error) => return all(drafts, &send_error),
        };
        let ids: Option<Vec<i64>> = bodies.iter().map(|body| body.amends.as_ref()?.0.id.parse().ok()).collect();
        let Some(ids) = ids else {
            return all(drafts, &SendError::Refused(Error::new(Kind::Bug, "the rendered change of a sale is none")));
        };
        let (edition, standing) = match self.standing(calls, &ids).await {
            Ok(standing) => standing,
            Err(send_error) => return all(drafts, &send_error),
        };
        let gone = gone(&standing.lines);
        let mut setbacks = Setbacks::new();
        let (mut changed, mut rows) = (Vec::new(), Vec::new());
        for ((id, body), draft) in ids.iter().zip(&bodies).zip(drafts) {
            let how = gone.get(id).copied();
            match standing.rows(*id, body, &draft.reference, how, edition) {
                Ok(own) => {
                    changed.push(*id);
                    rows.push(own);
                }
                Err(send_error) => {
                    setbacks.insert(*id, send_error);
                }
            }
        }
        match load::load(self, calls, (Model::Sale.name(), Known::Changed), &fields(&bodies), rows).await {
            Ok(loaded) => {
                for (id, loaded) in changed.iter().zip(loaded) {
                    let setback = match loaded {
                        Loaded::There(_) => continue,
                        Loaded::Refused(error) => SendError::Refused(error),
                        Loaded::Later => load::later(),
                    };
                    setbacks.insert(*id, setback);
                }
            }
            Err(send_error) => setbacks.extend(changed.iter().map(|id| (*id, send_error.clone()))),
        }
        let landed: Vec<i64> = changed.into_iter().filter(|id| !setbacks.contains_key(id)).collect();
        let taken = if landed.is_empty() {
            Vec::new()
        } else {
            self.take_on(calls, Operation::Amend, &landed, Just::Written).await
        };
        let mut taken: HashMap<i64, Result<Document, SendError>> = landed.into_iter().zip(taken).collect();
        let lost = || Err(SendError::Unknown(Error::new(Kind::Bug, "the sale was changed and not looked at")));
        let answer = |id: &i64| match setbacks.remove(id) {
            Some(send_error) => Err(send_error),
            // They carry the new version, whatever keeps them from going on: the look-up that follows puts that on record.
            None => taken.remove(id).unwrap_or_else(lost).map_err(|send_error| match send_error {
                SendError::Refused(error) => SendError::Unknown(error),
                other => other,
            }),
        };
        ids.iter().map(answer).collect()
    }

    async fn standing(&self, calls: &Calls<'_>, ids: &[i64]) -> Result<(Edition, Standing), SendError> {
        let edition = self.server.edition(calls).await?;
        let sales = self.by_id(calls, Model::Sale, ids).await?;
        let lines = self.lines(calls, ids).await?;
        let of: Vec<i64> = lines.iter().map(|line| line.id).collect();
        let names: BTreeMap<String, String> = if of.is_empty() {
            BTreeMap::new()
        } else {
            self.server.read(calls, "sale.order.line", "get_external_id", Arguments::of(&of)).await?
        };
        let names = names.into_iter().filter_map(|(id, name)| Some((id.parse().ok()?, name))).collect();
        Ok((edition, Standing { sales, lines, names }))
    }
}

impl Standing {
    /// The rows that make a sale what it is to be, or what keeps it from that.
    fn rows(
        &self,
        id: i64,
        body: &Body,
        reference: &Reference,
        gone: Option<&'static str>,
        edition: Edition,
    ) -> Result<Vec<Vec<String>>, SendError> {
        let (on_record, base) = body.amends.as_ref().map(|(document, base)| (document.name().to_owned(), base)).unzip();
        let document = on_record.unwrap_or_default();
        let refused = |why: Why| Err(SendError::Refused(why.into()));
        // After Odoo was set up anew another order may have its id.
        let Some(sale) = self.sales.get(&id).filter(|sale| sale.is_of(reference)) else {
            return refused(Why::SaleGone { document });
        };
        if sale.version().as_ref() == Some(&body.version) {
            return Err(SendError::Exists);
        }
        if sale.is_cancelled() {
            return refused(Why::SaleCancelled { document, state: sale.state.clone() });
        }
        let own: Vec<&SaleLine> = self.lines.iter().filter(|line| line.order_id.0 == id).collect();
        let name = |line: &SaleLine| self.names.get(&line.id).filter(|name| !name.is_empty());
        let by_hand = own.iter().any(|line| name(line).is_none() && !line.product_uom_qty.0.is_zero());
        if sale.version().as_ref() != base || !sale.adds_up() || by_hand {
            return refused(Why::ChangedByHand { document });
        }
        let too_late = |because: &str| {
            let (document, because) = (document.clone(), because.to_owned());
            refused(Why::TooLate { operation: Operation::Amend, document, because })
        };
        if let Some(because) = gone {
            return too_late(because);
        }
        if sale.is_locked() {
            return too_late("it is locked there");
        }
        if !sale.is_draft() && !edition.follows_changes() {
            return too_late("it is confirmed, and its delivery would not follow");
        }
        let mut rows = body.rows.clone();
        let kept: HashSet<&str> =
            body.rows.iter().filter_map(|row| line_cells(row).first().map(String::as_str)).collect();
        let left =
            own.iter().filter_map(|line| Some((line, name(line)?))).filter(|(_, name)| !kept.contains(name.as_str()));
        for (line, name) in left {
            let taxes: Vec<String> = line.tax_ids.iter().map(ToString::to_string).collect();
            let product = line.product_id.0.as_ref().map(|product| product.0.to_string()).unwrap_or_default();
            let mut cells = vec![
                name.clone(),
                product,
                String::new(),
                line.price_unit.0.normalize().to_string(),
                taxes.join(","),
                line.name.clone(),
            ];
            if let Some(cell) = cells.get_mut(QUANTITY) {
                "0".clone_into(cell);
            }
            let header = body.fields.len().saturating_sub(cells.len());
            rows.push(vec![String::new(); header].into_iter().chain(cells).collect());
        }
        Ok(rows)
    }
}

/// The cells of a row that are its line's.
fn line_cells(row: &[String]) -> &[String] {
    row.get(row.len().saturating_sub(6)..).unwrap_or_default()
}
