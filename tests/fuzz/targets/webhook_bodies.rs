//! Verified bodies, read by every store: never a panic, and what becomes an order is exact, can travel and can be rendered.

use puente::{
    domain::{
        message::{Arrival, Message, News},
        order::Order,
    },
    store::{Reading, STORES},
};

use super::{
    CANARY, check_words, erp,
    queue_messages::travels,
    stores::{BUILT, delivered},
};

pub fn webhook_bodies(data: &[u8]) {
    for (_, store) in &*BUILT {
        let webhook = delivered(&**store, data);
        let reading = store.read(&webhook);
        match reading {
            Reading::Order(order) => {
                match store.read(&webhook) {
                    Reading::Order(again) => assert_eq!(again, order, "read twice, two orders"),
                    other => panic!("read twice: an order, then {other:?}"),
                }
                is_sound(*order);
            }
            Reading::Unmapped(_, flag) => {
                assert!(!flag.detail.is_empty());
                check_words(&flag.to_string());
            }
            Reading::Changed(_) | Reading::Deleted(_) | Reading::Ignored(_) | Reading::AnotherShop => {}
        }
    }
}

/// What must hold of every order that is accepted.
fn is_sound(order: Order) {
    let proof = order.proof();
    assert_eq!(proof.holds(), !order.flags.iter().any(|flag| flag.code == "books"), "{proof:?}");
    let people = format!("{:?} {:?} {:?}", order.customer, order.billing, order.shipping);
    assert!(!people.contains(CANARY), "personal data in Debug: {people}");
    // A canonical order may come with flags: those words are its sender's.
    let ours =
        order.flags.iter().filter(|flag| matches!(flag.code.as_str(), "books" | "tax" | "currency" | "unreadable"));
    ours.for_each(|flag| check_words(&flag.detail));
    for amount in [proof.lines, proof.discounts, proof.shipping, proof.other, proof.total, proof.difference] {
        let _ = (amount.rounded(order.currency), -amount, amount.abs());
    }
    for line in &order.lines {
        assert_eq!(line.net() + line.discounts.iter().map(|discount| discount.amount).sum(), line.amount, "{line:?}");
    }
    assert!(order.same_sale(&order));
    erp::renders(&order);

    let version = order.version();
    let arrival = Arrival {
        connection: "acme".parse().unwrap(),
        order: order.id.clone(),
        received: order.updated_at.at(),
        request: "r-1".to_owned(),
        by: None,
        tries: 0,
        news: News::State { order: order.into() },
    };
    let arrived = travels(&Message::Arrival(arrival));
    if let Some(Message::Arrival(Arrival { news: News::State { order }, .. })) = arrived {
        assert_eq!(order.version(), version, "its version changed on the way");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = STORES.iter().map(|row| row.sample.as_bytes().to_vec()).collect();
    // The same people under one address, so that whatever repeats them is seen.
    let with_canary = |sample: &str| {
        let mut body: serde_json::Value = serde_json::from_str(sample).unwrap();
        for person in ["customer", "billing", "shipping", "billing_address", "shipping_address"] {
            let fields = body.get_mut(person).and_then(serde_json::Value::as_object_mut);
            fields.into_iter().flatten().filter(|(_, value)| value.is_string()).for_each(|(_, value)| {
                *value = CANARY.into();
            });
        }
        body.to_string().into_bytes()
    };
    seeds.extend(STORES.iter().map(|row| with_canary(row.sample)));
    seeds.extend([br#"{"id":5920011223344556677}"#.to_vec(), br#"{"webhook_id":"7"}"#.to_vec(), b"{}".to_vec()]);
    seeds
}
