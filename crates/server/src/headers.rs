//! What every answer tells a browser, whichever part of the service gives it and whether it is one of success: headers that an
//! answer has already are left as they are.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// What is no page has nothing to load, and is never framed.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const USUAL: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Nearly every answer holds what is a tenant's own.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// For a year, without subdomains: those may be others' affair.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what an answer has not said. `is_secure`: browsers come by HTTPS.
pub(crate) fn complete(response: &mut Response, is_secure: bool) {
    let headers = response.headers_mut();
    for (name, value) in USUAL {
        headers.entry(name).or_insert(value);
    }
    if is_secure {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HTTPS_ONLY);
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn what_an_answer_says_itself_stays() {
        let mut response =
            ([(header::CACHE_CONTROL, "public, max-age=31536000, immutable")], "").into_response();
        complete(&mut response, true);
        let headers = response.headers();
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
        let mut plain = "".into_response();
        complete(&mut plain, false);
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!plain.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
