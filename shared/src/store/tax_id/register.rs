//! The registers of Latin America and Spain: how their numbers are written, and their check digits.
//!
//! A number is looked at in its compact form: letters and digits only, capitals. Each function says whether the register could
//! have given it out.
//!
//! | register | source |
//! |---|---|
//! | CUIT, CUIL | AFIP/ARCA, module 11: <https://www.afip.gob.ar/> |
//! | CPF, CNPJ | Receita Federal, module 11; letters from July 2026 on: Instrução Normativa RFB 2.229/2024, <https://www.gov.br/receitafederal/pt-br/acesso-a-informacao/acoes-e-programas/programas-e-atividades/cnpj-alfanumerico> |
//! | RFC | SAT. Its last character is a check digit, but numbers without it were given out too: structure and date decide |
//! | RUT | Servicio de Impuestos Internos (Chile), Dirección General Impositiva (Uruguay): module 11 |
//! | NIT | DIAN (Colombia), Orden Administrativa 4 of 1989: module 11; SAT (Guatemala): module 11 |
//! | RUC | SUNAT (Peru) and SET (Paraguay): module 11; SRI (Ecuador): the check digit of companies is given out no more |
//! | NIF, NIE, CIF | Real Decreto 1065/2007, Orden EHA/451/2008 |
//! | DNI | RENAPER (Argentina), RENIEC (Peru): seven or eight digits, no check digit |

/// The digits of a text that has nothing else.
pub(super) fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// Σ digit × weight.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The digits before the last, and the last.
pub(super) fn checked(digits: &[u32]) -> Option<(&[u32], u32)> {
    digits.split_last().map(|(last, body)| (body, *last))
}

/// Σ digit × 2, 3, 4, … from the right, beginning anew after `most`.
fn rising(body: &[u32], most: u32) -> u32 {
    body.iter().rev().zip((2..=most).cycle()).map(|(digit, weight)| digit * weight).sum()
}

fn all_same<T: PartialEq>(of: &[T]) -> bool {
    of.windows(2).all(|pair| matches!(pair, [one, other] if one == other))
}

/// Argentina: companies, the self-employed (CUIT) and employees (CUIL).
pub(super) fn cuit(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let kinds = ["20", "23", "24", "25", "26", "27", "30", "33", "34", "50", "51", "55"];
    let Some((body, last)) = checked(&digits) else { return false };
    let rest = 11 - weighted(body, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let check = match rest {
        11 => 0,
        10 => 9,
        other => other,
    };
    kinds.iter().any(|kind| text.starts_with(kind)) && check == last
}

/// Brazil, persons.
pub(super) fn cpf(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    !all_same(&digits) && two_checks(&digits, 11)
}

/// Brazil, companies: twelve letters or digits, two check digits.
pub(super) fn cnpj(text: &str) -> bool {
    let values: Option<Vec<u32>> = text
        .chars()
        .map(|c| (c.is_ascii_digit() || c.is_ascii_uppercase()).then(|| u32::from(c).saturating_sub(48)))
        .collect();
    let Some(values) = values.filter(|values| values.len() == 14) else { return false };
    let ends_in_digits = text.chars().skip(12).all(|c| c.is_ascii_digit());
    ends_in_digits && !all_same(&values) && two_checks(&values, 9)
}

/// Both check digits of Brazil's registers.
fn two_checks(values: &[u32], most: u32) -> bool {
    let right = |length: usize| {
        let (Some(body), Some(check)) = (values.get(..length), values.get(length)) else { return false };
        let rest = rising(body, most) % 11;
        *check == if rest < 2 { 0 } else { 11 - rest }
    };
    values.len().checked_sub(2).is_some_and(|body| right(body) && right(body + 1))
}

/// Mexico: three letters (companies) or four (persons), a date, three more.
pub(super) fn rfc(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let Some(letters) = characters.len().checked_sub(9).filter(|letters| matches!(letters, 3 | 4)) else {
        return false;
    };
    let (name, rest) = characters.split_at(letters);
    let (date, key) = rest.split_at(6);
    let date: Option<Vec<u32>> = date.iter().map(|c| c.to_digit(10)).collect();
    let is_date = date.is_some_and(|date| {
        let pair = |at: usize| date.get(at).zip(date.get(at + 1)).map_or(0, |(tens, ones)| tens * 10 + ones);
        (1..=12).contains(&pair(2)) && (1..=31).contains(&pair(4))
    });
    let letter = |c: &char| c.is_ascii_uppercase() || matches!(c, 'Ñ' | '&');
    name.iter().all(letter) && is_date && key.iter().all(char::is_ascii_alphanumeric)
}

/// Chile.
pub(super) fn rut(text: &str) -> bool {
    let Some((body, check)) = body_and_check(text) else { return false };
    let right = match 11 - rising(&body, 7) % 11 {
        11 => '0',
        10 => 'K',
        digit => char::from_digit(digit, 10).unwrap_or_default(),
    };
    (7..=8).contains(&body.len()) && check == right
}

/// Uruguay.
pub(super) fn rut_of_uruguay(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 12) else { return false };
    let Some((body, last)) = checked(&digits) else { return false };
    (11 - weighted(body, &[4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == last
}

fn body_and_check(text: &str) -> Option<(Vec<u32>, char)> {
    let check = text.chars().next_back()?;
    let body = text.get(..text.len() - check.len_utf8())?;
    Some((digits(body)?, check))
}

/// Colombia. The check digit is often left out; where a hyphen sets it apart (`apart`), it must be right.
pub(super) fn nit(text: &str, apart: bool) -> bool {
    let Some(digits) = digits(text) else { return false };
    let right = checked(&digits).is_some_and(|(body, last)| {
        let weights = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71];
        let rest = body.iter().rev().zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>() % 11;
        last == if rest < 2 { rest } else { 11 - rest }
    });
    match digits.len() {
        7..=10 if apart => right,
        11 => right,
        length => (6..=10).contains(&length) && !all_same(&digits),
    }
}

/// Guatemala.
pub(super) fn nit_of_guatemala(text: &str) -> bool {
    let Some((body, check)) = body_and_check(text) else { return false };
    let right = match (11 - rising(&body, 12) % 11) % 11 {
        10 => 'K',
        digit => char::from_digit(digit, 10).unwrap_or_default(),
    };
    (1..=11).contains(&body.len()) && check == right
}

/// Peru.
pub(super) fn ruc(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let Some((body, last)) = checked(&digits) else { return false };
    ["10", "15", "16", "17", "20"].iter().any(|kind| text.starts_with(kind))
        && (11 - weighted(body, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10 == last
}

/// Ecuador: province, ten digits in all, and the number of the establishment.
pub(super) fn ruc_of_ecuador(text: &str) -> bool {
    let Some((number, establishment)) = text.split_at_checked(10) else { return false };
    let is_establishment = establishment.len() == 3 && digits(establishment).is_some() && establishment != "000";
    let third = number.chars().nth(2).and_then(|c| c.to_digit(10));
    let right = match third {
        Some(0..=5) => cedula_of_ecuador(number),
        // Public bodies and companies.
        Some(6 | 9) => digits(number).is_some() && is_province(number),
        _ => false,
    };
    is_establishment && right
}

/// Ecuador, persons.
pub(super) fn cedula_of_ecuador(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 10) else { return false };
    is_province(text) && luhn(&digits)
}

fn is_province(text: &str) -> bool {
    text.get(..2).and_then(|province| province.parse().ok()).is_some_and(|n: u32| (1..=24).contains(&n) || n == 30)
}

/// Paraguay.
pub(super) fn ruc_of_paraguay(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| (6..=9).contains(&digits.len())) else { return false };
    checked(&digits).is_some_and(|(body, last)| (11 - rising(body, 11) % 11) % 11 % 10 == last)
}

/// Argentina and Peru, persons.
pub(super) fn dni(text: &str) -> bool {
    digits(text).is_some_and(|digits| (7..=8).contains(&digits.len()) && !all_same(&digits))
}

/// Spain: persons (NIF, NIE) and companies (CIF).
pub(super) fn nif(text: &str) -> bool {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    if text.len() != 9 || !text.is_ascii() {
        return false;
    }
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else { return false };
    let of_person = |number: &str| {
        let letter = number.parse::<usize>().ok().and_then(|number| LETTERS.get(number % 23));
        digits(number).is_some() && letter.is_some_and(|letter| char::from(*letter) == last)
    };
    let (body, inner) = (text.get(..8).unwrap_or_default(), text.get(1..8).unwrap_or_default());
    match first {
        '0'..='9' => of_person(body),
        'X' => of_person(&format!("0{inner}")),
        'Y' => of_person(&format!("1{inner}")),
        'Z' => of_person(&format!("2{inner}")),
        'K' | 'L' | 'M' => of_person(inner),
        _ => cif(first, inner, last),
    }
}

fn cif(first: char, inner: &str, last: char) -> bool {
    let Some(digits) = digits(inner) else { return false };
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum: u32 = digits.iter().enumerate().map(|(n, d)| if n % 2 == 0 { doubled(*d) } else { *d }).sum();
    let check = (10 - sum % 10) % 10;
    let is_digit = last.to_digit(10) == Some(check);
    let is_letter = "JABCDEFGHI".chars().nth(check as usize) == Some(last);
    match first {
        'A' | 'B' | 'E' | 'H' => is_digit,
        'N' | 'P' | 'Q' | 'R' | 'S' | 'W' => is_letter,
        'C' | 'D' | 'F' | 'G' | 'J' | 'U' | 'V' => is_digit || is_letter,
        _ => false,
    }
}

/// Every second digit from the right doubled, the sum divisible by ten.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum: u32 = digits.iter().rev().enumerate().map(|(n, d)| if n % 2 == 1 { doubled(*d) } else { *d }).sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each valid one, and the same with its last character changed.
    fn tried(register: &str, fits: impl Fn(&str) -> bool, valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(fits(text), "{register} {text}");
            let last = text.chars().next_back().unwrap();
            for other in "0123456789K".chars().filter(|other| *other != last) {
                let changed = format!("{}{other}", &text[..text.len() - 1]);
                assert!(!fits(&changed), "{register} {changed} for {text}");
            }
        }
        for text in invalid {
            assert!(!fits(text), "{register} {text}");
        }
    }

    #[test]
    fn published_numbers_fit_and_one_changed_character_is_enough_to_tell() {
        tried("CUIT", cuit, &["20055361682", "20267565393", "30712345671"], &["10267565396", "2005536168", ""]);
        tried("CPF", cpf, &["11144477735", "39053344705"], &["11111111111", "00000000000", "1114447773"]);
        tried(
            "CNPJ",
            cnpj,
            // The last one is the example of the Receita Federal for numbers with letters.
            &["11222333000181", "16727230000197", "12ABC34501DE35"],
            &["00000000000000", "12abc34501de35", "12ABC34501DEAB", "1122233300018"],
        );
        tried("RUT", rut, &["125319092", "760864285", "123456785", "10000013K"], &["12345678", "1234567890"]);
        tried("RUT of Uruguay", rut_of_uruguay, &["211003420017"], &["21100342001"]);
        tried("NIT with its check digit apart", |text| nit(text, true), &["2131234321", "9001234568"], &["90012"]);
        tried("RUC", ruc, &["20512333797"], &["30512333797", "2051233379"]);
        tried("RUC of Paraguay", ruc_of_paraguay, &["800280610"], &["8002"]);
        tried(
            "NIF",
            nif,
            &["54362315K", "12345678Z", "X5253868R", "Y5277343F", "B12345674", "A58818501"],
            &["", "1234567Z", "B1234567"],
        );
        tried("NIT of Guatemala", nit_of_guatemala, &["576937K"], &["K"]);
    }

    #[test]
    fn registers_without_a_check_digit_of_use_are_told_by_their_structure() {
        for text in ["GODE561231GR8", "XAXX010101000", "XEXX010101000", "ABC680524P76", "Ñ&C010203AB1"] {
            assert!(rfc(text), "{text}");
        }
        for text in ["GODE561331GR8", "GODE561200GR8", "GODE5612GR8", "5ODE561231GR8", "GODEX561231GR8", "no", ""] {
            assert!(!rfc(text), "{text}");
        }
        for text in ["4589743", "30123456"] {
            assert!(dni(text), "{text}");
        }
        for text in ["123456", "123456789", "00000000", "3012345A"] {
            assert!(!dni(text), "{text}");
        }
        for text in ["1792060346001", "1760001550001", "1713175071001"] {
            assert!(ruc_of_ecuador(text), "{text}");
        }
        for text in ["1713175072001", "1792060346000", "9992060346001", "179206034600", "17920603460011"] {
            assert!(!ruc_of_ecuador(text), "{text}");
        }
        // Without its check digit, and a citizen's number.
        assert!(nit("900123456", false) && nit("1020304050", false) && !nit("11111111", false) && !nit("12345", false));
    }
}
