//! What the names of fields say, and what buyers write in front of a number.

/// What the name of a field says, the registers of companies first: their order decides between several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
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

/// Whether a person or a company bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buyer {
    Person,
    Company,
}

pub(super) const WORDS: &[(&str, Word)] = &[
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
pub(super) const BESIDE: &[&str] = &[
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
pub(super) const TYPE: &[&str] = &["tipo", "type", "kind", "clase"];

/// Words of a name that has the number itself, whatever else it says.
pub(super) const NUMBER: &[&str] = &["numero", "number", "num", "nro", "no", "nr"];

/// The words of a name: `_billing_vat_number`, `CPF/CNPJ`, `taxId`, in small letters.
pub(super) fn parts(name: &str) -> Vec<String> {
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
pub(super) fn words(parts: &[String]) -> Vec<Word> {
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
pub(super) fn buyer(parts: &[String], value: &str) -> Option<Buyer> {
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
pub(super) fn named(value: &str) -> Option<Word> {
    let parts = parts(value);
    WORDS.iter().find(|(word, _)| parts.iter().any(|part| part == word)).map(|(_, word)| *word)
}

/// A value without the name that buyers write in front of it: `CUIT: 20-…`, `CC 1020304050`.
pub(super) fn unlabelled(value: &str) -> (Option<Word>, &str) {
    let Some(at) = value.find(|c: char| !c.is_alphabetic() && c != '.') else { return (None, value) };
    let (label, rest) = value.split_at(at);
    let label = compact(label).to_lowercase();
    let word = WORDS.iter().find(|(word, _)| *word == label).map(|(_, word)| *word);
    let of_colombia = ["cc", "ce", "ti", "pp", "doc"].contains(&label.as_str());
    let number = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    if (word.is_some() || of_colombia) && !number.is_empty() { (word, number) } else { (None, value) }
}

/// Letters and digits only, capitals: `30-71234567-1` is `30712345671`.
pub(super) fn compact(value: &str) -> String {
    value.chars().filter(|c| c.is_alphanumeric() || *c == '&').flat_map(char::to_uppercase).collect()
}

/// A character that tax ids are written with.
pub(super) fn written(c: char) -> bool {
    c.is_alphanumeric() || " .-/&".contains(c)
}
