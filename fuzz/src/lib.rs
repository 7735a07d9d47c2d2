//! The functions that libFuzzer runs: those of `tests/fuzz`, where they are properties too.

#[path = "../../tests/fuzz/targets/mod.rs"]
pub mod targets;
