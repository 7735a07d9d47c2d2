//! A test of the tests: plants the bugs of `planted.toml`, one at a time, and tells which seed found each.
//!
//! ```sh
//! cargo run -p puente-simulation --bin planted              # all of them
//! cargo run -p puente-simulation --bin planted -- settle    # those with that word in their name
//! cargo run -p puente-simulation --bin planted -- goods     # those that histories of goods find
//! ```
//!
//! The bugs are planted into a copy of the sources under `target/planted`, all at once and each behind a switch of its own, so that
//! one build serves them all; the sources themselves know nothing of it.
//!
//! When all were planted, `docs/planted-bugs.md` is written anew: nobody keeps that table by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use comfy_table::{
    CellAlignment, Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};
use puente_simulation::planted::{self, Bug};

/// So many seeds have to find a bug.
const SEEDS: &str = "10000";

/// The packages that are copied: the simulation, and what it is built from.
const MEMBERS: [&str; 3] = ["shared", "sandbox", "simulation"];

/// Where the table stands for readers.
const PAGE: &str = "docs/planted-bugs.md";

/// What stands above the table.
fn head(bugs: usize, missed: usize) -> String {
    format!(
        "# Planted bugs

A test of the tests, written by `cargo run -p puente-simulation --bin planted` from `simulation/planted.toml`: do not edit it.

{bugs} bugs, planted into the flows one at a time; {} found. `first seed`: the first of {SEEDS} histories of chance that found it (`-`:
chance is not asked). `test`: the history that is told for it, or the limiter's own.
",
        bugs - missed
    )
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let bugs = planted::list();
    let copy = Copy::of(&root, &bugs);
    eprintln!("building {} bugs ...", bugs.len());
    copy.build();
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["bug", "where", "found by seed", "found by test"]);
    let mut missed = 0;
    let quoted = |text: &str| if text == "-" { text.to_owned() } else { format!("`{text}`") };
    let mut page = Table::new();
    page.load_style(ASCII_MARKDOWN).set_header(["bug", "where", "first seed", "test"]);
    for (number, bug) in bugs.iter().enumerate().filter(|(_, bug)| bug.is_wanted(&wanted)) {
        let seed = bug.by_chance.then(|| copy.seed(number + 1, bug.goods));
        let test = bug.test.as_ref().map(|test| copy.test_fails(number + 1, test));
        let found =
            seed.as_ref().is_none_or(Option::is_some) && test != Some(false) && (seed.is_some() || test.is_some());
        missed += usize::from(!found);
        let seed = seed.map_or_else(|| "-".to_owned(), |seed| seed.unwrap_or_else(|| "NOT FOUND".to_owned()));
        let test = match (test, &bug.test) {
            (Some(true), Some(name)) => name.clone(),
            (Some(false), Some(name)) => format!("{name} DID NOT FAIL"),
            _ => "-".to_owned(),
        };
        let place = bug.file.trim_start_matches("shared/src/").to_owned();
        eprintln!("{:3}/{} {}: {seed}, {test}", number + 1, bugs.len(), bug.name);
        page.add_row([bug.name.clone(), quoted(&place), seed.clone(), quoted(&test)]);
        table.add_row([bug.name.clone(), place, seed, test]);
    }
    if let Some(seeds) = table.column_mut(2) {
        seeds.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    if wanted.is_empty() {
        fs::write(root.join(PAGE), format!("{}\n{page}\n", head(bugs.len(), missed))).unwrap();
    }
    if missed == 0 {
        println!("Every planted bug was found.");
        return ExitCode::SUCCESS;
    }
    println!("{missed} planted bugs were not found.");
    ExitCode::FAILURE
}

/// The copy of the sources.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn of(root: &Path, bugs: &[Bug]) -> Self {
        let path = root.join("target/planted");
        for part in MEMBERS {
            let _ = fs::remove_dir_all(path.join(part));
            copy_tree(&root.join(part), &path.join(part));
        }
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let members = format!("members = {MEMBERS:?}");
        let whole = manifest.lines().map(|line| match line {
            line if line.starts_with("members = ") => members.as_str(),
            line if line.starts_with("default-members") => "",
            line => line,
        });
        fs::write(path.join("Cargo.toml"), whole.collect::<Vec<_>>().join("\n")).unwrap();
        fs::copy(root.join("Cargo.lock"), path.join("Cargo.lock")).unwrap();
        for (number, bug) in bugs.iter().enumerate() {
            let file = path.join(&bug.file);
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, bug.plant(&text, number + 1)).unwrap();
        }
        let library = path.join("shared/src/lib.rs");
        let text = fs::read_to_string(&library).unwrap();
        fs::write(&library, format!("{text}\n{}", planted::SWITCH)).unwrap();
        Self { path }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.path).env("CARGO_TARGET_DIR", self.path.join("target"));
        // Parentheses and branches that only a planted bug has.
        command.env("RUSTFLAGS", "--cap-lints=allow");
        command
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn build(&self) {
        for arguments in [&["build", "--bins"][..], &["test", "--no-run", "--test", "told", "--test", "limiter"]] {
            let output = self.cargo(&[arguments, &["-p", "puente-simulation"]].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// The seed that finds a bug.
    fn seed(&self, number: usize, goods: bool) -> Option<String> {
        let program = self.path.join("target/debug/puente-simulation");
        let about = if goods { &["--goods"][..] } else { &[] };
        let output =
            Command::new(program).args(["--histories", SEEDS]).args(about).env("PLANTED", number.to_string()).output();
        let words = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        let line = words.lines().find(|line| line.starts_with("Seed "))?;
        line.split(' ').nth(1).map(str::to_owned)
    }

    /// Whether the test named for it fails.
    fn test_fails(&self, number: usize, test: &str) -> bool {
        let targets = ["--no-fail-fast", "--test", "told", "--test", "limiter"];
        let arguments = [&["test", "-p", "puente-simulation"], &targets[..], &["--", test]].concat();
        let output = self.command(&arguments).env("PLANTED", number.to_string()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&format!("{test} ... FAILED"))
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
