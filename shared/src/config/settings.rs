//! The configuration as the flows see it: one connection or account at a time, each built when first asked for.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    Account, Connection, GENERIC, Orders, Secret, Section,
    limits::{AccountLimits, DoorLimits},
    section::Vault,
};
use crate::{
    Error, Kind, Result,
    domain::ids::{ConnectionId, ErpId},
    erp::ERPS,
    ports::Secrets,
    store::STORES,
};

/// The configuration as the flows see it: one connection or account at a time, so that a function with ten thousand
/// connections fetches the secrets of the one it serves.
pub struct Settings {
    vault: Vault,
    connections: BTreeMap<ConnectionId, Entry<Connection>>,
    accounts: BTreeMap<ErpId, Entry<Account>>,
}

/// A part of the file, and what was built from it.
struct Entry<T> {
    section: Section,
    /// For a connection: its ERP; for an account: nothing.
    erp: Option<ErpId>,
    built: OnceCell<Arc<T>>,
}

/// What every connection says, whatever its store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a part such as [connection.NAME]")]
struct ConnectionHead {
    erp: ErpId,
    key: Option<Secret>,
    #[serde(default)]
    orders: Orders,
    #[serde(default)]
    limits: DoorLimits,
}

/// What every ERP account says, whatever its ERP.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a part such as [erp.NAME]")]
struct AccountHead {
    #[serde(default)]
    limits: AccountLimits,
    #[serde(default = "twelve")]
    max_attempts: std::num::NonZeroU32,
    #[serde(default)]
    look_up_first: bool,
}

/// With backoff up to an hour: about half a day.
fn twelve() -> std::num::NonZeroU32 {
    std::num::NonZeroU32::MIN.saturating_add(11)
}

impl Settings {
    /// Parses the text of `file`. Secrets are fetched when a connection or account is first asked for; everything that can
    /// be told without them is told here, all of it at once.
    pub fn parse(text: &str, file: &str, secrets: Arc<dyn Secrets>) -> Result<Self> {
        let root = Section::parse(text, file)?;
        let mut wrong: Vec<Error> = root.written_out().collect();
        for key in root.keys().filter(|key| !["erp", "connection"].contains(key)) {
            wrong.push(root.refuse(key, "unknown key: a file has [erp.NAME] and [connection.NAME] parts"));
        }
        let accounts = named(&root, "erp", &mut wrong, |section| {
            kind(section, ERPS.iter().map(|row| row.kind))?;
            account_head(section, true)?;
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
            kind(&store, STORES.iter().map(|row| row.kind))?;
            Ok(Some(head.erp))
        });
        all_or(wrong)?;
        Ok(Self { vault: Vault::of(file, secrets), connections, accounts })
    }

    /// Settings of parts built by hand: for simulations, whose stores and ERPs are models.
    pub fn fixed(connections: Vec<Connection>, accounts: Vec<Account>) -> Result<Self> {
        let nothing = Section::parse("", "nothing")?;
        let connections = connections.into_iter().map(|connection| {
            let (id, erp) = (connection.id.clone(), Some(connection.erp.clone()));
            (id, Entry { section: nothing.clone(), erp, built: OnceCell::new_with(Some(Arc::new(connection))) })
        });
        let accounts = accounts.into_iter().map(|account| {
            (
                account.id.clone(),
                Entry { section: nothing.clone(), erp: None, built: OnceCell::new_with(Some(Arc::new(account))) },
            )
        });
        let (connections, accounts) = (connections.collect(), accounts.collect());
        Ok(Self { vault: Vault::of("nothing", Arc::new(NoSecrets)), connections, accounts })
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

    /// Whether there is a connection of that name.
    #[must_use]
    pub fn has(&self, connection: &ConnectionId) -> bool {
        self.connections.contains_key(connection)
    }

    /// The connections without a `key`: anybody who reaches their address may post. Only good on loopback.
    #[must_use]
    pub fn keyless(&self) -> Vec<ConnectionId> {
        let keyless = |(id, entry): (&ConnectionId, &Entry<Connection>)| {
            entry.section.keys().all(|key| key != "key").then(|| id.clone())
        };
        self.connections.iter().filter_map(keyless).collect()
    }

    /// One connection; `None` if there is none of that name.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Option<Arc<Connection>>> {
        let Some(entry) = self.connections.get(id) else { return Ok(None) };
        entry
            .built
            .get_or_try_init(|| async { all_in_one(self.build_connection(id, entry).await) })
            .await
            .cloned()
            .map(Some)
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
            wrong.extend(self.connection(id).await.err());
        }
        all_or(wrong)
    }

    async fn build_connection(
        &self,
        id: &ConnectionId,
        entry: &Entry<Connection>,
    ) -> Result<Arc<Connection>, Vec<Error>> {
        let section = entry.section.clone().resolve(&self.vault).await?;
        let build = || {
            let head = connection_head(&section, false)?;
            let store = section.child("store").ok_or_else(|| section.refuse("", "missing field `store`"))?;
            let row = row(&store, STORES, |row| row.kind)?;
            let own = store.without(&["kind"]);
            Ok(Arc::new(Connection {
                id: id.clone(),
                erp: head.erp,
                key: head.key,
                store: (row.build)(&own).map_err(|error| own.place(error))?,
                orders: head.orders,
                front_door: head.limits.into(),
            }))
        };
        build().map_err(|error| vec![error])
    }

    async fn build_account(&self, id: &ErpId, entry: &Entry<Account>) -> Result<Arc<Account>, Vec<Error>> {
        let section = entry.section.clone().resolve(&self.vault).await?;
        let build = || {
            let head = account_head(&section, false)?;
            let row = row(&section, ERPS, |row| row.kind)?;
            let own = section.clone().without(&GENERIC);
            let ours = |entry: &&Entry<Connection>| entry.erp.as_ref() == Some(id);
            Ok(Arc::new(Account {
                id: id.clone(),
                erp: (row.build)(&own).map_err(|error| own.place(error))?,
                limits: head.limits.into(),
                connections: self.connections.iter().filter(|(_, e)| ours(e)).map(|(id, _)| id.clone()).collect(),
                max_attempts: head.max_attempts.get(),
                look_up_first: head.look_up_first,
            }))
        };
        build().map_err(|error| vec![error])
    }
}

/// Parts built by hand refer to no secrets.
struct NoSecrets;

#[async_trait::async_trait]
impl Secrets for NoSecrets {
    async fn secret(&self, name: &str) -> Result<secrecy::SecretString> {
        Err(Error::new(Kind::Config, format!("there is no secret `{name}`")))
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
            Ok((id, Entry { section, erp, built: OnceCell::new() }))
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
    if early {
        own.stand_in();
    }
    own.read()
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
mod tests {
    use async_trait::async_trait;
    use secrecy::SecretString;

    use super::*;
    use crate::config::{FrontDoor, example};

    struct Store;

    #[async_trait]
    impl Secrets for Store {
        async fn secret(&self, name: &str) -> Result<SecretString> {
            match name {
                "known" => Ok("canary-known".into()),
                "down" => Err(Error::new(Kind::Unavailable, "the secret store cannot be reached")),
                _ => Err(Error::new(Kind::Config, "there is no such secret")),
            }
        }
    }

    #[derive(Debug, Deserialize)]
    struct Two {
        a: Secret,
        b: Secret,
    }

    const GOOD: &str = r#"
[erp.main]
kind = "tryton"
url = "http://127.0.0.1:8000"
password = { secret = "known" }
limits = { rate = "25/10s", per_day = 500, reset = "03:30", time_zone = "America/Argentina/Buenos_Aires", orders_share = 0.85, horizon_ms = 1000 }

[connection.acme]
erp = "main"
key = { file = "key.txt" }
store = { kind = "shopify", shop = "acme.myshopify.com" }
orders = { create_when = "placed", total_mismatch = "adjust", adjust_limit = 0.05, sku = { "OLD.1" = "NEW" } }
limits = { rate = "20/s", per_day = 9 }

[connection.other]
erp = "main"
store = { kind = "woocommerce" }
"#;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, "puente.toml", Arc::new(Store))
    }

    #[test]
    fn the_generic_parts_are_read() {
        let settings = parse(GOOD).unwrap();
        assert_eq!(settings.connections().iter().map(ConnectionId::as_str).collect::<Vec<_>>(), ["acme", "other"]);
        assert_eq!(settings.keyless().iter().map(ConnectionId::as_str).collect::<Vec<_>>(), ["other"]);
        let acme = settings.connections.values().next().unwrap();
        let head = connection_head(&acme.section, true).unwrap();
        assert_eq!(FrontDoor::from(head.limits), FrontDoor { per_second: 20, per_day: 9 });
        assert_eq!(head.orders.adjust_limit.to_string(), "0.05");
        assert_eq!(head.orders.sku["OLD.1"], "NEW");
        let main = account_head(&settings.accounts.values().next().unwrap().section, true).unwrap();
        let limits = crate::domain::ledger::Limits::from(main.limits);
        assert_eq!((limits.calls, limits.per_day, limits.orders_share, main.max_attempts.get()), (25, 500, 850, 12));
        assert_eq!(
            (limits.window.as_secs(), limits.reset.to_string(), limits.horizon.as_millis()),
            (10, "03:30:00".into(), 1000)
        );
        assert_eq!(limits.time_zone.iana_name(), Some("America/Argentina/Buenos_Aires"));
        let other = connection_head(&settings.connections.values().nth(1).unwrap().section, true).unwrap();
        assert_eq!(FrontDoor::from(other.limits), FrontDoor { per_second: 10, per_day: 300 });
    }

    #[test]
    fn every_mistake_names_file_line_and_key() {
        for (from, to, says) in [
            ("url = \"http", "urll = \"http", ""),
            ("[erp.main]", "[erps.main]", "puente.toml:2: erps: unknown key"),
            ("[connection.other]", "[connection.acme]", "puente.toml:15: duplicate key"),
            (
                "[connection.other]",
                "[connection.Other]",
                "puente.toml:15: connection.Other: a connection's name has only",
            ),
            (
                "erp = \"main\"\nkey",
                "erp = \"mian\"\nkey",
                "puente.toml:9: connection.acme.erp: there is no [erp.mian] (there is: main)",
            ),
            (
                "kind = \"tryton\"",
                "kind = \"sap\"",
                "puente.toml:3: erp.main.kind: there is no `sap`; the kinds are: tryton, rest",
            ),
            (
                "kind = \"woocommerce\"",
                "kind = \"etsy\"",
                "puente.toml:17: connection.other.store.kind: there is no `etsy`; the kinds are: shopify, woocommerce",
            ),
            ("store = { kind = \"woocommerce\" }", "", "connection.other: missing field `store`"),
            (
                "store = { kind = \"woocommerce\" }",
                "store = { }",
                "puente.toml:17: connection.other.store.kind: missing",
            ),
            (
                "limits = { rate = \"20/s\"",
                "limit = { rate = \"20/s\"",
                "puente.toml:13: connection.acme.limit: unknown field",
            ),
            (
                "rate = \"20/s\"",
                "rate = \"20/min\"",
                "puente.toml:13: connection.acme.limits.rate: the front door counts by the second",
            ),
            (
                "per_day = 9",
                "per_day = 0",
                "puente.toml:13: connection.acme.limits.per_day: 0 would let nothing through",
            ),
            ("\"25/10s\"", "\"fast\"", "puente.toml:6: erp.main.limits.rate: `fast` is not a rate"),
            ("\"03:30\"", "\"noon\"", "puente.toml:6: erp.main.limits.reset: `noon` is not a time of day"),
            (
                "Buenos_Aires",
                "Buenos_Vientos",
                "puente.toml:6: erp.main.limits.time_zone: `America/Argentina/Buenos_Vientos` is not a time zone",
            ),
            ("0.85", "1.5", "puente.toml:6: erp.main.limits.orders_share: the share of the day"),
            ("0.85", "-0.0001", "puente.toml:6: erp.main.limits.orders_share: the share of the day"),
            ("horizon_ms", "horizont_ms", "puente.toml:6: erp.main.limits.horizont_ms: unknown field"),
            (
                "\"placed\"",
                "\"plcaed\"",
                "puente.toml:12: connection.acme.orders.create_when: unknown variant `plcaed`",
            ),
            ("0.05", "\"5 cents\"", "puente.toml:12: connection.acme.orders.adjust_limit: is not a decimal number"),
            (
                "{ file = \"key.txt\" }",
                "\"canary\"",
                "puente.toml:10: connection.acme.key: a secret is not written into the file",
            ),
            (
                "{ file = \"key.txt\" }",
                "{ literal = \"canary\" }",
                "puente.toml:10: connection.acme.key: a secret is not written into the file",
            ),
            (
                "password = { secret = \"known\" }",
                "password = { literal = \"canary\" }",
                "puente.toml:5: erp.main.password: a secret is not written",
            ),
            ("password = {", "password {", "puente.toml:5: "),
            ("[connection.other]\n", "[connection]\nother = 3\n", "puente.toml:16: "),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = match parse(&GOOD.replace(from, to)) {
                Err(error) => error,
                // A connector's own key is its own affair, told by `check`.
                Ok(_) if says.is_empty() => continue,
                Ok(_) => panic!("{to} was accepted"),
            };
            assert_eq!(error.kind(), Kind::Config);
            let error = error.to_string();
            assert!(error.contains(says), "{to}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let error = parse("connection = 3").unwrap_err().to_string();
        assert!(error.contains("puente.toml:1: connection: is not a part such as [connection.NAME]"), "{error}");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let error = parse(&GOOD.replace("tryton", "sap").replace("woocommerce", "etsy")).unwrap_err().to_string();
        assert!(error.contains("`sap`") && error.contains("`etsy`") && error.lines().count() == 2, "{error}");
    }

    #[tokio::test]
    async fn missing_secrets_are_all_told_with_their_place() {
        let text = GOOD
            .replace("{ secret = \"known\" }", "{ env = \"PUENTE_TEST_IS_NOT_SET\" }")
            .replace("kind = \"woocommerce\"", "kind = \"woocommerce\", webhook_secrets = [{ secret = \"nowhere\" }]");
        let error = parse(&text).unwrap().check().await.unwrap_err().to_string();
        for says in [
            "puente.toml:5: erp.main.password: the environment variable PUENTE_TEST_IS_NOT_SET is not set",
            "puente.toml:10: connection.acme.key: cannot read the secret's file key.txt",
            "puente.toml:17: connection.other.store.webhook_secrets[0]: there is no such secret",
        ] {
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn secrets_come_from_files_beside_the_configuration_and_from_the_store() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("key.txt"), "canary-file\n").unwrap();
        std::fs::write(home.path().join("empty"), "\n").unwrap();
        let file = home.path().join("puente.toml");
        let vault = Vault::of(file.to_str().unwrap(), Arc::new(Store));
        let text = "a = { file = 'key.txt' }\nb = { secret = 'known' }";
        let section = Section::parse(text, "puente.toml").unwrap().resolve(&vault).await.unwrap();
        let two: Two = section.read().unwrap();
        assert_eq!((two.a.expose(), two.b.expose()), ("canary-file", "canary-known"));
        assert!(!format!("{two:?} {section:?}").contains("canary"));
        let section = Section::parse("a = { file = 'empty' }\nb = 1", "puente.toml").unwrap();
        let error = section.resolve(&vault).await.unwrap_err().pop().unwrap().to_string();
        assert!(error.contains("puente.toml:1: a: the secret that empty holds is empty"), "{error}");
    }

    #[tokio::test]
    async fn a_secret_store_that_is_down_is_no_mistake_in_the_file() {
        let text = GOOD.replace("\"known\"", "\"down\"");
        let settings = parse(&text).unwrap();
        let main = settings.accounts().pop().unwrap();
        let error = settings.account(&main).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    }

    #[test]
    fn the_example_parses() {
        let text = example();
        let settings = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!((settings.accounts().len(), settings.connections().len()), (ERPS.len(), STORES.len()));
    }
}
