//! `puente orders`: where an order is, why it stopped, trying it again, and noting what a person made of it in the ERP.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use puente::{
    Error, Kind, Result,
    domain::{
        adoption::Made,
        document::Document,
        ids::{ConnectionId, OrderKey},
        message::{Arrival, Message, News},
        operator::Operator,
        record::{Head, State},
        search::Term,
    },
    edge::{
        story::{WaitView, account_wait, story as order_story},
        views::OrderView,
    },
    flow::{
        Puente, record,
        search::{self, Wanted},
    },
    ports::{Payload, Query, Unreadable},
};
use serde::Serialize;

use crate::{
    output::{self, Output, cell, distance, or_dash, plain, table, time, tone},
    place::{self, Location},
    story,
};

/// The most heads on one page of the records.
const PAGE: usize = 200;

/// List orders, show one, try some again.
#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// Lists orders, most recently changed first.
    List(List),
    /// Shows one order: what was bought, its state, what it waits for, and everything that happened to it.
    Show(Show),
    /// Tries an order, or all that match, again.
    Replay(Replay),
    /// Notes what a person made of an order in the ERP by hand: the sale, a change of it, its cancellation, or a credit note.
    ///
    /// The ERP is not called: what is said counts, as made from what the store says of the order now. The order is planned anew at once: what
    /// Puente books follows, and what else was left to people stays theirs.
    Adopt(Adopt),
}

/// `orders list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Location,
    /// Only this connection's.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// Only those in this state.
    #[arg(long)]
    state: Option<StateName>,
    /// Only those with this number, as people know it.
    #[arg(long)]
    number: Option<String>,
    /// Only those whose document in the ERP has this number or id.
    #[arg(long)]
    document: Option<String>,
    /// Only those of the buyer with this e-mail.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Only those that last changed on this day (UTC) or later.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// Only those that last changed on this day (UTC) or earlier.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// How many at most.
    #[arg(long, default_value = "50")]
    limit: NonZeroUsize,
}

/// `orders show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Location,
    /// The store's id of the order, `connection/id`, or the number people use.
    order: String,
    /// The connection of the order, if several have one with that id or number.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// Print only the stored body: the order, or what the store sent if that could not be read.
    #[arg(long)]
    raw: bool,
}

/// `orders replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    place: Location,
    /// The store's id of the order, `connection/id`, or the number people use.
    #[arg(conflicts_with = "state")]
    order: Option<String>,
    /// All orders in this state.
    #[arg(long)]
    state: Option<StateName>,
    /// Only this connection's.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// Who asks, for the log and the orders' timelines.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
    /// Only show which orders match.
    #[arg(long)]
    dry_run: bool,
}

/// `orders adopt`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("made").required(true))]
pub(crate) struct Adopt {
    #[command(flatten)]
    place: Location,
    /// The store's id of the order, `connection/id`, or the number people use.
    order: String,
    /// The connection of the order, if several have one with that id or number.
    #[arg(long)]
    connection: Option<ConnectionId>,
    /// The sale was created: its id in the ERP.
    #[arg(long, group = "made", value_name = "ID")]
    sale: Option<String>,
    /// The sale was changed to what the store says now.
    #[arg(long, group = "made")]
    edited: bool,
    /// The sale was cancelled. If the store still wants the order in the ERP, another sale is created.
    #[arg(long, group = "made")]
    cancelled: bool,
    /// A credit note was booked for this refund: the store's id of the refund.
    #[arg(long, group = "made", value_name = "REFUND", requires = "document")]
    refund: Option<String>,
    /// The credit note's id in the ERP.
    #[arg(long, value_name = "ID", requires = "refund")]
    document: Option<String>,
    /// The number that people see in the ERP of that sale or credit note.
    #[arg(long, conflicts_with_all = ["edited", "cancelled"])]
    number: Option<String>,
    /// Who asks, for the log and the order's timeline.
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "somebody at a terminal")]
    by: String,
}

/// A state, as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StateName {
    /// It will be taken to the ERP.
    Waiting,
    /// On its way to the ERP, or its outcome is being looked up.
    Sending,
    /// In the ERP.
    Synced,
    /// Stopped; a person has to act.
    Parked,
    /// The attempts ran out.
    Dead,
    /// A rule keeps it out of the ERP.
    Ignored,
    /// Its content is being fetched from the store.
    Fetching,
}

impl From<StateName> for State {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Waiting => Self::Waiting,
            StateName::Sending => Self::Sending,
            StateName::Synced => Self::Synced,
            StateName::Parked => Self::Parked,
            StateName::Dead => Self::Dead,
            StateName::Ignored => Self::Ignored,
            StateName::Fetching => Self::Fetching,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(orders: Orders, output: Output) -> Result<()> {
    match orders {
        Orders::List(list) => self::list(&list, output).await,
        Orders::Show(show) => self::show(&show, output).await,
        Orders::Replay(replay) => self::replay(&replay, output).await,
        Orders::Adopt(adopt) => self::adopt(&adopt, output).await,
    }
}

async fn list(list: &List, output: Output) -> Result<()> {
    if let (Some(from), Some(to)) = (list.from, list.to)
        && from > to
    {
        let words = format!("--from {from} is after --to {to}: no day is in between");
        return Err(Error::new(Kind::Unreadable, words));
    }
    let puente = list.place.open().await?;
    let limit = list.limit.get();
    // One more than is shown says whether there are more.
    let (mut heads, unreadable) = match list.wanted(&puente).await? {
        Some(wanted) => found(&puente, wanted, limit.saturating_add(1)).await?,
        None => Default::default(),
    };
    if heads.len() > limit {
        heads.truncate(limit);
        output
            .remark(format!("there are more than these {limit}: --limit shows them, or say more of what you look for"));
    }
    let shown: Vec<OrderView> = heads.into_iter().map(OrderView::from).collect();
    let waits = account_waits(&puente, &shown).await?;
    for one in unreadable.iter().filter(|_| output.is_json()) {
        output.remark(&one.why);
    }
    output.answer(&shown, || {
        if shown.is_empty() && unreadable.is_empty() {
            return "no orders".to_owned();
        }
        let now = puente.clock.now();
        let rows = shown.iter().map(|order| {
            vec![
                plain(&order.number),
                plain(format!("{}/{}", order.connection, order.order)),
                cell(order.status, tone(order.status)),
                plain(or_dash(story::total(order))),
                plain(or_dash(story::document(order))),
                plain(time(order.updated)),
                plain(why(order, waits.get(&order.connection), now)),
            ]
        });
        let unreadable = unreadable.iter().map(|one| {
            let changed = one.updated.map(time);
            let words = ["-".to_owned(), one.key.to_string(), "unreadable".to_owned(), "-".to_owned(), "-".to_owned()];
            words.into_iter().chain([or_dash(changed), one.why.clone()]).map(plain).collect()
        });
        table(&["number", "order", "state", "total", "in the ERP", "changed", "why"], rows.chain(unreadable))
    })
}

impl List {
    /// What to look for; `None` if no order can be like that.
    async fn wanted(&self, puente: &Puente) -> Result<Option<Wanted>> {
        let connections = place::connections(&puente.settings, self.connection.as_ref())?;
        let email = match &self.email {
            Some(email) => Some(search::buyer(puente, email).await?),
            None => None,
        };
        let asked = [self.number.as_deref().map(Term::number), self.document.as_deref().map(Term::document), email];
        let Some(terms) = asked.into_iter().flatten().collect() else { return Ok(None) };
        let begins = |day: Date| day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |midnight| midnight.timestamp());
        Ok(Some(Wanted {
            connections,
            state: self.state.map(State::from),
            from: self.from.map(begins),
            to: self.to.map(|day| begins(day.tomorrow().unwrap_or(Date::MAX))),
            terms,
            limit: 0,
            after: None,
        }))
    }
}

/// Up to `limit` records of what is wanted, and those among them that cannot be read.
async fn found(puente: &Puente, mut wanted: Wanted, limit: usize) -> Result<(Vec<Head>, Vec<Unreadable>)> {
    let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
    while heads.len() < limit {
        wanted.limit = PAGE.min(limit - heads.len());
        let page = search::search(puente, &wanted).await?;
        heads.extend(page.heads);
        unreadable.extend(page.unreadable);
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    Ok((heads, unreadable))
}

async fn show(show: &Show, output: Output) -> Result<()> {
    let puente = show.place.open().await?;
    let head = find(&puente, &show.order, show.connection.as_ref()).await?;
    if show.raw {
        return raw(&puente, &head).await;
    }
    let story = order_story(&puente, head).await?;
    output.answer(&story, || story::described(&story, puente.clock.now()))
}

/// The body as it is kept: raw as it came where it could not be read, otherwise the order it became.
async fn raw(puente: &Puente, head: &Head) -> Result<()> {
    match puente.records.payload(&head.key, &head.desired).await? {
        Some(Payload::Raw(bytes) | Payload::Order(bytes)) if !bytes.is_empty() => {
            output::line(String::from_utf8_lossy(&bytes))
        }
        _ => Err(Error::new(Kind::NotFound, format!("order {}: no body of it came so far", head.key))),
    }
}

/// What the accounts of the connections with orders on their way wait for.
async fn account_waits(puente: &Puente, orders: &[OrderView]) -> Result<BTreeMap<ConnectionId, WaitView>> {
    let mut waits = BTreeMap::new();
    for order in orders.iter().filter(|order| matches!(order.status, State::Waiting | State::Sending)) {
        let Some(erp) = puente.settings.erp_of(&order.connection) else { continue };
        if !waits.contains_key(&order.connection) {
            waits.insert(order.connection.clone(), account_wait(puente, &erp).await?);
        }
    }
    Ok(waits.into_iter().filter_map(|(connection, wait)| Some((connection, wait?))).collect())
}

/// Why an order waits or stopped; of one at rest, what was noticed when it was read.
fn why(order: &OrderView, account: Option<&WaitView>, now: Timestamp) -> String {
    match (&order.reason, order.due) {
        // Due, and its account is not: that is what it waits for.
        (_, Some(due)) if due <= now && account.is_some() => {
            account.map(|wait| story::waiting(wait, now)).unwrap_or_default()
        }
        // Its `due` is for the case that the question is lost: it is asked again before that.
        (Some(reason), _) if order.status == State::Fetching => reason.clone(),
        (Some(reason), Some(due)) => format!("{reason} (again {})", distance(due, now)),
        (Some(reason), None) => reason.clone(),
        (None, Some(due)) => format!("due {}", distance(due, now)),
        (None, None) => order.flags.join("; "),
    }
}

/// What `orders replay` did.
#[derive(Serialize)]
struct Replayed {
    orders: Vec<OrderKey>,
    replayed: bool,
}

async fn replay(replay: &Replay, output: Output) -> Result<()> {
    let puente = replay.place.open().await?;
    let orders = match (&replay.order, replay.state) {
        (Some(order), _) => vec![find(&puente, order, replay.connection.as_ref()).await?.key],
        (None, Some(state)) => {
            let mut keys = Vec::new();
            for connection in place::connections(&puente.settings, replay.connection.as_ref())? {
                let heads = matching(&puente, &connection, Some(state.into()), usize::MAX, output).await?;
                keys.extend(heads.into_iter().map(|head| head.key));
            }
            keys
        }
        (None, None) => {
            return Err(Error::new(Kind::Unreadable, "name an order, or pass --state"));
        }
    };
    if !replay.dry_run {
        let by = Operator::of_all(&replay.by).name;
        let messages: Vec<Message> = orders.iter().map(|key| again(key, &by, puente.clock.now())).collect();
        for some in messages.chunks(PAGE) {
            puente.queue.send(some, Duration::ZERO).await?.into_iter().collect::<Result<()>>()?;
        }
    }
    let replayed = Replayed { orders, replayed: !replay.dry_run };
    output.answer(&replayed, || {
        let names: Vec<String> = replayed.orders.iter().map(ToString::to_string).collect();
        let list = names.join("\n  ");
        match (replayed.orders.len(), replay.dry_run) {
            (0, _) => "no order matches".to_owned(),
            (n, true) => format!("would replay {n}:\n  {list}"),
            (1, false) => format!("1 order queued for retry:\n  {list}"),
            (n, false) => format!("{n} orders queued for retry:\n  {list}"),
        }
    })
}

/// The message that has an order tried again.
fn again(key: &OrderKey, by: &str, now: Timestamp) -> Message {
    Message::Arrival(Arrival {
        by: Some(by.to_owned()),
        ..Arrival::new(key.clone(), now, "puente orders replay", News::Replay)
    })
}

/// What `orders adopt` did.
#[derive(Serialize)]
struct Adopted {
    order: OrderKey,
    noted: String,
    result: &'static str,
}

async fn adopt(adopt: &Adopt, output: Output) -> Result<()> {
    let puente = adopt.place.open().await?;
    let order = find(&puente, &adopt.order, adopt.connection.as_ref()).await?;
    let adoption = record::adoption(&puente, &order, adopt.made()?)
        .await
        .map_err(|error| error.within(format_args!("order {}", order.key)))?;
    let noted = adoption.words();
    let by = Operator::of_all(&adopt.by).name;
    let news = News::Adopt { adoption: Box::new(adoption) };
    let arrival = Arrival::new(order.key.clone(), puente.clock.now(), "puente orders adopt", news);
    let message = Message::Arrival(Arrival { by: Some(by), ..arrival });
    puente.queue.send(&[message], Duration::ZERO).await?.into_iter().collect::<Result<()>>()?;
    let adopted = Adopted { order: order.key, noted, result: "queued" };
    output.answer(&adopted, || {
        let Adopted { order, noted, .. } = &adopted;
        format!("queued for the record of {order}: {noted}\n`puente orders show {order}` tells when it is noted")
    })
}

impl Adopt {
    /// What was made, as typed.
    fn made(&self) -> Result<Made> {
        let document = |id: &String| Document { id: id.clone(), number: self.number.clone() };
        match (&self.sale, &self.refund, &self.document) {
            (Some(sale), ..) => Ok(Made::Sale { document: document(sale) }),
            (None, Some(refund), Some(id)) => Ok(Made::Credit { refund: refund.clone(), document: document(id) }),
            _ if self.edited => Ok(Made::Edit {}),
            _ if self.cancelled => Ok(Made::Cancellation {}),
            _ => Err(Error::new(Kind::Unreadable, "say what was made: --sale, --edited, --cancelled or --refund")),
        }
    }
}

/// Up to `limit` heads of a connection, most recently changed first.
async fn matching(
    puente: &Puente,
    connection: &ConnectionId,
    state: Option<State>,
    limit: usize,
    output: Output,
) -> Result<Vec<Head>> {
    let (mut heads, mut cursor) = (Vec::new(), None);
    while heads.len() < limit {
        let limit = PAGE.min(limit - heads.len());
        let query = Query { connection: connection.clone(), state, from: None, limit, cursor };
        let page = puente.records.list(&query).await?;
        heads.extend(page.heads);
        for one in page.unreadable {
            output.remark(one.why);
        }
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(heads)
}

/// The one order that `text` names.
async fn find(puente: &Puente, text: &str, connection: Option<&ConnectionId>) -> Result<Head> {
    let connections = place::connections(&puente.settings, connection)?;
    let mut found = Vec::new();
    for connection in &connections {
        let own = text.strip_prefix(connection.as_str()).and_then(|rest| rest.strip_prefix('/'));
        for id in [Some(text), own].into_iter().flatten() {
            if let Ok(order) = id.parse() {
                found.extend(puente.records.head(&OrderKey::new(connection.clone(), order)).await?);
            }
        }
    }
    if found.is_empty()
        && let Some(number) = Term::number(text)
    {
        let wanted = Wanted { connections, terms: vec![number], ..Wanted::default() };
        let (heads, unreadable) = self::found(puente, wanted, PAGE).await?;
        if let (true, Some(one)) = (heads.is_empty(), unreadable.into_iter().next()) {
            return Err(Error::new(Kind::Unreadable, one.why));
        }
        found = heads;
    }
    let names = found.iter().map(|head| head.key.to_string()).collect::<Vec<_>>().join(", ");
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(head), None) => Ok(head),
        (Some(_), Some(_)) => {
            Err(Error::new(Kind::NotFound, format!("{text} names several orders: say which of {names}")))
        }
        (None, _) => {
            let connection = text.split_once('/').and_then(|(connection, _)| connection.parse().ok());
            // A number may have a slash too, so that only what was not found is judged.
            if let Some(connection) = connection {
                place::connections(&puente.settings, Some(&connection))
                    .map_err(|error| error.within(format_args!("order {text} is not on record")))?;
            }
            let words = format!(
                "order {text} was not seen yet: no webhook or backfill brought it. `puente backfill` asks the stores now"
            );
            Err(Error::new(Kind::NotFound, words))
        }
    }
}
