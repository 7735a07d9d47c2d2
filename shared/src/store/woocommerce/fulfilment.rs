//! Shipments: the order's state and a field of its metadata, then a note.
//!
//! The shop keeps no list of what was sent, and knows no idempotency keys. What it was told is known by the order's notes: ours end with
//! the number of the shipment in brackets, and are written last. The metadata is absolute, so a repeat of it is harmless; a note alone
//! is what the buyer reads, and comes once. How a shipment can be followed is in the metadata, exactly, with the words of the note that
//! tells it: where the last note has other words, that note never came, and nobody was told.
//!
//! All notes of an order are listed at once, the address knows no pages; those that only the staff sees are among them.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-notes> ·
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#update-an-order>

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    super::{
        answer,
        goods::NotSet,
        parse::{Code, Text, elements, list, parse, plain},
    },
    config::WooCommerce,
    wire::{Meta, OURS},
};
use crate::{
    Error, Kind, Result,
    domain::{
        ids::OrderId,
        shipment::{Fulfilment, Fulfilments, NewFulfilment, Parcel},
        time::Stamp,
    },
    outbound::Calls,
};

/// The field that a shipment has in an order's metadata, before its number.
const SHIPMENT: &str = "shipment_";

/// What a number may not have in it to be found again: the brackets around it, what `WordPress` takes out of a note (`\`), and what
/// is HTML.
const ODD: &AsciiSet = &CONTROLS.add(b'[').add(b']').add(b'%').add(b'\\').add(b'<').add(b'>').add(b'&').add(b'"');

/// A change of an order.
#[derive(Serialize)]
struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    meta_data: [Field; 1],
}

#[derive(Serialize)]
struct Field {
    key: String,
    /// [`Way`] as JSON: extensions show texts, and some fall over anything else.
    value: String,
}

/// How a shipment can be followed.
#[derive(Default, Serialize, Deserialize)]
struct Way {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
    #[serde(default)]
    parcels: Vec<Parcel>,
    /// The words that tell of it.
    #[serde(default)]
    note: String,
}

#[derive(Serialize)]
struct NewNote<'a> {
    note: &'a str,
    customer_note: bool,
}

/// A note, as it is listed.
#[derive(Deserialize)]
struct Note<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(borrow, default)]
    date_created_gmt: Text<'a>,
    #[serde(borrow, default, rename = "note")]
    text: Text<'a>,
}

/// An order's metadata alone.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    #[serde(borrow, default, deserialize_with = "list")]
    meta_data: Vec<Meta<'a>>,
}

/// What was made or changed.
#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    id: Code<'a>,
}

impl WooCommerce {
    /// What the notes of an order tell. One call; two where there is something.
    pub(super) async fn sent(&self, calls: &Calls<'_>, order: &OrderId) -> Result<Option<Fulfilments>> {
        // `WooCommerce`'s ids are numbers: it has no order of another id.
        if !order.as_str().bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let within = |error: Error| error.within(format_args!("order {order}"));
        let asked = self.part(&[order.as_str(), "notes"], "id,date_created_gmt,note");
        let answer = calls.http.send_for_page(self.call(asked)?).await?;
        let Some(answer) = self.answered(answer).map_err(within)? else { return Ok(None) };
        let notes = self.notes(&answer.body).map_err(within)?;
        if notes.is_empty() {
            return Ok(Some(Fulfilments::default()));
        }
        let answer = calls.http.send(self.call(self.part(&[order.as_str()], "id,meta_data"))?).await?;
        let Some(answer) = self.answered(answer).map_err(within)? else { return Ok(None) };
        let fields: Fields<'_> = parse(&answer.body)
            .ok()
            .filter(|fields: &Fields<'_>| fields.id.as_str() == order.as_str())
            .ok_or_else(|| within(self.unreadable("something that is no order")))?;
        let mut sent: Vec<_> = notes.iter().map(|(shipment, notes)| notes.sent(shipment, &fields)).collect();
        sent.sort_by_key(|(first, _)| *first);
        Ok(Some(Fulfilments { open: None, sent: sent.into_iter().map(|(_, sent)| sent).collect() }))
    }

    /// The state and the metadata, then the note: its id.
    pub(super) async fn tell(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<String, NotSet> {
        self.write(calls, new, new.completes.then_some("completed")).await
    }

    /// The metadata again, then another note. What the order's state is by now is not touched.
    pub(super) async fn follow(&self, calls: &Calls<'_>, new: &NewFulfilment) -> Result<(), NotSet> {
        self.write(calls, new, None).await.map(drop)
    }

    async fn write(
        &self,
        calls: &Calls<'_>,
        new: &NewFulfilment,
        status: Option<&'static str>,
    ) -> Result<String, NotSet> {
        let (order, number) = (new.order.as_str(), utf8_percent_encode(&new.shipment, ODD).to_string());
        let way = Way { carrier: new.carrier.clone(), parcels: new.parcels.clone(), note: new.note.clone() };
        let value = serde_json::to_string(&way).map_err(unwritten)?;
        let change = Change { status, meta_data: [Field { key: format!("{OURS}{SHIPMENT}{number}"), value }] };
        self.post(calls, Method::PUT, &[order], &change).await?;
        let note = format!("{} [{number}]", new.note);
        let note = NewNote { note: note.trim(), customer_note: new.notify };
        self.post(calls, Method::POST, &[order, "notes"], &note).await
    }

    /// One write: the id of what was made or changed.
    async fn post(
        &self,
        calls: &Calls<'_>,
        method: Method,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<String, NotSet> {
        let mut call = self.call(self.part(path, "id")).map_err(NotSet::answered)?;
        call.method = method;
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.body = Bytes::from(serde_json::to_vec(body).map_err(unwritten)?);
        let answer = calls.http.send(call).await.map_err(NotSet::unanswered)?;
        let answer = self.taken(answer).map_err(NotSet::answered)?.ok_or_else(|| {
            NotSet::Refused(Error::new(Kind::Refused, format!("{} has no such order any more", self.name)))
        })?;
        // Whatever else answers 200 (a page that says "back soon") has not taken it, or has: nobody knows.
        let made: Option<String> = parse::<Made<'_>>(&answer.body).ok().and_then(|made| made.id.owned());
        let made = made.filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
        made.ok_or_else(|| NotSet::Unknown(self.unreadable("something that does not say what became of a shipment")))
    }

    /// Those notes that end in a shipment's number, by it.
    fn notes<'a>(&self, body: &'a [u8]) -> Result<BTreeMap<String, Notes<'a>>> {
        let unreadable = || self.unreadable("no list of notes");
        let mut found = BTreeMap::new();
        for body in elements(body, None).ok_or_else(unreadable)? {
            let note: Note<'_> = parse(body).map_err(|_| unreadable())?;
            let id: u64 = note.id.as_str().parse().map_err(|_| unreadable())?;
            let Some((_, number)) = bracketed(note.text.as_str()) else { continue };
            match found.entry(number.to_owned()) {
                Entry::Vacant(free) => {
                    free.insert(Notes { first: (id, note.date_created_gmt), last: (id, note.text) });
                }
                Entry::Occupied(mut of) => of.get_mut().add(id, note),
            }
        }
        Ok(found)
    }

    /// A part of an order, and of that no more than these fields.
    fn part(&self, path: &[&str], fields: &str) -> Url {
        let mut url = answer::below(&self.orders, path);
        url.query_pairs_mut().append_pair("_fields", fields);
        url
    }

    fn unreadable(&self, what: &str) -> Error {
        Error::new(Kind::Unreadable, format!("{}: it answered with {what}", self.name))
    }
}

/// The notes of one shipment: numbers grow, whatever the order in which they are listed.
struct Notes<'a> {
    /// The first one, which names it for good, and when it was written.
    first: (u64, Text<'a>),
    /// The last one, and its text.
    last: (u64, Text<'a>),
}

impl<'a> Notes<'a> {
    fn add(&mut self, id: u64, note: Note<'a>) {
        if id < self.first.0 {
            self.first = (id, note.date_created_gmt);
        }
        if id > self.last.0 {
            self.last = (id, note.text);
        }
    }

    /// What they tell of the shipment with this number, and the number of the first.
    fn sent(&self, number: &str, fields: &Fields<'_>) -> (u64, Fulfilment) {
        let ours = |meta: &&Meta<'_>| {
            meta.key.as_str().strip_prefix(OURS).and_then(|key| key.strip_prefix(SHIPMENT)) == Some(number)
        };
        let way = fields.meta_data.iter().find(ours).and_then(|meta| serde_json::from_str(meta.value.as_str()).ok());
        let Way { parcels, note, .. } = way.unwrap_or_default();
        let told = bracketed(self.last.1.as_str()).is_some_and(|(words, _)| same_words(words, &note));
        let sent = Fulfilment {
            id: self.first.0.to_string(),
            created: Stamp::parse(self.first.1.as_str()).ok().map(|stamp| stamp.at()),
            lines: BTreeMap::new(),
            tracking: parcels.into_iter().filter(|_| told).map(|parcel| parcel.number).collect(),
            shipment: Some(percent_decode_str(number).decode_utf8_lossy().into_owned()),
        };
        (self.first.0, sent)
    }
}

/// A note's words, and what is in brackets at its end.
fn bracketed(note: &str) -> Option<(&str, &str)> {
    let (words, number) = note.strip_suffix(']')?.rsplit_once('[')?;
    (!number.is_empty()).then_some((words, number))
}

/// Whether they are the same but for what `WordPress` makes of them: entities, spaces, backslashes.
fn same_words(one: &str, other: &str) -> bool {
    let letters = |text: &str| plain(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    letters(one) == letters(other)
}

fn unwritten(cause: serde_json::Error) -> NotSet {
    NotSet::NotNow(Error::new(Kind::Bug, "a shipment cannot be written").caused_by(cause))
}
