//! Histories that are told step by step, each because of one rule that it fails without: `planted.toml` says which by name, and
//! `--bin planted` shows it.

mod goods;
mod life;
mod neighbours;
mod prices;
mod protocol;
mod shipments;
mod teller;
