//! Hides what an order says of its buyer in the words of an ERP, before a flow repeats them.
//!
//! Invariant: every answer of a connector passes here before anything is made of it: a reason, a log line, a line of a timeline, a
//! comparison with an earlier reason.

use futures::future::join_all;

use super::batch::Batch;
use crate::{
    Error,
    domain::{order::Order, record::Head},
    erp::{self, SendError},
};

/// What became of orders that are at hand.
pub(super) fn discreet<T>(outcomes: Vec<Result<T, SendError>>, orders: &[&Order]) -> Vec<Result<T, SendError>> {
    let each =
        |outcome: Result<T, SendError>| outcome.map_err(|send_error| send_error.map(|error| reworded(error, orders)));
    outcomes.into_iter().map(each).collect()
}

fn reworded(error: Error, orders: &[&Order]) -> Error {
    if !erp::quotes(&error.to_string()) {
        return error;
    }
    error.hiding(|words| erp::discreet(words, orders.iter().copied()))
}

impl Batch<'_> {
    /// The same of orders that are only known by their records: they are read where an ERP's words are among the error's.
    pub(super) async fn discreet_about(&self, error: Error, heads: &[&Head]) -> Error {
        if !erp::quotes(&error.to_string()) {
            return error;
        }
        let versions = heads.iter().flat_map(|head| {
            let planned =
                head.intent.as_ref().map(|intent| &intent.planned).filter(|planned| **planned != head.desired);
            [Some(&head.desired), planned].into_iter().flatten().map(|version| self.order(&head.key, version))
        });
        let read: Result<Vec<Option<Order>>, Error> = join_all(versions).await.into_iter().collect();
        error.hiding(|words| match &read {
            Ok(orders) => erp::discreet(words, orders.iter().flatten()),
            // Nobody can say what is personal in them.
            Err(_) => erp::wordless(words),
        })
    }
}
