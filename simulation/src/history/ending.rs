//! The end of a history: nothing goes wrong any more, everything comes to rest, and what came of it is judged.

use std::{collections::BTreeSet, sync::Arc};

use puente::{
    domain::{
        ids::{AccountId, OrderKey},
        ledger::Limits,
        record::Head,
    },
    erp::Class,
};

use super::History;
use crate::{
    executor::Micros,
    judge,
    scenario::Backfills,
    world::{HOUR, MINUTE, SECOND, micros, stamp},
};

/// When everything must be at rest, once nothing goes wrong any more: in three days, since the longest backoff is an hour and a
/// day's quota a day; in twelve where a day has fewer calls than orders may need.
fn live(limits: &Limits) -> Micros {
    if limits.per_day < 100 { 12 * 24 * HOUR } else { 3 * 24 * HOUR }
}

impl History {
    /// Nothing goes wrong any more: everything must come to rest, and stay there whatever is redriven and replayed.
    pub fn end(self: &Arc<Self>) -> (Micros, u64) {
        self.mend();
        let begun = self.world.now();
        // Stores that send again, and what is frozen.
        self.run_until(begun + 40 * MINUTE);
        self.lambda.end_backfills();
        let mut checks = 0;
        match self.scenario.backfill {
            Backfills::Never => {}
            Backfills::OnTime => self.lambda.backfill(None),
            Backfills::Wide => self.lambda.backfill(Some(stamp(self.scenario.start - HOUR))),
        }
        self.settle("after the last fault");
        let settled = self.world.now() - begun;
        checks += judge::ends(self);
        if self.warehouse.is_some() {
            self.let_prices_be_asked();
            self.let_it_be_counted();
            checks += judge::stock(self);
        }
        // Whatever is dead gets another chance, now that nothing fails.
        self.queue.redrive_now(usize::MAX);
        self.settle("after a redrive");
        checks += judge::redriven(self);
        // The first replay of everything may change something: a person has looked. The second and the third may not.
        let mut before: Option<(Vec<String>, BTreeSet<String>)> = None;
        for _ in 0..3 {
            self.queue.redrive_now(usize::MAX);
            self.replay_all();
            self.settle("after everything was replayed");
            checks += judge::replayed(self);
            let after = judge::picture(self);
            // Where nobody can be asked each replay is a person's word anew: what the quota let wait goes out with the next.
            let asked = self.scenario.erp.creates.class != Class::Nothing;
            if let Some((before, words)) = before.as_ref().filter(|(before, _)| asked && *before != after) {
                // So it is of an order that the replay before this one asked a person about.
                let unasked = |line: &&String| !words.iter().any(|key| judge::is_of(line, key));
                let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).filter(unasked).collect();
                let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).filter(unasked).collect();
                if !gone.is_empty() || !new.is_empty() {
                    self.world.violated(format!("replaying everything again changed {gone:?} to {new:?}"));
                }
            }
            before = Some((after, judge::waiting_for_a_word(self)));
        }
        checks += judge::limits(self) + judge::canaries(self) + judge::neighbours(self);
        (settled, checks)
    }

    /// Ends all faults.
    fn mend(&self) {
        self.world.say(|| "nothing goes wrong any more".to_owned());
        self.world.faults().end();
        let mut books = self.erp.books();
        (books.down_until, books.refuses_until, books.forbids_until) = (0, 0, 0);
        books.unaskable.clear();
        books.closed = None;
        self.shops.iter().for_each(|shop| shop.rotated());
    }

    /// Runs until nothing is on its way and nothing is due.
    fn settle(&self, when: &str) {
        let live = live(&self.scenario.limits);
        let end = self.world.now() + live;
        while self.world.now() < end {
            if self.at_rest() {
                return;
            }
            self.skip_idle_time();
            // Not a whole minute: a sweep would be on its way at every look.
            self.run_until(self.world.now() + MINUTE + 13 * SECOND);
        }
        let rows = self.table.rows();
        let waiting: Vec<String> =
            rows.heads.values().filter(|head| head.due.is_some()).map(|head| head.key.to_string()).collect();
        let messages = self.queue.letters().work.len();
        self.world.violated(format!("{when}: not at rest after {} h: {messages} messages, {waiting:?}", live / HOUR));
    }

    fn at_rest(&self) -> bool {
        self.lambda.idle()
            && self.world.executor.running().is_empty()
            && self.queue.letters().work.is_empty()
            && self.table.rows().heads.values().all(|head| head.due.is_none())
            && self.table.rows().next_listing().is_none()
            && self.table.rows().next_price().is_none()
            && self.table.rows().next_shipment().is_none()
    }

    /// Until the ERP was asked for its stock twice more, and everything that came of it is told. Where sales are quotations, and a store's
    /// list of orders brought one anew afterwards, once more: what was proven of an order is forgotten with it as soon as nothing is owed, so
    /// that it is owed until the ERP is asked again which sales lower its number. That is all that is promised, and a list is looked at only
    /// when a number is due: after any of these questions. An order that is brought anew without end is found all the same.
    fn let_it_be_counted(&self) {
        const MOST: usize = 5;
        for time in 1..=MOST {
            let commits = self.table.rows().commits;
            let next = self.table.polls(&self.erp_id).and_then(|polls| polls.next).map_or(0, micros);
            self.lambda.no_sweep_before(next);
            self.run_until(next.max(self.world.now()) + 3 * MINUTE);
            self.settle("after the stock was counted");
            let brought = self.scenario.erp.quotes && self.table.rows().commits > commits;
            if time >= 2 && !brought {
                return;
            }
        }
    }

    /// Until the ERP was asked once more what articles cost, and everything that came of it is told.
    fn let_prices_be_asked(&self) {
        let begun = self.world.now();
        let priced = self.scenario.trade.as_ref().is_some_and(|trade| trade.repriced > 0);
        let answered = || self.table.polls(&self.erp_id).and_then(|polls| polls.prices.answered).map(micros);
        // Once an hour, where what is left of the day's calls does not do: the next day brings new ones.
        for _ in 0..30 {
            if !priced || answered() >= Some(begun) {
                return;
            }
            let next = self.table.polls(&self.erp_id).and_then(|polls| polls.prices.next).map_or(0, micros);
            self.lambda.no_sweep_before(next);
            self.run_until(next.max(self.world.now()) + 3 * MINUTE);
            self.settle("after the prices were asked for");
        }
        self.world.violated("nobody asked what articles cost any more".to_owned());
    }

    /// Where nothing runs, sweeps that would find nothing due are passed over.
    fn skip_idle_time(&self) {
        if !self.lambda.idle() || !self.world.executor.running().is_empty() || self.table.next_shown().is_some() {
            return;
        }
        let rows = self.table.rows();
        let ledger = rows.ledgers.get(&AccountId::from(&self.erp_id));
        let now = stamp(self.world.now());
        let held = |head: &Head| {
            let hold = ledger.and_then(|ledger| ledger.hold.as_ref());
            hold.filter(|hold| hold.holds(&head.key.connection, now)).map(|hold| hold.until)
        };
        let told = [rows.next_listing(), rows.next_price(), rows.next_shipment()];
        if let Some(listing) = told.into_iter().flatten().min() {
            // A store is told by nobody else's clock.
            self.lambda.no_sweep_before(micros(listing));
            return;
        }
        let Some(due) = rows.heads.values().filter_map(|head| Some(head.due?.max(held(head).unwrap_or(now)))).min()
        else {
            return;
        };
        let closed = ledger.and_then(|ledger| ledger.blocked_until.max(ledger.departs_at));
        // An earlier departure time can be void.
        let closed =
            closed.filter(|until| self.scenario.limits.day(due).number == self.scenario.limits.day(*until).number);
        self.lambda.no_sweep_before(micros(closed.map_or(due, |until| due.max(until))));
    }

    fn replay_all(&self) {
        let keys: Vec<OrderKey> = self.table.rows().heads.keys().cloned().collect();
        keys.iter().for_each(|key| self.replay(key));
    }
}
