# `puente serve` on AWS's queue and table: for ECS, EKS or one virtual machine.
#
#   docker build -t puente .
#   docker run -p 8080:8080 -e AWS_REGION -e PUENTE_TABLE -e PUENTE_QUEUE_URL -e PUENTE_DEAD_QUEUE_URL \
#     -e PUENTE_OPERATOR_KEY puente serve --backend aws --listen 0.0.0.0:8080 --host orders.example
#
# `--host` names what stores call it by; without it only its addresses are answered to.
#
# Credentials come from the task's or the pod's role. The process ends well on SIGTERM: give it as long as the slowest ERP's
# time-out (`stopTimeout`, `terminationGracePeriodSeconds`); killed earlier it loses nothing, the next one looks it up.

# It brings the C compiler that SQLite and ring need.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /puente
COPY . .
RUN cargo build --release --locked -p puente-cli

# The same Debian's C library and nothing to log into; it runs as a user without rights.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /puente/target/release/puente /usr/local/bin/puente
EXPOSE 8080
ENTRYPOINT ["puente"]
CMD ["serve", "--backend", "aws", "--listen", "0.0.0.0:8080"]
