//! Tax ids, which the stores keep wherever a plugin put them: found by the name of the field.
//!
//! Names are free text (`_billing_cpf`, `CPF/CNPJ`, `DNI o CUIT`), so a name is split into words and each known word is a
//! candidate; where several are, the length of the value decides. The value stays as the buyer wrote it.

use crate::domain::order::{TaxId, TaxIdKind};

/// Known words, the registers of companies first: a company's id says more than that of the person who clicked. The numbers
/// are how many letters and digits such an id has.
const WORDS: &[(&str, TaxIdKind, std::ops::RangeInclusive<usize>)] = &[
    ("cnpj", TaxIdKind::Cnpj, 14..=14),
    ("cuit", TaxIdKind::Cuit, 11..=11),
    ("ruc", TaxIdKind::Ruc, 10..=13),
    ("nit", TaxIdKind::Nit, 6..=11),
    ("rfc", TaxIdKind::Rfc, 12..=13),
    ("rut", TaxIdKind::Rut, 8..=9),
    ("nif", TaxIdKind::Nif, 8..=11),
    ("cif", TaxIdKind::Nif, 8..=11),
    ("vat", TaxIdKind::Vat, 4..=15),
    ("cpf", TaxIdKind::Cpf, 11..=11),
    ("dni", TaxIdKind::Dni, 7..=9),
    ("taxid", TaxIdKind::Other, 4..=20),
    ("documento", TaxIdKind::Other, 4..=20),
];

/// The tax id among `fields` (name, value), if there is one.
pub(crate) fn find<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Option<TaxId> {
    fields.filter_map(|(name, value)| recognise(name, value)).min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
}

/// A tax id of a kind known beforehand, unless the field is blank.
pub(crate) fn of_kind(kind: TaxIdKind, value: &str) -> Option<TaxId> {
    let value = value.trim();
    (!value.is_empty()).then(|| TaxId { kind, value: value.to_owned() })
}

fn recognise(name: &str, value: &str) -> Option<(usize, TaxId)> {
    // Most fields are other things; the value is looked at only where the name has a known word.
    let mut named = WORDS.iter().enumerate().filter(|(_, (word, ..))| has_word(name, word)).peekable();
    named.peek()?;
    let length = value.chars().filter(|c| c.is_alphanumeric()).count();
    let (first, fits) = named.fold((None, None), |(first, fits), (rank, (_, kind, lengths))| {
        let this = Some((rank, *kind));
        (first.or(this), fits.or(if lengths.contains(&length) { this } else { None }))
    });
    let (rank, kind) = fits.or(first)?;
    of_kind(kind, value).map(|id| (rank, id))
}

fn has_word(name: &str, word: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric()).any(|part| part.eq_ignore_ascii_case(word))
        || (word == "taxid" && name.to_ascii_lowercase().contains("tax_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &[(&str, &str)]) -> Option<(TaxIdKind, String)> {
        find(fields.iter().copied()).map(|id| (id.kind, id.value))
    }

    #[test]
    fn the_name_of_the_field_says_which_register() {
        for (name, value, kind) in [
            ("_billing_dni", "30123456", TaxIdKind::Dni),
            ("_billing_cpf", "111.444.777-35", TaxIdKind::Cpf),
            ("_billing_cnpj", "11.222.333/0001-81", TaxIdKind::Cnpj),
            ("CUIT", "30-71234567-1", TaxIdKind::Cuit),
            ("billing_rfc", "XAXX010101000", TaxIdKind::Rfc),
            ("_billing_rut", "12.345.678-5", TaxIdKind::Rut),
            ("NIT", "900123456-7", TaxIdKind::Nit),
            ("ruc", "20123456789", TaxIdKind::Ruc),
            ("_billing_nif", "12345678Z", TaxIdKind::Nif),
            ("_billing_vat_number", "ESB12345678", TaxIdKind::Vat),
            ("_billing_tax_id", "55-1234", TaxIdKind::Other),
        ] {
            assert_eq!(found(&[(name, value)]), Some((kind, value.to_owned())), "{name}");
        }
        for (name, value) in
            [("_billing_dni", "  "), ("colour", "30123456"), ("permit", "900123456"), ("_order_dnis", "1")]
        {
            assert_eq!(found(&[(name, value)]), None, "{name}");
        }
    }

    #[test]
    fn a_field_for_two_registers_is_decided_by_the_length() {
        assert_eq!(found(&[("CPF/CNPJ", "111.444.777-35")]).unwrap().0, TaxIdKind::Cpf);
        assert_eq!(found(&[("CPF/CNPJ", "11.222.333/0001-81")]).unwrap().0, TaxIdKind::Cnpj);
        // "CUIT validated as DNI" is a complaint of its own.
        assert_eq!(found(&[("DNI o CUIT", "20-30123456-7")]).unwrap().0, TaxIdKind::Cuit);
        assert_eq!(found(&[("DNI o CUIT", "30123456")]).unwrap().0, TaxIdKind::Dni);
    }

    #[test]
    fn a_companys_id_goes_before_a_persons() {
        assert_eq!(
            found(&[("_billing_cpf", "11144477735"), ("_billing_cnpj", "11222333000181")]).unwrap().0,
            TaxIdKind::Cnpj
        );
        assert_eq!(found(&[("_billing_cnpj", ""), ("_billing_cpf", "11144477735")]).unwrap().0, TaxIdKind::Cpf);
    }
}
