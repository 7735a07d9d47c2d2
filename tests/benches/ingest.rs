//! Verify, parse and map.
fn main() {}
