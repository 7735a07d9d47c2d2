//! Which state of an order is which: its version, how far along it is, and what two of them have in common.

use super::{Order, Payment, Status};
use crate::domain::{
    money::Amount,
    version::{ContentHash, Version},
};

impl Payment {
    /// How far along it is. The figures stand in the records of orders: a state keeps its own for good, and a new one goes where it
    /// belongs between them, beside another where it must.
    #[must_use]
    pub fn life(self) -> u8 {
        match self {
            Self::Unknown | Self::Pending => 0,
            Self::InProcess | Self::Authorized => 1,
            // Before paid: what expired may still be paid.
            Self::Expired | Self::PartiallyPaid => 2,
            Self::Paid => 3,
            Self::PartiallyRefunded => 4,
            Self::Refunded => 5,
            Self::Voided => 6,
            Self::Failed => 7,
            Self::ChargedBack => 8,
        }
    }
}

impl Order {
    /// This state's version: the modification time and the hash of everything but `updated_at`.
    #[must_use]
    pub fn version(&self) -> Version {
        Version { modified: self.updated_at.at(), tie: 0, content: self.content() }
    }

    /// How far along in its life this state is: decides between two states of one modification time when the store
    /// cannot be asked.
    #[must_use]
    pub fn life(&self) -> u8 {
        let refunds = u8::try_from(self.refunds.len().min(100)).unwrap_or(100);
        if self.status == Status::Cancelled { 200 } else { self.payment.life().saturating_add(refunds) }
    }

    /// Whether the ERP's documents would be the same for both: what was sold, whether it stands, what was given back. Payment and
    /// flags may differ.
    #[must_use]
    pub fn same_sale(&self, other: &Self) -> bool {
        self.status == other.status && self.refunds == other.refunds && self.same_goods(other)
    }

    /// What the ERP's documents must come to together, for what this state says: what was sold less what was given back of it, and
    /// nothing where it is cancelled.
    #[must_use]
    pub fn net(&self) -> Amount {
        if self.status == Status::Cancelled {
            return Amount::ZERO;
        }
        self.total - self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// Whether both sold the same to the same buyer for the same money: everything that a sale in the ERP is made from. A refund
    /// alone changes nothing here.
    #[must_use]
    pub fn same_goods(&self, other: &Self) -> bool {
        self.currency == other.currency
            && self.customer == other.customer
            && self.billing == other.billing
            && self.shipping == other.shipping
            && self.lines == other.lines
            && self.charges == other.charges
            && self.discounts == other.discounts
            && self.tax_included == other.tax_included
            && self.tax == other.tax
            && self.total == other.total
            && self.proof().unexplained == other.proof().unexplained
    }

    /// What this state says, whenever it was said: everything but `updated_at`.
    #[must_use]
    pub fn content(&self) -> ContentHash {
        // Field by field: a copy of the order only to blank one field would cost more than the hash. Written first and hashed at once: the
        // hash of many small pieces takes longer.
        let mut text = Vec::with_capacity(4096);
        let head = (&self.id, &self.number, &self.placed_at, &self.currency, &self.channel, self.test);
        let state = (self.status, self.payment, &self.customer, &self.billing, &self.shipping);
        let books = (&self.lines, &self.charges, &self.discounts, self.tax_included, self.tax, self.total);
        // Serialising plain data cannot fail; a failure would only shorten the hashed text.
        let _ = serde_json::to_writer(&mut text, &(head, state, books, &self.refunds));
        // What the order comes to now follows from the rest, unless the refunds do not explain it.
        let unexplained = self.proof().unexplained;
        if !unexplained.is_zero() {
            let _ = serde_json::to_writer(&mut text, &unexplained);
        }
        // Only where there is one: the hash of every other order stays what it was.
        if let Some(word) = &self.store_status {
            let _ = serde_json::to_writer(&mut text, word);
        }
        ContentHash::of(text)
    }
}
