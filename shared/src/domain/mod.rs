//! The order, its money, its record and the ledger of an ERP account: values and pure rules, no I/O.

pub mod adoption;
pub mod audit;
pub mod changes;
pub mod document;
pub mod event;
pub mod goods;
pub mod ids;
pub mod ledger;
pub mod message;
pub mod metric;
pub mod money;
pub mod operator;
pub mod order;
pub mod reason;
pub mod record;
pub mod rounding;
pub mod rules;
pub mod schema;
pub mod search;
pub mod share;
pub mod shipment;
pub mod sign;
pub mod status;
pub mod task;
pub mod time;
pub mod version;
