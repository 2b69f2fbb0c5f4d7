//! The hot wash: what people write down, and how they rate objectives, once a drill is over. It goes to the end of the drill's
//! own journal, whose chain goes on, and the report is made again.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    event::{Assessed, Event, Noted, Stamp, Stamped},
    journal::{self, Chain, Read},
    lead::Verb,
    report::{self, Report},
};

/// So long after its verdict a drill can still be talked about. What comes later is no longer what people saw.
pub const OPEN_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// So many notes and ratings are taken after the verdict: a room of people says less in an hour.
const MOST: usize = 1000;

/// Why nothing is added.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// What was asked for is not for a drill that is over, or no longer.
    #[error("{0}")]
    Refused(String),
    /// The disk does not do it.
    #[error("the journal or the report cannot be written: {0}")]
    Disk(#[from] io::Error),
}

/// Adds a note or a rating to the journal of a drill that is over, and makes its report again. Gives the event and its line.
pub fn add(path: &Path, verb: &Verb, by: &str, now: Timestamp) -> Result<(Stamped, String), Closed> {
    // Before the lock, which a drill that runs holds to its end.
    stamp(&journal::read(&journal::load(path)?), now)?;
    let mut file = journal::lock(path)?;
    let text = journal::load(path)?;
    let read = journal::read(&text);
    let stamped = Stamped {
        at: stamp(&read, now)?,
        event: event(&read, verb, by)?,
    };
    let line = Chain::after(&read).seal(now, &stamped)?;
    append(&mut file, &line)?;
    if let Some(folder) = path.parent() {
        report::save(&Report::of(&(text + &line)), folder)?;
    }
    Ok((stamped, line))
}

fn append(file: &mut File, line: &str) -> io::Result<()> {
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

/// The story stands where it ended; the clock on the wall goes on.
fn stamp(read: &Read, now: Timestamp) -> Result<Stamp, Closed> {
    if !read.flaws.is_empty() || read.torn {
        return Err(refused(
            "its journal is not as it was written, so nothing is added to it",
        ));
    }
    let mut lines = read.lines.iter();
    let verdict = lines.by_ref().find(|line| matches!(line.event, Event::Judged(_)));
    let Some(verdict) = verdict else {
        return Err(refused(
            "its journal has no verdict: it is about to end, or it crashed",
        ));
    };
    if lines.count() >= MOST {
        return Err(refused(&format!(
            "{MOST} notes and ratings were taken after its end"
        )));
    }
    let since = Duration::try_from(now.duration_since(verdict.time)).unwrap_or_default();
    if since > OPEN_FOR {
        let hours = OPEN_FOR.as_secs() / 3600;
        return Err(refused(&format!("it ended more than {hours} hours ago")));
    }
    let last = read.lines.last().map_or(verdict.at, |line| line.at);
    Ok(last.max(Stamp::new(verdict.at.story, verdict.at.wall + since)))
}

fn event(read: &Read, verb: &Verb, by: &str) -> Result<Event, Closed> {
    let by = by.to_owned();
    match verb {
        Verb::Note(text) => Ok(Event::Noted(Noted {
            text: text.clone(),
            by,
        })),
        Verb::Rate {
            objective,
            rating,
            why,
        } => {
            let started = read.lines.iter().find_map(|line| match &line.event {
                Event::DrillStarted(started) => Some(started),
                _ => None,
            });
            let objectives = started.map(|started| &started.profile.objectives);
            let assessed = Assessed {
                objective: objective.clone(),
                rating: *rating,
                why: why.clone(),
                by,
            };
            match objectives {
                Some(objectives) => assessed
                    .of(objectives)
                    .map(Event::Assessed)
                    .map_err(Closed::Refused),
                None => Err(refused("its journal does not say which profile it was")),
            }
        }
        _ => Err(refused(
            "the drill is over: only notes and ratings are still taken",
        )),
    }
}

fn refused(why: &str) -> Closed {
    Closed::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::{
        event::Mark,
        lead::Performance,
        verdict::{Judgement, Verdict},
    };

    /// A drill that ended at the beginning of time.
    fn over() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let judgement = Judgement {
            verdict: Verdict::Held,
            exit: 0,
            checks: Vec::new(),
        };
        let script = crate::drill::simulated::orm_break(crate::drill::Mode::Replay, true);
        let events = [
            Event::DrillStarted(Box::new(script.started())),
            Event::MarkPassed(Mark { name: "page".into() }),
            Event::Judged(Box::new(judgement)),
        ];
        let mut chain = Chain::new("orm-break-1");
        let lines = events.map(|event| {
            let at = Stamp::new(Duration::from_secs(600), Duration::from_secs(10));
            chain.seal(Timestamp::UNIX_EPOCH, &Stamped { at, event }).unwrap()
        });
        std::fs::write(folder.path().join("journal.jsonl"), lines.concat()).unwrap();
        folder
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_is_said_afterwards_goes_on_with_the_chain_and_stands_in_the_report() {
        let folder = over();
        let path = folder.path().join("journal.jsonl");
        let note = Verb::Note("We looked at the balancer first.".into());
        let rate = Verb::Rate {
            objective: "localise".into(),
            rating: Performance::Some,
            why: None,
        };
        let (noted, _) = add(&path, &note, "olga", after(60)).unwrap();
        assert_eq!((noted.at.story.as_secs(), noted.at.wall.as_secs()), (600, 70));
        add(&path, &rate, "olga", after(61)).unwrap();
        let text = journal::load(&path).unwrap();
        let read = journal::read(&text);
        assert!(read.flaws.is_empty() && read.is_complete(), "{:?}", read.flaws);
        assert_eq!(read.lines.len(), 5);
        let report = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
        assert!(report.contains("We looked at the balancer first."), "{report}");
        assert!(
            report.contains("performed with some challenges, says olga"),
            "{report}"
        );
        // Whoever takes one of them out is found.
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let without = [&lines[..3], &lines[4..]].concat().concat();
        assert!(!journal::read(&without).flaws.is_empty());
    }

    #[test]
    fn nobody_waits_for_a_drill_that_runs() {
        let folder = over();
        let path = folder.path().join("journal.jsonl");
        let text = journal::load(&path).unwrap();
        let unended: String = text.split_inclusive('\n').take(2).collect();
        std::fs::write(&path, unended).unwrap();
        let _held = journal::lock(&path).unwrap();
        let refused = add(&path, &Verb::Note("early".into()), "olga", after(60)).unwrap_err();
        assert!(refused.to_string().contains("no verdict"), "{refused}");
    }

    #[test]
    fn nothing_is_added_too_late_to_what_is_not_whole_or_that_is_no_objective() {
        let note = Verb::Note("late".into());
        let check = |verb: &Verb, seconds: i64, change: &dyn Fn(String) -> String, why: &str| {
            let folder = over();
            let path = folder.path().join("journal.jsonl");
            let text = change(std::fs::read_to_string(&path).unwrap());
            std::fs::write(&path, &text).unwrap();
            let error = add(&path, verb, "olga", after(seconds)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        };
        let same = |text: String| text;
        check(&note, 24 * 3600 + 1, &same, "more than 24 hours ago");
        check(
            &note,
            1,
            &|text| text.replace("page", "cage"),
            "not as it was written",
        );
        let cut = |text: String| text.split_inclusive('\n').take(2).collect();
        check(&note, 1, &cut, "no verdict");
        check(&Verb::Hold, 1, &same, "only notes and ratings");
        let pray = Verb::Rate {
            objective: "pray".into(),
            rating: Performance::Without,
            why: None,
        };
        check(&pray, 1, &same, "there is no objective `pray`");
    }
}
