//! `/sign-in` and `/sign-out`.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Deserialize;

use super::{
    responses::{cross_site_form, error_page, is_same_origin, page, redirect},
    session::{SignInError, cookie_name},
    state::PagesState,
    visitor::ClientAddress,
};
use crate::Service;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    next: &'a str,
    problem: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FormQuery {
    /// The page to open after signing in.
    #[serde(default)]
    next: String,
}

pub(super) async fn form(Query(query): Query<FormQuery>) -> Response {
    page(&SignIn { next: local_address(&query.next), problem: None })
}

#[derive(Deserialize)]
pub(super) struct FormData {
    key: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(state): State<PagesState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Form(data): Form<FormData>,
) -> Response {
    if !is_same_origin(&headers) {
        return cross_site_form();
    }
    let next = local_address(&data.next);
    let form_with = |status: StatusCode, problem: &str| {
        let mut response = page(&SignIn { next, problem: Some(problem) });
        *response.status_mut() = status;
        response
    };
    match state.sessions.sign_in(&state.service, address, &data.key).await {
        Ok(token) => {
            // The new session replaces the browser's previous one.
            state.sessions.sign_out(&state.service, address, &headers).await;
            let mut response = redirect(next);
            set_cookie(&state.service, &mut response, &format!("{token}; Max-Age=43200"));
            response
        }
        Err(SignInError::WrongKey) => form_with(StatusCode::UNAUTHORIZED, "That API key is not valid."),
        Err(SignInError::TooManyWrongKeys) => {
            let problem = "Too many wrong keys from your address. Try again in a minute.";
            let mut response = form_with(StatusCode::TOO_MANY_REQUESTS, problem);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        Err(SignInError::Failed(problem)) => error_page(&problem),
    }
}

pub(super) async fn sign_out(
    State(state): State<PagesState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Response {
    if !is_same_origin(&headers) {
        return cross_site_form();
    }
    state.sessions.sign_out(&state.service, address, &headers).await;
    let mut response = redirect("/sign-in");
    // Removes what pages stored in the browser.
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    set_cookie(&state.service, &mut response, "; Max-Age=0");
    response
}

fn set_cookie(service: &Service, response: &mut Response, value: &str) {
    let secure = if service.is_secure() { "; Secure" } else { "" };
    let name = cookie_name(service);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// An address of this service. Any other becomes `/`: a link must not lead elsewhere through the sign-in page.
fn local_address(next: &str) -> &str {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && is_plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_never_redirects_to_another_site() {
        assert_eq!(local_address("/calls?q=1&tenant=acme"), "/calls?q=1&tenant=acme");
        for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "", "calls", "/a\nb"] {
            assert_eq!(local_address(elsewhere), "/", "{elsewhere}");
        }
    }
}
