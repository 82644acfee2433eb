//! The id of a request, which is in its log lines and in the response.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header of requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an id that a client chooses: RingCentral accepts responses with at most 1,024 bytes of headers and
/// body.
const MAX_BYTES: usize = 64;

/// The id that a request has, or gets if it has no valid one.
pub(crate) fn ensure(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(REQUEST_ID).filter(|id| is_valid(id)) {
        return id.clone();
    }
    let id = generate();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// The id of a request that [`ensure`] has seen.
pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
    headers.get(REQUEST_ID)?.to_str().ok()
}

/// Whether an id can be logged as it is.
fn is_valid(id: &HeaderValue) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

fn generate() -> HeaderValue {
    let id = format!("{:016x}", fastrand::u64(..));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_request_id_is_used_and_any_other_replaced() {
        let ensured = |id: &[u8]| {
            let mut headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
            let id = ensure(&mut headers);
            assert_eq!(headers[REQUEST_ID], id);
            id.to_str().unwrap().to_owned()
        };
        assert_eq!(ensured(b"3f6c2a10-9d.e_7"), "3f6c2a10-9d.e_7");
        assert_eq!(ensured(&[b'a'; MAX_BYTES]), "a".repeat(MAX_BYTES));
        for invalid in [&b""[..], b"a b", b"a=\"b\"", b"\xc3\xa9", &[b'a'; MAX_BYTES + 1]] {
            let id = ensured(invalid);
            assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert_ne!(ensure(&mut HeaderMap::new()), ensure(&mut HeaderMap::new()));
    }
}
