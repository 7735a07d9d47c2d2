//! What people do in a real Tryton between two states of an order, and what the next state then makes of it: through the whole path,
//! from the webhook to the record, in one departure with orders that nothing happened to.

use puente::domain::{order::Order, reason::Why};
use serde_json::{Value, json};

use crate::{
    desk::{Desk, another, cancelled, customer, edited, refunded, sold},
    life::total,
    made::amount,
    support::tryton::USER,
};

/// What a bookkeeper does with a customer who is there twice: Tryton's own wizard, which puts all documents of one on the other.
async fn merge(desk: &Desk, source: i64, destination: i64) {
    let session = desk.tryton.rpc("wizard.party.replace.create", json!([])).await[0].clone();
    let asked = json!({"ask": {"source": source, "destination": destination}});
    desk.tryton.rpc("wizard.party.replace.execute", json!([session, asked, "replace"])).await;
    desk.tryton.rpc("wizard.party.replace.delete", json!([session])).await;
}

/// Somebody of the same name, made by hand.
async fn namesake(desk: &Desk) -> i64 {
    let made = desk.tryton.rpc("model.party.party.create", json!([[{"name": "Ada Example"}]])).await;
    made[0].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_customer_is_who_later_steps_and_new_orders_are_for() {
    let Some(desk) = Desk::new("state = \"quotation\"") else { return };
    let first = sold();
    let [second, third] = [(); 2].map(|()| another(&first));
    let others = [(); 3].map(|()| sold());
    desk.take([&first, &second, &third].into_iter().chain(&others)).await;
    let (ours, kept) = (desk.party(customer(&first)).await, namesake(&desk).await);
    merge(&desk, ours, kept).await;

    let (refund, edit, cancel, new) = (refunded(&first), edited(&second), cancelled(&third), another(&first));
    let beside = [refunded(&others[0]), edited(&others[1]), cancelled(&others[2])];
    desk.take([&refund, &edit, &cancel, &new].into_iter().chain(&beside)).await;

    for order in [&refund, &edit, &cancel, &new].into_iter().chain(&beside) {
        desk.is_synced(order).await;
    }
    for (refund, edit, cancel) in [(&refund, &edit, &cancel), (&beside[0], &beside[1], &beside[2])] {
        assert_eq!(desk.totals(refund).await, [amount("24.20"), amount("-12.10")]);
        assert_eq!(desk.totals(edit).await, [amount("36.30")]);
        assert_eq!(desk.sale(cancel).await["state"], "cancelled");
    }
    assert_eq!(desk.totals(&new).await, [amount("24.20")]);
    for order in [&refund, &edit, &cancel, &new] {
        for document in desk.documents(order).await {
            assert_eq!(document["party"], kept, "{document}");
        }
    }

    // Merged once more, and into a customer of ours; what is remembered is of the one in between.
    let last = desk.party(customer(&others[0])).await;
    merge(&desk, kept, last).await;
    let (refund, new) = (refunded(&new), another(&first));
    desk.take([&refund, &new]).await;
    for order in [&refund, &new] {
        desk.is_synced(order).await;
        for document in desk.documents(order).await {
            assert_eq!(document["party"], last, "{document}");
        }
    }
    assert_eq!(desk.totals(&refund).await, [amount("24.20"), amount("-12.10")]);
    // Somebody else's records know nothing of them, and find the same.
    let elsewhere = Desk::before(desk.tryton, "state = \"quotation\"");
    let new = another(&first);
    elsewhere.take([&new]).await;
    elsewhere.is_synced(&new).await;
    assert_eq!(elsewhere.sale(&new).await["party"], last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_was_deactivated_and_not_merged_waits_for_a_person_and_holds_up_nobody() {
    let Some(desk) = Desk::new("state = \"quotation\"") else { return };
    let (first, other) = (sold(), sold());
    desk.take([&first, &other]).await;
    let party = desk.party(customer(&first)).await;
    desk.tryton.rpc("model.party.party.write", json!([[party], {"active": false}])).await;

    // What is there goes on: its party is on record, and was never somebody else's.
    let (refund, beside) = (refunded(&first), edited(&other));
    desk.take([&refund, &beside]).await;
    for order in [&refund, &beside] {
        desk.is_synced(order).await;
    }
    assert_eq!(desk.totals(&refund).await, [amount("24.20"), amount("-12.10")]);
    assert_eq!(desk.documents(&refund).await[1]["party"], party);

    // An address that nobody knows has to be made for him.
    let mut new = another(&first);
    new.shipping.as_mut().unwrap().street = Some("2 Other Street".to_owned());
    let beside = sold();
    desk.take([&new, &beside]).await;
    desk.is_synced(&beside).await;
    let why = desk.parked(&new).await;
    assert_eq!(why, Why::CustomerDeactivated { customer: format!("acme/customer/{}", customer(&first)) });
    assert_eq!(desk.documents(&new).await, Vec::<Value>::new());
    desk.tryton.rpc("model.party.party.write", json!([[party], {"active": true}])).await;
    desk.inside.replay(&new.id).await;
    desk.inside.depart().await;
    desk.is_synced(&new).await;
    assert_eq!(desk.totals(&new).await, [amount("24.20")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_a_person_cancelled_is_neither_changed_nor_credited() {
    let Some(desk) = Desk::new("state = \"quotation\"") else { return };
    let orders = [(); 3].map(|()| sold());
    let others = [(); 3].map(|()| sold());
    desk.take(orders.iter().chain(&others)).await;
    let mut before = Vec::new();
    for order in &orders {
        desk.press(order, &["cancel"]).await;
        before.push(desk.documents(order).await);
    }

    let [edit, refund, cancel] = [edited(&orders[0]), refunded(&orders[1]), cancelled(&orders[2])];
    let beside = [edited(&others[0]), refunded(&others[1]), cancelled(&others[2])];
    let new = sold();
    desk.take([&edit, &refund, &cancel, &new].into_iter().chain(&beside)).await;

    for (order, before) in [&edit, &refund].into_iter().zip(&before) {
        let document = before[0]["number"].as_str().unwrap().to_owned();
        let why = desk.parked(order).await;
        assert_eq!(why, Why::SaleCancelled { document: document.clone(), state: "cancelled".to_owned() });
        let words = why.words();
        assert!(words.contains(&format!("sale {document} was cancelled in the ERP")), "{words}");
    }
    // Cancelled already is as the store wants it.
    for order in [&cancel, &new].into_iter().chain(&beside) {
        desk.is_synced(order).await;
    }
    for (order, before) in [&edit, &refund, &cancel].into_iter().zip(&before) {
        assert_eq!(&desk.documents(order).await, before, "nothing of it changes");
    }
    assert_eq!(desk.totals(&beside[0]).await, [amount("36.30")]);
    assert_eq!(desk.totals(&beside[1]).await, [amount("24.20"), amount("-12.10")]);
    assert_eq!(desk.sale(&beside[2]).await["state"], "cancelled");
    assert_eq!(desk.totals(&new).await, [amount("24.20")]);

    // Opened again by the person who was told, they go on where they stopped.
    for order in [&edit, &refund] {
        desk.press(order, &["draft", "quote"]).await;
        desk.inside.replay(&order.id).await;
    }
    desk.inside.depart().await;
    for order in [&edit, &refund] {
        desk.is_synced(order).await;
    }
    assert_eq!(desk.totals(&edit).await, [amount("36.30")]);
    assert_eq!(desk.totals(&refund).await, [amount("24.20"), amount("-12.10")]);
}

/// What the integration user may do with sales.
enum Rights {
    /// Who may press the buttons that set a sale back and cancel it.
    Buttons,
    /// The access that a group of its own gives to sales.
    Access(Value),
}

impl Rights {
    /// Puts the integration user into a group of its own, a copy of the one for sales.
    async fn own(desk: &Desk) -> Self {
        let tryton = desk.tryton;
        let sales = json!([["name", "in", ["Sales", "Sales Administrator"]]]);
        let groups = tryton.search("res.group", sales, json!(["name"])).await;
        let copied = groups.iter().find(|group| group["name"] == "Sales").unwrap();
        let copy =
            tryton.rpc("model.res.group.copy", json!([[copied["id"]], {"name": "Web sales", "users": null}])).await;
        let user = tryton.search("res.user", json!([["login", "=", USER.0]]), json!(["id"])).await;
        let ids: Vec<&Value> = groups.iter().map(|group| &group["id"]).collect();
        let moved = json!({"groups": [["remove", ids], ["add", copy]]});
        tryton.rpc("model.res.user.write", json!([[user[0]["id"]], moved])).await;
        let access = json!([["group", "in", copy], ["model", "=", "sale.sale"]]);
        Self::Access(tryton.search("ir.model.access", access, json!(["id"])).await[0]["id"].clone())
    }

    /// Takes the right to change sales, or gives it back.
    async fn change(&self, desk: &Desk, may: bool) {
        let tryton = desk.tryton;
        match self {
            Self::Buttons => {
                let domain = json!([["model", "=", "sale.sale"], ["name", "in", ["draft", "cancel"]]]);
                let group = tryton.search("res.group", json!([["name", "=", "Administration"]]), json!(["id"])).await;
                for button in tryton.search("ir.model.button", domain, json!(["id"])).await {
                    let groups = json!({"groups": [[if may { "remove" } else { "add" }, [group[0]["id"]]]]});
                    tryton.rpc("model.ir.model.button.write", json!([[button["id"]], groups])).await;
                }
            }
            Self::Access(access) => {
                tryton.rpc("model.ir.model.access.write", json!([[access], {"perm_write": may}])).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_revoked_for_changes_stops_changes_and_no_new_order() {
    // A quotation is set back by a button before it is written; a draft is written at once.
    for (state, buttons, said) in [
        (
            "quotation",
            true,
            ["Calling button draft on Sale is not allowed", "Calling button cancel on Sale is not allowed"],
        ),
        ("draft", false, ["You are not allowed to access \"Sale\"", "You are not allowed to access \"Sale\""]),
    ] {
        let Some(desk) = Desk::alone(&format!("state = \"{state}\"")) else { return };
        // More of each than it takes to blame the account for what is refused in the same words.
        let orders: Vec<Order> = (0..9).map(|_| sold()).collect();
        desk.take(&orders).await;
        let mut before = Vec::new();
        for order in &orders {
            before.push(desk.documents(order).await);
        }
        let rights = if buttons { Rights::Buttons } else { Rights::own(&desk).await };
        rights.change(&desk, false).await;

        let edits: Vec<Order> = orders[..4].iter().map(edited).collect();
        let cancels: Vec<Order> = orders[4..8].iter().map(cancelled).collect();
        let (refund, new) = (refunded(&orders[8]), [(); 4].map(|()| sold()));
        desk.take(edits.iter().chain(&cancels).chain([&refund]).chain(&new)).await;
        for new in &new {
            desk.is_synced(new).await;
            assert_eq!(desk.totals(new).await, [amount("24.20")]);
        }
        // A credit note is a document of its own.
        desk.is_synced(&refund).await;
        assert_eq!(desk.totals(&refund).await, [amount("24.20"), amount("-12.10")]);
        for (changed, said) in [(&edits, said[0]), (&cancels, said[1])] {
            for order in changed {
                let words = desk.parked(order).await.words();
                assert!(words.contains(said), "{words}");
                assert!(words.contains("give the integration user that right in Tryton, then replay it"), "{words}");
            }
        }
        for (order, before) in orders[..8].iter().zip(&before) {
            assert_eq!(&desk.documents(order).await, before, "nothing of it changes");
        }

        rights.change(&desk, true).await;
        for order in edits.iter().chain(&cancels) {
            desk.inside.replay(&order.id).await;
        }
        desk.inside.depart().await;
        for order in edits.iter().chain(&cancels) {
            desk.is_synced(order).await;
        }
        for edit in &edits {
            assert_eq!(desk.totals(edit).await, [amount("36.30")]);
        }
        for cancel in &cancels {
            assert_eq!(desk.sale(cancel).await["state"], "cancelled");
        }
    }
}

/// How far a person took a sale.
#[derive(Debug, Clone, Copy)]
enum Taken {
    Processed,
    Invoiced,
    Shipped,
    Done,
}

async fn take_on(desk: &Desk, order: &Order, taken: Taken) {
    desk.press(order, &["confirm"]).await;
    let sale = desk.sale(order).await;
    assert_eq!(sale["state"], "processing", "confirmed is processed");
    if matches!(taken, Taken::Invoiced | Taken::Done) {
        desk.tryton.rpc("model.account.invoice.post", json!([sale["invoices"]])).await;
    }
    if matches!(taken, Taken::Shipped | Taken::Done) {
        for button in ["wait", "assign_force", "pick", "pack", "do"] {
            desk.tryton.rpc(&format!("model.stock.shipment.out.{button}"), json!([sale["shipments"]])).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_processed_invoiced_or_shipped_is_credited_and_neither_changed_nor_cancelled() {
    let Some(desk) = Desk::new("state = \"quotation\"\ncredit_state = \"processing\"") else { return };
    let all = [Taken::Processed, Taken::Invoiced, Taken::Shipped, Taken::Done];
    let sales: Vec<[Order; 3]> = all.iter().map(|_| [(); 3].map(|()| sold())).collect();
    let others = [(); 3].map(|()| sold());
    desk.take(sales.iter().flatten().chain(&others)).await;
    for (taken, orders) in all.into_iter().zip(&sales) {
        for order in orders {
            take_on(&desk, order, taken).await;
        }
    }
    let changed = |of: &[Order; 3]| [edited(&of[0]), cancelled(&of[1]), refunded(&of[2])];
    let mut before = Vec::new();
    for orders in &sales {
        before.push([desk.sale(&orders[0]).await, desk.sale(&orders[1]).await, desk.sale(&orders[2]).await]);
    }
    let now: Vec<[Order; 3]> = sales.iter().map(changed).collect();
    let (beside, new) = (changed(&others), sold());
    desk.take(now.iter().flatten().chain(&beside).chain([&new])).await;

    for ((taken, [edit, cancel, refund]), before) in all.into_iter().zip(&now).zip(&before) {
        for (order, before, deed) in [(edit, &before[0], "change a sale"), (cancel, &before[1], "cancel a sale")] {
            let why = desk.parked(order).await;
            assert!(matches!(why, Why::TooLate { .. }), "{why:?}");
            let words = why.words();
            let stands = match taken {
                Taken::Processed => "its state is processing, its shipment is waiting, its invoice is pending",
                Taken::Invoiced => "its state is processing, its shipment is waiting, its invoice is awaiting payment",
                Taken::Shipped => "its state is processing, its shipment is sent, its invoice is pending",
                Taken::Done => "its state is processing, its shipment is sent, its invoice is awaiting payment",
            };
            let number = before["number"].as_str().unwrap();
            let told = format!(
                "sale {number} is too far along in the ERP to {deed} ({stands}): book there by hand what changed"
            );
            assert!(words.starts_with(&told), "{taken:?}: {words}");
            assert_eq!(desk.documents(order).await, std::slice::from_ref(before), "{taken:?}: nothing of it changes");
        }
        desk.is_synced(refund).await;
        assert_eq!(desk.totals(refund).await, [amount("24.20"), amount("-12.10")], "{taken:?}");
        let documents = desk.documents(refund).await;
        assert_eq!(documents[1]["origin"], format!("sale.sale,{}", documents[0]["id"]));
        // Tryton's own credit note of it.
        let invoices = json!([["id", "in", documents[1]["invoices"]]]);
        let invoices = desk.tryton.search("account.invoice", invoices, json!(["total_amount", "state"])).await;
        assert_eq!(
            invoices.iter().map(|note| amount(total(note))).collect::<Vec<_>>(),
            [amount("-12.10")],
            "{taken:?}"
        );
    }
    for order in beside.iter().chain([&new]) {
        desk.is_synced(order).await;
    }
    assert_eq!(desk.totals(&beside[0]).await, [amount("36.30")]);
    assert_eq!(desk.sale(&beside[1]).await["state"], "cancelled");
    assert_eq!(desk.totals(&beside[2]).await, [amount("24.20"), amount("-12.10")]);
    assert_eq!(desk.totals(&new).await, [amount("24.20")]);
}
