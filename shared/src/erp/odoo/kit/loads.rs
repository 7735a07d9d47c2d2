//! Loads: rows with external ids, all of them or none.

use puente_sandbox::erp::{Books, Entry};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use super::{CURRENCIES, SERVICES, TAXES, list};

/// The rows of a load, a group for each record of the first level, and where each column is.
struct Rows<'a> {
    fields: Vec<&'a str>,
    groups: Vec<Vec<&'a [Value]>>,
    /// Whether what is there already is left as it is.
    kept: bool,
}

impl<'a> Rows<'a> {
    fn of(call: &'a Value) -> Self {
        let mut groups: Vec<Vec<&[Value]>> = Vec::new();
        for row in list(call.get("data")) {
            let row = list(Some(row));
            match groups.last_mut() {
                Some(group) if row.first().is_some_and(|id| id == "") => group.push(row),
                _ => groups.push(vec![row]),
            }
        }
        let fields = list(call.get("fields")).iter().filter_map(Value::as_str).collect();
        let context = call.get("context");
        let kept = context.is_some_and(|context| {
            context.get("mode") == Some(&json!("update")) && context.get("noupdate") == Some(&json!(true))
        });
        Self { fields, groups, kept }
    }

    fn cell(&self, row: &'a [Value], field: &str) -> &'a str {
        let place = self.fields.iter().position(|name| name.ends_with(field));
        place.and_then(|place| row.get(place)?.as_str()).unwrap_or_default()
    }
}

/// Customers; their addresses have ids of no record.
pub(super) fn partners(books: &mut Books, call: &Value) -> Value {
    let rows = Rows::of(call);
    let mut ids = Vec::new();
    for (at, row) in rows.groups.iter().flatten().enumerate() {
        let reference = rows.cell(row, "ref");
        if reference.is_empty() {
            ids.push(10_000 + at as u64);
            continue;
        }
        let known = books.parties.iter().find(|party| party.reference == reference).map(|party| party.id);
        let id =
            known.unwrap_or_else(|| books.welcome(reference.to_owned(), Some(rows.cell(row, "name").to_owned())).id);
        ids.push(id);
    }
    json!({"ids": ids, "messages": [], "nextrow": 0})
}

/// Orders, or credit notes.
pub(super) fn documents(books: &mut Books, call: &Value, credit: bool) -> Value {
    let rows = Rows::of(call);
    let reference = if credit { "ref" } else { "client_order_ref" };
    let mut made = Vec::new();
    let mut messages = Vec::new();
    for (record, group) in rows.groups.iter().enumerate() {
        let Some(first) = group.first() else { continue };
        let name = first.first().and_then(Value::as_str).unwrap_or_default();
        let known = books.orders.iter().find(|made| named(&made.reference) == name).map(|made| made.id);
        match added_up(books, &rows, group, credit) {
            Ok(entry) => made.push((known, Entry { reference: rows.cell(first, reference).to_owned(), ..entry })),
            Err(words) => {
                messages.push(json!({"type": "error", "record": record, "field": "order_line", "message": words}));
            }
        }
    }
    if !messages.is_empty() {
        return json!({"ids": false, "messages": messages, "nextrow": 0});
    }
    let mut ids = Vec::new();
    for (known, entry) in made {
        // The same name twice in one call is one record.
        let known =
            known.or_else(|| books.orders.iter().find(|made| made.reference == entry.reference).map(|made| made.id));
        ids.push(match known {
            Some(id) if rows.kept => id,
            Some(id) => {
                let state = books.orders.iter().find(|made| made.id == id).map_or("draft", |made| made.state);
                books.amend(id, Entry { state, ..entry });
                id
            }
            None if credit => {
                let sale = credited(books, &entry);
                books.credit(entry, sale, Decimal::ZERO).id
            }
            None => books.book(entry).id,
        });
    }
    json!({"ids": ids, "messages": [], "nextrow": 0})
}

/// The sale that a credit note is about: the last word of its origin is the sale's number.
fn credited(books: &Books, entry: &Entry) -> u64 {
    let number = entry.version.as_deref().and_then(|origin| origin.rsplit(' ').next()).unwrap_or_default();
    books.orders.iter().find(|made| made.number == number).map_or(0, |made| made.id)
}

/// The external id of a reference, as its maker spells it.
fn named(reference: &str) -> String {
    let spelt: Vec<String> = reference
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            b'/' => "__".to_owned(),
            _ => format!("_{byte:02x}"),
        })
        .collect();
    format!("puente.{}", spelt.concat())
}

/// A document as Odoo adds it up. What stands in its origin is its maker's version of it.
fn added_up(books: &Books, rows: &Rows<'_>, group: &[&[Value]], credit: bool) -> Result<Entry, String> {
    let first = group.first().copied().unwrap_or_default();
    let known = SERVICES.len() + books.products().len();
    let (mut untaxed, mut bases) = (Decimal::ZERO, vec![Decimal::ZERO; TAXES.len()]);
    for row in group {
        let number = |field: &str| rows.cell(row, field).parse::<Decimal>().unwrap_or_default();
        let product: usize = rows.cell(row, "product_id/.id").parse().unwrap_or_default();
        if product == 0 || product > known {
            return Err(format!("No matching record found for database id '{product}' in field 'Order Lines/Product'"));
        }
        let amount = number(if credit { "/quantity" } else { "product_uom_qty" }) * number("price_unit");
        untaxed += amount;
        for id in rows.cell(row, "tax_ids/.id").split(',').filter_map(|id| id.parse::<usize>().ok()) {
            if let Some(base) = id.checked_sub(1).and_then(|place| bases.get_mut(place)) {
                *base += amount;
            }
        }
    }
    let pricelist: Option<usize> = rows.cell(first, "pricelist_id/.id").parse().ok();
    let named = rows.cell(first, "currency_id");
    let of_name = CURRENCIES.iter().position(|(code, _)| *code == named);
    let place = pricelist.and_then(|id| id.checked_sub(1)).or(of_name).unwrap_or_default();
    let (code, digits) = CURRENCIES.get(place).copied().unwrap_or(("EUR", 2));
    let round = |amount: Decimal| amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    let rate = |place: usize| Decimal::new(TAXES.get(place).map_or(0, |(thousandths, _)| *thousandths), 3);
    let tax = bases.into_iter().enumerate().map(|(place, base)| round(base * rate(place))).sum::<Decimal>();
    let origin = rows.cell(first, "origin");
    Ok(Entry {
        reference: String::new(),
        stated_total: origin.split(' ').nth(2).map(str::to_owned),
        version: Some(origin.to_owned()),
        currency: code.to_owned(),
        total: round(untaxed) + tax,
        customer: Some(rows.cell(first, "partner_id/.id").to_owned()),
        state: "draft",
    })
}
