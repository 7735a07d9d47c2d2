//! What a shop has of its articles, and what they cost. How it counts is its vendor's: a shop that keeps reservations has them in the number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rust_decimal::Decimal;

use super::{Article, CATALOGUE};

/// How many there are of each article at first.
const FIRST: i64 = 20;

/// The articles of a shop.
#[derive(Debug)]
pub struct Stock(Mutex<Vec<Goods>>);

/// An article, as a shop keeps it.
#[derive(Debug, Clone)]
pub struct Goods {
    /// The shop's own number for it.
    pub id: u64,
    /// Its code.
    pub sku: String,
    /// How many there are.
    pub number: i64,
    /// What it costs; none: nobody has said that yet.
    pub price: Option<Tag>,
}

/// A price, in the shop's first currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// What a buyer pays.
    pub amount: Decimal,
    /// What that is compared to.
    pub compare_at: Option<Decimal>,
}

impl Default for Stock {
    /// Everything that is sold.
    fn default() -> Self {
        let item = |(id, article): (u64, &Article)| Goods {
            id,
            sku: article.sku.to_string(),
            number: FIRST,
            price: Some(Tag { amount: Decimal::new(article.price, 2), compare_at: None }),
        };
        Self(Mutex::new((9001..).zip(CATALOGUE).map(item).collect()))
    }
}

impl Stock {
    /// All articles; nobody else sees or changes them meanwhile.
    pub fn items(&self) -> MutexGuard<'_, Vec<Goods>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are of an article; `None` if there is no such.
    #[must_use]
    pub fn of(&self, sku: &str) -> Option<i64> {
        self.items().iter().find(|item| item.sku == sku).map(|item| item.number)
    }

    /// There are so many now, also of an article that there was not before.
    pub fn set(&self, sku: &str, number: i64) {
        self.change(sku, |item| item.number = number);
    }

    /// What an article costs; `None` if there is no such, or no price.
    #[must_use]
    pub fn price(&self, sku: &str) -> Option<Tag> {
        self.items().iter().find(|item| item.sku == sku).and_then(|item| item.price)
    }

    /// It costs this now, also an article that there was not before.
    pub fn set_price(&self, sku: &str, price: Option<Tag>) {
        self.change(sku, |item| item.price = price);
    }

    fn change(&self, sku: &str, change: impl FnOnce(&mut Goods)) {
        let mut items = self.items();
        if let Some(item) = items.iter_mut().find(|item| item.sku == sku) {
            change(item);
            return;
        }
        let id = items.iter().map(|item| item.id).max().unwrap_or(9000) + 1;
        let mut item = Goods { id, sku: sku.to_owned(), number: 0, price: None };
        change(&mut item);
        items.push(item);
    }
}
