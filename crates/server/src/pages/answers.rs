//! Answers to browsers: pages, what they are made of, faults, and the ways to and from signing in.

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
};

use wholecall_store::Scope;

use super::session::{Viewer, Visitor};
use crate::problem::Problem;

/// Everything a page is made of comes from here, as a file; nothing that is written into it can run.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    // Whoever signs out leaves nothing behind.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// What is around the content of a page.
pub(super) struct Frame {
    /// Which of the pages.
    pub(super) here: &'static str,
    /// The tenant whose data is shown.
    pub(super) tenant: Option<String>,
    /// What links carry on: an operator's choice of tenant.
    pub(super) carried: String,
    /// The tenants there are to choose from.
    pub(super) choice: Vec<String>,
    pub(super) zone: String,
    /// What the key is for.
    pub(super) may_export: bool,
    pub(super) may_write: bool,
}

impl Frame {
    pub(super) fn new(here: &'static str, viewer: &Viewer) -> Self {
        Self::around(here, &viewer.visitor, Some(viewer.tenant.name.clone()))
    }

    pub(super) fn around(here: &'static str, visitor: &Visitor, tenant: Option<String>) -> Self {
        let chosen = tenant.as_ref().filter(|_| visitor.is_operator);
        let names = visitor.tenants.iter().map(|tenant| tenant.name.clone());
        Self {
            here,
            carried: chosen.map(|name| format!("tenant={name}")).unwrap_or_default(),
            tenant,
            choice: if visitor.is_operator { names.collect() } else { Vec::new() },
            zone: visitor.zone.name.clone(),
            may_export: visitor.scope >= Scope::Export,
            may_write: visitor.scope >= Scope::Write,
        }
    }

    /// An address with what links carry on.
    pub(super) fn to(&self, path: impl AsRef<str>) -> String {
        let path = path.as_ref();
        match (self.carried.as_str(), path.contains('?')) {
            ("", _) => path.to_owned(),
            (carried, true) => format!("{path}&{carried}"),
            (carried, false) => format!("{path}?{carried}"),
        }
    }
}

/// A page as it goes out.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (HEADERS, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct Fault<'p> {
    title: &'p str,
    detail: &'p str,
}

/// What went wrong, as a page.
pub(super) fn fault(problem: &Problem) -> Response {
    let mut response = page(&Fault { title: problem.title(), detail: problem.detail() });
    *response.status_mut() = problem.status();
    response
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        fault(&problem)
    }
}

/// Another page.
pub(super) fn go_to(address: &str) -> Response {
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, HEADERS, [(header::LOCATION, location)]).into_response()
}

#[derive(Template)]
#[template(
    source = "<!doctype html><title>Wholecall</title><meta http-equiv=\"refresh\" content=\"0\">",
    ext = "html"
)]
struct Again;

/// Somebody must sign in. A link from elsewhere comes without the cookie, which is strict; asked for again by a page of
/// ours, the browser sends it.
pub(super) fn sign_in_first(parts: &Parts) -> Response {
    let is = |name: &str, value: &str| parts.headers.get(name).is_some_and(|other| other == value);
    if is("sec-fetch-site", "cross-site") && is("sec-fetch-dest", "document") {
        return page(&Again);
    }
    if is("sec-fetch-dest", "empty") {
        return (StatusCode::UNAUTHORIZED, HEADERS).into_response();
    }
    let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let query = escaped_in_query(wanted);
    go_to(&format!("/sign-in?next={query}"))
}

/// A text as the value of a parameter.
pub(super) fn escaped_in_query(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte))
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// Whether a form was sent by one of our own pages: a browser says where it comes from.
pub(super) fn is_from_us(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        Some(origin) => {
            text("host").is_some_and(|host| origin.split_once("://").is_some_and(|(_, from)| from == host))
        }
        None => true,
    }
}

/// The answer to a form that another site has sent.
pub(super) fn not_ours() -> Response {
    fault(&Problem::new(StatusCode::FORBIDDEN, "this form was sent by another site"))
}

/// A file that pages are made of. Its address changes with what is in it, so browsers may keep it.
pub(super) fn asset(kind: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}
