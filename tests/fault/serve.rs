//! `puente serve` is killed under load, behind lines that break, and started again; and the books balance.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use puente::{domain::ids::ConnectionId, embedded::Embedded};
use puente_sandbox::store::Shop;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::block_in_place,
    time::{sleep, timeout},
};

use crate::{
    account::{Account, PASSWORD},
    report::Report,
    store::{self, EDGE_BREAKS, KEY, SECRET, connections},
    support::{
        audit::{self, Audit},
        binary::Serve,
        proxy::Proxy,
    },
};

fn write_config(dir: &Path, account: &Account) {
    for (name, secret) in [("key", KEY), ("webhook", SECRET), ("erp", PASSWORD)] {
        fs::write(dir.join(name), secret).unwrap();
    }
    let file = |name: &str| format!("{{ file = \"{name}\" }}");
    let text = account.section("main", &file("erp")) + &connections(file, ["main", "main"]);
    fs::write(dir.join("puente.toml"), text).unwrap();
}

/// The place, its lines, and what is seen there.
struct Scene {
    dir: tempfile::TempDir,
    account: Account,
    edge: Proxy,
    report: Report,
    random: StdRng,
}

impl Scene {
    /// Lets it serve for a while, and kills it.
    async fn once(&mut self) {
        let roll = self.random.random_range(0..100);
        if roll < 12 {
            let after = Duration::from_millis(self.random.random_range(0..100));
            block_in_place(|| Serve::stillborn(self.dir.path(), after));
            return self.report.killed("serve", "starting");
        }
        let mut serve = self.start();
        let wait = Duration::from_millis(self.random.random_range(10..500));
        // Some kills are aimed: a moment after a request was sent is where it hurts.
        let aimed = async {
            match roll {
                ..45 => self.account.line.asked().await,
                ..60 => self.edge.asked().await,
                _ => std::future::pending().await,
            }
            sleep(wait / 50).await;
        };
        let _ = timeout(wait, aimed).await;
        let moment = match (self.account.line.busy(), self.edge.busy()) {
            (true, _) => "a call to the ERP under way",
            (_, true) => "a webhook under way",
            _ => "between calls",
        };
        block_in_place(|| serve.kill());
        self.edge.leads_to(None);
        self.report.killed("serve", moment);
        self.account.fails(&mut self.report);
    }

    fn start(&self) -> Serve {
        let serve = block_in_place(|| Serve::start(self.dir.path(), &["--log", "info,puente=debug"]));
        self.edge.leads_to(Some(serve.url.trim_start_matches("http://").parse().unwrap()));
        serve
    }

    fn data(&self) -> Embedded {
        Embedded::open(self.dir.path().join("data")).unwrap()
    }

    async fn audit(&self, shops: &[(&'static str, Shop)]) -> Audit {
        let shops: Vec<_> = shops.iter().map(|(connection, shop)| (*connection, shop)).collect();
        Audit::of(&self.account.erp, &self.data(), &shops).await
    }

    /// Whatever it died of: every order is at rest, or something will bring it back.
    async fn forgets_nothing(&self, shops: &[(&'static str, Shop)]) {
        for (connection, _) in shops {
            let connection: ConnectionId = connection.parse().unwrap();
            assert_eq!(audit::forgotten(&self.data(), &connection).await, Vec::<String>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let report = Report::begin("puente serve", 55);
    let seed = report.seed;
    let mut scene = Scene {
        dir: tempfile::tempdir().unwrap(),
        account: Account::start(seed).await,
        edge: Proxy::to(None, seed + 1).await,
        report,
        random: StdRng::seed_from_u64(seed),
    };
    scene.edge.breaks(&EDGE_BREAKS);
    write_config(scene.dir.path(), &scene.account);
    let shops = store::shops(scene.report.goal() * 5 / 2, seed);
    let post = |shop| store::post(scene.edge.addr, shop, scene.report.progress());
    let stores = [post(&shops[0]), post(&shops[1])];

    while scene.report.count() < scene.report.goal() {
        scene.once().await;
        if scene.report.count() % 10 == 0 {
            scene.forgets_nothing(&shops).await;
        }
    }

    // When the faults stop, everything settles.
    scene.edge.breaks(&[]);
    scene.account.line.breaks(&[]);
    let mut serve = scene.start();
    for store in stores {
        scene.report.posted(store.await.unwrap());
    }
    let began = Instant::now();
    while !scene.audit(&shops).await.settled() && began.elapsed() < Duration::from_secs(150) {
        sleep(Duration::from_millis(500)).await;
    }
    eprintln!("puente serve: settled {:?} after the last fault", began.elapsed());
    let took = block_in_place(|| serve.stop());
    assert!(took < Duration::from_secs(20), "a stop took {took:?}");

    let log = fs::read_to_string(scene.dir.path().join("serve.log")).unwrap();
    audit::is_discreet(&log, &[SECRET, KEY, PASSWORD]);
    let audit = scene.audit(&shops).await;
    scene.report.line("ERP", &scene.account.line);
    scene.report.line("edge", &scene.edge);
    scene.report.close(audit);
}
