//! What goes wrong at times of its own.

use std::sync::Arc;

use puente::domain::ids::OrderKey;

use super::{History, settings};
use crate::{
    fault::Fault,
    world::{HOUR, MINUTE, SECOND},
};

impl History {
    /// What goes wrong at times of its own.
    pub(super) fn go_wrong(self: &Arc<Self>) {
        let history = Arc::clone(self);
        self.world.executor.spawn("world", 0, async move { history.restore_backup().await });
        let history = Arc::clone(self);
        self.world.executor.spawn("world", 0, async move {
            let chance = &history.world.chance;
            let end = history.scenario.start + history.scenario.busy;
            while history.world.now() < end {
                history.pass(chance.within(SECOND, history.scenario.busy / 4 + 2 * SECOND)).await;
                if history.world.now() < end {
                    history.incident().await;
                }
            }
        });
    }

    /// One of the things that happen at times of their own.
    async fn incident(self: &Arc<Self>) {
        let world = &self.world;
        let (chance, now) = (&world.chance, world.now());
        if world.strikes(Fault::ErpOutage, 300) {
            let most = chance.one_of(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
            self.erp.books().down_until = now + chance.within(SECOND, most);
        }
        if world.strikes(Fault::ErpRefusesAll, 300) {
            let most = chance.one_of(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
            self.erp.books().refuses_until = now + chance.within(SECOND, most);
        }
        if world.strikes(Fault::ErpForbidsAll, 300) {
            let most = chance.one_of(&[MINUTE, 20 * MINUTE, 3 * HOUR]);
            self.erp.books().forbids_until = now + chance.within(SECOND, most);
        }
        if world.strikes(Fault::Shipped, 500) {
            self.erp.somebody(|sale| sale.shipped = true);
        }
        if world.strikes(Fault::ChangedByHand, 300) {
            self.erp.somebody(|sale| sale.version = None);
        }
        if world.strikes(Fault::SaleDeleted, 300) {
            self.erp.somebody(|sale| sale.deleted = true);
        }
        if world.strikes(Fault::StaleIds, 500) {
            self.table.spoil_ids();
        }
        if world.strikes(Fault::Deploy, 500) {
            self.lambda.deploy();
        }
        if world.strikes(Fault::ClockJump, 500) {
            let skew = self.scenario.skew;
            world.executor.jump_clocks(|| chance.within(-skew, skew + 1));
        }
        if world.strikes(Fault::Undecodable, 500) {
            self.queue.put("{\"arrival\":".to_owned(), 0);
        }
        if world.strikes(Fault::RedriveMeanwhile, 500) {
            self.queue.redrive_now(usize::MAX);
        }
        if world.strikes(Fault::ReplayMeanwhile, 500) {
            let keys: Vec<OrderKey> = self.table.rows().heads.keys().cloned().collect();
            if !keys.is_empty() {
                self.replay(&chance.one_of(&keys));
            }
        }
        if world.strikes(Fault::SecretRotated, 500) {
            self.shops.iter().for_each(|shop| shop.rotate());
            self.pass(chance.within(0, 10 * MINUTE)).await;
            self.shops.iter().for_each(|shop| shop.rotated());
        }
        if world.strikes(Fault::Forgery, 500) {
            let shop = chance.one_of(&self.shops);
            let raw = shop.forgery(&"forged".parse().unwrap());
            if self.post(&shop, raw).await {
                world.violated("a forged webhook was answered 2xx".to_owned());
            }
        }
    }

    /// The table as it was a while ago comes back, and from then on everything is looked up first.
    async fn restore_backup(self: &Arc<Self>) {
        if !self.scenario.faults.had(Fault::BackupRestored) {
            return;
        }
        self.pass(self.world.chance.within(0, self.scenario.busy / 2)).await;
        let backup = self.table.backup();
        self.pass(self.world.chance.within(SECOND, self.scenario.busy / 2)).await;
        self.world.struck(Fault::BackupRestored);
        // Whoever restores a backup stops everything first, and lets what the ERP is at work on come to its end: longer than
        // the ERP's window, whose calls the backup does not know.
        self.lambda.stop_for(10 * MINUTE);
        self.table.restore(backup);
        let mut puente = self.lambda.puente();
        puente.settings = Arc::new(settings(&self.scenario, &self.erp, &self.erp_id, &self.shops, true));
        self.lambda.release(puente);
    }
}
