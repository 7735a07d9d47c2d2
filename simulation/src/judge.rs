//! What must hold of every history, asked of the ERP's own books and the shops' own lists.

use std::collections::{BTreeMap, BTreeSet};

use puente::{
    domain::{
        audit::{BookEntry, Expect, Finding, Recorded, examine},
        document,
        ids::{ConnectionId, OrderId, OrderKey, order_of},
        money::Amount,
        order::{Order, Payment, Status},
        reason::{Reason, Why},
        record::{Entry, Head, State},
        rules::{Cancel, Credit, Edit},
        version::ContentHash,
    },
    erp::Class,
};

use crate::{
    erp::{Booked, FORBIDDEN_SKU, LONG_SKU, NEW_SKU, PANIC_SKU, PERIOD_CLOSED, POISON_SKU, REFUSED_SKU, UNKNOWN_SKU},
    executor::Micros,
    fault::Fault,
    history::{Accepted, History},
    scenario::Backfills,
    shop::{BUYER_CANARY, Known, SECRET_CANARY, Says},
    world::{SECOND, micros, span, stamp},
};

/// One order, from every side.
struct Case<'a> {
    history: &'a History,
    key: OrderKey,
    head: Option<&'a Head>,
    known: Option<&'a Known>,
    /// What each of its states in the shop says, in their order.
    contents: Vec<ContentHash>,
    accepted: Vec<&'a Accepted>,
    posted: Vec<&'a Accepted>,
    booked: Vec<&'a Booked>,
    /// Its timeline.
    lines: &'a [Entry],
    /// Whether a create of it landed after its settle time.
    very_late: bool,
}

/// Everything that was accepted has come to an end that is allowed, and the ERP holds what the records say. Returns how many
/// checks were made.
pub fn ends(history: &History) -> u64 {
    cases(history, |case| {
        case.is_on_record();
        case.is_at_rest();
        case.is_in_the_erp_as_recorded();
        case.is_the_newest();
        case.is_the_last_that_arrived();
        case.is_buried_if_dead();
    })
}

/// The same, and what was dead because something failed is in the ERP, now that nothing fails.
pub fn redriven(history: &History) -> u64 {
    // What the ERP refused is a person's to mend, and to replay.
    ends(history)
        + cases(history, |case| {
            if !case.was_refused() {
                case.is_synced_if_it_can_be()
            }
        })
}

/// The same, and whatever the ERP takes now is there, since everything was replayed.
pub fn replayed(history: &History) -> u64 {
    ends(history) + cases(history, |case| case.is_synced_if_it_can_be())
}

/// What a store has is what it should have, our books say what is left in truth, and a gross store alone never sells what is not there.
pub fn stock(history: &History) -> u64 {
    const DISTURBING: &[Fault] = &[
        // The ERP's number is wrong for good: of a sale that somebody took out, or that is there twice.
        Fault::SaleDeleted,
        Fault::ErpVeryLate,
        Fault::FreezeBeforeSend,
        // Sales that nobody knows of any more.
        Fault::BackupRestored,
    ];
    let Some(warehouse) = &history.warehouse else { return 0 };
    let disturbed = DISTURBING.iter().any(|fault| history.scenario.faults.had(*fault)) || has_doubles(history);
    let stock = warehouse.stock().clone();
    if history.is_gross_alone() && history.scenario.can_fetch && stock.oversold > 0 && !disturbed {
        history.world.violated(format!("one gross store alone sold {} units that were not there", stock.oversold));
    }
    let seen = history.scenario.can_fetch && history.scenario.backfill != Backfills::Never;
    if seen && !disturbed {
        for line in history.drift() {
            history.world.violated(line);
        }
    }
    // What somebody restored from a backup has forgotten what it was told.
    if !history.scenario.faults.had(Fault::BackupRestored) {
        for line in history.untold().into_iter().chain(history.mispriced()) {
            history.world.violated(line);
        }
    }
    let rows = history.table.rows();
    let limits = &history.scenario.limits;
    for (account, ledger) in &rows.ledgers {
        if account.to_string().starts_with("erp/") && ledger.used_other > limits.other_per_day() {
            history.world.violated(format!("{account}: {} calls of a day were for other work", ledger.used_other));
        }
    }
    1
}

/// Whether the ERP holds two sales of one order: allowed of some classes, and then its number is lower than the truth.
fn has_doubles(history: &History) -> bool {
    let books = history.erp.books();
    let mut sales: Vec<&str> = books
        .documents
        .iter()
        .filter(|one| !one.credit && one.stands())
        .map(|one| order_of(one.reference.as_str()))
        .collect();
    sales.sort_unstable();
    sales.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

fn cases(history: &History, check: impl Fn(&Case<'_>)) -> u64 {
    let rows = history.table.rows();
    let books = history.erp.books();
    let accepted = history.accepted.lock().unwrap();
    let posted = history.posted.lock().unwrap();
    let mut keys: BTreeSet<OrderKey> = rows.heads.keys().cloned().collect();
    let shops: Vec<_> = history.shops.iter().map(|shop| (shop.id().clone(), shop.orders().clone())).collect();
    let mut known = BTreeMap::new();
    for (shop, orders) in &shops {
        for (id, order) in orders {
            let key = OrderKey::new(shop.clone(), id.clone());
            keys.insert(key.clone());
            known.insert(key, order);
        }
    }
    let mut checks = 0;
    for key in keys {
        let case = Case {
            history,
            head: rows.heads.get(&key),
            known: known.get(&key).copied(),
            contents: known.get(&key).into_iter().flat_map(|known| &known.states).map(Order::content).collect(),
            accepted: accepted.iter().filter(|event| event.key == key).collect(),
            posted: posted.iter().filter(|event| event.key == key).collect(),
            booked: books.documents.iter().filter(|one| one.is_of(&key.sale())).collect(),
            lines: rows.timelines.get(&key).map_or(&[], Vec::as_slice),
            very_late: books.very_late.contains(&key.to_string()),
            key,
        };
        check(&case);
        checks += 1;
    }
    let references: BTreeSet<&str> = books.documents.iter().map(|one| order_of(one.reference.as_str())).collect();
    for reference in references {
        if !known.keys().any(|key| key.sale().as_str() == reference) {
            history.world.violated(format!("the ERP has {reference}, which no shop knows"));
        }
        checks += 1;
    }
    let class = history.scenario.erp.creates.class;
    let mut customers = books.customers.clone();
    customers.sort();
    let all = customers.len();
    customers.dedup();
    let unprotected =
        [Fault::ErpVeryLate, Fault::FreezeBeforeSend].iter().any(|fault| history.scenario.faults.had(*fault));
    if customers.len() < all && (class <= Class::Unique || !unprotected) {
        history.world.violated(format!("customers are doubled: {:?}", books.customers));
    }
    checks + 1
}

impl Case<'_> {
    fn violated(&self, what: &str) {
        let head = self.head.map(|head| format!("{head:?}")).unwrap_or_default();
        self.history.world.violated(format!("{}: {what}\n    record: {head}\n    ERP: {:?}", self.key, self.booked));
    }

    /// Invariant 1: a 2xx is a record. Of a deleted order, or a deletion alone, there may be none.
    fn is_on_record(&self) {
        let gone = self.known.is_some_and(|known| known.deleted);
        let told = self.accepted.iter().any(|event| event.says != Says::Deleted);
        if self.head.is_none() && told && !gone && !self.in_dead_letters() && !self.restored() {
            self.violated("it was answered 2xx, and is not on record");
        }
    }

    /// Invariants 1 and 10: synced, or stopped with a reason.
    fn is_at_rest(&self) {
        let Some(head) = self.head else { return };
        match head.state() {
            State::Synced | State::Parked | State::Dead | State::Ignored => {}
            State::Waiting | State::Sending | State::Fetching => self.violated("it is not at rest"),
        }
        for finding in self.audited() {
            match finding {
                Finding::Unexplained => self.violated("it stopped without a reason"),
                Finding::Forgotten => self.violated("nobody will come back to it"),
                _ => {}
            }
        }
    }

    /// What the auditor says of it, if the ERP's books should hold what its record says is booked.
    fn audited(&self) -> Vec<Finding> {
        let recorded: Vec<_> =
            self.head.iter().flat_map(|head| &head.booked).filter(|booked| !booked.cancelled).collect();
        let amount = |booked: &document::Booked| {
            let state = booked.version.as_ref().and_then(|version| self.state(&version.content))?;
            match booked.refund() {
                None => Some(state.total),
                Some(id) => state.refunds.iter().find(|refund| refund.id == id).map(|refund| -refund.amount),
            }
        };
        let total: Option<Amount> = recorded.iter().map(|booked| amount(booked)).sum();
        // The model's documents are in the currency of every shop.
        let currency = || "EUR".to_owned();
        let expect = match total {
            Some(total) if !recorded.is_empty() => Expect::InErp { total, currency: currency() },
            _ => Expect::Nowhere,
        };
        let entry = |booked: &&Booked| BookEntry {
            reference: booked.reference.to_string(),
            total: booked.amount(),
            currency: currency(),
        };
        let there: Vec<BookEntry> = self.standing().map(|booked| entry(&booked)).collect();
        examine(&expect, self.head.map(Recorded::from).as_ref(), &there.iter().collect::<Vec<_>>()).0
    }

    /// Its documents that count.
    fn standing(&self) -> impl Iterator<Item = &Booked> {
        self.booked.iter().copied().filter(|booked| booked.stands())
    }

    /// Whether people in the ERP were at one of its documents: what it comes to then is theirs.
    fn touched_by_hand(&self) -> bool {
        self.booked.iter().any(|booked| booked.deleted || booked.version.is_none())
    }

    /// Invariants 2 and 3: one document at most, and the one that the record tells of.
    fn is_in_the_erp_as_recorded(&self) {
        let class = self.history.scenario.erp.creates.class;
        let stalled = self.history.world.faults().counts().contains_key(&Fault::FreezeBeforeSend);
        // What can double a document of an ERP that cannot refuse it, by its class.
        let unprotected = class > Class::Unique && (self.very_late || stalled);
        let findings = self.audited();
        let doubled = findings.contains(&Finding::Doubled);
        if doubled && !unprotected && !(class == Class::Nothing && self.restored()) {
            self.violated("the ERP holds it more than once");
        }
        // A double may be of an older state, with that one's total: what the record tells of is compared by its version below.
        let in_doubt = self.head.is_some_and(|head| head.intent.is_some());
        let excused = self.restored() || self.answers_an_older_step() || self.touched_by_hand() || in_doubt;
        if findings.contains(&Finding::WrongTotal) && !doubled && !excused {
            self.violated("the ERP holds it with another total than the state that its record says");
        }
        let mut unsound = self.states().filter(|(state, _)| !has_sound_books(state));
        let carries = |booked: &Booked, content: &ContentHash| {
            !booked.credit && booked.version.as_ref().is_some_and(|version| version.content == *content)
        };
        if unsound.any(|(_, content)| self.booked.iter().any(|booked| carries(booked, content))) {
            self.violated("the ERP holds it with a total that nothing explains");
        }
        let Some(head) = self.head else { return };
        let excused = self.restored() || self.answers_an_older_step();
        let mut unnamed: Vec<&Booked> = self.standing().collect();
        for recorded in &head.booked {
            let there = self.booked.iter().find(|booked| booked.place.to_string() == recorded.document.id);
            unnamed.retain(|booked| booked.place.to_string() != recorded.document.id);
            let Some(there) = there else {
                self.violated("the record says that the ERP holds a document, and it does not");
                continue;
            };
            if there.deleted || there.version.is_none() || excused {
                continue;
            }
            if recorded.cancelled != there.cancelled && head.intent.is_none() && !unprotected {
                self.violated("the record and the ERP do not agree on whether a sale is cancelled");
            }
            // What a credit note carries is no matter, and of a record that an earlier release wrote nobody kept it.
            let is_open = there.credit || recorded.cancelled || recorded.version.is_none();
            let as_recorded = is_open || recorded.version == there.version;
            if !as_recorded && head.intent.is_none() && !unprotected {
                self.violated("the ERP's document carries another version than the record says");
            }
            if head.state() == State::Synced && there.stands() && !there.finished {
                self.violated("it is synced, and the ERP's document was never confirmed");
            }
        }
        // Where a double is allowed, the record tells of one of them.
        if !unnamed.is_empty() && head.intent.is_none() && !unprotected && !self.restored() {
            self.violated("the ERP holds a document that the record does not know");
        }
        self.comes_to_what_the_store_says(head, excused || unprotected);
    }

    /// What the ERP's documents say together is what the store says now, once the record says that nothing is left to do.
    fn comes_to_what_the_store_says(&self, head: &Head, excused: bool) {
        let Some(wanted) = self.state(&head.desired.content) else { return };
        if head.state() != State::Synced || excused || self.touched_by_hand() {
            return;
        }
        if self.standing().next().is_none() {
            if takes(wanted) {
                self.violated("it is synced, and the ERP has nothing of it");
            }
            return;
        }
        let together: Amount = self.standing().map(Booked::amount).sum();
        if together != wanted.net() {
            let says = wanted.net();
            self.violated(&format!("it is synced, its documents come to {together}, and the store says {says}"));
        }
        for refund in &wanted.refunds {
            let notes = self.standing().filter(|one| one.reference == self.key.credit(&refund.id)).count();
            let sold = self.standing().any(|one| !one.credit);
            if sold && notes != 1 {
                self.violated(&format!("refund {} is credited {notes} times", refund.id));
            }
        }
    }

    /// What is not promised: an ERP that knows a step by its key lost an answer, could not find the document once its settle time was
    /// over, and refused the same step then. Under that key it gives a newer version the older one's document.
    fn answers_an_older_step(&self) -> bool {
        let lags = self.history.world.faults().counts().contains_key(&Fault::LookUpLags);
        let refused = self.lines.iter().any(|line| line.event == "parked");
        self.history.scenario.erp.creates.class == Class::Key && lags && refused
    }

    /// Invariant 3: the newest accepted state is the one that the ERP should hold.
    fn is_the_newest(&self) {
        let (Some(head), Some(known)) = (self.head, self.known) else { return };
        if known.deleted || self.restored() || self.in_dead_letters() {
            return;
        }
        let last = known.states.len() - 1;
        let can_fetch = self.history.scenario.can_fetch;
        let backfill = if can_fetch { self.history.scenario.backfill } else { Backfills::Never };
        // What a list by modification time does not tell, only a webhook can.
        let listed = (backfill != Backfills::Never && !known.ambiguous).then_some(last);
        let told = |event: &&&Accepted| match event.says {
            Says::State => can_fetch || !known.ambiguous,
            Says::Pointer => can_fetch,
            Says::Deleted | Says::Garbled => false,
        };
        // A body that cannot be read counts as the last word where the store cannot be asked.
        let garbled = !can_fetch && self.history.scenario.faults.had(Fault::Garbled);
        let accepted = self.accepted.iter().filter(told).map(|event| event.state).max().filter(|_| !garbled);
        let Some(told) = listed.max(accepted) else { return };
        // A request whose answer was lost may have brought a newer one.
        if !self.contents[told..].contains(&head.desired.content) {
            self.violated("a newer accepted state is not what the ERP should hold");
        }
    }

    /// Invariant 3, where the store cannot be asked: of the states of one modification time the one furthest along, and of equals
    /// the one that arrived last, whatever the order in which workers took them.
    fn is_the_last_that_arrived(&self) {
        let (Some(head), Some(known)) = (self.head, self.known) else { return };
        let garbled = self.history.scenario.faults.had(Fault::Garbled);
        if self.history.scenario.can_fetch || known.deleted || garbled || self.restored() || self.in_dead_letters() {
            return;
        }
        let place = |event: &Accepted| {
            let state = &known.states[event.state];
            (state.updated_at.at(), state.life(), event.arrived)
        };
        let states = |events: &[&Accepted]| -> Vec<_> {
            let told = events.iter().filter(|event| event.says == Says::State);
            told.map(|event| (place(event), self.contents[event.state])).collect()
        };
        let Some(last) = states(&self.accepted).into_iter().map(|(place, _)| place).max() else { return };
        // A request whose answer was lost may have brought a later one; at the same instant nobody can say.
        let may_stay = states(&self.posted).into_iter().filter(|(place, _)| *place >= last);
        if !may_stay.into_iter().any(|(_, content)| content == head.desired.content) {
            self.violated("a state that arrived later is not what the ERP should hold");
        }
    }

    /// A dead order's letter lies in the dead-letter queue.
    fn is_buried_if_dead(&self) {
        let redriven = self.history.scenario.faults.had(Fault::RedriveMeanwhile);
        let dead = self.head.is_some_and(|head| head.state() == State::Dead);
        if dead && !self.in_dead_letters() && !redriven && !self.restored() {
            self.violated("it is dead, and the dead-letter queue does not have it");
        }
    }

    /// What the ERP would take is in the ERP, once nothing fails.
    fn is_synced_if_it_can_be(&self) {
        let Some(head) = self.head else { return };
        // Where nobody can be asked, a person is.
        if self.history.scenario.erp.creates.class == Class::Nothing || self.restored() {
            return;
        }
        let Some(wanted) = self.state(&head.desired.content) else { return };
        if self.touched_by_hand() {
            return;
        }
        let held = head.sale().and_then(|sale| sale.version.as_ref());
        let fits = match held.and_then(|held| self.state(&held.content)) {
            // Whose money was taken back waits for a person.
            Some(sold) => wanted.payment != Payment::Failed && self.can_follow(head, sold, wanted),
            None => held.is_none() && takes(wanted) && self.can_credit(wanted),
        };
        if fits && head.state() != State::Synced {
            self.violated("nothing fails any more, and it is not in the ERP");
        }
    }

    fn can_credit(&self, wanted: &Order) -> bool {
        let (erp, after) = (self.history.erp.settings(), self.history.scenario.after);
        wanted.refunds.is_empty() || (erp.credits && after.refund == Credit::Credit)
    }

    /// Whether everything that happened since its sale is booked by us.
    fn can_follow(&self, head: &Head, sold: &Order, wanted: &Order) -> bool {
        let (erp, after) = (self.history.erp.settings(), self.history.scenario.after);
        let shipped = self.standing().any(|one| one.shipped);
        let credited = head.booked.iter().any(|one| one.refund().is_some());
        let is_credited = |id: &str| head.booked.iter().any(|one| one.refund() == Some(id));
        let nothing_left = wanted.status == Status::Open
            && sold.same_goods(wanted)
            && wanted.refunds.iter().all(|refund| is_credited(&refund.id));
        // What was left to a person once is theirs until they say that it is done.
        let by_hand =
            self.lines.iter().any(|line| matches!(line.why, Some(Why::Changed { .. } | Why::Credited { .. })));
        if nothing_left || by_hand || !has_sound_books(wanted) || !takes_article(wanted) {
            return nothing_left;
        }
        if wanted.status == Status::Cancelled {
            return !shipped && !credited && erp.cancels && after.cancel == Cancel::Cancel;
        }
        let edited = sold.same_goods(wanted)
            || match after.edit {
                Edit::Amend => erp.amends && !shipped,
                Edit::CancelAndNew => erp.cancels && !shipped && !credited && takes(wanted),
                Edit::Park => false,
            };
        edited && self.can_credit(wanted)
    }

    fn was_refused(&self) -> bool {
        let reason = self.head.and_then(|head| head.parked.as_ref()).map(|parked| parked.reason.words());
        reason.is_some_and(|reason| {
            [PERIOD_CLOSED, "(403)", "with 403", "with 414", "the ERP refused to"]
                .iter()
                .any(|why| reason.contains(why))
        })
    }

    /// The state of that content, in the shop.
    fn state(&self, content: &ContentHash) -> Option<&Order> {
        self.states().find(|(_, its)| *its == content).map(|(state, _)| state)
    }

    /// Its states in the shop, and their contents.
    fn states(&self) -> impl Iterator<Item = (&Order, &ContentHash)> {
        self.known.into_iter().flat_map(|known| &known.states).zip(&self.contents)
    }

    fn in_dead_letters(&self) -> bool {
        let letters = self.history.queue.letters();
        let id = format!("\"order\":\"{}\"", self.key.order);
        letters.dead.iter().any(|(body, ..)| body.contains(&id))
    }

    /// After a restore the records know less than the ERP: that is found out by looking up, or given to a person.
    fn restored(&self) -> bool {
        self.history.world.faults().counts().contains_key(&Fault::BackupRestored)
    }
}

/// Whether its total is the sum of its parts, to the cent that rounding explains: the shops are off by more only where nothing does.
fn has_sound_books(order: &Order) -> bool {
    Amount::parse("0.01").is_ok_and(|cent| order.proof().difference.abs() <= cent)
}

/// Whether the ERP would take an order in this state, as its first.
fn takes(order: &Order) -> bool {
    order.status == Status::Open
        && matches!(order.payment, Payment::Paid | Payment::PartiallyRefunded)
        && has_sound_books(order)
        && takes_article(order)
}

fn takes_article(order: &Order) -> bool {
    let sku = order.lines.first().and_then(|line| line.sku.as_deref()).unwrap_or_default();
    ![REFUSED_SKU, POISON_SKU, PANIC_SKU, UNKNOWN_SKU, FORBIDDEN_SKU, LONG_SKU].contains(&sku)
        && !sku.starts_with(NEW_SKU)
}

/// What a replay must not change: what the ERP holds, and what the records say of it.
pub fn picture(history: &History) -> Vec<String> {
    let rows = history.table.rows();
    let heads: Vec<String> = rows
        .heads
        .values()
        .map(|head| {
            // Refused among others it ends dead, alone it is parked: stopped, both.
            let state = if head.state() == State::Dead { State::Parked } else { head.state() };
            format!("{} {state:?} {} {:?}", head.key, head.desired, head.held())
        })
        .collect();
    let books = history.erp.books();
    let sales = books.documents.iter().map(|one| {
        let version = one.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let cancelled = if one.cancelled { " cancelled" } else { "" };
        format!("document {} {version}{cancelled}", one.reference)
    });
    let customers = books.customers.iter().map(|customer| format!("customer {customer}"));
    heads.into_iter().chain(sales).chain(customers).collect()
}

/// The orders whose step was refused and may have happened all the same: a replay is a person's word that it did not.
pub fn waiting_for_a_word(history: &History) -> BTreeSet<String> {
    let rows = history.table.rows();
    let waits = |head: &&Head| {
        let reason = head.parked.as_ref().map(|parked| &parked.reason);
        matches!(reason, Some(Reason::Known(Why::RefusedInDoubt { .. })))
    };
    rows.heads.values().filter(waits).map(|head| head.key.to_string()).collect()
}

/// Whether a line of a [`picture`] is of that order.
pub fn is_of(line: &str, order: &str) -> bool {
    let line = line.strip_prefix("document ").unwrap_or(line);
    order_of(line.split(' ').next().unwrap_or_default()) == order
}

/// Invariant 5: no window and no day ever exceeded, counted at the sender by true time; and invariants 7 and 8 where nothing
/// else went wrong.
pub fn limits(history: &History) -> u64 {
    let limits = &history.scenario.limits;
    let books = history.erp.books();
    // Nothing can hold a call to its slot that stands still between the last check and its first byte.
    let sent: Vec<Micros> = books.sent.iter().filter(|sent| !sent.stalled).map(|sent| sent.at).collect();
    let window = span(limits.window);
    let most = usize::try_from(limits.calls).unwrap_or(usize::MAX);
    for pair in sent.windows(most + 1) {
        if let [first, .., last] = pair
            && last - first < window
        {
            history.world.violated(format!(
                "more than {most} calls within {:?}, from {}",
                limits.window,
                stamp(*first)
            ));
            break;
        }
    }
    let mut days: BTreeMap<i64, u32> = BTreeMap::new();
    for at in &sent {
        *days.entry(limits.day(stamp(*at)).number).or_default() += 1;
    }
    // A backup brings yesterday's count back.
    let restored = history.scenario.faults.had(Fault::BackupRestored);
    if let Some((day, calls)) = days.iter().find(|(_, calls)| **calls > limits.per_day && !restored) {
        history.world.violated(format!("{calls} calls in the ERP's day {day}, {} are allowed", limits.per_day));
    }
    receives(history);
    3
}

/// Nobody in another's way: where nothing goes wrong but for some shops' own orders, an order of a shop that has none of these waits
/// for two departures at most, whatever the others sell. Returns how many were looked at.
pub fn neighbours(history: &History) -> u64 {
    /// What comes with an order, and concerns nobody else.
    const OF_AN_ORDER: &[Fault] = &[
        Fault::OrderRefused,
        Fault::OrderPanics,
        Fault::PoisonText,
        Fault::PoisonLookUp,
        Fault::ManyUnknown,
        Fault::Spender,
        Fault::Flood,
        Fault::WebhookTwice,
    ];
    let faults = &history.scenario.faults;
    // Where something is told to go wrong, the teller knows what to expect.
    if faults.kinds().next().is_none() || faults.kinds().any(|kind| !OF_AN_ORDER.contains(&kind)) {
        return 0;
    }
    // Nor what is cut short: at a slow rate, or with patient time-outs, an invocation has no time for all calls of a departure.
    let timeout = Micros::try_from(history.scenario.erp.patience.timeout.as_micros()).unwrap_or(Micros::MAX);
    // Or a day has so few calls that a shop's own orders spend its share.
    let short = history.scenario.limits.per_day < 300;
    if short
        || span(history.scenario.limits.spacing()) > SECOND
        || history.scenario.function < timeout.saturating_mul(10)
    {
        return 0;
    }
    let rows = history.table.rows();
    let unaskable = history.erp.books().unaskable.clone();
    let quiet = |connection: &ConnectionId| {
        let shop = history.shops.iter().find(|shop| shop.id() == connection);
        let plain = |(id, known): (&OrderId, &Known)| {
            let sku = known.last().lines.first().and_then(|line| line.sku.as_deref());
            sku.is_some_and(|sku| ["A", "B", "C"].contains(&sku))
                && !unaskable.contains(&OrderKey::new(connection.clone(), id.clone()).to_string())
        };
        shop.is_some_and(|shop| shop.orders().iter().all(plain))
    };
    let mut looked_at = 0;
    for (key, lines) in rows.timelines.iter().filter(|(key, _)| quiet(&key.connection)) {
        let in_the_erp = |line: &Entry| ["synced", "adopted"].contains(&line.event.as_str());
        let Some(synced) = lines.iter().position(in_the_erp) else { continue };
        let accepted = lines.iter().take(synced).rev().find(|line| line.event == "accepted");
        let (Some(accepted), Some(synced)) = (accepted, lines.get(synced)) else { continue };
        let (from, to) = (micros(accepted.at), micros(synced.at));
        let departures = rows.departures.iter().filter(|at| (from..to).contains(*at)).count();
        if departures > 2 {
            let words = format!("{key} waited for {departures} departures, from {} to {}", accepted.at, synced.at);
            history.world.violated(words);
        }
        looked_at += 1;
    }
    looked_at
}

/// Invariants 7 and 8: what waits, is refused or panics costs nobody a receive.
fn receives(history: &History) {
    const WAITING: &[Fault] = &[
        Fault::ErpTooMany,
        Fault::ErpTooManySilent,
        Fault::ErpQuotaGone,
        Fault::ErpOutage,
        Fault::ErpRefused,
        Fault::ErpTls,
        Fault::ErpUnauthorized,
        Fault::OrderRefused,
        Fault::OrderPoison,
        Fault::OrderPanics,
        Fault::PoisonText,
        Fault::PoisonLookUp,
        Fault::ManyUnknown,
        Fault::Spender,
        Fault::ErpForbidsAll,
        Fault::ErpErrorBefore,
        Fault::ErpErrorAfter,
        Fault::ErpDrips,
        Fault::Midnight,
        Fault::Flood,
        Fault::WebhookTwice,
        Fault::WebhookLate,
    ];
    let receives = history.queue.letters().most_receives;
    // Where something is told to go wrong, the teller knows what to expect.
    let told = history.world.scripted() || history.scenario.faults.kinds().next().is_none();
    let rough = history.scenario.trade.as_ref().is_some_and(|trade| trade.lost + trade.late + trade.unanswered > 0);
    let only_waiting = !told && !rough && history.scenario.faults.kinds().all(|kind| WAITING.contains(&kind));
    if only_waiting && receives > 1 {
        history.world.violated(format!("a message was received {receives} times although only waiting went on"));
    }
}

/// Invariant 11: no secret and no personal data in reasons, timelines and dead letters' reasons.
pub fn canaries(history: &History) -> u64 {
    let rows = history.table.rows();
    let reasons = rows.heads.values().flat_map(|head| {
        [head.reason.as_ref(), head.parked.as_ref().map(|parked| &parked.reason)]
            .into_iter()
            .flatten()
            .map(Reason::words)
    });
    let lines = rows.timelines.values().flatten().filter_map(|entry| entry.detail.clone());
    let letters = history.queue.letters();
    let dead = letters.dead.iter().map(|(_, reason, _)| reason.clone());
    for text in reasons.chain(lines).chain(dead) {
        if text.contains(BUYER_CANARY) || text.contains(SECRET_CANARY) {
            history.world.violated(format!("personal data or a secret is shown: {text}"));
        }
    }
    1
}
