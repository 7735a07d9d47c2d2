//! Asks the stores what no webhook brought: see [`puente_functions::backfill`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::backfill::run().await
}
