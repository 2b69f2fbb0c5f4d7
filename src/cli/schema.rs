//! `chaosproxy schema`: what editors need to help with documents and profiles.

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use serde_json::Value;

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

fn of_profiles() -> Value {
    let mut schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Profile>();
    schema.insert("title".to_owned(), "A chaosproxy profile".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_grammars_are_described() {
        assert!(config::schema()["properties"]["listeners"].is_object());
        assert!(of_profiles()["properties"]["phases"].is_object());
    }
}
