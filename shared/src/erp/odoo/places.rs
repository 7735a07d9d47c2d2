//! Countries and their provinces (`res.country.state`), as stores call them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{domain::order::Address, erp::booking::text};

/// Where orders go, by the code of the country.
#[derive(Default)]
pub(super) struct Places {
    pub(super) countries: HashMap<String, i64>,
    pub(super) provinces: HashMap<String, Vec<Province>>,
}

/// A province of a country.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Province {
    id: i64,
    code: String,
    name: String,
}

impl Places {
    /// Odoo's id of a country, if it has it.
    pub(super) fn country(&self, code: &str) -> Option<i64> {
        // One that Odoo does not have is remembered as 0.
        self.countries.get(code).copied().filter(|id| *id != 0)
    }

    /// Odoo's id of a province of a country, by its code, which may begin with the country's, or by its name. Of several of one name
    /// nobody knows which is meant: then none is.
    pub(super) fn province(&self, country: &str, called: &str) -> Option<i64> {
        let provinces = self.provinces.get(country)?;
        let one = |is: &dyn Fn(&Province) -> bool| {
            let mut found = provinces.iter().filter(|province| is(province));
            found.next().filter(|_| found.next().is_none()).map(|province| province.id)
        };
        let code = without_country(called, country);
        one(&|province| without_country(&province.code, country) == code)
            .or_else(|| one(&|province| province.is_called(called)))
    }
}

impl Province {
    /// Whether this is its name, or one of two: "Bizkaia (Vizcaya)", "Araba/Álava".
    fn is_called(&self, name: &str) -> bool {
        let names = self.name.split(['/', '(', ')']).chain([self.name.as_str()]);
        let alike = |one: &str| one.trim().to_lowercase() == name.trim().to_lowercase();
        names.filter(|name| !name.trim().is_empty()).any(alike)
    }
}

/// The code of a province in capitals: `B` of `B` and of `AR-B`.
fn without_country(code: &str, country: &str) -> String {
    let code = code.trim().to_uppercase();
    code.strip_prefix(country).and_then(|rest| rest.strip_prefix('-')).map(ToOwned::to_owned).unwrap_or(code)
}

/// The country's code of an address, and what it calls the province.
pub(super) fn named(address: &Address) -> Option<(String, String)> {
    Some((text(address.country.as_deref())?.to_uppercase(), text(address.region.as_deref())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and codes as Odoo 19 has them.
    fn places() -> Places {
        let of = |country: &str, provinces: &[(i64, &str, &str)]| {
            let province = |(id, code, name): &(i64, &str, &str)| Province {
                id: *id,
                code: (*code).to_owned(),
                name: (*name).to_owned(),
            };
            (country.to_owned(), provinces.iter().map(province).collect())
        };
        let spain = [(1, "M", "Madrid"), (2, "BI", "Bizkaia (Vizcaya)"), (3, "VI", "Araba/Álava"), (4, "MA", "Málaga")];
        let switzerland = [(8, "ZH", "Zurich"), (9, "ZH-2", "Zurich")];
        let provinces = HashMap::from([
            of("ES", &spain),
            of("AR", &[(5, "B", "Buenos Aires"), (6, "C", "Ciudad Autónoma de Buenos Aires")]),
            of("CL", &[(7, "CL-VS", "Valparaíso")]),
            of("CH", &switzerland),
        ]);
        Places { countries: HashMap::new(), provinces }
    }

    #[test]
    fn a_province_is_known_by_its_code_and_by_its_names() {
        let places = places();
        for (country, called, id) in [
            ("ES", "M", Some(1)),
            ("ES", "madrid", Some(1)),
            ("ES", "es-m", Some(1)),
            ("ES", "Vizcaya", Some(2)),
            ("ES", "Bizkaia (Vizcaya)", Some(2)),
            ("ES", "ÁLAVA", Some(3)),
            ("AR", "AR-B", Some(5)),
            ("AR", "Buenos Aires", Some(5)),
            ("CL", "CL-VS", Some(7)),
            ("CL", "VS", Some(7)),
            ("CH", "ZH", Some(8)),
        ] {
            assert_eq!(places.province(country, called), id, "{country} {called}");
        }
    }

    #[test]
    fn what_is_no_province_or_the_name_of_two_is_none() {
        let places = places();
        for (country, called) in
            [("ES", "B"), ("ES", "Madri"), ("ES", "AR-B"), ("CH", "Zurich"), ("FR", "M"), ("ES", "-"), ("ES", "()")]
        {
            assert_eq!(places.province(country, called), None, "{country} {called}");
        }
    }
}
