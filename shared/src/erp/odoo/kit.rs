//! An Odoo 19 for the suites and the sandbox: the calls of JSON-2 that a web shop's orders take, and nothing else of it. Sums are its own:
//! taxes are computed over the whole document from amounts that are not rounded, half away from nothing.

mod loads;
mod replies;

use std::net::SocketAddr;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use puente_sandbox::erp::{Asked, Books, Bulk, Class, Config, Made, Of, Reply, Vendor, id_text};
use serde_json::{Value, json};

use crate::erp::kit;

/// The kit.
pub(super) const KIT: kit::Kit = kit::Kit { vendor: &Odoo, books: true, fuzzed: replies::fuzzed };

/// The vendor.
#[derive(Debug)]
struct Odoo;

/// Its currencies and their decimals; an id is a place from 1.
const CURRENCIES: [(&str, u32); 4] = [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3)];
/// Its taxes: the rate in thousandths, and the name.
const TAXES: [(i64, &str); 2] = [(210, "21% G"), (100, "10% G")];
/// What is sold beside articles.
const SERVICES: [&str; 6] = ["SHIPPING", "TIP", "DISCOUNT", "ROUNDING", "FEE", "REFUND"];

impl Vendor for Odoo {
    fn section(&self, config: &Config, addr: SocketAddr) -> String {
        format!(
            "url = \"http://{addr}\"\ndatabase = \"erp\"\napi_key = {{ literal = \"sandbox-key-1\" }}\nprotocol = \"json-2\"\n\
             timeout = \"2s\"\nsettle = \"4s\"\nbulk = {}\ncredit_state = \"posted\"\n\
             products = {{ shipping = \"SHIPPING\", tip = \"TIP\", discount = \"DISCOUNT\", rounding = \"ROUNDING\", fee = \"FEE\", \
             refund = \"REFUND\" }}\n\
             taxes = {{ \"0.21\" = \"21% G\", \"0.10\" = \"10% G\" }}\n",
            config.bulk_limit,
        )
    }

    /// A load answers with what is there, and names whom it refuses.
    fn can_be(&self, config: &Config) -> bool {
        config.class == Class::Key && config.bulk == Bulk::PerItem && !config.drafts && config.authorization.is_none()
    }

    fn name(&self, asked: &Asked) -> String {
        asked.path.strip_prefix("/json/2/").unwrap_or(&asked.path).to_owned()
    }

    fn writes(&self, asked: &Asked) -> bool {
        let name = self.name(asked);
        ["load", "action_confirm", "action_post", "action_cancel", "unlink"].iter().any(|write| name.ends_with(write))
    }

    fn answer(&self, books: &mut Books, asked: &Asked) -> Reply {
        let call: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let none = Value::Null;
        let domain = call.get("domain").unwrap_or(&none);
        let answer = match self.name(asked).as_str() {
            "res.company/search_read" => json!([{"id": 1, "name": "Shop", "currency_id": [1, "EUR"],
                "tax_calculation_rounding_method": "round_globally"}]),
            "res.users.apikeys/search_read" => json!([{"id": 1, "expiration_date": "2027-01-31 10:00:00"}]),
            "product.pricelist/search_read" => pricelists(&words(domain)),
            "account.tax/search_read" => taxes(&words(domain)),
            "product.product/search_read" => products(books, &words(domain)),
            "res.country/search_read" | "res.partner/search_read" => json!([]),
            "res.partner/load" => loads::partners(books, &call),
            "sale.order/load" => loads::documents(books, &call, false),
            "account.move/load" => loads::documents(books, &call, true),
            "sale.order/search_read" if is_listing(domain) => listed(books, &call, false),
            "account.move/search_read" if is_listing(domain) => listed(books, &call, true),
            "sale.order/search_read" => found(books, domain, false),
            "account.move/search_read" => found(books, domain, true),
            "sale.order.line/search_read" => lines(books, domain),
            "sale.order.line/get_external_id" => json!({}),
            "sale.order/action_confirm" => take_on(books, &call, "sale"),
            "account.move/action_post" => take_on(books, &call, "posted"),
            "sale.order/action_cancel" => take_on(books, &call, "cancel"),
            other => {
                return (404, json!({"name": "werkzeug.exceptions.NotFound", "message": format!("no method {other}")}));
            }
        };
        (200, answer)
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Every text in a search domain, at whatever depth.
fn words(domain: &Value) -> Vec<String> {
    match domain {
        Value::String(word) => vec![word.clone()],
        Value::Array(parts) => parts.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// What a domain asks of a field: its operator and its value.
fn clause<'a>(domain: &'a Value, field: &str) -> Option<(&'a str, &'a Value)> {
    list(Some(domain)).iter().find_map(|clause| match list(Some(clause)) {
        [name, operator, value] if name == field => Some((operator.as_str()?, value)),
        _ => None,
    })
}

/// Those of a table that are asked for, each with its id.
fn asked<'a>(table: impl Iterator<Item = &'a str>, words: &[String]) -> Vec<(usize, &'a str)> {
    let rows = table.enumerate().map(|(place, row)| (place + 1, row));
    rows.filter(|(_, row)| words.iter().any(|word| word == row)).collect()
}

fn pricelists(words: &[String]) -> Value {
    let found = asked(CURRENCIES.iter().map(|(code, _)| *code), words);
    found.into_iter().map(|(id, code)| json!({"id": id, "currency_id": [id, code]})).collect()
}

fn taxes(words: &[String]) -> Value {
    let found = asked(TAXES.iter().map(|(_, name)| *name), words).into_iter().map(|(id, name)| {
        let percent = TAXES.get(id - 1).map_or(0, |(thousandths, _)| thousandths / 10);
        json!({"id": id, "name": name, "amount": percent, "amount_type": "percent",
            "price_include": false, "include_base_amount": false, "sequence": id})
    });
    found.collect()
}

fn products(books: &Books, words: &[String]) -> Value {
    let found = asked(SERVICES.into_iter().chain(books.products().iter().map(String::as_str)), words);
    found
        .into_iter()
        .map(|(id, code)| json!({"id": id, "default_code": code, "active": true, "sale_ok": true}))
        .collect()
}

fn is_of(made: &Made, credit: bool) -> bool {
    matches!(made.kind, Of::Credit(_)) == credit
}

/// By reference, or by id.
fn found(books: &Books, domain: &Value, credit: bool) -> Value {
    let (reference, mark) = if credit { ("ref", "invoice_origin") } else { ("client_order_ref", "origin") };
    let ids: Vec<u64> = clause(domain, "id")
        .map_or(&[] as &[Value], |(_, ids)| list(Some(ids)))
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let told = |made: &Made| {
        let state = match made.state {
            _ if made.cancelled => "cancel",
            "draft" => "draft",
            _ if credit => "posted",
            _ => "sale",
        };
        let currency = CURRENCIES.iter().position(|(code, _)| *code == made.currency).unwrap_or_default() + 1;
        json!({"id": made.id, reference: made.reference, mark: made.version, "name": made.number, "state": state,
            "amount_total": number(made), "currency_id": [currency, made.currency], "order_line": [], "locked": false,
            "invoice_ids": []})
    };
    let by_id = books.orders.iter().filter(|made| ids.contains(&made.id));
    by_id.chain(books.found(&words(domain))).filter(|made| is_of(made, credit)).map(told).collect()
}

/// As a JSON number with its own digits.
fn number(made: &Made) -> Value {
    serde_json::from_str(&made.total.to_string()).unwrap_or_default()
}

/// Of orders that somebody took further a line that says so.
fn lines(books: &Books, domain: &Value) -> Value {
    let ids: Vec<u64> = clause(domain, "order_id")
        .map_or(&[] as &[Value], |(_, ids)| list(Some(ids)))
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let gone = |made: &&Made| ids.contains(&made.id) && matches!(made.state, "shipped" | "invoiced");
    let told = |made: &Made| {
        let (delivered, invoiced) = (u8::from(made.state == "shipped"), u8::from(made.state == "invoiced"));
        json!({"id": made.id, "order_id": [made.id, made.number], "product_id": false, "product_uom_qty": 0,
            "price_unit": 0, "tax_ids": [], "name": "x", "qty_delivered": delivered, "qty_invoiced": invoiced})
    };
    books.orders.iter().filter(gone).map(told).collect()
}

fn take_on(books: &mut Books, call: &Value, state: &'static str) -> Value {
    let ids: Vec<u64> = list(call.get("ids")).iter().filter_map(Value::as_u64).collect();
    for made in books.orders.iter_mut().filter(|made| ids.contains(&made.id)) {
        (made.state, made.cancelled) = (state, state == "cancel");
    }
    json!(true)
}

fn is_listing(domain: &Value) -> bool {
    clause(domain, "create_date").is_some()
}

/// Those after an id, of a span of time.
fn listed(books: &Books, call: &Value, credit: bool) -> Value {
    let none = Value::Null;
    let domain = call.get("domain").unwrap_or(&none);
    let after = list(Some(domain)).iter().filter_map(|clause| match list(Some(clause)) {
        [field, operator, id] if field == "id" && operator == ">" => id.as_u64(),
        _ => None,
    });
    let after = after.max().unwrap_or_default();
    let most = call.get("limit").and_then(id_text).and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
    let moment = |operator: &str| {
        list(Some(domain)).iter().find_map(|clause| match list(Some(clause)) {
            [field, of, at] if field == "create_date" && of == operator => utc(at.as_str()?),
            _ => None,
        })
    };
    let (from, until) = (moment(">="), moment("<"));
    // Each was written again two hours after it was made, as those are that are delivered.
    let within = |at: Timestamp| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until);
    let touched =
        |made: &&Made| within(made.created_at) || within(made.created_at + jiff::SignedDuration::from_hours(2));
    let reference = if credit { "ref" } else { "client_order_ref" };
    let told = |made: &Made| json!({"id": made.id, reference: made.reference, "amount_total": number(made), "currency_id": [1, made.currency]});
    let ours = books.orders.iter().filter(|made| made.id > after && !made.cancelled && is_of(made, credit));
    ours.filter(touched).take(most).map(told).collect()
}

fn utc(text: &str) -> Option<Timestamp> {
    let at = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    Some(TimeZone::UTC.to_zoned(at).ok()?.timestamp())
}
