//! A message as the body of an SQS message: JSON, or packed and base64 where it is large or holds what SQS does not take.
//!
//! JSON begins with `{`, base64 never does: a body says itself what it is, also after a redrive by AWS's own console.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    Error, Kind, Result,
    domain::message::Message,
    payload::{pack, unpack},
};

/// The largest body that travels as plain JSON: SQS bills by 64 KB.
const PLAIN: usize = 64 * 1024;
/// The largest body SQS takes, less what the attributes need.
const LARGEST: usize = 1024 * 1024 - 4096;
/// The largest message that is unpacked, in bytes.
const UNPACKED: usize = 32 * 1024 * 1024;

/// The body of `message`. [`Kind::TooLarge`] if SQS would not take it even packed.
pub fn encode(message: &Message) -> Result<String> {
    let json = serde_json::to_string(message)
        .map_err(|cause| Error::new(Kind::Bug, "a message cannot be written as JSON").caused_by(cause))?;
    if json.len() > UNPACKED {
        return Err(Error::new(Kind::TooLarge, "the order is larger than 32 MiB: the queue could not give it back"));
    }
    // Two characters that JSON leaves as they are and SQS refuses, with the whole message.
    let plain = json.len() <= PLAIN && !json.contains(['\u{FFFE}', '\u{FFFF}']);
    let body = if plain { json } else { STANDARD.encode(pack(json.as_bytes())) };
    if body.len() > LARGEST {
        return Err(Error::new(
            Kind::TooLarge,
            "the order is larger than 1 MiB even compressed: the queue cannot take it",
        ));
    }
    Ok(body)
}

/// The message of a body. [`Kind::Unreadable`] if it is none of ours.
pub fn decode(body: &str) -> Result<Message> {
    let unpacked;
    let json = if body.trim_start().starts_with('{') {
        body.as_bytes()
    } else {
        let packed = STANDARD
            .decode(body.trim())
            .map_err(|cause| Error::new(Kind::Unreadable, "the message is neither JSON nor base64").caused_by(cause))?;
        unpacked = unpack(&packed, UNPACKED)?;
        &unpacked
    };
    // The cause would quote what stands there, and an order is personal data: its place is enough.
    serde_json::from_slice(json).map_err(|cause| {
        let place = format!("line {}, column {}", cause.line(), cause.column());
        Error::new(Kind::Unreadable, format!("the message is not one of puente's ({place})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::OrderKey,
        message::{Arrival, News},
        order::Flag,
    };

    fn message(raw: &str) -> Message {
        Message::Arrival(Arrival::new(
            OrderKey::new("acme".parse().unwrap(), "1042".parse().unwrap()),
            "2026-01-31T10:00:00Z".parse().unwrap(),
            "r-1",
            News::Unmapped { flag: Flag { code: "unreadable".into(), detail: "x".into() }, raw: raw.into() },
        ))
    }

    #[test]
    fn small_ones_are_json_and_large_ones_are_packed() {
        for (size, plain) in [(10, true), (100_000, false), (900_000, false)] {
            let message = message(&"abc".repeat(size / 3));
            let body = encode(&message).unwrap();
            assert_eq!(body.starts_with('{'), plain, "{size}");
            assert_eq!(decode(&body).unwrap(), message);
        }
    }

    #[test]
    fn characters_that_sqs_refuses_travel_packed() {
        let message = message("a\u{FFFE}b\u{FFFF}\u{7}");
        let body = encode(&message).unwrap();
        assert!(body.is_ascii());
        assert_eq!(decode(&body).unwrap(), message);
    }

    #[test]
    fn what_is_too_large_even_packed_is_refused() {
        let mut noise = 1_u64;
        let mut next = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from(noise >> 58).unwrap())
        };
        let noise: String = (0..2_000_000).map(|_| next()).filter(|c| !['"', '\\'].contains(c)).collect();
        assert_eq!(encode(&message(&noise)).unwrap_err().kind(), Kind::TooLarge);
    }

    #[test]
    fn what_could_not_be_unpacked_again_is_refused() {
        // It shrinks to next to nothing, and no one could read it.
        assert_eq!(encode(&message(&"x".repeat(UNPACKED))).unwrap_err().kind(), Kind::TooLarge);
    }

    #[test]
    fn what_is_not_ours_is_an_error_that_quotes_nothing() {
        for body in ["", "hello secret", r#"{"arrival":{"connection":"secret"}}"#, "AAAA", "{"] {
            let error = decode(body).unwrap_err();
            assert_eq!(error.kind(), Kind::Unreadable, "{body}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
