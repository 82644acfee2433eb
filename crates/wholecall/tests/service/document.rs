//! The running service answers as the OpenAPI document states.

use serde_json::{Map, Value, json};

use crate::{
    harness::{Client, Installation, Reply, Tenant},
    traffic::{ACCOUNT, example, expect_settled},
};

/// Compares an answer with the document.
fn expect_as_documented(document: &Value, operation: &Value, reply: &Reply) {
    let documented = &operation["responses"][reply.status.to_string()];
    assert!(
        documented.is_object(),
        "{}: {} is not documented: {reply:?}",
        operation["operationId"],
        reply.status
    );
    let Some(content) = documented["content"].as_object() else { return };
    let kind = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let form =
        content.get(kind).unwrap_or_else(|| panic!("{}: {kind} is not documented", operation["operationId"]));
    if let Some(schema) = form.get("schema") {
        let mut schema = schema.as_object().unwrap().clone();
        schema.insert("components".to_owned(), document["components"].clone());
        let mut schema = Value::Object(schema);
        // Clients must accept unknown members; the service writes none.
        wholecall_record::schema::close(&mut schema);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let answer = reply.json();
        let errors: Vec<String> = validator
            .iter_errors(&answer)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}\n{}", operation["operationId"], reply.body);
    }
}

/// An operation's path with examples of its path parameters.
fn filled(path: &str, tenant: &Tenant, call: &str, endpoint: &str) -> String {
    let id = match path {
        // The first rejected notification.
        path if path.starts_with("/v1/rejected") && endpoint != "ep_unknown" => "1",
        path if path.starts_with("/v1/endpoints") => endpoint,
        _ => call,
    };
    path.replace("{id}", id)
        .replace("{tenant}", &tenant.name)
        .replace("{number}", "+14045550123")
        .replace("{name}", &tenant.name)
}

fn operations(document: &Value, method: &str) -> Vec<(String, Value)> {
    let paths: &Map<String, Value> = document["paths"].as_object().unwrap();
    let with_method = |(path, item): (&String, &Value)| Some((path.clone(), item.get(method)?.clone()));
    paths.iter().filter_map(with_method).collect()
}

fn prepared(installation: &Installation, client: &Client) -> (Tenant, String) {
    let tenant = installation.tenant("acme", [ACCOUNT]);
    example("warm-transfer").iter().for_each(|notification| client.notify(&tenant, notification));
    expect_settled(client, &tenant);
    let call = client.calls(&tenant, "", 10)[0]["id"].as_str().unwrap().to_owned();
    (tenant, call)
}

#[test]
fn answers_are_as_documented() {
    let installation = Installation::new();
    let server = installation.start();
    let client = server.client();
    let (tenant, call) = prepared(&installation, &client);
    let document = client.get(&tenant, "/openapi.json");
    let key = format!("Bearer {}", tenant.api_key);
    client.notify(&tenant, "not a notification");
    let endpoint =
        client.post("/v1/endpoints", &[("Authorization", &key)], br#"{"url": "https://example.com/"}"#);
    expect_as_documented(&document, &document["paths"]["/v1/endpoints"]["post"], &endpoint);
    let endpoint = endpoint.json()["id"].as_str().unwrap().to_owned();
    for (path, operation) in operations(&document, "get") {
        // A stream has no end.
        if path == "/v1/stream" {
            continue;
        }
        let address = filled(&path, &tenant, &call, &endpoint);
        let is_for_operators = operation["security"] == json!([{ "adminKey": [] }]);
        let reply = client.try_get(&tenant, &address, &[]).unwrap();
        if is_for_operators {
            assert!(matches!(reply.status, 401 | 403), "{address}: {reply:?}");
            expect_as_documented(&document, &operation, &reply);
            continue;
        }
        assert_eq!(reply.status, 200, "{address}: {reply:?}");
        expect_as_documented(&document, &operation, &reply);
        // Each value of an enumerated parameter is accepted.
        for parameter in operation["parameters"].as_array().unwrap() {
            for word in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let address = format!("{address}?{name}={}", word.as_str().unwrap());
                expect_as_documented(&document, &operation, &client.try_get(&tenant, &address, &[]).unwrap());
            }
        }
        if path.contains("{id}") {
            let reply =
                client.try_get(&tenant, &filled(&path, &tenant, "s-unknown", "ep_unknown"), &[]).unwrap();
            assert_eq!(reply.status, 404);
            expect_as_documented(&document, &operation, &reply);
        }
    }
}
