//! Signature headers of every scheme: nothing verifies but what somebody with a secret signed, down to the last bit.
//!
//! An input is header lines, an empty line, and the body.

use http::{HeaderMap, HeaderName, HeaderValue};
use puente::{
    Kind,
    store::Store,
    webhook::{RawWebhook, Scheme, sign, sign_hex, sign_standard},
};

use super::{
    CANARY, check_error,
    stores::{BUILT, now, secrets},
};

pub fn signature_headers(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
    for (_, store) in &*BUILT {
        let raw = RawWebhook { headers: headers.clone(), body: body.to_vec().into(), received: now() };
        match store.entrance().signed().unwrap().verify(raw) {
            Ok(webhook) => {
                assert!(is_signed(scheme(&**store), &headers, body), "verified without a signature: {headers:?}");
                assert_eq!(webhook.body(), body);
                changed(&**store, &headers, body);
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Forged);
                check_error(&error);
                assert!(!is_fresh(scheme(&**store), &headers) || !is_signed(scheme(&**store), &headers, body));
            }
        }
        let own = store.sign(body, now());
        assert!(passes(&**store, own.clone(), body), "what a store signs itself verifies");
        changed(&**store, &own, body);
    }
}

fn scheme(store: &dyn Store) -> Scheme {
    store.entrance().signed().unwrap().scheme
}

fn passes(store: &dyn Store, headers: HeaderMap, body: &[u8]) -> bool {
    let raw = RawWebhook { headers, body: body.to_vec().into(), received: now() };
    store.entrance().signed().unwrap().verify(raw).is_ok()
}

/// One bit of the body, or another length of it, and these headers verify no more.
fn changed(store: &dyn Store, headers: &HeaderMap, body: &[u8]) {
    let mut other = body.to_vec();
    other.push(b' ');
    assert!(!passes(store, headers.clone(), &other), "a longer body verified");
    other.pop();
    // Which bit depends on the input, so that in the long run it is every one.
    let sum: usize = body.iter().map(|byte| usize::from(*byte)).sum();
    if let Some(place) = sum.checked_rem(body.len()) {
        other[place] ^= 1 << (sum % 8);
        assert!(!passes(store, headers.clone(), &other), "a changed body verified");
    }
}

/// Whether a header has, byte for byte, a signature made with one of the secrets.
fn is_signed(scheme: Scheme, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    secrets().iter().any(|secret| match scheme {
        Scheme::HmacBase64(names) => {
            let first = names.iter().find_map(|name| headers.get(*name));
            first.is_some_and(|it| it.as_bytes() == sign(secret, body).as_bytes())
        }
        Scheme::HmacHex(names) => {
            let first = names.iter().find_map(|name| headers.get(*name));
            first.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(sign_hex(secret, body).as_bytes()))
        }
        Scheme::Standard => {
            let (Some(id), Some(time)) = (text("webhook-id"), text("webhook-timestamp")) else { return false };
            let signed = sign_standard(secret, id, time, body);
            text("webhook-signature").is_some_and(|list| list.split(' ').any(|one| one == signed))
        }
    })
}

/// Whether nothing but the signature itself can be wrong: each header once, and the time not long ago.
fn is_fresh(scheme: Scheme, headers: &HeaderMap) -> bool {
    let once = |name: &str| headers.get_all(name).iter().count() == 1;
    match scheme {
        Scheme::HmacBase64(names) | Scheme::HmacHex(names) => {
            names.iter().all(|name| headers.get_all(*name).iter().count() <= 1)
        }
        Scheme::Standard => {
            let time = headers.get("webhook-timestamp").and_then(|time| time.to_str().ok()?.parse::<i64>().ok());
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
            ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().all(once)
                && time.is_some_and(|time| time.abs_diff(now().as_second()) <= 300)
                && id.is_some_and(|id| !id.is_empty() && !id.contains('.'))
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (_, store) in &*BUILT {
        for body in [&b"{}"[..], br#"{"id":1}"#, b"", CANARY.as_bytes()] {
            let mut seed = Vec::new();
            for (name, value) in &store.sign(body, now()) {
                seed.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
            }
            seed.extend([b"\n", body].concat());
            seeds.push(seed);
        }
    }
    seeds.push(format!("webhook-id: {CANARY}\nwebhook-timestamp: {CANARY}\nwebhook-signature: v1,{CANARY}\n\n").into());
    let names = BUILT.iter().flat_map(|(_, store)| scheme(&**store).signature_headers());
    let all: String = names.map(|name| format!("{name}: {CANARY}\n")).collect();
    seeds.push(format!("{all}\n{CANARY}").into());
    seeds
}
