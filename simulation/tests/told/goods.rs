//! What is sold is offered to nobody any more: histories in which what is written of stock crosses what was sold meanwhile. Each is healed
//! minutes later by the next question to the ERP, or by the next look at the store, and what came of it at rest shows nothing: so they look
//! at what stores offer while it goes on.

use std::sync::Arc;

use puente::{
    domain::{
        goods::number::Keeps,
        record::State,
        rules::{After, Edit},
    },
    erp::{Bulk, Class},
};
use puente_simulation::{
    erp,
    executor::Micros,
    fault::Fault,
    scenario::Scenario,
    shop::{self, Shop},
    warehouse::Trade,
    world::{Effect, MINUTE, Point, SECOND},
};

use crate::teller::Teller;

/// Two stores that share one unit of one article, and an ERP with so few calls that it is asked only every now and then.
fn one_unit(keeps: [Keeps; 2], points: Vec<Point>) -> Teller {
    let mut scenario = Scenario { shops: 2, function: 280 * SECOND, ..Scenario::calm(Class::Unique, Bulk::Atomic) };
    scenario.limits.per_day = 300;
    scenario.trade = Some(Trade { articles: vec!["A"], scarce: 0, ..Trade::plain(keeps.to_vec()) });
    let history = Teller::killed(scenario, points);
    history.0.warehouse.as_ref().unwrap().stock().receive("A", 1);
    history
}

const EACH: [[Keeps; 2]; 3] =
    [[Keeps::Gross, Keeps::Gross], [Keeps::Sellable, Keeps::Sellable], [Keeps::Sellable, Keeps::Gross]];

/// The points at which a process of `history` made such a call.
fn calls(history: &Teller, name: &str) -> Vec<(Arc<str>, usize)> {
    let calls = history.0.world.calls();
    let of = |(process, calls): (&Arc<str>, &Vec<&'static str>)| -> Vec<(Arc<str>, usize)> {
        let named = calls.iter().enumerate().filter(|(_, call)| **call == name);
        named.map(|(at, _)| (process.clone(), at)).collect()
    };
    calls.iter().flat_map(of).collect()
}

/// A process stands still for so long with the answer of its call.
fn still((process, call): &(Arc<str>, usize), time: Micros) -> Point {
    Point { process: process.to_string(), call: *call, effect: Effect::FreezeAfter(time) }
}

impl Teller {
    /// What each store offers.
    fn offered(&self) -> Vec<i64> {
        let offers = |shop: &Arc<Shop>| shop.counter().as_ref().map_or(0, |counter| counter.sellable("A")).max(0);
        self.0.shops.iter().map(offers).collect()
    }

    /// That store sells the unit.
    fn sell(&self, shop: usize) {
        self.0.warehouse.as_ref().unwrap().stock().sell("A");
        self.0.shops[shop].counter().as_mut().unwrap().sell("A", 1);
        self.place(shop, "1", "A");
    }

    /// Lets so much time pass, in which no store comes to offer more.
    pub fn pass_sold_out(&self, time: Micros, what: &str) {
        let end = self.0.world.now() + time;
        let mut before = self.offered();
        while self.0.world.now() < end {
            self.pass(SECOND / 50);
            let now = self.offered();
            let raised = before.iter().zip(&now).any(|(before, now)| now > before);
            assert!(!raised, "{what}: the stores offered {before:?}, and {now:?} after the unit was sold");
            before = now;
        }
    }
}

/// The ERP is asked for the first time, answers that there is a unit, and whoever asked stands still with that answer for so long.
fn asked_and_still(keeps: [Keeps; 2], time: Micros) -> Teller {
    let first = one_unit(keeps, Vec::new());
    first.pass(3 * MINUTE);
    let asked = calls(&first, "erp.stock");
    let history = one_unit(keeps, vec![still(&asked[0], time)]);
    while calls(&history, "erp.stock").is_empty() {
        history.pass(SECOND);
    }
    history.pass(5 * SECOND);
    assert_eq!(history.0.warehouse.as_ref().unwrap().stock().polls, 1, "it has answered");
    history
}

/// How often the ERP has answered, and whether the order is booked.
fn answered(history: &Teller) -> (u64, State) {
    let polls = history.0.warehouse.as_ref().unwrap().stock().polls;
    (polls, history.state(0, "1"))
}

#[test]
fn an_answer_that_lands_after_that_of_a_later_poll_is_passed_over() {
    for keeps in EACH {
        let history = asked_and_still(keeps, 220 * SECOND);
        history.sell(0);
        // Its lease ends: another books the order, asks, and is told that nothing is left. Then the first goes on.
        history.pass_sold_out(205 * SECOND, "before");
        assert_eq!(answered(&history), (2, State::Synced));
        history.pass_sold_out(5 * MINUTE, "after");
        assert_eq!(answered(&history), (2, State::Synced), "nothing else has healed it");
        history.end();
    }
}

#[test]
fn what_is_booked_while_an_answer_is_on_its_way_is_not_taken_for_counted() {
    for keeps in EACH {
        let history = asked_and_still(keeps, 220 * SECOND);
        history.sell(0);
        // Its lease ends: another books the order, and its own question is lost. Then the first goes on: its answer has the unit still.
        history.next("erp.moves", Fault::ErpResetBefore);
        history.pass_sold_out(205 * SECOND, "before");
        assert_eq!(answered(&history), (1, State::Synced));
        history.pass_sold_out(5 * MINUTE, "after");
        assert_eq!(answered(&history), (1, State::Synced), "nothing else has healed it");
        history.end();
    }
}

#[test]
fn a_number_that_was_made_before_an_order_is_not_sent_after_it() {
    for keeps in EACH {
        let first = one_unit(keeps, Vec::new());
        first.pass(5 * MINUTE);
        let mut crossed = 0;
        // Whoever reads the shelf stands still before the number is begun; meanwhile the unit is sold in the store that has it already.
        for read in calls(&first, "goods.shelf") {
            let history = one_unit(keeps, vec![still(&read, 30 * SECOND)]);
            for _ in 0..5 * 60 * 5 {
                history.pass(SECOND / 5);
                if history.offered().contains(&1) {
                    break;
                }
            }
            crossed += usize::from(history.offered().contains(&0));
            let shop = history.offered().iter().position(|offers| *offers == 1).unwrap();
            history.sell(shop);
            history.pass(5 * SECOND);
            history.pass_sold_out(2 * MINUTE, &format!("{read:?}"));
            history.end();
        }
        assert!(crossed >= 2, "one store was told before the other {crossed} times");
    }
}

/// A store that has ten of `A` and ten of `B`, and one order, of which `edit` says what is booked.
fn one_order(keeps: Keeps, quotes: bool, edit: Edit, points: Vec<Point>) -> Teller {
    let calm = Scenario::calm(Class::Unique, Bulk::Atomic);
    let scenario = Scenario {
        after: After { edit, ..calm.after },
        erp: erp::Settings { quotes, ..calm.erp },
        trade: Some(Trade { articles: vec!["A", "B"], scarce: 0, ..Trade::plain(vec![keeps]) }),
        ..calm
    };
    let history = Teller::killed(scenario, points);
    for article in ["A", "B"] {
        history.0.warehouse.as_ref().unwrap().stock().receive(article, 10);
    }
    history.pass(5 * MINUTE);
    history.moves(None, "A");
    history.place(0, "1", "A");
    history
}

impl Teller {
    /// The buyer takes one of `to`, in place of one of `from`.
    fn moves(&self, from: Option<&str>, to: &str) {
        let mut stock = self.0.warehouse.as_ref().unwrap().stock();
        let mut counter = self.0.shops[0].counter();
        let counter = counter.as_mut().unwrap();
        from.into_iter().for_each(|article| stock.back(article));
        from.into_iter().for_each(|article| counter.sell(article, -1));
        stock.sell(to);
        counter.sell(to, 1);
    }

    /// What the first store offers of both articles.
    fn offers(&self) -> [i64; 2] {
        ["A", "B"].map(|article| self.0.shops[0].counter().as_ref().unwrap().sellable(article))
    }
}

/// Sales are left as quotations, which lower nothing; edits are left to people. The buyer exchanges the article, and takes the first one again.
#[test]
fn a_quotation_that_was_exchanged_and_taken_back_is_still_owed() {
    let history = one_order(Keeps::Gross, true, Edit::Park, Vec::new());
    history.pass(MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced);
    for (from, to) in [("A", "B"), ("B", "A")] {
        history.moves(Some(from), to);
        history.change("1", shop::exchange);
        history.pass(MINUTE);
    }
    history.pass(10 * MINUTE);
    assert_eq!(history.offers(), [9, 10]);
    history.end();
}

/// Whoever keeps what the order took dies before that state is on record; the buyer exchanges the article, and the next state, which is the
/// first on record, names another one.
#[test]
fn what_a_state_took_that_never_came_on_record_is_taken_back() {
    for (keeps, quotes) in
        [(Keeps::Gross, false), (Keeps::Gross, true), (Keeps::Sellable, false), (Keeps::Sellable, true)]
    {
        let first = one_order(keeps, quotes, Edit::Amend, Vec::new());
        let before = calls(&first, "goods.write");
        first.pass(MINUTE);
        let kept = calls(&first, "goods.write").into_iter().find(|call| !before.contains(call)).unwrap();
        let dies = Point { process: kept.0.to_string(), call: kept.1, effect: Effect::DieAfter };
        let history = one_order(keeps, quotes, Edit::Amend, vec![dies]);
        history.pass(10 * SECOND);
        assert!(history.0.table.rows().heads.is_empty(), "it is not on record");
        history.moves(Some("A"), "B");
        history.change("1", shop::exchange);
        history.pass(30 * MINUTE);
        assert_eq!((history.state(0, "1"), history.offers()), (State::Synced, [10, 9]), "{keeps:?}, {quotes}");
        // Nor does it count as owed, which would be shown only once the store is told again.
        history.end();
    }
}
