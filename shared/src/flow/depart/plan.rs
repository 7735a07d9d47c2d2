//! What is to be done for an order, from what is booked in the ERP and what it should hold. Pure.
//!
//! Planned from what is booked, document by document, and never from the state that was at rest last: of an order that was changed
//! and changed back meanwhile, the sale may carry a content that neither of its two states has.

mod create;

use std::{collections::HashMap, sync::Arc};

use self::create::{balanced, unexplained, without_sale};
use super::status;
use crate::domain::{
    changes::changes,
    document::{Action, Booked, Document, Operation, Step},
    ids::OrderKey,
    order::{Order, Payment, Refund, Status},
    reason::{Fact, Reason, Refunded, Why},
    record::{End, Head, Intent, Rest},
    rules::{Cancel, Credit, Edit, Restock, Rules},
    version::Version,
};

/// What planning found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Take this step.
    Take(Next),
    /// Take no step.
    Rest(Rest),
}

/// The step that is to be taken next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The step.
    pub step: Step,
    /// What its document is made from, of which the books hold, or may be balanced: the order, or what one refund gives back of it.
    pub order: Arc<Order>,
    /// Whether nothing is left to do for this state of the order once the step is booked.
    pub last: bool,
    /// Of a sale that is cancelled to be made anew: the order that it is made from. It must be possible before the old one goes.
    pub anew: Option<Arc<Order>>,
}

/// What is known where an order is planned.
pub struct Known<'a> {
    /// Whose order.
    pub key: &'a OrderKey,
    /// Its documents in the ERP.
    pub booked: &'a [Booked],
    /// The contents of the versions that its documents carry.
    pub contents: &'a HashMap<Version, Order>,
    /// The version that is planned.
    pub version: &'a Version,
    /// Whether what is to be booked was given to a person, who may be at it, and did not say yet that it is done.
    pub by_hand: bool,
    /// The connection's rules.
    pub rules: &'a Rules,
    /// What the ERP can do.
    pub can: &'a dyn Fn(Operation) -> bool,
}

/// Plans an order that could be read.
#[must_use]
pub fn plan(known: &Known<'_>, desired: Order) -> Plan {
    let in_erp = known.booked.iter().any(Booked::is_live_sale);
    let desired = match status::explained(desired, in_erp, known.rules) {
        Ok(desired) => desired,
        Err(rest) => return Plan::Rest(rest),
    };
    let desired = Arc::new(desired);
    match next(known, &desired, known.booked) {
        Plan::Take(next_step) => {
            // What is left once it is booked: planned again, as if it were.
            let unnamed = Document { id: String::new(), number: None };
            let document = match &next_step.step.action {
                Action::Amend { document, .. } | Action::Cancel { document } => document,
                Action::Create | Action::Credit { .. } => &unnamed,
            };
            let booked = next_step.step.booked(known.booked, known.version, document);
            let last = matches!(next(known, &desired, &booked), Plan::Rest(Rest::Synced));
            Plan::Take(Next { last, ..next_step })
        }
        rest @ Plan::Rest(_) => rest,
    }
}

/// The step on record once more, with the content that goes out with it, or none. It is in doubt and was looked up: nothing of it is in
/// the ERP.
///
/// Bound to what was planned it is not planned anew, also where nobody wants it any more: its first call may still land, and the newer
/// state follows as a step of its own. After a refusal for good, the `content` is what is desired, and that may want another step.
#[must_use]
pub fn again(intent: &Intent, known: &Known<'_>, content: Order) -> Plan {
    if intent.refused {
        return match plan(known, content) {
            Plan::Take(next) if next.step != intent.step => unwanted(intent),
            // Not one that is told as if nothing of it could be in the ERP.
            Plan::Rest(Rest::Synced | Rest::Stop { end: End::Ignored, .. }) => unwanted(intent),
            planned => planned,
        };
    }
    let rendered = match &intent.step.action {
        Action::Create | Action::Amend { .. } => balanced(Arc::new(content), known.rules),
        Action::Cancel { .. } => Ok(Arc::new(content)),
        Action::Credit { refund, .. } => match content.refunds.iter().find(|other| &other.id == refund) {
            Some(refund) => credit_of(&content, refund, known.rules),
            None => Err(Why::ContentGone),
        },
    };
    match rendered {
        Ok(order) => Plan::Take(Next { step: intent.step.clone(), order, last: intent.last, anew: None }),
        Err(why) => stop(End::Parked, why),
    }
}

fn unwanted(intent: &Intent) -> Plan {
    let (operation, reference) = (intent.step.operation(), intent.step.reference.clone());
    stop(End::Parked, Why::RefusedInDoubt { operation, reference })
}

fn stop(end: End, why: Why) -> Plan {
    Plan::Rest(Rest::Stop { end, reason: why.into() })
}

fn take(step: Step, order: Arc<Order>) -> Plan {
    Plan::Take(Next { step, order, last: false, anew: None })
}

/// The first thing that is left to do, if these are booked.
fn next(known: &Known<'_>, desired: &Arc<Order>, booked: &[Booked]) -> Plan {
    let Some(sale) = booked.iter().find(|entry| entry.is_live_sale()) else {
        return first(known, desired, booked);
    };
    // A sale that was planned as booked just now is what is desired.
    let now = sale.version.as_ref() == Some(known.version);
    let held = if now { Some(&**desired) } else { sale.version.as_ref().and_then(|of| known.contents.get(of)) };
    let Some(held) = held else { return stop(End::Parked, Why::StateMissing) };
    Life { known, desired, booked, sale, held }.next()
}

/// No sale stands: it is made, or made anew, if the order is one for the ERP.
fn first(known: &Known<'_>, desired: &Arc<Order>, booked: &[Booked]) -> Plan {
    let before = booked.iter().filter(|entry| entry.is_sale()).count();
    let rules = known.rules;
    let order = match without_sale(desired, rules) {
        None => balanced(desired.clone(), rules),
        // Its sale was cancelled: nothing of it is in the ERP's books, as it should be.
        Some((End::Ignored, _)) if before > 0 => return Plan::Rest(Rest::Synced),
        Some((end, why)) => return stop(end, why),
    };
    if let Some(sale) = booked.iter().rfind(|_| booked.iter().any(|note| note.refund().is_some() && !note.cancelled)) {
        // Cancelled by a person, with its credit note standing: what a new sale would be credited with is theirs to say.
        let document = sale.document.name().to_owned();
        return stop(End::Parked, Why::Credited { document, facts: vec![Fact::Reopened] });
    }
    let order = match order {
        Ok(order) => order,
        Err(why) => return stop(End::Parked, why),
    };
    // What was refunded before follows the sale; where nobody could book that, a sale alone would say too much.
    let by_hand = rules.after.refund == Credit::Park || !(known.can)(Operation::Credit);
    if let Some(refund) = refunded(desired, &[]).filter(|refund| by_hand || *refund == Refunded::Unexplained) {
        return stop(End::Parked, Why::RefundedBefore { refund });
    }
    for refund in &desired.refunds {
        if let Err(why) = credit_of(desired, refund, rules) {
            return stop(End::Parked, why);
        }
    }
    take(Step::create(known.key.sale_after(before)), order)
}

/// What a refund gives back, as an order to make a credit note from.
fn credit_of(order: &Order, refund: &Refund, rules: &Rules) -> Result<Arc<Order>, Why> {
    let mut credit = order.credit(refund)?;
    for line in &mut credit.lines {
        line.restock = match rules.after.restock {
            Restock::AsStated => line.restock,
            Restock::Always => Some(true),
            Restock::Never => Some(false),
        };
    }
    balanced(Arc::new(credit), rules)
}

/// An order whose sale is in the ERP.
struct Life<'a> {
    known: &'a Known<'a>,
    desired: &'a Arc<Order>,
    booked: &'a [Booked],
    /// Its sale.
    sale: &'a Booked,
    /// What the sale carries.
    held: &'a Order,
}

impl Life<'_> {
    fn next(&self) -> Plan {
        let rules = &self.known.rules.after;
        if let Some(why) = self.gone() {
            return stop(End::Parked, why);
        }
        if self.payment_fact().is_some() || (self.known.by_hand && self.facts().next().is_some()) {
            return self.by_hand(|_| true);
        }
        if self.desired.status == Status::Cancelled {
            if self.is_credited() {
                return if self.gives_all_back() { self.credit() } else { self.over_credit() };
            }
            if rules.cancel == Cancel::Park || !self.can(Operation::Cancel) {
                return self.by_hand(|fact| matches!(fact, Fact::Cancelled));
            }
            return take(Step::cancel(self.sale), self.desired.clone());
        }
        if !self.desired.same_goods(self.held) {
            return self.edit(rules.edit);
        }
        self.credit()
    }

    fn can(&self, operation: Operation) -> bool {
        (self.known.can)(operation)
    }

    /// What was sold is not what the sale carries.
    fn edit(&self, rule: Edit) -> Plan {
        let possible = match rule {
            Edit::Amend => self.can(Operation::Amend),
            Edit::CancelAndNew => self.can(Operation::Cancel) && self.can(Operation::Create),
            Edit::Park => false,
        };
        if !possible {
            return self.by_hand(|fact| matches!(fact, Fact::Goods { .. }));
        }
        if rule == Edit::CancelAndNew && self.is_credited() {
            return self.over_credit();
        }
        if let Some(why) = unexplained(self.desired) {
            return stop(End::Parked, why);
        }
        if self.desired.lines.is_empty() {
            return stop(End::Parked, Why::NothingLeft);
        }
        let order = match balanced(self.desired.clone(), self.known.rules) {
            Ok(order) => order,
            Err(why) => return stop(End::Parked, why),
        };
        match (rule, &self.sale.version) {
            (Edit::Amend, Some(base)) => take(Step::amend(self.sale, base.clone()), order),
            (Edit::Amend, None) => stop(End::Parked, Why::StateMissing),
            _ => Plan::Take(Next {
                step: Step::cancel(self.sale),
                order: self.desired.clone(),
                last: false,
                anew: Some(order),
            }),
        }
    }

    /// The first refund that is not booked, in the store's order.
    fn credit(&self) -> Plan {
        let Some(refund) = self.desired.refunds.iter().find(|refund| self.credit_note(&refund.id).is_none()) else {
            return match refunded(self.desired, &self.held.refunds) {
                // A refund that no refund explains.
                Some(Refunded::Unexplained) => self.by_hand(|fact| matches!(fact, Fact::Refund { .. })),
                _ => Plan::Rest(Rest::Synced),
            };
        };
        if self.known.rules.after.refund == Credit::Park || !self.can(Operation::Credit) {
            return self.by_hand(|fact| matches!(fact, Fact::Refund { .. }));
        }
        match credit_of(self.desired, refund, self.known.rules) {
            Ok(order) => take(Step::credit(self.known.key.credit(&refund.id), &refund.id, self.sale), order),
            Err(why) => stop(End::Parked, why),
        }
    }

    /// The credit note of a refund.
    fn credit_note(&self, refund: &str) -> Option<&Booked> {
        self.booked.iter().find(|entry| entry.refund() == Some(refund) && !entry.cancelled)
    }

    fn is_credited(&self) -> bool {
        self.booked.iter().any(|entry| entry.refund().is_some() && !entry.cancelled)
    }

    /// Whether its refunds leave nothing of the sale.
    fn gives_all_back(&self) -> bool {
        let back = self.desired.refunds.iter().map(Refund::taken_off).sum();
        self.held.total == back
    }

    /// A refund that is credited and that the store does not have any more, or has otherwise.
    fn gone(&self) -> Option<Why> {
        let refund_in = |order: &Order, id: &str| order.refunds.iter().find(|refund| refund.id == id).cloned();
        self.booked.iter().filter(|entry| !entry.cancelled).find_map(|note| {
            let refund = note.refund()?;
            let carried = note.version.as_ref().filter(|version| *version != self.known.version);
            let booked = carried.and_then(|version| refund_in(self.known.contents.get(version)?, refund));
            let stands = refund_in(self.desired, refund).is_some_and(|now| {
                booked.is_none_or(|then| (then.amount, then.taken_off) == (now.amount, now.taken_off))
            });
            let document = note.document.name().to_owned();
            (!stands).then(|| Why::RefundGone { refund: refund.to_owned(), document })
        })
    }

    fn over_credit(&self) -> Plan {
        let facts: Vec<Fact> = self.facts().filter(|fact| !matches!(fact, Fact::Refund { .. })).collect();
        stop(End::Parked, Why::Credited { document: self.sale.document.name().to_owned(), facts })
    }

    /// What happened since is said with what to do about it in the ERP: all of it that is `ours` to say.
    fn by_hand(&self, ours: impl Fn(&Fact) -> bool) -> Plan {
        let rules = &self.known.rules.after;
        let to_park = |fact: &Fact| match fact {
            Fact::Refund { .. } => rules.refund == Credit::Park || !self.can(Operation::Credit),
            Fact::Cancelled => rules.cancel == Cancel::Park || !self.can(Operation::Cancel),
            _ => false,
        };
        let facts = self.facts().filter(|fact| ours(fact) || to_park(fact)).collect();
        let document = Some(self.sale.document.name().to_owned());
        stop(End::Parked, Why::Changed { facts, document })
    }

    /// What the ERP's documents do not say yet.
    fn facts(&self) -> impl Iterator<Item = Fact> {
        let cancelled = self.desired.status == Status::Cancelled;
        let goods = !cancelled && !self.desired.same_goods(self.held);
        let open: Vec<Refund> = {
            let known = |refund: &&Refund| self.credit_note(&refund.id).is_some();
            self.desired.refunds.iter().filter(known).cloned().collect()
        };
        // What is cancelled has no lines any more: that is no fact of its own.
        let facts = [
            cancelled.then_some(Fact::Cancelled),
            goods.then(|| Fact::Goods { changes: changes(self.held, self.desired) }),
            refunded(self.desired, &open).map(|refund| Fact::Refund { refund }),
            self.payment_fact(),
        ];
        facts.into_iter().flatten()
    }

    /// What happened to its payment that no document of ours can answer.
    fn payment_fact(&self) -> Option<Fact> {
        if self.desired.status == Status::Cancelled {
            return None;
        }
        let (now, before) = (self.desired.payment, status::payment(self.held, self.known.rules));
        if is_lost(now) && !is_lost(before) {
            return Some(Fact::PaymentLost);
        }
        // On hold for a dispute, say; or set back by hand.
        (matches!(now, Payment::Pending | Payment::InProcess) && is_paid(before)).then_some(Fact::PaymentPending)
    }
}

/// Whether a reason tells a person to book something by hand: what a release that could not book it, or a rule, left to them.
#[must_use]
pub fn is_by_hand(reason: &Reason) -> bool {
    match reason {
        Reason::Known(why) => matches!(why, Why::Changed { .. } | Why::Credited { .. }),
        // Records of schema 1 have words only.
        Reason::Text(words) => words.contains(" there by hand"),
    }
}

/// Whether the order stopped for a person who was told to book something by hand, and who did not say since that it is done.
#[must_use]
pub fn waits_for_a_person(head: &Head) -> bool {
    head.parked.as_ref().is_some_and(|parked| is_by_hand(&parked.reason))
}

/// Whether all of it was paid, whatever was given back since.
fn is_paid(payment: Payment) -> bool {
    matches!(payment, Payment::Paid | Payment::PartiallyRefunded)
}

/// Whether a payment that was there, or was to come, is so no more.
fn is_lost(payment: Payment) -> bool {
    matches!(payment, Payment::Voided | Payment::Expired | Payment::Failed | Payment::ChargedBack)
}

/// What was given back since `known`: the whole amount, or none where the store does not state the whole.
fn refunded(order: &Order, known: &[Refund]) -> Option<Refunded> {
    let same = |one: &Refund, other: &Refund| {
        (&one.id, one.amount, one.taken_off) == (&other.id, other.amount, other.taken_off)
    };
    let among = |refunds: &[Refund], refund: &Refund| refunds.iter().any(|other| same(refund, other));
    let new: Vec<_> = order.refunds.iter().filter(|refund| !among(known, refund)).collect();
    if new.is_empty() {
        let unexplained = order.refunds.is_empty()
            && known.is_empty()
            && matches!(order.payment, Payment::PartiallyRefunded | Payment::Refunded);
        let gone = known.iter().any(|refund| !among(&order.refunds, refund));
        return unexplained.then_some(Refunded::Unexplained).or_else(|| gone.then_some(Refunded::TakenBack));
    }
    let currency = order.currency;
    if new.iter().any(|refund| refund.amount.is_zero()) {
        return Some(Refunded::Unstated { currency });
    }
    let amount = new.iter().map(|refund| refund.amount).sum();
    let taken_off = new.iter().map(|refund| refund.taken_off()).sum();
    Some(Refunded::Amount { currency, amount, taken_off })
}

#[cfg(test)]
mod tests;
