//! What happens, one event for each thing: its name, its level and its fields in the log, and what of it is counted.
//!
//! An event is told to all its sinks by one call (`flow/tell.rs`): a log line, metrics, and for what happens to an order a line of
//! the order's timeline. No name of an event is spelled anywhere else. Invariant: no field holds a secret or anything personal.

mod orders;
mod table;
mod told;

pub use self::{
    orders::{Happened, OrderEvent},
    table::Event,
    told::{Outcome, Told},
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_of_its_own() {
        let of_orders: Vec<String> = Happened::ALL.iter().map(|what| format!("order.{}", what.as_str())).collect();
        let names = Event::TABLE.iter().map(|(_, name, ..)| *name);
        let mut names: Vec<&str> = of_orders.iter().map(String::as_str).chain(names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_event_is_counted_or_marked_as_log_only() {
        for (event, _, mark, counts) in Event::TABLE {
            match *mark {
                "counts" => assert!(*counts > 0, "{event} says that it is counted, and is not"),
                "log_only" => assert_eq!(*counts, 0, "{event} is log only, and counted"),
                mark => panic!("{event} is marked {mark}"),
            }
        }
    }
}
