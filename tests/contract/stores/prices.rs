//! Prices: what every store that can be told them must keep.

use puente::{
    domain::price::Price,
    store::prices::{NewPrice, Priced},
};
use puente_sandbox::store::Tag;

use super::*;

/// A price for an article as the store showed it.
fn new_price(shown: &Priced, to: Price) -> NewPrice {
    let attempt = AttemptId::new(format!("attempt_{}", shown.sku));
    NewPrice { sku: shown.sku.clone(), item: shown.item.clone().unwrap(), to, attempt, begun: now() }
}

/// `cents` in units, compared to `compare_at` cents.
fn price(cents: i64, compare_at: Option<i64>) -> Price {
    let amount = |cents| Amount::try_from(Decimal::new(cents, 2)).unwrap();
    Price { amount: amount(cents), compare_at: compare_at.map(amount) }
}

/// The price that the shop itself has.
fn tagged(serving: &Serving, sku: &str) -> Option<Price> {
    let amount = |amount: Decimal| Amount::try_from(amount).unwrap();
    let of = |tag: Tag| Price { amount: amount(tag.amount), compare_at: tag.compare_at.map(amount) };
    serving.stock().price(sku).map(of)
}

#[tokio::test]
async fn prices_are_read_and_written_and_read_back() {
    for (row, serving, store) in shops_of(|row| row.prices).await {
        let (kind, way) = (row.kind, Way::open());
        let mut all: Vec<&str> = CATALOGUE.iter().map(|article| &*article.sku).collect();
        for (odd, compare_at) in
            [("Termo \"5 l\", azul", None), ("a&b=c%41+[x]", Some(1999)), ("MATE-01-Ñandú б", None)]
        {
            let compare_at = compare_at.map(|cents| Decimal::new(cents, 2));
            serving.stock().set_price(odd, Some(Tag { amount: Decimal::new(777, 2), compare_at }));
            all.push(odd);
        }
        let read = async || store.prices(&way.calls(), &codes(&all)).await.unwrap();
        let shown = read().await;
        assert_eq!(shown.iter().map(|one| one.sku.as_str()).collect::<Vec<_>>(), all, "{kind}");
        for one in &shown {
            let has = tagged(&serving, one.sku.as_str());
            assert!(has.is_some() && (one.store, one.price) == (InStore::Kept, has), "{kind}: {one:?}");
            assert!(one.currency.is_none_or(|currency| currency.code() == "EUR"), "{kind}: {one:?}");
        }
        // All of them at once, each its own: some compared to a higher one, some to nothing any more.
        for first in [0, 1] {
            let to = |n: i64| price(n * 101 + 1, (n % 2 == first).then_some(n * 101 + 50));
            let news: Vec<NewPrice> = shown.iter().zip(0..).map(|(one, n)| new_price(one, to(n))).collect();
            let answers = store.set_prices(&way.calls(), &news).await;
            assert_eq!(answers.len(), news.len(), "{kind}");
            for (new, answer) in news.iter().zip(&answers) {
                assert_eq!(answer.as_ref().ok(), Some(&new.to), "{kind} {}: {answer:?}", new.sku);
                assert_eq!(tagged(&serving, new.sku.as_str()), Some(new.to), "{kind} {}", new.sku);
            }
            assert!(read().await.iter().zip(&news).all(|(one, new)| one.price == Some(new.to)), "{kind}");
        }
        // Stock is another matter.
        assert_eq!(serving.stock().of("MATE-01"), Some(20), "{kind}");
        // Nothing is asked about nothing, and nothing is written.
        let before = serving.calls();
        assert!(store.prices(&way.calls(), &[]).await.unwrap().is_empty(), "{kind}");
        assert!(store.set_prices(&way.calls(), &[]).await.is_empty(), "{kind}");
        assert_eq!(serving.calls(), before, "{kind}");
    }
}

#[tokio::test]
async fn a_price_of_an_article_that_a_store_has_not_hides_no_other() {
    for (row, serving, store) in shops_of(|row| row.prices).await {
        let (kind, way) = (row.kind, Way::open());
        // Another case, and the beginning of a code, are other articles.
        let asked = codes(&["NO-SUCH-SKU", "MATE-01", "mate-01", "MATE", "A,B", "MATE-01,DDL-400"]);
        let shown = store.prices(&way.calls(), &asked).await.unwrap();
        let seen: Vec<_> = shown.iter().map(|one| (one.store, one.price, one.item.is_some())).collect();
        let (absent, kept) = ((InStore::Absent, None, false), (InStore::Kept, Some(price(1290, None)), true));
        assert_eq!(seen, [absent, kept, absent, absent, absent, absent], "{kind}");
        // Deleted since it was read: the others are taken.
        let all = ["MATE-01", "BOMB-02", "YERBA-1K", "DDL-400"];
        let shown = store.prices(&way.calls(), &codes(&all)).await.unwrap();
        for gone in ["BOMB-02", "DDL-400"] {
            serving.stock().items().retain(|item| item.sku != gone);
        }
        let news: Vec<NewPrice> = shown.iter().map(|one| new_price(one, price(3, None))).collect();
        let answers = store.set_prices(&way.calls(), &news).await;
        for (answer, gone) in answers.iter().zip([false, true, false, true]) {
            let refused = matches!(answer, Err(NotSet::Stale | NotSet::Refused(_)));
            assert!(if gone { refused } else { answer.is_ok() }, "{kind}: {answers:?}");
        }
        assert_eq!(tagged(&serving, "MATE-01"), Some(price(3, None)), "{kind}");
        assert_eq!(tagged(&serving, "BOMB-02"), None, "{kind}");
    }
}

#[tokio::test]
async fn a_store_that_is_failing_is_believed_to_have_taken_a_price_and_one_that_refuses_the_call_is_not() {
    for (row, serving, store) in shops_of(|row| row.prices).await {
        let (kind, way) = (row.kind, Way::open());
        let shown = store.prices(&way.calls(), &codes(&["BOMB-02"])).await.unwrap();
        let news = [new_price(&shown[0], price(5, None))];
        let answer = |status: u16| Answer::of(status.try_into().unwrap(), Value::Null);
        for (status, certain) in [(500, false), (503, false), (429, true), (401, true)] {
            serving.next(answer(status));
            let not_set = store.set_prices(&way.calls(), &news).await.remove(0).unwrap_err();
            assert_eq!(matches!(not_set, NotSet::NotNow(_)), certain, "{kind} {status}: {not_set}");
            assert_eq!(matches!(not_set, NotSet::Unknown(_)), !certain, "{kind} {status}: {not_set}");
        }
        serving.listen(false).await;
        // Without a connection that is open already.
        let not_set = store.set_prices(&Way::open().calls(), &news).await.remove(0).unwrap_err();
        assert!(matches!(not_set, NotSet::NotNow(_)), "{kind}: {not_set}");
        assert_eq!(tagged(&serving, "BOMB-02"), Some(price(899, None)), "{kind}");
        serving.listen(true).await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_told_prices_refuses_them() {
    let mut none = 0;
    for row in STORES.iter().filter(|row| !row.prices) {
        none += 1;
        let (store, way) = (store(row, &[SECRET]), Way::open());
        assert_eq!(store.prices(&way.calls(), &codes(&["A"])).await.unwrap_err().kind(), Kind::Refused, "{}", row.kind);
        let new = new_price(
            &Priced { item: Some("1".to_owned()), ..Priced::none(codes(&["A"]).remove(0), InStore::Kept) },
            price(1, None),
        );
        let answers = store.set_prices(&way.calls(), &[new]).await;
        assert!(matches!(answers.as_slice(), [Err(NotSet::Refused(_))]), "{}: {answers:?}", row.kind);
    }
    assert!(none > 0);
}
