//! Plain http to another machine: everybody on the way reads credentials and customers' data, so it has to be asked for.

use url::{Host, Url};

use super::section::{ALLOW_INSECURE, Section};
use crate::Result;

/// Refuses an address in the section that is plain http to another machine, unless the section says `allow_insecure = true`.
/// Whatever the address is for: connectors need not think of it.
pub(crate) fn check(section: &Section) -> Result<()> {
    if section.yes(ALLOW_INSECURE) {
        return Ok(());
    }
    let exposed = section.keys().find(|key| section.text(key).is_some_and(is_exposed));
    exposed.map_or(Ok(()), |key| {
        let why = "is plain http to another machine: everybody on the way reads the credentials and the customers' data. Write \
                   https, or `allow_insecure = true` in this part if nobody else is on the way";
        Err(section.refuse(key, why))
    })
}

fn is_exposed(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_another_machine_is_exposed() {
        for (url, exposed) in [
            ("http://erp.example", true),
            ("HTTP://10.0.0.7:8000/", true),
            ("http://localhost.evil.example", true),
            ("http://127.0.0.1.evil.example", true),
            ("https://erp.example", false),
            ("http://127.0.0.1:8000", false),
            ("http://[::1]:8000", false),
            ("http://localhost", false),
            ("no address", false),
            ("/orders", false),
        ] {
            assert_eq!(is_exposed(url), exposed, "{url}");
        }
    }
}
