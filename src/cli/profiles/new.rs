//! `chaosproxy profiles new`: a first profile, with comments that teach the grammar.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Exit, Outcome, Terminal, Trouble,
        init::write_new,
        terminal::{STRONG, styled},
    },
    find, load, written,
};
use crate::{config::to_yaml, drill::profile::Profile, units::shell_word};

/// Write a commented profile that can be run as it stands
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy profiles new                                A skeleton, in my-incident.yaml
  chaosproxy profiles new our-break --from orm-break     What a shipped incident lets you change, in our-break.yaml
  chaosproxy profiles new our-outage --output -          To standard output

A file that exists is left alone.")]
pub(super) struct Args {
    /// What the profile is called
    #[arg(default_value = "my-incident")]
    name: String,
    /// Extend this incident in place of beginning anew: a name that `chaosproxy profiles` lists, or a file
    #[arg(long, value_name = "NAME|FILE")]
    from: Option<String>,
    /// The file to write; `-` is standard output [default: NAME.yaml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What was written, and where.
#[derive(Serialize)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    text: String,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let name = fit(&self.name)?;
        let text = match &self.from {
            Some(from) => extending(name, from)?,
            None => skeleton(name),
        };
        let file = self.output.unwrap_or_else(|| format!("{name}.yaml").into());
        let file = (file.as_os_str() != "-").then_some(file);
        if let Some(file) = &file {
            write_new(file, &text)?;
        }
        terminal.show(&Written { file, text }, shown)?;
        Ok(Exit::Ok)
    }
}

/// A name that is a word on a command line, in a folder's name and in YAML.
fn fit(name: &str) -> Result<&str, Trouble> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        return Err(Trouble::usage(
            format!("`{name}` is no name for a profile"),
            "use small letters, digits and dashes, as in `our-outage`",
        ));
    }
    if find(name).is_some() {
        return Err(Trouble::usage(
            format!("`{name}` ships with chaosproxy, and reports could not tell the two apart"),
            format!("give yours another name: `chaosproxy profiles new our-{name} --from {name}`"),
        ));
    }
    Ok(name)
}

/// A whole incident, small and made up.
fn skeleton(name: &str) -> String {
    include_str!("skeleton.yaml").replacen("\nname: NAME\n", &format!("\nname: {name}\n"), 1)
}

/// A profile that extends another and changes nothing yet: what it could change stands there, commented out.
fn extending(name: &str, from: &str) -> Result<String, Trouble> {
    let profile = load(from)?;
    let shown = match find(from) {
        Some(_) => format!("`chaosproxy profiles show {from} --text`"),
        None => from.to_owned(),
    };
    let extends = to_yaml(&json!({"extends": from})).map_err(|error| {
        Trouble::usage(
            format!("`{from}` cannot be written as YAML: {error}"),
            "rename the file",
        )
    })?;
    let mut text = format!(
        "\
# An incident that is told elsewhere, with changes. What is not said here is as it is there: {shown}.
#
# Mappings are merged key by key: `clock: {{wait: 5}}` leaves the rest of the clock as it is. A list takes the place of the list
# there, but phases are changed by their names. `null` takes something away: `acts: {{some-act: null}}`, `hints: null`.
schema: chaosproxy.profile/v1
name: {name}
{extends}
{MARK}
"
    );
    for line in written(&changeable(&profile))?.lines() {
        text.push_str(format!("# {line}").trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// Stands above what is commented out.
const MARK: &str =
    "# As it is there; take the `#` away in front of what you change, and of what it stands in.";

/// What people like to change, as the profile has it.
fn changeable(profile: &Profile) -> Value {
    let whole = json!(profile);
    let some = |value: &Value| !value.is_null() && *value != json!({}) && *value != json!([]);
    let part = |one: &Value, keys: &[&str]| {
        let picked = keys.iter().filter(|key| some(&one[**key]));
        Value::from_iter(picked.map(|key| ((*key).to_owned(), one[*key].clone())))
    };
    let mut all = Map::new();
    let before = part(&whole, &["title", "clock", "slo"]);
    all.extend(before.as_object().cloned().unwrap_or_default());
    let phases = whole["phases"].as_array().into_iter().flatten();
    let phases = phases.map(|phase| {
        let name = phase["name"].as_str().unwrap_or_default();
        (name.to_owned(), part(phase, &["faults", "leave", "at_most"]))
    });
    all.insert("phases".to_owned(), Value::from_iter(phases));
    let acts = whole["acts"].as_object().into_iter().flatten();
    let acts = acts.map(|(name, act)| (name.clone(), part(act, &["say", "people", "takes", "gates"])));
    all.insert("acts".to_owned(), Value::from_iter(acts));
    let after = part(
        &whole,
        &[
            "injects",
            "hints",
            "objectives",
            "checks",
            "limits",
            "stop",
            "debrief",
        ],
    );
    all.extend(after.as_object().cloned().unwrap_or_default());
    all.retain(|_, value| some(value));
    Value::Object(all)
}

fn shown(written: &Written) -> String {
    let Some(file) = &written.file else {
        return written.text.clone();
    };
    let path = match file.components().count() {
        1 => format!("./{}", file.display()),
        _ => file.display().to_string(),
    };
    format!(
        "{} is written; look at it with `{}`, run it with `{}`",
        file.display(),
        styled(
            STRONG,
            format!("chaosproxy check {}", shell_word(&file.display().to_string()))
        ),
        styled(STRONG, format!("chaosproxy --profile {path}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::profiles::{SHIPPED, open_text, read};

    #[test]
    fn the_skeleton_is_proven_and_shows_every_part_of_the_grammar() {
        let text = skeleton("our-outage");
        let profile = read("our-outage.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(profile.name, "our-outage");
        let schema = schemars::schema_for!(Profile).to_value();
        for key in schema["properties"].as_object().unwrap().keys() {
            let short = ["fault", "for", "monitors", "stand_ins"].contains(&key.as_str());
            assert!(short || text.contains(&format!("\n{key}:")), "{key}");
        }
        let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 130).collect();
        assert!(wide.is_empty(), "{wide:?}");
    }

    #[test]
    fn an_extension_changes_nothing_until_somebody_does() {
        for shipped in SHIPPED {
            let text = extending("ours", shipped.name).unwrap();
            let same = |text: &str| {
                let opened =
                    open_text("ours.yaml", text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
                assert_eq!(opened.extends.len(), 1);
                let name = shipped.name.to_owned();
                assert_eq!(
                    Profile {
                        name,
                        ..opened.profile
                    },
                    load(shipped.name).unwrap()
                );
            };
            same(&text);
            let (head, rest) = text.split_once(MARK).unwrap();
            let said: Vec<_> = rest
                .lines()
                .map(|line| line.strip_prefix("# ").unwrap_or(line))
                .collect();
            assert!(said.iter().any(|line| line.starts_with("phases:")), "{text}");
            same(&format!("{head}{}", said.join("\n")));
        }
    }

    #[test]
    fn names_that_would_be_in_the_way_are_refused() {
        let check = |name: &str, next: &str| {
            let trouble = fit(name).unwrap_err();
            assert!(
                trouble.next.contains(next) && trouble.exit == Exit::Usage,
                "{trouble}"
            );
        };
        check("Our Outage", "small letters");
        check("../x", "small letters");
        check("-x", "small letters");
        check("orm-break", "--from orm-break");
        assert!(fit("our-2nd-outage").is_ok());
    }
}
