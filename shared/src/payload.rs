//! How payloads and messages are stored: as they are while small, deflated (RFC 1951) where that makes them smaller.
//!
//! The first byte says which. Unpacking is bounded: a few stored kilobytes can never unfold into gigabytes of memory.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use crate::{Error, Kind, Result};

/// Up to this many bytes nothing is gained by deflating: most orders are larger, every wake-up is smaller.
const PLAIN_UP_TO: usize = 512;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// The packed form, never more than one byte larger than `content`.
#[must_use]
pub(crate) fn pack(content: &[u8]) -> Vec<u8> {
    if content.len() > PLAIN_UP_TO
        && let Ok(packed) = deflate(content)
        && packed.len() <= content.len()
    {
        return packed;
    }
    let mut packed = Vec::with_capacity(content.len() + 1);
    packed.push(PLAIN);
    packed.extend_from_slice(content);
    packed
}

/// The content of a packed form, if it has at most `limit` bytes.
///
/// [`Kind::TooLarge`] beyond the limit, [`Kind::Unreadable`] where the packed form is damaged or of a later release.
pub(crate) fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>> {
    let too_large = || Error::new(Kind::TooLarge, format!("the stored content has more than {limit} bytes"));
    match packed.split_first() {
        Some((&PLAIN, content)) if content.len() > limit => Err(too_large()),
        Some((&PLAIN, content)) => Ok(content.to_vec()),
        Some((&DEFLATED, deflated)) => {
            let mut content = Vec::new();
            // One byte more than allowed tells "exactly at the limit" from "beyond it".
            let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            DeflateDecoder::new(deflated)
                .take(bound)
                .read_to_end(&mut content)
                .map_err(|cause| Error::new(Kind::Unreadable, "the stored content is damaged").caused_by(cause))?;
            if content.len() > limit { Err(too_large()) } else { Ok(content) }
        }
        Some(_) => Err(Error::new(Kind::Unreadable, "the stored content was written by a later release of puente")),
        None => Err(Error::new(Kind::Unreadable, "the stored content is empty")),
    }
}

fn deflate(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(vec![DEFLATED], Compression::fast());
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_unpacks_to_the_same(
            random in prop::collection::vec(any::<u8>(), 0..2048),
            times in 1_usize..40,
        ) {
            let content = random.repeat(times);
            let packed = pack(&content);
            prop_assert!(packed.len() <= content.len() + 1);
            prop_assert_eq!(unpack(&packed, content.len()).unwrap(), content);
        }

        #[test]
        fn any_bytes_are_an_error_or_content_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(content) = unpack(&bytes, 1000) {
                prop_assert!(content.len() <= 1000);
            }
        }
    }

    #[test]
    fn text_shrinks_and_noise_does_not_grow() {
        let text = br#"{"sku":"TABLE","quantity":1}"#.repeat(1000);
        assert!(pack(&text).len() < text.len() / 10);
    }

    #[test]
    fn a_decompression_bomb_is_stopped_at_the_limit() {
        let bomb = pack(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 512 * 1024, "it is small while packed");
        assert_eq!(unpack(&bomb, 1024 * 1024).unwrap_err().kind(), Kind::TooLarge);
        // The limit itself still fits, packed or plain.
        for size in [PLAIN_UP_TO, 100_000] {
            let packed = pack(&vec![0; size]);
            assert_eq!(unpack(&packed, size).unwrap().len(), size);
            assert_eq!(unpack(&packed, size - 1).unwrap_err().kind(), Kind::TooLarge);
        }
    }

    #[test]
    fn damage_and_a_later_form_are_told_apart_from_content() {
        let mut cut = pack(&b"order ".repeat(1000));
        cut.truncate(cut.len() / 2);
        assert_eq!(unpack(&cut, 10_000).unwrap_err().kind(), Kind::Unreadable);
        assert_eq!(unpack(&[9, 1, 2], 10_000).unwrap_err().kind(), Kind::Unreadable);
        assert_eq!(unpack(&[], 10_000).unwrap_err().kind(), Kind::Unreadable);
    }
}
