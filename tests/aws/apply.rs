//! `puente connections apply` as a user types it, on the emulator.

use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use puente::parties::Settings;
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
    assert!(missing.contains("--secret one/webhook=FILE"), "{missing}");
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
    assert_eq!((desk.secret("erp/main").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
    // Nobody there to be asked.
    let unasked: Vec<&str> =
        look.iter().map(String::as_str).filter(|arg| !["--yes", "--dry-run"].contains(arg)).collect();
    assert!(desk.refused(&unasked).contains("--yes"));
    assert_eq!(desk.secret("erp/main").await, None);

    let made = desk.apply_all(&["one", "two"]);
    assert_eq!(made, looked);
    let expected = [
        "create secret edge/one",
        "create secret edge/two",
        "create secret erp/main",
        "create usage plan puente 20-5000",
        "create API key puente/one",
        "create API key puente/two",
        "create connection one",
        "create connection two",
        "create configuration puente.toml",
    ];
    assert_eq!(made, expected);
    // One for the ERP account, and one for what faces the internet: no store here has credentials, so that there is no third.
    assert_eq!(desk.secret("erp/main").await, Some(json!({ "erp": CANARY }).to_string()));
    let key = desk.kept("edge/one", "one/key").await.unwrap();
    assert_eq!(desk.secret("edge/one").await, Some(json!({ "one/key": key, "one/webhook": CANARY }).to_string()));
    assert_eq!(desk.secret("worker/one").await, None);
    assert_eq!(key.len(), 43, "256 bits");
    assert_eq!(desk.keys("one").await, [(key.clone(), desk.base())].into());
    let other = desk.kept("edge/two", "two/key").await.unwrap();
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
    let (first, second) =
        (desk.kept("edge/one", "one/key").await.unwrap(), desk.kept("edge/two", "two/key").await.unwrap());

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
    let changed = desk.apply(&["--yes", "--secret", "one/key=new"]);
    let extra = ["extra API key puente/one", "extra usage plan puente 20-5000"];
    assert_eq!(changed, [&["change secret edge/one", "create API key puente/one"], &extra[..]].concat());
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
        "extra secret edge/two",
    ];
    assert_eq!(sorted(changed), sorted(left.map(str::to_owned).to_vec()));
    assert_eq!(desk.kept("edge/two", "two/key").await, Some(second.clone()));
    assert_eq!(desk.keys("two").await.len(), 1);
    // It is remembered what is superfluous, also when the configuration that named it is gone.
    let known = desk.apply(&[]);
    assert!(known.contains(&"extra secret edge/two".to_owned()), "{known:?}");

    let pruned = desk.apply(&["--yes", "--prune"]);
    assert!(pruned.iter().all(|row| row.starts_with("delete ")) && pruned.len() == 4, "{pruned:?}");
    assert_eq!(desk.keys("one").await, [(rotated.to_owned(), "puente 5-100".to_owned())].into());
    assert_eq!(desk.keys("two").await.len(), 0);
    assert_eq!(desk.secret("edge/two").await, None);
    let described = json!({ "SecretId": desk.name("edge/two") });
    let described =
        moto::call(&desk.stack.endpoint, "secretsmanager", "secretsmanager.DescribeSecret", &described).await;
    assert!(!described["DeletedDate"].is_null(), "it can be restored: {described}");
    assert_eq!(desk.kept("erp/main", "erp").await.as_deref(), Some(CANARY), "what is referred to stays");
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_this_stack_did_not_make_is_never_deleted() {
    let Some(desk) = Desk::new().await else { return };
    // A person made one; the other is of another stack, in the same drawer.
    let content = |name: &str| json!({ format!("{name}/webhook"): "made-by-hand-some-time-ago" }).to_string();
    desk.stack.secret(&desk.name("edge/one"), &content("one")).await;
    let tags = json!([{ "Key": "puente:table", "Value": "another-table" }]);
    let other = json!({ "Name": desk.name("edge/two"), "SecretString": content("two"), "Tags": tags });
    moto::call(&desk.stack.endpoint, "secretsmanager", "secretsmanager.CreateSecret", &other).await;
    desk.write(&[("one", ""), ("two", ""), ("three", "")]);
    desk.apply(&["--yes", "--secret", "erp=canary", "--secret", "three/webhook=canary"]);

    desk.write(&[]);
    let pruned = desk.apply(&["--yes", "--prune"]);
    let deleted: Vec<_> = pruned.iter().filter(|row| row.starts_with("delete secret")).collect();
    assert_eq!(deleted, ["delete secret edge/three"], "{pruned:?}");
    for name in ["one", "two"] {
        let kept = desk.kept(&format!("edge/{name}"), &format!("{name}/webhook")).await;
        assert_eq!(kept.as_deref(), Some("made-by-hand-some-time-ago"));
    }
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

/// What the release before this one left: every value a secret of its own, under the name that the file has for it.
async fn as_it_was(desk: &Desk) -> String {
    desk.write_old(&[("one", ""), ("two", "")]);
    desk.old_secret("erp", CANARY).await;
    for name in ["one", "two"] {
        desk.old_secret(&format!("{name}/key"), &format!("the-released-key-of-{name}")).await;
        desk.old_secret(&format!("{name}/webhook"), CANARY).await;
    }
    let text = std::fs::read_to_string(desk.dir.path().join("puente.toml")).unwrap();
    desk.stack.aws().published.publish_config(&text).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_released_layout_is_carried_over_once_and_pruned_afterwards() {
    let Some(desk) = Desk::new().await else { return };
    let text = as_it_was(&desk).await;
    let old = ["erp", "one/key", "one/webhook", "two/key", "two/webhook"];

    // The same file: its functions go on with the old secrets until they run this release, which finds its bundles there.
    let moved = desk.apply(&["--yes"]);
    let made: Vec<_> = moved.iter().filter(|row| row.contains(" secret ") && !row.starts_with("extra")).collect();
    assert_eq!(made, ["create secret edge/one", "create secret edge/two", "create secret erp/main"], "{moved:?}");
    let extra = moved.iter().filter_map(|row| row.strip_prefix("extra secret "));
    assert_eq!(extra.collect::<Vec<_>>(), old, "{moved:?}");
    assert_eq!(desk.kept("edge/one", &desk.name("one/key")).await.as_deref(), Some("the-released-key-of-one"));
    assert_eq!(desk.kept("erp/main", &desk.name("erp")).await.as_deref(), Some(CANARY));
    assert_eq!(desk.published().await.as_deref(), Some(text.as_str()));
    assert_eq!(desk.secret("one/key").await.as_deref(), Some("the-released-key-of-one"), "nothing is deleted unasked");
    let settings = Settings::parse(&text, "puente.toml", desk.bundles()).unwrap();
    settings.check().await.unwrap();

    // Once: from here on the old ones are looked at no more, whatever is in them.
    assert!(desk.apply(&["--yes"]).iter().all(|row| row.starts_with("extra ")));
    let pruned = desk.apply(&["--yes", "--prune"]);
    let deleted = pruned.iter().filter_map(|row| row.strip_prefix("delete secret "));
    assert_eq!(deleted.collect::<Vec<_>>(), old, "{pruned:?}");
    for name in old {
        assert_eq!(desk.secret(name).await, None, "{name}");
    }
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
    // Shorter names later: given anew, or found under the name of before by whoever renames in the file alone.
    assert_eq!(desk.kept("edge/two", &desk.name("two/key")).await.as_deref(), Some("the-released-key-of-two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carrying_over_that_is_cut_short_after_every_change_ends_the_same() {
    let Some(mut desk) = Desk::new().await else { return };
    let proxy = Proxy::before(&desk.stack.endpoint).await;
    desk.endpoint.clone_from(&proxy.endpoint);
    as_it_was(&desk).await;
    let mut runs = 0;
    for args in [&["--yes"][..], &["--yes", "--prune"]] {
        loop {
            let changes = AtomicU32::new(0);
            proxy.refuse(move |call| changes_something(call) && changes.fetch_add(1, Ordering::Relaxed) > 0);
            let output = desk.run(args);
            runs += 1;
            assert!(runs < 40, "it never ends: {}", words(&output));
            // At no moment is a value in neither place.
            for name in ["one", "two"] {
                let key = format!("{name}/key");
                let kept = desk.kept(&format!("edge/{name}"), &desk.name(&key)).await;
                let value = kept.or(desk.secret(&key).await);
                assert_eq!(value, Some(format!("the-released-key-of-{name}")));
            }
            if output.status.success() {
                break;
            }
        }
    }
    proxy.refuse(|_| false);
    assert!(runs > 8, "{runs}");
    for name in ["erp", "one/key", "one/webhook", "two/key", "two/webhook"] {
        assert_eq!(desk.secret(name).await, None, "{name} is forgotten");
    }
    assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_changed_without_an_instant_in_which_none_opens() {
    let Some(mut desk) = Desk::new().await else { return };
    let proxy = Proxy::before(&desk.stack.endpoint).await;
    desk.endpoint.clone_from(&proxy.endpoint);
    desk.write(&[("one", "")]);
    desk.apply_all(&["one"]);
    let old = desk.kept("edge/one", "one/key").await.unwrap();
    let one = "one".parse().unwrap();

    let config = desk.dir.path().join("puente.toml");
    let single = std::fs::read_to_string(&config).unwrap();
    let key = "{ secret = \"one/key\" }";
    std::fs::write(&config, single.replace(key, &format!("[{{ secret = \"one/key-2\" }}, {key}]"))).unwrap();
    loop {
        let changes = AtomicU32::new(0);
        proxy.refuse(move |call| changes_something(call) && changes.fetch_add(1, Ordering::Relaxed) > 0);
        let output = desk.run(&["--yes"]);
        // Whatever functions read at this moment, the old key opens, and is counted.
        let published = Settings::parse(&desk.published().await.unwrap(), "puente.toml", desk.bundles()).unwrap();
        assert!(published.entrance(&one).await.unwrap().unwrap().keys.iter().any(|key| key.is(&old)));
        assert!(desk.keys("one").await.contains(&(old.clone(), desk.base())));
        if output.status.success() {
            assert!(words(&output).contains("connection one has two keys"), "{}", words(&output));
            break;
        }
    }
    proxy.refuse(|_| false);
    // Both are API keys of the usage plan: each counts a day of its own, and there is no third.
    let new = desk.kept("edge/one", "one/key-2").await.unwrap();
    assert_eq!(desk.keys("one").await, [(old.clone(), desk.base()), (new.clone(), desk.base())].into());

    std::fs::write(&config, single.replace(key, "{ secret = \"one/key-2\" }")).unwrap();
    let done = desk.apply(&["--yes"]);
    assert_eq!(done, ["extra value edge/one: one/key", "extra API key puente/one", "change configuration puente.toml"]);
    let pruned = desk.apply(&["--yes", "--prune"]);
    assert_eq!(pruned, ["delete value edge/one: one/key", "delete API key puente/one"]);
    assert_eq!(desk.keys("one").await, [(new, desk.base())].into());
    assert_eq!(desk.kept("edge/one", "one/key").await, None);
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
            let ready = desk.keys("one").await.len() == 1 && desk.secret("edge/one").await.is_some();
            assert!(published != wanted || ready, "published too early");
            let deleted = prune && (desk.keys("two").await.is_empty() || desk.secret("edge/two").await.is_none());
            assert!(!deleted || published == wanted, "deleted too early");
        }
        proxy.refuse(|_| false);
        assert_eq!(desk.published().await, wanted);
        assert_eq!(desk.apply(&["--prune"]), Vec::<String>::new());
    }
    assert!(runs > 10, "{runs}");
    assert_eq!((desk.keys("two").await.len(), desk.secret("edge/two").await), (0, None));
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

    std::fs::write(&config, good.replace("{ secret = \"one/key\" }", "{ env = \"ONE\" }")).unwrap();
    let words = desk.refused(&all);
    assert!(
        words.contains("puente.toml:10: connection.one.key: ") && words.contains("{ secret = \"one/key\" }"),
        "{words}"
    );

    std::fs::write(&config, good.replace("shop = \"two.myshopify.com\"", "shoop = \"two.myshopify.com\"")).unwrap();
    assert!(desk.refused(&all).contains("connection.two.store"), "a connector's own mistakes too");

    // What faces the internet must not learn what opens the ERP.
    std::fs::write(&config, good.replace("{ secret = \"one/webhook\" }", "{ secret = \"erp\" }")).unwrap();
    let shared = desk.refused(&all);
    assert!(shared.contains("erp.main.password: `erp` is also what callers"), "{shared}");
    // Somebody else's text where a bundle has its place.
    std::fs::write(&config, good.replace("[connection.two]", "[connection.taken]")).unwrap();
    desk.stack.secret(&desk.name("edge/taken"), "not ours").await;
    let taken = desk.refused(&all);
    assert!(
        taken.contains("edge/taken") && taken.contains("not a JSON object") && !taken.contains("not ours"),
        "{taken}"
    );

    std::fs::write(&config, &good).unwrap();
    std::fs::write(desk.dir.path().join("short"), "too-short").unwrap();
    std::fs::write(desk.dir.path().join("long"), "a-key-that-is-long-enough").unwrap();
    assert!(desk.refused(&[&all[..], &["--secret", "one/key=short"]].concat()).contains("fewer than 20"));
    let shared = desk.refused(&[&all[..], &["--secret", "one/key=long", "--secret", "two/key=long"]].concat());
    assert!(shared.contains("each needs its own") && !shared.contains("long-enough"), "{shared}");
    let unknown = desk.refused(&[&all[..], &["--secret", "other=long"]].concat());
    assert!(unknown.contains("does not refer to"), "{unknown}");
    assert_eq!((desk.secret("erp/main").await, desk.keys("one").await.len(), desk.published().await), (None, 0, None));
}
