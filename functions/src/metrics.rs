//! The measurements of an invocation in `CloudWatch`'s embedded metric format: lines on the standard output, which `CloudWatch` makes
//! metrics of. No call, and nothing that an invocation could wait for.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! A line for each set of dimensions. Every set of values of dimensions is a metric of its own, which is paid for: so the dimensions are
//! the function, an ERP account, and a result. The connection is a property beside them: Logs Insights finds it there.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use jiff::Timestamp;
use puente::{
    domain::{
        event::Event,
        metric::{About, Unit},
    },
    flow::tell::{Sample, Tell},
    ports::{Clock, SystemClock},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Writes what was measured since the last time.
pub(crate) fn flush(tell: &Tell, function: &str) {
    let samples = tell.drain();
    if samples.is_empty() {
        return;
    }
    let text = lines(&samples, function, &namespace(), SystemClock.now());
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes()) {
        Event::MetricsLost { error: &error }.log();
    }
}

/// What the stack's metrics are filed under.
#[allow(clippy::disallowed_methods, reason = "Lambda says in its environment which stack the function is of")]
fn namespace() -> String {
    std::env::var("PUENTE_METRICS").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "Puente".to_owned())
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "Timestamp")]
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [Vec<&'a str>; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: String,
    unit: &'static str,
}

/// A line, whose members the directive names.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata<'a>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// `samples` as lines.
#[must_use]
pub fn lines(samples: &[Sample], function: &str, namespace: &str, now: Timestamp) -> String {
    let mut sets: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        sets.entry((&sample.label, sample.metric.about().result)).or_default().push(sample);
    }
    let mut text = String::new();
    for ((label, result), samples) in sets {
        let mut members = Map::from_iter([("function".to_owned(), function.into())]);
        let mut dimensions = vec!["function"];
        for (name, value) in
            label.iter().map(|(name, value)| (*name, value.as_str())).chain(result.map(|r| ("result", r)))
        {
            if name != "connection" {
                dimensions.push(name);
            }
            members.insert(name.to_owned(), value.into());
        }
        let mut metrics = Vec::new();
        for sample in samples {
            let About { name, unit, .. } = sample.metric.about();
            let (unit, suffix) = match unit {
                Unit::Count => ("Count", ""),
                Unit::Seconds => ("Seconds", "_seconds"),
            };
            let name = format!("{name}{suffix}");
            members.insert(name.clone(), sample.value.into());
            metrics.push(Definition { name, unit });
        }
        let directive = Directive { namespace, dimensions: [dimensions], metrics };
        let metadata = Metadata { timestamp: now.as_millisecond(), metrics: [directive] };
        // Texts and numbers: always JSON.
        text.push_str(&serde_json::to_string(&Line { metadata, members }).unwrap_or_default());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use puente::domain::{
        event::Outcome,
        ids::{ConnectionId, ErpId},
        metric::{Metric, Of},
    };

    use super::*;

    /// As the specification has it: what every line must be.
    fn check(line: &str, now: Timestamp) -> Value {
        let line: Value = serde_json::from_str(line).unwrap();
        let root = line.as_object().unwrap();
        let metadata = root["_aws"].as_object().unwrap();
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
        assert_eq!(metadata["Timestamp"], now.as_millisecond());
        for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
            let namespace = directive["Namespace"].as_str().unwrap();
            assert!((1..=255).contains(&namespace.len()));
            let sets = directive["Dimensions"].as_array().unwrap();
            assert!(!sets.is_empty());
            for set in sets {
                let set = set.as_array().unwrap();
                assert!((1..=30).contains(&set.len()));
                for name in set {
                    let value =
                        root[name.as_str().unwrap()].as_str().expect("a dimension's value is a text at the root");
                    assert!((1..=1024).contains(&value.len()) && value.is_ascii());
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                assert!(["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap()));
                let value = &root[metric["Name"].as_str().unwrap()];
                assert!(value.is_number(), "a metric's value is a number at the root: {value}");
            }
        }
        line
    }

    #[test]
    fn every_line_is_embedded_metric_format_and_no_connection_is_a_dimension() {
        let tell = Tell::default();
        let now = "2026-03-15T00:06:33.5Z".parse().unwrap();
        let (acme, main): (ConnectionId, ErpId) = ("acme".parse().unwrap(), "main".parse().unwrap());
        for outcome in [Outcome::Accepted, Outcome::Accepted, Outcome::Flagged] {
            tell.of(&Event::Received { connection: &acme, order: Some("1"), outcome, request: "r", bytes: 9 });
        }
        tell.of(&Event::Backfilled { connection: &acme, listed: 4, enqueued: 3 });
        tell.of(&Event::Departed { erp: &main, orders: 2, calls: 5 });
        tell.gauge(Metric::Overdue, Of::Account(&main), 61);
        let text = lines(&tell.drain(), "worker", "Puente/shop", now);
        let lines: Vec<Value> = text.lines().map(|line| check(line, now)).collect();
        let told: Vec<_> = lines.iter().map(|line| &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]).collect();
        let expected: [&[&str]; 4] =
            [&["function"], &["function", "result"], &["function", "result"], &["function", "erp"]];
        assert_eq!(told, expected.map(|names| serde_json::json!(names)).iter().collect::<Vec<_>>());
        assert_eq!((&lines[0]["connection"], &lines[0]["orders_backfilled"]), (&"acme".into(), &3.into()));
        assert_eq!((&lines[1]["result"], &lines[1]["orders_received"]), (&"accepted".into(), &2.into()));
        let account = (&lines[3]["erp"], &lines[3]["erp_calls"], &lines[3]["overdue_seconds"]);
        assert_eq!(account, (&"main".into(), &5.into(), &61.into()));
    }
}
