//! The VAT numbers of the European Union and the United Kingdom, by country: structure and check digits.
//!
//! Structures: <https://ec.europa.eu/taxation_customs/vies/#/faq>, question 11. Check digits are each country's own; where a country
//! gives out several kinds of numbers, only the kind that has a known one is checked by it.

use super::register::{checked, digits, luhn, nif, weighted};

/// Whether `text`, compact, is a VAT number: with its country in front, or else of `country`.
pub(super) fn is_vat(text: &str, country: Option<&str>) -> bool {
    let prefixed = text.split_at_checked(2).is_some_and(|(country, number)| of_country(country, number));
    prefixed || country.is_some_and(|country| of_country(country, text))
}

/// Whether a country of the union has such a number.
fn of_country(country: &str, text: &str) -> bool {
    let all = digits(text).unwrap_or_default();
    let length = all.len();
    match country {
        "AT" => text.strip_prefix('U').and_then(digits).is_some_and(|digits| austria(&digits)),
        "BE" => {
            length == 10 && matches!(text.as_bytes().first(), Some(b'0' | b'1')) && ends_with(&all, 2, |n| 97 - n % 97)
        }
        "BG" => (length == 9 && bulgaria(&all)) || length == 10,
        "CY" => cyprus(text),
        "CZ" => (length == 8 && czechia(&all)) || (9..=10).contains(&length),
        "DE" => length == 9 && !text.starts_with('0') && iso_11_10(&all),
        "DK" => length == 8 && weighted(&all, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        "EE" => length == 9 && weighted(&all, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10),
        "EL" | "GR" => length == 9 && last_is(&all, |body| weighted(body, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10),
        "ES" => nif(text),
        "FI" => length == 8 && weighted(&all, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11),
        "FR" | "MC" => france(text),
        "GB" | "XI" => matches!(length, 9 | 12) && united_kingdom(&all),
        "HR" => length == 11 && iso_11_10(&all),
        "HU" => length == 8 && weighted(&all, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10),
        "IE" => ireland(text),
        "IT" => length == 11 && luhn(&all) && all.iter().any(|digit| *digit > 0),
        "LT" => matches!(length, 9 | 12) && last_is(&all, lithuania),
        "LU" => length == 8 && ends_with(&all, 2, |n| n % 89),
        "LV" => length == 11 && latvia(&all),
        "MT" => length == 8 && weighted(&all, &[3, 4, 6, 7, 8, 9, 10, 1]).is_multiple_of(37),
        "NL" => netherlands(text),
        "PL" => length == 10 && last_is(&all, |body| weighted(body, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11),
        "PT" => portugal(&all),
        "RO" => romania(&all),
        "SE" => length == 12 && all.get(..10).is_some_and(luhn) && !text.ends_with("00"),
        "SI" => length == 8 && last_is(&all, |body| (11 - weighted(body, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 10),
        "SK" => length == 10 && number(&all).is_multiple_of(11),
        _ => false,
    }
}

/// Portugal, which calls it NIF.
pub(super) fn portugal(digits: &[u32]) -> bool {
    digits.len() == 9
        && last_is(digits, |body| match weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        })
}

fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

/// Whether the last digit is what the others make.
fn last_is(digits: &[u32], make: impl Fn(&[u32]) -> u32) -> bool {
    checked(digits).is_some_and(|(body, last)| make(body) == last)
}

/// Whether the last `count` digits are, as a number, what the others make.
fn ends_with(digits: &[u32], count: usize, make: impl Fn(u64) -> u64) -> bool {
    let Some((body, check)) = digits.len().checked_sub(count).and_then(|at| digits.split_at_checked(at)) else {
        return false;
    };
    make(number(body)) == number(check)
}

/// ISO 7064, MOD 11,10.
fn iso_11_10(digits: &[u32]) -> bool {
    last_is(digits, |body| {
        let product = body.iter().fold(10, |product, digit| match (digit + product) % 10 {
            0 => 20 % 11,
            sum => sum * 2 % 11,
        });
        (11 - product) % 10
    })
}

fn austria(digits: &[u32]) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    digits.len() == 8
        && last_is(digits, |body| {
            let sum: u32 = body.iter().enumerate().map(|(n, d)| if n % 2 == 1 { doubled(*d) } else { *d }).sum();
            (10 - (sum + 4) % 10) % 10
        })
}

fn bulgaria(digits: &[u32]) -> bool {
    last_is(digits, |body| match weighted(body, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11 {
        10 => weighted(body, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11 % 10,
        rest => rest,
    })
}

fn cyprus(text: &str) -> bool {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let Some((body, letter)) = text.split_at_checked(8) else { return false };
    let Some(digits) = digits(body) else { return false };
    let value = |(n, digit): (usize, &u32)| {
        if n % 2 == 0 { ODD.get(*digit as usize).copied().unwrap_or_default() } else { *digit }
    };
    let sum: u32 = digits.iter().enumerate().map(value).sum();
    digits.len() == 8 && letter.chars().eq(char::from_u32(u32::from('A') + sum % 26))
}

fn czechia(digits: &[u32]) -> bool {
    last_is(digits, |body| match (11 - weighted(body, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 11 {
        0 => 1,
        rest => rest % 10,
    })
}

/// Two letters or digits as a key, and the SIREN. Only keys of digits can be checked.
fn france(text: &str) -> bool {
    let Some((key, siren)) = text.split_at_checked(2) else { return false };
    let Some(digits) = digits(siren).filter(|digits| digits.len() == 9) else { return false };
    let is_key = match key.parse::<u64>() {
        Ok(key) => key == (12 + 3 * (number(&digits) % 97)) % 97,
        Err(_) => key.chars().all(|c| c.is_ascii_digit() || (c.is_ascii_uppercase() && !matches!(c, 'I' | 'O'))),
    };
    // Monaco's begin with 000 and have no check digit.
    is_key && (luhn(&digits) || siren.starts_with("000"))
}

fn united_kingdom(digits: &[u32]) -> bool {
    let (Some(body), Some([tens, ones])) = (digits.get(..7), digits.get(7..9)) else { return false };
    let sum = weighted(body, &[8, 7, 6, 5, 4, 3, 2]) + tens * 10 + ones;
    sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97)
}

/// Seven digits, a check letter, and perhaps a further letter; or the form of before 2013.
fn ireland(text: &str) -> bool {
    const LETTERS: &[u8] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let check = |digits: &[u32], further: u32, letter: char| {
        let rest = (weighted(digits, &[8, 7, 6, 5, 4, 3, 2]) + 9 * further) % 23;
        LETTERS.get(rest as usize).is_some_and(|right| char::from(*right) == letter)
    };
    let Some((body, letters)) = text.split_at_checked(7) else { return false };
    let letters: Vec<char> = letters.chars().collect();
    if let Some(digits) = digits(body) {
        return match letters.as_slice() {
            [letter] | [letter, 'W'] => check(&digits, 0, *letter),
            [letter, further @ 'A'..='I'] => check(&digits, u32::from(*further) - u32::from('A') + 1, *letter),
            _ => false,
        };
    }
    // 8Z49289F: the second character is not counted, the first goes to the end.
    let (Some(first), Some(rest), [letter]) = (body.get(..1), body.get(2..), letters.as_slice()) else { return false };
    digits(&format!("0{rest}{first}")).is_some_and(|digits| check(&digits, 0, *letter))
}

fn lithuania(body: &[u32]) -> u32 {
    let sum = |from: u32| -> u32 { body.iter().zip((0..9).cycle()).map(|(d, n)| d * (1 + (n + from) % 9)).sum() };
    match sum(0) % 11 {
        10 => sum(2) % 11 % 10,
        rest => rest,
    }
}

/// Companies have a check digit; what persons have begins with 0 to 3.
fn latvia(digits: &[u32]) -> bool {
    match digits.first() {
        Some(4..) => weighted(digits, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3,
        Some(_) => true,
        None => false,
    }
}

/// Nine digits, `B`, two digits: by the eleven test, or by ISO 7064, MOD 97-10.
fn netherlands(text: &str) -> bool {
    let Some((number, suffix)) = text.split_once('B') else { return false };
    let (Some(all), Some(end)) = (digits(number), digits(suffix)) else { return false };
    let eleven = || last_is(&all, |body| weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11);
    let ninety_seven = || {
        let spelt = format!("2321{number}11{suffix}");
        spelt.chars().filter_map(|c| c.to_digit(10)).fold(0, |rest, digit| (rest * 10 + digit) % 97) == 1
    };
    all.len() == 9 && end.len() == 2 && (eleven() || ninety_seven())
}

fn romania(digits: &[u32]) -> bool {
    const WEIGHTS: [u32; 9] = [7, 5, 3, 2, 1, 7, 5, 3, 2];
    (2..=10).contains(&digits.len())
        && last_is(digits, |body| {
            let sum: u32 = body.iter().rev().zip(WEIGHTS.iter().rev()).map(|(digit, weight)| digit * weight).sum();
            sum * 10 % 11 % 10
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_fit_and_one_changed_digit_is_enough_to_tell() {
        for text in [
            "ATU13585627",
            "BE0428759497",
            "BG175074752",
            "CY10259033P",
            "CZ25123891",
            "DE136695976",
            "DK13585628",
            "EE100931558",
            "EL094259216",
            "ESB12345674",
            "FI20774740",
            "FR40303265045",
            "GB980780684",
            "HR33392005961",
            "HU12892312",
            "IE6433435F",
            "IE6433435OA",
            "IT00743110157",
            "LT119511515",
            "LU15027442",
            "LV40003521600",
            "MT11679112",
            "NL004495445B01",
            "PL8567346215",
            "PT501964843",
            "RO18547290",
            "SE123456789701",
            "SI50223054",
            "SK2022749619",
        ] {
            assert!(is_vat(text, None), "{text}");
            assert!(is_vat(&text[2..], Some(&text[..2])), "{text} without its country");
            assert!(!is_vat(&text[2..], None), "{text} of no country");
            // The third digit of each is part of what its check digit is made of.
            let at = text.char_indices().filter(|(at, c)| *at >= 2 && c.is_ascii_digit()).nth(2).unwrap().0;
            let digit = text.as_bytes()[at] - b'0';
            let changed = format!("{}{}{}", &text[..at], (digit + 1) % 10, &text[at + 1..]);
            assert!(!is_vat(&changed, None), "{changed} for {text}");
        }
        assert!(is_vat("IE8Z49289F", None) && is_vat("FRK7399859412", None) && is_vat("XI980780684", None));
    }

    #[test]
    fn other_text_does_not() {
        for text in ["NO", "YES", "DE", "DE12", "ES", "", "1", "US123456789", "ATX13585627", "BE", "ÄÖÜ", "NLB", "IEÄ"]
        {
            assert!(!is_vat(text, None), "{text}");
            assert!(!is_vat(text, Some("IE")) && !is_vat(text, Some("DE")), "{text}");
        }
    }
}
