//! A message as the body of a row: packed JSON, never larger than what SQS takes, so that a shop can move there.

use crate::{
    Error, Kind, Result,
    domain::message::Message,
    payload::{pack, unpack},
};

/// The largest message, packed.
const LARGEST: usize = 1 << 20;
/// The largest message once unpacked.
const LARGEST_UNPACKED: usize = 16 << 20;

/// The body of `message`. [`Kind::TooLarge`] if it would be larger than a message may be.
pub(crate) fn encode(message: &Message) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(message);
    let json = json.map_err(|cause| Error::new(Kind::Bug, "cannot serialise a message").caused_by(cause))?;
    let body = pack(&json);
    if body.len() > LARGEST || json.len() > LARGEST_UNPACKED {
        return Err(Error::new(Kind::TooLarge, "is larger than a message may be (1 MiB)"));
    }
    Ok(body)
}

/// The message of a body. [`Kind::Unreadable`] if it is none of ours.
pub(crate) fn decode(body: &[u8]) -> Result<Message> {
    let json = unpack(body, LARGEST_UNPACKED)?;
    serde_json::from_slice(&json).map_err(|cause| {
        // serde's words may quote what they stumbled on: only the place is told.
        let words = format!("a message of the queue cannot be read (byte {})", cause.column());
        Error::new(Kind::Unreadable, words)
    })
}
