//! `puente serve` is killed under load, behind lines that break, and started again; and the books balance.

use std::{fs, time::Duration};

use puente::embedded::Embedded;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::block_in_place,
    time::{sleep, timeout},
};

use crate::{
    market::{CONNECTIONS, EDGE_BREAKS, Market, SECRETS},
    report::Report,
    support::{
        audit::{self, Audit},
        binary::Serve,
        proxy::Proxy,
    },
};

/// The place, its lines, and what is seen there.
struct Scene {
    dir: tempfile::TempDir,
    market: Market,
    edge: Proxy,
    report: Report,
    random: StdRng,
}

impl Scene {
    /// Lets it serve for a while, and kills it.
    async fn once(&mut self) {
        let roll = self.random.random_range(0..100);
        if roll < 10 {
            let after = Duration::from_millis(self.random.random_range(0..100));
            block_in_place(|| Serve::stillborn(self.dir.path(), after));
            return self.report.killed("serve", "starting");
        }
        let mut serve = self.start();
        let wait = Duration::from_millis(self.random.random_range(10..600));
        // Some kills are aimed: a moment after a request was sent is where it hurts.
        let aimed = async {
            match roll {
                ..50 => self.market.asked().await,
                50..60 => self.edge.asked().await,
                _ => std::future::pending().await,
            }
            sleep(wait / 6).await;
        };
        let _ = timeout(wait, aimed).await;
        let moment = if self.market.busy() {
            "a call to the ERP under way"
        } else if self.market.has_just_replied() {
            "the ERP has just replied"
        } else if self.edge.busy() {
            "a webhook under way"
        } else {
            "between calls"
        };
        block_in_place(|| serve.kill());
        self.edge.leads_to(None);
        self.report.killed("serve", moment);
        self.market.fails(&mut self.report);
    }

    fn start(&self) -> Serve {
        let serve = block_in_place(|| Serve::start(self.dir.path(), &["--log", "info,puente=debug"]));
        self.edge.leads_to(Some(serve.url.trim_start_matches("http://").parse().unwrap()));
        serve
    }

    fn data(&self) -> Embedded {
        Embedded::open(self.dir.path().join("data")).unwrap()
    }

    async fn audit(&self) -> Audit {
        self.market.audit(&self.data()).await
    }

    /// Whatever it died of: every order is at rest, or something will bring it back.
    async fn forgets_nothing(&self) {
        for connection in CONNECTIONS {
            let forgotten = audit::forgotten(&self.data(), &connection.parse().unwrap()).await;
            assert_eq!(forgotten, Vec::<String>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let report = Report::begin("puente serve", 72);
    let seed = report.seed;
    let mut scene = Scene {
        dir: tempfile::tempdir().unwrap(),
        market: Market::open(report.goal() * 5 / 2, seed).await,
        edge: Proxy::to(None, seed + 4).await,
        report,
        random: StdRng::seed_from_u64(seed),
    };
    scene.edge.breaks(&EDGE_BREAKS);
    for (name, secret) in SECRETS {
        fs::write(scene.dir.path().join(name), secret).unwrap();
    }
    let config = scene.market.config(|name| format!("{{ file = \"{name}\" }}"));
    fs::write(scene.dir.path().join("puente.toml"), config).unwrap();
    let stores = scene.market.post(scene.edge.addr, &scene.report);

    while scene.report.count() < scene.report.goal() {
        scene.once().await;
        if scene.report.count().is_multiple_of(10) {
            scene.forgets_nothing().await;
        }
    }

    // When the faults stop, everything settles.
    scene.edge.breaks(&[]);
    scene.market.mends();
    let mut serve = scene.start();
    for store in stores {
        scene.report.posted(store.await.unwrap());
    }
    let took = audit::comes_to_rest(async || scene.audit().await.unsettled()).await;
    eprintln!("puente serve: settled {took:?} after the last fault");
    let took = block_in_place(|| serve.stop());
    assert!(took < Duration::from_mins(1), "a stop took {took:?}");

    let log = fs::read_to_string(scene.dir.path().join("serve.log")).unwrap();
    audit::is_discreet(&log, &SECRETS.map(|(_, secret)| secret));
    assert!(!log.contains("panicked at"), "it panicked");
    let audit = scene.audit().await;
    scene.market.tells(&mut scene.report);
    scene.report.line("edge", &scene.edge);
    scene.report.close(audit);
}
