//! Plain http to another machine: everybody on the way reads credentials and customers' data, so it has to be asked for.

use url::{Host, Url};

use super::section::{ALLOW_INSECURE, GENERIC, Section};
use crate::Result;

/// Refuses an address in the section that is plain http to another machine, unless the section says `allow_insecure = true`.
/// Whatever the address is for, and in whichever table of it: connectors need not think of it.
pub(crate) fn check(section: &Section) -> Result<()> {
    if section.yes(ALLOW_INSECURE) {
        return Ok(());
    }
    // What every part may have beside is nothing that is called: links are for people.
    for (_, within) in section.tables().filter(|(key, within)| within.is_table() && !GENERIC.contains(&key.as_str())) {
        check(&within)?;
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
    fn an_address_in_a_table_of_the_part_is_looked_at_too_and_a_link_for_people_is_not() {
        let checked = |text: &str| check(&Section::parse(text, "puente.toml").unwrap());
        let error = checked("[notify]\nurl = 'http://erp.example/hooks'").unwrap_err().to_string();
        assert!(error.starts_with("puente.toml:2: notify.url: is plain http"), "{error}");
        assert!(checked("allow_insecure = true\n[notify]\nurl = 'http://erp.example/hooks'").is_ok());
        assert!(checked("[notify]\nurl = 'https://erp.example/hooks'").is_ok());
        assert!(checked("[links]\nsale = 'http://erp.example/{id}'").is_ok());
    }

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
