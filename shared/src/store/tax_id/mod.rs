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
mod words;

use self::words::{BESIDE, Buyer, NUMBER, TYPE, Word, buyer, compact, named, parts, unlabelled, words, written};
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
