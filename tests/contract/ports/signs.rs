//! Signs of life, who a shop is, and how tasks went.

use std::collections::BTreeMap;

use puente::domain::{
    sign::{Fact, Identity, Party, Sign},
    task::Run,
};

use super::{Ports, at};

pub(super) async fn a_sign_is_the_last_of_its_fact(ports: &Ports) {
    let signs = &ports.signs;
    let (shop, other) = (Party::Connection("signs".parse().unwrap()), Party::Connection("silent".parse().unwrap()));
    // Accounts of the same name are other parties.
    let [erp, store] = ["erp/signs", "store/signs"].map(|name| Party::Account(name.parse().unwrap()));
    let sign = |fact, second, detail: Option<&str>| Sign { fact, at: at(second), detail: detail.map(str::to_owned) };
    assert_eq!(signs.signs(&[]).await.unwrap(), Vec::<Vec<Sign>>::new());
    for one in [
        sign(Fact::Failed, 1, Some("the store answered 503")),
        sign(Fact::Received, 2, None),
        sign(Fact::Failed, 3, Some("the store answered 502")),
    ] {
        signs.sign(&shop, &one).await.unwrap();
    }
    signs.sign(&erp, &sign(Fact::Sent, 4, None)).await.unwrap();
    signs.sign(&store, &sign(Fact::Blocked, 5, None)).await.unwrap();
    let found = signs.signs(&[erp, other, shop, store]).await.unwrap();
    let shops = vec![sign(Fact::Received, 2, None), sign(Fact::Failed, 3, Some("the store answered 502"))];
    assert_eq!(found, [vec![sign(Fact::Sent, 4, None)], vec![], shops, vec![sign(Fact::Blocked, 5, None)]]);
}

pub(super) async fn who_a_shop_is_comes_back(ports: &Ports) {
    let (shop, other) = ("identified".parse().unwrap(), "unknown".parse().unwrap());
    for id in [1, 548_380_009] {
        let identity = Identity { id, domains: vec!["shop.example".into(), "acme.myshopify.com".into()] };
        ports.signs.set_identity(&shop, &identity).await.unwrap();
        assert_eq!(ports.signs.identity(&shop).await.unwrap(), Some(identity));
    }
    assert_eq!(ports.signs.identity(&other).await.unwrap(), None);
}

pub(super) async fn the_last_run_of_a_task_is_kept(ports: &Ports) {
    let run = |began, error: Option<&str>| Run {
        began: at(began),
        took_ms: 1_234,
        did: "asked 2 stores".to_owned(),
        figures: BTreeMap::from([("listed".to_owned(), 7), ("enqueued".to_owned(), u64::from(u32::MAX))]),
        error: error.map(str::to_owned),
        next: at(began + 900),
    };
    let signs = &ports.signs;
    assert_eq!(signs.runs(&[]).await.unwrap(), []);
    signs.ran("one", &run(1, Some("the store answered 503"))).await.unwrap();
    signs.ran("other", &run(2, None)).await.unwrap();
    signs.ran("one", &run(3, None)).await.unwrap();
    let kept = signs.runs(&["other", "never", "one"]).await.unwrap();
    assert_eq!(kept, [Some(run(2, None)), None, Some(run(3, None))]);
}

pub(super) async fn the_last_claim_of_a_task_is_no_run(ports: &Ports) {
    let signs = &ports.signs;
    assert_eq!(signs.claimed("claimed").await.unwrap(), None);
    for second in [1, 3, 2] {
        signs.claim("claimed", at(second)).await.unwrap();
        assert_eq!(signs.claimed("claimed").await.unwrap(), Some(at(second)));
    }
    assert_eq!(signs.claimed("another").await.unwrap(), None);
    assert_eq!(signs.runs(&["claimed"]).await.unwrap(), [None]);
}
