//! Verified bodies, read by every store: never a panic, and what becomes an order is exact, can travel and can be rendered.

use puente::{
    domain::{
        ids::OrderKey,
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
    let arrival = Arrival::new(
        OrderKey::new("acme".parse().unwrap(), order.id.clone()),
        order.updated_at.at(),
        "r-1",
        News::State { order: order.into() },
    );
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
        disguise(&mut body);
        body.to_string().into_bytes()
    };
    seeds.extend(STORES.iter().map(|row| with_canary(row.sample)));
    seeds.extend([br#"{"id":5920011223344556677}"#.to_vec(), br#"{"webhook_id":"7"}"#.to_vec(), b"{}".to_vec()]);
    seeds
}

/// Every text of an object with an e-mail address, a postal code or a last name becomes the canary: that is a person.
fn disguise(value: &mut serde_json::Value) {
    let is_personal =
        |name: &String| ["email", "name", "postcode", "zip", "postal_code"].iter().any(|word| name.contains(word));
    match value {
        serde_json::Value::Object(fields) => {
            fields.values_mut().filter(|value| value.is_object() || value.is_array()).for_each(disguise);
            if fields.keys().any(|name| name == "email" || name == "postal_code" || name == "postcode" || name == "zip")
            {
                fields.iter_mut().filter(|(name, value)| value.is_string() && is_personal(name)).for_each(
                    |(_, value)| {
                        *value = CANARY.into();
                    },
                );
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(disguise),
        _ => {}
    }
}
