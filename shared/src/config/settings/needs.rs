//! What a configuration needs on AWS, told before a secret is fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::{ConnectionHead, Section, Settings, all_or, connection_head};
use crate::{
    Error, Result,
    config::{FrontDoor, secret::Source},
    domain::ids::ConnectionId,
};

/// What a configuration needs on AWS besides the table and the queues.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// The names of all secrets it refers to, in Secrets Manager.
    pub secrets: BTreeSet<String>,
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

impl Settings {
    /// What it needs on AWS. There every secret is `{ secret = "name" }` and every connection has a `key`: all that is written
    /// otherwise is told at once, each with file, line, key and what to write instead.
    pub fn needs(&self) -> Result<Needs> {
        let (mut needs, mut wrong) = (Needs::default(), Vec::new());
        for entry in self.accounts.values() {
            names(&entry.section, &mut needs, &mut wrong);
        }
        for (id, entry) in &self.connections {
            let section = &entry.section;
            names(section, &mut needs, &mut wrong);
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
        all_or(wrong)?;
        Ok(needs)
    }
}

fn names(section: &Section, needs: &mut Needs, wrong: &mut Vec<Error>) {
    for (path, source) in section.references() {
        let otherwise = match source {
            Source::Named(name) => {
                needs.secrets.insert(name.clone());
                continue;
            }
            Source::Env(name) => format!("{{ env = \"{name}\" }}"),
            Source::File(name) => format!("{{ file = \"{name}\" }}"),
            // Never quoted: it may be the secret itself.
            Source::Literal(_) => "the secret itself".to_owned(),
        };
        let name = suggested(section, path);
        let why =
            format!("on AWS secrets are in Secrets Manager: instead of {otherwise} write {{ secret = \"{name}\" }}");
        wrong.push(section.refuse(path, why));
    }
}

/// A name for the secret under `key`: `puente/acme-shop/key`.
fn suggested(section: &Section, key: &str) -> String {
    let path = section.path().trim_start_matches("connection.");
    format!("puente/{path}/{key}").replace(['.', '['], "/").replace(']', "")
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
             store = { kind = 'shopify', shop = 'a.myshopify.com', webhook_secrets = [{ secret = 'w' }] }\n\
             [connection.b]\nerp = 'main'\nkey = [{ secret = 'l' }, { secret = 'm' }]\nstore = { kind = 'canonical' }\n",
        )
        .unwrap();
        assert_eq!(needs.secrets.iter().map(String::as_str).collect::<Vec<_>>(), ["k", "l", "m", "p", "w"]);
        let limits = Some(FrontDoor { per_second: 20, per_day: 300 });
        assert_eq!(needs.doors[&"a".parse::<ConnectionId>().unwrap()], Door { keys: vec!["k".into()], limits });
        assert_eq!(
            needs.doors[&"b".parse::<ConnectionId>().unwrap()],
            Door { keys: vec!["l".into(), "m".into()], limits: None }
        );
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
             { secret = \"puente/erp/main/password\" }",
            "puente.toml:9: connection.a.store.webhook_secrets[0]: ",
            "{ secret = \"puente/a/store/webhook_secrets/0\" }",
            "connection.a.key: missing",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
