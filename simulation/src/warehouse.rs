//! Goods: what is really there to sell, what the ERP believes, and the numbers that stores keep. The warehouse is the truth that every
//! sale is judged by.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use puente::domain::{goods::number::Keeps, ids::OrderKey};

use crate::{
    executor::Micros,
    price_list::PriceList,
    world::{MINUTE, SECOND},
};

/// How goods are sold in a history.
#[derive(Debug, Clone)]
pub struct Trade {
    /// The number that each shop's store keeps.
    pub keeps: Vec<Keeps>,
    /// The articles.
    pub articles: Vec<&'static str>,
    /// How often somebody wants to buy something, in all shops together.
    pub visits: usize,
    /// How many of each article there are, and come with each delivery.
    pub lot: i64,
    /// With so few left of an article more of it is ordered.
    pub reorder: i64,
    /// The longest that a delivery takes.
    pub lead: Micros,
    /// Of a thousand orders, how many are cancelled.
    pub cancelled: u32,
    /// Of a thousand, how many take another article in place of the first.
    pub exchanged: u32,
    /// Of a thousand numbers that are written to a store, how many of those never arrive, with no answer.
    pub lost: u32,
    /// How many arrive, with no answer.
    pub unanswered: u32,
    /// How many arrive late, with no answer.
    pub late: u32,
    /// Units that are kept back from each store.
    pub safety: u32,
    /// With so few left each store has a part of its own.
    pub scarce: u32,
    /// Of a thousand webhooks, how many no store sends.
    pub unheard: u32,
    /// Whether people sleep at night: the hours of a day differ.
    pub rhythm: bool,
    /// How often a person sets a store's number by hand.
    pub edits: usize,
    /// Of a thousand sales, how many leave the warehouse before the history ends; stores are told of them.
    pub sent: u32,
    /// How often somebody changes a price in the ERP; none: stores are told no prices.
    pub repriced: usize,
}

impl Trade {
    /// A small shop that sells much.
    #[must_use]
    pub fn plain(keeps: Vec<Keeps>) -> Self {
        Self {
            keeps,
            articles: vec!["A", "B", "C"],
            visits: 40,
            lot: 6,
            reorder: 2,
            lead: 30 * MINUTE,
            cancelled: 100,
            exchanged: 30,
            lost: 0,
            unanswered: 0,
            late: 0,
            safety: 0,
            scarce: 3,
            unheard: 0,
            rhythm: false,
            edits: 0,
            sent: 0,
            repriced: 0,
        }
    }
}

/// The warehouse.
#[derive(Default)]
pub struct Warehouse(Mutex<Stock>);

/// What is in it.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    /// What is there and sold to nobody; less than nothing where more was sold than is there.
    pub free: BTreeMap<String, i64>,
    /// What the ERP says that is available.
    pub available: BTreeMap<String, i64>,
    /// The ERP's own count of changes, at the last change of an article.
    changed: BTreeMap<String, u64>,
    changes: u64,
    /// Units on their way to us.
    pub coming: BTreeMap<String, i64>,
    /// Units sold.
    pub sold: u64,
    /// Of these, units that were not there.
    pub oversold: u64,
    /// Units that somebody wanted and that were there, and no store would sell.
    pub refused: u64,
    /// Numbers written to stores.
    pub written: u64,
    /// Calls to stores for stock.
    pub store_calls: u64,
    /// Questions to the ERP.
    pub polls: u64,
    /// What articles cost.
    pub prices: PriceList,
    /// What left.
    pub left: Vec<Left>,
    /// How far the ERP's count of changes was when it was first asked what left: what left before is nobody's to tell.
    pub asked_at: Option<u64>,
}

/// A parcel that left the warehouse, as the ERP lists it.
#[derive(Debug, Clone)]
pub struct Left {
    /// Of which order.
    pub order: OrderKey,
    /// What is in it: one unit.
    pub article: String,
    /// Its tracking number, as soon as somebody typed it.
    pub tracking: Option<String>,
    /// The ERP's own count of changes when it left.
    pub left_at: u64,
    /// The same at its last change.
    changed: u64,
}

impl Warehouse {
    /// What is in it.
    pub fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap()
    }
}

impl Stock {
    /// So many of an article come in.
    pub fn receive(&mut self, article: &str, units: i64) {
        *self.free.entry(article.to_owned()).or_default() += units;
        self.moved(article, units);
    }

    /// The ERP's number changes.
    pub fn moved(&mut self, article: &str, units: i64) {
        *self.available.entry(article.to_owned()).or_default() += units;
        self.changes += 1;
        self.changed.insert(article.to_owned(), self.changes);
    }

    /// A store sold one. Whether it was there.
    pub fn sell(&mut self, article: &str) -> bool {
        let free = self.free.entry(article.to_owned()).or_default();
        *free -= 1;
        let there = *free >= 0;
        self.sold += 1;
        self.oversold += u64::from(!there);
        there
    }

    /// One comes back.
    pub fn back(&mut self, article: &str) {
        *self.free.entry(article.to_owned()).or_default() += 1;
    }

    /// A parcel leaves: the ERP's number is as it was, less on hand and less promised. Its place in the list.
    pub fn leave(&mut self, order: OrderKey, article: &str, tracking: Option<String>) -> usize {
        self.moved(article, 0);
        let (left_at, changed) = (self.changes, self.changes);
        self.left.push(Left { order, article: article.to_owned(), tracking, left_at, changed });
        self.left.len() - 1
    }

    /// Somebody types a parcel's tracking number.
    pub fn follow(&mut self, place: usize, number: String) {
        self.changes += 1;
        if let Some(left) = self.left.get_mut(place) {
            (left.tracking, left.changed) = (Some(number), self.changes);
        }
    }

    /// What the ERP answers when it is asked what was sent: what left or changed since, by its place in the list; and how far it is. The
    /// first question only says where changes begin.
    pub fn sent(&mut self, since: Option<u64>) -> (Vec<(usize, Left)>, u64) {
        let Some(since) = since else {
            self.asked_at = Some(self.changes);
            return (Vec::new(), self.changes);
        };
        let changed = self.left.iter().cloned().enumerate().filter(|(_, left)| left.changed > since);
        (changed.collect(), self.changes)
    }

    /// What the ERP answers: the articles that changed since, and these; and how far it is.
    #[must_use]
    pub fn answer(&self, since: Option<u64>, named: &[String]) -> (Vec<(String, i64)>, u64) {
        let wanted = |article: &String| {
            named.contains(article) || since.is_none_or(|since| self.changed.get(article).is_some_and(|at| *at > since))
        };
        (
            self.available.iter().filter(|(article, _)| wanted(article)).map(|(a, n)| (a.clone(), *n)).collect(),
            self.changes,
        )
    }
}

/// The numbers of one store.
#[derive(Debug, Clone)]
pub struct Counter {
    /// Which number it keeps.
    pub keeps: Keeps,
    /// It, by article.
    pub numbers: BTreeMap<String, i64>,
    /// What it keeps reserved itself, by article.
    pub reserved: BTreeMap<String, i64>,
}

impl Counter {
    /// A store that has nothing to sell yet.
    #[must_use]
    pub fn new(keeps: Keeps, articles: &[&str]) -> Self {
        let numbers = articles.iter().map(|article| ((*article).to_owned(), 0)).collect();
        Self { keeps, numbers, reserved: BTreeMap::new() }
    }

    /// What it would sell of an article.
    #[must_use]
    pub fn sellable(&self, article: &str) -> i64 {
        let number = self.numbers.get(article).copied().unwrap_or_default();
        match self.keeps {
            Keeps::Sellable => number,
            Keeps::Gross => number - self.reserved.get(article).copied().unwrap_or_default(),
        }
    }

    /// So many that were sold have left: a gross number had them still, and kept them reserved.
    pub fn sent(&mut self, article: &str, units: i64) {
        if self.keeps == Keeps::Gross {
            *self.numbers.entry(article.to_owned()).or_default() -= units;
            *self.reserved.entry(article.to_owned()).or_default() -= units;
        }
    }

    /// It sold so many; or takes them back.
    pub fn sell(&mut self, article: &str, units: i64) {
        match self.keeps {
            Keeps::Sellable => *self.numbers.entry(article.to_owned()).or_default() -= units,
            Keeps::Gross => *self.reserved.entry(article.to_owned()).or_default() += units,
        }
    }
}

/// What is shared by all who trade in a history.
pub type Shared = Arc<Warehouse>;

/// The longest that a number which arrives late takes: until then nobody may believe that it did not.
pub const LATEST: Micros = 100 * SECOND;
