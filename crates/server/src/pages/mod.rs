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
    Router,
    extract::DefaultBodyLimit,
    http::HeaderMap,
    response::Response,
    routing::{get, post},
};

use crate::Service;

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
    include_str!("../../assets/wholecall.css").to_owned() + &wholecall_record::svg::style_sheet()
});
const ICON: &str = include_str!("../../assets/icon.svg");

/// The addresses of the pages.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/", get(live::live))
        .route("/live/rows", get(live::rows))
        .route("/live/today", get(live::today))
        .route("/calls", get(calls::calls))
        .route("/calls.csv", get(calls::csv))
        .route("/calls/{id}", get(call::call))
        .route("/calls/{id}/drawing.svg", get(call::svg))
        .route("/calls/{id}/drawing.png", get(call::png))
        .route("/calls/{id}/deliveries/{endpoint}/{message}/resend", post(deliveries::resend))
        .route("/numbers", get(numbers::numbers))
        .route("/numbers.csv", get(numbers::csv))
        .route("/health", get(health::health))
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
