//! The store's own word for an order's state, explained by the rules of its connection. Pure.

use crate::domain::{
    order::{Order, Payment},
    reason::Why,
    record::{End, Rest},
    rules::Rules,
    status::Meaning,
};

/// The order as the rules explain it; or where it stops, because its status is to be ignored or nobody says what it means.
pub(super) fn explained(mut order: Order, in_erp: bool, rules: &Rules) -> Result<Order, Rest> {
    let word = order.store_status.as_deref().unwrap_or_default();
    match rules.statuses.get(word) {
        // What the ERP holds already is still amended, credited, or left in peace.
        Some(Meaning::Ignore) if !in_erp => {
            Err(Rest::Stop { end: End::Ignored, reason: Why::StatusIgnored { status: short(word) }.into() })
        }
        Some(meaning) => {
            meaning.apply(&mut order);
            Ok(order)
        }
        None if order.payment == Payment::Unknown => {
            Err(Rest::Stop { end: End::Parked, reason: Why::StatusUnknown { status: short(word) }.into() })
        }
        None => Ok(order),
    }
}

/// The payment of an order as the rules explain it.
pub(super) fn payment(order: &Order, rules: &Rules) -> Payment {
    let meaning = order.store_status.as_ref().and_then(|word| rules.statuses.get(word));
    meaning.and_then(|meaning| meaning.payment()).unwrap_or(order.payment)
}

/// It is the sender's text: not much of it is kept.
fn short(word: &str) -> String {
    word.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Status;

    fn order(word: &str, payment: Payment) -> Order {
        let text = r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",
            "currency":"EUR","status":"open","payment":"paid","lines":[{"id":"1","sku":"A","title":"A","quantity":"1",
            "unit_price":"10","amount":"10"}],"tax":"0","total":"10"}"##;
        let mut order: Order = serde_json::from_str(text).unwrap();
        order.store_status = (!word.is_empty()).then(|| word.to_owned());
        order.payment = payment;
        order
    }

    fn rules(statuses: &[(&str, Meaning)]) -> Rules {
        let statuses = statuses.iter().map(|(word, meaning)| ((*word).to_owned(), *meaning)).collect();
        Rules { statuses, ..Rules::default() }
    }

    #[test]
    fn an_unknown_status_parks_and_names_the_key() {
        for in_erp in [false, true] {
            let rest = explained(order("packing", Payment::Unknown), in_erp, &rules(&[])).unwrap_err();
            let Rest::Stop { end: End::Parked, reason } = rest else { panic!("{rest:?}") };
            let reason = reason.words();
            assert!(reason.contains(r#"orders.statuses = { "packing" = "paid" }"#), "{reason}");
        }
    }

    #[test]
    fn a_rule_explains_it_and_goes_before_what_the_connector_knows() {
        let rules = rules(&[
            ("packing", Meaning::Paid),
            ("partially-paid", Meaning::Ignore),
            ("void", Meaning::Cancelled),
            ("on-hold", Meaning::Authorized),
        ]);
        let known = |word, payment| explained(order(word, payment), false, &rules).map(|o| (o.status, o.payment));
        assert_eq!(known("packing", Payment::Unknown).unwrap(), (Status::Open, Payment::Paid));
        assert_eq!(known("on-hold", Payment::Pending).unwrap(), (Status::Open, Payment::Authorized));
        assert_eq!(known("void", Payment::Unknown).unwrap().0, Status::Cancelled);
        // Without a rule and with what the connector knows.
        assert_eq!(known("partial-payment", Payment::PartiallyPaid).unwrap(), (Status::Open, Payment::PartiallyPaid));
        let ignored = known("partially-paid", Payment::PartiallyPaid).unwrap_err();
        assert!(matches!(ignored, Rest::Stop { end: End::Ignored, .. }));
        // What is in the ERP already is compared as it is.
        assert!(explained(order("partially-paid", Payment::PartiallyPaid), true, &rules).is_ok());
    }

    #[test]
    fn refunds_count_where_a_rule_says_paid() {
        let mut partly = order("packing", Payment::Unknown);
        partly.refunds = serde_json::from_str(r#"[{"id": "9", "amount": "4"}]"#).unwrap();
        let explained = explained(partly, false, &rules(&[("packing", Meaning::Paid)])).unwrap();
        assert_eq!(explained.payment, Payment::PartiallyRefunded);
    }

    #[test]
    fn no_control_character_of_a_status_is_shown() {
        let rest = explained(order("a\u{1b}[2J\"", Payment::Unknown), false, &rules(&[])).unwrap_err();
        let Rest::Stop { reason, .. } = rest else { panic!() };
        let reason = reason.words();
        assert!(!reason.chars().any(char::is_control), "{reason}");
    }
}
