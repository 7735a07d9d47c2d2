//! Signs of life, shops' identities and tasks' last runs on DynamoDB.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    head::json,
    item::{Item, Reader, damaged, time},
    keys::Key,
    table::{self, Table},
};
use crate::{
    Result,
    domain::{
        ids::ConnectionId,
        sign::{Fact, Identity, Party, Sign},
        task::Run,
    },
    ports::Signs,
};

/// The signs.
#[derive(Clone)]
pub struct DynamoSigns(Table);

impl DynamoSigns {
    pub(super) fn new(table: Table) -> Self {
        Self(table)
    }
}

#[async_trait]
impl Signs for DynamoSigns {
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()> {
        let mut item = Key::sign(of, sign.fact).item();
        item.insert("sign".to_owned(), json(sign)?);
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>> {
        let keys = |of: &Party| Fact::ALL.iter().map(|fact| Key::sign(of, *fact)).collect::<Vec<_>>();
        let found = self.0.get_many(of.iter().flat_map(keys), true).await?;
        let of_party = |of: &Party| {
            let keys = keys(of);
            let own = found.iter().filter(|item| keys.iter().any(|key| key.is_of(item)));
            let mut signs = own.map(read).collect::<Result<Vec<Sign>>>()?;
            signs.sort_by_key(|sign| sign.fact);
            Ok(signs)
        };
        of.iter().map(of_party).collect()
    }

    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>> {
        let item = self.0.get(Key::shop(connection)).await?;
        let read = |item: &Item| serde_json::from_str(Reader(item).text("identity")?).map_err(|_| damaged("identity"));
        item.as_ref().map(read).transpose()
    }

    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()> {
        let mut item = Key::shop(connection).item();
        item.insert("identity".to_owned(), json(identity)?);
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn claimed(&self, task: &str) -> Result<Option<Timestamp>> {
        let item = self.0.get(Key::claimed(task)).await?;
        item.as_ref().map(|item| Reader(item).parsed("at")).transpose()
    }

    async fn claim(&self, task: &str, at: Timestamp) -> Result<()> {
        let mut item = Key::claimed(task).item();
        item.insert("at".to_owned(), time(at));
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn ran(&self, task: &str, run: &Run) -> Result<()> {
        let mut item = Key::run(task).item();
        item.insert("run".to_owned(), json(run)?);
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>> {
        let found = self.0.get_many(tasks.iter().map(|task| Key::run(task)), true).await?;
        let of_task = |task: &&str| {
            let item = found.iter().find(|item| Key::run(task).is_of(item));
            item.map(|item| serde_json::from_str(Reader(item).text("run")?).map_err(|_| damaged("run"))).transpose()
        };
        tasks.iter().map(of_task).collect()
    }
}

fn read(item: &Item) -> Result<Sign> {
    serde_json::from_str(Reader(item).text("sign")?).map_err(|_| damaged("sign"))
}
