//! The list of bugs to plant, and how one is planted.

use serde::Deserialize;

/// A bug to plant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// What is wrong then.
    pub name: String,
    /// Where, from the project's root.
    pub file: String,
    /// The text that stands there, once.
    pub find: String,
    /// What it becomes: an expression, or text with `PLANTED` in it.
    pub plant: String,
    /// The test that fails with it.
    #[serde(default)]
    pub test: Option<String>,
    /// Whether histories of chance find it too.
    #[serde(default = "yes")]
    pub by_chance: bool,
    /// Whether those are histories of goods.
    #[serde(default)]
    pub goods: bool,
}

fn yes() -> bool {
    true
}

/// What tells the library which bug is planted.
pub const SWITCH: &str = r#"
/// Whether the bug of that number is planted.
#[allow(clippy::disallowed_methods)]
pub(crate) fn planted(number: u32) -> bool {
    static PLANTED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var("PLANTED").ok().and_then(|text| text.parse().ok()).unwrap_or(0)) == number
}
"#;

/// The list.
#[must_use]
pub fn list() -> Vec<Bug> {
    #[derive(Deserialize)]
    struct List {
        bug: Vec<Bug>,
    }
    let list: List = toml::from_str(include_str!("../planted.toml")).unwrap();
    list.bug
}

impl Bug {
    /// Whether it is among those that are asked for: all, those with a word in their name, or those of `goods`.
    #[must_use]
    pub fn is_wanted(&self, word: &str) -> bool {
        self.name.contains(word) || (word == "goods" && self.goods)
    }

    /// The text of its file with the bug planted behind its switch.
    #[must_use]
    pub fn plant(&self, text: &str, number: usize) -> String {
        let switch = format!("crate::planted({number})");
        let places = text.matches(&self.find).count();
        assert_eq!(places, 1, "`{}`: what it is planted into stands {places} times in {}", self.name, self.file);
        let planted = if self.plant.contains("PLANTED") {
            self.plant.replace("PLANTED", &switch)
        } else {
            format!("(if {switch} {{ {} }} else {{ {} }})", self.plant, self.find)
        };
        text.replace(&self.find, &planted)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;

    #[test]
    fn every_bug_can_be_planted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let bugs = list();
        assert!(bugs.len() >= 30, "{}", bugs.len());
        for (number, bug) in bugs.iter().enumerate() {
            let text =
                files.entry(bug.file.clone()).or_insert_with(|| std::fs::read_to_string(root.join(&bug.file)).unwrap());
            *text = bug.plant(text, number + 1);
            assert!(bug.by_chance || bug.test.is_some(), "nothing finds `{}`", bug.name);
            syn::parse_file(text).unwrap_or_else(|error| panic!("planted, `{}` is no Rust: {error}", bug.name));
        }
    }

    #[test]
    fn every_named_test_is_there() {
        let tests = concat!(
            include_str!("../tests/told/goods.rs"),
            include_str!("../tests/told/prices.rs"),
            include_str!("../tests/told/shipments.rs"),
            include_str!("../tests/told/protocol.rs"),
            include_str!("../tests/told/life.rs"),
            include_str!("../tests/told/neighbours.rs"),
            include_str!("../tests/limiter.rs")
        );
        for test in list().into_iter().filter_map(|bug| bug.test) {
            assert!(tests.contains(&format!("fn {test}()")), "{test}");
        }
    }
}
