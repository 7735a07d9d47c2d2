//! The canonical order: what every store's order becomes and every ERP's sale is made from.
//!
//! It carries its own proof: lines − discounts + shipping + tax + tips, duties and fees = total, to the minor unit; and
//! total − refunds = what the store says the order comes to now, where the store says that.
//!
//! Lines, charges and total are what was *sold*: as bought, with every edit of the store applied. A refund never changes them; it
//! stands beside them, to be credited.

mod credit;
mod proof;
mod same;
#[cfg(test)]
mod tests;

use iso_currency::Currency;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

pub use self::proof::Proof;
use super::{ids::OrderId, money::Amount, schema::CurrencyCode, time::Stamp};

/// The schema of the serialised form. It grows by one whenever an old reader would misread a new order.
pub const SCHEMA: u16 = 1;

/// One state of an order of a store, in one currency: the shop's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Order {
    /// The schema of this form: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub schema: u16,
    /// The store's own id.
    pub id: OrderId,
    /// The number people use, such as `#1001`.
    pub number: String,
    /// When the buyer placed it.
    pub placed_at: Stamp,
    /// When the store last modified it.
    pub updated_at: Stamp,
    /// ISO 4217.
    #[schema(value_type = CurrencyCode)]
    pub currency: Currency,
    /// Where it was sold: `web`, `pos`, a marketplace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whether the store calls it a test.
    #[serde(default)]
    pub test: bool,
    /// Whether it stands.
    pub status: Status,
    /// How far its payment is.
    pub payment: Payment,
    /// The store's own word for the order's state, where shops may define such words: `orders.statuses` says what it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_status: Option<String>,
    /// Who bought; some orders have nobody (POS, drafts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// Where the invoice goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<Address>,
    /// Where the goods go; digital orders have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<Address>,
    /// What was sold: as bought, less what the shop removed without giving money back, with what it added.
    pub lines: Vec<Line>,
    /// What is paid beside the lines: shipping, tips, duties, fees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// Discounts the store did not allocate to a line or a charge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<Discount>,
    /// Whether the amounts of lines and charges contain their tax.
    #[serde(default)]
    pub tax_included: bool,
    /// All tax, as the store states it.
    pub tax: Amount,
    /// What was sold comes to, as the store states it: before refunds.
    pub total: Amount,
    /// What the order comes to now, as the store states it: `total` less what the refunds took off. Not every store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_total: Option<Amount>,
    /// What was given back of it since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// What the store did with its stock for it, where that is not what the lines say. No part of what was sold: neither of the content
    /// hash, nor of any comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stock: Vec<LineStock>,
    /// What a person should know about how this order was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// Whether an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It stands.
    Open,
    /// It was cancelled or deleted in the store.
    Cancelled,
}

/// How far the payment of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// Nothing yet.
    Pending,
    /// The buyer has what it takes to pay (a voucher, a bank's details, a code), and the money is expected: nothing came yet.
    InProcess,
    /// Reserved at the payer's bank, not captured.
    Authorized,
    /// A part of it.
    PartiallyPaid,
    /// All of it.
    Paid,
    /// Paid, and a part given back.
    PartiallyRefunded,
    /// Paid, and all of it given back.
    Refunded,
    /// The authorisation was given up.
    Voided,
    /// It never came, and the time for it is over. A later payment may still bring it.
    Expired,
    /// It was paid, and that failed or was charged back since.
    Failed,
    /// It was paid, and the buyer's bank took it back: a dispute that was lost.
    ChargedBack,
    /// Nobody can say: `store_status` is a word that the shop made up, and no rule explains it yet.
    Unknown,
}

/// Who bought.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Customer {
    /// The store's own id; guests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// First and last name, or the company's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Tax id, with its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<TaxId>,
}

/// A tax id and what kind it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct TaxId {
    /// Which register it is from.
    pub kind: TaxIdKind,
    /// The id as the buyer wrote it.
    pub value: String,
}

/// The registers met in Latin America and Europe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaxIdKind {
    /// Argentina, companies and the self-employed.
    Cuit,
    /// Argentina and Peru, persons.
    Dni,
    /// Brazil, persons.
    Cpf,
    /// Brazil, companies.
    Cnpj,
    /// Mexico.
    Rfc,
    /// Chile.
    Rut,
    /// Colombia.
    Nit,
    /// Peru, companies; Ecuador.
    Ruc,
    /// Spain.
    Nif,
    /// The European Union's VAT number.
    Vat,
    /// Not said, or none of these.
    Other,
}

/// A postal address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Address {
    /// The person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Street and number, one or two lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Province or state, as the store writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// One thing bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Line {
    /// The store's own id of the line.
    pub id: String,
    /// The article's code; custom lines have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// What the buyer read.
    pub title: String,
    /// How many; fractions occur.
    pub quantity: Amount,
    /// Price of one before discounts, for display: an ERP's line is made from `amount`, which is what was charged.
    pub unit_price: Amount,
    /// Quantity × price before discounts, exactly as charged.
    pub amount: Amount,
    /// Discounts on this line, as the store allocated them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<Discount>,
    /// Taxes on this line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<Tax>,
    /// Whether a gift card is sold: a liability, not revenue.
    #[serde(default)]
    pub gift_card: bool,
    /// Of a credit note: whether it goes back into stock. Nothing in an order; see [`Order::credit`].
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub restock: Option<bool>,
}

/// What a store did with its stock for one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct LineStock {
    /// The `id` of the order's line.
    pub line: String,
    /// The units that the store took off its stock, less those that it put back since; if nothing is said, all that was sold less what
    /// refunds restock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Amount>,
    /// The units that were handed to a carrier: the store reserves them no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled: Option<Amount>,
}

/// Something paid beside the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Charge {
    /// What for.
    pub kind: ChargeKind,
    /// What the buyer read.
    pub label: String,
    /// Before discounts; negative where it lowers the total.
    pub amount: Amount,
    /// Discounts on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<Discount>,
    /// Taxes on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<Tax>,
}

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeKind {
    /// Carriage.
    Shipping,
    /// A tip.
    Tip,
    /// Import duty.
    Duty,
    /// Any other fee.
    Fee,
    /// Rounding of a cash payment.
    Rounding,
    /// A gift card or store credit that lowers the total itself (negative).
    StoreCredit,
    /// In a refund: given back without saying for what, such as goodwill.
    Refund,
}

/// A discount and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Discount {
    /// Code or title.
    pub label: String,
    /// Positive: it lowers the total.
    pub amount: Amount,
}

/// A tax on a line or a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Tax {
    /// Such as `VAT`.
    pub name: String,
    /// As a fraction: 0.21. Some stores do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Amount>,
    /// The tax itself.
    pub amount: Amount,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Refund {
    /// The store's own id.
    pub id: String,
    /// Positive; zero where the store does not say how much it was in the order's currency.
    pub amount: Amount,
    /// What it took off the order's total, where that is not `amount`: nothing for goodwill, more where a fee was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_off: Option<Amount>,
    /// Why, if the store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The goods that it is about, where the store says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Returned>,
    /// What it gives back beside them, where the store says: shipping, duties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
}

/// Goods of one line that a refund is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Returned {
    /// The `id` of the order's line.
    pub line: String,
    /// How many; zero where only a part of the price is given back.
    pub quantity: Amount,
    /// What is given back for them, after discounts; with their tax where the order's prices contain it.
    pub amount: Amount,
    /// The taxes given back on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<Tax>,
    /// Whether they go back into stock.
    #[serde(default)]
    pub restock: bool,
}

/// Something a person should know: the order is kept, but not believed blindly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Flag {
    /// A short code: `books`, `currency`, `tie`.
    pub code: String,
    /// The words, with figures. No personal data.
    pub detail: String,
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

// serde takes a struct from an array too, by place: `"shipping": []` would be an address. Here only an object is one. `remote`
// is what makes serde's own reading a plain function, to be called from here.
macro_rules! objects {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object;
                impl<'de> Visitor<'de> for Object {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        $name::deserialize(MapAccessDeserializer::new(map))
                    }
                }
                deserializer.deserialize_map(Object)
            }
        }
    )*};
}
objects!(Order, Customer, TaxId, Address, Line, LineStock, Charge, Discount, Tax, Refund, Returned, Flag);

// Personal data stays out of `Debug`, and so out of logs and panics.
macro_rules! hide {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    )*};
}
hide!(Customer, Address, TaxId);
