//! Before a sale can be created: its books, its products and its customer. All sales of a batch are resolved together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use minijinja::{Value as Data, context};
use serde_json::Value;

use super::{
    Rest,
    answer::{Verdict, What, failed, items, read, text_at, words_at},
    foreseen::foreseen,
    map::{self, Resolved},
    wire::Request,
};
use crate::{
    Error, Kind, Result,
    erp::{
        Draft, Ids, Sale, Setback,
        totals::{Booked, settle},
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
        sales: &[Sale],
        afresh: bool,
    ) -> Vec<Result<Draft, Setback>> {
        let books: Vec<Result<Booked>> = sales.iter().map(|sale| self.books(sale)).collect();
        let sound: Vec<&Sale> =
            sales.iter().zip(&books).filter(|(_, books)| books.is_ok()).map(|(sale, _)| sale).collect();
        let products = self.products(calls, ids, &sound, afresh).await;
        let customers = self.customers(calls, ids, &sound, &products, afresh).await;
        sales
            .iter()
            .zip(books)
            .map(|(sale, books)| {
                let booked = books.map_err(Setback::Refused)?;
                let resolved = resolved(sale, &products, &customers).map_err(|verdict| verdict.setback())?;
                self.draft(sale, &resolved, booked).map_err(Setback::Refused)
            })
            .collect()
    }

    /// What is booked beside the order's own lines, so that the ERP comes to the store's total.
    pub(super) fn books(&self, sale: &Sale) -> Result<Booked> {
        let foreseen = foreseen(&sale.order, self.section.tax_rounding);
        let told = || {
            let (store, erp) = (sale.order.tax, foreseen.tax.normalize());
            format!("the store's tax is {store} and the ERP would compute {erp} from its rates (tax_rounding)")
        };
        let booked = settle(sale, foreseen.difference, told)?;
        if booked == Booked::default() || self.carries_rounding {
            return Ok(booked);
        }
        let words = "rounding leaves a difference to the store's total, and the template `document` has no place for it: let it go \
                     through all of order.charges";
        Err(Error::new(Kind::Refused, words))
    }

    async fn products(&self, calls: &Metered, ids: &dyn Ids, sales: &[&Sale], afresh: bool) -> Known {
        let Some(request) = &self.section.products else { return Known::new() };
        let lines = sales.iter().flat_map(|sale| sale.order.lines.iter().filter_map(|line| map::sku(sale, line)));
        let skus: BTreeSet<String> = lines.map(str::to_owned).collect();
        let missing = |sku: &str| {
            Verdict::refused(format!(
                "the ERP has no article with the code {sku:?}: create it there, or name another in orders.sku"
            ))
        };
        self.resolve(calls, ids, "product", skus, afresh, ("products", request), &missing).await
    }

    /// Customers by reference: known, found, or created.
    async fn customers(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        sales: &[&Sale],
        products: &Known,
        afresh: bool,
    ) -> Known {
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
                self.resolve(calls, ids, "customer", names, afresh, ("find_customers", find), &|_| absent()).await
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
                new.retain(|name| !in_doubt.contains(name));
                met.extend(in_doubt.into_iter().map(|name| {
                    let words = format!("the customer {name} is being created, and cannot be looked up yet");
                    (name, Err(Verdict::new(What::NotNow, Kind::Unavailable, words)))
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
        let body = match self.ask(calls, "customers", request, &buyers(buyers_data), key).await {
            Err(failure) => return alike(&failed(&failure, true).later()),
            Ok(answer) => match read("customers", request, &answer, true) {
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
            if let Some(words) = words_at(request.error.as_ref(), item) {
                return Err(Verdict::refused(format!("the ERP refused the customer: {words}")));
            }
            text_at(request.id.as_ref(), item)
                .ok_or_else(|| Verdict::unknown("the answer to customers has no id for this one").later())
        };
        names.iter().enumerate().map(|(place, name)| (name.clone(), told(place, name))).collect()
    }

    /// Names to ids: the remembered ones, and those the ERP knows.
    #[allow(clippy::too_many_arguments, reason = "the two callers differ in exactly these")]
    async fn resolve(
        &self,
        calls: &Metered,
        ids: &dyn Ids,
        what: &str,
        names: BTreeSet<String>,
        afresh: bool,
        (key, request): (&str, &Request),
        missing: &(dyn Fn(&str) -> Verdict + Sync),
    ) -> Known {
        let mut known: Known = match cached(ids, what, &names, afresh).await {
            Ok(cached) => cached.into_iter().map(|(name, id)| (name, Ok(id))).collect(),
            Err(verdict) => return names.into_iter().map(|name| (name, Err(verdict.clone()))).collect(),
        };
        let unknown: Vec<String> = names.into_iter().filter(|name| !known.contains_key(name)).collect();
        let mut groups: Vec<Vec<String>> = unknown.chunks(request.at_most()).rev().map(<[String]>::to_vec).collect();
        let mut refused_alone: Vec<String> = Vec::new();
        while let Some(mut group) = groups.pop() {
            let outcome = match self.look_for(calls, key, request, &group).await {
                Ok(found) => {
                    learn(ids, what, &found).await;
                    group
                        .iter()
                        .map(|name| (name.clone(), found.get(name).cloned().unwrap_or_else(|| Err(missing(name)))))
                        .collect()
                }
                // One name spoils the request for all: halves find it. Two that are refused alone are no name's fault.
                Err(verdict) if verdict.what == What::Refused && group.len() > 1 => {
                    let half = group.split_off(group.len() / 2);
                    groups.extend([half, group]);
                    continue;
                }
                Err(verdict) => {
                    if verdict.what == What::Refused {
                        refused_alone.extend(group.iter().cloned());
                    }
                    let stop = verdict.what == What::Account || refused_alone.len() > 1;
                    if stop {
                        // No further call: they would all say the same. And the first was no more guilty than the others.
                        group.extend(std::mem::take(&mut groups).into_iter().flatten());
                        group.append(&mut refused_alone);
                    }
                    let verdict = if stop { verdict.of_the_account() } else { verdict };
                    group.into_iter().map(|name| (name, Err(verdict.clone()))).collect::<Known>()
                }
            };
            known.extend(outcome);
        }
        known
    }

    /// One call: the ids of those of `names` that are there.
    async fn look_for(
        &self,
        calls: &Metered,
        key: &str,
        request: &Request,
        names: &[String],
    ) -> Result<Known, Verdict> {
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        let data =
            if key == "products" { wanted("skus", "sku", &listed) } else { wanted("references", "reference", &listed) };
        let answer = self.ask(calls, key, request, &data, None).await.map_err(|failure| failed(&failure, false))?;
        if request.none.contains(&answer.status.as_u16()) {
            return Ok(Known::new());
        }
        let body = read(key, request, &answer, false)?;
        let items = items(request, &body).ok_or_else(|| {
            Verdict::new(What::Account, Kind::Unavailable, format!("{key}: the answer has nothing at items"))
        })?;
        Ok(told(request, &items))
    }
}

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
        let id = if twice {
            Err(Verdict::refused(format!("the ERP has more than one entry with the code {name:?}: keep one of them")))
        } else {
            Ok(id)
        };
        found.insert(name, id);
    }
    found
}

/// What a sale needs, or the first reason why it cannot have it.
fn resolved<'a>(sale: &'a Sale, products: &'a Known, customers: &'a Known) -> Result<Resolved<'a>, Verdict> {
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

/// Writes down that these are about to be made; answers those that may not be made now.
async fn begin(ids: &dyn Ids, what: &str, names: &[String]) -> Result<HashSet<String>, Verdict> {
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let keys: Vec<String> = names.iter().map(|name| format!("{what}/{name}")).collect();
    let in_doubt = ids.begin(&keys).await;
    let in_doubt = in_doubt.map_err(|error| Verdict::new(What::NotNow, error.kind(), error.to_string()))?;
    Ok(names.iter().zip(&keys).filter(|(_, key)| in_doubt.contains(*key)).map(|(name, _)| name.clone()).collect())
}

/// Remembers the ids that were found. Forgetting one costs a call, no more, so a failure is no reason to stop.
async fn learn(ids: &dyn Ids, what: &str, found: &Known) {
    let pairs: Vec<(String, String)> =
        found.iter().filter_map(|(name, id)| Some((format!("{what}/{name}"), id.as_ref().ok()?.clone()))).collect();
    if !pairs.is_empty()
        && let Err(error) = ids.learn(&pairs).await
    {
        tracing::warn!(%error, "ids.not_remembered");
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
