//! Who the shop says it is: `GET /admin/api/{version}/shop.json`, which takes a token and no scope.
//!
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/shop>

use serde::Deserialize;

use crate::{
    domain::{order::Flag, sign::Identity},
    store::parse::{Code, flag, parse},
};

/// The answer.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    shop: Shop<'a>,
}

/// What we read of it.
#[derive(Deserialize)]
struct Shop<'a> {
    #[serde(borrow)]
    id: Code<'a>,
    /// The primary domain, which its orders' status pages have.
    #[serde(borrow, default)]
    domain: Code<'a>,
    #[serde(borrow, default)]
    myshopify_domain: Code<'a>,
}

/// The identity in an answer.
pub(super) fn identity(body: &[u8]) -> Result<Identity, Flag> {
    let Answer { shop } = parse(body)?;
    let id = shop.id.as_str().parse().map_err(|_| flag("unreadable", "shop.id: is not the number of a shop"))?;
    let domains = [shop.domain, shop.myshopify_domain];
    let domains = domains.iter().map(|domain| domain.as_str().to_ascii_lowercase()).filter(|domain| !domain.is_empty());
    Ok(Identity { id, domains: domains.collect() })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use jiff::Timestamp;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{header, method, path},
    };

    use super::super::{ROW, Shopify};
    use super::*;
    use crate::{
        config::Section,
        outbound::doubles::Way,
        store::{Reading, Store},
        webhook::{RawWebhook, sign},
    };

    const OWN_DOMAIN: &str = "https://tienda.example/548380009/orders/a/authenticate?key=k";
    const ANOTHERS: &str = "https://tienda.example/777/orders/a/authenticate?key=k";
    const NAMED: &str = "https://other.myshopify.com/777/orders/a/authenticate?key=k";

    fn store(more: &str) -> Shopify {
        let section = format!("shop = 'acme.myshopify.com'\nwebhook_secrets = [{{ literal = 's' }}]\n{more}");
        Shopify::new(Section::from_toml(&section).unwrap().read().unwrap()).unwrap()
    }

    /// What the sample says with this status page, signed as Shopify signs.
    fn reads(store: &Shopify, status_url: &str) -> Reading {
        let mut body: serde_json::Value = serde_json::from_str(ROW.sample).unwrap();
        body["order_status_url"] = status_url.into();
        let body = Bytes::from(body.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-shopify-hmac-sha256",
            sign(&store.entrance().signed().unwrap().secrets[0], &body).parse().unwrap(),
        );
        let raw = RawWebhook { headers, body, received: Timestamp::UNIX_EPOCH };
        store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap())
    }

    #[tokio::test]
    async fn a_shop_with_a_domain_of_its_own_is_known_by_what_it_says_of_itself() {
        let server = MockServer::start().await;
        let answer = r#"{"shop":{"id":548380009,"name":"Acme","domain":"Tienda.example","myshopify_domain":"acme.myshopify.com"}}"#;
        Mock::given(method("GET"))
            .and(path("/admin/api/2026-10/shop.json"))
            .and(header("x-shopify-access-token", "t"))
            .respond_with(ResponseTemplate::new(200).set_body_string(answer))
            .expect(1)
            .mount(&server)
            .await;
        let store = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", server.uri()));
        // Unknown, the shop is asked whether the order is its own.
        assert!(matches!(reads(&store, OWN_DOMAIN), Reading::Changed(_)));
        let identity = store.identify(&Way::open().calls()).await.unwrap().unwrap();
        assert_eq!((identity.id, identity.domains[0].as_str()), (548_380_009, "tienda.example"));
        store.identity().unwrap().set(identity);
        assert!(matches!(reads(&store, OWN_DOMAIN), Reading::Order(_)));
        // Of an address without a number the domain decides.
        assert!(matches!(reads(&store, "https://tienda.example/orders/a"), Reading::Order(_)));
        assert!(matches!(reads(&store, ANOTHERS), Reading::AnotherShop));
        assert!(matches!(reads(&store, NAMED), Reading::AnotherShop));
    }

    #[test]
    fn a_custom_apps_secret_proves_the_shop_by_itself() {
        let store = store("app = 'custom'");
        assert!(matches!(reads(&store, OWN_DOMAIN), Reading::Order(_)));
        assert!(matches!(reads(&store, ""), Reading::Order(_)));
        // What names another shop is still another's: the configuration may be wrong.
        assert!(matches!(reads(&store, NAMED), Reading::AnotherShop));
        assert!(store.identity().is_none() && store.lacks().is_none());
    }

    #[test]
    fn without_any_proof_check_asks_for_the_shops_number() {
        let unproven = store("");
        let lacks = unproven.lacks().unwrap();
        assert!(["shop_id", "token", "app = \"custom\""].iter().all(|key| lacks.contains(key)), "{lacks}");
        match reads(&unproven, OWN_DOMAIN) {
            Reading::Unmapped(Some(_), flag) => {
                assert!(
                    flag.code == "shop" && flag.detail.contains("shop_id") && flag.detail.contains("replay"),
                    "{flag}"
                );
            }
            other => panic!("{other:?}"),
        }
        for enough in ["shop_id = 1", "token = { literal = 't' }", "app = 'custom'", "domains = ['tienda.example']"] {
            assert_eq!(store(enough).lacks(), None, "{enough}");
        }
    }

    #[test]
    fn an_answer_that_is_no_shop_names_its_field() {
        for (body, field) in [("{}", "shop"), (r#"{"shop":{"id":"x"}}"#, "shop.id"), ("[]", "")] {
            let flag = identity(body.as_bytes()).unwrap_err();
            assert!(flag.detail.contains(field), "{flag}");
        }
    }
}
