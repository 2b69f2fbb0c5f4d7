//! The documents that were in force: who changed what, when, and how to go back.

use std::{collections::VecDeque, fmt, path::PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

/// Older revisions than this many are forgotten.
const REVISIONS_AT_MOST: usize = 100;

/// Who made a change and by what way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Author {
    /// The person or program, such as a token's name or the user who owns the process.
    pub who: String,
    /// The way: `start`, `file`, `signal`, `api`, `rollback`, `push` for the broken document of a `bad_reload`, or
    /// `restored` for the sound one when that fault ends.
    pub via: String,
}

impl Author {
    /// Names an author.
    pub fn new(who: impl Into<String>, via: impl Into<String>) -> Self {
        Self {
            who: who.into(),
            via: via.into(),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.who, self.via)
    }
}

/// One document that was in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// Counts up from 1.
    pub number: u64,
    /// When it came into force.
    pub at: String,
    /// Who put it there.
    pub author: Author,
    /// The file it came from, for messages.
    pub file: String,
    /// The text itself.
    pub text: String,
    /// Whether a fault put it there. Such a revision lives in memory only, and nothing goes back to it.
    #[serde(skip)]
    pub broken: bool,
}

/// The revisions, the newest last; kept in a state folder where one is set.
#[derive(Debug, Default)]
pub struct History {
    revisions: VecDeque<Revision>,
    folder: Option<PathBuf>,
}

impl History {
    /// Opens the history kept in a folder, or an empty one that lives as long as the process.
    ///
    /// # Errors
    /// When the folder cannot be made or read. A revision that cannot be parsed is left where it is and skipped.
    pub fn open(folder: Option<PathBuf>) -> std::io::Result<Self> {
        let mut revisions = Vec::new();
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|e| e == "json")
                    && let Ok(revision) = serde_json::from_slice::<Revision>(&std::fs::read(&path)?)
                {
                    revisions.push(revision);
                }
            }
        }
        revisions.sort_by_key(|r| r.number);
        Ok(Self {
            revisions: revisions.into(),
            folder,
        })
    }

    /// Adds what has just come into force, unless the text in force is the same. Returns its number.
    ///
    /// # Errors
    /// When it cannot be written to the state folder; it is in force and in memory all the same.
    pub fn add(&mut self, author: Author, file: &str, text: &str) -> std::io::Result<u64> {
        if let Some(last) = self.revisions.back().filter(|r| r.text == text) {
            return Ok(last.number);
        }
        let revision = self.next(author, file, text);
        let number = revision.number;
        let written = self.write(&revision);
        self.push(revision);
        written.map(|()| number)
    }

    /// Adds the broken document that a fault puts in force. It is not written to the state folder: no crash leaves it there.
    pub fn add_broken(&mut self, author: Author, text: &str) {
        let file = self.last().map_or_else(String::new, |last| last.file.clone());
        let broken = Revision {
            broken: true,
            ..self.next(author, &file, text)
        };
        self.push(broken);
    }

    /// Adds the way back from a broken revision that was in force until now, which stays: the history tells the whole story.
    /// Returns the number of the sound revision.
    pub fn mended(&mut self, author: Author) -> u64 {
        let Some((file, text)) = self.sound().map(|sound| (sound.file.clone(), sound.text.clone())) else {
            return 0;
        };
        match self.add(author, &file, &text) {
            Ok(number) => number,
            Err(error) => {
                tracing::warn!(%error, "the document is in force, but could not be written to the state folder");
                self.last().map_or(0, |revision| revision.number)
            }
        }
    }

    fn next(&self, author: Author, file: &str, text: &str) -> Revision {
        Revision {
            number: self.last().map_or(1, |last| last.number + 1),
            at: Timestamp::now()
                .round(jiff::Unit::Millisecond)
                .unwrap_or(Timestamp::UNIX_EPOCH)
                .to_string(),
            author,
            file: file.into(),
            text: text.into(),
            broken: false,
        }
    }

    fn push(&mut self, revision: Revision) {
        self.revisions.push_back(revision);
        while self.revisions.len() > REVISIONS_AT_MOST {
            self.forget_oldest();
        }
    }

    /// Written beside and renamed, so that a crash leaves either the whole revision or none.
    fn write(&self, revision: &Revision) -> std::io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(format!("{:06}.json", revision.number));
        let beside = path.with_extension("tmp");
        let file = std::fs::File::create(&beside)?;
        serde_json::to_writer_pretty(&file, revision)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }

    fn forget_oldest(&mut self) {
        if let (Some(old), Some(folder)) = (self.revisions.pop_front(), &self.folder) {
            // A leftover file only means that it is read, and forgotten, again at the next start.
            let _ = std::fs::remove_file(folder.join(format!("{:06}.json", old.number)));
        }
    }

    /// The revision in force.
    pub fn last(&self) -> Option<&Revision> {
        self.revisions.back()
    }

    /// A revision by number.
    pub fn get(&self, number: u64) -> Option<&Revision> {
        self.revisions.iter().find(|r| r.number == number)
    }

    /// The last revision that no fault broke.
    pub fn sound(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| !revision.broken)
    }

    /// The last sound revision that says something else than the one in force.
    pub fn before_last(&self) -> Option<&Revision> {
        let last = self.last()?;
        let mut revisions = self.revisions.iter().rev();
        revisions.find(|revision| !revision.broken && revision.text != last.text)
    }

    /// All revisions, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter()
    }
}

/// The difference between two texts as a unified diff; empty when they are the same.
pub fn diff(from: &str, to: &str, from_name: &str, to_name: &str) -> String {
    TextDiff::from_lines(from, to)
        .unified_diff()
        .context_radius(3)
        .header(from_name, to_name)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        Author::new("ada", "api")
    }

    #[test]
    fn a_revision_is_kept_once_and_found_again() {
        let mut history = History::default();
        assert_eq!(history.add(author(), "a.yaml", "one").unwrap(), 1);
        assert_eq!(history.add(author(), "a.yaml", "one").unwrap(), 1);
        assert_eq!(history.add(author(), "a.yaml", "two").unwrap(), 2);
        assert_eq!(history.before_last().unwrap().text, "one");
        assert_eq!(history.iter().count(), 2);
    }

    #[test]
    fn what_a_fault_broke_is_passed_over_and_its_number_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(Some(folder.path().into())).unwrap();
        history.add(author(), "a.yaml", "sound").unwrap();
        history.add_broken(author(), "broken");
        assert_eq!(
            (history.last().unwrap().number, history.sound().unwrap().number),
            (2, 1)
        );
        assert_eq!(history.mended(author()), 3);
        assert!(
            history.before_last().is_none(),
            "nothing goes back to what is broken"
        );
        history.add_broken(author(), "broken otherwise");
        assert_eq!(history.last().unwrap().number, 4);
        assert_eq!(history.get(2).unwrap().text, "broken");
        let again = History::open(Some(folder.path().into())).unwrap();
        assert_eq!(again.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn the_history_survives_a_restart_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(Some(folder.path().join("history"))).unwrap();
        for text in ["one", "two", "three"] {
            history.add(author(), "a.yaml", text).unwrap();
        }
        let again = History::open(Some(folder.path().join("history"))).unwrap();
        assert_eq!(
            again.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(),
            ["one", "two", "three"]
        );
        assert_eq!(again.last().unwrap().author, author());
    }

    #[test]
    fn old_revisions_are_forgotten_on_disk_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(Some(folder.path().into())).unwrap();
        for n in 0..REVISIONS_AT_MOST + 5 {
            history.add(author(), "a.yaml", &n.to_string()).unwrap();
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            REVISIONS_AT_MOST
        );
        assert_eq!(history.get(5).map(|r| r.number), None);
        assert_eq!(history.get(6).map(|r| r.number), Some(6));
    }

    #[test]
    fn a_diff_shows_what_changed() {
        assert_eq!(diff("a\nb\n", "a\nb\n", "x", "y"), "");
        assert!(diff("a\nb\n", "a\nc\n", "1", "2").contains("-b\n+c\n"));
    }
}
