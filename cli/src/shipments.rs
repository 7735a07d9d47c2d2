//! `puente shipments`: what ERPs sent, what stores were told of it, and having one looked at again.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    domain::{
        ids::{ConnectionId, OrderId, OrderKey},
        operator::Operator,
        shipment::ShipmentId,
    },
    edge::shipments::{ShipmentState, ShipmentView},
    flow::{
        Puente,
        goods::shipments::{self as shipped, MOST},
    },
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, distance, plain, table},
    place::{self, Location},
};

/// Show what ERPs sent of orders and what stores were told of it; try one again.
#[derive(Debug, Subcommand)]
pub(crate) enum Shipments {
    /// Lists shipments with what their stores were told, and why one waits.
    List(List),
    /// Has a shipment looked at again, now.
    Retry(Retry),
}

/// `shipments list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Location,
    /// Only this connection's.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// Only those that a person has to look at.
    #[arg(long)]
    stopped: bool,
    /// How many of each connection at most.
    #[arg(long, default_value = "50")]
    limit: NonZeroUsize,
}

/// `shipments retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    place: Location,
    /// Whose.
    #[arg(long)]
    connection: ConnectionId,
    /// The store's own id of the order.
    order: OrderId,
    /// The ERP's own id of the shipment, as `shipments list` has it.
    shipment: ShipmentId,
    /// Who asks, for the log.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
}

/// Runs the command.
pub(crate) async fn run(shipments: Shipments, output: Output) -> Result<()> {
    match shipments {
        Shipments::List(list) => self::list(&list, output).await,
        Shipments::Retry(retry) => self::retry(&retry, output).await,
    }
}

/// The connections asked for whose shipments are on.
fn connections(puente: &Puente, one: Option<&ConnectionId>) -> Result<Vec<ConnectionId>> {
    let nobody = "shipments are on for no connection: put goods = { shipments = \"show\" } into the part of one";
    place::connections_that(&puente.settings, one, |connection| shipped::tells(puente, connection), nobody)
}

async fn list(list: &List, output: Output) -> Result<()> {
    let puente = list.place.open().await?;
    let limit = list.limit.get();
    let mut all = Vec::new();
    for connection in connections(&puente, list.connection.as_ref())? {
        let tells = shipped::tells(&puente, &connection)?;
        let (mut shown, mut after) = (Vec::new(), None);
        loop {
            let page = shipped::page(&puente, &connection, after.as_ref(), MOST.min(limit - shown.len())).await?;
            let views = page.shipments.into_iter().map(|(key, one)| ShipmentView::of(key, one, tells));
            shown.extend(views.filter(|one| !list.stopped || one.state == ShipmentState::Stopped));
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
    output.answer(&all, || {
        if all.is_empty() { "nothing was sent yet".to_owned() } else { listed(&all, puente.clock.now()) }
    })
}

/// What `shipments retry` did.
#[derive(Serialize)]
struct Retried {
    connection: ConnectionId,
    order: OrderId,
    shipment: ShipmentId,
}

async fn retry(retry: &Retry, output: Output) -> Result<()> {
    let puente = retry.place.open().await?;
    let by = Operator::of_all(&retry.by).name;
    let key = OrderKey::new(retry.connection.clone(), retry.order.clone());
    if !shipped::again(&puente, &key, &retry.shipment, &by, "puente shipments retry").await? {
        let words = format!("shipment {} of order {key} was not seen yet: `puente shipments list`", retry.shipment);
        return Err(Error::new(Kind::NotFound, words));
    }
    let Retry { connection, order, shipment, .. } = retry;
    let done = Retried { connection: connection.clone(), order: order.clone(), shipment: shipment.clone() };
    output.answer(&done, || format!("shipment {shipment} of order {key} is looked at now"))
}

fn listed(all: &[ShipmentView], now: Timestamp) -> String {
    let row = |one: &ShipmentView| {
        let items = one.items.iter().map(|item| format!("{} {}", item.quantity, item.article));
        let tracking = one.parcels.iter().map(|parcel| parcel.number.clone());
        let carried = one.carrier.iter().cloned().chain(tracking).collect::<Vec<_>>().join(" ");
        vec![
            plain(format!("{}/{}", one.connection, one.order)),
            plain(format!("{} ({})", one.number, one.shipment)),
            plain(items.collect::<Vec<_>>().join(", ")),
            plain(carried),
            standing(one, now),
        ]
    };
    table(&["order", "shipment", "sent", "carrier, tracking", "the store"], all.iter().map(row))
}

fn standing(one: &ShipmentView, now: Timestamp) -> Cell {
    let (words, tone) = match one.state {
        ShipmentState::Shown => ("not told: only shown", Tone::Faint),
        ShipmentState::Waiting => ("waits", Tone::Plain),
        ShipmentState::Underway => ("on its way, or unknown", Tone::Warn),
        ShipmentState::Told => ("has it", Tone::Good),
        ShipmentState::Stopped => ("stopped", Tone::Bad),
    };
    let mut words = vec![words.to_owned()];
    words.extend(one.due.map(|due| format!("due {}", distance(due, now))));
    words.extend(one.note.clone());
    cell(words.join("; "), tone)
}

#[cfg(test)]
mod tests {
    use puente::{domain::shipment::Parcel, edge::shipments::ItemView};

    use super::*;
    use crate::output::inert;

    #[test]
    fn a_shipment_that_stopped_says_why() {
        let one = ShipmentView {
            connection: "acme".parse().unwrap(),
            order: "5".parse().unwrap(),
            shipment: "17".parse().unwrap(),
            number: "WH/OUT/00017".to_owned(),
            items: vec![ItemView { article: "YERBA".parse().unwrap(), quantity: "2".parse().unwrap() }],
            carrier: Some("Andreani".to_owned()),
            parcels: vec![Parcel { number: "360000".to_owned(), url: None }],
            state: ShipmentState::Stopped,
            fulfilment: None,
            told_at: None,
            due: None,
            attempts: 0,
            note: Some("the store has no such order any more".to_owned()),
        };
        let shown = inert(listed(&[one], Timestamp::UNIX_EPOCH));
        for word in ["acme/5", "17", "2 YERBA", "360000", "stopped", "no such order"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    }
}
