//! Shopify's pitfalls, one test each. The fixture is invented; each test changes the one thing it is about.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, query_param, query_param_is_missing},
};

mod edits;
mod fulfilment;
mod goods;
mod prices;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{Retry, config::Section, domain::order::*, outbound::doubles::Way, store::Store};

const CONFIG: &str = "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]";

fn build(section: &str) -> Result<Shopify> {
    Shopify::new(Section::from_toml(section)?.read()?)
}

fn store(more: &str) -> Shopify {
    build(&format!("{CONFIG}\n{more}")).unwrap()
}

fn sample() -> Value {
    serde_json::from_str(ROW.sample).unwrap()
}

fn receive(store: &Shopify, body: &str, headers: &[(&'static str, &str)]) -> Reading {
    let received = "2026-03-15T00:10:00Z".parse().unwrap();
    let mut all = HeaderMap::new();
    all.insert("x-shopify-hmac-sha256", webhook::sign(&store.secrets[0], body.as_bytes()).parse().unwrap());
    for (name, value) in headers {
        all.insert(*name, value.parse().unwrap());
    }
    let raw = RawWebhook { headers: all, body: Bytes::copy_from_slice(body.as_bytes()), received };
    store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap())
}

fn read(body: &Value) -> Reading {
    receive(&store(""), &body.to_string(), &[])
}

fn order(body: &Value) -> Order {
    match read(body) {
        Reading::Order(order) => *order,
        other => panic!("{other:?}"),
    }
}

/// The sample, changed. What it comes to now follows the total, where the change says nothing else.
fn changed(change: impl FnOnce(&mut Value)) -> Order {
    let mut body = sample();
    let before = body["total_price"].clone();
    change(&mut body);
    if body["current_total_price"] == before {
        body["current_total_price"] = body["total_price"].clone();
    }
    order(&body)
}

fn unmapped(change: impl FnOnce(&mut Value)) -> (Option<String>, Flag) {
    let mut body = sample();
    change(&mut body);
    match read(&body) {
        Reading::Unmapped(id, flag) => (id.map(|id| id.to_string()), flag),
        other => panic!("{other:?}"),
    }
}

fn holds(order: &Order) {
    assert!(order.proof().holds() && order.proof().untraced_tax.is_zero() && order.flags.is_empty(), "{order:?}");
}

#[test]
fn the_sample_becomes_this_order() {
    let order = order(&sample());
    holds(&order);
    insta::assert_json_snapshot!(order);
}

#[test]
fn ids_beyond_2_to_the_53_are_exact() {
    let order = changed(|o| o["id"] = json!(820_982_911_946_154_508_u64));
    assert_eq!(order.id.as_str(), "820982911946154508");
    assert_eq!(order.lines[0].id, "15200011223344556671");
}

#[test]
fn allocations_are_the_discount_and_total_discount_is_not() {
    let order = changed(|o| o["line_items"][0]["total_discount"] = json!("999.00"));
    assert_eq!(order.lines[0].discounts[0].amount.to_string(), "1300");
    assert_eq!(order.lines[0].discounts[0].label, "OTOÑO");
    // Two on one line, the second computed after the first: copied, never recomputed.
    let order = changed(|o| {
        o["line_items"][0]["discount_allocations"] = json!([
            {"amount": "1234.56", "discount_application_index": 0},
            {"amount": "65.44", "discount_application_index": 7},
        ]);
    });
    holds(&order);
    assert_eq!(order.lines[0].discounts.iter().map(|d| d.amount.to_string()).collect::<Vec<_>>(), ["1234.56", "65.44"]);
    assert_eq!(order.lines[0].discounts[1].label, "discount");
}

#[test]
fn tax_is_inside_the_prices_or_on_top() {
    let included = order(&sample());
    assert!(included.tax_included && included.proof().tax_on_top.is_zero());
    let on_top = changed(|o| {
        o["taxes_included"] = json!(false);
        o["total_price"] = json!("62639.67");
    });
    holds(&on_top);
    assert_eq!(on_top.proof().tax_on_top.to_string(), "9189.67");
}

#[test]
fn currencies_without_decimals() {
    let order = changed(|o| {
        o["currency"] = json!("JPY");
        o["taxes_included"] = json!(false);
        o["line_items"] = json!([{"id": 1, "sku": "A", "title": "A", "quantity": 2, "price": "7045", "discount_allocations": [],
            "tax_lines": [{"title": "CT", "price": "229", "rate": 0.1}]}]);
        o["shipping_lines"] = json!([]);
        o["total_discounts"] = json!("0");
        o["total_tip_received"] = json!("0");
        o["total_tax"] = json!("229");
        o["total_price"] = json!("14319");
    });
    holds(&order);
    assert_eq!(order.total.to_string(), "14319");
}

#[test]
fn nobody_no_sku_no_address() {
    let order = changed(|o| {
        for field in ["customer", "email", "contact_email", "billing_address", "phone"] {
            o[field] = Value::Null;
        }
        o.as_object_mut().unwrap().remove("shipping_address");
        o["note_attributes"] = Value::Null;
        o["line_items"][0]["sku"] = Value::Null;
        o["line_items"][1]["sku"] = json!("");
        o["line_items"][1]["product_id"] = Value::Null;
    });
    holds(&order);
    assert!(order.customer.is_none() && order.billing.is_none() && order.shipping.is_none());
    assert!(order.lines[0].sku.is_none() && order.lines[1].sku.is_none());
}

#[test]
fn a_sku_that_is_a_number_keeps_its_digits() {
    let body = sample().to_string().replace("\"YERBA-500\"", "77990012345678901234567.10");
    match receive(&store(""), &body, &[]) {
        Reading::Order(order) => assert_eq!(order.lines[0].sku.as_deref(), Some("77990012345678901234567.10")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gift_card_that_is_sold_is_marked() {
    let order = changed(|o| o["line_items"][1]["gift_card"] = json!(true));
    assert!(order.lines[1].gift_card && !order.lines[0].gift_card);
}

#[test]
fn tips_duties_and_fees_stand_beside_the_lines() {
    let set = |amount: &str| {
        json!({"shop_money": {"amount": amount, "currency_code": "ARS"},
        "presentment_money": {"amount": "1.23", "currency_code": "USD"}})
    };
    let order = changed(|o| {
        o["original_total_duties_set"] = set("100.00");
        o["original_total_additional_fees_set"] = set("40.00");
        o["line_items"][0]["duties"] =
            json!([{"id": 1, "tax_lines": [{"title": "IVA", "price": "10.00", "rate": 0.1}]}]);
        o["total_tax"] = json!("9199.67");
        o["total_price"] = json!("53590.00");
    });
    holds(&order);
    let of = |kind| order.charges.iter().find(|c| c.kind == kind).unwrap();
    assert_eq!(of(ChargeKind::Tip).amount.to_string(), "500");
    assert_eq!((of(ChargeKind::Duty).amount.to_string(), of(ChargeKind::Duty).taxes.len()), ("100".into(), 1));
    assert_eq!(of(ChargeKind::Fee).amount.to_string(), "40");
    let inside = changed(|o| {
        o["duties_included"] = json!(true);
        o["original_total_duties_set"] = set("100.00");
    });
    holds(&inside);
}

#[test]
fn a_tip_that_is_also_a_line_is_not_counted_twice() {
    let order = changed(|o| {
        let tip = json!({"id": 3, "title": "Propina", "name": "Propina", "quantity": 1, "price": "500.00", "sku": "",
            "tip": {"payment_gateway": "shopify_payments"}, "tax_lines": [], "discount_allocations": []});
        o["line_items"].as_array_mut().unwrap().push(tip);
    });
    holds(&order);
    assert_eq!(order.lines.len(), 2);
    assert_eq!(order.charges.iter().filter(|c| c.kind == ChargeKind::Tip).count(), 1);
}

#[test]
fn cash_rounding_is_a_charge_where_the_total_contains_it() {
    let rounding = json!({"shop_money": {"amount": "-0.03", "currency_code": "ARS"}});
    let inside = changed(|o| {
        o["total_cash_rounding_payment_adjustment_set"] = rounding.clone();
        o["total_price"] = json!("53449.97");
    });
    holds(&inside);
    assert_eq!(inside.charges.last().unwrap().kind, ChargeKind::Rounding);
    let outside = changed(|o| o["total_cash_rounding_payment_adjustment_set"] = rounding);
    holds(&outside);
}

#[test]
fn a_discount_nobody_allocated_still_lowers_the_total() {
    let order = changed(|o| {
        o["total_discounts"] = json!("3120.00");
        o["total_price"] = json!("53430.00");
    });
    holds(&order);
    assert_eq!(order.discounts[0].amount.to_string(), "20");
    // Stated, but the books hold without it: then it is in the prices already.
    let order = changed(|o| o["total_discounts"] = json!("3120.00"));
    holds(&order);
    assert!(order.discounts.is_empty());
}

#[test]
fn shipping_that_only_has_a_lower_price_has_a_discount() {
    let order = changed(|o| o["shipping_lines"][0]["discount_allocations"] = json!([]));
    holds(&order);
    assert_eq!(order.charges[0].discounts[0].amount.to_string(), "500");
}

#[test]
fn books_that_do_not_add_up_are_flagged_with_the_exact_difference_and_kept() {
    let order = changed(|o| o["total_price"] = json!("53449.99"));
    assert_eq!(order.flags.len(), 1);
    assert_eq!(order.flags[0].code, "books");
    assert!(order.flags[0].detail.ends_with("make 53450.00: -0.01 of difference"), "{}", order.flags[0].detail);
    let order = changed(|o| o["line_items"][0]["tax_lines"] = json!([]));
    assert_eq!(order.flags[0].code, "tax");
    assert!(order.flags[0].detail.contains("2030.58 of difference"), "{}", order.flags[0].detail);
}

#[test]
fn refunds_are_the_money_that_went_back() {
    let refund = |transactions: Value| {
        json!([{"id": 9_000_000_000_000_001_u64, "order_id": 1, "note": "llegó roto", "order_adjustments":
            [{"kind": "shipping_refund", "amount": "-100.00", "tax_amount": "0.00"}],
            // JSON numbers: 0.1 + 0.2 as floats would not be 0.3.
            "refund_line_items": [{"subtotal": 0.1, "total_tax": 0.01}, {"subtotal": 0.2, "total_tax": 0.01}],
            "transactions": transactions}])
    };
    let paid = |amount: &str, currency: &str, kind: &str, status: &str| json!({"kind": kind, "status": status, "amount": amount, "currency": currency});
    let order = changed(|o| {
        o["financial_status"] = json!("partially_refunded");
        o["current_total_price"] = Value::Null;
        o["refunds"] = refund(json!([
            paid("10.00", "ARS", "refund", "success"),
            paid("100.00", "ARS", "refund", "success"),
            paid("7.00", "ARS", "refund", "failure"),
            paid("8.00", "ARS", "sale", "success"),
        ]));
    });
    assert_eq!(order.payment, Payment::PartiallyRefunded);
    assert_eq!((order.refunds[0].id.as_str(), order.refunds[0].amount.to_string()), ("9000000000000001", "110".into()));
    assert_eq!(order.refunds[0].reason.as_deref(), Some("llegó roto"));
    // In the buyer's currency: the lines say what it is in the shop's, and somebody should look.
    let order = changed(|o| {
        o["current_total_price"] = json!("53349.70");
        o["refunds"] = refund(json!([paid("0.09", "USD", "refund", "success")]));
    });
    assert_eq!((order.refunds[0].amount.to_string(), order.flags[0].code.as_str()), ("100.3".into(), "refund"));
    assert_eq!((order.flags.len(), order.total), (1, "53450".parse().unwrap()));
}

#[test]
fn states() {
    for (state, payment) in [
        (json!("pending"), Payment::Pending),
        (Value::Null, Payment::Pending),
        (json!("authorized"), Payment::Authorized),
        (json!("partially_paid"), Payment::PartiallyPaid),
        (json!("paid"), Payment::Paid),
        (json!("partially_refunded"), Payment::PartiallyRefunded),
        (json!("refunded"), Payment::Refunded),
        (json!("voided"), Payment::Voided),
        (json!("expired"), Payment::Expired),
    ] {
        let order = changed(|o| o["financial_status"] = state.clone());
        assert_eq!((order.payment, order.flags.len()), (payment, 0), "{state}");
    }
    for (gateways, payment) in [
        (json!(["Bank Deposit"]), Payment::InProcess),
        (json!(["Money Order"]), Payment::InProcess),
        (json!(["gift_card", "Mercado Pago"]), Payment::InProcess),
        (json!(["mercado_pago"]), Payment::InProcess),
        (json!(["Boleto Bancário"]), Payment::InProcess),
        (json!(["Pagar.me - PIX"]), Payment::InProcess),
        (json!(["OXXO"]), Payment::InProcess),
        (json!(["Transferencia bancaria (CBU)"]), Payment::InProcess),
        (json!(["DEPÓSITO"]), Payment::InProcess),
        // Paid at the door, or nobody knows when.
        (json!(["Cash on Delivery (COD)"]), Payment::Pending),
        (json!(["Pixelpay"]), Payment::Pending),
        (json!(["manual"]), Payment::Pending),
        (json!([""]), Payment::Pending),
        (json!([]), Payment::Pending),
        (Value::Null, Payment::Pending),
    ] {
        let with = |state: &str| {
            changed(|o| {
                o["financial_status"] = json!(state);
                o["payment_gateway_names"] = gateways.clone();
            })
        };
        assert_eq!(with("pending").payment, payment, "{gateways}");
        // Only what is pending is waited for.
        assert_eq!((with("paid").payment, with("expired").payment), (Payment::Paid, Payment::Expired), "{gateways}");
    }
    let order = changed(|o| o["financial_status"] = json!("canary"));
    assert_eq!((order.payment, order.flags[0].code.as_str()), (Payment::Pending, "status"));
    let order = changed(|o| {
        o["cancelled_at"] = json!("2026-03-15T00:00:00Z");
        o["test"] = json!(true);
    });
    assert_eq!((order.status, order.test), (Status::Cancelled, true));
}

#[test]
fn tax_ids_come_from_notes_and_from_brazilian_companies() {
    let order = changed(|o| {
        o["note_attributes"] = json!([]);
        o["billing_address"]["company"] = json!("111.444.777-35");
        o["billing_address"]["country_code"] = json!("BR");
    });
    assert_eq!(order.customer.unwrap().tax_id.unwrap().kind, TaxIdKind::Cpf);
    assert_eq!(self::order(&sample()).customer.unwrap().tax_id.unwrap().kind, TaxIdKind::Cuit);
    let order = changed(|o| o["note_attributes"] = json!([{"name": "gift", "value": {"any": ["json"]}}]));
    assert!(order.customer.unwrap().tax_id.is_none());
}

#[test]
fn what_cannot_be_mapped_is_kept_with_its_id_and_the_fields_name() {
    let with = |field: &str, value: Value| unmapped(|o| *o.pointer_mut(field).unwrap() = value);
    for (field, value, code, says) in [
        ("/total_price", json!("12,50"), "unreadable", "total_price: "),
        ("/total_price", json!("1e40"), "unreadable", "total_price: "),
        ("/line_items/1/price", json!({}), "unreadable", "line_items[1].price: "),
        ("/line_items/0/quantity", Value::Null, "unreadable", "line_items[0].quantity: "),
        ("/line_items/0/tax_lines/0/price", json!("x"), "unreadable", "line_items[0].tax_lines[0].price: "),
        ("/updated_at", json!("yesterday"), "unreadable", "updated_at: "),
        ("/updated_at", Value::Null, "unreadable", "updated_at: "),
        ("/currency", json!("XQQ"), "currency", "currency: XQQ is not"),
        ("/currency", json!("maria@example.com"), "currency", "currency: the given text is not"),
        ("/line_items", json!("none"), "unreadable", "line_items: is not a list"),
    ] {
        let (id, flag) = with(field, value);
        assert_eq!((id.as_deref(), flag.code.as_str()), (Some("5920011223344556677"), code), "{field}");
        assert!(flag.detail.starts_with(says), "{}", flag.detail);
    }
    let (_, flag) = unmapped(|o| {
        o["line_items"][0]["price"] = json!("999999999999999");
        o["line_items"][0]["quantity"] = json!(999_999_999_999_999_u64);
    });
    assert_eq!(flag.code, "amount");
    assert_eq!(unmapped(|o| o["id"] = json!("not a number")).0, None);
    assert!(matches!(receive(&store(""), "nonsense", &[]), Reading::Unmapped(None, _)));
    assert!(matches!(receive(&store(""), "", &[]), Reading::Unmapped(None, _)));
}

#[test]
fn absurd_depth_is_neither_a_panic_nor_a_loss() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let skipped = ROW.sample.replace("\"tags\":\"\"", &format!("\"tags\":{deep}"));
    assert!(matches!(receive(&store(""), &skipped, &[]), Reading::Order(_)));
    let read = ROW.sample.replace("\"total_tax\":\"9189.67\"", &format!("\"total_tax\":{deep}"));
    assert!(matches!(receive(&store(""), &read, &[]), Reading::Unmapped(Some(_), _)));
}

#[test]
fn another_shops_order_is_not_ours_though_the_signature_is_right() {
    let address = |address: &str| {
        let mut body = sample();
        body["order_status_url"] = json!(address);
        body.to_string()
    };
    let other = address("https://other.myshopify.com/777/orders/a/authenticate?key=k");
    let own_domain = address("https://tienda.example/548380009/orders/a/authenticate?key=k");
    let stranger = address("https://tienda.example/777/orders/a/authenticate?key=k");
    let is = |more: &str, body: &str, headers: &[(&'static str, &str)]| match receive(&store(more), body, headers) {
        Reading::Order(_) => "ours",
        Reading::AnotherShop => "another",
        Reading::Changed(_) => "ask",
        Reading::Unmapped(Some(_), flag) if flag.code == "shop" => "unsaid",
        other => panic!("{other:?}"),
    };
    let (header, lying) =
        (("x-shopify-shop-domain", "acme.myshopify.com"), ("shopify-shop-domain", "other.myshopify.com"));
    assert_eq!(is("", ROW.sample, &[]), "ours");
    assert_eq!(is("", ROW.sample, &[header]), "ours");
    assert_eq!(is("", ROW.sample, &[("x-shopify-shop-domain", "ACME.myshopify.com")]), "ours");
    // The header alone neither makes an order ours …
    assert_eq!(is("", &other, &[header]), "another");
    assert_eq!(is("", &own_domain, &[header]), "unsaid");
    // … and one that names another shop is believed.
    assert_eq!(is("", ROW.sample, &[lying]), "another");
    // With a domain of its own, the shop's number or its domains decide; else the shop is asked.
    assert_eq!(is("shop_id = 548380009", &own_domain, &[]), "ours");
    assert_eq!(is("shop_id = 548380009", &stranger, &[]), "another");
    assert_eq!(is("shop_id = 1", ROW.sample, &[]), "another");
    assert_eq!(is("domains = ['tienda.example']", &own_domain, &[]), "ours");
    assert_eq!(is("token = { literal = 't' }", &own_domain, &[]), "ask");
    assert_eq!(is("token = { literal = 't' }", &address(""), &[]), "ask");
    // A name that only ends like ours.
    assert_eq!(is("", &address("https://acme.myshopify.com.evil.example/1/orders/a"), &[]), "unsaid");
    // Also of an order that cannot be mapped, nothing of another shop's is kept.
    let mut broken: Value = serde_json::from_str(&other).unwrap();
    broken["total_price"] = json!("x");
    assert_eq!(is("", &broken.to_string(), &[]), "another");
}

#[test]
fn other_bodies_name_their_order_whatever_the_topic_says() {
    let refund = json!({"id": 1, "order_id": 42, "refund_line_items": [{"subtotal": 0.0}], "transactions": [],
        "admin_graphql_api_id": "gid://shopify/Refund/1"});
    let fulfilment =
        json!({"id": 1, "order_id": 42, "status": "success", "line_items": [{"id": 2, "quantity": 1, "price": "1"}]});
    let edited = json!({"order_edit": {"id": 7, "order_id": 42, "line_items": {"additions": []}}});
    let returned = json!({"id": 3, "admin_graphql_api_id": "gid://shopify/Return/3", "order": {"id": 42}});
    let mut draft = sample();
    draft["admin_graphql_api_id"] = json!("gid://shopify/DraftOrder/9");
    draft["order_id"] = json!(42);
    for body in [refund, fulfilment, edited, returned, draft] {
        let reading = receive(&store(""), &body.to_string(), &[("x-shopify-topic", "orders/create")]);
        assert!(matches!(&reading, Reading::Changed(id) if id.as_str() == "42"), "{reading:?}");
    }
    let mut open_draft = sample();
    open_draft["admin_graphql_api_id"] = json!("gid://shopify/DraftOrder/9");
    let product = json!({"id": 42, "admin_graphql_api_id": "gid://shopify/Product/42", "title": "Yerba"});
    let shop = json!({"id": 548_380_009, "name": "Acme", "myshopify_domain": "acme.myshopify.com"});
    for body in [open_draft, product, shop, json!({}), json!({"shop_id": 1, "orders_to_redact": [42]})] {
        assert!(matches!(read(&body), Reading::Ignored(_)), "{body}");
    }
    // An order with a topic of something else is still an order.
    let reading = receive(&store(""), ROW.sample, &[("x-shopify-topic", "products/delete")]);
    assert!(matches!(reading, Reading::Order(_)));
}

#[test]
fn a_body_that_is_only_an_id_is_no_deletion_until_the_store_says_so() {
    let body = json!({"id": 42}).to_string();
    // The store is asked, where it can be …
    let asked = receive(&store("token = { literal = 't' }"), &body, &[("x-shopify-topic", "orders/delete")]);
    assert!(matches!(&asked, Reading::Changed(id) if id.as_str() == "42"), "{asked:?}");
    // … and a person, where it cannot.
    let kept = receive(&store(""), &body, &[("x-shopify-topic", "orders/delete")]);
    assert!(
        matches!(&kept, Reading::Unmapped(Some(id), flag) if id.as_str() == "42" && flag.detail.contains("only an id")),
        "{kept:?}"
    );
}

#[test]
fn headers_without_the_x_and_repeated_delivery_ids() {
    let store = store("");
    let mut headers = HeaderMap::new();
    headers.insert("shopify-hmac-sha256", webhook::sign(&store.secrets[0], ROW.sample.as_bytes()).parse().unwrap());
    headers.insert("shopify-webhook-id", "the-same".parse().unwrap());
    let raw = RawWebhook { headers, body: Bytes::from_static(ROW.sample.as_bytes()), received: Timestamp::UNIX_EPOCH };
    let verified = store.entrance().signed().unwrap().verify(raw).ok().unwrap();
    assert!(matches!(store.read(&verified), Reading::Order(_)));

    let mut second = sample();
    second["id"] = json!(2);
    let same = [("x-shopify-webhook-id", "the-same")];
    let (one, two) = (receive(&store, ROW.sample, &same), receive(&store, &second.to_string(), &same));
    match (one, two) {
        (Reading::Order(one), Reading::Order(two)) => assert_ne!(one.id, two.id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_section_is_checked() {
    for bad in [
        "shop = 'acme'\nwebhook_secrets = [{ literal = 's' }]",
        "shop = 'https://acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]",
        "shop = '.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = []",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = '' }]",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 'a' }, { literal = 'b' }, { literal = 'c' }]",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]\ntoken = { literal = \"a\\nb\" }",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]\napi_url = 'ftp://shop.example'",
        "shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]\napi_version = '../x'",
    ] {
        let error = build(bad).err().unwrap_or_else(|| panic!("{bad}"));
        assert_eq!(error.kind(), Kind::Config);
        assert!(!error.to_string().contains("a\nb"));
    }
    assert!(build("shop = 'acme.myshopify.com'\nwebhook_secrets = [{ literal = 's' }]\nshop_name = 'x'").is_err());
    assert!(!store("").can_fetch());
}

#[test]
fn an_api_is_opened_in_one_way_and_half_a_way_is_told() {
    let shop = "shop = 'acme.myshopify.com'\n";
    let app = "client_id = 'app-1'\nclient_secret = { literal = 'app-secret' }\n";
    let own = build(&format!("{shop}{app}")).unwrap();
    assert!(own.can_fetch() && own.sign_in().is_some());
    assert_eq!(own.secrets.first().unwrap().expose(), "app-secret", "what an app signs with");
    let signs = build(&format!("{shop}{app}webhook_secrets = [{{ literal = 'another' }}]")).unwrap();
    assert_eq!(signs.secrets.first().unwrap().expose(), "another");
    for (bad, told) in [
        (format!("{app}token = {{ literal = 't' }}"), "two ways"),
        ("client_id = 'app-1'\nwebhook_secrets = [{ literal = 's' }]".to_owned(), "client_secret"),
        ("client_id = 'app-1'".to_owned(), "client_secret is missing"),
        ("client_secret = { literal = 's' }".to_owned(), "client_id"),
        (format!("{app}scopes = ['read_orders']"), "redirect_url"),
        ("redirect_url = 'https://a.example'\nwebhook_secrets = [{ literal = 's' }]".to_owned(), "client_id"),
        (format!("{app}redirect_url = 'no address'"), "redirect_url"),
        (format!("{app}redirect_url = 'https://a.example'\nscopes = ['read orders&x']"), "scopes"),
        (String::new(), "webhook_secrets"),
    ] {
        let error = build(&format!("{shop}{bad}")).err().unwrap_or_else(|| panic!("{bad}"));
        assert!(error.kind() == Kind::Config && error.to_string().contains(told), "{bad}: {error}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_asked() {
    let error = store("").fetch(&Way::open().calls(), &"1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("client_id"), "{error}");
}

async fn server() -> (MockServer, Shopify, Way) {
    let server = MockServer::start().await;
    let shop =
        store(&format!("token = {{ literal = 'shpat_canary' }}\nall_orders = true\napi_url = '{}'", server.uri()));
    (server, shop, Way::open())
}

fn body(json: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(json.to_string(), "application/json")
}

#[tokio::test]
async fn one_order_is_fetched() {
    let (server, shop, way) = server().await;
    Mock::given(method("GET"))
        .and(path("/admin/api/2026-10/orders/5920011223344556677.json"))
        .and(header("x-shopify-access-token", "shpat_canary"))
        .respond_with(body(&json!({"order": sample()})))
        .mount(&server)
        .await;
    let fetched = shop.fetch(&way.calls(), &"5920011223344556677".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(fetched, order(&sample()));
    // Unknown to the server: 404.
    assert!(shop.fetch(&way.calls(), &"7".parse().unwrap()).await.unwrap().is_none());
    assert!(shop.fetch(&way.calls(), &"../shop".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
    // Without read_all_orders an order older than 60 days looks the same as a deleted one.
    let limited = store(&format!("token = {{ literal = 't' }}\napi_url = '{}'", server.uri()));
    assert_eq!(limited.fetch(&way.calls(), &"7".parse().unwrap()).await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_says_which_and_why() {
    let (server, shop, way) = server().await;
    let mut broken = sample();
    broken["currency"] = json!("XQQ");
    Mock::given(method("GET")).respond_with(body(&json!({"order": broken}))).mount(&server).await;
    let error = shop.fetch(&way.calls(), &"42".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreadable);
    assert!(error.to_string().starts_with("order 42: acme.myshopify.com: currency: XQQ"), "{error}");
}

#[tokio::test]
async fn changes_come_by_the_page_and_one_bad_order_costs_the_others_nothing() {
    let (server, shop, way) = server().await;
    let mut broken = sample();
    broken["id"] = json!(7);
    broken["total_price"] = json!("x");
    let link = format!(
        "<{0}/admin/api/2026-10/orders.json?limit=250&page_info=before>; rel=\"previous\", \
         <{0}/admin/api/2026-10/orders.json?limit=250&page_info=ab%2Bc>; rel=\"next\"",
        server.uri()
    );
    Mock::given(path("/admin/api/2026-10/orders.json"))
        .and(query_param("status", "any"))
        .and(query_param("updated_at_min", "2026-03-01T00:00:00Z"))
        .and(query_param("order", "updated_at asc"))
        .and(query_param("limit", "250"))
        .respond_with(body(&json!({"orders": [broken, sample()]})).insert_header("link", link.as_str()))
        .mount(&server)
        .await;
    Mock::given(path("/admin/api/2026-10/orders.json"))
        .and(query_param("page_info", "ab+c"))
        .and(query_param_is_missing("updated_at_min"))
        .respond_with(body(&json!({"orders": [sample()]})))
        .mount(&server)
        .await;
    let since = "2026-03-01T00:00:00Z".parse().unwrap();
    let first = shop.changed_since(&way.calls(), since, None).await.unwrap();
    assert_eq!((first.orders.len(), first.unmapped.len()), (1, 1));
    assert_eq!(first.unmapped[0].0.as_ref().unwrap().as_str(), "7");
    let second = shop.changed_since(&way.calls(), since, first.next.as_deref()).await.unwrap();
    assert_eq!((second.orders.len(), second.next), (1, None));
}

#[tokio::test]
async fn one_item_whose_json_is_odd_is_named_and_hides_no_other() {
    for odd in ["null", "[]", "NaN", "{\"id\":7,\"total_price\":1e999}", "\"]\"", "{\"id\":7,\"name\":\"\\q\"}"] {
        let (server, shop, way) = server().await;
        let text = format!("\u{feff}{{\"orders\":[{0},{odd},{0}]}}", sample());
        let answer = ResponseTemplate::new(200).set_body_raw(text, "application/json");
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let changes = shop.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.unwrap();
        assert_eq!((changes.orders.len(), changes.unmapped.len()), (2, 1), "{odd}");
    }
}

#[tokio::test]
async fn answers_tell_what_to_do_and_keep_the_token_to_themselves() {
    for (status, kind, retry) in [
        (401, Kind::Config, Retry::Never),
        (403, Kind::Config, Retry::Never),
        (429, Kind::Limited, Retry::After(Duration::from_secs(2))),
        (503, Kind::Unavailable, Retry::After(Duration::from_secs(2))),
    ] {
        let (server, shop, way) = server().await;
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "2.0");
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let error = shop.fetch(&way.calls(), &"42".parse().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, retry));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
