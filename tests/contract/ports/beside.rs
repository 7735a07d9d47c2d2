//! What is kept beside the records: ids of ERPs' articles and customers, positions, what front doors let in.

use std::collections::HashMap;

use jiff::civil::date;
use puente::{
    domain::ids::{ConnectionId, ErpId},
    ports::Admitted,
};

use super::{Ports, at};

pub(super) async fn ids_are_learnt_per_erp_and_forgotten(ports: &Ports) {
    let known_ids = &ports.known;
    let (main, second): (ErpId, ErpId) = ("main".parse().unwrap(), "second".parse().unwrap());
    let ids: Vec<(String, String)> = (0..130).map(|n| (format!("sku {n}/é"), n.to_string())).collect();
    let names: Vec<String> = ids.iter().map(|(name, _)| name.clone()).collect();
    known_ids.learn(&main, &ids).await.unwrap();
    known_ids.learn(&second, &[(names[0].clone(), "other".into())]).await.unwrap();
    let known: HashMap<_, _> = ids.iter().cloned().collect();
    // A name asked for twice is no reason to fail: two lines of an order share an article.
    let asked = [&names[..], &names[..1], &["unknown".to_owned()]].concat();
    assert_eq!(known_ids.ids(&main, &asked).await.unwrap(), known);
    assert_eq!(known_ids.ids(&second, &asked).await.unwrap().len(), 1);
    known_ids.learn(&main, &[(names[1].clone(), "new".into())]).await.unwrap();
    known_ids.forget(&main, &[names[0].clone(), names[2].clone(), "unknown".into()]).await.unwrap();
    let left = known_ids.ids(&main, &names[..3]).await.unwrap();
    assert_eq!(left, HashMap::from([(names[1].clone(), "new".to_owned())]));
    assert_eq!(known_ids.ids(&second, &names).await.unwrap()[&names[0]], "other");
    assert!(known_ids.ids(&main, &[]).await.unwrap().is_empty());
    known_ids.learn(&main, &[]).await.unwrap();
    known_ids.forget(&main, &[]).await.unwrap();
    // Learnt twice in one breath: the last word counts.
    let twice = [("x".to_owned(), "1".to_owned()), ("x".to_owned(), "2".to_owned())];
    known_ids.learn(&main, &twice).await.unwrap();
    assert_eq!(known_ids.ids(&main, &["x".to_owned()]).await.unwrap()["x"], "2");
}

/// Of one ERP only: the models have no other.
pub(super) async fn what_was_begun_is_no_id(ports: &Ports) {
    let (known, erp) = (&ports.known, "begun".parse::<ErpId>().unwrap());
    let names: Vec<String> = (0..130).map(|n| format!("shop/customer/{n}é")).collect();
    known.learn(&erp, &[(names[0].clone(), "7".into())]).await.unwrap();
    assert_eq!(known.begun(&erp, &names).await.unwrap(), HashMap::new());
    known.begin(&erp, &names, at(20)).await.unwrap();
    known.begin(&erp, &names[..1], at(30)).await.unwrap();
    // A customer twice in one breath: two orders of the same buyer.
    let asked = [&names[..], &names[..1], &["unknown".to_owned()]].concat();
    let begun = known.begun(&erp, &asked).await.unwrap();
    assert_eq!((begun.len(), begun[&names[0]], begun[&names[129]]), (130, at(30), at(20)));
    assert_eq!(known.ids(&erp, &asked).await.unwrap(), HashMap::from([(names[0].clone(), "7".to_owned())]));
    known.forget(&erp, &names[..1]).await.unwrap();
    known.ended(&erp, &[names[1].clone(), "unknown".into()]).await.unwrap();
    let begun = known.begun(&erp, &names[..3]).await.unwrap();
    assert_eq!(begun, HashMap::from([(names[0].clone(), at(30)), (names[2].clone(), at(20))]));
    known.begin(&erp, &[], at(0)).await.unwrap();
    known.ended(&erp, &[]).await.unwrap();
    assert!(known.begun(&erp, &[]).await.unwrap().is_empty());
}

pub(super) async fn cursors_move(ports: &Ports) {
    let cursors = &ports.cursors;
    assert_eq!(cursors.cursor("backfill/shop").await.unwrap(), None);
    cursors.set_cursor("backfill/shop", "2026-01-01").await.unwrap();
    cursors.set_cursor("backfill/other", "x").await.unwrap();
    cursors.set_cursor("backfill/shop", "2026-01-02").await.unwrap();
    assert_eq!(cursors.cursor("backfill/shop").await.unwrap().as_deref(), Some("2026-01-02"));
    ports.records.ready().await.unwrap();
}

pub(super) async fn a_front_door_keeps_its_last_day(ports: &Ports) {
    let (shop, other): (ConnectionId, ConnectionId) = ("door".parse().unwrap(), "shut".parse().unwrap());
    assert_eq!(ports.doors.admitted(&shop).await.unwrap(), None);
    for (day, requests) in [(date(2026, 2, 28), 10), (date(2026, 2, 28), u32::MAX), (date(2026, 3, 1), 1)] {
        let admitted = Admitted { day, requests };
        ports.doors.set_admitted(&shop, admitted).await.unwrap();
        assert_eq!(ports.doors.admitted(&shop).await.unwrap(), Some(admitted));
    }
    assert_eq!(ports.doors.admitted(&other).await.unwrap(), None);
    assert_eq!(ports.cursors.cursor("door").await.unwrap(), None);
}
