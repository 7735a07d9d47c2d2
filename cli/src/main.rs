//! The `puente` command: demo, serve, check, orders, goods, prices, shipments, dlq, quota, backfill, send,
//! connections, tasks, pump, config.
//!
//! With `--json` standard output carries the answer as JSON, and standard error why there is none, or a remark: `title` and `detail`.
//!
//! Exit codes: 0 if what was asked for holds, 1 if it does not, 2 if the command line is wrong.

mod backfill;
mod check;
mod config;
mod connections;
mod demo;
mod dlq;
mod goods;
mod orders;
mod output;
mod place;
mod prices;
mod progress;
mod pump;
mod quota;
mod send;
mod serve;
mod shipments;
mod story;
mod tasks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use puente::{Error, Kind, Result};

use crate::output::Output;

/// Carries orders from ecommerce stores into an ERP, exactly once.
#[derive(Debug, Parser)]
#[command(name = "puente", version, max_term_width = 110)]
struct Cli {
    /// Answer in JSON, for programs; errors and remarks too, on standard error.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Check(check::Check),
    #[command(subcommand)]
    Orders(orders::Orders),
    #[command(subcommand)]
    Goods(goods::Goods),
    #[command(subcommand)]
    Prices(prices::Prices),
    #[command(subcommand)]
    Shipments(shipments::Shipments),
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    Quota(quota::Quota),
    Backfill(backfill::Backfill),
    Send(send::Send),
    Connections(connections::Connections),
    Tasks(tasks::Tasks),
    Pump(pump::Pump),
    #[command(subcommand)]
    Config(config::Config),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and the version are no mistakes.
        Err(wrong) if wrong.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            output::misuse(&wrong.render().to_string());
            return ExitCode::from(2);
        }
        Err(wrong) => wrong.exit(),
    };
    let output = Output::new(cli.json);
    match run(cli.command, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, output: Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Unavailable, "cannot start threads").caused_by(error))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(demo) => demo::run(demo, output).await,
            Command::Serve(serve) => serve::run(serve, output).await,
            Command::Check(check) => check::run(check, output).await,
            Command::Orders(orders) => orders::run(orders, output).await,
            Command::Goods(goods) => goods::run(goods, output).await,
            Command::Prices(prices) => prices::run(prices, output).await,
            Command::Shipments(shipments) => shipments::run(shipments, output).await,
            Command::Dlq(dlq) => dlq::run(dlq, output).await,
            Command::Quota(quota) => quota::run(quota, output).await,
            Command::Backfill(backfill) => backfill::run(backfill, output).await,
            Command::Send(send) => send::run(send, output).await,
            Command::Connections(connections) => connections::run(connections, output).await,
            Command::Tasks(tasks) => tasks::run(tasks, output).await,
            Command::Pump(pump) => pump::run(pump, output).await,
            Command::Config(config) => config::run(&config),
        }
    });
    // Whoever asks twice to stop does not wait for what is in flight: it is safe on the disk.
    runtime.shutdown_background();
    outcome
}
