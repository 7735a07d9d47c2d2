//! Twenty thousand histories, each by its seed. One that ever failed is kept here by name.

use puente_simulation::{campaign, fault::Fault};

#[test]
fn twenty_thousand_histories_keep_every_invariant() {
    let campaign = campaign::play(0, 20_000, 3, || {});
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

#[test]
fn a_seed_is_its_history() {
    campaign::quiet_panics();
    let client = puente::outbound::Client::new().unwrap();
    for seed in [3, 75, 390] {
        let one = campaign::guarded(seed, &client, true).unwrap();
        let again = campaign::guarded(seed, &client, true).unwrap();
        assert_eq!(one.trace, again.trace);
        assert!(one.trace.len() > 10);
    }
}
