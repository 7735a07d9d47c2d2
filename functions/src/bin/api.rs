//! What people call: see [`puente_functions::api`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::api::run().await
}
