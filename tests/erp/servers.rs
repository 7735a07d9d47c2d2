//! The outside parts of tests set themselves up once, and leave nothing running behind.

use std::{fs, net::TcpStream, process::Command};

use serde_json::json;

use crate::support::{
    odoo::Odoo,
    venv::{free_port, once, start},
};

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_server_ends_with_its_handle() {
    let port = free_port();
    let mut command = Command::new("python3");
    command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let server = start(command, port, answers);
    assert!(answers(server.port));
    drop(server);
    assert!(!answers(port));
}

#[test]
#[should_panic(expected = "did not start")]
fn a_server_that_ends_at_once_is_told_with_its_log() {
    let mut command = Command::new("python3");
    command.args(["-c", "raise SystemExit('no such option')"]);
    start(command, free_port(), answers);
}

#[test]
fn what_is_made_once_is_made_once() {
    let root = tempfile::tempdir().unwrap();
    let made = root.path().join("thing");
    let count = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                once(&made, |directory| {
                    count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    fs::create_dir_all(directory).unwrap();
                });
            });
        }
    });
    assert_eq!(count.into_inner(), 1);
}

#[test]
fn a_killed_test_process_leaves_no_server() {
    // As the kernel does when the test process is killed: the pipe closes, nobody calls a destructor.
    let port = free_port();
    let mut watchdog = Command::new("python3");
    watchdog.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/support/watchdog.py"));
    watchdog.args(["python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    watchdog.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(std::process::Stdio::piped());
    let mut child = watchdog.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !answers(port) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!answers(port));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_integration_user_of_an_odoo_books_orders_and_administers_nothing() {
    let Some(odoo) = crate::support::odoo::odoo() else { return };
    let found = odoo.search("product.product", json!([["default_code", "=", "ART-01"]]), json!(["name"])).await;
    let article = found[0]["id"].as_i64().unwrap();
    let found = odoo.search("product.pricelist", json!([["name", "=", "JPY"]]), json!(["currency_id"])).await;
    let pricelist = found[0]["id"].as_i64().unwrap();
    let found = odoo.search("account.tax", json!([["name", "=", "VAT 21% included"]]), json!(["price_include"])).await;
    assert_eq!(found[0]["price_include"], true);
    let tax = found[0]["id"].to_string();
    let (status, customer) = odoo.user_call("res.partner", "create", json!({"vals_list": [{"name": "Ana"}]})).await;
    assert_eq!(status, 200, "{customer}");
    let order = json!({
        "context": {"mode": "update", "noupdate": true, "tz": "UTC"},
        "fields": ["id", "partner_id/.id", "pricelist_id/.id", "order_line/product_id/.id", "order_line/product_uom_qty",
            "order_line/price_unit", "order_line/tax_ids/.id"],
        "data": [["puente.order_servers_1", customer[0], pricelist, article, "2", "121", tax]],
    });
    let (status, first) = odoo.user_call("sale.order", "load", order.clone()).await;
    assert!(status == 200 && first["ids"].is_array(), "{first}");
    let (_, again) = odoo.user_call("sale.order", "load", order).await;
    assert_eq!(first, again);
    let (status, refused) = odoo.user_call("sale.order", "action_confirm", json!({"ids": first["ids"]})).await;
    assert_eq!(status, 200, "{refused}");
    let fields = json!(["state", "amount_total", "amount_tax", "currency_id"]);
    let sale = &odoo.search("sale.order", json!([["id", "=", first["ids"][0]]]), fields).await[0];
    assert_eq!(
        (&sale["state"], &sale["amount_total"], &sale["amount_tax"]),
        (&json!("sale"), &json!(242.0), &json!(42.0))
    );
    assert_eq!(sale["currency_id"][1], "JPY");
    let (status, _) = odoo.user_call("res.company", "write", json!({"ids": [1], "vals": {"name": "Mine"}})).await;
    assert_eq!(status, 403);
}

#[test]
fn an_odoo_ends_with_its_handle_and_takes_its_database_along() {
    let Some(odoo) = Odoo::with_workers(2) else { return };
    let address = odoo.url.trim_start_matches("http://").to_owned();
    let directory = std::env::temp_dir().join(format!("puente-odoo-{}", address.rsplit(':').next().unwrap()));
    assert!(TcpStream::connect(&address).is_ok() && directory.exists());
    drop(odoo);
    assert!(TcpStream::connect(&address).is_err() && !directory.exists());
}
