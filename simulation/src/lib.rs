//! Deterministic simulation of Puente: the production flows, in virtual time on one thread, on models of everything that lies
//! behind their ports.
//!
//! | file | what |
//! |---|---|
//! | `executor` | one thread, virtual time: processes that run, freeze and die |
//! | `chance` | all chance, from a seed |
//! | `fault` | what can go wrong, by name |
//! | `world` | the one place every port call passes: where a process can die or be answered wrongly |
//! | `table`, `queue`, `lambda` | DynamoDB, SQS and Lambda |
//! | `erp` | an ERP of any class and bulk mode, and the connector that speaks to it |
//! | `shop` | stores: what buyers do, and the webhooks that tell of it |
//! | `warehouse` | goods: what is really there, what the ERP believes, the numbers that stores keep |
//! | `scenario` | what a seed makes |
//! | `history` | one history from its first buyer to its end |
//! | `judge` | what must hold of every history |
//! | `limiter` | the limiter by itself, at full rate |
//! | `planted` | bugs to plant: a test of the tests |
//! | `campaign` | many histories, on all cores |
//!
//! Nothing of the flows is replaced: `ingest`, `record`, `work`, `depart`, `sweep` and `backfill` are the ones that are shipped,
//! and conditional writes run the production's own pure functions.

pub mod campaign;
pub mod chance;
pub mod erp;
pub mod executor;
pub mod fault;
pub mod history;
pub mod judge;
pub mod lambda;
pub mod limiter;
pub mod planted;
pub mod price_list;
pub mod queue;
pub mod scenario;
pub mod shop;
pub mod table;
pub mod warehouse;
pub mod world;
