//! Customers and their addresses: remembered, found where they were typed by hand, or loaded, all together and each only once. Before
//! that, the places in those addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::{
    Odoo,
    config::Customers,
    customer::{Addressees, Buyer, Contact},
    domain,
    load::{self, Known, Loaded},
    names,
    places::{Places, Province, named},
    resolve::{Resolver, name},
    wire::{Link, Maybe},
};
use crate::{
    Error, Kind,
    domain::{
        order::TaxIdKind,
        reason::{Reason, Why},
    },
    erp::{Job, SendError, booking},
};

/// What became of the buyers.
#[derive(Default)]
pub(super) struct Partners {
    /// Customers and addresses by the names they are remembered under.
    ids: HashMap<String, i64>,
    /// Refused, by reference: why.
    refused: HashMap<String, Why>,
}

fn customer_name(buyer: &Buyer) -> String {
    name("customer", &buyer.reference)
}

fn address_name(buyer: &Buyer, address: &Contact) -> String {
    name("address", format_args!("{}/{}", buyer.reference, address.hash()))
}

impl Partners {
    /// The three of `buyer`.
    pub(super) fn of(&self, buyer: &Buyer) -> Result<Addressees, SendError> {
        if let Some(why) = self.refused.get(buyer.reference.as_str()) {
            return Err(SendError::Refused(why.clone().into()));
        }
        self.ready(buyer).ok_or_else(|| {
            let text = format!("the customer {} was not ready in Odoo", buyer.reference);
            SendError::NotNow(Error::new(Kind::Unavailable, text))
        })
    }

    fn ready(&self, buyer: &Buyer) -> Option<Addressees> {
        let customer = *self.ids.get(&customer_name(buyer))?;
        let at = |address: &Option<Contact>, otherwise| match address {
            Some(address) => self.ids.get(&address_name(buyer, address)).copied(),
            None => Some(otherwise),
        };
        let invoice = at(&buyer.invoice, customer)?;
        Some(Addressees { customer, invoice, delivery: at(&buyer.delivery, invoice)? })
    }
}

/// A row to load, and what its id is remembered as.
struct Row {
    cells: Vec<String>,
    remembered: String,
}

impl Resolver<'_> {
    /// The countries of orders, and all provinces of those where an address names one.
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
        let mut places = Places { countries, ..Places::default() };
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

    /// Customers and addresses: remembered, else found by what the configuration says, else loaded.
    pub(super) async fn partners(&self, buyers: &[Buyer]) -> Result<Partners, SendError> {
        let mut partners = Partners::default();
        let remembered: BTreeSet<String> = buyers
            .iter()
            .flat_map(|buyer| {
                let addresses = [&buyer.invoice, &buyer.delivery].into_iter().flatten();
                addresses.map(|address| address_name(buyer, address)).chain([customer_name(buyer)])
            })
            .collect();
        partners.ids = self.recall(&remembered.into_iter().collect::<Vec<_>>()).await?;
        let missing: BTreeMap<&str, Vec<&Buyer>> =
            buyers.iter().filter(|buyer| partners.ready(buyer).is_none()).fold(BTreeMap::new(), |mut of, buyer| {
                of.entry(buyer.reference.as_str()).or_insert_with(Vec::new).push(buyer);
                of
            });
        if missing.is_empty() {
            return Ok(partners);
        }
        let found = self.typed_by_hand(missing.values().filter_map(|of| of.first().copied())).await?;
        let types = self.identification_types().await?;
        partners.ids.extend(found.iter().map(|(reference, id)| (name("customer", reference), *id)));
        for chunk in missing.values().collect::<Vec<_>>().chunks(self.odoo.settings.bulk) {
            let (known, new): (Vec<_>, Vec<_>) = chunk
                .iter()
                .partition(|of| of.first().is_some_and(|buyer| partners.ids.contains_key(&customer_name(buyer))));
            self.load_partners(&mut partners, &new, &types, false).await?;
            self.load_partners(&mut partners, &known, &types, true).await?;
        }
        self.learn(&found.into_iter().map(|(reference, id)| (name("customer", reference), id)).collect::<Vec<_>>())
            .await?;
        Ok(partners)
    }

    /// Loads customers with their addresses, or addresses of customers whose ids are `known`. One that Odoo refuses is named, and must not
    /// sink the others.
    async fn load_partners(
        &self,
        partners: &mut Partners,
        buyers: &[&&Vec<&Buyer>],
        types: &HashMap<TaxIdKind, i64>,
        known: bool,
    ) -> Result<(), SendError> {
        let mut groups: Vec<(&str, Vec<Row>)> = Vec::new();
        for of in buyers {
            let Some(buyer) = of.first() else { continue };
            let mut rows = Vec::new();
            let (parent, external) =
                (partners.ids.get(&customer_name(buyer)).copied(), names::external(&buyer.reference));
            if !known {
                let vat = buyer.tax_id.as_ref().map(|tax_id| tax_id.value.trim().to_owned()).unwrap_or_default();
                let mut own = vec![external.clone(), String::new()];
                own.extend(cells(&buyer.contact));
                own.extend([vat, buyer.reference.to_string()]);
                if self.odoo.has_identification_types() {
                    let tax_id = buyer.tax_id.as_ref().filter(|tax_id| !tax_id.value.is_empty());
                    let of = tax_id.and_then(|tax_id| types.get(&tax_id.kind));
                    own.push(of.map(ToString::to_string).unwrap_or_default());
                }
                rows.push(Row { cells: own, remembered: customer_name(buyer) });
            }
            let parent = if known { parent.unwrap_or_default().to_string() } else { external };
            let mut seen = BTreeSet::new();
            for (buyer, address) in of.iter().flat_map(|buyer| {
                [&buyer.invoice, &buyer.delivery].into_iter().flatten().map(move |address| (buyer, address))
            }) {
                let remembered = address_name(buyer, address);
                if partners.ids.contains_key(&remembered) || !seen.insert(remembered.clone()) {
                    continue;
                }
                let mut own = vec![address.external(&buyer.reference), parent.clone()];
                own.extend(cells(address));
                own.extend([String::new(), String::new()]);
                if self.odoo.has_identification_types() {
                    own.push(String::new());
                }
                rows.push(Row { cells: own, remembered });
            }
            if !rows.is_empty() {
                groups.push((buyer.reference.as_str(), rows));
            }
        }
        let fields = self.odoo.partner_fields(known);
        let rows = groups.iter().map(|(_, rows)| rows.iter().map(|row| row.cells.clone()).collect()).collect();
        let loaded = load::load(self.odoo, self.calls, ("res.partner", Known::Kept), &fields, rows).await?;
        let mut learnt = Vec::new();
        for ((reference, rows), loaded) in groups.into_iter().zip(loaded) {
            match loaded {
                Loaded::There(ids) => learnt.extend(rows.into_iter().map(|row| row.remembered).zip(ids)),
                Loaded::Refused(error) => {
                    let because = Box::new(Reason::of(&error));
                    partners.refused.insert(reference.to_owned(), Why::CustomerRefused { because });
                }
                // Not ready: its order waits.
                Loaded::Later => {}
            }
        }
        self.learn(&learnt).await?;
        partners.ids.extend(learnt);
        Ok(())
    }

    /// Customers whom somebody typed by hand, by our reference of them. Of several of one name nobody knows which is meant: then none is.
    async fn typed_by_hand<'b>(
        &self,
        buyers: impl Iterator<Item = &'b Buyer>,
    ) -> Result<HashMap<String, i64>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            #[serde(default)]
            email_normalized: Maybe<String>,
            #[serde(default)]
            vat: Maybe<String>,
        }
        let (field, key): (&str, fn(&Buyer) -> Option<String>) = match self.odoo.settings.customers {
            Customers::Reference => return Ok(HashMap::new()),
            Customers::Email => ("email_normalized", |buyer| buyer.email.clone()),
            Customers::TaxId => ("vat", |buyer| Some(buyer.tax_id.as_ref()?.value.trim().to_owned())),
        };
        let wanted: Vec<(&Buyer, String)> = buyers.filter_map(|buyer| Some((buyer, key(buyer)?))).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: BTreeSet<&str> = wanted.iter().map(|(_, key)| key.as_str()).collect();
        let domain = domain![(field, "in", keys), ("parent_id", "=", false)];
        let found: Vec<Found> = self.search("res.partner", &domain, &[field]).await?;
        let of = |found: &Found| if field == "vat" { found.vat.0.clone() } else { found.email_normalized.0.clone() };
        let alone = |key: &str| {
            let mut found = found.iter().filter(|found| of(found).as_deref() == Some(key));
            found.next().filter(|_| found.next().is_none()).map(|found| found.id)
        };
        Ok(wanted.iter().filter_map(|(buyer, key)| Some((buyer.reference.to_string(), alone(key)?))).collect())
    }

    /// Odoo's types of tax ids, as the configuration names them: each, so that a column which Odoo lacks is not loaded.
    async fn identification_types(&self) -> Result<HashMap<TaxIdKind, i64>, SendError> {
        let mut types = HashMap::new();
        for (kind, named) in &self.odoo.settings.identification_types {
            let id = self.named("identification_types", "l10n_latam.identification.type", named).await?;
            types.insert(*kind, id);
        }
        Ok(types)
    }
}

impl Odoo {
    fn has_identification_types(&self) -> bool {
        !self.settings.identification_types.is_empty()
    }

    fn partner_fields(&self, known: bool) -> Vec<&'static str> {
        let parent = if known { "parent_id/.id" } else { "parent_id/id" };
        let mut fields = vec![
            "id",
            parent,
            "type",
            "name",
            "email",
            "phone",
            "street",
            "zip",
            "city",
            "state_id/.id",
            "country_id/.id",
            "vat",
            "ref",
        ];
        if self.has_identification_types() {
            fields.push("l10n_latam_identification_type_id/.id");
        }
        fields
    }
}

/// Its own fields, from `type` to `country_id/.id`.
fn cells(of: &Contact) -> Vec<String> {
    let places = [of.state, of.country].map(|id| id.map(|id| id.to_string()).unwrap_or_default());
    let texts = [of.kind, &of.name, &of.email, &of.phone, &of.street, &of.zip, &of.city];
    texts.into_iter().map(ToOwned::to_owned).chain(places).collect()
}
