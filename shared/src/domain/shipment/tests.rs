//! What becomes of a dispatch: each condition of [`ShipmentWrite`] has a test that fails without it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::domain::{ids::AttemptId, money::Amount};

fn at(second: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

/// Two of an article in one parcel, whose number may follow later.
fn shipment(tracking: Option<&str>) -> Shipment {
    Shipment {
        id: "7".parse().unwrap(),
        number: "OUT/7".to_owned(),
        items: BTreeMap::from([("MATE".parse().unwrap(), Amount::from(2))]),
        carrier: None,
        parcels: tracking.map(|number| Parcel { number: number.to_owned(), url: None }).into_iter().collect(),
    }
}

fn lines() -> BTreeMap<String, Amount> {
    BTreeMap::from([("line-1".to_owned(), Amount::from(2))])
}

fn noted(tracking: Option<&str>) -> ShipmentWrite {
    ShipmentWrite::Noted { shipment: shipment(tracking), poll: 1 }
}

/// An attempt that lands within a minute, or never. What it was decided on is filled in by [`decided_now`].
fn sending(attempt: &str, begun: i64, epoch: u64) -> ShipmentWrite {
    let rev = 0;
    let (begun, settle_at) = (at(begun), at(begun + 60));
    let underway = Underway { attempt: AttemptId::new(attempt), lines: lines(), begun, settle_at };
    ShipmentWrite::Sending(Sending { underway, epoch, rev })
}

fn told(attempt: Option<&str>, epoch: u64, seen: u64) -> ShipmentWrite {
    let (attempt, fulfilment) = (attempt.map(AttemptId::new), Some("gid://1".to_owned()));
    ShipmentWrite::Told { attempt, epoch, seen, fulfilment, lines: lines() }
}

fn failed(attempt: Option<&str>, certain: bool, due: Option<i64>) -> ShipmentWrite {
    let (attempt, due) = (attempt.map(AttemptId::new), due.map(at));
    ShipmentWrite::Failed(Failed { attempt, epoch: 9, seen: 1, certain, due, note: "429".to_owned() })
}

/// The same, decided on the dispatch as it is now.
fn decided_now(write: &ShipmentWrite, dispatch: Option<&Dispatch>) -> ShipmentWrite {
    let mut write = write.clone();
    if let (ShipmentWrite::Sending(sending), Some(dispatch)) = (&mut write, dispatch) {
        sending.rev = dispatch.rev;
    }
    write
}

/// A dispatch that was heard of at noon, after these writes, which all hold.
fn after(writes: &[(&ShipmentWrite, i64)]) -> Option<Dispatch> {
    let mut dispatch = Some(Dispatch::new(shipment(None), 1, at(0)));
    for (write, second) in writes {
        let write = decided_now(write, dispatch.as_ref());
        assert!(write.apply(&mut dispatch, at(*second)), "{write:?} on {dispatch:?}");
    }
    dispatch
}

/// Applies a write that holds.
fn apply(dispatch: &mut Option<Dispatch>, write: &ShipmentWrite, second: i64) -> Dispatch {
    let write = decided_now(write, dispatch.as_ref());
    assert!(write.apply(dispatch, at(second)), "{write:?} on {dispatch:?}");
    dispatch.clone().unwrap()
}

/// Applies a write that does not hold.
fn refused(dispatch: &mut Option<Dispatch>, write: &ShipmentWrite, second: i64) {
    let before = dispatch.clone();
    let write = decided_now(write, dispatch.as_ref());
    assert!(!write.apply(dispatch, at(second)), "{write:?} on {before:?}");
    assert_eq!(*dispatch, before, "refused, and changed all the same");
}

#[test]
fn a_shipment_that_is_heard_of_is_due_at_once() {
    let mut dispatch = None;
    let new = apply(&mut dispatch, &noted(None), 3);
    assert_eq!((new.dirt, new.due, new.told), (1, Some(at(3)), None));
}

#[test]
fn of_a_shipment_that_nobody_heard_of_nothing_is_written() {
    for write in
        [sending("a", 0, 1), told(None, 1, 1), told(Some("a"), 1, 1), failed(None, true, None), ShipmentWrite::Again]
    {
        refused(&mut None, &write, 0);
    }
}

#[test]
fn the_same_said_again_wakes_nobody() {
    let mut dispatch = after(&[(&told(None, 1, 1), 1)]);
    let before = dispatch.clone();
    assert_eq!(apply(&mut dispatch, &noted(None), 9).due, None);
    assert_eq!(dispatch, before);
    // Nor does it start what stopped.
    let mut dispatch = after(&[(&failed(None, true, None), 1)]);
    assert!(apply(&mut dispatch, &noted(None), 9).stopped);
}

#[test]
fn a_change_is_due_also_of_what_was_told_or_had_stopped() {
    let change = noted(Some("T1"));
    let changed = apply(&mut after(&[(&told(None, 1, 1), 1)]), &change, 9);
    assert_eq!((changed.dirt, changed.due, changed.is_told()), (2, Some(at(9)), false));
    assert_eq!(changed.shipment, shipment(Some("T1")));
    let tries = [(&sending("a", 0, 1), 0), (&failed(Some("a"), true, None), 1)];
    let changed = apply(&mut after(&tries), &change, 9);
    assert_eq!((changed.stopped, changed.attempts, changed.due), (false, 0, Some(at(9))));
}

#[test]
fn a_change_waits_until_what_is_on_its_way_cannot_land_any_more() {
    let change = noted(Some("T1"));
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    assert_eq!(apply(&mut dispatch, &change, 9).due, Some(at(60)));
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    assert_eq!(apply(&mut dispatch, &change, 90).due, Some(at(90)));
}

#[test]
fn nothing_is_begun_that_was_decided_on_the_row_as_it_was_before() {
    let change = noted(Some("T1"));
    // Changed by the ERP; told by another conductor, or refused to it; wanted by a person.
    let told = told(None, 1, 1);
    let tried = [(&sending("b", 1, 1), 1), (&failed(Some("b"), true, Some(2)), 2)];
    for meanwhile in [&[(&change, 1)][..], &[(&told, 1)], &tried, &[(&failed(None, true, None), 1)]] {
        let decided = decided_now(&sending("a", 70, 1), after(&[]).as_ref());
        let mut dispatch = after(meanwhile);
        let before = dispatch.clone();
        assert!(!decided.apply(&mut dispatch, at(70)), "{meanwhile:?}");
        assert_eq!(dispatch, before);
        assert_eq!(apply(&mut dispatch, &sending("a", 70, 1), 70).epoch, 1);
    }
    let begun = apply(&mut after(&[(&change, 1)]), &sending("a", 2, 1), 2);
    assert_eq!((begun.due, begun.attempts, begun.epoch), (Some(at(62)), 1, 1));
    assert_eq!(begun.lines(), lines());
}

#[test]
fn what_changes_nothing_is_no_change() {
    let mut dispatch = after(&[(&told(None, 1, 1), 1)]);
    let rev = dispatch.as_ref().unwrap().rev;
    assert_eq!(apply(&mut dispatch, &noted(None), 9).rev, rev);
    assert_eq!(apply(&mut dispatch, &noted(Some("T1")), 9).rev, rev + 1);
}

#[test]
fn what_an_earlier_poll_said_is_not_laid_over_what_a_later_one_did() {
    let of = |tracking, poll| ShipmentWrite::Noted { shipment: shipment(tracking), poll };
    let mut dispatch = after(&[(&of(Some("T2"), 3), 1)]);
    refused(&mut dispatch, &of(Some("T1"), 2), 2);
    assert_eq!(apply(&mut dispatch, &of(Some("T1"), 3), 2).dirt, 3, "another page of the same one");
    assert_eq!(apply(&mut dispatch, &of(None, 4), 3).poll, 4);
}

#[test]
fn a_change_that_came_before_a_failure_is_looked_at_all_the_same() {
    let mut dispatch = after(&[(&noted(Some("T1")), 1)]);
    let is = apply(&mut dispatch, &failed(None, true, None), 2);
    assert_eq!((is.due, is.stopped), (Some(at(2)), false));
    let mut dispatch = after(&[(&sending("a", 0, 1), 0), (&noted(Some("T1")), 1)]);
    assert_eq!(apply(&mut dispatch, &failed(Some("a"), true, Some(500)), 2).due, Some(at(2)));
}

#[test]
fn a_failure_of_nothing_is_not_believed_of_a_conductor_that_lost_its_lease() {
    let mut dispatch = after(&[(&told(None, 10, 1), 1)]);
    refused(&mut dispatch, &failed(None, true, None), 2);
}

#[test]
fn what_cannot_land_any_more_keeps_nobody_from_resting() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    let is = apply(&mut dispatch, &failed(Some("a"), false, None), 61);
    assert_eq!((is.due, is.stopped), (None, true));
}

#[test]
fn a_conductor_that_lost_its_lease_begins_nothing() {
    // The later one began, and was refused.
    let mut dispatch = after(&[(&sending("b", 0, 6), 0), (&failed(Some("b"), true, Some(30)), 1)]);
    refused(&mut dispatch, &sending("a", 2, 5), 2);
    // The later one found it there.
    let mut dispatch = after(&[(&told(None, 6, 1), 1)]);
    refused(&mut dispatch, &sending("a", 2, 5), 2);
}

#[test]
fn nothing_is_begun_while_an_earlier_attempt_may_still_land() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0), (&failed(Some("a"), false, None), 5)]);
    refused(&mut dispatch, &sending("b", 59, 1), 59);
    let again = apply(&mut dispatch, &sending("b", 60, 1), 60);
    assert_eq!((again.attempts, again.due), (2, Some(at(120))));
    assert_eq!(again.underway.unwrap().attempt, AttemptId::new("b"));
}

#[test]
fn an_answer_is_believed_of_the_attempt_on_its_way_alone() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    refused(&mut dispatch, &told(Some("b"), 1, 1), 1);
    let is = apply(&mut dispatch, &told(Some("a"), 1, 1), 1);
    assert_eq!((is.due, is.underway.clone(), is.attempts, is.is_told()), (None, None, 0, true));
    assert_eq!(is.told.unwrap().at, at(1));
    // Nor again, nor where nothing is on its way.
    refused(&mut dispatch, &told(Some("a"), 1, 1), 2);
    // It is believed whoever conducts by now: the store did answer.
    let mut dispatch = after(&[(&sending("a", 0, 6), 0)]);
    assert_eq!(apply(&mut dispatch, &told(Some("a"), 5, 1), 1).epoch, 6);
}

#[test]
fn what_a_conductor_found_before_it_lost_its_lease_is_not_believed() {
    let mut dispatch = after(&[(&sending("b", 0, 6), 0)]);
    refused(&mut dispatch, &told(None, 5, 1), 1);
    let found = apply(&mut dispatch, &told(None, 6, 1), 1);
    assert_eq!((found.underway, found.due), (None, None));
    // Whoever finds it takes it over from an earlier one.
    let mut dispatch = after(&[(&told(None, 7, 1), 1)]);
    refused(&mut dispatch, &told(None, 6, 1), 2);
}

#[test]
fn a_change_while_the_store_was_told_is_not_forgotten() {
    let change = noted(Some("T1"));
    let mut dispatch = after(&[(&sending("a", 0, 1), 0), (&change, 1)]);
    let is = apply(&mut dispatch, &told(Some("a"), 1, 1), 2);
    assert_eq!((is.due, is.is_told(), is.told.unwrap().as_of), (Some(at(2)), false, 1));
    let is = apply(&mut dispatch, &told(None, 1, 2), 3);
    assert_eq!((is.due, is.is_told()), (None, true));
}

#[test]
fn what_was_told_starts_afresh() {
    let stopped = [(&sending("a", 0, 1), 0), (&failed(Some("a"), true, None), 1)];
    let mut dispatch = after(&stopped);
    let is = apply(&mut dispatch, &told(None, 1, 1), 2);
    assert_eq!((is.stopped, is.attempts, is.note), (false, 0, None));
}

#[test]
fn a_failure_ends_the_attempt_that_is_on_its_way_alone() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    refused(&mut dispatch, &failed(Some("b"), true, Some(5)), 1);
    refused(&mut dispatch, &failed(None, true, None), 1);
    let mut dispatch = after(&[(&told(None, 1, 1), 1)]);
    refused(&mut dispatch, &failed(Some("a"), true, Some(5)), 1);
}

#[test]
fn a_certain_failure_is_tried_again_when_it_says() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    let is = apply(&mut dispatch, &failed(Some("a"), true, Some(5)), 1);
    assert_eq!((is.underway, is.due, is.stopped, is.note.as_deref()), (None, Some(at(5)), false, Some("429")));
    assert!(dispatch.as_ref().unwrap().lines().is_empty(), "nothing of it is there");
    let is = apply(&mut dispatch, &sending("b", 5, 1), 5);
    assert_eq!(is.attempts, 2, "attempts since one succeeded are counted");
}

#[test]
fn an_attempt_of_unknown_outcome_is_looked_at_when_it_cannot_land_any_more_and_not_before() {
    for (due, then) in [(Some(5), 60), (Some(90), 90), (None, 60)] {
        let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
        let is = apply(&mut dispatch, &failed(Some("a"), false, due), 1);
        assert_eq!((is.due, is.stopped), (Some(at(then)), false), "{due:?}");
        assert_eq!(is.underway.unwrap().attempt, AttemptId::new("a"), "its lines may be there");
    }
}

#[test]
fn without_a_time_it_rests_until_somebody_does_something() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    let is = apply(&mut dispatch, &failed(Some("a"), true, None), 1);
    assert_eq!((is.due, is.stopped, is.attempts), (None, true, 1));
    let is = apply(&mut dispatch, &ShipmentWrite::Again, 9);
    assert_eq!((is.due, is.stopped, is.attempts), (Some(at(9)), false, 0));
}

#[test]
fn a_person_does_not_have_it_looked_at_while_it_may_still_land() {
    let mut dispatch = after(&[(&sending("a", 0, 1), 0)]);
    assert_eq!(apply(&mut dispatch, &ShipmentWrite::Again, 9).due, Some(at(60)));
    assert_eq!(apply(&mut dispatch, &ShipmentWrite::Again, 90).due, Some(at(90)));
}
