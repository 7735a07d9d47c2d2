//! What is fuzzed: one function of bytes per target, each with seeds made from our own fixtures.
//!
//! libFuzzer runs them from `fuzz/` and the properties beside this folder run them in CI, so both look at the same promises:
//! whatever comes in from outside, nothing panics, nothing is believed that was not said, and no error repeats personal data.

mod batch_replies;
mod erp;
mod erp_replies;
mod queue_messages;
mod signature_headers;
mod stores;
mod webhook_bodies;

use puente::Error;

pub use self::{
    batch_replies::batch_replies, erp_replies::erp_replies, queue_messages::queue_messages,
    signature_headers::signature_headers, webhook_bodies::webhook_bodies,
};

/// A target: its name, what it does with an input, and inputs to begin from.
pub struct Target {
    /// Its name, as `cargo fuzz` knows it.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs that reach far into the code.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "signature_headers", run: signature_headers, seeds: signature_headers::seeds },
    Target { name: "webhook_bodies", run: webhook_bodies, seeds: webhook_bodies::seeds },
    Target { name: "queue_messages", run: queue_messages, seeds: queue_messages::seeds },
    Target { name: "erp_replies", run: erp_replies, seeds: erp_replies::seeds },
    Target { name: "batch_replies", run: batch_replies, seeds: batch_replies::seeds },
];

/// Somebody's address, in the seeds and among the mutations: wherever it comes out again in words, it leaked.
pub const CANARY: &str = "canary.person@puente.invalid";

/// The most characters of an error: it is stored with the order, and read by a person.
const LONGEST: usize = 1000;

/// Checks what an error or a flag says.
fn check_words(words: &str) {
    assert!(!words.contains(CANARY), "personal data in: {words}");
    assert!(words.chars().count() <= LONGEST, "{} characters: {words:.200}", words.chars().count());
}

/// Checks what an error says, its causes and `Debug` included.
fn check_error(error: &Error) {
    check_words(&error.to_string());
    assert!(!format!("{error:?}").contains(CANARY), "personal data in Debug: {error:?}");
}
