//! `chaosproxy config`: the document in force, what it was before, and the way back.

use std::{io::Read, path::PathBuf};

use clap::Subcommand;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{
    Exit, Outcome, Terminal, Trouble,
    client::{Client, Whereabouts},
    table::Table,
    terminal::{BAD, FAINT, GOOD, styled},
    values,
};
use crate::{
    admin::{Changed, RevisionStatus, Rollback, Shown},
    control::history::diff,
};

/// See, change and roll back the document in force
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy config show > before.yaml
  chaosproxy config diff chaosproxy.yaml     What applying it would change
  chaosproxy config apply chaosproxy.yaml    Whole, or not at all
  chaosproxy config history
  chaosproxy config rollback                 Back to the revision before")]
pub(super) enum Command {
    /// Show the document in force, or an older one
    Show {
        /// The revision; left out: the one in force
        #[arg(value_parser = values::revision)]
        revision: Option<u64>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// List the revisions: who changed what, and when
    History {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Show what changed between two revisions, or what a file would change
    Diff {
        /// A revision or a file; left out: the revision before the one in force
        from: Option<String>,
        /// A revision or a file; left out: the revision in force (after FROM, where that is a file)
        to: Option<String>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Put a document into force: whole, or not at all
    Apply {
        /// The file; `-` reads standard input
        file: PathBuf,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Put an older revision into force again
    Rollback {
        /// The revision; left out: the one before the one in force
        #[arg(value_parser = values::revision)]
        revision: Option<u64>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
}

impl Command {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        match self {
            Self::Show {
                revision,
                whereabouts,
            } => {
                let shown = show(&Client::new(&whereabouts)?, revision).await?;
                terminal.show(&shown, |shown| shown.text.clone())?;
            }
            Self::History { whereabouts } => {
                let revisions: Vec<RevisionStatus> =
                    Client::new(&whereabouts)?.get("/api/v1/config/history").await?;
                terminal.show(&revisions, |revisions| history_text(revisions))?;
            }
            Self::Diff {
                from,
                to,
                whereabouts,
            } => {
                let difference = difference(&Client::new(&whereabouts)?, from, to).await?;
                terminal.show(&difference, diff_text)?;
            }
            Self::Apply { file, whereabouts } => {
                let changed = apply(&Client::new(&whereabouts)?, &file).await?;
                terminal.show(&changed, changed_text)?;
            }
            Self::Rollback {
                revision,
                whereabouts,
            } => {
                let back = Rollback { to: revision };
                let changed: Changed = Client::new(&whereabouts)?
                    .post("/api/v1/config/rollback", &back)
                    .await?;
                terminal.show(&changed, changed_text)?;
            }
        }
        Ok(Exit::Ok)
    }
}

async fn show(client: &Client, revision: Option<u64>) -> Result<Shown, Trouble> {
    match revision {
        Some(revision) => client.get(&format!("/api/v1/config/history/{revision}")).await,
        None => client.get("/api/v1/config").await,
    }
}

async fn apply(client: &Client, file: &PathBuf) -> Result<Changed, Trouble> {
    let (name, text) = read(file)?;
    let path = format!(
        "/api/v1/config?file={}",
        utf8_percent_encode(&name, NON_ALPHANUMERIC)
    );
    client
        .send(Method::PUT, &path, Some(("application/yaml", text.into())))
        .await?
        .read()
}

/// A file's name and text; `-` is standard input.
pub(super) fn read(file: &PathBuf) -> Result<(String, String), Trouble> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin()
            .read_to_string(&mut text)
            .map(|_| "standard input".to_owned()),
        false => std::fs::read_to_string(file).map(|read| {
            text = read;
            file.display().to_string()
        }),
    };
    read.map(|name| (name, text))
        .map_err(|error| Trouble::file("read", file, &error))
}

/// What changed between two texts.
#[derive(Serialize)]
struct Difference {
    from: String,
    to: String,
    diff: String,
}

/// A text to be compared, and its name.
struct Side {
    name: String,
    text: String,
}

async fn difference(
    client: &Client,
    from: Option<String>,
    to: Option<String>,
) -> Result<Difference, Trouble> {
    let now = show(client, None).await?;
    let is_file = |said: &String| said.parse::<u64>().is_err();
    let (from, to) = match (from, to) {
        (None, _) => (
            side(client, &before(client).await?.to_string()).await?,
            revision_side(now),
        ),
        (Some(file), None) if is_file(&file) => (revision_side(now), side(client, &file).await?),
        (Some(from), None) => (side(client, &from).await?, revision_side(now)),
        (Some(from), Some(to)) => (side(client, &from).await?, side(client, &to).await?),
    };
    let diff = diff(&from.text, &to.text, &from.name, &to.name);
    Ok(Difference {
        from: from.name,
        to: to.name,
        diff,
    })
}

/// The revision before the one in force.
async fn before(client: &Client) -> Result<u64, Trouble> {
    let revisions: Vec<RevisionStatus> = client.get("/api/v1/config/history").await?;
    let before = revisions.iter().rev().nth(1).map(|entry| entry.revision);
    before.ok_or_else(|| {
        Trouble::new(
            "there is only one revision",
            "name a file: `chaosproxy config diff FILE`",
        )
    })
}

async fn side(client: &Client, said: &str) -> Result<Side, Trouble> {
    match said.parse() {
        Ok(revision) => show(client, Some(revision)).await.map(revision_side),
        Err(_) => read(&PathBuf::from(said)).map(|(name, text)| Side { name, text }),
    }
}

fn revision_side(shown: Shown) -> Side {
    Side {
        name: format!("revision {}", shown.revision),
        text: shown.text,
    }
}

fn history_text(revisions: &[RevisionStatus]) -> String {
    let mut table = Table::new(&["revision", "at", "by", "via", "file", "changed"]);
    for entry in revisions {
        let number = if entry.in_force {
            styled(GOOD, format!("{} *", entry.revision))
        } else {
            entry.revision.to_string()
        };
        table.row([
            number,
            entry.at.clone(),
            entry.who.clone(),
            entry.via.clone(),
            entry.file.clone(),
            format!("+{} -{}", entry.added, entry.removed),
        ]);
    }
    format!("{}\n* in force\n", table.indented(0))
}

fn diff_text(difference: &Difference) -> String {
    match difference.diff.as_str() {
        "" => format!("{} and {} are the same", difference.from, difference.to),
        diff => coloured(diff),
    }
}

fn changed_text(changed: &Changed) -> String {
    let revision = changed.revision;
    let waiting = match changed.from_next_start.as_slice() {
        [] => String::new(),
        settings => format!(
            "\n{}: `{}`; a process takes them once, when it starts",
            styled(BAD, "not yet in force"),
            settings.join("`, `"),
        ),
    };
    match changed.diff.as_str() {
        "" => format!("nothing changed: revision {revision} is in force{waiting}"),
        diff => format!(
            "{}\nrevision {revision} is in force{waiting}",
            coloured(diff).trim_end()
        ),
    }
}

fn coloured(diff: &str) -> String {
    let colour = |line: &str| match line.as_bytes().first() {
        Some(b'+') => styled(GOOD, line),
        Some(b'-') => styled(BAD, line),
        Some(b'@') => styled(FAINT, line),
        _ => line.to_owned(),
    };
    diff.lines().map(|line| colour(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_says_who_changed_what_and_when() {
        let entry = |revision, who: &str, via: &str| RevisionStatus {
            revision,
            at: format!("2026-01-17T23:3{revision}:00Z"),
            who: who.to_owned(),
            via: via.to_owned(),
            file: "chaosproxy.yaml".to_owned(),
            added: 3,
            removed: 1,
            in_force: revision == 2,
        };
        let text = history_text(&[entry(1, "root", "start"), entry(2, "ada", "api")]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        revision  at                    by    via    file             changed
        1         2026-01-17T23:31:00Z  root  start  chaosproxy.yaml  +3 -1
        2 *       2026-01-17T23:32:00Z  ada   api    chaosproxy.yaml  +3 -1

        * in force
        ");
    }

    #[test]
    fn a_change_shows_its_diff_and_the_revision_in_force() {
        let diff = diff("a: 1\nb: 2\n", "a: 1\nb: 3\n", "revision 1", "revision 2");
        let text = changed_text(&Changed {
            revision: 2,
            diff,
            from_next_start: vec!["admin.bind".to_owned(), "drain".to_owned()],
            plain: String::new(),
        });
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        --- revision 1
        +++ revision 2
        @@ -1,2 +1,2 @@
         a: 1
        -b: 2
        +b: 3
        revision 2 is in force
        not yet in force: `admin.bind`, `drain`; a process takes them once, when it starts
        ");
        assert!(
            changed_text(&Changed {
                revision: 2,
                diff: String::new(),
                from_next_start: Vec::new(),
                plain: String::new(),
            })
            .contains("nothing changed")
        );
    }
}
