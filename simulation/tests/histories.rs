//! Twenty thousand histories in all, each by its seed. One that ever failed is kept here by name.

use puente_simulation::{campaign, fault::Fault, history::About};

/// What stores are told of their stock, in a sixth of them.
#[test]
fn three_thousand_histories_of_goods_keep_every_invariant() {
    let campaign = campaign::play(About::Goods, 0, 3_000, 3, || {});
    println!(
        "{} histories of goods, {} faults, {} units sold, {} of them not there, {} invariants checked, {:.0} histories a second",
        campaign.histories,
        campaign.faults.values().sum::<u64>(),
        campaign.sold,
        campaign.oversold,
        campaign.checks,
        campaign.histories as f64 / campaign.took.as_secs_f64(),
    );
    let words = campaign.failed.iter().map(|(seed, violations)| format!("seed {seed}: {}", violations[0]));
    assert!(campaign.failed.is_empty(), "{}", words.collect::<Vec<_>>().join("\n"));
    assert!(campaign.sold > 10_000, "{} units sold", campaign.sold);
}

#[test]
fn seventeen_thousand_histories_keep_every_invariant() {
    let campaign = campaign::play(About::Orders, 0, 17_000, 3, || {});
    println!(
        "{} histories, {} faults of {} kinds, {} webhooks answered 2xx, {} invariants checked, {:.0} histories a second",
        campaign.histories,
        campaign.faults.values().sum::<u64>(),
        campaign.faults.len(),
        campaign.accepted,
        campaign.checks,
        campaign.histories as f64 / campaign.took.as_secs_f64(),
    );
    let words = campaign.failed.iter().map(|(seed, violations)| format!("seed {seed}: {}", violations[0]));
    assert!(campaign.failed.is_empty(), "{}", words.collect::<Vec<_>>().join("\n"));
    let never: Vec<&str> =
        Fault::ALL.iter().filter(|fault| !campaign.faults.contains_key(fault)).map(|fault| fault.name()).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
}

/// 20268788: a day of few calls was spent on what is refused anyway, and what was learnt lost once a call for others had no room.
/// 20283248: an ERP that answers an older step under its key, as is not promised, was judged as one that answers the newest.
/// 20317781: a create that landed long after its settle time, of an older state, was judged by the newer one's total.
/// 1410, of goods: a write was lost in between, and a scarce article's other store was held back until the next day's count.
/// 500709, of goods: what a state took that never came on record was owed for as long as nobody confirmed the quotation of a later state.
/// 501953, of goods: a number of unknown outcome was followed by a lower one, and no other store heard that this made room for it.
/// 503955, of goods: a quotation that was brought anew after the third of three questions was judged as if a fourth had been asked.
/// 2343, of goods: after a lost answer a shipment was found in its store, and the answer to its tracking number, which was told at once, was
/// lost too: that hid it again.
/// 601126, of goods: a shipment of an order whose last webhook could not be read was given up, though the sale that is booked says what it is.
/// 603940, of goods: the list of orders brought a quotation anew after the last question to the ERP, and that was judged as if it had been asked.
#[test]
fn seeds_that_once_failed_hold() {
    campaign::quiet_panics();
    let client = puente::outbound::Client::new().unwrap();
    let orders = [20_268_788, 20_283_248, 20_317_781].map(|seed| (About::Orders, seed));
    for (about, seed) in orders.into_iter().chain([
        (About::Goods, 1410),
        (About::Goods, 500_709),
        (About::Goods, 501_953),
        (About::Goods, 503_955),
        (About::Goods, 2343),
        (About::Goods, 601_126),
        (About::Goods, 603_940),
    ]) {
        let report = campaign::guarded(about, seed, &client, false).unwrap();
        assert_eq!(report.violations, Vec::<String>::new(), "{about:?}, seed {seed}");
    }
}

#[test]
fn a_seed_is_its_history() {
    campaign::quiet_panics();
    let client = puente::outbound::Client::new().unwrap();
    for seed in [3, 75, 390] {
        let one = campaign::guarded(About::Orders, seed, &client, true).unwrap();
        let again = campaign::guarded(About::Orders, seed, &client, true).unwrap();
        assert_eq!(one.trace, again.trace);
        assert!(one.trace.len() > 10);
    }
}
