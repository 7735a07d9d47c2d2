//! What is asked, what an answer comes to, and what a section can get wrong.

use std::sync::{Arc, Mutex};

use serde_json::json;
use wiremock::{Mock, MockServer, Request as Asked, ResponseTemplate, matchers::any};

use super::{
    super::tests::{build, example, smallest, why},
    *,
};
use crate::{
    erp::{
        Erp,
        stock::doubles::{page, row},
    },
    outbound::doubles::Way,
};

const STOCK: &str = "stock = { method = 'GET', path = '/stock?{% if since %}since={{ since }}{% endif %}{% for sku in skus %}&sku={{ sku }}\
     {% endfor %}{% for warehouse in warehouses %}&wh={{ warehouse }}{% endfor %}{% if page %}&page={{ page }}{% endif %}', items = '/rows', \
     reference = '/code', quantity = '/left', next = '/next', mark = '/now', reflects = true";

/// An ERP that answers each call in turn, and the queries it saw; the last answer stays.
async fn erp(more: &str, answers: Vec<ResponseTemplate>) -> (MockServer, Rest, Arc<Mutex<Vec<String>>>) {
    let server = MockServer::start().await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = seen.clone();
    let answer = move |asked: &Asked| {
        let mut seen = told.lock().unwrap();
        seen.push(asked.url.query().unwrap_or_default().to_owned());
        answers.get(seen.len() - 1).or(answers.last()).unwrap().clone()
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let section = smallest(&format!("{STOCK}{more} }}")).replace("https://erp.example", &server.uri());
    (server, build(&section).unwrap(), seen)
}

fn says(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(body)
}

fn everywhere() -> Place {
    Place::of(&[]).unwrap()
}

#[tokio::test]
async fn it_is_asked_as_the_section_says_and_read_where_it_says() {
    let first =
        json!({"rows": [{"code": "A", "left": -1.5}, {"code": "B", "left": "7"}], "next": 2, "now": "T1"}).to_string();
    let (_server, rest, seen) = erp("", vec![says(&first), says(r#"{"rows": [], "next": null}"#)]).await;
    let main = "Main+Shop".to_owned().try_into().unwrap();
    let skus = ["A B".parse().unwrap()];
    let told = page(&rest, StockAsk { place: &main, since: Some("T0"), skus: &skus, page: None }).await.unwrap();
    assert_eq!(told.rows, [row("A", "-1.5"), row("B", "7")]);
    assert_eq!((told.mark.as_deref(), told.next.as_deref(), told.unread.len()), (Some("T1"), Some("0 2"), 0));
    let last =
        page(&rest, StockAsk { place: &main, since: None, skus: &[], page: told.next.as_deref() }).await.unwrap();
    assert_eq!(last, StockPage::default());
    assert_eq!(*seen.lock().unwrap(), ["since=T0&sku=A%20B&wh=Main&wh=Shop", "&wh=Main&wh=Shop&page=2"]);
    assert!(rest.stock().unwrap().reflects());
}

#[tokio::test]
async fn more_articles_than_a_call_takes_are_asked_for_one_part_after_the_other() {
    let (_server, rest, seen) = erp(
        ", at_most = 2",
        vec![says(r#"{"rows": [{"code": "A", "left": 1}], "next": "x"}"#), says(r#"{"rows": []}"#)],
    )
    .await;
    let skus = ["A", "B", "C"].map(|sku| sku.parse().unwrap());
    let place = everywhere();
    let (mut next, mut pages): (Option<String>, u32) = (None, 0);
    loop {
        next = page(&rest, StockAsk { place: &place, since: None, skus: &skus, page: next.as_deref() })
            .await
            .unwrap()
            .next;
        pages += 1;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(*seen.lock().unwrap(), ["&sku=A&sku=B", "&sku=A&sku=B&page=x", "&sku=C"]);
}

#[tokio::test]
async fn what_cannot_be_believed_is_told_of_its_article_alone() {
    let body = r#"{"rows": [{"code": "GOOD", "left": 3}, {"code": "TWICE", "left": 1}, {"code": "TWICE", "left": 1},
        {"code": "HUGE", "left": 2000000000}, {"code": "ABSURD", "left": 1e300}, {"code": "LONG", "left": 0.12345678901234567},
        {"code": "NOTHING", "left": null}, {"left": 1}, {"code": "TEXT", "left": "0.12345"}, {"code": 12, "left": 0.25}]}"#;
    let (_server, rest, _) = erp("", vec![says(body)]).await;
    let place = everywhere();
    let told = page(&rest, StockAsk { place: &place, since: None, skus: &[], page: None }).await.unwrap();
    assert_eq!(told.rows, [row("12", "0.25"), row("GOOD", "3"), row("TEXT", "0.12345")]);
    let unread: Vec<&str> = told.unread.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(unread, ["", "ABSURD", "HUGE", "LONG", "NOTHING", "TWICE"]);
}

#[tokio::test]
async fn an_answer_that_is_none_is_the_accounts_and_nothing_is_taken_from_it() {
    let place = everywhere();
    let same = r#"{"rows": [], "next": "2"}"#;
    let long = format!(r#"{{"rows": [], "next": "{}"}}"#, "x".repeat(LONGEST + 1));
    for (answer, words) in [
        // A page that is cut short.
        (says(r#"{"rows": [{"code": "A", "left": 1}"#), "not JSON"),
        (says("{}"), "items"),
        (says(r#"{"rows": [{"left": 1}]}"#), "stock.reference"),
        (says(same), "the next page is the one"),
        (says(&long), "longer"),
        (ResponseTemplate::new(404), "404"),
        (ResponseTemplate::new(503), "503"),
    ] {
        let (_server, rest, _) = erp("", vec![answer]).await;
        match page(&rest, StockAsk { place: &place, since: None, skus: &[], page: Some("0 2") }).await {
            Err(SendError::Account(error)) => assert!(error.to_string().contains(words), "{words}: {error}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    let (_server, rest, _) = erp(", none = [404]", vec![ResponseTemplate::new(404)]).await;
    let ask = StockAsk { place: &place, since: None, skus: &[], page: None };
    assert_eq!(page(&rest, ask.clone()).await.unwrap(), StockPage::default());
    assert!(page(&rest, StockAsk { page: Some("next"), ..ask }).await.is_err());
}

#[tokio::test]
async fn an_erp_that_cannot_say_which_sales_are_in_its_numbers_says_so() {
    let rest = build(&smallest(&format!("{} }}", STOCK.replace("reflects = true", "reflects = false")))).unwrap();
    let stock = rest.stock().unwrap();
    assert!(!stock.reflects());
    match stock.reflected(&Way::open().calls(), &[]).await {
        Err(SendError::Account(error)) => assert!(error.to_string().contains("stock.reflects = true"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_section_names_the_key_that_is_wrong_and_without_the_request_there_is_no_stock() {
    assert!(build(&smallest("")).unwrap().stock().is_none());
    assert!(example().stock().is_some());
    let with = |from: &str, to: &str| smallest(&format!("{} }}", STOCK.replace(from, to)));
    for (toml, key) in [
        (with(", reflects = true", ""), "stock.reflects"),
        (with("reference = '/code', ", ""), "stock: needs reference"),
        (with("quantity = '/left', ", ""), "stock: needs reference"),
        (with("'/left'", "'left'"), "JSON Pointer"),
        (with("{{ since }}", "{{ sinse }}"), "sinse"),
        // Without a page there is none: it has to be asked for only where there is one.
        (with("{% if page %}&page={{ page }}{% endif %}", "&page={{ page }}"), "page"),
        (with("reflects = true", "reflects = true, id = '/id'"), "stock.id"),
        (smallest("").replace("id = '/id' }\nlook", "id = '/id', quantity = '/q' }\nlook"), "create.quantity"),
    ] {
        assert!(why(&toml).contains(key), "{key}: {}", why(&toml));
    }
}
