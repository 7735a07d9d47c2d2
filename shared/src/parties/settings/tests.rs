//! What is told about a file before anything starts, and where secrets come from.

use async_trait::async_trait;
use secrecy::SecretString;

use super::*;
use crate::{config::FrontDoor, parties::example};

/// A secret store in which every bundle has the same. Says which were asked for.
#[derive(Default)]
struct Store {
    down: bool,
    asked: std::sync::Mutex<Vec<String>>,
}

#[async_trait]
impl Secrets for Store {
    async fn secrets(&self, bundle: &Bundle) -> Result<BTreeMap<String, SecretString>> {
        if self.down {
            return Err(Error::new(Kind::Unavailable, "the secret store cannot be reached"));
        }
        self.asked.lock().unwrap().push(bundle.to_string());
        let all = [
            ("known", "canary-known-and-long-enough"),
            ("long", "canary-of-more-than-16-characters"),
            ("other", "another-canary-of-more-than-16-characters"),
            ("short", "canary"),
        ];
        Ok(all.map(|(name, secret)| (name.to_owned(), secret.into())).into())
    }
}

#[derive(Debug, Deserialize)]
struct Two {
    a: Secret,
    b: Secret,
}

const GOOD: &str = r#"
[erp.main]
kind = "tryton"
url = "http://127.0.0.1:8000"
password = { secret = "known" }
limits = { rate = "25/10s", per_day = 500, reset = "03:30", time_zone = "America/Argentina/Buenos_Aires", orders_share = 0.85, horizon_ms = 1000 }

[connection.acme]
erp = "main"
key = { file = "key.txt" }
store = { kind = "shopify", shop = "acme.myshopify.com" }
orders = { create_when = "placed", total_mismatch = "adjust", adjust_limit = 0.05, sku = { "OLD.1" = "NEW" } }
limits = { rate = "20/s", per_day = 9 }

[connection.other]
erp = "main"
store = { kind = "woocommerce" }
orders.statuses = { "partially-paid" = "ignore", packing = "paid" }
"#;

fn bundle() -> Bundle {
    Bundle::Edge("acme".parse().unwrap())
}

fn parse(text: &str) -> Result<Settings> {
    Settings::parse(text, "puente.toml", Arc::new(Store::default()))
}

#[test]
fn the_generic_parts_are_read() {
    let settings = parse(GOOD).unwrap();
    assert_eq!(settings.connections().iter().map(ConnectionId::as_str).collect::<Vec<_>>(), ["acme", "other"]);
    assert_eq!(settings.keyless().iter().map(ConnectionId::as_str).collect::<Vec<_>>(), ["other"]);
    let acme = settings.connections.values().next().unwrap();
    let head = connection_head(&acme.section, true).unwrap();
    assert_eq!(FrontDoor::from(head.limits), FrontDoor { per_second: 20, per_day: 9 });
    assert_eq!(head.orders.adjust_limit.to_string(), "0.05");
    assert_eq!(head.orders.sku["OLD.1"], "NEW");
    let main = account_head(&settings.accounts.values().next().unwrap().section, true).unwrap();
    let limits = main.limits.of_erp();
    assert_eq!((limits.calls, limits.per_day, limits.orders_share, main.max_attempts.get()), (25, 500, 850, 12));
    assert_eq!(
        (limits.window.as_secs(), limits.reset.to_string(), limits.horizon.as_millis()),
        (10, "03:30:00".into(), 1000)
    );
    assert_eq!(limits.time_zone.iana_name(), Some("America/Argentina/Buenos_Aires"));
    let other = connection_head(&settings.connections.values().nth(1).unwrap().section, true).unwrap();
    assert_eq!(FrontDoor::from(other.limits), FrontDoor { per_second: 10, per_day: 300 });
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table of mistakes")]
fn every_mistake_names_file_line_and_key() {
    for (from, to, says) in [
        ("[erp.main]", "[erps.main]", "puente.toml:2: erps: unknown key"),
        ("[connection.other]", "[connection.acme]", "puente.toml:15: duplicate key"),
        ("[connection.other]", "[connection.Other]", "puente.toml:15: connection.Other: a connection's name has only"),
        (
            "erp = \"main\"\nkey",
            "erp = \"mian\"\nkey",
            "puente.toml:9: connection.acme.erp: there is no [erp.mian] (there is: main)",
        ),
        (
            "kind = \"tryton\"",
            "kind = \"sap\"",
            "puente.toml:3: erp.main.kind: there is no `sap`; the kinds are: tryton, odoo, rest",
        ),
        (
            "kind = \"woocommerce\"",
            "kind = \"etsy\"",
            "puente.toml:17: connection.other.store.kind: there is no `etsy`; the kinds are: shopify, woocommerce",
        ),
        ("store = { kind = \"woocommerce\" }", "", "connection.other: missing field `store`"),
        ("store = { kind = \"woocommerce\" }", "store = { }", "puente.toml:17: connection.other.store.kind: missing"),
        (
            "limits = { rate = \"20/s\"",
            "limit = { rate = \"20/s\"",
            "puente.toml:13: connection.acme.limit: unknown field",
        ),
        (
            "rate = \"20/s\"",
            "rate = \"20/min\"",
            "puente.toml:13: connection.acme.limits.rate: the front door counts by the second",
        ),
        ("per_day = 9", "per_day = 0", "puente.toml:13: connection.acme.limits.per_day: 0 would let nothing through"),
        ("\"25/10s\"", "\"fast\"", "puente.toml:6: erp.main.limits.rate: `fast` is not a rate"),
        ("\"03:30\"", "\"noon\"", "puente.toml:6: erp.main.limits.reset: `noon` is not a time of day"),
        (
            "Buenos_Aires",
            "Buenos_Vientos",
            "puente.toml:6: erp.main.limits.time_zone: `America/Argentina/Buenos_Vientos` is not a time zone",
        ),
        ("0.85", "1.5", "puente.toml:6: erp.main.limits.orders_share: a share of the day"),
        (
            "per_day = 9",
            "per_day = 9, share = 1.1",
            "puente.toml:13: connection.acme.limits.share: a share of the day lies between 0 and 1",
        ),
        ("0.85", "-0.0001", "puente.toml:6: erp.main.limits.orders_share: a share of the day"),
        ("horizon_ms", "horizont_ms", "puente.toml:6: erp.main.limits.horizont_ms: unknown field"),
        ("\"placed\"", "\"plcaed\"", "puente.toml:12: connection.acme.orders.create_when: unknown variant `plcaed`"),
        (
            "packing = \"paid\"",
            "packing = \"payed\"",
            "puente.toml:18: connection.other.orders.statuses.packing: unknown variant `payed`",
        ),
        (
            "packing = \"paid\"",
            "processing = \"paid\"",
            "puente.toml:18: connection.other.orders.statuses.processing: is a status of WooCommerce's own",
        ),
        (
            "packing = \"paid\"",
            "wc-packing = \"paid\"",
            "puente.toml:18: connection.other.orders.statuses.wc-packing: orders carry their status without",
        ),
        (
            "create_when = \"placed\"",
            "statuses = { packing = \"paid\" }, create_when = \"placed\"",
            "puente.toml:12: connection.acme.orders.statuses.packing: Shopify's shops define no statuses",
        ),
        ("0.05", "\"5 cents\"", "puente.toml:12: connection.acme.orders.adjust_limit: is not a decimal number"),
        (
            ", adjust_limit = 0.05",
            "",
            "puente.toml:12: connection.acme.orders.adjust_limit: `total_mismatch = \"adjust\"` needs",
        ),
        ("0.05", "0", "puente.toml:12: connection.acme.orders.adjust_limit: `total_mismatch = \"adjust\"` needs"),
        (
            "0.05",
            "0.05, unknown_sku = \"park\"",
            "puente.toml:12: connection.acme.orders.unknown_sku: is no key any more",
        ),
        (
            "{ file = \"key.txt\" }",
            "\"canary\"",
            "puente.toml:10: connection.acme.key: a secret is not written into the file",
        ),
        (
            "{ file = \"key.txt\" }",
            "{ literal = \"canary\" }",
            "puente.toml:10: connection.acme.key: a secret is not written into the file",
        ),
        (
            "password = { secret = \"known\" }",
            "password = { literal = \"canary\" }",
            "puente.toml:5: erp.main.password: a secret is not written",
        ),
        ("password = {", "password {", "puente.toml:5: "),
        (
            "http://127.0.0.1:8000",
            "http://erp.example",
            "puente.toml:4: erp.main.url: is plain http to another machine",
        ),
        (
            "kind = \"woocommerce\"",
            "kind = \"woocommerce\", url = \"http://shop.example\"",
            "puente.toml:17: connection.other.store.url: is plain http to another machine",
        ),
        (
            "kind = \"shopify\"",
            "kind = \"shopify\", api_url = \"http://10.0.0.7\", allow_insecure = false",
            "puente.toml:11: connection.acme.store.api_url: is plain http to another machine",
        ),
        (
            "http://127.0.0.1:8000\"",
            "http://erp\"\nallow_insecure = \"yes\"",
            "puente.toml:5: erp.main.allow_insecure: invalid type",
        ),
        ("[connection.other]\n", "[connection]\nother = 3\n", "puente.toml:16: "),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let Err(error) = parse(&GOOD.replace(from, to)) else { panic!("{to} was accepted") };
        assert_eq!(error.kind(), Kind::Config);
        let error = error.to_string();
        assert!(error.contains(says), "{to}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
    let error = parse("connection = 3").unwrap_err().to_string();
    assert!(error.contains("puente.toml:1: connection: is not a part such as [connection.NAME]"), "{error}");
}

/// Its kind can be told, and this one names no address for it: said before it starts, at the key that asks for it.
#[test]
fn a_store_that_names_no_address_to_be_told_at_takes_no_goods() {
    let with = |goods: &str, notify: &str| {
        parse(&format!(
            "[erp.main]\nkind = 'tryton'\nurl = 'https://erp.example'\ndatabase = 'd'\nusername = 'u'\n\
             password = {{ secret = 'known' }}\nshop = 's'\n[connection.own]\nerp = 'main'\ngoods = {{ {goods} }}\n\
             store = {{ kind = 'canonical', webhook_secrets = [{{ secret = 'long' }}]{notify} }}\n"
        ))
        .map(drop)
        .map_err(|error| error.to_string())
    };
    let notify = ", notify = { url = 'https://own.example/hooks', secret = { secret = 'long' } }";
    let prices = "prices = 'show', price = { currency = 'EUR', tax = 'included' }";
    for (goods, key) in
        [("stock = 'show'", "goods.stock"), (prices, "goods.prices"), ("shipments = 'publish'", "goods.shipments")]
    {
        let error = with(goods, "").unwrap_err();
        assert!(error.starts_with(&format!("puente.toml:10: connection.own.{key}: ")), "{error}");
        assert!(error.contains("connection.own.store.notify says where, and is missing"), "{error}");
        assert_eq!(with(goods, notify), Ok(()), "{goods}");
    }
    assert_eq!(with("", ""), Ok(()));
    let error = with("stock = 'show'", &notify.replace("https", "http")).unwrap_err();
    assert!(error.contains("connection.own.store.notify.url: is plain http to another machine"), "{error}");
}

#[tokio::test]
async fn plain_http_to_another_machine_has_to_be_asked_for() {
    let text = "[erp.main]\nkind = 'tryton'\nurl = 'http://erp:8000'\nallow_insecure = true\ndatabase = 'd'\n\
                username = 'u'\npassword = { secret = 'known' }\nshop = 's'\n\
                [connection.woo]\nerp = 'main'\n\
                store = { kind = 'woocommerce', url = 'http://shop', allow_insecure = true, \
                webhook_secrets = [{ secret = 'long' }] }";
    // Its connectors never hear of the key.
    let settings = parse(text).unwrap();
    assert!(settings.connection(&"woo".parse().unwrap()).await.unwrap().is_some());
    let error = settings.account(&"main".parse().unwrap()).await.err().map(|error| error.to_string());
    assert!(error.as_ref().is_none_or(|error| !error.contains("insecure")), "{error:?}");
}

#[tokio::test]
async fn a_short_key_or_webhook_secret_is_refused_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("puente.toml");
    let text = |secret: &str| {
        format!(
            "[erp.main]\nkind = 'rest'\n[connection.acme]\nerp = 'main'\nkey = {{ file = 'key' }}\n\
             store = {{ kind = 'woocommerce', url = 'https://shop.example', webhook_secrets = [{{ secret = '{secret}' }}] }}"
        )
    };
    let acme: ConnectionId = "acme".parse().unwrap();
    for (key, secret, says) in [
        ("canary-15-chars", "long", Some(":5: connection.acme.key: is shorter than 16 characters")),
        (
            "canary-16-chars.",
            "short",
            Some(":6: connection.acme.store.webhook_secrets[0]: is shorter than 16 characters"),
        ),
        ("canary-16-chars.", "long", None),
    ] {
        std::fs::write(home.path().join("key"), key).unwrap();
        let read = || Settings::parse(&text(secret), file.to_str().unwrap(), Arc::new(Store::default())).unwrap();
        let error = read().entrance(&acme).await.err().map(|error| error.to_string());
        match (&error, says) {
            (Some(error), Some(says)) => assert!(error.contains(says) && !error.contains("canary"), "{error}"),
            (error, says) => assert_eq!(error.as_deref(), says),
        }
    }
}

#[test]
fn shares_of_an_account_are_equal_or_named_and_no_more_than_the_day() {
    const ERP: &str = "[erp.main]\nkind = 'rest'\nlimits = { per_day = 300, orders_share = 1.0 }\n";
    let file = |one: &str, two: &str| {
        let shop = |name, limits| {
            format!("[connection.{name}]\nerp = 'main'\nstore = {{ kind = 'canonical' }}\nlimits = {{ {limits} }}\n")
        };
        format!("{ERP}{}{}", shop("one", one), shop("two", two))
    };
    let shares = |one: &str| {
        let settings = parse(&file(one, "")).unwrap();
        let (main, entry) = settings.accounts.first_key_value().unwrap();
        let shares = settings.shares(main, &entry.section).unwrap();
        let limits = account_head(&entry.section, true).unwrap().limits.of_erp();
        settings.connections().iter().map(|id| shares.per_day(id, &limits)).collect::<Vec<_>>()
    };
    assert_eq!(shares(""), [150, 150]);
    assert_eq!(shares("share = 0.7"), [210, 90]);
    let error = parse(&file("share = 0.6", "share = 0.41")).unwrap_err().to_string();
    assert!(
        error.contains("puente.toml:3: erp.main.limits: the `limits.share` of its connections are more"),
        "{error}"
    );
}

#[test]
fn a_store_may_be_asked_as_its_part_says_or_else_as_its_vendor_does() {
    let limits = |kind: &str, more: &str| {
        let shop = format!("[connection.acme]\nerp = 'main'\nstore = {{ kind = '{kind}'{more} }}\n");
        let settings = parse(&format!("[erp.main]\nkind = 'rest'\n{shop}"))?;
        settings.store_limits(&"acme".parse().unwrap())
    };
    let of = |kind: &str, more: &str| {
        limits(kind, more).unwrap().map(|limits| (limits.calls, limits.window.as_secs(), limits.per_day))
    };
    assert_eq!(of("shopify", ""), Some((2, 1, Limits::ENDLESS)));
    assert_eq!(of("shopify", ", limits = { rate = '20/s' }"), Some((20, 1, Limits::ENDLESS)));
    assert_eq!(of("shopify", ", limits = { per_day = 9 }"), Some((2, 1, 9)));
    assert_eq!(of("woocommerce", ""), None, "nobody says");
    assert_eq!(of("woocommerce", ", limits = { rate = '30/min' }"), Some((30, 60, Limits::ENDLESS)));
    let error = limits("woocommerce", ", limits = { per_day = 9 }").unwrap_err().to_string();
    assert!(error.contains("puente.toml:5: connection.acme.store.limits: need a `rate`"), "{error}");
    let error = limits("shopify", ", limits = { rate = 'often' }").unwrap_err().to_string();
    assert!(error.contains("connection.acme.store.limits.rate: `often` is not a rate"), "{error}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = parse(&GOOD.replace("tryton", "sap").replace("woocommerce", "etsy")).unwrap_err().to_string();
    assert!(error.contains("`sap`") && error.contains("`etsy`") && error.lines().count() == 2, "{error}");
}

#[tokio::test]
async fn missing_secrets_are_all_told_with_their_place() {
    let text = GOOD
        .replace("{ secret = \"known\" }", "{ env = \"PUENTE_TEST_IS_NOT_SET\" }")
        .replace("kind = \"woocommerce\"", "kind = \"woocommerce\", webhook_secrets = [{ secret = \"nowhere\" }]");
    let error = parse(&text).unwrap().check().await.unwrap_err().to_string();
    for says in [
        "puente.toml:5: erp.main.password: the environment variable PUENTE_TEST_IS_NOT_SET is not set",
        "puente.toml:10: connection.acme.key: cannot read the secret's file key.txt",
        "puente.toml:17: connection.other.store.webhook_secrets[0]: the secret `edge/other` has no `nowhere` in it",
    ] {
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn secrets_come_from_files_beside_the_configuration_and_from_the_store() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("key.txt"), "canary-file\n").unwrap();
    std::fs::write(home.path().join("empty"), "\n").unwrap();
    let file = home.path().join("puente.toml");
    let vault = Vault::of(file.to_str().unwrap(), Arc::new(Store::default()));
    let text = "a = { file = 'key.txt' }\nb = { secret = 'known' }";
    let section = Section::parse(text, "puente.toml").unwrap().resolve(&vault, &bundle(), |_| true).await.unwrap();
    let two: Two = section.read().unwrap();
    assert_eq!((two.a.expose(), two.b.expose()), ("canary-file", "canary-known-and-long-enough"));
    assert!(!format!("{two:?} {section:?}").contains("canary"));
    let section = Section::parse("a = { file = 'empty' }\nb = 1", "puente.toml").unwrap();
    let error = section.resolve(&vault, &bundle(), |_| true).await.unwrap_err().pop().unwrap().to_string();
    assert!(error.contains("puente.toml:1: a: the secret that empty holds is empty"), "{error}");
}

#[tokio::test]
async fn a_secret_store_that_is_down_is_no_mistake_in_the_file() {
    let store = Store { down: true, ..Store::default() };
    let settings = Settings::parse(GOOD, "puente.toml", Arc::new(store)).unwrap();
    let main = settings.accounts().pop().unwrap();
    let error = settings.account(&main).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

#[test]
fn the_example_parses() {
    let text = example();
    let settings = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((settings.accounts().len(), settings.connections().len()), (ERPS.len(), STORES.len()));
}

#[tokio::test]
async fn a_connectors_own_keys_are_told_with_their_place_too() {
    let text =
        "[erp.main]\nkind = 'rest'\nnonsense = 'canary'\n[connection.acme]\nerp = 'main'\nstore = { kind = 'shopify' }";
    let error = parse(text).unwrap().check().await.unwrap_err().to_string();
    assert!(error.contains("puente.toml:3: erp.main.nonsense: unknown field"), "{error}");
    // What else is wrong is told as well: here, a store without its secrets.
    assert!(error.contains("puente.toml:6: connection.acme.store: missing field"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[tokio::test]
async fn a_connection_has_two_keys_while_one_is_changed() {
    let shop = "shop = \"acme.myshopify.com\"";
    let secrets = format!("{shop}, webhook_secrets = [{{ secret = \"known\" }}]");
    let with = |key: &str| parse(&GOOD.replace("key = { file = \"key.txt\" }", key).replace(shop, &secrets));
    let acme = "acme".parse().unwrap();
    let keys = async |settings: &Settings| Ok::<_, Error>(settings.entrance(&acme).await?.unwrap().keys.len());
    let settings = with("key = { secret = 'known' }").unwrap();
    assert_eq!(keys(&settings).await.unwrap(), 1);
    assert_eq!(settings.changing_keys(), []);
    // The new one first.
    let settings = with("key = [{ secret = 'missing' }, { secret = 'known' }]").unwrap();
    assert_eq!(settings.changing_keys(), std::slice::from_ref(&acme));
    let error = keys(&settings).await.unwrap_err().to_string();
    assert!(
        error.contains("puente.toml:10: connection.acme.key[0]: the secret `edge/acme` has no `missing` in it"),
        "{error}"
    );
    let settings = with("key = [{ secret = 'known' }, { secret = 'known' }]").unwrap();
    assert_eq!(keys(&settings).await.unwrap(), 2);
    assert!(settings.keyless().iter().all(|id| *id != acme));

    let three = "key = [{ secret = 'a' }, { secret = 'b' }, { secret = 'c' }]";
    for (key, says) in [
        ("key = []", "a list of keys has two"),
        (three, "a list of keys has two"),
        ("key = 'canary'", "a secret is not written into the file"),
        ("key = ['canary', { secret = 'known' }]", "a secret is not written into the file"),
    ] {
        let error = with(key).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("connection.acme.key") && error.contains(says), "{key}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn posted_orders_have_a_secret_of_their_own() {
    let text = "[erp.main]\nkind = \"tryton\"\nurl = \"https://e\"\n[connection.api]\nerp = \"main\"\n\
                key = { secret = 'known' }\nstore = { kind = \"canonical\", api_keys = [{ secret = 'known' }] }\n";
    let api = "api".parse().unwrap();
    let settings = parse(text).unwrap();
    let error = settings.entrance(&api).await.unwrap_err().to_string();
    assert!(
        error.contains("puente.toml:7: connection.api.store.api_keys: one of them is the connection's key"),
        "{error}"
    );

    let settings = parse(&text.replace("key = { secret = 'known' }\n", "")).unwrap();
    assert_eq!(settings.entrance(&api).await.unwrap().unwrap().store.entrance().api_keys().len(), 1);
    // One of both entrances there must be.
    let neither = parse(&text.replace("api_keys = [{ secret = 'known' }]", "api_keys = []")).unwrap();
    let error = neither.entrance(&api).await.unwrap_err().to_string();
    assert!(error.contains("neither webhook_secrets nor api_keys"), "{error}");
}

const SHOP: &str = r#"
[erp.main]
kind = "tryton"
url = "http://127.0.0.1:8000"
database = "d"
username = "u"
web_shop = "Web"
password = { secret = "long" }
[connection.acme]
erp = "main"
key = { secret = "long" }
store = { kind = "shopify", shop = "acme.myshopify.com", webhook_secrets = [{ secret = "long" }], token = { secret = "other" } }
[connection.plain]
erp = "main"
key = { secret = "long" }
store = { kind = "canonical", webhook_secrets = [{ secret = "long" }] }
"#;

#[tokio::test]
async fn what_faces_the_internet_is_built_from_the_edge_alone_and_the_flows_without_it() {
    let store = Arc::new(Store::default());
    let settings = Settings::parse(SHOP, "puente.toml", store.clone()).unwrap();
    let asked = || std::mem::take(&mut *store.asked.lock().unwrap());
    let acme: ConnectionId = "acme".parse().unwrap();

    let entrance = settings.entrance(&acme).await.unwrap().unwrap();
    assert_eq!(asked(), ["edge/acme"], "one bundle, read once");
    assert!(
        entrance.keys[0].is("canary-of-more-than-16-characters")
            && entrance.store.entrance().signed().unwrap().secrets[0].is("canary-of-more-than-16-characters")
    );
    // The configuration says that the shop can be asked, without what it is asked with.
    assert!(entrance.store.can_fetch());
    settings.entrance(&acme).await.unwrap();
    assert_eq!(asked(), Vec::<String>::new());

    let flows = settings.connection(&acme).await.unwrap().unwrap();
    assert_eq!(asked(), ["worker/acme"]);
    assert!(flows.store.can_fetch());
    // Nobody can be let in with what stands in for a key, or sign with what stands in for a secret: not even by guessing.
    let others = Settings::parse(SHOP, "puente.toml", store.clone()).unwrap().connection(&acme).await.unwrap().unwrap();
    for (one, other) in [
        (&flows.keys[0], &others.keys[0]),
        (&flows.store.entrance().signed().unwrap().secrets[0], &others.store.entrance().signed().unwrap().secrets[0]),
    ] {
        assert!(!one.is("canary-of-more-than-16-characters") && !one.is(other.expose()) && one.expose().len() > 43);
    }
    asked();

    // A store without credentials needs no bundle for them; what an account allows, and whose it is, needs none either.
    let plain: ConnectionId = "plain".parse().unwrap();
    assert!(!settings.connection(&plain).await.unwrap().unwrap().store.can_fetch());
    let main = "main".parse().unwrap();
    assert_eq!(settings.terms(&main).unwrap().unwrap().limits.per_day, 300);
    assert_eq!(settings.connections_of("main"), [acme, plain]);
    assert_eq!(asked(), Vec::<String>::new());
    settings.account(&main).await.unwrap();
    assert_eq!(asked(), ["erp/main"]);
}
