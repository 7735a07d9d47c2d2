//! The `puente` command.
fn main() {}
