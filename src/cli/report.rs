//! `chaosproxy report`: a drill's report, made again from its journal alone.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::ArgGroup;
use serde::Serialize;

use super::{
    Exit, Outcome, Terminal, Trouble,
    count::counted,
    terminal::{BAD, GOOD, ODD, styled},
};
use crate::{
    admin::{JOURNAL, journal_of, newest},
    drill::{
        journal::{self, Flaw},
        report::{self, Report},
    },
};

/// Make a drill's report again, from its journal; also after a crash
#[derive(clap::Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("form").conflicts_with(super::JSON),
    after_help = "\
Examples:
  chaosproxy report                                  The last drill, as Markdown
  chaosproxy report orm-break-20260117T2332 --html > report.html
  chaosproxy report ./reports/orm-break-20260117T2332/journal.jsonl --junit > junit.xml
  chaosproxy report --verify                         Is the journal as it was written?"
)]
pub(super) struct Args {
    /// The drill: its name, its folder or its journal; left out: the last one
    #[arg(value_name = "DRILL")]
    drill: Option<String>,
    /// As Markdown, which is what it is unless something else is said
    #[arg(long, group = "form")]
    md: bool,
    /// As a page that needs nothing but itself
    #[arg(long, group = "form")]
    html: bool,
    /// As JUnit XML
    #[arg(long, group = "form")]
    junit: bool,
    /// Say whether the journal is as it was written, in place of the report: exit status 0 if it is, 1 if a line was changed,
    /// moved or taken out, 5 if it ends too early
    #[arg(long, conflicts_with = "form")]
    verify: bool,
    /// Where the drills' folders are
    #[arg(long, value_name = "DIR", default_value = "./reports")]
    report_dir: PathBuf,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let journal = journal(self.drill.as_deref(), &self.report_dir)?;
        // Before the text, so that a drill that ends meanwhile is not taken for one that crashed.
        let held = journal::is_held(&journal);
        let text = journal::load(&journal).map_err(|error| Trouble::file("read", &journal, &error))?;
        if self.verify {
            let verified = Verified::of(&journal, &journal::read(&text));
            terminal.show(&verified, ToString::to_string)?;
            return Ok(verified.exit());
        }
        let report = Report::of(&text).written_to(held);
        if self.junit {
            let xml = report::junit(&report).map_err(|error| {
                Trouble::new(
                    format!("the report cannot be written as XML: {error}"),
                    "ask for another form",
                )
            })?;
            Terminal::print(&xml)?;
        } else if self.html {
            Terminal::print(&report::html(&report))?;
        } else {
            terminal.show(&report, report::markdown)?;
        }
        Ok(Exit::Ok)
    }
}

/// Whether a journal is as it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Verified {
    /// The journal.
    journal: PathBuf,
    /// How many lines of it can be read.
    lines: usize,
    /// The hash of the last line: who notes it elsewhere can tell later that nothing was changed.
    last: String,
    /// Lines that were changed, moved or taken out.
    flaws: Vec<Flaw>,
    /// Whether it goes to the verdict.
    complete: bool,
    /// Whether the last line was cut short.
    torn: bool,
}

impl Verified {
    fn of(journal: &Path, read: &journal::Read) -> Self {
        Self {
            journal: journal.to_owned(),
            lines: read.lines.len(),
            last: read.last.clone(),
            flaws: read.flaws.clone(),
            complete: read.is_complete(),
            torn: read.torn,
        }
    }

    const fn exit(&self) -> Exit {
        match (self.flaws.is_empty(), self.complete) {
            (false, _) => Exit::Failed,
            (true, false) => Exit::Incomplete,
            (true, true) => Exit::Ok,
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.journal.display(), counted(self.lines, "line"))?;
        for flaw in &self.flaws {
            writeln!(f, "  {}", styled(BAD, flaw))?;
        }
        if self.torn {
            writeln!(f, "  the last line was cut short, as by a crash")?;
        }
        if !self.complete {
            writeln!(
                f,
                "  it ends before the verdict: the drill crashed or still runs, or lines are missing at the end"
            )?;
        }
        match self.exit() {
            Exit::Ok => write!(
                f,
                "{}: each line follows from the one before it",
                styled(GOOD, "as it was written")
            )?,
            Exit::Incomplete => write!(
                f,
                "{}: as it was written, as far as it goes",
                styled(ODD, "incomplete")
            )?,
            _ => write!(f, "{}", styled(BAD, "not as it was written"))?,
        }
        if self.flaws.is_empty() && !self.last.is_empty() {
            write!(f, "\nthe last line has the hash {}", self.last)?;
        }
        Ok(())
    }
}

/// The journal that is meant.
pub(super) fn journal(said: Option<&str>, folder: &Path) -> Result<PathBuf, Trouble> {
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
    use crate::drill::{
        event::{Event, Mark, Stamp, Stamped},
        verdict::{Judgement, Verdict},
    };

    #[test]
    fn a_journal_that_was_changed_or_cut_is_told_from_one_that_is_whole() {
        let mut chain = journal::Chain::new("d");
        let judged = Judgement {
            verdict: Verdict::Held,
            exit: 0,
            checks: Vec::new(),
        };
        let mark = |name: &str| {
            Event::MarkPassed(Mark {
                name: name.to_owned(),
            })
        };
        let events = [mark("a"), mark("b"), Event::Judged(Box::new(judged))];
        let at = Stamp::default();
        let lines: Vec<String> = events
            .into_iter()
            .map(|event| {
                chain
                    .seal(jiff::Timestamp::UNIX_EPOCH, &Stamped { at, event })
                    .unwrap()
            })
            .collect();
        let check = |lines: &[&str], exit: Exit, words: &str| {
            let verified = Verified::of(Path::new("j"), &journal::read(&lines.concat()));
            assert_eq!(verified.exit(), exit, "{verified}");
            assert!(verified.to_string().contains(words), "{verified}");
        };
        let [a, b, c] = [lines[0].as_str(), lines[1].as_str(), lines[2].as_str()];
        check(
            &[a, b, c],
            Exit::Ok,
            &format!("the hash {}", &c[c.len() - 67..c.len() - 3]),
        );
        check(&[a, c], Exit::Failed, "line 2: a line is missing");
        check(&[b, a, c], Exit::Failed, "line 1: it was moved");
        check(
            &[a, &b.replace("\"b\"", "\"B\""), c],
            Exit::Failed,
            "line 2: it was changed",
        );
        check(&[a, b], Exit::Incomplete, "before the verdict");
        check(&[a, b, &c[..20]], Exit::Incomplete, "cut short");
        check(&[], Exit::Incomplete, "0 lines");
    }

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
