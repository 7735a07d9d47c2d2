//! What is sent, rendered; and what a section can get wrong.

use std::sync::Arc;

use serde_json::Value;

use super::{
    look_up::{finishing, version_in},
    *,
};
use crate::{
    Kind,
    config::Section,
    domain::{
        order::Order,
        rules::{Mismatch, Rules},
    },
    erp::{Bulk, Class, totals::Balancing},
};

fn sample() -> Result<Job> {
    trial::sample(Operation::Create)
}

pub(super) fn build(toml: &str) -> Result<Rest> {
    Rest::build(Section::from_toml(toml).unwrap().read()?)
}

pub(super) fn example() -> Rest {
    // The example's secret is a reference; here it is written out.
    build(&ROW.example.replace("{ env = \"ERP_AUTHORIZATION\" }", "{ literal = \"Bearer canary\" }")).unwrap()
}

/// The smallest section that works, with `more` in it.
pub(super) fn smallest(more: &str) -> String {
    format!(
        "url = 'https://erp.example'\nclass = 'unique'\ndocument = '{{ \"ref\": {{{{ reference }}}} }}'\n\
         create = {{ method = 'POST', path = '/orders', id = '/id' }}\n\
         look_up = {{ method = 'GET', path = '/orders?ref={{{{ reference }}}}', reference = '/ref', id = '/id' }}\n{more}"
    )
}

pub(super) fn why(toml: &str) -> String {
    build(toml).err().expect("it should be refused").to_string()
}

fn sale(change: impl FnOnce(&mut Order), rules: Rules) -> Job {
    let mut sale = sample().unwrap();
    let order = Arc::make_mut(&mut sale.order);
    change(order);
    sale.version = order.version();
    sale.rules = Arc::new(rules);
    sale
}

fn rendered(rest: &Rest, sale: &Job) -> String {
    let booked = rest.books(sale).unwrap();
    let draft = rest.draft(sale, &map::Resolved::trial(), booked).unwrap();
    let call = rest.call(Name::Create, &rest.section.create, &send::data(&[draft]).unwrap(), None).unwrap();
    let body = serde_json::from_slice::<Value>(&call.body).unwrap();
    format!("{} {}\n{}", call.method, call.url, serde_json::to_string_pretty(&body).unwrap())
}

#[test]
fn the_example_renders_a_whole_order() {
    insta::assert_snapshot!(rendered(&example(), &sample().unwrap()));
}

#[test]
fn a_difference_is_booked_on_a_line_of_its_own_only_within_the_limit() {
    let rules = |mismatch, limit: &str| Rules {
        total_mismatch: mismatch,
        adjust_limit: limit.parse().unwrap(),
        ..Rules::default()
    };
    let off = |rules| sale(|order| order.total = "25.77".parse().unwrap(), rules);
    let booked = rendered(&example(), &off(rules(Mismatch::Adjust, "0.05")));
    assert!(booked.contains("\"net\": \"-0.01\""), "{booked}");
    assert!(booked.contains("\"label\": \"Difference to the store's total\""), "{booked}");
    for refused in [rules(Mismatch::Park, "1"), rules(Mismatch::Adjust, "0.001")] {
        let error = example().books(&off(refused)).unwrap_err();
        assert!(error.kind() == Kind::Refused && error.to_string().contains("-0.01 EUR"), "{error}");
    }
}

/// Two lines of 0.07, whose tax of 0.0147 each the store rounds by itself.
fn a_cent_off() -> Job {
    sale(
        |order| {
            let line = &mut order.lines[0];
            (line.amount, line.taxes[0].amount) = ("0.07".parse().unwrap(), "0.01".parse().unwrap());
            line.discounts.clear();
            order.lines.push(order.lines[0].clone());
            order.charges.clear();
            order.discounts.clear();
            (order.tax, order.total) = ("0.02".parse().unwrap(), "0.16".parse().unwrap());
        },
        Rules::default(),
    )
}

#[test]
fn what_the_erps_declared_rounding_leaves_is_a_charge_of_its_own() {
    let way = |per: &str, half: &str| {
        let declared = format!("tax_rounding = {{ per = '{per}', half = '{half}' }}\n");
        build(&format!(
            "{declared}{}",
            ROW.example.replace("{ env = \"ERP_AUTHORIZATION\" }", "{ literal = \"Bearer canary\" }")
        ))
    };
    let at_once = rendered(&way("document", "up").unwrap(), &a_cent_off());
    assert!(
        at_once.contains("\"label\": \"Rounding of tax, to the store's total\",\n        \"net\": \"-0.01\""),
        "{at_once}"
    );
    for same in [example(), way("line", "even").unwrap()] {
        let body = rendered(&same, &a_cent_off());
        assert!(body.contains("\"charges\": []"), "{body}");
    }
    // Not a matter of rounding: another rate.
    let wrong = sale(
        |order| {
            order.lines[0].taxes[0].rate = Some("0.1".parse().unwrap());
        },
        Rules::default(),
    );
    let error = way("line", "up").unwrap().books(&wrong).unwrap_err().to_string();
    assert!(error.contains("3.78") && error.contains("compute 1.80 "), "{error}");
    assert!(way("page", "up").is_err() && way("line", "down").is_err());
}

#[test]
fn a_template_without_a_place_for_rounding_is_told() {
    let declared = smallest("").replace("class =", "tax_rounding = { per = 'line', half = 'up' }\nclass =");
    assert!(why(&declared).contains("order.charges"), "{}", why(&declared));
    // Without a declaration only what the store's own books miss needs one: then the order waits.
    let mut own = a_cent_off();
    Arc::make_mut(&mut own.order).total = "0.17".parse().unwrap();
    let error = build(&smallest("")).unwrap().books(&own).unwrap_err();
    assert!(error.kind() == Kind::Refused && error.to_string().contains("order.charges"), "{error}");
    assert_eq!(build(&smallest("")).unwrap().books(&a_cent_off()).unwrap(), Balancing::default());
    let old = why(&smallest("").replacen("{{ reference }}", "{{ adjustment or reference }}", 1));
    assert!(old.contains("among order.charges"), "{old}");
}

#[test]
fn what_an_order_lacks_is_null() {
    let bare = sale(
        |order| {
            (order.customer, order.billing, order.shipping) = (None, None, None);
            order.charges.clear();
            order.discounts.clear();
            order.lines[0].sku = None;
            order.total = "21.78".parse().unwrap();
        },
        Rules::default(),
    );
    insta::assert_snapshot!(rendered(&example(), &bare));
}

#[test]
fn no_text_of_a_buyer_changes_the_shape_of_a_request() {
    let title = "\"}], \"total\": \"0.01\", \"x\": [{\"a\": \"\\ </script> {{ 7*7 }} \u{2028}\n";
    let hostile = sale(|order| order.lines[0].title = title.to_owned(), Rules::default());
    let body = rendered(&example(), &hostile);
    let document: Value = serde_json::from_str(body.split_once('\n').unwrap().1).unwrap();
    assert_eq!(document[0]["lines"][0]["title"], title);
    assert_eq!(document[0]["total"], "25.78");
}

#[test]
fn a_path_carries_any_reference() {
    let rest = example();
    let name = "acme/or der&reference=b/ü/%2e";
    let data = prepare::wanted("references", "reference", &[name]);
    let call = rest.call(Name::LookUp, rest.section.look_up.as_ref().unwrap(), &data, None).unwrap();
    let pairs: Vec<(String, String)> = call.url.query_pairs().into_owned().filter(|(key, _)| !key.is_empty()).collect();
    assert_eq!(pairs, [("reference".to_owned(), name.to_owned())]);
    // An id must not lead to another resource.
    let by_path =
        smallest("finish = { method = 'POST', path = '/orders/{{ document.id }}/confirm' }\nfinished = ['x']")
            .replace("reference = '/ref'", "reference = '/ref', state = '/state'");
    let rest = build(&by_path).unwrap();
    let path = |id: &str| {
        let document = Document { id: id.to_owned(), number: None };
        rest.call(Name::Finish, rest.section.finish.as_ref().unwrap(), &finishing(&[document]), None)
    };
    assert_eq!(path("../../users").unwrap().url.as_str(), "https://erp.example/orders/..%2F..%2Fusers/confirm");
    assert!(path("..").is_err());
}

#[test]
fn amounts_are_exact() {
    let amounts = "{ \"a\": {{ order.total | fixed(2) }}, \"b\": {{ order.total | number }}, \"c\": {{ order.total }}, \
                   \"d\": {{ order.total | fixed(3) | number }}, \"e\": {{ order.lines[0].unit_price | rounded(2) }} }";
    let toml = smallest("").replace("{ \"ref\": {{ reference }} }", amounts);
    let exact = sale(
        |order| {
            order.lines[0].unit_price = "17.647059".parse().unwrap();
            order.total = "900719925474099.35".parse().unwrap();
        },
        Rules::default(),
    );
    let draft = build(&toml).unwrap().draft(&exact, &map::Resolved::trial(), Balancing::default()).unwrap();
    // More digits than a float has.
    let exactly = r#""a": "900719925474099.35", "b": 900719925474099.35, "c": "900719925474099.35", "d": 900719925474099.350, "e": "17.65""#;
    assert!(draft.body.contains(exactly), "{}", draft.body);
    // A cent is not lost silently, and nothing makes floats.
    let lossy = smallest("").replacen("{{ reference }}", "{{ order.total | fixed(1) }}", 1);
    assert!(why(&lossy).contains("more than 1 decimals"), "{}", why(&lossy));
    for float in ["{{ order.total | float }}", "{{ order.total - order.tax }}", "{{ order.total | round }}"] {
        assert!(build(&smallest("").replacen("{{ reference }}", float, 1)).is_err(), "{float}");
    }
}

#[test]
fn the_stores_code_is_the_erps_where_the_configuration_says_so() {
    let rules = Rules {
        sku: [("MATE-01".to_owned(), "M1".to_owned()), (String::new(), "CUSTOM".to_owned())].into(),
        ..Rules::default()
    };
    let mapped = sale(|_| {}, rules);
    assert_eq!(map::sku(&mapped, &mapped.order.lines[0]), Some("M1"));
    let without = sale(|order| order.lines[0].sku = None, (*mapped.rules).clone());
    assert_eq!(map::sku(&without, &without.order.lines[0]), Some("CUSTOM"));
}

#[test]
fn a_wrong_template_is_told_before_the_first_order() {
    for (template, told) in [
        ("{{ order.totl }}", "document, line 1, at `order.totl`"),
        ("{{ reference", "document, line 1"),
        ("{{ reference | nonsense }}", "nonsense"),
        ("{{ reference }} nonsense", "document renders to text that is not JSON"),
    ] {
        let words = why(&smallest("").replacen("{{ reference }}", template, 1));
        assert!(words.contains(told), "{template}: {words}");
    }
    let told = why(&smallest("probe = { method = 'GET', path = '/{{ nobody }}' }"));
    assert!(told.contains("probe.path") && told.contains("nobody"), "{told}");
}

#[test]
fn an_order_without_a_field_the_template_needs_names_the_field_and_no_value() {
    let rest = build(&smallest("").replacen("{{ reference }}", "{{ order.customer.email }}", 1)).unwrap();
    let guest = sale(|order| order.customer = None, Rules::default());
    let error = rest.draft(&guest, &map::Resolved::default(), Balancing::default()).unwrap_err();
    assert!(error.kind() == Kind::Refused && error.to_string().contains("`order.customer.email`"), "{error}");
    assert!(!error.to_string().contains("Ana"), "{error}");
}

#[test]
fn a_section_that_does_not_fit_together_names_its_key() {
    let class = |class: &str| smallest("").replace("'unique'", &format!("'{class}'"));
    let without_look_up =
        |class_: &str| class(class_).lines().filter(|line| !line.starts_with("look_up")).collect::<Vec<_>>().join("\n");
    for (toml, key) in [
        (smallest("surprise = 1"), "surprise"),
        (smallest("bulk_limit = 0"), "bulk_limit"),
        (smallest("timeout = '10s'\nsettle = '19s'"), "settle"),
        (smallest("timeout = 'soon'"), "soon"),
        (smallest("").replace("'/id' }\nlook", "'id' }\nlook"), "JSON Pointer"),
        (smallest("").replace("'/id' }\nlook", "'/id', version = '/v' }\nlook"), "create.version"),
        (smallest("").replace("'POST'", "'post'"), "create.method"),
        (smallest("").replace("'/orders'", "'orders'"), "create.path"),
        (smallest("").replace("https://erp", "https://me:pw@erp"), "secret_headers"),
        (smallest("").replace("https:", "ftp:"), "url"),
        (without_look_up("searchable"), "look_up"),
        (class("nothing"), "class"),
        (
            smallest("bulk_limit = 2").replace("'/id' }\nlook", "'/id', idempotency_header = 'K' }\nlook"),
            "idempotency_header",
        ),
        (smallest("bulk_limit = 2\nbulk = 'per_item'"), "per_item"),
        (smallest("").replace("'/id' }\nlook", "'/id', total = '/t' }\nlook"), "look_up.total"),
        (smallest("finish = { method = 'POST', path = '/f' }"), "finish"),
        (smallest("headers = { 'a b' = 'c' }"), "headers"),
    ] {
        assert!(why(&toml).contains(key), "{key}: {}", why(&toml));
    }
    assert!(build(&without_look_up("nothing")).is_ok());
}

#[test]
fn capabilities_are_what_the_section_says() {
    let capabilities = example().can(Operation::Create).unwrap();
    assert_eq!((capabilities.class, capabilities.bulk, capabilities.max_bulk), (Class::Unique, Bulk::Atomic, 50));
    assert_eq!(build(&smallest("timeout = 7")).unwrap().patience().settle, std::time::Duration::from_secs(14));
}

#[test]
fn secrets_are_marked_and_stay_out_of_errors() {
    let rest = example();
    assert!(rest.headers[header::AUTHORIZATION].is_sensitive());
    let told = why(&smallest("secret_headers = { X = { literal = \"canary\\n\" } }"));
    assert!(told.contains("\"X\"") && !told.contains("canary"), "{told}");
}

#[test]
fn a_version_is_found_among_other_words() {
    let version = sample().unwrap().version;
    assert_eq!(version_in(&format!("made by puente {version} ")), Some(version.clone()));
    assert_eq!(version_in("typed in by hand"), None);
}

/// The step that creates the sale `a/1`.
pub(super) fn step() -> Step {
    Step::create(OrderKey::new("a".parse().unwrap(), "1".parse().unwrap()).sale())
}

#[test]
fn documents_that_a_person_has_to_compare_carry_no_version() {
    let rest = build(
        &smallest("")
            .replace("reference = '/ref'", "reference = '/ref', version = '/v', total = '/t', stated_total = '/s'"),
    )
    .unwrap();
    let version = sample().unwrap().version;
    let look = |body: &str| {
        let answer = Answer {
            status: http::StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from(body.replace("VERSION", &version.to_string())),
        };
        rest.seen(Name::LookUp, rest.section.look_up.as_ref().unwrap(), &answer)
    };
    let good = r#"{"id": 1, "ref": "a/1", "v": "VERSION", "t": 10, "s": "10.00"}"#;
    let found = |body: &str| rest.one_of(&look(body).unwrap(), &step()).unwrap();
    assert_eq!(found(&format!("[{good}]")).version, Some(version.clone()));
    // Another total, a total that is not told, a second document with the same reference.
    assert_eq!(found(&format!("[{}]", good.replace("10.00", "10.01"))).version, None);
    assert_eq!(found(&format!("[{}]", good.replace("\"t\"", "\"x\""))).version, None);
    assert_eq!(found(&format!("[{good}, {}]", good.replace("\"id\": 1", "\"id\": 2"))).version, None);
    // An item that cannot be read might be the one: no "not there" is concluded.
    assert!(look("[{\"id\": 1}]").is_err() && look("[{\"ref\": \"a/1\"}]").is_err());
    assert!(look("null").is_err() && look("[]").unwrap().is_empty());
}
