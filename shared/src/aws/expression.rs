//! Building update expressions: every name goes through a placeholder, since many of ours are reserved words of DynamoDB.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html>

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::number;

/// One conditional update. The right-hand sides and conditions see the item as it was before.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    names: BTreeMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// An update as the request carries it.
pub(super) struct Rendered {
    pub(super) update: String,
    pub(super) condition: Option<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Update {
    /// A path such as `intent.attempt`, as an expression may name it.
    fn path(&mut self, path: &str) -> String {
        let segments = path.split('.').map(|segment| {
            let placeholder = format!("#{segment}");
            self.names.insert(placeholder.clone(), segment.to_owned());
            placeholder
        });
        segments.collect::<Vec<_>>().join(".")
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// `path := value`.
    pub(super) fn set(&mut self, path: &str, value: AttributeValue) -> &mut Self {
        let (path, value) = (self.path(path), self.value(value));
        self.set.push(format!("{path} = {value}"));
        self
    }

    /// `path := value`, if it has none.
    pub(super) fn set_once(&mut self, path: &str, value: AttributeValue) -> &mut Self {
        self.set_from(path, path, value)
    }

    /// `path := from`, or `value` where there is no `from`.
    pub(super) fn set_from(&mut self, path: &str, from: &str, value: AttributeValue) -> &mut Self {
        let (path, from, value) = (self.path(path), self.path(from), self.value(value));
        self.set.push(format!("{path} = if_not_exists({from}, {value})"));
        self
    }

    /// `path := from`, which is there.
    pub(super) fn copy(&mut self, path: &str, from: &str) -> &mut Self {
        let (path, from) = (self.path(path), self.path(from));
        self.set.push(format!("{path} = {from}"));
        self
    }

    /// `path := path + value`; without one it counts from 0.
    pub(super) fn add(&mut self, path: &str, value: AttributeValue) -> &mut Self {
        let (path, zero, value) = (self.path(path), self.value(number(0)), self.value(value));
        self.set.push(format!("{path} = if_not_exists({path}, {zero}) + {value}"));
        self
    }

    /// Removes paths, if they are there.
    pub(super) fn remove(&mut self, paths: &[&str]) -> &mut Self {
        for path in paths {
            let path = self.path(path);
            self.remove.push(path);
        }
        self
    }

    /// Only if all of these hold.
    pub(super) fn only_if(&mut self, condition: String) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    /// The condition `path operator value`.
    pub(super) fn is(&mut self, path: &str, operator: &str, value: AttributeValue) -> String {
        let (path, value) = (self.path(path), self.value(value));
        format!("{path} {operator} {value}")
    }

    /// The condition that two paths are there and equal.
    pub(super) fn same(&mut self, one: &str, other: &str) -> String {
        let (one, other) = (self.path(one), self.path(other));
        // Spelled out: what a comparison with a missing attribute means is not left to the reader, nor to an emulator.
        format!("(attribute_exists({one}) AND {one} = {other})")
    }

    /// The condition that `one` is missing, or differs from `other`.
    pub(super) fn differs(&mut self, one: &str, other: &str) -> String {
        let (one, other) = (self.path(one), self.path(other));
        format!("(attribute_not_exists({one}) OR {one} <> {other})")
    }

    /// The condition that there is a `path`.
    pub(super) fn exists(&mut self, path: &str) -> String {
        let path = self.path(path);
        format!("attribute_exists({path})")
    }

    /// The condition that there is no `path`.
    pub(super) fn missing(&mut self, path: &str) -> String {
        let path = self.path(path);
        format!("attribute_not_exists({path})")
    }

    /// The condition that `path` is missing, or that `path operator value`.
    pub(super) fn missing_or(&mut self, path: &str, operator: &str, value: AttributeValue) -> String {
        let (missing, comparison) = (self.missing(path), self.is(path, operator, value));
        format!("({missing} OR {comparison})")
    }

    /// As the request carries it.
    pub(super) fn render(self) -> Rendered {
        let clause = |word: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{word} {} ", parts.join(", ")) }
        };
        let update = clause("SET", &self.set) + &clause("REMOVE", &self.remove);
        let condition = (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "));
        Rendered {
            update: update.trim_end().to_owned(),
            condition,
            names: self.names.into_iter().collect(),
            values: self.values,
        }
    }
}
