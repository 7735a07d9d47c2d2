//! The fuzz targets as properties, on the stable compiler: any bytes, and our own fixtures changed the way JSON can be changed.
//!
//! libFuzzer digs deeper with the same functions: `fuzz/run` (docs/RELIABILITY.md). What it finds is fixed and gets a test beside
//! the code that was wrong.

mod changes;
mod targets;

use std::{fs, path::Path};

use proptest::prelude::*;

use self::{
    changes::{Change, change, changed},
    targets::{TARGETS, Target},
};

/// An input: noise, or a seed with a few changes.
#[derive(Debug, Clone)]
enum Input {
    Noise(Vec<u8>),
    Changed(prop::sample::Index, Vec<Change>),
}

fn input() -> impl Strategy<Value = Input> {
    let changes = prop::collection::vec(change(), 1..6);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Input::Noise),
        9 => (any::<prop::sample::Index>(), changes).prop_map(|(seed, changes)| Input::Changed(seed, changes)),
    ]
}

/// Runs `cases` inputs through the target, after its seeds as they are.
fn hammer(name: &str, cases: u32) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    proptest!(ProptestConfig::with_cases(cases), |(input in input())| {
        match input {
            Input::Noise(bytes) => (target.run)(&bytes),
            Input::Changed(seed, changes) => (target.run)(&changed(&seeds[seed.index(seeds.len())], &changes)),
        }
    });
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
    hammer("signature_headers", 10_000);
}

#[test]
fn webhook_bodies() {
    hammer("webhook_bodies", 10_000);
}

#[test]
fn queue_messages() {
    hammer("queue_messages", 10_000);
}

#[test]
fn erp_replies() {
    hammer("erp_replies", 10_000);
}

#[test]
fn batch_replies() {
    hammer("batch_replies", 10_000);
}
