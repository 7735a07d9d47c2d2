//! Signs of life and shops' identities on DynamoDB.
//!
//! | partition | sort | what |
//! |---|---|---|
//! | `sign/{party}` | a fact | when it was seen last |
//! | `config` | `shop/{connection}` | who the shop is: where the edge may read, which sees the configuration and nothing else |

use async_trait::async_trait;

use super::{
    head::json,
    item::{Item, Reader, damaged},
    table::{self, Table, key},
};
use crate::{
    Result,
    domain::{
        ids::ConnectionId,
        sign::{Fact, Identity, Party, Sign},
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

fn partition(of: &Party) -> String {
    format!("sign/{of}")
}

fn shop(connection: &ConnectionId) -> String {
    format!("shop/{connection}")
}

#[async_trait]
impl Signs for DynamoSigns {
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()> {
        let mut item = key(partition(of), sign.fact.as_str());
        item.insert("sign".to_owned(), json(sign)?);
        self.0.write_many(&[table::put(item)?]).await
    }

    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>> {
        let keys = of.iter().flat_map(|of| Fact::ALL.map(|fact| key(partition(of), fact.as_str()))).collect();
        let found = if of.is_empty() { Vec::new() } else { self.0.get_many(keys, true).await? };
        let of_party = |of: &Party| {
            let partition = partition(of);
            let own = found.iter().filter(|item| Reader(item).text_if("pk") == Some(&partition));
            let mut signs = own.map(read).collect::<Result<Vec<Sign>>>()?;
            signs.sort_by_key(|sign| sign.fact);
            Ok(signs)
        };
        of.iter().map(of_party).collect()
    }

    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>> {
        let item = self.0.get("config", &shop(connection)).await?;
        let read = |item: &Item| serde_json::from_str(Reader(item).text("identity")?).map_err(|_| damaged("identity"));
        item.as_ref().map(read).transpose()
    }

    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()> {
        let mut item = key("config", shop(connection));
        item.insert("identity".to_owned(), json(identity)?);
        self.0.write_many(&[table::put(item)?]).await
    }
}

fn read(item: &Item) -> Result<Sign> {
    serde_json::from_str(Reader(item).text("sign")?).map_err(|_| damaged("sign"))
}
