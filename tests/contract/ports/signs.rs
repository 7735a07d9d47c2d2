//! Signs of life, and who a shop is.

use puente::domain::sign::{Fact, Identity, Party, Sign};

use super::{Ports, at};

pub(super) async fn a_sign_is_the_last_of_its_fact(ports: &Ports) {
    let signs = &ports.signs;
    let (shop, other) = (Party::Connection("signs".parse().unwrap()), Party::Connection("silent".parse().unwrap()));
    // An account of the same name is another party.
    let erp = Party::Account("signs".parse().unwrap());
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
    let found = signs.signs(&[erp, other, shop]).await.unwrap();
    let shops = vec![sign(Fact::Received, 2, None), sign(Fact::Failed, 3, Some("the store answered 502"))];
    assert_eq!(found, [vec![sign(Fact::Sent, 4, None)], vec![], shops]);
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
