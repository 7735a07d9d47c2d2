//! External ids: the names by which Odoo knows a record of ours, unique in its database.
//!
//! Odoo writes them in the record's own transaction, and a load of a name that is there answers the record that it has: that makes
//! creating a thing twice impossible. Every part of a name is a function of our references alone.

use std::fmt::Write as _;

use crate::domain::ids::Reference;

/// The module part. No installed module has this name, or its removal would take our records away.
const MODULE: &str = "puente";

/// The external id of the record of a reference: of `acme/1001`, `puente.acme__1001`.
#[must_use]
pub(super) fn external(reference: &Reference) -> String {
    format!("{MODULE}.{}", spelt(reference.as_str()))
}

/// The external id of a part of the record of a reference.
#[must_use]
pub(super) fn part(reference: &Reference, part: &str) -> String {
    format!("{MODULE}.{}_.{}", spelt(reference.as_str()), spelt(part))
}

/// In the letters that Odoo allows, two texts never alike: a name has no blank.
fn spelt(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            b'/' => name.push_str("__"),
            _ => {
                let _ = write!(name, "_{byte:02x}");
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::OrderKey;

    #[test]
    fn a_name_says_whose_record_it_is() {
        let key = OrderKey::new("acme_es".parse().unwrap(), "1001".parse().unwrap());
        assert_eq!(external(&key.sale()), "puente.acme_5fes__1001");
        assert_eq!(part(&key.credit("7"), "line 1"), "puente.acme_5fes__1001__refund__7_.line_201");
    }

    proptest! {
        #[test]
        fn no_two_texts_share_a_name(one in "[ -~ñ_/.]{0,8}", other in "[ -~ñ_/.]{0,8}") {
            prop_assert_eq!(spelt(&one) == spelt(&other), one == other);
        }
    }
}
