use std::collections::BTreeSet;

use iso_currency::Currency;
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use super::{
    super::{document::Operation, ids::OrderKey, money::Amount, order::Payment},
    *,
};
use crate::{Error, Kind};

#[test]
fn words_of_old_records_are_a_text_and_codes_have_typed_arguments() {
    let old: Reason = serde_json::from_str("\"unknown article\"").unwrap();
    assert_eq!((&old, old.known()), (&Reason::Text("unknown article".to_owned()), None));
    assert_eq!(serde_json::to_string(&old).unwrap(), "\"unknown article\"");
    for (why, json) in [
        (Why::TestOrder, r#"{"code":"test_order"}"#),
        (Why::NotPaid { payment: Payment::Pending }, r#"{"code":"not_paid","arguments":{"payment":"pending"}}"#),
        (
            Why::GaveUp { attempts: 12, last: Some(Box::new(Why::Failed { words: "503".to_owned() }.into())) },
            r#"{"code":"gave_up","arguments":{"attempts":12,"last":{"code":"failed","arguments":{"words":"503"}}}}"#,
        ),
        (
            Why::Changed { facts: vec![Fact::Cancelled], document: Some("S7".to_owned()) },
            r#"{"code":"changed","arguments":{"facts":[{"kind":"cancelled"}],"document":"S7"}}"#,
        ),
    ] {
        assert!(json.starts_with(&format!(r#"{{"code":"{}""#, why.code())), "{json}");
        let reason = Reason::from(why);
        assert_eq!(serde_json::to_string(&reason).unwrap(), json);
        assert_eq!(serde_json::from_str::<Reason>(json).unwrap(), reason);
        assert!(!reason.words().is_empty());
    }
}

/// Each code once, its arguments filled.
#[allow(clippy::too_many_lines, reason = "a table")]
fn each() -> Vec<Why> {
    let amount = |text: &str| Amount::parse(text).unwrap();
    let (eur, words) = (Currency::EUR, || "words".to_owned());
    let refund = || Refunded::Amount { currency: eur, amount: amount("12.5"), taken_off: amount("-0.0000000001") };
    let key = OrderKey::new("shop".parse().unwrap(), "7".parse().unwrap());
    let facts = vec![
        Fact::Cancelled,
        Fact::Goods { changes: vec![words()] },
        Fact::Reopened,
        Fact::Refund { refund: refund() },
        Fact::Refund { refund: Refunded::Unstated { currency: eur } },
        Fact::Refund { refund: Refunded::Unexplained },
        Fact::Refund { refund: Refunded::TakenBack },
        Fact::PaymentLost,
        Fact::PaymentPending,
    ];
    let line = TaxedLine { sku: words(), store: amount("1"), erp: amount("2") };
    let differs = |how| Why::ErpDiffers {
        how: Box::new(how),
        currency: eur,
        difference: amount("-1"),
        limit: Some("0.05".to_owned()),
    };
    let refused =
        || Reason::from(Why::ErpRefused { request: None, status: None, said: Some("“no Núñez”".to_owned()) });
    vec![
        Why::TestOrder,
        Why::CancelledBefore,
        Why::PaymentLost,
        Why::PaymentExpired,
        Why::NotPaid { payment: Payment::Pending },
        Why::NotPaid { payment: Payment::InProcess },
        Why::StatusIgnored { status: words() },
        Why::StatusUnknown { status: words() },
        Why::RefundedBefore { refund: refund() },
        Why::NothingLeft,
        Why::RefundsUnexplained {
            currency: eur,
            sold: amount("1"),
            refunded: amount("2.30"),
            total: amount("0"),
            difference: amount("-1.3"),
        },
        Why::TotalsDiffer {
            currency: eur,
            lines: amount("1"),
            discounts: amount("0.1"),
            shipping: amount("2"),
            other: amount("3"),
            tax: amount("4"),
            total: amount("1000000000000000"),
            difference: amount("0.01"),
        },
        Why::Changed { facts: facts.clone(), document: Some(words()) },
        Why::Credited { document: words(), facts },
        Why::RefundGone { refund: words(), document: words() },
        Why::RefundUnclear { refund: words(), refunded: Refunded::Unstated { currency: eur } },
        Why::RefundTooLarge { currency: eur, refunded: amount("12.5"), sold: amount("2.30") },
        Why::RefundOfNoLine { refund: words(), line: words() },
        Why::RefundWithoutParts { refund: words(), currency: eur, amount: amount("12.5") },
        Why::SaleGone { document: words() },
        Why::Refused { words: words() },
        Why::Failed { words: words() },
        Why::Blamed { words: words() },
        Why::GaveUp { attempts: 12, last: Some(Box::new(Why::RefundedBefore { refund: refund() }.into())) },
        Why::GaveUp { attempts: 12, last: Some(Box::new(Reason::Text(words()))) },
        Why::NeverArrived { attempts: u32::MAX },
        Why::NeverAnswered { reference: key.sale(), operation: None },
        Why::NeverAnswered { reference: key.sale(), operation: Some(Operation::Cancel) },
        Why::NotLookedUp { reference: key.sale(), words: words(), operation: None },
        Why::NotLookedUp { reference: key.sale(), words: words(), operation: Some(Operation::Amend) },
        Why::RefusedInDoubt { operation: Operation::Credit, reference: key.credit("9") },
        Why::ForeignDocument { document: words() },
        Why::DraftStuck { document: words(), words: words() },
        Why::CannotDo { operation: Operation::Create },
        Why::TooLate { operation: Operation::Cancel, document: words(), because: words() },
        Why::ChangedByHand { document: words() },
        Why::StateMissing,
        Why::NoLines,
        Why::NoArticleCode { line: words(), key: words() },
        Why::NoQuantity { line: words() },
        Why::UnknownArticle { sku: words() },
        Why::FoundTwice { name: words() },
        Why::NotForSale { sku: words() },
        Why::QuantityTooFine { sku: words(), decimals: 0, quantity: amount("1.5") },
        Why::TooManyArticles { calls: 20, request: words() },
        Why::ProductNotSet { key: "gift_card".to_owned(), section: words() },
        Why::DifferenceProductNotSet {
            key: words(),
            section: String::new(),
            currency: eur,
            difference: amount("-0.01"),
        },
        Why::UnknownTax { tax: words(), rate: Some("0.21".to_owned()) },
        Why::TaxNotUsable { tax: words() },
        Why::TaxDiffers { currency: eur, store: amount("1"), erp: amount("2") },
        differs(Mismatch::Store { total: amount("1") }),
        differs(Mismatch::Total { store: amount("1"), erp: amount("2"), line: Some(line) }),
        Why::ErpDiffers {
            how: Box::new(Mismatch::Total { store: amount("1"), erp: amount("2"), line: None }),
            currency: eur,
            difference: amount("-1"),
            limit: None,
        },
        differs(Mismatch::Tax { store: amount("1"), erp: amount("2.0000000001") }),
        Why::MadeOtherwise { currency: None, store: amount("1"), erp: amount("2") },
        Why::MadeOtherwise { currency: Some(eur), store: amount("1"), erp: amount("2") },
        Why::NotExact { difference: amount("0.001") },
        Why::NoPlaceForRounding,
        Why::TaxesTooSmall,
        Why::UnknownCurrency { currency: eur },
        Why::CustomerAwaited { customer: words() },
        Why::CustomerDeactivated { customer: words() },
        Why::CustomerRefused { because: Box::new(refused()) },
        Why::CustomerRefused { because: Box::new(Why::UnknownCurrency { currency: eur }.into()) },
        Why::AddressRefused { because: Box::new(refused()) },
        Why::SaleCancelled { document: words(), state: words() },
        Why::NotTakenBack { document: words(), because: Box::new(refused()) },
        Why::NotTakenOn { step: words(), because: Box::new(Reason::Text(words())) },
        Why::NotTakenOn { step: words(), because: Box::new(refused()) },
        Why::ErpRefused { request: Some("create".to_owned()), status: Some(422), said: None },
        Why::NameRefused { because: Box::new(refused()) },
        Why::ErpWarns { said: words() },
        Why::ErpFailed,
        Why::CallTooLarge,
        Why::Template { words: words() },
        Why::BeforeItsTurn,
        Why::NotItsTurn,
        Why::Together,
        Why::NothingToSend,
        Why::StaysAsItIs,
        Why::Unreadable { words: words() },
        Why::ContentGone,
        Why::NoSuchOrder,
        Why::StoreSilent { order: key, words: words() },
        Why::StoreIsAsked,
        Why::StoreAsked { tries: 2, most: 3, words: words() },
        Why::StoreLimited { words: words() },
        Why::QuestionLost,
        Why::Bug,
    ]
}

/// A reason stands in heads and in timelines, read by serde's derived and by our own readers: none may lose its amounts.
#[test]
fn every_reason_is_read_as_it_was_stored() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        #[serde(deserialize_with = "known")]
        why: Option<Why>,
    }
    let mut codes = BTreeSet::new();
    for why in each() {
        codes.insert(why.code());
        let reason = Reason::from(why.clone());
        let text = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason, "{text}");
        let line = Line { why: Some(why) };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
    }
    assert_eq!(codes, Why::VARIANTS.iter().copied().collect(), "a code is missing above");
}

/// What is stored stays readable, and what people read is changed on purpose.
#[test]
fn codes_their_arguments_and_their_words_are_these() {
    let told = |why: &Why| format!("{}\n    {why}\n", serde_json::to_string(why).unwrap());
    insta::assert_snapshot!(each().iter().map(told).collect::<String>());
}

#[test]
fn a_code_travels_inside_of_an_error_and_its_words_are_the_errors() {
    let why = Why::UnknownArticle { sku: "MATE-01".to_owned() };
    let error = Error::from(why.clone());
    assert_eq!((error.kind(), error.to_string()), (Kind::Refused, why.words()));
    assert_eq!(Why::of(&error), Some(&why));
    assert_eq!(Why::of(&error.clone()), Some(&why));
    assert_eq!(Reason::of(&error), Reason::Known(why));
    // Words around it are more than the code says.
    let within = error.within("its customer");
    assert_eq!(
        within.to_string(),
        "its customer: the ERP has no article with the code \"MATE-01\": create it there, or name \
         another in orders.sku, then replay it"
    );
    assert_eq!(Why::of(&within), None);
    assert_eq!(Reason::of(&within), Reason::Text(within.to_string()));
}

#[test]
fn an_erps_words_are_hidden_wherever_a_reason_holds_them() {
    let hide = |text: &str| text.replace("Núñez", "(hidden)");
    let said = || "“no Núñez”".to_owned();
    let refused = || Box::new(Reason::from(Why::ErpRefused { request: None, status: None, said: Some(said()) }));
    for why in [
        Why::ErpRefused { request: None, status: Some(422), said: Some(said()) },
        Why::ErpWarns { said: said() },
        Why::Refused { words: said() },
        Why::CustomerRefused { because: refused() },
        Why::AddressRefused { because: refused() },
        Why::NotTakenBack { document: "7".to_owned(), because: refused() },
        Why::NotTakenOn { step: "quote".to_owned(), because: Box::new(Reason::Text(said())) },
        Why::NameRefused { because: refused() },
    ] {
        assert!(why.words().contains("Núñez"), "{why}");
        let error = Error::from(why.clone()).hiding(hide);
        assert_eq!(error.to_string(), hide(&why.words()));
        assert_eq!(Why::of(&error).map(Why::code), Some(why.code()));
        assert!(!serde_json::to_string(Why::of(&error).unwrap()).unwrap().contains("Núñez"));
        // Two that said different things are not alike because the difference was hidden.
        assert!(!error.is_alike(&Error::from(Why::of(&error).unwrap().clone())));
    }
}

/// Arguments that quote somebody where nobody thought of it.
#[test]
fn words_that_no_argument_hides_are_hidden_without_the_code() {
    let hide = |text: &str| text.replace("Núñez", "(hidden)");
    let said = || "“no Núñez”".to_owned();
    for why in [
        Why::Template { words: said() },
        Why::Blamed { words: said() },
        Why::DraftStuck { document: "S7".to_owned(), words: said() },
    ] {
        let error = Error::from(why.clone()).hiding(hide);
        assert_eq!((error.to_string(), Why::of(&error)), (hide(&why.words()), None));
        assert!(!format!("{error:?}").contains("Núñez"));
    }
}

#[test]
fn what_an_erp_refuses_is_said_once() {
    let refused = |request: Option<&str>| {
        let (request, said) = (request.map(str::to_owned), Some("“no credit”".to_owned()));
        Box::new(Reason::from(Why::ErpRefused { request, status: None, said }))
    };
    let stuck = Why::NotTakenOn { step: "quote".to_owned(), because: refused(None) };
    assert_eq!(stuck.words(), "its document is in the ERP, which refuses to quote it: “no credit”");
    let customer = Why::CustomerRefused { because: refused(Some("create_customer")) };
    assert!(customer.words().ends_with(": the ERP refused create_customer: “no credit”"), "{customer}");
}
