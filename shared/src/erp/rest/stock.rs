//! What such an ERP says that is available: the request `stock`, page by page.
//!
//! Whether a sale is in its numbers such an ERP cannot be asked: the section says so with `stock.reflects`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use minijinja::{Value as Data, context};
use serde_json::Value;

use super::{
    Rest,
    answer::{self, What, items, read, text_at},
    request::{Name, Request},
};
use crate::{
    Error, Kind,
    domain::{
        document::Document,
        goods::{Place, Sku},
        money::Amount,
    },
    erp::{
        SendError, repeatable,
        stock::{Stock, StockAsk, StockPage},
    },
    outbound::Calls,
};

/// The longest mark, and the longest name of a page, that are kept.
const LONGEST: usize = 1000;

#[async_trait]
impl Stock for Rest {
    fn reflects(&self) -> bool {
        self.section.stock.as_ref().is_some_and(|request| request.reflects == Some(true))
    }

    async fn page(&self, calls: &Calls<'_>, ask: &StockAsk<'_>) -> Result<StockPage, SendError> {
        let Some(request) = &self.section.stock else { return Err(account("stock: is missing")) };
        let (at, page) = ask.page.map_or(Ok((0, None)), place)?;
        let chunk = ask.skus.chunks(request.at_most.unwrap_or(usize::MAX)).nth(at).unwrap_or_default();
        let asked = self.ask(calls.http, Name::Stock, request, &asking(ask.place, ask.since, chunk, page), None).await;
        let answer = asked.map_err(|failure| answer::failed(&failure, false).send_error())?;
        let mut told = StockPage::default();
        let mut next = None;
        if !request.none.contains(&answer.status.as_u16()) {
            let body = read(Name::Stock.as_str(), request, &answer, false).map_err(|verdict| match verdict.what {
                // It asks for nobody's order: whatever is the reason, it is the account's.
                What::Ambiguous | What::Refused => verdict.of_the_account().send_error(),
                _ => verdict.send_error(),
            })?;
            told = rows(request, &body)?;
            told.mark = text_at(request.mark.as_ref(), &body).filter(|mark| !mark.is_empty());
            next = text_at(request.next.as_ref(), &body).filter(|next| !next.is_empty());
        }
        if told.mark.iter().chain(&next).any(|text| text.len() > LONGEST) {
            return Err(account(
                "stock: the mark or the next page is longer than 1,000 bytes: check stock.mark and stock.next",
            ));
        }
        if next.is_some() && next.as_deref() == page {
            return Err(account(
                "stock: the next page is the one that was asked for: check stock.next, and that stock.path carries page",
            ));
        }
        let more = ask.skus.len() > (at + 1).saturating_mul(request.at_most.unwrap_or(usize::MAX));
        told.next = match next {
            Some(next) => Some(format!("{at} {next}")),
            // The other articles that are asked for by name.
            None if more => Some(format!("{} ", at + 1)),
            None => None,
        };
        Ok(told)
    }

    async fn reflected(&self, _calls: &Calls<'_>, _sales: &[Document]) -> Result<Vec<String>, SendError> {
        Err(account(
            "stock.reflects is false: which sales are in the ERP's numbers cannot be asked, so nothing is published. Have sales created in \
             a state that lowers what is available, and say stock.reflects = true",
        ))
    }
}

/// What the templates of `stock` can use.
pub(super) fn asking(place: &Place, since: Option<&str>, skus: &[Sku], page: Option<&str>) -> Data {
    let skus = skus.iter().map(Sku::as_str).collect::<Data>();
    let warehouses = place.warehouses().collect::<Data>();
    context! { since, skus, page, warehouses }
}

/// Which part of the articles that are asked for by name, and the ERP's own name of a page of the answer.
fn place(page: &str) -> Result<(usize, Option<&str>), SendError> {
    let place = page
        .split_once(' ')
        .and_then(|(at, page)| Some((at.parse().ok()?, Some(page).filter(|page| !page.is_empty()))));
    place.ok_or_else(|| {
        SendError::NotNow(Error::new(Kind::Unreadable, format!("{page:?} is no page of the ERP's stock")))
    })
}

/// The rows of an answer. Two of one code: neither is believed.
fn rows(request: &Request, body: &Value) -> Result<StockPage, SendError> {
    let items = items(request, body).ok_or_else(|| account("stock: the answer has nothing at items"))?;
    let mut page = StockPage::default();
    let mut by_code: BTreeMap<String, Vec<Option<Amount>>> = BTreeMap::new();
    let mut nameless = 0;
    for item in &items {
        let Some(code) = text_at(request.reference.as_ref(), item).filter(|code| !code.is_empty()) else {
            nameless += 1;
            continue;
        };
        let quantity = text_at(request.quantity.as_ref(), item).and_then(|text| Amount::parse(&text).ok());
        by_code.entry(code).or_default().push(quantity);
    }
    if nameless > 0 && by_code.is_empty() {
        return Err(account("stock: no item has a code: check stock.reference"));
    }
    if nameless > 0 {
        page.unread.push((String::new(), format!("{nameless} items without a code")));
    }
    for (code, quantities) in by_code {
        match quantities.as_slice() {
            [Some(quantity)] => page.add(&code, *quantity),
            [None] => {
                let why = "its quantity is no number, or one with more digits than can be read exactly: the ERP may send it as text";
                page.unread.push((repeatable(&code), why.to_owned()));
            }
            several => {
                let why = format!("{} items of this page have this code", several.len());
                page.unread.push((repeatable(&code), why));
            }
        }
    }
    Ok(page)
}

fn account(text: &'static str) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

#[cfg(test)]
mod tests;
