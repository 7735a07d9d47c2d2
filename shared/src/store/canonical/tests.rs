//! Canonical orders arrive exactly, or are refused with the field's name.

mod notify;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::{config::Section, outbound::doubles::Way};

const SECRET: &str = "whsec_cHVlbnRlLXRlc3Qtc2VjcmV0LTAwMDE=";

fn build(secret: &str) -> Result<Canonical> {
    let section = format!("webhook_secrets = [{{ literal = '{secret}' }}]");
    Canonical::new(Section::from_toml(&section)?.read()?)
}

fn receive(body: &str) -> Reading {
    let store = build(SECRET).unwrap();
    let received = Timestamp::from_second(1_780_000_000).unwrap();
    let raw = RawWebhook {
        headers: store.sign(body.as_bytes(), received),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received,
    };
    store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap())
}

fn changed(change: impl FnOnce(&mut Value)) -> Reading {
    let mut body = serde_json::from_str(ROW.sample).unwrap();
    change(&mut body);
    receive(&body.to_string())
}

#[test]
fn the_sample_is_read_as_it_is() {
    let Reading::Order(order) = receive(ROW.sample) else { panic!("it must be an order") };
    assert!(order.proof().holds() && order.flags.is_empty());
    assert_eq!(*order, serde_json::from_str::<Order>(ROW.sample).unwrap());
    insta::assert_json_snapshot!(order);
}

#[test]
fn the_books_are_examined_whatever_the_sender_flagged() {
    let reading = changed(|o| {
        o["total"] = json!("535.93");
        o["flags"] = json!([{"code": "books", "detail": "all is well"}, {"code": "note", "detail": "by hand"}]);
    });
    let Reading::Order(order) = reading else { panic!("it must be an order") };
    let codes: Vec<_> = order.flags.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["note", "books"]);
    assert!(order.flags[1].detail.contains("0.01 of difference"));
}

#[test]
fn a_refund_says_what_it_is_of_and_may_leave_it_open() {
    let given = json!({"id": "9", "amount": "133.98", "lines": [{"line": "1", "quantity": "1", "amount": "85.50", "restock": true,
        "taxes": [{"name": "IVA", "rate": "0.16", "amount": "13.68"}]}],
        "charges": [{"kind": "shipping", "label": "Paquetería", "amount": "30.00",
            "taxes": [{"name": "IVA", "rate": "0.16", "amount": "4.80"}]}]});
    let Reading::Order(order) = changed(|o| o["refunds"] = json!([given])) else { panic!("it must be an order") };
    let credit = order.credit(&order.refunds[0]).unwrap();
    assert!(credit.proof().holds() && credit.lines[0].restock == Some(true) && credit.charges.len() == 1, "{credit:?}");
    let Reading::Order(order) = changed(|o| o["refunds"] = json!([{"id": "9", "amount": "133.98"}])) else {
        panic!("it must be an order")
    };
    assert!(order.refunds[0].lines.is_empty() && order.refunds[0].charges.is_empty());
    // A misspelt part is no part that nobody knows of.
    let misspelt = changed(|o| {
        o["refunds"] = json!([given]);
        o["refunds"][0]["lines"][0]["restocked"] = json!(true);
    });
    assert!(matches!(misspelt, Reading::Unmapped(Some(_), flag) if flag.detail.contains("restocked")));
}

#[test]
fn what_is_not_the_schema_is_kept_with_its_id_and_the_fields_name() {
    let fault = |change: fn(&mut Value)| match changed(change) {
        Reading::Unmapped(id, flag) => (id.map(|id| id.to_string()), flag.detail),
        other => panic!("{other:?}"),
    };
    let id = Some("WEB-2026-000187".to_owned());
    for (change, says) in [
        ((|o| o["schema"] = json!(2)) as fn(&mut Value), "schema: is 2"),
        (|o| o["extra"] = json!(1), "extra: is not one of"),
        (|o| o["customer"]["canary@example.com"] = json!(1), "customer.?: is not one of"),
        (|o| o["currency"] = json!("XQQ"), "currency: "),
        (|o| o["lines"][0]["amount"] = json!("1,5"), "lines[0].amount: "),
        (|o| o["status"] = json!("canary@example.com"), "status: "),
        (|o| o["customer"]["id"] = json!("guest/5"), "customer.id: begins with `guest/`"),
    ] {
        let (found, detail) = fault(change);
        assert_eq!(found, id);
        assert!(detail.starts_with(says) && !detail.contains("canary"), "{detail}");
    }
    assert_eq!(fault(|o| o["id"] = json!("")).0, None);
    // Its references would be those of something else.
    for id in ["customer/7", "5/refund/9"] {
        let Reading::Unmapped(found, flag) = changed(|o| o["id"] = json!(id)) else { panic!("{id} was read") };
        assert_eq!(found.unwrap().as_str(), id);
        assert!(flag.detail.starts_with("id: ") && flag.detail.contains("could not be told"), "{}", flag.detail);
    }
}

#[test]
fn a_secret_that_cannot_be_one_is_refused_at_once() {
    assert!(build(SECRET).is_ok());
    assert_eq!(build("plain text").err().unwrap().kind(), Kind::Config);
}

#[tokio::test]
async fn it_cannot_be_asked_and_says_so() {
    let (store, way) = (build(SECRET).unwrap(), Way::open());
    assert!(!store.can_fetch());
    assert_eq!(store.fetch(&way.calls(), &"1".parse().unwrap()).await.unwrap_err().kind(), Kind::Config);
    assert_eq!(
        store.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.err().unwrap().kind(),
        Kind::Config
    );
}
