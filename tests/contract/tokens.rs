//! Shopify's tokens for a time, from the sandbox, through the real HTTP client: they are renewed before they end, by one holder at a
//! time, and what is lost, taken back or stolen ends in one clear state after a bounded number of questions.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use puente::{
    Error, Kind, Retry,
    config::Section,
    domain::{ids::AccountId, order::Order},
    embedded::Embedded,
    fuzzing::Way,
    outbound::{Call, Calls, Keeper, NotRenewed},
    ports::{Clock, NoIds},
    store::{Entrance, Row, STORES, Store},
};
use puente_sandbox::store::{App, Plan, Serving, Shop, Tokens};
use tokio::net::TcpListener;

const HOUR: Duration = Duration::from_hours(1);

/// A clock that a test moves.
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now += time;
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    async fn sleep_until(&self, _: Timestamp) {}
}

/// A shop whose app is given tokens for a time, and a connector with its tokens in a file.
struct Bench {
    serving: Serving,
    store: Box<dyn Store>,
    clock: Arc<Hand>,
    way: Way,
    order: String,
    home: tempfile::TempDir,
}

impl Bench {
    /// `own`: the app is of the shop's own organisation.
    async fn new(own: bool) -> Self {
        let mut plan =
            Plan::new(row().kit, "acme.myshopify.com", "whsec", 3, 20, "2026-01-31T10:00:00Z".parse().unwrap());
        let lives = if own { HOUR * 24 } else { HOUR };
        plan.app = Some(App { id: "app-1".into(), secret: "app-secret".into(), own, lives });
        let shop = Shop::open(plan);
        let order = shop.truth()[0].order.clone();
        let serving = shop.serve().await.unwrap();
        let store = store(&serving, if own { "" } else { "redirect_url = 'https://agency.example/back'" });
        let clock = Arc::new(Hand(Mutex::new("2026-03-01T00:00:00Z".parse().unwrap())));
        Self { serving, store, clock, way: Way::open(), order, home: tempfile::tempdir().unwrap() }
    }

    fn tokens(&self) -> &Tokens {
        self.serving.tokens().unwrap()
    }

    /// What one process holds: its own opening of the file.
    fn keeper(&self) -> Keeper {
        keeper(self.home.path(), self.clock.clone())
    }

    async fn fetch(&self, keeper: &Keeper) -> Result<Option<Order>, Error> {
        self.store.fetch(&Calls::new(&self.way.http, &NoIds, keeper), &self.order.parse().unwrap()).await
    }

    /// A person opens the page, and comes back with this address.
    async fn let_in(&self, state: &str) -> String {
        let page = self.store.sign_in().unwrap().page(state).unwrap();
        let (headers, timeout) = (HeaderMap::new(), Duration::from_secs(20));
        let call = Call { method: Method::GET, url: page, headers, body: Bytes::new(), timeout };
        let answer = self.way.http.send(call).await.unwrap();
        answer.headers["location"].to_str().unwrap().to_owned()
    }

    async fn sign_in(&self, keeper: &Keeper) {
        let app = self.store.sign_in().unwrap();
        let address = self.let_in("our-state").await;
        let grant = app.first(&self.way.http, &"our-state".into(), &address).await.unwrap();
        keeper.keep(app.app(), grant).await.unwrap();
    }
}

fn row() -> &'static Row {
    STORES.iter().find(|row| row.kind == "shopify").unwrap()
}

fn store(serving: &Serving, more: &str) -> Box<dyn Store> {
    store_of(serving, "app-secret", more)
}

fn store_of(serving: &Serving, secret: &str, more: &str) -> Box<dyn Store> {
    let section = format!(
        "shop = 'acme.myshopify.com'\napi_url = 'http://{}'\nall_orders = true\nclient_id = 'app-1'\n\
         client_secret = {{ literal = '{secret}' }}\n{more}",
        serving.addr()
    );
    (row().build)(&Section::from_toml(&section).unwrap()).unwrap()
}

fn keeper(home: &Path, clock: Arc<dyn Clock>) -> Keeper {
    let file = Embedded::open(home).unwrap();
    Keeper::new(Arc::new(file), AccountId::Store("acme".parse().unwrap()), clock)
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[tokio::test]
async fn an_own_app_gets_its_token_when_it_first_asks_and_another_before_that_ends() {
    let bench = Bench::new(true).await;
    let keeper = bench.keeper();
    let Entrance::Signed(signed) = bench.store.entrance() else { panic!("it is signed") };
    assert_eq!(signed.secrets.len(), 1, "the app's secret signs its webhooks");
    for _ in 0..3 {
        assert!(bench.fetch(&keeper).await.unwrap().is_some());
    }
    assert_eq!(bench.tokens().asked(), 1);
    let first = bench.tokens().access();
    bench.clock.pass(minutes(24 * 60 - 6));
    bench.fetch(&keeper).await.unwrap();
    assert_eq!((bench.tokens().asked(), bench.tokens().access()), (1, first.clone()));
    // Still valid by two minutes, and about to end.
    bench.clock.pass(minutes(4));
    bench.fetch(&keeper).await.unwrap();
    assert_eq!(bench.tokens().asked(), 2);
    assert_ne!(bench.tokens().access(), first);
    let standing = keeper.standing("app-1").await.unwrap().unwrap();
    assert_eq!(standing.expires_at, Some(bench.clock.now() + minutes(24 * 60)));
}

#[tokio::test]
async fn an_agencys_app_is_let_in_by_a_person_and_its_refresh_tokens_are_replaced_at_each_use() {
    let bench = Bench::new(false).await;
    let keeper = bench.keeper();
    let error = bench.fetch(&keeper).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("puente connections authorize acme"), "{error}");
    assert_eq!(bench.tokens().asked(), 0);
    bench.sign_in(&keeper).await;
    for round in 1..=5 {
        assert!(bench.fetch(&keeper).await.unwrap().is_some());
        assert_eq!(bench.tokens().asked(), round);
        bench.clock.pass(minutes(57));
    }
    let standing = keeper.standing("app-1").await.unwrap().unwrap();
    assert!(standing.renewable_until.is_some() && standing.ended.is_none());
}

#[tokio::test]
async fn an_address_that_the_shop_did_not_send_back_is_refused_before_anybody_is_asked() {
    let bench = Bench::new(false).await;
    let app = bench.store.sign_in().unwrap();
    let good = bench.let_in("our-state").await;
    let other = bench.let_in("another-state").await;
    let signature = good.split_once("hmac=").unwrap().1.to_owned();
    let bad = [
        other,
        good.replace("code=code", "code=stolen"),
        good.replace("acme", "evil"),
        good.replace(&signature, &"0".repeat(64)),
        good.replace(&signature, "zz"),
        good.replace("&hmac=", "&h="),
        format!("{good}&state=our-state"),
        "https://agency.example/back".to_owned(),
        String::new(),
    ];
    for address in bad {
        let refused = app.first(&bench.way.http, &"our-state".into(), &address).await.unwrap_err();
        let NotRenewed::Failed(error) = refused else { panic!("{address}: {refused:?}") };
        assert_eq!(error.kind(), Kind::Forged, "{address}");
    }
    assert_eq!(bench.tokens().asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_holders_at_once_one_renews() {
    let bench = Bench::new(false).await;
    bench.sign_in(&bench.keeper()).await;
    // About to end: whoever does not renew goes on with the old one, or with the new one where it is there already.
    bench.clock.pass(minutes(57));
    let holders: Vec<Keeper> = (0..6).map(|_| bench.keeper()).collect();
    let outcomes = join_all(holders.iter().map(|keeper| bench.fetch(keeper))).await;
    // A renewal takes the old one back at once: a call that is on its way with it is asked again later.
    for outcome in outcomes {
        // That is nobody's failure: no order is given up for it.
        let waits = outcome
            .as_ref()
            .is_err_and(|error| error.kind() == Kind::Limited && matches!(error.retryable(), Retry::After(_)));
        assert!(waits || outcome.as_ref().is_ok_and(Option::is_some), "{outcome:?}");
    }
    assert_eq!(bench.tokens().asked(), 2);
    // Over: the others wait for whoever renews.
    bench.clock.pass(minutes(70));
    let outcomes = join_all(holders.iter().map(|keeper| bench.fetch(keeper))).await;
    assert!(outcomes.iter().any(|outcome| outcome.as_ref().is_ok_and(Option::is_some)), "{outcomes:?}");
    assert_eq!(bench.tokens().asked(), 3);
    for keeper in &holders {
        assert!(bench.fetch(keeper).await.unwrap().is_some());
    }
    assert_eq!(bench.tokens().asked(), 3);
}

#[tokio::test]
async fn a_token_endpoint_that_asks_to_be_left_alone_has_not_failed() {
    let bench = Bench::new(true).await;
    let keeper = bench.keeper();
    bench.tokens().limit(2);
    for _ in 0..2 {
        let error = bench.fetch(&keeper).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (Kind::Limited, Retry::After(Duration::from_secs(30))));
    }
    // Nothing is held against it: whoever may call asks again at once.
    assert!(bench.fetch(&keeper).await.unwrap().is_some());
    assert_eq!(bench.tokens().asked(), 3);
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_is_made_up_for_with_the_token_on_record() {
    let bench = Bench::new(false).await;
    let keeper = bench.keeper();
    bench.sign_in(&keeper).await;
    bench.clock.pass(minutes(61));
    bench.tokens().lose(2);
    for _ in 0..2 {
        assert_eq!(bench.fetch(&keeper).await.unwrap_err().kind(), Kind::Unavailable);
        bench.clock.pass(minutes(1));
    }
    assert!(bench.fetch(&keeper).await.unwrap().is_some());
    assert_eq!(bench.tokens().asked(), 4);
}

#[tokio::test]
async fn whoever_dies_while_renewing_holds_the_others_up_for_a_time() {
    let bench = Bench::new(false).await;
    bench.sign_in(&bench.keeper()).await;
    bench.clock.pass(minutes(61));
    let dying = bench.keeper();
    // A server that takes the question, and a holder that is gone before the answer.
    bench.serving.listen(false).await;
    let silent = TcpListener::bind(bench.serving.addr()).await.unwrap();
    // Its own way out: another one may have a connection from before.
    let way = Way::open();
    let (calls, order) = (Calls::new(&way.http, &NoIds, &dying), bench.order.parse().unwrap());
    tokio::select! {
        outcome = bench.store.fetch(&calls, &order) => panic!("{outcome:?}"),
        asked = silent.accept() => drop(asked.unwrap()),
    }
    drop(silent);
    bench.serving.listen(true).await;
    let waits = bench.fetch(&bench.keeper()).await.unwrap_err();
    assert!(matches!(waits.retryable(), Retry::After(_)), "{waits}");
    bench.clock.pass(minutes(2));
    assert!(bench.fetch(&bench.keeper()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_renewed_once() {
    for own in [true, false] {
        let bench = Bench::new(own).await;
        let keeper = bench.keeper();
        if !own {
            bench.sign_in(&keeper).await;
        }
        bench.fetch(&keeper).await.unwrap();
        let asked = bench.tokens().asked();
        bench.tokens().revoke();
        assert!(bench.fetch(&keeper).await.unwrap().is_some());
        assert_eq!(bench.tokens().asked(), asked + 1);
    }
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_in_one_state_that_a_person_ends() {
    let bench = Bench::new(false).await;
    let keeper = bench.keeper();
    bench.sign_in(&keeper).await;
    bench.fetch(&keeper).await.unwrap();
    bench.tokens().steal();
    let asked = bench.tokens().asked();
    for round in 0..20 {
        let error = bench.fetch(&keeper).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (Kind::Config, Retry::Never));
        assert!(error.to_string().contains("puente connections authorize acme"), "{error}");
        assert!(!error.to_string().contains("shp"), "{error}");
        assert_eq!(bench.tokens().asked(), asked + 1, "round {round}");
        bench.clock.pass(minutes(30));
    }
    assert!(keeper.standing("app-1").await.unwrap().unwrap().ended.is_some());
    bench.sign_in(&keeper).await;
    assert!(bench.fetch(&keeper).await.unwrap().is_some());
}

#[tokio::test]
async fn what_goes_on_failing_is_asked_ever_less_often() {
    // Every token is refused, also the new ones; and the app's own secret is wrong.
    for wrong_secret in [false, true] {
        let bench = Bench::new(true).await;
        let keeper = bench.keeper();
        bench.tokens().shut(true);
        let wrong = store_of(&bench.serving, "other-secret", "");
        let store = if wrong_secret { &wrong } else { &bench.store };
        // A fetch every minute, for six hours.
        for _ in 0..360 {
            let calls = Calls::new(&bench.way.http, &NoIds, &keeper);
            let error = store.fetch(&calls, &"1".parse().unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{error}");
            assert!(error.to_string().contains("client_secret"), "{error}");
            bench.clock.pass(minutes(1));
        }
        let (asked, away) = (bench.tokens().asked(), bench.tokens().turned_away());
        assert!(asked <= 2 * 20 && away <= 2 * 20, "{asked} questions for a token, {away} calls");
        assert!(keeper.standing("app-1").await.unwrap().unwrap().ended.unwrap().contains("client_secret"));
    }
}

#[tokio::test]
async fn a_token_of_another_app_is_not_used() {
    let bench = Bench::new(true).await;
    let keeper = bench.keeper();
    keeper
        .keep(
            "app-0",
            puente::outbound::Grant { access: "shpat_0".into(), lives: None, refresh: None, refresh_lives: None },
        )
        .await
        .unwrap();
    assert!(bench.fetch(&keeper).await.unwrap().is_some());
    assert_eq!(bench.tokens().asked(), 1);
}

#[tokio::test]
async fn an_app_of_another_organisation_is_told_that_client_credentials_are_not_for_it() {
    let bench = Bench::new(false).await;
    let store = store(&bench.serving, "");
    let keeper = bench.keeper();
    let calls = Calls::new(&bench.way.http, &NoIds, &keeper);
    let error = store.fetch(&calls, &"1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("redirect_url"), "{error}");
}
