//! `puente goods`: what each store should have of each article and has, what would be written, and holding it.

use std::num::NonZeroUsize;

use clap::{ArgGroup, Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    domain::{
        goods::{InStore, Sku},
        ids::ConnectionId,
        operator::{Operator, Sight},
    },
    edge::goods::{HoldView, PartView, StockView, WholeView},
    flow::{
        Puente,
        goods::{
            hold as holding, is_told, selling,
            view::{self, MOST},
        },
    },
};
use serde::Serialize;

use crate::{
    output::{Output, Tone, cell, distance, number, or_dash, plain, table, time},
    place::{self, Location},
    progress,
};

/// Show the stock of stores: what the ERP said, what is left, what each store should have and has; hold what is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Goods {
    /// Lists the articles of connections with the number that each store should have, and the one it has.
    List(List),
    /// Shows one article with everything that its number is made of.
    Show(Show),
    /// Shows what would be written to the stores, and writes nothing. Exit code 0 only if nothing differs.
    ///
    /// Neither a store nor an ERP is called: what stores have is what was last read there. With goods = { stock = "show" } this is what to
    /// look at before setting "publish".
    Diff(Diff),
    /// Writes no more stock, prices and shipments to stores until they are released. A pass on its way ends first; orders go on.
    Hold(Hold),
    /// Lets stores be written to again, and has every number that differs looked at now.
    Release(Hold),
}

/// `goods list`.
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

/// `goods show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Location,
    /// The article's code, the store's or the ERP's.
    sku: Sku,
    /// As this connection sells it.
    #[arg(long)]
    connection: Option<ConnectionId>,
}

/// `goods diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    place: Location,
    /// Only this connection's.
    #[arg(long)]
    connection: Option<ConnectionId>,
}

/// `goods hold` and `goods release`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub(crate) struct Hold {
    #[command(flatten)]
    place: Location,
    /// This connection's store.
    #[arg(long, group = "which")]
    connection: Option<ConnectionId>,
    /// The stores of all connections whose stock, prices or shipments are on.
    #[arg(long, group = "which")]
    all: bool,
    /// Who asks, for the log and for others who look.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
}

/// Runs the command.
pub(crate) async fn run(goods: Goods, output: Output) -> Result<()> {
    match goods {
        Goods::List(list) => self::list(&list, output).await,
        Goods::Show(show) => self::show(&show, output).await,
        Goods::Diff(diff) => self::diff(&diff, output).await,
        Goods::Hold(hold) => self::hold(&hold, output).await,
        Goods::Release(hold) => release(&hold, output).await,
    }
}

/// The connections asked for whose stock is on.
fn connections(puente: &Puente, one: Option<&ConnectionId>) -> Result<Vec<ConnectionId>> {
    let nobody = "stock is on for no connection: put goods = { stock = \"show\" } into the part of one";
    place::connections_that(&puente.settings, one, |connection| selling(puente, connection), nobody)
}

/// The connections asked for to whose stores anything is written: stock, prices or shipments.
fn written_to(puente: &Puente, one: Option<&ConnectionId>) -> Result<Vec<ConnectionId>> {
    let nobody =
        "nothing is written to the store of any connection: put goods = { stock = \"show\" } into the part of one";
    place::connections_that(&puente.settings, one, |connection| is_told(puente, connection), nobody)
}

/// A connection's articles, and whether it is held.
struct Shelves {
    goods: Vec<StockView>,
    hold: HoldView,
    /// Whether there are more than were asked for.
    more: bool,
}

/// Up to `limit` articles of a connection, `only` what differs. `seen` hears of each page.
async fn read(
    puente: &Puente,
    connection: &ConnectionId,
    limit: usize,
    only: bool,
    seen: impl Fn(usize),
) -> Result<Shelves> {
    let (mut goods, mut after) = (Vec::new(), None);
    loop {
        let page = view::page(puente, connection, after.as_ref(), MOST.min(limit - goods.len())).await?;
        seen(page.articles.len());
        let shown = page.articles.into_iter().filter(|one| !only || one.differs());
        goods.extend(shown.map(|one| StockView::of(connection.clone(), one)));
        after = page.next;
        if after.is_none() || goods.len() >= limit {
            break;
        }
    }
    let hold = HoldView::of(connection.clone(), puente.goods.halted(connection).await?);
    Ok(Shelves { goods, hold, more: after.is_some() })
}

async fn list(list: &List, output: Output) -> Result<()> {
    let puente = list.place.open().await?;
    let limit = list.limit.get();
    let mut all = Vec::new();
    for connection in connections(&puente, list.connection.as_ref())? {
        let shelves = read(&puente, &connection, limit, false, |_| ()).await?;
        if shelves.more {
            output.remark(format!("{connection} has more than these {limit}: --limit shows them"));
        }
        all.push(shelves);
    }
    let rows: Vec<&StockView> = all.iter().flat_map(|shelves| &shelves.goods).collect();
    output.answer(&rows, || {
        let now = puente.clock.now();
        all.iter().map(|shelves| listed(shelves, now)).collect::<Vec<_>>().join("\n")
    })
}

async fn diff(diff: &Diff, output: Output) -> Result<()> {
    let puente = diff.place.open().await?;
    let spinner = progress::spinner("comparing");
    let compared = std::cell::Cell::new(0);
    let mut all = Vec::new();
    for connection in connections(&puente, diff.connection.as_ref())? {
        let seen = |articles: usize| {
            compared.set(compared.get() + articles);
            spinner.set_message(format!("compared {} articles, now of {connection}", compared.get()));
        };
        all.push(read(&puente, &connection, usize::MAX, true, seen).await?);
    }
    spinner.finish_and_clear();
    let rows: Vec<&StockView> = all.iter().flat_map(|shelves| &shelves.goods).collect();
    output.answer(&rows, || {
        let now = puente.clock.now();
        let differing = all.iter().filter(|shelves| !shelves.goods.is_empty());
        let tables: Vec<String> = differing.map(|shelves| differences(shelves, now)).collect();
        if tables.is_empty() {
            format!("{} articles compared: every store has the number that it should have", compared.get())
        } else {
            tables.join("\n")
        }
    })?;
    match rows.len() {
        0 => Ok(()),
        n => Err(Error::new(Kind::Refused, format!("{n} of {} numbers differ", compared.get()))),
    }
}

async fn show(show: &Show, output: Output) -> Result<()> {
    let puente = show.place.open().await?;
    let (mut found, mut shelves) = (Vec::new(), Vec::new());
    for connection in connections(&puente, show.connection.as_ref())? {
        let Some(whole) = view::whole(&puente, &connection, &show.sku).await? else { continue };
        // Whoever sells from the same shelf is in it already.
        if !shelves.contains(&whole.stock.id) {
            shelves.push(whole.stock.id.clone());
            found.push(WholeView::of(connection, whole, &Sight::All));
        }
    }
    if found.is_empty() {
        let words = format!("article {} was not seen yet: neither the ERP nor an order named it", show.sku);
        return Err(Error::new(Kind::NotFound, words));
    }
    output.answer(&found, || {
        let now = puente.clock.now();
        found.iter().map(|whole| described(whole, now)).collect::<Vec<_>>().join("\n")
    })
}

async fn hold(hold: &Hold, output: Output) -> Result<()> {
    let puente = hold.place.open().await?;
    let by = Operator::of_all(&hold.by).name;
    let mut held = Vec::new();
    for connection in written_to(&puente, hold.connection.as_ref())? {
        let halt = holding::hold(&puente, &connection, &by, "puente goods hold").await?;
        held.push(HoldView::of(connection, Some(halt)));
    }
    output.answer(&held, || held.iter().filter_map(words).collect::<Vec<_>>().join("\n"))
}

/// What `goods release` did.
#[derive(Serialize)]
struct Released {
    connection: ConnectionId,
    /// Whether it had been held.
    was_held: bool,
    /// How many numbers are looked at now, because they differ.
    looked_at: usize,
}

async fn release(hold: &Hold, output: Output) -> Result<()> {
    let puente = hold.place.open().await?;
    let by = Operator::of_all(&hold.by).name;
    let spinner = progress::spinner("releasing");
    let mut all = Vec::new();
    for connection in written_to(&puente, hold.connection.as_ref())? {
        let was_held = holding::release(&puente, &connection, &by, "puente goods release").await?.is_some();
        let compared = std::cell::Cell::new(0);
        let seen = |articles: usize| {
            compared.set(compared.get() + articles);
            spinner.set_message(format!("{connection}: compared {} articles", compared.get()));
        };
        let sells = selling(&puente, &connection).is_ok();
        let looked_at = if sells { holding::look_again(&puente, &connection, seen).await? } else { 0 };
        all.push(Released { connection, was_held, looked_at });
    }
    spinner.finish_and_clear();
    output.answer(&all, || {
        let line = |one: &Released| {
            let before = if one.was_held { "released" } else { "was not held" };
            match one.looked_at {
                0 => format!("{}: {before}; nothing differs", one.connection),
                1 => format!("{}: {before}; 1 number differs and is looked at now", one.connection),
                n => format!("{}: {before}; {n} numbers differ and are looked at now", one.connection),
            }
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// That a connection is held, for people.
fn words(hold: &HoldView) -> Option<String> {
    let HoldView { connection, since, by, .. } = hold;
    let (since, by) = (time((*since)?), by.as_deref().unwrap_or("somebody"));
    Some(format!("{connection} is held since {since} by {by}: `puente goods release --connection {connection}`"))
}

/// A connection's table, with what is to be said of all of it.
fn listed(shelves: &Shelves, now: Timestamp) -> String {
    let row = |one: &StockView| {
        let should = number(or_dash(one.should));
        vec![
            plain(name(one)),
            number(or_dash(one.erp)),
            number(one.owed),
            number(or_dash(one.left)),
            if one.differs { should.fg(comfy_table::Color::Yellow) } else { should },
            number(or_dash(one.has)),
            standing(one, now),
        ]
    };
    let header = [shelves.hold.connection.as_str(), "ERP", "owed", "left", "should", "has", "in the store"];
    under(shelves, &table(&header, shelves.goods.iter().map(row)))
}

/// What would be written to a connection's store.
fn differences(shelves: &Shelves, now: Timestamp) -> String {
    let row = |one: &StockView| {
        let (has, should) = (one.has, one.should.unwrap_or_default());
        let change = has.map_or_else(|| "-".to_owned(), |has| format!("{:+}", should.saturating_sub(has)));
        vec![plain(name(one)), number(or_dash(has)), number(should), number(change), standing(one, now)]
    };
    let header = [shelves.hold.connection.as_str(), "has", "would be", "change", "in the store"];
    under(shelves, &table(&header, shelves.goods.iter().map(row)))
}

fn under(shelves: &Shelves, table: &str) -> String {
    match words(&shelves.hold) {
        Some(held) => format!("{held}\n{table}"),
        None => table.to_owned(),
    }
}

/// The ERP's code, and the store's where it is another one.
fn name(one: &StockView) -> String {
    match &one.code {
        Some(code) if *code != one.article => format!("{} ({code})", one.article),
        _ => one.article.to_string(),
    }
}

/// How the store has an article, and what its number waits for.
fn standing(one: &StockView, now: Timestamp) -> Cell {
    let (words, tone) = match (one.store, &one.code) {
        (_, None) => ("ignored, or several codes", Tone::Warn),
        (InStore::Kept, _) if one.differs => ("kept", Tone::Plain),
        (InStore::Kept, _) => ("kept", Tone::Good),
        (InStore::Unknown, _) => ("not read yet", Tone::Faint),
        (InStore::NotKept, _) => ("keeps no stock of it", Tone::Warn),
        (InStore::Absent, _) => ("not there", Tone::Warn),
        (InStore::Ambiguous, _) => ("several of this code", Tone::Bad),
    };
    let mut words = vec![words.to_owned()];
    words.extend(one.pending.map(|pending| format!("{pending} on its way")));
    if one.held_back {
        words.push("not raised: the ERP's number is old, or another store may sell it".to_owned());
    }
    words.extend(one.due.map(|due| format!("due {}", distance(due, now))));
    words.extend(one.note.clone());
    cell(words.join("; "), tone)
}

/// One article, with everything that its number is made of.
fn described(whole: &WholeView, now: Timestamp) -> String {
    let one = &whole.stock;
    let row = |name: &str, value: String| vec![cell(name, Tone::Faint), plain(value)];
    let said = match (one.erp, one.read_at) {
        (Some(erp), Some(at)) => format!("{erp} ({})", distance(at, now)),
        _ if !whole.parts.is_empty() => "a set: see what it is made of".to_owned(),
        _ => "nothing yet".to_owned(),
    };
    let rows = [
        row("warehouses", if one.warehouses.as_str() == "*" { "all".to_owned() } else { one.warehouses.to_string() }),
        row("the ERP said", said),
        row("owed", one.owed.to_string()),
        row("left", or_dash(one.left)),
    ];
    let mut tables = vec![table(&["article", &name(one)], rows)];
    if !whole.parts.is_empty() {
        let row = |part: &PartView| vec![plain(&part.article), number(part.each), number(or_dash(part.left))];
        tables.push(table(&["made of", "each", "left"], whole.parts.iter().map(row)));
    }
    if !whole.commitments.is_empty() {
        let rows = whole.commitments.iter().map(|one| {
            let numbers = [one.quantity, one.in_erp, one.owed, one.reserved];
            std::iter::once(plain(&one.order)).chain(numbers.map(number)).collect()
        });
        tables.push(table(&["order", "sold", "in the ERP", "owed", "reserved"], rows));
    }
    let rows = whole.listings.iter().map(|one| {
        let numbers = [or_dash(one.should), or_dash(one.has), one.reserved.to_string()];
        let end = std::iter::once(standing(one, now));
        std::iter::once(plain(&one.connection)).chain(numbers.map(number)).chain(end).collect()
    });
    tables.push(table(&["store of", "should", "has", "reserved", "in the store"], rows));
    tables.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table_within;

    fn stock(should: i64, has: Option<i64>) -> StockView {
        StockView {
            connection: "acme".parse().unwrap(),
            article: "YERBA-MATE-500G".parse().unwrap(),
            code: Some("YM-500".parse().unwrap()),
            warehouses: "*".parse().unwrap(),
            erp: Some("1200".parse().unwrap()),
            read_at: None,
            owed: "17".parse().unwrap(),
            reserved: "0".parse().unwrap(),
            left: Some("1183".parse().unwrap()),
            should: Some(should),
            has,
            pending: None,
            differs: Some(should) != has,
            held_back: true,
            store: InStore::Kept,
            due: None,
            note: Some("the store's number had changed meanwhile: it is read again".to_owned()),
        }
    }

    #[test]
    fn what_would_be_written_is_said_with_its_sign() {
        let hold = HoldView::of("acme".parse().unwrap(), None);
        let goods = vec![stock(1183, Some(1190)), stock(5, Some(0)), stock(3, None)];
        let shown = differences(&Shelves { goods, hold, more: false }, Timestamp::UNIX_EPOCH);
        for word in ["YERBA-MATE-500G (YM-500)", "-7", "+5"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    }

    #[test]
    fn the_widest_table_fits_eighty_columns() {
        let one = stock(1183, Some(1190));
        let cells = ["1200", "17", "1183", "1183", "1190"].map(number);
        let row: Vec<Cell> =
            std::iter::once(plain(name(&one))).chain(cells).chain([standing(&one, Timestamp::UNIX_EPOCH)]).collect();
        let header = ["acme", "ERP", "owed", "left", "should", "has", "in the store"];
        let shown = table_within(Some(80), &header, [row]);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        // Numbers stay in one piece.
        assert!(shown.contains(" 1200 ") && shown.contains(" 1190 "), "{shown}");
    }
}
