//! The templates of a `rest` ERP: Jinja, where every `{{ value }}` of a body is already JSON and of a path already
//! percent-encoded, so that no buyer's text can change the shape of a request. In a header it is plain: what cannot stand in one
//! is refused when the call is made.
//!
//! What is not there is an error, never an empty word. Amounts are text, exact to the last digit; the filters that would make
//! floats of them are taken out. Language: <https://docs.rs/minijinja/latest/minijinja/syntax/index.html>

use std::fmt::Write as _;

use minijinja::{
    AutoEscape, Environment, Error as Trouble, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_decimal::RoundingStrategy;
use serde_json::value::RawValue;

use super::config::{Section, wrong};
use crate::{
    Error, Result,
    domain::{money::Amount, reason::Why},
};

/// RFC 3986's unreserved characters stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How values stand in a path, and in a header.
const PATH: &str = "path";
const HEADER: &str = "header";

/// Every template of a section, compiled.
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// Compiles them all; the error names the template and its line.
    pub(super) fn compile(section: &Section) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Keeps the place of an error, so that it can name the field. Nothing else of it is ever shown.
        environment.set_debug(true);
        environment.set_auto_escape_callback(|name| {
            let part = name.rsplit_once('.').map(|(_, part)| part);
            match part {
                Some("path") => AutoEscape::Custom(PATH.into()),
                Some("header") => AutoEscape::Custom(HEADER.into()),
                _ => AutoEscape::Json,
            }
        });
        environment.set_formatter(format);
        for inexact in ["float", "int", "round", "sum", "abs"] {
            environment.remove_filter(inexact);
        }
        environment.add_filter("number", number);
        environment.add_filter("fixed", fixed);
        environment.add_filter("rounded", rounded);

        let mut add = |name: String, text: &str| {
            let added = environment.add_template_owned(name.clone(), text.to_owned());
            added.map_err(|error| wrong(tell(&name, text, &error)))
        };
        add("document".to_owned(), &section.document)?;
        for (name, request) in section.requests() {
            let name = name.as_str();
            add(format!("{name}.path"), &request.path)?;
            for (part, text) in [("body", &request.body), ("document", &request.document)] {
                if let Some(text) = text {
                    add(format!("{name}.{part}"), text)?;
                }
            }
            for (header, text) in &request.headers {
                add(format!("{name}.{header}.header"), text)?;
            }
        }
        Ok(Self { environment })
    }

    /// Renders a body and checks that it is JSON. The error names the field of the template, never a value.
    pub(super) fn json(&self, name: &str, data: &Value) -> Result<String> {
        let text = self.render(name, data)?;
        match serde_json::from_str::<&RawValue>(&text) {
            Ok(json) => Ok(json.get().to_owned()),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(unusable(format!("{name} renders to text that is not JSON: see its line {line}, column {column}")))
            }
        }
    }

    /// Renders a path with its query.
    pub(super) fn path(&self, name: &str, data: &Value) -> Result<String> {
        let text = self.render(name, data)?.trim().to_owned();
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // An order whose id is ".." must not reach another resource.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(unusable(format!("{name} renders to a path with a segment \".\" or \"..\"")));
        }
        Ok(text)
    }

    /// Renders a header of a request.
    pub(super) fn header(&self, request: &str, header: &str, data: &Value) -> Result<String> {
        self.render(&format!("{request}.{header}.header"), data)
    }

    fn render(&self, name: &str, data: &Value) -> Result<String> {
        let template = self.environment.get_template(name).map_err(|_| wrong(format!("{name}: is missing")))?;
        template.render(data).map_err(|error| unusable(tell(name, template.source(), &error)))
    }
}

/// What a template makes of this order cannot be sent.
pub(super) fn unusable(words: String) -> Error {
    Why::Template { words }.into()
}

/// The place and the kind of an error, without any value of the order.
fn tell(name: &str, source: &str, error: &Trouble) -> String {
    let mut text = name.to_owned();
    if let Some(line) = error.line() {
        let _ = write!(text, ", line {line}");
    }
    let place = error.range().and_then(|range| source.get(range)).unwrap_or_default();
    if !place.is_empty() {
        let shown: String = place.chars().take(80).collect();
        let _ = write!(text, ", at `{}`", shown.trim());
    }
    let _ = match error.kind() {
        ErrorKind::UndefinedError if place.contains("adjustment") => {
            write!(
                text,
                ": it is no word any more: what is booked beside the order's own charges is among order.charges"
            )
        }
        ErrorKind::UndefinedError => write!(text, ": there is no such field in this order"),
        // The words of our own filters, and those of the parser, hold no values.
        kind @ (ErrorKind::SyntaxError | ErrorKind::InvalidOperation | ErrorKind::UnknownFilter) => {
            write!(text, ": {kind}{}", error.detail().map(|words| format!(": {words}")).unwrap_or_default())
        }
        kind => write!(text, ": {kind}"),
    };
    text
}

fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Trouble> {
    let AutoEscape::Custom(part) = state.auto_escape() else { return escape_formatter(out, state, value) };
    if value.is_undefined() || value.is_none() {
        return Err(Trouble::from(ErrorKind::UndefinedError));
    }
    if part == HEADER || value.is_safe() {
        return write!(out, "{value}").map_err(Trouble::from);
    }
    write!(out, "{}", utf8_percent_encode(&value.to_string(), ENCODED)).map_err(Trouble::from)
}

fn amount(value: &Value) -> Result<Amount, Trouble> {
    let parsed = value.as_str().and_then(|text| Amount::parse(text).ok());
    parsed.ok_or_else(|| Trouble::new(ErrorKind::InvalidOperation, "is not the text of an amount"))
}

/// `{{ line.amount | number }}`: a JSON number with exactly these digits.
fn number(value: &Value) -> Result<Value, Trouble> {
    let text = value.as_str().unwrap_or_default().to_owned();
    amount(value)?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { Ok(Value::from_safe_string(text)) } else { Ok(Value::from_safe_string(amount(value)?.to_string())) }
}

/// `{{ line.amount | fixed(2) }}`: at least so many decimals, and an error rather than a lost cent if it has more.
fn fixed(value: &Value, digits: u32) -> Result<String, Trouble> {
    let exact = amount(value)?.decimal().normalize();
    if exact.scale() > digits {
        let words = format!("has more than {digits} decimals; `rounded({digits})` would lose them knowingly");
        return Err(Trouble::new(ErrorKind::InvalidOperation, words));
    }
    Ok(padded(exact, digits))
}

/// `{{ line.unit_price | rounded(2) }}`: half away from zero. For prices that are shown, not for sums that must hold.
fn rounded(value: &Value, digits: u32) -> Result<String, Trouble> {
    let exact = amount(value)?.decimal();
    Ok(padded(exact.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero), digits))
}

fn padded(mut number: rust_decimal::Decimal, digits: u32) -> String {
    number.rescale(digits.min(10));
    number.to_string()
}
