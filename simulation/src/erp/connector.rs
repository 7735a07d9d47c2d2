//! The connector: what the flows call.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use puente::{
    Error, Kind, Result,
    domain::{ids::Reference, record::Document},
    erp::{Class, Draft, Erp, Found, Ids, Manners, Sale, Setback},
    outbound::{Failure, Metered},
};

use super::{
    GONE, ModelErp, ON_REQUEST, PANIC_SKU, UNKNOWN_SKU,
    books::{Rendered, Said, document},
    network::Lost,
};

/// The connector.
pub struct Connector(pub Arc<ModelErp>);

type Outcome = std::result::Result<Document, Setback>;

fn refused(words: impl Into<String>) -> Setback {
    Setback::Refused(Error::new(Kind::Refused, words.into()))
}

impl Connector {
    fn outcome(said: Said) -> Outcome {
        match said {
            Said::Made(document) => Ok(document),
            Said::Exists => Err(Setback::Exists),
            Said::Refused(words) => Err(refused(words)),
            Said::Failed => Err(Setback::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500"))),
            Said::Half => Err(Setback::Unknown(Error::new(Kind::Unavailable, "a part may have been created"))),
        }
    }

    /// The ids of `names`: from the cache, else asked for; customers that are missing are made.
    async fn resolve(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        names: &[String],
        afresh: bool,
    ) -> std::result::Result<BTreeMap<String, String>, Setback> {
        let error = |error: Error| Setback::NotNow(error);
        if afresh {
            ids.forget(names).await.map_err(error)?;
        }
        let mut known: BTreeMap<_, _> = ids.ids(names).await.map_err(error)?.into_iter().collect();
        let missing: Vec<String> = names.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let asked = missing.clone();
        let found = self.0.reach(calls, "erp.resolve", &[], move |_, books| {
            let exists = |name: &&String| {
                if let Some(sku) = name.strip_prefix("product/") {
                    sku != UNKNOWN_SKU
                } else {
                    books.customers.contains(name)
                }
            };
            let id = |name: &String| (name.clone(), format!("id of {name}"));
            asked.iter().filter(exists).map(id).collect::<Vec<_>>()
        });
        let mut found = found.await.map_err(|lost| lost.setback())?;
        let names = |found: &[(String, String)]| found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let there = names(&found);
        let unmade: Vec<String> =
            missing.into_iter().filter(|name| !name.starts_with("product/") && !there.contains(name)).collect();
        let in_doubt = if unmade.is_empty() { Default::default() } else { ids.begin(&unmade).await.map_err(error)? };
        let unmade: Vec<String> = unmade.into_iter().filter(|name| !in_doubt.contains(name)).collect();
        if !unmade.is_empty() {
            let references = unmade.clone();
            let made = self.0.reach(calls, "erp.create_customers", &[], move |erp, books| {
                let class = erp.settings.manners.create;
                let id = |name: &String| (name.clone(), format!("id of {name}"));
                let made: Vec<_> = references.iter().map(id).collect();
                for reference in &references {
                    if class > Class::Unique || !books.customers.contains(reference) {
                        books.customers.push(reference.clone());
                    }
                }
                made
            });
            found.extend(made.await.map_err(|lost| lost.setback())?);
        }
        ids.learn(&found).await.map_err(error)?;
        known.extend(found);
        Ok(known)
    }
}

#[async_trait]
impl Erp for Connector {
    fn manners(&self) -> Manners {
        self.0.settings.manners
    }

    async fn prepare(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        sales: &[Sale],
        afresh: bool,
    ) -> Vec<std::result::Result<Draft, Setback>> {
        let sku = |sale: &Sale| sale.order.lines.first().and_then(|line| line.sku.clone()).unwrap_or_default();
        let customer = |sale: &Sale| {
            let id = sale.order.customer.as_ref().and_then(|customer| customer.id.as_ref())?;
            let wanted = self.0.settings.customers;
            wanted.then(|| Reference::customer(&sale.key.connection, id).to_string())
        };
        let mut names: Vec<String> = Vec::new();
        for sale in sales {
            assert_ne!(sku(sale), PANIC_SKU, "{ON_REQUEST}");
            if sale.order.number != sale.key.to_string() {
                self.0.world.violated(format!("{} is sent with the content of {}", sale.key, sale.order.number));
            }
            names.push(format!("product/{}", sku(sale)));
            names.extend(customer(sale));
        }
        names.sort();
        names.dedup();
        let known = match self.resolve(calls, ids, &names, afresh).await {
            Ok(known) => known,
            Err(setback) => {
                let again = |setback: &Setback| match setback {
                    Setback::Account(error) => {
                        Setback::Account(Error::new(error.kind(), error.to_string()).retry(error.retryable()))
                    }
                    Setback::Unknown(error) => Setback::Unknown(Error::new(error.kind(), error.to_string())),
                    Setback::NotNow(error) => Setback::NotNow(Error::new(error.kind(), error.to_string())),
                    Setback::Refused(error) => refused(error.to_string()),
                    Setback::Exists => Setback::Exists,
                };
                return sales.iter().map(|_| Err(again(&setback))).collect();
            }
        };
        let render = |sale: &Sale| {
            let sku = sku(sale);
            let Some(product) = known.get(&format!("product/{sku}")) else {
                return Err(refused(format!("article {sku} is not in the ERP")));
            };
            if let Some(name) = customer(sale).filter(|name| !known.contains_key(name)) {
                return Err(Setback::NotNow(Error::new(Kind::Unavailable, format!("{name} is being created"))));
            }
            let ids = [Some(product), customer(sale).and_then(|name| known.get(&name))];
            let stale = ids.into_iter().flatten().any(|id| id.ends_with(GONE));
            let body = Rendered::body(&sale.version, &sku, &sale.order.total.to_string(), stale);
            Ok(Draft { reference: sale.reference.clone(), body, remark: None })
        };
        sales.iter().map(render).collect()
    }

    async fn create(&self, calls: &Metered, drafts: &[Draft]) -> Vec<Outcome> {
        let references: Vec<Reference> = drafts.iter().map(|draft| draft.reference.clone()).collect();
        let sent = drafts.to_vec();
        let said = self.0.reach(calls, "erp.create", &references, move |erp, books| erp.create(books, &sent)).await;
        let outcomes: Vec<Outcome> = match said {
            Err(lost) => return drafts.iter().map(|_| Err(lost.setback())).collect(),
            Ok(said) => said.into_iter().map(Self::outcome).collect(),
        };
        let open: Vec<Document> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).cloned().collect();
        if !self.0.settings.drafts || open.is_empty() {
            return outcomes;
        }
        let mut finished = self.finish(calls, &open).await.into_iter();
        let confirmed = |outcome: Outcome| match outcome {
            // It exists, whatever became of its confirmation.
            Ok(_) => match finished.next() {
                Some(Ok(document)) => Ok(document),
                _ => Err(Setback::Unknown(Error::new(Kind::Unavailable, "created, but not confirmed"))),
            },
            setback => setback,
        };
        outcomes.into_iter().map(confirmed).collect()
    }

    async fn look_up(
        &self,
        calls: &Metered,
        references: &[Reference],
    ) -> std::result::Result<Vec<Option<Found>>, Failure> {
        let asked = references.to_vec();
        let found = self.0.reach(calls, "erp.look_up", &[], move |erp, books| {
            let now = erp.world.now();
            let find = |reference: &Reference| {
                let sales = books.sales.iter().enumerate();
                let mut sales = sales.filter(|(_, sale)| &sale.reference == reference && sale.found_from <= now);
                sales.next().map(|(place, sale)| Found {
                    document: document(place),
                    version: Some(sale.version.clone()),
                    finished: sale.finished,
                })
            };
            asked.iter().map(find).collect::<Vec<_>>()
        });
        found.await.map_err(Lost::failure)
    }

    async fn finish(&self, calls: &Metered, documents: &[Document]) -> Vec<Outcome> {
        let places: Vec<usize> = documents.iter().map(|document| document.id.parse().unwrap()).collect();
        let finished = self.0.reach(calls, "erp.finish", &[], move |_, books| {
            for place in &places {
                books.sales[*place].finished = true;
            }
        });
        match finished.await {
            Ok(()) => documents.iter().cloned().map(Ok).collect(),
            Err(lost) => documents.iter().map(|_| Err(lost.setback())).collect(),
        }
    }

    async fn probe(&self, calls: &Metered) -> Result<String> {
        calls.permit(self.0.settings.manners.timeout).await?;
        Ok("model".to_owned())
    }
}
