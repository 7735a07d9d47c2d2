//! Both routers, made from the table of routes.

use std::sync::Arc;

use axum::{Router, middleware};

use super::{
    front_door::FrontDoors,
    ingest::Edge,
    label::label,
    openapi,
    operate::{Access, Desk, credential},
    routes::{Door, ROUTES, Serve},
};
use crate::flow::Puente;

/// What stores call. With `doors` it counts requests itself, as `puente serve` does; behind an API gateway that counts, without.
pub fn stores(puente: Puente, doors: Option<Arc<FrontDoors>>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        if let Serve::Stores(serve) = route.serve {
            router = router.route(route.path, serve(route.verb.filter()));
        }
    }
    let label = middleware::from_fn_with_state(puente.clone(), label);
    router.layer(label).with_state(Edge { puente, doors })
}

/// What people call: the operator's API, and the document that says how.
pub fn people(puente: Puente, access: Access) -> Router {
    let desk = Desk::new(puente.clone(), access, openapi::json());
    let mut router = Router::new();
    for route in ROUTES {
        let serve = match route.serve {
            Serve::People(serve) => serve,
            Serve::Stores(_) => continue,
        };
        let mut served = serve(route.verb.filter());
        if let Door::Operator(scope) = route.door {
            served = served.route_layer(middleware::from_fn_with_state((desk.clone(), scope), credential));
        }
        router = router.route(route.path, served);
    }
    router.layer(middleware::from_fn_with_state(puente, label)).with_state(desk)
}
