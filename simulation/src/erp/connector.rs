//! The connector: what the flows call.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use puente::{
    Error, Kind, Result,
    domain::{
        document::{Action, Document, Operation, Step},
        ids::Reference,
    },
    erp::{
        Capabilities, Class, Draft, Erp, Found, Job, Patience, Probed, SendError, prices::Prices, shipments::Shipments,
        stock::Stock, wanted::Wanted,
    },
    outbound::Calls,
};

use super::{
    GONE, LONG_SKU, ModelErp, NEW_SKU, ON_REQUEST, PANIC_SKU, UNKNOWN_SKU,
    books::{Rendered, Said, document},
    network::Lost,
};

/// The connector.
pub struct Connector(pub Arc<ModelErp>);

type Outcome = std::result::Result<Document, SendError>;

fn refused(words: impl Into<String>) -> SendError {
    SendError::Refused(Error::new(Kind::Refused, words.into()))
}

fn ambiguous(words: &'static str) -> SendError {
    SendError::Ambiguous(Error::new(Kind::Refused, words))
}

fn is_product(name: &str) -> bool {
    name.starts_with("product/")
}

/// What became of what sales need.
struct Resolved {
    known: BTreeMap<String, String>,
    /// Articles that the ERP does not have.
    absent: BTreeSet<String>,
    /// Customers that are being made for other sales, and how long they cannot be looked up.
    awaited: HashMap<String, Duration>,
    /// Why not everything was asked for.
    failed: Option<SendError>,
}

/// What a look-up is answered that names what nobody may ask for.
const TOO_LONG: &str = "the ERP answered the look-up with 414";

impl Connector {
    fn outcome(said: Said) -> Outcome {
        match said {
            Said::Done(document) => Ok(document),
            Said::Exists => Err(SendError::Exists),
            Said::Refused(words) => Err(refused(words)),
            Said::Forbidden => Err(ambiguous("the ERP answered create with 403")),
            Said::Failed => Err(SendError::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500"))),
            Said::Half => Err(SendError::Unknown(Error::new(Kind::Unavailable, "a part may have been created"))),
        }
    }

    /// The ids of what each sale `needs`: from the cache, else asked for, a few at a time; customers that are missing are made.
    async fn resolve(
        &self,
        calls: &Calls<'_>,
        mut needs: Vec<BTreeSet<String>>,
        afresh: bool,
    ) -> std::result::Result<Resolved, SendError> {
        let error = |error: Error| SendError::NotNow(error);
        let names: BTreeSet<String> = needs.iter().flatten().cloned().collect();
        let names: Vec<String> = names.into_iter().collect();
        if afresh {
            calls.ids.forget(&names).await.map_err(error)?;
        }
        let mut known: BTreeMap<_, _> = calls.ids.ids(&names).await.map_err(error)?.into_iter().collect();
        for names in &mut needs {
            names.retain(|name| !known.contains_key(name));
        }
        let sales = needs.clone();
        // Customers are asked for together, with the first articles.
        let mut customers: Vec<String> = needs.iter().flatten().filter(|name| !is_product(name)).cloned().collect();
        customers.sort();
        customers.dedup();
        for names in &mut needs {
            names.retain(|name| is_product(name));
        }
        let mut wanted = Wanted::new(needs, self.0.settings().at_most);
        wanted.give_up_the_longest();
        let (mut found, mut unmade, mut absent, mut failed) = (Vec::new(), Vec::new(), BTreeSet::new(), None);
        loop {
            let mut names = wanted.next_call().unwrap_or_default();
            names.append(&mut customers);
            if names.is_empty() {
                break;
            }
            let asked = names.clone();
            let there = self.0.reach(calls, "erp.resolve", &[], move |_, books| {
                let product = |name: &str| name.strip_prefix("product/").map(ToOwned::to_owned);
                if asked.iter().any(|name| product(name).is_some_and(|sku| sku == LONG_SKU)) {
                    return Err(ambiguous(TOO_LONG));
                }
                let exists = |name: &&String| match product(name) {
                    Some(sku) => sku != UNKNOWN_SKU && !sku.starts_with(NEW_SKU),
                    None => books.customers.contains(name),
                };
                let id = |name: &String| (name.clone(), format!("id of {name}"));
                Ok(asked.iter().filter(exists).map(id).collect::<Vec<_>>())
            });
            let there = match there.await.map_err(|lost| lost.send_error()).flatten() {
                Ok(there) => there,
                // What was answered before stays answered.
                Err(send_error) if !found.is_empty() || !absent.is_empty() => {
                    failed = Some(send_error);
                    break;
                }
                Err(send_error) => return Err(send_error),
            };
            let learnt: Vec<&String> = there.iter().map(|(name, _)| name).collect();
            for name in names.iter().filter(|name| !learnt.contains(name)) {
                if is_product(name) {
                    wanted.missing(name);
                    absent.insert(name.clone());
                } else {
                    unmade.push(name.clone());
                }
            }
            found.extend(there);
        }
        // For a sale that is refused anyway nobody is made.
        let sound = |sale: &&BTreeSet<String>| sale.is_disjoint(&absent);
        unmade.retain(|customer| sales.iter().filter(sound).any(|sale| sale.contains(customer)));
        if failed.is_some() {
            // Not one call more would be answered.
            unmade.clear();
        }
        if found.is_empty() && unmade.is_empty() {
            return Ok(Resolved { known, absent, awaited: HashMap::new(), failed });
        }
        let in_doubt =
            if unmade.is_empty() { Default::default() } else { calls.ids.begin(&unmade).await.map_err(error)? };
        let unmade: Vec<String> = unmade.into_iter().filter(|name| !in_doubt.contains_key(name)).collect();
        if !unmade.is_empty() {
            let references = unmade.clone();
            let made = self.0.reach(calls, "erp.create_customers", &[], move |erp, books| {
                let class = erp.settings().creates.class;
                let id = |name: &String| (name.clone(), format!("id of {name}"));
                let made: Vec<_> = references.iter().map(id).collect();
                for reference in &references {
                    if class > Class::Unique || !books.customers.contains(reference) {
                        books.customers.push(reference.clone());
                    }
                }
                made
            });
            match made.await {
                Ok(made) => found.extend(made),
                Err(lost) => failed = Some(lost.send_error()),
            }
        }
        calls.ids.learn(&found).await.map_err(error)?;
        known.extend(found);
        Ok(Resolved { known, absent, awaited: in_doubt, failed })
    }
}

/// What a step's call is called.
fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "erp.create",
        Operation::Amend => "erp.amend",
        Operation::Cancel => "erp.cancel",
        Operation::Credit => "erp.credit",
    }
}

fn draft(job: &Job, sku: String, stale: bool) -> Draft {
    let (action, version, total) = (job.step.action.clone(), job.version.clone(), job.order.total.to_string());
    let body = Rendered { action, version, sku, total, stale }.body();
    Draft { reference: job.step.reference.clone(), body, remark: None }
}

#[async_trait]
impl Erp for Connector {
    fn can(&self, operation: Operation) -> Option<Capabilities> {
        self.0.settings().can(operation).filter(|_| !self.0.books().cannot)
    }

    fn patience(&self) -> Patience {
        self.0.settings().patience
    }

    async fn prepare(
        &self,
        calls: &Calls<'_>,
        operation: Operation,
        sales: &[Job],
        afresh: bool,
    ) -> Vec<std::result::Result<Draft, SendError>> {
        if operation == Operation::Cancel {
            return sales.iter().map(|sale| Ok(draft(sale, String::new(), false))).collect();
        }
        let sku = |sale: &Job| sale.order.lines.first().and_then(|line| line.sku.clone()).unwrap_or_default();
        let customer = |sale: &Job| {
            let id = sale.order.customer.as_ref().and_then(|customer| customer.id.as_ref())?;
            let wanted = self.0.settings().customers;
            wanted.then(|| Reference::customer(&sale.key.connection, id).to_string())
        };
        let mut needs: Vec<BTreeSet<String>> = Vec::new();
        for sale in sales {
            assert_ne!(sku(sale), PANIC_SKU, "{ON_REQUEST}");
            // A shop of ours numbers its orders by their keys; a real one's numbers say nothing.
            if sale.order.number.contains('/') && sale.order.number != sale.key.to_string() {
                self.0.world.violated(format!("{} is sent with the content of {}", sale.key, sale.order.number));
            }
            let skus = sale.order.lines.iter().filter_map(|line| line.sku.as_ref());
            needs.push(skus.map(|sku| format!("product/{sku}")).chain(customer(sale)).collect());
        }
        let Resolved { known, absent, awaited, failed } = match self.resolve(calls, needs.clone(), afresh).await {
            Ok(resolved) => resolved,
            Err(send_error) => return sales.iter().map(|_| Err(send_error.clone())).collect(),
        };
        let render = |(sale, needs): (&Job, &BTreeSet<String>)| {
            let sku = sku(sale);
            let is_absent = needs.iter().any(|name| absent.contains(name));
            let open = needs.iter().any(|name| !known.contains_key(name));
            if let Some(send_error) = failed.as_ref().filter(|_| open && !is_absent) {
                return Err(send_error.clone());
            }
            let Some(product) = known.get(&format!("product/{sku}")) else {
                let words = self.0.books().words.get(&sku).cloned();
                return Err(refused(words.unwrap_or_else(|| format!("article {sku} is not in the ERP"))));
            };
            if let Some(name) = customer(sale).filter(|name| !known.contains_key(name)) {
                if let Some(wait) = awaited.get(&name) {
                    return Err(SendError::awaits(&name, *wait));
                }
                return Err(SendError::NotNow(Error::new(Kind::Unavailable, format!("{name} is being created"))));
            }
            let ids = [Some(product), customer(sale).and_then(|name| known.get(&name))];
            let stale = ids.into_iter().flatten().any(|id| id.ends_with(GONE));
            Ok(draft(sale, sku, stale))
        };
        sales.iter().zip(&needs).map(render).collect()
    }

    async fn send(&self, calls: &Calls<'_>, operation: Operation, drafts: &[Draft]) -> Vec<Outcome> {
        let references: Vec<Reference> = drafts.iter().map(|draft| draft.reference.clone()).collect();
        let (sent, call) = (drafts.to_vec(), name(operation));
        let said = self.0.reach(calls, call, &references, move |erp, books| erp.act_on(books, operation, &sent)).await;
        let outcomes: Vec<Outcome> = match said {
            Err(lost) => return drafts.iter().map(|_| Err(lost.send_error())).collect(),
            Ok(said) => said.into_iter().map(Self::outcome).collect(),
        };
        let open: Vec<Document> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).cloned().collect();
        if open.is_empty() {
            return outcomes;
        }
        for _ in 0..self.0.settings().more_calls {
            if let Err(lost) = self.0.reach(calls, "erp.more", &[], |_, _| ()).await {
                let error = match lost {
                    Lost::Account(error) | Lost::Unknown(error) => SendError::Unknown(error),
                };
                return drafts.iter().map(|_| Err(error.clone())).collect();
            }
        }
        if !self.0.settings().drafts || matches!(operation, Operation::Cancel | Operation::Amend) {
            return outcomes;
        }
        let mut finished = self.finish(calls, operation, &open).await.into_iter();
        let confirmed = |outcome: Outcome| match outcome {
            // It exists, whatever became of its confirmation.
            Ok(_) => match finished.next() {
                Some(Ok(document)) => Ok(document),
                _ => Err(SendError::Unknown(Error::new(Kind::Unavailable, "created, but not confirmed"))),
            },
            send_error => send_error,
        };
        outcomes.into_iter().map(confirmed).collect()
    }

    async fn look_up(&self, calls: &Calls<'_>, steps: &[Step]) -> std::result::Result<Vec<Option<Found>>, SendError> {
        let asked = steps.to_vec();
        let found = self.0.reach(calls, "erp.look_up", &[], move |erp, books| {
            let now = erp.world.now();
            if asked.iter().any(|step| books.unaskable.contains(step.reference.as_str())) {
                return Err(ambiguous(TOO_LONG));
            }
            // What has an id is read by it; only a search may lag.
            let find = |step: &Step| {
                let found = match &step.action {
                    Action::Amend { document, .. } | Action::Cancel { document } => books.at(document),
                    Action::Create | Action::Credit { .. } => {
                        let mut all = books.documents.iter();
                        all.find(|one| one.reference == step.reference && one.found_from <= now && !one.deleted)
                    }
                };
                found.filter(|one| !one.deleted).map(|one| Found {
                    document: document(one.place),
                    version: one.version.clone(),
                    finished: one.finished && !books.stuck.contains_key(one.reference.as_str()),
                    cancelled: one.cancelled,
                })
            };
            Ok(asked.iter().map(find).collect::<Vec<_>>())
        });
        found.await.map_err(|lost| lost.send_error())?
    }

    async fn finish(&self, calls: &Calls<'_>, _operation: Operation, documents: &[Document]) -> Vec<Outcome> {
        let places: Vec<usize> = documents.iter().map(|document| document.id.parse().unwrap()).collect();
        let finished = self.0.reach(calls, "erp.finish", &[], move |_, books| {
            let finish = |place: &usize| {
                let sale = &mut books.documents[*place];
                let stuck = books.stuck.get(sale.reference.as_str()).copied();
                sale.finished |= stuck.is_none();
                stuck
            };
            places.iter().map(finish).collect::<Vec<_>>()
        });
        let outcome = |(document, stuck): (&Document, Option<bool>)| match stuck {
            None => Ok(document.clone()),
            Some(true) => Err(refused("the warehouse is closed")),
            Some(false) => Err(SendError::Unknown(Error::new(Kind::Unavailable, "the ERP answered 500"))),
        };
        match finished.await {
            Ok(stuck) => documents.iter().zip(stuck).map(outcome).collect(),
            Err(lost) => documents.iter().map(|_| Err(lost.send_error())).collect(),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.0.warehouse.as_ref().map(|_| self as &dyn Stock)
    }

    fn prices(&self) -> Option<&dyn Prices> {
        self.0.warehouse.as_ref().map(|_| self as &dyn Prices)
    }

    fn shipments(&self) -> Option<&dyn Shipments> {
        self.0.warehouse.as_ref().map(|_| self as &dyn Shipments)
    }

    async fn probe(&self, calls: &Calls<'_>) -> Result<Probed> {
        calls.http.permit(self.0.settings().patience.timeout).await?;
        Ok("model".to_owned().into())
    }
}
