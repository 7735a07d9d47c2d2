//! `puente prices`: what ERPs say that articles cost, what stores have, and releasing a price that changes much.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    domain::{goods::Sku, ids::ConnectionId, operator::Operator, price::Price},
    edge::prices::{PriceState, PriceView},
    flow::{
        Puente,
        goods::prices::{self as priced, MOST},
    },
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, distance, plain, table},
    place::{self, Location},
};

/// Show what articles cost in the ERP and in the stores; release a price that changes much.
#[derive(Debug, Subcommand)]
pub(crate) enum Prices {
    /// Lists prices: the ERP's, what the store should have, what it has, and why one waits.
    List(List),
    /// Lists only those that would be written, or that a person has to look at.
    Diff(List),
    /// Has a price told to the store though it differs much from the one that is there.
    Release(Release),
}

/// `prices list` and `prices diff`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Location,
    /// Only this connection's.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// How many of each connection at most.
    #[arg(long, default_value = "50")]
    limit: NonZeroUsize,
}

/// `prices release`.
#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    place: Location,
    /// Whose.
    #[arg(long)]
    connection: ConnectionId,
    /// The ERP's code of the article.
    article: Sku,
    /// Who asks, for the log.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
}

/// Runs the command.
pub(crate) async fn run(prices: Prices, output: Output) -> Result<()> {
    match prices {
        Prices::List(list) => self::list(&list, false, output).await,
        Prices::Diff(list) => self::list(&list, true, output).await,
        Prices::Release(release) => self::release(&release, output).await,
    }
}

/// The connections asked for whose prices are on.
fn connections(puente: &Puente, one: Option<&ConnectionId>) -> Result<Vec<ConnectionId>> {
    let nobody =
        "prices are on for no connection: put goods = { prices = \"show\", price = { … } } into the part of one";
    place::connections_that(&puente.settings, one, |connection| priced::pricing(puente, connection), nobody)
}

async fn list(list: &List, only_differing: bool, output: Output) -> Result<()> {
    let puente = list.place.open().await?;
    let (limit, now) = (list.limit.get(), puente.clock.now());
    let mut all = Vec::new();
    for connection in connections(&puente, list.connection.as_ref())? {
        let rules = priced::pricing(&puente, &connection)?.rules;
        let (mut shown, mut after) = (Vec::new(), None);
        loop {
            let page = priced::page(&puente, &connection, after.as_ref(), MOST.min(limit - shown.len())).await?;
            let view = |one| PriceView::of(connection.clone(), one, &rules.price, rules.tells_prices(), now);
            shown.extend(page.prices.into_iter().map(view).filter(|one| !only_differing || one.differs()));
            after = page.next;
            if after.is_none() || shown.len() >= limit {
                break;
            }
        }
        if after.is_some() {
            output.remark(format!("{connection} has more than these {limit}: --limit shows them"));
        }
        all.append(&mut shown);
    }
    let nothing = if only_differing { "every store has its prices" } else { "the ERP has not said any price yet" };
    output.answer(&all, || if all.is_empty() { nothing.to_owned() } else { listed(&all, now) })
}

/// What `prices release` did.
#[derive(Serialize)]
struct Released {
    connection: ConnectionId,
    article: Sku,
}

async fn release(release: &Release, output: Output) -> Result<()> {
    let puente = release.place.open().await?;
    let by = Operator::of_all(&release.by).name;
    let Release { connection, article, .. } = release;
    if priced::release(&puente, connection, article, &by, "puente prices release").await?.is_none() {
        let words = format!("the ERP has not said a price of {article} yet: `puente prices list` has the codes");
        return Err(Error::new(Kind::NotFound, words));
    }
    let done = Released { connection: connection.clone(), article: article.clone() };
    output.answer(&done, || format!("the price of {article} is looked at now"))
}

fn listed(all: &[PriceView], now: Timestamp) -> String {
    let row = |one: &PriceView| {
        vec![
            plain(one.connection.to_string()),
            plain(one.article.to_string()),
            plain(one.erp.in_currency(one.currency)),
            plain(one.should.as_ref().map_or_else(|| "-".to_owned(), |price| written(price, one))),
            plain(one.has.as_ref().map_or_else(|| "-".to_owned(), |price| written(price, one))),
            standing(one, now),
        ]
    };
    table(&["connection", "article", "the ERP", "should have", "has", "the store"], all.iter().map(row))
}

/// A price of a store, with what it is compared to.
fn written(price: &Price, one: &PriceView) -> String {
    let amount = price.amount.shown(one.currency);
    price.compare_at.map_or_else(|| amount.clone(), |higher| format!("{amount} (was {})", higher.shown(one.currency)))
}

fn standing(one: &PriceView, now: Timestamp) -> Cell {
    let (words, tone) = match one.state {
        PriceState::Right => ("has it", Tone::Good),
        PriceState::Differs => ("differs: only shown", Tone::Warn),
        PriceState::Waiting => ("waits", Tone::Plain),
        PriceState::Underway => ("on its way, or unknown", Tone::Warn),
        PriceState::NotThere => ("has it not, or not as one article", Tone::Faint),
        PriceState::Stopped => ("stopped", Tone::Bad),
    };
    let mut words = vec![words.to_owned()];
    words.extend(one.changes_at.map(|at| format!("changes {}", distance(at, now))));
    words.extend(one.note.clone());
    cell(words.join("; "), tone)
}

#[cfg(test)]
mod tests {
    use puente::domain::goods::InStore;

    use super::*;
    use crate::output::inert;

    #[test]
    fn a_price_that_changes_much_says_how_it_is_released() {
        let price = |amount: &str, higher: Option<&str>| Price {
            amount: amount.parse().unwrap(),
            compare_at: higher.map(|higher| higher.parse().unwrap()),
        };
        let one = PriceView {
            connection: "acme".parse().unwrap(),
            article: "YERBA".parse().unwrap(),
            code: None,
            erp: "1.65".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            should: Some(price("1.99", Some("12.5"))),
            has: Some(price("10", None)),
            store: InStore::Kept,
            state: PriceState::Stopped,
            changes_at: None,
            due: None,
            attempts: 0,
            note: Some("`puente prices release --connection acme YERBA`".to_owned()),
        };
        let shown = inert(listed(&[one], Timestamp::UNIX_EPOCH));
        for word in ["YERBA", "1.65 EUR", "1.99 (was 12.50)", "10.00", "stopped", "puente prices release"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    }
}
