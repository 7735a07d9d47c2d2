//! What is counted and gauged: names, units and labels. Never an order, and nothing that somebody outside can choose.

use super::ids::{ConnectionId, ErpId};

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It only grows.
    Counter,
    /// It is what it was when somebody last looked.
    Gauge,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
}

/// Whose a measurement is: the label it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// A connection's.
    Connection(&'a ConnectionId),
    /// An ERP account's.
    Account(&'a ErpId),
    /// Nobody's in particular.
    Service,
}

/// What is said of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its name in lower case with underscores, without prefix and without the unit.
    pub name: &'static str,
    /// The value of its label `result`, where metrics of one name differ by that.
    pub result: Option<&'static str>,
    /// Its unit.
    pub unit: Unit,
    /// How it behaves.
    pub form: Form,
    /// What it counts.
    pub help: &'static str,
}

macro_rules! metrics {
    ($( $metric:ident = $form:ident $name:literal $([$result:literal])? in $unit:ident: $help:literal; )*) => {
        /// A metric. Those of one name stand together, and have different results.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $( #[doc = $help] $metric, )*
        }

        impl Metric {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$( Self::$metric, )*];

            /// What is said of it.
            #[must_use]
            pub fn about(self) -> About {
                match self {
                    $( Self::$metric => About {
                        name: $name,
                        result: [$($result)?].first().copied(),
                        unit: Unit::$unit,
                        form: Form::$form,
                        help: $help,
                    }, )*
                }
            }
        }
    };
}

metrics! {
    ReceivedAccepted = Counter "orders_received" ["accepted"] in Count: "Orders that stores sent, by what became of them";
    ReceivedIgnored = Counter "orders_received" ["ignored"] in Count: "Orders that stores sent, by what became of them";
    ReceivedFlagged = Counter "orders_received" ["flagged"] in Count: "Orders that stores sent, by what became of them";
    ReceivedInvalid = Counter "orders_received" ["invalid"] in Count: "Orders that stores sent, by what became of them";
    ReceivedUnavailable = Counter "orders_received" ["unavailable"] in Count: "Orders that stores sent, by what became of them";
    RefusedDenied = Counter "requests_refused" ["denied"] in Count: "Requests that were refused, by why";
    RefusedLimited = Counter "requests_refused" ["limited"] in Count: "Requests that were refused, by why";
    RefusedInvalid = Counter "requests_refused" ["invalid"] in Count: "Requests that were refused, by why";
    RefusedFailed = Counter "requests_refused" ["failed"] in Count: "Requests that were refused, by why";
    Recorded = Counter "orders_recorded" in Count: "States of orders that are on record as what the ERP should hold";
    Duplicate = Counter "orders_duplicate" in Count: "States of orders that were on record already";
    Superseded = Counter "orders_superseded" in Count: "States of orders that came after a newer one";
    Synced = Counter "orders_synced" in Count: "Orders that the ERP took, or holds as they should be";
    Adopted = Counter "orders_adopted" in Count: "Orders whose document was found in the ERP after a doubt";
    Deferred = Counter "orders_deferred" in Count: "Steps of orders that are tried again later";
    Unknown = Counter "orders_unknown" in Count: "Steps of orders whose outcome is not known yet";
    Parked = Counter "orders_parked" in Count: "Orders that wait for a person";
    Dead = Counter "orders_dead" in Count: "Orders whose attempts ran out";
    Ignored = Counter "orders_ignored" in Count: "Orders that a stated rule keeps out of the ERP";
    Replayed = Counter "orders_replayed" in Count: "Orders that somebody had tried again";
    Backfilled = Counter "orders_backfilled" in Count: "Orders that no webhook brought, and a backfill found";
    FetchAnswered = Counter "store_fetches" ["answered"] in Count: "Questions to stores about one order, by what became of them";
    FetchFailed = Counter "store_fetches" ["failed"] in Count: "Questions to stores about one order, by what became of them";
    StoreBlocks = Counter "store_blocks" in Count: "Times that a store asked to be left alone for a while";
    TimelineLost = Counter "timeline_lost" in Count: "Lines of timelines that could not be written";
    MessagesFailed = Counter "messages_failed" in Count: "Messages that were not put on record, and stay in the queue";
    Departures = Counter "departures" in Count: "Rounds of work on an ERP account";
    ErpCalls = Counter "erp_calls" in Count: "Calls to an ERP account";
    Blocks = Counter "erp_blocks" in Count: "Times that an ERP account failed and was left alone for a while";
    Holds = Counter "erp_holds" in Count: "Times that connections were held because nobody knew who is to blame";
    StockPolls = Counter "stock_polls" in Count: "Times that an ERP account was asked what is available";
    StockWritten = Counter "stock_numbers" ["written"] in Count: "Numbers of stock for stores, by what became of them";
    StockFailed = Counter "stock_numbers" ["failed"] in Count: "Numbers of stock for stores, by what became of them";
    PricesRead = Counter "prices" ["read"] in Count: "Prices, by what became of them";
    PricesWritten = Counter "prices" ["written"] in Count: "Prices, by what became of them";
    PricesStopped = Counter "prices" ["stopped"] in Count: "Prices, by what became of them";
    PricesFailed = Counter "prices" ["failed"] in Count: "Prices, by what became of them";
    ShipmentsRead = Counter "shipments" ["read"] in Count: "Shipments, by what became of them";
    ShipmentsTold = Counter "shipments" ["told"] in Count: "Shipments, by what became of them";
    ShipmentsStopped = Counter "shipments" ["stopped"] in Count: "Shipments, by what became of them";
    CallsLeft = Gauge "erp_calls_left" in Count: "Calls that an ERP account has left today, when the sweeper last looked";
    Closed = Gauge "erp_closed" in Seconds: "How long an ERP account may not be called yet, when the sweeper last looked";
    Overdue = Gauge "overdue" in Seconds: "How long the order that the sweeper last woke an account for had been due";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_name_are_one_family_and_differ_by_result() {
        for (at, metric) in Metric::ALL.iter().enumerate() {
            let about = metric.about();
            assert!(about.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", about.name);
            for (other_at, other) in Metric::ALL.iter().enumerate().skip(at + 1) {
                let other = other.about();
                if other.name == about.name {
                    assert_eq!((other.unit, other.form, other.help), (about.unit, about.form, about.help));
                    assert!(other.result != about.result && about.result.is_some(), "{}", about.name);
                    assert_eq!(Metric::ALL[other_at - 1].about().name, about.name, "they stand together");
                }
            }
        }
    }
}
