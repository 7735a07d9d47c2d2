//! What people do in a real Odoo between two states of an order, and what it refuses: only what is to blame waits, with words that say
//! what to do.

use puente::{
    domain::{
        document::{Booked, DocumentKind, Step},
        order::{Order, Refund},
        reason::Why,
        version::Version,
    },
    erp::{ERPS, Erp, Job, SendError},
};
use serde_json::{Value, json};

use crate::{
    life::{Answer, why},
    made::{self, amount, line, order, sale},
    real::{Real as _, digits},
    support::{
        odoo::{Odoo, odoo},
        tryton::{Memory, counted},
    },
};

/// A connector before the Odoo of all tests.
struct Desk {
    odoo: &'static Odoo,
    erp: Box<dyn Erp>,
    memory: Memory,
}

impl Desk {
    fn new(more: &str) -> Option<Self> {
        odoo().map(|odoo| Self::before(odoo, more))
    }

    fn before(odoo: &'static Odoo, more: &str) -> Self {
        let row = ERPS.iter().find(|row| row.kind == "odoo").expect("a row for Odoo");
        let section = puente::config::Section::from_toml(&odoo.section(more)).expect("TOML");
        Self { odoo, erp: (row.build)(&section).expect("a connector"), memory: Memory::default() }
    }

    /// Prepared and sent.
    async fn send(&self, job: &Job) -> Answer {
        let (way, _) = counted();
        let operation = job.step.operation();
        let calls = way.with(&self.memory);
        let draft = self.erp.prepare(&calls, operation, std::slice::from_ref(job), false).await.remove(0)?;
        self.erp.send(&calls, operation, &[draft]).await.remove(0)
    }

    /// Sold: the job, and what is on record of it.
    async fn sold(&self, order: Order) -> (Job, Booked) {
        let job = sale(order);
        let document = self.send(&job).await.unwrap();
        let (reference, version) = (job.step.reference.clone(), Some(job.version.clone()));
        let booked = Booked { reference, kind: DocumentKind::Sale, version, document, cancelled: false };
        (job, booked)
    }

    async fn read(&self, booked: &Booked, fields: Value) -> Value {
        let id: i64 = booked.document.id.parse().unwrap();
        self.odoo.search("sale.order", json!([["id", "=", id]]), fields).await.remove(0)
    }

    /// Has an article invoiced as it is delivered, and not when it is ordered.
    async fn invoiced_when_delivered(&self, code: &str) {
        let product = self.odoo.search("product.product", json!([["default_code", "=", code]]), json!(["id"])).await;
        let body = json!({"ids": [product[0]["id"]], "vals": {"invoice_policy": "delivery"}});
        self.odoo.call("product.product", "write", body).await;
    }

    /// A draft invoice of all that is sold, as people make it.
    async fn invoice(&self, booked: &Booked) -> i64 {
        let id: i64 = booked.document.id.parse().unwrap();
        let context = json!({"active_model": "sale.order", "active_ids": [id]});
        let wizard = json!({"vals_list": [{"advance_payment_method": "delivered", "sale_order_ids": [[6, 0, [id]]],
            "consolidated_billing": false}], "context": context});
        let wizard = self.odoo.call("sale.advance.payment.inv", "create", wizard).await;
        self.odoo.call("sale.advance.payment.inv", "create_invoices", json!({"ids": wizard, "context": context})).await;
        self.read(booked, json!(["invoice_ids"])).await["invoice_ids"][0].as_i64().unwrap()
    }
}

/// The next state of an order, and the change of its sale to that.
fn amending(job: &Job, booked: &Booked, change: impl FnOnce(&mut Order)) -> Job {
    let mut order = (*job.order).clone();
    change(&mut order);
    made::add_up(&mut order);
    order.updated_at = puente::domain::time::Stamp::parse("2026-05-07T22:30:00-03:00").unwrap();
    let version = order.version();
    Job { step: Step::amend(booked, job.version.clone()), version, order: order.into(), ..job.clone() }
}

pub fn pieces(job: &Job, booked: &Booked, quantity: &str, net: &str, tax: &str) -> Job {
    amending(job, booked, |order| {
        order.lines[0].quantity = amount(quantity);
        order.lines[0].amount = amount(net);
        order.lines[0].taxes[0].amount = amount(tax);
    })
}

pub fn cancelling(job: &Job, booked: &Booked) -> Job {
    Job { step: Step::cancel(booked), ..job.clone() }
}

/// Half of it is given back.
fn crediting(job: &Job, booked: &Booked) -> Job {
    let refund = Refund::new("r1", amount("12.10"));
    let mut order = (*job.order).clone();
    order.refunds = vec![refund.clone()];
    let mut credit = order.clone();
    credit.lines = vec![line("ART-01", "1", "10.00", Some(("0.21", "2.10")))];
    credit.refunds = vec![];
    made::add_up(&mut credit);
    Job { step: Step::credit(job.key.credit(&refund.id), &refund.id, booked), order: credit.into(), ..job.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_order_becomes_what_was_sold_by_now_and_its_delivery_follows() {
    let Some(desk) = Desk::new("") else { return };
    let lines = vec![line("ART-01", "2", "20.00", Some(("0.21", "4.20"))), line("ART-02", "1", "5.00", None)];
    let (job, booked) = desk.sold(order("EUR", false, lines, vec![])).await;
    // One more of the first, none of the second.
    let mut next = pieces(&job, &booked, "3", "30.00", "6.30");
    let mut order = (*next.order).clone();
    order.lines.truncate(1);
    made::add_up(&mut order);
    next.order = order.into();
    let document = desk.send(&next).await.unwrap();
    assert_eq!(document, booked.document, "it keeps its id and its number");
    let read = desk.read(&booked, json!(["amount_total", "state", "origin", "picking_ids"])).await;
    assert_eq!((digits(&read["amount_total"]), read["state"].as_str()), (amount("36.30"), Some("sale")));
    assert!(read["origin"].as_str().unwrap().contains(&next.version.to_string()));
    let moves = desk
        .odoo
        .search("stock.move", json!([["picking_id", "in", read["picking_ids"]]]), json!(["product_uom_qty", "state"]))
        .await;
    let left: Vec<_> =
        moves.iter().filter(|one| one["state"] != "cancel").map(|one| digits(&one["product_uom_qty"])).collect();
    assert_eq!(left.iter().copied().sum::<puente::domain::money::Amount>(), amount("3"), "{moves:?}");
    // Once more: it is there. From another state: somebody else changed it.
    assert!(matches!(desk.send(&next).await, Err(SendError::Exists)));
    let stale = Job { step: Step::amend(&booked, Version::unread()), ..pieces(&job, &booked, "4", "40.00", "8.40") };
    assert!(matches!(why(&desk.send(&stale).await), Why::ChangedByHand { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_delivered_or_invoiced_is_credited_and_neither_changed_nor_cancelled() {
    let Some(desk) = Desk::new("credit_state = \"posted\"\n") else { return };
    let (job, booked) = desk.sold(made::small()).await;
    desk.odoo.ship(&[job.step.reference.to_string()]).await;
    let (invoiced_job, invoiced) = desk.sold(made::small()).await;
    let invoice = desk.invoice(&invoiced).await;
    desk.odoo.call("account.move", "action_post", json!({"ids": [invoice]})).await;
    for (job, booked, said) in [(&job, &booked, "delivered"), (&invoiced_job, &invoiced, "invoiced")] {
        for step in [pieces(job, booked, "3", "30.00", "6.30"), cancelling(job, booked)] {
            let answer = desk.send(&step).await;
            let Why::TooLate { because, .. } = why(&answer) else { panic!("{answer:?}") };
            assert!(because.contains(said), "{because}");
        }
        let read = desk.read(booked, json!(["amount_total", "state"])).await;
        assert_eq!((digits(&read["amount_total"]), read["state"].as_str()), (amount("24.20"), Some("sale")));
        let note = desk.send(&crediting(job, booked)).await.unwrap();
        let again = desk.send(&crediting(job, booked)).await.unwrap();
        assert_eq!(note, again, "the second answer is the first's");
        let id: i64 = note.id.parse().unwrap();
        let fields = json!(["amount_total", "state", "move_type", "name", "reversed_entry_id"]);
        let found = desk.odoo.search("account.move", json!([["id", "=", id]]), fields).await.remove(0);
        assert_eq!(
            (digits(&found["amount_total"]), found["state"].as_str(), found["move_type"].as_str()),
            (amount("12.10"), Some("posted"), Some("out_refund"))
        );
        assert_eq!(found["name"].as_str(), note.number.as_deref());
        let reversed = (said == "invoiced").then_some(invoice);
        assert_eq!(found["reversed_entry_id"][0].as_i64(), reversed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_is_neither_changed_nor_credited() {
    let Some(desk) = Desk::new("") else { return };
    let (job, booked) = desk.sold(made::small()).await;
    desk.send(&cancelling(&job, &booked)).await.unwrap();
    assert_eq!(desk.read(&booked, json!(["state"])).await["state"], "cancel");
    // Cancelled already is as good as cancelled now.
    desk.send(&cancelling(&job, &booked)).await.unwrap();
    for step in [pieces(&job, &booked, "3", "30.00", "6.30"), crediting(&job, &booked)] {
        let answer = desk.send(&step).await;
        assert!(matches!(why(&answer), Why::SaleCancelled { .. }), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_a_merged_contact_are_for_whoever_is_left() {
    let Some(desk) = Desk::new("") else { return };
    let (job, booked) = desk.sold(made::small()).await;
    let partner = desk.read(&booked, json!(["partner_id"])).await["partner_id"][0].clone();
    let kept = desk.odoo.call("res.partner", "create", json!({"vals_list": [{"name": "Ada Kept"}]})).await[0].clone();
    let wizard = json!({"vals_list": [{"partner_ids": [[6, 0, [partner, kept]]], "dst_partner_id": kept}]});
    let wizard = desk.odoo.call("base.partner.merge.automatic.wizard", "create", wizard).await;
    desk.odoo.call("base.partner.merge.automatic.wizard", "action_merge", json!({"ids": wizard})).await;
    let mut next = made::small();
    next.customer.clone_from(&job.order.customer);
    // Somebody who remembers nothing of before.
    let (_, second) = Desk::before(desk.odoo, "").sold(next).await;
    assert_eq!(desk.read(&second, json!(["partner_id"])).await["partner_id"][0], kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named_and_nothing_is_there() {
    // One of its own: what is changed there would be others' too.
    let Some(alone) = Odoo::start() else { return };
    let desk = Desk::before(Box::leak(Box::new(alone)), "");
    let user = desk.odoo.search("res.users", json!([["login", "=", "puente"]]), json!(["group_ids"])).await.remove(0);
    let nothing = json!({"module": "base", "xml_id": "group_user"});
    let nothing = desk.odoo.call("ir.model.data", "check_object_reference", nothing).await;
    let rights = async |groups: Value| {
        let vals = json!({"group_ids": [[6, 0, groups]]});
        desk.odoo.call("res.users", "write", json!({"ids": [user["id"]], "vals": vals})).await;
    };
    rights(json!([nothing[1]])).await;
    let job = sale(made::small());
    let words = desk.send(&job).await.unwrap_err().error().map(ToString::to_string).unwrap_or_default();
    assert!(words.contains("give the integration user that right in Odoo"), "{words}");
    assert!(desk.odoo.books().await.documents.is_empty());
    rights(user["group_ids"].clone()).await;
    assert!(desk.send(&job).await.is_ok());
}

/// An order of somebody who buys again.
fn of_one_customer() -> Job {
    let mut order = order("EUR", false, vec![line("ART-07", "2", "20.00", Some(("0.21", "4.20")))], vec![]);
    order.customer.as_mut().unwrap().id = Some("invoiced".to_owned());
    sale(order)
}

/// The invoices of an order: what they come to, and how they stand.
async fn invoices(
    desk: &Desk,
    document: &puente::domain::document::Document,
) -> Vec<(puente::domain::money::Amount, String)> {
    let id: i64 = document.id.parse().unwrap();
    let of = json!([["invoice_line_ids.sale_line_ids.order_id", "=", id]]);
    let found = desk.odoo.search("account.move", of, json!(["amount_total", "state"])).await;
    found.iter().map(|one| (digits(&one["amount_total"]), one["state"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_order_is_invoiced_once_and_by_itself_where_that_is_wanted() {
    let Some(desk) = Desk::new("invoice = \"posted\"\n") else { return };
    desk.invoiced_when_delivered("ART-09").await;
    let once = (amount("24.20"), "posted".to_owned());
    // Two orders of one customer in one departure, and one of articles that are invoiced when they are delivered.
    let later = sale(order("EUR", false, vec![line("ART-09", "1", "10.00", None)], vec![]));
    let jobs = [of_one_customer(), of_one_customer(), later];
    let (way, counter) = counted();
    let calls = way.with(&desk.memory);
    let operation = jobs[0].step.operation();
    let drafts = desk.erp.prepare(&calls, operation, &jobs, false).await.into_iter().collect::<Result<Vec<_>, _>>();
    let drafts = drafts.unwrap();
    counter.take();
    let sent = desk.erp.send(&calls, operation, &drafts).await;
    assert!(counter.take() <= 9);
    let documents: Vec<_> = sent.into_iter().map(Result::unwrap).collect();
    assert_eq!(invoices(&desk, &documents[0]).await, std::slice::from_ref(&once));
    assert_eq!(invoices(&desk, &documents[1]).await, std::slice::from_ref(&once));
    assert_eq!(invoices(&desk, &documents[2]).await, []);
    // Sent again, and found again: nothing is left to do.
    let again = desk.erp.send(&calls, operation, &drafts).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    assert_eq!(invoices(&desk, &documents[0]).await, [once]);
    let steps: Vec<Step> = jobs.iter().map(|job| job.step.clone()).collect();
    let found = desk.erp.look_up(&calls, &steps).await.unwrap();
    assert!(found.iter().all(|found| found.as_ref().unwrap().finished), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_that_was_cut_short_is_finished() {
    let Some(desk) = Desk::new("") else { return };
    let job = of_one_customer();
    let document = desk.send(&job).await.unwrap();
    // Confirmed and no more; then with an invoice that is a draft.
    for (more, state) in [("invoice = \"draft\"\n", "draft"), ("invoice = \"posted\"\n", "posted")] {
        let desk = Desk::before(desk.odoo, more);
        let (way, _) = counted();
        let calls = way.with(&desk.memory);
        let steps = std::slice::from_ref(&job.step);
        assert!(!desk.erp.look_up(&calls, steps).await.unwrap()[0].as_ref().unwrap().finished, "{more}");
        let operation = job.step.operation();
        desk.erp.finish(&calls, operation, std::slice::from_ref(&document)).await.remove(0).unwrap();
        assert_eq!(invoices(&desk, &document).await, [(amount("24.20"), state.to_owned())]);
        assert!(desk.erp.look_up(&calls, steps).await.unwrap()[0].as_ref().unwrap().finished, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_companies_of_one_database_are_two_accounts() {
    let Some(alone) = Odoo::start() else { return };
    let odoo: &'static Odoo = Box::leak(Box::new(alone));
    let second =
        odoo.call("res.company", "create", json!({"vals_list": [{"name": "Segunda", "currency_id": 1}]})).await;
    let first = odoo.search("res.company", json!([["id", "!=", second[0]]]), json!(["currency_id"])).await.remove(0);
    let currency = json!({"ids": second, "vals": {"currency_id": first["currency_id"][0]}});
    odoo.call("res.company", "write", currency).await;
    let warehouse = json!({"vals_list": [{"name": "Segunda", "code": "SEG", "company_id": second[0]}]});
    odoo.call("stock.warehouse", "create", warehouse).await;
    let user = odoo.search("res.users", json!([["login", "=", "puente"]]), json!(["company_ids"])).await.remove(0);
    let both = json!({"ids": [user["id"]], "vals": {"company_ids": [[4, second[0]]]}});
    odoo.call("res.users", "write", both).await;
    let desks = [first["id"].clone(), second[0].clone()].map(|company| {
        let section = odoo.section("").replace("company = 1\n", &format!("company = {company}\n"));
        let row = ERPS.iter().find(|row| row.kind == "odoo").expect("a row for Odoo");
        let section = puente::config::Section::from_toml(&section).unwrap();
        Desk { odoo, erp: (row.build)(&section).unwrap(), memory: Memory::default() }
    });
    for (desk, company) in desks.iter().zip([&first["id"], &second[0]]) {
        let untaxed = || order("EUR", false, vec![line("ART-01", "1", "10.00", None)], vec![]);
        let (job, booked) = desk.sold(untaxed()).await;
        let read = desk.read(&booked, json!(["company_id", "state", "warehouse_id"])).await;
        assert_eq!((&read["company_id"][0], read["state"].as_str()), (company, Some("sale")), "{read}");
        let (way, _) = counted();
        let found = desk.erp.look_up(&way.with(&desk.memory), std::slice::from_ref(&job.step)).await.unwrap();
        assert!(found[0].is_some());
        let other = desks.iter().find(|other| !std::ptr::eq(*other, desk)).unwrap();
        let found = other.erp.look_up(&way.with(&other.memory), std::slice::from_ref(&job.step)).await.unwrap();
        assert!(found[0].is_none(), "the other company has no such order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_of_a_document_leads_to_it() {
    let Some(desk) = Desk::new("") else { return };
    let (_, booked) = desk.sold(made::small()).await;
    let row = ERPS.iter().find(|row| row.kind == "odoo").unwrap();
    let links = (row.links)(&puente::config::Section::from_toml(&desk.odoo.section("")).unwrap());
    let links = links.sale.unwrap();
    let id = &booked.document.id;
    // Over the log-in, which goes on to the record.
    let place = desk.odoo.leads(&links.to(id)).await;
    assert!(
        place.contains("/web/login?redirect=") && place.contains(&format!("sale.order%26res_id%3D{id}")),
        "{place}"
    );
}
