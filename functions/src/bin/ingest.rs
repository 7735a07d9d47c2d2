//! What stores call: see [`puente_functions::ingest`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::ingest::run().await
}
