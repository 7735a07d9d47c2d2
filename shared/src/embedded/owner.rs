//! Taking over from a predecessor that was killed.
//!
//! A lease and a message's visibility exist for holders that may still be alive. On one machine the file system knows better:
//! the process that serves holds a lock on `puente.lock`, which ends with it however it ends. Whoever gets the lock frees what
//! the last owner held, instead of waiting a minute and a half for it. Calls of the last owner that the ERP is still at work
//! on are no concern of this: their intents stand, and their settle time is waited for as ever.

use std::fs::File;

use super::{Embedded, file::lock};
use crate::{Result, domain::ledger::Ledger};

/// The lock: whoever serves from the directory keeps it until the process ends.
#[derive(Debug)]
pub struct Ownership {
    _lock: File,
}

impl Embedded {
    /// Becomes the directory's only server, and frees the leases and messages a killed one left behind.
    ///
    /// [`Kind::Config`](crate::Kind::Config): another process serves from it.
    pub async fn own(&self) -> Result<Ownership> {
        let lock = lock(self.file())?;
        self.write(|sql| {
            let mut ledgers = sql.prepare("SELECT account, json FROM ledger")?;
            let all = ledgers
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<Vec<(String, String)>, _>>()?;
            for (account, text) in all {
                let mut ledger: Ledger = super::records::read_json(&text, || format!("the ledger of {account}"))?;
                let epoch = ledger.epoch;
                // The epoch stays: what the last owner still wants to write is fenced off by the next take.
                ledger.release(epoch, None);
                sql.execute(
                    "UPDATE ledger SET json = ?2 WHERE account = ?1",
                    [&account, &super::records::json(&ledger)?],
                )?;
            }
            // Delivered and not deleted: to be delivered again, now. The receives still count.
            sql.execute("UPDATE message SET visible = 0, receipt = NULL WHERE receipt IS NOT NULL", [])?;
            Ok(())
        })
        .await?;
        Ok(Ownership { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::{
        domain::{
            ids::{AccountId, ErpId},
            ledger::Taken,
            message::Message,
        },
        ports::{Accounts, Queue},
    };

    #[tokio::test]
    async fn what_a_killed_server_held_is_free_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let erp: ErpId = "main".parse().unwrap();
        let account = AccountId::from(&erp);
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let (until, error) = (now + SignedDuration::from_secs(90), SignedDuration::from_millis(50));
        let first = Embedded::open(dir.path()).unwrap();
        let owned = first.own().await.unwrap();
        assert!(matches!(first.take(&account, "a", now, until, error).await.unwrap(), Taken::Taken(_)));
        first.send(&[Message::Wake { erp: erp.clone() }], Duration::ZERO).await.unwrap();
        assert_eq!(first.receive(1, Duration::ZERO).await.unwrap().len(), 1);
        let second = Embedded::open(dir.path()).unwrap();
        let refused = second.own().await.unwrap_err();
        assert!(refused.to_string().contains("another process serves from there"), "{refused}");
        assert!(second.receive(1, Duration::ZERO).await.unwrap().is_empty());
        drop(owned);
        let _owned = second.own().await.unwrap();
        assert!(
            matches!(second.take(&account, "b", now, until, error).await.unwrap(), Taken::Taken(l) if l.epoch == 2)
        );
        assert_eq!(second.receive(1, Duration::ZERO).await.unwrap()[0].receives, 2);
    }
}
