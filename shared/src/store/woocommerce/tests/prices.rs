//! Prices: what the shop answers, and what it means for a price.

use wiremock::matchers::body_json;

use super::*;
use crate::{
    domain::goods::InStore,
    outbound::doubles::{Refusing, nobody},
    store::{
        goods::doubles::skus,
        prices::doubles::{became, new, words},
    },
};

const PRODUCTS: &str = "/tienda/wp-json/wc/v3/products";

/// A product as the shop lists it: `on_sale` as it computes it.
fn product(id: u64, code: &str, regular: &str, sale: &str, on_sale: bool) -> Value {
    json!({"id": id, "parent_id": 0, "type": "simple", "sku": code, "regular_price": regular, "sale_price": sale, "on_sale": on_sale})
}

fn at(url: &str) -> WooCommerce {
    let keys = "consumer_key = { literal = 'k' }\nconsumer_secret = { literal = 's' }";
    build(&format!("url = '{url}'\nwebhook_secrets = [{{ literal = 's' }}]\n{keys}")).unwrap()
}

async fn answers(answer: ResponseTemplate) -> (MockServer, WooCommerce, Way) {
    let (server, shop, way) = server().await;
    Mock::given(path(PRODUCTS)).respond_with(answer.clone()).mount(&server).await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    (server, shop, way)
}

/// What the shop that lists these products says that these articles cost.
async fn costs(listed: &Value, codes: &[&str]) -> Vec<(InStore, String)> {
    let (_server, shop, way) = answers(json_answer(200, listed)).await;
    let found = shop.prices(&way.calls(), &skus(codes)).await.unwrap();
    found.iter().map(|one| (one.store, one.price.as_ref().map_or("none".to_owned(), words))).collect()
}

/// What became of prices of which the shop answers this.
async fn became_of(answer: ResponseTemplate, prices: &[NewPrice]) -> Vec<String> {
    let (_server, shop, way) = answers(answer).await;
    became(&shop.set_prices(&way.calls(), prices).await)
}

#[tokio::test]
async fn an_article_has_a_price_or_none_or_is_absent_or_of_several() {
    let typed = |id: u64, kind: &str, parent: u64| {
        let mut product = product(id, kind, "5", "", false);
        product["type"] = json!(kind);
        product["parent_id"] = json!(parent);
        product
    };
    let listed = json!([
        product(7, "PLAIN", "12.50", "", false),
        product(8, "REDUCED", "12.50", "9.99", true),
        product(9, "NEW", "", "", false),
        typed(10, "variation", 70), typed(11, "variable", 0), typed(12, "variable-subscription", 0), typed(13, "grouped", 0),
        typed(14, "external", 0),
        product(15, "TWICE", "1", "", false), product(16, "TWICE", "1", "", false), product(17, "plain", "99", "", false),
        {"id": 18, "type": "simple", "sku": 4711, "regular_price": 1.125, "sale_price": null, "on_sale": false},
        product(19, "", "1", "", false),
    ]);
    let codes = [
        "REDUCED",
        "PLAIN",
        "NEW",
        "variation",
        "variable",
        "variable-subscription",
        "grouped",
        "external",
        "TWICE",
        "4711",
        "NOWHERE",
    ];
    let seen = costs(&listed, &codes).await;
    let kept = |price: &str| (InStore::Kept, price.to_owned());
    let other = |store| (store, "none".to_owned());
    assert_eq!(
        seen,
        [
            kept("9.99 (12.5)"),
            kept("12.5"),
            kept("none"),
            kept("5"),
            other(InStore::NotKept),
            other(InStore::NotKept),
            other(InStore::NotKept),
            kept("5"),
            other(InStore::Ambiguous),
            kept("1.125"),
            other(InStore::Absent),
        ]
    );
    let (server, shop, way) = answers(json_answer(200, &listed)).await;
    let found = shop.prices(&way.calls(), &skus(&["variation", "NEW"])).await.unwrap();
    let items: Vec<_> = found.iter().map(|one| (one.item.as_deref(), one.currency)).collect();
    assert_eq!(items, [(Some("70/10"), None), (Some("9"), None)]);
    let asked = server.received_requests().await.unwrap();
    let fields = asked[0].url.query_pairs().find(|(name, _)| name == "_fields").unwrap().1.into_owned();
    assert_eq!(fields, "id,parent_id,type,sku,regular_price,sale_price,on_sale");
}

#[tokio::test]
async fn a_sale_that_has_not_begun_or_is_over_is_no_price_that_anybody_pays() {
    for (regular, sale, on_sale, price) in [
        ("12.50", "9.99", json!(true), "9.99 (12.5)"),
        // The shop's own, planned or past; or not cheaper.
        ("12.50", "9.99", json!(false), "12.5"),
        ("12.50", "13", json!(false), "12.5"),
        // A plugin has a sale of its own, of which nothing is said here.
        ("12.50", "", json!(true), "12.5"),
        ("12.50", "9.99", json!(1), "9.99 (12.5)"),
        ("12.50", "9.99", json!(null), "12.5"),
        ("1500", "1200", json!(true), "1200 (1500)"),
        ("1.125", "1.005", json!(true), "1.005 (1.125)"),
        ("", "9.99", json!(true), "none"),
    ] {
        let mut listed = product(7, "A", regular, sale, false);
        listed["on_sale"] = on_sale;
        assert_eq!(costs(&json!([listed]), &["A"]).await[0].1, price, "{listed}");
    }
}

#[tokio::test]
async fn products_are_written_in_one_call_and_variations_in_one_for_each_product() {
    let entered = |id: u64, regular: &str, sale: &str| json!({"id": id, "regular_price": regular, "sale_price": sale, "date_on_sale_from": "", "date_on_sale_to": ""});
    let (server, shop, way) = server().await;
    for (at, update, answer) in [
        (
            "batch",
            json!([
                entered(1, "12.5", ""),
                entered(2, "12", "9.99"),
                entered(5, "1500", ""),
                entered(6, "1.125", "1.005")
            ]),
            // In whatever order, and as the shop writes them.
            json!([
                product(5, "x", "1500", "", false),
                product(1, "x", "12.50", "", false),
                product(2, "x", "12", "9.99", true),
                product(6, "x", "1.125", "1.005", true),
            ]),
        ),
        ("70/variations/batch", json!([entered(3, "7", "")]), json!([product(3, "x", "7", "", false)])),
        ("80/variations/batch", json!([entered(4, "0.01", "")]), json!([product(4, "x", "0.01", "", false)])),
    ] {
        Mock::given(method("POST"))
            .and(path(format!("{PRODUCTS}/{at}")))
            .and(header("authorization", "Basic Y2tfY2FuYXJ5OmNzX2NhbmFyeQ=="))
            .and(header("content-type", "application/json"))
            .and(body_json(json!({ "update": update })))
            .respond_with(json_answer(200, &json!({ "update": answer })))
            .expect(1)
            .mount(&server)
            .await;
    }
    let prices = [
        new("1", "12.5"),
        new("2", "9.99 (12)"),
        new("70/3", "7"),
        new("80/4", "0.01"),
        new("5", "1500"),
        new("6", "1.005 (1.125)"),
    ];
    let answers = shop.set_prices(&way.calls(), &prices).await;
    assert_eq!(became(&answers), ["12.5", "9.99 (12)", "7", "0.01", "1500", "1.005 (1.125)"]);
    assert!(shop.set_prices(&way.calls(), &[]).await.is_empty());
    assert!(shop.prices(&way.calls(), &[]).await.unwrap().is_empty());
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn each_of_a_batch_has_its_own_answer_whatever_the_status() {
    let mut variable = product(6, "x", "5", "", false);
    variable["type"] = json!("variable");
    let answer = json!({"update": [
        {"id": 2, "error": {"code": "woocommerce_rest_product_invalid_id", "message": "No.", "data": {"status": 400}}},
        product(1, "x", "5", "", false),
        // Another plugin had a hand in it.
        product(3, "x", "99.90", "89", true),
        product(4, "x", "", "", false),
        {"id": "x", "regular_price": []},
        variable,
        product(7, "x", "a lot", "", false),
    ]});
    let prices: Vec<NewPrice> =
        ["1", "2", "3", "4", "5", "6", "7", "nonsense"].into_iter().map(|item| new(item, "5")).collect();
    let words = became_of(json_answer(200, &answer), &prices).await;
    assert_eq!(words, ["5", "refused", "89 (99.9)", "refused", "unknown", "refused", "unknown", "stale"]);
    let (_server, shop, way) = answers(json_answer(200, &answer)).await;
    let error = shop.set_prices(&way.calls(), &prices).await[1].clone().unwrap_err();
    assert!(error.words().contains("the price (woocommerce_rest_product_invalid_id)"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_says_whether_a_price_may_have_arrived() {
    let one = [new("1", "5")];
    for (status, expected) in [
        (401, "not now"),
        (403, "not now"),
        (404, "not now"),
        (301, "not now"),
        (429, "not now"),
        (400, "refused"),
        (500, "unknown"),
        (502, "unknown"),
        (503, "unknown"),
    ] {
        assert_eq!(became_of(ResponseTemplate::new(status), &one).await, [expected], "{status}");
    }
    let whole = json!({"update": [product(1, "x", "5", "", false)]}).to_string();
    for cut in ["", "{", "<html>", "[]", "null", "{\"update\":{}}", &whole[..whole.len() - 3]] {
        let answer = ResponseTemplate::new(200).set_body_string(cut);
        assert_eq!(became_of(answer, &one).await, ["unknown"], "{cut}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_made_and_one_without_an_answer_are_told_apart() {
    let one = [new("1", "5")];
    let (server, shop, _) = server().await;
    // Held back by our own limits: nobody was called.
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(became(&shop.set_prices(&held.calls(), &one).await), ["not now"]);
    assert!(server.received_requests().await.unwrap().is_empty());
    // Nobody listens.
    let way = Way::open();
    let deaf = at(&nobody());
    assert_eq!(became(&deaf.set_prices(&way.calls(), &one).await), ["not now"]);
    assert_eq!(deaf.prices(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unavailable);
    // The connection breaks once the price was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = at(&format!("http://{}", listener.local_addr().unwrap()));
    let broken = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut read = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut connection, &mut read).await.unwrap()
    });
    assert_eq!(became(&shop.set_prices(&way.calls(), &one).await), ["unknown"]);
    assert!(broken.await.unwrap() > 0);
    // Without keys nobody is asked.
    assert_eq!(became(&store().set_prices(&way.calls(), &one).await), ["not now"]);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_no_list_without_the_article() {
    for (answer, kind) in [
        (ResponseTemplate::new(200).set_body_string("[{\"id\":7,\"sku\":\"A\""), Kind::Unreadable),
        (ResponseTemplate::new(200).set_body_string("{\"code\":\"x\"}"), Kind::Unreadable),
        (json_answer(200, &json!([product(7, "A", "a lot", "", false)])), Kind::Unreadable),
        (json_answer(200, &json!([product(7, "A", "1,50", "", false)])), Kind::Unreadable),
        (ResponseTemplate::new(404), Kind::Config),
        (ResponseTemplate::new(401), Kind::Config),
        (ResponseTemplate::new(429), Kind::Limited),
        (ResponseTemplate::new(500), Kind::Unavailable),
    ] {
        let (_server, shop, way) = answers(answer).await;
        assert_eq!(shop.prices(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), kind);
    }
}
