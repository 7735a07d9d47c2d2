//! Every minute: the task `sweep`. The event says only that it is time.

use jiff::Timestamp;
use puente::{
    Result,
    domain::task::Run,
    flow::{
        task::{self, Task},
        tasks::sweep::SWEEP,
    },
};

use crate::{App, Tell, ends, log, serve};

/// Sweeps on every event until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let app = &App::from_env(Tell::default()).await?;
    serve(app, "sweep", async |_, context| handle(app, ends(&context)?).await).await
}

/// Sweeps once: what it did, for whoever invokes it by hand.
pub async fn handle(app: &App, deadline: Timestamp) -> Result<Run> {
    let puente = app.puente().await?;
    task::run(&puente, &SWEEP, SWEEP.period(), deadline).await
}
