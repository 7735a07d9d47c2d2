//! Those who read and replay orders in `puente serve`: each has a key, and says which connections they see.

use std::sync::Arc;

use serde::Deserialize;

use super::{Entry, Section, Settings, all_in_one, long_enough};
use crate::{
    Error, Result,
    config::Secret,
    domain::{
        event::{Event, Told},
        ids::OperatorId,
        operator::{Operator, Scope, Sight},
    },
    ports::Bundle,
};

/// `[operator.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a part such as [operator.NAME]")]
struct Head {
    key: Secret,
    /// Names, or `*`.
    connections: Vec<String>,
    #[serde(default = "reading")]
    scopes: Vec<Scope>,
}

/// An operator of the configuration, and the key they show.
pub(super) struct Keyed {
    key: Secret,
    operator: Operator,
}

fn reading() -> Vec<Scope> {
    vec![Scope::OrdersRead]
}

impl Settings {
    /// Whether the configuration has operators.
    #[must_use]
    pub fn has_operators(&self) -> bool {
        !self.operators.is_empty()
    }

    /// The operator who shows `key`; `None` if it is nobody's. All keys are compared: the time taken does not say whose it is.
    ///
    /// One whose own key cannot be fetched keeps nobody else out; an error where that may be who asks.
    pub async fn operator(&self, key: &str) -> Result<Option<Operator>> {
        let (mut found, mut unknown) = (None, None);
        for (name, entry) in &self.operators {
            match self.keyed(name, entry).await {
                Ok(keyed) if keyed.key.is(key) => found = Some(keyed.operator.clone()),
                Ok(_) => {}
                Err(error) => {
                    Event::OperatorUnusable { operator: name.as_str(), error: &error }.log();
                    unknown = Some(error);
                }
            }
        }
        match (found, unknown) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// Fetches every operator's key: what is wrong with them.
    pub(super) async fn check_operators(&self) -> Vec<Error> {
        let mut wrong = Vec::new();
        for (name, entry) in &self.operators {
            wrong.extend(self.keyed(name, entry).await.err());
        }
        wrong
    }

    async fn keyed(&self, id: &OperatorId, entry: &Entry<Keyed>) -> Result<Arc<Keyed>> {
        let bundle = Bundle::Operator(id.clone());
        let build = || async {
            let section = entry.section.clone().resolve(&self.vault, &bundle, |_| true).await?;
            let read = || {
                let head: Head = section.read()?;
                long_enough(&section, "key", std::slice::from_ref(&head.key))?;
                Ok(head)
            };
            let head = read().map_err(|error| vec![error])?;
            let sight = Sight::of(head.connections.iter().map(String::as_str));
            Ok(Arc::new(Keyed { key: head.key, operator: Operator::new(id.as_str(), head.scopes, sight) }))
        };
        entry.built.get_or_try_init(|| async { all_in_one(build().await) }).await.cloned()
    }
}

/// What can be told of an operator's part before a secret is fetched; `is_there`: whether there is a connection of a name.
pub(super) fn check(section: &Section, is_there: impl Fn(&str) -> bool) -> Result<()> {
    let mut own = section.clone();
    own.stand_in();
    let head: Head = own.read()?;
    for (at, name) in head.connections.iter().enumerate() {
        if name != "*" && !is_there(name) {
            let why = format!("there is no [connection.{name}]; \"*\" is all of them");
            return Err(section.refuse(&format!("connections[{at}]"), why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::NoSecrets, *};

    const SHOPS: &str = "[erp.main]\nkind = 'rest'\n[connection.acme]\nerp = 'main'\nstore = { kind = 'canonical' }\n\
                         [connection.other]\nerp = 'main'\nstore = { kind = 'canonical' }\n";

    fn parse(home: &std::path::Path, operators: &str) -> Result<Settings> {
        let file = home.join("puente.toml");
        Settings::parse(&format!("{SHOPS}{operators}"), file.to_str().unwrap(), Arc::new(NoSecrets))
    }

    #[tokio::test]
    async fn each_operator_has_a_key_and_sees_what_is_listed() {
        let home = tempfile::tempdir().unwrap();
        for name in ["ana", "ops"] {
            std::fs::write(home.path().join(name), format!("the-long-enough-key-of-{name}")).unwrap();
        }
        let settings = parse(
            home.path(),
            "[operator.ana]\nkey = { file = 'ana' }\nconnections = ['acme']\n\
             [operator.ops]\nkey = { file = 'ops' }\nconnections = ['*']\nscopes = ['orders:read', 'orders:write', 'ops']\n",
        )
        .unwrap();
        assert!(settings.has_operators());
        let ana = settings.operator("the-long-enough-key-of-ana").await.unwrap().unwrap();
        assert_eq!(
            ana,
            Operator::new("ana", vec![Scope::OrdersRead], Sight::of(["acme"])),
            "to read, unless more is said"
        );
        let ops = settings.operator("the-long-enough-key-of-ops").await.unwrap().unwrap();
        assert_eq!(ops, Operator::of_all("ops"));
        assert_eq!(settings.operator("the-long-enough-key-of-an").await.unwrap(), None);
        assert_eq!(settings.operator("").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_fetched_keeps_nobody_else_out() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ana"), "the-long-enough-key-of-ana").unwrap();
        let text = "[operator.ana]\nkey = { file = 'ana' }\nconnections = []\n[operator.bob]\nkey = { file = 'bob' }\nconnections = []\n";
        let settings = parse(home.path(), text).unwrap();
        assert_eq!(settings.operator("the-long-enough-key-of-ana").await.unwrap().unwrap().name, "ana");
        assert!(settings.operator("perhaps bob's").await.is_err());
        assert!(settings.check_operators().await[0].to_string().contains("operator.bob.key: cannot read"));
        std::fs::write(home.path().join("bob"), "short-canary").unwrap();
        let short = parse(home.path(), text).unwrap().check_operators().await[0].to_string();
        assert!(
            short.contains("operator.bob.key") && short.contains("shorter") && !short.contains("canary"),
            "{short}"
        );
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let home = tempfile::tempdir().unwrap();
        for (part, says) in [
            ("key = { env = 'A' }", "operator.ana: missing field `connections`"),
            ("connections = ['*']", "missing field `key`"),
            ("key = 'canary'\nconnections = ['*']", "operator.ana.key: a secret is not written into the file"),
            (
                "key = { env = 'A' }\nconnections = ['acme', 'acmee']",
                ":11: operator.ana.connections[1]: there is no [connection.acmee]",
            ),
            ("key = { env = 'A' }\nconnections = '*'", "operator.ana.connections: invalid type: string"),
            (
                "key = { env = 'A' }\nconnections = ['*']\nscopes = ['orders:wirte']",
                "operator.ana.scopes[0]: unknown variant `orders:wirte`",
            ),
            ("key = { env = 'A' }\nconnections = ['*']\nscope = []", "operator.ana.scope: unknown field"),
        ] {
            let error = parse(home.path(), &format!("[operator.ana]\n{part}\n"))
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(says), "{part}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let error =
            parse(home.path(), "[operator.Ana]\nkey = { env = 'A' }\nconnections = ['*']\n").err().unwrap().to_string();
        assert!(error.contains("operator.Ana: an operator's name has only"), "{error}");
    }
}
