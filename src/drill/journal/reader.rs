//! A journal read again: its lines, and every place at which its chain is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{File, TryLockError},
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Envelope, HASH, MEMBER, hex};
use crate::drill::event::{Event, Stamped};

/// What was read from a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The lines that are whole, in their order.
    pub lines: Vec<Envelope>,
    /// What is wrong with the chain; nothing when it holds.
    pub flaws: Vec<Flaw>,
    /// The hash of the last line: who notes it elsewhere can tell later that nothing was changed.
    pub last: String,
    /// Whether the last line was cut short, as by a crash in mid-write. It is left out and breaks nothing.
    pub torn: bool,
}

/// Something that is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether the journal goes to the verdict, after which people may have written down more. One that does not is of a drill
    /// that crashed, or lines are missing at its end.
    pub fn is_complete(&self) -> bool {
        let afterwards = |event: &&Event| matches!(event, Event::Noted(_) | Event::Assessed(_));
        let last = self
            .lines
            .iter()
            .rev()
            .map(|line| &line.event)
            .find(|event| !afterwards(event));
        matches!(last, Some(Event::Judged(_)))
    }

    /// The events with their stamps.
    pub fn events(&self) -> impl Iterator<Item = Stamped> {
        self.lines.iter().map(|line| Stamped {
            at: line.at,
            event: line.event.clone(),
        })
    }
}

/// Opens a journal that is finished, to add to it or to make its report, and keeps others who do so waiting until the file is
/// dropped.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Whether somebody writes to a journal at this moment, which is the drill itself as long as it has no end. The lock goes with
/// the process that holds it, however that dies.
pub fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The text of a journal. What is no UTF-8, as after a crash in the middle of a character, shows as a flaw and not as an
/// error.
pub fn load(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if read as u64 > LARGEST {
        let why = format!("it is larger than {} MiB, which no journal is", LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A journal has a few thousand lines of a kilobyte or two; this is a hundred times as much.
const LARGEST: u64 = 512 << 20;

/// Reads a journal and follows its chain, also of a drill that crashed.
pub fn read(text: &str) -> Read {
    let mut read = Read {
        torn: !text.is_empty() && !text.ends_with('\n'),
        ..Read::default()
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines: Vec<_> = whole.lines().map(line).collect();
    let numbers = lines.iter().flatten().map(|(envelope, _)| envelope.sequence);
    let mut chain = Seen {
        numbers: numbers.collect(),
        hashes: BTreeMap::new(),
        next: 1,
    };
    for (i, line) in lines.into_iter().enumerate() {
        let flaw = |what: String| Flaw { line: i + 1, what };
        match line {
            Ok((envelope, seal)) => {
                let broken = [seal.broken(), chain.breach(&envelope)];
                read.flaws.extend(broken.into_iter().flatten().map(flaw));
                chain.next = chain.next.max(envelope.sequence.saturating_add(1));
                chain.hashes.insert(envelope.sequence, seal.said.clone());
                read.last = seal.said;
                read.lines.push(envelope);
            }
            Err(what) => {
                // Whatever number it had, it took a place.
                chain.next += 1;
                read.flaws.push(flaw(what));
            }
        }
    }
    read
}

/// The hash that a line says it has, and the one that it has.
struct Seal {
    said: String,
    found: String,
}

impl Seal {
    fn broken(&self) -> Option<String> {
        (self.said != self.found).then(|| "it was changed after it was written".to_owned())
    }
}

/// What is known of the chain at a line.
struct Seen {
    /// The numbers of all lines that are there.
    numbers: BTreeSet<u64>,
    /// The hashes of the lines that were passed.
    hashes: BTreeMap<u64, String>,
    /// The number that belongs here.
    next: u64,
}

impl Seen {
    /// What is wrong with the place of a line.
    fn breach(&self, line: &Envelope) -> Option<String> {
        let (found, wanted) = (line.sequence, self.next);
        if found != wanted {
            let between = || self.numbers.range(wanted..found).count() as u64;
            return Some(match found.checked_sub(wanted).map(|gap| gap - between()) {
                Some(0) | None => {
                    format!("it was moved or copied: number {found} stands where {wanted} belongs")
                }
                Some(1) => {
                    format!("a line is missing before it: number {found} stands where {wanted} belongs")
                }
                Some(gap) => {
                    format!("{gap} lines are missing before it: number {found} stands where {wanted} belongs")
                }
            });
        }
        let before = self.hashes.get(&found.checked_sub(1)?);
        let follows = match before {
            Some(hash) => *hash == line.previous,
            // What went before cannot be read, which has been said; a first line follows none.
            None => found != 1 || line.previous.is_empty(),
        };
        (!follows).then(|| {
            format!(
                "it does not follow from line {}: one of the two was changed",
                found - 1
            )
        })
    }
}

/// Reads one line, or says why that cannot be done.
fn line(text: &str) -> Result<(Envelope, Seal), String> {
    let (body, hash) = open(text).ok_or("it is no line of a journal")?;
    let envelope = serde_json::from_str(&body).map_err(|e| format!("it cannot be read: {e}"))?;
    let seal = Seal {
        said: hash.to_owned(),
        found: hex(&Sha256::digest(&body)),
    };
    Ok((envelope, seal))
}

/// Takes a line apart into what was hashed and the hash.
fn open(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_suffix("\"}")?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH)?)?;
    let open = rest.strip_suffix(MEMBER)?;
    Some((format!("{open}}}"), hash))
}
