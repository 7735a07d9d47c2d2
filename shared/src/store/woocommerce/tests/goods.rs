//! Stock: what the shop answers, and what it means for a number.

use wiremock::matchers::body_json;

use super::*;
use crate::{
    domain::{goods::InStore, ids::AttemptId},
    outbound::doubles::{Refusing, nobody},
    store::goods::doubles::{sku, skus, word},
};

const PRODUCTS: &str = "/tienda/wp-json/wc/v3/products";

fn new(item: &str, to: i64) -> NewStock {
    NewStock {
        sku: sku("A"),
        item: item.to_owned(),
        from: Some(1),
        to,
        attempt: AttemptId::new("attempt-1"),
        begun: Timestamp::UNIX_EPOCH,
    }
}

fn product(id: u64, code: &str, number: i64) -> Value {
    json!({"id": id, "parent_id": 0, "type": "simple", "sku": code, "manage_stock": true, "stock_quantity": number})
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

/// What the shop that lists these products has of these articles.
async fn stocked(listed: &Value, codes: &[&str]) -> Vec<Stocked> {
    let (_server, shop, way) = answers(json_answer(200, listed)).await;
    shop.stock(&way.calls(), &skus(codes)).await.unwrap()
}

/// What became of numbers of which the shop answers this.
async fn became(answer: ResponseTemplate, stock: &[NewStock]) -> Vec<String> {
    let (_server, shop, way) = answers(answer).await;
    shop.set_stock(&way.calls(), stock).await.iter().map(word).collect()
}

#[tokio::test]
async fn an_article_is_kept_or_not_absent_or_of_several() {
    let listed = json!([
        product(7, "KEPT", 12),
        {"id": 8, "parent_id": 70, "type": "variation", "sku": "SIZE-M", "manage_stock": true, "stock_quantity": "3.5"},
        {"id": 9, "parent_id": 70, "type": "variation", "sku": "SIZE-L", "manage_stock": "parent", "stock_quantity": 40},
        {"id": 10, "type": "simple", "sku": "ENDLESS", "manage_stock": false, "stock_quantity": null},
        {"id": 11, "type": "simple", "sku": "NULL", "manage_stock": true, "stock_quantity": null},
        {"id": 12, "type": "simple", "sku": 4711, "manage_stock": true, "stock_quantity": -2},
        product(13, "TWICE", 1), product(14, "TWICE", 1), product(15, "kept", 99), product(16, "", 1),
    ]);
    let codes = ["SIZE-M", "KEPT", "SIZE-L", "ENDLESS", "NULL", "4711", "TWICE", "NOWHERE"];
    let found = stocked(&listed, &codes).await;
    let seen: Vec<_> = found.iter().map(|one| (one.sku.as_str(), one.store, one.number, one.item.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("SIZE-M", InStore::Kept, Some(3), Some("70/8")),
            ("KEPT", InStore::Kept, Some(12), Some("7")),
            ("SIZE-L", InStore::NotKept, None, None),
            ("ENDLESS", InStore::NotKept, None, None),
            ("NULL", InStore::Kept, Some(0), Some("11")),
            ("4711", InStore::Kept, Some(-2), Some("12")),
            ("TWICE", InStore::Ambiguous, None, None),
            ("NOWHERE", InStore::Absent, None, None),
        ]
    );
}

#[tokio::test]
async fn a_hundred_articles_cost_one_call_and_codes_arrive_as_they_are() {
    let codes: Vec<String> = (0..98).map(|n| format!("ART-{n}")).collect();
    let mut codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    codes.extend(["Café \"5 l\" & más", "Ñ+1 %41/б"]);
    let listed: Value = (1..).zip(&codes).map(|(id, code)| product(id, code, 5)).collect();
    let (server, shop, way) = server().await;
    Mock::given(method("GET"))
        .and(path(PRODUCTS))
        .and(header("authorization", "Basic Y2tfY2FuYXJ5OmNzX2NhbmFyeQ=="))
        .and(query_param("sku", codes.join(",")))
        .and(query_param("per_page", "100"))
        .respond_with(json_answer(200, &listed).insert_header("x-wp-totalpages", "1"))
        .expect(1)
        .mount(&server)
        .await;
    let found = shop.stock(&way.calls(), &skus(&codes)).await.unwrap();
    assert!(found.iter().all(|one| one.store == InStore::Kept) && found.len() == 100);

    // And are written in one, variations in one more for each product.
    let stock: Vec<NewStock> =
        (1..=100).map(|id| new(&if id > 98 { format!("70/{id}") } else { id.to_string() }, id)).collect();
    let updated = |ids: std::ops::RangeInclusive<i64>| -> Value {
        ids.map(|id| json!({"id": id, "sku": "x", "stock_quantity": id})).collect()
    };
    for (at, ids) in [("batch", 1..=98), ("70/variations/batch", 99..=100)] {
        Mock::given(method("POST"))
            .and(path(format!("{PRODUCTS}/{at}")))
            .and(header("content-type", "application/json"))
            .and(body_json(
                json!({"update": ids.clone().map(|id| json!({"id": id, "stock_quantity": id})).collect::<Value>()}),
            ))
            .respond_with(json_answer(200, &json!({"update": updated(ids)})))
            .expect(1)
            .mount(&server)
            .await;
    }
    let answers = shop.set_stock(&way.calls(), &stock).await;
    assert!((1..).zip(&answers).all(|(id, answer)| *answer.as_ref().unwrap() == id), "{answers:?}");
}

#[tokio::test]
async fn a_code_with_a_comma_is_asked_for_alone_and_its_parts_are_nobodys() {
    let (server, shop, way) = server().await;
    for (asked, listed) in [
        ("A,B", json!([product(1, "A", 10), product(2, "B", 20)])),
        ("A,1", json!([product(1, "A", 10), product(3, "A,1", 30)])),
    ] {
        let mock = Mock::given(path(PRODUCTS)).and(query_param("sku", asked));
        mock.respond_with(json_answer(200, &listed)).expect(1).mount(&server).await;
    }
    let found = shop.stock(&way.calls(), &skus(&["A", "A,1", "B"])).await.unwrap();
    assert_eq!(found.iter().map(|one| one.number).collect::<Vec<_>>(), [Some(10), Some(30), Some(20)]);
    // Nothing is asked about nothing: that would find everything.
    assert!(shop.stock(&way.calls(), &[]).await.unwrap().is_empty());
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_first_page_has_no_room_for_is_on_the_next() {
    let (server, shop, way) = server().await;
    let full: Value = (1..=100).map(|id| product(id, "a", 1)).collect();
    for (page, listed) in [("1", full), ("2", json!([product(200, "A", 7)]))] {
        let mock = Mock::given(path(PRODUCTS)).and(query_param("page", page));
        mock.respond_with(json_answer(200, &listed)).expect(1).mount(&server).await;
    }
    assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap()[0].number, Some(7));
    // Without an end it is no list of these.
    let endless = json_answer(200, &json!([product(1, "a", 1)])).insert_header("x-wp-totalpages", "900");
    let (server, shop, way) = answers(endless).await;
    assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unreadable);
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn each_of_a_batch_has_its_own_answer_whatever_the_status() {
    let stock = [new("1", 5), new("2", 6), new("3", 7), new("4", 8), new("5", 9), new("nonsense", 1)];
    let answer = json!({"update": [
        {"id": 2, "error": {"code": "woocommerce_rest_product_invalid_id", "message": "No.", "data": {"status": 400}}},
        {"id": 1, "stock_quantity": 5},
        // Another plugin had a hand in it.
        {"id": 3, "stock_quantity": 99},
        {"id": 4, "stock_quantity": null},
        {"id": "x", "stock_quantity": []},
    ]});
    let words = became(json_answer(200, &answer), &stock).await;
    assert_eq!(words, ["5", "refused", "99", "refused", "unknown", "stale"]);
    let (_server, shop, way) = answers(json_answer(200, &answer)).await;
    let error = shop.set_stock(&way.calls(), &stock).await[1].clone().unwrap_err();
    assert!(error.words().contains("woocommerce_rest_product_invalid_id"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_says_whether_a_number_may_have_arrived() {
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
        assert_eq!(became(ResponseTemplate::new(status), &[new("1", 5)]).await, [expected], "{status}");
    }
    let whole = json!({"update": [{"id": 1, "stock_quantity": 5}]}).to_string();
    for cut in ["", "{", "<html>", "[]", "null", "{\"update\":{}}", &whole[..whole.len() - 3]] {
        let answer = ResponseTemplate::new(200).set_body_string(cut);
        assert_eq!(became(answer, &[new("1", 5)]).await, ["unknown"], "{cut}");
    }
    // A notice of PHP's before it hides nothing that can be read.
    let marked = ResponseTemplate::new(200).set_body_string(format!("\u{feff}{whole}"));
    assert_eq!(became(marked, &[new("1", 5)]).await, ["5"]);
}

#[tokio::test]
async fn a_call_that_is_not_made_and_one_without_an_answer_are_told_apart() {
    let (server, shop, _) = server().await;
    // Held back by our own limits: nobody was called.
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(word(&shop.set_stock(&held.calls(), &[new("1", 5)]).await[0]), "not now");
    assert!(server.received_requests().await.unwrap().is_empty());
    // Nobody listens.
    let way = Way::open();
    let deaf = at(&nobody());
    assert_eq!(word(&deaf.set_stock(&way.calls(), &[new("1", 5)]).await[0]), "not now");
    assert_eq!(deaf.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unavailable);
    // The connection breaks once the number was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = at(&format!("http://{}", listener.local_addr().unwrap()));
    let broken = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut read = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut connection, &mut read).await.unwrap()
    });
    assert_eq!(word(&shop.set_stock(&way.calls(), &[new("1", 5)]).await[0]), "unknown");
    assert!(broken.await.unwrap() > 0);
    // Without keys nobody is asked.
    assert_eq!(word(&store().set_stock(&way.calls(), &[new("1", 5)]).await[0]), "not now");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_no_list_without_the_article() {
    for (answer, kind) in [
        (ResponseTemplate::new(200).set_body_string("[{\"id\":7,\"sku\":\"A\""), Kind::Unreadable),
        (ResponseTemplate::new(200).set_body_string("{\"code\":\"x\"}"), Kind::Unreadable),
        (
            ResponseTemplate::new(200).set_body_string("[{\"id\":7,\"sku\":\"A\",\"stock_quantity\":\"many\"}]"),
            Kind::Unreadable,
        ),
        (ResponseTemplate::new(404), Kind::Config),
        (ResponseTemplate::new(401), Kind::Config),
        (ResponseTemplate::new(429), Kind::Limited),
        (ResponseTemplate::new(500), Kind::Unavailable),
    ] {
        let (_server, shop, way) = answers(answer).await;
        assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), kind);
    }
}

#[test]
fn what_the_shop_took_off_its_stock() {
    let taken = |status: &str, quantity: Value, reduced: Option<Value>| {
        let order = changed(|o| {
            o["status"] = json!(status);
            o["line_items"] = json!([o["line_items"][0]]);
            o["line_items"][0]["quantity"] = quantity;
            if let Some(reduced) = reduced {
                o["line_items"][0]["meta_data"] = json!([{"id": 1, "key": "_reduced_stock", "value": reduced}]);
            }
        });
        match order.stock.as_slice() {
            [] => None,
            [one] => {
                assert_eq!((&one.line, one.fulfilled), (&order.lines[0].id, None));
                one.taken.map(|taken| taken.to_string())
            }
            more => panic!("{more:?}"),
        }
    };
    let says = |text: &str| Some(text.to_owned());
    // All of it, as the line says already.
    assert_eq!(taken("processing", json!(3), Some(json!("3"))), None);
    assert_eq!(taken("on-hold", json!(3), Some(json!(3))), None);
    // Some of it was put back, by a refund or by hand.
    assert_eq!(taken("processing", json!(3), Some(json!("1"))), says("1"));
    assert_eq!(taken("completed", json!(3), Some(json!(2))), says("2"));
    // Nothing yet while the money is awaited, unless the shop says so; nothing any more once it is cancelled.
    for status in ["pending", "failed", "cancelled"] {
        assert_eq!(taken(status, json!(3), None), says("0"), "{status}");
    }
    assert_eq!(taken("pending", json!(3), Some(json!("3"))), None);
    // Paid, and the shop keeps no stock of it: the ERP does.
    assert_eq!(taken("processing", json!(3), None), None);
    // Nonsense says nothing.
    assert_eq!(taken("processing", json!(3), Some(json!("some"))), None);
}
