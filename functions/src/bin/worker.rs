//! Records arrivals and conducts ERP accounts: see [`puente_functions::worker`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::worker::run().await
}
