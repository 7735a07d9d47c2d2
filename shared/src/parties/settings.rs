//! The configuration as the flows see it: one connection or account at a time, each built when first asked for.

mod needs;
mod operators;
mod pricing;
mod selling;
mod shipping;

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{Account, Connection, MAX_ATTEMPTS, Pricing, Selling, Shipping, Terms};
use crate::{
    Error, Kind, Result,
    config::{
        Links, Secret, Section,
        limits::{AccountLimits, DoorLimits},
        plain_http,
        secret::{Keys, Vault},
        section::{ALLOW_INSECURE, GENERIC},
    },
    domain::{
        goods::{GoodsRules, number::Keeps},
        ids::{ConnectionId, ErpId, OperatorId},
        ledger::Limits,
        money::Amount,
        rules::{Mismatch, Rules},
        share::Shares,
    },
    erp::ERPS,
    ports::{Bundle, Secrets},
    store::{Row, STORES},
};

pub use needs::{Door, Needs};

/// The configuration as the flows see it: one connection or account at a time, so that a function with ten thousand
/// connections fetches the secrets of the one it serves.
pub struct Settings {
    vault: Vault,
    connections: BTreeMap<ConnectionId, Entry<Connection>>,
    accounts: BTreeMap<ErpId, Entry<Account>>,
    /// The connections that take part in the stock of each account.
    selling: BTreeMap<ErpId, Arc<[Selling]>>,
    /// The connections whose stores are told what each account sent.
    shipping: BTreeMap<ErpId, Arc<[Shipping]>>,
    /// The connections whose stores are told prices, by account.
    pricing: BTreeMap<ErpId, Arc<[Pricing]>>,
    operators: BTreeMap<OperatorId, Entry<operators::Keyed>>,
}

/// A part of the file, and what was built from it.
struct Entry<T> {
    section: Section,
    /// For a connection: its ERP; for an account: nothing.
    erp: Option<ErpId>,
    built: OnceCell<Arc<T>>,
    /// For a connection: built for its callers.
    entrance: OnceCell<Arc<T>>,
}

impl<T> Entry<T> {
    /// A part whose secrets are not fetched yet.
    fn new(section: Section, erp: Option<ErpId>) -> Self {
        Self { section, erp, built: OnceCell::new(), entrance: OnceCell::new() }
    }

    /// A part built by hand.
    fn built(section: Section, erp: Option<ErpId>, part: T) -> Self {
        let part = Some(Arc::new(part));
        let (built, entrance) = (OnceCell::new_with(part.clone()), OnceCell::new_with(part));
        Self { built, entrance, ..Self::new(section, erp) }
    }
}

/// What every connection says, whatever its store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a part such as [connection.NAME]")]
struct ConnectionHead {
    erp: ErpId,
    #[serde(default)]
    key: Keys,
    #[serde(default)]
    orders: Rules,
    #[serde(default)]
    limits: DoorLimits,
    #[serde(default)]
    goods: GoodsRules,
}

/// What every ERP account says, whatever its ERP.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a part such as [erp.NAME]")]
struct AccountHead {
    #[serde(default)]
    limits: AccountLimits,
    #[serde(default = "max_attempts")]
    max_attempts: NonZeroU32,
    #[serde(default)]
    look_up_first: bool,
    #[serde(default)]
    links: Links,
    /// Read by [`plain_http`].
    #[serde(default, rename = "allow_insecure")]
    _allow_insecure: bool,
}

fn max_attempts() -> NonZeroU32 {
    MAX_ATTEMPTS
}

impl Settings {
    /// Parses the text of `file`. Secrets are fetched when a connection or account is first asked for; everything that can
    /// be told without them is told here, all of it at once.
    pub fn parse(text: &str, file: &str, secrets: Arc<dyn Secrets>) -> Result<Self> {
        let root = Section::parse(text, file)?;
        let mut wrong: Vec<Error> = root.written_out().collect();
        for key in root.keys().filter(|key| !["erp", "connection", "operator"].contains(key)) {
            let why = "unknown key: a file has [erp.NAME], [connection.NAME] and [operator.NAME] parts";
            wrong.push(root.refuse(key, why));
        }
        let accounts = named(&root, "erp", &mut wrong, |section| {
            kind(section, ERPS.iter().map(|row| row.kind))?;
            account_head(section, true)?;
            plain_http::check(section)?;
            Ok(None)
        });
        let connections = named(&root, "connection", &mut wrong, |section| {
            let head = connection_head(section, true)?;
            if !accounts.contains_key(&head.erp)
                && root.child("erp").and_then(|all| all.child(head.erp.as_str())).is_none()
            {
                let known = accounts.keys().map(ErpId::as_str).collect::<Vec<_>>().join(", ");
                return Err(section.refuse("erp", format!("there is no [erp.{}] (there is: {known})", head.erp)));
            }
            let store = section.child("store").ok_or_else(|| section.refuse("", "missing field `store`"))?;
            let row = row(&store, STORES, |row| row.kind)?;
            let mut words: Vec<_> = head.orders.statuses.keys().collect();
            words.sort_unstable();
            for word in words {
                (row.explainable)(word).map_err(|why| section.refuse(&format!("orders.statuses.{word}"), why))?;
            }
            store_limits(&store, &row)?;
            plain_http::check(&store)?;
            can_be_told(section, &store, &row, &head.goods)?;
            Ok(Some(head.erp))
        });
        let shops = root.child("connection");
        let is_there = |name: &str| shops.as_ref().is_some_and(|shops| shops.keys().any(|shop| shop == name));
        let operators = named(&root, "operator", &mut wrong, |section| {
            operators::check(section, is_there)?;
            Ok(None)
        });
        all_or(wrong)?;
        let (selling, shipping) = (selling::read(&connections)?, shipping::read(&connections)?);
        let pricing = pricing::read(&connections)?;
        let settings =
            Self { vault: Vault::of(file, secrets), connections, accounts, selling, shipping, pricing, operators };
        let shares = settings.accounts.iter().map(|(id, entry)| settings.shares(id, &entry.section));
        all_or(shares.filter_map(Result::err).collect())?;
        Ok(settings)
    }

    /// The shares of an account's day that its connections are guaranteed.
    fn shares(&self, account: &ErpId, section: &Section) -> Result<Shares> {
        let ours = self.connections.iter().filter(|(_, entry)| entry.erp.as_ref() == Some(account));
        let given = ours.map(|(id, entry)| Ok((id.clone(), connection_head(&entry.section, true)?.limits.share())));
        Shares::of(given.collect::<Result<Vec<_>>>()?).ok_or_else(|| {
            section
                .refuse("limits", "the `limits.share` of its connections are more than 1 together: lower some of them")
        })
    }

    /// Settings of parts built by hand: for simulations, whose stores and ERPs are models.
    pub fn fixed(connections: Vec<Connection>, accounts: Vec<Account>) -> Result<Self> {
        let nothing = Section::parse("", "nothing")?;
        let connections = connections.into_iter().map(|connection| {
            let (id, erp) = (connection.id.clone(), Some(connection.erp.clone()));
            (id, Entry::built(nothing.clone(), erp, connection))
        });
        let accounts =
            accounts.into_iter().map(|account| (account.id.clone(), Entry::built(nothing.clone(), None, account)));
        let (connections, accounts) = (connections.collect(), accounts.collect());
        let vault = Vault::of("nothing", Arc::new(NoSecrets));
        let (selling, shipping) = (selling::read(&connections)?, shipping::read(&connections)?);
        let pricing = pricing::read(&connections)?;
        Ok(Self { vault, connections, accounts, selling, shipping, pricing, operators: BTreeMap::new() })
    }

    /// The names of all connections.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.keys().cloned().collect()
    }

    /// The names of all ERP accounts.
    #[must_use]
    pub fn accounts(&self) -> Vec<ErpId> {
        self.accounts.keys().cloned().collect()
    }

    /// The connections whose orders go to the account of that name.
    #[must_use]
    pub fn connections_of(&self, erp: &str) -> Vec<ConnectionId> {
        let goes_there = |entry: &Entry<Connection>| entry.erp.as_ref().is_some_and(|id| id.as_str() == erp);
        self.connections.iter().filter(|(_, entry)| goes_there(entry)).map(|(id, _)| id.clone()).collect()
    }

    /// What is said of an ERP account beside its connector, told without its credentials; `None` if there is none of that name.
    pub fn terms(&self, erp: &ErpId) -> Result<Option<Terms>> {
        let Some(entry) = self.accounts.get(erp) else { return Ok(None) };
        if let Some(account) = entry.built.get() {
            let (limits, shares, links) = (account.limits.clone(), account.shares.clone(), account.links.clone());
            return Ok(Some(Terms { limits, shares, max_attempts: account.max_attempts, links }));
        }
        let head = account_head(&entry.section, true)?;
        let (limits, shares) = (head.limits.of_erp(), self.shares(erp, &entry.section)?);
        let links = links(head.links, &entry.section)?;
        Ok(Some(Terms { limits, shares, max_attempts: head.max_attempts.get(), links }))
    }

    /// How often a connection's store may be asked, told without its credentials; `None` if nobody has said, or there is no connection
    /// of that name.
    pub fn store_limits(&self, connection: &ConnectionId) -> Result<Option<Limits>> {
        let Some(entry) = self.connections.get(connection) else { return Ok(None) };
        if let Some(connection) = entry.built.get() {
            return Ok(connection.limits.clone());
        }
        let Some(store) = entry.section.child("store") else { return Ok(None) };
        store_limits(&store, &row(&store, STORES, |row| row.kind)?)
    }

    /// The connections that take part in the stock of an ERP account.
    #[must_use]
    pub fn selling(&self, erp: &ErpId) -> Arc<[Selling]> {
        self.selling.get(erp).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// The connections whose stores are told what an ERP account sent.
    #[must_use]
    pub fn shipping(&self, erp: &ErpId) -> Arc<[Shipping]> {
        self.shipping.get(erp).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// The connections whose stores are told the prices of an ERP account.
    #[must_use]
    pub fn pricing(&self, erp: &ErpId) -> Arc<[Pricing]> {
        self.pricing.get(erp).cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// Whether there is a connection of that name.
    #[must_use]
    pub fn has(&self, connection: &ConnectionId) -> bool {
        self.connections.contains_key(connection)
    }

    /// Which ERP account a connection's orders go to; `None` if there is no connection of that name. Nothing is built for it.
    #[must_use]
    pub fn erp_of(&self, connection: &ConnectionId) -> Option<ErpId> {
        self.connections.get(connection)?.erp.clone()
    }

    /// The connections without a `key`: anybody who reaches their address may post. Only good on loopback.
    #[must_use]
    pub fn keyless(&self) -> Vec<ConnectionId> {
        let keyless = |(id, entry): (&ConnectionId, &Entry<Connection>)| {
            let keyless = match entry.built.get() {
                Some(connection) => connection.keys.is_empty(),
                None => entry.section.keys().all(|key| key != "key"),
            };
            keyless.then(|| id.clone())
        };
        self.connections.iter().filter_map(keyless).collect()
    }

    /// The connections with two keys: one of them is being changed, and the old one still opens.
    #[must_use]
    pub fn changing_keys(&self) -> Vec<ConnectionId> {
        let changing = |(id, entry): (&ConnectionId, &Entry<Connection>)| {
            let keys = match entry.built.get() {
                Some(connection) => connection.keys.len(),
                None => entry.section.references_in("key").count(),
            };
            (keys > 1).then(|| id.clone())
        };
        self.connections.iter().filter_map(changing).collect()
    }

    /// One connection as the flows meet it, with what opens its store. What its callers show is not fetched: nobody can be let in
    /// with it. `None` if there is none of that name.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        let Some(entry) = self.connections.get(id) else { return Ok(None) };
        let build = || async { all_in_one(self.build_connection(id, entry, Bundle::Worker(id.clone())).await) };
        entry.built.get_or_try_init(build).await.cloned().map(Some)
    }

    /// Why a connection's store cannot be asked what changed: which keys are missing. From the configuration alone, without a secret;
    /// `None` if nothing is missing, or there is no such connection.
    #[must_use]
    pub fn cannot_fetch(&self, id: &ConnectionId) -> Option<String> {
        let store = self.connections.get(id)?.section.child("store")?;
        let row = STORES.iter().find(|row| Some(row.kind) == store.text("kind"))?;
        if row.fetched_with.iter().any(|keys| keys.iter().all(|key| store.has(key))) {
            return None;
        }
        let keys: Vec<String> = row.fetched_with.iter().map(|keys| keys.join(" and ")).collect();
        Some(if keys.is_empty() {
            format!("connection {id}: nobody can ask a store of the kind `{}`, it sends its orders by itself", row.kind)
        } else {
            let keys = keys.join(", or ");
            format!(
                "connection {id}: its store cannot be asked: connection.{id}.store lacks {keys} in the configuration"
            )
        })
    }

    /// One connection as its callers meet it, with its keys and what their signatures are checked with. What opens its store is not
    /// fetched: [`crate::store::Store::can_fetch`] says whether there is any, and nothing can be fetched with it. `None` if there is
    /// none of that name.
    pub async fn entrance(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        let Some(entry) = self.connections.get(id) else { return Ok(None) };
        let build = || async { all_in_one(self.build_connection(id, entry, Bundle::Edge(id.clone())).await) };
        entry.entrance.get_or_try_init(build).await.cloned().map(Some)
    }

    /// One ERP account; `None` if there is none of that name.
    pub async fn account(&self, id: &ErpId) -> Result<Option<Arc<Account>>> {
        let Some(entry) = self.accounts.get(id) else { return Ok(None) };
        entry
            .built
            .get_or_try_init(|| async { all_in_one(self.build_account(id, entry).await) })
            .await
            .cloned()
            .map(Some)
    }

    /// Fetches everything at once: a missing secret or a wrong section is told before anything starts, all of them together.
    pub async fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for id in self.accounts.keys() {
            wrong.extend(self.account(id).await.err());
        }
        for id in self.connections.keys() {
            let both = [self.entrance(id).await.err(), self.connection(id).await.err()];
            // What is wrong whoever meets it is told once.
            let told: BTreeMap<String, Error> =
                both.into_iter().flatten().map(|error| (error.to_string(), error)).collect();
            wrong.extend(told.into_values());
        }
        wrong.extend(self.check_operators().await);
        all_or(wrong)
    }

    async fn build_connection(
        &self,
        id: &ConnectionId,
        entry: &Entry<Connection>,
        bundle: Bundle,
    ) -> Result<Arc<Connection>, Vec<Error>> {
        let edge = matches!(bundle, Bundle::Edge(_));
        let of = |path: &str| if edge { edge_reads(&entry.section, path) } else { !is_edge(path) };
        let section = entry.section.clone().resolve(&self.vault, &bundle, of).await?;
        let build = || {
            let head = connection_head(&section, false)?;
            let store = section.child("store").ok_or_else(|| section.refuse("", "missing field `store`"))?;
            let row = row(&store, STORES, |row| row.kind)?;
            let limits = store_limits(&store, &row)?;
            let own = store.without(&["kind", "limits", ALLOW_INSECURE]);
            let store = (row.build)(&own).map_err(|error| own.place(error))?;
            let keys = head.key.0;
            long_enough(&section, "key", &keys)?;
            let entrance = store.entrance();
            long_enough(&own, "api_keys", entrance.api_keys())?;
            long_enough(&own, "webhook_secrets", entrance.signed().map_or(&[], |signed| signed.secrets))?;
            if entrance.api_keys().iter().any(|api_key| Secret::which(&keys, api_key.expose()).is_some()) {
                let why =
                    "one of them is the connection's key, which webhook addresses carry: it needs a secret of its own";
                return Err(own.refuse("api_keys", why));
            }
            Ok(Arc::new(Connection {
                id: id.clone(),
                erp: head.erp,
                keys,
                store,
                limits,
                orders: head.orders,
                goods: head.goods,
                keeps: row.keeps,
                front_door: head.limits.into(),
            }))
        };
        build().map_err(|error| vec![error])
    }

    async fn build_account(&self, id: &ErpId, entry: &Entry<Account>) -> Result<Arc<Account>, Vec<Error>> {
        let bundle = Bundle::Erp(id.clone());
        let section = entry.section.clone().resolve(&self.vault, &bundle, |_| true).await?;
        let build = || {
            let head = account_head(&section, false)?;
            let row = row(&section, ERPS, |row| row.kind)?;
            let own = section.clone().without(&GENERIC);
            Ok(Arc::new(Account {
                id: id.clone(),
                erp: (row.build)(&own).map_err(|error| own.place(error))?,
                limits: head.limits.of_erp(),
                connections: self.connections_of(id.as_str()),
                shares: self.shares(id, &entry.section)?,
                max_attempts: head.max_attempts.get(),
                look_up_first: head.look_up_first,
                links: links(head.links, &section)?,
            }))
        };
        build().map_err(|error| vec![error])
    }
}

/// Whether a connection's secret, by its path in its part, is one that callers show or sign with. Whatever else its store has opens
/// that store: a secret of a kind that is not known here stays away from what faces the internet.
fn is_edge(path: &str) -> bool {
    let mut keys = path.split(['.', '[']);
    keys.next() != Some("store") || matches!(keys.next(), Some("webhook_secrets" | "api_keys"))
}

/// Whether what faces the internet reads a connection's secret: what callers show or sign with. An app's own secret signs its webhooks
/// too, unless the part says with what else they are signed (`docs/decisions/tokens.md`).
fn edge_reads(section: &Section, path: &str) -> bool {
    is_edge(path) || signs(section, path)
}

/// Whether a secret of a connection that opens its store signs its webhooks as well.
fn signs(section: &Section, path: &str) -> bool {
    let store = || section.child("store");
    path == "store.client_secret" && store().is_some_and(|store| store.keys().all(|key| key != "webhook_secrets"))
}

/// Parts built by hand refer to no secrets.
struct NoSecrets;

#[async_trait::async_trait]
impl Secrets for NoSecrets {
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, secrecy::SecretString>> {
        Err(Error::new(Kind::Config, format!("there is no secret `{bundle}`")))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("accounts", &self.accounts.keys())
            .field("connections", &self.connections.keys())
            .finish_non_exhaustive()
    }
}

/// The entries of `[what.*]`, each checked; what is wrong is collected.
fn named<I, T>(
    root: &Section,
    what: &str,
    wrong: &mut Vec<Error>,
    check: impl Fn(&Section) -> Result<Option<ErpId>>,
) -> BTreeMap<I, Entry<T>>
where
    I: TryFrom<String, Error = Error> + Ord,
{
    let mut entries = BTreeMap::new();
    let Some(all) = root.child(what) else { return entries };
    if !all.is_table() {
        wrong.push(root.refuse(what, format!("is not a part such as [{what}.NAME]")));
    }
    for (name, section) in all.tables() {
        let entry = I::try_from(name.clone()).map_err(|error| all.refuse(&name, error)).and_then(|id| {
            let erp = check(&section)?;
            Ok((id, Entry::new(section, erp)))
        });
        match entry {
            Ok((id, entry)) => {
                entries.insert(id, entry);
            }
            Err(error) => wrong.push(error),
        }
    }
    entries
}

/// The part of a connection that is not its store's; `early`: before its secrets are fetched.
fn connection_head(section: &Section, early: bool) -> Result<ConnectionHead> {
    let mut own = section.clone().without(&["store"]);
    if own.child("orders").is_some_and(|orders| orders.keys().any(|key| key == "unknown_sku")) {
        let why = "is no key any more: an article that the ERP does not know always makes its order wait; take it out";
        return Err(own.refuse("orders.unknown_sku", why));
    }
    if early {
        own.stand_in();
    }
    let head: ConnectionHead = own.read()?;
    let Rules { total_mismatch, adjust_limit, .. } = head.orders;
    if total_mismatch == Mismatch::Adjust && adjust_limit <= Amount::ZERO {
        let why = "`total_mismatch = \"adjust\"` needs the largest difference that may be booked, such as \"0.05\"";
        return Err(own.refuse("orders.adjust_limit", why));
    }
    if let Err((key, error)) = head.goods.check() {
        return Err(own.refuse(&format!("goods.{key}"), error));
    }
    Ok(head)
}

/// The part of an account that is not its ERP's; `early`: before its secrets are fetched.
fn account_head(section: &Section, early: bool) -> Result<AccountHead> {
    let others: Vec<&str> = section.keys().filter(|key| *key == "kind" || !GENERIC.contains(key)).collect();
    let mut own = section.clone().without(&others);
    if early {
        own.stand_in();
    }
    own.read()
}

/// Where people look at an account's documents: as its part says, else as such ERPs have it.
fn links(given: Links, section: &Section) -> Result<Links> {
    Ok(given.or((row(section, ERPS, |row| row.kind)?.links)(section)))
}

/// Refuses goods that the store of a connection cannot be told.
fn can_be_told(section: &Section, store: &Section, row: &Row, goods: &GoodsRules) -> Result<()> {
    let lacks = row.told_with.iter().find(|key| store.keys().all(|there| there != **key));
    for (key, wanted, can, what) in [
        ("goods.stock", goods.is_on(), row.keeps.is_some(), "its stock"),
        ("goods.prices", goods.prices(), row.prices, "its prices"),
        ("goods.shipments", goods.ships(), row.ships, "what was sent"),
    ] {
        if wanted && !can {
            let why = format!("nobody can tell a store of the kind `{}` {what}: take it out", row.kind);
            return Err(section.refuse(key, why));
        }
        if let Some(lacks) = lacks.filter(|_| wanted) {
            let why = format!("nobody can tell this store {what}: {}.{lacks} says where, and is missing", store.path());
            return Err(section.refuse(key, why));
        }
    }
    Ok(())
}

/// How often a store of that kind may be asked: as its part says, else as its vendor does.
fn store_limits(store: &Section, row: &Row) -> Result<Option<Limits>> {
    let given: AccountLimits = store.child("limits").map_or_else(|| Ok(AccountLimits::default()), |own| own.read())?;
    let nothing = given.is_empty();
    let limits = given.of_store(row.rate);
    if limits.is_none() && !nothing {
        let why = "need a `rate`, such as { rate = \"5/s\" }: no rate of such stores is known";
        return Err(store.refuse("limits", why));
    }
    Ok(limits)
}

/// Refuses a secret that could be tried out, at its place: under `key`, alone or in a list.
fn long_enough(section: &Section, key: &str, secrets: &[Secret]) -> Result<()> {
    for (at, secret) in secrets.iter().enumerate() {
        if let Some(why) = secret.too_short() {
            let place = format!("{key}[{at}]");
            return Err(section.refuse(if section.has(&place) { &place } else { key }, why));
        }
    }
    Ok(())
}

/// The section's `kind`, if it is one of `kinds`.
fn kind(section: &Section, kinds: impl Iterator<Item = &'static str>) -> Result<&'static str> {
    let kinds: Vec<_> = kinds.collect();
    let known = kinds.join(", ");
    let wanted = section.text("kind").ok_or_else(|| section.refuse("kind", format!("missing: one of {known}")))?;
    let found = kinds.into_iter().find(|kind| *kind == wanted);
    found.ok_or_else(|| section.refuse("kind", format!("there is no `{wanted}`; the kinds are: {known}")))
}

/// The row of the section's `kind`.
fn row<R: Copy>(section: &Section, rows: &[R], of: impl Fn(&R) -> &'static str) -> Result<R> {
    let kind = kind(section, rows.iter().map(&of))?;
    rows.iter().find(|row| of(row) == kind).copied().ok_or_else(|| section.refuse("kind", "has no row"))
}

/// Nothing, or everything that is wrong in one message, a line each.
fn all_or(wrong: Vec<Error>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { all_in_one(Err(wrong)) }
}

fn all_in_one<T>(result: Result<T, Vec<Error>>) -> Result<T> {
    result.map_err(|wrong| {
        let mut wrong = wrong;
        // One error alone keeps its kind: a secret store that cannot be reached is no mistake in the file.
        if wrong.len() == 1
            && let Some(only) = wrong.pop()
        {
            return only;
        }
        let lines: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        Error::new(Kind::Config, lines.join("\n"))
    })
}

#[cfg(test)]
mod tests;
