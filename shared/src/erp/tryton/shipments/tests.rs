//! What is asked of Tryton, in which order, and what its answers come to. The real one is asked in `tests/erp/shipments.rs`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::MockServer;

use super::{
    super::doubles::{Asked, Remembered, methods, tryton},
    *,
};
use crate::{erp::Erp, outbound::doubles::Way};

const FIELDS: &str = "model.stock.shipment.out.fields_get";
const READ: &str = "model.stock.shipment.out.search_read";
/// 2026-05-28T20:26:40Z.
const THEN: i64 = 1_780_000_000;
const MARK: &str = "2026-05-28T20:26:40Z -";

/// A Tryton and whoever asks it.
struct Asking {
    _server: MockServer,
    erp: Box<dyn Erp>,
    asked: Asked,
    way: Way,
    ids: Remembered,
}

impl Asking {
    async fn of(say: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        let (server, erp, asked) = tryton("", say).await;
        Self { _server: server, erp, asked, way: Way::open(), ids: Remembered::default() }
    }

    async fn ask(&self, since: Option<&str>, page: Option<&str>) -> Result<ShipmentPage, SendError> {
        self.erp.shipments().unwrap().page(&self.way.with(&self.ids), &ShipmentAsk { since, page }).await
    }

    async fn since(&self, mark: &str) -> ShipmentPage {
        self.ask(Some(mark), None).await.unwrap()
    }

    fn methods(&self) -> Vec<String> {
        methods(&self.asked)
    }
}

/// The stamps of a shipment that is of so many seconds later.
fn stamp(id: i64, later: i64) -> Value {
    json!({"id": id, "state": "done", "_timestamp": (THEN + later).to_string()})
}

fn moved(code: &str, quantity: &Value, sale: &str) -> Value {
    json!({"id": 1, "state": "done", "quantity": quantity, "unit": 1, "internal_quantity": quantity,
        "product.": {"id": 1, "code": code, "default_uom": 1, "sale_uom": 1},
        "sale.": {"id": 1, "web_id": sale, "web_shop.": {"id": 1, "name": "Web"}}})
}

fn shipment(id: i64, moves: &[Value]) -> Value {
    json!({"id": id, "number": format!("S{id}"), "reference": null, "outgoing_moves.": moves})
}

/// What Tryton has: what it answers to who asks for stamps, and to who asks for all; and which fields.
#[derive(Default)]
struct Has {
    stamps: Vec<Value>,
    shipments: Vec<Value>,
    fields: Vec<&'static str>,
}

fn tryton_with(has: &Arc<Mutex<Has>>) -> impl Fn(&str, &Value) -> Value + Send + Sync + 'static {
    let has = has.clone();
    move |method, parameters| {
        let has = has.lock().unwrap();
        match method {
            FIELDS => has.fields.iter().map(|name| ((*name).to_owned(), json!({"name": name}))).collect(),
            READ if parameters[2] == json!(1) => json!([stamp(1, 0)]),
            READ if parameters[4][1] == "_timestamp" => json!(has.stamps),
            READ => {
                let after = parameters[0].as_array().unwrap().iter().find(|clause| clause[1] == ">");
                let after = after.map_or(0, |clause| clause[2].as_i64().unwrap());
                let later = has.shipments.iter().filter(|shipment| shipment["id"].as_i64().unwrap() > after);
                later.take(PAGE).cloned().collect()
            }
            other => panic!("{other}"),
        }
    }
}

fn has(stamps: &[Value], shipments: &[Value]) -> Arc<Mutex<Has>> {
    Arc::new(Mutex::new(Has { stamps: stamps.to_vec(), shipments: shipments.to_vec(), fields: vec![] }))
}

/// What was told: sale, number, and items.
fn told(page: &ShipmentPage) -> Vec<String> {
    let items = |sent: &Sent| -> Vec<String> {
        sent.shipment.items.iter().map(|(sku, quantity)| format!("{quantity} {sku}")).collect()
    };
    page.rows.iter().map(|sent| format!("{} {}: {}", sent.sale, sent.shipment.number, items(sent).join(", "))).collect()
}

#[tokio::test]
async fn the_first_question_tells_no_shipment_and_knows_what_is_there() {
    let has = has(&[stamp(1, 0)], &[shipment(1, &[moved("A", &json!(1), "acme/1")])]);
    let asking = Asking::of(tryton_with(&has)).await;
    for since in [None, Some("yesterday")] {
        let first = asking.ask(since, None).await.unwrap();
        assert_eq!((first.rows.len(), first.next.as_deref()), (0, None));
        asking.methods();
        let again = asking.since(first.mark.as_deref().unwrap()).await;
        assert_eq!((again.rows.len(), again.mark), (0, first.mark));
        assert_eq!(asking.methods(), [READ], "nothing new is one call");
    }
}

#[tokio::test]
async fn a_shipment_is_told_when_it_is_new_or_written_again() {
    let has = has(&[stamp(7, 10)], &[shipment(7, &[moved("A", &json!(2.0), "acme/1")])]);
    let asking = Asking::of(tryton_with(&has)).await;
    let page = asking.since(MARK).await;
    assert_eq!(told(&page), ["acme/1 S7: 2 A"]);
    assert_eq!(page.rows[0].shipment.id.as_str(), "7");
    let asked = std::mem::take(&mut *asking.asked.lock().unwrap());
    let domain = asked.last().unwrap().1[0].as_array().unwrap().clone();
    assert!(domain.contains(&json!(["company", "=", 1])) && domain.contains(&json!(["id", "in", [7]])), "{domain:?}");
    assert!(domain.contains(&json!(["state", "in", ["shipped", "done"]])), "{domain:?}");
    let mark = page.mark.unwrap();
    assert_eq!(asking.since(&mark).await.rows, []);
    assert_eq!(asking.methods(), [READ]);
    // Within the second of its stamp: Tryton's own reference of it, where no module has a field for tracking numbers.
    has.lock().unwrap().stamps[0]["reference"] = json!("TR-1");
    has.lock().unwrap().shipments[0]["reference"] = json!(" TR-1 ");
    let page = asking.since(&mark).await;
    assert_eq!(page.rows[0].shipment.parcels, [Parcel { number: "TR-1".to_owned(), url: None }]);
    assert_eq!(asking.methods(), [READ, READ]);
}

#[tokio::test]
async fn each_sale_of_ours_is_told_its_own_part_and_no_other_sale() {
    let mut moves = vec![
        moved("A", &json!(1), "acme/1"),
        moved("A", &json!(2), "acme/1"),
        moved("B", &json!(0.3), "acme/2/v/1"),
        moved("Z", &json!(0), "acme/1"),
        moved("F", &json!(1), "FOREIGN"),
    ];
    let mut changed = |path: &str, value: Value| {
        let mut odd = moved("ODD", &json!(1), "acme/1");
        *odd.pointer_mut(path).unwrap() = value;
        moves.push(odd);
    };
    changed("/state", json!("cancelled"));
    changed("/state", json!("draft"));
    changed("/sale.", Value::Null);
    changed("/sale./web_id", Value::Null);
    changed("/sale./web_shop.", Value::Null);
    changed("/sale./web_shop./name", json!("Another shop"));
    // On its way, and not there yet.
    moves[0]["state"] = json!("assigned");
    let has = has(&[stamp(7, 10)], &[shipment(7, &moves)]);
    let page = Asking::of(tryton_with(&has)).await.since(MARK).await;
    assert_eq!(
        (told(&page).as_slice(), page.unread.len()),
        (["acme/1 S7: 3 A".to_owned(), "acme/2/v/1 S7: 0.3 B".to_owned()].as_slice(), 0)
    );
}

#[tokio::test]
async fn quantities_are_of_the_unit_that_orders_count_in() {
    let of = |unit: i64, stocked: i64, sold: i64| {
        let mut of = moved("A", &json!(2), "acme/1");
        of["internal_quantity"] = json!(24);
        (of["unit"], of["product."]["default_uom"], of["product."]["sale_uom"]) =
            (json!(unit), json!(stocked), json!(sold));
        of
    };
    for (sent, expected) in
        [(of(1, 1, 1), Some("2")), (of(2, 1, 2), Some("2")), (of(2, 1, 1), Some("24")), (of(3, 1, 2), None)]
    {
        let has = has(&[stamp(7, 10)], &[shipment(7, &[sent])]);
        let page = Asking::of(tryton_with(&has)).await.since(MARK).await;
        let expected: Vec<String> = expected.iter().map(|quantity| format!("acme/1 S7: {quantity} A")).collect();
        assert_eq!((told(&page), page.unread.len()), (expected.clone(), 1 - expected.len()));
    }
}

#[tokio::test]
async fn what_cannot_be_read_costs_no_other_shipment() {
    let odd = |id: i64, code: &str, quantity: Value| {
        shipment(id, &[moved("GOOD", &json!(1), "acme/1"), moved(code, &quantity, "acme/1")])
    };
    let mut shipments = vec![
        odd(1, "", json!(1)),
        odd(2, "A", json!(1e300)),
        odd(3, "A", json!(2_000_000_000_i64)),
        odd(4, "A", Value::Null),
        odd(5, "A", json!(-1)),
        odd(6, "A", json!(1)),
    ];
    shipments[3]["number"] = Value::Null;
    let stamps: Vec<Value> = (1..=6).map(|id| stamp(id, 10)).collect();
    let page = Asking::of(tryton_with(&has(&stamps, &shipments))).await.since(MARK).await;
    assert_eq!(told(&page), ["acme/1 S6: 1 A, 1 GOOD"]);
    let unread: Vec<&str> = page.unread.iter().map(|(number, _)| number.as_str()).collect();
    assert_eq!(unread, ["S1", "S2", "S3", "4", "S5"]);
}

#[tokio::test]
async fn carriers_and_tracking_numbers_are_told_where_modules_add_them() {
    let mut sent = shipment(7, &[moved("A", &json!(1), "acme/1")]);
    sent["carrier."] = json!({"id": 1, "party.": {"id": 2, "name": "Invented Post"}});
    sent["shipping_reference"] = json!("WHOLE");
    sent["packages."] = json!([
        {"id": 1, "shipping_reference": "TR-1", "shipping_tracking_url": "https://post.example/TR-1"},
        {"id": 2, "shipping_reference": "TR-2", "shipping_tracking_url": "javascript:alert(1)"},
        {"id": 3, "shipping_reference": "TR-1", "shipping_tracking_url": null},
        {"id": 4, "shipping_reference": " ", "shipping_tracking_url": null},
    ]);
    let mut seen = stamp(7, -20);
    seen["packages."] = json!([{"id": 1, "_timestamp": (THEN + 10).to_string(), "shipping_reference": null}]);
    let has = has(&[seen], &[sent]);
    has.lock().unwrap().fields = vec!["carrier", "shipping_reference"];
    let asking = Asking::of(tryton_with(&has)).await;
    let page = asking.since(MARK).await;
    let shipment = &page.rows[0].shipment;
    assert_eq!(shipment.carrier.as_deref(), Some("Invented Post"));
    let parcel = |number: &str, url: Option<&str>| Parcel { number: number.to_owned(), url: url.map(str::to_owned) };
    assert_eq!(shipment.parcels, [parcel("TR-1", Some("https://post.example/TR-1")), parcel("TR-2", None)]);
    let asked = std::mem::take(&mut *asking.asked.lock().unwrap());
    let (_, stamps) = asked.iter().find(|(method, _)| method == READ).unwrap();
    assert!(stamps[0].to_string().contains("packages.write_date"), "{stamps}");
    // One package is written again, and its shipment is not: that is a change, by the package's own stamp.
    let mark = page.mark.unwrap();
    assert_eq!(asking.since(&mark).await.rows, []);
    has.lock().unwrap().stamps[0]["packages."][0]["_timestamp"] = json!((THEN + 60).to_string());
    has.lock().unwrap().shipments[0]["packages."] = json!([]);
    let page = asking.since(&mark).await;
    assert_eq!(page.rows[0].shipment.parcels, [parcel("WHOLE", None)], "of no package: as a whole");
}

#[tokio::test]
async fn which_fields_there_are_is_asked_once_a_day_and_after_a_refusal() {
    let has = has(&[stamp(7, 10)], &[shipment(7, &[moved("A", &json!(1), "acme/1")])]);
    let refuses = Arc::new(Mutex::new(false));
    let (say, refusing) = (tryton_with(&has), refuses.clone());
    let say = move |method: &str, parameters: &Value| {
        if *refusing.lock().unwrap() && method == READ {
            return json!({"error": ["UserError", ["You are not allowed to access \"Stock Package\".", "", null]]});
        }
        say(method, parameters)
    };
    let asking = Asking::of(say).await;
    let mark = asking.since(MARK).await.mark.unwrap();
    asking.methods();
    has.lock().unwrap().stamps.push(stamp(7, 20));
    let mark = asking.since(&mark).await.mark.unwrap();
    assert_eq!(asking.methods(), [READ, READ]);
    has.lock().unwrap().stamps = vec![stamp(7, 86_400)];
    let mark = asking.since(&mark).await.mark.unwrap();
    assert_eq!(asking.methods(), [READ, FIELDS, READ], "with the first change of the next day");
    *refuses.lock().unwrap() = true;
    let error = asking.ask(Some(&mark), None).await.unwrap_err().into_error();
    assert!(error.to_string().contains("give the integration user that right"), "{error}");
    *refuses.lock().unwrap() = false;
    asking.methods();
    asking.since(&mark).await;
    assert_eq!(asking.methods(), [FIELDS, READ]);
}

#[tokio::test]
async fn many_are_told_page_by_page_in_one_call_each() {
    let stamps: Vec<Value> = (1..=450).map(|id| stamp(id, 10)).collect();
    let shipments: Vec<Value> = (1..=450).map(|id| shipment(id, &[moved("A", &json!(1), "acme/1")])).collect();
    let has = has(&stamps, &shipments);
    let asking = Asking::of(tryton_with(&has)).await;
    let first = asking.since(MARK).await;
    assert_eq!((first.rows.len(), first.next.as_deref()), (200, Some("2026-05-28T20:21:40Z 200")));
    assert!(first.mark.is_some());
    asking.methods();
    let second = asking.ask(Some(MARK), first.next.as_deref()).await.unwrap();
    assert_eq!((second.rows.len(), &second.mark), (200, &None));
    assert_eq!(asking.methods(), [READ]);
    let third = asking.ask(None, second.next.as_deref()).await.unwrap();
    assert_eq!((third.rows.len(), third.next), (50, None));
    assert_eq!(asking.since(first.mark.as_deref().unwrap()).await.rows, []);
    for page in ["next", "2026-05-28T20:21:40Z", "today 200"] {
        assert!(asking.ask(None, Some(page)).await.is_err(), "{page}");
    }
}

#[tokio::test]
async fn more_than_can_be_compared_are_all_told_and_once() {
    let stamps: Vec<Value> = (1..=10_000).map(|id| stamp(id, 10)).collect();
    let has = has(&stamps, &[shipment(1, &[moved("A", &json!(1), "acme/1")])]);
    let asking = Asking::of(tryton_with(&has)).await;
    let page = asking.since(MARK).await;
    assert_eq!(told(&page), ["acme/1 S1: 1 A"], "not by the ids of those that were compared");
    let asked = std::mem::take(&mut *asking.asked.lock().unwrap());
    let (_, stamps) = asked.iter().find(|(method, _)| method == READ).unwrap();
    assert_eq!(stamps[3], json!([["write_date", "DESC"], ["id", "DESC"]]));
    assert_eq!(asking.since(page.mark.as_deref().unwrap()).await.rows, []);
    assert_eq!(asking.methods(), [READ]);
}
