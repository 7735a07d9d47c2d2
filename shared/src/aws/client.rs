//! How AWS is called: rustls with ring, short time-outs, the SDK's standard retries, and its errors in our words.
//!
//! An update may be repeated by the SDK after it was applied, if only its reply was lost. [`Tries`] says whether that can
//! have happened to a call, so that a write that meets itself is told from one that meets another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_config::{
    Region, SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::{
    config::{
        BehaviorVersion, ConfigBag, Intercept, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient,
        interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::{Error, Kind};

/// Three attempts, 50 ms to 500 ms apart.
const ATTEMPTS: u32 = 3;

/// How long a call may take. An emulator is given longer than [`Patience::AWS`] by whoever starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The most a connection may take.
    pub connect: Duration,
    /// The most one attempt may take, from the request to the end of the answer.
    pub attempt: Duration,
    /// The most a call may take with all its attempts.
    pub call: Duration,
}

impl Patience {
    /// Within a region a connection takes a few milliseconds, and DynamoDB and SQS answer in tens of them. A store hangs up
    /// after five seconds: until then a call has ended.
    pub const AWS: Self = Self {
        connect: Duration::from_millis(800),
        attempt: Duration::from_secs(2),
        call: Duration::from_millis(4500),
    };
}

/// The way to AWS: TLS by rustls with ring.
pub(super) fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// What all clients share.
pub(super) fn sdk(
    credentials: SharedCredentialsProvider,
    region: Option<Region>,
    endpoint: Option<String>,
    patience: Patience,
) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(patience.connect)
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.call)
        .build();
    let retry = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500));
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http())
        .credentials_provider(credentials)
        .retry_config(retry)
        .timeout_config(timeouts)
        // Its five seconds, after which a call is sent again, would be another time-out than these.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .region(region);
    sdk.set_endpoint_url(endpoint);
    sdk.build()
}

/// The time-outs of a call that is allowed to wait `extra` before it answers (a long poll).
pub(super) fn longer(usual: &TimeoutConfig, extra: Duration) -> TimeoutConfig {
    let longer = |time: Option<Duration>| time.map(|time| time.saturating_add(extra));
    let mut timeouts = usual.to_builder();
    timeouts.set_operation_attempt_timeout(longer(usual.operation_attempt_timeout()));
    timeouts.set_operation_timeout(longer(usual.operation_timeout()));
    timeouts.build()
}

/// Counts the attempts of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries(Arc<AtomicU32>);

impl Tries {
    /// Whether the SDK sent it more than once.
    pub(super) fn repeated(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A failed call in our words. `what` says what was tried: "cannot write the record".
///
/// Whatever AWS says, the order is not to blame: a missing permission or table is mended by a person while the order waits.
/// Only what will never fit is for good.
pub(super) fn failed<E, R>(what: &'static str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code(), answer.err().message());
            let words = message.or(code).unwrap_or("no reason given");
            let too_large = code == Some("ValidationException") && words.contains("maximum allowed size")
                || code == Some("BatchRequestTooLong");
            let kind = if too_large { Kind::TooLarge } else { Kind::Unavailable };
            Error::new(kind, format!("{what}: {} ({words})", code.unwrap_or("refused")))
        }
        SdkError::TimeoutError(_) => Error::new(Kind::Unavailable, format!("{what}: AWS did not answer in time")),
        SdkError::DispatchFailure(why) => {
            let words = why.as_connector_error().map_or_else(|| "no connection".to_owned(), ToString::to_string);
            Error::new(Kind::Unavailable, format!("{what}: AWS cannot be reached: {words}"))
        }
        SdkError::ResponseError(_) => Error::new(Kind::Unavailable, format!("{what}: AWS's answer cannot be read")),
        _ => Error::new(Kind::Unavailable, format!("{what}: the call to AWS could not be made")),
    }
}
