//! The proof that an order carries: its parts add up to its total, and its refunds lead from there to what it comes to now.

use serde::Serialize;

use super::{Charge, ChargeKind, Line, Order, Refund};
use crate::domain::money::Amount;

/// The books of an order: every part of the sum, and what is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Σ lines before discounts.
    pub lines: Amount,
    /// Σ discounts, allocated or not, on lines and charges.
    pub discounts: Amount,
    /// Σ shipping before discounts.
    pub shipping: Amount,
    /// Σ tips, duties, fees, rounding and store credit.
    pub other: Amount,
    /// The tax that comes on top: zero when the prices contain it.
    pub tax_on_top: Amount,
    /// What the store says was sold for.
    pub total: Amount,
    /// `total` − the sum of the above: zero when the books add up.
    pub difference: Amount,
    /// The stated tax − Σ taxes of lines and charges: zero when every tax has its place.
    pub untraced_tax: Amount,
    /// Σ of what the refunds took off `total`.
    pub refunded: Amount,
    /// What the store says the order comes to now − (`total` − `refunded`): zero when the refunds explain it, or nothing is said.
    pub unexplained: Amount,
}

impl Proof {
    /// Whether the books of what was sold add up to the cent. Whether the refunds lead from there to what the order comes to now
    /// is another question: `unexplained`.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.difference.is_zero()
    }
}

impl Refund {
    /// So much was given back, and the store does not say of what.
    #[must_use]
    pub fn new(id: impl Into<String>, amount: Amount) -> Self {
        Self { id: id.into(), amount, taken_off: None, reason: None, lines: Vec::new(), charges: Vec::new() }
    }

    /// What its parts come to, with their tax: nothing where the store does not state them.
    #[must_use]
    pub fn parts(&self, tax_included: bool) -> Amount {
        let amounts = self.lines.iter().map(|line| line.amount).chain(self.charges.iter().map(|charge| charge.amount));
        let net: Amount = amounts.sum();
        if tax_included {
            return net;
        }
        let taxes = self.lines.iter().flat_map(|line| &line.taxes);
        let taxes = taxes.chain(self.charges.iter().flat_map(|charge| &charge.taxes));
        net + taxes.map(|tax| tax.amount).sum()
    }

    /// What it took off the order's total.
    #[must_use]
    pub fn taken_off(&self) -> Amount {
        self.taken_off.unwrap_or(self.amount)
    }
}

impl Line {
    /// What is left of `amount` after the discounts.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.amount - self.discounts.iter().map(|d| d.amount).sum()
    }
}

impl Charge {
    /// What a refund gives `more` than its parts make: out of goodwill, or less than nothing where a fee was kept.
    #[must_use]
    pub fn beyond_parts(more: Amount) -> Self {
        let (kind, label) = if more > Amount::ZERO {
            (ChargeKind::Refund, "goodwill")
        } else {
            (ChargeKind::Fee, "kept of the refund")
        };
        Self { kind, label: label.to_owned(), amount: more, discounts: Vec::new(), taxes: Vec::new() }
    }

    /// What is left of `amount` after the discounts.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.amount - self.discounts.iter().map(|d| d.amount).sum()
    }
}

impl Order {
    /// The sum, part by part.
    #[must_use]
    pub fn proof(&self) -> Proof {
        let lines = self.lines.iter().map(|l| l.amount).sum();
        let discounts = self
            .lines
            .iter()
            .flat_map(|l| &l.discounts)
            .chain(self.charges.iter().flat_map(|c| &c.discounts))
            .chain(&self.discounts)
            .map(|d| d.amount)
            .sum();
        let of = |shipping: bool| -> Amount {
            self.charges.iter().filter(|c| (c.kind == ChargeKind::Shipping) == shipping).map(|c| c.amount).sum()
        };
        let (shipping, other) = (of(true), of(false));
        let tax_on_top = if self.tax_included { Amount::ZERO } else { self.tax };
        let traced: Amount = self
            .lines
            .iter()
            .flat_map(|l| &l.taxes)
            .chain(self.charges.iter().flat_map(|c| &c.taxes))
            .map(|t| t.amount)
            .sum();
        let refunded: Amount = self.refunds.iter().map(Refund::taken_off).sum();
        Proof {
            lines,
            discounts,
            shipping,
            other,
            tax_on_top,
            total: self.total,
            difference: self.total - (lines - discounts + shipping + other + tax_on_top),
            untraced_tax: self.tax - traced,
            refunded,
            unexplained: self.current_total.map_or(Amount::ZERO, |now| now - (self.total - refunded)),
        }
    }
}
