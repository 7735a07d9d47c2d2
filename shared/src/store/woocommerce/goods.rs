//! Stock: the numbers of products and variations.
//!
//! The shop lowers a number by itself with each sale, and writes are absolute; it has no compare-and-set. `inventory_delta` is never
//! used: a call that is repeated would count twice. <https://woocommerce.github.io/woocommerce-rest-api-docs/#batch-update-products>

use serde::{Deserialize, Serialize};

use super::{
    super::{
        goods::{NewStock, NotSet, Stocked, whole},
        parse::{Code, Money, Text, object, parse},
    },
    config::WooCommerce,
    products::{Became, Refusal, Yes, item},
};
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{InStore, Sku},
        order::Flag,
    },
    outbound::Calls,
};

const FIELDS: &str = "id,parent_id,type,sku,manage_stock,stock_quantity";

/// A product, or a variation of one.
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
    /// Whether it has a number of its own.
    #[serde(default)]
    manage_stock: Yes,
    #[serde(default)]
    stock_quantity: Money,
}

fn stocked(body: &[u8]) -> Result<Option<Stocked>, Flag> {
    let product: Product<'_> = parse(body)?;
    let Ok(sku) = product.sku.as_str().parse::<Sku>() else { return Ok(None) };
    if !product.manage_stock.0 {
        return Ok(Some(Stocked::none(sku, InStore::NotKept)));
    }
    let item = item(&product.kind, &product.parent_id, &product.id);
    let number = Some(product.stock_quantity.0.map_or(0, whole));
    Ok(Some(Stocked { sku, store: InStore::Kept, number, item: Some(item) }))
}

#[derive(Serialize)]
struct Number {
    stock_quantity: i64,
}

/// What became of one of a batch: the product as it is now, or why not.
#[derive(Deserialize)]
struct Updated<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(default)]
    stock_quantity: Money,
    #[serde(borrow, default, deserialize_with = "object")]
    error: Option<Refusal<'a>>,
}

impl WooCommerce {
    /// What the shop has of these articles.
    pub(super) async fn stock_of(&self, calls: &Calls<'_>, skus: &[Sku]) -> Result<Vec<Stocked>> {
        self.say(calls, skus, FIELDS, stocked).await
    }

    /// Writes numbers.
    pub(super) async fn write_stock(&self, calls: &Calls<'_>, stock: &[NewStock]) -> Vec<Result<i64, NotSet>> {
        let news = stock.iter().map(|new| (new.item.as_str(), Number { stock_quantity: new.to })).collect();
        self.write_each(calls, news, "number", Self::number_of).await
    }

    fn number_of(&self, body: &[u8]) -> Became<i64> {
        let one: Updated<'_> = parse(body).ok()?;
        let now = match (&one.error, one.stock_quantity.0) {
            (Some(refusal), _) => self.refused(refusal, "number"),
            (None, Some(number)) => Ok(whole(number)),
            (None, None) => {
                let words = format!("{}: the product keeps no stock any more", self.name);
                Err(NotSet::Refused(Error::new(Kind::Refused, words)))
            }
        };
        Some((one.id.as_str().parse().ok()?, now))
    }
}
