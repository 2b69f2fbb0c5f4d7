//! `chaosproxy report`: a drill's report, made again from its journal alone.

use std::path::{Path, PathBuf};

use super::{Exit, Outcome, Terminal, Trouble};
use crate::{
    admin::{JOURNAL, journal_of, newest},
    config::read_text,
    drill::report::{self, Report},
};

/// Make a drill's report again, from its journal; also after a crash
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy report                                  The last drill, as Markdown
  chaosproxy report orm-break-20260117T2332 --json
  chaosproxy report ./reports/orm-break-20260117T2332/journal.jsonl")]
pub(super) struct Args {
    /// The drill: its name, its folder or its journal; left out: the last one
    #[arg(value_name = "DRILL")]
    drill: Option<String>,
    /// As Markdown, which is what it is unless --json is said
    #[arg(long, conflicts_with = "json")]
    md: bool,
    /// Where the drills' folders are
    #[arg(long, value_name = "DIR", default_value = "./reports")]
    report_dir: PathBuf,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let journal = journal(self.drill.as_deref(), &self.report_dir)?;
        let report = Report::of(&read_text(&journal)?);
        terminal.show(&report, report::markdown)?;
        Ok(Exit::Ok)
    }
}

/// The journal that is meant.
fn journal(said: Option<&str>, folder: &Path) -> Result<PathBuf, Trouble> {
    let Some(said) = said else {
        let last = newest(folder).and_then(|name| journal_of(folder, &name));
        return last.ok_or_else(|| {
            Trouble::usage(
                format!("there is no drill in {}", folder.display()),
                "run one with `chaosproxy --profile orm-break`, or say where to look with --report-dir",
            )
        });
    };
    let named = journal_of(folder, said);
    let places = [
        Some(PathBuf::from(said)),
        Some(Path::new(said).join(JOURNAL)),
        named,
    ];
    let found = places.into_iter().flatten().find(|path| path.is_file());
    found.ok_or_else(|| {
        Trouble::usage(
            format!("there is no journal of a drill `{said}`"),
            format!("look into {}: each drill has a folder there", folder.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_is_found_by_name_folder_and_journal() {
        let folder = tempfile::tempdir().unwrap();
        let drill = folder.path().join("orm-break-1");
        std::fs::create_dir(&drill).unwrap();
        assert!(
            journal(None, folder.path())
                .unwrap_err()
                .next
                .contains("--profile")
        );
        let expected = drill.join(JOURNAL);
        std::fs::write(&expected, "").unwrap();
        for said in ["orm-break-1", drill.to_str().unwrap(), expected.to_str().unwrap()] {
            assert_eq!(journal(Some(said), folder.path()), Ok(expected.clone()), "{said}");
        }
        assert_eq!(journal(None, folder.path()), Ok(expected));
        assert_eq!(
            journal(Some("orm-break-2"), folder.path()).unwrap_err().exit,
            Exit::Usage
        );
    }
}
