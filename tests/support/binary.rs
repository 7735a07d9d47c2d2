//! The real `puente` binary, as a child process that never outlives the test.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// The `puente` binary.
pub fn puente() -> PathBuf {
    binary("puente")
}

/// The path of a binary of the workspace, built first if it is not there or old.
///
/// Built as `cargo test --workspace` builds it, so that nothing begins anew there: fewer packages would mean other features of
/// what they share. And what cargo says to a test about its own package is not for other builds.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--bins", "--tests"]);
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        for (name, _) in std::env::vars_os() {
            let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
            if name.to_str().is_some_and(|name| told.iter().any(|told| name.starts_with(told))) {
                build.env_remove(name);
            }
        }
        assert!(build.status().unwrap().success(), "cargo build of the workspace failed");
        std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned()
    });
    directory.join(name)
}

/// A running `puente serve`.
pub struct Serve {
    child: Child,
    pub url: String,
}

impl Serve {
    /// Starts it and waits until it says where it listens.
    pub fn start(dir: &Path, extra: &[&str]) -> Self {
        Self::start_in(dir, extra, &[])
    }

    /// The same with an environment.
    pub fn start_in(dir: &Path, extra: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::up(dir, Self::command(dir, extra, environment))
    }

    /// The same where it may have only so many files and connections open.
    pub fn start_with_files(dir: &Path, extra: &[&str], files: u32) -> Self {
        let serve = Self::command(dir, extra, &[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
        shell.arg(serve.get_program()).args(serve.get_args());
        Self::up(dir, shell)
    }

    fn up(dir: &Path, command: Command) -> Self {
        let mut child = Self::spawn(dir, command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = None;
        while let Some(Ok(line)) = lines.next() {
            if let Some(at) = line.find("http://") {
                url = Some(line[at..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect());
                break;
            }
        }
        let Some(url) = url else {
            let _ = child.wait();
            let log = std::fs::read_to_string(dir.join("serve.log")).unwrap_or_default();
            panic!("puente serve did not start:\n{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
        };
        // Whatever it says later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// One that is killed on its way up.
    pub fn stillborn(dir: &Path, after: Duration) {
        let mut child = Self::spawn(dir, Self::command(dir, &[], &[]));
        std::thread::sleep(after);
        let _ = child.kill();
        let _ = child.wait();
    }

    fn command(dir: &Path, extra: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(puente());
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(dir.join("puente.toml")).arg("--data").arg(dir.join("data"));
        command.args(extra).envs(environment.iter().copied());
        command
    }

    fn spawn(dir: &Path, mut command: Command) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("serve.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no destructor, no flush, no goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and how long it took to end.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        begun.elapsed()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.kill();
    }
}
