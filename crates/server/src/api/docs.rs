//! `GET /docs`: the OpenAPI document as one page without a script.

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};
use wholecall_record::schema::ADDED_LATER;

use super::openapi::document;

pub(super) async fn docs() -> Response {
    let document = document();
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Wholecall API</title><style>{STYLE}</style><h1>Wholecall API</h1><p>{} \
         For programs: <a href=/openapi.json>/openapi.json</a>.</p>",
        escape(&document["info"]["description"])
    );
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            page.push_str(&section(path, method, operation));
        }
    }
    page.push_str("<h1>Webhooks</h1>");
    for (kind, operations) in document["webhooks"].as_object().into_iter().flatten() {
        page.push_str(&section(kind, "post", &operations["post"]));
    }
    page.push_str("<h1>Schemas</h1>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        page.push_str(&schema_section(name, schema));
    }
    let mut response = Html(page).into_response();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color-scheme:light dark}code,h2{font-family:ui-monospace,monospace}h2{font-size:1.1rem;margin-top:2.5rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;\
    border-bottom:1px solid #8885}";

fn section(path: &str, method: &str, operation: &Value) -> String {
    let parameters =
        operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
            row(&parameter["name"], &type_of(&parameter["schema"]), &parameter["description"])
        });
    let responses = operation["responses"].as_object().into_iter().flatten().map(|(status, response)| {
        let schema = &response["content"]["application/json"]["schema"];
        row(&json!(status), &type_of(schema), &response["description"])
    });
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = schema["$ref"].is_string().then(|| format!(" Body: {}.", type_of(schema)));
    format!(
        "<h2>{} {}</h2><p>{}.{}</p><table>{}{}</table>",
        method.to_uppercase(),
        escape(&json!(path)),
        escape(&operation["summary"]),
        body.unwrap_or_default(),
        parameters.collect::<String>(),
        responses.collect::<String>()
    )
}

fn schema_section(name: &str, schema: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let members = schema["properties"].as_object().into_iter().flatten().map(|(key, member)| {
        let kind = type_of(member) + if required.contains(&key.as_str()) { "" } else { ", optional" };
        row(&json!(key), &kind, &member["description"])
    });
    let about = match &schema["anyOf"] {
        Value::Array(_) => format!("{}. {}", type_of(schema), escape(&schema["description"])),
        _ => escape(&schema["description"]),
    };
    format!("<h2 id={name}>{name}</h2><p>{about}</p><table>{}</table>", members.collect::<String>())
}

fn row(name: &Value, kind: &str, about: &Value) -> String {
    format!("<tr><td><code>{}</code><td>{kind}<td>{}</tr>", escape(name), escape(about))
}

/// A schema's type in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=#{name}>{name}</a>");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let known = alternatives.iter().filter(|schema| schema.get(ADDED_LATER).is_none());
        return known.map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match (&schema["type"], &schema["format"]) {
        (Value::String(kind), _) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        (_, Value::String(format)) => escape(&json!(format)),
        (Value::String(kind), _) => escape(&json!(kind)),
        (Value::Array(kinds), _) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn escape(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
