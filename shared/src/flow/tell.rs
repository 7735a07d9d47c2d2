//! Tells what happens: one call for the log line, the metrics, and the line of the order's timeline.
//!
//! Invariant: telling stops nothing. A line of a timeline that cannot be written is itself told, and what it tells stands.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Puente;
use crate::domain::{
    event::{Event, OrderEvent, Told},
    ids::{ConnectionId, ErpId},
    metric::{Form, Metric, Of},
};

/// So many connections, and so many accounts, are measured one by one, and what comes after them together: whoever keeps metrics
/// pays for each series.
pub const MOST: usize = 200;

/// What those that come after are called: no party can have that name.
pub const OTHER: &str = "(other)";

/// The measurements of this process, and the way to all sinks. Cheap to clone; all clones share the measurements.
#[derive(Debug, Clone, Default)]
pub struct Tell(Arc<Mutex<Measured>>);

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Of what.
    pub metric: Metric,
    /// Whose: the name and the value of its label.
    pub label: Option<(&'static str, String)>,
    /// How much.
    pub value: u64,
}

impl Sample {
    /// Its labels, as every sink has them: whose it is, and the result.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let whose = self.label.as_ref().map(|(name, value)| (*name, value.as_str()));
        whose.into_iter().chain(self.metric.about().result.map(|result| ("result", result)))
    }
}

#[derive(Debug, Default)]
struct Measured {
    connections: Rows<ConnectionId>,
    accounts: Rows<ErpId>,
    service: Row,
}

type Row = BTreeMap<Metric, u64>;

/// The measurements of parties of one kind.
#[derive(Debug)]
struct Rows<I> {
    own: HashMap<I, Row>,
    others: Row,
}

impl<I> Default for Rows<I> {
    fn default() -> Self {
        Self { own: HashMap::new(), others: Row::new() }
    }
}

impl<I: Clone + Eq + Hash> Rows<I> {
    fn of(&mut self, id: &I) -> &mut Row {
        // No copy of a name that is known.
        if !self.own.contains_key(id) {
            if self.own.len() >= MOST {
                return &mut self.others;
            }
            self.own.insert(id.clone(), Row::new());
        }
        self.own.get_mut(id).unwrap_or(&mut self.others)
    }

    fn rows(&mut self) -> impl Iterator<Item = &mut Row> {
        self.own.values_mut().chain([&mut self.others])
    }
}

impl Puente {
    /// Tells what happened to an order.
    pub async fn tell(&self, event: OrderEvent<'_>) {
        self.tell.of(&event);
        let entry = event.entry(self.clock.now());
        if let Err(error) = self.records.note(&[(event.order.clone(), entry)]).await {
            self.tell.of(&Event::TimelineLost { order: event.order, error: &error });
        }
    }
}

impl Tell {
    /// Tells an event: its line of the log, and what is counted of it. What happened to an order has a line in its timeline besides, see
    /// [`Puente::tell`].
    pub fn of(&self, event: &impl Told) {
        event.log();
        event.count(&mut |metric, of, by| self.measured().add(metric, of, by));
    }

    /// What a gauge shows from now on.
    pub fn gauge(&self, metric: Metric, of: Of<'_>, value: u64) {
        self.measured().row(of).insert(metric, value);
    }

    /// Everything measured since the process began, sorted.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.measured().samples()
    }

    /// Everything measured since this was last called, sorted; forgotten here. Who is measured one by one stays so: the bound is on the
    /// process, however often it is drained.
    #[must_use]
    pub fn drain(&self) -> Vec<Sample> {
        let mut measured = self.measured();
        let samples = measured.samples();
        measured.forget();
        samples
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn row(&mut self, of: Of<'_>) -> &mut Row {
        match of {
            Of::Connection(id) => self.connections.of(id),
            Of::Account(id) => self.accounts.of(id),
            Of::Service => &mut self.service,
        }
    }

    fn add(&mut self, metric: Metric, of: Of<'_>, by: u64) {
        debug_assert_eq!(metric.about().form, Form::Counter);
        if by > 0 {
            let count = self.row(of).entry(metric).or_default();
            *count = count.saturating_add(by);
        }
    }

    fn forget(&mut self) {
        self.connections.rows().chain(self.accounts.rows()).chain([&mut self.service]).for_each(Row::clear);
    }

    fn samples(&self) -> Vec<Sample> {
        let connections = labelled("connection", &self.connections);
        let accounts = labelled("erp", &self.accounts);
        let service = self.service.iter().map(|(metric, value)| Sample { metric: *metric, label: None, value: *value });
        let mut samples: Vec<Sample> = connections.chain(accounts).chain(service).collect();
        samples.sort_unstable();
        samples
    }
}

fn labelled<I: ToString>(label: &'static str, rows: &Rows<I>) -> impl Iterator<Item = Sample> {
    let own = rows.own.iter().map(|(id, row)| (id.to_string(), row));
    own.chain([(OTHER.to_owned(), &rows.others)]).flat_map(move |(value, row)| {
        row.iter().map(move |(metric, count)| Sample {
            metric: *metric,
            label: Some((label, value.clone())),
            value: *count,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_most_are_measured_together_and_none_is_lost() {
        let tell = Tell::default();
        let ids = (0..MOST + 7).map(|n| format!("shop-{n}").parse::<ConnectionId>().unwrap());
        for connection in ids {
            for _ in 0..2 {
                tell.of(&Event::Backfilled { connection: &connection, listed: 5, enqueued: 3 });
            }
        }
        let samples = tell.samples();
        assert_eq!(samples.len(), MOST + 1);
        assert_eq!(samples.iter().map(|sample| sample.value).sum::<u64>(), 6 * (MOST as u64 + 7));
        let others = samples.iter().find(|sample| sample.label == Some(("connection", OTHER.to_owned()))).unwrap();
        assert_eq!(others.value, 6 * 7);
    }

    #[test]
    fn what_was_drained_is_not_told_again_and_nothing_is_counted_as_none() {
        let tell = Tell::default();
        let erp: ErpId = "main".parse().unwrap();
        tell.of(&Event::Departed { erp: &erp, orders: 2, calls: 0 });
        tell.gauge(Metric::CallsLeft, Of::Account(&erp), 0);
        let label = Some(("erp", "main".to_owned()));
        let expected = [(Metric::Departures, 1), (Metric::CallsLeft, 0)];
        let expected = expected.map(|(metric, value)| Sample { metric, label: label.clone(), value });
        assert_eq!(tell.samples(), expected);
        assert_eq!(tell.drain(), expected);
        assert!(tell.drain().is_empty());
    }

    #[test]
    fn the_most_is_of_the_process_however_often_it_is_drained() {
        let tell = Tell::default();
        let count = |n: usize| {
            let connection = format!("shop-{n}").parse::<ConnectionId>().unwrap();
            tell.of(&Event::Backfilled { connection: &connection, listed: 1, enqueued: 1 });
        };
        (0..MOST).for_each(count);
        assert_eq!(tell.drain().len(), MOST);
        [0, MOST, MOST + 1].into_iter().for_each(count);
        let told: Vec<_> = tell.drain().into_iter().map(|sample| (sample.label.unwrap().1, sample.value)).collect();
        assert_eq!(told, [(OTHER.to_owned(), 2), ("shop-0".to_owned(), 1)]);
    }
}
