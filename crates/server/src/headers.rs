//! Headers that every response has, successful or not. A header that a response already has is left as it is.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// The policy of responses that are not pages: they load nothing, and are never framed.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Most responses hold a tenant's data.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// For a year, without subdomains, which may belong to other services.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that a response lacks. `is_secure` is whether browsers use HTTPS.
pub(crate) fn complete(response: &mut Response, is_secure: bool) {
    let headers = response.headers_mut();
    for (name, value) in DEFAULTS {
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
    fn a_header_that_a_response_has_is_not_replaced() {
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
