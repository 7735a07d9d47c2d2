//! A real Tryton 8.0 for tests: installed from the package registry and set up once under `target/`, then copied for each run.
//! Its database is SQLite, in a directory that is removed when it ends.

use std::{
    collections::HashMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use puente::{
    Result,
    config::Section,
    erp::{ERPS, Erp, Ids},
    fuzzing::Way,
    outbound::{Call, Client, Meter},
};
use serde_json::{Value, json};

use super::venv::{Server, free_port, once, say, start, target, venv};

const ADMIN: (&str, &str) = ("admin", "admin-pw-1");
const ADMIN_ID: u32 = 1;
/// The integration user that `setup.py` makes.
pub const USER: (&str, &str) = ("puente", "integration-pw-1");

/// A running Tryton with a database of its own.
pub struct Tryton {
    /// Its address, without the database.
    pub url: String,
    server: Server,
}

/// The one Tryton of this test binary; `None`: offline, and the skip was said.
pub fn tryton() -> Option<&'static Tryton> {
    static SHARED: OnceLock<Option<Tryton>> = OnceLock::new();
    SHARED.get_or_init(Tryton::start).as_ref()
}

fn recipe(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/tryton").join(file)
}

fn configuration(directory: &Path, database: &Path, port: u16) -> PathBuf {
    let file = directory.join("trytond.conf");
    let text = format!(
        "[database]\nuri = sqlite://\npath = {}\n[web]\nlisten = 127.0.0.1:{port}\n[session]\nauthentications = password\n",
        database.display()
    );
    fs::write(&file, text).expect("cannot write Tryton's configuration");
    file
}

fn run(what: &str, command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("cannot run {what}: {e}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed:\n{words}");
}

/// Activates modules, and those that they need.
fn activate(python: &Path, conf: &Path, modules: &[&str], more: impl FnOnce(&mut Command) -> &mut Command) {
    let mut command = Command::new(python.join("bin/trytond-admin"));
    command.arg("-c").arg(conf).args(["-d", "erp", "--activate-dependencies"]);
    run("trytond-admin", more(&mut command).arg("-u").args(modules));
}

/// The database that every run starts from: made once, in less than a minute.
fn template(python: &Path) -> PathBuf {
    let mut hash = DefaultHasher::new();
    for file in ["requirements.txt", "setup.py"] {
        fs::read(recipe(file)).expect("the recipe is in the repository").hash(&mut hash);
    }
    let directory = target().join(format!("tryton-{:016x}", hash.finish()));
    once(&directory, |directory| {
        say(&format!("Setting up a Tryton database in {} (once, less than a minute) ...", directory.display()));
        fs::create_dir_all(directory).expect("cannot create a directory");
        fs::write(directory.join("erp.sqlite"), "").expect("cannot write");
        let password = directory.join("password");
        fs::write(&password, ADMIN.1).expect("cannot write");
        let conf = configuration(directory, directory, 0);
        activate(python, &conf, &["sale", "web_shop"], |command| {
            command.args(["--email", "admin@example.com"]).env("TRYTONPASSFILE", &password)
        });
        run(
            "Tryton's setup",
            Command::new(python.join("bin/python"))
                .args(["-W", "ignore"])
                .arg(recipe("setup.py"))
                .arg("erp")
                .arg(&conf),
        );
    });
    directory
}

impl Tryton {
    /// Starts one with a fresh database; it ends with the handle.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same with more modules, which takes some seconds.
    pub fn with(modules: &[&str]) -> Option<Self> {
        let python = venv("tryton", &recipe("requirements.txt"))?;
        let template = template(&python);
        let port = free_port();
        let directory = target().join("tmp").join(format!("tryton-{port}"));
        fs::create_dir_all(&directory).expect("cannot create a directory");
        fs::copy(template.join("erp.sqlite"), directory.join("erp.sqlite")).expect("cannot copy the database");
        let conf = configuration(&directory, &directory, port);
        if !modules.is_empty() {
            activate(&python, &conf, modules, |command| command);
        }
        let mut command = Command::new(python.join("bin/python"));
        command.arg(recipe("serve.py")).arg("-c").arg(conf).args(["-d", "erp"]).env("WATCHDOG_REMOVES", &directory);
        let server = start(command, port, |port| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { url: format!("http://127.0.0.1:{port}"), server })
    }

    /// What it printed last.
    pub fn log(&self) -> String {
        self.server.tail()
    }

    /// Its section in `puente.toml`, and more of it.
    pub fn section(&self, more: &str) -> String {
        let (url, (user, password)) = (&self.url, USER);
        let base = format!(
            "url = \"{url}\"\ndatabase = \"erp\"\nusername = \"{user}\"\npassword = {{ literal = \"{password}\" }}\n\
             web_shop = \"Web\"\n{PRODUCTS}\n{TAXES}\n"
        );
        base + more
    }

    /// The connector, with more lines in its section.
    pub fn connector(&self, more: &str) -> Box<dyn Erp> {
        connector(&self.section(more))
    }

    /// A call as an administrator who confirms what Tryton warns of, beside the connector:
    /// `rpc("model.sale.sale.search_count", json!([…]))`.
    pub async fn rpc(&self, method: &str, parameters: Value) -> Value {
        loop {
            let answer = self.call(method, &parameters).await;
            let Some(error) = answer.get("error") else { return answer["result"].clone() };
            assert_eq!(error[0], "UserWarning", "{method}: {answer}");
            let confirmed = json!([[{"user": ADMIN_ID, "name": error[1][0]}]]);
            let noted = self.call("model.res.user.warning.create", &confirmed).await;
            assert!(noted.get("error").is_none(), "{noted}");
        }
    }

    /// How many records of a model a domain finds, in a context of its own.
    pub async fn counted(&self, model: &str, domain: Value, context: Value) -> u64 {
        let answer = self.call_in(&format!("model.{model}.search_count"), &json!([domain]), context).await;
        answer["result"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    async fn call(&self, method: &str, parameters: &Value) -> Value {
        self.call_in(method, parameters, json!({"company": 1, "language": "en"})).await
    }

    async fn call_in(&self, method: &str, parameters: &Value, context: Value) -> Value {
        let mut parameters = parameters.as_array().expect("a list of parameters").clone();
        parameters.push(context);
        let body = json!({"id": 1, "method": method, "params": parameters});
        let mut headers = http::HeaderMap::new();
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", ADMIN.0, ADMIN.1));
        headers.insert("authorization", format!("Basic {credentials}").parse().expect("a header"));
        headers.insert("content-type", "application/json".parse().expect("a header"));
        let call = Call {
            method: http::Method::POST,
            url: format!("{}/erp/rpc/", self.url).parse().expect("an address"),
            headers,
            body: body.to_string().into(),
            timeout: std::time::Duration::from_secs(60),
        };
        let answer = Client::new().expect("a client").send(call).await.expect("Tryton answers");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// `search_read` as the administrator.
    pub async fn search(&self, model: &str, domain: Value, fields: Value) -> Vec<Value> {
        let parameters = json!([domain, 0, null, null, fields]);
        let found = self.rpc(&format!("model.{model}.search_read"), parameters).await;
        found.as_array().expect("a list").clone()
    }
}

/// The products and taxes that `setup.py` makes.
pub const PRODUCTS: &str = "products = { shipping = \"SHIPPING\", tip = \"TIP\", duty = \"DUTY\", fee = \"FEE\", \
     discount = \"DISCOUNT\", rounding = \"ROUNDING\", store_credit = \"CREDIT\", gift_card = \"GIFT-CARD\", \
     custom = \"CUSTOM\", adjustment = \"ADJUSTMENT\", refund = \"REFUND\" }";
const TAXES: &str = "taxes = { \"0.21\" = \"VAT 21%\", \"0.10\" = \"VAT 10%\", \"0.04\" = \"VAT 4%\", \
     GST = \"GST 5%\", PST = \"PST 7%\", State = \"State 8.875%\", Canada = \"Canada\" }";

/// A Tryton connector from its section.
pub fn connector(section: &str) -> Box<dyn Erp> {
    let row = ERPS.iter().find(|row| row.kind == "tryton").expect("a row for Tryton");
    (row.build)(&Section::from_toml(section).expect("TOML")).expect("a connector")
}

/// Permits every call and counts it.
#[derive(Default)]
pub struct Counter(Mutex<u32>);

impl Counter {
    /// How many calls there were since the last time.
    pub fn take(&self) -> u32 {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Meter for Counter {
    async fn permit(&self, _timeout: std::time::Duration) -> Result<()> {
        *self.0.lock().unwrap() += 1;
        Ok(())
    }
}

/// A way out that permits everything, and its counter.
pub fn counted() -> (Way, std::sync::Arc<Counter>) {
    let counter = std::sync::Arc::new(Counter::default());
    (Way::by(counter.clone()), counter)
}

/// The id cache, in memory.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, String>>);

impl Memory {
    /// What is remembered, for a look.
    pub fn all(&self) -> HashMap<String, String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Ids for Memory {
    async fn ids(&self, names: &[String]) -> Result<HashMap<String, String>> {
        let known = self.0.lock().unwrap();
        Ok(names.iter().filter_map(|name| Some((name.clone(), known.get(name)?.clone()))).collect())
    }
    async fn learn(&self, ids: &[(String, String)]) -> Result<()> {
        self.0.lock().unwrap().extend(ids.iter().cloned());
        Ok(())
    }
    async fn forget(&self, names: &[String]) -> Result<()> {
        self.0.lock().unwrap().retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn begin(&self, _names: &[String]) -> Result<HashMap<String, Duration>> {
        Ok(HashMap::new())
    }
}
