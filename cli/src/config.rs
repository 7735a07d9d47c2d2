//! `puente config`: a commented file to start from.

use clap::Subcommand;
use puente::{Result, parties};

use crate::output;

/// Print an example of the configuration file.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Prints a commented puente.toml with one part for every kind of ERP and store.
    Example,
}

/// Runs the command.
pub(crate) fn run(config: &Config) -> Result<()> {
    match config {
        Config::Example => output::line(parties::example()),
    }
}
