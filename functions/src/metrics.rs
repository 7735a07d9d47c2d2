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
        tell.of(&Event::MetricsLost { error: &error });
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
    for samples in sets.into_values() {
        let mut members = Map::from_iter([("function".to_owned(), function.into())]);
        let mut dimensions = vec!["function"];
        for (name, value) in samples.first().into_iter().flat_map(|sample| sample.labels()) {
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
    use std::collections::BTreeSet;

    use puente::domain::{
        event::Outcome,
        ids::{ConnectionId, ErpId},
        metric::{Metric, Of},
    };

    use super::*;

    fn exactly(object: &Map<String, Value>, names: &[&str]) -> bool {
        object.keys().map(String::as_str).eq(names.iter().copied())
    }

    /// Where a line breaks the specification (embedded metric format, and `PutMetricData` for what it leaves open), if it does.
    fn broken(text: &str, now: Timestamp) -> Option<&'static str> {
        let rule = |holds: bool, rule: &'static str| if holds { None } else { Some(rule) };
        let within = |text: &str| (1..=255).contains(&text.len());
        if text.len() > 256 * 1024 {
            return Some("a line has at most 256 KB");
        }
        let Ok(Value::Object(root)) = serde_json::from_str(text) else { return Some("a line is one JSON object") };
        let Some(metadata) = root.get("_aws").and_then(Value::as_object) else { return Some("the root has `_aws`") };
        let Some(directives) = metadata.get("CloudWatchMetrics").and_then(Value::as_array) else {
            return Some("`CloudWatchMetrics` is a list");
        };
        let (day, hour) = (24 * 3_600_000, 3_600_000);
        let ago = metadata.get("Timestamp").and_then(Value::as_i64).map(|then| now.as_millisecond() - then);
        let mut rules = vec![
            rule(exactly(metadata, &["CloudWatchMetrics", "Timestamp"]), "`_aws` has these two members and no other"),
            rule(
                ago.is_some_and(|ago| (-2 * hour..=14 * day).contains(&ago)),
                "`Timestamp` is in milliseconds, two weeks old at most and no more than two hours ahead",
            ),
        ];
        for directive in directives {
            let Some(directive) =
                directive.as_object().filter(|it| exactly(it, &["Dimensions", "Metrics", "Namespace"]))
            else {
                return Some("a directive has these three members and no other");
            };
            let namespace = directive["Namespace"].as_str().unwrap_or_default();
            rules.push(rule(within(namespace) && !namespace.starts_with("AWS/"), "a namespace of 1 to 255 characters"));
            let sets = directive["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default();
            rules.push(rule(!sets.is_empty(), "at least one set of dimensions"));
            let mut taken = BTreeSet::new();
            for set in sets {
                let set = set.as_array().map(Vec::as_slice).unwrap_or_default();
                rules.push(rule(set.len() <= 30, "at most 30 dimensions in a set"));
                for name in set.iter().map(|name| name.as_str().unwrap_or_default()) {
                    let value = root.get(name).and_then(Value::as_str).unwrap_or_default();
                    let fits = within(name) && !name.starts_with(':') && (1..=1024).contains(&value.len());
                    rules.push(rule(
                        fits && value.is_ascii(),
                        "a dimension is a text at the root, of 1 to 1024 ASCII characters",
                    ));
                    taken.insert(name);
                }
            }
            let metrics = directive["Metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
            rules.push(rule((1..=100).contains(&metrics.len()), "1 to 100 metrics in a directive"));
            for metric in metrics {
                let Some(metric) = metric.as_object().filter(|it| exactly(it, &["Name", "Unit"])) else {
                    return Some("a metric has a name and a unit, and nothing else");
                };
                let name = metric["Name"].as_str().unwrap_or_default();
                rules.push(rule(within(name) && taken.insert(name), "no name is used twice"));
                rules.push(rule(root.get(name).is_some_and(Value::is_number), "a metric is a number at the root"));
                rules.push(rule(
                    ["Count", "Seconds"].iter().any(|unit| metric["Unit"] == *unit),
                    "a unit of CloudWatch's",
                ));
            }
        }
        rules.into_iter().flatten().next()
    }

    fn check(line: &str, now: Timestamp) -> Value {
        assert_eq!(broken(line, now), None, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn every_metric_of_everybody_keeps_every_rule() {
        let (tell, now) = (Tell::default(), "2026-03-15T00:06:33.5Z".parse().unwrap());
        for n in 0..=puente::flow::tell::MOST {
            let (connection, erp) = (format!("shop-{n}").parse().unwrap(), format!("erp-{n}").parse().unwrap());
            for metric in Metric::ALL {
                for of in [Of::Connection(&connection), Of::Account(&erp), Of::Service] {
                    tell.gauge(*metric, of, u64::MAX);
                }
            }
        }
        let text = lines(&tell.drain(), "worker", "Puente/shop", now);
        let mut sets = 0;
        for line in text.lines() {
            check(line, now);
            sets += 1;
        }
        assert!(sets > 2 * puente::flow::tell::MOST, "{sets}");
    }

    #[test]
    fn each_rule_of_the_specification_is_checked() {
        let now: Timestamp = "2026-03-15T00:06:33.5Z".parse().unwrap();
        let good = || {
            serde_json::json!({
                "_aws": {
                    "Timestamp": now.as_millisecond(),
                    "CloudWatchMetrics": [{
                        "Namespace": "Puente",
                        "Dimensions": [["function"]],
                        "Metrics": [{"Name": "departures", "Unit": "Count"}],
                    }],
                },
                "function": "worker", "departures": 1, "connection": "acme",
            })
        };
        assert_eq!(broken(&good().to_string(), now), None);
        let many = |n: usize, of: fn(usize) -> Value| (0..n).map(of).collect::<Value>();
        let directive = "/_aws/CloudWatchMetrics/0";
        for (place, value) in [
            ("/_aws", Value::Null),
            ("/_aws/Timestamp", now.as_second().into()),
            ("/_aws/Timestamp", now.to_string().into()),
            ("/_aws/Timestamp", (now.as_millisecond() + 3 * 3_600_000).into()),
            ("/_aws/CloudWatchMetrics", Value::Null),
            (directive, serde_json::json!({"Namespace": "Puente", "Dimensions": [[]]})),
            ("/_aws/CloudWatchMetrics/0/Namespace", "".into()),
            ("/_aws/CloudWatchMetrics/0/Namespace", "x".repeat(256).into()),
            ("/_aws/CloudWatchMetrics/0/Namespace", "AWS/Lambda".into()),
            ("/_aws/CloudWatchMetrics/0/Dimensions", serde_json::json!([])),
            ("/_aws/CloudWatchMetrics/0/Dimensions/0", many(31, |_| "function".into())),
            ("/_aws/CloudWatchMetrics/0/Dimensions/0/0", "nowhere".into()),
            ("/_aws/CloudWatchMetrics/0/Metrics", serde_json::json!([])),
            (
                "/_aws/CloudWatchMetrics/0/Metrics",
                many(101, |_| serde_json::json!({"Name": "departures", "Unit": "Count"})),
            ),
            (
                "/_aws/CloudWatchMetrics/0/Metrics/0",
                serde_json::json!({"Name": "departures", "Unit": "Count", "Label": 1}),
            ),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", "nowhere".into()),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", "function".into()),
            ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", "Orders".into()),
            ("/function", 7.into()),
            ("/function", "".into()),
            ("/function", "x".repeat(1025).into()),
            ("/function", "trabajador-ñ".into()),
            ("/departures", "1".into()),
            ("/departures", serde_json::json!({"of": 1})),
            ("/connection", "x".repeat(256 * 1024).into()),
        ] {
            let mut line = good();
            *line.pointer_mut(place).unwrap() = value;
            assert!(broken(&line.to_string(), now).is_some(), "{place}");
        }
        assert!(broken(&format!("{} {}", good(), good()), now).is_some());
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
