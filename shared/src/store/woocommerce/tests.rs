//! `WooCommerce`'s pitfalls, one test each. The fixture is invented; each test changes the one thing it is about.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, query_param},
};

mod fulfilment;
mod goods;
mod prices;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    Retry,
    config::{Secret, Section},
    domain::{money::Amount, order::*},
    outbound::doubles::Way,
};

const CONFIG: &str = "url = 'https://shop.example'\nwebhook_secrets = [{ literal = 's' }]";

fn build(section: &str) -> Result<WooCommerce> {
    WooCommerce::new(Section::from_toml(section)?.read()?)
}

fn store() -> WooCommerce {
    build(CONFIG).unwrap()
}

fn sample() -> Value {
    serde_json::from_str(ROW.sample).unwrap()
}

fn receive(body: &str) -> Reading {
    let store = store();
    let received = Timestamp::UNIX_EPOCH;
    let mut headers = store.sign(body.as_bytes(), received);
    // The same for two orders of one second: nothing may depend on it.
    headers.insert("x-wc-webhook-delivery-id", "the-same".parse().unwrap());
    let raw = RawWebhook { headers, body: Bytes::copy_from_slice(body.as_bytes()), received };
    store.read(&store.entrance().signed().unwrap().verify(raw).ok().unwrap())
}

fn order(body: &Value) -> Order {
    match receive(&body.to_string()) {
        Reading::Order(order) => *order,
        other => panic!("{other:?}"),
    }
}

fn changed(change: impl FnOnce(&mut Value)) -> Order {
    let mut body = sample();
    change(&mut body);
    order(&body)
}

fn unmapped(change: impl FnOnce(&mut Value)) -> (Option<String>, Flag) {
    let mut body = sample();
    change(&mut body);
    match receive(&body.to_string()) {
        Reading::Unmapped(id, flag) => (id.map(|id| id.to_string()), flag),
        other => panic!("{other:?}"),
    }
}

fn holds(order: &Order) {
    assert!(order.proof().holds() && order.proof().untraced_tax.is_zero() && order.flags.is_empty(), "{order:?}");
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn the_sample_becomes_this_order() {
    let order = order(&sample());
    holds(&order);
    insta::assert_json_snapshot!(order);
}

#[test]
fn lines_are_net_of_tax_whatever_the_shop_shows() {
    for shown in [true, false] {
        let order = changed(|o| o["prices_include_tax"] = json!(shown));
        holds(&order);
        assert!(!order.tax_included);
        assert_eq!(order.proof().tax_on_top, amount("10.62"));
    }
}

#[test]
fn a_coupon_is_the_difference_of_subtotal_and_total() {
    let order = order(&sample());
    let line = &order.lines[0];
    assert_eq!((line.amount, line.discounts[0].amount), (amount("45"), amount("4.5")));
    assert_eq!((line.unit_price, line.discounts[0].label.as_str()), (amount("15"), "primavera"));
    assert!(order.lines[1].discounts.is_empty());
    let two = changed(|o| o["coupon_lines"] = json!([{"code": "a"}, {"code": 20}]));
    assert_eq!(two.lines[0].discounts[0].label, "a, 20");
    // A plugin that raises the price leaves no negative discount behind.
    let raised = changed(|o| o["line_items"][1]["subtotal"] = json!("4.00"));
    holds(&raised);
    assert!(raised.lines[1].discounts.is_empty());
}

#[test]
fn gift_cards_lower_the_total_and_their_codes_stay_out() {
    let order = changed(|o| {
        o["gift_cards"] = json!([{"id": 2, "code": "CANARY-CODE-1", "amount": 20}, {"id": 4, "code": "CANARY-CODE-2", "amount": 4.5}]);
        o["total"] = json!("35.68");
    });
    holds(&order);
    let credits: Vec<_> = order.charges.iter().filter(|c| c.kind == ChargeKind::StoreCredit).collect();
    assert_eq!(credits.iter().map(|c| c.amount).collect::<Vec<_>>(), [amount("-20"), amount("-4.5")]);
    assert!(!serde_json::to_string(&order).unwrap().contains("CANARY"));
}

#[test]
fn a_negative_fee_is_a_negative_charge() {
    let order = order(&sample());
    let fee = order.charges.iter().find(|c| c.kind == ChargeKind::Fee).unwrap();
    assert_eq!((fee.amount, fee.label.as_str()), (amount("-0.98"), "Descuento por recogida"));
}

#[test]
fn types_drift() {
    let body = sample()
        .to_string()
        .replace("\"ACE-ARB-500\"", "84100000000000000000123")
        .replace("\"quantity\":3", "\"quantity\":1.5")
        .replace("\"number\":\"70412\"", "\"number\":70412");
    let order = match receive(&body) {
        Reading::Order(order) => *order,
        other => panic!("{other:?}"),
    };
    holds(&order);
    assert_eq!(order.lines[0].sku.as_deref(), Some("84100000000000000000123"));
    assert_eq!((order.lines[0].quantity, order.lines[0].unit_price), (amount("1.5"), amount("30")));
    assert_eq!(order.number, "70412");
    // Floats beside the strings, PHP's empty values, meta values of any kind.
    let order = changed(|o| {
        o["line_items"][0]["price"] = json!(10.799_999_999_999_999);
        o["line_items"][0]["total"] = json!(40.5);
        o["line_items"][1]["sku"] = json!(false);
        o["shipping_lines"][0]["taxes"][0]["subtotal"] = json!("");
        o["billing"] = json!([]);
        o["shipping"] = json!("");
        o["refunds"] = Value::Null;
        o["line_items"] = json!({"3": o["line_items"][0], "5": o["line_items"][1]});
        o["meta_data"] =
            json!([{"key": 7, "value": 1}, {"key": "a", "value": {"b": [null, 1.5]}}, {"key": null, "value": [[]]}]);
    });
    holds(&order);
    assert!(order.lines[1].sku.is_none() && order.billing.is_none());
    let unit = changed(|o| {
        o["line_items"][0]["quantity"] = json!(0);
    });
    assert_eq!(unit.lines[0].unit_price, amount("45"));
}

#[test]
fn parts_of_a_tax_add_up_to_the_tax_that_was_charged() {
    // A single rate: the part has six decimals, the line's tax two.
    assert_eq!(order(&sample()).lines[0].taxes[0].amount, amount("8.51"));
    let order = changed(|o| {
        o["line_items"][0]["taxes"] =
            json!([{"id": 7, "total": "6.111"}, {"id": "9", "total": "2.394"}, {"id": 8, "total": ""}]);
        o["tax_lines"].as_array_mut().unwrap().push(json!({"rate_id": 9, "label": "Recargo", "rate_percent": 5.2}));
    });
    holds(&order);
    let taxes: Vec<_> = order.lines[0].taxes.iter().map(|t| (t.name.as_str(), t.rate, t.amount)).collect();
    assert_eq!(
        taxes,
        [("IVA", Some(amount("0.21")), amount("6.11")), ("Recargo", Some(amount("0.052")), amount("2.4"))]
    );
    // No parts at all: older shops.
    let order = changed(|o| o["line_items"][0]["taxes"] = json!([]));
    holds(&order);
    assert_eq!(order.lines[0].taxes[0].amount, amount("8.51"));
}

#[test]
fn tax_rounded_once_per_order_finds_its_cents() {
    // 8.505 + 0.903 + 1.2054 = 10.6134: rounded once it is 10.61, while the lines say 8.51 + 0.90 + 1.21 = 10.62.
    let order = changed(|o| {
        o["total_tax"] = json!("10.61");
        o["total"] = json!("60.17");
    });
    holds(&order);
    assert_eq!(order.lines[0].taxes[0].amount, amount("8.5"));
    // Two cents are not rounding, and a cent without such parts is not either: flagged, exactly.
    for (tax, total, difference) in [("10.60", "60.16", "-0.02 of"), ("10.63", "60.19", "0.01 of")] {
        let order = changed(|o| {
            o["total_tax"] = json!(tax);
            o["total"] = json!(total);
        });
        assert_eq!((order.flags.len(), order.flags[0].code.as_str()), (1, "tax"));
        assert!(order.flags[0].detail.contains(difference), "{}", order.flags[0].detail);
    }
}

#[test]
fn books_that_do_not_add_up_are_flagged_with_the_exact_difference_and_kept() {
    let order = changed(|o| o["total"] = json!("31.20"));
    assert_eq!((order.flags.len(), order.flags[0].code.as_str()), (1, "books"));
    assert!(order.flags[0].detail.contains("31.2 EUR") && order.flags[0].detail.contains("-28.98 of difference"));
}

#[test]
fn statuses() {
    let state = |status: &str, dated: bool| {
        changed(|o| {
            o["status"] = json!(status);
            if !dated {
                o["date_paid_gmt"] = Value::Null;
                o["date_paid"] = Value::Null;
            }
        })
    };
    for (status, dated, stands, payment, word) in [
        ("pending", false, Status::Open, Payment::Pending, None),
        ("pending", true, Status::Open, Payment::Pending, None),
        ("on-hold", false, Status::Open, Payment::InProcess, Some("on-hold")),
        ("on-hold", true, Status::Open, Payment::Pending, Some("on-hold")),
        ("failed", false, Status::Open, Payment::Pending, None),
        // It was paid once: charged back, or a dispute that was lost.
        ("failed", true, Status::Open, Payment::Failed, None),
        // Cash on delivery is processed, and shipped, before it is paid.
        ("processing", false, Status::Open, Payment::Paid, None),
        ("completed", true, Status::Open, Payment::Paid, None),
        ("refunded", true, Status::Open, Payment::Refunded, None),
        ("cancelled", false, Status::Cancelled, Payment::Pending, None),
        ("cancelled", true, Status::Cancelled, Payment::Paid, None),
        ("trash", true, Status::Cancelled, Payment::Paid, None),
        // Extensions set date_paid once a deposit came.
        ("partially-paid", true, Status::Open, Payment::PartiallyPaid, Some("partially-paid")),
        ("wc-partial-payment", true, Status::Open, Payment::PartiallyPaid, Some("partial-payment")),
        ("scheduled-payment", true, Status::Open, Payment::Pending, Some("scheduled-payment")),
        ("packing", true, Status::Open, Payment::Unknown, Some("packing")),
        ("wc-packing", false, Status::Open, Payment::Unknown, Some("packing")),
        ("chargeback", true, Status::Open, Payment::Unknown, Some("chargeback")),
        ("", true, Status::Open, Payment::Unknown, None),
    ] {
        let order = state(status, dated);
        let seen = (order.status, order.payment, order.store_status.as_deref());
        assert_eq!(seen, (stands, payment, word), "{status} {dated}");
    }
    for (status, method, dated, payment) in [
        ("on-hold", "bacs", false, Payment::InProcess),
        ("on-hold", "cheque", false, Payment::InProcess),
        ("on-hold", "cod", false, Payment::Pending),
        // It was paid, and somebody looks into it: no transfer is awaited.
        ("on-hold", "woo-mercado-pago-custom", true, Payment::Pending),
        ("pending", "woo-mercado-pago-ticket", false, Payment::InProcess),
        ("pending", "woo-mercado-pago-pix", false, Payment::InProcess),
        ("pending", "woo-mercado-pago-custom", false, Payment::Pending),
        ("pending", "cod", false, Payment::Pending),
        ("failed", "woo-mercado-pago-pix", false, Payment::Pending),
        ("processing", "cod", false, Payment::Paid),
    ] {
        let order = changed(|o| {
            o["status"] = json!(status);
            o["payment_method"] = json!(method);
            if !dated {
                o["date_paid_gmt"] = Value::Null;
                o["date_paid"] = Value::Null;
            }
        });
        assert_eq!(order.payment, payment, "{status} {method}");
    }
    // What its status means may be another thing for the ERP: another word is another state.
    assert_ne!(state("packing", true).version().content, state("packed", true).version().content);
    for draft in ["auto-draft", "draft", "checkout-draft", "wc-checkout-draft"] {
        let mut body = sample();
        body["status"] = json!(draft);
        assert!(matches!(receive(&body.to_string()), Reading::Ignored(_)), "{draft}");
        // Drafts have no dates yet.
        body["date_created_gmt"] = Value::Null;
        body["date_modified_gmt"] = Value::Null;
        assert!(matches!(receive(&body.to_string()), Reading::Ignored(_)), "{draft}");
    }
    for (word, explainable) in [
        ("packing", true),
        ("partially-paid", true),
        ("on-hold", true),
        ("completed", false),
        ("wc-packing", false),
        ("Packing", false),
        ("", false),
    ] {
        assert_eq!((ROW.explainable)(word).is_ok(), explainable, "{word}");
    }
}

#[test]
fn refunds_are_negative_there_and_positive_here() {
    let order = changed(|o| {
        o["refunds"] =
            json!([{"id": 549, "reason": "Sold out", "total": "-16.20"}, {"id": 547, "reason": "", "total": -8.1}]);
    });
    assert_eq!(order.payment, Payment::PartiallyRefunded);
    assert_eq!(order.refunds[0], Refund { reason: Some("Sold out".into()), ..Refund::new("549", amount("16.2")) });
    assert_eq!((order.refunds[1].amount, &order.refunds[1].reason), (amount("8.1"), &None));
    holds(&order);
    let all = changed(|o| o["refunds"] = json!([{"id": 549, "reason": "", "total": "-60.18"}]));
    assert_eq!(all.payment, Payment::Refunded);
    // Refunds do not move `date_modified`: the content tells the versions apart.
    assert_ne!(all.version().content, self::order(&sample()).version().content);
    assert_eq!(all.version().modified, self::order(&sample()).version().modified);
}

#[test]
fn the_date_is_the_shops_and_the_instant_is_utc() {
    let order = changed(|o| {
        o["date_created"] = json!("2026-01-31T22:30:00");
        o["date_created_gmt"] = json!("2026-02-01T01:30:00");
    });
    assert_eq!(order.placed_at.to_string(), "2026-01-31T22:30:00-03:00");
    for odd in [json!(null), json!("2026-01-31T22:30:07"), json!("2026-01-20T22:30:00"), json!("soon")] {
        let order = changed(|o| {
            o["date_created"] = odd;
            o["date_created_gmt"] = json!("2026-02-01T01:30:00");
        });
        assert_eq!(order.placed_at.to_string(), "2026-02-01T01:30:00+00:00");
    }
}

#[test]
fn tax_ids_are_where_the_plugins_put_them() {
    let id = |meta: Value| changed(|o| o["meta_data"] = meta).customer.unwrap().tax_id;
    assert_eq!(order(&sample()).customer.unwrap().tax_id.unwrap().kind, TaxIdKind::Nif);
    for (key, value, kind) in [
        ("_billing_dni", json!("30123456"), TaxIdKind::Dni),
        ("_billing_dni", json!(30_123_456), TaxIdKind::Dni),
        ("_billing_cpf", json!("111.444.777-35"), TaxIdKind::Cpf),
        ("_billing_cnpj", json!("11.222.333/0001-81"), TaxIdKind::Cnpj),
        ("_billing_cuit", json!("30-71234567-1"), TaxIdKind::Cuit),
        ("_billing_cuit", json!(30_712_345_671_i64), TaxIdKind::Cuit),
        ("billing_rut", json!("12.345.678-5"), TaxIdKind::Rut),
        ("_billing_rfc", json!("XAXX010101000"), TaxIdKind::Rfc),
    ] {
        assert_eq!(id(json!([{"id": 1, "key": key, "value": value}])).unwrap().kind, kind, "{key}");
    }
    assert!(id(json!([])).is_none());
    let brazil = changed(|o| {
        o["meta_data"] = json!([]);
        o["billing"]["cpf"] = json!("111.444.777-35");
        o["billing"]["number"] = json!("45");
        o["billing"]["neighborhood"] = json!("Centro");
    });
    assert_eq!(brazil.customer.unwrap().tax_id.unwrap().kind, TaxIdKind::Cpf);
    let typed = |kind: &str| {
        let order = changed(|o| {
            o["meta_data"] = json!([{"key": "_billing_persontype", "value": kind}]);
            o["billing"]["cpf"] = json!("111.444.777-35");
            o["billing"]["cnpj"] = json!("11.222.333/0001-81");
        });
        (order.customer.unwrap().tax_id.unwrap().kind, order.flags)
    };
    let (kind, flags) = typed("1");
    assert_eq!((kind, flags[0].code.as_str()), (TaxIdKind::Cpf, "tax_id"));
    assert!(flags[0].detail.contains("cnpj") && !flags[0].detail.contains("222"), "{}", flags[0].detail);
    assert_eq!(typed("2").0, TaxIdKind::Cnpj);
    // WooCommerce's own flag and a plugin's type of document are no tax ids.
    let none = id(json!([{"key": "is_vat_exempt", "value": "no"}, {"key": "_billing_tipo_documento", "value": "CC"}]));
    assert!(none.is_none());
    assert_eq!(brazil.billing.unwrap().street.unwrap(), "Carrer de l'Olivera 12 45\n2n 1a, Centro");
}

#[test]
fn guests_and_digital_orders() {
    let order = changed(|o| {
        o["customer_id"] = json!(0);
        let blank = json!({"first_name": "", "last_name": "", "company": "", "address_1": "", "address_2": "", "city": "",
            "state": "", "postcode": "", "country": "ES", "email": "", "phone": ""});
        o["billing"] = blank.clone();
        o["shipping"] = blank;
        o["meta_data"] = json!([]);
    });
    holds(&order);
    assert!(order.customer.is_none() && order.billing.is_none() && order.shipping.is_none());
    let guest = changed(|o| o["customer_id"] = json!(0));
    assert!(guest.customer.unwrap().id.is_none());
}

#[test]
fn a_bundle_is_its_lines() {
    let order = changed(|o| {
        o["line_items"][0]["bundled_items"] = json!([8102]);
        o["line_items"][1]["bundled_by"] = json!(8101);
        o["line_items"][1]["bundled_item_title"] = json!("");
    });
    holds(&order);
    assert_eq!(order.lines.len(), 2);
}

#[test]
fn what_cannot_be_mapped_is_kept_with_its_id_and_the_fields_name() {
    for (field, value, code, says) in [
        ("/total", json!(""), "unreadable", "total: "),
        ("/total", json!("1e40"), "unreadable", "total: "),
        ("/line_items/1/total", json!({}), "unreadable", "line_items[1].total: "),
        ("/line_items/0/quantity", json!("three"), "unreadable", "line_items[0].quantity: "),
        ("/line_items/0/taxes/0/total", json!("a lot"), "unreadable", "line_items[0].taxes[0].total: "),
        ("/date_created_gmt", Value::Null, "unreadable", "date_created_gmt: "),
        ("/date_modified_gmt", json!("yesterday"), "unreadable", "date_modified_gmt: "),
        // WooCommerce knows them, ISO 4217 does not.
        ("/currency", json!("BTC"), "currency", "currency: BTC is not"),
        ("/currency", json!("GGP"), "currency", "currency: GGP is not"),
        ("/currency", json!("IRT"), "currency", "currency: IRT is not"),
        ("/currency", json!(""), "currency", "currency: "),
    ] {
        let (id, flag) = unmapped(|o| *o.pointer_mut(field).unwrap() = value);
        assert_eq!((id.as_deref(), flag.code.as_str()), (Some("70412"), code), "{field}");
        assert!(flag.detail.starts_with(says), "{}", flag.detail);
    }
    assert_eq!(unmapped(|o| o["id"] = json!({})).0, None);
    assert!(matches!(receive("nonsense"), Reading::Unmapped(None, _)));
}

#[test]
fn other_resources_pings_and_deletions() {
    assert!(matches!(receive(r#"{"id":70412,"name":"Sal","total_sales":5}"#), Reading::Ignored(_)));
    for body in [
        json!({"id": 5, "name": "Sal", "status": "publish", "price": "4.30", "sku": "SAL"}),
        json!({"id": 318, "email": "marc.oliver@example.com", "billing": {}, "shipping": {}}),
        json!({"id": 9, "code": "primavera", "amount": "10.00"}),
        json!({"id": 562, "parent_id": 70412, "amount": "5.00", "reason": "", "refunded_by": 1, "line_items": []}),
        json!({"action": "woocommerce_add_to_cart", "arg": "a1b2"}),
        json!({"action": "woocommerce_update_product", "arg": 70412}),
    ] {
        assert!(matches!(receive(&body.to_string()), Reading::Ignored(_)), "{body}");
    }
    // A subscription looks like an order, and its renewal comes as an order of its own.
    let mut subscription = sample();
    subscription["billing_period"] = json!("month");
    assert!(matches!(receive(&subscription.to_string()), Reading::Ignored(_)));
    assert!(matches!(receive(r#"{"id":70412}"#), Reading::Deleted(id) if id.as_str() == "70412"));

    let store = store();
    let raw = |body: &'static str| RawWebhook {
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
        received: Timestamp::UNIX_EPOCH,
    };
    assert!(store.is_ping(&raw("webhook_id=123")));
    for other in
        ["webhook_id=", "webhook_id=1&a=b", "{\"id\":1}", "", "webhook_id=abc", "webhook_id=1234567890123456789012"]
    {
        assert!(!store.is_ping(&raw(other)), "{other}");
    }
    let mut signed = raw("webhook_id=123");
    signed.headers.insert(SIGNATURE, "eA==".parse().unwrap());
    assert!(!store.is_ping(&signed));
}

#[test]
fn the_key_is_the_secret_after_entity_decoding() {
    let stored = r"a &amp; b &lt;c&gt; &quot;d&quot; &#039;e&#039; &#x27;f&#x27; &amp;lt; &copy; & ;";
    let text = r#"a & b <c> "d" 'e' 'f' &lt; &copy; & ;"#;
    let store =
        build(&format!("url = 'https://shop.example'\nwebhook_secrets = [{{ literal = '''{stored}''' }}]")).unwrap();
    assert_eq!(store.entrance().signed().unwrap().secrets[0].expose(), text);
    let accepts = |secret: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, webhook::sign(&Secret::new(secret), b"{}").parse().unwrap());
        let raw = RawWebhook { headers, body: Bytes::from_static(b"{}"), received: Timestamp::UNIX_EPOCH };
        store.entrance().signed().unwrap().verify(raw).is_ok()
    };
    assert!(accepts(text) && !accepts(stored));
}

#[test]
fn titles_and_labels_are_plain_text() {
    assert_eq!(order(&sample()).lines[0].title, "Aceite de arbequina & romero");
    let order = changed(|o| {
        o["line_items"][0]["name"] = json!("Vorhang &#8222;Lino&#8220; &#8211; 1,5&nbsp;m <small>&times; 2</small>");
        o["shipping_lines"][0]["method_title"] = json!("Env&iacute;o <b>r&aacute;pido</b>");
        o["fee_lines"][0]["name"] = json!("Descuento&hellip;");
        o["tax_lines"][0]["label"] = json!("I.V.A. &ndash; 21&nbsp;%");
        o["coupon_lines"] = json!([{"code": "caf&eacute;"}]);
    });
    holds(&order);
    assert_eq!(order.lines[0].title, "Vorhang „Lino“ – 1,5 m × 2");
    assert_eq!(order.lines[0].discounts[0].label, "café");
    assert_eq!(order.lines[0].taxes[0].name, "I.V.A. – 21 %");
    let labels: Vec<_> = order.charges.iter().map(|charge| charge.label.as_str()).collect();
    assert_eq!(labels, ["Envío rápido", "Descuento…"]);
}

#[test]
fn a_body_that_is_no_order_is_never_passed_over_in_silence() {
    let legacy_error = r#"{"errors":{"woocommerce_api_user_cannot_read_order":["You may not"]},"error_data":{}}"#;
    let rest_error = r#"{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":401}}"#;
    let odd_error = r#"{"code":"canary@example.com <b>","message":"canary","data":null}"#;
    for body in [legacy_error, rest_error, odd_error] {
        let Reading::Unmapped(None, flag) = receive(body) else { panic!("{body}") };
        assert!(flag.detail.contains("may not read orders") && !flag.detail.contains("canary"), "{}", flag.detail);
    }
    assert!(
        matches!(receive(rest_error), Reading::Unmapped(_, flag) if flag.detail.contains("woocommerce_rest_cannot_view"))
    );
    let mut trimmed = json!({"id": 7, "status": "processing", "total": "9.00"});
    for (body, id, says) in [
        (
            r#"{"order":{"id":12848,"order_number":12848,"total":"10.00"}}"#.to_owned(),
            "12848",
            "WP REST API Integration v3",
        ),
        (r#"{"order_id":9,"event":"paid"}"#.to_owned(), "9", "woocommerce_webhook_payload"),
        (r#"{"orderId":"9","event":"paid"}"#.to_owned(), "9", "woocommerce_webhook_payload"),
        (r#"{"action":"woocommerce_order_status_processing","arg":9}"#.to_owned(), "9", "Order updated"),
        (r#"{"action":"woocommerce_payment_complete","arg":"9"}"#.to_owned(), "9", "Order updated"),
        (trimmed.to_string(), "7", "woocommerce_webhook_payload"),
    ] {
        let Reading::Unmapped(Some(order), flag) = receive(&body) else { panic!("{body}") };
        assert_eq!((order.as_str(), flag.code.as_str()), (id, "webhook"), "{body}");
        assert!(flag.detail.contains(says), "{body}: {}", flag.detail);
        // Whoever can be asked is asked.
        let asked =
            build(&format!("{CONFIG}\nconsumer_key = {{ literal = 'k' }}\nconsumer_secret = {{ literal = 's' }}"))
                .unwrap();
        let headers = asked.sign(body.as_bytes(), Timestamp::UNIX_EPOCH);
        let raw = RawWebhook { headers, body: body.clone().into_bytes().into(), received: Timestamp::UNIX_EPOCH };
        let webhook = asked.entrance().signed().unwrap().verify(raw).ok().unwrap();
        assert!(matches!(asked.read(&webhook), Reading::Changed(order) if order.as_str() == id), "{body}");
    }
    // A refused Legacy order without an id, and bodies without anything.
    for body in [r#"{"order":{"status":"processing"}}"#, "{}", r#"{"hello":1}"#, "[]", "null", "\"\"", ""] {
        assert!(matches!(receive(body), Reading::Unmapped(None, _)), "{body}");
    }
    trimmed["billing_period"] = json!("month");
    assert!(matches!(receive(&trimmed.to_string()), Reading::Ignored(_)));
}

#[test]
fn a_byte_order_mark_before_the_body_is_passed_over() {
    let body = format!("\u{feff}{}", sample());
    // The signature is over the mark too.
    assert!(matches!(receive(&body), Reading::Order(order) if *order == self::order(&sample())));
    assert!(matches!(receive("\u{feff}{\"id\":70412}"), Reading::Deleted(_)));
}

#[test]
fn the_section_is_checked() {
    for bad in [
        "url = 'ftp://shop.example'\nwebhook_secrets = [{ literal = 's' }]",
        "url = 'shop.example'\nwebhook_secrets = [{ literal = 's' }]",
        "url = 'https://shop.example'\nwebhook_secrets = []",
        "url = 'https://shop.example'\nwebhook_secrets = [{ literal = 's' }]\nconsumer_key = { literal = 'ck' }",
        "url = 'https://shop.example'\nwebhook_secrets = [{ literal = 's' }]\nconsumer_secret = { literal = 'cs' }",
        "url = 'https://shop.example'\nwebhook_secrets = [{ literal = 's' }]\nshop = 'x'",
    ] {
        assert_eq!(build(bad).err().unwrap_or_else(|| panic!("{bad}")).kind(), Kind::Config);
    }
    assert!(!store().can_fetch());
    assert_eq!(store().one_call(&"1".parse().unwrap()).err().unwrap().kind(), Kind::Config);
}

async fn server() -> (MockServer, WooCommerce, Way) {
    let server = MockServer::start().await;
    let section = format!(
        "url = '{}/tienda'\nwebhook_secrets = [{{ literal = 's' }}]\nconsumer_key = {{ literal = 'ck_canary' }}\n\
         consumer_secret = {{ literal = 'cs_canary' }}",
        server.uri()
    );
    (server, build(&section).unwrap(), Way::open())
}

fn json_answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/json")
}

#[tokio::test]
async fn one_order_is_fetched() {
    let (server, shop, way) = server().await;
    let at = "/tienda/wp-json/wc/v3/orders";
    Mock::given(method("GET"))
        .and(path(format!("{at}/70412")))
        .and(header("authorization", "Basic Y2tfY2FuYXJ5OmNzX2NhbmFyeQ=="))
        .respond_with(json_answer(200, &sample()))
        .mount(&server)
        .await;
    let missing =
        json!({"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}});
    Mock::given(path(format!("{at}/7"))).respond_with(json_answer(404, &missing)).mount(&server).await;
    let mut draft = sample();
    draft["status"] = json!("checkout-draft");
    Mock::given(path(format!("{at}/8"))).respond_with(json_answer(200, &draft)).mount(&server).await;
    let fetch = async |id: &str| shop.fetch(&way.calls(), &id.parse().unwrap()).await;
    assert_eq!(fetch("70412").await.unwrap().unwrap(), order(&sample()));
    assert!(fetch("7").await.unwrap().is_none());
    assert!(fetch("8").await.unwrap().is_none());
    // What is no order is no deletion either.
    for (id, body) in
        [("10", json!({})), ("11", json!({"code": "x", "message": "y"})), ("12", json!({"order": {"id": 12}}))]
    {
        Mock::given(path(format!("{at}/{id}"))).respond_with(json_answer(200, &body)).mount(&server).await;
        assert_eq!(fetch(id).await.unwrap_err().kind(), Kind::Unreadable, "{body}");
    }
    assert!(fetch("../products/1").await.unwrap().is_none());
    // A 404 of the web server is no deletion.
    assert_eq!(fetch("9").await.unwrap_err().kind(), Kind::Config);
}

/// The sample, with a refund of one of three bottles with its part of the tax, and of the carriage.
fn refunded() -> (Value, Value) {
    let mut body = sample();
    let (item, carriage) = (body["line_items"][0]["id"].clone(), body["shipping_lines"][0].clone());
    let rate = body["line_items"][0]["taxes"][0]["id"].clone();
    body["refunds"] = json!([{"id": 549, "reason": "roto", "total": "-20.19"}]);
    assert_eq!(carriage["method_title"].as_str().map(str::is_empty), Some(false));
    let listed = json!([{"id": 549, "amount": "20.19", "reason": "roto", "line_items": [
        {"id": 73, "name": "Aceite", "quantity": -1, "subtotal": "-15.00", "total": "-13.50", "total_tax": "-2.84",
            "taxes": [{"id": rate, "total": "-2.835"}], "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": item}]},
        {"id": 74, "name": "Sal", "quantity": 0, "total": "0.00", "total_tax": "0.00", "taxes": [], "meta_data": []}],
        "shipping_lines": [{"id": 75, "method_title": "Correo", "total": "-3.18", "total_tax": "-0.67",
            "taxes": [{"id": rate, "total": "-0.6678"}]}],
        "fee_lines": []}]);
    (body, listed)
}

/// The order as it is fetched where the shop lists these refunds; every address is asked once.
async fn fetched(body: &Value, listed: ResponseTemplate) -> Result<Option<Order>> {
    let (server, shop, way) = server().await;
    let at = "/tienda/wp-json/wc/v3/orders/70412";
    Mock::given(path(at)).respond_with(json_answer(200, body)).expect(1).mount(&server).await;
    let refunds = Mock::given(method("GET")).and(path(format!("{at}/refunds"))).and(query_param("per_page", "100"));
    refunds.respond_with(listed).expect(1).mount(&server).await;
    shop.fetch(&way.calls(), &"70412".parse().unwrap()).await
}

#[tokio::test]
async fn a_fetched_order_knows_what_its_refunds_are_of() {
    let (body, listed) = refunded();
    let found = fetched(&body, json_answer(200, &listed)).await.unwrap().unwrap();
    let refund = &found.refunds[0];
    let back = Returned {
        line: found.lines[0].id.clone(),
        quantity: Amount::ONE,
        amount: amount("13.5"),
        taxes: vec![Tax { amount: amount("2.84"), ..found.lines[0].taxes[0].clone() }],
        restock: false,
    };
    assert_eq!(refund.lines, [back]);
    let [carriage] = refund.charges.as_slice() else { panic!("{refund:?}") };
    assert_eq!(
        (carriage.kind, carriage.label.as_str(), carriage.amount),
        (ChargeKind::Shipping, "Correo", amount("3.18"))
    );
    assert_eq!((carriage.taxes[0].amount, carriage.taxes[0].rate), (amount("0.67"), Some(amount("0.21"))));
    let credit = found.credit(refund).unwrap();
    assert!(credit.proof().holds() && credit.total == amount("20.19") && credit.tax == amount("3.51"), "{credit:?}");
    // The rest is the order as its webhook has it.
    let mut bare = found.clone();
    bare.refunds[0] = Refund { reason: Some("roto".into()), ..Refund::new("549", amount("20.19")) };
    assert_eq!(bare, order(&body));
}

#[tokio::test]
async fn a_refund_whose_parts_do_not_make_it_has_none() {
    let parts = async |change: fn(&mut Value)| {
        let (body, mut listed) = refunded();
        change(&mut listed[0]);
        let found = fetched(&body, json_answer(200, &listed)).await.unwrap().unwrap();
        assert_eq!(found.refunds[0].amount, amount("20.19"));
        (found.refunds[0].lines.len(), found.refunds[0].charges.len())
    };
    assert_eq!(parts(|_| {}).await, (1, 1));
    // Tax that is rounded once leaves a cent; three are another amount.
    assert_eq!(parts(|r| r["line_items"][0]["total_tax"] = json!("-2.83")).await, (1, 1));
    for odd in [
        (|r| r["line_items"][0]["total_tax"] = json!("-2.81")) as fn(&mut Value),
        |r| r["line_items"] = json!([]),
        |r| r["shipping_lines"] = Value::Null,
        |r| r["line_items"][0]["meta_data"] = json!([]),
        |r| r["line_items"][0]["meta_data"][0]["value"] = json!("4711"),
        |r| r["line_items"][0]["total"] = json!("a lot"),
        |r| r["id"] = json!(550),
    ] {
        assert_eq!(parts(odd).await, (0, 0));
    }
    // A fee that was given back, and one that lowered the order.
    let with_fee = parts(|r| {
        r["line_items"] = json!([]);
        r["fee_lines"] = json!([{"name": "Regalo", "total": "-17.32", "total_tax": "0.00", "taxes": []},
            {"name": "Descuento", "total": "0.98", "total_tax": "0.00", "taxes": []}]);
    });
    assert_eq!(with_fee.await, (0, 3));
}

#[tokio::test]
async fn refunds_that_are_not_shown_leave_the_order_and_what_fails_is_asked_again() {
    let (body, _) = refunded();
    let missing = json!({"code": "rest_no_route", "message": "No route was found"});
    assert_eq!(fetched(&body, json_answer(404, &missing)).await.unwrap().unwrap(), order(&body));
    let kind = async |answer| fetched(&body, answer).await.unwrap_err().kind();
    assert_eq!(kind(ResponseTemplate::new(502)).await, Kind::Unavailable);
    assert_eq!(kind(json_answer(200, &json!({"code": "x"}))).await, Kind::Unreadable);
    // Nothing is asked about an order that has no refunds.
    let (server, shop, way) = server().await;
    Mock::given(method("GET")).respond_with(json_answer(200, &sample())).expect(1).mount(&server).await;
    assert!(shop.fetch(&way.calls(), &"70412".parse().unwrap()).await.unwrap().unwrap().refunds.is_empty());
}

#[tokio::test]
async fn an_order_with_refunds_is_asked_for_where_the_shop_can_be_asked() {
    let (body, _) = refunded();
    let asked =
        build(&format!("{CONFIG}\nconsumer_key = {{ literal = 'k' }}\nconsumer_secret = {{ literal = 's' }}")).unwrap();
    let read = |body: &Value| {
        let body = body.to_string();
        let headers = asked.sign(body.as_bytes(), Timestamp::UNIX_EPOCH);
        let raw = RawWebhook { headers, body: body.into_bytes().into(), received: Timestamp::UNIX_EPOCH };
        asked.read(&asked.entrance().signed().unwrap().verify(raw).ok().unwrap())
    };
    assert!(matches!(read(&body), Reading::Changed(order) if order.as_str() == "70412"));
    assert!(matches!(read(&sample()), Reading::Order(_)));
    // Without keys the body counts.
    assert_eq!(order(&body).refunds.len(), 1);
    // In a list it is named, and those beside it come whole.
    let (server, shop, way) = server().await;
    Mock::given(method("GET")).respond_with(json_answer(200, &json!([sample(), body]))).mount(&server).await;
    let changes = shop.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.unwrap();
    assert_eq!((changes.orders.len(), changes.unmapped.len()), (1, 0));
    let modified = order(&sample()).updated_at.at();
    assert_eq!(changes.ids, [crate::store::Changed { order: "70412".parse().unwrap(), modified }]);
}

#[tokio::test]
async fn changes_come_from_the_last_time_seen_and_never_skip() {
    let (server, shop, way) = server().await;
    let at = |second: u32, id: u64| {
        let mut order = sample();
        order["id"] = json!(id);
        order["date_modified_gmt"] = json!(format!("2026-03-14T21:00:{second:02}"));
        order
    };
    let mut first: Vec<Value> = (0..100).map(|n| at(n / 2, u64::from(n))).collect();
    first[3]["total"] = json!("x");
    first[4]["status"] = json!("checkout-draft");
    let page = |after: &'static str, page: &'static str| {
        Mock::given(path("/tienda/wp-json/wc/v3/orders"))
            .and(query_param("modified_after", after))
            .and(query_param("dates_are_gmt", "true"))
            .and(query_param("orderby", "modified"))
            .and(query_param("order", "asc"))
            .and(query_param("per_page", "100"))
            .and(query_param("page", page))
    };
    page("2026-03-14T20:59:59", "1").respond_with(json_answer(200, &json!(first))).mount(&server).await;
    // A whole page within one second: only then the page number counts.
    let same: Vec<Value> = (0..100).map(|n| at(49, 1000 + n)).collect();
    page("2026-03-14T21:00:48", "1").respond_with(json_answer(200, &json!(same))).mount(&server).await;
    page("2026-03-14T21:00:48", "2").respond_with(json_answer(200, &json!([at(50, 5000)]))).mount(&server).await;

    let since = "2026-03-14T21:00:00.7Z".parse().unwrap();
    let one = shop.changed_since(&way.calls(), since, None).await.unwrap();
    assert_eq!((one.orders.len(), one.unmapped.len()), (98, 1));
    assert_eq!(one.unmapped[0].0.as_ref().unwrap().as_str(), "3");
    let two = shop.changed_since(&way.calls(), since, one.next.as_deref()).await.unwrap();
    assert_eq!(two.orders.len(), 100);
    let three = shop.changed_since(&way.calls(), since, two.next.as_deref()).await.unwrap();
    assert_eq!((three.orders.len(), three.next), (1, None));
    assert!(shop.changed_since(&way.calls(), since, Some("nonsense")).await.is_err());
}

#[tokio::test]
async fn one_item_that_cannot_be_read_is_named_and_hides_no_other() {
    for (odd, named) in [
        ("{\"id\":7,\"total\":NaN,\"line_items\":[],\"currency\":\"EUR\"}".as_bytes(), None),
        (b"{\"id\":7,\"number\":\"\xff\",\"line_items\":[],\"currency\":\"EUR\"}", Some("7")),
        (b"null", None),
        (b"[[]]", None),
        (b"{\"code\":\"woocommerce_rest_cannot_view\",\"message\":\"no\"}", None),
        (b"{\"order\":{\"id\":7}}", Some("7")),
        (b"{\"id\":7,\"total\":[],\"line_items\":[],\"currency\":\"EUR\"}", Some("7")),
    ] {
        let (server, shop, way) = server().await;
        let mut body = b"\xef\xbb\xbf[".to_vec();
        for part in [sample().to_string().as_bytes(), b",", odd, b",", sample().to_string().as_bytes(), b"]"] {
            body.extend_from_slice(part);
        }
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_raw(body, "application/json"))
            .mount(&server)
            .await;
        let changes = shop.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.unwrap();
        let odd = String::from_utf8_lossy(odd);
        assert_eq!((changes.orders.len(), changes.unmapped.len()), (2, 1), "{odd}");
        assert_eq!(changes.unmapped[0].0.as_ref().map(OrderId::as_str), named, "{odd}");
    }
    let (server, shop, way) = server().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).set_body_string("{}")).mount(&server).await;
    assert_eq!(
        shop.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.err().unwrap().kind(),
        Kind::Unreadable
    );
}

#[tokio::test]
async fn answers_tell_what_to_do_and_keep_the_keys_to_themselves() {
    for (status, kind, retry) in [
        (401, Kind::Config, Retry::Never),
        (404, Kind::Config, Retry::Never),
        (429, Kind::Limited, Retry::After(Duration::from_secs(30))),
        (502, Kind::Unavailable, Retry::After(Duration::from_secs(30))),
    ] {
        let (server, shop, way) = server().await;
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "30").set_body_string("<html>");
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let error = shop.changed_since(&way.calls(), Timestamp::UNIX_EPOCH, None).await.err().unwrap();
        assert_eq!((error.kind(), error.retryable()), (kind, retry));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
