//! What an ERP that computes tax by itself comes to, as far as its section says how it rounds. Pure.
//!
//! Only where tax comes on top: of prices that contain their tax the total is the sum.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use crate::domain::{
    money::{Amount, minor_digits},
    order::{Order, Tax},
    rounding::{Difference, Rounded, difference},
};

/// How an ERP rounds the taxes that it computes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaxRounding {
    per: Per,
    half: Half,
}

/// What is rounded at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Per {
    /// Each tax of each line and charge.
    Line,
    /// The sum of the document for each rate.
    Document,
}

/// Where half a minor unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Half {
    /// Away from zero.
    Up,
    /// To the even neighbour.
    Even,
}

/// What the ERP would come to, beside what the order's parts make.
pub(super) struct Foreseen {
    /// The ERP's tax.
    pub(super) tax: Decimal,
    /// What stands between the two totals.
    pub(super) difference: Difference,
}

/// What an ERP that rounds in this way comes to; without a way it books the amounts that it is sent.
pub(super) fn foreseen(order: &Order, way: Option<TaxRounding>) -> Foreseen {
    let Some(way) = way.filter(|_| !order.tax_included) else {
        return Foreseen { tax: order.tax.decimal(), difference: Difference::None };
    };
    let (mut exact, mut roundings, mut single) = (Amount::ZERO, Amount::ZERO, Vec::new());
    let mut rates: BTreeMap<Amount, Amount> = BTreeMap::new();
    for (net, tax) in taxes(order) {
        // Of a tax without a rate only the store's amount is known.
        let (rate, amount) = tax.rate.map_or((Amount::ZERO, tax.amount), |rate| (rate, net * rate));
        exact += amount;
        roundings += Amount::ONE + rate;
        match way.per {
            Per::Line => single.push(amount),
            Per::Document => *rates.entry(rate).or_default() += amount,
        }
    }
    single.extend(rates.into_values());
    let digits = minor_digits(order.currency);
    let half = match way.half {
        Half::Up => RoundingStrategy::MidpointAwayFromZero,
        Half::Even => RoundingStrategy::MidpointNearestEven,
    };
    let rounded = |amount: &Amount| amount.decimal().round_dp_with_strategy(digits, half);
    let tax = single.iter().map(rounded).fold(Decimal::ZERO, Decimal::saturating_add);
    // What the lines and charges make without tax is the same for both.
    let store = Rounded { total: order.tax.decimal(), roundings: roundings.decimal() };
    let erp = Rounded { total: tax, roundings: Decimal::from(single.len()) };
    Foreseen { tax, difference: difference(exact.decimal(), store, erp, Decimal::new(1, digits)) }
}

/// Every tax, with the amount it is charged on.
fn taxes(order: &Order) -> impl Iterator<Item = (Amount, &Tax)> {
    let lines = order.lines.iter().map(|line| (line.net(), &line.taxes));
    let charges = order.charges.iter().map(|charge| (charge.net(), &charge.taxes));
    lines.chain(charges).flat_map(|(net, taxes)| taxes.iter().map(move |tax| (net, tax)))
}

#[cfg(test)]
mod tests {
    use rust_decimal_macros::dec;

    use super::*;

    fn by(order: &Order, per: Per, half: Half) -> Foreseen {
        foreseen(order, Some(TaxRounding { per, half }))
    }

    /// Lines of these net amounts and taxes, 21 % each.
    fn order(lines: &[(&str, &str)], included: bool) -> Order {
        let mut order: Order = serde_json::from_str(super::super::map::SAMPLE).unwrap();
        let line = order.lines[0].clone();
        order.lines = lines
            .iter()
            .map(|(net, tax)| {
                let mut line = line.clone();
                line.amount = net.parse().unwrap();
                line.discounts.clear();
                line.taxes[0].amount = tax.parse().unwrap();
                line
            })
            .collect();
        order.tax = order.lines.iter().map(|line| line.taxes[0].amount).sum();
        order.tax_included = included;
        order
    }

    #[test]
    fn an_erp_that_is_told_the_amounts_differs_by_nothing() {
        let order = order(&[("0.07", "0.01"), ("0.07", "0.01")], false);
        assert_eq!(foreseen(&order, None).difference, Difference::None);
    }

    #[test]
    fn the_declared_way_of_rounding_is_foreseen() {
        // 0.0147 twice: 0.01 each, 0.0294 together.
        let two = order(&[("0.07", "0.01"), ("0.07", "0.01")], false);
        assert_eq!(by(&two, Per::Line, Half::Up).difference, Difference::None);
        assert_eq!(by(&two, Per::Document, Half::Up).difference, Difference::Rounding(dec!(-0.01)));
        // 0.105 is a half.
        let half = order(&[("0.50", "0.11")], false);
        assert_eq!(by(&half, Per::Line, Half::Up).difference, Difference::None);
        assert_eq!(by(&half, Per::Line, Half::Even).difference, Difference::Rounding(dec!(0.01)));
        assert_eq!(by(&order(&[("0.07", "0.01"); 2], true), Per::Document, Half::Up).difference, Difference::None);
    }

    #[test]
    fn another_rate_is_no_rounding() {
        let wrong = order(&[("100", "10"), ("100", "21")], false);
        let foreseen = by(&wrong, Per::Line, Half::Up);
        assert_eq!((foreseen.tax, foreseen.difference), (dec!(42), Difference::Unexplained(dec!(-11))));
    }
}
