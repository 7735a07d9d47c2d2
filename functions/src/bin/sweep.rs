//! Wakes conductors, every minute: see [`puente_functions::sweep`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::sweep::run().await
}
