//! Requests, by HTTP or through a WebSocket.

use serde_json::Value;

use super::reply::Reply;

/// A request, by HTTP or through a WebSocket.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The HTTP method, in upper case.
    pub(crate) method: String,
    /// The path, without a slash at its end.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    pub(crate) accept: String,
    pub(crate) body: Vec<u8>,
    /// `http://host:port`, as the client addresses the platform; empty through a WebSocket, where links are
    /// relative.
    pub(crate) base: String,
}

impl Request {
    /// The first value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters(name).next()
    }

    /// All values of a query parameter.
    pub(crate) fn parameters<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether a value is among those of a query parameter, or the parameter is missing.
    pub(crate) fn allows(&self, name: &str, value: &Value) -> bool {
        let mut allowed = self.parameters(name).peekable();
        allowed.peek().is_none() || allowed.any(|allowed| *value == allowed)
    }

    /// The body as a form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        parse_pairs(&String::from_utf8_lossy(&self.body))
    }

    /// The body as JSON; null if it is empty.
    pub(crate) fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Reply::error(400, "CMN-103", &format!("The JSON cannot be parsed: {error}")))
    }
}

/// Parses `a=1&b=%20`.
fn parse_pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (unescape(name), unescape(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The query parameters of an address.
pub(crate) fn query_of(address: &str) -> Vec<(String, String)> {
    address.split_once('?').map(|(_, query)| parse_pairs(query)).unwrap_or_default()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes a value for a query.
pub(crate) fn escape(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:,".contains(&byte);
    text.bytes().fold(String::new(), |text, byte| match is_plain(byte) {
        true => text + &char::from(byte).to_string(),
        false => text + &format!("%{byte:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_unescaped_and_escaped() {
        let text = "dateFrom=2026-06-01T00%3A00%3A00.000Z&type=Voice&type=Fax&empty=&name=a+b%2B%";
        let pairs = parse_pairs(text);
        assert_eq!(pairs[0].1, "2026-06-01T00:00:00.000Z");
        assert_eq!(pairs[4].1, "a b+%");
        assert_eq!(unescape(&escape("a b+%äö&=")), "a b+%äö&=");
    }
}
