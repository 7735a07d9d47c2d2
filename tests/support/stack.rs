//! A stack with everything in it: adapters, a published configuration, an ERP and a shop of the sandbox.

use jiff::{SignedDuration, Timestamp};
use puente::{
    aws::{Aws, Place},
    config::Section,
    ports::{Clock, Records, SystemClock},
    store::{STORES, Store},
};
use puente_functions::{App, Tell, sweep, worker};
use puente_sandbox::{
    erp::{Config, Erp},
    store::{Plan, Serving, Shop},
};
use serde_json::{Value, json};

use super::{
    moto::{self, Stack},
    orders::vendor,
    tryton::USER,
};

/// What the shop signs with, and what its webhooks carry: as in `events/ingest.json`.
pub const SECRET: &str = "sample-webhook-secret";
pub const KEY: &str = "sample-key-of-acme-shop";
pub const SHOP: &str = "acme.myshopify.com";

/// Another secret that the shop may sign with.
pub const ROTATED: &str = "another-webhook-secret";

/// The secrets of all configurations here, by their names.
const VALUES: [(&str, &str); 6] = [
    ("erp", "Bearer sandbox"),
    ("key", KEY),
    ("webhook", SECRET),
    ("rotated", ROTATED),
    ("token", "ck_sandbox:cs_sandbox"),
    ("tryton", USER.1),
];

/// More than this many rounds means that something turns for ever.
const ROUNDS: usize = 60;

/// A deadline that nothing here reaches.
pub fn soon() -> Timestamp {
    SystemClock.now() + SignedDuration::from_mins(2)
}

/// The sample events of `events/`.
pub fn event(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A stack with an ERP and a published configuration.
pub struct World {
    pub stack: Stack,
    pub erp: Erp,
}

impl World {
    /// `None`: offline, and the skip was said.
    pub async fn new() -> Option<Self> {
        Some(Self::on(moto::stack().await?).await)
    }

    /// The same on a stack that is there.
    pub async fn on(stack: Stack) -> Self {
        Self::with(stack, Config::default()).await
    }

    /// The same with an ERP that is set up so, and knows the samples' articles too.
    pub async fn with(stack: Stack, config: Config) -> Self {
        let articles = ["YERBA-500", "MATE-CAL"].map(str::to_owned);
        let products = config.products.into_iter().chain(articles).collect();
        let erp = Erp::start(Config { products, ..config }).await.unwrap();
        let world = Self { stack, erp };
        world.publish("").await;
        world
    }

    /// The same, with as many attempts for an order as it has where nobody says otherwise: two, which let a test see an order
    /// die, are too few where faults are drawn.
    pub async fn patient(stack: Stack) -> Self {
        let world = Self::on(stack).await;
        world.publish_with(&world.account(12), "").await;
        world
    }

    /// Publishes a configuration with the sandbox's ERP; `store` adds keys to the shop's part.
    pub async fn publish(&self, store: &str) {
        self.publish_with(&self.account(2), store).await;
    }

    fn account(&self, max_attempts: u32) -> String {
        format!(
            "kind = \"rest\"\nmax_attempts = {max_attempts}\nsecret_headers = {{ authorization = {{ secret = \"erp\" }} }}\n{}",
            self.erp.config_example()
        )
    }

    /// Publishes a configuration with this part for its ERP.
    pub async fn publish_with(&self, account: &str, store: &str) {
        let text = format!(
            "[erp.main]\nlimits = {{ rate = \"1000/s\", per_day = 100000 }}\n{account}\n\
             [connection.acme-shop]\nerp = \"main\"\nkey = {{ secret = \"key\" }}\n\
             [connection.acme-shop.store]\nkind = \"shopify\"\nshop = \"{SHOP}\"\n\
             webhook_secrets = [{{ secret = \"webhook\" }}]\n{store}"
        );
        self.publish_text(&text).await;
    }

    /// Publishes a whole configuration, whose secrets have names of [`VALUES`].
    pub async fn publish_text(&self, text: &str) {
        self.stack.publish(text, &VALUES).await;
    }

    /// Publishes a configuration whose shop can be asked for its orders, for as long as the handle lives.
    pub async fn publish_to_fetch_from(&self, shop: &Shop) -> Serving {
        self.publish_to_fetch_from_with(shop, "").await
    }

    /// The same, with `more` at the configuration's end.
    pub async fn publish_to_fetch_from_with(&self, shop: &Shop, more: &str) -> Serving {
        let serving = shop.serve().await.unwrap();
        // A slot on an emulator may come late.
        let limits = "limits = { rate = \"50/s\", lateness_ms = 5000 }";
        let token =
            format!("token = {{ secret = \"token\" }}\napi_url = \"http://{}\"\n{limits}\n{more}", serving.addr());
        self.publish(&token).await;
        serving
    }

    pub fn aws(&self) -> Aws {
        self.stack.aws()
    }

    pub fn app(&self) -> App {
        App::new(self.aws(), Tell::default()).unwrap()
    }

    /// The adapters, reached through `endpoint`.
    pub fn through(&self, endpoint: &str) -> Aws {
        let place: Place = self.stack.place.clone();
        Aws::new(&self.stack.access().at(endpoint), place)
    }

    /// See [`Stack::batch`].
    pub async fn batch(&self) -> Option<Batch> {
        self.stack.batch().await
    }

    /// See [`Stack::settle`].
    pub async fn settle(&self, batch: &Batch, failed: &[String]) {
        self.stack.settle(batch, failed).await;
    }

    /// Works and sweeps until nothing is due: every batch comes twice, as a queue that delivers at least once may have it.
    pub async fn rest(&self, app: &App) {
        self.rest_with(app, app).await;
    }

    /// The same, with a sweeper of its own.
    pub async fn rest_with(&self, app: &App, sweeper: &App) {
        let aws = self.aws();
        for _ in 0..ROUNDS {
            let mut idle = true;
            while let Some(batch) = self.batch().await {
                idle = false;
                let soon = SystemClock.now() + SignedDuration::from_mins(2);
                let first = worker::handle(app, &batch.event, soon).await.unwrap();
                let answer = worker::handle(app, &batch.event, soon).await.unwrap();
                assert_eq!((failed(&first), failed(&answer)), (vec![], vec![]));
                self.settle(&batch, &[]).await;
            }
            if sweep::handle(sweeper, soon()).await.unwrap().figures["woken"] > 0 {
                continue;
            }
            match aws.records.next_due(&"acme-shop".parse().unwrap()).await.unwrap() {
                None if idle => return,
                Some(due) => SystemClock.sleep_until(due).await,
                None => {}
            }
        }
        panic!("it does not come to rest");
    }

    pub async fn sqs(&self, call: &str, request: &Value) -> Value {
        self.stack.sqs(call, request).await
    }
}

impl Stack {
    /// A batch of messages as the event source mapping hands it over; `None` if there is none. They stay in flight.
    pub async fn batch(&self) -> Option<Batch> {
        let request = json!({ "QueueUrl": self.place.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0 });
        let answer = self.sqs("ReceiveMessage", &request).await;
        let received = answer["Messages"].as_array().cloned().unwrap_or_default();
        let records = received.iter().map(|message| {
            json!({
                "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
                "md5OfBody": message["MD5OfBody"], "messageAttributes": {}, "eventSource": "aws:sqs",
                "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1773533193000" },
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:puente-WorkQueue", "awsRegion": "eu-west-1",
            })
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() }).to_string();
        (!received.is_empty()).then_some(Batch { received, event })
    }

    /// What the mapping does with the handler's answer: deletes what did not fail. What was shown to another worker meanwhile
    /// stays, and comes again.
    pub async fn settle(&self, batch: &Batch, failed: &[String]) {
        let done = batch.received.iter().filter(|message| !failed.iter().any(|id| message["MessageId"] == id.as_str()));
        let entry = |message: &Value| json!({ "Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"] });
        let entries: Vec<Value> = done.map(entry).collect();
        if !entries.is_empty() {
            self.sqs("DeleteMessageBatch", &json!({ "QueueUrl": self.place.queue, "Entries": entries })).await;
        }
    }

    /// The messages of a worker that is dead for certain come back now, as their visibility time-out would bring them back.
    pub async fn give_back(&self, batch: &Batch) {
        let entry = |message: &Value| json!({ "Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0 });
        let entries: Vec<Value> = batch.received.iter().map(entry).collect();
        let request = json!({ "QueueUrl": self.place.queue, "Entries": entries });
        self.sqs("ChangeMessageVisibilityBatch", &request).await;
    }

    pub async fn sqs(&self, call: &str, request: &Value) -> Value {
        moto::call(&self.endpoint, "sqs", &format!("AmazonSQS.{call}"), request).await
    }
}

/// Messages in flight, and the event about them.
pub struct Batch {
    pub received: Vec<Value>,
    pub event: String,
}

/// The sandbox's shop, as it is in the configuration.
pub fn shop(seed: u64, orders: usize) -> Shop {
    let since: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    Shop::open(Plan::new(vendor("shopify"), SHOP, SECRET, seed, orders, since))
}

/// What that shop's platform signs with this secret.
pub fn shopify(secret: &str) -> Box<dyn Store> {
    let section = format!("shop = \"{SHOP}\"\nwebhook_secrets = [{{ literal = \"{secret}\" }}]\n");
    let row = STORES.iter().find(|row| row.kind == "shopify").unwrap();
    (row.build)(&Section::from_toml(&section).unwrap()).unwrap()
}

/// The nightly backfill, reaching back to the day in the past that the sandbox's orders are of.
pub fn wide_backfill() -> String {
    let mut wide: Value = serde_json::from_str(&event("backfill")).unwrap();
    wide["detail"] = json!({ "hours": (SystemClock.now().as_second() - 1_772_000_000) / 3600 });
    wide.to_string()
}

/// A webhook as API Gateway hands it over.
pub fn api_event(headers: &http::HeaderMap, body: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut event: Value = serde_json::from_str(&event("ingest")).unwrap();
    let mut single = json!({});
    let mut multi = json!({});
    for (name, value) in headers {
        let value = value.to_str().unwrap();
        single[name.as_str()] = value.into();
        multi[name.as_str()] = json!([value]);
    }
    (event["headers"], event["multiValueHeaders"]) = (single, multi);
    event["body"] = STANDARD.encode(body).into();
    event.to_string()
}

/// The ids in a worker's answer.
pub fn failed(answer: &aws_lambda_events::sqs::SqsBatchResponse) -> Vec<String> {
    answer.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect()
}
