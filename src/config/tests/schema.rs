//! The JSON Schema accepts what the reader accepts. A small judge of the words that our schemas use stands in for a
//! validator.

use serde_json::{Value, json};

use super::folder;
use crate::config::{read, schema};

/// What a value breaks, as the path to it and the rule.
fn judge(root: &Value, rule: &Value, value: &Value, path: &str, broken: &mut Vec<String>) {
    if rule == &json!(false) {
        broken.push(format!("{path}: not allowed"));
    }
    let Some(rule) = rule.as_object() else { return };
    if let Some(target) = rule.get("$ref").and_then(Value::as_str) {
        judge(
            root,
            root.pointer(target.trim_start_matches('#')).unwrap(),
            value,
            path,
            broken,
        );
    }
    let fits = |rule: &Value| {
        let mut broken = Vec::new();
        judge(root, rule, value, path, &mut broken);
        broken.is_empty()
    };
    for (word, limit) in rule {
        let list = || limit.as_array().unwrap().iter();
        let holds = match word.as_str() {
            "type" => limit.as_str().map_or_else(
                || list().any(|t| is(value, t.as_str().unwrap())),
                |t| is(value, t),
            ),
            "enum" => list().any(|one| one == value),
            "const" => limit == value,
            "anyOf" | "oneOf" => list().any(fits),
            "required" => list().all(|key| value.get(key.as_str().unwrap()).is_some() || !value.is_object()),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= limit.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|n| n >= limit.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= limit.as_f64().unwrap()),
            _ => true,
        };
        if !holds {
            broken.push(format!("{path}: {word} {limit}, but is {value}"));
        }
    }
    for rule in rule.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        judge(root, rule, value, path, broken);
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        judge(
            root,
            rule.get("items").unwrap_or(&Value::Null),
            item,
            &format!("{path}[{i}]"),
            broken,
        );
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let known = rule.get("properties").and_then(|known| known.get(key));
        let rule = known
            .or_else(|| by_pattern(rule))
            .or_else(|| rule.get("additionalProperties"))
            .unwrap_or(&Value::Null);
        judge(root, rule, value, &format!("{path}.{key}"), broken);
    }
}

/// The rule for keys of some pattern; there is never more than one, and the reader's own tests look at the pattern.
fn by_pattern(rule: &serde_json::Map<String, Value>) -> Option<&Value> {
    rule.get("patternProperties")?.as_object()?.values().next()
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

/// What a value breaks of a rule in a schema.
pub(crate) fn judged(schema: &Value, rule: &Value, value: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    judge(schema, rule, value, "", &mut broken);
    broken.truncate(8);
    broken
}

fn broken(value: &Value) -> Vec<String> {
    let schema = schema();
    judged(&schema, &schema, value)
}

#[test]
fn the_schema_accepts_sound_documents() {
    for (name, text) in folder("sound") {
        let value: Value = read(&name, &text).unwrap();
        assert_eq!(broken(&value), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_schema_refuses_misspelt_keys_and_wrong_words() {
    let value = json!({"listeners": {"a": {"bnd": "127.0.0.1:1", "protocol": "mongodb"}}, "cluster": {}});
    let broken = broken(&value);
    assert_eq!(broken.len(), 4, "{broken:#?}");
}

#[test]
fn every_setting_says_what_it_is() {
    let schema = schema();
    let mut silent = Vec::new();
    let definitions = schema["definitions"].as_object().unwrap().iter();
    for (name, rule) in definitions.chain([(&"Document".to_owned(), &schema)]) {
        for (key, rule) in rule["properties"].as_object().into_iter().flatten() {
            if rule.get("description").is_none() {
                silent.push(format!("{name}.{key}"));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}
