//! The request authorizer in front of the API: [`puente::edge::authorize`] answered to API Gateway.
//!
//! Allowed is exactly the request's own method and path, so that an answer that API Gateway caches lets in nothing else. A refusal
//! of credentials is the error `Unauthorized`, word for word: API Gateway makes 401 of it, and counts the request for nobody. A
//! Deny policy becomes 403, any other error 500. Neither keys, tokens nor queries are logged.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::Arc,
};

use lambda_runtime::{LambdaEvent, service_fn};
use puente::{
    Error, Kind, Result,
    domain::{
        event,
        operator::{Operator, Scope},
    },
    edge::authorize::{Decision, Request, ResourceServer, Trust, authorize},
    outbound::Client,
    ports::SystemClock,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    App, Tell,
    gateway::{CONNECTIONS, SCOPES, SUBJECT},
    isolated, log, metrics,
};

/// What API Gateway makes 401 of.
const UNAUTHORIZED: &str = "Unauthorized";

/// The authorizer, for all invocations of a process: configuration and the issuer's keys are kept.
pub struct Authorizer {
    app: App,
    server: Option<ResourceServer>,
}

/// What API Gateway reads. It holds the connection's key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    principal_id: String,
    policy_document: Policy,
    context: BTreeMap<&'static str, String>,
    /// Whose rate and day the request counts for, where the API's key source is AUTHORIZER.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// What we read of a REQUEST authorizer's event. Headers are read as text, not as HTTP headers: one of a stranger's that is no
/// ASCII must not make an event unreadable.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    r#type: String,
    method_arn: String,
    http_method: String,
    /// Percent-encoded as it came; the stage is not in it.
    path: String,
    headers: Option<Single>,
    multi_value_headers: Option<Multiple>,
    /// Decoded already.
    query_string_parameters: Option<Single>,
    multi_value_query_string_parameters: Option<Multiple>,
    #[serde(default)]
    request_context: Context,
}

/// What the event says of the request itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    /// As in API Gateway's own log.
    request_id: Option<String>,
}

type Single = BTreeMap<String, Option<String>>;
type Multiple = BTreeMap<String, Option<Vec<String>>>;

/// Answers until Lambda ends the process.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    log();
    let tell = Tell::default();
    let server = server(&tell);
    let authorizer = &Authorizer::new(App::from_env(tell).await?, server);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = isolated("authorizing a request", authorizer.answer(event.payload.get())).await.flatten();
        let answer = answer.map_err(|error| {
            if error.kind() != Kind::Forged {
                authorizer.app.tell().of(&event::Event::InvocationFailed { error: &error });
            }
            lambda_runtime::Error::from(error.to_string())
        });
        metrics::flush(authorizer.app.tell(), "authorizer");
        answer
    }))
    .await
}

impl Authorizer {
    /// With what outlives an invocation. Without a `server` every token is refused.
    #[must_use]
    pub fn new(app: App, server: Option<ResourceServer>) -> Self {
        Self { app, server }
    }

    /// Answers one event. [`Kind::Forged`], whose text is `Unauthorized`: 401. [`Kind::Unreadable`]: it is no event of a REQUEST
    /// authorizer. Any other error: it could not be decided.
    pub async fn answer(&self, event: &str) -> Result<Answer> {
        let event: Event = serde_json::from_str(event).map_err(|cause| {
            // The cause would quote the event, and the event has keys in it.
            unreadable(&format!(" (line {}, column {})", cause.line(), cause.column()))
        })?;
        let id = event.request_context.request_id.clone();
        let (arn, request) = event.into_request()?;
        let decide = async || {
            let settings = self.app.puente().await?.settings;
            authorize(&settings, self.server.as_ref(), &request).await
        };
        let mut decision = decide().await?;
        // Perhaps the key is new.
        if matches!(decision, Decision::Unauthorized(_)) && !request.keys.is_empty() && self.app.look_again().await {
            decision = decide().await?;
        }
        match decision {
            Decision::AllowConnection { connection, key } => Ok(Answer {
                context: BTreeMap::from([("connection", connection.to_string())]),
                usage_identifier_key: Some(key.expose().to_owned()),
                ..Answer::new(connection.into(), "Allow", arn)
            }),
            Decision::AllowOperator(Operator { name, scopes, sight }) => {
                let scopes = scopes.into_iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
                let context =
                    BTreeMap::from([(SUBJECT, name.clone()), (SCOPES, scopes), (CONNECTIONS, sight.to_string())]);
                Ok(Answer { context, ..Answer::new(name, "Allow", arn) })
            }
            Decision::Forbidden { subject, reason } => {
                self.refused(id.as_deref(), 403, &reason);
                Ok(Answer::new(subject, "Deny", arn))
            }
            Decision::Unauthorized(reason) => {
                self.refused(id.as_deref(), 401, &reason);
                Err(Error::new(Kind::Forged, UNAUTHORIZED))
            }
        }
    }

    fn refused(&self, request: Option<&str>, status: u16, reason: &dyn Display) {
        let (connection, method, route) = (None, None, None);
        self.app.tell().of(&event::Event::Refused { request, connection, method, route, status, reason });
    }
}

impl Answer {
    fn new(principal_id: String, effect: &'static str, resource: String) -> Self {
        let statement = [Statement { action: "execute-api:Invoke", effect, resource }];
        let policy_document = Policy { version: "2012-10-17", statement };
        Self { principal_id, policy_document, context: BTreeMap::new(), usage_identifier_key: None }
    }
}

impl Event {
    /// The ARN of the method that was called, and the request.
    fn into_request(self) -> Result<(String, Request)> {
        if self.r#type != "REQUEST" || !self.method_arn.starts_with("arn:") {
            return Err(unreadable(": its `type` is not REQUEST, or its `methodArn` is none"));
        }
        let method = self.http_method.parse().map_err(|_| unreadable(": its `httpMethod` is none"))?;
        let header = |name: &str| {
            values(self.headers.as_ref(), self.multi_value_headers.as_ref(), |given| given.eq_ignore_ascii_case(name))
        };
        let (query, queries) = (&self.query_string_parameters, &self.multi_value_query_string_parameters);
        let mut keys = header("x-api-key");
        keys.extend(values(query.as_ref(), queries.as_ref(), |given| given == "key"));
        let authorization = header("authorization");
        Ok((self.method_arn, Request { method, path: self.path, keys, authorization }))
    }
}

/// All values of a name, each once: the single form repeats one of the multiple.
fn values(single: Option<&Single>, multiple: Option<&Multiple>, is: impl Fn(&str) -> bool) -> Vec<String> {
    let singles = single.into_iter().flatten().map(|(name, value)| (name, value.as_slice()));
    let multiples = multiple.into_iter().flatten().map(|(name, values)| (name, values.as_deref().unwrap_or_default()));
    let named = singles.chain(multiples).filter(|(name, _)| is(name));
    let values: BTreeSet<&String> = named.flat_map(|(_, values)| values).collect();
    values.into_iter().cloned().collect()
}

fn unreadable(why: &str) -> Error {
    Error::new(Kind::Unreadable, format!("the event is not one of an API Gateway REQUEST authorizer{why}"))
}

/// The server for the tokens of the environment's issuer, if that is usable. If not, keys go on being checked: a mistake about
/// people must cost no order.
fn server(tell: &Tell) -> Option<ResourceServer> {
    let made = Client::new().and_then(|client| ResourceServer::new(trust()?, client, Arc::new(SystemClock)));
    made.inspect_err(|error| tell.of(&event::Event::TokensRefused { error })).ok()
}

/// Whose tokens are taken, as `template.yaml` says it: `PUENTE_ISSUER`, `PUENTE_AUDIENCE` (separated by commas),
/// `PUENTE_SCOPE_PREFIX` and `PUENTE_CONNECTIONS_CLAIM`.
fn trust() -> Result<Trust> {
    let audiences = variable("PUENTE_AUDIENCE").unwrap_or_default();
    let audiences = audiences.split(',').map(str::trim).filter(|name| !name.is_empty());
    let missing = || Error::new(Kind::Config, "the environment has no PUENTE_ISSUER: no token is taken");
    Ok(Trust {
        issuer: variable("PUENTE_ISSUER").ok_or_else(missing)?,
        audiences: audiences.map(str::to_owned).collect(),
        scope_prefix: variable("PUENTE_SCOPE_PREFIX").unwrap_or_else(|| "puente/".to_owned()),
        connections_claim: variable("PUENTE_CONNECTIONS_CLAIM").unwrap_or_else(|| "puente_connections".to_owned()),
    })
}

#[allow(clippy::disallowed_methods, reason = "Lambda says in its environment whose tokens the stack trusts")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
