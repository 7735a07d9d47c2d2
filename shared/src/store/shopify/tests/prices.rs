//! Prices: what the shop answers, and what it means for a price.

use iso_currency::Currency;
use wiremock::{Request, Respond, matchers::body_partial_json};

use super::*;
use crate::{
    domain::goods::InStore,
    outbound::doubles::{Refusing, nobody},
    store::{
        goods::doubles::skus,
        prices::doubles::{became, new, price, words},
    },
};

const API: &str = "/admin/api/2026-10/graphql.json";

fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// What is written of a variant.
fn of(product: u64, id: u64, to: &str) -> NewPrice {
    new(&format!("{} {}", gid("Product", product), gid("ProductVariant", id)), to)
}

/// Two variants of one product, and one of another.
fn three() -> [NewPrice; 3] {
    [of(1, 11, "5.5"), of(2, 21, "6"), of(1, 12, "7 (9)")]
}

async fn answers(answer: ResponseTemplate) -> (MockServer, Shopify, Way) {
    let (server, shop, way) = server().await;
    Mock::given(method("POST")).and(path(API)).respond_with(answer).mount(&server).await;
    (server, shop, way)
}

/// What became of three prices of which the shop answers this.
async fn became_of(answer: ResponseTemplate) -> Vec<String> {
    let (_server, shop, way) = answers(answer).await;
    became(&shop.set_prices(&way.calls(), &three()).await)
}

fn variant(id: u64, code: &str, price: &str, compare_at: Option<&str>) -> Value {
    json!({"id": gid("ProductVariant", id), "sku": code, "price": price, "compareAtPrice": compare_at,
        "product": {"id": gid("Product", id / 10)}})
}

fn page(nodes: &[Value], next: Option<&str>) -> Value {
    json!({"data": {"shop": {"currencyCode": "EUR"},
        "productVariants": {"nodes": nodes, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next}}}})
}

fn now(id: u64, price: &str, compare_at: Option<&str>) -> Value {
    json!({"id": gid("ProductVariant", id), "price": price, "compareAtPrice": compare_at})
}

fn changed_to(variants: &[Value]) -> Value {
    json!({"productVariants": variants, "userErrors": []})
}

/// The answer in which all three were taken.
fn taken() -> Value {
    json!({"data": {"of0": changed_to(&[now(11, "5.50", None), now(12, "7.00", Some("9.00"))]), "of1": changed_to(&[now(21, "6.00", None)])}})
}

/// That answer with another for the first product.
fn first(of: &Value) -> ResponseTemplate {
    let mut answer = taken();
    answer["data"]["of0"] = of.clone();
    body(&answer)
}

#[tokio::test]
async fn an_article_has_a_price_or_is_absent_or_of_several() {
    let mut nameless = variant(99, "", "1.00", None);
    nameless["sku"] = Value::Null;
    let nodes = [
        variant(11, "PLAIN", "12.50", None),
        variant(12, "REDUCED", "9.99", Some("12.50")),
        // Shown by nobody: it is not higher.
        variant(13, "NOT REDUCED", "9.99", Some("9.99")),
        variant(14, "EMPTY", "9.99", Some("0.00")),
        variant(15, "YEN", "1500", Some("1800.00")),
        variant(16, "DINAR", "1.125", None),
        variant(17, "LARGE", "123456789012.34", None),
        variant(21, "TWICE", "1.00", None),
        variant(31, "TWICE", "1.00", None),
        variant(41, "plain", "99.00", None),
        nameless,
    ];
    let (server, shop, way) = answers(body(&page(&nodes, None))).await;
    let codes = ["REDUCED", "PLAIN", "NOT REDUCED", "EMPTY", "YEN", "DINAR", "LARGE", "TWICE", "GONE"];
    let found = shop.prices(&way.calls(), &skus(&codes)).await.unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.sku.as_str(), one.store, one.price.as_ref().map_or(String::new(), words)))
        .collect();
    let kept = |code, price: &str| (code, InStore::Kept, price.to_owned());
    assert_eq!(
        seen,
        [
            kept("REDUCED", "9.99 (12.5)"),
            kept("PLAIN", "12.5"),
            kept("NOT REDUCED", "9.99"),
            kept("EMPTY", "9.99"),
            kept("YEN", "1500 (1800)"),
            kept("DINAR", "1.125"),
            kept("LARGE", "123456789012.34"),
            ("TWICE", InStore::Ambiguous, String::new()),
            ("GONE", InStore::Absent, String::new()),
        ]
    );
    assert_eq!(found[1].item.as_deref(), Some("gid://shopify/Product/1 gid://shopify/ProductVariant/11"));
    assert_eq!((found[1].currency, found[7].currency), (Some(Currency::EUR), None));
    let asked: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    assert!(asked["variables"]["find"].as_str().unwrap().starts_with("sku:\"REDUCED\" OR sku:\"PLAIN\" OR "));
    assert_eq!(asked["variables"].as_object().unwrap().len(), 2, "{asked}");
}

#[tokio::test]
async fn what_a_first_page_has_no_room_for_is_on_the_next() {
    let (server, shop, way) = server().await;
    let pages = [
        (json!(null), page(&[variant(11, "A-1", "1.00", None)], Some("next"))),
        (json!("next"), page(&[variant(12, "A", "7.00", None)], None)),
    ];
    for (after, listed) in &pages {
        let mock = Mock::given(method("POST")).and(body_partial_json(json!({"variables": {"after": after}})));
        mock.respond_with(body(listed)).expect(1).mount(&server).await;
    }
    assert_eq!(shop.prices(&way.calls(), &skus(&["A"])).await.unwrap()[0].price, Some(price("7")));
}

#[tokio::test]
async fn a_shop_whose_currency_nobody_knows_is_not_believed() {
    for (code, known) in [("EUR", true), ("KWD", true), ("XYZ", false), ("", false)] {
        let mut answer = page(&[variant(11, "A", "1.00", None)], None);
        answer["data"]["shop"]["currencyCode"] = json!(code);
        let (_server, shop, way) = answers(body(&answer)).await;
        let found = shop.prices(&way.calls(), &skus(&["A"])).await;
        assert_eq!(found.as_ref().err().map(Error::kind), (!known).then_some(Kind::Unreadable), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn one_call_has_a_mutation_for_each_product_and_says_what_is_compared_to() {
    let (server, shop, way) = answers(body(&taken())).await;
    let answers = shop.set_prices(&way.calls(), &three()).await;
    assert_eq!(became(&answers), ["5.5", "6", "7 (9)"]);
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    let asked: Value = asked[0].body_json().unwrap();
    let of = |number: usize| {
        format!(
            "of{number}: productVariantsBulkUpdate(productId: $product{number}, variants: $variants{number}, allowPartialUpdates: true) {{ \
             productVariants {{ id price compareAtPrice }} userErrors {{ code field }} }}"
        )
    };
    let declared = "$product0: ID!, $variants0: [ProductVariantsBulkInput!]!, $product1: ID!, $variants1: [ProductVariantsBulkInput!]!";
    assert_eq!(asked["query"], json!(format!("mutation({declared}) {{ {} {} }}", of(0), of(1))));
    // Amounts are text, and what a price is not compared to is taken away.
    assert_eq!(
        asked["variables"],
        json!({
            "product0": gid("Product", 1),
            "variants0": [
                {"id": gid("ProductVariant", 11), "price": "5.5", "compareAtPrice": null},
                {"id": gid("ProductVariant", 12), "price": "7", "compareAtPrice": "9"},
            ],
            "product1": gid("Product", 2),
            "variants1": [{"id": gid("ProductVariant", 21), "price": "6", "compareAtPrice": null}],
        })
    );
}

/// Takes every price, of every product.
struct Takes;

impl Respond for Takes {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked: Value = request.body_json().unwrap();
        let variables = asked["variables"].as_object().unwrap();
        let of = |number: usize| {
            Some((format!("of{number}"), changed_to(variables.get(&format!("variants{number}"))?.as_array()?)))
        };
        body(&json!({"data": (0..).map_while(of).collect::<serde_json::Map<_, _>>()}))
    }
}

#[tokio::test]
async fn a_hundred_products_cost_ten_calls_and_a_hundred_variants_of_one_cost_one() {
    for (variants, calls) in [(1, 10), (100, 1)] {
        let (server, shop, way) = server().await;
        Mock::given(method("POST")).and(path(API)).respond_with(Takes).expect(calls).mount(&server).await;
        let prices: Vec<NewPrice> = (0..100).map(|n| of(n / variants, n, &format!("{n}.01"))).collect();
        let answers = shop.set_prices(&way.calls(), &prices).await;
        assert_eq!(became(&answers), (0..100).map(|n| format!("{n}.01")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn amounts_are_sent_and_read_digit_by_digit() {
    for amount in ["1500", "12.5", "1.125", "0.01", "123456789012.34", "17.647059"] {
        let (server, shop, way) = server().await;
        Mock::given(method("POST"))
            .and(body_partial_json(json!({"variables": {"variants0": [{"price": amount}]}})))
            .respond_with(Takes)
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(became(&shop.set_prices(&way.calls(), &[of(1, 11, amount)]).await), [amount]);
    }
}

#[tokio::test]
async fn of_a_product_those_are_taken_that_nothing_is_wrong_with_and_the_answer_is_believed() {
    // An app has its own ideas, and rounds.
    let other = changed_to(&[now(11, "5.55", Some("8.00")), now(12, "7.00", None)]);
    assert_eq!(became_of(first(&other)).await, ["5.55 (8)", "6", "7"]);
    let error = |field: Value| json!([{"code": "PRODUCT_VARIANT_DOES_NOT_EXIST", "field": field}]);
    // The second of the product was deleted.
    let gone = json!({"productVariants": [now(11, "5.50", None)], "userErrors": error(json!(["variants", "1", "id"]))});
    assert_eq!(became_of(first(&gone)).await, ["5.5", "6", "refused"]);
    // What is not about one of them is about all of the product, and about no other product.
    for field in [json!(null), json!(["productId"]), json!(["variants"])] {
        let gone = json!({"productVariants": null, "userErrors": error(field)});
        assert_eq!(became_of(first(&gone)).await, ["refused", "6", "refused"]);
    }
    // Nothing is said of one, or of the product.
    for silent in [changed_to(&[now(11, "5.50", None)]), changed_to(&[now(11, "5.50", None), now(21, "7.00", None)])] {
        assert_eq!(became_of(first(&silent)).await, ["5.5", "6", "unknown"]);
    }
    for silent in [json!(null), json!({"productVariants": null, "userErrors": []}), changed_to(&[])] {
        assert_eq!(became_of(first(&silent)).await, ["unknown", "6", "unknown"], "{silent}");
    }
    let (_server, shop, way) = answers(first(&gone)).await;
    let refused = shop.set_prices(&way.calls(), &three()).await.pop().unwrap().unwrap_err();
    assert!(refused.words().contains("PRODUCT_VARIANT_DOES_NOT_EXIST"), "{refused}");
}

#[tokio::test]
async fn what_is_no_variant_is_not_sent_and_moves_nobody_elses_place() {
    let (server, shop, way) = answers(body(&taken())).await;
    let [one, two, three] = three();
    let prices = [one, new("nonsense", "1"), two, three];
    assert_eq!(became(&shop.set_prices(&way.calls(), &prices).await), ["5.5", "stale", "6", "7 (9)"]);
    assert_eq!(became(&shop.set_prices(&way.calls(), &[new("nonsense", "1")]).await), ["stale"]);
    assert!(shop.set_prices(&way.calls(), &[]).await.is_empty());
    assert!(shop.prices(&way.calls(), &[]).await.unwrap().is_empty());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn errors_come_with_status_200_and_say_whether_anything_was_begun() {
    let code = |code: &str| json!([{"message": "No.", "path": ["of0"], "extensions": {"code": code}}]);
    for (answer, expected) in [
        (json!({"errors": code("THROTTLED")}), "not now"),
        (json!({"errors": code("ACCESS_DENIED"), "data": {"of0": null, "of1": null}}), "not now"),
        (json!({"errors": code("undefinedField")}), "refused"),
        (json!({"errors": code("MAX_COST_EXCEEDED")}), "refused"),
        (json!({"errors": code("INTERNAL_SERVER_ERROR")}), "unknown"),
        (json!({"errors": [{"message": "Timed out"}], "data": {"of0": null, "of1": null}}), "unknown"),
        (json!({"data": {"of0": null, "of1": null}}), "unknown"),
        (json!({"data": {"of0": changed_to(&[now(11, "a lot", None)]), "of1": null}}), "unknown"),
        (json!({"data": null}), "unknown"),
        (json!({"data": {}}), "unknown"),
        (json!({}), "unknown"),
        (json!([]), "unknown"),
    ] {
        assert_eq!(became_of(body(&answer)).await, [expected, expected, expected], "{answer}");
    }
    let (_server, shop, way) = answers(body(&json!({"errors": code("ACCESS_DENIED")}))).await;
    let error = shop.prices(&way.calls(), &skus(&["A"])).await.unwrap_err();
    assert!(error.kind() == Kind::Config && error.to_string().contains("write_products"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_says_whether_a_price_may_have_arrived() {
    for (status, expected) in [
        (401, "not now"),
        (403, "not now"),
        (404, "not now"),
        (429, "not now"),
        (400, "refused"),
        (423, "unknown"),
        (500, "unknown"),
        (503, "unknown"),
    ] {
        assert_eq!(became_of(ResponseTemplate::new(status)).await, [expected, expected, expected], "{status}");
    }
    let whole = taken().to_string();
    for cut in ["", "{", "<html>", &whole[..whole.len() - 1]] {
        assert_eq!(became_of(ResponseTemplate::new(200).set_body_string(cut)).await, ["unknown"; 3], "{cut}");
    }
    for (answer, kind) in [
        (ResponseTemplate::new(200).set_body_string("{\"data\":{"), Kind::Unreadable),
        (body(&json!({"data": {"shop": {"currencyCode": "EUR"}}})), Kind::Unreadable),
        (body(&page(&[variant(11, "A", "a lot", None)], None)), Kind::Unreadable),
        (ResponseTemplate::new(404), Kind::Config),
        (ResponseTemplate::new(401), Kind::Config),
        (ResponseTemplate::new(429), Kind::Limited),
        (ResponseTemplate::new(500), Kind::Unavailable),
    ] {
        let (_server, shop, way) = answers(answer).await;
        assert_eq!(shop.prices(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_shop_that_does_not_take_a_call_is_not_called_again_at_once() {
    for (status, first) in [(429, "not now"), (500, "unknown"), (400, "refused")] {
        let (server, shop, way) = answers(ResponseTemplate::new(status)).await;
        let prices: Vec<NewPrice> = (10..32).map(|product| of(product, product, "1")).collect();
        let words = became(&shop.set_prices(&way.calls(), &prices).await);
        assert_eq!(words[..10], vec![first; 10], "{status}");
        // None of these was sent, whatever became of the others.
        assert_eq!(words[10..], vec!["not now"; 12], "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_not_made_and_one_without_an_answer_are_told_apart() {
    let (server, shop, _) = server().await;
    // Held back by our own limits: nobody was called.
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(became(&shop.set_prices(&held.calls(), &three()).await), ["not now"; 3]);
    assert!(server.received_requests().await.unwrap().is_empty());
    // Nobody listens.
    let way = Way::open();
    let deaf = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", nobody()));
    assert_eq!(became(&deaf.set_prices(&way.calls(), &three()).await), ["not now"; 3]);
    assert_eq!(deaf.prices(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unavailable);
    // The connection breaks once the prices were sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = store(&format!("token = {{ literal = 't' }}\napi_url = 'http://{}'", listener.local_addr().unwrap()));
    let broken = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut read = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut connection, &mut read).await.unwrap()
    });
    assert_eq!(became(&shop.set_prices(&way.calls(), &three()).await), ["unknown"; 3]);
    assert!(broken.await.unwrap() > 0);
    // Without a token nobody is asked.
    assert_eq!(became(&store("").set_prices(&way.calls(), &three()).await), ["not now"; 3]);
}
