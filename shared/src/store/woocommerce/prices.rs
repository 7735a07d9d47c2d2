//! Prices of products and variations, as they were entered: with tax or without, in the shop's currency, which products do not say.
//!
//! What the buyer pays is the sale price while a sale is on, and then it is compared to the regular one. A sale may have a first and a last
//! day: one that the shop has planned and that has not begun, or that is over, is no price that anybody pays, and is read as none. A write
//! takes such days away, because a sale price of ours would be subject to them. A variable product has only the prices of its variations.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#product-properties>

use serde::{Deserialize, Serialize};

use super::{
    super::{
        goods::NotSet,
        parse::{Code, Money, Text, object, parse},
        prices::{NewPrice, Priced, seen},
    },
    config::WooCommerce,
    products::{Became, Refusal, Yes, item},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{InStore, Sku},
        money::Amount,
        order::Flag,
        price::Price,
    },
    outbound::Calls,
};

const FIELDS: &str = "id,parent_id,type,sku,regular_price,sale_price,on_sale";

/// A product or a variation of one; in the answer to a batch perhaps why it is not as was wished.
#[derive(Deserialize)]
struct Product<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(borrow, default)]
    parent_id: Code<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    sku: Code<'a>,
    #[serde(default)]
    regular_price: Money,
    #[serde(default)]
    sale_price: Money,
    /// Whether the sale price counts now.
    #[serde(default)]
    on_sale: Yes,
    #[serde(borrow, default, deserialize_with = "object")]
    error: Option<Refusal<'a>>,
}

impl Product<'_> {
    /// Whether it has a price of its own.
    fn is_sold(&self) -> bool {
        let kind = self.kind.as_str();
        kind != "grouped" && !kind.starts_with("variable")
    }

    fn price(&self) -> Option<Price> {
        let regular = self.regular_price.0?;
        let sale = self.sale_price.0.filter(|_| self.on_sale.0);
        Some(sale.map_or(seen(regular, None), |sale| seen(sale, Some(regular))))
    }
}

fn priced(body: &[u8]) -> Result<Option<Priced>, Flag> {
    let product: Product<'_> = parse(body)?;
    let Ok(sku) = product.sku.as_str().parse::<Sku>() else { return Ok(None) };
    if !product.is_sold() {
        return Ok(Some(Priced::none(sku, InStore::NotKept)));
    }
    let item = item(&product.kind, &product.parent_id, &product.id);
    Ok(Some(Priced { sku, store: InStore::Kept, price: product.price(), currency: None, item: Some(item) }))
}

/// A price as it is entered. What is empty is taken away; what is not said would stay.
#[derive(Serialize)]
struct Entered {
    regular_price: Amount,
    sale_price: String,
    date_on_sale_from: &'static str,
    date_on_sale_to: &'static str,
}

impl Entered {
    fn of(price: Price) -> Self {
        let (regular_price, sale_price) = match price.compare_at {
            Some(higher) => (higher, price.amount.to_string()),
            None => (price.amount, String::new()),
        };
        Self { regular_price, sale_price, date_on_sale_from: "", date_on_sale_to: "" }
    }
}

impl WooCommerce {
    /// What these articles cost in the shop.
    pub(super) async fn prices_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Priced>> {
        self.say(calls, skus, FIELDS, priced).await
    }

    /// Writes prices.
    pub(super) async fn write_prices(&self, calls: &Calls<'_>, prices: &[NewPrice]) -> Vec<Result<Price, NotSet>> {
        let news = prices.iter().map(|new| (new.item.as_str(), Entered::of(new.to))).collect();
        self.write_each(calls, news, "price", Self::price_now).await
    }

    fn price_now(&self, body: &[u8]) -> Became<Price> {
        let one: Product<'_> = parse(body).ok()?;
        let now = match (&one.error, one.price().filter(|_| one.is_sold())) {
            (Some(refusal), _) => self.refused(refusal, "price"),
            (None, Some(price)) => Ok(price),
            (None, None) => {
                let words = format!("{}: the product has no price of its own any more", self.name);
                Err(NotSet::Refused(Error::new(Kind::Refused, words)))
            }
        };
        Some((one.id.as_str().parse().ok()?, now))
    }
}
