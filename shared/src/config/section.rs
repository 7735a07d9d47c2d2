//! A part of `puente.toml` with its place: every error about it names file, line and key, also inside a connector's own part.
//!
//! Invariant: a secret reaches a connector only as a [`Secret`](super::Secret). References are found by their shape,
//! anywhere in the file, and resolved into a form that no other type can read: neither can a secret slip into a field that
//! `Debug` shows, nor can one be written out in the file.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::secret::{MARK, Opened, Source, Vault, stand_in};
use crate::{Error, Kind, Result, ports::Bundle};

/// The key that allows plain http to another machine: see [`super::plain_http`].
pub(crate) const ALLOW_INSECURE: &str = "allow_insecure";

/// The keys of a connector's section that are not the connector's.
pub(crate) const GENERIC: [&str; 6] = ["kind", "limits", "max_attempts", "look_up_first", "links", ALLOW_INSECURE];

/// A connector's own part of the file: a table, with its place for error messages. Without `kind`, which chose the
/// connector, and without the keys that belong to every account (`limits`, `max_attempts`, `look_up_first`, `links`, `allow_insecure`).
#[derive(Clone)]
pub struct Section {
    file: Arc<str>,
    /// Such as `connection.acme.store`.
    path: String,
    value: Value,
    /// The line of every key in it, by its path from here.
    lines: Arc<BTreeMap<String, usize>>,
    /// The secrets still to be fetched, by their path from here.
    references: BTreeMap<String, Source>,
}

impl Section {
    /// Reads it into the connector's own type, which denies unknown fields. The error names file, line and key.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(self.value.clone())
            .map_err(|error| self.refuse(&error.path().to_string(), unquoted(error.inner().message())))
    }

    /// An error about one of its keys (`""`: about all of it), naming file, line and key.
    #[must_use]
    pub fn refuse(&self, key: &str, why: impl fmt::Display) -> Error {
        let key = key.trim_matches('.');
        let separator = if self.path.is_empty() || key.is_empty() { "" } else { "." };
        let (file, path, line) = (&self.file, &self.path, self.line(key));
        Error::new(Kind::Config, format!("{file}:{line}: {path}{separator}{key}: {why}"))
    }

    /// A section from TOML text, for tests and examples: secrets are `{ literal = "…" }` there, and the name in any other
    /// reference stands for the secret itself, so that an example can be built without one.
    pub fn from_toml(text: &str) -> Result<Self> {
        let mut section = Self::parse(text, "example.toml")?.without(&GENERIC);
        section.stand_in();
        Ok(section)
    }

    /// The whole text of `file`.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self> {
        let lines = Lines::of(text);
        let tree = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            // Only a repeated key is quoted: anything else at this place could be a secret somebody forgot to quote.
            let key = error.span().filter(|_| error.message().contains("duplicate")).and_then(|span| text.get(span));
            let key = key.map(|key| format!(" `{}`", key.trim())).unwrap_or_default();
            Error::new(Kind::Config, format!("{file}:{line}: {}{key}", error.message().trim()))
        })?;
        let mut walk = Walk { lines: &lines, found: BTreeMap::new(), references: BTreeMap::new() };
        let value = walk.table(tree.get_ref(), "");
        Ok(Self {
            file: file.into(),
            path: String::new(),
            value: Value::Table(value),
            lines: Arc::new(walk.found),
            references: walk.references,
        })
    }

    /// The tables in it, by key: `connection.*`.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (String, Section)> + '_ {
        let table = self.value.as_table().into_iter().flatten();
        table.filter_map(|(key, _)| Some((key.clone(), self.child(key)?)))
    }

    /// Whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// The part under `key`.
    pub(crate) fn child(&self, key: &str) -> Option<Section> {
        let value = self.value.as_table()?.get(key)?.clone();
        let within = |path: &str| {
            let rest = path.strip_prefix(key)?;
            if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('.').map(str::to_owned) }
        };
        let separator = if self.path.is_empty() { "" } else { "." };
        Some(Self {
            file: self.file.clone(),
            path: format!("{}{separator}{key}", self.path),
            value,
            lines: Arc::new(select(&self.lines, key, within)),
            references: select(&self.references, key, within),
        })
    }

    /// The same without some of its keys.
    pub(crate) fn without(mut self, keys: &[&str]) -> Self {
        if let Some(table) = self.value.as_table_mut() {
            for key in keys {
                table.remove(*key);
            }
        }
        self.references.retain(|path, _| !keys.iter().any(|key| first(path) == *key));
        self
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.value.as_table().into_iter().flat_map(|table| table.keys().map(String::as_str))
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value.as_table()?.get(key)?.as_str()
    }

    /// Whether something is written under `key`, such as `webhook_secrets[1]`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// Whether `key` is `true`.
    pub(crate) fn yes(&self, key: &str) -> bool {
        self.value.as_table().and_then(|table| table.get(key)).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Where it begins, for an error that has no place yet.
    pub(crate) fn place(&self, error: Error) -> Error {
        if error.to_string().starts_with(&format!("{}:", self.file)) {
            return error;
        }
        error.within(format_args!("{}:{}: {}", self.file, self.line(""), self.path))
    }

    /// Its own path, such as `connection.acme`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The secrets it refers to, by their path from here.
    pub(crate) fn references(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.references.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// Those under `key`: of one secret, or of a list.
    pub(crate) fn references_in<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Source> {
        self.references().filter(move |(path, _)| first(path) == key).map(|(_, source)| source)
    }

    /// What is wrong with the secrets in it before one is fetched: those written out.
    pub(crate) fn written_out(&self) -> impl Iterator<Item = Error> + '_ {
        self.references
            .iter()
            .filter(|(_, source)| matches!(source, Source::Literal(_)))
            .map(|(path, _)| self.refuse(path, super::secret::HOW))
    }

    /// The same with every secret fetched that is `needed`, those that are only named from `bundle`, and [`stand_in`]s for the
    /// others; otherwise all that is missing.
    pub(crate) async fn resolve(
        mut self,
        vault: &Vault,
        bundle: &Bundle,
        needed: impl Fn(&str) -> bool,
    ) -> Result<Self, Vec<Error>> {
        let mut texts = BTreeMap::new();
        let mut errors = Vec::new();
        let mut opened = Opened::new(vault, bundle);
        for (path, source) in &self.references {
            if !needed(path) {
                texts.insert(path.clone(), stand_in());
                continue;
            }
            match source.fetch(&mut opened).await {
                Ok(text) => {
                    texts.insert(path.clone(), text);
                }
                Err(error) => {
                    let down = error.kind() != Kind::Config;
                    let place = self.refuse(path, "").to_string();
                    errors.push(error.within(place.trim_end_matches([':', ' '])));
                    // The others would wait as long for the same answer.
                    if down {
                        break;
                    }
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        fill(&mut self.value, "", &texts);
        self.references.clear();
        Ok(self)
    }

    /// Puts each reference's own name in the secret's place: to read the rest before any secret is fetched.
    pub(crate) fn stand_in(&mut self) {
        let texts = self.references.iter().map(|(path, source)| (path.clone(), source.name().to_owned())).collect();
        fill(&mut self.value, "", &texts);
        self.references.clear();
    }

    /// The line of `key`, or of the nearest table around it.
    fn line(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return *line;
            }
            if key.is_empty() {
                return 1;
            }
            key = key.rfind(['.', '[']).and_then(|end| key.get(..end)).unwrap_or("");
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section({}:{}: {})", self.file, self.line(""), self.path)
    }
}

/// Line numbers of byte positions.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }
    fn at(&self, position: usize) -> usize {
        self.0.partition_point(|end| *end < position) + 1
    }
}

/// Turns the spanned tree into values, remembering lines and references on the way.
struct Walk<'a> {
    lines: &'a Lines,
    found: BTreeMap<String, usize>,
    references: BTreeMap<String, Source>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Table {
        if let Some(source) = reference(table) {
            self.references.insert(path.to_owned(), source);
        }
        let mut values = Table::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            self.found.insert(inner.clone(), self.lines.at(key.span().start));
            // Nobody writes a resolved secret by hand.
            let name = if name == MARK { "(reserved)" } else { name };
            let value = self.value(value, &inner);
            values.insert(name.to_owned(), value);
        }
        values
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.as_ref().to_owned()),
            DeValue::Boolean(yes) => Value::Boolean(*yes),
            DeValue::Datetime(time) => Value::Datetime(*time),
            // What is no number of ours stays text, and is refused as such where a number is asked for.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float)
            }
            DeValue::Table(table) => Value::Table(self.table(table, path)),
            DeValue::Array(items) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let inner = format!("{path}[{index}]");
                    self.found.insert(inner.clone(), self.lines.at(item.span().start));
                    values.push(self.value(item, &inner));
                }
                Value::Array(values)
            }
        }
    }
}

/// `{ env = "…" }` and its kin: a table with one such key only.
fn reference(table: &DeTable<'_>) -> Option<Source> {
    let mut entries = table.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
    let DeValue::String(text) = value.get_ref() else { return None };
    Source::of(key.get_ref().as_ref(), text.as_ref())
}

/// Replaces the references at the paths of `texts` by their secrets.
fn fill(value: &mut Value, path: &str, texts: &BTreeMap<String, String>) {
    if let Some(text) = texts.get(path) {
        *value = Value::Table(Table::from_iter([(MARK.to_owned(), Value::String(text.clone()))]));
        return;
    }
    match value {
        Value::Table(table) => {
            for (key, inner) in table.iter_mut() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                fill(inner, &path, texts);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                fill(inner, &format!("{path}[{index}]"), texts);
            }
        }
        _ => {}
    }
}

/// The entries under `key`, renamed by `within`. Sorted keys: only the neighbourhood is looked at.
fn select<T: Clone>(
    all: &BTreeMap<String, T>,
    key: &str,
    within: impl Fn(&str) -> Option<String>,
) -> BTreeMap<String, T> {
    all.range(key.to_owned()..)
        .take_while(|(path, _)| path.starts_with(key))
        .filter_map(|(path, value)| Some((within(path)?, value.clone())))
        .collect()
}

/// `invalid type: string "…", expected a list`, without the value: it may be a secret in the wrong place.
fn unquoted(message: &str) -> String {
    let shorten = || {
        let (what, rest) = message.split_once(": ").filter(|(what, _)| what.starts_with("invalid "))?;
        let (value, expected) = rest.rsplit_once(", expected ")?;
        let word = value.split([' ', '`', '"']).next()?;
        Some(format!("{what}: {word}, expected {expected}"))
    };
    shorten().unwrap_or_else(|| message.to_owned())
}

/// The first key of a path.
fn first(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{super::Secret, *};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        url: String,
        webhook_secrets: Vec<Secret>,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        pages: u32,
    }

    fn read(text: &str) -> Result<Shop> {
        Section::from_toml(text).unwrap().read()
    }

    #[test]
    fn a_connector_reads_its_own_type() {
        let shop =
            read("kind = 'x'\nurl = 'http://a'\nwebhook_secrets = [{ literal = 'one' }, { env = 'TWO' }]").unwrap();
        let secrets: Vec<_> = shop.webhook_secrets.iter().map(Secret::expose).collect();
        assert_eq!((shop.url.as_str(), secrets), ("http://a", vec!["one", "TWO"]));
        assert!(shop.inner.is_none_or(|inner| inner.pages > 0));
    }

    #[test]
    fn an_error_names_line_and_key() {
        for (text, place) in [
            ("url = 1\nwebhook_secrets = []", "example.toml:1: url: "),
            ("url = 'a'\nwebhook_secrets = []\nextra = 1", "example.toml:3: extra: unknown field"),
            ("url = 'a'\n\nwebhook_secrets = []\n[inner]\npages = 'many'", "example.toml:5: inner.pages: "),
            ("url = 'a'\nwebhook_secrets = []\n[inner]\nleaves = 3", "example.toml:4: inner.leaves: unknown field"),
            ("url = 'a'", "missing field `webhook_secrets`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }

    #[test]
    fn a_secret_is_read_only_where_one_is_asked_for_and_never_written_out() {
        for (text, says) in [
            ("url = { literal = 'canary' }\nwebhook_secrets = []", "url: invalid type: map, expected a string"),
            ("url = 'a'\nwebhook_secrets = ['canary']", "example.toml:2: webhook_secrets[0]: a secret is not written"),
            ("url = 'a'\nwebhook_secrets = 'canary'", "webhook_secrets: invalid type: string, expected a sequence"),
            ("url = 'a'\nwebhook_secrets = [{ key = 'canary' }]", "webhook_secrets[0]: a secret is not written"),
            (
                "url = 'a'\nwebhook_secrets = [{ env = 'A', x = 'canary' }]",
                "webhook_secrets[0]: a secret is not written",
            ),
            ("url = 'a'\nwebhook_secrets = [{ '\u{1}secret' = 'canary' }]", "cannot be"),
            ("url = 'a'\nwebhook_secrets = [{ \"\\u0001secret\" = 'canary' }]", "webhook_secrets[0]: a secret is not"),
        ] {
            let error = match Section::from_toml(text).and_then(|section| section.read::<Shop>()) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{text} was read"),
            };
            assert!(error.contains(says) || says == "cannot be", "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn debug_shows_the_place_only() {
        let section = Section::from_toml("token = { literal = 'canary' }\nplain = 'canary'").unwrap();
        assert_eq!(format!("{section:?}"), "Section(example.toml:1: )");
    }

    #[test]
    fn a_syntax_error_quotes_nothing_but_a_repeated_key() {
        let error = Section::from_toml("a = 1\npassword = canary\n").unwrap_err().to_string();
        assert!(error.starts_with("example.toml:2: ") && !error.contains("canary"), "{error}");
        let error = Section::from_toml("[x.a]\n[x.b]\n[x.a]\n").unwrap_err().to_string();
        assert!(error.starts_with("example.toml:3: duplicate key") && error.contains("`a`"), "{error}");
    }
}
