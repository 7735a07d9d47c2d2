//! Logs on standard error: for people on a terminal, JSON lines otherwise.

use std::io::{self, IsTerminal};

use puente::{Error, Kind, Result};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging what `filter` lets through.
pub(super) fn start(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Error::new(Kind::Config, "--log is not a filter such as `warn,puente=debug`").caused_by(error)
    })?;
    let log = fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second start (two serves in one process) keeps the first.
    let _ = if io::stderr().is_terminal() {
        log.with_ansi(console::colors_enabled_stderr()).with_target(false).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    Ok(())
}
