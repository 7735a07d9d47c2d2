//! The ERP's limits, counted at the ERP, with four workers: at most 10 calls in every second, at most the day's quota.

use std::{path::Path, time::Duration};

use http::Method;
use puente::{
    domain::{ids::ConnectionId, record::State},
    embedded::Embedded,
    outbound::{Call, Client},
    ports::Records,
};
use puente_sandbox::{
    erp::{Config, Erp, Limits},
    store::{CATALOGUE, Plan, Shop, What},
};

use crate::support::{binary::Serve, orders::vendor};

const SECRET: &str = "the-shop-signs-with-this";

async fn sandbox(per_day: usize) -> Erp {
    // The sandbox counts with its own clock, and refuses what is too much.
    let limits = Limits { calls: 10, window: Duration::from_secs(1), per_day, day: Duration::from_hours(24) };
    let products = CATALOGUE.iter().map(|article| article.sku.to_string()).collect();
    Erp::start(Config { bulk_limit: 1, limits: Some(limits), products, ..Config::default() }).await.unwrap()
}

fn serve(dir: &Path, erp: &Erp, per_day: usize) -> Serve {
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    let secret = dir.join("secret");
    let text = format!(
        "[erp.main]\nkind = \"rest\"\nlimits = {{ rate = \"10/s\", per_day = {per_day} }}\n{}\n\
         [connection.shop]\nerp = \"main\"\nlimits = {{ rate = \"10000/s\", per_day = 1000000 }}\n\
         store = {{ kind = \"shopify\", shop = \"limits.myshopify.com\", webhook_secrets = [{{ file = {:?} }}] }}\n",
        erp.config_example(),
        secret.to_str().unwrap()
    );
    std::fs::write(dir.join("puente.toml"), text).unwrap();
    Serve::start(dir, &["--workers", "4"])
}

async fn post(serve: &Serve, orders: usize) {
    let since = "2026-03-01T08:00:00Z".parse().unwrap();
    let shop = Shop::open(Plan::new(vendor("shopify"), "limits.myshopify.com", SECRET, 5, orders, since));
    let client = Client::new().unwrap();
    for delivery in shop.deliveries().iter().filter(|d| d.what != What::Forged) {
        let call = Call {
            method: Method::POST,
            url: format!("{}/v1/connections/shop/webhook", serve.url).parse().unwrap(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
            timeout: Duration::from_secs(10),
        };
        assert_eq!(client.send(call).await.unwrap().status, 200);
    }
}

async fn waiting(data: &Embedded) -> u64 {
    let id: ConnectionId = "shop".parse().unwrap();
    let counts = data.counts(&id).await.unwrap();
    [State::Waiting, State::Sending].iter().filter_map(|s| counts.get(s)).sum()
}

fn histogram(erp: &Erp) {
    let calls = erp.calls_per_second();
    eprintln!("{} calls, at most {} in any second; by second:", erp.calls().len(), erp.busiest(Duration::from_secs(1)));
    for (second, count) in calls {
        eprintln!("  {second:>3}s {} {count}", "#".repeat(count));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_never_exceed_ten_calls_a_second() {
    let erp = sandbox(100_000).await;
    let dir = tempfile::tempdir().unwrap();
    let serve = serve(dir.path(), &erp, 100_000);
    post(&serve, 150).await;
    let data = Embedded::open(dir.path().join("data")).unwrap();
    for tries in 0.. {
        if waiting(&data).await == 0 {
            break;
        }
        assert!(tries < 3000, "never settles");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    histogram(&erp);
    assert!(erp.busiest(Duration::from_secs(1)) <= 10);
    assert_eq!(erp.violations(), 0);
    assert!(erp.orders().len() > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_never_exceed_the_quota_of_the_day() {
    let erp = sandbox(60).await;
    let dir = tempfile::tempdir().unwrap();
    let serve = serve(dir.path(), &erp, 60);
    post(&serve, 150).await;
    let data = Embedded::open(dir.path().join("data")).unwrap();
    // More than a minute of slots: whoever would go on, has.
    let mut before = usize::MAX;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls = erp.calls().len();
        if calls == before && calls >= 60 {
            break;
        }
        before = calls;
    }
    histogram(&erp);
    assert!(erp.calls().len() <= 60);
    assert_eq!(erp.violations(), 0);
    let waits = waiting(&data).await;
    assert!(waits > 50, "{waits} wait for tomorrow");
    // Nobody is to blame, and nobody spent an attempt on it.
    let query = puente::ports::Query {
        connection: "shop".parse().unwrap(),
        state: Some(State::Waiting),
        from: None,
        limit: 200,
        cursor: None,
    };
    let page = data.list(&query).await.unwrap();
    assert!(page.heads.iter().all(|head| head.attempts == 0 && head.due.is_some()));
}
