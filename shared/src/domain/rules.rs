//! What a shop and its company agreed on: when an order goes to the ERP, and what may be done so that its books equal the store's.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{
    document::Operation,
    goods::Sku,
    money::{Amount, decimal},
    status::Meaning,
};

/// What becomes of a connection's orders: `orders` in its part of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// When an order goes to the ERP.
    pub create_when: CreateWhen,
    /// Whether an authorised but not captured payment counts as paid.
    pub authorized_is_paid: bool,
    /// What to do when the ERP's total would not be the store's, and rounding does not explain it.
    pub total_mismatch: Mismatch,
    /// The largest difference that `adjust` may book, in the order's currency; more than nothing where that is set.
    #[serde(deserialize_with = "decimal")]
    pub adjust_limit: Amount,
    /// The store's article codes that have another code in the ERP.
    pub sku: HashMap<String, String>,
    /// What the statuses mean that the shop or its extensions defined: `packing`, `partially-paid`.
    pub statuses: HashMap<String, Meaning>,
    /// Whether test orders go to the ERP too.
    pub test_orders: bool,
    /// What becomes of an order that changes once the ERP holds it.
    pub after: After,
}

/// What becomes of an order that changes once the ERP holds it: `after` of `orders`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct After {
    /// Something else was sold: a line, an address, a price.
    pub edit: Edit,
    /// It was cancelled.
    pub cancel: Cancel,
    /// Money was given back.
    pub refund: Credit,
    /// Whether goods that came back are taken into stock.
    pub restock: Restock,
}

impl After {
    /// What of it a person has to book in an ERP that `can` do so much, since the rules or the ERP leave it to them: for people.
    #[must_use]
    pub fn by_hand(&self, can: impl Fn(Operation) -> bool) -> Vec<&'static str> {
        let edits = match self.edit {
            Edit::Amend => can(Operation::Amend),
            Edit::CancelAndNew => can(Operation::Cancel),
            Edit::Park => false,
        };
        let booked = [
            (edits, "edits"),
            (self.cancel == Cancel::Cancel && can(Operation::Cancel), "cancellations"),
            (self.refund == Credit::Credit && can(Operation::Credit), "refunds"),
        ];
        booked.into_iter().filter(|(ours, _)| !ours).map(|(_, what)| what).collect()
    }
}

/// What becomes of an edit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// The sale is changed, as long as the ERP allows it.
    #[default]
    Amend,
    /// The sale is cancelled, and made anew.
    CancelAndNew,
    /// The order waits for a person.
    Park,
}

/// What becomes of a cancellation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// The sale is cancelled, as long as the ERP allows it.
    #[default]
    Cancel,
    /// The order waits for a person.
    Park,
}

/// What becomes of a refund.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credit {
    /// A credit note is booked, one for each refund.
    #[default]
    Credit,
    /// The order waits for a person.
    Park,
}

/// Whether goods that came back are taken into stock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restock {
    /// Where the store says so, line by line.
    #[default]
    AsStated,
    /// Always.
    Always,
    /// Never: somebody looks at them first.
    Never,
}

/// When an order goes to the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateWhen {
    /// Once it is paid (or partially refunded since).
    Paid,
    /// As soon as it is placed.
    Placed,
}

/// What to do when totals differ, and rounding does not explain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// The order waits for a person.
    Park,
    /// A labelled line books the exact difference, if it is within the limit.
    Adjust,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            create_when: CreateWhen::Paid,
            authorized_is_paid: false,
            total_mismatch: Mismatch::Park,
            adjust_limit: Amount::ZERO,
            sku: HashMap::new(),
            statuses: HashMap::new(),
            test_orders: false,
            after: After::default(),
        }
    }
}

impl Rules {
    /// [`sku`](Self::sku) as codes; what cannot be one is none.
    #[must_use]
    pub fn names(&self) -> BTreeMap<Sku, Sku> {
        let pair = |(code, name): (&String, &String)| Some((code.parse().ok()?, name.parse().ok()?));
        self.sku.iter().filter_map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_or_the_erp_leave_to_a_person_is_named() {
        let (all, none) = (|_| true, |_| false);
        assert!(After::default().by_hand(all).is_empty());
        assert_eq!(After::default().by_hand(none), ["edits", "cancellations", "refunds"]);
        let anew = After { edit: Edit::CancelAndNew, refund: Credit::Park, ..After::default() };
        assert_eq!(anew.by_hand(|operation| operation == Operation::Cancel), ["refunds"]);
    }
}
