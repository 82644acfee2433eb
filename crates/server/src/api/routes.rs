//! All addresses of the API with the keys that they require. The router and the OpenAPI document are made from this table.

use axum::{
    Extension, Router,
    handler::Handler,
    routing::{self, MethodRouter},
};
use wholecall_store::Scope;

use super::{
    ApiState, access::Needs, audit, calls, changes, directory, drawing, endpoints, erasure, explanation,
    health, import, keys, rejected, stats, tenants,
};
use crate::receive;

/// The handler of one method of one address.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) needs: Needs,
    handler: MethodRouter<ApiState>,
}

macro_rules! methods {
    ($($method:ident),*) => { $(
        fn $method<H: Handler<T, ApiState>, T: 'static>(path: &'static str, needs: Needs, handler: H) -> Route {
            Route { path, method: stringify!($method), needs, handler: routing::$method(handler) }
        }
    )* };
}

methods!(get, post, patch, delete);

/// CSV and vCon, which some of these routes can return, require more: [`super::Reader::export`] checks that.
const READ: Needs = Needs::Key(Scope::Read);
const WRITE: Needs = Needs::Key(Scope::Write);
const ADMIN: Needs = Needs::Key(Scope::Admin);
const OPERATOR: Needs = Needs::Operator;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/hooks/{tenant}", Needs::Nothing, receive::receive),
        get("/v1/calls", READ, calls::list),
        get("/v1/calls/{id}", READ, calls::one),
        get("/v1/calls/{id}/versions", READ, calls::versions),
        get("/v1/calls/{id}/notifications", READ, calls::notifications),
        get("/v1/calls/{id}/drawing.svg", READ, drawing::svg),
        get("/v1/calls/{id}/drawing.png", READ, drawing::png),
        get("/v1/calls/{id}/explain", READ, explanation::explain),
        get("/v1/calls/{id}/deliveries", READ, endpoints::of_call),
        get("/v1/endpoints", READ, endpoints::list),
        post("/v1/endpoints", WRITE, endpoints::add),
        get("/v1/endpoints/{id}", READ, endpoints::one),
        patch("/v1/endpoints/{id}", WRITE, endpoints::change),
        delete("/v1/endpoints/{id}", WRITE, endpoints::remove),
        post("/v1/endpoints/{id}/rotate", WRITE, endpoints::rotate),
        post("/v1/endpoints/{id}/test", WRITE, endpoints::test),
        post("/v1/endpoints/{id}/replay", WRITE, endpoints::replay),
        get("/v1/endpoints/{id}/deliveries", READ, endpoints::deliveries),
        post("/v1/endpoints/{id}/deliveries/{message}/resend", WRITE, endpoints::resend),
        get("/v1/changes", READ, changes::changes),
        get("/v1/stream", READ, changes::stream),
        post("/v1/notifications", WRITE, import::import),
        delete("/v1/numbers/{number}", ADMIN, erasure::erase),
        get("/v1/directory", READ, directory::directory),
        get("/v1/health", Needs::OperatorOrKey(Scope::Read), health::health),
        get("/v1/rejected", READ, rejected::list),
        post("/v1/rejected/retry", WRITE, rejected::retry_all),
        get("/v1/rejected/{id}", READ, rejected::one),
        delete("/v1/rejected/{id}", WRITE, rejected::remove),
        post("/v1/rejected/{id}/retry", WRITE, rejected::retry),
        get("/v1/stats", READ, stats::stats),
        get("/v1/keys", ADMIN, keys::list),
        post("/v1/keys", ADMIN, keys::add),
        delete("/v1/keys/{id}", ADMIN, keys::remove),
        get("/v1/audit", Needs::OperatorOrKey(Scope::Admin), audit::list),
        get("/v1/tenants", OPERATOR, tenants::list),
        post("/v1/tenants", OPERATOR, tenants::add),
        patch("/v1/tenants/{name}", OPERATOR, tenants::change),
        get("/v1/tenants/{name}/keys", OPERATOR, keys::list_as_operator),
        post("/v1/tenants/{name}/keys", OPERATOR, keys::add_as_operator),
        delete("/v1/tenants/{name}/keys/{id}", OPERATOR, keys::remove_as_operator),
    ]
}

pub(super) fn router() -> Router<ApiState> {
    routes().into_iter().fold(Router::new(), |router, Route { path, needs, handler, .. }| {
        router.route(path, handler.route_layer(Extension(needs)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn served_and_documented_operations_are_the_same() {
        let document = crate::openapi_document();
        let served: BTreeSet<(String, String)> =
            routes().iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys();
            documented.extend(methods.map(|method| (path.clone(), method.clone())));
        }
        documented.retain(|(path, _)| path.starts_with("/v1/") || path.starts_with("/hooks/"));
        assert_eq!(served, documented);
        assert_eq!(routes().len(), served.len(), "a route occurs twice");
    }
}
