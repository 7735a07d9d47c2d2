//! Signs of life, who each shop is, and how tasks went: a row for each fact of each connection, account and task.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::OptionalExtension;
use serde::de::DeserializeOwned;

use super::{
    Embedded,
    file::Fault,
    records::{json, read_json},
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

/// Beside the facts that are shown: who the shop is.
const IDENTITY: &str = "identity";

/// The facts of a task: how its last run went, and when a run was claimed last.
const RUN: &str = "run";
const CLAIMED: &str = "claimed";

#[async_trait]
impl Signs for Embedded {
    async fn sign(&self, of: &Party, sign: &Sign) -> Result<()> {
        self.put_sign(of.to_string(), sign.fact.as_str(), json(sign)?).await
    }

    async fn signs(&self, of: &[Party]) -> Result<Vec<Vec<Sign>>> {
        let parties: Vec<String> = of.iter().map(Party::to_string).collect();
        self.read(move |sql| {
            let one = |party: &String| {
                let signs = Fact::ALL.iter().filter_map(|fact| row(sql, party, fact.as_str()).transpose());
                signs.collect::<Result<Vec<Sign>, Fault>>()
            };
            parties.iter().map(one).collect()
        })
        .await
    }

    async fn identity(&self, connection: &ConnectionId) -> Result<Option<Identity>> {
        let party = Party::Connection(connection.clone()).to_string();
        self.read(move |sql| row(sql, &party, IDENTITY)).await
    }

    async fn set_identity(&self, connection: &ConnectionId, identity: &Identity) -> Result<()> {
        self.put_sign(Party::Connection(connection.clone()).to_string(), IDENTITY, json(identity)?).await
    }

    async fn claimed(&self, task: &str) -> Result<Option<Timestamp>> {
        let party = task_party(task);
        self.read(move |sql| row(sql, &party, CLAIMED)).await
    }

    async fn claim(&self, task: &str, at: Timestamp) -> Result<()> {
        self.put_sign(task_party(task), CLAIMED, json(&at)?).await
    }

    async fn ran(&self, task: &str, run: &Run) -> Result<()> {
        self.put_sign(task_party(task), RUN, json(run)?).await
    }

    async fn runs(&self, tasks: &[&str]) -> Result<Vec<Option<Run>>> {
        let parties: Vec<String> = tasks.iter().map(|task| task_party(task)).collect();
        self.read(move |sql| parties.iter().map(|party| row(sql, party, RUN)).collect()).await
    }
}

impl Embedded {
    async fn put_sign(&self, party: String, fact: &'static str, json: String) -> Result<()> {
        self.write(move |sql| {
            let mut put = sql.prepare_cached(
                "INSERT INTO sign (party, fact, json) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET json = excluded.json",
            )?;
            put.execute([party.as_str(), fact, &json])?;
            Ok(())
        })
        .await
    }
}

/// A task among connections and accounts.
fn task_party(task: &str) -> String {
    format!("task/{task}")
}

fn row<T: DeserializeOwned>(sql: &rusqlite::Connection, party: &str, fact: &str) -> Result<Option<T>, Fault> {
    let mut select = sql.prepare_cached("SELECT json FROM sign WHERE party = ?1 AND fact = ?2")?;
    let found = select.query_row([party, fact], |row| row.get::<_, String>(0)).optional()?;
    Ok(found.map(|text| read_json(&text, || format!("{party}: the sign `{fact}`"))).transpose()?)
}
