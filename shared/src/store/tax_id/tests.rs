//! Fields as extensions write them, and what becomes of them.

use super::{words::WORDS, *};

fn read(country: &str, fields: &[(&str, &str)]) -> (Option<(TaxIdKind, String)>, String) {
    let mut all = Fields::new((!country.is_empty()).then(|| country.to_owned()));
    for (name, value) in fields {
        all.add(name, value);
    }
    let (id, flag) = all.found();
    (id.map(|id| (id.kind, id.value)), flag.map(|flag| flag.to_string()).unwrap_or_default())
}

fn found(country: &str, fields: &[(&str, &str)]) -> Option<(TaxIdKind, String)> {
    read(country, fields).0
}

#[test]
fn the_name_says_which_register_and_the_value_whether_it_is_one() {
    for (country, name, value, kind) in [
        ("AR", "_billing_dni", "30123456", TaxIdKind::Dni),
        ("PE", "_billing_dni", "4589743", TaxIdKind::Dni),
        ("ES", "billing_dni", "12345678Z", TaxIdKind::Nif),
        ("BR", "_billing_cpf", "111.444.777-35", TaxIdKind::Cpf),
        ("BR", "_billing_cnpj", "11.222.333/0001-81", TaxIdKind::Cnpj),
        ("BR", "_billing_cnpj", "12.ABC.345/01DE-35", TaxIdKind::Cnpj),
        ("AR", "CUIT", "30-71234567-1", TaxIdKind::Cuit),
        ("AR", "billing_cuil", "20-05536168-2", TaxIdKind::Cuit),
        ("MX", "billing_rfc", "XAXX010101000", TaxIdKind::Rfc),
        ("CL", "_billing_rut", "12.345.678-5", TaxIdKind::Rut),
        ("CL", "RUT", "76.086.428-5", TaxIdKind::Rut),
        ("UY", "rut", "21 100342 0017", TaxIdKind::Rut),
        ("CO", "NIT", "900123456-8", TaxIdKind::Nit),
        ("CO", "NIT", "900.123.456", TaxIdKind::Nit),
        ("GT", "nit", "576937-K", TaxIdKind::Nit),
        ("PE", "ruc", "20512333797", TaxIdKind::Ruc),
        ("EC", "ruc", "1792060346001", TaxIdKind::Ruc),
        ("PY", "ruc", "80028061-0", TaxIdKind::Ruc),
        ("ES", "_billing_nif", "X5253868R", TaxIdKind::Nif),
        ("ES", "NIF/CIF", "B-12345674", TaxIdKind::Nif),
        ("PT", "_billing_nif", "501964843", TaxIdKind::Nif),
        ("ES", "_billing_vat_number", "ESB12345674", TaxIdKind::Vat),
        ("DE", "vatNumber", "DE 136 695 976", TaxIdKind::Vat),
        ("DE", "_vat_number", "136695976", TaxIdKind::Vat),
        ("FR", "billing_eu_vat_number", "FR 40 303265045", TaxIdKind::Vat),
        ("AR", "VAT", "30-71234567-1", TaxIdKind::Cuit),
        ("BR", "_billing_tax_id", "111.444.777-35", TaxIdKind::Cpf),
        ("US", "_billing_tax_id", "55-1234", TaxIdKind::Other),
        ("CO", "_billing_numero_documento", "1020304050", TaxIdKind::Other),
    ] {
        assert_eq!(found(country, &[(name, value)]), Some((kind, value.to_owned())), "{country} {name} {value}");
    }
    for (country, name, value) in [
        ("AR", "_billing_dni", "  "),
        ("AR", "colour", "30123456"),
        ("CO", "permit", "900123456"),
        ("AR", "_order_dnis", "30123456"),
        ("AR", "CUIT", "30-71234567-2"),
        ("BR", "_billing_cpf", "111.444.777-36"),
        ("BR", "_billing_cpf", "111.111.111-11"),
        ("BR", "_billing_cnpj", "12.ABC.345/01DE-36"),
        ("MX", "rfc", "XAXX011301000"),
        ("CL", "rut", "12.345.678-6"),
        ("CO", "nit", "900123456-7"),
        ("PE", "ruc", "20512333798"),
        ("ES", "nif", "12345678A"),
        ("DE", "vat_number", "DE136695977"),
        ("DE", "vat_number", "yes"),
        ("", "vat_number", "136695976"),
        ("", "_billing_document", "ask@example.com 123456"),
    ] {
        assert_eq!(found(country, &[(name, value)]), None, "{country} {name} {value}");
    }
}

#[test]
fn answers_types_and_what_stands_beside_a_number_never_win() {
    for (name, value) in [
        ("is_vat_exempt", "no"),
        ("is_vat_exempt", "yes"),
        ("_vat_number_validated", "1"),
        ("_vat_country", "DE"),
        ("vat_rate", "2100"),
        ("_billing_tipo_documento", "CC"),
        ("tipoDocumento", "96"),
        ("document_type", "passport"),
        ("cuit_valido", "true"),
        ("factura_documento", "F-2026-00012"),
        ("_wcpdf_document_link", "12345"),
    ] {
        assert_eq!(read("DE", &[(name, value)]), (None, String::new()), "{name} {value}");
        let (id, _) = read("AR", &[(name, value), ("_billing_dni", "30123456")]);
        assert_eq!(id, Some((TaxIdKind::Dni, "30123456".to_owned())), "{name} {value}");
    }
}

#[test]
fn a_type_beside_the_number_says_which_register() {
    let typed =
        |kind: &str| found("CO", &[("_billing_tipo_documento", kind), ("_billing_numero_documento", "900123456-8")]);
    assert_eq!(typed("NIT").unwrap().0, TaxIdKind::Nit);
    let person = [("tipo_documento", "CC"), ("numero_documento", "CC 1020304050")];
    assert_eq!(found("CO", &person), Some((TaxIdKind::Other, "1020304050".to_owned())));
    assert_eq!(
        found("AR", &[("documento", "CUIT: 30-71234567-1")]),
        Some((TaxIdKind::Cuit, "30-71234567-1".to_owned()))
    );
    assert_eq!(found("PE", &[("documento", "dni 45897431")]), Some((TaxIdKind::Dni, "45897431".to_owned())));
}

#[test]
fn a_field_for_two_registers_is_decided_by_the_value() {
    assert_eq!(found("BR", &[("CPF/CNPJ", "111.444.777-35")]).unwrap().0, TaxIdKind::Cpf);
    assert_eq!(found("BR", &[("CPF/CNPJ", "11.222.333/0001-81")]).unwrap().0, TaxIdKind::Cnpj);
    assert_eq!(found("AR", &[("DNI o CUIT", "20-05536168-2")]).unwrap().0, TaxIdKind::Cuit);
    assert_eq!(found("AR", &[("DNI o CUIT", "30123456")]).unwrap().0, TaxIdKind::Dni);
    // "CUIT validated as DNI" is a complaint of its own.
    assert_eq!(found("AR", &[("_billing_dni", "20-05536168-2")]).unwrap().0, TaxIdKind::Cuit);
}

#[test]
fn a_companys_id_goes_before_a_persons_and_the_loser_is_named_without_its_value() {
    let both = [("_billing_cpf", "11144477735"), ("_billing_cnpj", "11222333000181")];
    let (id, flag) = read("BR", &both);
    assert_eq!(id.unwrap().0, TaxIdKind::Cnpj);
    assert!(
        flag.contains("_billing_cpf") && !flag.contains("_billing_cnpj") && !flag.contains("11144477735"),
        "{flag}"
    );
    assert_eq!(found("BR", &[("_billing_cnpj", ""), ("_billing_cpf", "11144477735")]).unwrap().0, TaxIdKind::Cpf);
    // The same number twice is nobody's loss.
    let twice = [("_billing_dni", "4589743"), ("billing_dni", "4.589.743")];
    assert_eq!(read("PE", &twice).1, "");
}

#[test]
fn brazils_person_type_says_which_document_counts() {
    let both = |kind: &str| {
        found(
            "BR",
            &[
                ("_billing_persontype", kind),
                ("_billing_cpf", "111.444.777-35"),
                ("_billing_cnpj", "11.222.333/0001-81"),
            ],
        )
    };
    for person in ["1", "F", "Pessoa Física"] {
        assert_eq!(both(person).unwrap().0, TaxIdKind::Cpf, "{person}");
    }
    for company in ["2", "J", "pessoa juridica"] {
        assert_eq!(both(company).unwrap().0, TaxIdKind::Cnpj, "{company}");
    }
    // A stale number of the other kind is not taken for want of a better one.
    let (id, flag) = read("BR", &[("persontype", "1"), ("cpf", "111.444.777-36"), ("cnpj", "11.222.333/0001-81")]);
    assert!(id.is_none() && flag.contains("cpf") && flag.contains("cnpj"), "{flag}");
}

#[test]
fn perus_receipt_says_which_document_counts() {
    let both =
        |receipt: &str| found("PE", &[("billing_comprobante", receipt), ("dni", "45897431"), ("ruc", "20512333797")]);
    assert_eq!(both("Boleta").unwrap().0, TaxIdKind::Dni);
    assert_eq!(both("Factura").unwrap().0, TaxIdKind::Ruc);
}

#[test]
fn a_wrong_number_is_named_by_its_field_alone() {
    let (id, flag) = read("AR", &[("_billing_cuit", "30-71234567-2"), ("canary@example.com cuit", "30-71234567-3")]);
    assert!(id.is_none());
    assert!(flag.starts_with("tax_id: ") && flag.contains("_billing_cuit") && flag.contains("a field"), "{flag}");
    assert!(!flag.contains("7123") && !flag.contains("canary"), "{flag}");
}

#[test]
fn any_text_is_looked_at_without_a_panic() {
    for value in [
        "ÄÖÜß",
        "１２３４５６７８",
        "Ñ",
        "1Ñ345678Z",
        "9999999999999999999999999999999999999999",
        "E",
        "\u{0}",
        "🦀🦀🦀🦀🦀🦀🦀🦀🦀",
    ] {
        for (name, _) in WORDS {
            for country in ["", "ES", "EC", "IE", "NL", "CY"] {
                drop(read(country, &[(name, value)]));
            }
        }
    }
}
