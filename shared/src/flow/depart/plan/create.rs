//! Whether an order is one for the ERP, and whether its books allow it.

use std::sync::Arc;

use iso_currency::Currency;

use crate::{
    domain::{
        order::{Order, Payment, Proof, Status},
        reason::Why,
        record::End,
        rounding::{self, Difference},
        rules::{CreateWhen, Rules},
    },
    erp::totals,
};

/// How the order ends without a sale, whatever its books say; `None`: one is made.
pub(super) fn without_sale(order: &Order, rules: &Rules) -> Option<(End, Why)> {
    if order.test && !rules.test_orders {
        return Some((End::Ignored, Why::TestOrder));
    }
    if order.status == Status::Cancelled {
        return Some((End::Ignored, Why::CancelledBefore));
    }
    match (order.payment, rules.create_when) {
        (Payment::Refunded | Payment::Voided | Payment::Failed | Payment::ChargedBack, _) => {
            return Some((End::Ignored, Why::PaymentLost));
        }
        // Whatever is created without being paid: nobody expects this money any more.
        (Payment::Expired, _) => return Some((End::Ignored, Why::PaymentExpired)),
        (Payment::Paid | Payment::PartiallyRefunded, _) | (_, CreateWhen::Placed) => {}
        (Payment::Authorized, CreateWhen::Paid) if rules.authorized_is_paid => {}
        (payment, CreateWhen::Paid) => return Some((End::Ignored, Why::NotPaid { payment })),
    }
    if order.lines.is_empty() {
        return Some((End::Parked, Why::NothingLeft));
    }
    unexplained(order).map(|why| (End::Parked, why))
}

/// That its refunds do not lead from what was sold to what it comes to now, if so.
pub(super) fn unexplained(order: &Order) -> Option<Why> {
    let proof = order.proof();
    (!proof.unexplained.is_zero()).then(|| Why::RefundsUnexplained {
        currency: order.currency,
        sold: proof.total,
        refunded: proof.refunded,
        total: proof.total - proof.refunded + proof.unexplained,
        difference: proof.unexplained,
    })
}

/// The order, if its books hold: what rounding explains is booked in the ERP on a line that says so, and so is what the rules allow; any
/// other difference waits for a person.
pub(super) fn balanced(order: Arc<Order>, rules: &Rules) -> Result<Arc<Order>, Why> {
    match rounding::of_books(&order) {
        Difference::Unexplained(by) if !totals::allowed(rules, by) => Err(unbalanced(&order.proof(), order.currency)),
        _ => Ok(order),
    }
}

fn unbalanced(proof: &Proof, currency: Currency) -> Why {
    Why::TotalsDiffer {
        currency,
        lines: proof.lines,
        discounts: proof.discounts,
        shipping: proof.shipping,
        other: proof.other,
        tax: proof.tax_on_top,
        total: proof.total,
        difference: proof.difference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(payment: Payment) -> Order {
        let text = r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",
            "currency":"EUR","status":"open","payment":"paid","lines":[{"id":"1","sku":"A","title":"A","quantity":"1",
            "unit_price":"10","amount":"10"}],"tax":"0","total":"10"}"##;
        Order { payment, ..serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn what_is_not_paid_is_never_created_where_it_has_to_be_and_what_is_lost_never_is() {
        use Payment::*;
        let paid = Rules::default();
        let placed = Rules { create_when: CreateWhen::Placed, ..Rules::default() };
        for (payment, when_paid, when_placed) in [
            (Pending, "not_paid", ""),
            (InProcess, "not_paid", ""),
            (Authorized, "not_paid", ""),
            (PartiallyPaid, "not_paid", ""),
            (Paid, "", ""),
            (PartiallyRefunded, "", ""),
            (Expired, "payment_expired", "payment_expired"),
            (Refunded, "payment_lost", "payment_lost"),
            (Voided, "payment_lost", "payment_lost"),
            (Failed, "payment_lost", "payment_lost"),
            (ChargedBack, "payment_lost", "payment_lost"),
        ] {
            for (rules, expected) in [(&paid, when_paid), (&placed, when_placed)] {
                match without_sale(&order(payment), rules) {
                    None => assert_eq!(expected, "", "{payment:?}"),
                    Some((end, why)) => assert_eq!((end, why.code()), (End::Ignored, expected), "{payment:?}"),
                }
            }
        }
    }

    #[test]
    fn what_is_waited_for_is_said() {
        let words = |payment| without_sale(&order(payment), &Rules::default()).unwrap().1.words();
        assert!(words(Payment::InProcess).starts_with("its payment is on its way (a transfer, a voucher)"));
        assert!(words(Payment::Pending).starts_with("not paid yet"));
        let expired = words(Payment::Expired);
        assert!(
            expired.contains("expired before it came") && expired.contains("should the buyer pay after all"),
            "{expired}"
        );
    }
}
