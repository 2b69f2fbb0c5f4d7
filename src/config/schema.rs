//! The JSON Schema of the document, for editors; made from the types that read it.

use schemars::{Schema, generate::SchemaSettings, transform};
use serde_json::{Value, json};

use super::document::Document;

/// The JSON Schema of the document (draft 7, which every editor knows).
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(transform::RecursiveTransform(tidy));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), json!("A chaosproxy document"));
    schema.to_value()
}

/// Joins the lines of descriptions, and lets a share be a bare number, which YAML editors do not take for text.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text
            .split("\n\n")
            .map(|part| part.replace('\n', " "))
            .collect::<Vec<_>>()
            .join("\n\n");
    }
    let is_share = schema
        .get("pattern")
        .and_then(Value::as_str)
        .is_some_and(|p| p.ends_with("%?$"));
    if is_share {
        schema.insert("type".to_owned(), json!(["string", "number"]));
        schema.insert("minimum".to_owned(), json!(0));
        schema.insert("maximum".to_owned(), json!(1));
    }
}
