//! Replies in RingCentral's formats.

use serde_json::{Value, json};

/// A reply to a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// The body of a reply.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    None,
    Json(Value),
    /// A content type and the content.
    Other(&'static str, Vec<u8>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::None }
    }

    /// An error: in the list that the specification defines, and repeated at the top, as RingCentral does.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::error_with_alias(status, code, code, message)
    }

    /// An error with an older code at the top.
    pub(crate) fn error_with_alias(status: u16, alias: &str, code: &str, message: &str) -> Self {
        let error = json!({ "errorCode": code, "message": message });
        Self::json(status, json!({ "errorCode": alias, "message": message, "errors": [error] }))
    }

    /// A parameter with an invalid value.
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

    /// The object that a parameter names does not exist.
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
}
