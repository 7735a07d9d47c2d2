//! `puente connections apply` as a user types it, on the emulator.

use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use serde_json::{Value, json};

use crate::{
    desk::{CANARY, Desk, rest, words},
    proxy::Proxy,
    support::moto,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_makes_everything_and_the_second_changes_nothing() {
    let Some(desk) = Desk::new().await else { return };
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);

    // What is missing is told before anything is changed, and looking changes nothing.
    let missing = desk.refused(&["--yes"]);
    assert!(missing.contains(&format!("--secret {}=FILE", desk.name("one/webhook"))), "{missing}");
    assert!(missing.contains("nothing was changed") && !missing.contains("one/key"), "{missing}");
    let mut look = desk.all(&["one", "two"]);
    look.push("--dry-run".to_owned());
    let show =
        [&look[..], &["--show-urls".to_owned(), "--url".to_owned(), "https://orders.example".to_owned()]].concat();
    let shown = words(&desk.run(&show.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(
        shown.contains("/v1/connections/one/webhook\n") && !shown.contains("key="),
        "no such key will be made: {shown}"
    );
    let looked = desk.apply(&look.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((desk.secret("erp").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
    // Nobody there to be asked.
    let unasked: Vec<&str> =
        look.iter().map(String::as_str).filter(|arg| !["--yes", "--dry-run"].contains(arg)).collect();
    assert!(desk.refused(&unasked).contains("--yes"));
    assert_eq!(desk.secret("erp").await, None);

    let made = desk.apply_all(&["one", "two"]);
    assert_eq!(made, looked);
    let expected = [
        "create secret erp",
        "create secret one/key",
        "create secret one/webhook",
        "create secret two/key",
        "create secret two/webhook",
        "create usage plan puente 20-5000",
        "create API key puente/one",
        "create API key puente/two",
        "create connection one",
        "create connection two",
        "create configuration puente.toml",
    ];
    assert_eq!(made, expected);
    assert_eq!(desk.secret("erp").await.as_deref(), Some(CANARY));
    let key = desk.secret("one/key").await.unwrap();
    assert_eq!(key.len(), 43, "256 bits");
    assert_eq!(desk.keys("one").await, [(key.clone(), desk.base())].into());
    let other = desk.secret("two/key").await.unwrap();
    assert_eq!(desk.keys("two").await, [(other.clone(), "puente 20-5000".to_owned())].into());
    assert_eq!(desk.published().await.unwrap(), std::fs::read_to_string(desk.dir.path().join("puente.toml")).unwrap());

    assert_eq!(desk.apply(&[]), Vec::<String>::new());
    let again = words(&desk.run(&["--prune"]));
    assert!(again.contains("nothing to do") && !again.contains(&key), "{again}");
    let api = format!("https://api-{}.execute-api.eu-west-1.amazonaws.com/live", desk.stack.place.table);
    assert!(again.contains(&format!("one: {api}/v1/connections/one/webhook\n")), "{again}");
    // The one place that shows a key, because somebody asked.
    let urls = words(&desk.run(&["--show-urls", "--url", "https://orders.example/"]));
    assert!(urls.contains(&format!("https://orders.example/v1/connections/two/webhook?key={other}")), "{urls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_keys_and_connections_change_and_only_prune_deletes() {
    let Some(desk) = Desk::new().await else { return };
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);
    desk.apply_all(&["one", "two"]);
    let (first, second) = (desk.secret("one/key").await.unwrap(), desk.secret("two/key").await.unwrap());

    // Other limits: under another plan, with the same key. What the file says as the stack does is the stack's plan.
    desk.write(&[("one", "limits = { rate = \"5/s\", per_day = 100 }"), ("two", "limits = { rate = \"10/s\" }")]);
    let changed = desk.apply(&["--yes"]);
    let expected = [
        "create usage plan puente 5-100",
        "change API key puente/one",
        "change API key puente/two",
        "extra usage plan puente 20-5000",
        "change configuration puente.toml",
    ];
    assert_eq!(changed, expected);
    assert_eq!(desk.keys("one").await, [(first.clone(), "puente 5-100".to_owned())].into());
    assert_eq!(desk.keys("two").await, [(second.clone(), desk.base())].into());

    // Another key: the old one stays until it is pruned, since a store may still carry it.
    let rotated = "a-new-key-of-more-than-twenty-characters";
    std::fs::write(desk.dir.path().join("new"), rotated).unwrap();
    let given = format!("{}=new", desk.name("one/key"));
    let changed = desk.apply(&["--yes", "--secret", &given]);
    let extra = ["extra API key puente/one", "extra usage plan puente 20-5000"];
    assert_eq!(changed, [&["change secret one/key", "create API key puente/one"], &extra[..]].concat());
    assert_eq!(desk.keys("one").await.len(), 2);

    // A connection goes: first only from the configuration.
    desk.write(&[("one", "limits = { rate = \"5/s\", per_day = 100 }")]);
    let changed = desk.apply(&["--yes"]);
    let left = [
        "extra API key puente/one",
        "extra API key puente/two",
        "extra usage plan puente 20-5000",
        "stop connection two",
        "change configuration puente.toml",
        "extra secret two/key",
        "extra secret two/webhook",
    ];
    assert_eq!(sorted(changed), sorted(left.map(str::to_owned).to_vec()));
    assert_eq!(desk.secret("two/key").await, Some(second.clone()));
    assert_eq!(desk.keys("two").await.len(), 1);
    // It is remembered what is superfluous, also when the configuration that named it is gone.
    let known = desk.apply(&[]);
    assert!(known.contains(&"extra secret two/webhook".to_owned()), "{known:?}");

    let pruned = desk.apply(&["--yes", "--prune"]);
    assert!(pruned.iter().all(|row| row.starts_with("delete ")) && pruned.len() == 5, "{pruned:?}");
    assert_eq!(desk.keys("one").await, [(rotated.to_owned(), "puente 5-100".to_owned())].into());
    assert_eq!(desk.keys("two").await.len(), 0);
    assert_eq!((desk.secret("two/key").await, desk.secret("two/webhook").await), (None, None));
    let described = json!({ "SecretId": desk.name("two/key") });
    let described =
        moto::call(&desk.stack.endpoint, "secretsmanager", "secretsmanager.DescribeSecret", &described).await;
    assert!(!described["DeletedDate"].is_null(), "it can be restored: {described}");
    assert_eq!(desk.secret("erp").await.as_deref(), Some(CANARY), "what is referred to stays");
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_this_stack_did_not_make_is_never_deleted() {
    let Some(desk) = Desk::new().await else { return };
    // A person made one; the other is of another stack, in the same drawer.
    desk.stack.secret(&desk.name("one/webhook"), "made-by-hand").await;
    let tags = json!([{ "Key": "puente:table", "Value": "another-table" }]);
    let other = json!({ "Name": desk.name("two/webhook"), "SecretString": "of-another-stack", "Tags": tags });
    moto::call(&desk.stack.endpoint, "secretsmanager", "secretsmanager.CreateSecret", &other).await;
    desk.write(&[("one", ""), ("two", "")]);
    desk.apply(&["--yes", "--secret", &format!("{}=canary", desk.name("erp"))]);

    desk.write(&[]);
    let pruned = desk.apply(&["--yes", "--prune"]);
    let deleted: Vec<_> = pruned.iter().filter(|row| row.starts_with("delete secret")).collect();
    assert_eq!(deleted, ["delete secret one/key", "delete secret two/key"], "{pruned:?}");
    assert_eq!(desk.secret("one/webhook").await.as_deref(), Some("made-by-hand"));
    assert_eq!(desk.secret("two/webhook").await.as_deref(), Some("of-another-stack"));
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_short_after_every_change_the_next_run_goes_on() {
    let Some(mut desk) = Desk::new().await else { return };
    let proxy = Proxy::before(&desk.stack.endpoint).await;
    desk.endpoint.clone_from(&proxy.endpoint);
    desk.write(&[("one", ""), ("two", "limits = { rate = \"20/s\", per_day = 5000 }")]);
    let mut args = desk.all(&["one", "two"]);
    let mut runs = 0;
    for (prune, refers) in [(false, true), (true, false)] {
        if !refers {
            desk.write(&[("one", "")]);
            args = vec!["--yes".to_owned(), "--prune".to_owned()];
        }
        let before = desk.published().await;
        let wanted = Some(std::fs::read_to_string(desk.dir.path().join("puente.toml")).unwrap());
        loop {
            // One change is let through, and then nothing more.
            let changes = AtomicU32::new(0);
            proxy.refuse(move |call| changes_something(call) && changes.fetch_add(1, Ordering::Relaxed) > 0);
            let output = desk.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            runs += 1;
            assert!(runs < 60, "it never ends: {}", words(&output));
            if output.status.success() {
                break;
            }
            assert!(words(&output).contains("run it again"), "{}", words(&output));
            // The configuration comes after everything it refers to, and before anything is deleted.
            let published = desk.published().await;
            assert!(published == before || published == wanted);
            let ready = desk.keys("one").await.len() == 1 && desk.secret("one/webhook").await.is_some();
            assert!(published != wanted || ready, "published too early");
            let deleted = prune && (desk.keys("two").await.is_empty() || desk.secret("two/key").await.is_none());
            assert!(!deleted || published == wanted, "deleted too early");
        }
        proxy.refuse(|_| false);
        assert_eq!(desk.published().await, wanted);
        assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
    }
    assert!(runs > 15, "{runs}");
    assert_eq!((desk.keys("two").await.len(), desk.secret("two/webhook").await), (0, None));
    let plans = rest(&desk.stack, Method::GET, "/usageplans", None).await;
    let ours = |plan: &&Value| plan["tags"]["puente:table"] == desk.stack.place.table.as_str();
    assert_eq!(plans["item"].as_array().unwrap().iter().filter(ours).count(), 0, "{plans}");
}

/// Whether a call changes something.
fn changes_something(call: &str) -> bool {
    let reads = ["GetItem", "GetSecretValue", "DescribeSecret"];
    !call.starts_with("GET ") && !reads.iter().any(|read| call.ends_with(read))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_told_before_anything_is_changed() {
    let Some(desk) = Desk::new().await else { return };
    let config = desk.dir.path().join("puente.toml");
    desk.write(&[("one", ""), ("two", "")]);
    let good = std::fs::read_to_string(&config).unwrap();
    let all = desk.all(&["one", "two"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();

    std::fs::write(&config, good.replace(&format!("{{ secret = \"{}\" }}", desk.name("one/key")), "{ env = \"ONE\" }"))
        .unwrap();
    let words = desk.refused(&all);
    assert!(words.contains("puente.toml:10: connection.one.key: ") && words.contains("puente/one/key"), "{words}");

    std::fs::write(&config, good.replace("shop = \"two.myshopify.com\"", "shoop = \"two.myshopify.com\"")).unwrap();
    assert!(desk.refused(&all).contains("connection.two.store"), "a connector's own mistakes too");

    // The functions' roles could not read it.
    std::fs::write(&config, good.replace(&desk.name("one/webhook"), "elsewhere/webhook")).unwrap();
    let outside = desk.refused(&all);
    assert!(outside.contains("`elsewhere/webhook`") && outside.contains(&desk.stack.place.table), "{outside}");
    assert!(outside.contains("--secret-prefix") && !outside.contains("`elsewhere/webhook`, "), "{outside}");

    std::fs::write(&config, &good).unwrap();
    std::fs::write(desk.dir.path().join("short"), "too-short").unwrap();
    std::fs::write(desk.dir.path().join("long"), "a-key-that-is-long-enough").unwrap();
    let short = format!("{}=short", desk.name("one/key"));
    assert!(desk.refused(&[&all[..], &["--secret", &short]].concat()).contains("fewer than 20"));
    let (one, two) = (format!("{}=long", desk.name("one/key")), format!("{}=long", desk.name("two/key")));
    let shared = desk.refused(&[&all[..], &["--secret", &one, "--secret", &two]].concat());
    assert!(shared.contains("each needs its own") && !shared.contains("long-enough"), "{shared}");
    let unknown = desk.refused(&[&all[..], &["--secret", "other=long"]].concat());
    assert!(unknown.contains("does not refer to"), "{unknown}");
    assert_eq!((desk.secret("erp").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
}
