//! Responses to browsers: pages, files, errors, redirects.

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
};

use crate::problem::Problem;

/// Pages load only files of this service and run no inline scripts.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    // After signing out, the browser's cache contains no page.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A rendered page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (HEADERS, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'p> {
    title: &'p str,
    detail: &'p str,
}

/// The page that describes a problem.
pub(super) fn error_page(problem: &Problem) -> Response {
    let mut response = page(&ErrorPage { title: problem.title(), detail: problem.detail() });
    *response.status_mut() = problem.status();
    response
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        error_page(&problem)
    }
}

pub(super) fn redirect(address: &str) -> Response {
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, HEADERS, [(header::LOCATION, location)]).into_response()
}

#[derive(Template)]
#[template(
    source = "<!doctype html><title>Wholecall</title><meta http-equiv=\"refresh\" content=\"0\">",
    ext = "html"
)]
struct Reload;

/// The response to a request without a session: a redirect to the sign-in page.
///
/// A browser that follows a link of another site does not send the cookie, since it is `SameSite=Strict`. Then the response
/// is a page that reloads itself: that request contains the cookie.
pub(super) fn sign_in_first(parts: &Parts) -> Response {
    let is = |name: &str, value: &str| parts.headers.get(name).is_some_and(|other| other == value);
    if is("sec-fetch-site", "cross-site") && is("sec-fetch-dest", "document") {
        return page(&Reload);
    }
    if is("sec-fetch-dest", "empty") {
        return (StatusCode::UNAUTHORIZED, HEADERS).into_response();
    }
    let requested = parts.uri.path_and_query().map_or("/", |requested| requested.as_str());
    let next = escaped_in_query(requested);
    redirect(&format!("/sign-in?next={next}"))
}

/// A text as the value of a query parameter.
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

/// Whether a page of this service sent a form, by the headers with which browsers report that.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
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

/// The response to a form that another site sent.
pub(super) fn cross_site_form() -> Response {
    error_page(&Problem::new(StatusCode::FORBIDDEN, "Request blocked: cross-site form"))
}

/// A file that pages load. Its address contains a hash of the content, so browsers may cache it without limit.
pub(super) fn asset(content_type: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}
