//! Holds `docs/` to the truth: tables of settings are made from the JSON Schema, the page of faults from the catalogue,
//! every example of a document or profile reads, and every link leads somewhere.
//!
//! Where a generated part has fallen behind, `UPDATE_DOCS=1 cargo test --test docs` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use chaosproxy::{config, drill, faults, route::Dialect, telemetry, wire::errors::Weight};
use serde_json::Value;

#[test]
fn the_tables_of_settings_are_those_of_the_schema() {
    let schema = config::schema();
    let mut tables = Tables {
        schema: &schema,
        seen: BTreeSet::new(),
        text: String::new(),
    };
    tables.section("", "The document", &schema);
    hold("docs/configuration.md", "settings", &tables.text);
}

#[test]
fn the_page_of_faults_is_the_catalogue() {
    let mut text = String::new();
    for doc in faults::catalogue() {
        let _ = writeln!(text, "### `{}`\n\n{}.\n", doc.kind, doc.does);
        let hooks = doc.acts_at.iter().map(word).collect::<Vec<_>>();
        let _ = writeln!(text, "Acts at: {}.\n", hooks.join(", "));
        if !doc.settings.is_empty() {
            text.push_str("| setting | meaning |\n|---|---|\n");
            for (setting, meaning) in doc.settings {
                let _ = writeln!(text, "| `{setting}` | {} |", cell(meaning));
            }
            text.push('\n');
        }
        text.push_str("```yaml\n");
        for (n, example) in doc.examples.iter().enumerate() {
            let _ = writeln!(text, "{}-{}: {example}", doc.kind.replace('_', "-"), n + 1);
        }
        text.push_str("```\n\n");
    }
    hold("docs/faults.md", "catalogue", text.trim_end());
}

#[test]
fn the_tables_of_errors_are_the_catalogues() {
    for (dialect, place) in [
        (Dialect::Postgres, "errors"),
        (Dialect::Mysql, "errors of MySQL"),
        (Dialect::Redis, "errors of Redis"),
    ] {
        let mut text =
            String::from("| name | code | when | the server's text | rehearses |\n|---|---|---|---|---|\n");
        for error in faults::catalogue_of(dialect) {
            let weight = match error.weight {
                Weight::Error => "ERROR",
                Weight::Fatal => "FATAL",
                Weight::Farewell => "WARNING, then the end",
            };
            let _ = writeln!(
                text,
                "| `{}` | {} {weight} | {} | {} | {} |",
                error.name,
                error.code,
                error.moment,
                cell(error.text),
                error.rehearses
            );
        }
        hold("docs/databases.md", place, text.trim_end());
    }
}

#[test]
fn no_metric_is_missing_in_the_list() {
    let list = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let page = telemetry::Metrics::new(1).encode(Vec::new(), telemetry::Extent::All);
    let names = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<_> = names.filter(|name| !list.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "docs/operations.md does not tell of {missing:?}"
    );
}

#[test]
fn every_dependency_has_its_sentence() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, page) = page.split_once("## Dependencies").expect("there is a list");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, manifest) = manifest.split_once("[dependencies]").expect("there are some");
    let manifest = manifest.split("\n[").next().unwrap();
    let crates: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| crate"));
    let told: BTreeSet<_> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|names| names.split(", ").map(str::trim))
        .collect();
    assert_eq!(told, crates, "the list in ARCHITECTURE.md, and Cargo.toml");
}

#[test]
fn every_example_of_a_document_and_of_a_profile_reads() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let named = format!("{}:\n{block}", page.display());
            if block.contains("schema: chaosproxy.profile/v1") {
                let profile: Result<drill::profile::Profile, _> = read_profile(block);
                assert!(profile.is_ok(), "{named}\n{}", profile.unwrap_err());
            } else if block.starts_with("listeners:") {
                let read = config::read_document("example", block);
                assert!(read.is_ok(), "{named}\n{}", read.unwrap_err());
            }
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: nothing at {link}", page.display());
            if !anchor.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let found = there
                    .lines()
                    .any(|line| line.starts_with('#') && slug(line) == anchor);
                assert!(found, "{}: no heading for {link}", page.display());
            }
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn read_profile(text: &str) -> Result<drill::profile::Profile, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.yaml");
    fs::write(&file, text).unwrap();
    drill::profiles::load(file.to_str().unwrap()).map_err(|problems| problems.to_string())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let mut pages: Vec<_> = docs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name)));
    pages
}

/// Compares a generated part of a page with what it should be, or writes it anew.
fn hold(page: &str, part: &str, expected: &str) {
    let file = root().join(page);
    let text = fs::read_to_string(&file).unwrap();
    let begin = format!("<!-- generated: {part} -->\n");
    let (before, rest) = text.split_once(&begin).expect("the page has the mark");
    let (there, after) = rest.split_once("<!-- end -->").expect("the part ends");
    let expected = format!("\n{}\n\n", expected.trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{before}{begin}{expected}<!-- end -->{after}")).unwrap();
    } else {
        assert!(
            there == expected,
            "{page} has fallen behind: run `UPDATE_DOCS=1 cargo test --test docs`"
        );
    }
}

struct Tables<'a> {
    schema: &'a Value,
    seen: BTreeSet<String>,
    text: String,
}

impl<'a> Tables<'a> {
    /// A mapping's settings as a table, then those of the mappings in it.
    fn section(&mut self, path: &str, title: &str, schema: &Value) {
        let Some(settings) = schema["properties"].as_object() else {
            return;
        };
        let _ = writeln!(self.text, "### {title}\n");
        if !path.is_empty() {
            let _ = writeln!(self.text, "{}\n", description(schema));
        }
        self.text
            .push_str("| setting | form | meaning |\n|---|---|---|\n");
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        let mut inner = Vec::new();
        for (name, setting) in settings {
            let must = required.iter().any(|required| *required == name);
            let (named, target) = self.named(setting);
            let words = self.words(target.unwrap_or(setting));
            let _ = writeln!(
                self.text,
                "| `{name}`{} | {} | {}{words} |",
                if must { " (required)" } else { "" },
                self.form(setting),
                cell(&description(setting)),
            );
            if let (Some(named), Some(target)) = (named, target) {
                let deeper = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                let deeper = match setting.get("additionalProperties").is_some() {
                    true => format!("{deeper}.NAME"),
                    false => deeper,
                };
                inner.push((named, deeper, target.clone()));
            }
        }
        self.text.push('\n');
        for (named, path, target) in inner {
            // What faults do has a page of its own.
            if named != "Do" && self.seen.insert(named) {
                self.section(&path, &format!("`{path}`"), &target);
            }
        }
    }

    /// The definition that a setting refers to, wherever the reference stands.
    fn named(&self, setting: &Value) -> (Option<String>, Option<&'a Value>) {
        let references = [
            &setting["$ref"],
            &setting["allOf"][0]["$ref"],
            &setting["anyOf"][0]["$ref"],
            &setting["additionalProperties"]["$ref"],
            &setting["items"]["$ref"],
        ];
        let name = references
            .iter()
            .find_map(|reference| reference.as_str())
            .and_then(|reference| reference.rsplit('/').next());
        let target = name.map(|name| &self.schema["definitions"][name]);
        (name.map(str::to_owned), target)
    }

    /// The words that a setting may be, each with its meaning.
    fn words(&self, schema: &Value) -> String {
        let words = schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|word| {
                let said = description(word);
                let key = || {
                    word["properties"]
                        .as_object()?
                        .keys()
                        .next()
                        .map(|key| format!("{key}: …"))
                };
                let word = word["const"].as_str().map(str::to_owned).or_else(key)?;
                Some(format!("`{word}`: {}", cell(&said)))
            });
        words.map(|word| format!("<br>{word}")).collect()
    }

    /// How a value is written, in a word and an example.
    fn form(&self, schema: &Value) -> String {
        if let (Some(_), Some(target)) = self.named(schema) {
            return match () {
                () if schema.get("additionalProperties").is_some() => "mapping by name".into(),
                () if schema.get("items").is_some() => "list".into(),
                () if schema["anyOf"][1]["type"] == "array" => format!("{} or a list", self.form(target)),
                () => self.form(target),
            };
        }
        if schema.get("oneOf").is_some() || schema.get("enum").is_some() {
            return "word".into();
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let mut forms: Vec<_> = choices.iter().map(|choice| self.form(choice)).collect();
            forms.retain(|form| form != "null");
            forms.dedup();
            if forms.last().is_some_and(|last| last == "list") {
                return format!("{} or a list", forms[0]);
            }
            return forms.join(" or ");
        }
        if let Some(only) = schema["const"].as_str() {
            return format!("`{only}`");
        }
        let of = match &schema["type"] {
            Value::Array(types) => types[0].as_str(),
            of => of.as_str(),
        };
        match (of, schema["pattern"].as_str().unwrap_or_default()) {
            (_, pattern) if pattern.contains("(d|h|m|s|ms") => "time, `1m30s`".into(),
            (_, pattern) if pattern.ends_with("%?$") => "share, `20%`".into(),
            (_, pattern) if pattern.ends_with("/(s|m|h)$") => "rate, `10/s`".into(),
            (_, pattern) if pattern.contains("KiB") && pattern.contains("/s") => "speed, `64KiB/s`".into(),
            (_, pattern) if pattern.contains("KiB") => "size, `64KiB`".into(),
            (Some("string"), _) => "text".into(),
            (Some("integer" | "number"), _) => "number".into(),
            (Some("boolean"), _) => "true or false".into(),
            (Some("array"), _) => "list".into(),
            (Some("object"), _) => "mapping".into(),
            (other, _) => other.unwrap_or("anything").into(),
        }
    }
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// The word that an enum's variant is written as.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A cell must neither end its row nor its column.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace("\n\n", "<br>")
        .replace('\n', " ")
}
