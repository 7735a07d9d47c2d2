//! `puente send`: signs a file as the store would and posts it to a running `serve`.

use std::{fs, io::Read, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use puente::{
    Error, Kind, Result,
    config::Secret,
    domain::ids::ConnectionId,
    outbound::{Call, Client},
    parties::Connection,
    ports::{Clock, SystemClock},
    store::{STORES, Store},
};
use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    output::Output,
    place::{self, ConfigFile},
};

/// Sign a webhook as the store would, and post it to a running serve.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["body", "sample"])))]
pub(crate) struct Send {
    #[command(flatten)]
    file: ConfigFile,
    /// The connection it is sent to.
    #[arg(long)]
    connection: ConnectionId,
    /// The body, byte for byte; `-` reads standard input.
    body: Option<PathBuf>,
    /// Send the store's own sample order, instead of a body.
    #[arg(long)]
    sample: bool,
    /// Where `puente serve` listens.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
}

/// What came back.
#[derive(Serialize)]
struct Answered {
    status: u16,
    body: Box<RawValue>,
}

/// Runs the command.
pub(crate) async fn run(send: Send, output: Output) -> Result<()> {
    let settings = send.file.settings()?;
    place::connections(&settings, Some(&send.connection))?;
    let connection = settings.entrance(&send.connection).await?;
    let connection = connection
        .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no connection `{}`", send.connection)))?;
    let body = send.content()?;
    // A connection without a webhook secret has orders posted to it.
    let entrance = connection.store.entrance();
    let call = match (entrance.signed().map(|signed| signed.secrets), entrance.api_keys()) {
        (Some([]), [api_key, ..]) => posted(&send.url, &connection, api_key, body)?,
        _ => webhook(&send.url, &connection, connection.store.as_ref(), body)?,
    };
    let answer = Client::new()?.send(call).await.map_err(|failure| {
        let at = &send.url;
        Error::new(
            Kind::Unavailable,
            format!("no answer at {at}; is `puente serve` running there? {}", failure.error()),
        )
    })?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let status = answer.status.as_u16();
    let json = RawValue::from_string(text.clone())
        .or_else(|_| serde_json::value::to_raw_value(&text))
        .map_err(|error| Error::new(Kind::Bug, "the answer cannot be shown").caused_by(error))?;
    output.answer(&Answered { status, body: json }, || format!("{}\n{text}", answer.status))?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(Error::new(Kind::Refused, format!("the webhook was not accepted: {}", answer.status)))
    }
}

/// The call a store would make: signed, its key in the URL.
pub(crate) fn webhook(url: &Url, connection: &Connection, store: &dyn Store, body: Vec<u8>) -> Result<Call> {
    let mut to = address(url, connection, "webhook")?;
    if let Some(key) = connection.keys.first() {
        to.query_pairs_mut().append_pair("key", key.expose());
    }
    let mut headers = store.sign(&body, SystemClock.now());
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(Call { method: Method::POST, url: to, headers, body: body.into(), timeout: Duration::from_secs(30) })
}

/// The call of somebody's own system: canonical orders under an API key.
fn posted(url: &Url, connection: &Connection, api_key: &Secret, body: Vec<u8>) -> Result<Call> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let told =
        |_| Error::new(Kind::Config, "the API key cannot be sent as a header: it has characters that none may have");
    let mut key = HeaderValue::from_str(api_key.expose()).map_err(told)?;
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    let url = address(url, connection, "orders")?;
    Ok(Call { method: Method::POST, url, headers, body: body.into(), timeout: Duration::from_secs(30) })
}

/// The address of one of a connection's routes at `url`.
fn address(url: &Url, connection: &Connection, route: &str) -> Result<Url> {
    let mut to = url.clone();
    let told = || Error::new(Kind::Config, format!("{url} is not an address such as http://127.0.0.1:8080"));
    let mut path = to.path_segments_mut().map_err(|()| told())?;
    path.pop_if_empty().extend(["v1", "connections", connection.id.as_str(), route]);
    drop(path);
    Ok(to)
}

impl Send {
    fn content(&self) -> Result<Vec<u8>> {
        let Some(path) = &self.body else { return self.sample() };
        let told = |error| Error::new(Kind::Unreadable, format!("cannot read {}", path.display())).caused_by(error);
        if path.as_os_str() == "-" {
            let mut body = Vec::new();
            std::io::stdin().lock().read_to_end(&mut body).map_err(told)?;
            return Ok(body);
        }
        fs::read(path).map_err(told)
    }

    fn sample(&self) -> Result<Vec<u8>> {
        let kinds = self.file.store_kinds()?;
        let kind = kinds.get(self.connection.as_str());
        let row = kind.and_then(|kind| STORES.iter().find(|row| row.kind == kind));
        row.map(|row| row.sample.as_bytes().to_vec()).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("connection `{}` has no store with a sample", self.connection))
        })
    }
}
