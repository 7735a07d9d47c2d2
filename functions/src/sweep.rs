//! Every minute: [`puente::flow::sweep`]. The event says only that it is time.

use puente::{Result, domain::event::Event, flow::sweep::sweep};
use serde::Serialize;

use crate::{App, isolated, log, serve};

/// What a sweep did, for whoever invokes it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Accounts looked at.
    pub accounts: u32,
    /// Accounts woken.
    pub woken: u32,
}

/// Sweeps on every event until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = &App::from_env().await?;
    serve(app, "sweep", async |_, _| handle(app).await).await
}

/// Sweeps once.
pub async fn handle(app: &App) -> Result<Answer> {
    let puente = app.puente().await?;
    let swept = isolated("the sweep", sweep(&puente)).await??;
    puente.tell.of(&Event::Swept { accounts: swept.accounts, woken: swept.woken });
    Ok(Answer { accounts: swept.accounts, woken: swept.woken })
}
