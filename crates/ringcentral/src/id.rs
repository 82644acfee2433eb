//! Ids as parts of request paths. Session ids come from notifications, which anybody with a tenant's key or
//! verification token can send: they must not direct the administrator's login to another path.

/// Maximum length of an id that is requested. RingCentral's longest have some forty characters.
const MAX_ID_BYTES: usize = 256;

/// Whether an id has only characters that RingCentral's ids have. Any other id is never requested.
pub fn is_requestable(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain)
}

/// Escapes an id for one segment of a path. A dot is escaped too, because `..` leaves the segment.
pub(crate) fn segment(id: &str) -> String {
    let escaped = id.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_elsewhere_is_escaped_and_never_requested() {
        for id in
            ["../../extension/~", "s-x?access=1", "s-y#frag", "a/b", "a%2Fb", "..", "", "ü", "a b", "a\nb"]
        {
            assert!(!is_requestable(id), "{id:?}");
            assert!(!segment(id).contains(['/', '?', '#', '.', ' ', '\n']), "{id:?}");
        }
        assert_eq!(segment("a%2Fb"), "a%252Fb");
        assert!(!is_requestable(&"s".repeat(257)));
        for id in ["s-a0d7728b6ec96c0dz19f3eeccb382z000000010000", "400131426008", "b5a8_-4"] {
            assert!(is_requestable(id));
            assert_eq!(segment(id), id);
        }
    }
}
