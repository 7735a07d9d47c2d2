//! What ERPs answer as available, on a real Tryton 8.0 and a real Odoo 19.0: by what is counted, sold, received and promised there, and
//! in how many calls.

use puente::{
    config::Section,
    domain::{
        document::{Document, Operation},
        goods::{Place, Sku},
        money::Amount,
    },
    erp::{
        ERPS, Erp, SendError,
        stock::{StockAsk, StockPage},
    },
    fuzzing::Way,
    outbound::Calls,
};
use serde_json::{Value, json};

use crate::{
    made::{amount, line, order, sale},
    support::{
        odoo::Odoo,
        tryton::{Counter, Memory, Tryton, counted},
    },
};

/// Whoever asks, what is remembered for it, and how often it called.
pub struct Asking {
    pub way: Way,
    counter: std::sync::Arc<Counter>,
    pub ids: Memory,
}

impl Asking {
    pub fn new() -> Self {
        let (way, counter) = counted();
        Self { way, counter, ids: Memory::default() }
    }

    /// For a call of a connector.
    pub fn way(&self) -> Calls<'_> {
        self.way.with(&self.ids)
    }

    pub async fn ask(&self, erp: &dyn Erp, ask: StockAsk<'_>) -> Result<StockPage, SendError> {
        erp.stock().expect("it can be asked").page(&self.way.with(&self.ids), &ask).await
    }

    /// Everything, page by page, and the mark.
    pub async fn all(&self, erp: &dyn Erp, place: &Place) -> (Vec<(Sku, Amount)>, String) {
        let (mut rows, mut mark, mut page) = (Vec::new(), None, None);
        loop {
            let ask = StockAsk { place, since: None, skus: &[], page: page.as_deref() };
            let answer = self.ask(erp, ask).await.expect("it is answered");
            assert_eq!(answer.unread, [], "all of it can be read");
            rows.extend(answer.rows);
            mark = mark.or(answer.mark);
            page = answer.next;
            if page.is_none() {
                return (rows, mark.expect("the first page has a mark"));
            }
        }
    }

    /// What changed since, with these; and the mark.
    pub async fn since(
        &self,
        erp: &dyn Erp,
        place: &Place,
        mark: &str,
        skus: &[&str],
    ) -> (Vec<(String, String)>, String) {
        let skus: Vec<Sku> = skus.iter().map(|sku| sku.parse().unwrap()).collect();
        let answer = self
            .ask(erp, StockAsk { place, since: Some(mark), skus: &skus, page: None })
            .await
            .expect("it is answered");
        assert_eq!((answer.unread.len(), answer.next), (0, None));
        (texts(answer.rows), answer.mark.expect("a mark"))
    }

    /// The number of one article, asked for by its code.
    pub async fn of(&self, erp: &dyn Erp, place: &Place, mark: &str, code: &str) -> String {
        let rows = self.since(erp, place, mark, &[code]).await.0;
        rows.into_iter().find(|(sku, _)| sku == code).unwrap_or_else(|| panic!("{code} is answered for")).1
    }

    pub fn calls(&self) -> u32 {
        self.counter.take()
    }

    /// Sells through the connector.
    pub async fn sell(&self, erp: &dyn Erp, code: &str, quantity: i64) -> Document {
        let total = format!("{}.00", quantity * 10);
        let job = sale(order("EUR", false, vec![line(code, &quantity.to_string(), &total, None)], vec![]));
        let calls = self.way.with(&self.ids);
        let draft = erp
            .prepare(&calls, Operation::Create, std::slice::from_ref(&job), false)
            .await
            .remove(0)
            .expect("it renders");
        erp.send(&calls, Operation::Create, &[draft]).await.remove(0).expect("it is created")
    }

    pub async fn reflected(&self, erp: &dyn Erp, sales: &[Document]) -> Vec<String> {
        erp.stock().unwrap().reflected(&self.way.with(&self.ids), sales).await.expect("it is answered")
    }
}

fn texts(rows: Vec<(Sku, Amount)>) -> Vec<(String, String)> {
    let mut rows: Vec<_> = rows.into_iter().map(|(sku, number)| (sku.to_string(), number.to_string())).collect();
    rows.sort();
    rows
}

fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(sku, number)| ((*sku).to_owned(), (*number).to_owned())).collect()
}

fn number(rows: &[(Sku, Amount)], code: &str) -> Option<Amount> {
    rows.iter().find(|(sku, _)| sku.as_str() == code).map(|(_, number)| *number)
}

pub fn place(text: &str) -> Place {
    text.to_owned().try_into().unwrap()
}

/// What is done in a Tryton beside the connector.
pub struct Stockroom {
    pub tryton: Tryton,
    main: i64,
    pub storage: i64,
    supplier: i64,
}

impl Stockroom {
    pub async fn open() -> Option<Self> {
        Self::with(&[]).await
    }

    /// With more modules.
    pub async fn with(modules: &[&str]) -> Option<Self> {
        let tryton = Tryton::with(modules)?;
        let of_type = async |kind: &str| {
            tryton.search("stock.location", json!([["type", "=", kind]]), json!(["storage_location"])).await
        };
        let (warehouse, supplier) = (of_type("warehouse").await, of_type("supplier").await);
        let main = warehouse[0]["id"].as_i64().unwrap();
        let storage = warehouse[0]["storage_location"].as_i64().unwrap();
        let supplier = supplier[0]["id"].as_i64().unwrap();
        Some(Self { tryton, main, storage, supplier })
    }

    pub async fn product(&self, code: &str) -> i64 {
        self.tryton.search("product.product", json!([["code", "=", code]]), json!(["code"])).await[0]["id"]
            .as_i64()
            .unwrap()
    }

    /// An inventory finds so many.
    pub async fn count(&self, location: i64, code: &str, quantity: f64) {
        let line = json!({"product": self.product(code).await, "quantity": quantity});
        let inventory = json!([[{"location": location, "company": 1, "lines": [["create", [line]]]}]]);
        let made = self.tryton.rpc("model.stock.inventory.create", inventory).await;
        self.tryton.rpc("model.stock.inventory.confirm", json!([made])).await;
    }

    /// So many are on their way from a supplier; the move.
    async fn order(&self, code: &str, quantity: f64) -> Value {
        let product = self.product(code).await;
        let read = self.tryton.search("product.product", json!([["id", "=", product]]), json!(["default_uom"])).await;
        let euro = self.tryton.search("currency.currency", json!([["code", "=", "EUR"]]), json!(["code"])).await;
        let values = json!({"product": product, "quantity": quantity, "unit": read[0]["default_uom"], "from_location": self.supplier,
            "to_location": self.storage, "company": 1, "currency": euro[0]["id"],
            "unit_price": {"__class__": "Decimal", "decimal": "1"}});
        self.tryton.rpc("model.stock.move.create", json!([[values]])).await
    }

    async fn receive(&self, moves: &Value) {
        self.tryton.rpc("model.stock.move.do", json!([moves])).await;
    }

    /// Another warehouse; its storage.
    async fn warehouse(&self, name: &str) -> i64 {
        let zones = ["in", "out", "store"].map(|zone| json!({"name": format!("{name} {zone}"), "type": "storage"}));
        let zones = self.tryton.rpc("model.stock.location.create", json!([zones])).await;
        let lost = self.tryton.search("stock.location", json!([["type", "=", "lost_found"]]), json!(["name"])).await;
        let warehouse = json!([[{"name": name, "lost_found_location": lost[0]["id"], "type": "warehouse", "input_location": zones[0], "output_location": zones[1],
            "storage_location": zones[2]}]]);
        self.tryton.rpc("model.stock.location.create", warehouse).await;
        zones[2].as_i64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_says_what_is_on_hand_less_what_is_promised() {
    let Some(room) = Stockroom::open().await else { return };
    let name = room.tryton.search("stock.location", json!([["id", "=", room.main]]), json!(["name"])).await;
    let main = place(name[0]["name"].as_str().unwrap());
    let erp = room.tryton.connector("state = \"processing\"");
    let asking = Asking::new();
    assert!(erp.stock().unwrap().reflects());
    // Nothing ever moved.
    let (rows, mark) = asking.all(&*erp, &main).await;
    assert_eq!(number(&rows, "ART-01"), Some(Amount::ZERO));
    assert_eq!((number(&rows, "RETIRED"), number(&rows, "SHIPPING")), (None, None), "not sold, and no goods");
    asking.calls();
    let (rows, mark) = asking.since(&*erp, &main, &mark, &[]).await;
    assert_eq!((rows, asking.calls()), (vec![], 1), "nothing changed, and the warehouse is known");

    room.count(room.storage, "ART-01", 10.0).await;
    room.count(room.storage, "COFFEE", 2.5).await;
    let (rows, mark) = asking.since(&*erp, &main, &mark, &[]).await;
    assert_eq!(rows, pairs(&[("ART-01", "10"), ("COFFEE", "2.5")]));
    assert!((2..=3).contains(&asking.calls()));
    assert_eq!(asking.since(&*erp, &main, &mark, &[]).await, (vec![], mark.clone()));
    assert_eq!(asking.calls(), 1);

    // Sold: nothing is shipped yet, and it is lower at once. Only what changed is told, and what is asked for.
    let sold = asking.sell(&*erp, "ART-01", 3).await;
    assert_eq!(asking.reflected(&*erp, std::slice::from_ref(&sold)).await, std::slice::from_ref(&sold.id));
    asking.calls();
    let (rows, mark) = asking.since(&*erp, &main, &mark, &["ART-02", "SHIPPING", "NOBODY"]).await;
    assert_eq!(rows, pairs(&[("ART-01", "7"), ("ART-02", "0")]));
    assert_eq!(asking.calls(), 3);

    // Shipped: it stays as low.
    let shipments = room
        .tryton
        .search("sale.sale", json!([["id", "=", sold.id.parse::<i64>().unwrap()]]), json!(["shipments"]))
        .await;
    let shipment = &shipments[0]["shipments"];
    for button in ["assign_try", "pick", "pack", "do"] {
        room.tryton.rpc(&format!("model.stock.shipment.out.{button}"), json!([shipment])).await;
        assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "7", "{button}");
    }
    let on_hand = json!([["id", "=", room.product("ART-01").await], ["quantity", "=", 7.0]]);
    let context = json!({"company": 1, "locations": [room.main], "with_childs": true});
    assert_eq!(room.tryton.counted("product.product", on_hand, context).await, 1, "it has left the warehouse");

    // More than there is: it stays negative.
    asking.sell(&*erp, "ART-01", 9).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "-2");
    // On its way, and received.
    let moves = room.order("ART-01", 20.0).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "-2", "what is on its way does not count");
    room.receive(&moves).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "18");

    // Another warehouse is another number, and all of them one.
    let second = room.warehouse("Second").await;
    room.count(second, "ART-01", 100.0).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "18");
    assert_eq!(asking.of(&*erp, &place("Second"), &mark, "ART-01").await, "100");
    let both = place(&format!("{main}+Second"));
    for place in [&both, &place("*")] {
        assert_eq!(asking.of(&*erp, place, &mark, "ART-01").await, "118");
        assert_eq!(number(&asking.all(&*erp, place).await.0, "ART-01"), Some(amount("118")));
    }
    let ask = StockAsk { place: &place("Attic"), since: None, skus: &[], page: None };
    match asking.ask(&*erp, ask).await {
        Err(SendError::Account(error)) => assert!(error.to_string().contains("\"Attic\""), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_in_tryton_lowers_nothing_until_it_is_processed() {
    let Some(room) = Stockroom::open().await else { return };
    room.count(room.storage, "ART-05", 10.0).await;
    let all = place("*");
    let asking = Asking::new();
    for state in ["draft", "quotation", "confirmed"] {
        let erp = room.tryton.connector(&format!("state = \"{state}\""));
        assert!(!erp.stock().unwrap().reflects(), "{state}");
    }
    let erp = room.tryton.connector("state = \"draft\"");
    let (rows, mark) = asking.all(&*erp, &all).await;
    assert_eq!(number(&rows, "ART-05"), Some(amount("10")));
    let drafts = [asking.sell(&*erp, "ART-05", 4).await, asking.sell(&*erp, "ART-05", 1).await];
    assert_eq!(asking.of(&*erp, &all, &mark, "ART-05").await, "10");
    asking.calls();
    assert_eq!(asking.reflected(&*erp, &drafts).await, Vec::<String>::new());
    assert_eq!(asking.calls(), 1);
    // A person takes one on.
    let id: i64 = drafts[0].id.parse().unwrap();
    for button in ["quote", "confirm", "process"] {
        room.tryton.rpc(&format!("model.sale.sale.{button}"), json!([[id]])).await;
    }
    assert_eq!(asking.reflected(&*erp, &drafts).await, std::slice::from_ref(&drafts[0].id));
    assert_eq!(asking.of(&*erp, &all, &mark, "ART-05").await, "6");
}

/// What is done in an Odoo beside the connector.
pub struct Depot {
    pub odoo: Odoo,
    main: String,
    pub stock: i64,
}

/// Nobody is asked whether the buyer gets a text message.
fn quietly(pickings: &Value) -> Value {
    json!({"ids": pickings, "context": {"skip_sms": true}})
}

impl Depot {
    pub fn connector(&self, more: &str) -> Box<dyn Erp> {
        let row = ERPS.iter().find(|row| row.kind == "odoo").expect("a row for Odoo");
        (row.build)(&Section::from_toml(&self.odoo.section(more)).expect("TOML")).expect("a connector")
    }

    pub async fn open() -> Option<Self> {
        let odoo = Odoo::start()?;
        let found = odoo.search("stock.warehouse", json!([]), json!(["name", "lot_stock_id"])).await;
        let (main, stock) =
            (found[0]["name"].as_str().unwrap().to_owned(), found[0]["lot_stock_id"][0].as_i64().unwrap());
        Some(Self { odoo, main, stock })
    }

    pub async fn product(&self, code: &str) -> i64 {
        let found = self.odoo.search("product.product", json!([["default_code", "=", code]]), json!(["name"])).await;
        found[0]["id"].as_i64().unwrap()
    }

    /// An inventory finds so many.
    pub async fn count(&self, location: i64, code: &str, quantity: f64) {
        let quant =
            json!({"product_id": self.product(code).await, "location_id": location, "inventory_quantity": quantity});
        let body = json!({"vals_list": [quant], "context": {"inventory_mode": true}});
        let made = self.odoo.call("stock.quant", "create", body).await;
        self.odoo.call("stock.quant", "action_apply_inventory", json!({"ids": made})).await;
    }

    /// So many are on their way from a supplier; the receipt.
    async fn order(&self, code: &str, quantity: f64) -> Value {
        let types = self
            .odoo
            .search("stock.picking.type", json!([["code", "=", "incoming"]]), json!(["default_location_dest_id"]))
            .await;
        let supplier = self.odoo.search("stock.location", json!([["usage", "=", "supplier"]]), json!(["name"])).await;
        let (from, to) = (&supplier[0]["id"], &types[0]["default_location_dest_id"][0]);
        let line = json!({"product_id": self.product(code).await, "product_uom_qty": quantity, "location_id": from, "location_dest_id": to});
        let receipt = json!({"picking_type_id": types[0]["id"], "location_id": from, "location_dest_id": to, "move_ids": [[0, 0, line]]});
        let made = self.odoo.call("stock.picking", "create", json!({"vals_list": [receipt]})).await;
        self.odoo.call("stock.picking", "action_confirm", json!({"ids": made})).await;
        made
    }

    pub async fn validate(&self, pickings: &Value) {
        self.odoo.call("stock.picking", "action_assign", json!({"ids": pickings})).await;
        let answer = self.odoo.call("stock.picking", "button_validate", quietly(pickings)).await;
        assert_eq!(answer, true, "it is validated without a question");
    }

    async fn warehouse(&self, name: &str, code: &str) -> i64 {
        let made =
            self.odoo.call("stock.warehouse", "create", json!({"vals_list": [{"name": name, "code": code}]})).await;
        let found = self.odoo.search("stock.warehouse", json!([["id", "=", made[0]]]), json!(["lot_stock_id"])).await;
        found[0]["lot_stock_id"][0].as_i64().unwrap()
    }
}

async fn odoo_says(protocol: &str) {
    let Some(depot) = Depot::open().await else { return };
    let main = place(&depot.main);
    let erp = depot.connector(&format!("protocol = \"{protocol}\""));
    let asking = Asking::new();
    assert!(erp.stock().unwrap().reflects());
    let (rows, mark) = asking.all(&*erp, &main).await;
    assert_eq!(number(&rows, "ART-01"), Some(Amount::ZERO), "what never moved is there");
    assert_eq!((number(&rows, "RETIRED"), number(&rows, "SHIPPING")), (None, None), "not sold, and not stored");
    asking.calls();
    let (rows, mark) = asking.since(&*erp, &main, &mark, &[]).await;
    assert_eq!((rows, asking.calls()), (vec![], 1), "nothing changed, and the warehouse is known");

    depot.count(depot.stock, "ART-01", 10.0).await;
    depot.count(depot.stock, "COFFEE", 2.5).await;
    let (rows, mark) = asking.since(&*erp, &main, &mark, &[]).await;
    assert_eq!(rows, pairs(&[("ART-01", "10"), ("COFFEE", "2.5")]));
    assert_eq!(asking.calls(), 3);
    let (rows, mark) = asking.since(&*erp, &main, &mark, &[]).await;
    assert_eq!((rows, asking.calls()), (vec![], 1));

    // Odoo's stamps are of whole seconds: what is written in that of the mark is asked for with its neighbours.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    // Sold: nothing is delivered yet, and it is lower at once. Only what changed is told, and what is asked for.
    let sold = asking.sell(&*erp, "ART-01", 3).await;
    assert_eq!(asking.reflected(&*erp, std::slice::from_ref(&sold)).await, std::slice::from_ref(&sold.id));
    asking.calls();
    let (rows, mark) = asking.since(&*erp, &main, &mark, &["ART-02", "SHIPPING", "NOBODY"]).await;
    assert_eq!(rows, pairs(&[("ART-01", "7"), ("ART-02", "0")]));
    assert_eq!(asking.calls(), 3);
    // Delivered: it stays as low.
    let id: i64 = sold.id.parse().unwrap();
    let sale = depot.odoo.search("sale.order", json!([["id", "=", id]]), json!(["picking_ids"])).await;
    depot.validate(&sale[0]["picking_ids"]).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "7");

    // More than there is: it stays negative. On its way does not count, received does.
    asking.sell(&*erp, "ART-01", 9).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "-2");
    let receipt = depot.order("ART-01", 20.0).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "-2");
    depot.validate(&receipt).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "18");

    // A quotation lowers nothing until a person confirms it.
    let drafting = depot.connector(&format!("protocol = \"{protocol}\"\nstate = \"draft\""));
    assert!(!drafting.stock().unwrap().reflects());
    let quotation = asking.sell(&*drafting, "ART-01", 4).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "18");
    asking.calls();
    assert_eq!(asking.reflected(&*drafting, std::slice::from_ref(&quotation)).await, Vec::<String>::new());
    assert_eq!(asking.calls(), 1);
    depot.odoo.call("sale.order", "action_confirm", json!({"ids": [quotation.id.parse::<i64>().unwrap()]})).await;
    assert_eq!(
        asking.reflected(&*drafting, std::slice::from_ref(&quotation)).await,
        std::slice::from_ref(&quotation.id)
    );
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "14");

    // Another warehouse is another number, and all of them one.
    let second = depot.warehouse("Second", "SEC").await;
    depot.count(second, "ART-01", 100.0).await;
    assert_eq!(asking.of(&*erp, &main, &mark, "ART-01").await, "14");
    assert_eq!(asking.of(&*erp, &place("Second"), &mark, "ART-01").await, "100");
    for place in [&place(&format!("{}+Second", depot.main)), &place("*")] {
        assert_eq!(asking.of(&*erp, place, &mark, "ART-01").await, "114");
        assert_eq!(number(&asking.all(&*erp, place).await.0, "ART-01"), Some(amount("114")));
    }
    let ask = StockAsk { place: &place("Attic"), since: None, skus: &[], page: None };
    match asking.ask(&*erp, ask).await {
        Err(SendError::Account(error)) => assert!(error.to_string().contains("\"Attic\""), "{error}"),
        other => panic!("{other:?}"),
    }

    // Two of one code: nobody knows which is meant, whichever of them moved.
    let twin = json!({"name": "Twin", "default_code": "ART-01", "type": "consu", "is_storable": true});
    depot.odoo.call("product.product", "create", json!({"vals_list": [twin]})).await;
    for since in [None, Some(mark.as_str())] {
        let answer =
            asking.ask(&*erp, StockAsk { place: &main, since, skus: &[], page: None }).await.expect("it is answered");
        assert_eq!(number(&answer.rows, "ART-01"), None);
        assert_eq!(answer.unread.len(), 1, "{:?}", answer.unread);
        assert!(
            answer.unread[0].0 == "ART-01" && answer.unread[0].1.contains("2 active products"),
            "{:?}",
            answer.unread
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_says_what_is_on_hand_less_what_is_to_leave_over_json_2() {
    odoo_says("json-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odoo_says_what_is_on_hand_less_what_is_to_leave_over_json_rpc() {
    odoo_says("json-rpc").await;
}
