//! The journal of a drill: one CloudEvents 1.0 envelope a line, each carrying the hash of the line before, synced to disk
//! at each step. It is the audit log, the live feed, and all that a report is made from.
//!
//! `hash` is the last member of a line: SHA-256 of the line as it is without that member. `previous` is the hash of the
//! line before. Whoever changes, removes or moves a line breaks the chain there.

mod reader;

use std::{io, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{fs::File, io::AsyncWriteExt as _};

pub use self::reader::{Flaw, Read, is_held, load, lock, read};
use super::event::{Event, Stamp, Stamped};

/// One line: an event in a CloudEvents envelope, with the two clocks of the drill as extension attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    specversion: String,
    /// Unique within the drill: its name and the number of the line.
    pub id: String,
    /// The drill.
    pub source: String,
    /// By the clock of the world, for people; the drill itself goes by [`Stamp`].
    pub time: Timestamp,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    datacontenttype: String,
    /// When it happened, by both clocks of the drill.
    #[serde(flatten)]
    pub at: Stamp,
    /// The number of the line, from 1.
    pub sequence: u64,
    /// The hash of the line before; the first line has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub previous: String,
    /// What happened: `type` and `data`.
    #[serde(flatten)]
    pub event: Event,
}

impl Envelope {
    /// The name of the drill.
    pub fn drill(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or_default()
    }
}

/// Seals events into lines. Pure: the same events at the same times give the same lines.
#[derive(Clone, Debug)]
pub struct Chain {
    drill: String,
    lines: u64,
    last: String,
}

impl Chain {
    /// A chain for a drill of this name.
    pub fn new(drill: impl Into<String>) -> Self {
        Self {
            drill: drill.into(),
            lines: 0,
            last: String::new(),
        }
    }

    /// A chain that goes on after the last line of a journal that was read.
    pub fn after(read: &Read) -> Self {
        let last = read.lines.last();
        Self {
            drill: last.map_or_else(String::new, |line| line.drill().to_owned()),
            lines: last.map_or(0, |line| line.sequence),
            last: read.last.clone(),
        }
    }

    /// The next line, with its line feed.
    pub fn seal(&mut self, time: Timestamp, stamped: &Stamped) -> io::Result<String> {
        let envelope = Envelope {
            specversion: "1.0".into(),
            id: format!("{}-{}", self.drill, self.lines + 1),
            source: format!("/chaosproxy/drills/{}", self.drill),
            time,
            subject: stamped.event.subject().map(str::to_owned),
            datacontenttype: "application/json".into(),
            at: stamped.at,
            sequence: self.lines + 1,
            previous: self.last.clone(),
            event: stamped.event.clone(),
        };
        let body = serde_json::to_string(&envelope)?;
        let hash = hex(&Sha256::digest(&body));
        let open = body.strip_suffix('}').unwrap_or(&body);
        let line = format!("{open}{MEMBER}{hash}\"}}\n");
        self.lines += 1;
        self.last = hash;
        Ok(line)
    }
}

/// Opens the last member of a line.
const MEMBER: &str = ",\"hash\":\"";
/// How many characters a SHA-256 has in hexadecimal.
const HASH: usize = 64;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A journal on disk, to which lines are only ever added.
#[derive(Debug)]
pub struct Journal {
    file: File,
    chain: Chain,
}

impl Journal {
    /// Begins a journal in a file that must not exist yet. As long as the drill writes to it, the file is locked, so that
    /// whoever reads it knows a drill that runs from one that crashed.
    pub async fn create(path: &Path, drill: &str) -> io::Result<Self> {
        let file = File::options().append(true).create_new(true).open(path).await?;
        let file = file.into_std().await;
        // Where the file system knows no locks, there is a journal all the same.
        let _ = file.try_lock();
        Ok(Self::on(File::from_std(file), drill))
    }

    /// Begins a journal on a file that is open.
    pub(super) fn on(file: File, drill: &str) -> Self {
        Self {
            file,
            chain: Chain::new(drill),
        }
    }

    /// Adds events, and returns their lines once they are safe on the disk.
    pub async fn append(&mut self, events: &[Stamped]) -> io::Result<Vec<String>> {
        let now = Timestamp::now();
        let lines: Vec<_> = events
            .iter()
            .map(|event| self.chain.seal(now, event))
            .collect::<io::Result<_>>()?;
        self.file.write_all(lines.concat().as_bytes()).await?;
        self.file.flush().await?;
        self.file.sync_data().await?;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drill::event::Mark;

    fn mark(i: usize) -> Stamped {
        Stamped {
            at: Stamp::default(),
            event: Event::MarkPassed(Mark {
                name: format!("m{i}"),
            }),
        }
    }

    fn lines(count: usize) -> Vec<String> {
        let mut chain = Chain::new("orm-break-1");
        (0..count)
            .map(|i| chain.seal(Timestamp::UNIX_EPOCH, &mark(i)).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_a_cloudevents_envelope() {
        let line: serde_json::Value = serde_json::from_str(&lines(2)[1]).unwrap();
        assert_eq!(line["specversion"], "1.0");
        assert_eq!(line["id"], "orm-break-1-2");
        assert_eq!(line["source"], "/chaosproxy/drills/orm-break-1");
        assert_eq!(line["type"], "chaosproxy.mark.passed.v1");
        assert_eq!(line["time"], "1970-01-01T00:00:00Z");
        assert_eq!(line["subject"], "m1");
        assert_eq!(line["data"]["name"], "m1");
        assert_eq!(line["storyms"], 0);
    }

    #[tokio::test]
    async fn a_journal_is_held_for_as_long_as_its_drill_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert!(!is_held(&path));
        let journal = Journal::create(&path, "orm-break-1").await.unwrap();
        assert!(is_held(&path));
        drop(journal);
        assert!(!is_held(&path));
    }

    #[test]
    fn what_is_written_reads_back_without_a_flaw() {
        let read = read(&lines(5).concat());
        assert_eq!((read.lines.len(), read.flaws.len(), read.torn), (5, 0, false));
    }

    #[test]
    fn a_line_that_was_changed_removed_or_moved_is_found_and_no_other_is_blamed() {
        let check = |change: fn(&mut Vec<String>), blamed: &[(usize, &str)]| {
            let mut lines = lines(6);
            change(&mut lines);
            let flaws = read(&lines.concat()).flaws;
            assert_eq!(flaws.len(), blamed.len(), "{flaws:?}");
            for (flaw, (line, what)) in flaws.iter().zip(blamed) {
                assert_eq!(flaw.line, *line, "{flaws:?}");
                assert!(flaw.what.contains(what), "{flaws:?}");
            }
        };
        check(|_| {}, &[]);
        check(
            |lines| lines[2] = lines[2].replace("m2", "mx"),
            &[(3, "changed after")],
        );
        check(
            |lines| lines[5] = lines[5].replace("m5", "mx"),
            &[(6, "changed after")],
        );
        check(|lines| drop(lines.remove(0)), &[(1, "a line is missing")]);
        check(|lines| drop(lines.remove(2)), &[(3, "a line is missing")]);
        check(|lines| drop(lines.drain(2..4)), &[(3, "2 lines are missing")]);
        check(
            |lines| lines.swap(1, 2),
            &[(2, "number 3 stands where 2 belongs"), (3, "moved")],
        );
        check(
            |lines| {
                let moved = lines.remove(1);
                lines.insert(4, moved);
            },
            &[(2, "moved"), (5, "number 2 stands where 6 belongs")],
        );
        check(|lines| lines.insert(3, lines[1].clone()), &[(4, "copied")]);
        check(|lines| lines[1] = "{}\n".into(), &[(2, "no line of a journal")]);
        // Whoever seals a changed line again breaks the next.
        let reseal = |lines: &mut Vec<String>| {
            let mut chain = Chain::new("orm-break-1");
            (chain.lines, chain.last) = (2, "0".repeat(HASH));
            lines[2] = chain.seal(Timestamp::UNIX_EPOCH, &mark(9)).unwrap();
        };
        check(
            reseal,
            &[
                (3, "does not follow from line 2"),
                (4, "does not follow from line 3"),
            ],
        );
    }

    proptest! {
        #[test]
        fn a_crash_at_any_byte_leaves_the_whole_lines_readable(cut in 0_usize..4000) {
            let text = lines(6).concat();
            let cut = cut.min(text.len());
            let read = read(&text[..cut]);
            prop_assert!(read.flaws.is_empty());
            prop_assert_eq!(read.lines.len(), text[..cut].matches('\n').count());
            prop_assert_eq!(read.torn, cut > 0 && !text[..cut].ends_with('\n'));
        }
    }
}
