//! What differs between two states of an order, in words: what somebody has to change in the ERP by hand.
//!
//! Articles and money are named with their figures; of the buyer's own data only the field's name is.

use super::{
    money::Amount,
    order::{Charge, ChargeKind, Customer, Discount, Line, Order, Tax},
};

/// How many differences are named one by one; a reason stays short enough to be read.
const NAMED: usize = 6;

/// What `now` sold differently from `before`, such as `its shipping address` or `its quantity of CUP-1 (1 instead of 2)`. Empty
/// where both sold the same ([`Order::same_goods`]).
#[must_use]
pub fn changes(before: &Order, now: &Order) -> Vec<String> {
    let mut found = Vec::new();
    let mut named = |differs: bool, what: &str| {
        if differs {
            found.push(what.to_owned());
        }
    };
    named(before.currency != now.currency, "its currency");
    named(before.shipping != now.shipping, "its shipping address");
    named(before.billing != now.billing, "its billing address");
    found.extend(customer(before.customer.as_ref(), now.customer.as_ref()));
    lines(before, now, &mut found);
    charges(before, now, &mut found);
    let money = |amount: Amount| amount.in_currency(now.currency);
    let mut figure = |what: &str, before: Amount, now: Amount| {
        if before != now {
            found.push(format!("{what} ({} instead of {})", money(now), money(before)));
        }
    };
    figure("its discount", off(&before.discounts), off(&now.discounts));
    figure("its tax", before.tax, now.tax);
    figure("its total", before.total, now.total);
    let (was, is) = (before.proof(), now.proof());
    if was.unexplained != is.unexplained {
        // By itself: what sold and refunded make, beside what the store says.
        let made = is.total - is.refunded;
        figure("what it comes to in the store now", made, made + is.unexplained);
    }
    if before.tax_included != now.tax_included {
        found.push(format!("its prices (now {} tax)", if now.tax_included { "with" } else { "without" }));
    }
    // Two states that differ in nothing that has a name here: the label of a discount, say.
    if found.is_empty() && !before.same_goods(now) {
        found.push("a label or the order of its lines".to_owned());
    }
    if found.len() > NAMED {
        let more = found.split_off(NAMED - 1).len();
        found.push(format!("{more} more of its figures"));
    }
    found
}

fn customer(before: Option<&Customer>, now: Option<&Customer>) -> Option<String> {
    if before == now {
        return None;
    }
    let (Some(before), Some(now)) = (before, now) else { return Some("its customer".to_owned()) };
    let fields = [
        ("account", before.id != now.id),
        ("name", before.name != now.name),
        ("e-mail address", before.email != now.email),
        ("phone", before.phone != now.phone),
        ("tax id", before.tax_id != now.tax_id),
    ];
    let changed: Vec<_> = fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
    Some(format!("its customer's {}", listed(&changed)))
}

fn lines(before: &Order, now: &Order, found: &mut Vec<String>) {
    let of = |order: &'_ Order, id: &str| order.lines.iter().position(|line| line.id == id);
    let missing_in = |other: &Order, line: &Line| of(other, &line.id).is_none();
    let added = now.lines.iter().filter(|line| missing_in(before, line)).map(|line| (line, "added"));
    let removed = before.lines.iter().filter(|line| missing_in(now, line)).map(|line| (line, "removed"));
    let moved: Vec<_> =
        added.chain(removed).map(|(line, how)| format!("{} {} {how}", line.quantity, article(line))).collect();
    if !moved.is_empty() {
        found.push(format!("its lines ({})", bounded(moved).join(", ")));
    }
    for line in &now.lines {
        let Some(was) = of(before, &line.id).and_then(|at| before.lines.get(at)) else { continue };
        let name = article(line);
        if was.quantity != line.quantity {
            found.push(format!("its quantity of {name} ({} instead of {})", line.quantity, was.quantity));
            continue;
        }
        // With another quantity all these are others; with the same one it is they that changed.
        let money = |amount: Amount| amount.in_currency(now.currency);
        let mut figure = |what: &str, before: Amount, now: Amount| {
            if before != now {
                found.push(format!("its {what} {name} ({} instead of {})", money(now), money(before)));
            }
        };
        figure("price of", was.amount, line.amount);
        figure("discount on", off(&was.discounts), off(&line.discounts));
        figure("tax on", tax(&was.taxes), tax(&line.taxes));
        if (&was.sku, &was.title, was.gift_card) != (&line.sku, &line.title, line.gift_card) {
            found.push(format!("its article {} ({name} now)", article(was)));
        }
    }
}

fn charges(before: &Order, now: &Order, found: &mut Vec<String>) {
    for (kind, what) in [
        (ChargeKind::Shipping, "its shipping charge"),
        (ChargeKind::Tip, "its tip"),
        (ChargeKind::Duty, "its duties"),
        (ChargeKind::Fee, "its fees"),
        (ChargeKind::Rounding, "its rounding"),
        (ChargeKind::StoreCredit, "its store credit"),
    ] {
        let of = |order: &Order| -> Vec<Charge> { order.charges.iter().filter(|c| c.kind == kind).cloned().collect() };
        let (was, is) = (of(before), of(now));
        if was != is {
            let net = |charges: &[Charge]| -> Amount { charges.iter().map(Charge::net).sum() };
            let (was, is) = (net(&was).in_currency(now.currency), net(&is).in_currency(now.currency));
            let figures = if was == is { String::new() } else { format!(" ({is} instead of {was})") };
            found.push(format!("{what}{figures}"));
        }
    }
}

fn article(line: &Line) -> &str {
    line.sku.as_deref().unwrap_or(&line.title)
}

fn off(discounts: &[Discount]) -> Amount {
    discounts.iter().map(|discount| discount.amount).sum()
}

fn tax(taxes: &[Tax]) -> Amount {
    taxes.iter().map(|tax| tax.amount).sum()
}

fn bounded(mut names: Vec<String>) -> Vec<String> {
    if names.len() > NAMED {
        let more = names.split_off(NAMED - 1).len();
        names.push(format!("{more} more"));
    }
    names
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed<T: AsRef<str>>(parts: &[T]) -> String {
    let mut words = String::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            words.push_str(if n + 1 == parts.len() { " and " } else { ", " });
        }
        words.push_str(part.as_ref());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        serde_json::from_str(
            r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",
            "currency":"EUR","status":"open","payment":"paid","customer":{"name":"canary","email":"canary@example.com"},
            "shipping":{"street":"canary 1"},"lines":[{"id":"1","sku":"CUP-1","title":"Cup","quantity":"2","unit_price":"10",
            "amount":"20"},{"id":"2","sku":"TEA-7","title":"Tea","quantity":"1","unit_price":"5","amount":"5"}],
            "charges":[{"kind":"shipping","label":"post","amount":"5"}],"tax":"0","total":"30"}"##,
        )
        .unwrap()
    }

    fn said(change: impl FnOnce(&mut Order)) -> String {
        let mut now = order();
        change(&mut now);
        let words = listed(&changes(&order(), &now));
        assert!(!words.contains("canary"), "personal data: {words}");
        assert_eq!(words.is_empty(), order().same_goods(&now), "{words}");
        words
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn each_change_has_its_name() {
        assert_eq!(said(|_| {}), "");
        assert_eq!(said(|o| o.shipping.as_mut().unwrap().city = Some("canary".into())), "its shipping address");
        assert_eq!(said(|o| o.billing = o.shipping.clone()), "its billing address");
        assert_eq!(said(|o| o.customer = None), "its customer");
        assert_eq!(
            said(|o| {
                let customer = o.customer.as_mut().unwrap();
                (customer.email, customer.phone) = (Some("canary-2".into()), Some("canary-3".into()));
            }),
            "its customer's e-mail address and phone"
        );
        assert_eq!(
            said(|o| {
                o.lines[0].quantity = amount("1");
                o.lines[0].amount = amount("10");
                o.total = amount("20");
            }),
            "its quantity of CUP-1 (1 instead of 2) and its total (20.00 EUR instead of 30.00 EUR)"
        );
        assert_eq!(
            said(|o| {
                o.lines[1].id = "3".into();
                o.lines[1].sku = Some("MATE-9".into());
            }),
            "its lines (1 MATE-9 added, 1 TEA-7 removed)"
        );
        assert_eq!(
            said(|o| o.lines[1].discounts.push(Discount { label: "x".into(), amount: amount("1") })),
            "its discount on TEA-7 (1.00 EUR instead of 0.00 EUR)"
        );
        assert_eq!(said(|o| o.charges.clear()), "its shipping charge (0.00 EUR instead of 5.00 EUR)");
        assert_eq!(said(|o| o.charges[0].label = "express".into()), "its shipping charge");
        assert_eq!(said(|o| o.tax_included = true), "its prices (now with tax)");
        assert_eq!(said(|o| o.lines[0].title = "Mug".into()), "its article CUP-1 (CUP-1 now)");
        assert_eq!(said(|o| o.lines[0].unit_price = amount("11")), "a label or the order of its lines");
        // The order's own payment, refunds and flags are no part of what was sold.
        assert_eq!(said(|o| o.payment = super::super::order::Payment::Refunded), "");
    }

    #[test]
    fn many_changes_stay_readable() {
        let words = said(|o| {
            for n in 0..50 {
                let line = Line { id: format!("new {n}"), ..o.lines[0].clone() };
                o.lines.push(line);
            }
            o.shipping = None;
            (o.tax, o.total) = (amount("1"), amount("2"));
            (o.customer, o.tax_included) = (None, true);
            o.charges.clear();
        });
        assert!(words.contains("45 more)") && words.ends_with("2 more of its figures"), "{words}");
    }
}
