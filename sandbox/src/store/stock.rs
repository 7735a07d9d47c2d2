//! What a shop has of its articles. How it counts is its vendor's: a shop that keeps reservations has them in the number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::CATALOGUE;

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
}

impl Default for Stock {
    /// Everything that is sold.
    fn default() -> Self {
        let item = |(id, sku): (u64, &str)| Goods { id, sku: sku.to_owned(), number: FIRST };
        Self(Mutex::new((9001..).zip(CATALOGUE.iter().map(|article| &*article.sku)).map(item).collect()))
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
        let mut items = self.items();
        if let Some(item) = items.iter_mut().find(|item| item.sku == sku) {
            item.number = number;
            return;
        }
        let id = items.iter().map(|item| item.id).max().unwrap_or(9000) + 1;
        items.push(Goods { id, sku: sku.to_owned(), number });
    }
}
