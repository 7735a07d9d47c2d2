//! Basic authentication, as stores and ERPs ask for it: RFC 7617.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;

use crate::{Error, Kind, Result};

/// The value of `Authorization` for this user: marked as sensitive, so that no log shows it.
pub(crate) fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
    // The alphabet of Base64 always makes a header.
    let mut value = HeaderValue::try_from(format!("Basic {pair}"))
        .map_err(|cause| Error::new(Kind::Bug, "Basic credentials make no header").caused_by(cause))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_the_rfc_has_it_and_no_log_shows_it() {
        let value = basic("Aladdin", "open sesame").unwrap();
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("QWxh"));
    }
}
