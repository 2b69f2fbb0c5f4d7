//! Loads every example: its document is right, its incident fits, and the commands that its page shows exist.

#![allow(clippy::unwrap_used, reason = "a test that fails here says so")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use chaosproxy::{
    cli::Cli,
    config::{self, Document},
    drill::{Binding, Bindings, Script, Settings, profiles},
};
use clap::Parser as _;

const DOCUMENT: &str = "chaosproxy.yaml";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The stories, by the name of their folder.
fn stories() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Those that bring a document; the others run the built-in services.
fn with_document() -> impl Iterator<Item = String> {
    let has_one = |story: &String| folder().join(story).join(DOCUMENT).exists();
    stories().into_iter().filter(has_one)
}

/// Reads a story's document as `chaosproxy check` does, with a certificate where it wants one.
fn document(story: &str) -> Document {
    let text = fs::read_to_string(folder().join(story).join(DOCUMENT)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let tls = place.path().join("tls");
    fs::create_dir(&tls).unwrap();
    let made = rcgen::generate_simple_self_signed(["app.staging.svc".to_owned()]).unwrap();
    fs::write(tls.join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(tls.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let loaded = config::load_text(&place.path().join(DOCUMENT), &text);
    loaded
        .unwrap_or_else(|problems| panic!("{story}:\n{problems}"))
        .document
}

/// The commands that a story's page shows: lines that begin with `chaosproxy`, in blocks for a shell.
fn commands(story: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(folder().join(story).join("README.md")).unwrap();
    let mut in_block = false;
    let mut found = Vec::new();
    for line in page.lines() {
        match line {
            "```sh" => in_block = true,
            "```" => in_block = false,
            _ if in_block && line.starts_with("chaosproxy ") => found.push(words(line)),
            _ => assert!(!in_block, "{story}: `{line}` is no command of ours"),
        }
    }
    found
}

/// The words of a command: what is in single quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The arguments and probes in a manifest, as command lines.
fn manifest_commands(text: &str) -> Vec<Vec<String>> {
    let lists = text.lines().filter_map(|line| {
        let (key, rest) = line
            .split_once("args: [")
            .map(|(_, rest)| (true, rest))
            .or_else(|| line.split_once("command: [").map(|(_, rest)| (false, rest)))?;
        let list: Vec<String> = serde_json::from_str(&format!("[{}]", &rest[..rest.find(']')?])).ok()?;
        Some(if key {
            [vec!["chaosproxy".to_owned()], list].concat()
        } else {
            list
        })
    });
    lists.collect()
}

#[track_caller]
fn exists(story: &str, command: &[String]) {
    if let Err(error) = Cli::try_parse_from(command) {
        panic!("{story}: {command:?}\n{error}");
    }
}

#[test]
fn every_document_is_right_and_every_story_has_a_page() {
    let stories = stories();
    assert!(stories.len() >= 6, "{stories:?}");
    with_document().for_each(|story| drop(document(&story)));
    for story in stories {
        assert!(
            commands(&story).len() >= 2,
            "{story}: the page shows how it is run"
        );
    }
}

#[test]
fn every_command_that_is_shown_exists() {
    for story in stories() {
        for command in commands(&story) {
            exists(&story, &command);
        }
    }
}

#[test]
fn every_fault_that_is_added_fits_its_document() {
    let mut seen = 0;
    for story in with_document() {
        let document = document(&story);
        let added = commands(&story)
            .into_iter()
            .filter(|words| words[1..].starts_with(&["faults".into(), "add".into()]));
        for command in added {
            let text = format!("{{do: {{{}}}, for: 1m}}", with_settings(&command[3]));
            let entry = config::read_fault(&document, "command line", &text);
            entry.unwrap_or_else(|problems| panic!("{story}: {command:?}\n{problems}"));
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

/// A kind by its bare name has no settings.
fn with_settings(does: &str) -> String {
    if does.contains(':') {
        does.to_owned()
    } else {
        format!("{does}: {{}}")
    }
}

#[test]
fn every_file_that_a_command_names_is_there() {
    for story in stories() {
        let files = commands(&story)
            .into_iter()
            .flatten()
            .filter(|word| word.ends_with(".yaml"));
        for file in files {
            assert!(folder().join(&story).join(&file).exists(), "{story}: {file}");
        }
    }
}

#[test]
fn the_manifest_of_the_sidecar_starts_it_and_asks_whether_it_is_ready() {
    let text = fs::read_to_string(folder().join("sidecar/deployment.yaml")).unwrap();
    let commands = manifest_commands(&text);
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in &commands {
        exists("sidecar", command);
    }
    assert!(text.contains(&format!("/etc/chaosproxy/{DOCUMENT}")));
}

#[test]
fn the_pipelines_run_commands_and_incidents_that_exist() {
    for file in ["github.yml", "gitlab-ci.yml"] {
        let text = fs::read_to_string(folder().join("ci").join(file)).unwrap();
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        let commands = text.lines().filter_map(|line| {
            let at = line
                .find("chaosproxy --")
                .or_else(|| line.find("chaosproxy report"))?;
            let line = line[at..].replace("${{ matrix.incident }}", "orm-break");
            Some(words(&line.replace("$INCIDENT", "orm-break")))
        });
        let commands: Vec<_> = commands.collect();
        assert_eq!(commands.len(), 2, "{file}: {commands:?}");
        commands.iter().for_each(|command| exists(file, command));
        let list = text
            .lines()
            .find(|line| line.to_lowercase().contains("incident: ["))
            .unwrap();
        let list = &list[list.find('[').unwrap() + 1..list.find(']').unwrap()];
        for incident in list.split(',').map(str::trim) {
            assert!(
                profiles::find(incident).is_some(),
                "{file}: there is no incident {incident}"
            );
        }
    }
}

#[test]
fn the_roles_of_the_incident_are_bound() {
    for story in ["orm-break-own-services", "orm-shop"] {
        is_causal(story);
    }
}

/// With the roles of a story's document the application really fails.
#[track_caller]
fn is_causal(story: &str) {
    let document = document(story);
    let bind = |(role, bound): (&str, &chaosproxy::route::OneOrMany<config::Target>)| {
        let target = bound
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        (
            role.to_owned(),
            Binding {
                target,
                backends: bound.iter().count(),
                ..Binding::default()
            },
        )
    };
    let bindings: Bindings = document.roles.iter().map(bind).collect();
    let profile = profiles::load("orm-break").unwrap();
    let script = Script::new(profile, &bindings, Settings::default());
    assert!(
        script.is_ok_and(|script| script.form() == chaosproxy::drill::Form::Causal),
        "the application really fails"
    );
}
