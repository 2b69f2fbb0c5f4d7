//! How a profile is read: one that ships, or a file.

use std::{fs, io, path::Path};

pub use super::shipped::{SHIPPED, Shipped, find};
use super::{
    extends,
    profile::{Profile, proof},
    sealed::Sealed,
};
use crate::{
    config::{Problem, Problems, Tree, salvage},
    units::{Dice, nearest},
};

/// A profile that can be run, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The profile, with all that it extends.
    pub profile: Profile,
    /// What it extends, the nearest first.
    pub extends: Vec<String>,
    /// Its name as long as nobody may know more, where it was under seal.
    pub sealed: Option<String>,
}

/// Reads and proves the profile of this name, or the one in this file.
pub fn load(name_or_file: &str) -> Result<Profile, Problems> {
    open(name_or_file).map(|opened| opened.profile)
}

/// [`load`], with where the profile comes from.
pub fn open(name_or_file: &str) -> Result<Opened, Problems> {
    if let Some(shipped) = find(name_or_file) {
        return open_text(&format!("{}.yaml", shipped.name), shipped.text);
    }
    let text = fs::read_to_string(Path::new(name_or_file)).map_err(|e| {
        let names: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        let near = nearest(name_or_file, names.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? Else "));
        let mend = format!(
            "{near}name a file, or one of the shipped profiles: {}",
            names.join(", ")
        );
        let what = match e.kind() {
            io::ErrorKind::NotFound => "is no shipped profile, and there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "is a folder, and no shipped profile".to_owned(),
            _ => format!("is no shipped profile and cannot be read: {e}"),
        };
        Problem::whole(name_or_file, what, mend)
    })?;
    open_text(name_or_file, &text)
}

/// Reads and proves a profile, or says everything that is wrong with it, and where.
pub fn read(file: &str, text: &str) -> Result<Profile, Problems> {
    open_text(file, text).map(|opened| opened.profile)
}

/// [`read`], with where the profile comes from. What it extends is looked for beside the file.
pub fn open_text(file: &str, text: &str) -> Result<Opened, Problems> {
    if let Some(sealed) = Sealed::read(file, text) {
        let sealed = sealed?;
        return Ok(Opened {
            profile: sealed.open(file)?,
            extends: Vec::new(),
            sealed: Some(sealed.id),
        });
    }
    let tree = extends::resolve(Tree::parse(file, text)?, Path::new(file))?;
    let (profile, mut problems): (Option<Profile>, _) = salvage(&tree);
    let Some(profile) = profile else {
        return Err(problems);
    };
    // What could not be read is missing from the profile: only a whole one can be proved.
    if problems.is_empty() {
        let found = proof::prove(&profile).into_iter();
        problems.extend(found.map(|finding| tree.problem(&finding.path, finding.what, finding.mend)));
    }
    problems.or(Opened {
        profile,
        extends: tree.files().skip(1).map(str::to_owned).collect(),
        sealed: None,
    })
}

/// The name that stands for any of those that ship.
pub const WHEEL: &str = "wheel";

/// One of the profiles that ship, by a seed, among those that fit.
pub fn wheel(seed: u64, fits: impl Fn(&Profile) -> bool) -> Option<Profile> {
    let shipped = SHIPPED.iter().filter_map(|shipped| load(shipped.name).ok());
    let mut fitting: Vec<_> = shipped.filter(fits).collect();
    if fitting.is_empty() {
        return None;
    }
    let place = Dice::new(seed).stream(TURN, 0).below(fitting.len());
    Some(fitting.swap_remove(place))
}

/// The question that the wheel asks the dice.
const TURN: u64 = 0x7768;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_shipped_profile_can_be_run_and_carries_its_name() {
        for shipped in SHIPPED {
            let profile = load(shipped.name).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(profile.name, shipped.name);
        }
    }

    #[test]
    fn the_wheel_turns_by_its_seed_and_stops_only_where_it_fits() {
        let names: BTreeSet<_> = (0..64)
            .filter_map(|seed| wheel(seed, |_| true))
            .map(|it| it.name)
            .collect();
        assert_eq!(names.len(), SHIPPED.len());
        let fits = |profile: &Profile| profile.name == "hung-auth";
        assert!((0..8).all(|seed| wheel(seed, fits).unwrap().name == "hung-auth"));
        assert_eq!(wheel(7, |_| false), None);
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
