//! Requests as they come, by HTTP or through a WebSocket, and replies in RingCentral's shapes.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Response, StatusCode, header},
};
use serde_json::{Value, json};

/// A request, whichever way it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Without a slash at its end.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// `Authorization`, or what stands for it.
    pub(crate) authorization: Option<String>,
    pub(crate) accept: String,
    pub(crate) body: Vec<u8>,
    /// `http://host:port`, as the client knows it; empty through a WebSocket, where addresses are relative.
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

    /// The body as a form; a field that is given twice counts by its first value.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.body))
    }

    /// The body as JSON; an empty one is null.
    pub(crate) fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Reply::error(400, "CMN-103", &format!("The JSON cannot be parsed: {error}")))
    }
}

/// `a=1&b=%20` as pairs.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (unescaped(name), unescaped(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The parameters of an address after its question mark.
pub(crate) fn query_of(address: &str) -> Vec<(String, String)> {
    address.split_once('?').map(|(_, query)| pairs(query)).unwrap_or_default()
}

fn unescaped(text: &str) -> String {
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

/// A value as it stands in a query.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:,".contains(&byte);
    text.bytes().fold(String::new(), |text, byte| match plain(byte) {
        true => text + &char::from(byte).to_string(),
        false => text + &format!("%{byte:02X}"),
    })
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Content,
}

/// The body of a reply.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    None,
    Json(Value),
    Other(&'static str, Vec<u8>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Content::Json(body) }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::None }
    }

    /// An error, in the list that the specification has and once more at the top, as the platform does.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::error_known_as(status, code, code, message)
    }

    /// An error whose code at the top is an older word.
    pub(crate) fn error_known_as(status: u16, word: &str, code: &str, message: &str) -> Self {
        let error = json!({ "errorCode": code, "message": message });
        Self::json(status, json!({ "errorCode": word, "message": message, "errors": [error] }))
    }

    /// A parameter that cannot be used.
    pub(crate) fn bad_parameter(code: &str, name: &str, value: &str, detail: &str) -> Self {
        let message = match detail {
            "" => format!("Parameter [{name}] value is invalid"),
            detail => format!("Parameter [{name}] is invalid [{detail}]"),
        };
        let error = json!({
            "errorCode": code, "message": message, "parameterName": name, "parameterValue": value
        });
        let mut body = error.clone();
        body["errors"] = json!([error]);
        Self::json(400, body)
    }

    /// Something that is not there.
    pub(crate) fn not_found(parameter: &str) -> Self {
        let message = format!("Resource for parameter [{parameter}] is not found");
        let error = json!({ "errorCode": "CMN-102", "message": message, "parameterName": parameter });
        let mut body = error.clone();
        body["errors"] = json!([error]);
        Self::json(404, body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn into_http(self) -> Response<Body> {
        let (kind, body) = match self.body {
            Content::None if self.status == 204 => (None, Body::empty()),
            // Clients read JSON out of everything.
            Content::None => (Some("application/json;charset=utf-8"), Body::empty()),
            Content::Json(body) => (Some("application/json;charset=utf-8"), body.to_string().into()),
            Content::Other(kind, bytes) => (Some(kind), bytes.into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The records of one page, with paging and navigation. Only enumerated lists tell how many there are; the call
/// log does not.
pub(crate) fn page(request: &Request, records: Vec<Value>, is_enumerated: bool) -> Result<Reply, Reply> {
    let number = |name: &str, usual: usize| match request.parameter(name) {
        None => Ok(usual),
        Some("max") if name == "perPage" => Ok(1000),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| Reply::bad_parameter("CMN-101", name, text, "")),
    };
    let (page, per_page) = (number("page", 1)?, number("perPage", 100)?.min(1000));
    let total = records.len();
    let pages = total.div_ceil(per_page).max(1);
    let start = (page - 1).saturating_mul(per_page).min(total);
    let shown: Vec<Value> = records.into_iter().skip(start).take(per_page).collect();
    let others = request.query.iter().filter(|(name, _)| name != "page" && name != "perPage");
    let query = others.fold(String::new(), |query, (name, value)| query + name + "=" + &escaped(value) + "&");
    let address =
        |page: usize| format!("{}{}?{query}page={page}&perPage={per_page}", request.base, request.path);
    let mut paging = json!({ "page": page, "perPage": per_page, "pageStart": start });
    if !shown.is_empty() {
        paging["pageEnd"] = (start + shown.len() - 1).into();
    }
    let mut navigation = json!({ "firstPage": { "uri": address(1) } });
    if page < pages {
        navigation["nextPage"] = json!({ "uri": address(page + 1) });
    }
    if page > 1 {
        navigation["previousPage"] = json!({ "uri": address(page - 1) });
    }
    if is_enumerated {
        paging["totalPages"] = pages.into();
        paging["totalElements"] = total.into();
        navigation["lastPage"] = json!({ "uri": address(pages) });
    }
    Ok(Reply::ok(json!({
        "uri": address(page), "records": shown, "paging": paging, "navigation": navigation
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_written() {
        let text = "dateFrom=2026-06-01T00%3A00%3A00.000Z&type=Voice&type=Fax&empty=&name=a+b%2B%";
        let read = pairs(text);
        assert_eq!(read[0].1, "2026-06-01T00:00:00.000Z");
        assert_eq!(read[4].1, "a b+%");
        assert_eq!(unescaped(&escaped("a b+%äö&=")), "a b+%äö&=");
    }
}
