//! The ERP contract on a real Tryton 8.0.

use serde_json::json;

use crate::{
    erps::{
        Bench, a_second_create_is_no_second_document, an_unknown_article_stops_its_own_order_only,
        the_books_hold_what_was_made, there_is_one_answer_each, what_is_created_is_found_with_our_version,
        what_is_refused_stays_refused_where_the_calls_end, without_a_permit_nothing_is_sent,
    },
    support::tryton::tryton,
};

#[tokio::test(flavor = "multi_thread")]
async fn tryton_keeps_the_contract() {
    let Some(tryton) = tryton() else { return };
    let count = |reference: &puente::domain::ids::Reference| {
        let domain = json!([["web_id", "=", reference.as_str()]]);
        let asked = tryton.search("sale.sale", domain, json!(["id"]));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked)).len()
    };
    let bench = Bench { erp: tryton.connector("bulk = 2"), known_sku: "ART-01", count: Box::new(count) };
    what_is_created_is_found_with_our_version(&bench, "found").await;
    a_second_create_is_no_second_document(&bench, "twice").await;
    an_unknown_article_stops_its_own_order_only(&bench, "sku").await;
    without_a_permit_nothing_is_sent(&bench, "shut").await;
    what_is_refused_stays_refused_where_the_calls_end(&bench, "few").await;
    there_is_one_answer_each(&bench).await;
    the_books_hold_what_was_made(&bench, &["books-1", "books-2", "books-3"]).await;
}
