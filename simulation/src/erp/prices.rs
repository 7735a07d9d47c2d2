//! What the ERP says that articles cost.

use async_trait::async_trait;
use iso_currency::Currency;
use puente::{
    domain::price::Quote,
    erp::{
        SendError,
        prices::{PriceAsk, PricePage, Prices},
    },
    outbound::Calls,
};

use super::{Connector, network::Lost};
use crate::world::{micros, stamp};

#[async_trait]
impl Prices for Connector {
    async fn page(&self, calls: &Calls<'_>, ask: &PriceAsk<'_>) -> Result<PricePage, SendError> {
        let Some(warehouse) = self.0.warehouse.clone() else { return Ok(PricePage::default()) };
        let (since, at) = (ask.since.and_then(|since| since.parse().ok()), micros(ask.at));
        let answer = self.0.reach(calls, "erp.prices", &[], move |_, _| warehouse.stock().prices.answer(since, at));
        let (rows, mark, next) = answer.await.map_err(|lost: Lost| lost.send_error())?;
        let mut page = PricePage { mark: Some(mark.to_string()), changes_at: next.map(stamp), ..PricePage::default() };
        for (article, amount) in rows {
            page.add(&article, Quote { amount, currency: Currency::EUR, taxed: true, rate: None });
        }
        Ok(page)
    }
}
