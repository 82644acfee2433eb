//! The OpenAPI document: tenants, for operators.

use serde_json::{Map, Value, json};

use super::build::{
    described, list_of, members, nullable_text, operation, path_parameter, problem_response, response, text,
    with_body,
};

pub(super) fn paths() -> Map<String, Value> {
    let accounts = || json!({ "type": "array", "items": text() });
    members(json!({
        "/v1/tenants": {
            "get": operation("listTenants", "All tenants", vec![], json!({
                "200": response("The tenants without their secrets.", list_of("tenants", json!({ "type": "object" }))),
            })),
            "post": with_body(operation("addTenant", "Adds a tenant", vec![], json!({
                "201": response("The tenant's secrets. No other response contains them.", json!({
                    "type": "object",
                    "properties": {
                        "tenant": text(), "hookUrl": text(), "apiKey": text(), "verificationToken": text(),
                        "warning": described(text(), "Why the chosen verification token is not recommended."),
                    },
                })),
                "409": problem_response("A tenant with that name exists."),
            })), "application/json", json!({
                "type": "object",
                "properties": { "name": text(), "accounts": accounts(), "verificationToken": nullable_text() },
                "required": ["name", "accounts"],
            })),
        },
        "/v1/tenants/{name}": { "patch": with_body(operation("changeTenant",
            "Replaces a tenant's accounts; bodies that were rejected for their account can be retried afterwards",
            vec![path_parameter("name", "The tenant's name.")], json!({
                "200": response("The tenant without its secrets.", json!({ "type": "object" })),
                "404": problem_response("The tenant does not exist."),
                "409": problem_response("An account that is connected to RingCentral cannot be removed."),
            })), "application/json", json!({
                "type": "object",
                "properties": { "accounts": accounts() },
                "required": ["accounts"],
            })) },
    }))
}
