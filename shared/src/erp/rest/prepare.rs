//! Before a document can be sent: its books, its products and its customer. All jobs of a batch are resolved together.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use minijinja::{Value as Data, context};
use serde_json::Value;

use super::{
    Rest,
    answer::{Verdict, What, failed, items, read, text_at, words_at},
    foreseen::foreseen,
    map::{self, Resolved},
    request::{Name, Request},
};
use crate::{
    Error, Kind, Result,
    domain::{
        event::{Event, Told},
        reason::{Mismatch, Reason, Why},
    },
    erp::{
        Draft, Ids, Job, SendError,
        totals::{Balancing, settle, stored},
        wanted::{MOST_CALLS, Wanted},
    },
    outbound::Metered,
};

/// What was learnt of each name: its id, or why it has none.
type Known = HashMap<String, Result<String, Verdict>>;

/// What a request for several things can use: all their names, and the first.
pub(super) fn wanted(all: &'static str, one: &'static str, names: &[&str]) -> Data {
    [(all, names.iter().copied().collect::<Data>()), (one, Data::from(names.first().copied()))]
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into()
}

/// What the templates of `customers` can use.
pub(super) fn buyers(buyers: &[Data]) -> Data {
    let all = buyers.iter().cloned().collect::<Data>();
    // The first one's fields stand on their own too: most ERPs create one customer a call.
    context! { customers => all, ..buyers.first().cloned().unwrap_or_default() }
}

impl Resolved<'static> {
    /// What the sample order is tried with.
    pub(super) fn trial() -> Self {
        Self { products: HashMap::from([("MATE-01", "1")]), customer: Some("1") }
    }
}

impl Rest {
    /// One draft per sale, or why there is none.
    pub(super) async fn drafts(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        sales: &[Job],
        afresh: bool,
    ) -> Vec<Result<Draft, SendError>> {
        let books: Vec<Result<Balancing>> = sales.iter().map(|sale| self.books(sale)).collect();
        let sound: Vec<&Job> =
            sales.iter().zip(&books).filter(|(_, books)| books.is_ok()).map(|(sale, _)| sale).collect();
        let products = self.products(calls, ids, &sound, afresh).await;
        let customers = self.customers(calls, ids, &sound, &products, afresh).await;
        sales
            .iter()
            .zip(books)
            .map(|(sale, books)| {
                let booked = books.map_err(SendError::Refused)?;
                let resolved = resolved(sale, &products, &customers).map_err(|verdict| verdict.send_error())?;
                self.draft(sale, &resolved, booked).map_err(SendError::Refused)
            })
            .collect()
    }

    /// What is booked beside the order's own lines, so that the ERP comes to the store's total.
    pub(super) fn books(&self, sale: &Job) -> Result<Balancing> {
        let foreseen = foreseen(&sale.order, self.section.tax_rounding);
        let told = || Mismatch::Tax { store: sale.order.tax, erp: stored(foreseen.tax) };
        let booked = settle(sale, foreseen.difference, told)?;
        if booked == Balancing::default() || self.carries_rounding.contains(&sale.step.operation()) {
            return Ok(booked);
        }
        Err(Why::NoPlaceForRounding.into())
    }

    async fn products(&self, calls: &Metered, ids: &dyn Ids, sales: &[&Job], afresh: bool) -> Known {
        let Some(request) = &self.section.products else { return Known::new() };
        let skus_of = |sale: &&Job| -> BTreeSet<String> {
            sale.order.lines.iter().filter_map(|line| map::sku(sale, line)).map(str::to_owned).collect()
        };
        let skus: Vec<BTreeSet<String>> = sales.iter().map(skus_of).collect();
        let missing = |sku: &str| Verdict::refused(Why::UnknownArticle { sku: sku.to_owned() });
        self.resolve(calls, ids, "product", skus, afresh, (Name::Products, request), &missing).await
    }

    /// Customers by reference: known, found, or created.
    async fn customers(&self, calls: &Metered, ids: &dyn Ids, sales: &[&Job], products: &Known, afresh: bool) -> Known {
        let Some(create) = &self.section.customers else { return Known::new() };
        // A customer is not created for an order that cannot follow.
        let buyable = sales.iter().filter(|sale| resolved(sale, products, &Known::new()).is_ok());
        let buyers: BTreeMap<String, Data> = buyable
            .filter_map(|sale| map::customer_reference(sale).map(|of| (of.as_str().to_owned(), map::buyer(sale, &of))))
            .collect();
        let names: BTreeSet<String> = buyers.keys().cloned().collect();
        let absent = Verdict::absent;
        let mut met = match &self.section.find_customers {
            Some(find) => {
                let each = names.iter().map(|name| BTreeSet::from([name.clone()])).collect();
                let nobody = |_: &str| absent();
                self.resolve(calls, ids, "customer", each, afresh, (Name::FindCustomers, find), &nobody).await
            }
            // Then `customers` itself must not make a second one: an upsert.
            None => match cached(ids, "customer", &names, afresh).await {
                Ok(cached) => {
                    names.iter().map(|name| (name.clone(), cached.get(name).cloned().ok_or_else(absent))).collect()
                }
                Err(verdict) => return names.into_iter().map(|name| (name, Err(verdict.clone()))).collect(),
            },
        };
        let mut new: Vec<String> = met
            .iter()
            .filter(|(_, id)| id.as_ref().is_err_and(Verdict::is_absence))
            .map(|(name, _)| name.clone())
            .collect();
        match begin(ids, "customer", &new).await {
            Ok(in_doubt) => {
                new.retain(|name| !in_doubt.contains_key(name));
                met.extend(in_doubt.into_iter().map(|(name, wait)| {
                    let verdict = Verdict::awaits(&name, wait);
                    (name, Err(verdict))
                }));
            }
            Err(verdict) => {
                met.extend(std::mem::take(&mut new).into_iter().map(|name| (name, Err(verdict.clone()))));
            }
        }
        for chunk in new.chunks(create.at_most()) {
            let data: Vec<Data> = chunk.iter().filter_map(|name| buyers.get(name).cloned()).collect();
            let made = self.create_customers(calls, create, chunk, &data).await;
            learn(ids, "customer", &made).await;
            not_made(ids, "customer", &made).await;
            let stop = made.values().any(|id| id.as_ref().is_err_and(|verdict| verdict.what == What::Account));
            met.extend(made);
            if stop {
                break;
            }
        }
        met
    }

    async fn create_customers(
        &self,
        calls: &Metered,
        request: &Request,
        names: &[String],
        buyers_data: &[Data],
    ) -> Known {
        let alike = |verdict: &Verdict| names.iter().map(|name| (name.clone(), Err(verdict.clone()))).collect();
        let key = names.first().map(String::as_str);
        let body = match self.ask(calls, Name::Customers, request, &buyers(buyers_data), key).await {
            Err(failure) => return alike(&failed(&failure, true).later()),
            Ok(answer) => match read(Name::Customers.as_str(), request, &answer, true) {
                Err(verdict) => return alike(&verdict.later()),
                Ok(body) => body,
            },
        };
        let items = items(request, &body).unwrap_or_default();
        let told = |place: usize, name: &str| -> Result<String, Verdict> {
            let is_it = |item: &&&Value| text_at(request.reference.as_ref(), item).as_deref() == Some(name);
            let item = match request.reference {
                Some(_) => items.iter().find(is_it),
                None => items.get(place),
            };
            let item =
                item.ok_or_else(|| Verdict::unknown("the answer to customers does not tell of this one").later())?;
            if let Some(said) = words_at(request.error.as_ref(), item) {
                return Err(Verdict::refused(Why::CustomerRefused { because: Box::new(Reason::Text(said)) }));
            }
            text_at(request.id.as_ref(), item)
                .ok_or_else(|| Verdict::unknown("the answer to customers has no id for this one").later())
        };
        names.iter().enumerate().map(|(place, name)| (name.clone(), told(place, name))).collect()
    }

    /// Names to ids: the remembered ones, and those the ERP knows. `needs`: which names each sale needs.
    #[allow(clippy::too_many_arguments, reason = "the two callers differ in exactly these")]
    async fn resolve(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        what: &str,
        mut needs: Vec<BTreeSet<String>>,
        afresh: bool,
        (key, request): (Name, &Request),
        missing: &(dyn Fn(&str) -> Verdict + Sync),
    ) -> Known {
        let names: BTreeSet<String> = needs.iter().flatten().cloned().collect();
        let mut known: Known = match cached(ids, what, &names, afresh).await {
            Ok(cached) => cached.into_iter().map(|(name, id)| (name, Ok(id))).collect(),
            Err(verdict) => return names.into_iter().map(|name| (name, Err(verdict.clone()))).collect(),
        };
        for names in &mut needs {
            names.retain(|name| !known.contains_key(name));
        }
        let mut wanted = Wanted::new(needs, request.at_most());
        let too_long = wanted.give_up_the_longest();
        let mut asking = Asking { rest: self, calls, key, request, answered: false };
        let mut groups: Vec<Vec<String>> = Vec::new();
        while let Some(mut group) = groups.pop().or_else(|| wanted.next_call()) {
            // Whoever needed it is given up meanwhile.
            group.retain(|name| wanted.needs(name));
            if group.is_empty() {
                continue;
            }
            match asking.look_for(&group).await {
                Ok(found) => {
                    learn(ids, what, &found).await;
                    for name in group {
                        let id = found.get(&name).cloned().unwrap_or_else(|| Err(missing(&name)));
                        if id.as_ref().is_err_and(|verdict| !verdict.is_absence()) {
                            wanted.missing(&name);
                        }
                        known.insert(name, id);
                    }
                }
                // One name spoils the call for all: halves find it.
                Err(verdict) if verdict.is_of_the_call() && group.len() > 1 => {
                    let half = group.split_off(group.len() / 2);
                    groups.extend([half, group]);
                }
                Err(verdict) if verdict.is_of_the_call() && asking.others_pass().await => {
                    for name in group {
                        wanted.missing(&name);
                        known.insert(name, Err(verdict.clone().of_the_order()));
                    }
                }
                Err(verdict) => {
                    // No further call: they would all say the same.
                    let verdict = if verdict.is_of_the_call() { verdict.of_the_account() } else { verdict };
                    if verdict.what == What::Account {
                        group.extend(groups.drain(..).flatten());
                        while let Some(more) = wanted.next_call() {
                            group.extend(more);
                        }
                    }
                    known.extend(group.into_iter().map(|name| (name, Err(verdict.clone()))));
                }
            }
        }
        let calls = MOST_CALLS;
        for name in too_long {
            known.entry(name).or_insert_with(|| {
                Err(Verdict::refused(Why::TooManyArticles { calls, request: key.as_str().to_owned() }))
            });
        }
        known
    }

    /// One call: the ids of those of `names` that are there.
    async fn look_for(
        &self,
        calls: &Metered,
        key: Name,
        request: &Request,
        names: &[String],
    ) -> Result<Known, Verdict> {
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        let (all, one) = if key == Name::Products { ("skus", "sku") } else { ("references", "reference") };
        let data = wanted(all, one, &listed);
        let answer = self.ask(calls, key, request, &data, None).await.map_err(|failure| failed(&failure, false))?;
        if request.none.contains(&answer.status.as_u16()) {
            return Ok(Known::new());
        }
        let body = read(key.as_str(), request, &answer, false)?;
        let items = items(request, &body).ok_or_else(|| {
            Verdict::new(What::Account, Kind::Unavailable, format!("{}: the answer has nothing at items", key.as_str()))
        })?;
        Ok(told(request, &items))
    }
}

/// Looking names up, and whether that works at all.
struct Asking<'a> {
    rest: &'a Rest,
    calls: &'a Metered,
    key: Name,
    request: &'a Request,
    /// Whether a call was answered.
    answered: bool,
}

impl Asking<'_> {
    async fn look_for(&mut self, names: &[String]) -> Result<Known, Verdict> {
        let found = self.rest.look_for(self.calls, self.key, self.request, names).await;
        self.answered |= found.is_ok();
        found
    }

    /// Whether calls with other names are answered: if none was, one with a name that nobody has tells.
    async fn others_pass(&mut self) -> bool {
        self.answered || self.look_for(&[NOBODY.to_owned()]).await.is_ok()
    }
}

/// A name that nothing has.
const NOBODY: &str = "puente-probe";

/// The ids that items tell, by the names they carry.
fn told(request: &Request, items: &[&Value]) -> Known {
    let mut found = Known::new();
    for item in items {
        let (Some(name), Some(id)) = (text_at(request.reference.as_ref(), item), text_at(request.id.as_ref(), item))
        else {
            continue;
        };
        // Once in doubt it stays so, whatever a third entry says.
        let twice = found.get(&name).is_some_and(|other: &Result<String, Verdict>| other.as_ref().ok() != Some(&id));
        let id = if twice { Err(Verdict::refused(Why::FoundTwice { name: name.clone() })) } else { Ok(id) };
        found.insert(name, id);
    }
    found
}

/// What a sale needs, or the first reason why it cannot have it.
fn resolved<'a>(sale: &'a Job, products: &'a Known, customers: &'a Known) -> Result<Resolved<'a>, Verdict> {
    let mut resolved = Resolved::default();
    for sku in sale.order.lines.iter().filter_map(|line| map::sku(sale, line)) {
        if let Some(id) = products.get(sku) {
            resolved.products.insert(sku, id.as_ref().map_err(Clone::clone)?);
        }
    }
    if let Some(reference) = map::customer_reference(sale)
        && let Some(id) = customers.get(reference.as_str())
    {
        resolved.customer = Some(id.as_ref().map_err(Clone::clone)?);
    }
    Ok(resolved)
}

async fn cached(
    ids: &dyn Ids,
    what: &str,
    names: &BTreeSet<String>,
    afresh: bool,
) -> Result<HashMap<String, String>, Verdict> {
    let unavailable = |error: Error| Verdict::new(What::NotNow, error.kind(), error.to_string());
    let keys: Vec<String> = names.iter().map(|name| format!("{what}/{name}")).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    if afresh {
        ids.forget(&keys).await.map_err(unavailable)?;
        return Ok(HashMap::new());
    }
    let cached = ids.ids(&keys).await.map_err(unavailable)?;
    Ok(names.iter().zip(&keys).filter_map(|(name, key)| Some((name.clone(), cached.get(key)?.clone()))).collect())
}

/// Writes down that these are about to be made; answers those that may not be made now, with how long.
async fn begin(ids: &dyn Ids, what: &str, names: &[String]) -> Result<HashMap<String, Duration>, Verdict> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<String> = names.iter().map(|name| format!("{what}/{name}")).collect();
    let in_doubt = ids.begin(&keys).await;
    let in_doubt = in_doubt.map_err(|error| Verdict::new(What::NotNow, error.kind(), error.to_string()))?;
    Ok(names.iter().zip(&keys).filter_map(|(name, key)| Some((name.clone(), *in_doubt.get(key)?))).collect())
}

/// Remembers the ids that were found. Forgetting one costs a call, no more, so a failure is no reason to stop.
async fn learn(ids: &dyn Ids, what: &str, found: &Known) {
    let pairs: Vec<(String, String)> =
        found.iter().filter_map(|(name, id)| Some((format!("{what}/{name}"), id.as_ref().ok()?.clone()))).collect();
    if !pairs.is_empty()
        && let Err(error) = ids.learn(&pairs).await
    {
        Event::IdsNotKept { error: &error }.log();
    }
}

/// What for certain was not made needs no look-up that can be trusted before it is tried again.
async fn not_made(ids: &dyn Ids, what: &str, tried: &Known) {
    let certain = |verdict: &Verdict| match verdict.what {
        What::Ambiguous | What::Account => true,
        // Refused together, a part may have been made.
        What::Refused => tried.len() == 1,
        What::NotNow | What::Unknown | What::Exists => false,
    };
    let names: Vec<String> = tried
        .iter()
        .filter(|(_, id)| id.as_ref().is_err_and(certain))
        .map(|(name, _)| format!("{what}/{name}"))
        .collect();
    if !names.is_empty()
        && let Err(error) = ids.ended(&names).await
    {
        Event::IdsNotForgotten { error: &error }.log();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_code_that_two_entries_have_is_nobodys_also_with_a_third() {
        let request: Request = toml::from_str("reference = '/sku'\nid = '/id'").unwrap();
        let of = |ids: &[u32]| {
            let items: Vec<Value> = ids.iter().map(|id| json!({"sku": "A", "id": id})).collect();
            told(&request, &items.iter().collect::<Vec<_>>()).remove("A").unwrap().ok()
        };
        assert_eq!(of(&[1]).as_deref(), Some("1"));
        assert_eq!(of(&[1, 1]).as_deref(), Some("1"), "the same entry twice");
        for ids in [&[1, 2][..], &[1, 2, 1], &[1, 2, 2], &[1, 2, 3]] {
            assert_eq!(of(ids), None, "{ids:?}");
        }
    }
}
