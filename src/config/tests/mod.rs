//! Documents as people write them: those that must read, and those that must be refused with words that help.

mod roundtrip;
mod schema;
pub(crate) use schema::judged;

use std::{fs, path::Path as FilePath, path::PathBuf};

use super::{Document, Loaded, read, read_document, to_yaml};

/// The files of a folder beside this one, by name.
fn folder(name: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/config/tests")
        .join(name);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let name = |path: &FilePath| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = yaml
        .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn document(name: &str, text: &str) -> Document {
    match read_document(&format!("{name}.yaml"), text) {
        Ok(Loaded { document, .. }) => document,
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn broken_documents_are_refused_in_words_that_help() {
    let broken = folder("broken");
    assert!(broken.len() >= 40, "{}", broken.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, text) in broken {
            let problems = read_document(&format!("{name}.yaml"), &text).expect_err(&name);
            insta::assert_snapshot!(name, problems);
        }
    });
}

#[test]
fn sound_documents_read_and_survive_being_written() {
    for (name, text) in folder("sound") {
        let document = document(&name, &text);
        let written = to_yaml(&document).unwrap();
        assert_eq!(self::document(&name, &written), document, "{written}");
        let json = serde_json::to_string_pretty(&document).unwrap();
        assert_eq!(
            read::<Document>("document.json", &json).unwrap(),
            document,
            "{json}"
        );
    }
}

#[test]
fn the_least_document_is_written_as_short_as_it_was() {
    let text = "\
listeners:
  public: {bind: 0.0.0.0:8080, protocol: http, cluster: app}
clusters:
  app:
    backends: [{address: app.internal:9001}]
";
    assert_eq!(to_yaml(&document("least", text)).unwrap(), text);
}
