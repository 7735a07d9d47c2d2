//! AWS on loopback: one `moto_server` per test process, and in it a stack per test, made from `template.yaml` itself. A test that
//! makes hundreds of calls has a server of its own: [`busy_stack`].

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use puente::{
    aws::{Access, Aws, Patience, Place},
    outbound::{Call, Client},
    parties::Settings,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::venv::{Server, free_port, start, venv};

const REGION: &str = "eu-west-1";

/// How long the emulator may take: it is slower than AWS, and what else the machine does makes it slower yet.
pub const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(20), attempt: Duration::from_secs(60), call: Duration::from_secs(120) };

/// The emulator and the template, for all tests of the process.
struct Moto {
    server: Server,
    template: Value,
}

/// A stack of its own: a table, a work queue and a dead-letter queue as `template.yaml` has them.
pub struct Stack {
    pub endpoint: String,
    pub place: Place,
    /// The emulator, where it is this stack's own.
    _server: Option<Server>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The emulator's Python. `None`: offline, and the skip was said.
fn environment() -> Option<PathBuf> {
    venv("moto", &root().join("tests/support/moto-requirements.txt"))
}

/// A new emulator. `None`: offline, and the skip was said.
fn server() -> Option<Server> {
    let port = free_port();
    let mut command = Command::new(environment()?.join("bin/python"));
    command.arg(root().join("tests/support/moto_server.py")).arg(port.to_string());
    Some(start(command, port, |port| TcpStream::connect(("127.0.0.1", port)).is_ok()))
}

/// `None`: offline, and the skip was said.
fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    MOTO.get_or_init(|| {
        let server = server()?;
        let read = Command::new(environment()?.join("bin/python"))
            .arg(root().join("tests/support/template.py"))
            .arg(root().join("template.yaml"))
            .output()
            .expect("cannot run python");
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        Some(Moto { server, template: serde_json::from_slice(&read.stdout).expect("JSON") })
    })
    .as_ref()
}

/// `template.yaml`, its short intrinsics spelled out. `None`: offline.
pub fn template() -> Option<&'static Value> {
    moto().map(|moto| &moto.template)
}

/// The properties of a resource of `template.yaml`. `None`: offline.
pub fn properties(resource: &str) -> Option<&'static Value> {
    template().map(|template| &template["Resources"][resource]["Properties"])
}

/// The statements of a role of `template.yaml`, in a stack with all its options. `None`: offline.
pub fn statements(role: &str) -> Option<Vec<Value>> {
    let policies = properties(role)?["Policies"].as_array().expect("policies");
    let [policy] = policies.as_slice() else { panic!("{role} has {} policies", policies.len()) };
    let with_options = |statement: &Value| match &statement["Fn::If"] {
        Value::Null => statement.clone(),
        options => {
            assert_eq!(*options, json!(["WithTokenKey", options[1], { "Ref": "AWS::NoValue" }]), "{statement}");
            options[1].clone()
        }
    };
    Some(policy["PolicyDocument"]["Statement"].as_array().expect("statements").iter().map(with_options).collect())
}

/// A fresh stack; `None`: offline, and the skip was said.
pub async fn stack() -> Option<Stack> {
    make(None, false).await
}

/// A fresh stack whose work queue shows a message again after `visibility` and buries it after `receives` deliveries, so that
/// a test need not wait as long as the template does.
pub async fn stack_with(visibility: Duration, receives: u32) -> Option<Stack> {
    make(Some((visibility, receives)), false).await
}

/// The same in an emulator of its own, which serves nobody else: for a test that makes hundreds of calls.
pub async fn busy_stack(visibility: Duration, receives: u32) -> Option<Stack> {
    make(Some((visibility, receives)), true).await
}

async fn make(patience: Option<(Duration, u32)>, alone: bool) -> Option<Stack> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Starting the emulator blocks: other tests of this process go on meanwhile.
    let moto = tokio::task::spawn_blocking(moto).await.expect("the emulator starts")?;
    let own = if alone { tokio::task::spawn_blocking(server).await.expect("the emulator starts") } else { None };
    let name = format!("puente-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let endpoint = format!("http://127.0.0.1:{}", own.as_ref().unwrap_or(&moto.server).port);
    let resource = |name: &str| moto.template["Resources"][name]["Properties"].clone();

    // CloudFormation's properties of a table are the API's own.
    let described = resource("Table");
    let mut table = json!({ "TableName": name });
    for part in ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"] {
        table[part] = described[part].clone();
    }
    call(&endpoint, "dynamodb", "DynamoDB_20120810.CreateTable", &table).await;

    let dead = format!("{name}-dead");
    let dead_url = queue(&endpoint, &dead, &resource("DeadQueue"), None).await;
    let arn = format!("arn:aws:sqs:{REGION}:123456789012:{dead}");
    let mut work = resource("WorkQueue");
    if let Some((visibility, receives)) = patience {
        work["VisibilityTimeout"] = visibility.as_secs().into();
        work["RedrivePolicy"]["maxReceiveCount"] = receives.into();
    }
    let work_url = queue(&endpoint, &format!("{name}-work"), &work, Some(&arn)).await;
    // The emulator has one drawer for all stacks.
    let secrets = format!("puente/{name}/");
    let place = Place { table: name, queue: work_url, dead: Some(dead_url), secrets, token_key: None };
    Some(Stack { endpoint, place, _server: own })
}

async fn queue(endpoint: &str, name: &str, properties: &Value, dead: Option<&str>) -> String {
    let mut attributes = json!({});
    for attribute in ["VisibilityTimeout", "MessageRetentionPeriod"] {
        attributes[attribute] = properties[attribute].to_string().into();
    }
    if let Some(dead) = dead {
        let receives = &properties["RedrivePolicy"]["maxReceiveCount"];
        let policy = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": receives });
        attributes["RedrivePolicy"] = policy.to_string().into();
    }
    let request = json!({ "QueueName": name, "Attributes": attributes });
    let answer = call(endpoint, "sqs", "AmazonSQS.CreateQueue", &request).await;
    answer["QueueUrl"].as_str().expect("a queue's URL").to_owned()
}

/// One call of AWS's JSON protocol. The emulator reads the service from the credential and checks no signature.
pub async fn call(endpoint: &str, service: &str, target: &str, request: &Value) -> Value {
    let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request");
    let version = if service == "dynamodb" || service == "sqs" { "1.0" } else { "1.1" };
    let headers = [
        ("x-amz-target", target.to_owned()),
        ("content-type", format!("application/x-amz-json-{version}")),
        ("authorization", format!("{credential}, SignedHeaders=host, Signature=0")),
    ];
    let call = Call {
        method: http::Method::POST,
        url: endpoint.parse().expect("a URL"),
        headers: headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        body: request.to_string().into(),
        timeout: PATIENCE.call,
    };
    let answer = Client::new().expect("a client").send(call).await.expect("the emulator answers");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status.is_success(), "{target}: {} {text}", answer.status);
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
}

impl Stack {
    /// Our adapters on it.
    pub fn aws(&self) -> Aws {
        Aws::new(&self.access(), self.place.clone())
    }

    /// The same with a key in KMS that tokens are encrypted with.
    pub async fn with_token_key(mut self) -> Self {
        let made = call(&self.endpoint, "kms", "TrentService.CreateKey", &json!({})).await;
        self.place.token_key = Some(made["KeyMetadata"]["Arn"].as_str().expect("a key's ARN").to_owned());
        self
    }

    /// The way in.
    pub fn access(&self) -> Access {
        Access::with_keys("test", "test", REGION).at(&self.endpoint).patient(PATIENCE)
    }

    /// Lets time pass for the messages of its queues.
    pub async fn pass(&self, time: Duration) {
        let url = format!("{}/pass?queues={}-&seconds={}", self.endpoint, self.place.table, time.as_secs_f64());
        let call = Call {
            method: http::Method::POST,
            url: url.parse().expect("a URL"),
            headers: http::HeaderMap::new(),
            body: String::new().into(),
            timeout: PATIENCE.call,
        };
        let answer = Client::new().expect("a client").send(call).await.expect("the emulator answers");
        assert!(answer.status.is_success(), "{}", answer.status);
    }

    /// Publishes a configuration, and the secrets that it needs of these values, by their names: as `puente connections apply` does.
    pub async fn publish(&self, config: &str, values: &[(&str, &str)]) {
        let aws = self.aws();
        let settings = Settings::parse(config, "puente.toml", aws.secrets.clone()).unwrap();
        let values: BTreeMap<_, _> = values.iter().copied().collect();
        for (bundle, names) in settings.needs().unwrap().bundles {
            let content =
                names.into_iter().map(|name| (name.clone(), SecretString::from(values[name.as_str()]))).collect();
            match aws.secrets.find(&aws.secrets.name_of(&bundle)).await.unwrap() {
                None => aws.secrets.create(&bundle, &content).await.unwrap(),
                Some(_) => aws.secrets.change(&bundle, &content).await.unwrap(),
            }
        }
        aws.published.publish_config(config).await.unwrap();
    }

    /// Puts a text into Secrets Manager. Its secrets are shared by all stacks of the process.
    pub async fn secret(&self, name: &str, value: &str) {
        let request = json!({ "Name": name, "SecretString": value, "ClientRequestToken": "0".repeat(32) });
        call(&self.endpoint, "secretsmanager", "secretsmanager.CreateSecret", &request).await;
    }
}
