//! Outside parts for tests: a Python environment from a pinned requirements file, made once under `target/`, and servers
//! that start on a free loopback port and never outlive the test process.
//!
//! Everything is shared between parallel test processes through file locks. `PUENTE_TEST_OFFLINE=1` skips, visibly.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server may take from its start to its first answer.
const START: Duration = Duration::from_mins(5);

/// The workspace's `target` directory, wherever cargo put it.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory has a parent").to_owned()
}

/// Says something past the test harness's capture: what takes long, and what is skipped, must be seen.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether the tests that need a package registry are to be skipped; says so, if they are.
pub fn offline(what: &str) -> bool {
    let offline = std::env::var_os("PUENTE_TEST_OFFLINE").is_some_and(|value| value == "1");
    if offline {
        say(&format!("SKIPPED (PUENTE_TEST_OFFLINE=1): tests that need {what}"));
    }
    offline
}

/// Does `make` once for all processes, now and later: `directory` is complete when this returns. A directory that was left
/// half made is made again.
pub fn once(directory: &Path, make: impl FnOnce(&Path)) {
    let done = directory.join(".complete");
    if done.exists() {
        return;
    }
    fs::create_dir_all(directory.parent().expect("a parent")).expect("cannot create the directory");
    let lock = File::create(directory.with_extension("lock")).expect("cannot create a lock file");
    lock.lock().expect("cannot lock");
    if !done.exists() {
        let _ = fs::remove_dir_all(directory);
        make(directory);
        fs::write(&done, "").expect("cannot write");
    }
}

/// The environment with exactly the packages of `requirements` (every line pinned, with the hashes of its files), made the first time. `None`: offline,
/// and the skip was said; the caller returns.
///
/// # Panics
/// Without `python3` (3.10 or later, with `venv`) or a package registry, with one sentence that says what to do.
pub fn venv(name: &str, requirements: &Path) -> Option<PathBuf> {
    venv_of(Path::new("python3"), name, requirements)
}

/// The same, of this Python.
///
/// # Panics
/// As [`venv`].
pub fn venv_of(python: &Path, name: &str, requirements: &Path) -> Option<PathBuf> {
    if offline(name) {
        return None;
    }
    let text = fs::read(requirements).unwrap_or_else(|e| panic!("cannot read {}: {e}", requirements.display()));
    let mut hash = DefaultHasher::new();
    text.hash(&mut hash);
    if python != Path::new("python3") {
        python.hash(&mut hash);
    }
    let directory = target().join(format!("venv-{name}-{:016x}", hash.finish()));
    once(&directory, |directory| {
        say(&format!("Installing {name} into {} (once, about a minute) ...", directory.display()));
        let stderr = || Stdio::from(std::io::stderr());
        let made = Command::new(python).args(["-m", "venv"]).arg(directory).stdout(stderr()).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "The tests with {name} need python3 (3.10 or later) with its venv module: install it, or set \
             PUENTE_TEST_OFFLINE=1 to skip them."
        );
        let installed = Command::new(directory.join("bin/pip"))
            .args(["install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"])
            // No file that is not one of those the list was made with.
            .args(["--require-hashes", "-r"])
            .arg(requirements)
            .stdout(stderr())
            .status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "The tests with {name} need a package registry that pip can reach (see pip's message above): connect to \
             one, or set PUENTE_TEST_OFFLINE=1 to skip them."
        );
    });
    Some(directory)
}

/// A child server on loopback. It ends when this is dropped, and when the test process ends in whatever way.
pub struct Server {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// What it printed.
    pub log: PathBuf,
    watchdog: Child,
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("no free port").port()
}

/// Starts `command` (its program, arguments, environment and directory; its output goes to a log) and waits until `ready`
/// says that it answers on `port`. Ask [`free_port`] for the port first and put it into the command.
///
/// # Panics
/// If it ends or does not answer in time, with the end of its log.
pub fn start(command: Command, port: u16, ready: impl Fn(u16) -> bool) -> Server {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let logs = target().join("test-logs");
    fs::create_dir_all(&logs).expect("cannot create a directory for logs");
    let log = logs.join(format!("{program}-{port}.log"));
    let output = File::create(&log).expect("cannot create a log file");

    let mut watched = Command::new("python3");
    watched.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("support/watchdog.py"));
    watched.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => watched.env(key, value),
            None => watched.env_remove(key),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        watched.current_dir(directory);
    }
    watched.stdin(Stdio::piped()).stderr(output.try_clone().expect("cannot share the log")).stdout(output);
    let watchdog = watched.spawn().expect("The tests need python3: install it.");

    let mut server = Server { port, log, watchdog };
    let begun = Instant::now();
    while !ready(port) {
        let ended = server.watchdog.try_wait().expect("cannot wait for a child");
        assert!(
            ended.is_none() && begun.elapsed() < START,
            "{program} did not start on port {port} ({ended:?}); the end of its log:\n{}",
            server.tail()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

impl Server {
    /// The last lines it printed.
    pub fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input closes: the watchdog kills the server, by its id, and ends.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
