//! Programs from Debian for tests, unpacked under `target/`: `apt-get` fetches them and checks their signatures. Nothing is installed
//! on the system, and no right is needed that a user does not have.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use super::venv::{once, say, target};

/// The SHA-256 of the package these tests were written with. Debian drops a version when the next one comes: then the newest is
/// taken that its signature vouches for, and a line says so.
const KNOWN_ODOO: &str = "9d2f598b0555db17e291d48ed24df184c70823c053c4c5ed53c467ca7f629bbf";
const KEYRING: &str = "usr/share/keyrings/debian-archive-keyring.gpg";

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(what: &str, command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("cannot run {what}: {e}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed:\n{words}");
}

/// A CPython of this version (`3.12`): on the path, or one that pyenv made.
pub fn python(version: &str) -> Option<PathBuf> {
    let mut candidates = vec![PathBuf::from(format!("python{version}")), PathBuf::from("python3")];
    if let Some(home) = env::home_dir() {
        let made = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
        candidates.extend(made.map(|version| version.path().join("bin/python3")));
    }
    let says = "import sys; print('%s.%s' % sys.version_info[:2])";
    let fits =
        |python: &PathBuf| output(Command::new(python).args(["-c", says])).is_some_and(|said| said.trim() == version);
    candidates.into_iter().find(fits)
}

/// Debian's Odoo 19.0: the directory of its Python packages. `None`: there is no `apt-get`.
pub fn odoo() -> Option<PathBuf> {
    output(Command::new("apt-get").arg("--version"))?;
    let directory = target().join("odoo-19");
    once(&directory, |directory| {
        say(&format!("Fetching Odoo 19 from Debian into {} (once, 120 MB) ...", directory.display()));
        let begun = Instant::now();
        fs::create_dir_all(directory).expect("cannot create a directory");
        let apt = directory.join("apt");
        let configuration = sid(&apt);
        let get = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.arg("-qq").args(arguments).env("APT_CONFIG", &configuration).current_dir(&apt);
            run("apt-get (PUENTE_TEST_OFFLINE=1 skips the tests that need it)", &mut command);
        };
        get(&["update"]);
        get(&["download", "odoo-19"]);
        let package = only_package(&apt);
        let name = package.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with("odoo-19_19.0."), "{name} is not Odoo 19.0");
        let known = output(Command::new("sha256sum").arg(&package)).is_some_and(|sum| sum.starts_with(KNOWN_ODOO));
        let warning =
            if known { "" } else { " (not the package these tests were written with; its signature is good)" };
        // Neither translations nor the second copy of the addons.
        unpack(&package, directory, &["*.po", "*/dist-packages/addons/*"]);
        let _ = fs::remove_dir_all(apt);
        say(&format!("Unpacked {name}{warning}: {} s.", begun.elapsed().as_secs()));
    });
    Some(directory.join("usr/lib/python3/dist-packages"))
}

/// apt's configuration for Debian's suite `sid`, whatever the system is: its lists and its state are in `apt`.
fn sid(apt: &Path) -> PathBuf {
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part)).expect("cannot create a directory");
    }
    let write = |file: &str, text: &str| {
        fs::write(apt.join(file), text).expect("cannot write apt's configuration");
        apt.join(file)
    };
    write("status", "");
    let (keyring, place) = (keyring(apt), apt.display());
    let mirror = mirror().unwrap_or_else(|| "http://deb.debian.org/debian".to_owned());
    write("sources.list", &format!("deb [signed-by={}] {mirror} sid main\n", keyring.display()));
    write(
        "apt.conf",
        &format!(
            "Dir::Etc::sourcelist \"{place}/sources.list\"; Dir::Etc::sourceparts \"/nonexistent\";\n\
             Dir::State::lists \"{place}/lists\"; Dir::Cache \"{place}/cache\"; Dir::State::status \"{place}/status\";\n\
             APT::Sandbox::User \"\"; Acquire::Languages \"none\"; Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        ),
    )
}

/// Debian's keys: the system's, or, on another distribution, from that one's own signed package of them.
fn keyring(apt: &Path) -> PathBuf {
    let own = Path::new("/").join(KEYRING);
    if own.exists() {
        return own;
    }
    let get = Command::new("apt-get").args(["-qq", "download", "debian-archive-keyring"]).current_dir(apt).output();
    assert!(
        get.is_ok_and(|output| output.status.success()),
        "Odoo's package is checked with Debian's keys: install the package debian-archive-keyring."
    );
    let package = only_package(apt);
    unpack(&package, apt, &[]);
    fs::remove_file(package).expect("cannot remove a package");
    apt.join(KEYRING)
}

/// The mirror of Debian that the system uses, if it is a Debian.
fn mirror() -> Option<String> {
    let more = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let files = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(more);
    let enabled = files.filter(|file| file.extension().is_some_and(|ending| ending == "list" || ending == "sources"));
    let texts: Vec<String> = enabled.filter_map(|file| fs::read_to_string(file).ok()).collect();
    let words = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace);
    let mut mirrors = words.filter(|word| word.starts_with("http")).map(|word| word.trim_end_matches('/'));
    mirrors.find(|word| word.ends_with("/debian")).map(str::to_owned)
}

/// PostgreSQL's programs: the newest that is installed, or else the distribution's, unpacked with what it needs. `None`: neither.
pub fn postgresql() -> Option<PathBuf> {
    let installed = programs(Path::new("/usr/lib/postgresql"));
    if installed.is_some() {
        return installed;
    }
    if let Some(paths) = env::var_os("PATH") {
        let found =
            env::split_paths(&paths).find(|path| path.join("initdb").exists() && path.join("postgres").exists());
        if found.is_some() {
            return found;
        }
    }
    unpacked(&["postgresql"])
}

/// The programs of the distribution's `packages`, fetched with all that is not installed of what they need. `None`: not to be had.
fn unpacked(packages: &[&str]) -> Option<PathBuf> {
    output(Command::new("apt-get").arg("--version"))?;
    let directory = target().join("postgresql");
    once(&directory, |directory| {
        let archives = directory.join("archives");
        fs::create_dir_all(archives.join("partial")).expect("cannot create a directory");
        say(&format!("Unpacking the distribution's PostgreSQL into {} (once) ...", directory.display()));
        let mut fetch = Command::new("apt-get");
        fetch.args(["-qq", "-y", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]);
        fetch.arg("-o").arg(format!("Dir::Cache::archives={}", archives.display()));
        fetch.args(["install", "--download-only", "--no-install-recommends"]).args(packages);
        if output(&mut fetch).is_some() {
            let files = fs::read_dir(&archives).expect("a directory").flatten().map(|entry| entry.path());
            for package in files.filter(|file| file.extension().is_some_and(|ending| ending == "deb")) {
                unpack(&package, directory, &[]);
            }
        }
        let _ = fs::remove_dir_all(archives);
    });
    programs(&directory.join("usr/lib/postgresql"))
}

/// The programs of the newest version in `directory`.
fn programs(directory: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(directory).ok()?.flatten().filter(|version| version.path().join("bin/initdb").exists());
    let number = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or_default();
    versions.max_by_key(number).map(|version| version.path().join("bin"))
}

fn only_package(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path());
    files.into_iter().find(|file| file.extension().is_some_and(|ending| ending == "deb")).expect("a package")
}

/// Unpacks the files of a package, except those that fit one of `without`.
fn unpack(package: &Path, into: &Path, without: &[&str]) {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .expect("dpkg-deb is where apt-get is");
    let mut tar = Command::new("tar");
    tar.arg("x").arg("-C").arg(into).args(without.iter().map(|pattern| format!("--exclude={pattern}")));
    let unpacked = tar.stdin(reader.stdout.take().expect("a pipe")).status();
    let read = reader.wait();
    assert!(
        unpacked.is_ok_and(|status| status.success()) && read.is_ok_and(|status| status.success()),
        "cannot unpack {}",
        package.display()
    );
}
