//! Why an order waits or stops: a code and its arguments, which are stored; the words are made where they are shown.
//!
//! Invariant: codes and arguments are stored, so none is renamed or loses a member. New ones may come.

use std::fmt;

use iso_currency::Currency;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

use super::{
    changes::listed,
    document::Operation,
    ids::{OrderKey, Reference},
    money::{self, Amount},
    order::Payment,
};

/// Why an order waits or stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reason {
    /// Known by its code.
    Known(Why),
    /// In words only, as records of schema 1 have it.
    Text(String),
}

/// The reasons that have a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "arguments", rename_all = "snake_case")]
pub enum Why {
    // ---- what the rules say
    /// A test order.
    TestOrder,
    /// Cancelled before it reached the ERP.
    CancelledBefore,
    /// Its payment failed, was given up or was given back before it reached the ERP.
    PaymentLost,
    /// Not paid yet.
    NotPaid {
        /// How its payment stands.
        payment: Payment,
    },
    /// Its status in the store is one to ignore.
    StatusIgnored {
        /// The store's word.
        status: String,
    },
    /// Nobody says what its status in the store means; empty: the store does not say whether it was paid.
    StatusUnknown {
        /// The store's word.
        status: String,
    },
    /// Refunded before it reached the ERP.
    RefundedBefore {
        /// How much.
        refund: Refunded,
    },
    /// It has no lines.
    NothingLeft,
    /// What was refunded does not explain what it comes to.
    RefundsUnexplained {
        /// Of all amounts.
        currency: Currency,
        /// What was sold.
        #[serde(deserialize_with = "money::text")]
        sold: Amount,
        /// What was given back.
        #[serde(deserialize_with = "money::text")]
        refunded: Amount,
        /// What the store says that is left.
        #[serde(deserialize_with = "money::text")]
        total: Amount,
        /// By how much that is more.
        #[serde(deserialize_with = "money::text")]
        difference: Amount,
    },
    /// Its parts do not add up to its total.
    TotalsDiffer {
        /// Of all amounts.
        currency: Currency,
        /// The lines.
        #[serde(deserialize_with = "money::text")]
        lines: Amount,
        /// The discounts.
        #[serde(deserialize_with = "money::text")]
        discounts: Amount,
        /// Shipping.
        #[serde(deserialize_with = "money::text")]
        shipping: Amount,
        /// Other charges.
        #[serde(deserialize_with = "money::text")]
        other: Amount,
        /// Tax that is not in the prices.
        #[serde(deserialize_with = "money::text")]
        tax: Amount,
        /// The store's total.
        #[serde(deserialize_with = "money::text")]
        total: Amount,
        /// By how much that is higher.
        #[serde(deserialize_with = "money::text")]
        difference: Amount,
    },
    /// It changed after it reached the ERP.
    Changed {
        /// How.
        facts: Vec<Fact>,
        /// The sale in the ERP, where its name is known.
        document: Option<String>,
    },

    // ---- what the ERP says, or does not
    /// The ERP, or what a connector knows of it, refused it for good.
    Refused {
        /// Its words.
        words: String,
    },
    /// It failed, and is tried again.
    Failed {
        /// What failed.
        words: String,
    },
    /// The ERP refuses what carries it, and passes what carries others.
    Blamed {
        /// Its words.
        words: String,
    },
    /// Its attempts ran out.
    GaveUp {
        /// How many there were.
        attempts: u32,
        /// Why the last one failed, where that is known.
        last: Option<Box<Reason>>,
    },
    /// Its attempts ran out, and none arrived.
    NeverArrived {
        /// How many there were.
        attempts: u32,
    },
    /// The ERP never answered, and cannot be asked.
    NeverAnswered {
        /// What to look for.
        reference: Reference,
    },
    /// The ERP refuses to say whether it has it.
    NotLookedUp {
        /// What to look for.
        reference: Reference,
        /// Its words.
        words: String,
    },
    /// A sale in the ERP has its reference and no version of ours.
    ForeignDocument {
        /// Which.
        document: String,
    },
    /// Its sale is in the ERP as a draft.
    DraftStuck {
        /// Which.
        document: String,
        /// Why it does not go on.
        words: String,
    },
    /// The ERP cannot do what is to be done there, as it is configured.
    CannotDo {
        /// What that is.
        operation: Operation,
    },
    /// The ERP holds a state of it that is not on record.
    StateMissing,

    // ---- its turn
    /// The departure ended before its turn.
    BeforeItsTurn,
    /// The time of its step was over before its turn.
    NotItsTurn,
    /// It was refused in company, and not tried alone.
    Together,
    /// Its state needs no step.
    NothingToSend,
    /// The sale stays as it is.
    StaysAsItIs,

    // ---- what the store says, or does not
    /// What is on record cannot be read as an order.
    Unreadable {
        /// Which field, and what to do.
        words: String,
    },
    /// What was sent cannot be read any more.
    ContentGone,
    /// The store has no such order.
    NoSuchOrder,
    /// The store was asked, and did not answer.
    StoreSilent {
        /// For which order.
        order: OrderKey,
        /// What it said instead.
        words: String,
    },
    /// The store is being asked.
    StoreIsAsked,
    /// The store is asked again.
    StoreAsked {
        /// How often it was.
        tries: u32,
        /// How often it is at most.
        most: u32,
        /// What it said.
        words: String,
    },
    /// The question to the store was lost.
    QuestionLost,

    // ---- us
    /// Our own code failed.
    Bug,
}

/// What was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refunded {
    /// So much.
    Amount {
        /// Of the amounts.
        currency: Currency,
        /// What was paid back.
        #[serde(deserialize_with = "money::text")]
        amount: Amount,
        /// What of the sale it takes off.
        #[serde(deserialize_with = "money::text")]
        taken_off: Amount,
    },
    /// An amount that the store does not state in the order's currency.
    Unstated {
        /// That currency.
        currency: Currency,
    },
    /// An amount that no refund states.
    Unexplained,
    /// A refund is no more.
    TakenBack,
}

/// What changed of an order that is in the ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// It was cancelled.
    Cancelled,
    /// It sold something else.
    Goods {
        /// What differs, see [`super::changes::changes`].
        changes: Vec<String>,
    },
    /// It is open again.
    Reopened,
    /// Something was given back.
    Refund {
        /// How much.
        refund: Refunded,
    },
    /// Its payment is lost.
    PaymentLost,
    /// Its payment is waited for again.
    PaymentPending,
}

impl Reason {
    /// For people, in English: what happened and what to do.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Known(why) => why.words(),
            Self::Text(words) => words.clone(),
        }
    }

    /// The reason, where it has a code: what lists can be grouped by.
    #[must_use]
    pub fn known(&self) -> Option<&Why> {
        match self {
            Self::Known(why) => Some(why),
            Self::Text(_) => None,
        }
    }
}

/// Reads a reason beside which the words stand: one that a later release knows is none.
pub(super) fn known<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Why>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Known(Why),
        Unknown(IgnoredAny),
    }
    Ok(match Option::<Told>::deserialize(reader)? {
        Some(Told::Known(why)) => Some(why),
        Some(Told::Unknown(_)) | None => None,
    })
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        Self::Known(why)
    }
}

impl From<&str> for Reason {
    fn from(words: &str) -> Self {
        Self::Text(words.to_owned())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl Why {
    /// The code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TestOrder => "test_order",
            Self::CancelledBefore => "cancelled_before",
            Self::PaymentLost => "payment_lost",
            Self::NotPaid { .. } => "not_paid",
            Self::StatusIgnored { .. } => "status_ignored",
            Self::StatusUnknown { .. } => "status_unknown",
            Self::RefundedBefore { .. } => "refunded_before",
            Self::NothingLeft => "nothing_left",
            Self::RefundsUnexplained { .. } => "refunds_unexplained",
            Self::TotalsDiffer { .. } => "totals_differ",
            Self::Changed { .. } => "changed",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Blamed { .. } => "blamed",
            Self::GaveUp { .. } => "gave_up",
            Self::NeverArrived { .. } => "never_arrived",
            Self::NeverAnswered { .. } => "never_answered",
            Self::NotLookedUp { .. } => "not_looked_up",
            Self::ForeignDocument { .. } => "foreign_document",
            Self::DraftStuck { .. } => "draft_stuck",
            Self::CannotDo { .. } => "cannot_do",
            Self::StateMissing => "state_missing",
            Self::BeforeItsTurn => "before_its_turn",
            Self::NotItsTurn => "not_its_turn",
            Self::Together => "together",
            Self::NothingToSend => "nothing_to_send",
            Self::StaysAsItIs => "stays_as_it_is",
            Self::Unreadable { .. } => "unreadable",
            Self::ContentGone => "content_gone",
            Self::NoSuchOrder => "no_such_order",
            Self::StoreSilent { .. } => "store_silent",
            Self::StoreIsAsked => "store_is_asked",
            Self::StoreAsked { .. } => "store_asked",
            Self::QuestionLost => "question_lost",
            Self::Bug => "bug",
        }
    }

    /// The arguments, where the code has any, as they are stored.
    #[must_use]
    pub fn arguments(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self).ok()?.get_mut("arguments").map(serde_json::Value::take)
    }

    /// For people, in English.
    #[must_use]
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub fn words(&self) -> String {
        match self {
            Self::TestOrder => "a test order (set test_orders = true to send them to the ERP)".to_owned(),
            Self::CancelledBefore => "cancelled before it reached the ERP".to_owned(),
            Self::PaymentLost => {
                "its payment failed, was given up or was given back before it reached the ERP".to_owned()
            }
            Self::NotPaid { .. } => {
                "not paid yet: it goes to the ERP once the store says so (create_when = \"paid\")".to_owned()
            }
            Self::StatusIgnored { status } => {
                format!("its status in the store is {}, which orders.statuses says to ignore", shown(status))
            }
            Self::StatusUnknown { status } if status.is_empty() => {
                "the store does not say whether it was paid: look at it there, then replay it".to_owned()
            }
            Self::StatusUnknown { status } => {
                let status = shown(status);
                format!(
                    "its status in the store is {status}, which the shop or an extension defined: say what it means in the \
                     connection's orders, such as orders.statuses = {{ {status} = \"paid\" }} (or \"ignore\", \"partially_paid\", \
                     \"cancelled\" ...), then replay it"
                )
            }
            Self::RefundedBefore { refund } => format!(
                "{} before it reached the ERP: create the sale and its credit note there by hand",
                refund.words()
            ),
            Self::NothingLeft => {
                "nothing is left in it: look at it in the store, and cancel it there if it is void".to_owned()
            }
            Self::RefundsUnexplained { currency, sold, refunded, total, difference } => format!(
                "its refunds do not explain its total: {} were sold and {} refunded, and the store says that it comes to {} now, \
                 {} {}. Look at its edits and refunds in the store; when they are right, save the order there, or create the sale \
                 in the ERP by hand",
                sold.in_currency(*currency),
                refunded.in_currency(*currency),
                total.in_currency(*currency),
                difference.abs().in_currency(*currency),
                if *difference > Amount::ZERO { "more" } else { "less" },
            ),
            Self::TotalsDiffer { currency, lines, discounts, shipping, other, tax, total, difference } => format!(
                "the totals do not match: lines {lines} - discounts {discounts} + shipping {shipping} + other {other} + tax {tax} \
                 make {}, and the store's total is {}: {} {}. Fix the order in the store, or allow the difference with \
                 total_mismatch = \"adjust\" and adjust_limit, then replay it",
                *total - *difference,
                total.in_currency(*currency),
                difference.abs().in_currency(*currency),
                if *difference > Amount::ZERO { "higher" } else { "lower" },
            ),
            Self::Changed { facts, document } => {
                let (facts, deeds): (Vec<String>, Vec<&str>) = facts.iter().map(Fact::words).unzip();
                let document = document.as_ref().map_or_else(|| "the sale".to_owned(), |name| format!("sale {name}"));
                format!("{} after it reached the ERP: {} {document} there by hand", listed(&facts), listed(&deeds))
            }
            Self::Refused { words } | Self::Failed { words } | Self::Unreadable { words } => words.clone(),
            Self::Blamed { words } => format!(
                "{words}; calls with other orders pass. A firewall or filter in front of the ERP may object to something in this one, \
                 such as markup in a name, a title or a note: change it in the store, or have the filter let our calls pass, then \
                 replay it"
            ),
            Self::GaveUp { attempts, last } => {
                let last = last.as_ref().map_or_else(|| "its outcome was never known".to_owned(), |last| last.words());
                format!("gave up after {attempts} attempts; the last: {last}")
            }
            Self::NeverArrived { attempts } => {
                format!("gave up after {attempts} attempts, none of which arrived in the ERP in time")
            }
            Self::NeverAnswered { reference } => format!(
                "the ERP never answered and cannot be asked by reference: look for {reference} there. If it is missing, replay the \
                 order"
            ),
            Self::NotLookedUp { reference, words } => format!(
                "the ERP does not answer whether it has {reference}, and answers for others ({words}): look for it there. If it is \
                 missing, have whatever refuses that look-up let it pass, then replay the order"
            ),
            Self::ForeignDocument { document } => format!(
                "sale {document} in the ERP has this order's reference but not our version: compare the two by hand"
            ),
            Self::DraftStuck { document, words } => {
                format!("sale {document} is in the ERP as a draft, which will not go on: {words}")
            }
            Self::CannotDo { operation } => format!(
                "this ERP cannot {} as it is configured: change its section and replay the order, or do it there by hand",
                operation.words()
            ),
            Self::StateMissing => {
                "the ERP holds a state of it that is not on record (was a backup restored?): compare the sale there with the store \
                 by hand"
                    .to_owned()
            }
            Self::BeforeItsTurn => "the departure ended before its turn".to_owned(),
            Self::NotItsTurn => "it was not its turn in time".to_owned(),
            Self::Together => "refused together with others".to_owned(),
            Self::NothingToSend => "nothing to send".to_owned(),
            Self::StaysAsItIs => "nothing to send: the sale stays as it is".to_owned(),
            Self::ContentGone => "its content cannot be read: send it again from the store".to_owned(),
            Self::NoSuchOrder => {
                "the store has no such order: it was deleted before it could be read".to_owned()
            }
            Self::StoreSilent { order, words } => format!(
                "the store could not be asked for order {order}: {words}. Look at the order in the store; when the store's address, \
                 its `token` and the token's rights are in order (`puente check` asks), replay it"
            ),
            Self::StoreIsAsked => "the store is being asked for its content".to_owned(),
            Self::StoreAsked { tries, most, words } => {
                format!("asked {tries} of {most} times, the last answer: {words}")
            }
            Self::QuestionLost => "the question to the store was lost: it is asked again".to_owned(),
            Self::Bug => "planning it failed in our own code: please report it, then replay it".to_owned(),
        }
    }
}

impl Refunded {
    fn words(&self) -> String {
        match self {
            Self::Amount { currency, amount, taken_off } if amount == taken_off => {
                format!("{} were refunded", amount.in_currency(*currency))
            }
            Self::Amount { currency, amount, taken_off } => format!(
                "{} were refunded ({} of what was sold came back)",
                amount.in_currency(*currency),
                taken_off.in_currency(*currency)
            ),
            Self::Unstated { currency } => {
                format!("an amount that the store does not state in {} was refunded", currency.code())
            }
            Self::Unexplained => "it was refunded, and no refund in the store says how much".to_owned(),
            Self::TakenBack => "a refund of it was taken back".to_owned(),
        }
    }
}

impl Fact {
    /// What happened, and what is to be done in the ERP.
    fn words(&self) -> (String, &'static str) {
        match self {
            Self::Cancelled => ("it was cancelled in the store".to_owned(), "cancel"),
            Self::Goods { changes } => (format!("{} changed", listed(changes)), "change"),
            Self::Reopened => ("it was opened again".to_owned(), "open"),
            Self::Refund { refund } => (refund.words(), "credit"),
            Self::PaymentLost => (
                "its payment failed, was given up or was charged back".to_owned(),
                "look at its payment in the store, then cancel or credit",
            ),
            Self::PaymentPending => (
                "it was paid, and the store waits for its payment again".to_owned(),
                "look at its payment in the store, then cancel or leave",
            ),
        }
    }
}

/// A status as a key of the configuration. It is the sender's text: no control character of it is shown, and not much of it.
fn shown(word: &str) -> String {
    let shown: String = word.chars().take(60).collect();
    format!("\"{}\"", shown.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        vec![
            Why::TestOrder,
            Why::CancelledBefore,
            Why::PaymentLost,
            Why::NotPaid { payment: Payment::Pending },
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
            Why::Changed { facts, document: Some(words()) },
            Why::Refused { words: words() },
            Why::Failed { words: words() },
            Why::Blamed { words: words() },
            Why::GaveUp { attempts: 12, last: Some(Box::new(Why::RefundedBefore { refund: refund() }.into())) },
            Why::GaveUp { attempts: 12, last: Some(Box::new(Reason::Text(words()))) },
            Why::NeverArrived { attempts: u32::MAX },
            Why::NeverAnswered { reference: key.sale() },
            Why::NotLookedUp { reference: key.sale(), words: words() },
            Why::ForeignDocument { document: words() },
            Why::DraftStuck { document: words(), words: words() },
            Why::CannotDo { operation: Operation::Create },
            Why::StateMissing,
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
        let mut codes = std::collections::BTreeSet::new();
        for why in each() {
            codes.insert(why.code());
            let reason = Reason::from(why.clone());
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason, "{text}");
            let line = Line { why: Some(why) };
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
        assert_eq!(codes.len(), 35, "a new code is missing above: {codes:?}");
    }
}
