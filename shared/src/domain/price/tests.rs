use iso_currency::Currency;
use jiff::Timestamp;

use super::*;
use crate::domain::{goods::InStore, ids::AttemptId, money::Amount};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn quote(text: &str, taxed: bool, rate: Option<&str>) -> Quote {
    Quote { amount: amount(text), currency: Currency::EUR, taxed, rate: rate.map(amount) }
}

fn offer(text: &str) -> Offer {
    Offer { price: quote(text, true, Some("21")), compare_at: None }
}

fn rules(more: &str) -> PriceRules {
    let text = format!("currency = \"EUR\"\ntax = \"included\"\n{more}");
    let rules: PriceRules = toml::from_str(&text).unwrap();
    assert_eq!(rules.check().map_err(|(key, error)| format!("{key}: {error}")), Ok(()));
    rules
}

fn price(text: &str) -> Price {
    Price { amount: amount(text), compare_at: None }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn sent(price: Price, second: i64) -> Telling {
    Telling { price, attempt: AttemptId::new("a1"), settle_at: at(second + 120) }
}

fn in_shop(price: Price) -> InShop {
    InShop { store: InStore::Kept, item: Some("7".to_owned()), price: Some(price) }
}

fn amount_of(offer: &Offer, rules: &PriceRules) -> Result<String, String> {
    offer.in_store(rules).map(|price| price.amount.to_string()).map_err(|why| why.to_string())
}

#[test]
fn tax_is_added_or_taken_off_only_where_the_two_differ() {
    let of = |quote: Quote, rules: &PriceRules| amount_of(&Offer { price: quote, compare_at: None }, rules);
    let included = rules("");
    let excluded = PriceRules { tax: Some(Tax::Excluded), ..rules("") };
    assert_eq!(of(quote("100", false, Some("21")), &included), Ok("121".to_owned()));
    assert_eq!(of(quote("121", true, Some("21")), &included), Ok("121".to_owned()));
    assert_eq!(of(quote("121", true, Some("21")), &excluded), Ok("100".to_owned()));
    assert_eq!(of(quote("100", false, None), &excluded), Ok("100".to_owned()));
    // 9.99 / 1.21 = 8.2562, and not 8.25 or 8.26 carried on.
    assert_eq!(of(quote("9.99", true, Some("21")), &excluded), Ok("8.26".to_owned()));
    assert_eq!(of(quote("16.525", false, Some("21")), &included), Ok("20".to_owned()), "19.99525");
    let why = of(quote("100", false, None), &included).unwrap_err();
    assert!(why.contains("the article's tax is not a rate"), "{why}");
}

#[test]
fn prices_are_rounded_and_end_as_was_agreed() {
    let of = |text: &str, more: &str| amount_of(&offer(text), &rules(more)).unwrap();
    assert_eq!(of("12.345", ""), "12.35", "half away from zero");
    assert_eq!(of("12.32", "round_to = \"0.05\""), "12.3");
    assert_eq!(of("12.325", "round_to = \"0.05\""), "12.35");
    assert_eq!(of("12.01", "ending = \"0.99\""), "12.99");
    assert_eq!(of("12.99", "ending = \"0.99\""), "12.99");
    assert_eq!(of("12.995", "ending = \"0.99\""), "13.99", "rounded to 13.00 first");
    assert_eq!(of("0.10", "ending = \"0.99\""), "0.99");
    assert_eq!(of("1234", "ending = 90"), "1290");
    assert_eq!(of("1290.01", "ending = 90"), "1390");
    assert_eq!(of("8", "ending = 9"), "9");
    let yen = PriceRules { currency: Some(Currency::JPY), ..rules("") };
    let quote = Quote { currency: Currency::JPY, ..quote("100.5", false, Some("10")) };
    assert_eq!(amount_of(&Offer { price: quote, compare_at: None }, &yen).unwrap(), "111", "110.55, in whole yen");
}

#[test]
fn a_price_of_nothing_or_in_another_currency_is_told_nobody() {
    for text in ["0", "-1", "0.004"] {
        let why = amount_of(&offer(text), &rules("")).unwrap_err();
        assert!(why.contains("no price of 0 or less"), "{text}: {why}");
    }
    let pesos = PriceRules { currency: Some(Currency::ARS), ..rules("") };
    let why = amount_of(&offer("10"), &pesos).unwrap_err();
    assert_eq!(why, "the ERP's price is in EUR, the store's prices are in ARS: choose a price list in ARS");
}

#[test]
fn what_a_price_is_compared_to_is_shown_only_where_it_is_higher_and_can_be_told() {
    let compared = |to: Quote| {
        let offer = Offer { price: quote("10", true, None), compare_at: Some(to) };
        offer.in_store(&rules("ending = \"0.99\"")).unwrap()
    };
    let shown = |amount_: &str| Price { amount: amount("10.99"), compare_at: Some(amount(amount_)) };
    assert_eq!(compared(quote("12.00", true, None)), shown("12"), "it has no ending of its own");
    for to in [quote("10.99", true, None), quote("9", true, None), quote("20", false, None), quote("0", true, None)] {
        assert_eq!(compared(to.clone()), price("10.99"), "{to:?}");
    }
}

#[test]
fn a_large_change_waits_for_a_person_who_releases_that_price_and_no_other() {
    let tag = PriceTag::new(offer("2.00"), None, 1, at(0));
    let rules = rules("");
    assert_eq!(tag.wanted(&rules, Some(price("10")), at(0)), Wanted::TooFar(price("2")));
    assert_eq!(tag.wanted(&rules, Some(price("4")), at(0)), Wanted::Write(price("2")), "half of it, and not more");
    assert_eq!(tag.wanted(&rules, Some(price("2")), at(0)), Wanted::Right);
    assert_eq!(tag.wanted(&rules, None, at(0)), Wanted::Write(price("2")), "the store has none");
    assert_eq!(tag.wanted(&rules, Some(price("0")), at(0)), Wanted::Write(price("2")), "nothing to compare with");
    let mut kept = Some(tag);
    let again = PriceWrite::Again { released: Some(price("2")) };
    assert!(again.apply(&mut kept, at(1)));
    let tag = kept.unwrap();
    assert_eq!(tag.wanted(&rules, Some(price("10")), at(1)), Wanted::Write(price("2")));
    let other = PriceTag { offer: offer("2.50"), ..tag };
    assert_eq!(other.wanted(&rules, Some(price("10")), at(1)), Wanted::TooFar(price("2.5")));
    // Once the store has it, it is released no more: the same slip a year later waits again.
    let mut kept = Some(PriceTag { offer: offer("2.00"), ..other });
    assert!(PriceWrite::Seen { epoch: 1, seen: 1, read: Some(in_shop(price("2"))) }.apply(&mut kept, at(2)));
    assert_eq!(kept.unwrap().wanted(&rules, Some(price("10")), at(3)), Wanted::TooFar(price("2")));
}

#[test]
fn an_announced_price_is_looked_at_when_it_begins() {
    let later = Later { from: at(3600), offer: offer("8") };
    let mut kept = Some(PriceTag::new(offer("10"), Some(later), 1, at(0)));
    let seen = |dirt| PriceWrite::Seen { epoch: 1, seen: dirt, read: Some(in_shop(price("10"))) };
    assert!(seen(1).apply(&mut kept, at(1)));
    let tag = kept.unwrap();
    assert_eq!((tag.due, tag.said), (Some(at(3600)), Some(price("10"))));
    assert_eq!(tag.wanted(&rules(""), tag.said, at(3599)), Wanted::Right);
    assert_eq!(tag.wanted(&rules(""), tag.said, at(3600)), Wanted::Write(price("8")));
    let mut kept = Some(tag);
    assert!(seen(1).apply(&mut kept, at(3600)));
    assert_eq!(kept.unwrap().due, None, "it has begun");
}

/// Decided a moment before it began, and written down a moment after.
#[test]
fn a_price_that_begins_while_another_is_told_is_due_at_once() {
    let later = || Some(Later { from: at(60), offer: offer("8") });
    let mut kept = Some(PriceTag::new(offer("10"), later(), 1, at(0)));
    let rev = kept.as_ref().unwrap().rev;
    let telling = sent(price("10"), 59);
    let sending = Sending { telling, epoch: 1, rev, read: Some(in_shop(price("9"))), begun: at(59) };
    assert!(PriceWrite::Sending(sending).apply(&mut kept, at(59)));
    // The write says when that was decided, and not when it is made.
    let told = PriceWrite::Told { attempt: AttemptId::new("a1"), price: price("10"), seen: 1 };
    assert!(told.apply(&mut kept, at(59)));
    assert_eq!(kept.unwrap().due, Some(at(60)));
}

#[test]
fn of_another_account_or_by_another_list_no_number_of_a_poll_is_older() {
    let quoted = |text: &str, poll, afresh| {
        PriceWrite::Quoted(Quoted { offer: offer(text), later: None, poll, afresh, daily: false })
    };
    let mut kept = None;
    assert!(quoted("10", 5000, false).apply(&mut kept, at(0)));
    assert!(!quoted("9", 12, false).apply(&mut kept, at(1)));
    assert!(quoted("9", 12, true).apply(&mut kept, at(2)));
    assert!(quoted("8", 13, false).apply(&mut kept, at(3)));
    assert_eq!(kept.unwrap().offer, offer("8"));
}

#[test]
fn a_look_that_a_day_asks_for_is_not_lost_to_one_that_read_nothing() {
    let mut kept = Some(PriceTag::new(offer("10"), None, 1, at(0)));
    assert!(PriceWrite::Seen { epoch: 1, seen: 1, read: Some(in_shop(price("10"))) }.apply(&mut kept, at(1)));
    let daily = Quoted { offer: offer("10"), later: None, poll: 2, afresh: false, daily: true };
    assert!(PriceWrite::Quoted(daily).apply(&mut kept, at(2)));
    assert!(PriceWrite::Seen { epoch: 1, seen: 1, read: None }.apply(&mut kept, at(2)));
    assert_eq!(kept.unwrap().due, Some(at(2)));
}

#[test]
fn what_a_sale_takes_off_comes_back_after_it_and_rules_that_no_price_can_keep_are_refused() {
    let [full, sale] = ["10", "6"].map(price);
    assert!(!full.changes_by_more_than(50, &sale) && !sale.changes_by_more_than(50, &full));
    assert!(sale.changes_by_more_than(39, &full) && full.changes_by_more_than(39, &sale));
    for (more, key) in [
        ("round_to = \"0.005\"", "price.round_to"),
        ("ending = \"0.995\"", "price.round_to"),
        ("most_change = 0", "price.most_change"),
    ] {
        let rules: PriceRules = toml::from_str(&format!("currency = \"EUR\"\ntax = \"included\"\n{more}")).unwrap();
        assert_eq!(rules.check().unwrap_err().0, key, "{more}");
    }
    let yen: PriceRules = toml::from_str("currency = \"JPY\"\ntax = \"included\"\nending = \"0.99\"").unwrap();
    assert!(yen.check().is_err());
}

#[test]
fn what_an_older_poll_says_is_older_even_where_the_newer_one_said_nothing_new() {
    let quoted = |text: &str, poll| {
        PriceWrite::Quoted(Quoted { offer: offer(text), later: None, poll, afresh: false, daily: false })
    };
    let mut kept = None;
    assert!(quoted("10", 3).apply(&mut kept, at(0)));
    assert!(quoted("10", 5).apply(&mut kept, at(1)));
    assert!(!quoted("9", 4).apply(&mut kept, at(2)), "a conductor froze with this answer");
    assert!(quoted("9", 6).apply(&mut kept, at(3)));
    assert_eq!(kept.unwrap().offer, offer("9"));
}

#[test]
fn a_change_while_a_price_is_on_its_way_is_not_forgotten_and_waits_until_that_cannot_land() {
    let mut kept = Some(PriceTag::new(offer("10"), None, 1, at(0)));
    let sending = |kept: &Option<PriceTag>, second| {
        let rev = kept.as_ref().unwrap().rev;
        let telling = sent(price("10"), second);
        PriceWrite::Sending(Sending { telling, epoch: 1, rev, read: Some(in_shop(price("9"))), begun: at(second) })
    };
    assert!(sending(&kept, 0).apply(&mut kept, at(0)));
    let quoted = PriceWrite::Quoted(Quoted { offer: offer("11"), later: None, poll: 2, afresh: false, daily: false });
    assert!(quoted.apply(&mut kept, at(1)));
    assert_eq!(kept.as_ref().unwrap().due, Some(at(120)));
    assert!(!sending(&kept, 2).clone().apply(&mut kept, at(2)), "the earlier one may still land");
    let read = Some(in_shop(price("9")));
    assert!(!PriceWrite::Seen { epoch: 1, seen: 2, read: read.clone() }.apply(&mut kept, at(3)), "as above");
    let told = PriceWrite::Told { attempt: AttemptId::new("a1"), price: price("10"), seen: 1 };
    assert!(told.apply(&mut kept, at(4)));
    let tag = kept.clone().unwrap();
    assert_eq!((tag.said, tag.due, tag.telling), (Some(price("10")), Some(at(4)), None));
    assert!(!told.apply(&mut kept, at(5)), "an answer comes once");
}

#[test]
fn an_earlier_conductor_that_wakes_up_writes_nothing_over_a_later_one() {
    let mut kept = Some(PriceTag::new(offer("10"), None, 1, at(0)));
    let rev = kept.as_ref().unwrap().rev;
    let sending = |epoch, rev| {
        PriceWrite::Sending(Sending { telling: sent(price("10"), 0), epoch, rev, read: None, begun: at(0) })
    };
    let failed = |epoch, attempt: Option<&str>, certain| {
        PriceWrite::NotTold(NotTold {
            attempt: attempt.map(AttemptId::new),
            epoch,
            seen: 1,
            certain,
            due: Some(at(60)),
            read: None,
            note: "busy".to_owned(),
        })
    };
    assert!(failed(2, None, true).apply(&mut kept, at(0)));
    let now = kept.as_ref().unwrap().rev;
    assert!(!sending(2, rev).apply(&mut kept, at(0)), "it changed since");
    assert!(!sending(1, now).apply(&mut kept, at(0)), "a later conductor was here");
    assert!(!failed(1, None, true).apply(&mut kept, at(0)));
    assert!(!PriceWrite::Seen { epoch: 1, seen: 1, read: None }.apply(&mut kept, at(0)));
    assert!(sending(2, now).apply(&mut kept, at(0)));
    // Nobody knows what came of it: it is looked at when it cannot land any more, and the store is read first.
    assert!(failed(2, Some("a1"), false).apply(&mut kept, at(1)));
    let tag = kept.clone().unwrap();
    assert_eq!((tag.due, tag.check, tag.is_in_doubt()), (Some(at(120)), true, true));
    assert!(PriceWrite::Seen { epoch: 2, seen: 1, read: Some(in_shop(price("10"))) }.apply(&mut kept, at(120)));
    let tag = kept.unwrap();
    assert_eq!((tag.due, tag.attempts, tag.is_in_doubt()), (None, 0, false));
}

#[test]
fn what_waits_for_a_person_rests_until_the_erp_says_another_price_or_an_announced_one_begins() {
    let later = Later { from: at(3600), offer: offer("10") };
    let mut kept = Some(PriceTag::new(offer("0"), Some(later), 1, at(0)));
    let stop = |tag: &PriceTag| {
        PriceWrite::NotTold(NotTold {
            attempt: None,
            epoch: 1,
            seen: tag.dirt,
            certain: true,
            due: None,
            read: Some(in_shop(price("9"))),
            note: "a price of 0".to_owned(),
        })
    };
    assert!(stop(kept.as_ref().unwrap()).apply(&mut kept, at(1)));
    let tag = kept.clone().unwrap();
    assert_eq!((tag.due, tag.stopped, tag.said), (Some(at(3600)), true, Some(price("9"))));
    let same = |daily, poll| {
        PriceWrite::Quoted(Quoted { offer: tag.offer.clone(), later: tag.later.clone(), poll, afresh: false, daily })
    };
    assert!(same(true, 2).apply(&mut kept, at(2)));
    let tag = kept.clone().unwrap();
    assert_eq!((tag.due, tag.stopped), (Some(at(2)), true), "once a day it is looked at all the same");
    assert!(stop(&tag).apply(&mut kept, at(2)));
    assert_eq!(kept.as_ref().unwrap().due, Some(at(3600)));
    let quoted = PriceWrite::Quoted(Quoted { offer: offer("9.50"), later: None, poll: 3, afresh: false, daily: false });
    assert!(quoted.apply(&mut kept, at(3)));
    let tag = kept.clone().unwrap();
    assert_eq!((tag.due, tag.stopped), (Some(at(3)), false));
    assert!(stop(&tag).apply(&mut kept, at(4)));
    assert_eq!(kept.as_ref().unwrap().due, None);
}

#[test]
fn once_a_day_the_store_is_looked_at_whatever_the_erp_says() {
    let mut kept = Some(PriceTag::new(offer("10"), None, 1, at(0)));
    assert!(PriceWrite::Seen { epoch: 1, seen: 1, read: Some(in_shop(price("10"))) }.apply(&mut kept, at(1)));
    let quoted =
        |poll, daily| PriceWrite::Quoted(Quoted { offer: offer("10"), later: None, poll, afresh: false, daily });
    assert!(quoted(2, false).apply(&mut kept, at(2)));
    assert_eq!(kept.as_ref().unwrap().due, None);
    assert!(quoted(3, true).apply(&mut kept, at(3)));
    let tag = kept.unwrap();
    assert_eq!((tag.due, tag.is_in_doubt()), (Some(at(3)), true));
}
