//! A value as YAML for people: block style, short parts on one line, quotes only where a reader could err.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::{node::is_ambiguous, yaml::clock_time};

/// A part that fits into this many columns, with its indentation, is written on one line.
const WIDTH: usize = 100;

/// Parts nested more deeply than this are never written on one line.
const FLOW_DEPTH: usize = 2;

/// Writes a value as YAML which reads back to an equal one.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    match serde_json::to_value(value)? {
        Value::Object(entries) if !entries.is_empty() => block(&Value::Object(entries), 0, &mut out),
        other => out.push_str(&flow(&other)),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

/// Writes the lines of a mapping or list that is not empty.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) => {
            for (i, (name, value)) in entries.iter().enumerate() {
                // The first line after a dash is already indented.
                let pad = if i == 0 && out.ends_with("- ") { 0 } else { indent };
                let _ = write!(out, "{:pad$}{}:", "", scalar(name));
                after_key(value, indent, name.chars().count(), out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(out, "{:indent$}- ", "");
                if on_one_line(item, indent + 2) {
                    let _ = writeln!(out, "{}", flow(item));
                } else if item.is_array() {
                    // A list in a list starts below its dash.
                    out.truncate(out.len() - 1);
                    out.push('\n');
                    block(item, indent + 2, out);
                } else {
                    block(item, indent + 2, out);
                }
            }
        }
        scalar => out.push_str(&flow(scalar)),
    }
}

/// Writes the value of a key on its line or below it.
fn after_key(value: &Value, indent: usize, key_width: usize, out: &mut String) {
    let section = indent == 0 && value.is_object();
    if is_small(value) || (!section && on_one_line(value, indent + key_width + 2)) {
        let _ = writeln!(out, " {}", flow(value));
    } else {
        out.push('\n');
        block(value, indent + 2, out);
    }
}

/// A scalar, or nothing in brackets: there is no other way to write it than on one line.
fn is_small(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => true,
    }
}

fn on_one_line(value: &Value, column: usize) -> bool {
    is_small(value) || (depth(value) <= FLOW_DEPTH && column + flow(value).chars().count() <= WIDTH)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| format!("{}: {}", scalar(name), flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Text, in quotes unless every reader takes it for the same text without.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-+*%:@".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/.".contains(c));
    let like_a_number = text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o");
    let words = text.contains(' ') && !text.contains(':') && !text.ends_with(' ');
    let safe = starts_well && text.chars().all(|c| plain(c) || (words && c == ' ')) && !text.ends_with(':');
    if safe && !like_a_number && !is_ambiguous(text) && clock_time(text).is_none() {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Text in double quotes, with everything escaped that cannot be seen.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || "\u{a0}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".contains(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::read;

    #[test]
    fn short_parts_stand_on_one_line_and_long_ones_below() {
        let value = json!({
            "listeners": {"public": {
                "bind": "0.0.0.0:8080",
                "routes": [{"match": {"method": ["POST", "PUT"], "path": "/orders/**"}, "cluster": "app"}, {"cluster": "app"}],
            }},
            "roles": {},
            "note": "on",
            "list": [["a very long text that does not fit on a line with all the others of its kind"], ["a", "another one that is long", "and more"]],
        });
        insta::assert_snapshot!(to_yaml(&value).unwrap(), @r#"
        listeners:
          public:
            bind: 0.0.0.0:8080
            routes:
              - match: {method: [POST, PUT], path: /orders/**}
                cluster: app
              - {cluster: app}
        roles: {}
        note: "on"
        list:
          - [a very long text that does not fit on a line with all the others of its kind]
          - [a, another one that is long, and more]
        "#);
    }

    #[test]
    fn text_that_could_be_taken_for_something_else_is_quoted() {
        let check = |text: &str, expected: &str| assert_eq!(scalar(text), expected);
        check("300ms", "300ms");
        check("20%", "20%");
        check("0.0.0.0:8080", "0.0.0.0:8080");
        check("/orders/**", "/orders/**");
        check("300", "\"300\"");
        check("1e3", "\"1e3\"");
        check("off", "\"off\"");
        check("19:14", "\"19:14\"");
        check("*", "\"*\"");
        check("a: b", "\"a: b\"");
        check("[::1]:80", "\"[::1]:80\"");
        check("", "\"\"");
        check("a\u{1b}", "\"a\\u001b\"");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[a-z0-9:#%*&!.-]{0,8}",
            "(on|no|null|~|1:30|0x1|-|\\?|\n a|a\n)"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON has no others", |n| n.is_finite())
                .prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_value()) {
            let text = to_yaml(&value).unwrap();
            let back = read::<Value>("written.yaml", &text);
            prop_assert_eq!(back.as_ref(), Ok(&value), "{}", text);
        }
    }
}
