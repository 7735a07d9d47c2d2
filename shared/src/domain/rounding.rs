//! What rounding explains of the difference between two totals, and what it does not. The one rule, for the store's own books
//! and for every ERP's.
//!
//! Rounding once moves an amount by at most half of the currency's step. So a total that was rounded n times on its way stands
//! at most n halves from the exact sum. Where that holds of both totals, rounding explains their difference, however the two
//! round: it is booked on a line that says so. Where it does not hold of one of them, something else differs: a rate, a line,
//! a price. Such an order waits for a person.

use rust_decimal::Decimal;

use super::{
    money::{Amount, minor_unit},
    order::Order,
};

/// A total, and how often something was rounded on the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounded {
    /// The total.
    pub total: Decimal,
    /// How many roundings are in it. A part of one is an amount that was rounded before a part of it was taken: a tax of 21 %
    /// on a rounded amount carries 0.21 of that rounding.
    pub roundings: Decimal,
}

/// What stands between two totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Nothing.
    None,
    /// So much, and rounding explains it.
    Rounding(Decimal),
    /// So much, and rounding does not explain it.
    Unexplained(Decimal),
}

impl Rounded {
    /// Whether rounding alone, in steps of `step`, brings the exact sum here.
    fn explained(self, exact: Decimal, step: Decimal) -> bool {
        self.total.saturating_sub(exact).abs().saturating_mul(Decimal::TWO) <= self.roundings * step
    }
}

/// `store` − `erp`, judged by the exact sum of which both are roundings. `step` is the currency's: 0.01 for EUR.
#[must_use]
pub fn difference(exact: Decimal, store: Rounded, erp: Rounded, step: Decimal) -> Difference {
    let difference = store.total.saturating_sub(erp.total);
    if difference.is_zero() {
        Difference::None
    } else if store.explained(exact, step) && erp.explained(exact, step) {
        Difference::Rounding(difference)
    } else {
        Difference::Unexplained(difference)
    }
}

/// What stands between the store's total and the sum of its own parts: rounding has a part in it once for each taxed line and
/// charge, whose tax comes on top. Where the prices contain their tax nothing is rounded on the way to the total.
#[must_use]
pub fn of_books(order: &Order) -> Difference {
    let proof = order.proof();
    let parts = (proof.total - proof.difference).decimal();
    let roundings = if order.tax_included { Decimal::ZERO } else { Decimal::from(taxed(order)) };
    let store = Rounded { total: proof.total.decimal(), roundings };
    let sum = Rounded { total: parts, roundings: Decimal::ZERO };
    difference(parts, store, sum, minor_unit(order.currency).decimal())
}

/// How many lines and charges are taxed.
fn taxed(order: &Order) -> usize {
    let lines = order.lines.iter().map(|line| &line.taxes);
    let charges = order.charges.iter().map(|charge| &charge.taxes);
    lines.chain(charges).filter(|taxes| taxes.iter().any(|tax| tax.amount != Amount::ZERO)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal_macros::dec;

    use super::*;

    const CENT: Decimal = dec!(0.01);

    fn rounded(total: Decimal, roundings: u32) -> Rounded {
        Rounded { total, roundings: roundings.into() }
    }

    #[test]
    fn a_half_that_one_rounds_up_and_the_other_to_even_is_explained() {
        let (store, erp) = (rounded(dec!(1.01), 1), rounded(dec!(1.00), 1));
        assert_eq!(difference(dec!(1.005), store, erp, CENT), Difference::Rounding(CENT));
        // The same cent where one of them is exact.
        assert_eq!(difference(dec!(1.00), store, erp, CENT), Difference::Unexplained(CENT));
    }

    #[test]
    fn books_may_miss_by_half_a_cent_for_each_taxed_line_and_by_nothing_without_tax() {
        let books = |taxed: usize, included: bool, off: &str| {
            let line = |n: usize| {
                let taxes = if n < taxed { r#"[{"name":"VAT","rate":"0.1","amount":"0.10"}]"# } else { "[]" };
                format!(r#"{{"id":"{n}","title":"A","quantity":"1","unit_price":"1","amount":"1","taxes":{taxes}}}"#)
            };
            let lines: Vec<String> = (0..5).map(line).collect();
            let mut order: Order = serde_json::from_str(&format!(
                r##"{{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z",
                "currency":"EUR","status":"open","payment":"paid","lines":[{}],"tax":"0.{taxed}","total":"0",
                "tax_included":{included}}}"##,
                lines.join(",")
            ))
            .unwrap();
            let off: Amount = off.parse().unwrap();
            order.total = off - order.proof().difference;
            assert_eq!(order.proof().difference, off);
            of_books(&order)
        };
        assert_eq!(books(5, false, "0"), Difference::None);
        assert_eq!(books(0, false, "0.01"), Difference::Unexplained(CENT));
        assert_eq!(books(1, false, "0.01"), Difference::Unexplained(CENT));
        assert_eq!(books(2, false, "0.01"), Difference::Rounding(CENT));
        assert_eq!(books(4, false, "-0.02"), Difference::Rounding(-CENT - CENT));
        assert_eq!(books(5, false, "0.03"), Difference::Unexplained(dec!(0.03)));
        assert_eq!(books(5, true, "0.01"), Difference::Unexplained(CENT));
    }

    proptest! {
        /// Never more than half a step for each rounding, and no line for nothing.
        #[test]
        fn what_is_explained_is_within_the_bound(
            exact in -1_000_000i64..1_000_000, store in -40i64..40, erp in -40i64..40, n in 0u32..8, m in 0u32..8,
        ) {
            let exact = Decimal::new(exact, 4);
            let near = |cents: i64| exact.round_dp(2) + Decimal::new(cents, 2);
            let (store, erp) = (rounded(near(store), n), rounded(near(erp), m));
            match difference(exact, store, erp, CENT) {
                Difference::None => prop_assert_eq!(store.total, erp.total),
                Difference::Rounding(by) => {
                    prop_assert_eq!(by, store.total - erp.total);
                    prop_assert!(!by.is_zero() && by.abs() <= CENT / Decimal::TWO * Decimal::from(n + m), "{}", by);
                }
                Difference::Unexplained(by) => prop_assert_eq!(by, store.total - erp.total),
            }
        }

        /// Amounts whose taxes one rounds line by line, half up, and the other once, half to even: always explained. The same with
        /// a cent more than the roundings allow: never.
        #[test]
        fn rounding_line_by_line_or_at_once_is_explained(nets in proptest::collection::vec(1i64..500_000, 1..30), percent in 1i64..30) {
            use rust_decimal::RoundingStrategy::{MidpointAwayFromZero, MidpointNearestEven};
            let rate = Decimal::new(percent, 2);
            let nets: Vec<Decimal> = nets.into_iter().map(|cents| Decimal::new(cents, 2)).collect();
            let sum: Decimal = nets.iter().sum();
            let exact = sum + sum * rate;
            let lines: Decimal = nets.iter().map(|net| (net * rate).round_dp_with_strategy(2, MidpointAwayFromZero)).sum();
            let n = u32::try_from(nets.len()).unwrap();
            let store = rounded(sum + lines, n);
            let erp = rounded(sum + (sum * rate).round_dp_with_strategy(2, MidpointNearestEven), 1);
            prop_assert!(!matches!(difference(exact, store, erp, CENT), Difference::Unexplained(_)));
            let most = CENT / Decimal::TWO * Decimal::from(n);
            for off in [exact + most + CENT, exact - most - CENT] {
                let wrong = Rounded { total: off.round_dp(2), ..store };
                prop_assert!(!matches!(difference(exact, wrong, erp, CENT), Difference::Rounding(_)));
            }
        }
    }
}
