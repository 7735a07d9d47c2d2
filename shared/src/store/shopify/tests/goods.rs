//! Stock: what the shop answers, and what it means for a number.

use wiremock::{Request, Respond, matchers::body_partial_json};

use super::*;
use crate::{
    domain::{goods::InStore, ids::AttemptId, money::Amount},
    outbound::doubles::{Refusing, nobody},
    store::goods::doubles::{sku, skus, word},
};

const API: &str = "/admin/api/2026-10/graphql.json";

fn new(item: &str, from: Option<i64>, to: i64) -> NewStock {
    NewStock {
        sku: sku("A"),
        item: item.to_owned(),
        from,
        to,
        attempt: AttemptId::new("attempt_1"),
        begun: Timestamp::UNIX_EPOCH,
    }
}

fn three() -> [NewStock; 3] {
    [
        new("gid://i/1 gid://l/1", Some(4), 5),
        new("gid://i/2 gid://l/1", None, 6),
        new("gid://i/3 gid://l/1", Some(0), 7),
    ]
}

async fn answers(answer: ResponseTemplate) -> (MockServer, Shopify, Way) {
    let (server, shop, way) = server().await;
    Mock::given(method("POST")).and(path(API)).respond_with(answer).mount(&server).await;
    (server, shop, way)
}

/// What became of three numbers of which the shop answers this.
async fn became(answer: ResponseTemplate) -> Vec<String> {
    let (_server, shop, way) = answers(answer).await;
    shop.set_stock(&way.calls(), &three()).await.iter().map(word).collect()
}

fn item(id: u64, code: &str, tracked: bool, levels: &[(u64, i64)]) -> Value {
    let level = |(location, number): &(u64, i64)| json!({"location": {"id": format!("gid://shopify/Location/{location}")}, "quantities": [{"quantity": number}]});
    json!({"id": format!("gid://shopify/InventoryItem/{id}"), "sku": code, "tracked": tracked,
        "inventoryLevels": {"nodes": levels.iter().map(level).collect::<Value>()}})
}

fn page(nodes: &[Value], next: Option<&str>) -> Value {
    json!({"data": {"inventoryItems": {"nodes": nodes, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next}}}})
}

fn done(errors: &Value) -> ResponseTemplate {
    body(&json!({"data": {"inventorySetQuantities": {"userErrors": errors}}}))
}

#[tokio::test]
async fn an_article_is_kept_or_not_absent_or_of_several() {
    let mut nameless = item(9, "", true, &[(1, 1)]);
    nameless["sku"] = Value::Null;
    let nodes = [
        item(1, "KEPT", true, &[(1, 12)]),
        item(2, "ENDLESS", false, &[(1, 12)]),
        item(3, "NOWHERE YET", true, &[]),
        item(4, "TWO PLACES", true, &[(1, 3), (2, 4)]),
        item(5, "TWICE", true, &[(1, 1)]),
        item(6, "TWICE", true, &[(1, 2)]),
        item(7, "kept", true, &[(1, 99)]),
        item(8, "OWED", true, &[(1, -3)]),
        nameless,
    ];
    let (_server, shop, way) = answers(body(&page(&nodes, None))).await;
    let codes = ["OWED", "KEPT", "ENDLESS", "NOWHERE YET", "TWO PLACES", "TWICE", "GONE"];
    let found = shop.stock(&way.calls(), &skus(&codes)).await.unwrap();
    let seen: Vec<_> = found.iter().map(|one| (one.sku.as_str(), one.store, one.number, one.item.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("OWED", InStore::Kept, Some(-3), Some("gid://shopify/InventoryItem/8 gid://shopify/Location/1")),
            ("KEPT", InStore::Kept, Some(12), Some("gid://shopify/InventoryItem/1 gid://shopify/Location/1")),
            ("ENDLESS", InStore::NotKept, None, None),
            ("NOWHERE YET", InStore::NotKept, None, None),
            ("TWO PLACES", InStore::Ambiguous, None, None),
            ("TWICE", InStore::Ambiguous, None, None),
            ("GONE", InStore::Absent, None, None),
        ]
    );
}

#[tokio::test]
async fn the_configured_location_is_the_only_one_that_is_asked_about() {
    let there = json!({"location": {"id": "gid://shopify/Location/7"}, "quantities": [{"quantity": 5}]});
    let nodes = [
        json!({"id": "gid://i/1", "sku": "A", "tracked": true, "inventoryLevel": there}),
        json!({"id": "gid://i/2", "sku": "B", "tracked": true, "inventoryLevel": null}),
    ];
    for named in ["7", "gid://shopify/Location/7"] {
        let (server, _, way) = answers(body(&page(&nodes, None))).await;
        let shop = store(&format!("token = {{ literal = 't' }}\nlocation = '{named}'\napi_url = '{}'", server.uri()));
        let found = shop.stock(&way.calls(), &skus(&["A", "B"])).await.unwrap();
        assert_eq!(found[0].item.as_deref(), Some("gid://i/1 gid://shopify/Location/7"));
        assert_eq!((found[0].number, found[1].store), (Some(5), InStore::NotKept));
        let asked: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
        assert_eq!(asked["variables"]["at"], json!("gid://shopify/Location/7"));
        assert!(asked["query"].as_str().unwrap().contains("inventoryLevel(locationId: $at)"));
    }
    let named = format!("{CONFIG}\nlocation = 'Main street'");
    assert_eq!(build(&named).err().unwrap().kind(), Kind::Config);
}

/// Answers with an item for each code that is asked for, read as the vendor reads them, and one that nobody asked for.
struct Finds;

impl Respond for Finds {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked: Value = request.body_json().unwrap();
        let find = asked["variables"]["find"].as_str().unwrap();
        let codes = find.strip_prefix("sku:\"").unwrap().strip_suffix('"').unwrap().split("\" OR sku:\"");
        let code = |code: &str| code.replace("\\\"", "\"").replace("\\\\", "\\");
        let mut nodes: Vec<Value> = (1..).zip(codes).map(|(id, of)| item(id, &code(of), true, &[(1, 5)])).collect();
        nodes.push(item(999, "ART-99", true, &[(1, 6)]));
        body(&page(&nodes, None))
    }
}

#[tokio::test]
async fn a_hundred_articles_cost_three_calls_to_read_and_one_to_write() {
    let codes: Vec<String> = (0..98).map(|n| format!("ART-{n}")).collect();
    let mut codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    codes.extend(["Termo 1 l \"Andes\", azul", "Ñ\\б:(1)* OR x"]);
    let (server, shop, way) = server().await;
    Mock::given(method("POST")).and(path(API)).respond_with(Finds).expect(3).mount(&server).await;
    let found = shop.stock(&way.calls(), &skus(&codes)).await.unwrap();
    let odd: Vec<_> = found.iter().filter(|one| (one.store, one.number) != (InStore::Kept, Some(5))).collect();
    assert!(odd.is_empty() && found.len() == 100, "{odd:?}");

    let (server, shop, way) = answers(done(&json!([]))).await;
    let stock: Vec<NewStock> = (0..100).map(|n| new(&format!("gid://i/{n} gid://l/1"), Some(n), n + 1)).collect();
    let answers = shop.set_stock(&way.calls(), &stock).await;
    assert!((1..).zip(&answers).all(|(number, answer)| *answer.as_ref().unwrap() == number), "{answers:?}");
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    let asked: Value = asked[0].body_json().unwrap();
    assert!(asked["query"].as_str().unwrap().contains("@idempotent(key: \"attempt_1\")"));
    assert_eq!(asked["variables"]["input"]["name"], json!("on_hand"));
    assert_eq!(
        asked["variables"]["input"]["quantities"][3],
        json!({"inventoryItemId": "gid://i/3", "locationId": "gid://l/1", "quantity": 4, "changeFromQuantity": 3})
    );
}

#[tokio::test]
async fn what_a_first_page_has_no_room_for_is_on_the_next() {
    let (server, shop, way) = server().await;
    let pages = [
        (json!(null), page(&[item(1, "A-1", true, &[(1, 1)])], Some("next"))),
        (json!("next"), page(&[item(2, "A", true, &[(1, 7)])], None)),
    ];
    for (after, listed) in &pages {
        Mock::given(method("POST"))
            .and(body_partial_json(json!({"variables": {"after": after}})))
            .respond_with(body(listed))
            .expect(1)
            .mount(&server)
            .await;
    }
    assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap()[0].number, Some(7));
    let (server, shop, way) = answers(body(&pages[0].1)).await;
    assert_eq!(shop.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unreadable);
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_mutation_takes_all_numbers_or_none() {
    assert_eq!(became(done(&json!([]))).await, ["5", "6", "7"]);
    let error = |code: &str, field: Value| json!([{"code": code, "field": field}]);
    let of = |place: &str| json!(["input", "quantities", place, "changeFromQuantity"]);
    // The number had changed: the others are not to blame, and go again.
    let stale = error("CHANGE_FROM_QUANTITY_STALE", of("1"));
    assert_eq!(became(done(&stale)).await, ["stale", "stale", "stale"]);
    let gone = error("INVALID_INVENTORY_ITEM", of("1"));
    assert_eq!(became(done(&gone)).await, ["stale", "refused", "stale"]);
    // One that is about none of them is about all.
    for field in [json!(null), json!(["input", "reason"]), json!(["input", "quantities"])] {
        assert_eq!(became(done(&error("INVALID_REASON", field))).await, ["refused", "refused", "refused"]);
    }
    // What is no item is not sent, and moves nobody else's place.
    let (server, shop, way) = answers(done(&gone)).await;
    let [first, second, third] = three();
    let stock = [new("nonsense", None, 1), first, second, third];
    let words: Vec<_> = shop.set_stock(&way.calls(), &stock).await.iter().map(word).collect();
    assert_eq!(words, ["stale", "stale", "refused", "stale"]);
    let asked: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    assert_eq!(asked["variables"]["input"]["quantities"].as_array().unwrap().len(), 3);
    // That nothing is believed to be there is said as well: the shop wants to be told.
    assert_eq!(asked["variables"]["input"]["quantities"][1]["changeFromQuantity"], Value::Null);
    assert_eq!(shop.set_stock(&way.calls(), &[new("nonsense", None, 1)]).await.len(), 1);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn errors_come_with_status_200_and_say_whether_anything_was_begun() {
    let code =
        |code: &str| json!([{"message": "No.", "path": ["inventorySetQuantities"], "extensions": {"code": code}}]);
    for (answer, expected) in [
        (json!({"errors": code("THROTTLED")}), "not now"),
        (json!({"errors": code("ACCESS_DENIED"), "data": {"inventorySetQuantities": null}}), "not now"),
        (json!({"errors": code("undefinedField")}), "refused"),
        (json!({"errors": code("MAX_COST_EXCEEDED")}), "refused"),
        (json!({"errors": [{"message": "Variable $input of type … was provided invalid value"}]}), "refused"),
        (json!({"errors": code("INTERNAL_SERVER_ERROR")}), "unknown"),
        (json!({"errors": code("SOMETHING_NEW"), "data": null}), "unknown"),
        (json!({"errors": [{"message": "Timed out"}], "data": {"inventorySetQuantities": null}}), "unknown"),
        (json!({"data": {"inventorySetQuantities": null}}), "unknown"),
        (json!({"data": null}), "unknown"),
        (json!({"data": {}}), "unknown"),
        (json!({}), "unknown"),
        (json!([]), "unknown"),
    ] {
        assert_eq!(became(body(&answer)).await, [expected, expected, expected], "{answer}");
    }
    let (_server, shop, way) = answers(body(&json!({"errors": code("ACCESS_DENIED")}))).await;
    let error = shop.stock(&way.calls(), &skus(&["A"])).await.unwrap_err();
    assert!(error.kind() == Kind::Config && error.to_string().contains("read_inventory"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_says_whether_a_number_may_have_arrived() {
    for (status, expected) in [
        (401, "not now"),
        (403, "not now"),
        (404, "not now"),
        (429, "not now"),
        (430, "not now"),
        (400, "refused"),
        (423, "unknown"),
        (500, "unknown"),
        (503, "unknown"),
    ] {
        assert_eq!(became(ResponseTemplate::new(status)).await, [expected, expected, expected], "{status}");
    }
    let whole = json!({"data": {"inventorySetQuantities": {"userErrors": []}}}).to_string();
    for cut in ["", "{", "<html>", &whole[..whole.len() - 1]] {
        assert_eq!(became(ResponseTemplate::new(200).set_body_string(cut)).await, ["unknown"; 3], "{cut}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_made_and_one_without_an_answer_are_told_apart() {
    let (server, shop, _) = server().await;
    // Held back by our own limits: nobody was called.
    let held = Way::by(std::sync::Arc::new(Refusing));
    assert_eq!(word(&shop.set_stock(&held.calls(), &three()).await[0]), "not now");
    assert!(server.received_requests().await.unwrap().is_empty());
    // Nobody listens.
    let way = Way::open();
    let deaf = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", nobody()));
    assert_eq!(word(&deaf.set_stock(&way.calls(), &three()).await[0]), "not now");
    assert_eq!(deaf.stock(&way.calls(), &skus(&["A"])).await.unwrap_err().kind(), Kind::Unavailable);
    // The connection breaks once the number was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shop = store(&format!("token = {{ literal = 't' }}\napi_url = 'http://{}'", listener.local_addr().unwrap()));
    let broken = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut read = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut connection, &mut read).await.unwrap()
    });
    assert_eq!(word(&shop.set_stock(&way.calls(), &three()).await[0]), "unknown");
    assert!(broken.await.unwrap() > 0);
    // Without a token nobody is asked, nor where an app is given none.
    assert_eq!(word(&store("").set_stock(&way.calls(), &three()).await[0]), "not now");
    let (server, _, _) = answers(ResponseTemplate::new(200)).await;
    let app = format!(
        "shop = 'acme.myshopify.com'\nclient_id = 'app-1'\nclient_secret = {{ literal = 's' }}\napi_url = '{}'",
        server.uri()
    );
    let refused = Mock::given(path("/admin/oauth/access_token")).respond_with(ResponseTemplate::new(500));
    refused.with_priority(1).mount(&server).await;
    assert_eq!(word(&build(&app).unwrap().set_stock(&way.calls(), &three()).await[0]), "not now");
}

#[test]
fn what_the_shop_did_with_its_stock() {
    let said = |quantity: i64, now: Value, open: Value| {
        let order = changed(|o| {
            o["line_items"][0]["quantity"] = json!(quantity);
            for (name, value) in [("current_quantity", now), ("fulfillable_quantity", open)] {
                o["line_items"][0][name] = value;
            }
        });
        // By its id: a line of which nothing is left is no line of the order.
        order.stock.into_iter().find(|stock| stock.line == "15200011223344556671").map(|stock| {
            let text = |amount: Option<Amount>| amount.map(|amount| amount.to_string());
            (text(stock.taken), text(stock.fulfilled))
        })
    };
    let says =
        |taken: Option<&str>, fulfilled: Option<&str>| Some((taken.map(str::to_owned), fulfilled.map(str::to_owned)));
    // As the line says, and nothing sent.
    assert_eq!(said(2, json!(2), json!(2)), None);
    // Not every version and not every app says it.
    assert_eq!(said(2, json!(2), Value::Null), None);
    assert_eq!(said(2, Value::Null, Value::Null), None);
    // One of two, or all, went to a carrier.
    assert_eq!(said(2, json!(2), json!(1)), says(None, Some("1")));
    assert_eq!(said(2, json!(2), json!(0)), says(None, Some("2")));
    assert_eq!(said(2, Value::Null, json!(0)), says(None, Some("2")));
    // An edit or a refund took one out; the rest is open, or gone.
    assert_eq!(said(2, json!(1), json!(1)), says(Some("1"), None));
    assert_eq!(said(2, json!(1), json!(0)), says(Some("1"), Some("1")));
    assert_eq!(said(2, json!(0), json!(0)), says(Some("0"), None));
    // More open than there is: nothing was sent.
    assert_eq!(said(2, json!(1), json!(2)), says(Some("1"), None));
}
