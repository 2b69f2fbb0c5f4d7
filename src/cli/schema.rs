//! `chaosproxy schema`: what editors need to help with documents and profiles.

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Exit, Outcome, Terminal};
use crate::{config, drill::profile::Profile};

/// Write the JSON Schema of documents, or of profiles, for editors
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy schema > chaosproxy.schema.json
  chaosproxy schema profile > profile.schema.json

With the YAML language server, write this as the first line of a document:
  # yaml-language-server: $schema=chaosproxy.schema.json")]
pub(super) struct Args {
    /// What is to be described: document or profile
    #[arg(value_enum, default_value_t, hide_possible_values = true)]
    what: What,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// Listeners, clusters, roles, faults
    #[default]
    Document,
    /// An incident
    Profile,
}

impl Args {
    pub(super) fn perform(self) -> Outcome {
        let schema = match self.what {
            What::Document => config::schema(),
            What::Profile => of_profiles(),
        };
        // A schema is JSON, whoever reads it.
        Terminal { json: true }.show(&schema, Value::to_string)?;
        Ok(Exit::Ok)
    }
}

/// The grammar of profiles: of those that stand alone, and of those that extend another and say only what differs.
fn of_profiles() -> Value {
    let schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Profile>();
    let mut whole = schema.to_value();
    let mut changes = whole.clone();
    loosen(&mut changes);
    let phase = json!({"$ref": "#/definitions/changes/Phase"});
    let phases = &mut changes["properties"]["phases"];
    *phases = json!({"anyOf": [phases.take(), {"type": "object", "additionalProperties": or_null(phase)}]});
    changes["properties"]["extends"] = json!({
        "description": "The profile that this one changes: a name that ships, or a file beside this one.",
        "type": "string",
    });
    changes["required"] = json!(["name", "extends"]);
    let mut definitions = whole["definitions"].take();
    definitions["changes"] = changes["definitions"].take();
    json!({
        "$schema": whole["$schema"].take(),
        "title": "A chaosproxy profile",
        "if": {"required": ["extends"]},
        "then": changes,
        "else": whole,
        "definitions": definitions,
    })
}

/// Makes a rule for values that stand for themselves one for changes: nothing is required, and `null` takes away.
fn loosen(rule: &mut Value) {
    match rule {
        Value::Array(rules) => rules.iter_mut().for_each(loosen),
        Value::Object(words) => {
            words.remove("required");
            words.values_mut().for_each(loosen);
            if let Some(Value::String(target)) = words.get_mut("$ref") {
                *target = target.replace("#/definitions/", "#/definitions/changes/");
            }
            for word in ["properties", "additionalProperties"] {
                match words.get_mut(word) {
                    Some(Value::Object(rules)) if word == "properties" => {
                        rules.values_mut().for_each(|rule| *rule = or_null(rule.take()));
                    }
                    Some(rule @ Value::Object(_)) => *rule = or_null(rule.take()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn or_null(rule: Value) -> Value {
    json!({"anyOf": [rule, {"type": "null"}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::tests::judged, drill::profiles::SHIPPED};

    #[test]
    fn both_grammars_are_described() {
        assert!(config::schema()["properties"]["listeners"].is_object());
        assert!(of_profiles()["else"]["properties"]["phases"].is_object());
    }

    fn broken(form: &str, text: &str) -> Vec<String> {
        let schema = of_profiles();
        judged(&schema, &schema[form], &config::read("test", text).unwrap())
    }

    #[test]
    fn profiles_keep_to_their_schema_and_changes_to_theirs() {
        for shipped in SHIPPED {
            assert_eq!(
                broken("else", shipped.text),
                Vec::<String>::new(),
                "{}",
                shipped.name
            );
        }
        let changes = "{name: ours, extends: orm-break, clock: {wait: 5}, acts: {restart: {takes: 5m}, read-logs: null},
            phases: {latent: {leave: [{when: {after: 9m}, to: outage}]}, tail: null}, hints: null, limits: {max_wall: 1h}}";
        assert_eq!(broken("then", changes), Vec::<String>::new());
        assert!(!broken("else", changes).is_empty());
        for wrong in [
            "{extends: a}",
            "{name: a, extends: b, clock: {wat: 5}}",
            "{name: a, extends: b, acts: {c: {sya: d}}}",
        ] {
            assert!(!broken("then", wrong).is_empty(), "{wrong}");
        }
    }
}
