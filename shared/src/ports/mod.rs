//! What the flows need from the outside: small traits, each with an adapter for one machine (`embedded`) and for AWS (`aws`).
//! One contract suite runs against both.

mod accounts;
mod ids;
mod queue;
mod records;
mod secrets;
mod signs;
mod time;

pub use self::{
    accounts::Accounts,
    ids::Ids,
    queue::{Dead, Delivery, Queue},
    records::{Page, Payload, Query, Records},
    secrets::{Bundle, Secrets},
    signs::Signs,
    time::{Chance, Clock, SystemChance, SystemClock},
};
