//! What names, amounts and times look like in JSON, for the OpenAPI document: exactly what their parsers take.
//!
//! Types that are plain structs and enums derive theirs; here are those whose form is a rule. JSON Schema 2020-12, as OpenAPI
//! 3.1 has it: <https://spec.openapis.org/oas/v3.1.0#schema-object>.

use iso_currency::{Currency, IntoEnumIterator};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use super::{
    goods::{Place, Sku},
    ids::{AttemptId, ConnectionId, ErpId, OrderId},
    money::{Amount, LARGEST},
    time::Stamp,
    version::Version,
};

/// [`Currency`] as its ISO 4217 code.
#[derive(Debug, Clone, Copy)]
pub struct CurrencyCode;

/// The pattern of names in `puente.toml`.
const SLUG: &str = "^[a-z0-9_-]{1,64}$";

/// The pattern of an amount that is written as text; the largest has a digit more than all others.
const AMOUNT: &str = r"^-?([0-9]{1,15}(\.[0-9]{1,10})?|10{15})$";

/// Gives a type its schema: its own words, and what else is fixed.
macro_rules! schema {
    ($($name:ty => $schema:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }
        impl ToSchema for $name {}
    )*};
}

schema! {
    ConnectionId => text("A connection, as named in the configuration.").pattern(Some(SLUG));
    ErpId => text("An ERP account, as named in the configuration.").pattern(Some(SLUG));
    OrderId => text("The store's own id of an order, as text.")
        .min_length(Some(1))
        .max_length(Some(128))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"));
    Sku => text("An article's code.")
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"));
    Place => text("Warehouses by their names, joined by `+`; `*` is all of the company.").examples(["*", "Main+Shop"]);
    AttemptId => text("One attempt to take a step.");
    Version => text("One state of an order: the store's modification time, a counter for ties, and a hash of the content.")
        .examples(["2026-03-14T22:03:40.000000Z/00000/9f86d081884c7d65"]);
    Stamp => text("An instant with the offset its sender wrote (RFC 3339).")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-03-14T19:02:11-06:00"]);
    CurrencyCode => text("An ISO 4217 code.").enum_values(Some(Currency::iter().map(|currency| currency.code())));
    Amount => OneOfBuilder::new()
        .description(Some(
            "An exact decimal, rounded to ten decimals. Written as a string; read from a string or a number, digit by digit.",
        ))
        .item(ObjectBuilder::new().schema_type(Type::String).pattern(Some(AMOUNT)))
        .item(ObjectBuilder::new().schema_type(Type::Number).minimum(Some(-LARGEST)).maximum(Some(LARGEST)))
        .examples(["535.92"]);
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_that_is_written_has_the_pattern_of_amounts() {
        let pattern = regex_lite::Regex::new(AMOUNT).unwrap();
        for text in ["0", "-0.0000000001", "999999999999999.9999999999", "1000000000000000", "-1000000000000000.0"] {
            let written = Amount::parse(text).unwrap().to_string();
            assert!(pattern.is_match(&written), "{written}");
        }
        assert!(Amount::parse("1000000000000000.1").is_err() && !pattern.is_match("1000000000000001"));
    }
}
