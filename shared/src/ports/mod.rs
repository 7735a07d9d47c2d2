//! What the flows need from the outside: small traits, each with an adapter for one machine (`embedded`) and for AWS (`aws`).
//! One contract suite runs against both.

mod accounts;
mod cursors;
mod doors;
mod goods;
mod ids;
mod known;
mod prices;
mod queue;
mod records;
mod secrets;
mod shipments;
mod signs;
mod time;
mod tokens;

pub use self::{
    accounts::Accounts,
    cursors::Cursors,
    doors::{Admitted, Doors},
    goods::Goods,
    ids::{Ids, NoIds},
    known::Known,
    prices::Prices,
    queue::{Dead, Delivery, Queue},
    records::{Page, Payload, Place, Query, Records, Unreadable},
    secrets::{Bundle, Secrets},
    shipments::Shipments,
    signs::Signs,
    time::{Chance, Clock, SystemChance, SystemClock},
    tokens::{Kept, Swapped, Token, Tokens, sign_in},
};
