//! `puente connections authorize`: the first token of a store that gives them for a time, or a new one where the last is of no use any
//! more. What was kept before is replaced, whatever it was.

use std::{
    io::{self, BufRead as _},
    sync::Arc,
};

use clap::Args;
use jiff::Timestamp;
use puente::{
    Error, Kind, Result,
    domain::ids::ConnectionId,
    flow::ask::{Ask, Errand},
    outbound::{Grant, NotRenewed},
    parties::{Connection, Settings},
    store::sign_in::SignIn,
};
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    output::{self, Output},
    place::{self, Location},
};

/// `connections authorize`.
#[derive(Debug, Args)]
pub(crate) struct Authorize {
    /// The connection.
    connection: ConnectionId,
    #[command(flatten)]
    place: Location,
}

#[derive(Serialize)]
struct Report {
    connection: String,
    kind: &'static str,
    expires_at: Option<Timestamp>,
    renewable_until: Option<Timestamp>,
}

/// Runs the command.
pub(super) async fn run(authorize: Authorize, output: Output) -> Result<()> {
    let id = &authorize.connection;
    // Where nobody has served yet the data begin here; a mistyped name leaves nothing behind.
    let puente = authorize.place.begin(async |settings| app(&*connection(settings, id).await?).map(drop)).await?;
    let connection = connection(&puente.settings, id).await?;
    let app = app(&connection)?;
    let ask = Ask::new(&puente, &connection, Errand::Other);
    let calls = ask.calls();
    calls.tokens.ready().await?;
    let grant = granted(app, calls.http, &puente.chance.token()).await?;
    calls.tokens.keep(app.app(), grant).await?;
    let standing = calls.tokens.standing(app.app()).await?;
    let (expires_at, renewable_until) =
        standing.map_or((None, None), |standing| (standing.expires_at, standing.renewable_until));
    let report = Report { connection: id.to_string(), kind: app.kind(), expires_at, renewable_until };
    output.answer(&report, || {
        let until = expires_at.map_or_else(|| "has no end".to_owned(), |at| format!("ends {}", output::time(at)));
        format!("{id}: signed in ({}); the token {until} and is renewed before", app.kind())
    })
}

/// The connection of that name; an error says which there are.
async fn connection(settings: &Settings, id: &ConnectionId) -> Result<Arc<Connection>> {
    place::connections(settings, Some(id))?;
    let connection = settings.connection(id).await?;
    connection.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no connection `{id}`")))
}

/// The app that somebody signs in with.
fn app(connection: &Connection) -> Result<&dyn SignIn> {
    let id = &connection.id;
    connection.store.sign_in().ok_or_else(|| {
        let words = format!("the store of `{id}` has no app to sign in with: it needs client_id and client_secret");
        Error::new(Kind::Config, words)
    })
}

async fn granted(app: &dyn SignIn, http: &puente::outbound::Metered, state: &str) -> Result<Grant> {
    let grant = match app.page(state) {
        None => app.renew(http, None).await,
        Some(page) => {
            output::ask(format!(
                "open this page as somebody who may install apps in the shop:\n{page}\nthen paste the address that you are sent to:"
            ));
            let mut address = String::new();
            let read = io::stdin().lock().read_line(&mut address);
            read.map_err(|error| Error::new(Kind::Unavailable, "cannot read the address").caused_by(error))?;
            app.first(http, &SecretString::from(state), &address).await
        }
    };
    grant.map_err(|error| match error {
        NotRenewed::SignIn(why) => Error::new(Kind::Refused, format!("{why}: start again")),
        NotRenewed::Failed(error) | NotRenewed::HeldBack(error) => error,
    })
}
