//! What goes wrong between a shop and a real Odoo that is no order's fault, and what is one's alone: through the whole path, from the
//! webhook to the record.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, ToSpan, civil::Date, tz::TimeZone};
use puente::{
    domain::{
        document::Operation,
        order::{Order, TaxId, TaxIdKind},
        record::State,
    },
    erp::{ERPS, Erp, SendError},
    fuzzing::Way,
    ports::{Clock as _, SystemClock},
};
use serde_json::{Value, json};

use crate::{
    desk::{another, customer, edited, key, refunded, sold},
    flow::{Inside, OWN},
    life::Meddler,
    made::{amount, sale, small},
    real::{Books, Real, digits},
    support::{
        odoo::{Odoo, odoo},
        proxy::{Fault, Proxy},
        tryton::{Memory, counted},
    },
};

/// An Odoo as one shop meets it: with a key of its own, over a line of its own.
struct Seen {
    odoo: &'static Odoo,
    key: String,
    url: String,
}

impl Seen {
    fn with_key(odoo: &'static Odoo, key: &str) -> Self {
        Self { odoo, key: key.to_owned(), url: odoo.url.clone() }
    }

    fn over(odoo: &'static Odoo, line: SocketAddr) -> Self {
        Self { odoo, key: odoo.key().to_owned(), url: format!("http://{line}") }
    }
}

impl Real for Seen {
    const KIND: &'static str = Odoo::KIND;

    fn url(&self) -> &str {
        &self.url
    }

    fn lines(&self, more: &str) -> String {
        let lines = self.odoo.lines("").replace(self.odoo.key(), &self.key);
        lines.replace(&self.odoo.url, &self.url) + more
    }

    fn secret(&self) -> &str {
        &self.key
    }

    fn printed(&self) -> String {
        self.odoo.printed()
    }

    fn changeable(&self) -> &'static str {
        self.odoo.changeable()
    }

    async fn books(&self) -> Books {
        self.odoo.books().await
    }

    async fn ship(&self, references: &[String]) {
        self.odoo.ship(references).await;
    }
}

/// The sales of an order: their state, total and id.
async fn sales(odoo: &Odoo, order: &Order) -> Vec<Value> {
    let ours = json!([["client_order_ref", "=", key(order).sale()]]);
    odoo.search("sale.order", ours, json!(["state", "amount_total"])).await
}

/// Its one sale is there and confirmed, with its total.
async fn is_sold(odoo: &Odoo, order: &Order) {
    let sales = sales(odoo, order).await;
    assert_eq!(sales.len(), 1, "{sales:?}");
    assert_eq!((&sales[0]["state"], digits(&sales[0]["amount_total"])), (&json!("sale"), order.total));
}

/// Its one credit note.
async fn note(odoo: &Odoo, order: &Order) -> Value {
    let ours = json!([["move_type", "=", "out_refund"], ["ref", "=", key(order).credit("r1")]]);
    let mut notes = odoo.search("account.move", ours, json!(["state", "date", "invoice_date", "amount_total"])).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    notes.remove(0)
}

/// Nothing of it was sent, it costs no attempt, and it goes on by itself.
async fn waits(inside: &Inside, order: &Order) {
    let head = inside.head(order).await;
    assert_eq!((head.state(), head.attempts, head.intent), (State::Waiting, 0, None), "{:?}", head.reason);
    assert!(head.due.is_some());
}

/// After a failure of the account, which is left alone for a moment.
async fn depart_later(inside: &Inside) {
    inside.later(SignedDuration::from_mins(10));
    inside.depart().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credit_note_is_of_the_day_it_is_posted_and_waits_for_a_bookkeeper_where_that_day_is_locked() {
    // One of its own: a period is locked for everybody.
    let Some(alone) = Odoo::start() else { return };
    let odoo: &'static Odoo = Box::leak(Box::new(alone));
    let inside = Inside::of(odoo, "credit_state = \"posted\"\n", &OWN);
    let orders = [(); 5].map(|()| sold());
    inside.take(&orders).await;
    let [past, year, quarter, tax, by_hand] = orders.each_ref().map(refunded);
    let today = || SystemClock.now().to_zoned(TimeZone::UTC).date();
    let lock = async |field: &str, until: Option<Date>| {
        let vals = json!({field: until.map_or(json!(false), |until| json!(until.to_string()))});
        odoo.call("res.company", "write", json!({"ids": [1], "vals": vals})).await;
    };
    let dated_now = async |order: &Order, before: Date| {
        let note = note(odoo, order).await;
        assert_eq!((&note["state"], digits(&note["amount_total"])), (&json!("posted"), amount("12.10")));
        assert_eq!(note["date"], note["invoice_date"], "Odoo moved its date: {note}");
        let date: Date = note["date"].as_str().unwrap().parse().unwrap();
        assert!((before..=today()).contains(&date), "{note}");
    };

    // The order is months old, and its period is closed: nothing of the note asks for a day in it.
    for field in ["fiscalyear_lock_date", "sale_lock_date", "tax_lock_date"] {
        lock(field, Some(today() - 2.days())).await;
    }
    let (before, old) = (today(), sold());
    inside.take([&past, &old]).await;
    for order in [&past, &old] {
        inside.is_synced(order).await;
    }
    dated_now(&past, before).await;

    for (order, field, said) in [
        (&year, "fiscalyear_lock_date", "Global Lock Date"),
        (&quarter, "sale_lock_date", "Sales Lock Date"),
        (&tax, "tax_lock_date", "Tax Return Lock Date"),
    ] {
        lock(field, Some(today() + 1.days())).await;
        let beside = sold();
        inside.take([order, &beside]).await;
        let advice = "open the period in Odoo, or do it there with a day that is open, then replay it";
        let words = inside.parked(order).await.words();
        assert!(words.contains("refuses to post it") && words.contains(said) && words.contains(advice), "{words}");
        assert_eq!(note(odoo, order).await["state"], "draft", "it is there all the same");
        // Only the global lock date is one for deliveries too.
        let waiting: &[&Order] = if field == "fiscalyear_lock_date" { &[order, &beside] } else { &[order] };
        if waiting.len() > 1 {
            let words = inside.parked(&beside).await.words();
            assert!(words.contains("refuses to confirm it") && words.contains(advice), "{words}");
            assert_eq!(sales(odoo, &beside).await[0]["state"], "draft");
        }

        lock(field, None).await;
        let before = today();
        for order in waiting {
            inside.replay(&order.id).await;
        }
        inside.depart().await;
        for order in [order, &beside] {
            inside.is_synced(order).await;
            is_sold(odoo, order).await;
        }
        dated_now(order, before).await;
    }

    // Or the bookkeeper posts the draft, with a day that is open.
    let locked = today() + 1.days();
    lock("sale_lock_date", Some(locked)).await;
    inside.take([&by_hand]).await;
    inside.parked(&by_hand).await;
    let (id, open) = (note(odoo, &by_hand).await["id"].clone(), json!((locked + 1.days()).to_string()));
    odoo.call("account.move", "write", json!({"ids": [id], "vals": {"invoice_date": open}})).await;
    odoo.call("account.move", "action_post", json!({"ids": [id]})).await;
    inside.replay(&by_hand.id).await;
    inside.depart().await;
    inside.is_synced(&by_hand).await;
    let note = note(odoo, &by_hand).await;
    assert_eq!((&note["id"], &note["state"], &note["date"]), (&id, &json!("posted"), &open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_in_mid_day_is_the_accounts_matter_and_everything_goes_on_with_a_new_one() {
    let Some(odoo) = odoo() else { return };
    for protocol in ["json-2", "json-rpc"] {
        let more = format!("protocol = \"{protocol}\"\n");
        let name = format!("revoked over {protocol}");
        let seen = Seen::with_key(odoo, &odoo.new_key(&name).await);
        let mut inside = Inside::of(&seen, &more, &OWN);
        let before = [(); 2].map(|()| sold());
        inside.take(&before).await;
        odoo.revoke(&name).await;

        let orders = [edited(&before[0]), refunded(&before[1]), another(&before[0]), sold()];
        inside.take(&orders).await;
        for order in &orders {
            waits(&inside, order).await;
        }
        let because = inside.ledger().await.blocked_because.unwrap();
        assert!(because.contains("`api_key`"), "{because}");
        assert_eq!(sales(odoo, &orders[3]).await, Vec::<Value>::new());

        inside.configure(odoo, &more);
        depart_later(&inside).await;
        for order in &orders {
            inside.is_synced(order).await;
            is_sold(odoo, order).await;
        }
        assert_eq!(note(odoo, &orders[1]).await["state"], "draft");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_key_replaces_another_no_order_waits() {
    let Some(odoo) = odoo() else { return };
    for protocol in ["json-2", "json-rpc"] {
        let name = format!("replaced over {protocol}");
        let seen = Seen::with_key(odoo, &odoo.new_key(&name).await);
        let next = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&next, odoo.key()).unwrap();
        let more = format!("protocol = \"{protocol}\"\nnext_api_key = {{ file = {:?} }}\n", next.path());
        let mut inside = Inside::of(&seen, &more, &OWN);
        let first = sold();
        inside.take([&first]).await;
        odoo.revoke(&name).await;
        let (edit, second) = (edited(&first), another(&first));
        inside.take([&edit, &second]).await;
        // Begun again it remembers the server, and not which key is left.
        inside.configure(&seen, &more);
        let third = another(&first);
        inside.take([&third]).await;
        for order in [&edit, &second, &third] {
            inside.is_synced(order).await;
            is_sold(odoo, order).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_key_is_revoked_between_two_calls_is_in_doubt_and_found_with_the_next() {
    let Some(odoo) = odoo() else { return };
    let connector = |key: &str| {
        let row = ERPS.iter().find(|row| row.kind == "odoo").unwrap();
        let section = Seen::with_key(odoo, key).lines("protocol = \"json-2\"\n");
        (row.build)(&puente::config::Section::from_toml(&section).unwrap()).unwrap()
    };
    // Loaded, read back, confirmed.
    for at in [1, 2] {
        let name = format!("revoked before call {at}");
        let erp: Box<dyn Erp> = connector(&odoo.new_key(&name).await);
        let job = sale(small());
        let (way, _) = counted();
        let memory = Memory::default();
        let prepared = erp.prepare(&way.with(&memory), Operation::Create, std::slice::from_ref(&job), false).await;
        let drafts: Vec<_> = prepared.into_iter().map(Result::unwrap).collect();
        let revoked = Way::by(Meddler::new(at, async move { odoo.revoke(&name).await }));
        let answer = erp.send(&revoked.with(&memory), Operation::Create, &drafts).await.remove(0);
        let Err(SendError::Unknown(error)) = &answer else { panic!("{answer:?}") };
        assert!(error.to_string().contains("`api_key`"), "{error}");
        assert_eq!(sales(odoo, &job.order).await[0]["state"], "draft");

        let erp = connector(odoo.key());
        let found = erp.look_up(&way.with(&memory), std::slice::from_ref(&job.step)).await.unwrap().remove(0).unwrap();
        assert_eq!((found.version.as_ref(), found.finished), (Some(&job.version), false));
        erp.finish(&way.with(&memory), Operation::Create, &[found.document]).await.remove(0).unwrap();
        is_sold(odoo, &job.order).await;
    }
}

/// Somebody in Spain.
fn spanish(tax_id: &str) -> Order {
    let mut order = sold();
    for address in [&mut order.billing, &mut order.shipping].into_iter().flatten() {
        address.country = Some("ES".to_owned());
    }
    let customer = order.customer.as_mut().unwrap();
    customer.name = Some("Zoila Inventada".to_owned());
    customer.tax_id = Some(TaxId { kind: TaxIdKind::Nif, value: tax_id.to_owned() });
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tax_id_that_cannot_be_stops_its_order_alone_and_is_not_repeated() {
    let Some(odoo) = odoo() else { return };
    let inside = Inside::of(odoo, "", &OWN);
    let bad = spanish("B12345678");
    let others = [sold(), spanish("12345678Z"), sold()];
    inside.take([&others[0], &bad, &others[1], &others[2]]).await;
    for order in &others {
        inside.is_synced(order).await;
        is_sold(odoo, order).await;
    }
    let words = inside.parked(&bad).await.words();
    assert!(words.contains("the customer (name, e-mail, phone or tax id)"), "{words}");
    assert!(words.contains("The VAT number […] for partner […] does not seem to be valid"), "{words}");
    assert!(
        !["B12345678", "12345678", "Zoila", "Inventada"].iter().any(|personal| words.contains(personal)),
        "{words}"
    );
    assert_eq!(sales(odoo, &bad).await, Vec::<Value>::new());
    let partner = json!([["ref", "=", format!("acme/customer/{}", customer(&bad))]]);
    assert_eq!(odoo.search("res.partner", partner, json!(["ref"])).await, Vec::<Value>::new());

    let mut mended = edited(&bad);
    mended.customer.as_mut().unwrap().tax_id.as_mut().unwrap().value = "B12345674".to_owned();
    inside.take([&mended]).await;
    inside.is_synced(&mended).await;
    is_sold(odoo, &mended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_configuration_names_and_odoo_does_not_have_is_the_accounts_matter_and_named() {
    let Some(odoo) = odoo() else { return };
    for (wrong, said) in [
        ("warehouse = 999999", "`warehouse`"),
        ("warehouse = \"Nowhere\"", "`warehouse`"),
        ("sales_team = \"#999999\"", "`sales_team`"),
        ("payment_term = 999999", "`payment_term`"),
        ("tags = [999999]", "`tags`"),
        ("pricelists = { EUR = 999999 }", "`pricelists.EUR`"),
        ("identification_types = { dni = \"DNI\" }", "`identification_types`"),
    ] {
        let mut inside = Inside::of(odoo, &format!("{wrong}\n"), &OWN);
        // More of them than it takes to tell that no order is to blame.
        let orders = [(); 4].map(|()| sold());
        inside.take(&orders).await;
        for order in &orders {
            waits(&inside, order).await;
            assert_eq!(sales(odoo, order).await, Vec::<Value>::new(), "{wrong}");
        }
        let because = inside.ledger().await.blocked_because.unwrap_or_else(|| panic!("{wrong} blocks nothing"));
        assert!(because.contains(said), "{wrong}: {because}");
        inside.configure(odoo, "");
        depart_later(&inside).await;
        for order in &orders {
            inside.is_synced(order).await;
            is_sold(odoo, order).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shop_hung_up_on_is_there_once_and_found() {
    let Some(odoo) = odoo() else { return };
    let line = Proxy::to(Some(odoo.url.trim_start_matches("http://").parse().unwrap()), 5).await;
    let inside = Inside::of(&Seen::over(odoo, line.addr), "credit_state = \"posted\"\n", &OWN);
    let known = sold();
    inside.take([&known]).await;
    // All that they name is known by now: the first call carries them.
    let orders = [(); 3].map(|()| another(&known));
    line.breaks(&[(Fault::HungUp, 1000)]);
    inside.take(&orders).await;
    assert_eq!(line.played()["hung up"], 1, "{:?}", line.played());
    for order in &orders {
        let head = inside.head(order).await;
        assert_eq!(head.state(), State::Sending, "{:?}", head.reason);
    }
    // Nobody waits for an answer, and they land all the same.
    let begun = Instant::now();
    for order in &orders {
        while sales(odoo, order).await.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "Odoo gave it up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    line.breaks(&[]);
    depart_later(&inside).await;
    for order in &orders {
        inside.is_synced(order).await;
        is_sold(odoo, order).await;
    }
}
