//! What people see: pages written by the server, with one small script for what moves.

mod answers;
mod board;
mod call;
mod calls;
mod chart;
mod deliveries;
mod differences;
mod health;
mod live;
mod moment;
mod numbers;
mod session;
mod sign_in;

use std::sync::LazyLock;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::HeaderMap,
    response::Response,
    routing::{MethodRouter, get, post},
};

use wholecall_store::Scope;

use crate::{Service, api::access::Needs};

/// The hash of the key whose session a request shows.
pub(crate) fn key_of_session(service: &Service, headers: &HeaderMap) -> Option<[u8; 32]> {
    service.pages.sessions.key_of(service, headers)
}

/// A form has a key and an address.
const FORM_BYTES: usize = 16 * 1024;

/// What the pages keep in memory.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    sessions: session::Sessions,
    boards: board::Boards,
}

/// The script and the style of all pages.
static SCRIPT: &str = include_str!("../../assets/wholecall.js");
static STYLE: LazyLock<String> = LazyLock::new(|| {
    include_str!("../../assets/wholecall.css").to_owned() + &wholecall_render::svg::style_sheet()
});
const ICON: &str = include_str!("../../assets/icon.svg");

/// A page, or what is done from one, for those whose key has a scope.
fn needing(scope: Scope, page: MethodRouter<Service>) -> MethodRouter<Service> {
    page.route_layer(Extension(Needs::Key(scope)))
}

/// The addresses of the pages.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/", needing(Scope::Read, get(live::live)))
        .route("/live/rows", needing(Scope::Read, get(live::rows)))
        .route("/live/today", needing(Scope::Read, get(live::today)))
        .route("/calls", needing(Scope::Read, get(calls::calls)))
        .route("/calls.csv", needing(Scope::Export, get(calls::csv)))
        .route("/calls/{id}", needing(Scope::Read, get(call::call)))
        .route("/calls/{id}/drawing.svg", needing(Scope::Read, get(call::svg)))
        .route("/calls/{id}/drawing.png", needing(Scope::Read, get(call::png)))
        .route(
            "/calls/{id}/deliveries/{endpoint}/{message}/resend",
            needing(Scope::Write, post(deliveries::resend)),
        )
        .route("/numbers", needing(Scope::Read, get(numbers::numbers)))
        .route("/numbers.csv", needing(Scope::Export, get(numbers::csv)))
        .route("/health", needing(Scope::Read, get(health::health)))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in).layer(DefaultBodyLimit::max(FORM_BYTES)))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/wholecall.js", get(script))
        .route("/assets/wholecall.css", get(style))
        .route("/assets/icon.svg", get(icon))
}

async fn script() -> Response {
    answers::asset("text/javascript; charset=utf-8", SCRIPT.to_owned())
}

async fn style() -> Response {
    answers::asset("text/css; charset=utf-8", STYLE.clone())
}

async fn icon() -> Response {
    answers::asset("image/svg+xml", ICON.to_owned())
}

/// What is at the end of the files' addresses: it changes with what is in them.
fn files_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let hash = crate::secret::hash(&format!("{SCRIPT}{}{ICON}", *STYLE));
        hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    });
    &VERSION
}
