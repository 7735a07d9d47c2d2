//! The AWS adapters and the Lambda handlers, on moto: no account, no cloud. The ports' contract runs on it too, see
//! `contract/ports.rs`.
//!
//! What the emulator (moto 5.2) does otherwise than AWS, so that nothing is concluded from it:
//! - its conditional writes are not atomic between requests; `support/moto_server.py` makes them so;
//! - its indexes never lag, its queues deliver each message once and in order: lag and doubles are played by the tests;
//! - it takes a message group on a standard queue and ignores it: that fair queues are fair is not shown here;
//! - it checks no signature, no permission and no `dynamodb:LeadingKeys`: policies are only read, in `template.rs`;
//! - it bills nothing and throttles nothing, and does some 75 calls a second: no time measured on it means anything.
//!
//! It does return the old item of a refused condition, and holds bodies to 1 MiB.

#[path = "../support/mod.rs"]
mod support;

use support::stack;

mod adapters;
mod api;
mod apply;
mod authorizer;
mod bootstraps;
mod desk;
mod handlers;
mod journey;
mod proxy;
mod pump;
mod roles;
mod serve;
mod template;
mod tokens;
mod tryton;
mod upgrade;
