//! From a raw request to a verified one: the only place that compares signatures.
//!
//! A [`VerifiedWebhook`] is made here alone, so an unverified body cannot reach a parser. Signatures are compared in
//! constant time over raw bytes, against every active secret (two, while one is being rotated). Nothing here has a default
//! that lets a body through.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{Error, Kind, Result, config::Secret};

/// A request as it came: nothing of it is trusted.
#[derive(Clone)]
pub struct RawWebhook {
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// When it came.
    pub received: Timestamp,
}

/// A request whose body is the sender's own words.
#[derive(Clone)]
pub struct VerifiedWebhook {
    raw: RawWebhook,
}

/// How a store signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA256 over the raw body, base64 in the first of these headers that is present (Shopify, `WooCommerce`).
    HmacBase64(&'static [&'static str]),
    /// HMAC-SHA256 over the raw body, hexadecimal in the first of these headers that is present (Medusa's subscribers, Tiendanube).
    HmacHex(&'static [&'static str]),
    /// Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, a list of `v1,<base64>`, at most five minutes old.
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
    Standard,
}

impl Scheme {
    /// The headers that a signature of this scheme may stand in; the first is how we send it.
    #[must_use]
    pub fn signature_headers(self) -> &'static [&'static str] {
        match self {
            Self::HmacBase64(names) | Self::HmacHex(names) => names,
            Self::Standard => &["webhook-signature"],
        }
    }
}

impl VerifiedWebhook {
    /// A body that was verified when it arrived, and kept because it could not be read then. Its headers were not.
    pub(crate) fn kept(body: Bytes, received: Timestamp) -> Self {
        Self { raw: RawWebhook { headers: HeaderMap::new(), body, received } }
    }

    /// The headers. Unsigned by most stores: hints at best.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.raw.headers
    }

    /// The body, signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.raw.body
    }

    /// When it came.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        self.raw.received
    }
}

/// How far a Standard Webhooks timestamp may lie from the time of arrival, either way, in seconds.
const TOLERANCE: i64 = 300;

/// Whether the headers state a signature at all: what lacks one is refused before much of its body is read.
#[must_use]
pub fn states_signature(headers: &HeaderMap, scheme: Scheme) -> bool {
    scheme.signature_headers().iter().any(|name| headers.contains_key(*name))
}

/// Verifies `raw` against each of `secrets`. The error says which header is wrong, never anything of the body.
pub fn verify(raw: RawWebhook, scheme: Scheme, secrets: &[Secret]) -> Result<VerifiedWebhook> {
    let genuine = match scheme {
        Scheme::HmacBase64(names) | Scheme::HmacHex(names) => {
            let header = names.iter().find_map(|name| only(&raw.headers, name).transpose()).transpose()?;
            let header = header.ok_or_else(|| forged("the signature header is missing"))?;
            let given = match scheme {
                Scheme::HmacHex(_) => decode_hex(header).ok_or("the signature header is not 64 hexadecimal digits"),
                _ => decode(header).ok_or("the signature header is not the base64 of 32 bytes"),
            };
            let given = given.map_err(forged)?;
            any(secrets, |secret| mac(secret.expose().as_bytes(), &[&raw.body]), &[given])
        }
        Scheme::Standard => {
            let id = required(&raw.headers, "webhook-id")?;
            let timestamp = required(&raw.headers, "webhook-timestamp")?;
            let given = digests(required(&raw.headers, "webhook-signature")?);
            // The dot separates the signed parts: an id that holds one could shift them.
            if id.is_empty() || id.contains('.') {
                return Err(forged("the header webhook-id is empty or has a dot"));
            }
            let seconds: i64 = timestamp.parse().map_err(|_| forged("the header webhook-timestamp is not a number"))?;
            if seconds.abs_diff(raw.received.as_second()) > TOLERANCE.unsigned_abs() {
                return Err(forged("the header webhook-timestamp is more than five minutes off"));
            }
            any(secrets, |secret| standard_mac(secret, id, timestamp, &raw.body), &given)
        }
    };
    if genuine { Ok(VerifiedWebhook { raw }) } else { Err(forged("the signature matches none of the active secrets")) }
}

/// The signature of `body` under [`Scheme::HmacBase64`]: for sending, never for verifying.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    mac(secret.expose().as_bytes(), &[body]).map(|mac| STANDARD.encode(mac)).unwrap_or_default()
}

/// The signature of `body` under [`Scheme::HmacHex`]: for sending, never for verifying.
#[must_use]
pub fn sign_hex(secret: &Secret, body: &[u8]) -> String {
    mac(secret.expose().as_bytes(), &[body]).map(hex::encode).unwrap_or_default()
}

/// The signature of `body` under [`Scheme::Standard`]: for sending, never for verifying.
#[must_use]
pub fn sign_standard(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> String {
    standard_mac(secret, id, timestamp, body).map(|mac| format!("v1,{}", STANDARD.encode(mac))).unwrap_or_default()
}

/// Checks that `secret` is `whsec_` and base64, at load time: a typing error would else look like forgery for ever.
pub fn check_standard(secret: &Secret) -> Result<()> {
    standard_key(secret)
        .map(|_| ())
        .ok_or_else(|| Error::new(Kind::Config, "a secret of Standard Webhooks is \"whsec_\" followed by base64"))
}

type Digest = [u8; 32];

fn forged(why: &'static str) -> Error {
    Error::new(Kind::Forged, why)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Digest> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

fn standard_key(secret: &Secret) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.expose().strip_prefix("whsec_")?).ok()?;
    (!key.is_empty()).then_some(key)
}

fn standard_mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> Option<Digest> {
    mac(&standard_key(secret)?, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])
}

/// Whether any secret makes any of the `given` digests. Every pair is compared, in constant time and to the end: the time
/// taken says neither which secret matched nor how many bytes did.
fn any(secrets: &[Secret], mac: impl Fn(&Secret) -> Option<Digest>, given: &[Digest]) -> bool {
    let mut found = Choice::from(0);
    for secret in secrets {
        // An empty key would verify what anyone can sign.
        let usable = Choice::from(u8::from(!secret.expose().is_empty()));
        if let Some(expected) = mac(secret) {
            for given in given {
                found |= expected.ct_eq(given) & usable;
            }
        }
    }
    found.into()
}

/// The one header of that name as text; two of them are nobody's honest request.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| forged("a signature header is not text")),
        (Some(_), Some(_)) => Err(forged("a signature header occurs twice")),
    }
}

fn required<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str> {
    only(headers, name)?.ok_or_else(|| forged("a signature header is missing"))
}

/// Those that a Standard Webhooks header states: `v1,<base64> v1,<base64>`. Other versions are not ours to judge.
fn digests(header: &str) -> Vec<Digest> {
    header.split(' ').filter_map(|one| decode(one.strip_prefix("v1,")?)).collect()
}

fn decode(text: &str) -> Option<Digest> {
    let mut bytes = [0; 48];
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

fn decode_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: Scheme = Scheme::HmacHex(&["x-shop-hmac"]);
    const HMAC: Scheme = Scheme::HmacBase64(&["x-shop-hmac", "shop-hmac"]);
    const CANARY: &str = "canary@example.com";

    fn raw(headers: &[(&'static str, &str)], body: &'static str) -> RawWebhook {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        RawWebhook {
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
            received: Timestamp::from_second(1_649_367_553).unwrap(),
        }
    }

    fn refused(raw: RawWebhook, scheme: Scheme, secrets: &[Secret]) -> String {
        let error = verify(raw, scheme, secrets).err().expect("must be refused");
        assert_eq!(error.kind(), Kind::Forged);
        let text = format!("{error} {error:?}");
        assert!(!text.contains(CANARY) && !text.contains("s3cret"), "{text}");
        text
    }

    #[test]
    fn an_hmac_over_the_raw_body_verifies_with_either_secret_and_either_header() {
        let (old, new) = (Secret::new("s3cret-old"), Secret::new("s3cret-new"));
        for signer in [&old, &new] {
            for header in ["x-shop-hmac", "shop-hmac"] {
                let signature = sign(signer, CANARY.as_bytes());
                let webhook =
                    verify(raw(&[(header, &signature)], CANARY), HMAC, &[old.clone(), new.clone()]).ok().unwrap();
                assert_eq!(webhook.body(), CANARY.as_bytes());
            }
        }
        // Known answer: RFC 4231, test case 2.
        assert_eq!(
            hex::encode(mac(b"Jefe", &[b"what do ya want ", b"for nothing?"]).unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn what_is_not_exactly_a_signature_is_refused() {
        let secret = [Secret::new("s3cret")];
        let good = sign(&secret[0], CANARY.as_bytes());
        let truncated = &good[..good.len() - 4];
        for bad in
            [truncated, "", "=", "not base64!", &good.replace('=', ""), &format!("{good}{good}"), &format!(" {good}x")]
        {
            refused(raw(&[("x-shop-hmac", bad)], CANARY), HMAC, &secret);
        }
        refused(raw(&[], CANARY), HMAC, &secret);
        refused(raw(&[("x-shop-hmac", &good), ("x-shop-hmac", &good)], CANARY), HMAC, &secret);
        refused(raw(&[("x-shop-hmac", &good)], "another body"), HMAC, &secret);
        refused(raw(&[("x-shop-hmac", &good)], CANARY), HMAC, &[]);
        refused(raw(&[("x-shop-hmac", &good)], CANARY), HMAC, &[Secret::new("other")]);
        // Nobody's secret is empty: what an empty key signs, anyone can sign.
        let empty = [Secret::new("")];
        refused(raw(&[("x-shop-hmac", &sign(&empty[0], CANARY.as_bytes()))], CANARY), HMAC, &empty);
    }

    #[test]
    fn an_hmac_in_hexadecimal_verifies_in_either_case_and_as_nothing_else() {
        let secret = [Secret::new("Jefe")];
        // Known answer: RFC 4231, test case 2.
        let body = "what do ya want for nothing?";
        let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign_hex(&secret[0], body.as_bytes()), good);
        for good in [good, &good.to_uppercase()] {
            assert!(verify(raw(&[("x-shop-hmac", good)], body), HEX, &secret).is_ok());
        }
        let base64 = sign(&secret[0], body.as_bytes());
        for bad in ["", &good[..62], &format!("{good}00"), &format!("sha256={good}"), &good.replace('5', "6"), &base64]
        {
            refused(raw(&[("x-shop-hmac", bad)], body), HEX, &secret);
        }
        refused(raw(&[("x-shop-hmac", good)], body), HMAC, &secret);
        refused(raw(&[], body), HEX, &secret);
        refused(raw(&[("x-shop-hmac", good)], body), HEX, &[]);
    }

    // The vector of the official libraries.
    const BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;
    const ID: (&str, &str) = ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
    const TIME: (&str, &str) = ("webhook-timestamp", "1649367553");
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    fn official() -> [Secret; 1] {
        [Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    }

    #[test]
    fn the_official_vector_of_standard_webhooks() {
        assert_eq!(sign_standard(&official()[0], ID.1, TIME.1, BODY.as_bytes()), SIGNATURE);
        let list = format!("v1a,bm90IG91cnM= v2,AAAA v1,AAAA {SIGNATURE}");
        for header in [SIGNATURE, &list] {
            assert!(
                verify(raw(&[ID, TIME, ("webhook-signature", header)], BODY), Scheme::Standard, &official()).is_ok()
            );
        }
        let rotating = [Secret::new("whsec_bmV3"), official()[0].clone()];
        assert!(verify(raw(&[ID, TIME, ("webhook-signature", SIGNATURE)], BODY), Scheme::Standard, &rotating).is_ok());
    }

    #[test]
    fn standard_webhooks_refuses_what_is_old_moved_or_of_another_version() {
        let with = |headers: &[(&'static str, &str)]| refused(raw(headers, BODY), Scheme::Standard, &official());
        let signature = ("webhook-signature", SIGNATURE);
        assert!(with(&[ID, TIME]).contains("missing"));
        assert!(with(&[ID, signature]).contains("missing"));
        assert!(with(&[TIME, signature]).contains("missing"));
        with(&[ID, TIME, ("webhook-signature", &SIGNATURE.replace("v1,", "v2,"))]);
        with(&[ID, TIME, ("webhook-signature", &SIGNATURE[3..])]);
        with(&[ID, ("webhook-timestamp", "soon"), signature]);
        with(&[("webhook-id", "msg_other"), TIME, signature]);

        let signed_at = |seconds: i64| {
            let (time, secret) = ((1_649_367_553 + seconds).to_string(), official());
            let signature = sign_standard(&secret[0], ID.1, &time, BODY.as_bytes());
            let headers = [ID, ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
            verify(raw(&headers, BODY), Scheme::Standard, &secret).is_ok()
        };
        assert!(signed_at(300) && signed_at(-300));
        assert!(!signed_at(301) && !signed_at(-301));

        // "a" + "." + time + "." + body also reads as "a.time" + "." + …: an id with a dot is refused, however signed.
        let (id, secret) = ("msg.1", official());
        let signature = sign_standard(&secret[0], id, TIME.1, BODY.as_bytes());
        assert!(with(&[("webhook-id", id), TIME, ("webhook-signature", &signature)]).contains("dot"));
    }

    #[test]
    fn a_standard_secret_is_checked_when_it_is_loaded() {
        assert!(check_standard(&official()[0]).is_ok());
        for bad in ["C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_", "whsec_!", ""] {
            assert_eq!(check_standard(&Secret::new(bad)).unwrap_err().kind(), Kind::Config, "{bad}");
        }
    }
}
