//! Tracking numbers and links, as carriers' connectors write them into Odoo's two fields.

use serde_json::value::RawValue;
use url::Url;

use crate::domain::shipment::Parcel;

/// What stands between numbers: Odoo itself puts commas there, and connectors of carriers one of these.
const BETWEEN: [char; 5] = [',', '+', ';', '\n', '\t'];

/// The parcels with these `numbers`. `link` is one address, or a JSON list of numbers and their addresses.
pub(super) fn parcels(numbers: &str, link: Option<&str>) -> Vec<Parcel> {
    let all = numbers.trim();
    let mut parcels: Vec<Parcel> = Vec::new();
    for number in numbers.split(BETWEEN).map(str::trim).filter(|number| !number.is_empty()) {
        if parcels.iter().all(|known| known.number != number) {
            parcels.push(Parcel { number: number.to_owned(), url: None });
        }
    }
    let Some(link) = link else { return parcels };
    let listed: Option<Vec<(Box<RawValue>, String)>> = serde_json::from_str(link).ok();
    for parcel in &mut parcels {
        let url = match &listed {
            Some(listed) => {
                let of = |(number, _): &&(Box<RawValue>, String)| text(number) == parcel.number;
                listed.iter().find(of).map(|(_, url)| url.clone())
            }
            // One that was made of all numbers together leads nowhere.
            None if link.contains(all) => Some(link.replace(all, &parcel.number)),
            None => Some(link.to_owned()),
        };
        parcel.url = url.filter(|url| is_address(url));
    }
    parcels
}

/// A number that is a JSON text or a JSON number.
fn text(raw: &RawValue) -> String {
    let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    text.trim().to_owned()
}

fn is_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(numbers: &str, link: Option<&str>) -> Vec<(String, Option<String>)> {
        parcels(numbers, link).into_iter().map(|parcel| (parcel.number, parcel.url)).collect()
    }

    fn pairs(parcels: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        parcels.iter().map(|(number, url)| ((*number).to_owned(), url.map(ToOwned::to_owned))).collect()
    }

    #[test]
    fn several_numbers_are_told_apart_and_none_is_told_twice() {
        for numbers in ["A1,B 2", "A1 + B 2", " A1+B 2,A1 ", "A1;;B 2\n"] {
            assert_eq!(read(numbers, None), pairs(&[("A1", None), ("B 2", None)]), "{numbers:?}");
        }
        assert_eq!(read(" , ", Some("https://x.example/")), []);
    }

    #[test]
    fn each_parcel_has_its_own_link() {
        let list = r#"[["A1", "https://x.example/A1"], [22, "https://x.example/22"], ["C", "javascript:alert(1)"]]"#;
        let told =
            [("A1", Some("https://x.example/A1")), ("22", Some("https://x.example/22")), ("C", None), ("D", None)];
        assert_eq!(read("A1,22,C,D", Some(list)), pairs(&told));
        let each = [("A1", Some("https://x.example/?n=A1")), ("B", Some("https://x.example/?n=B"))];
        assert_eq!(
            read("A1,B", Some("https://x.example/?n=A1,B")),
            pairs(&each),
            "Odoo's own carriers write all in one"
        );
        let all = [("A1", Some("https://x.example/all")), ("B", Some("https://x.example/all"))];
        assert_eq!(read("A1+B", Some("https://x.example/all")), pairs(&all));
        assert_eq!(read("A1", Some("https://x.example/A1")), pairs(&[("A1", Some("https://x.example/A1"))]));
        for none in ["", "see A1", "ftp://x.example/A1", "[]", "{}", "[[1]]"] {
            assert_eq!(read("A1", Some(none)), pairs(&[("A1", None)]), "{none:?}");
        }
    }
}
