//! One order on the screen: where it stands and why, the order itself, and everything that happened to it.

use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    domain::{
        money::Amount,
        order::{Address, Charge, Customer, Discount, Order, Status, Tax},
    },
    edge::{
        steps::{DocumentView, Kinds, OpenView},
        story::{Cause, StoryView, WaitView},
        views::OrderView,
    },
};

use crate::output::{Tone, cell, distance, number, plain, table, time, tone};

/// The whole story.
pub(crate) fn described(story: &StoryView, now: Timestamp) -> String {
    let mut parts = vec![table(&["what", ""], facts(story, now))];
    if !story.documents.is_empty() {
        parts.push(documents(&story.documents));
    }
    if let Some(order) = &story.content {
        parts.push(table(&["buyer", ""], buyer(order)));
        parts.push(lines(order));
        parts.push(table(&["money", ""], money(order)));
    } else if let Some(raw) = &story.raw {
        parts.push(format!("its body could not be read; {} bytes of it are kept: --raw shows them\n", raw.len()));
    }
    let events = story.timeline.iter().map(|entry| {
        vec![plain(time(entry.at)), plain(&entry.event), plain(entry.detail.as_deref().unwrap_or_default())]
    });
    parts.push(table(&["when", "what happened", "detail"], events));
    parts.join("\n")
}

/// The total, with the decimals of its currency.
pub(crate) fn total(order: &OrderView) -> Option<String> {
    let (total, currency) = (order.total?, order.currency?);
    Some(format!("{} {}", total.shown(currency), currency.code()))
}

/// The document's number, as people see it in the ERP.
pub(crate) fn document(order: &OrderView) -> Option<&str> {
    order.document.as_ref().map(puente::domain::document::Document::name)
}

type Rows = Vec<Vec<Cell>>;

fn row(name: &str, value: impl std::fmt::Display) -> Vec<Cell> {
    vec![cell(name, Tone::Faint), plain(value)]
}

fn facts(story: &StoryView, now: Timestamp) -> Rows {
    let order = &story.order;
    let mut rows = vec![
        row("order", format!("{} ({}/{})", order.number, order.connection, order.order)),
        vec![cell("state", Tone::Faint), cell(order.status, tone(order.status))],
    ];
    let mut fact = |name: &str, value: Option<String>| rows.extend(value.map(|value| row(name, value)));
    // Of an order that waits, each wait has its own words.
    fact("why", order.reason.clone().filter(|_| story.waits.is_empty()));
    for wait in &story.waits {
        fact("waits for", Some(waiting(wait, now)));
    }
    fact("still to do", story.open.as_ref().and_then(|open| to_do(open, order)));
    fact("total", total(order));
    fact("in the ERP", document(order).map(|document| format!("sale {document}")));
    fact("flags", (!order.flags.is_empty()).then(|| order.flags.join("\n")));
    fact("version", Some(order.desired.to_string()).filter(|_| !order.desired.is_unread()));
    let behind = order.applied.as_ref().filter(|applied| **applied != order.desired);
    fact("the ERP has", behind.map(ToString::to_string));
    rows
}

/// What is still to be done, where the reason does not say it already.
fn to_do(open: &OpenView, order: &OrderView) -> Option<String> {
    if let Some((operation, reference)) = open.operation.zip(open.reference.as_ref()) {
        return Some(format!("{} ({reference})", operation.words()));
    }
    Some(open.detail.clone()).filter(|detail| order.reason.as_ref() != Some(detail))
}

/// The documents in the ERP, and whether they say what the store says now.
fn documents(all: &[DocumentView]) -> String {
    let rows = all.iter().map(|document| {
        let DocumentView { kind, refund, id, number, reference, cancelled, current, .. } = document;
        let what = match (kind, refund) {
            (Kinds::Sale, _) => "sale".to_owned(),
            (Kinds::Credit, refund) => format!("credit note for refund {}", refund.as_deref().unwrap_or("-")),
        };
        let name = match number {
            Some(number) if number != id => format!("{number} (id {id})"),
            _ => id.clone(),
        };
        let state = match (cancelled, current) {
            (true, _) => cell("cancelled", Tone::Faint),
            (false, true) => cell("as the store says now", Tone::Good),
            (false, false) => cell("of an older state", Tone::Warn),
        };
        vec![plain(what), plain(name), plain(reference), state]
    });
    let links = all.iter().filter_map(|document| {
        let name = document.number.as_ref().unwrap_or(&document.id);
        Some(format!("{name}: {}", document.link.as_ref()?))
    });
    let table = table(&["document", "in the ERP", "reference", "content"], rows);
    std::iter::once(table).chain(links).collect::<Vec<_>>().join("\n")
}

/// What an order waits for, since when and until when.
pub(crate) fn waiting(wait: &WaitView, now: Timestamp) -> String {
    let what = match wait.cause {
        Cause::Store => "the store",
        Cause::Sending => "the ERP's answer",
        Cause::Doubt => "a look-up in the ERP",
        Cause::Backoff => "its next attempt",
        Cause::Blocked => "the ERP account, which is blocked",
        Cause::Quota => "the ERP's next day",
        Cause::Departure => "the next departure",
        Cause::Turn => "its turn",
    };
    let later = |at: Timestamp| format!("{} ({})", time(at), distance(at, now));
    let mut when = Vec::new();
    when.extend(wait.since.map(|since| format!("since {}", later(since))));
    when.extend(wait.until.map(|until| format!("until {}", later(until))));
    when.extend(wait.attempt.zip(wait.attempts).map(|(n, of)| format!("attempt {n} of {of}")));
    let when = if when.is_empty() { String::new() } else { format!(" {}", when.join(", ")) };
    format!("{what}{when}: {}", wait.detail)
}

fn buyer(order: &Order) -> Rows {
    let mut rows = Vec::new();
    let nobody = Customer::default();
    let Customer { id, name, email, phone, tax_id, .. } = order.customer.as_ref().unwrap_or(&nobody);
    let tax_id = tax_id.as_ref().map(|id| format!("{} {}", format!("{:?}", id.kind).to_uppercase(), id.value));
    let facts = [("name", name), ("email", email), ("phone", phone), ("tax id", &tax_id), ("customer", id)];
    rows.extend(facts.into_iter().filter_map(|(what, value)| Some(row(what, value.as_ref()?))));
    rows.extend(order.billing.as_ref().map(|to| row("invoice to", address(to))));
    rows.extend(order.shipping.as_ref().map(|to| row("goods to", address(to))));
    if rows.is_empty() {
        rows.push(row("name", "nobody is named"));
    }
    rows
}

fn address(address: &Address) -> String {
    let Address { name, company, street, city, region, postal_code, country, phone } = address;
    let street = street.as_ref().map(|street| street.replace('\n', ", "));
    let parts = [name, company, &street, postal_code, city, region, country, phone];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn lines(order: &Order) -> String {
    let money = |amount: Amount| amount.shown(order.currency);
    let rows = order.lines.iter().map(|line| {
        let title = if line.gift_card { format!("{} (gift card)", line.title) } else { line.title.clone() };
        vec![
            plain(line.sku.as_deref().unwrap_or("-")),
            plain(title),
            number(line.quantity),
            number(money(line.unit_price)),
            number(money(line.amount)),
            plain(discounts(&line.discounts, &money)),
            plain(taxes(&line.taxes, &money)),
        ]
    });
    table(&["article", "title", "quantity", "price", "amount", "discounts", "taxes"], rows)
}

fn discounts(all: &[Discount], money: &impl Fn(Amount) -> String) -> String {
    all.iter().map(|one| format!("-{} {}", money(one.amount), one.label)).collect::<Vec<_>>().join("\n")
}

fn taxes(all: &[Tax], money: &impl Fn(Amount) -> String) -> String {
    all.iter().map(|one| format!("{} {}", money(one.amount), one.name)).collect::<Vec<_>>().join("\n")
}

fn money(order: &Order) -> Rows {
    let code = order.currency.code();
    let money = |amount: Amount| amount.shown(order.currency);
    let proof = order.proof();
    let mut rows = vec![row("lines", money(proof.lines))];
    for Charge { kind, label, amount, discounts: off, taxes: taxed } in &order.charges {
        let beside = [discounts(off, &money), taxes(taxed, &money)];
        let beside: Vec<_> =
            beside.iter().filter(|text| !text.is_empty()).map(|text| text.replace('\n', ", ")).collect();
        let beside = if beside.is_empty() { String::new() } else { format!(" ({})", beside.join(", ")) };
        rows.push(row(&format!("{kind:?}").to_lowercase(), format!("{}  {label}{beside}", money(*amount))));
    }
    if !proof.discounts.is_zero() {
        rows.push(row("discounts", money(-proof.discounts)));
    }
    let tax = if order.tax_included { "tax, in the prices" } else { "tax" };
    rows.push(row(tax, money(order.tax)));
    rows.push(row("total", format!("{} {code}", money(order.total))));
    for refund in &order.refunds {
        let reason = refund.reason.as_deref().map(|reason| format!("  {reason}")).unwrap_or_default();
        rows.push(row("refund", format!("{}  {}{reason}", money(-refund.amount), refund.id)));
    }
    rows.extend(order.current_total.map(|total| row("the store says now", format!("{} {code}", money(total)))));
    let cancelled = if order.status == Status::Cancelled { ", cancelled" } else { "" };
    let words = format!("{:?}", order.payment);
    let payment = words.chars().fold(String::new(), |mut text, c| {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
        text
    });
    rows.push(row("payment", format!("{payment}{cancelled}")));
    rows.push(row("placed", time(order.placed_at.at())));
    rows.push(row("changed", time(order.updated_at.at())));
    rows
}
