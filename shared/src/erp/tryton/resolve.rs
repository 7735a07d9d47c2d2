//! Names become Tryton's ids: for all sales together, one call for each kind of thing, and none for what is remembered.

use std::collections::{BTreeSet, HashMap};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Named, Tryton,
    books::{Rounding, Tax},
    credit,
    customer::{self, Buyer},
    map::{self, Product, Resolved},
    wire::{self, Exact, Flag, parameters},
};
use crate::{
    Error, Kind,
    domain::{money::minor_unit, reason::Why},
    erp::{
        Draft, Job, SendError,
        booking::{
            self, Memory,
            books::{Books, Refusal, books},
            items::{self, Names},
        },
    },
    outbound::Metered,
};

/// With what the names begin under which things are remembered.
pub(super) const NAME: &str = "tryton";
/// The largest step that a currency is believed to be rounded to.
const LARGEST_STEP: Decimal = Decimal::ONE_THOUSAND;
/// The largest rate that is believed of a tax, as a fraction.
const LARGEST_RATE: Decimal = Decimal::ONE_HUNDRED;

/// What is the same for every sale of the account.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Shop {
    id: i64,
    warehouse: Option<i64>,
    per_line: bool,
}

/// A currency by its ISO code.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Currency {
    id: i64,
    step: Decimal,
}

/// One `prepare`: the calls, what is remembered, and whether to trust it.
pub(super) struct Resolver<'a> {
    pub(super) tryton: &'a Tryton,
    pub(super) calls: &'a Metered,
    pub(super) memory: Memory<'a>,
}

/// The names under which things are remembered.
pub(super) fn name(kind: &str, of: impl std::fmt::Display) -> String {
    booking::name(NAME, kind, of)
}

impl Resolver<'_> {
    /// Resolves everything and renders the sales. The error is everybody's.
    pub(super) async fn drafts(&self, sales: &[Job]) -> Result<Vec<Result<Draft, SendError>>, SendError> {
        let settings = &self.tryton.settings;
        let shop = self.shop().await?;
        let warehouse = match &settings.warehouse {
            Some(named) => Some(self.named("stock.location", named).await?),
            None => shop.warehouse,
        };
        let payment_term = match &settings.payment_term {
            Some(named) => Some(self.named("account.invoice.payment_term", named).await?),
            None => None,
        };
        let currencies = self.currencies(sales).await?;
        let taxes = self.taxes(sales).await?;
        let names = |step| self.tryton.names(&taxes, step);
        let books: Vec<Result<Books<'_>, Refusal>> = sales
            .iter()
            .map(|sale| {
                let Currency { step, .. } = currency(&currencies, sale)?;
                let rounding = Rounding { step, per_line: shop.per_line };
                books(sale, names(step), &rounding, credit::sign(sale))
            })
            .collect();
        let products = self.products(books.iter().flatten().flat_map(Books::codes)).await?;

        let invoices_shipments = self.invoices_shipments(sales).await?;

        let render = |sale: &Job, books: &Books<'_>, party: i64, invoice_address: i64, shipment_address: i64| {
            let to = Resolved {
                shop: shop.id,
                company: settings.company,
                warehouse,
                payment_term,
                currency: currency(&currencies, sale)?.id,
                products: &products,
                party,
                invoice_address,
                shipment_address,
                invoices_shipments,
            };
            map::sale(sale, books, &to)
        };

        // Once without a customer: for an order that is refused anyway nobody is created.
        let (mut sound, mut refusals) = (Vec::new(), Vec::new());
        for (sale, books) in sales.iter().zip(books) {
            let tried = books.and_then(|books| render(sale, &books, 0, 0, 0).map(|_| books));
            let (books, refusal) = tried.map_or_else(|refusal| (None, Some(refusal)), |books| (Some(books), None));
            sound.push(books);
            refusals.push(refusal);
        }
        self.doubt(sales, &refusals).await?;
        let mut answers: Vec<Option<Result<Draft, SendError>>> =
            refusals.into_iter().map(|refusal| refusal.map(|r| Err(SendError::Refused(r.error)))).collect();
        let fine: Vec<&Job> =
            sales.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(sale, _)| sale).collect();
        let customers = async {
            let buyers = self.buyers(&fine).await?;
            let parties = self.parties(&buyers).await?;
            Ok::<Vec<_>, SendError>(buyers.iter().map(|buyer| parties.of(buyer)).collect())
        };
        // What is refused for another reason stays refused where the customers cannot be had: were it asked for again each time, a day of
        // few calls would be spent on it, day after day.
        let ids = customers.await.unwrap_or_else(|error| fine.iter().map(|_| Err(error.clone())).collect());

        let mut of_fine = ids.into_iter();
        for ((sale, books), answer) in sales.iter().zip(&sound).zip(answers.iter_mut()) {
            let Some(books) = books else { continue };
            let Some(ids) = of_fine.next() else { break };
            *answer = Some(ids.and_then(|(party, invoice, shipment)| {
                let body = render(sale, books, party, invoice, shipment)
                    .map_err(|refusal| SendError::Refused(refusal.error))?;
                let remark = books.remark(sale.order.currency.code());
                Ok(Draft { reference: sale.step.reference.clone(), body, remark })
            }));
        }
        let missing = || Err(SendError::NotNow(Error::new(Kind::Bug, "the order was not prepared")));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect())
    }

    /// A person will change something in Tryton and replay what is refused here: what the refusal rests on is not remembered.
    async fn doubt(&self, sales: &[Job], refusals: &[Option<Refusal>]) -> Result<(), SendError> {
        let (settings, none) = (&self.tryton.settings, HashMap::new());
        let mut names = BTreeSet::new();
        for (sale, refusal) in sales.iter().zip(refusals) {
            let Some(refusal) = refusal else { continue };
            let codes = items::codes_of(sale, self.tryton.names(&none, Decimal::ZERO));
            names.extend(codes.into_iter().map(|code| name("product", code)));
            let taxes = items::taxes_of(&sale.order, &self.tryton.tax_names);
            names.extend(taxes.into_iter().map(|tax| name("tax", tax)));
            if refusal.books {
                names.insert(name("shop", &settings.web_shop));
                names.insert(name("currency", sale.order.currency.code()));
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        self.memory.forget(&names.into_iter().collect::<Vec<_>>()).await
    }

    /// `search_read(domain, 0, None, None, fields)`.
    pub(super) async fn search<T: DeserializeOwned>(
        &self,
        model: &str,
        domain: Box<RawValue>,
        fields: &[&str],
    ) -> Result<Vec<T>, SendError> {
        let nothing: Option<i64> = None;
        let parameters = parameters![domain, 0, nothing, nothing, fields];
        self.tryton.server.read(self.calls, &format!("model.{model}.search_read"), parameters).await
    }

    async fn shop(&self) -> Result<Shop, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            company: i64,
            warehouses: Vec<i64>,
        }
        #[derive(Deserialize)]
        struct Configuration {
            tax_rounding: Option<String>,
        }
        let settings = &self.tryton.settings;
        let key = settings.web_shop.to_string();
        let found = self
            .memory
            .known_or("shop", BTreeSet::from([key.clone()]), async |_| {
                let domain = settings.web_shop.domain("name");
                let found: Vec<Found> = self.search("web.shop", domain, &["company", "warehouses"]).await?;
                let [shop] = found.as_slice() else {
                    return Err(config(format!(
                        "Tryton has no web shop {key}: check `web_shop`, and that the user may see it"
                    )));
                };
                if shop.company != settings.company {
                    let (theirs, ours) = (shop.company, settings.company);
                    return Err(config(format!("the web shop {key} is company {theirs}'s, and `company` says {ours}")));
                }
                let read: Vec<Configuration> = self
                    .tryton
                    .server
                    .read(self.calls, "model.account.configuration.read", parameters![[1], ["tax_rounding"]])
                    .await?;
                let per_line = read.first().and_then(|c| c.tax_rounding.as_deref()) == Some("line");
                let shop = Shop { id: shop.id, warehouse: shop.warehouses.first().copied(), per_line };
                Ok(HashMap::from([(key.clone(), shop)]))
            })
            .await?;
        found.get(&key).copied().ok_or_else(|| config(format!("Tryton has no web shop {key}: check `web_shop`")))
    }

    /// Something the configuration names.
    async fn named(&self, model: &str, named: &Named) -> Result<i64, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
        }
        if let Named::Id(id) = named {
            return Ok(*id);
        }
        let key = named.to_string();
        let found = self
            .memory
            .known_or(model, BTreeSet::from([key.clone()]), async |_| {
                let found: Vec<Found> = self.search(model, named.domain("name"), &["id"]).await?;
                Ok(found.first().map(|found| (key.clone(), found.id)).into_iter().collect())
            })
            .await?;
        found.get(&key).copied().ok_or_else(|| config(format!("Tryton has no {model} named {key}")))
    }

    async fn currencies(&self, sales: &[Job]) -> Result<HashMap<String, Currency>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            code: String,
            rounding: Option<Exact>,
        }
        let codes = sales.iter().map(|sale| sale.order.currency.code().to_owned()).collect();
        self.memory
            .known_or("currency", codes, async |missing| {
                let domain = wire::raw(&[("code", "in", missing)]);
                let found: Vec<Found> = self.search("currency.currency", domain, &["code", "rounding"]).await?;
                let by_code = found.into_iter().filter(|found| missing.contains(&found.code)).map(|found| {
                    let iso = iso_currency::Currency::from_code(&found.code).map(|iso| minor_unit(iso).decimal());
                    let step = found.rounding.map(|step| step.0).or(iso).unwrap_or_default();
                    // By nothing, or by less, rounding has no end.
                    if step <= Decimal::ZERO || step > LARGEST_STEP {
                        return Err(config(format!(
                            "Tryton rounds {} to {step}: correct its currency there",
                            found.code
                        )));
                    }
                    Ok((found.code, Currency { id: found.id, step }))
                });
                by_code.collect()
            })
            .await
    }

    /// Taxes by the name or id in the configuration. Those that cannot be foreseen are left out, and told where they are needed.
    async fn taxes(&self, sales: &[Job]) -> Result<HashMap<String, Tax>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            name: String,
            r#type: String,
            sequence: Option<i64>,
            rate: Option<Exact>,
            update_unit_price: Flag,
            childs: Vec<i64>,
        }
        let names = &self.tryton.tax_names;
        let wanted = sales.iter().flat_map(|sale| items::taxes_of(&sale.order, names)).map(ToOwned::to_owned).collect();
        let found: HashMap<String, (Option<i64>, i64, Decimal)> = self
            .memory
            .known_or("tax", wanted, async |missing| {
                let ids: Vec<i64> = missing.iter().filter_map(|name| name.strip_prefix('#')?.parse().ok()).collect();
                let company = self.tryton.settings.company;
                let domain = parameters!["OR", [("name", "in", missing)], [("id", "in", &ids)]];
                let domain = wire::raw(&parameters![("company", "=", company), ("parent", "=", ()), domain]);
                let fields = ["name", "type", "sequence", "rate", "update_unit_price", "childs"];
                let found: Vec<Found> = self.search("account.tax", domain, &fields).await?;
                let mut by_key = HashMap::new();
                for tax in found {
                    let plain = tax.r#type == "percentage" && tax.childs.is_empty() && !tax.update_unit_price.0;
                    let believed = |rate: &Exact| rate.0.abs() <= LARGEST_RATE;
                    let Some(rate) = tax.rate.filter(|rate| plain && believed(rate)) else { continue };
                    for key in missing.iter().filter(|key| **key == tax.name || **key == format!("#{}", tax.id)) {
                        by_key.insert(key.clone(), (tax.sequence, tax.id, rate.0));
                    }
                }
                Ok(by_key)
            })
            .await?;
        Ok(found
            .into_iter()
            .map(|(key, (sequence, id, rate))| (key, Tax { sequence, id, rate, included: false }))
            .collect())
    }

    async fn products(&self, codes: impl Iterator<Item = &str>) -> Result<HashMap<String, Product>, SendError> {
        #[derive(Deserialize)]
        struct Unit {
            id: i64,
            digits: u32,
        }
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            code: String,
            salable: Flag,
            #[serde(rename = "sale_uom.")]
            unit: Option<Unit>,
        }
        let wanted = codes.map(ToOwned::to_owned).collect();
        self.memory
            .known_or("product", wanted, async |missing| {
                let domain = wire::raw(&[("code", "in", missing)]);
                let fields = ["code", "salable", "sale_uom.digits"];
                let found: Vec<Found> = self.search("product.product", domain, &fields).await?;
                let by_code = found.into_iter().filter_map(|found| {
                    let unit = found.unit?;
                    let salable = found.salable.0;
                    Some((found.code, Product { id: found.id, unit: unit.id, digits: unit.digits, salable }))
                });
                Ok(by_code.collect())
            })
            .await
    }

    async fn buyers(&self, sales: &[&Job]) -> Result<Vec<Buyer>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            code: String,
        }
        let codes = sales.iter().flat_map(|sale| booking::countries(&sale.order)).collect();
        // A country that Tryton does not have is remembered as 0.
        let countries: HashMap<String, i64> = self
            .memory
            .known_or("country", codes, async |missing| {
                let domain = wire::raw(&[("code", "in", missing)]);
                let found: Vec<Found> = self.search("country.country", domain, &["code"]).await?;
                let mut by_code: HashMap<_, _> = missing.iter().map(|code| (code.clone(), 0)).collect();
                by_code.extend(found.into_iter().map(|found| (found.code, found.id)));
                Ok(by_code)
            })
            .await?;
        let country = |code: &str| countries.get(code).copied().filter(|id| *id != 0);
        Ok(sales.iter().map(|sale| customer::buyer(sale, country)).collect())
    }
}

impl Tryton {
    /// Which of Tryton's articles and taxes stand for a store's, with these `taxes` resolved.
    fn names<'a>(&'a self, taxes: &'a HashMap<String, Tax>, step: Decimal) -> Names<'a> {
        let (codes, known_as, place) = (&self.settings.products, &self.tax_names, self.place.as_str());
        Names { taxes, known_as, codes, place, step, in_money: credit::in_money }
    }
}

/// The currency of a sale.
fn currency(known: &HashMap<String, Currency>, sale: &Job) -> Result<Currency, Error> {
    let currency = sale.order.currency;
    known.get(currency.code()).copied().ok_or_else(|| Why::UnknownCurrency { currency }.into())
}

/// An error of the account's configuration: no order is to blame.
fn config(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}
