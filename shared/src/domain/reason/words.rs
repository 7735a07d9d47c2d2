//! The words of each code, in English. The only place that makes them.

use std::fmt;

use iso_currency::Currency;

use super::{
    super::{changes::listed, document::Operation, money::Amount, order::Payment},
    Fact, Mismatch, Reason, Refunded, Why,
};

impl Reason {
    /// For people, in English: what happened and what to do.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Known(why) => why.words(),
            Self::Text(words) => words.clone(),
        }
    }

    /// What follows who refused: of an ERP's refusal that holds its words alone, those. Said once, not twice.
    #[must_use]
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Known(Why::ErpRefused { request: None, status: None, said: Some(said) }) => said.clone(),
            _ => self.words(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl Why {
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
            Self::PaymentExpired => {
                "its payment expired before it came, so nothing was sent: should the buyer pay after all, it goes to the ERP once \
                 the store says so"
                    .to_owned()
            }
            Self::NotPaid { payment: Payment::InProcess } => {
                "its payment is on its way (a transfer, a voucher): it goes to the ERP once the store says that it came \
                 (create_when = \"paid\")"
                    .to_owned()
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
                format!("{} after it reached the ERP: {} {document} there by hand, then have that noted (puente \
                     orders adopt)", listed(&facts), listed(&deeds))
            }
            Self::Credited { document, facts } => {
                let facts: Vec<String> = facts.iter().map(|fact| fact.words().0).collect();
                format!(
                    "{} after a credit note of sale {document} was booked: undoing the sale as well would give the money back twice. \
                     Book by hand what is left of it, then have that noted (puente orders adopt)",
                    listed(&facts)
                )
            }
            Self::RefundGone { refund, document } => format!(
                "credit note {document} is booked for refund {refund}, which the store does not have any more, or not as it was: \
                 compare the two, and correct the credit note in the ERP by hand"
            ),
            Self::RefundUnclear { refund, refunded } => {
                format!("refund {refund}: {}: book its credit note in the ERP by hand", refunded.words())
            }
            Self::RefundTooLarge { currency, refunded, sold } => format!(
                "its refunds come to {}, and {} were sold: look at its refunds in the store, and book by hand what is right",
                refunded.in_currency(*currency),
                sold.in_currency(*currency)
            ),
            Self::RefundOfNoLine { refund, line } => format!(
                "refund {refund} is about line {line}, which the order does not have: book its credit note in the ERP by hand"
            ),
            Self::RefundWithoutParts { refund, currency, amount } => format!(
                "refund {refund} gives {} back, the store does not say of what, and the parts of the order are taxed differently: \
                 book its credit note in the ERP by hand",
                amount.in_currency(*currency)
            ),
            Self::SaleGone { document } => format!(
                "sale {document} is on record and not in the ERP any more: restore it there, or book by hand what the store says now"
            ),
            Self::Refused { words } | Self::Failed { words } | Self::Unreadable { words } | Self::Template { words } => {
                words.clone()
            }
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
            Self::NeverAnswered { reference, operation } => {
                let (look, missing) = to_look_for(*operation);
                format!(
                    "the ERP never answered and cannot be asked by reference: look {look} {reference} there. If it is {missing}, \
                     replay the order"
                )
            }
            Self::NotLookedUp { reference, words, operation } => {
                let (look, missing) = to_look_for(*operation);
                format!(
                    "the ERP does not answer whether it has {reference}, and answers for others ({words}): look {look} it there. If \
                     it is {missing}, have whatever refuses that look-up let it pass, then replay the order"
                )
            }
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
            Self::NoLines => "it has no lines: look at it in the store, and cancel it there if it is void".to_owned(),
            Self::NoArticleCode { line, key } => {
                format!("line {line} has no article code: set `products.{key}` to a product for such lines, then replay it")
            }
            Self::NoQuantity { line } => format!(
                "line {line} costs something without a quantity: correct the order in the store, or create the sale by hand"
            ),
            Self::UnknownArticle { sku } => format!(
                "the ERP has no article with the code {sku:?}: create it there, or name another in orders.sku, then replay it"
            ),
            Self::FoundTwice { name } => {
                format!("the ERP has more than one entry with the code {name:?}: keep one of them, then replay it")
            }
            Self::NotForSale { sku } => {
                format!("the article {sku} is not marked as salable in the ERP: mark it, then replay it")
            }
            Self::QuantityTooFine { sku, decimals, quantity } => format!(
                "the ERP sells {sku} with {decimals} decimals and the order has a quantity of {quantity}: change the product's \
                 unit, then replay it"
            ),
            Self::TooManyArticles { calls, request } => format!(
                "it names so many articles that the ERP does not know by now that looking them up would take more than {calls} \
                 calls: let {request}.at_most ask for more at a time, then replay it"
            ),
            Self::ProductNotSet { key, section } => unset(key, &format!("a {} line", key.replace('_', " ")), section),
            Self::DifferenceProductNotSet { key, section, currency, difference } => {
                let difference = difference.in_currency(*currency);
                let what = format!("{difference} of {key} between the store's total and the ERP's");
                unset(key, &what, section)
            }
            Self::UnknownTax { tax, rate } => {
                let rate = rate.as_ref().map_or_else(|| "without a rate".to_owned(), |rate| format!("at a rate of {rate}"));
                format!(
                    "the store's tax \"{tax}\" {rate} has no tax of the ERP to stand for it: name one under `taxes`, by that \
                     name or rate, then replay it"
                )
            }
            Self::TaxNotUsable { tax } => format!(
                "the ERP has no plain percentage tax \"{tax}\" for this company (taxes with children or a fixed amount are not \
                 supported): correct `taxes`, then replay it"
            ),
            Self::TaxDiffers { currency, store, erp } => format!(
                "the store states a tax of {} and the ERP would compute {}: check which of its taxes stand for the store's \
                 (`taxes`), then replay it",
                store.in_currency(*currency),
                erp.in_currency(*currency)
            ),
            Self::ErpDiffers { how, currency, difference, limit } => {
                let beyond = limit.as_ref().map(|limit| format!(" and more than `adjust_limit` ({limit})"));
                let allow = match limit {
                    Some(_) => "raise adjust_limit",
                    None => "allow the difference with total_mismatch = \"adjust\" and adjust_limit",
                };
                format!(
                    "{}: {}, more than rounding explains{}. {}, or {allow}, then replay it",
                    how.words(*currency),
                    difference.in_currency(*currency),
                    beyond.unwrap_or_default(),
                    how.advice()
                )
            }
            Self::MadeOtherwise { currency, store, erp } => {
                let shown = |amount: Amount| currency.map_or_else(|| amount.to_string(), |of| amount.in_currency(of));
                format!(
                    "the store's total is {} and the ERP came to {}, a difference of {}: check the taxes and the tax rounding of \
                     both, then replay it",
                    shown(*store),
                    shown(*erp),
                    shown(*store - *erp)
                )
            }
            Self::NotExact { difference } => format!(
                "the difference {difference} cannot be booked exactly in the ERP: create the sale by hand"
            ),
            Self::NoPlaceForRounding => {
                "rounding leaves a difference to the store's total, and the template `document` has no place for it: let it go \
                 through all of order.charges"
                    .to_owned()
            }
            Self::TaxesTooSmall => {
                "the ERP cannot compute two taxes that both round to nothing on so small an amount: book this order by hand"
                    .to_owned()
            }
            Self::UnknownCurrency { currency } => {
                format!("the ERP has no currency {}: create it there, then replay it", currency.code())
            }
            Self::CustomerAwaited { customer } => {
                format!("the customer {customer} is being created, and cannot be looked up yet")
            }
            Self::CustomerDeactivated { customer } => {
                format!("the customer {customer} is deactivated in the ERP: activate it, then replay it")
            }
            Self::CustomerRefused { because } => {
                format!("the ERP refuses the customer (name, e-mail, phone or tax id): {}", because.told())
            }
            Self::AddressRefused { because } => {
                format!("the ERP refuses an address of the customer: {}", because.told())
            }
            Self::TooLate { operation, document, because } => format!(
                "sale {document} is too far along in the ERP to {} ({because}): book there by hand what changed, then have that \
                 noted (puente orders adopt)",
                operation.words()
            ),
            Self::ChangedByHand { document } => format!(
                "sale {document} was changed by hand in the ERP: make it there what the store says now, then have that noted \
                 (puente orders adopt)"
            ),
            Self::SaleCancelled { document, state } => format!(
                "sale {document} was cancelled in the ERP (its state is {state}): open it there and replay the order, or leave \
                 both as they are"
            ),
            Self::NotTakenBack { document, because } => {
                format!("{because}. Its sale (id {document}) could not be taken back: delete it in the ERP first")
            }
            Self::NotTakenOn { step, because } => {
                format!("its document is in the ERP, which refuses to {step} it: {}", because.told())
            }
            Self::ErpRefused { request, status, said } => {
                let mut words = format!("the ERP refused {}", request.as_deref().unwrap_or("it"));
                words.extend(status.map(|status| format!(" ({status})")));
                words.extend(said.iter().map(|said| format!(": {said}")));
                words
            }
            Self::NameRefused { because } => format!(
                "{because}. Calls for other names pass: something in front of the ERP objects to this one, or it is too long"
            ),
            Self::ErpWarns { said } => format!(
                "the ERP warns and waits for a person: {said} Confirm it there once as the integration user, with \"always \
                 ignore\", then replay it"
            ),
            Self::ErpFailed => {
                "the ERP failed on this call with an unexpected error: mend what its own log says, then replay it".to_owned()
            }
            Self::CallTooLarge => "the call is too large for the ERP (413): set a smaller `bulk`".to_owned(),
            Self::BeforeItsTurn => "the departure ended before its turn".to_owned(),
            Self::NotItsTurn => "it was not its turn in time".to_owned(),
            Self::Together => "refused together with others".to_owned(),
            Self::RefusedInDoubt { operation, reference } => {
                let (look, missing) = to_look_for(Some(*operation));
                format!(
                    "the ERP refused to {} and may have done it before: look {look} {reference} there. If it is {missing}, replay \
                     the order",
                    operation.words()
                )
            }
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
            Self::StoreLimited { words } => format!("it is asked for later, by itself: {words}"),
            Self::QuestionLost => "the question to the store was lost: it is asked again".to_owned(),
            Self::Bug => "our own code failed on it: please report it, then replay it".to_owned(),
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

/// How a person looks whether a step was taken, and how its document is if it was not.
fn to_look_for(operation: Option<Operation>) -> (&'static str, &'static str) {
    match operation {
        None | Some(Operation::Create | Operation::Credit) => ("for", "missing"),
        Some(Operation::Amend) => ("at", "unchanged"),
        Some(Operation::Cancel) => ("at", "not cancelled"),
    }
}

/// A status as a key of the configuration. It is the sender's text: no control character of it is shown, and not much of it.
fn shown(word: &str) -> String {
    let shown: String = word.chars().take(60).collect();
    format!("\"{}\"", shown.escape_default())
}

impl Mismatch {
    /// Totals with the decimals of `currency`, as both sides show them.
    fn words(&self, currency: Currency) -> String {
        match self {
            Self::Store { total } => {
                let total = total.shown(currency);
                format!("the store's total is {total} and its own lines, charges and taxes make another")
            }
            Self::Total { store, erp, line } => {
                let line = line.as_ref().map(|line| {
                    format!(
                        "; the store states a tax of {} on {}, and the ERP's taxes for it make {} (check `taxes`)",
                        line.store.shown(currency),
                        line.sku,
                        line.erp.shown(currency)
                    )
                });
                let (store, erp) = (store.shown(currency), erp.shown(currency));
                format!("the store's total is {store} and the ERP's would be {erp}{}", line.unwrap_or_default())
            }
            Self::Tax { store, erp } => {
                let (store, erp) = (store.shown(currency), erp.shown(currency));
                format!("the store's tax is {store} and the ERP would compute {erp} from its rates (tax_rounding)")
            }
        }
    }

    /// What to look at.
    fn advice(&self) -> &'static str {
        match self {
            Self::Store { .. } => "Fix the order in the store",
            Self::Total { .. } | Self::Tax { .. } => "Check the taxes and the tax rounding of both",
        }
    }
}

/// A product that the configuration does not name.
fn unset(key: &str, what: &str, section: &str) -> String {
    let section = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
    format!(
        "this order has {what}: set `products.{key}`{section} to the code of the product to book it on, then replay it"
    )
}
