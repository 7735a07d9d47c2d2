//! A real Odoo 19.0 for tests: taken from Debian and set up once under `target/`, then copied for each run, with a PostgreSQL of its
//! own that ends with it. Nothing is installed on the system.
//!
//! It needs CPython 3.12, `apt-get` and PostgreSQL's programs (unpacked likewise where they are not installed). Where one of them
//! cannot be had, one line says so and the tests return.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use puente::outbound::{Answer, Call, Client};
use serde_json::{Value, json};

use super::{
    debian,
    venv::{Server, free_port, offline, once, say, start, target, venv_of},
};

const ADMIN: &str = "admin";
/// The integration user that `setup.py` makes.
pub const USER: &str = "puente";
/// The one database of a server.
pub const DATABASE: &str = "odoo";
/// Installed in it, with all they need.
const MODULES: &str = "sale_management,sale_stock,rpc,l10n_es";

/// A running Odoo with a database of its own.
pub struct Odoo {
    /// Its address.
    pub url: String,
    admin_key: String,
    user_key: String,
    server: Server,
}

/// The one Odoo of this test binary; `None`: it cannot be had here, and that was said.
pub fn odoo() -> Option<&'static Odoo> {
    static SHARED: OnceLock<Option<Odoo>> = OnceLock::new();
    SHARED.get_or_init(Odoo::start).as_ref()
}

fn recipe(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("support/odoo").join(file)
}

/// What it is run with.
struct Parts {
    python: PathBuf,
    /// Where Odoo's own packages are.
    packages: PathBuf,
    /// PostgreSQL's programs.
    postgres: PathBuf,
}

impl Parts {
    fn new() -> Option<Self> {
        if offline("odoo") {
            return None;
        }
        let missing = |what: &str| {
            say(&format!("SKIPPED: tests that need odoo: {what}"));
            None
        };
        let Some(python) = debian::python("3.12") else { return missing("there is no CPython 3.12 here") };
        let Some(postgres) = debian::postgresql() else {
            return missing("there is no PostgreSQL here, and none to be had");
        };
        let Some(packages) = debian::odoo() else {
            return missing("there is no apt-get here to take it from Debian with");
        };
        let environment = venv_of(&python, "odoo", &recipe("requirements.txt"))?;
        Some(Self { python: environment.join("bin/python"), packages, postgres })
    }

    /// `command` beside a PostgreSQL on the cluster in `directory`.
    fn beside_postgres(&self, directory: &Path) -> Command {
        let mut command = Command::new("python3");
        command.arg(recipe("serve.py")).arg(&self.postgres).arg(directory);
        command.arg(&self.python).args(["-W", "ignore"]).arg(recipe("run.py"));
        command.env("PYTHONPATH", &self.packages).env("TZ", "UTC");
        command
    }
}

fn configuration(directory: &Path, port: u16, workers: u8) -> PathBuf {
    let file = directory.join("odoo.conf");
    let place = directory.display();
    // Of the two ports the second is only used with workers.
    let second = free_port();
    let text = format!(
        "[options]\ndb_host = {place}\ndb_user = odoo\ndb_name = {DATABASE}\nlist_db = False\ndata_dir = {place}/data\n\
         http_interface = 127.0.0.1\nhttp_port = {port}\ngevent_port = {second}\nworkers = {workers}\nmax_cron_threads = 0\n\
         log_level = warn\n"
    );
    fs::write(&file, text).expect("cannot write Odoo's configuration");
    file
}

/// A new directory that the user PostgreSQL runs as can reach, wherever the checkout is; its path is short enough for a socket.
fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("puente-odoo-{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("data")).expect("cannot create a directory");
    directory
}

fn run(what: &str, command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {what}: {e}"));
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{what} failed:\n{}", String::from_utf8_lossy(&words));
}

/// Copies a directory with its owners and rights: PostgreSQL wants its cluster to be its own.
fn copy(from: &Path, to: &Path) {
    run("cp", Command::new("cp").arg("-a").arg(from).arg(to));
}

/// The cluster that every run starts from: made once.
fn template(parts: &Parts) -> PathBuf {
    let mut hash = DefaultHasher::new();
    for file in ["requirements.txt", "setup.py", "serve.py"] {
        fs::read(recipe(file)).expect("the recipe is in the repository").hash(&mut hash);
    }
    (MODULES, &parts.packages, &parts.postgres).hash(&mut hash);
    let kept = target().join(format!("odoo-{:016x}", hash.finish()));
    once(&kept, |kept| {
        say(&format!("Setting up an Odoo database in {} (once, two minutes or more) ...", kept.display()));
        let begun = Instant::now();
        let directory = directory(&format!("template-{}", std::process::id()));
        let conf = configuration(&directory, 0, 0);
        let mut install = parts.beside_postgres(&directory);
        install.arg("-c").arg(&conf).args(["-i", MODULES, "--without-demo=True", "--stop-after-init"]);
        run("Odoo's installation", install.stdin(Stdio::null()));
        let mut setup = parts.beside_postgres(&directory);
        setup.arg("shell").arg("-c").arg(&conf).arg("--no-http");
        setup.env("PUENTE_KEYS", directory.join("keys.json"));
        // Where its input is no terminal, the shell runs it.
        let script = fs::File::open(recipe("setup.py")).expect("the recipe is in the repository");
        run("Odoo's setup", setup.stdin(script));
        assert!(directory.join("keys.json").exists(), "Odoo's setup wrote no keys");
        fs::create_dir_all(kept).expect("cannot create a directory");
        for part in ["pg", "data", "keys.json"] {
            copy(&directory.join(part), kept);
        }
        let _ = fs::remove_dir_all(directory);
        say(&format!("The Odoo database is set up: {} s.", begun.elapsed().as_secs()));
    });
    kept
}

/// Whether it answers by HTTP, whatever it answers.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let asked = stream.write_all(b"GET /web/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    asked.is_ok() && stream.read(&mut [0; 16]).is_ok_and(|read| read > 0)
}

impl Odoo {
    /// Starts one with a fresh database; it ends with the handle.
    pub fn start() -> Option<Self> {
        Self::with_workers(0)
    }

    /// One that answers from so many processes, as a company's does; 0: from threads of one.
    pub fn with_workers(workers: u8) -> Option<Self> {
        let parts = Parts::new()?;
        let template = template(&parts);
        let begun = Instant::now();
        let port = free_port();
        let directory = directory(&port.to_string());
        for part in ["pg", "data"] {
            copy(&template.join(part), &directory);
        }
        let keys: Value = serde_json::from_slice(&fs::read(template.join("keys.json")).expect("keys")).expect("JSON");
        let key = |user: &str| keys[user].as_str().expect("a key").to_owned();
        let mut command = parts.beside_postgres(&directory);
        command.arg("-c").arg(configuration(&directory, port, workers)).env("WATCHDOG_REMOVES", &directory);
        let server = start(command, port, answers);
        say(&format!("Odoo answers on port {port} after {:.1} s.", begun.elapsed().as_secs_f32()));
        Some(Self { url: format!("http://127.0.0.1:{port}"), admin_key: key(ADMIN), user_key: key(USER), server })
    }

    /// What it printed last.
    pub fn log(&self) -> String {
        self.server.tail()
    }

    /// The key of the integration user.
    pub fn key(&self) -> &str {
        &self.user_key
    }

    /// Its section in `puente.toml`, and more of it.
    pub fn section(&self, more: &str) -> String {
        let (url, key) = (&self.url, &self.user_key);
        let base = format!(
            "url = \"{url}\"\ndatabase = \"{DATABASE}\"\nusername = \"{USER}\"\napi_key = {{ literal = \"{key}\" }}\n\
             company = {COMPANY}\n{PRODUCTS}\n{TAXES}\n"
        );
        base + more
    }

    /// A call as the administrator, beside the connector: `call("sale.order", "search_count", json!({"domain": []}))`.
    pub async fn call(&self, model: &str, method: &str, body: Value) -> Value {
        let (status, answer) = self.send(&self.admin_key, model, method, &body).await;
        assert!(status == 200, "{model}/{method}: {status} {answer}");
        answer
    }

    /// A call as the integration user: the status, and the answer whatever it is.
    pub async fn user_call(&self, model: &str, method: &str, body: Value) -> (u16, Value) {
        self.send(&self.user_key, model, method, &body).await
    }

    /// Runs a script inside, where things can be done that no call may do: what it assigns to `action`.
    pub async fn script(&self, code: &str) -> Value {
        let users = self.search("ir.model", json!([["model", "=", "res.users"]]), json!(["model"])).await;
        let action = json!({"name": "a test's", "model_id": users[0]["id"], "state": "code", "code": code});
        let action = self.call("ir.actions.server", "create", json!({"vals_list": [action]})).await;
        self.call("ir.actions.server", "run", json!({"ids": action})).await
    }

    /// Another key of the integration user, by a name that none has yet.
    pub async fn new_key(&self, name: &str) -> String {
        let code = format!(
            "user = env['res.users'].search([('login', '=', '{USER}')])\n\
             until = datetime.datetime.now() + datetime.timedelta(days=30)\n\
             action = {{'key': env['res.users.apikeys'].with_user(user)._generate('rpc', '{name}', until)}}"
        );
        self.script(&code).await["key"].as_str().expect("a key").to_owned()
    }

    /// Revokes a key, as its user does on the page of their account.
    pub async fn revoke(&self, name: &str) {
        self.script(&format!("env['res.users.apikeys'].search([('name', '=', '{name}')])._remove()")).await;
    }

    /// `search_read` as the administrator, in the order of ids.
    pub async fn search(&self, model: &str, domain: Value, fields: Value) -> Vec<Value> {
        let body = json!({"domain": domain, "fields": fields, "order": "id"});
        let found = self.call(model, "search_read", body).await;
        found.as_array().expect("a list").clone()
    }

    /// Where whoever opens an address, and is not logged in, is sent.
    pub async fn leads(&self, address: &str) -> String {
        let answer = visit(http::Method::GET, address, http::HeaderMap::new(), String::new()).await;
        let location = answer.headers.get("location").unwrap_or_else(|| panic!("{address}: {}", answer.status));
        location.to_str().expect("an address").to_owned()
    }

    async fn send(&self, key: &str, model: &str, method: &str, body: &Value) -> (u16, Value) {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("bearer {key}").parse().expect("a header"));
        headers.insert("content-type", "application/json".parse().expect("a header"));
        let url = format!("{}/json/2/{model}/{method}", self.url);
        let answer = visit(http::Method::POST, &url, headers, body.to_string()).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = serde_json::from_slice(&answer.body).unwrap_or(Value::String(text));
        (answer.status.as_u16(), value)
    }
}

/// Its company, by its id. The products and taxes that `setup.py` makes.
pub const COMPANY: u8 = 1;
/// Its service products.
pub const PRODUCTS: &str = super::tryton::PRODUCTS;
const TAXES: &str = "taxes = { \"0.21\" = \"VAT 21%\", \"0.10\" = \"VAT 10%\", \"0.04\" = \"VAT 4%\", \
     GST = \"GST 5%\", PST = \"PST 7%\", State = \"State 8.875%\", Canada = \"Canada\" }";

async fn visit(method: http::Method, address: &str, headers: http::HeaderMap, body: String) -> Answer {
    let url = address.parse().expect("an address");
    let call = Call { method, url, headers, body: body.into(), timeout: Duration::from_mins(5) };
    Client::new().expect("a client").send(call).await.expect("Odoo answers")
}
