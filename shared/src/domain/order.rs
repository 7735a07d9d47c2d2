//! The canonical order: what every store's order becomes and every ERP's sale is made from.
//!
//! It carries its own proof: lines − discounts + shipping + tax + tips, duties and fees = total, to the minor unit; and
//! total − refunds = what the store says the order comes to now, where the store says that.
//!
//! Lines, charges and total are what was *sold*: as bought, with every edit of the store applied. A refund never changes them; it
//! stands beside them, to be credited.

use iso_currency::Currency;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use sha2::Sha256;
use utoipa::ToSchema;

use super::{
    ids::OrderId,
    money::Amount,
    schema::CurrencyCode,
    time::Stamp,
    version::{ContentHash, Version},
};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// Nothing yet.
    Pending,
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
    /// It was paid, and that failed or was charged back since.
    Failed,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// The books of an order: every part of the sum, and what is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Σ lines before discounts.
    pub lines: Amount,
    /// Σ discounts, allocated or not, on lines and charges.
    pub discounts: Amount,
    /// Σ shipping before discounts.
    pub shipping: Amount,
    /// Σ tips, duties, fees, rounding and store credit.
    pub other: Amount,
    /// The tax that comes on top: zero when the prices contain it.
    pub tax_on_top: Amount,
    /// What the store says was sold for.
    pub total: Amount,
    /// `total` − the sum of the above: zero when the books add up.
    pub difference: Amount,
    /// The stated tax − Σ taxes of lines and charges: zero when every tax has its place.
    pub untraced_tax: Amount,
    /// Σ of what the refunds took off `total`.
    pub refunded: Amount,
    /// What the store says the order comes to now − (`total` − `refunded`): zero when the refunds explain it, or nothing is said.
    pub unexplained: Amount,
}

impl Proof {
    /// Whether the books of what was sold add up to the cent. Whether the refunds lead from there to what the order comes to now
    /// is another question: `unexplained`.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.difference.is_zero()
    }
}

impl Refund {
    /// What it took off the order's total.
    #[must_use]
    pub fn taken_off(&self) -> Amount {
        self.taken_off.unwrap_or(self.amount)
    }
}

impl Line {
    /// What is left of `amount` after the discounts.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.amount - self.discounts.iter().map(|d| d.amount).sum()
    }
}

impl Charge {
    /// What is left of `amount` after the discounts.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.amount - self.discounts.iter().map(|d| d.amount).sum()
    }
}

impl Order {
    /// The sum, part by part.
    #[must_use]
    pub fn proof(&self) -> Proof {
        let lines = self.lines.iter().map(|l| l.amount).sum();
        let discounts = self
            .lines
            .iter()
            .flat_map(|l| &l.discounts)
            .chain(self.charges.iter().flat_map(|c| &c.discounts))
            .chain(&self.discounts)
            .map(|d| d.amount)
            .sum();
        let of = |shipping: bool| -> Amount {
            self.charges.iter().filter(|c| (c.kind == ChargeKind::Shipping) == shipping).map(|c| c.amount).sum()
        };
        let (shipping, other) = (of(true), of(false));
        let tax_on_top = if self.tax_included { Amount::ZERO } else { self.tax };
        let traced: Amount = self
            .lines
            .iter()
            .flat_map(|l| &l.taxes)
            .chain(self.charges.iter().flat_map(|c| &c.taxes))
            .map(|t| t.amount)
            .sum();
        let refunded: Amount = self.refunds.iter().map(Refund::taken_off).sum();
        Proof {
            lines,
            discounts,
            shipping,
            other,
            tax_on_top,
            total: self.total,
            difference: self.total - (lines - discounts + shipping + other + tax_on_top),
            untraced_tax: self.tax - traced,
            refunded,
            unexplained: self.current_total.map_or(Amount::ZERO, |now| now - (self.total - refunded)),
        }
    }

    /// This state's version: the modification time and the hash of everything but `updated_at`.
    #[must_use]
    pub fn version(&self) -> Version {
        Version { modified: self.updated_at.at(), tie: 0, content: self.content() }
    }

    /// How far along in its life this state is: decides between two states of one modification time when the store
    /// cannot be asked.
    #[must_use]
    pub fn life(&self) -> u8 {
        let payment = if self.payment == Payment::Unknown { 0 } else { self.payment as u8 };
        let refunds = u8::try_from(self.refunds.len().min(100)).unwrap_or(100);
        if self.status == Status::Cancelled { 200 } else { payment.saturating_add(refunds) }
    }

    /// Whether the ERP's documents would be the same for both: what was sold, whether it stands, what was given back. Payment and
    /// flags may differ.
    #[must_use]
    pub fn same_sale(&self, other: &Self) -> bool {
        self.status == other.status && self.refunds == other.refunds && self.same_goods(other)
    }

    /// Whether both sold the same to the same buyer for the same money: everything that a sale in the ERP is made from. A refund
    /// alone changes nothing here.
    #[must_use]
    pub fn same_goods(&self, other: &Self) -> bool {
        self.currency == other.currency
            && self.customer == other.customer
            && self.billing == other.billing
            && self.shipping == other.shipping
            && self.lines == other.lines
            && self.charges == other.charges
            && self.discounts == other.discounts
            && self.tax_included == other.tax_included
            && self.tax == other.tax
            && self.total == other.total
            && self.proof().unexplained == other.proof().unexplained
    }

    fn content(&self) -> ContentHash {
        // Everything but `updated_at`, field by field: a copy of the order only to blank one field would cost more than
        // the hash.
        ContentHash::of(|sha| {
            let head = (&self.id, &self.number, &self.placed_at, &self.currency, &self.channel, self.test);
            let state = (self.status, self.payment, &self.customer, &self.billing, &self.shipping);
            let books = (&self.lines, &self.charges, &self.discounts, self.tax_included, self.tax, self.total);
            // Serialising plain data into a hash cannot fail; a failure would only shorten the hashed text.
            let _ = serde_json::to_writer(Hashing(sha), &(head, state, books, &self.refunds));
            // What the order comes to now follows from the rest, unless the refunds do not explain it.
            let unexplained = self.proof().unexplained;
            if !unexplained.is_zero() {
                let _ = serde_json::to_writer(Hashing(sha), &unexplained);
            }
            // Only where there is one: the hash of every other order stays what it was.
            if let Some(word) = &self.store_status {
                let _ = serde_json::to_writer(Hashing(sha), word);
            }
        })
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        sha2::Digest::update(self.0, bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
objects!(Order, Customer, TaxId, Address, Line, Charge, Discount, Tax, Refund, Flag);

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

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        serde_json::from_str(
            r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00-03:00","updated_at":"2026-01-01T00:00:01Z",
            "currency":"EUR","status":"open","payment":"paid","customer":{"email":"canary@example.com"},
            "lines":[{"id":"1","sku":"A","title":"A","quantity":"2","unit_price":"10","amount":"20","discounts":[{"label":"ten","amount":"2"}],
            "taxes":[{"name":"VAT","rate":"0.21","amount":"3.78"}]}],
            "charges":[{"kind":"shipping","label":"post","amount":"5"}],"tax":"3.78","total":"26.78"}"##,
        )
        .unwrap()
    }

    #[test]
    fn the_books_add_up() {
        let proof = order().proof();
        assert!(proof.holds(), "{proof:?}");
        assert!(proof.untraced_tax.is_zero());
        let mut included = order();
        included.tax_included = true;
        assert_eq!(included.proof().difference.to_string(), "3.78");
    }

    #[test]
    fn the_version_is_blind_to_the_time_and_sees_all_else() {
        let (a, mut b) = (order(), order());
        b.updated_at = Stamp::parse("2026-02-01T00:00:00Z").unwrap();
        assert_eq!(a.version().content, b.version().content);
        b.payment = Payment::Refunded;
        assert_ne!(a.version().content, b.version().content);
        let mut c = order();
        c.total = Amount::ONE;
        assert_ne!(a.version().content, c.version().content);
    }

    #[test]
    fn a_refund_changes_no_sale_and_what_it_leaves_unexplained_does() {
        let (sold, mut now) = (order(), order());
        // Said or not, a total that follows from the rest is no other state: orders of releases that did not read it stay the same.
        now.current_total = Some(now.total);
        assert!(now.same_sale(&sold) && now.version().content == sold.version().content);
        let amount = |text: &str| Amount::parse(text).unwrap();
        now.refunds.push(Refund { id: "1".into(), amount: amount("5"), taken_off: None, reason: None });
        now.current_total = Some(amount("21.78"));
        assert!(now.proof().holds() && now.proof().unexplained.is_zero());
        assert!(now.same_goods(&sold) && !now.same_sale(&sold) && now.version().content != sold.version().content);
        let mut kept_a_fee = now.clone();
        kept_a_fee.refunds[0].taken_off = Some(amount("6"));
        assert_eq!(kept_a_fee.proof().unexplained, Amount::ONE);
        assert!(!kept_a_fee.same_goods(&now) && kept_a_fee.version().content != now.version().content);
    }

    #[test]
    fn only_an_object_is_one() {
        let json = serde_json::to_string(&order()).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order());
        for (is, by_place) in [
            (r#""customer":{"email":"canary@example.com"}"#, r#""customer":[]"#),
            (r#"{"label":"ten","amount":"2"}"#, r#"["ten","2"]"#),
            (r#"{"name":"VAT","rate":"0.21","amount":"3.78"}"#, r#"["VAT","0.21","3.78"]"#),
        ] {
            assert!(json.contains(is), "{is}");
            let error = serde_json::from_str::<Order>(&json.replace(is, by_place)).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{error}");
        }
    }

    #[test]
    fn personal_data_stays_out_of_debug() {
        assert!(!format!("{:?}", order()).contains("canary"));
    }
}
