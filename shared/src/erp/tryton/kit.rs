//! A Tryton for the suites and the sandbox: the calls of JSON-RPC that a web shop's sales take, and nothing else of it. Sums are its own:
//! each line and each tax is rounded to the currency, half to even, taxes over the whole document.

mod replies;

use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use puente_sandbox::erp::{Asked, Books, Bulk, Class, Config, Entry, Made, Reply, Vendor, id_text};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::erp::kit;

/// The kit.
pub(super) const KIT: kit::Kit = kit::Kit { vendor: &Tryton, books: true, fuzzed: replies::fuzzed };

/// The vendor.
#[derive(Debug)]
struct Tryton;

/// Its currencies and their decimals; an id is a place from 1.
const CURRENCIES: [(&str, u32); 4] = [("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3)];
/// Its taxes: the rate in thousandths, and the name.
const TAXES: [(i64, &str); 2] = [(210, "VAT 21%"), (100, "VAT 10%")];
/// What Tryton says of records that were changed since they were seen.
const CHANGED: &str = "Records were modified in the meanwhile";
/// What is sold beside articles.
const SERVICES: [&str; 6] = ["SHIPPING", "TIP", "DISCOUNT", "ROUNDING", "FEE", "REFUND"];

impl Vendor for Tryton {
    fn section(&self, config: &Config, addr: SocketAddr) -> String {
        format!(
            "url = \"http://{addr}\"\ndatabase = \"erp\"\nusername = \"puente\"\npassword = {{ literal = \"sandbox-pw-1\" }}\n\
             web_shop = \"Web\"\ntimeout = \"2s\"\nbulk = {}\n\
             products = {{ shipping = \"SHIPPING\", tip = \"TIP\", discount = \"DISCOUNT\", rounding = \"ROUNDING\", fee = \"FEE\", \
             refund = \"REFUND\" }}\n\
             taxes = {{ \"0.21\" = \"VAT 21%\", \"0.10\" = \"VAT 10%\" }}\n{}",
            config.bulk_limit,
            // What is confirmed can be neither changed nor cancelled any more.
            if config.changes { "state = \"quotation\"\n" } else { "" }
        )
    }

    /// Its reference is unique, and a call is one transaction.
    fn can_be(&self, config: &Config) -> bool {
        config.class == Class::Unique && config.bulk == Bulk::Atomic && !config.drafts && config.authorization.is_none()
    }

    fn name(&self, asked: &Asked) -> String {
        let call: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        call.get("method").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn writes(&self, asked: &Asked) -> bool {
        let name = self.name(asked);
        !["version", "read", "search_read"].iter().any(|read| name.ends_with(read))
    }

    fn answer(&self, books: &mut Books, asked: &Asked) -> Reply {
        let call: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let nothing = Value::Null;
        let parameter = call.pointer("/params/0").unwrap_or(&nothing);
        let answer = match self.name(asked).as_str() {
            "common.server.version" => Ok(json!("8.0.1")),
            "model.web.shop.search_read" => Ok(json!([{"id": 1, "name": "Web", "company": 1, "warehouses": [3]}])),
            "model.account.configuration.read" => Ok(json!([{"id": 1, "tax_rounding": "document"}])),
            "model.currency.currency.search_read" => Ok(currencies(&words(parameter))),
            "model.account.tax.search_read" => Ok(taxes(&words(parameter))),
            "model.product.product.search_read" => Ok(products(books, &words(parameter))),
            "model.country.country.search_read" => Ok(json!([])),
            "model.party.party.search_read" => Ok(parties(books, &words(parameter))),
            "model.party.party.create" => create_parties(books, parameter),
            "model.party.address.create" => Ok((1..=list(parameter).len()).collect()),
            "model.sale.sale.create" => create_sales(books, parameter),
            "model.sale.sale.search_read" if words(parameter).iter().any(|word| word == "create_date") => {
                Ok(listed(books, parameter, call.pointer("/params/2")))
            }
            "model.sale.sale.search_read" => Ok(sales(books, parameter)),
            "model.sale.sale.write" => amend_sales(books, call.get("params").map_or(&[], list)),
            "model.sale.configuration.read" => Ok(json!([{"id": 1, "sale_invoice_method": "order"}])),
            "model.sale.sale.draft" => {
                if_seen(books, parameter, call.pointer("/params/1")).map(|()| take_on(books, parameter, "draft"))
            }
            "model.sale.sale.cancel" => Ok(take_on(books, parameter, "cancelled")),
            "model.sale.sale.quote" => Ok(take_on(books, parameter, "quotation")),
            "model.sale.sale.confirm" => Ok(take_on(books, parameter, "confirmed")),
            "model.sale.sale.process" => Ok(take_on(books, parameter, "processing")),
            other => return (404, json!(format!("no method {other}"))),
        };
        // Its own errors come inside of 200.
        let body = match answer {
            Ok(result) => json!({"id": 1, "result": result}),
            Err(words) if words == CHANGED => json!({"id": 1, "error": ["ConcurrencyException", words]}),
            Err(words) => json!({"id": 1, "error": ["UserError", [words, "", null]]}),
        };
        (200, body)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every text in a search domain, at whatever depth.
fn words(domain: &Value) -> Vec<String> {
    match domain {
        Value::String(word) => vec![word.clone()],
        Value::Array(parts) => parts.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// Those of a table that are asked for, each with its id.
fn asked<'a>(table: impl Iterator<Item = &'a str>, words: &[String]) -> Vec<(usize, &'a str)> {
    let rows = table.enumerate().map(|(place, row)| (place + 1, row));
    rows.filter(|(_, row)| words.iter().any(|word| word == row)).collect()
}

fn exact(number: Decimal) -> Value {
    json!({"__class__": "Decimal", "decimal": number.to_string()})
}

fn currencies(words: &[String]) -> Value {
    let found = asked(CURRENCIES.iter().map(|(code, _)| *code), words);
    found.into_iter().map(|(id, code)| json!({"id": id, "code": code, "rounding": null})).collect()
}

fn taxes(words: &[String]) -> Value {
    let found = asked(TAXES.iter().map(|(_, name)| *name), words).into_iter().map(|(id, name)| {
        json!({"id": id, "name": name, "type": "percentage", "sequence": id, "rate": exact(rate(id)), "update_unit_price": false,
            "childs": []})
    });
    found.collect()
}

fn rate(id: usize) -> Decimal {
    let tax = id.checked_sub(1).and_then(|place| TAXES.get(place));
    Decimal::new(tax.map_or(0, |(thousandths, _)| *thousandths), 3)
}

fn products(books: &Books, words: &[String]) -> Value {
    let found = asked(SERVICES.into_iter().chain(books.products().iter().map(String::as_str)), words);
    let told = |(id, code)| json!({"id": id, "code": code, "salable": true, "sale_uom.": {"id": 1, "digits": 2}});
    found.into_iter().map(told).collect()
}

fn parties(books: &Books, words: &[String]) -> Value {
    let found = books.parties.iter().filter(|party| words.contains(&party.reference));
    found.map(|party| json!({"id": party.id, "code": party.reference, "active": true, "addresses.": []})).collect()
}

fn create_parties(books: &mut Books, values: &Value) -> Result<Value, String> {
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let known = |of: &Value| books.parties.iter().any(|party| Some(&party.reference) == text(of, "code").as_ref());
    if list(values).iter().any(known) {
        return Err("The code on party must be unique.".to_owned());
    }
    let made = |of: &Value| books.welcome(text(of, "code").unwrap_or_default(), text(of, "name")).id;
    Ok(list(values).iter().map(made).collect())
}

/// All or none.
fn create_sales(books: &mut Books, values: &Value) -> Result<Value, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for sale in list(values) {
        let entry = added_up(books, sale)?;
        if books.has(&entry.reference) || entries.iter().any(|other| other.reference == entry.reference) {
            return Err("The web ID on the sale must be unique per shop.".to_owned());
        }
        entries.push(entry);
    }
    Ok(entries.into_iter().map(|entry| books.book(entry).id).collect())
}

/// A sale as Tryton adds it up. What stands in the note of its first line is its maker's version of it.
fn added_up(books: &Books, sale: &Value) -> Result<Entry, String> {
    let currency = sale.get("currency").and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok()?.checked_sub(1));
    let Some((code, digits)) = currency.and_then(|place| CURRENCIES.get(place)) else {
        return Err("The value for field \"Currency\" in \"Sale\" is not valid.".to_owned());
    };
    let round = |amount: Decimal| amount.round_dp_with_strategy(*digits, RoundingStrategy::MidpointNearestEven);
    let created =
        sale.get("lines").map_or(&[] as &[Value], list).iter().find(|act| act.get(0) == Some(&json!("create")));
    let lines = created.and_then(|act| act.get(1)).map_or(&[] as &[Value], list);
    let known = (SERVICES.len() + books.products().len()) as u64;
    let (mut total, mut bases) = (Decimal::ZERO, vec![Decimal::ZERO; TAXES.len()]);
    for line in lines {
        if line.get("product").and_then(Value::as_u64).is_none_or(|id| id == 0 || id > known) {
            return Err("The value for field \"Product\" in \"Sale Line\" is not valid.".to_owned());
        }
        let number = |value: Option<&Value>| value.and_then(id_text).and_then(|text| text.parse::<Decimal>().ok());
        let (quantity, price) = (number(line.get("quantity")), number(line.pointer("/unit_price/decimal")));
        let amount = round(quantity.unwrap_or_default() * price.unwrap_or_default());
        total += amount;
        for id in line.pointer("/taxes/0/1").map_or(&[] as &[Value], list) {
            let place = id.as_u64().and_then(|id| usize::try_from(id).ok()?.checked_sub(1));
            if let Some(base) = place.and_then(|place| bases.get_mut(place)) {
                *base += amount;
            }
        }
    }
    total += bases.into_iter().zip(1..).map(|(base, id)| round(base * rate(id))).sum::<Decimal>();
    let note = lines.first().and_then(|line| line.get("note")).and_then(Value::as_str).map(str::to_owned);
    Ok(Entry {
        reference: sale.get("web_id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        stated_total: note.as_deref().and_then(|note| note.rsplit(' ').next()).map(str::to_owned),
        version: note,
        currency: (*code).to_owned(),
        total,
        customer: sale.get("party").and_then(id_text),
        state: "draft",
    })
}

/// When a sale was last changed, in words of its own: different after every change.
fn changed(made: &Made) -> String {
    format!("{} {}", made.state, made.version.as_deref().unwrap_or_default())
}

/// Whether the sales stand as the context of the call says they were seen.
fn if_seen(books: &Books, ids: &Value, context: Option<&Value>) -> Result<(), String> {
    let seen =
        |made: &Made| context?.get("_timestamp")?.get(format!("sale.sale,{}", made.id))?.as_str().map(str::to_owned);
    let asked = |made: &&Made| list(ids).iter().any(|id| id.as_u64() == Some(made.id));
    let stale = books.orders.iter().filter(asked).any(|made| seen(made).is_some_and(|seen| seen != changed(made)));
    if stale { Err(CHANGED.to_owned()) } else { Ok(()) }
}

/// Ids and values in turn, the context last: all or none.
fn amend_sales(books: &mut Books, parameters: &[Value]) -> Result<Value, String> {
    let (context, pairs) = parameters.split_last().unwrap_or((&Value::Null, &[]));
    let mut amended = Vec::new();
    for pair in pairs.chunks(2) {
        let [ids, values] = pair else { return Err("An argument is missing.".to_owned()) };
        if_seen(books, ids, Some(context))?;
        let made = books.orders.iter().find(|made| list(ids).iter().any(|id| id.as_u64() == Some(made.id)));
        let Some(made) = made else {
            return Err("You are trying to write to records \"0\" of \"Sale\" that don't exist.".to_owned());
        };
        if made.state != "draft" {
            return Err(format!("To delete line \"1\" you must cancel or reset to draft sale \"{}\".", made.number));
        }
        amended.push((made.id, added_up(books, values)?));
    }
    for (id, entry) in amended {
        for made in books.orders.iter_mut().filter(|made| made.id == id) {
            made.total = entry.total;
            made.currency.clone_from(&entry.currency);
            made.customer.clone_from(&entry.customer);
            made.version.clone_from(&entry.version);
            made.stated_total.clone_from(&entry.stated_total);
        }
    }
    Ok(Value::Null)
}

fn take_on(books: &mut Books, ids: &Value, state: &'static str) -> Value {
    let ids: Vec<u64> = list(ids).iter().filter_map(Value::as_u64).collect();
    for made in books.orders.iter_mut().filter(|made| ids.contains(&made.id)) {
        (made.state, made.cancelled) = (state, state == "cancelled");
    }
    Value::Null
}

/// Every id that a search domain asks for.
fn ids(domain: &Value) -> Vec<u64> {
    match list(domain) {
        [Value::String(field), Value::String(_), ids] if field == "id" => {
            list(ids).iter().filter_map(Value::as_u64).collect()
        }
        parts => parts.iter().flat_map(ids).collect(),
    }
}

/// By reference, or by id.
fn sales(books: &Books, domain: &Value) -> Value {
    let told = |made: &Made| {
        json!({"id": made.id, "web_id": made.reference, "number": made.number, "state": made.state,
            "total_amount": exact(made.total), "currency.": {"id": 1, "code": made.currency}, "_timestamp": changed(made),
            "lines.": [{"id": made.id, "note": made.version}]})
    };
    let ids = ids(domain);
    let by_id = books.orders.iter().filter(|made| ids.contains(&made.id));
    by_id.chain(books.found(&words(domain))).map(told).collect()
}

/// Those after an id, which clause four of the domain has, and of a span of time, which clause five has.
fn listed(books: &Books, domain: &Value, most: Option<&Value>) -> Value {
    let after = domain.pointer("/3/2").and_then(Value::as_u64).unwrap_or_default();
    let most = most.and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok()).unwrap_or_default();
    let told = |made: &Made| json!({"id": made.id, "web_id": made.reference, "total_amount": exact(made.total), "currency.": {"id": 1, "code": made.currency}});
    let of_span = |made: &&Made| domain.get(4).is_some_and(|span| holds(span, made));
    books
        .orders
        .iter()
        .filter(|made| made.id > after && made.state != "cancelled")
        .filter(of_span)
        .take(most)
        .map(told)
        .collect()
}

/// Whether a domain of times holds of a sale. Each was written again two hours after it was made, as those are that are shipped.
fn holds(domain: &Value, made: &Made) -> bool {
    match list(domain) {
        [Value::String(or), any @ ..] if or == "OR" => any.iter().any(|domain| holds(domain, made)),
        [Value::String(field), Value::String(operator), moment] => {
            let later = SignedDuration::from_hours(if field == "write_date" { 2 } else { 0 });
            let (at, moment) = (made.created_at + later, Moment::of(moment));
            moment.is_some_and(|moment| if operator == ">=" { at >= moment } else { at < moment })
        }
        all => all.iter().all(|domain| holds(domain, made)),
    }
}

/// A moment as it is sent, in UTC.
#[derive(Deserialize)]
struct Moment {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    microsecond: i32,
}

impl Moment {
    fn of(value: &Value) -> Option<Timestamp> {
        let Self { year, month, day, hour, minute, second, microsecond } = Self::deserialize(value).ok()?;
        let at = DateTime::new(year, month, day, hour, minute, second, microsecond * 1000).ok()?;
        Some(TimeZone::UTC.to_zoned(at).ok()?.timestamp())
    }
}
