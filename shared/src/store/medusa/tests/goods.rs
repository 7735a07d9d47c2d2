//! Stock: what the shop answers, and what it means for a number. The answers are those of Medusa 2.21.

use wiremock::matchers::body_json;

use super::*;
use crate::{
    domain::{goods::InStore, ids::AttemptId},
    outbound::doubles::{Refusing, nobody},
    store::goods::doubles::{skus, word},
};

const ITEMS: &str = "/admin/inventory-items";
const BATCH: &str = "/admin/inventory-items/location-levels/batch";

fn new(item: &str, to: i64) -> NewStock {
    NewStock {
        sku: "A".parse().unwrap(),
        item: item.to_owned(),
        from: Some(1),
        to,
        attempt: AttemptId::new("a"),
        begun: Timestamp::UNIX_EPOCH,
    }
}

fn three() -> [NewStock; 3] {
    [new("iitem_1/sloc_1", 5), new("iitem_2/sloc_1", 0), new("iitem_3/sloc_1", 7)]
}

fn level(item: u64, location: &str, number: impl Into<Value>) -> Value {
    json!({"id": format!("ilev_{item}"), "location_id": location, "inventory_item_id": format!("iitem_{item}"),
        "raw_stocked_quantity": {"value": "10", "precision": 20}, "available_quantity": 10, "reserved_quantity": 3,
        "stocked_quantity": number.into()})
}

fn item(id: u64, code: &str, levels: &[Value]) -> Value {
    json!({"id": format!("iitem_{id}"), "sku": code, "location_levels": levels})
}

fn at(url: &str, more: &str) -> Medusa {
    build(&format!("url = '{url}'\nwebhook_secrets = [{{ literal = 's' }}]\napi_key = {{ literal = 'sk_1' }}\n{more}"))
}

async fn answers(answer: ResponseTemplate, more: &str) -> (MockServer, Medusa, Way) {
    let server = MockServer::start().await;
    Mock::given(path(ITEMS)).respond_with(answer.clone()).mount(&server).await;
    Mock::given(method("POST")).and(path(BATCH)).respond_with(answer).mount(&server).await;
    let shop = at(&server.uri(), more);
    (server, shop, Way::open())
}

fn body(json: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json)
}

/// What became of three numbers of which the shop answers this.
async fn became(answer: ResponseTemplate) -> Vec<String> {
    let (_server, shop, way) = answers(answer, "").await;
    shop.set_stock(&way.calls(), &three()).await.iter().map(word).collect()
}

#[tokio::test]
async fn an_article_is_kept_or_not_absent_or_of_several() {
    let listed = json!({"inventory_items": [
        item(1, "KEPT", &[level(1, "sloc_1", 12)]),
        item(2, "NOWHERE YET", &[]),
        item(3, "TWO PLACES", &[level(3, "sloc_1", 3), level(3, "sloc_2", 4)]),
        item(4, "TWICE", &[level(4, "sloc_1", 1)]),
        item(5, "TWICE", &[level(5, "sloc_1", 1)]),
        item(6, "HALF", &[level(6, "sloc_1", 2.5)]),
        {"id": "iitem_7", "sku": null, "location_levels": null},
    ], "count": 7, "offset": 0, "limit": 100});
    let codes = ["HALF", "KEPT", "NOWHERE YET", "TWO PLACES", "TWICE", "GONE"];
    let seen = async |more: &str| {
        let (_server, shop, way) = answers(body(&listed), more).await;
        let found = shop.stock(&way.calls(), &skus(&codes)).await.unwrap();
        found.into_iter().map(|one| (one.store, one.number, one.item)).collect::<Vec<_>>()
    };
    let kept = |number, item: &str| (InStore::Kept, Some(number), Some(item.to_owned()));
    let not = |store| (store, None, None);
    let anywhere = seen("").await;
    assert_eq!(
        anywhere,
        [
            kept(2, "iitem_6/sloc_1"),
            kept(12, "iitem_1/sloc_1"),
            not(InStore::NotKept),
            not(InStore::Ambiguous),
            not(InStore::Ambiguous),
            not(InStore::Absent)
        ]
    );
    // At which of two places is the configuration's to say.
    let there = seen("location = 'sloc_2'").await;
    assert_eq!(there[3], kept(4, "iitem_3/sloc_2"));
    assert_eq!(there[1], not(InStore::NotKept));
}

#[tokio::test]
async fn a_hundred_articles_cost_one_call_and_codes_arrive_as_they_are() {
    let codes: Vec<String> = (0..97).map(|n| format!("ART-{n}")).collect();
    let mut codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    codes.extend(["Termo \"Andes\", azul", "a&b=c%41+[x]", "Ñandú б"]);
    let listed: Value = (1..).zip(&codes).map(|(id, code)| item(id, code, &[level(id, "sloc_1", 5)])).collect();
    let server = MockServer::start().await;
    let mut mock = Mock::given(method("GET")).and(path(ITEMS)).and(header("authorization", "Basic c2tfMTo="));
    for code in ["ART-0", "ART-96", "Termo \"Andes\", azul", "a&b=c%41+[x]", "Ñandú б"] {
        let code = code.to_owned();
        mock = mock.and(move |request: &wiremock::Request| {
            request.url.query_pairs().any(|(name, value)| name == "sku[]" && value == code)
        });
    }
    mock.and(query_param("limit", "100"))
        .respond_with(body(&json!({"inventory_items": listed})))
        .expect(1)
        .mount(&server)
        .await;
    let (shop, way) = (at(&server.uri(), ""), Way::open());
    let found = shop.stock(&way.calls(), &skus(&codes)).await.unwrap();
    assert!(found.iter().all(|one| one.store == InStore::Kept) && found.len() == 100);

    let stock: Vec<NewStock> = (1..=100).map(|n| new(&format!("iitem_{n}/sloc_1"), n)).collect();
    let update: Value = (1..=100)
        .map(|n| json!({"inventory_item_id": format!("iitem_{n}"), "location_id": "sloc_1", "stocked_quantity": n}))
        .collect();
    let updated: Value = (1..=100).rev().map(|n| level(n, "sloc_1", n)).collect();
    Mock::given(method("POST"))
        .and(path(BATCH))
        .and(body_json(json!({ "update": update })))
        .respond_with(body(&json!({"created": [], "updated": updated})))
        .expect(1)
        .mount(&server)
        .await;
    let answers = shop.set_stock(&way.calls(), &stock).await;
    assert!((1..).zip(&answers).all(|(number, answer)| *answer.as_ref().unwrap() == number), "{answers:?}");
    // An address of very long codes would be refused: they are asked about in several.
    let long: Vec<String> = (0..100).map(|n| format!("{}{n:02}", "ñ".repeat(98))).collect();
    let (server, shop, way) = self::answers(body(&json!({"inventory_items": []})), "").await;
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    assert_eq!(shop.stock(&way.calls(), &skus(&long)).await.unwrap().len(), 100);
    let asked = server.received_requests().await.unwrap();
    assert!(asked.len() == 12 && asked.iter().all(|one| one.url.as_str().len() < 8000));
}

#[tokio::test]
async fn a_batch_takes_all_numbers_or_none_and_its_answer_is_believed() {
    let updated = |third: Value| json!({"created": [], "updated": [level(2, "sloc_1", 0), third, level(1, "sloc_1", 5), level(1, "sloc_2", 99)]});
    assert_eq!(became(body(&updated(level(3, "sloc_1", 7)))).await, ["5", "0", "7"]);
    // Something else had a hand in it.
    assert_eq!(became(body(&updated(level(3, "sloc_1", 70)))).await, ["5", "0", "70"]);
    for odd in [json!(null), json!({}), level(3, "sloc_1", "many"), level(3, "sloc_1", Value::Null)] {
        assert_eq!(became(body(&updated(odd))).await, ["5", "0", "unknown"]);
    }
    // One that was deleted there: none was taken, and the next reading tells which one it is.
    let words = "Item iitem_2 is not stocked at location sloc_1";
    let gone = ResponseTemplate::new(404).set_body_json(json!({"type": "not_found", "message": words}));
    assert_eq!(became(gone).await, ["stale", "stale", "stale"]);
    let negative = json!({"type": "invalid_data", "message": "Invalid request: Value for field 'update, 2' too small"});
    assert_eq!(became(ResponseTemplate::new(400).set_body_json(negative)).await, ["refused", "refused", "refused"]);
    // What is no item is not sent.
    let (server, shop, way) = answers(body(&updated(json!({}))), "").await;
    let words: Vec<_> = shop.set_stock(&way.calls(), &[new("nonsense", 1), new("iitem_1/sloc_1", 5)]).await;
    assert_eq!(words.iter().map(word).collect::<Vec<_>>(), ["stale", "5"]);
    assert_eq!(word(&shop.set_stock(&way.calls(), &[new("nonsense", 1)]).await[0]), "stale");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_answer_says_whether_a_number_may_have_arrived() {
    for (status, expected) in
        [(401, "not now"), (404, "not now"), (429, "not now"), (500, "unknown"), (502, "unknown"), (504, "unknown")]
    {
        assert_eq!(became(ResponseTemplate::new(status)).await, [expected, expected, expected], "{status}");
    }
    let whole = json!({"updated": [level(1, "sloc_1", 5), level(2, "sloc_1", 0), level(3, "sloc_1", 7)]}).to_string();
    for cut in ["", "{", "<html>", "[]", "{\"updated\":null}", &whole[..whole.len() - 2]] {
        assert_eq!(became(ResponseTemplate::new(200).set_body_string(cut)).await, ["unknown"; 3], "{cut}");
    }
    for (answer, kind) in [
        (ResponseTemplate::new(200).set_body_string("{\"inventory_items\":[{\"id\":\"iitem_1\""), Kind::Unreadable),
        (ResponseTemplate::new(200).set_body_string("{}"), Kind::Unreadable),
        (ResponseTemplate::new(404), Kind::Config),
        (ResponseTemplate::new(401), Kind::Config),
        (ResponseTemplate::new(429), Kind::Limited),
        (ResponseTemplate::new(500), Kind::Unavailable),
    ] {
        let (_server, shop, way) = answers(answer, "").await;
        assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_call_that_is_not_made_and_one_without_an_answer_are_told_apart() {
    let (server, shop, way) = answers(ResponseTemplate::new(200), "").await;
    // Held back by our own limits: nobody was called.
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(word(&shop.set_stock(&held.calls(), &three()).await[0]), "not now");
    assert!(server.received_requests().await.unwrap().is_empty());
    // Nobody listens.
    let deaf = at(&nobody(), "");
    assert_eq!(word(&deaf.set_stock(&way.calls(), &three()).await[0]), "not now");
    assert_eq!(deaf.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unavailable);
    // The connection breaks once the number was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = at(&format!("http://{}", listener.local_addr().unwrap()), "");
    let broken = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut read = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut connection, &mut read).await.unwrap()
    });
    assert_eq!(word(&shop.set_stock(&way.calls(), &three()).await[0]), "unknown");
    assert!(broken.await.unwrap() > 0);
    // Without a key nobody is asked.
    assert_eq!(word(&build(CONFIG).set_stock(&way.calls(), &three()).await[0]), "not now");
}

/// A real Medusa, where one is at hand: `MEDUSA_URL`, `MEDUSA_KEY`, and in `MEDUSA_SKU` the code of an article that it has at one location.
#[tokio::test]
#[ignore = "needs a Medusa server"]
async fn a_real_medusa_takes_numbers_and_shows_them() {
    #[allow(clippy::disallowed_methods, reason = "which server it is nobody can know beforehand")]
    let said = |name: &str| std::env::var(name).unwrap();
    let (url, key, sku) = (said("MEDUSA_URL"), said("MEDUSA_KEY"), said("MEDUSA_SKU"));
    let section = format!("url = '{url}'\nwebhook_secrets = [{{ literal = 's' }}]\napi_key = {{ literal = '{key}' }}");
    let (shop, way) = (build(&section), Way::open());
    let read = async || shop.stock(&way.calls(), &skus(&[&sku, "no such article"])).await.unwrap();
    let before = read().await;
    assert_eq!((before[0].store, before[1].store), (InStore::Kept, InStore::Absent));
    let (item, number) = (before[0].item.clone().unwrap(), before[0].number.unwrap());
    let written = shop.set_stock(&way.calls(), &[new(&item, number + 5)]).await;
    assert!(matches!(written.as_slice(), [Ok(now)] if *now == number + 5), "{written:?}");
    assert_eq!(read().await[0].number, Some(number + 5));
    // One that is not there is enough for none to be taken.
    let stock = [new(&item, number), new("iitem_none/sloc_none", 1)];
    assert_eq!(shop.set_stock(&way.calls(), &stock).await.iter().map(word).collect::<Vec<_>>(), ["stale", "stale"]);
    assert_eq!(read().await[0].number, Some(number + 5));
}
