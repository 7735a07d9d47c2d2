//! The codes and their arguments, as they are stored.

use iso_currency::Currency;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use strum::{IntoStaticStr, VariantNames};

use super::{
    super::{
        document::Operation,
        ids::{OrderKey, Reference},
        money::{self, Amount},
        order::Payment,
    },
    arguments::{Fact, Mismatch, Refunded},
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "code", content = "arguments", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Why {
    // ---- what the rules say
    /// A test order.
    TestOrder,
    /// Cancelled before it reached the ERP.
    CancelledBefore,
    /// Its payment failed, was given up or was given back before it reached the ERP.
    PaymentLost,
    /// Its payment never came, and the time for it is over.
    PaymentExpired,
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
    /// It changed after it reached the ERP, and that is a person's to book.
    Changed {
        /// How.
        facts: Vec<Fact>,
        /// The sale in the ERP, where its name is known.
        document: Option<String>,
    },
    /// It was cancelled or changed, and a credit note of its sale is booked: what is left of the sale is a person's.
    Credited {
        /// The sale in the ERP.
        document: String,
        /// What happened to the order.
        facts: Vec<Fact>,
    },
    /// A refund that is credited is no more in the store, or is another one by now.
    RefundGone {
        /// The store's id of it.
        refund: String,
        /// The credit note in the ERP.
        document: String,
    },
    /// Nobody says how much was given back in the order's currency.
    RefundUnclear {
        /// The store's id of the refund.
        refund: String,
        /// What is known.
        refunded: Refunded,
    },
    /// More was given back than was sold.
    RefundTooLarge {
        /// Of both amounts.
        currency: Currency,
        /// All refunds together.
        #[serde(deserialize_with = "money::text")]
        refunded: Amount,
        /// What was sold.
        #[serde(deserialize_with = "money::text")]
        sold: Amount,
    },
    /// A refund is about a line that the order does not have.
    RefundOfNoLine {
        /// The store's id of the refund.
        refund: String,
        /// The store's id of the line.
        line: String,
    },
    /// A part of the price was given back, nobody says of what, and the parts of the order are taxed differently.
    RefundWithoutParts {
        /// The store's id of the refund.
        refund: String,
        /// Of the amount.
        currency: Currency,
        /// How much.
        #[serde(deserialize_with = "money::text")]
        amount: Amount,
    },
    /// The sale that is on record is not in the ERP any more.
    SaleGone {
        /// Its name on record.
        document: String,
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
        /// What was to be done; not said by earlier releases, which created only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<Operation>,
    },
    /// The ERP refuses to say whether it has it.
    NotLookedUp {
        /// What to look for.
        reference: Reference,
        /// Its words.
        words: String,
        /// What was to be done; not said by earlier releases, which created only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<Operation>,
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

    // ---- why a connector or its ERP refuses it
    /// It sells nothing.
    NoLines,
    /// A line has no article code.
    NoArticleCode {
        /// Which, as the store numbers it.
        line: String,
        /// The key in the ERP's `products` that could name one for such lines.
        key: String,
    },
    /// A line costs something and has no quantity.
    NoQuantity {
        /// Which, as the store numbers it.
        line: String,
    },
    /// The ERP has no such article.
    UnknownArticle {
        /// Its code.
        sku: String,
    },
    /// The ERP has several entries of one code.
    FoundTwice {
        /// The code.
        name: String,
    },
    /// The ERP's article is not for sale.
    NotForSale {
        /// Its code.
        sku: String,
    },
    /// The ERP counts the article in coarser steps.
    QuantityTooFine {
        /// Its code.
        sku: String,
        /// The decimals the ERP allows.
        decimals: u32,
        /// What was ordered.
        #[serde(deserialize_with = "money::text")]
        quantity: Amount,
    },
    /// Too many articles to look up in one go.
    TooManyArticles {
        /// The most calls that are spent on it.
        calls: usize,
        /// The request of the ERP's section that looks them up.
        request: String,
    },
    /// The configuration names no product for a charge, a discount or a line.
    ProductNotSet {
        /// The missing key in `products`.
        key: String,
        /// The section it belongs to, empty if unknown.
        section: String,
    },
    /// The configuration names no product for a difference between two totals.
    DifferenceProductNotSet {
        /// The missing key in `products`.
        key: String,
        /// The section it belongs to, empty if unknown.
        section: String,
        /// Of the difference.
        currency: Currency,
        /// The store's total less the ERP's.
        #[serde(deserialize_with = "money::text")]
        difference: Amount,
    },
    /// The configuration names no tax of the ERP for one of the store's.
    UnknownTax {
        /// The store's name of it.
        tax: String,
        /// The store's rate, as a fraction.
        rate: Option<String>,
    },
    /// The ERP has no tax of that name that can be used.
    TaxNotUsable {
        /// The name in the configuration.
        tax: String,
    },
    /// Where prices contain their tax: the ERP computes another tax than the store states.
    TaxDiffers {
        /// Of both.
        currency: Currency,
        /// The store's.
        #[serde(deserialize_with = "money::text")]
        store: Amount,
        /// The ERP's.
        #[serde(deserialize_with = "money::text")]
        erp: Amount,
    },
    /// The ERP would come to another total, by more than rounding explains.
    ErpDiffers {
        /// What differs.
        how: Box<Mismatch>,
        /// Of all amounts.
        currency: Currency,
        /// The store's total less the ERP's.
        #[serde(deserialize_with = "money::text")]
        difference: Amount,
        /// The `adjust_limit` it is beyond, where one is in force.
        limit: Option<String>,
    },
    /// The ERP came to another total once the sale was made, and the sale was taken back.
    MadeOtherwise {
        /// Of both, where the ERP says it.
        currency: Option<Currency>,
        /// The store's total.
        #[serde(deserialize_with = "money::text")]
        store: Amount,
        /// The ERP's.
        #[serde(deserialize_with = "money::text")]
        erp: Amount,
    },
    /// No line can carry the difference between both totals exactly.
    NotExact {
        /// The difference.
        #[serde(deserialize_with = "money::text")]
        difference: Amount,
    },
    /// The template of the document has no place for a rounding line.
    NoPlaceForRounding,
    /// Two taxes that round to nothing, which the ERP cannot compute.
    TaxesTooSmall,
    /// The ERP does not know the currency.
    UnknownCurrency {
        /// Which.
        currency: Currency,
    },
    /// Its customer is being created for another order, which was not answered: only a look-up tells, and not yet.
    CustomerAwaited {
        /// Their reference.
        customer: String,
    },
    /// Its customer is deactivated in the ERP.
    CustomerDeactivated {
        /// Our reference of the customer.
        customer: String,
    },
    /// The ERP refuses the customer.
    CustomerRefused {
        /// Why.
        because: Box<Reason>,
    },
    /// The ERP refuses an address of the customer.
    AddressRefused {
        /// Why.
        because: Box<Reason>,
    },
    /// Its sale went too far in the ERP for what is to be done with it: shipped, invoiced, in a closed period.
    TooLate {
        /// What was to be done.
        operation: Operation,
        /// The sale's number or id.
        document: String,
        /// How the sale stands there, or what the ERP says.
        because: String,
    },
    /// Its sale was changed by hand in the ERP.
    ChangedByHand {
        /// The sale's number or id.
        document: String,
    },
    /// Its sale was cancelled in the ERP.
    SaleCancelled {
        /// The sale's number or id.
        document: String,
        /// The ERP's word for its state.
        state: String,
    },
    /// The sale that was just made could not be deleted again.
    NotTakenBack {
        /// Its id.
        document: String,
        /// Why it was to be.
        because: Box<Reason>,
    },
    /// The sale is in the ERP, which refuses the next step to its configured state.
    NotTakenOn {
        /// The ERP's name of the step.
        step: String,
        /// Why.
        because: Box<Reason>,
    },
    /// The ERP refused the call.
    ErpRefused {
        /// The request, by its key in the ERP's section.
        request: Option<String>,
        /// The HTTP status, unless it says success.
        status: Option<u16>,
        /// The ERP's own words, quoted.
        said: Option<String>,
    },
    /// The ERP refuses calls that name something of this order, and passes others.
    NameRefused {
        /// What it answers.
        because: Box<Reason>,
    },
    /// The ERP warns, and waits for a person to confirm.
    ErpWarns {
        /// The ERP's own words, quoted.
        said: String,
    },
    /// The ERP failed in its own code, and says for certain that nothing happened.
    ErpFailed,
    /// The ERP takes no call of that size.
    CallTooLarge,
    /// A template of the ERP's section cannot be rendered with this order.
    Template {
        /// Which, where, and what is wrong; no value of the order.
        words: String,
    },

    // ---- its turn
    /// The departure ended before its turn.
    BeforeItsTurn,
    /// The time of its step was over before its turn.
    NotItsTurn,
    /// It was refused in company, and not tried alone.
    Together,
    /// What the ERP refused was in doubt before, and is not wanted any more: only a person can let it go.
    RefusedInDoubt {
        /// What was to be done.
        operation: Operation,
        /// What to look for.
        reference: Reference,
    },
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
    /// The store is asked later: a limit, ours or its own, has no call for it now.
    StoreLimited {
        /// Which, and until when.
        words: String,
    },
    /// The question to the store was lost.
    QuestionLost,

    // ---- us
    /// Our own code failed.
    Bug,
}

impl Reason {
    /// The reason, where it has a code: what lists can be grouped by.
    #[must_use]
    pub fn known(&self) -> Option<&Why> {
        match self {
            Self::Known(why) => Some(why),
            Self::Text(_) => None,
        }
    }
}

impl Why {
    /// The code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// The arguments, where the code has any, as they are stored.
    #[must_use]
    pub fn arguments(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self).ok()?.get_mut("arguments").map(serde_json::Value::take)
    }
}

/// Reads a reason beside which the words stand: one that a later release knows is none.
pub(crate) fn known<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Why>, D::Error> {
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

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::Text(words)
    }
}
