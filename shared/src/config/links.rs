//! Where people look at a document in the ERP: addresses with the place of its id in them.

use serde::Deserialize;
use url::Url;

/// The place of a document's id in an address.
const ID: &str = "{id}";

/// The addresses of an ERP's documents; nothing where it has none that can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "is a table such as { sale = \"https://erp.example/sales/{id}\" }")]
pub struct Links {
    /// Of a sales order.
    #[serde(default)]
    pub sale: Option<Link>,
    /// Of a credit note.
    #[serde(default)]
    pub credit: Option<Link>,
}

impl Links {
    /// Those of two kinds of documents at one address.
    pub(crate) fn of(sale: &str, credit: &str) -> Self {
        let link = |text: &str| Link::try_from(text.to_owned()).ok();
        Self { sale: link(sale), credit: link(credit) }
    }

    /// These, and where one is missing that of `others`.
    pub(crate) fn or(self, others: Self) -> Self {
        Self { sale: self.sale.or(others.sale), credit: self.credit.or(others.credit) }
    }
}

/// An address with `{id}` in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Link(String);

impl Link {
    /// The address of the document with this id.
    #[must_use]
    pub fn to(&self, id: &str) -> String {
        let escaped: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.0.replace(ID, &escaped)
    }
}

impl TryFrom<String> for Link {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        match address {
            Some(url) if text.contains(ID) && url.password().is_none() && url.username().is_empty() => Ok(Self(text)),
            _ => Err("is an address with {id} in it, such as \"https://erp.example/sales/{id}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_in_its_place_and_nowhere_else() {
        let link = Link::try_from("https://erp.example/#sales/{id}".to_owned()).unwrap();
        assert_eq!(link.to("12"), "https://erp.example/#sales/12");
        assert_eq!(link.to("a/b?c#d"), "https://erp.example/#sales/a%2Fb%3Fc%23d");
    }

    #[test]
    fn what_is_no_address_of_a_document_is_refused() {
        for text in
            ["https://erp.example", "javascript:alert({id})", "/sales/{id}", "https://ana:secret@erp.example/{id}"]
        {
            assert!(Link::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
