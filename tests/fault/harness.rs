//! Tests of what the other tests lean on: each fault of a line does what it says, and the audit sees each way to be wrong.

use std::time::Duration;

use http::{HeaderMap, Method};
use puente::{
    embedded::Embedded,
    outbound::{Call, Client},
};
use puente_sandbox::{
    erp::{Class, Config, Erp},
    store::{Expect, Plan, Shop},
};
use serde_json::json;

use crate::support::{
    audit::{Audit, is_discreet},
    orders::vendor,
    proxy::{Fault, Proxy},
};

/// Posts to the ERP at `addr`: whether there was an answer.
async fn post(addr: std::net::SocketAddr, path: &str, body: &serde_json::Value) -> bool {
    let call = Call {
        method: Method::POST,
        url: format!("http://{addr}{path}").parse().unwrap(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
        timeout: Duration::from_millis(500),
    };
    Client::new().unwrap().send(call).await.is_ok()
}

#[tokio::test]
async fn each_fault_of_a_line_does_what_it_says() {
    let late = Duration::from_millis(50);
    // The fault, whether the ERP did it, and whether anybody was told.
    let faults = [
        (Fault::Refused, false, false),
        (Fault::RequestCut, false, false),
        (Fault::RequestHeld(late), true, true),
        (Fault::ReplyDropped, true, false),
        (Fault::ReplyCut, true, false),
        (Fault::ReplyHeld(late), true, true),
        (Fault::Silent, true, false),
    ];
    for (fault, done, told) in faults {
        for seed in 0..10 {
            let erp = Erp::start(Config::default()).await.unwrap();
            let line = Proxy::to(Some(erp.addr()), seed).await;
            line.breaks(&[(fault, 1000)]);
            let answered = post(line.addr, "/customers", &json!({ "reference": "one" })).await;
            // A client tries a connection that breaks at once another time.
            assert!(line.played().values().sum::<u64>() >= 1, "{fault:?}");
            assert_eq!((!erp.customers().is_empty(), answered), (done, told), "{fault:?}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn the_audit_sees_each_way_to_be_wrong() {
    let since = "2026-03-01T08:00:00Z".parse().unwrap();
    let shop = Shop::open(Plan::new(vendor("shopify"), "audit.example", "secret", 1, 26, since));
    let erp = Erp::start(Config { class: Class::Searchable, checks_totals: false, ..Config::default() }).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = Embedded::open(dir.path()).unwrap();

    // Nothing has arrived anywhere.
    let nothing = Audit::of(&erp, &data, "shop", &shop).await;
    let accepted = shop.truth().iter().filter(|truth| truth.expect != Expect::Nowhere).count();
    assert_eq!(nothing.lost.len(), accepted);
    assert!(!nothing.settled());

    // A sale with another total, twice, and one that no shop knows of.
    let truth = shop.truth().into_iter().find(|truth| matches!(truth.expect, Expect::InErp { .. })).unwrap();
    for reference in [format!("shop/{}", truth.order), format!("shop/{}", truth.order), "shop/never-sold".to_owned()] {
        let line = json!({ "sku": null, "product": null, "net": "0.01" });
        let sale = json!({ "reference": reference, "currency": "EUR", "tax": "0", "lines": [line] });
        assert!(post(erp.addr(), "/orders", &sale).await);
    }
    let audit = Audit::of(&erp, &data, "shop", &shop).await;
    assert_eq!(audit.lost.len(), accepted - 1, "{audit:?}");
    assert_eq!((audit.doubled.len(), audit.wrong.len(), audit.astray.len()), (1, 1, 1), "{audit:?}");
    assert!(std::panic::catch_unwind(|| audit.holds()).is_err());

    assert!(std::panic::catch_unwind(|| is_discreet("to canary.ab12@example.com", &[])).is_err());
    assert!(std::panic::catch_unwind(|| is_discreet("signed with hush", &["hush"])).is_err());
    is_discreet("order shop/1: synced", &["hush"]);
}
