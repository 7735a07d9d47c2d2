//! The demo as a user runs it: its exit code and its figures.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_small_demo_balances_and_accounts_for_every_webhook() {
    let demo = Command::new(env!("CARGO_BIN_EXE_puente"))
        .args(["demo", "--orders", "30", "--seed", "11", "--json"])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{out}\n{err}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} is missing: {report}"));
    for zero in ["lost", "doubled", "wrong_total", "waiting"] {
        assert_eq!(count(zero), 0, "{zero}: {report}");
    }
    assert_eq!(count("sent"), count("accepted") + count("refused") + count("pings"), "{report}");
    assert_eq!(count("accepted"), count("recorded") + count("duplicates") + count("superseded"), "{report}");
    let ends = ["in_erp", "parked", "dead", "ignored", "unseen"].map(count);
    assert_eq!(ends.iter().sum::<u64>(), 30, "{report}");
    // What the demo promises to show is in it.
    for some in ["in_erp", "parked", "dead", "ignored", "forged", "limited", "duplicates", "superseded", "retried"] {
        assert!(count(some) > 0, "{some}: {report}");
    }
    assert_eq!(count("limited"), 3, "the second shop's front door has no room for three: {report}");
    assert!(report["calls_per_order"].is_number() && report["seconds"].is_number(), "{report}");
    assert!(count("quota_used") >= count("erp_calls") && count("erp_calls") > 0, "{report}");
}

#[test]
fn a_number_of_orders_that_cannot_be_is_refused() {
    let demo = Command::new(env!("CARGO_BIN_EXE_puente")).args(["demo", "--orders", "0"]).output().unwrap();
    assert_eq!(demo.status.code(), Some(2));
}
