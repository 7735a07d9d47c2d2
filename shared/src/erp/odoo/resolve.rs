//! Names become Odoo's ids: for all documents together, one call for each kind of thing, and none for what is remembered.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Odoo,
    books::Rounding,
    credit,
    customer::{self, Addressees, Buyer},
    domain,
    map::{self, Product, Resolved},
    wire::{Edition, Exact, Link, Maybe},
};
use crate::{
    Error, Kind,
    domain::{document::Operation, money::minor_unit, reason::Why},
    erp::{
        Draft, Job, SendError,
        booking::{
            self, Memory,
            books::{Books, Refusal, books},
            items::{self, Names, Tax},
        },
        settings::Named,
    },
    outbound::Calls,
};

/// With what the names begin under which things are remembered.
pub(super) const NAME: &str = "odoo";
/// The largest rate that is believed of a tax, in per cent.
const LARGEST_RATE: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);
/// The decimals of a price before Odoo 19, unless an administrator raised them.
const PRICE_DECIMALS: u32 = 2;

/// What is the same for every order of the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Company {
    currency: String,
    per_line: bool,
    price_decimals: Option<u32>,
}

/// One `prepare`: the calls, what is remembered, and whether to trust it.
pub(super) struct Resolver<'a> {
    pub(super) odoo: &'a Odoo,
    pub(super) calls: &'a Calls<'a>,
    pub(super) memory: Memory<'a>,
}

/// The names under which things are remembered.
pub(super) fn name(kind: &str, of: impl fmt::Display) -> String {
    booking::name(NAME, kind, of)
}

/// An error of the account's configuration: no order is to blame.
fn config(text: String) -> SendError {
    SendError::Account(Error::new(Kind::Config, text))
}

impl Resolver<'_> {
    /// Resolves everything and renders the documents. The error is everybody's.
    pub(super) async fn drafts(
        &self,
        operation: Operation,
        jobs: &[Job],
    ) -> Result<Vec<Result<Draft, SendError>>, SendError> {
        if self.memory.afresh {
            self.odoo.server.doubt(self.calls).await?;
        }
        let edition = self.odoo.server.edition(self.calls).await?;
        let company = self.company(edition).await?;
        let pricelists = self.pricelists(jobs, &company).await?;
        let taxes = self.taxes(jobs).await?;
        let books: Vec<Result<Books<'_>, Refusal>> = jobs
            .iter()
            .map(|job| {
                if !pricelists.contains_key(job.order.currency.code()) {
                    return Err(Error::from(Why::UnknownCurrency { currency: job.order.currency }).into());
                }
                let step = minor_unit(job.order.currency).decimal();
                let rounding = Rounding { step, per_line: company.per_line, price_decimals: company.price_decimals };
                books(job, self.odoo.names(&taxes, step), &rounding, Decimal::ONE)
            })
            .collect();
        let products = self.products(books.iter().flatten().flat_map(Books::codes)).await?;
        let fixed = self.fixed().await?;
        let sales = match operation {
            Operation::Credit => self.sold(jobs).await?,
            _ => HashMap::new(),
        };

        let render = |job: &Job, books: &Books<'_>, to: Addressees| {
            let invoice = match credit::of(job) {
                Some(sale) => credit::invoice(sale, &sales)?,
                None => None,
            };
            let resolved = Resolved {
                edition,
                company: self.odoo.settings.company,
                pricelist: pricelists.get(job.order.currency.code()).copied().flatten(),
                products: &products,
                fixed: &fixed,
                to,
                invoice,
            };
            map::draft(job, books, &resolved)
        };

        // Once without a customer: for an order that is refused anyway nobody is created.
        let (mut sound, mut refusals) = (Vec::new(), Vec::new());
        for (job, books) in jobs.iter().zip(books) {
            let tried = books.and_then(|books| Ok(render(job, &books, Addressees::default()).map(|_| books)?));
            let (books, refusal) = tried.map_or_else(|refusal| (None, Some(refusal)), |books| (Some(books), None));
            sound.push(books);
            refusals.push(refusal);
        }
        self.doubt(jobs, &refusals).await?;
        let fine: Vec<&Job> =
            jobs.iter().zip(&sound).filter(|(_, books)| books.is_some()).map(|(job, _)| job).collect();
        // What is refused for another reason stays refused where the customers cannot be had.
        let partners = async {
            if operation == Operation::Amend {
                return Ok(fine.iter().map(|_| Ok(Addressees::default())).collect());
            }
            let places = self.places(&fine).await?;
            let buyers: Vec<Buyer> = fine.iter().map(|job| customer::buyer(job, &places)).collect();
            let partners = self.partners(&buyers).await?;
            Ok::<Vec<_>, SendError>(buyers.iter().map(|buyer| partners.of(buyer)).collect())
        };
        let partners = partners.await.unwrap_or_else(|error| fine.iter().map(|_| Err(error.clone())).collect());

        let mut of_fine = partners.into_iter();
        let answers = jobs.iter().zip(&sound).zip(refusals).map(|((job, books), refusal)| {
            if let Some(refusal) = refusal {
                return Err(SendError::Refused(refusal.error));
            }
            let missing = || SendError::NotNow(Error::new(Kind::Bug, "the order was not prepared"));
            let books = books.as_ref().ok_or_else(missing)?;
            let to = of_fine.next().ok_or_else(missing)??;
            let body = render(job, books, to).map_err(SendError::Refused)?;
            let remark = books.remark(job.order.currency.code());
            Ok(Draft { reference: job.step.reference.clone(), body, remark })
        });
        Ok(answers.collect())
    }

    /// A person will change something in Odoo and replay what is refused here: what the refusal rests on is not remembered.
    async fn doubt(&self, jobs: &[Job], refusals: &[Option<Refusal>]) -> Result<(), SendError> {
        let none = HashMap::new();
        let mut names = BTreeSet::new();
        for (job, refusal) in jobs.iter().zip(refusals) {
            let Some(refusal) = refusal else { continue };
            let codes = items::codes_of(job, self.odoo.names(&none, Decimal::ZERO));
            names.extend(codes.into_iter().map(|code| name("product", code)));
            let taxes = items::taxes_of(&job.order, &self.odoo.tax_names);
            names.extend(taxes.into_iter().map(|tax| name("tax", tax)));
            if refusal.books {
                names.insert(name("company", self.odoo.settings.company));
            }
        }
        if names.is_empty() { Ok(()) } else { self.memory.forget(&names.into_iter().collect::<Vec<_>>()).await }
    }

    pub(super) async fn recall<T: DeserializeOwned>(&self, names: &[String]) -> Result<HashMap<String, T>, SendError> {
        self.memory.recall(names).await
    }

    pub(super) async fn learn<T: Serialize>(&self, learnt: &[(String, T)]) -> Result<(), SendError> {
        self.memory.learn(learnt).await
    }

    pub(super) async fn search<T: DeserializeOwned>(
        &self,
        model: &str,
        domain: &impl Serialize,
        fields: &[&str],
    ) -> Result<Vec<T>, SendError> {
        self.odoo.server.search(self.calls, model, domain, fields).await
    }

    /// Something that the configuration names in `setting`. Where Odoo does not have it, no order is to blame.
    pub(super) async fn named(&self, setting: &str, model: &str, named: &Named) -> Result<i64, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
        }
        let key = named.to_string();
        let id: i64 = key.strip_prefix('#').and_then(|id| id.parse().ok()).unwrap_or_default();
        let found = self
            .memory
            .known_or(model, BTreeSet::from([key.clone()]), async |_| {
                let either = domain!["|", ("name", "=", &key), ("id", "=", id)];
                let found: Vec<Found> = self.search(model, &either, &["id"]).await?;
                Ok(found.first().map(|found| (key.clone(), found.id)).into_iter().collect())
            })
            .await
            .map_err(|send_error| match send_error {
                SendError::Ambiguous(error) => SendError::Account(error.within(format!("`{setting}`"))),
                send_error => send_error,
            })?;
        found.get(&key).copied().ok_or_else(|| {
            config(format!("`{setting}`: Odoo has no {model} {key}, or it is archived, or the user may not see it"))
        })
    }

    /// What the configuration names for every order, by the column of a load.
    async fn fixed(&self) -> Result<Vec<(&'static str, String)>, SendError> {
        let settings = &self.odoo.settings;
        let mut fixed = Vec::new();
        for (column, setting, model, named) in [
            ("warehouse_id/.id", "warehouse", "stock.warehouse", &settings.warehouse),
            ("payment_term_id/.id", "payment_term", "account.payment.term", &settings.payment_term),
            ("team_id/.id", "sales_team", "crm.team", &settings.sales_team),
        ] {
            if let Some(named) = named {
                fixed.push((column, self.named(setting, model, named).await?.to_string()));
            }
        }
        let mut tags = Vec::new();
        for tag in &settings.tags {
            tags.push(self.named("tags", "crm.tag", tag).await?.to_string());
        }
        if !tags.is_empty() {
            fixed.push(("tag_ids/.id", tags.join(",")));
        }
        Ok(fixed)
    }

    async fn company(&self, edition: Edition) -> Result<Company, SendError> {
        #[derive(Deserialize)]
        struct Found {
            currency_id: Link,
            tax_calculation_rounding_method: Maybe<String>,
        }
        #[derive(Deserialize)]
        struct Precision {
            digits: u32,
        }
        let id = self.odoo.settings.company;
        let key = id.to_string();
        let found = self
            .memory
            .known_or("company", BTreeSet::from([key.clone()]), async |_| {
                let fields = ["currency_id", "tax_calculation_rounding_method"];
                let found: Vec<Found> = self.search("res.company", &domain![("id", "=", id)], &fields).await?;
                let Some(found) = found.first() else {
                    return Err(config(format!("Odoo has no company {id} that the user may see: check `company`")));
                };
                let price_decimals = if edition.is_19() {
                    None
                } else {
                    let named = domain![("name", "=", "Product Price")];
                    let found: Vec<Precision> = self.search("decimal.precision", &named, &["digits"]).await?;
                    Some(found.first().map_or(PRICE_DECIMALS, |precision| precision.digits))
                };
                let per_line = found.tax_calculation_rounding_method.0.as_deref() == Some("round_per_line");
                let company = Company { currency: found.currency_id.1.clone(), per_line, price_decimals };
                Ok(HashMap::from([(key.clone(), company)]))
            })
            .await?;
        found.get(&key).cloned().ok_or_else(|| config(format!("Odoo has no company {id}: check `company`")))
    }

    /// The pricelist of each currency, which decides the currency of an order; none where it is the company's, and no pricelist is named
    /// for it. A currency that is missing here cannot be sold in.
    async fn pricelists(&self, jobs: &[Job], company: &Company) -> Result<HashMap<String, Option<i64>>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            currency_id: Link,
        }
        let codes: BTreeSet<String> = jobs.iter().map(|job| job.order.currency.code().to_owned()).collect();
        let mut of = HashMap::new();
        let mut open = BTreeSet::new();
        for code in codes {
            match self.odoo.settings.pricelists.get(&code) {
                Some(named) => {
                    let id = self.named(&format!("pricelists.{code}"), "product.pricelist", named).await?;
                    of.insert(code, Some(id));
                }
                None if code == company.currency => {
                    of.insert(code, None);
                }
                None => {
                    open.insert(code);
                }
            }
        }
        let found: HashMap<String, i64> = self
            .memory
            .known_or("pricelist", open, async |missing| {
                let ours = domain![
                    ("currency_id.name", "in", missing),
                    ("company_id", "in", (false, self.odoo.settings.company))
                ];
                let found: Vec<Found> = self.search("product.pricelist", &ours, &["currency_id"]).await?;
                Ok(found.into_iter().rev().map(|found| (found.currency_id.1, found.id)).collect())
            })
            .await?;
        of.extend(found.into_iter().map(|(code, id)| (code, Some(id))));
        Ok(of)
    }

    /// Taxes by the name or id in the configuration. Those that cannot be foreseen are left out, and told where they are needed.
    async fn taxes(&self, jobs: &[Job]) -> Result<HashMap<String, Tax>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            name: String,
            amount: Exact,
            amount_type: String,
            price_include: bool,
            include_base_amount: bool,
            sequence: i64,
        }
        let names = &self.odoo.tax_names;
        let wanted = jobs.iter().flat_map(|job| items::taxes_of(&job.order, names)).map(ToOwned::to_owned).collect();
        let found: HashMap<String, (i64, i64, Decimal, bool)> = self
            .memory
            .known_or("tax", wanted, async |missing| {
                let ids: Vec<i64> = missing.iter().filter_map(|name| name.strip_prefix('#')?.parse().ok()).collect();
                let ours = domain![
                    ("company_id", "=", self.odoo.settings.company),
                    ("type_tax_use", "=", "sale"),
                    "|",
                    ("name", "in", missing),
                    ("id", "in", ids)
                ];
                let fields = ["name", "amount", "amount_type", "price_include", "include_base_amount", "sequence"];
                let found: Vec<Found> = self.search("account.tax", &ours, &fields).await?;
                let mut by_key = HashMap::new();
                for tax in found.iter().rev() {
                    let plain = tax.amount_type == "percent" && !tax.include_base_amount;
                    if !plain || tax.amount.0.abs() > LARGEST_RATE {
                        continue;
                    }
                    for key in missing.iter().filter(|key| **key == tax.name || **key == format!("#{}", tax.id)) {
                        let rate = tax.amount.0 / Decimal::ONE_HUNDRED;
                        by_key.insert(key.clone(), (tax.sequence, tax.id, rate, tax.price_include));
                    }
                }
                Ok(by_key)
            })
            .await?;
        let tax = |(key, (sequence, id, rate, included))| (key, Tax { sequence: Some(sequence), id, rate, included });
        Ok(found.into_iter().map(tax).collect())
    }

    /// Articles by their code. Of several of one code nobody knows which is meant: `None`.
    async fn products(&self, codes: impl Iterator<Item = &str>) -> Result<HashMap<String, Option<Product>>, SendError> {
        #[derive(Deserialize)]
        struct Found {
            id: i64,
            default_code: String,
            active: bool,
            sale_ok: bool,
        }
        let wanted = codes.map(ToOwned::to_owned).collect();
        self.memory
            .known_or("product", wanted, async |missing| {
                // Archived ones too: that one is archived is another thing to tell than that it is not there.
                let either = domain![("default_code", "in", missing), ("active", "in", [true, false])];
                let fields = ["default_code", "active", "sale_ok"];
                let found: Vec<Found> = self.search("product.product", &either, &fields).await?;
                let mut by_code: HashMap<String, Option<Product>> = HashMap::new();
                for archived in [false, true] {
                    for found in found.iter().filter(|found| found.active != archived) {
                        let known = by_code.get(&found.default_code).copied();
                        let product = Product { id: found.id, salable: found.active && found.sale_ok };
                        let one = match known {
                            None => Some(product),
                            // An archived one beside one that is not is no other choice.
                            Some(Some(known)) if archived && known.salable => Some(known),
                            Some(_) => None,
                        };
                        by_code.insert(found.default_code.clone(), one);
                    }
                }
                Ok(by_code)
            })
            .await
    }
}

impl Odoo {
    /// Which of Odoo's articles and taxes stand for a store's, with these `taxes` resolved.
    fn names<'a>(&'a self, taxes: &'a HashMap<String, Tax>, step: Decimal) -> Names<'a> {
        let (codes, known_as, place) = (&self.settings.products, &self.tax_names, self.place.as_str());
        Names { taxes, known_as, codes, place, step, in_money: |_, _| false }
    }
}
