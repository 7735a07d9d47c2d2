//! What prices are read with: the company, price lists with their lines, and articles with their price and taxes.

use jiff::{Timestamp, civil, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Date, Exact, Flag, stocked};
use crate::{domain::money::Amount, erp::stock::Moved};

/// By which list articles are priced, as a sale of one unit is.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::erp::tryton) struct ByList {
    pub(in crate::erp::tryton) price_list: i64,
    pub(in crate::erp::tryton) quantity: u8,
    /// On which day; none: on Tryton's own today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::erp::tryton) date: Option<Date>,
}

/// A company's currency and time zone.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct PricedCompany {
    #[serde(rename = "currency.")]
    pub(in crate::erp::tryton) currency: super::SaleCurrency,
    #[serde(default)]
    pub(in crate::erp::tryton) timezone: Option<String>,
}

/// A price list.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct PriceList {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) tax_included: Flag,
    #[serde(rename = "_timestamp")]
    pub(in crate::erp::tryton) stamp: String,
    #[serde(rename = "lines.", default)]
    pub(in crate::erp::tryton) lines: Vec<PriceLine>,
}

/// A line of a price list.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct PriceLine {
    pub(in crate::erp::tryton) id: i64,
    #[serde(rename = "_timestamp")]
    pub(in crate::erp::tryton) stamp: String,
    /// The first day that it applies on, where Tryton has the module for it.
    #[serde(default)]
    start_date: Option<Civil>,
    /// The last.
    #[serde(default)]
    end_date: Option<Civil>,
}

#[derive(Deserialize)]
struct Civil {
    year: i16,
    month: i8,
    day: i8,
}

/// An article, and when it or a price of it was made or last written.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct StampedArticle {
    id: i64,
    pub(in crate::erp::tryton) code: Option<String>,
    #[serde(rename = "_timestamp")]
    stamp: String,
    #[serde(rename = "list_prices.", default)]
    list_prices: Vec<Stamp>,
    #[serde(rename = "cost_prices.", default)]
    cost_prices: Vec<Stamp>,
    #[serde(rename = "template.", default)]
    template: Option<StampedTemplate>,
}

#[derive(Deserialize)]
struct StampedTemplate {
    #[serde(rename = "_timestamp")]
    stamp: String,
    #[serde(rename = "list_prices.", default)]
    list_prices: Vec<Stamp>,
    #[serde(rename = "account_category.", default)]
    category: Option<Stamp>,
}

#[derive(Deserialize)]
struct Stamp {
    #[serde(rename = "_timestamp")]
    stamp: String,
}

/// An article, its price in the unit that it is sold in, and its taxes.
#[derive(Deserialize)]
pub(in crate::erp::tryton) struct PricedArticle {
    pub(in crate::erp::tryton) id: i64,
    pub(in crate::erp::tryton) code: Option<String>,
    sale_price_uom: Option<Box<RawValue>>,
    #[serde(rename = "template.", default)]
    template: Option<TaxedTemplate>,
}

#[derive(Deserialize)]
struct TaxedTemplate {
    #[serde(rename = "account_category.", default)]
    category: Option<TaxedCategory>,
}

#[derive(Deserialize)]
struct TaxedCategory {
    #[serde(rename = "customer_taxes_used.", default)]
    taxes: Vec<CustomerTax>,
}

#[derive(Deserialize)]
struct CustomerTax {
    r#type: String,
    rate: Option<Exact>,
    #[serde(default)]
    childs: Vec<IgnoredAny>,
    #[serde(default)]
    update_unit_price: Flag,
    #[serde(default)]
    start_date: Option<IgnoredAny>,
    #[serde(default)]
    end_date: Option<IgnoredAny>,
}

impl PriceList {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 3] = ["tax_included", "_timestamp", "lines._timestamp"];
    /// Those that only a module for them has.
    pub(in crate::erp::tryton) const DATES: [&'static str; 2] = ["lines.start_date", "lines.end_date"];
}

impl PriceLine {
    /// From when on it applies, and from when on it does not any more.
    pub(in crate::erp::tryton) fn span(&self, zone: &TimeZone) -> [Option<Timestamp>; 2] {
        let begin = |date: civil::Date| zone.to_zoned(date.at(0, 0, 0, 0)).ok().map(|at| at.timestamp());
        let date =
            |day: &Option<Civil>| day.as_ref().and_then(|day| civil::Date::new(day.year, day.month, day.day).ok());
        [date(&self.start_date).and_then(begin), date(&self.end_date).and_then(|last| begin(last.tomorrow().ok()?))]
    }
}

impl StampedArticle {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 6] = [
        "code",
        "_timestamp",
        "list_prices._timestamp",
        "template._timestamp",
        "template.list_prices._timestamp",
        "template.account_category._timestamp",
    ];

    /// When it, or something that its price is made of, was made or last written.
    pub(in crate::erp::tryton) fn seen(&self) -> Moved {
        let own = [&self.list_prices, &self.cost_prices].into_iter().flatten();
        let of_template =
            self.template.iter().flat_map(|template| template.list_prices.iter().chain(&template.category));
        let stamps = own.chain(of_template).map(|stamp| &stamp.stamp);
        let all = stamps.chain(self.template.iter().map(|template| &template.stamp)).chain([&self.stamp]);
        let at = all.map(|stamp| stocked::at(stamp)).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        Moved { at, id: self.id, as_it_is: String::new(), product: self.id }
    }
}

impl PricedArticle {
    /// The fields to ask for.
    pub(in crate::erp::tryton) const FIELDS: [&'static str; 8] = [
        "code",
        "sale_price_uom",
        "template.account_category.customer_taxes_used.type",
        "template.account_category.customer_taxes_used.rate",
        "template.account_category.customer_taxes_used.childs",
        "template.account_category.customer_taxes_used.update_unit_price",
        "template.account_category.customer_taxes_used.start_date",
        "template.account_category.customer_taxes_used.end_date",
    ];

    /// Its price. `None`: it has none; and one that nothing can be calculated with is told of its article, and costs no other one.
    pub(in crate::erp::tryton) fn price(&self) -> Option<Result<Amount, ()>> {
        let exact = serde_json::from_str::<Exact>(self.sale_price_uom.as_ref()?.get()).map_err(drop);
        Some(exact.and_then(|exact| Amount::try_from(exact.0).map_err(drop)))
    }

    /// Its taxes together, in per cent, where all are percentages of the price, always.
    pub(in crate::erp::tryton) fn rate(&self) -> Option<Amount> {
        let taxes = &self.template.as_ref()?.category.as_ref()?.taxes;
        let rates = taxes.iter().map(CustomerTax::rate);
        let sum = rates.sum::<Option<Decimal>>()?;
        Amount::try_from(sum.checked_mul(Decimal::ONE_HUNDRED)?).ok()
    }
}

impl CustomerTax {
    fn rate(&self) -> Option<Decimal> {
        let dated = self.start_date.is_some() || self.end_date.is_some();
        let plain = self.r#type == "percentage" && self.childs.is_empty() && !self.update_unit_price.0 && !dated;
        self.rate.map(|rate| rate.0).filter(|_| plain)
    }
}
