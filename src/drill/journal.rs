//! The journal of a drill: one CloudEvents 1.0 envelope a line, each carrying the hash of the line before, synced to disk
//! at each step. It is the audit log, the live feed, and all that a report is made from.
//!
//! `hash` is the last member of a line: SHA-256 of the line as it is without that member. `previous` is the hash of the
//! line before. Whoever changes, removes or moves a line breaks the chain there.

use std::{fmt, io, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{fs::File, io::AsyncWriteExt as _};

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
    /// Begins a journal in a file that must not exist yet.
    pub async fn create(path: &Path, drill: &str) -> io::Result<Self> {
        let file = File::options().append(true).create_new(true).open(path).await?;
        Ok(Self::on(file, drill))
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

/// What was read from a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The lines that are whole, in their order.
    pub lines: Vec<Envelope>,
    /// What is wrong with the chain; nothing when it holds.
    pub flaws: Vec<Flaw>,
    /// Whether the last line was cut short, as by a crash in mid-write. It is left out and breaks nothing.
    pub torn: bool,
}

/// Something that is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The line in the file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Read {
    /// The events with their stamps.
    pub fn events(&self) -> impl Iterator<Item = Stamped> {
        self.lines.iter().map(|line| Stamped {
            at: line.at,
            event: line.event.clone(),
        })
    }
}

/// Reads a journal and follows its chain, also of a drill that crashed.
pub fn read(text: &str) -> Read {
    let mut read = Read {
        torn: !text.is_empty() && !text.ends_with('\n'),
        ..Read::default()
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let (mut last, mut next) = (String::new(), 1);
    for (i, line) in whole.lines().enumerate() {
        let flaw = |what: String| Flaw { line: i + 1, what };
        let Some((body, hash)) = open(line) else {
            read.flaws.push(flaw("it is no line of a journal".into()));
            continue;
        };
        if hex(&Sha256::digest(&body)) != hash {
            read.flaws
                .push(flaw("it was changed after it was written".into()));
        }
        match serde_json::from_str::<Envelope>(&body) {
            Ok(envelope) => {
                if envelope.sequence != next {
                    let (found, wanted) = (envelope.sequence, next);
                    read.flaws.push(flaw(format!(
                        "number {found} stands where {wanted} belongs: lines are missing or were moved"
                    )));
                } else if envelope.previous != last {
                    read.flaws
                        .push(flaw("it does not follow from the line before it".into()));
                }
                next = envelope.sequence + 1;
                read.lines.push(envelope);
            }
            Err(e) => read.flaws.push(flaw(format!("it cannot be read: {e}"))),
        }
        last = hash.to_owned();
    }
    read
}

/// Takes a line apart into what was hashed and the hash.
fn open(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_suffix("\"}")?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH)?)?;
    let open = rest.strip_suffix(MEMBER)?;
    Some((format!("{open}}}"), hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drill::event::Mark;

    fn lines(count: usize) -> Vec<String> {
        let mut chain = Chain::new("orm-break-1");
        let mark = |i: usize| Stamped {
            at: Stamp::default(),
            event: Event::MarkPassed(Mark {
                name: format!("m{i}"),
            }),
        };
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

    #[test]
    fn what_is_written_reads_back_without_a_flaw() {
        let read = read(&lines(5).concat());
        assert_eq!((read.lines.len(), read.flaws.len(), read.torn), (5, 0, false));
    }

    #[test]
    fn a_line_that_was_changed_removed_or_moved_is_found() {
        let check = |change: fn(&mut Vec<String>), line: usize, what: &str| {
            let mut lines = lines(5);
            change(&mut lines);
            let flaws = read(&lines.concat()).flaws;
            let found = flaws
                .iter()
                .any(|flaw| flaw.line == line && flaw.what.contains(what));
            assert!(found, "{flaws:?}");
        };
        check(|lines| lines[2] = lines[2].replace("m2", "mx"), 3, "changed");
        check(|lines| lines[4] = lines[4].replace("m4", "mx"), 5, "changed");
        check(|lines| drop(lines.remove(2)), 3, "missing");
        check(|lines| lines.swap(1, 2), 2, "moved");
        check(|lines| lines[1] = "{}\n".into(), 2, "no line of a journal");
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
