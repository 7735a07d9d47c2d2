//! What stops, and the words it stops with.

use super::*;
use crate::domain::{
    money::Amount,
    order::{Line, Tax},
    rules::{After, Mismatch},
    status::Meaning,
};

fn order() -> Order {
    serde_json::from_str(
        r##"{"schema":1,"id":"1","number":"#1","placed_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",
        "currency":"GBP","status":"open","payment":"paid","shipping":{"street":"Canary Wharf 1"},
        "lines":[{"id":"1","sku":"CUP-1","title":"Cup","quantity":"2","unit_price":"45","amount":"90"}],
        "charges":[{"kind":"shipping","label":"post","amount":"25"}],"tax":"0","total":"115"}"##,
    )
    .unwrap()
}

fn changed(change: impl FnOnce(&mut Order)) -> Order {
    let mut order = order();
    change(&mut order);
    order
}

fn refund(amount: &str, taken_off: Option<&str>) -> Refund {
    let amount_of = |text: &str| text.parse().unwrap();
    Refund { taken_off: taken_off.map(amount_of), ..Refund::new("9", amount_of(amount)) }
}

/// What is planned for `desired` where the ERP holds these documents and can do this.
struct Erp {
    booked: Vec<Booked>,
    contents: HashMap<Version, Order>,
    can: &'static [Operation],
    by_hand: bool,
}

impl Erp {
    /// One that holds nothing.
    fn empty() -> Self {
        Self { booked: Vec::new(), contents: HashMap::new(), can: Operation::ALL, by_hand: false }
    }

    fn version(order: &Order) -> Version {
        order.version()
    }

    /// The step was taken with the content of `order`, and left a document of this id.
    fn took(mut self, step: &Step, order: &Order, id: &str) -> Self {
        let document = Document { id: id.to_owned(), number: Some(format!("S{id}")) };
        self.booked = step.booked(&self.booked, &Self::version(order), &document);
        self.contents.insert(Self::version(order), order.clone());
        self
    }

    /// One that holds the sale of `order`.
    fn with(order: &Order) -> Self {
        Self::empty().took(&Step::create(key().sale()), order, "1")
    }

    fn plan(&self, desired: Order, rules: &Rules) -> Plan {
        let version = Self::version(&desired);
        let can = |operation: Operation| self.can.contains(&operation);
        let known = Known {
            key: &key(),
            booked: &self.booked,
            contents: &self.contents,
            version: &version,
            by_hand: self.by_hand,
            rules,
            can: &can,
        };
        plan(&known, desired)
    }
}

fn key() -> OrderKey {
    OrderKey::new("shop".parse().unwrap(), "1".parse().unwrap())
}

/// What is planned where the ERP can create sales and nothing else.
fn planned(desired: Order, applied: Option<&Order>, rules: &Rules) -> Plan {
    let erp = applied.map_or_else(Erp::empty, Erp::with);
    Erp { can: &[Operation::Create], ..erp }.plan(desired, rules)
}

fn stopped(plan: Plan) -> (End, String) {
    match plan {
        Plan::Rest(Rest::Stop { end, reason }) => (end, reason.words()),
        other => panic!("{other:?}"),
    }
}

/// Why it does not go, with the ERP empty.
fn before(change: impl FnOnce(&mut Order)) -> (End, String) {
    stopped(planned(changed(change), None, &Rules::default()))
}

/// What is to be done, with the ERP holding `order()`.
fn after(change: impl FnOnce(&mut Order)) -> String {
    let (end, reason) = stopped(planned(changed(change), Some(&order()), &Rules::default()));
    assert_eq!(end, End::Parked);
    assert!(!reason.contains("Canary"), "personal data: {reason}");
    reason
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn what_is_whole_goes_and_what_changed_nothing_rests() {
    assert!(matches!(planned(order(), None, &Rules::default()), Plan::Take(_)));
    let rests = |change: fn(&mut Order)| planned(changed(change), Some(&order()), &Rules::default());
    for change in [
        (|_| {}) as fn(&mut Order),
        |o| o.payment = Payment::PartiallyPaid,
        |o| o.channel = Some("pos".into()),
        |o| o.current_total = Some(amount("115")),
    ] {
        assert_eq!(rests(change), Plan::Rest(Rest::Synced));
    }
}

#[test]
fn a_refund_waits_for_its_credit_note_whenever_it_came() {
    let refunded = |o: &mut Order| {
        o.payment = Payment::PartiallyRefunded;
        o.refunds.push(refund("25", None));
        o.current_total = Some(amount("90"));
    };
    assert_eq!(
        before(refunded),
        (
            End::Parked,
            "25.00 GBP were refunded before it reached the ERP: create the sale and its credit note there by hand"
                .into()
        )
    );
    assert_eq!(
        after(refunded),
        "25.00 GBP were refunded after it reached the ERP: credit sale S1 there by hand, then have that noted (puente orders adopt)"
    );
}

#[test]
fn the_amount_of_a_refund_is_the_whole_amount_or_none() {
    let said = |refunds: Vec<Refund>| after(|o| o.refunds = refunds);
    assert!(said(vec![refund("20", None), refund("5.5", None)]).starts_with("25.50 GBP were refunded after"));
    assert!(
        said(vec![refund("15", Some("20"))])
            .starts_with("15.00 GBP were refunded (20.00 GBP of what was sold came back) after")
    );
    let unknown = said(vec![refund("20", None), refund("0", None)]);
    assert!(unknown.starts_with("an amount that the store does not state in GBP was refunded after"), "{unknown}");
}

#[test]
fn a_refund_that_no_refund_explains_waits_too() {
    for payment in [Payment::PartiallyRefunded, Payment::Refunded] {
        let words = after(|o| o.payment = payment);
        assert!(words.starts_with("it was refunded, and no refund in the store says how much after"), "{words}");
    }
    let (end, words) = before(|o| o.payment = Payment::PartiallyRefunded);
    assert_eq!(end, End::Parked);
    assert!(words.starts_with("it was refunded, and no refund in the store says how much before"), "{words}");
}

#[test]
fn refunds_that_do_not_lead_to_the_stores_total_are_told_with_the_difference() {
    let (end, words) = before(|o| o.current_total = Some(amount("112.5")));
    assert_eq!(end, End::Parked);
    assert!(
        words.contains("115.00 GBP were sold and 0.00 GBP refunded")
            && words.contains("comes to 112.50 GBP now, 2.50 GBP less"),
        "{words}"
    );
}

#[test]
fn an_order_that_was_paid_and_waits_for_its_payment_again_stops() {
    let rules = Rules {
        statuses: [("packing".to_owned(), Meaning::Paid), ("dispute".to_owned(), Meaning::Failed)].into(),
        ..Rules::default()
    };
    let packing = changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("packing".into())));
    for (desired, applied, says) in [
        (changed(|o| o.payment = Payment::Pending), order(), "waits for its payment again"),
        (changed(|o| o.payment = Payment::InProcess), order(), "waits for its payment again"),
        // What the rules say was paid, was paid.
        (changed(|o| o.payment = Payment::Pending), packing.clone(), "waits for its payment again"),
        (
            changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("dispute".into()))),
            order(),
            "charged back",
        ),
        (changed(|o| (o.payment, o.store_status) = (Payment::Unknown, Some("packed".into()))), order(), "\"packed\""),
    ] {
        let Plan::Rest(Rest::Stop { end: End::Parked, reason }) = planned(desired, Some(&applied), &rules) else {
            panic!("{says}");
        };
        let reason = reason.words();
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(planned(order(), Some(&packing), &rules), Plan::Rest(Rest::Synced));
    assert_eq!(planned(packing, Some(&order()), &rules), Plan::Rest(Rest::Synced));
    // What was never paid, as with create_when = "placed", loses nothing.
    let pending = changed(|o| o.payment = Payment::Pending);
    assert_eq!(planned(pending.clone(), Some(&pending), &rules), Plan::Rest(Rest::Synced));
}

#[test]
fn a_payment_that_is_lost_stops_what_is_in_the_erp() {
    for payment in [Payment::Failed, Payment::Voided, Payment::Expired, Payment::ChargedBack] {
        let words = after(|o| o.payment = payment);
        assert!(
            words.starts_with("its payment failed, was given up or was charged back after it reached the ERP: look at"),
            "{words}"
        );
        assert_eq!(before(|o| o.payment = payment).0, End::Ignored);
        // It was so before: nothing changed.
        let lost = changed(|o| o.payment = Payment::Voided);
        assert_eq!(planned(changed(|o| o.payment = payment), Some(&lost), &Rules::default()), Plan::Rest(Rest::Synced));
    }
}

#[test]
fn what_changed_is_named_and_so_is_what_to_do() {
    let address = after(|o| o.shipping.as_mut().unwrap().city = Some("Canary".into()));
    assert_eq!(
        address,
        "its shipping address changed after it reached the ERP: change sale S1 there by hand, then have that noted (puente orders adopt)"
    );
    let edited = after(|o| {
        o.lines[0].quantity = amount("1");
        o.lines[0].amount = amount("45");
        o.total = amount("70");
        o.refunds.push(refund("45", None));
    });
    assert_eq!(
        edited,
        "its quantity of CUP-1 (1 instead of 2) and its total (70.00 GBP instead of 115.00 GBP) changed and 45.00 GBP were \
         refunded after it reached the ERP: change and credit sale S1 there by hand, then have that noted (puente orders adopt)"
    );
    let cancelled = after(|o| {
        o.status = Status::Cancelled;
        o.lines.clear();
    });
    assert_eq!(
        cancelled,
        "it was cancelled in the store after it reached the ERP: cancel sale S1 there by hand, then have that noted (puente orders adopt)"
    );
}

/// Lines of 1.00, so many of them taxed with 0.21, and a total that is `off` by so much.
fn books(taxed: usize, off: &str) -> impl FnOnce(&mut Order) {
    let off = amount(off);
    move |o| {
        let tax = Tax { name: "VAT".into(), rate: Some(amount("0.21")), amount: amount("0.21") };
        (o.lines[0].quantity, o.lines[0].amount) = (amount("1"), amount("1"));
        let line = o.lines[0].clone();
        o.lines = (0..4).map(|n| Line { taxes: vec![tax.clone(); usize::from(n < taxed)], ..line.clone() }).collect();
        o.charges.clear();
        o.tax = (0..taxed).map(|_| amount("0.21")).sum();
        o.total = o.total - o.proof().difference + off;
    }
}

#[test]
fn books_that_miss_by_rounding_go_and_others_wait() {
    for (taxed, off) in [(2, "0.01"), (4, "-0.02")] {
        assert!(matches!(planned(changed(books(taxed, off)), None, &Rules::default()), Plan::Take(_)), "{taxed} {off}");
    }
    for (taxed, off) in [(0, "0.01"), (1, "0.01"), (2, "-0.02"), (4, "0.03")] {
        let (end, words) = before(books(taxed, off));
        assert_eq!(end, End::Parked);
        assert!(words.starts_with("the totals do not match") && words.contains(off.trim_start_matches('-')), "{words}");
        // Unless so much may be adjusted.
        let rules =
            |limit: &str| Rules { total_mismatch: Mismatch::Adjust, adjust_limit: amount(limit), ..Rules::default() };
        assert!(matches!(planned(changed(books(taxed, off)), None, &rules("0.03")), Plan::Take(_)), "{taxed} {off}");
        assert_eq!(stopped(planned(changed(books(taxed, off)), None, &rules("0.001"))).0, End::Parked);
    }
}

// ---- an ERP that can do all of it

fn step(plan: Plan) -> (Step, Next) {
    match plan {
        Plan::Take(next) => (next.step.clone(), next),
        Plan::Rest(rest) => panic!("{rest:?}"),
    }
}

fn later(second: i8, change: impl FnOnce(&mut Order)) -> Order {
    changed(|o| {
        change(o);
        o.updated_at = serde_json::from_str(&format!("\"2026-01-02T00:00:{second:02}Z\"")).unwrap();
    })
}

fn rules(edit: Edit) -> Rules {
    Rules { after: After { edit, ..After::default() }, ..Rules::default() }
}

fn edited(o: &mut Order) {
    o.lines[0].quantity = amount("1");
    o.lines[0].amount = amount("45");
    o.total = amount("70");
}

fn given_back(id: &str, of: &str) -> impl Fn(&mut Order) {
    let refund = Refund { id: id.to_owned(), ..refund(of, None) };
    move |o| {
        o.payment = Payment::PartiallyRefunded;
        o.refunds.push(refund.clone());
    }
}

#[test]
fn a_refund_known_before_the_sale_follows_it() {
    let order = changed(given_back("9", "20"));
    let (first, next) = step(Erp::empty().plan(order.clone(), &Rules::default()));
    assert_eq!((first.operation(), next.last), (Operation::Create, false));
    let erp = Erp::empty().took(&first, &order, "1");
    let (second, next) = step(erp.plan(order.clone(), &Rules::default()));
    assert_eq!((second.reference.as_str(), next.last), ("shop/1/refund/9", true));
    assert_eq!(next.order.total, amount("20"));
    let erp = erp.took(&second, &order, "2");
    assert_eq!(erp.plan(order, &Rules::default()), Plan::Rest(Rest::Synced));
}

#[test]
fn refunds_are_credited_each_once_in_the_stores_order() {
    let (sold, two) = (order(), later(1, |o| [given_back("a", "20"), given_back("b", "5")].iter().for_each(|f| f(o))));
    let erp = Erp::with(&sold);
    let (first, next) = step(erp.plan(two.clone(), &Rules::default()));
    assert_eq!((first.reference.as_str(), next.last), ("shop/1/refund/a", false));
    let erp = erp.took(&first, &two, "2");
    let (second, next) = step(erp.plan(two.clone(), &Rules::default()));
    assert_eq!((second.reference.as_str(), next.last), ("shop/1/refund/b", true));
    let erp = erp.took(&second, &two, "3");
    assert_eq!(erp.plan(two.clone(), &Rules::default()), Plan::Rest(Rest::Synced));
    // A credited refund that is gone, or another one by now, is a person's.
    for now in [
        later(2, given_back("a", "20")),
        later(2, |o| [given_back("a", "20"), given_back("b", "6")].iter().for_each(|f| f(o))),
    ] {
        let (end, words) = stopped(erp.plan(now, &Rules::default()));
        assert!(end == End::Parked && words.starts_with("credit note S3 is booked for refund b"), "{words}");
    }
}

#[test]
fn an_edit_changes_the_sale_from_the_version_that_it_carries() {
    let (sold, now) = (order(), later(1, edited));
    let (amend, next) = step(Erp::with(&sold).plan(now.clone(), &Rules::default()));
    let Action::Amend { document, base } = &amend.action else { panic!("{amend:?}") };
    assert_eq!((document.name(), base, next.last), ("S1", &sold.version(), true));
    // Changed and changed back: the sale carries the edit, so that there is something to do though the first content is back.
    let erp = Erp::with(&sold).took(&amend, &now, "1");
    let back = later(2, |_| {});
    let (again, _) = step(erp.plan(back, &Rules::default()));
    assert_eq!(again.operation(), Operation::Amend);
}

#[test]
fn a_sale_that_cannot_be_changed_is_cancelled_and_made_anew_if_the_rules_say_so() {
    let (sold, now) = (order(), later(1, edited));
    let erp = Erp::with(&sold);
    let (cancel, next) = step(erp.plan(now.clone(), &rules(Edit::CancelAndNew)));
    assert_eq!((cancel.operation(), next.last), (Operation::Cancel, false));
    assert_eq!(next.anew.unwrap().total, amount("70"));
    let erp = erp.took(&cancel, &now, "1");
    let (create, next) = step(erp.plan(now.clone(), &rules(Edit::CancelAndNew)));
    assert_eq!((create.reference.as_str(), next.last), ("shop/1/v/1", true));
    let erp = erp.took(&create, &now, "2");
    assert_eq!(erp.plan(now, &rules(Edit::CancelAndNew)), Plan::Rest(Rest::Synced));
    // By default, where the ERP cannot change a sale, a person does.
    let cannot = Erp { can: &[Operation::Create, Operation::Cancel], ..Erp::with(&sold) };
    for rules in [rules(Edit::Amend), rules(Edit::Park)] {
        let (end, words) = stopped(cannot.plan(later(1, edited), &rules));
        assert!(end == End::Parked && words.contains("change sale S1 there by hand"), "{words}");
    }
}

#[test]
fn a_cancelled_order_has_its_sale_cancelled_and_an_order_opened_again_gets_another() {
    let cancelled = later(1, |o| o.status = Status::Cancelled);
    let erp = Erp::with(&order());
    let (cancel, next) = step(erp.plan(cancelled.clone(), &Rules::default()));
    assert!(matches!(&cancel.action, Action::Cancel { document } if document.id == "1") && next.last);
    let erp = erp.took(&cancel, &cancelled, "1");
    assert_eq!(erp.plan(cancelled, &Rules::default()), Plan::Rest(Rest::Synced));
    let (anew, _) = step(erp.plan(later(2, |_| {}), &Rules::default()));
    assert_eq!(anew.reference.as_str(), "shop/1/v/1");
    // Before it reached the ERP there is nothing to do.
    let (end, _) = stopped(Erp::empty().plan(later(1, |o| o.status = Status::Cancelled), &Rules::default()));
    assert_eq!(end, End::Ignored);
}

#[test]
fn what_is_credited_is_neither_cancelled_nor_made_anew() {
    let credited = later(1, given_back("9", "20"));
    let (credit, _) = step(Erp::with(&order()).plan(credited.clone(), &Rules::default()));
    let erp = Erp::with(&order()).took(&credit, &credited, "2");
    let cancelled = |o: &mut Order| {
        given_back("9", "20")(o);
        o.status = Status::Cancelled;
    };
    let (end, words) = stopped(erp.plan(later(2, cancelled), &Rules::default()));
    assert!(
        end == End::Parked && words.starts_with("it was cancelled in the store after a credit note of sale S1"),
        "{words}"
    );
    let changed = |o: &mut Order| {
        edited(o);
        given_back("9", "20")(o);
    };
    let (_, words) = stopped(erp.plan(later(2, changed), &rules(Edit::CancelAndNew)));
    assert!(words.contains("would give the money back twice"), "{words}");
    // In place it can be changed, and what is credited stays so.
    let (amend, next) = step(erp.plan(later(2, changed), &Rules::default()));
    assert_eq!((amend.operation(), next.last), (Operation::Amend, true));
    // Cancelled with all of it given back: the rest is credited too, and nothing is left.
    let all = later(2, |o| {
        cancelled(o);
        given_back("10", "95")(o);
    });
    let (rest, next) = step(erp.plan(all.clone(), &Rules::default()));
    assert_eq!((rest.reference.as_str(), next.last), ("shop/1/refund/10", true));
    assert_eq!(erp.took(&rest, &all, "3").plan(all, &Rules::default()), Plan::Rest(Rest::Synced));
}

#[test]
fn what_was_given_to_a_person_stays_theirs_until_they_say_that_it_is_done() {
    let erp = Erp { by_hand: true, ..Erp::with(&order()) };
    let (end, words) = stopped(erp.plan(later(1, given_back("9", "20")), &Rules::default()));
    assert!(end == End::Parked && words.contains("credit sale S1 there by hand"), "{words}");
    // Nothing is left to do: it rests.
    assert_eq!(erp.plan(later(1, |_| {}), &Rules::default()), Plan::Rest(Rest::Synced));
    for (reason, by_hand) in [
        (Reason::Text("25.00 EUR were refunded after it reached the ERP: credit the sale there by hand".into()), true),
        (Why::Changed { facts: vec![Fact::Cancelled], document: None }.into(), true),
        (Why::Refused { words: "the period is closed".into() }.into(), false),
    ] {
        assert_eq!(is_by_hand(&reason), by_hand, "{reason}");
    }
}

#[test]
fn a_refund_nobody_can_book_parks_before_the_sale_is_made() {
    let (end, words) = stopped(Erp::empty().plan(changed(given_back("9", "200")), &Rules::default()));
    assert!(
        end == End::Parked && words.starts_with("its refunds come to 200.00 GBP, and 115.00 GBP were sold"),
        "{words}"
    );
    let refund = Rules { after: After { refund: Credit::Park, ..After::default() }, ..Rules::default() };
    let (_, words) = stopped(Erp::empty().plan(changed(given_back("9", "20")), &refund));
    assert!(words.starts_with("20.00 GBP were refunded before it reached the ERP"), "{words}");
}

#[test]
fn restocking_is_as_the_rules_say() {
    use crate::domain::{order::Returned, rules::Restock};
    let back = later(1, |o| {
        given_back("9", "45")(o);
        let returned = Returned {
            line: "1".into(),
            quantity: amount("1"),
            amount: amount("45"),
            taxes: Vec::new(),
            restock: true,
        };
        o.refunds[0].lines = vec![Returned { restock: false, ..returned }];
    });
    for (rule, restocked) in [(Restock::AsStated, false), (Restock::Always, true), (Restock::Never, false)] {
        let rules = Rules { after: After { restock: rule, ..After::default() }, ..Rules::default() };
        let (_, next) = step(Erp::with(&order()).plan(back.clone(), &rules));
        assert_eq!(next.order.lines[0].restock, Some(restocked), "{rule:?}");
    }
}

#[test]
fn a_step_in_doubt_is_rendered_from_what_was_planned_and_never_planned_anew() {
    let (sold, cancelled) = (order(), later(1, |o| o.status = Status::Cancelled));
    let (rules, version) = (Rules::default(), cancelled.version());
    let intent = |step: Step, planned: &Order, refused: bool| {
        let intent = serde_json::json!({"step": step, "planned": planned.version(), "last": true, "attempt": "a", "epoch": 1,
            "start_by": "2026-01-01T00:00:00Z", "settle_at": "2026-01-01T00:00:00Z", "unknown": true, "refused": refused});
        serde_json::from_str::<Intent>(&intent.to_string()).unwrap()
    };
    let ask = |erp: &Erp, intent: &Intent, content: &Order| {
        let can = |_| true;
        let known = Known {
            key: &key(),
            booked: &erp.booked,
            contents: &erp.contents,
            version: &version,
            by_hand: false,
            rules: &rules,
            can: &can,
        };
        again(intent, &known, content.clone())
    };
    // Cancelled meanwhile: the create goes out once more all the same, and the cancellation follows.
    let create = Step::create(key().sale());
    assert_eq!(step(ask(&Erp::empty(), &intent(create.clone(), &sold, false), &sold)).0, create);
    // A credit in doubt is that credit, not another sale.
    let refunded = later(1, given_back("9", "20"));
    let credit = Step::credit(key().credit("9"), "9", &Erp::with(&sold).booked[0]);
    let (sent, next) = step(ask(&Erp::with(&sold), &intent(credit.clone(), &refunded, false), &refunded));
    assert_eq!((sent, next.order.total), (credit, amount("20")));
    // Refused since, and not wanted any more: a person's.
    let refused = intent(create.clone(), &sold, true);
    let (end, words) = stopped(ask(&Erp::empty(), &refused, &cancelled));
    assert!(end == End::Parked && words.starts_with("the ERP refused to create a sale and may have"), "{words}");
    let wanted = later(2, |o| o.shipping = None);
    assert_eq!(step(ask(&Erp::empty(), &refused, &wanted)).0, create);
}
