//! The incidents that ship with chaosproxy, and how a profile is read from a file.

use std::{fs, io, path::Path};

use super::profile::{Profile, proof};
use crate::config::{Problem, Problems, Tree, salvage};

/// A profile that ships with chaosproxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every shipped profile; a test compares this table with the folder.
pub const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "bad-reload",
        text: include_str!("../../profiles/bad-reload.yaml"),
    },
    Shipped {
        name: "hung-auth",
        text: include_str!("../../profiles/hung-auth.yaml"),
    },
    Shipped {
        name: "hung-auth-quiet",
        text: include_str!("../../profiles/hung-auth-quiet.yaml"),
    },
    Shipped {
        name: "orm-break",
        text: include_str!("../../profiles/orm-break.yaml"),
    },
    Shipped {
        name: "standby-overload",
        text: include_str!("../../profiles/standby-overload.yaml"),
    },
];

/// The shipped profile of this name.
pub fn find(name: &str) -> Option<Shipped> {
    SHIPPED.iter().copied().find(|shipped| shipped.name == name)
}

/// Reads and proves the profile of this name, or the one in this file.
pub fn load(name_or_file: &str) -> Result<Profile, Problems> {
    if let Some(shipped) = find(name_or_file) {
        return read(&format!("{}.yaml", shipped.name), shipped.text);
    }
    let text = fs::read_to_string(Path::new(name_or_file)).map_err(|e| {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        let mend = format!(
            "name a file, or one of the shipped profiles: {}",
            names.join(", ")
        );
        let what = match e.kind() {
            io::ErrorKind::NotFound => "is no shipped profile, and there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "is a folder, and no shipped profile".to_owned(),
            _ => format!("is no shipped profile and cannot be read: {e}"),
        };
        Problem::whole(name_or_file, what, mend)
    })?;
    read(name_or_file, &text)
}

/// Reads and proves a profile, or says everything that is wrong with it, and where.
pub fn read(file: &str, text: &str) -> Result<Profile, Problems> {
    let tree = Tree::parse(file, text)?;
    let (profile, mut problems): (Option<Profile>, _) = salvage(&tree);
    let Some(profile) = profile else {
        return Err(problems);
    };
    // What could not be read is missing from the profile: only a whole one can be proved.
    if problems.is_empty() {
        let found = proof::prove(&profile).into_iter();
        problems.extend(found.map(|finding| tree.problem(&finding.path, finding.what, finding.mend)));
    }
    problems.or(profile)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_holds_what_the_folder_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let table: BTreeSet<String> = SHIPPED
            .iter()
            .map(|shipped| format!("{}.yaml", shipped.name))
            .collect();
        assert_eq!(files, table);
    }

    #[test]
    fn every_shipped_profile_can_be_run_and_carries_its_name() {
        for shipped in SHIPPED {
            let profile = load(shipped.name).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(profile.name, shipped.name);
        }
    }

    #[test]
    fn the_grammar_has_a_schema_for_editors() {
        let schema = serde_json::to_value(schemars::schema_for!(Profile)).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["properties"]["phases"].is_object(), "{schema}");
    }

    #[test]
    fn a_profile_survives_being_written_and_read() {
        for shipped in SHIPPED {
            let profile = load(shipped.name).unwrap_or_else(|problems| panic!("{problems}"));
            let written = crate::config::to_yaml(&profile).unwrap();
            let back = read("written.yaml", &written).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(back, profile);
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        let text = find("orm-break")
            .unwrap()
            .text
            .replace("to: reads-saved", "to: reads-safe");
        let problems = read("mine.yaml", &text).unwrap_err().to_string();
        assert!(problems.contains("mine.yaml:"), "{problems}");
        assert!(problems.contains("there is no phase `reads-safe`"), "{problems}");
        assert!(
            problems.contains("nothing leads to phase `reads-saved`"),
            "{problems}"
        );
    }

    #[test]
    fn a_profile_that_is_not_there_names_those_that_are() {
        let problems = load("orm-brake").unwrap_err().to_string();
        assert!(problems.contains("orm-break"), "{problems}");
    }
}
