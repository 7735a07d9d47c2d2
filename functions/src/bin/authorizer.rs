//! Who may make which request: see [`puente_functions::authorizer`].

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    puente_functions::authorizer::run().await
}
