//! Signing in and out.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Deserialize;

use super::{
    answers::{self, go_to, page},
    session::{Refused, SentFrom, cookie_name},
};
use crate::Service;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    next: &'a str,
    problem: Option<&'a str>,
}

/// Where to go afterwards.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

/// The form.
pub(super) async fn form(Query(wanted): Query<Wanted>) -> Response {
    page(&SignIn { next: local(&wanted.next), problem: None })
}

/// The form, filled in.
#[derive(Deserialize)]
pub(super) struct Filled {
    key: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(service): State<Service>,
    SentFrom(address): SentFrom,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Response {
    if !answers::is_from_us(&headers) {
        return answers::not_ours();
    }
    let next = local(&filled.next);
    let again = |status: StatusCode, problem: &str| {
        let mut response = page(&SignIn { next, problem: Some(problem) });
        *response.status_mut() = status;
        response
    };
    match service.pages.sessions.sign_in(&service, address, &filled.key).await {
        Ok(token) => {
            // One browser has one session.
            service.pages.sessions.sign_out(&service, address, &headers).await;
            let mut response = go_to(next);
            set_cookie(&service, &mut response, &format!("{token}; Max-Age=43200"));
            response
        }
        Err(Refused::WrongKey) => {
            again(StatusCode::UNAUTHORIZED, "No tenant has this key, and it is not the operator's.")
        }
        Err(Refused::TooOften) => {
            let told = "Too many wrong keys came from your address. Try again in a minute.";
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, told);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        Err(Refused::Failed(problem)) => answers::fault(&problem),
    }
}

pub(super) async fn sign_out(
    State(service): State<Service>,
    SentFrom(address): SentFrom,
    headers: HeaderMap,
) -> Response {
    if !answers::is_from_us(&headers) {
        return answers::not_ours();
    }
    service.pages.sessions.sign_out(&service, address, &headers).await;
    let mut response = go_to("/sign-in");
    // What pages have left in the browser goes too.
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    set_cookie(&service, &mut response, "; Max-Age=0");
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

/// An address of ours; whatever leads elsewhere is the first page.
fn local(next: &str) -> &str {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && is_plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(local("/calls?q=1&tenant=acme"), "/calls?q=1&tenant=acme");
        for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "", "calls", "/a\nb"] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
    }
}
