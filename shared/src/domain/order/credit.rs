//! What a refund gives back, as an order of its own: an ERP's credit note is made from it as a sale is made from an order.
//!
//! Every amount is positive. Its total is the money that was given back: what the refund took off the sale, more where something
//! was given out of goodwill, less where a fee was kept; both stand on charges of their own.

use super::{Charge, ChargeKind, Line, Order, Refund, Tax};
use crate::domain::{
    money::Amount,
    reason::{Refunded, Why},
};

impl Order {
    /// The credit note of `refund`, or why nobody but a person can write it.
    pub fn credit(&self, refund: &Refund) -> Result<Self, Why> {
        if refund.amount.is_zero() {
            let refunded = Refunded::Unstated { currency: self.currency };
            return Err(Why::RefundUnclear { refund: refund.id.clone(), refunded });
        }
        let taken_off = refund.taken_off();
        let given: Amount = self.refunds.iter().map(Refund::taken_off).sum();
        if given > self.total || taken_off < Amount::ZERO {
            return Err(Why::RefundTooLarge { currency: self.currency, refunded: given, sold: self.total });
        }
        let (lines, mut charges) = self.parts(refund)?;
        let more = refund.amount - taken_off;
        if !more.is_zero() {
            charges.push(Charge::beyond_parts(more));
        }
        let taxes = lines.iter().flat_map(|line| &line.taxes).chain(charges.iter().flat_map(|charge| &charge.taxes));
        let tax = taxes.map(|tax| tax.amount).sum();
        Ok(Self {
            lines,
            charges,
            tax,
            discounts: Vec::new(),
            refunds: Vec::new(),
            flags: Vec::new(),
            total: refund.amount,
            current_total: None,
            // The day of the credit note is not that of the sale.
            placed_at: self.updated_at,
            ..self.clone()
        })
    }

    /// The lines and charges that make up what a refund took off.
    fn parts(&self, refund: &Refund) -> Result<(Vec<Line>, Vec<Charge>), Why> {
        if !refund.lines.is_empty() || !refund.charges.is_empty() {
            let lines = refund.lines.iter().map(|back| self.returned(refund, back)).collect::<Result<_, _>>()?;
            return Ok((lines, refund.charges.clone()));
        }
        let taken_off = refund.taken_off();
        if taken_off.is_zero() {
            return Ok((Vec::new(), Vec::new()));
        }
        if taken_off == self.total && self.discounts.is_empty() {
            // All of the money went back. Whether the goods came back nobody says.
            let lines = self.lines.iter().cloned().map(|line| Line { restock: Some(false), ..line }).collect();
            return Ok((lines, self.charges.clone()));
        }
        // A part of it, without a word of which: it can be booked where every part is taxed alike.
        let Some(only) = self.only_tax() else {
            return Err(Why::RefundWithoutParts {
                refund: refund.id.clone(),
                currency: self.currency,
                amount: refund.amount,
            });
        };
        let share = |tax: &Tax| Tax { amount: self.tax.share(taken_off, self.total, self.currency), ..tax.clone() };
        let taxes: Vec<Tax> = only.iter().map(share).collect();
        let tax: Amount = taxes.iter().map(|tax| tax.amount).sum();
        let amount = if self.tax_included { taken_off } else { taken_off - tax };
        let label = refund.reason.clone().unwrap_or_else(|| "refund".to_owned());
        Ok((Vec::new(), vec![Charge { kind: ChargeKind::Refund, label, amount, discounts: Vec::new(), taxes }]))
    }

    /// What came back of a line.
    fn returned(&self, refund: &Refund, back: &super::Returned) -> Result<Line, Why> {
        let line = self.lines.iter().find(|line| line.id == back.line);
        let line = line.ok_or_else(|| Why::RefundOfNoLine { refund: refund.id.clone(), line: back.line.clone() })?;
        // Of a price that is lowered no piece comes back: one piece of that price is credited, and none is moved.
        let (quantity, restock) =
            if back.quantity.is_zero() { (Amount::ONE, false) } else { (back.quantity, back.restock) };
        Ok(Line {
            quantity,
            amount: back.amount,
            discounts: Vec::new(),
            taxes: back.taxes.clone(),
            restock: Some(restock),
            ..line.clone()
        })
    }

    /// The one tax of every line and charge, and nothing where nothing is taxed; `None` where they differ.
    fn only_tax(&self) -> Option<&[Tax]> {
        let lines = self.lines.iter().filter(|line| !line.net().is_zero()).map(|line| &line.taxes);
        let charges = self.charges.iter().filter(|charge| !charge.net().is_zero()).map(|charge| &charge.taxes);
        let mut parts = lines.chain(charges);
        let first = parts.next().map(Vec::as_slice).unwrap_or_default();
        let alike = |taxes: &Vec<Tax>| match (first, taxes.as_slice()) {
            ([], []) => true,
            ([one], [other]) => (&one.name, one.rate) == (&other.name, other.rate),
            _ => false,
        };
        match first {
            [] if !self.tax.is_zero() => None,
            [] | [_] if parts.all(alike) => Some(first),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Returned;

    fn order() -> Order {
        serde_json::from_str(
            r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-05T00:00:00Z",
            "currency":"EUR","status":"open","payment":"partially_refunded","tax_included":true,"lines":[
            {"id":"1","sku":"CUP","title":"Cup","quantity":"2","unit_price":"12.10","amount":"24.20",
             "discounts":[{"label":"ten","amount":"2.42"}],"taxes":[{"name":"VAT","rate":"0.21","amount":"3.78"}]},
            {"id":"2","sku":"TEA","title":"Tea","quantity":"1","unit_price":"12.10","amount":"12.10",
             "taxes":[{"name":"VAT","rate":"0.21","amount":"2.10"}]}],
            "charges":[{"kind":"shipping","label":"post","amount":"6.05","taxes":[{"name":"VAT","rate":"0.21","amount":"1.05"}]}],
            "tax":"6.93","total":"39.93"}"##,
        )
        .unwrap()
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn refund(of: &str) -> Refund {
        Refund::new("9", amount(of))
    }

    /// The credit note of an order that has this refund only.
    fn credited(change: impl FnOnce(&mut Order, &mut Refund)) -> Result<Order, Why> {
        let (mut order, mut refund) = (order(), refund("10.89"));
        change(&mut order, &mut refund);
        order.refunds = vec![refund.clone()];
        let credit = order.credit(&refund);
        if let Ok(credit) = &credit {
            assert!(credit.proof().holds(), "{:?}", credit.proof());
            assert_eq!((credit.total, credit.net()), (refund.amount, refund.amount));
        }
        credit
    }

    fn cup() -> Returned {
        Returned {
            line: "1".into(),
            quantity: Amount::ONE,
            amount: amount("10.89"),
            taxes: vec![Tax { name: "VAT".into(), rate: Some(amount("0.21")), amount: amount("1.89") }],
            restock: true,
        }
    }

    #[test]
    fn a_line_that_came_back_is_credited_as_the_store_says() {
        let credit = credited(|_, refund| refund.lines = vec![cup()]).unwrap();
        let [line] = credit.lines.as_slice() else { panic!("{credit:?}") };
        assert_eq!((line.sku.as_deref(), line.quantity, line.restock), (Some("CUP"), Amount::ONE, Some(true)));
        assert_eq!((credit.tax, credit.charges.len()), (amount("1.89"), 0));
        assert_eq!(credit.placed_at, order().updated_at);
        // A part of its price, and no piece of it.
        let credit = credited(|_, refund| refund.lines = vec![Returned { quantity: Amount::ZERO, ..cup() }]).unwrap();
        assert_eq!((credit.lines[0].quantity, credit.lines[0].restock), (Amount::ONE, Some(false)));
    }

    #[test]
    fn a_fee_that_is_kept_and_goodwill_stand_on_charges_of_their_own() {
        let kept = credited(|_, refund| {
            refund.lines = vec![cup()];
            (refund.amount, refund.taken_off) = (amount("8"), Some(amount("10.89")));
        });
        let kept = kept.unwrap();
        assert_eq!((kept.charges[0].kind, kept.charges[0].amount), (ChargeKind::Fee, amount("-2.89")));
        let given =
            credited(|_, refund| (refund.amount, refund.taken_off) = (amount("5"), Some(Amount::ZERO))).unwrap();
        assert_eq!((given.charges[0].kind, given.charges[0].amount), (ChargeKind::Refund, amount("5")));
    }

    #[test]
    fn a_refund_of_everything_credits_everything() {
        let all = credited(|order, refund| refund.amount = order.total).unwrap();
        assert_eq!((all.lines.len(), all.charges.len(), all.tax), (2, 1, order().tax));
        assert!(all.lines.iter().all(|line| line.restock == Some(false)));
    }

    #[test]
    fn a_part_without_lines_is_booked_only_where_all_is_taxed_alike() {
        let part = credited(|_, _| {}).unwrap();
        assert_eq!((part.lines.len(), part.charges[0].amount, part.tax), (0, amount("10.89"), amount("1.89")));
        let on_top = credited(|order, _| {
            order.tax_included = false;
            order.total = amount("46.86");
        });
        let on_top = on_top.unwrap();
        assert_eq!((on_top.charges[0].amount + on_top.tax, on_top.tax), (amount("10.89"), amount("1.61")));
        let why = credited(|order, _| order.lines[1].taxes[0].rate = Some(amount("0.10"))).unwrap_err();
        assert!(matches!(why, Why::RefundWithoutParts { .. }), "{why:?}");
        let untaxed = credited(|order, _| {
            order.lines.iter_mut().for_each(|line| line.taxes.clear());
            order.charges.clear();
            (order.tax, order.total) = (Amount::ZERO, amount("33.88"));
        });
        assert_eq!(untaxed.unwrap().tax, Amount::ZERO);
    }

    #[test]
    fn what_nobody_can_write_is_named() {
        let why = credited(|_, refund| refund.amount = Amount::ZERO).unwrap_err();
        assert!(matches!(why, Why::RefundUnclear { .. }), "{why:?}");
        let why = credited(|_, refund| refund.amount = amount("40")).unwrap_err();
        assert!(matches!(why, Why::RefundTooLarge { .. }), "{why:?}");
        let why = credited(|_, refund| refund.lines = vec![Returned { line: "3".into(), ..cup() }]).unwrap_err();
        assert!(matches!(why, Why::RefundOfNoLine { .. }), "{why:?}");
    }
}
