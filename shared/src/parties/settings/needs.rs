//! What a configuration needs on AWS, told before a secret is fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConnectionHead, Section, Settings, all_or, connection_head, edge_reads, is_edge, signs};
use crate::{
    Error, Result,
    config::{FrontDoor, secret::Source},
    domain::ids::ConnectionId,
    ports::Bundle,
};

/// What a configuration needs on AWS besides the table and the queues.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// The secrets of each part of it, by their names: one name is one secret, however many parts name it.
    pub bundles: BTreeMap<Bundle, BTreeSet<String>>,
    /// What each connection needs in front of it.
    pub doors: BTreeMap<ConnectionId, Door>,
}

/// What a connection needs in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The names of the secrets with its keys: one, or two while it is being changed.
    pub keys: Vec<String>,
    /// Its limits, if it says any.
    pub limits: Option<FrontDoor>,
}

impl Needs {
    /// The names of all secrets.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.bundles.values().flatten().map(String::as_str).collect()
    }
}

impl Settings {
    /// What it needs on AWS. There every secret is `{ secret = "name" }` and every connection has a `key`: all that is written
    /// otherwise is told at once, each with file, line, key and what to write instead.
    pub fn needs(&self) -> Result<Needs> {
        let (mut needs, mut wrong, nothing) = (Needs::default(), Vec::new(), BTreeSet::new());
        for (id, entry) in &self.connections {
            let section = &entry.section;
            needs.add(&Bundle::Edge(id.clone()), section, |path| edge_reads(section, path), &nothing, &mut wrong);
            let keys: Vec<_> = section.references_in("key").map(|source| source.name().to_owned()).collect();
            if keys.is_empty() {
                let name = suggested(section, "key");
                let why = format!("missing: on AWS every connection needs one, such as {{ secret = \"{name}\" }}");
                wrong.push(section.refuse("key", why));
                continue;
            }
            let ConnectionHead { limits, .. } = connection_head(section, true)?;
            let limits = section.keys().any(|key| key == "limits").then(|| limits.into());
            needs.doors.insert(id.clone(), Door { keys, limits });
        }
        let edge: BTreeSet<String> = needs.bundles.values().flatten().cloned().collect();
        for (id, entry) in &self.connections {
            needs.add(&Bundle::Worker(id.clone()), &entry.section, |path| !is_edge(path), &edge, &mut wrong);
        }
        for (id, entry) in &self.accounts {
            needs.add(&Bundle::Erp(id.clone()), &entry.section, |_| true, &edge, &mut wrong);
        }
        for (id, entry) in &self.operators {
            needs.add(&Bundle::Operator(id.clone()), &entry.section, |_| true, &edge, &mut wrong);
        }
        all_or(wrong)?;
        Ok(needs)
    }
}

impl Needs {
    /// Adds the secrets at those paths of a part that are `of` the bundle, unless they are among those that others may read.
    fn add(
        &mut self,
        bundle: &Bundle,
        section: &Section,
        of: impl Fn(&str) -> bool,
        others: &BTreeSet<String>,
        wrong: &mut Vec<Error>,
    ) {
        for (path, source) in section.references().filter(|(path, _)| of(path)) {
            let otherwise = match source {
                Source::Named(name) if !others.contains(name) || signs(section, path) => {
                    self.bundles.entry(bundle.clone()).or_default().insert(name.clone());
                    continue;
                }
                Source::Named(name) => {
                    let why = format!(
                        "`{name}` is also what callers of a connection show or sign with, which the functions that face the \
                         internet may read: give this secret a name of its own, such as {{ secret = \"{}\" }}",
                        suggested(section, path)
                    );
                    wrong.push(section.refuse(path, why));
                    continue;
                }
                Source::Env(name) => format!("{{ env = \"{name}\" }}"),
                Source::File(name) => format!("{{ file = \"{name}\" }}"),
                // Never quoted: it may be the secret itself.
                Source::Literal(_) => "the secret itself".to_owned(),
            };
            let name = suggested(section, path);
            let why = format!(
                "on AWS secrets are in Secrets Manager: instead of {otherwise} write {{ secret = \"{name}\" }}"
            );
            wrong.push(section.refuse(path, why));
        }
    }
}

/// A name for the secret under `key`: `acme-shop/key`.
fn suggested(section: &Section, key: &str) -> String {
    let path = section.path().trim_start_matches("connection.");
    format!("{path}/{key}").replace(['.', '['], "/").replace(']', "")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::NoSecrets, *};

    const ERP: &str = "[erp.main]\nkind = \"tryton\"\nurl = \"https://e\"\ndatabase = \"d\"\nusername = \"u\"\n";

    fn needs(rest: &str) -> Result<Needs> {
        Settings::parse(&format!("{ERP}{rest}"), "puente.toml", Arc::new(NoSecrets)).unwrap().needs()
    }

    #[test]
    fn names_of_secrets_keys_and_limits_are_told() {
        let needs = needs(
            "password = { secret = 'p' }\n[connection.a]\nerp = 'main'\nkey = { secret = 'k' }\nlimits = { rate = '20/s' }\n\
             store = { kind = 'shopify', shop = 'a.myshopify.com', webhook_secrets = [{ secret = 'w' }], token = { secret = 't' } }\n\
             [connection.b]\nerp = 'main'\nkey = [{ secret = 'l' }, { secret = 'm' }]\nstore = { kind = 'canonical' }\n",
        )
        .unwrap();
        let bundles: Vec<String> = needs
            .bundles
            .iter()
            .map(|(bundle, names)| format!("{bundle}: {}", names.iter().cloned().collect::<Vec<_>>().join(" ")))
            .collect();
        assert_eq!(bundles, ["edge/a: k w", "edge/b: l m", "worker/a: t", "erp/main: p"]);
        assert_eq!(needs.names().into_iter().collect::<Vec<_>>(), ["k", "l", "m", "p", "t", "w"]);
        let limits = Some(FrontDoor { per_second: 20, per_day: 300 });
        assert_eq!(needs.doors[&"a".parse::<ConnectionId>().unwrap()], Door { keys: vec!["k".into()], limits });
        assert_eq!(
            needs.doors[&"b".parse::<ConnectionId>().unwrap()],
            Door { keys: vec!["l".into(), "m".into()], limits: None }
        );
    }

    #[test]
    fn an_apps_secret_is_read_where_it_verifies_webhooks_and_where_it_asks_for_tokens() {
        let of = |signed: &str| {
            let needs = needs(&format!(
                "password = {{ secret = 'p' }}\n[connection.a]\nerp = 'main'\nkey = {{ secret = 'k' }}\n\
                 store = {{ kind = 'shopify', shop = 'a.myshopify.com', client_id = 'i', client_secret = {{ secret = 's' }}{signed} }}\n",
            ))
            .unwrap();
            needs.bundles.into_iter().map(|(bundle, names)| format!("{bundle}: {names:?}")).collect::<Vec<_>>()
        };
        let erp = r#"erp/main: {"p"}"#;
        assert_eq!(of(""), [r#"edge/a: {"k", "s"}"#, r#"worker/a: {"s"}"#, erp]);
        // What signs is another app's: the edge needs this one's no more.
        let other = of(", webhook_secrets = [{ secret = 'w' }]");
        assert_eq!(other, [r#"edge/a: {"k", "w"}"#, r#"worker/a: {"s"}"#, erp]);
    }

    #[test]
    fn what_faces_the_internet_shares_no_secret_with_what_opens_a_store_or_an_erp() {
        let error = needs(
            "password = { secret = 'w' }\n[connection.a]\nerp = 'main'\nkey = { secret = 'k' }\n\
             store = { kind = 'shopify', shop = 'a.myshopify.com', webhook_secrets = [{ secret = 'w' }], token = { secret = 'k' } }\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "puente.toml:6: erp.main.password: `w` is also what callers",
            "puente.toml:10: connection.a.store.token: `k` is also what callers",
            "{ secret = \"a/store/token\" }",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn what_is_written_otherwise_is_told_with_its_place_and_what_to_write() {
        let error = needs(
            "password = { env = 'PASSWORD' }\n[connection.a]\nerp = 'main'\n\
             store = { kind = 'shopify', shop = 'a.myshopify.com', webhook_secrets = [{ file = 'w' }] }\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "puente.toml:6: erp.main.password: on AWS secrets are in Secrets Manager: instead of { env = \"PASSWORD\" } write \
             { secret = \"erp/main/password\" }",
            "puente.toml:9: connection.a.store.webhook_secrets[0]: ",
            "{ secret = \"a/store/webhook_secrets/0\" }",
            "connection.a.key: missing",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
