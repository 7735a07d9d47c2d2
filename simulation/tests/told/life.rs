//! The histories that each rule of an order's whole life is there for: changed, cancelled and refunded after, before and while it
//! reaches the ERP.

use puente::{
    domain::{
        record::{End, Parked, State},
        rules::{Credit, Edit},
    },
    erp::{Bulk, Class},
};
use puente_simulation::{
    erp::{PERIOD_CLOSED, UNKNOWN_SKU},
    fault::Fault,
    scenario::Scenario,
    shop,
    world::{Effect, HOUR, MINUTE, Point, SECOND},
};

use crate::teller::Teller;

const EACH: [Class; 3] = [Class::Key, Class::Unique, Class::Searchable];

fn calm(class: Class) -> Scenario {
    Scenario::calm(class, Bulk::Atomic)
}

fn anew(class: Class) -> Scenario {
    let mut scenario = calm(class);
    scenario.after.edit = Edit::CancelAndNew;
    scenario
}

/// Paid and refunded in the store before anybody tells of it.
fn refunded_before(history: &Teller, refunds: usize) {
    history.down_for(MINUTE);
    history.place(0, "1", "A");
    history.pass(SECOND);
    for _ in 0..refunds {
        history.change("1", shop::refund);
        history.pass(SECOND);
    }
}

#[test]
fn a_refund_that_came_before_the_sale_is_credited_after_it() {
    for class in EACH {
        let history = Teller::new(calm(class));
        refunded_before(&history, 1);
        history.pass(10 * MINUTE);
        assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
        assert_eq!(history.state(0, "1"), State::Synced);
        history.end();
    }
}

#[test]
fn changed_and_changed_back_before_the_credit_the_sale_is_changed_back_too() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    // Changed and refunded: the change arrives, and the ERP goes down before the credit note.
    (0..5).for_each(|_| history.next("erp.credit", Fault::ErpRefused));
    history.change("1", |order| {
        shop::exchange(order);
        shop::refund(order);
    });
    history.pass(3 * SECOND);
    assert_eq!(history.documents("1"), ["sale"]);
    let first = history.0.shops[0].orders()[&history.key(0, "1").order].states[0].clone();
    history.change("1", |order| {
        (order.lines, order.total) = (first.lines, first.total);
        order.current_total = None;
    });
    history.pass(HOUR);
    assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
    let (together, said) = history.comes_to("1");
    assert_eq!(together, said);
    history.end();
}

#[test]
fn a_verdict_on_a_step_that_another_conductor_took_meanwhile_stops_nothing() {
    let played = |points: Vec<Point>| {
        let mut scenario = calm(Class::Unique);
        scenario.erp.customers = true;
        let history = Teller::killed(scenario, points);
        refunded_before(&history, 1);
        history.next("erp.credit", Fault::ErpRefused);
        history
    };
    let first = played(Vec::new());
    first.pass(2 * MINUTE);
    let asked: Vec<(String, usize)> = first
        .0
        .world
        .calls()
        .iter()
        .filter_map(|(process, calls)| Some((process.to_string(), calls.iter().position(|c| *c == "erp.resolve")?)))
        .collect();
    let (process, call) = asked.first().cloned().unwrap();
    // The first conductor stands still while its articles are resolved; the article is gone when it hears of it.
    let still = Point { process, call, effect: Effect::FreezeAfter(5 * MINUTE) };
    let history = played(vec![still]);
    history.pass(HOUR);
    assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
    assert_eq!(history.state(0, "1"), State::Synced);
    history.end();
}

#[test]
fn each_step_has_attempts_of_its_own() {
    let mut scenario = calm(Class::Unique);
    scenario.max_attempts = 2;
    let history = Teller::new(scenario);
    refunded_before(&history, 5);
    history.pass(HOUR);
    assert_eq!(history.state(0, "1"), State::Synced);
    assert_eq!(history.documents("1").len(), 6);
    history.end();
}

#[test]
fn a_sale_in_doubt_is_looked_up_although_the_order_was_cancelled() {
    for class in EACH {
        let history = Teller::new(calm(class));
        history.next("erp.create", Fault::ErpResetAfter);
        history.place(0, "1", "A");
        history.pass(3 * SECOND);
        history.change("1", shop::cancel);
        history.pass(10 * MINUTE);
        assert_eq!(history.documents("1"), ["sale cancelled"]);
        assert_eq!(history.state(0, "1"), State::Synced);
        history.end();
    }
}

#[test]
fn a_sale_in_doubt_that_is_not_there_is_sent_again_and_cancelled_although_nobody_wants_it() {
    for class in EACH {
        // It lands after the look-up, and before the second call.
        for moment in 0..20 {
            let history = Teller::new(calm(class));
            history.late("erp.create", 19 * SECOND + moment * SECOND / 5);
            history.place(0, "1", "A");
            history.pass(3 * SECOND);
            history.change("1", shop::cancel);
            history.pass(HOUR);
            if class != Class::Searchable {
                assert_eq!(history.documents("1"), ["sale cancelled"], "{class:?} {moment}");
            }
            assert_eq!(history.state(0, "1"), State::Synced, "{class:?} {moment}");
        }
    }
}

#[test]
fn a_refused_step_in_doubt_is_let_go_by_a_person_only() {
    let history = Teller::new(calm(Class::Unique));
    // The first call lands long after its look-up; the second is refused; then the order is cancelled.
    history.late("erp.create", 10 * MINUTE);
    history.0.erp.books().very_late.push("shop-0/1".to_owned());
    history.place(0, "1", "A");
    history.pass(4 * SECOND);
    history.refuses_for(4 * MINUTE);
    history.pass(3 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.change("1", shop::cancel);
    history.pass(HOUR);
    // It landed meanwhile, and nobody had let it go: a person who looks finds it, and it is cancelled.
    assert_eq!((history.documents("1"), history.state(0, "1")), (vec!["sale".to_owned()], State::Parked));
    history.0.replay(&history.key(0, "1"));
    history.pass(10 * MINUTE);
    assert_eq!((history.documents("1"), history.state(0, "1")), (vec!["sale cancelled".to_owned()], State::Synced));
    history.end();
}

#[test]
fn what_a_person_confirms_is_let_go() {
    let history = Teller::new(calm(Class::Unique));
    history.next("erp.create", Fault::ErpResetBefore);
    history.place(0, "1", "A");
    history.pass(4 * SECOND);
    history.refuses_for(5 * MINUTE);
    history.pass(3 * MINUTE);
    history.change("1", shop::cancel);
    history.pass(10 * MINUTE);
    assert!(history.head(0, "1").intent.is_some(), "in doubt, whatever is wanted now");
    history.0.replay(&history.key(0, "1"));
    history.pass(10 * MINUTE);
    assert_eq!((history.state(0, "1"), history.head(0, "1").intent), (State::Ignored, None));
    history.end();
}

#[test]
fn a_sale_made_anew_has_one_reference_whatever_version_it_has() {
    let mut scenario = anew(Class::Unique);
    scenario.max_attempts = 12;
    let history = Teller::new(scenario);
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    // Cancelled and made anew: that lands late, its second call is refused, and a newer edit goes out after a replay.
    history.late("erp.create", 20 * MINUTE);
    history.0.erp.books().very_late.push("shop-0/1".to_owned());
    history.edit("1");
    history.pass(8 * SECOND);
    history.refuses_for(4 * MINUTE);
    history.pass(4 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.edit("1");
    history.pass(SECOND);
    history.0.replay(&history.key(0, "1"));
    history.pass(2 * HOUR);
    assert_eq!(history.documents("1"), ["sale cancelled", "/v/1"]);
    history.0.replay(&history.key(0, "1"));
    history.pass(HOUR);
    history.end();
}

#[test]
fn a_sale_is_not_cancelled_before_the_new_one_can_be_made() {
    let history = Teller::new(anew(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    history.change("1", |order| order.lines[0].sku = Some(UNKNOWN_SKU.to_owned()));
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale"]);
    assert_eq!(history.state(0, "1"), State::Parked);
    history.end();
}

#[test]
fn a_cancellation_that_lands_late_cancels_the_sale_that_it_names() {
    let history = Teller::new(anew(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    history.late("erp.cancel", 30 * MINUTE);
    history.edit("1");
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale cancelled", "/v/1"]);
    history.pass(HOUR);
    assert_eq!(history.documents("1"), ["sale cancelled", "/v/1"]);
    history.end();
}

#[test]
fn a_change_that_lands_late_is_not_laid_over_a_newer_one() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    history.late("erp.amend", 30 * MINUTE);
    history.edit("1");
    history.pass(10 * MINUTE);
    history.edit("1");
    history.pass(10 * SECOND);
    let desired = history.head(0, "1").desired;
    assert_eq!(history.0.erp.books().documents[0].version, Some(desired.clone()));
    history.pass(HOUR);
    assert_eq!(history.0.erp.books().documents[0].version, Some(desired));
    history.end();
}

#[test]
fn a_change_that_was_never_sent_is_not_found_in_the_sale_that_it_is_for() {
    let played = |points: Vec<Point>| {
        let history = Teller::killed(calm(Class::Unique), points);
        history.place(0, "1", "A");
        history.pass(10 * SECOND);
        history.edit("1");
        history
    };
    let first = played(Vec::new());
    first.pass(MINUTE);
    let calls = first.0.world.calls();
    let find = |name: &str| {
        calls.iter().find_map(|(process, calls)| Some((process.clone(), calls.iter().position(|c| *c == name)?)))
    };
    let (process, call) = find("erp.amend").unwrap();
    // Its intent is on record, and it dies before the first byte.
    let dies = Point { process: process.to_string(), call, effect: Effect::DieBefore };
    let history = played(vec![dies]);
    history.pass(HOUR);
    let head = history.head(0, "1");
    assert_eq!(history.0.erp.books().documents[0].version.as_ref(), Some(&head.desired));
    assert_eq!(head.state(), State::Synced);
    history.end();
}

#[test]
fn what_is_credited_is_not_cancelled_as_well() {
    for edit in [Edit::Amend, Edit::CancelAndNew] {
        let mut scenario = calm(Class::Unique);
        scenario.after.edit = edit;
        let history = Teller::new(scenario);
        history.place(0, "1", "A");
        history.pass(10 * SECOND);
        history.change("1", shop::refund);
        history.pass(10 * SECOND);
        if edit == Edit::CancelAndNew {
            history.edit("1");
        } else {
            history.change("1", shop::cancel);
        }
        history.pass(10 * MINUTE);
        assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
        assert_eq!(history.state(0, "1"), State::Parked);
        assert_eq!(history.told_of("would give the money back twice"), ["shop-0/1"]);
        history.end();
    }
}

#[test]
fn a_step_whose_answer_came_late_completes_no_other() {
    let played = |points: Vec<Point>| {
        let history = Teller::killed(calm(Class::Unique), points);
        refunded_before(&history, 1);
        history
    };
    let first = played(Vec::new());
    first.pass(3 * MINUTE);
    let calls = first.0.world.calls();
    let (process, call) = calls
        .iter()
        .find_map(|(process, calls)| Some((process.to_string(), calls.iter().position(|c| *c == "erp.create")?)))
        .unwrap();
    // It has its answer, and stands still until another has found the sale and is at the credit note.
    for seconds in [95, 120, 150] {
        let still = Point { process: process.clone(), call, effect: Effect::FreezeAfter(seconds * SECOND) };
        let history = played(vec![still]);
        history.next("erp.credit", Fault::ErpErrorBefore);
        history.pass(HOUR);
        assert_eq!(history.documents("1"), ["sale", "/refund/1"], "{seconds}");
        history.end();
    }
}

#[test]
fn what_people_did_to_a_sale_in_between_is_a_persons_and_the_other_steps_stand() {
    for (does, says) in [(0, "the sale was shipped"), (1, "not our version"), (2, "no such sale")] {
        let history = Teller::new(calm(Class::Unique));
        history.place(0, "1", "A");
        history.pass(10 * SECOND);
        history.change("1", shop::refund);
        history.pass(10 * SECOND);
        history.0.erp.somebody(|sale| match does {
            0 => sale.shipped = true,
            1 => sale.version = None,
            _ => sale.deleted = true,
        });
        history.edit("1");
        history.pass(10 * MINUTE);
        assert_eq!(history.state(0, "1"), State::Parked, "{says}");
        assert_eq!(history.told_of(says), ["shop-0/1"], "{says}");
        assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
        // Sent again it is refused again, and nothing else happens.
        history.0.replay(&history.key(0, "1"));
        history.pass(10 * MINUTE);
        assert_eq!(history.state(0, "1"), State::Parked, "{says}");
        history.end();
    }
}

#[test]
fn a_closed_period_stops_a_credit_note_and_a_replay_books_it() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    history.refuses_for(HOUR);
    history.change("1", shop::refund);
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    assert_eq!(history.told_of(PERIOD_CLOSED), ["shop-0/1"]);
    history.pass(HOUR);
    history.0.replay(&history.key(0, "1"));
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale", "/refund/1"]);
    history.end();
}

#[test]
fn what_was_given_to_a_person_is_not_booked_when_a_newer_state_comes() {
    let mut scenario = calm(Class::Unique);
    scenario.after.refund = Credit::Park;
    let history = Teller::new(scenario);
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    history.change("1", shop::refund);
    history.pass(10 * SECOND);
    assert_eq!(history.state(0, "1"), State::Parked);
    // The buyer's channel is another one; an edit alone would be ours.
    history.edit("1");
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale"]);
    assert_eq!(history.state(0, "1"), State::Parked);
    let head = history.head(0, "1");
    assert_ne!(head.sale().unwrap().version.as_ref(), Some(&head.desired));
    history.end();
}

/// As releases before operations left a record that was at rest.
fn of_an_earlier_release(history: &Teller, id: &str) {
    let key = history.key(0, id);
    let mut rows = history.0.table.rows();
    let head = rows.heads.get_mut(&key).unwrap();
    head.schema = 1;
    head.booked.iter_mut().for_each(|booked| booked.version = None);
}

#[test]
fn a_sale_of_an_earlier_release_is_looked_up_before_it_is_changed() {
    let history = Teller::new(calm(Class::Unique));
    for id in ["1", "2", "3"] {
        history.place(0, id, "A");
    }
    history.pass(10 * SECOND);
    for id in ["1", "2", "3"] {
        of_an_earlier_release(&history, id);
    }
    // The update comes in the middle of the day: one is edited, one refunded, and one of which nothing changed is sent again.
    let before = history.calls();
    history.edit("1");
    history.change("2", shop::refund);
    history.tell("3");
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale"]);
    assert_eq!(history.documents("2"), ["sale", "/refund/1"]);
    for id in ["1", "2", "3"] {
        assert_eq!(history.state(0, id), State::Synced, "{id}");
    }
    let head = history.head(0, "2");
    let (carried, document) = (head.sale().unwrap().version.clone(), head.document().unwrap().clone());
    assert_eq!(carried, history.0.erp.books().at(&document).unwrap().version, "what was found in the ERP");
    assert!(history.head(0, "3").sale().unwrap().version.is_none(), "nobody asked for it");
    assert!(history.calls() - before <= 8, "{}", history.calls() - before);
    history.end();
}

#[test]
fn a_sale_of_an_earlier_release_that_is_gone_is_a_persons() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    of_an_earlier_release(&history, "1");
    history.0.erp.somebody(|sale| sale.deleted = true);
    history.edit("1");
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Parked);
    assert_eq!(history.told_of("is on record and not in the ERP any more"), ["shop-0/1"]);
}

#[test]
fn an_order_that_an_earlier_release_gave_to_a_person_stays_theirs_until_they_hand_it_back() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    of_an_earlier_release(&history, "1");
    // It stopped there, in that release's words.
    let key = history.key(0, "1");
    history.change_untold("1", shop::refund);
    {
        let mut rows = history.0.table.rows();
        let head = rows.heads.get_mut(&key).unwrap();
        let reason = || "0.10 EUR were refunded after it reached the ERP: credit sale S0 there by hand".into();
        head.parked = Some(Parked { version: head.desired.clone(), end: End::Parked, reason: reason() });
        head.reason = Some(reason());
    }
    history.change("1", shop::refund);
    history.pass(10 * MINUTE);
    assert_eq!((history.documents("1"), history.state(0, "1")), (vec!["sale".to_owned()], State::Parked));
    history.0.replay(&key);
    history.pass(10 * MINUTE);
    assert_eq!(history.documents("1"), ["sale", "/refund/1", "/refund/2"]);
    history.end();
}

#[test]
fn one_look_up_that_is_refused_does_not_stop_a_sale_of_an_earlier_release() {
    let history = Teller::new(calm(Class::Unique));
    history.place(0, "1", "A");
    history.pass(10 * SECOND);
    of_an_earlier_release(&history, "1");
    history.0.erp.books().unaskable.insert("shop-0/1".to_owned());
    history.edit("1");
    history.pass(5 * SECOND);
    // Each look-up costs an attempt, and none of them stops it; how many there were by now is the backoff's chance.
    let attempts = history.head(0, "1").attempts;
    assert!(history.state(0, "1") == State::Waiting && (1..=3).contains(&attempts), "{attempts}");
    history.0.erp.books().unaskable.clear();
    history.pass(10 * MINUTE);
    assert_eq!(history.state(0, "1"), State::Synced);
    assert_eq!(history.head(0, "1").sale().unwrap().version.as_ref(), Some(&history.head(0, "1").desired));
    history.end();
}
