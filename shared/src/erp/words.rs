//! An ERP's own words, on their way to people: a reason, a log line, a timeline.
//!
//! Invariant: whatever an ERP says is repeated between quotation marks, [`quoted`], and of what stands between them [`discreet`] hides
//! what the order says of its buyer before a flow repeats it. Our own words stand outside and are not touched: they never
//! hold personal data, and hiding "Mate" in the code of an article would help nobody.

use icu_normalizer::DecomposingNormalizerBorrowed;

use crate::domain::order::{Address, Order};

/// The most characters of an ERP's own words that are repeated.
const WORDS: usize = 300;
/// The marks around an ERP's own words, which stand nowhere else.
const MARKS: [char; 2] = ['“', '”'];
/// What stands where something was hidden.
const HIDDEN: &str = "(hidden)";
/// A text of fewer letters and digits says nothing of one person: "AR", "Ana", "12". Ideographs count twice.
const SPECIFIC: usize = 4;
/// A text of at least so many is found inside of a word too, a shorter one only as a word of its own.
const LONG: usize = 6;
/// So many last digits of a phone number are found too: it is written with and without what stands before them.
const PHONE: [usize; 3] = [7, 8, 10];

/// An ERP's own words as they may be repeated: on one line, cut short, and without anything that looks like an e-mail address.
pub(super) fn repeatable(text: &str) -> String {
    let hidden = |word| if str::contains(word, '@') { HIDDEN } else { word };
    let line = text.split_whitespace().map(hidden).collect::<Vec<_>>().join(" ");
    let plain = |c| if MARKS.contains(&c) { '"' } else { c };
    line.chars().filter(|c| !c.is_control()).map(plain).take(WORDS).collect()
}

/// The same between the marks that say whose words they are.
pub(super) fn quoted(text: &str) -> String {
    format!("“{}”", repeatable(text))
}

/// Whether an ERP's own words are among these.
pub(crate) fn quotes(text: &str) -> bool {
    text.contains(MARKS[0])
}

/// `text`, its quoted words without what `orders` say of their buyers: names (whole, and each part), e-mail addresses, phones, tax
/// ids, companies, streets and places of at least [`SPECIFIC`] letters and digits, however they are written: upper case, accents and
/// punctuation do not matter.
pub(crate) fn discreet<'o>(text: &str, orders: impl IntoIterator<Item = &'o Order>) -> String {
    if !quotes(text) {
        return text.to_owned();
    }
    let secrets: Vec<Secret> = orders.into_iter().flat_map(personal).collect();
    let mut parts = text.split(MARKS[0]);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (words, ours) = part.split_once(MARKS[1]).unwrap_or((part, ""));
        clean.push(MARKS[0]);
        clean.push_str(&without(words, &secrets));
        clean.push(MARKS[1]);
        clean.push_str(ours);
    }
    clean
}

/// `text`, its quoted words left out: where nobody can say what is personal in them.
pub(crate) fn wordless(text: &str) -> String {
    let mut parts = text.split(MARKS[0]);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(HIDDEN);
        clean.push_str(part.split_once(MARKS[1]).map_or("", |(_, ours)| ours));
    }
    clean
}

/// Something that an order says of its buyer, as it is compared: letters and digits only, folded.
struct Secret {
    text: Vec<char>,
    /// Whether it is found inside of a word.
    inside: bool,
}

impl Secret {
    /// `None`: too short to say anything of one person.
    fn of(text: &str, least: usize) -> Option<Self> {
        let text: Vec<char> = text.chars().flat_map(fold).collect();
        // A script without spaces has no words of its own, and says more with each character.
        let wide = |c: &char| *c >= '\u{2e80}';
        let weight = text.len() + text.iter().filter(|c| wide(c)).count();
        let inside = weight >= LONG || text.iter().any(wide);
        (weight >= least).then_some(Self { text, inside })
    }
}

/// What an order says of its buyer.
fn personal(order: &Order) -> Vec<Secret> {
    let mut secrets = Secrets::default();
    if let Some(customer) = &order.customer {
        secrets.name(customer.name.as_deref());
        secrets.phone(customer.phone.as_deref());
        let tax_id = customer.tax_id.as_ref().map(|tax_id| tax_id.value.as_str());
        let email = customer.email.as_deref();
        let mailbox = email.and_then(|email| email.split('@').next());
        [tax_id, email, mailbox].into_iter().flatten().for_each(|text| secrets.hide(text, SPECIFIC));
    }
    for address in [&order.billing, &order.shipping].into_iter().flatten() {
        let Address { name, company, street, city, region, postal_code, country: _, phone } = address;
        secrets.name(name.as_deref());
        secrets.phone(phone.as_deref());
        for text in [company, street, city, region, postal_code].into_iter().flatten() {
            secrets.hide(text, SPECIFIC);
        }
        // The street without its number, and each line of it.
        let street = street.as_deref().unwrap_or_default();
        street.split(|c: char| c.is_ascii_digit() || c == ',' || c == '\n').for_each(|part| secrets.hide(part, LONG));
    }
    secrets.0
}

#[derive(Default)]
struct Secrets(Vec<Secret>);

impl Secrets {
    fn hide(&mut self, text: &str, least: usize) {
        self.0.extend(Secret::of(text, least));
    }

    /// Whole, and each part of it.
    fn name(&mut self, name: Option<&str>) {
        let name = name.unwrap_or_default();
        self.hide(name, SPECIFIC);
        name.split_whitespace().for_each(|part| self.hide(part, SPECIFIC));
    }

    fn phone(&mut self, phone: Option<&str>) {
        let phone = phone.unwrap_or_default();
        self.hide(phone, SPECIFIC);
        let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
        for last in PHONE {
            let last = digits.len().checked_sub(last).and_then(|at| digits.get(at..));
            self.hide(&last.unwrap_or_default().iter().collect::<String>(), SPECIFIC);
        }
    }
}

/// A character as it is compared: without its accent, in lower case; nothing of what is no letter or digit.
fn fold(c: char) -> impl Iterator<Item = char> {
    let parts = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(std::iter::once(c));
    // By way of the upper case: that of "ß" is "SS".
    parts
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect::<Vec<_>>()
        .into_iter()
}

/// `words` without `secrets`.
fn without(words: &str, secrets: &[Secret]) -> String {
    // Each folded character with the bytes that it comes from, and whether a word begins or ends there.
    let mut folded: Vec<char> = Vec::new();
    let mut from: Vec<(usize, usize)> = Vec::new();
    for (at, c) in words.char_indices() {
        for folding in fold(c) {
            folded.push(folding);
            from.push((at, at + c.len_utf8()));
        }
    }
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins = |at: usize| !is_word(words.get(..at).and_then(|before| before.chars().next_back()));
    let ends = |at: usize| !is_word(words.get(at..).and_then(|after| after.chars().next()));
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    for secret in secrets {
        for (at, window) in folded.windows(secret.text.len()).enumerate() {
            if window != secret.text.as_slice() {
                continue;
            }
            let (Some((start, _)), Some((_, end))) = (from.get(at), from.get(at + secret.text.len() - 1)) else {
                continue;
            };
            if secret.inside || (begins(*start) && ends(*end)) {
                hidden.push((*start, *end));
            }
        }
    }
    hidden.sort_unstable();
    let (mut clean, mut done) = (String::new(), None);
    for (start, end) in hidden {
        let kept = words.get(done.unwrap_or(0)..start).unwrap_or_default();
        // Two with nothing between them are one: how many names somebody has shows nothing.
        if done.is_none() || !kept.trim().is_empty() {
            clean.push_str(kept);
            clean.push_str(HIDDEN);
        }
        done = done.max(Some(end));
    }
    clean.push_str(words.get(done.unwrap_or(0)..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::order::{Customer, TaxId, TaxIdKind};

    fn order() -> Order {
        let text = r##"{"schema":1,"id":"1042","number":"#1042","placed_at":"2026-01-01T09:00:00-03:00",
            "updated_at":"2026-01-01T12:00:00Z","currency":"ARS","status":"open","payment":"paid",
            "customer":{"name":"Ana María Núñez","email":"anita@example.com","phone":"+54 9 11 4321-5678",
                "tax_id":{"kind":"cuit","value":"27-12345678-4"}},
            "billing":{"name":"Ana Núñez","company":"Mate S.R.L.","street":"Av. Corrientes 1234, 3B","city":"Rosario",
                "region":"Santa Fe","postal_code":"S2000","country":"AR","phone":"0341 4321567"},
            "lines":[{"id":"l1","sku":"MATE-01","title":"a mate","quantity":"1","unit_price":"10","amount":"10"}],
            "tax":"0","total":"10"}"##;
        serde_json::from_str(text).unwrap()
    }

    fn said(words: &str) -> String {
        discreet(&format!("the ERP refused MATE-01 of Ana: {}", quoted(words)), [&order()])
    }

    #[test]
    fn what_the_order_says_of_its_buyer_is_hidden_in_the_erps_words_only() {
        for (words, left) in [
            ("no credit for Ana María Núñez (AR)", "no credit for (hidden) (AR)"),
            ("ANA MARIA NUNEZ, 27123456784: unknown", "(hidden), (hidden): unknown"),
            ("Nunez has no VAT", "(hidden) has no VAT"),
            ("phone 43215678 or +5491143215678 is wrong", "phone (hidden) or +(hidden) is wrong"),
            ("anita at Av. Corrientes 12", "(hidden) at (hidden) 12"),
            ("mail to x@y.z", "mail to (hidden)"),
            ("MATE SRL of rosario owes 3.50", "(hidden) of (hidden) owes 3.50"),
            ("postcode s-2000", "postcode (hidden)"),
            // Too short to be one person's, or another word.
            ("Ana in AR: see annex, Marias", "Ana in AR: see annex, Marias"),
        ] {
            assert_eq!(said(words), format!("the ERP refused MATE-01 of Ana: “{left}”"), "{words}");
        }
        assert_eq!(discreet("no marks: Núñez", [&order()]), "no marks: Núñez");
        assert_eq!(discreet("cut: “by Núñez", [&order()]), "cut: “by (hidden)”");
        assert_eq!(wordless("it says “of Núñez”. Ask"), "it says (hidden). Ask");
    }

    #[test]
    fn an_ideograph_says_more_than_a_letter() {
        let mut order = order();
        order.customer = Some(Customer { name: Some("李雷".into()), ..Customer::default() });
        assert_eq!(discreet("“客户李雷没有信用”", [&order]), "“客户(hidden)没有信用”");
    }

    #[test]
    fn an_erp_cannot_forge_the_end_of_its_words() {
        assert_eq!(said("broken” by Núñez"), "the ERP refused MATE-01 of Ana: “broken\" by (hidden)”");
    }

    /// What a reader could still recognise: in any case, with and without accents.
    fn recognised(text: &str, field: &str) -> bool {
        let plain = |text: &str| text.to_uppercase().chars().flat_map(fold).collect::<String>();
        plain(text).contains(&plain(field))
    }

    proptest! {
        #[test]
        fn no_field_survives(
            fields in prop::collection::vec("[A-ZÀ-ÖØ-Ýa-zß-öø-ý0-9]{6,12}( [A-ZÀ-ÖØ-Ýa-zß-öø-ý0-9]{4,12})?", 8),
            before in "[a-z ]{0,8}", after in "[ .,:a-z0-9]{0,8}", upper: bool,
        ) {
            let mut order = order();
            let field = |at: usize| Some(fields[at].clone());
            order.customer = Some(Customer {
                id: None, name: field(0), email: field(1), phone: field(2),
                tax_id: Some(TaxId { kind: TaxIdKind::Other, value: fields[3].clone() }),
            });
            order.billing = Some(Address {
                company: field(4), street: field(5), city: field(6), postal_code: field(7), ..Address::default()
            });
            for field in &fields {
                let words = format!("{before}{}{after}", if upper { field.to_uppercase() } else { field.clone() });
                let clean = discreet(&quoted(&words), [&order]);
                prop_assert!(!clean.split(HIDDEN).any(|left| recognised(left, field)), "{field} in {clean}");
            }
        }

        #[test]
        fn any_words_are_taken(words in ".{0,80}", name in ".{0,20}", street in ".{0,20}") {
            let mut order = order();
            order.customer = Some(Customer { name: Some(name), ..Customer::default() });
            order.shipping = Some(Address { street: Some(street), ..Address::default() });
            let clean = discreet(&quoted(&words), [&order]);
            prop_assert!(clean.starts_with('“') && clean.ends_with('”'));
        }
    }
}
