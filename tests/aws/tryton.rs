//! The whole path in the functions' own processes: the key at the door, the webhook, the queue, the worker, and a sale in a
//! real Tryton.

use puente::{
    config::Section,
    ports::{Clock, SystemClock},
    store::STORES,
};
use serde_json::{Value, json};

use crate::{
    bootstraps::{invoke, is_discreet},
    stack::{KEY, SECRET, SHOP, World, api_event, event},
    support::{
        orders::{Item, Made},
        tryton::{Tryton, USER},
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_behind_the_front_door_is_a_sale_in_tryton() {
    let Some(world) = World::new().await else { return };
    let Some(tryton) = tokio::task::spawn_blocking(Tryton::start).await.unwrap() else { return };
    world.stack.secret(&world.name("tryton"), USER.1).await;
    let password = format!("{{ secret = \"{}\" }}", world.name("tryton"));
    let section = tryton.section("").replace(&format!("{{ literal = \"{}\" }}", USER.1), &password);
    world.publish_with(&format!("kind = \"tryton\"\n{section}"), "").await;

    let mut order = Made::new(820_982_911_946_153_001);
    order.currency = "EUR";
    order.items = vec![Item::new("ART-01", 3, 1990), Item::new("ART-20", 1, 999)];
    let body = order.shopify();
    let shopify = STORES.iter().find(|row| row.kind == "shopify").unwrap();
    let section = format!("shop = \"{SHOP}\"\nwebhook_secrets = [{{ literal = \"{SECRET}\" }}]\n");
    let store = (shopify.build)(&Section::from_toml(&section).unwrap()).unwrap();
    let webhook = api_event(&store.sign(body.as_bytes(), SystemClock.now()), body.as_bytes());

    let allowed = invoke(&world, "authorizer", event("authorizer")).await;
    assert_eq!(allowed.answer["usageIdentifierKey"], KEY, "{allowed:?}");
    assert_eq!(allowed.answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
    is_discreet(&allowed);

    let taken = invoke(&world, "ingest", webhook).await;
    assert_eq!(taken.answer["statusCode"], 200, "{taken:?}");
    let batch = world.batch().await.unwrap();
    let worked = invoke(&world, "worker", batch.event.clone()).await;
    assert_eq!(worked.answer, json!({ "batchItemFailures": [] }), "{worked:?}");
    is_discreet(&worked);

    let sales = tryton
        .search(
            "sale.sale",
            json!([["web_id", "=", format!("acme-shop/{}", order.id)]]),
            json!(["total_amount", "number"]),
        )
        .await;
    let [sale] = sales.as_slice() else { panic!("{sales:?}") };
    assert_eq!(sale["total_amount"]["decimal"], order.total().to_string());

    // What a person sees of it.
    let mut ask: Value = serde_json::from_str(&event("api")).unwrap();
    ask["path"] = format!("/v1/connections/acme-shop/orders/{}", order.id).into();
    let seen = invoke(&world, "api", ask.to_string()).await;
    assert_eq!(seen.answer["statusCode"], 200, "{seen:?}");
    let story: Value = serde_json::from_str(seen.answer["body"].as_str().unwrap()).unwrap();
    assert_eq!((&story["order"]["status"], &story["order"]["document"]["number"]), (&"synced".into(), &sale["number"]));
}
