//! The measurements of this process as `OpenMetrics` text, for whoever collects them:
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

use std::fmt;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit as Suffix},
};

use super::media::Media;
use crate::{
    Error, Kind, Result,
    domain::metric::{About, Form, Unit},
    flow::tell::Sample,
};

/// What every name begins with.
const PREFIX: &str = "puente";

/// The answer.
pub(super) fn answer(samples: Vec<Sample>) -> Result<Response> {
    let mut response = text(samples)?.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(Media::OpenMetrics.name()));
    Ok(response)
}

fn text(samples: Vec<Sample>) -> Result<String> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Measured(samples)));
    let mut text = String::new();
    let told = |cause: fmt::Error| Error::new(Kind::Bug, "the measurements cannot be written as text").caused_by(cause);
    encode(&mut text, &registry).map_err(told)?;
    Ok(text)
}

/// Sorted, so that the series of one family stand together.
#[derive(Debug)]
struct Measured(Vec<Sample>);

impl Collector for Measured {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.chunk_by(|one, next| one.metric.about().name == next.metric.about().name) {
            let Some(About { name, unit, form, help, .. }) = family.first().map(|sample| sample.metric.about()) else {
                continue;
            };
            let suffix = match unit {
                Unit::Count => None,
                Unit::Seconds => Some(&Suffix::Seconds),
            };
            let kind = match form {
                Form::Counter => MetricType::Counter,
                Form::Gauge => MetricType::Gauge,
            };
            let mut encoder = encoder.encode_descriptor(name, help, suffix, kind)?;
            for sample in family {
                let labels: Vec<(&str, &str)> = sample.labels().collect();
                let series = encoder.encode_family(&labels)?;
                match form {
                    Form::Counter => ConstCounter::new(sample.value).encode(series)?,
                    Form::Gauge => ConstGauge::new(sample.value).encode(series)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            event::{Event, Outcome},
            ids::{ConnectionId, ErpId},
            metric::{Metric, Of},
        },
        flow::tell::Tell,
    };

    #[test]
    fn measurements_are_open_metrics_text() {
        let tell = Tell::default();
        let (acme, main): (ConnectionId, ErpId) = ("acme".parse().unwrap(), "main".parse().unwrap());
        for outcome in [Outcome::Accepted, Outcome::Accepted, Outcome::Flagged] {
            tell.of(&Event::Received { connection: &acme, order: Some("1"), outcome, request: "r", bytes: 9 });
        }
        tell.of(&Event::Departed { erp: &main, orders: 2, calls: 5 });
        tell.gauge(Metric::Overdue, Of::Account(&main), 0);
        insta::assert_snapshot!(text(tell.samples()).unwrap(), @r#"
        # HELP puente_orders_received Orders that stores sent, by what became of them
        # TYPE puente_orders_received counter
        puente_orders_received_total{connection="acme",result="accepted"} 2
        puente_orders_received_total{connection="acme",result="flagged"} 1
        # HELP puente_departures Rounds of work on an ERP account
        # TYPE puente_departures counter
        puente_departures_total{erp="main"} 1
        # HELP puente_erp_calls Calls to an ERP account
        # TYPE puente_erp_calls counter
        puente_erp_calls_total{erp="main"} 5
        # HELP puente_overdue_seconds How long the order that the sweeper last woke an account for had been due
        # TYPE puente_overdue_seconds gauge
        # UNIT puente_overdue_seconds seconds
        puente_overdue_seconds{erp="main"} 0
        # EOF
        "#);
        assert_eq!(text(Vec::new()).unwrap(), "# EOF\n");
    }
}
