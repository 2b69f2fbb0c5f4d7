//! A profile that takes another and changes what it says: `extends: NAME|FILE`, resolved before anything is read.

use std::path::{Path as FilePath, PathBuf};

use super::{
    profile::Profile,
    shipped::{Shipped, find},
};
use crate::config::{self, Path, Problems, Tree};

/// The key that names what a profile stands on.
pub(super) const EXTENDS: &str = "extends";

/// So many profiles stand on each other at most: nobody understands a taller pile, and every file is read for it.
const MOST_LAYERS: usize = 8;

/// A profile's tree with all that it stands on laid beneath it.
pub(super) fn resolve(tree: Tree, file: &FilePath) -> Result<Tree, Problems> {
    let place = Place::File(file.to_owned());
    let mut above = vec![place.known()];
    under(tree, &place, &mut above)
}

/// Lays beneath a tree what it stands on, and so on downwards; `above` is where one has been already.
fn under(tree: Tree, place: &Place, above: &mut Vec<Place>) -> Result<Tree, Problems> {
    let Some(said) = base(&tree)? else {
        return Ok(tree);
    };
    let next = place.of(&said);
    if above.contains(&next.known()) {
        let what = format!("`{said}` stands on this profile itself");
        return wrong(&tree, what, "open the circle by leaving out one `extends`");
    }
    if above.len() == MOST_LAYERS {
        let what = format!("more than {MOST_LAYERS} profiles stand on each other");
        return wrong(
            &tree,
            what,
            "write one out: `chaosproxy profiles show FILE --resolved`",
        );
    }
    if let Some(mend) = next.missing() {
        let what = format!("`{said}` is no shipped profile, and there is no such file");
        return wrong(&tree, what, mend);
    }
    above.push(next.known());
    let below = under(next.read()?, &next, above)?;
    Ok(tree.without(EXTENDS).over::<Profile>(below))
}

/// What a tree stands on, if it stands on anything.
fn base(tree: &Tree) -> Result<Option<String>, Problems> {
    if !tree.has(&at(EXTENDS)) {
        return Ok(None);
    }
    let said = tree.word(&at(EXTENDS)).filter(|said| !said.is_empty());
    if said.is_none() {
        let mend = "write its name, or its file, as in `extends: orm-break`";
        return wrong(tree, "a profile extends one other", mend);
    }
    if !tree.has(&at("name")) {
        let what = "what extends another needs a name of its own: reports must not take it for the other";
        return wrong(tree, what, "add one, as in `name: our-orm-break`");
    }
    Ok(said.map(str::to_owned))
}

fn wrong<T>(tree: &Tree, what: impl Into<String>, mend: impl Into<String>) -> Result<T, Problems> {
    Err(tree.problem(&at(EXTENDS), what, mend).into())
}

/// Where a profile is.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Shipped(Shipped),
    File(PathBuf),
}

impl Place {
    /// What a profile here means by a name: one that ships, or a file beside it.
    fn of(&self, said: &str) -> Self {
        match (find(said), self) {
            (Some(shipped), _) => Self::Shipped(shipped),
            (None, Self::File(file)) => Self::File(config::folder(file).join(said)),
            (None, Self::Shipped(_)) => Self::File(said.into()),
        }
    }

    /// What tells it from others, however it was named.
    fn known(&self) -> Self {
        match self {
            Self::File(file) => Self::File(file.canonicalize().unwrap_or_else(|_| file.clone())),
            Self::Shipped(_) => self.clone(),
        }
    }

    /// Where it was looked for, if nothing is there.
    fn missing(&self) -> Option<String> {
        match self {
            Self::File(file) if !file.exists() => Some(format!(
                "looked for it at {}; `chaosproxy profiles` lists those that ship",
                file.display()
            )),
            _ => None,
        }
    }

    fn read(&self) -> Result<Tree, Problems> {
        match self {
            Self::Shipped(shipped) => Tree::parse(&format!("{}.yaml (shipped)", shipped.name), shipped.text),
            Self::File(file) => Tree::parse(&file.display().to_string(), &config::read_text(file)?),
        }
    }
}

fn at(key: &str) -> Path {
    Path::of([key])
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tempfile::TempDir;

    use crate::drill::{
        Offset,
        profile::{Objective, When},
        profiles::{load, open},
    };

    /// A folder with files of these names.
    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn problems(folder: &TempDir, name: &str) -> String {
        let file = folder.path().join(name);
        let problems = load(&file.display().to_string()).unwrap_err().to_string();
        problems.replace(&format!("{}/", folder.path().display()), "")
    }

    const OURS: &str = "\
schema: chaosproxy.profile/v1
name: our-break
extends: orm-break
clock: {wait: 5}
phases:
  latent: {leave: [{when: {after: 10m}, to: outage}]}
objectives:
  writes-back: {time: {target: 20m}}
  no-detour: null
  quick: {never: suspect-lb}
limits: {max_wall: 1h}
stop: [{held: {above: 100}}]
";

    #[test]
    fn a_profile_changes_what_it_says_and_nothing_else() {
        let folder = folder(&[("ours.yaml", OURS)]);
        let opened = open(&folder.path().join("ours.yaml").display().to_string()).unwrap();
        let (ours, theirs) = (opened.profile, load("orm-break").unwrap());
        assert_eq!(opened.extends, ["orm-break.yaml (shipped)"]);
        assert_eq!((ours.name.as_str(), &ours.title), ("our-break", &theirs.title));
        assert_eq!(
            (ours.clock.wait.get(), ours.clock.replay),
            (5, theirs.clock.replay)
        );
        let ways: Vec<_> = ours.phases[0].leave.iter().map(|leave| &leave.when).collect();
        assert!(matches!(ways[..], [When::After(span)] if span.0 == Duration::from_secs(600)));
        assert_eq!(
            (ours.phases[0].at, &ours.phases[1..]),
            (Some(Offset::mins(0)), &theirs.phases[1..])
        );
        let names: Vec<_> = ours.objectives.names().collect();
        assert_eq!(names, ["localise", "save-the-reads", "writes-back", "quick"]);
        let Some(Objective::Time(interval)) = ours.objectives.get("writes-back") else {
            panic!("{:?}", ours.objectives);
        };
        assert_eq!(interval.original.map(|span| span.0.as_secs()), Some(132 * 60));
        assert_eq!(
            (ours.stop.len(), ours.acts, ours.checks),
            (1, theirs.acts, theirs.checks)
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_the_file_that_it_stands_in() {
        let files = [
            ("ours.yaml", &*OURS.replace("after: 10m", "after: ten")),
            (
                "lost.yaml",
                "name: lost\nextends: ours.yaml\nacts: {restart: null}\n",
            ),
        ];
        let folder = folder(&files);
        let found = problems(&folder, "lost.yaml");
        assert!(found.contains("ours.yaml:6:35: `ten` is no duration"), "{found}");
        fs::write(folder.path().join("ours.yaml"), OURS).unwrap();
        let found = problems(&folder, "lost.yaml");
        assert!(found.contains("orm-break.yaml (shipped):68:"), "{found}");
        assert!(found.contains("there is no act `restart`"), "{found}");
    }

    #[test]
    fn circles_towers_and_bases_that_are_none_are_refused_where_they_are_named() {
        let tower: Vec<_> = (0..10)
            .map(|n| {
                (
                    format!("t{n}.yaml"),
                    format!("name: t{n}\nextends: t{}.yaml\n", n + 1),
                )
            })
            .collect();
        let mut files: Vec<(&str, &str)> = tower.iter().map(|(name, text)| (&**name, &**text)).collect();
        files.extend([
            ("a.yaml", "name: a\nextends: b.yaml\n"),
            ("b.yaml", "name: b\nextends: ./a.yaml\n"),
            ("gone.yaml", "name: gone\nextends: orm-brake\n"),
            ("nameless.yaml", "extends: orm-break\n"),
            ("two.yaml", "name: two\nextends: [orm-break, hung-auth]\n"),
        ]);
        let folder = folder(&files);
        let check = |name: &str, expected: &str| {
            let found = problems(&folder, name);
            assert!(found.contains(expected), "{name}: {found}");
        };
        check("a.yaml", "b.yaml:2:10: `./a.yaml` stands on this profile itself");
        check(
            "t0.yaml",
            "t7.yaml:2:10: more than 8 profiles stand on each other",
        );
        check("gone.yaml", "gone.yaml:2:10: `orm-brake` is no shipped profile");
        check(
            "nameless.yaml",
            "nameless.yaml:1:10: what extends another needs a name of its own",
        );
        check("two.yaml", "two.yaml:2:1: a profile extends one other");
    }
}
