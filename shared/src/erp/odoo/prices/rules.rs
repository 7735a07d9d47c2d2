//! The rules of Odoo's price lists, evaluated as Odoo does (`product.pricelist.item`): the first in its own order that applies to one unit.
//!
//! Only what comes out exactly is evaluated. A rule on the cost, or one that converts between currencies, is told of its articles.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use crate::{
    domain::money::Amount,
    erp::{
        odoo::{
            find::at,
            wire::{Link, Maybe},
        },
        prices, repeatable,
        stock::Units,
    },
};

/// The rules of a list, and of those that it is based on.
pub(super) struct Rules {
    name: String,
    list: i64,
    currency: String,
    by_list: BTreeMap<i64, Vec<Rule>>,
}

/// An article, as rules see it.
pub(super) struct Priced<'a> {
    pub(super) id: i64,
    pub(super) template: i64,
    /// Its category, and all that it is in.
    pub(super) categories: &'a [i64],
    /// Its sales price.
    pub(super) sales: Decimal,
    /// And what that is in.
    pub(super) currency: &'a str,
}

/// A rule.
#[derive(Deserialize, Hash)]
pub(super) struct Rule {
    id: i64,
    pricelist_id: Maybe<Id>,
    #[serde(default)]
    currency_id: Maybe<Id>,
    applied_on: String,
    #[serde(default)]
    categ_id: Maybe<Id>,
    #[serde(default)]
    product_tmpl_id: Maybe<Id>,
    #[serde(default)]
    product_id: Maybe<Id>,
    #[serde(default)]
    base: Maybe<String>,
    #[serde(default)]
    base_pricelist_id: Maybe<Id>,
    compute_price: String,
    fixed_price: Units,
    percent_price: Units,
    price_discount: Units,
    price_round: Units,
    price_surcharge: Units,
    price_min_margin: Units,
    price_max_margin: Units,
    min_quantity: Units,
    #[serde(default)]
    date_start: Maybe<String>,
    #[serde(default)]
    date_end: Maybe<String>,
}

/// A record that a rule names. What people call it is no part of the rule.
#[derive(Deserialize)]
struct Id(Link);

impl Hash for Id {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.0.hash(hasher);
    }
}

impl Rules {
    /// Those of a list, none of which is known yet.
    pub(super) fn new(name: &str, list: i64, currency: String) -> Self {
        Self { name: name.to_owned(), list, currency, by_list: BTreeMap::new() }
    }

    /// What the list's prices are in.
    pub(super) fn currency(&self) -> &str {
        &self.currency
    }

    /// Learns all rules of `lists`; the lists whose rules are to be learnt yet.
    pub(super) fn learn(&mut self, lists: &BTreeSet<i64>, rules: Vec<Rule>) -> BTreeSet<i64> {
        self.by_list.extend(lists.iter().map(|list| (*list, Vec::new())));
        for rule in rules {
            if let Some(of) = rule.pricelist_id.id().and_then(|list| self.by_list.get_mut(&list)) {
                of.push(rule);
            }
        }
        let bases = self.all().filter_map(Rule::other_list);
        bases.filter(|base| !self.by_list.contains_key(base)).collect()
    }

    /// Whether one of them is about a category.
    pub(super) fn ask_for_categories(&self) -> bool {
        self.all().any(|rule| rule.applied_on == CATEGORY)
    }

    /// A print of all of them, and of which apply at a time.
    pub(super) fn print(&self, at: Timestamp) -> u64 {
        let rules: Vec<_> = self.all().map(|rule| (rule, rule.is_in_force(at))).collect();
        prices::print(&(self.list, &self.currency, rules))
    }

    /// When others apply than at a time.
    pub(super) fn changes_after(&self, at: Timestamp) -> Option<Timestamp> {
        prices::next(at, self.all().flat_map(Rule::span).flatten())
    }

    /// What an article costs at a time, or why that cannot be said.
    pub(super) fn price(&self, article: &Priced<'_>, at: Timestamp) -> Result<Amount, String> {
        let exact = self.of_list(self.list, &self.currency, article, at, self.by_list.len())?;
        Amount::try_from(exact.round_dp(9)).map_err(|error| format!("its price {error}"))
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.by_list.values().flatten()
    }

    /// The price by a list in its currency, which is based on others no more often than there are lists.
    fn of_list(
        &self,
        list: i64,
        currency: &str,
        article: &Priced<'_>,
        at: Timestamp,
        deep: usize,
    ) -> Result<Decimal, String> {
        let rules = self.by_list.get(&list).map_or(&[][..], Vec::as_slice);
        let rule = rules.iter().find(|rule| rule.is_in_force(at) && rule.applies_to(article));
        let name = repeatable(&self.name);
        let base = || {
            let sales = || {
                if article.currency == currency {
                    return Ok(article.sales);
                }
                Err(format!(
                    "Odoo would convert its price from {} to {} by a rate: give it a fixed price in the list {name:?}",
                    repeatable(article.currency),
                    repeatable(currency)
                ))
            };
            let Some(rule) = rule else { return sales() };
            if rule.base.0.as_deref() == Some("standard_price") {
                return Err(format!(
                    "the list {name:?} makes its price of its cost: give it a rule on the sales price, or a fixed price"
                ));
            }
            let Some(other) = rule.other_list() else { return sales() };
            let in_other = self.by_list.get(&other).and_then(|rules| rules.first()?.currency_id.name());
            match (in_other, deep.checked_sub(1)) {
                (Some(in_other), Some(deep)) if in_other == currency => {
                    self.of_list(other, in_other, article, at, deep)
                }
                (_, None) => Err(format!("the list {name:?} is based on itself")),
                _ => Err(format!(
                    "the list {name:?} is based on one that has no rules or another currency: give it a fixed price"
                )),
            }
        };
        match rule {
            Some(rule) => rule.price(base).unwrap_or_else(|| {
                Err(format!("its rule in the list {name:?} cannot be calculated exactly: give it a fixed price"))
            }),
            None => base(),
        }
    }
}

const CATEGORY: &str = "2_product_category";

impl Rule {
    /// The fields to ask for.
    pub(super) const FIELDS: [&'static str; 19] = [
        "pricelist_id",
        "currency_id",
        "applied_on",
        "categ_id",
        "product_tmpl_id",
        "product_id",
        "base",
        "base_pricelist_id",
        "compute_price",
        "fixed_price",
        "percent_price",
        "price_discount",
        "price_round",
        "price_surcharge",
        "price_min_margin",
        "price_max_margin",
        "min_quantity",
        "date_start",
        "date_end",
    ];

    /// From when on it applies, and from when on it does not any more: it does to the end of its last second.
    fn span(&self) -> [Option<Timestamp>; 2] {
        let until = self.date_end.0.as_deref().and_then(at);
        let until = until.and_then(|until| until.checked_add(SignedDuration::from_secs(1)).ok());
        [self.date_start.0.as_deref().and_then(at), until]
    }

    fn is_in_force(&self, at: Timestamp) -> bool {
        let [from, until] = self.span();
        from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until)
    }

    /// Whether it is about an article, of which one unit is sold.
    fn applies_to(&self, article: &Priced<'_>) -> bool {
        let few = self.min_quantity.0.is_none_or(|least| least <= Amount::ONE);
        few && match self.applied_on.as_str() {
            "0_product_variant" => self.product_id.id() == Some(article.id),
            "1_product" => self.product_tmpl_id.id() == Some(article.template),
            CATEGORY => self.categ_id.id().is_some_and(|category| article.categories.contains(&category)),
            _ => true,
        }
    }

    /// The list that it is based on.
    fn other_list(&self) -> Option<i64> {
        let based = self.compute_price != "fixed" && self.base.0.as_deref() == Some("pricelist");
        self.base_pricelist_id.id().filter(|_| based)
    }

    /// What it makes of a base; `None`: that is beyond what can be calculated.
    fn price(&self, base: impl FnOnce() -> Result<Decimal, String>) -> Option<Result<Decimal, String>> {
        let number = |units: Units| units.0.map(Amount::decimal);
        match self.compute_price.as_str() {
            "fixed" => Some(Ok(number(self.fixed_price)?)),
            "percentage" => {
                let percent = number(self.percent_price)?;
                let base = match base() {
                    Ok(base) => base,
                    why => return Some(why),
                };
                less(base, percent).map(Ok)
            }
            "formula" => {
                let base = match base() {
                    Ok(base) => base,
                    why => return Some(why),
                };
                let mut price = less(base, number(self.price_discount)?)?;
                let step = number(self.price_round)?;
                if !step.is_zero() {
                    let steps = price.checked_div(step)?;
                    let whole = steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
                    price = whole.checked_mul(step)?;
                }
                price = price.checked_add(number(self.price_surcharge)?)?;
                let (least, most) = (number(self.price_min_margin)?, number(self.price_max_margin)?);
                if !least.is_zero() {
                    price = price.max(base.checked_add(least)?);
                }
                if !most.is_zero() {
                    price = price.min(base.checked_add(most)?);
                }
                Some(Ok(price))
            }
            // What another module may have added.
            _ => None,
        }
    }
}

/// `amount` less so many per cent of it.
fn less(amount: Decimal, percent: Decimal) -> Option<Decimal> {
    amount.checked_sub(amount.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?)
}

impl Maybe<Id> {
    fn id(&self) -> Option<i64> {
        self.0.as_ref().map(|id| id.0.0)
    }

    fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|id| id.0.1.as_str())
    }
}
