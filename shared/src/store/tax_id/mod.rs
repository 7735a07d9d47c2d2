//! Tax ids, which the stores keep wherever an extension put them.
//!
//! The name of a field (`_billing_cpf`, `CPF/CNPJ`, `DNI o CUIT`) only says which registers to try. What makes a tax id is the value:
//! its length, its alphabet and, where the register has one, its check digit. So `is_vat_exempt = no`, `tipo_documento = CC` or a
//! number with a typing error never become one. Where several fields hold one, a company's goes before a person's, since it
//! says more than who clicked; Brazil's person type, or Peru's kind of receipt, say otherwise where they are there.
//!
//! The value stays as the buyer wrote it. Whoever loses is named in a flag: by its field, never by its value, which is
//! personal data.

mod register;
mod vat;

use crate::domain::order::{Flag, TaxId, TaxIdKind};

/// The fields of an order in which a tax id may be.
pub(crate) struct Fields {
    /// Of the billing address, ISO 3166-1.
    country: Option<String>,
    candidates: Vec<Candidate>,
    /// Whether a person or a company bought, where the store asks that.
    buyer: Option<Buyer>,
    /// What the number beside it is, where the store asks that in a field of its own.
    said: Option<Word>,
}

/// A field with a name that says "tax id" and a value that could be one.
struct Candidate {
    name: String,
    value: String,
    words: Vec<Word>,
}

/// What the name of a field says, the registers of companies first: their order decides between several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Cnpj,
    Cuit,
    Ruc,
    Nit,
    Rfc,
    Rut,
    Nif,
    Vat,
    Cpf,
    Dni,
    /// "Document", "tax id": whatever its country has.
    Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buyer {
    Person,
    Company,
}

const WORDS: &[(&str, Word)] = &[
    ("cnpj", Word::Cnpj),
    ("cuit", Word::Cuit),
    ("cuil", Word::Cuit),
    ("ruc", Word::Ruc),
    ("nit", Word::Nit),
    ("rfc", Word::Rfc),
    ("rut", Word::Rut),
    ("nif", Word::Nif),
    ("cif", Word::Nif),
    ("nie", Word::Nif),
    ("vat", Word::Vat),
    ("vatid", Word::Vat),
    ("piva", Word::Vat),
    ("ustid", Word::Vat),
    ("btw", Word::Vat),
    ("tva", Word::Vat),
    ("cpf", Word::Cpf),
    ("dni", Word::Dni),
    ("documento", Word::Document),
    ("document", Word::Document),
    ("identificacion", Word::Document),
    ("identification", Word::Document),
    ("cedula", Word::Document),
    ("taxid", Word::Document),
];

/// Words of a name that is about a tax id, or about something else altogether, and holds none.
const BESIDE: &[&str] = &[
    "is",
    "has",
    "exempt",
    "exento",
    "valid",
    "validated",
    "valido",
    "validation",
    "verified",
    "status",
    "country",
    "pais",
    "rate",
    "amount",
    "total",
    "label",
    "title",
    "name",
    "nombre",
    "url",
    "link",
    "pdf",
    "file",
    "date",
    "fecha",
    "invoice",
    "factura",
    "boleta",
    "comprobante",
    "source",
    "consent",
    "required",
    "enabled",
    "check",
    "response",
    "email",
    "expedicion",
    "emision",
];

/// Words of a name whose value says which document the number beside it is.
const TYPE: &[&str] = &["tipo", "type", "kind", "clase"];

/// Words of a name that has the number itself, whatever else it says.
const NUMBER: &[&str] = &["numero", "number", "num", "nro", "no", "nr"];

/// The most characters of a value that is looked at.
const LONGEST: usize = 40;

impl Fields {
    /// None yet, of a buyer in that country.
    pub(crate) fn new(country: Option<String>) -> Self {
        Self { country, candidates: Vec::new(), buyer: None, said: None }
    }

    /// Looks at one field. Most are other things: the value is looked at only where the name has a known word.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() || value.chars().count() > LONGEST || name.len() > 100 {
            return;
        }
        let parts = parts(name);
        let has = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
        if let Some(buyer) = buyer(&parts, value) {
            self.buyer = Some(buyer);
            return;
        }
        let words = words(&parts);
        if words.is_empty() {
            return;
        }
        if has(TYPE) && !has(NUMBER) {
            self.said = named(value).or(self.said);
            return;
        }
        if has(BESIDE) {
            return;
        }
        self.candidates.push(Candidate { name: name.to_owned(), value: value.to_owned(), words });
    }

    /// The tax id, and who was passed over.
    pub(crate) fn found(self) -> (Option<TaxId>, Option<Flag>) {
        let mut fitting = Vec::new();
        let mut wrong: Vec<&str> = Vec::new();
        for candidate in &self.candidates {
            match self.recognise(candidate) {
                Some(id) => fitting.push((candidate, id)),
                // Words and yes/no answers are no numbers that went wrong.
                None if candidate.value.chars().filter(char::is_ascii_digit).count() > 3 => wrong.push(&candidate.name),
                None => {}
            }
        }
        let counts = |kind: TaxIdKind| match (self.buyer, kind) {
            (Some(Buyer::Person), TaxIdKind::Cnpj) | (Some(Buyer::Company), TaxIdKind::Cpf) => false,
            (Some(buyer), TaxIdKind::Ruc) if self.country.as_deref() == Some("PE") => buyer == Buyer::Company,
            _ => true,
        };
        let best = fitting
            .iter()
            .filter(|(_, (_, id))| counts(id.kind))
            .min_by_key(|(candidate, (word, _))| (*word, candidate.name.starts_with('_')));
        let best = best.map(|(_, (_, id))| id.clone());
        let won = best.as_ref().map(|id| compact(&id.value));
        let lost = fitting.iter().filter(|(_, (_, id))| won.as_ref() != Some(&compact(&id.value)));
        let lost: Vec<&str> = lost.map(|(candidate, _)| candidate.name.as_str()).collect();
        let flag = passed_over(&lost, &wrong);
        (best, flag)
    }

    /// The register that could have given out its value.
    fn recognise(&self, candidate: &Candidate) -> Option<(Word, TaxId)> {
        let country = self.country.as_deref();
        let (label, number) = unlabelled(&candidate.value);
        let mut words = candidate.words.clone();
        // What the buyer wrote in front of it, or chose beside it, says more than "document".
        if let Some(said) = label.or(self.said).filter(|_| candidate.words == [Word::Document]) {
            words.insert(0, said);
        }
        [number, candidate.value.as_str()].into_iter().find_map(|value| {
            let text = compact(value);
            let apart = value.contains('-');
            if !value.chars().all(written) {
                return None;
            }
            let fits = |word: &Word| fit(*word, &text, apart, country).map(|kind| (*word, kind));
            let (word, kind) = words.iter().find_map(fits)?;
            Some((word, TaxId { kind, value: value.to_owned() }))
        })
    }
}

/// A tax id where one field may hold a person's or a company's of Brazil.
pub(crate) fn brazilian(value: &str) -> Option<TaxId> {
    let value = value.trim();
    let text = compact(value);
    let kind = match (register::cpf(&text), register::cnpj(&text)) {
        (true, _) => TaxIdKind::Cpf,
        (_, true) => TaxIdKind::Cnpj,
        _ => return None,
    };
    value.chars().all(written).then(|| TaxId { kind, value: value.to_owned() })
}

/// The register among those of `word` that could have given out `text`.
fn fit(word: Word, text: &str, apart: bool, country: Option<&str>) -> Option<TaxIdKind> {
    use TaxIdKind::{Cnpj, Cpf, Cuit, Dni, Nif, Nit, Other, Rfc, Ruc, Rut, Vat};
    let first = |tried: &[(bool, TaxIdKind)]| tried.iter().find(|(fits, _)| *fits).map(|(_, kind)| *kind);
    match word {
        Word::Cnpj | Word::Cpf => first(&[(register::cnpj(text), Cnpj), (register::cpf(text), Cpf)]),
        // Shops ask for both in one field, and buyers write either.
        Word::Cuit => first(&[(register::cuit(text), Cuit), (register::dni(text), Dni)]),
        Word::Dni => first(&[(register::dni(text), Dni), (register::nif(text), Nif), (register::cuit(text), Cuit)]),
        Word::Ruc => match country {
            Some("EC") => first(&[(register::ruc_of_ecuador(text), Ruc), (register::cedula_of_ecuador(text), Other)]),
            Some("PY") => first(&[(register::ruc_of_paraguay(text), Ruc)]),
            Some("PE") | None => first(&[
                (register::ruc(text), Ruc),
                (country.is_none() && register::ruc_of_ecuador(text), Ruc),
                (country.is_some() && register::dni(text), Dni),
            ]),
            Some(_) => first(&[(register::ruc(text) || register::ruc_of_ecuador(text), Ruc)]),
        },
        Word::Nit => match country {
            Some("GT") => first(&[(register::nit_of_guatemala(text), Nit)]),
            // Bolivia, El Salvador: digits, without a check digit that is published.
            Some("BO" | "SV") => first(&[(register::digits(text).is_some() && (6..=14).contains(&text.len()), Nit)]),
            _ => first(&[(register::nit(text, apart), Nit)]),
        },
        Word::Rfc => first(&[(register::rfc(text), Rfc)]),
        Word::Rut => match country {
            Some("UY") => first(&[(register::rut_of_uruguay(text), Rut)]),
            Some("CO") => first(&[(register::nit(text, apart), Nit)]),
            _ => first(&[(register::rut(text) || (country.is_none() && register::rut_of_uruguay(text)), Rut)]),
        },
        Word::Nif => first(&[
            (register::nif(text), Nif),
            (text.starts_with("ES") && vat::is_vat(text, None), Nif),
            (register::digits(text).is_some_and(|digits| vat::portugal(&digits)), Nif),
        ]),
        Word::Vat => first(&[(vat::is_vat(text, country), Vat)]).or_else(|| national(text, apart, country)),
        Word::Document => national(text, apart, country).or_else(|| {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            first(&[((5..=20).contains(&text.len()) && digits > 3 && text.is_ascii(), Other)])
        }),
    }
}

/// What a country calls its tax id, where the field does not say.
fn national(text: &str, apart: bool, country: Option<&str>) -> Option<TaxIdKind> {
    let words: &[Word] = match country? {
        "AR" => &[Word::Cuit],
        "BR" => &[Word::Cnpj],
        "CL" | "UY" => &[Word::Rut],
        "CO" if apart => &[Word::Nit],
        "GT" => &[Word::Nit],
        "EC" | "PE" | "PY" => &[Word::Ruc],
        "ES" | "PT" => &[Word::Nif],
        "MX" => &[Word::Rfc],
        _ => &[],
    };
    words.iter().find_map(|word| fit(*word, text, apart, country))
}

/// The words of a name: `_billing_vat_number`, `CPF/CNPJ`, `taxId`, in small letters.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if begins && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| c.is_alphanumeric()) {
            part.extend(c.to_lowercase().map(plain_vowel));
        }
        before = c;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn plain_vowel(c: char) -> char {
    match c {
        'á' | 'ã' | 'à' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        other => other,
    }
}

/// What the words of a name say, companies' registers first.
fn words(parts: &[String]) -> Vec<Word> {
    let mut words: Vec<Word> =
        parts.iter().filter_map(|part| WORDS.iter().find(|(word, _)| word == part)).map(|(_, word)| *word).collect();
    // "tax id", "id fiscal", and what only says which type of document it is.
    let two = |one: &str, other: &str| parts.windows(2).any(|pair| matches!(pair, [a, b] if a == one && b == other));
    if two("tax", "id")
        || two("id", "fiscal")
        || two("tax", "number")
        || parts.iter().any(|part| part == "tipodocumento")
    {
        words.push(Word::Document);
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// Whether a person or a company bought: the person type of Brazil's extensions, the kind of receipt of Peru's.
fn buyer(parts: &[String], value: &str) -> Option<Buyer> {
    let joined = parts.concat();
    let value = value.to_lowercase();
    let value = value.trim();
    if joined.ends_with("persontype") || joined.ends_with("tipopessoa") || joined.ends_with("tipodepessoa") {
        return match value {
            "1" | "f" | "pf" => Some(Buyer::Person),
            "2" | "j" | "pj" => Some(Buyer::Company),
            _ if value.contains("juridica") || value.contains("jurídica") => Some(Buyer::Company),
            _ if value.contains("fisica") || value.contains("física") => Some(Buyer::Person),
            _ => None,
        };
    }
    if joined.ends_with("comprobante") {
        return match value {
            "boleta" => Some(Buyer::Person),
            "factura" => Some(Buyer::Company),
            _ => None,
        };
    }
    None
}

/// The register that a type of document names: `NIT`, `CUIT`.
fn named(value: &str) -> Option<Word> {
    let parts = parts(value);
    WORDS.iter().find(|(word, _)| parts.iter().any(|part| part == word)).map(|(_, word)| *word)
}

/// A value without the name that buyers write in front of it: `CUIT: 20-…`, `CC 1020304050`.
fn unlabelled(value: &str) -> (Option<Word>, &str) {
    let Some(at) = value.find(|c: char| !c.is_alphabetic() && c != '.') else { return (None, value) };
    let (label, rest) = value.split_at(at);
    let label = compact(label).to_lowercase();
    let word = WORDS.iter().find(|(word, _)| *word == label).map(|(_, word)| *word);
    let of_colombia = ["cc", "ce", "ti", "pp", "doc"].contains(&label.as_str());
    let number = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    if (word.is_some() || of_colombia) && !number.is_empty() { (word, number) } else { (None, value) }
}

/// Letters and digits only, capitals: `30-71234567-1` is `30712345671`.
fn compact(value: &str) -> String {
    value.chars().filter(|c| c.is_alphanumeric() || *c == '&').flat_map(char::to_uppercase).collect()
}

/// A character that tax ids are written with.
fn written(c: char) -> bool {
    c.is_alphanumeric() || " .-/&".contains(c)
}

/// Names fields only: their values are personal data.
fn passed_over(lost: &[&str], wrong: &[&str]) -> Option<Flag> {
    let names = |names: &[&str]| {
        let plain = |c: char| c.is_alphanumeric() || " _-/".contains(c);
        let mut shown: Vec<&str> = Vec::new();
        for name in names {
            let name = if name.chars().count() <= 40 && name.chars().all(plain) { name } else { "a field" };
            if !shown.contains(&name) {
                shown.push(name);
            }
        }
        shown.join(", ")
    };
    let mut parts = Vec::new();
    if !lost.is_empty() {
        parts.push(format!("passed over for another document: {}", names(lost)));
    }
    if !wrong.is_empty() {
        parts.push(format!("no number of its register, by length, alphabet or check digit: {}", names(wrong)));
    }
    (!parts.is_empty()).then(|| Flag { code: "tax_id".to_owned(), detail: parts.join("; ") })
}

#[cfg(test)]
mod tests;
