//! The pages for people: HTML rendered by the server, with one small script.

mod call;
mod calls;
mod chart;
mod deliveries;
mod differences;
mod frame;
mod health;
mod labels;
mod live;
mod live_status;
mod live_view;
mod reports;
mod responses;
mod session;
mod sign_in;
mod state;
mod time_zone;
mod visitor;

use std::sync::LazyLock;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    response::Response,
    routing::{MethodRouter, get, post},
};
use wholecall_store::Scope;

pub(crate) use self::state::PagesState;
use crate::api::access::Needs;

/// Maximum size of the sign-in form.
const MAX_FORM_BYTES: usize = 16 * 1024;

static SCRIPT: &str = include_str!("../../assets/wholecall.js");
static STYLE: LazyLock<String> = LazyLock::new(|| {
    include_str!("../../assets/wholecall.css").to_owned() + &wholecall_render::svg::style_sheet()
});
const ICON: &str = include_str!("../../assets/icon.svg");

/// A page or an action that requires a key with a scope.
fn needing(scope: Scope, page: MethodRouter<PagesState>) -> MethodRouter<PagesState> {
    page.route_layer(Extension(Needs::Key(scope)))
}

/// All addresses of the pages.
pub(crate) fn router() -> Router<PagesState> {
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
        .route("/numbers", needing(Scope::Read, get(reports::reports)))
        .route("/numbers.csv", needing(Scope::Export, get(reports::csv)))
        .route("/health", needing(Scope::Read, get(health::health)))
        .route(
            "/sign-in",
            get(sign_in::form).post(sign_in::sign_in).layer(DefaultBodyLimit::max(MAX_FORM_BYTES)),
        )
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/wholecall.js", get(script))
        .route("/assets/wholecall.css", get(style))
        .route("/assets/icon.svg", get(icon))
}

async fn script() -> Response {
    responses::asset("text/javascript; charset=utf-8", SCRIPT.to_owned())
}

async fn style() -> Response {
    responses::asset("text/css; charset=utf-8", STYLE.clone())
}

async fn icon() -> Response {
    responses::asset("image/svg+xml", ICON.to_owned())
}

/// A hash of the assets' content, which is part of their addresses.
fn assets_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let hash = crate::security::secret::hash(&format!("{SCRIPT}{}{ICON}", *STYLE));
        hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    });
    &VERSION
}
