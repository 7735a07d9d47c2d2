//! Countries and their provinces (`res.country.state`), as stores call them: all provinces of a country are asked for and remembered
//! together.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{domain, resolve::Resolver, wire::Link};
use crate::{
    domain::order::Address,
    erp::{
        Job, SendError,
        booking::{self, text},
    },
};

/// Where orders go, by the code of the country.
#[derive(Default)]
pub(super) struct Places {
    countries: HashMap<String, i64>,
    provinces: HashMap<String, Vec<Province>>,
}

/// A province of a country.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Province {
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

impl Resolver<'_> {
    /// The countries of orders, and the provinces of those where an address names one.
    pub(super) async fn places(&self, jobs: &[&Job]) -> Result<Places, SendError> {
        let codes = jobs.iter().flat_map(|job| booking::countries(&job.order)).collect();
        let countries = self
            .memory
            .known_or("country", codes, async |missing| {
                #[derive(Deserialize)]
                struct Found {
                    id: i64,
                    code: String,
                }
                let found: Vec<Found> =
                    self.search("res.country", &domain![("code", "in", missing)], &["code"]).await?;
                let mut by_code: HashMap<_, _> = missing.iter().map(|code| (code.clone(), 0)).collect();
                by_code.extend(found.into_iter().map(|found| (found.code, found.id)));
                Ok(by_code)
            })
            .await?;
        let mut places = Places { countries, provinces: HashMap::new() };
        let addresses = jobs.iter().flat_map(|job| job.order.billing.iter().chain(&job.order.shipping));
        let with_provinces: BTreeSet<String> =
            addresses.filter_map(named).map(|(code, _)| code).filter(|code| places.country(code).is_some()).collect();
        places.provinces = self
            .memory
            .known_or("provinces", with_provinces, async |missing| {
                #[derive(Deserialize)]
                struct Found {
                    country_id: Link,
                    #[serde(flatten)]
                    province: Province,
                }
                let ids: Vec<i64> = missing.iter().filter_map(|code| places.country(code)).collect();
                let of_them = domain![("country_id", "in", ids)];
                let found: Vec<Found> =
                    self.search("res.country.state", &of_them, &["country_id", "code", "name"]).await?;
                let of = |code: &String| {
                    let own = found.iter().filter(|found| Some(found.country_id.0) == places.country(code));
                    (code.clone(), own.map(|found| found.province.clone()).collect())
                };
                Ok(missing.iter().map(of).collect())
            })
            .await?;
        Ok(places)
    }
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
