//! The one table of routes: method and path, who is let in, what is asked and answered, and who serves it.
//!
//! Everything else is made from it: both routers (`router.rs`), the OpenAPI document (`openapi.rs`), the check in front of them
//! (`authorize/route.rs`), and what `template.yaml` is held to. Invariant: no path of ours stands anywhere else.

use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, path::Parameter},
};

use super::{
    dead::DeadLettersView,
    goods::{GoodsView, HoldView, WholeView},
    ingest::{self, Edge},
    life::LifeView,
    media::Media,
    operate::{Desk, accounts, dead, goods, orders, prices, search, service, shipments},
    prices::PricesView,
    shipments::ShipmentsView,
    story::StoryView,
    tasks::TasksView,
    views::{OrdersView, QuotaView},
};
use crate::domain::{adoption::Made, operator::Scope};

/// A route.
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path, with `{parameters}`.
    pub path: &'static str,
    /// Who is let in.
    pub door: Door,
    /// From where it is reached.
    pub reach: Reach,
    /// The operation's name in the OpenAPI document.
    pub id: &'static str,
    /// What it does: the first line is its title.
    pub(super) says: &'static str,
    /// The parameters in its query, if it takes any.
    pub(super) query: Option<fn() -> Vec<Parameter>>,
    /// The body that it takes, if it does.
    pub(super) body: Option<Body>,
    /// What it answers where it does not refuse.
    pub(super) answer: Answer,
    pub(super) serve: Serve,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads. HEAD is answered too, without a body.
    Get,
    /// Asks for something to be done.
    Post,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everybody: nothing of anybody is told.
    Open,
    /// Who has the key of the connection in the path.
    Key,
    /// Who has an API key of that connection's store.
    ApiKey,
    /// An operator with this scope, who sees what the path names. Where it names nothing the handler shows what is seen.
    Operator(Scope),
}

/// From where a route is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From everywhere: gateways lead there, and it is in the OpenAPI document.
    Service,
    /// From beside the process only, which it is about: no gateway leads there, and it is not in the document.
    Process,
}

/// What a route answers where it does not refuse.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) says: &'static str,
    pub(super) media: Media,
    pub(super) schema: SchemaOf,
}

/// The body that a route takes.
pub(super) struct Body {
    pub(super) says: &'static str,
    pub(super) required: bool,
    pub(super) schema: SchemaOf,
}

/// A schema; what it refers to is added to the list.
pub(super) type SchemaOf = fn(&mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema>;

/// Which router has the route, and its handler there.
pub(super) enum Serve {
    /// What stores call.
    Stores(fn(MethodFilter) -> MethodRouter<Edge>),
    /// What people call.
    People(fn(MethodFilter) -> MethodRouter<Desk>),
}

/// With what a route is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// With what stores call.
    Stores,
    /// With what people call.
    People,
}

impl Verb {
    /// The method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }

    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
        }
    }
}

impl Answer {
    const fn json(status: u16, says: &'static str, schema: SchemaOf) -> Self {
        Self { status, says, media: Media::Json, schema }
    }
}

impl Route {
    /// What its answer is written in.
    #[must_use]
    pub fn media(&self) -> Media {
        self.answer.media
    }

    /// Which router has it.
    #[must_use]
    pub fn side(&self) -> Side {
        match self.serve {
            Serve::Stores(_) => Side::Stores,
            Serve::People(_) => Side::People,
        }
    }
}

/// A component of the document, by its name.
fn of<T: ToSchema>(known: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    known.push((T::name().into_owned(), T::schema()));
    T::schemas(known);
    Ref::from_schema_name(T::name()).into()
}

/// A schema that stands where it is used.
fn inline<T: ToSchema>(known: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(known);
    T::schema()
}

/// Any JSON.
fn anything(_: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    <serde_json::Value as PartialSchema>::schema()
}

/// Every route.
pub static ROUTES: &[Route] = &[
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/webhook",
        door: Door::Key,
        reach: Reach::Service,
        id: "receive_webhook",
        says: "Takes a store's webhook, byte for byte: its signature is over the bytes, in the headers that the store sends.\n\n\
               Whatever is signed is accepted; what cannot be read as an order is kept for a person and answered `flagged`.",
        query: None,
        body: Some(Body { says: "At most 1 MiB. Usually a JSON object.", required: false, schema: anything }),
        answer: Answer::json(200, "The queue has it.", of::<ingest::Accepted>),
        serve: Serve::Stores(|verb| on(verb, ingest::webhook)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/orders",
        door: Door::ApiKey,
        reach: Reach::Service,
        id: "post_orders",
        says: "Takes canonical orders, one or an array of at most 100. Each is read by itself: an invalid one does not sink the \
               others.\n\nThe connection is one whose store has `api_keys`.",
        query: None,
        body: Some(Body { says: "At most 1 MiB.", required: true, schema: inline::<ingest::OneOrMany> }),
        answer: Answer::json(202, "The queue has those that are `accepted`.", of::<ingest::Orders>),
        serve: Serve::Stores(|verb| on(verb, ingest::orders)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/health",
        door: Door::Open,
        reach: Reach::Service,
        id: "health",
        says: "Whether this process answers at all.",
        query: None,
        body: None,
        answer: Answer::json(200, "It does.", of::<ingest::Health>),
        serve: Serve::Stores(|verb| on(verb, ingest::health)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/orders",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_orders",
        says: "A connection's orders, most recently changed first.",
        query: Some(|| search::Filter::into_params(|| None)),
        body: None,
        answer: Answer::json(
            200,
            "A page. It may have fewer orders than asked for; without a `cursor` it is the last.",
            of::<OrdersView>,
        ),
        serve: Serve::People(|verb| on(verb, search::of_one)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/orders",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_all_orders",
        says: "The orders of all connections that the operator sees, most recently changed first.\n\nWith `number` or `document` they \
               are looked up by it, and come by connection.",
        query: Some(|| search::Filter::into_params(|| None)),
        body: None,
        answer: Answer::json(
            200,
            "A page. It may have fewer orders than asked for; without a `cursor` it is the last.",
            of::<OrdersView>,
        ),
        serve: Serve::People(|verb| on(verb, search::across)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/orders/search",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "search_orders",
        says: "The same, also by the buyer's e-mail, which belongs into no address: addresses are logged on the way.",
        query: None,
        body: Some(Body { says: "What is looked for, at most 16 KiB.", required: true, schema: of::<search::Search> }),
        answer: Answer::json(
            200,
            "A page. It may have fewer orders than asked for; without a `cursor` it is the last.",
            of::<OrdersView>,
        ),
        serve: Serve::People(|verb| on(verb, search::search)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/orders/{order}",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "show_order",
        says: "An order: what the store says, where it stands, what it waits for, and everything that happened to it.",
        query: None,
        body: None,
        answer: Answer::json(200, "The order.", of::<StoryView>),
        serve: Serve::People(|verb| on(verb, orders::show)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/orders/{order}/replay",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "replay_order",
        says: "Tries an order again, from its latest state.",
        query: None,
        body: None,
        answer: Answer::json(202, "The queue has it.", of::<orders::Replayed>),
        serve: Serve::People(|verb| on(verb, orders::replay)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/orders/{order}/adopt",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "adopt_document",
        says: "Notes on an order's record what a person made of it in the ERP by hand, and plans the order anew.\n\nThe ERP is not \
               called: the person's word is taken. The document counts as made from what the store says of the order now. What \
               cannot be so is refused (422) in words for that person.",
        query: None,
        body: Some(Body { says: "What was made, at most 16 KiB.", required: true, schema: of::<Made> }),
        answer: Answer::json(
            202,
            "The queue has it. The order's story tells when it is noted.",
            of::<orders::Adopting>,
        ),
        serve: Serve::People(|verb| on(verb, orders::adopt)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_connections",
        says: "When each connection and ERP account that the operator sees last received, fetched, sent, and what failed last.",
        query: None,
        body: None,
        answer: Answer::json(200, "Their signs of life.", of::<LifeView>),
        serve: Serve::People(|verb| on(verb, accounts::connections)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/backfill",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "ask_backfill",
        says: "Has the connection's store asked what changed since a time; what is news is put on record as if it had come by webhook.",
        query: None,
        body: Some(Body { says: "Since when, at most 16 KiB.", required: true, schema: of::<accounts::Since> }),
        answer: Answer::json(
            202,
            "The queue has it. How it went is told by the connection's signs of life.",
            of::<accounts::Asked>,
        ),
        serve: Serve::People(|verb| on(verb, accounts::backfill)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/goods",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_goods",
        says: "The stock of a connection by article: what the ERP said, what is owed and left, what the store should have and has.\n\n\
               With `differs=true` only what would be written. Neither the store nor the ERP is called.",
        query: Some(|| goods::Filter::into_params(|| None)),
        body: None,
        answer: Answer::json(
            200,
            "A page. It may have fewer articles than asked for; without a `cursor` it is the last.",
            of::<GoodsView>,
        ),
        serve: Serve::People(|verb| on(verb, goods::list)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/goods/{sku}",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "show_goods",
        says: "The stock of an article with everything that its number is made of: the orders that took some, and other stores.",
        query: None,
        body: None,
        answer: Answer::json(200, "The article.", of::<WholeView>),
        serve: Serve::People(|verb| on(verb, goods::show)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/goods/hold",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "hold_goods",
        says: "Writes no more stock, prices and shipments to a connection's store until it is released.\n\nA pass on its way ends first. Orders go on.",
        query: None,
        body: None,
        answer: Answer::json(200, "It is held, perhaps by somebody else and for longer.", of::<HoldView>),
        serve: Serve::People(|verb| on(verb, goods::hold)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/goods/release",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "release_goods",
        says: "Lets a connection's store be written to again: what is due is looked at now.",
        query: None,
        body: None,
        answer: Answer::json(200, "It is held no more.", of::<HoldView>),
        serve: Serve::People(|verb| on(verb, goods::release)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/prices",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_prices",
        says: "What the ERP says that a connection's articles cost, what its store should have, and what it has.\n\n\
               With `state=stopped` only what a person has to look at. Neither the store nor the ERP is called.",
        query: Some(|| prices::Filter::into_params(|| None)),
        body: None,
        answer: Answer::json(
            200,
            "A page. It may have fewer prices than asked for; without a `cursor` it is the last.",
            of::<PricesView>,
        ),
        serve: Serve::People(|verb| on(verb, prices::list)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/prices/{sku}/release",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "release_price",
        says: "Has a price looked at again, now; one that differs much from the store's is told then.\n\n\
               Only the price that it is now: another one that differs much waits again.",
        query: None,
        body: None,
        answer: Answer::json(202, "The store's conductor looks at it next.", of::<prices::Released>),
        serve: Serve::People(|verb| on(verb, prices::release)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/shipments",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_shipments",
        says: "What the ERP sent of a connection's orders, and what the store was told of it.\n\n\
               With `state=stopped` only what a person has to look at. Neither the store nor the ERP is called.",
        query: Some(|| shipments::Filter::into_params(|| None)),
        body: None,
        answer: Answer::json(
            200,
            "A page. It may have fewer shipments than asked for; without a `cursor` it is the last.",
            of::<ShipmentsView>,
        ),
        serve: Serve::People(|verb| on(verb, shipments::list)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/connections/{connection}/orders/{order}/shipments/{shipment}/retry",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "retry_shipment",
        says: "Has a shipment looked at again, now: after what stopped it was put right.",
        query: None,
        body: None,
        answer: Answer::json(202, "The store's conductor looks at it next.", of::<shipments::Retried>),
        serve: Serve::People(|verb| on(verb, shipments::retry)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/dead-letters",
        door: Door::Operator(Scope::OrdersRead),
        reach: Reach::Service,
        id: "list_dead_letters",
        says: "What could not be put on record, and why. What is no connection's is shown to whoever sees all of them.",
        query: Some(|| dead::Look::into_params(|| None)),
        body: None,
        answer: Answer::json(200, "The letters.", of::<DeadLettersView>),
        serve: Serve::People(|verb| on(verb, dead::list)),
    },
    Route {
        verb: Verb::Post,
        path: "/v1/dead-letters/redrive",
        door: Door::Operator(Scope::OrdersWrite),
        reach: Reach::Service,
        id: "redrive_dead_letters",
        says: "Moves dead letters back into the work queue. Takes an operator who sees all connections.",
        query: None,
        body: Some(Body { says: "How many, at most 16 KiB.", required: true, schema: of::<dead::Redrive> }),
        answer: Answer::json(202, "They are in the work queue.", of::<dead::Redriven>),
        serve: Serve::People(|verb| on(verb, dead::redrive)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/erps/{erp}/quota",
        door: Door::Operator(Scope::Ops),
        reach: Reach::Service,
        id: "show_quota",
        says: "What an ERP account allows, and what is left of it today.",
        query: None,
        body: None,
        answer: Answer::json(200, "The quota.", of::<QuotaView>),
        serve: Serve::People(|verb| on(verb, accounts::quota)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/connections/{connection}/quota",
        door: Door::Operator(Scope::Ops),
        reach: Reach::Service,
        id: "show_store_quota",
        says: "How often a connection's store may be asked, and whether it is left alone now.",
        query: None,
        body: None,
        answer: Answer::json(200, "The quota of the store.", of::<QuotaView>),
        serve: Serve::People(|verb| on(verb, accounts::store_quota)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/tasks",
        door: Door::Operator(Scope::Ops),
        reach: Reach::Service,
        id: "list_tasks",
        says: "What runs on time, and how it last went.",
        query: None,
        body: None,
        answer: Answer::json(200, "The tasks.", of::<TasksView>),
        serve: Serve::People(|verb| on(verb, service::tasks)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/ready",
        door: Door::Open,
        reach: Reach::Service,
        id: "ready",
        says: "Whether queue and records can be reached.",
        query: None,
        body: None,
        answer: Answer::json(200, "They can.", of::<service::Ready>),
        serve: Serve::People(|verb| on(verb, service::ready)),
    },
    Route {
        verb: Verb::Get,
        path: "/v1/openapi.json",
        door: Door::Open,
        reach: Reach::Service,
        id: "openapi",
        says: "This document.",
        query: None,
        body: None,
        answer: Answer::json(200, "The OpenAPI 3.1 document.", anything),
        serve: Serve::People(|verb| on(verb, service::openapi)),
    },
    // For who collects measurements from a server. A function writes its own where its logs are, and no gateway leads here.
    Route {
        verb: Verb::Get,
        path: "/metrics",
        door: Door::Operator(Scope::Ops),
        reach: Reach::Process,
        id: "metrics",
        says: "What this process measured since it began, as OpenMetrics text.",
        query: None,
        body: None,
        answer: Answer { status: 200, says: "The measurements.", media: Media::OpenMetrics, schema: inline::<String> },
        serve: Serve::People(|verb| on(verb, service::measured)),
    },
];
