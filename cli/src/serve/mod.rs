//! `puente serve`: both routers, the workers and the tasks in one process: on one file, or on AWS's table and
//! queue (`--backend aws`), where several such processes may run at once.
//!
//! It may be killed at any moment: a 2xx was on the disk or in the queue before it was said, and everything else is a
//! record's `due`.

pub(crate) mod engine;
mod logging;
mod server;
mod source;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use puente::{
    Error, Kind, Result,
    config::Secret,
    domain::event::{Event, Told},
    edge::{host::HostName, operate::Access},
    embedded::{Embedded, Options, Ownership},
    parties::Settings,
};
use serde::Serialize;
use tokio::{net::TcpListener, signal};

use crate::{
    output::Output,
    place::{self, Backend, Location},
};
use engine::{Doors, Engine, Pace};
use source::Source;

/// Receive webhooks and take their orders to the ERP.
///
/// On this machine, or with `--backend aws` on the stack's table and queue, as many processes as you like. Each then counts the
/// front door's limits for itself: with n processes a connection may get n times its rate; the ERP's limits hold over all.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Location,
    /// The address to listen on. Beyond this machine every connection needs a key, and operators one of theirs. Port 0 picks a free
    /// port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many workers take messages from the queue.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
    /// Seconds between two sweeps for orders that are due and that nobody is sending. Default: 1 on this machine, 60 on AWS.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    sweep: Option<u64>,
    /// A public host name of this service, such as `shop.example`: what its proxy passes on as `Host`. Repeatable. Requests for any
    /// other name are refused, except this machine's own.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,
    /// Let everybody on this machine read and replay orders over HTTP, without an operator's key.
    #[arg(long)]
    open: bool,
    /// A file with the key, of at least 16 characters, that opens the orders of all connections over HTTP: `Authorization: Bearer ...`.
    /// Without it the key is that of the environment's `PUENTE_OPERATOR_KEY`. Operators who see some connections only are in the
    /// configuration, as `[operator.NAME]`. Without any of these nobody can read or replay. (A key is never an argument: everybody on
    /// the machine can read those.)
    #[arg(long, value_name = "FILE")]
    operator_key_file: Option<PathBuf>,
    /// What is logged, such as `info` or `warn,puente=debug`.
    #[arg(long, env = "PUENTE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// Said once it listens.
#[derive(Serialize)]
struct Listening {
    listening: String,
}

/// Runs the command.
pub(crate) async fn run(serve: Serve, output: Output) -> Result<()> {
    logging::start(&serve.log)?;
    let doors = Doors { hosts: serve.hosts.clone(), operator: serve.operator()? };
    let (engine, _owner) = match serve.place.backend {
        Backend::Embedded => on_this_machine(&serve, doors).await?,
        Backend::Aws => (on_aws(&serve, doors).await?, None),
    };
    let said = Listening { listening: engine.url() };
    output.answer(&said, || format!("puente listens on {}", said.listening))?;
    asked_to_stop().await?;
    Event::Stopping {}.log();
    tokio::select! {
        () = engine.stop() => Ok(()),
        again = asked_to_stop() => again,
    }
}

async fn on_this_machine(serve: &Serve, doors: Doors) -> Result<(Engine, Option<Ownership>)> {
    // The configuration first: a mistake in it starts nothing and leaves nothing behind.
    let settings = serve.place.file.settings()?;
    settings.check().await?;
    guard(&settings, serve.listen, &doors.operator)?;
    let listener = listen(serve.listen).await?;
    let visibility = engine::visibility(&settings).await;
    let data = Embedded::open_with(&serve.place.data, Options { visibility, ..Options::default() })?;
    // Only one process serves from a directory; what a killed one held is free at once.
    let owner = data.own().await?;
    let puente = place::puente(settings, &data)?;
    let engine = Engine::start(puente, listener, doors, serve.pace(Pace::default())).await?;
    Ok((engine, Some(owner)))
}

async fn on_aws(serve: &Serve, doors: Doors) -> Result<Engine> {
    let app = place::aws().await?;
    // Something must be published; who changes it later need not start this again.
    let puente = app.puente().await?;
    guard(&puente.settings, serve.listen, &doors.operator)?;
    puente.queue.ready().await?;
    let listener = listen(serve.listen).await?;
    let pace = Pace::default().sweeping(Duration::from_mins(1));
    Engine::start(Source::Published(Arc::new(app)), listener, doors, serve.pace(pace)).await
}

impl Serve {
    /// Who may read and replay orders over HTTP.
    fn operator(&self) -> Result<Access> {
        let (place, key) = match &self.operator_key_file {
            Some(file) => (file.display().to_string(), Some(Secret::of_file(file)?)),
            None => ("PUENTE_OPERATOR_KEY".to_owned(), Secret::of_environment("PUENTE_OPERATOR_KEY")),
        };
        if let Some(why) = key.as_ref().and_then(Secret::too_short) {
            return Err(Error::new(Kind::Config, format!("{place}: the operator's key {why}")));
        }
        match (key, self.open) {
            (key, false) => Ok(Access::Keys(key)),
            (None, true) => Ok(Access::Open),
            (Some(_), true) => {
                let words =
                    "--open lets everybody on this machine in, and PUENTE_OPERATOR_KEY only who has it: leave out one";
                Err(Error::new(Kind::Config, words))
            }
        }
    }

    /// The usual pace, as far as nobody asked for another.
    fn pace(&self, usual: Pace) -> Pace {
        let pace = Pace { workers: self.workers.into(), ..usual };
        match self.sweep {
            Some(seconds) => pace.sweeping(Duration::from_secs(seconds)),
            None => pace,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(Kind::Config, format!("cannot listen on {address}: choose another --listen")).caused_by(error)
    })
}

/// Beyond loopback everybody who calls must show a key.
fn guard(settings: &Settings, listen: SocketAddr, operator: &Access) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    let mut missing: Vec<String> =
        settings.keyless().iter().map(|id| format!("connection.{id} has no `key` in the configuration")).collect();
    let operator = match operator {
        Access::Keys(None) if !settings.has_operators() => Some(
            "PUENTE_OPERATOR_KEY is not set, and the configuration has no [operator.NAME]: nobody could read and replay orders",
        ),
        Access::Keys(_) | Access::Decided => None,
        Access::Open => Some("--open lets anybody read and replay orders: set PUENTE_OPERATOR_KEY"),
    };
    missing.extend(operator.map(str::to_owned));
    if missing.is_empty() {
        return Ok(());
    }
    let words = format!("{listen} can be reached from other machines, but {}", missing.join("; "));
    Err(Error::new(Kind::Config, words))
}

/// Waits for ctrl-c or SIGTERM.
pub(crate) async fn asked_to_stop() -> Result<()> {
    let told = |error| Error::new(Kind::Unavailable, "cannot wait for signals").caused_by(error);
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).map_err(told)?;
        tokio::select! {
            pressed = signal::ctrl_c() => pressed.map_err(told),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await.map_err(told)
}
