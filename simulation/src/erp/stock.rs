//! What the ERP says that is available.

use async_trait::async_trait;
use puente::{
    domain::{document::Document, money::Amount},
    erp::{
        SendError,
        stock::{Stock, StockAsk, StockPage},
    },
    outbound::Calls,
};

use super::Connector;

#[async_trait]
impl Stock for Connector {
    fn reflects(&self) -> bool {
        // A sale lowers it as soon as it is booked, drafts too; quotations do not.
        !self.0.settings().quotes
    }

    async fn page(&self, calls: &Calls<'_>, ask: &StockAsk<'_>) -> Result<StockPage, SendError> {
        let Some(warehouse) = self.0.warehouse.clone() else { return Ok(StockPage::default()) };
        let since = ask.since.and_then(|since| since.parse().ok());
        let named: Vec<String> = ask.skus.iter().map(ToString::to_string).collect();
        // What changed, and how many there are: two calls, as such ERPs take.
        let lost = |lost: super::network::Lost| lost.send_error();
        self.0.reach(calls, "erp.moves", &[], |_, _| ()).await.map_err(lost)?;
        let answer = self.0.reach(calls, "erp.stock", &[], move |_, _| {
            let mut stock = warehouse.stock();
            stock.polls += 1;
            stock.answer(since, &named)
        });
        let (rows, mark) = answer.await.map_err(lost)?;
        let mut page = StockPage { mark: Some(mark.to_string()), ..StockPage::default() };
        for (article, units) in rows {
            page.add(&article, Amount::from(units));
        }
        Ok(page)
    }

    async fn reflected(&self, calls: &Calls<'_>, sales: &[Document]) -> Result<Vec<String>, SendError> {
        let sales = sales.to_vec();
        let counted = self.0.reach(calls, "erp.reflected", &[], move |_, books| {
            let counts = |sale: &&Document| books.at(sale).is_some_and(|one| one.counted && one.stands());
            sales.iter().filter(counts).map(|sale| sale.id.clone()).collect()
        });
        counted.await.map_err(|lost| lost.send_error())
    }
}
