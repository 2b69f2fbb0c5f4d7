//! The OpenAPI document, from the very endpoints that the router serves.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use axum::Json;

use super::{
    Desk,
    ask::Ask,
    endpoint::{Endpoint, Shape},
    refusal::{PROBLEM_JSON, Refusal},
};

/// Shows the document.
pub(super) fn show(_: &Desk, _: &Ask) -> Result<Json<Value>, Refusal> {
    Ok(Json(published().clone()))
}

/// Writes the document for these endpoints.
fn document(endpoints: &[Endpoint]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = "/components/schemas".into();
        })
        .into_generator();
    let refusal = generator.subschema_for::<Refusal>();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let operations = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        operations[endpoint.method.as_str().to_ascii_lowercase()] =
            operation(endpoint, &refusal, &mut generator);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chaosproxy admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Observers read, responders work the balancer and declare acts, facilitators do everything. \
                            Without a tokens file only loopback is bound, and everybody there may do everything.",
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(endpoint: &Endpoint, refusal: &Schema, generator: &mut SchemaGenerator) -> Value {
    let Shape {
        parameters: describe,
        body,
        body_media,
        answer,
        answer_media,
    } = endpoint.shape;
    let answer = match answer(generator) {
        Some(schema) => json!({(answer_media): {"schema": schema}}),
        None => json!({(answer_media): {}}),
    };
    let mut operation = json!({
        "summary": endpoint.about,
        "parameters": parameters(endpoint.path, &describe(generator)),
        "responses": {
            "200": {"description": "done", "content": answer},
            "default": {"description": "not done, and why", "content": {(PROBLEM_JSON): {"schema": refusal}}},
        },
    });
    if let Some(schema) = body(generator) {
        let content: Map<_, _> = body_media
            .iter()
            .map(|media| ((*media).to_owned(), json!({"schema": schema})))
            .collect();
        operation["requestBody"] = json!({"content": content});
    }
    match endpoint.role {
        Some(role) => operation["x-role"] = json!(role),
        None => operation["security"] = json!([]),
    }
    operation
}

/// The parameters that stand in the path, then those of the query.
fn parameters(path: &str, schema: &Schema) -> Vec<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let describe = |(name, schema): (&String, &Value)| {
        let in_path = path.contains(&format!("{{{name}}}"));
        let needed = in_path || required.is_some_and(|names| names.iter().any(|n| n == name));
        json!({"name": name, "in": if in_path { "path" } else { "query" }, "required": needed, "schema": schema})
    };
    properties.into_iter().flatten().map(describe).collect()
}

/// The document of this version's endpoints, made once.
fn published() -> &'static Value {
    static PUBLISHED: LazyLock<Value> = LazyLock::new(|| document(&super::endpoints()));
    &PUBLISHED
}
