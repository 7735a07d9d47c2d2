//! The fuzz targets as properties, on the stable compiler: any bytes, and our own fixtures changed the way JSON can be changed.
//!
//! libFuzzer digs deeper with the same functions: `fuzz/run` (docs/RELIABILITY.md). What it finds is fixed and gets a test beside
//! the code that was wrong.

mod changes;
mod targets;

use std::{fmt, fs, path::Path};

use proptest::prelude::*;

use self::{
    changes::{change, changed},
    targets::TARGETS,
};

/// An input; what fails is shown as text.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.escape_ascii().to_string())
    }
}

/// Noise, or a seed with a few changes.
fn input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    let changes = prop::collection::vec(change(), 1..6);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Input),
        9 => (prop::sample::select(seeds), changes).prop_map(|(seed, changes)| Input(changed(&seed, &changes))),
    ]
}

/// Runs the target's seeds as they are, and then 10,000 other inputs.
fn hammer(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    proptest!(ProptestConfig::with_cases(10_000), |(input in input(seeds))| (target.run)(&input.0));
}

/// For `fuzz/run`: the seeds as files, nowhere else twice.
#[test]
#[ignore = "writes into fuzz/corpus"]
fn corpus() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target.name);
        fs::create_dir_all(&folder).unwrap();
        for (place, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{place:03}")), seed).unwrap();
        }
    }
}

#[test]
fn signature_headers() {
    hammer("signature_headers");
}

#[test]
fn webhook_bodies() {
    hammer("webhook_bodies");
}

#[test]
fn queue_messages() {
    hammer("queue_messages");
}

#[test]
fn erp_replies() {
    hammer("erp_replies");
}

#[test]
fn batch_replies() {
    hammer("batch_replies");
}
