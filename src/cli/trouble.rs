//! How a command ends: its exit status, and what it says when it could not be done.

use std::{fmt, io, process::ExitCode};

use serde_json::json;

use super::count::counted;
use crate::{
    admin::{Kind, Refusal},
    config::{Problems, plain_error},
};

/// How a command ended, as scripts and CI see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done; every check held.
    Ok = 0,
    /// Not done, or a check failed.
    Failed = 1,
    /// A wrong command line, document or profile.
    Usage = 2,
    /// A stop rule ended the drill.
    Stopped = 3,
    /// Panic.
    Panic = 4,
    /// Not everything was evaluated.
    Incomplete = 5,
}

impl Exit {
    /// The status of a verdict.
    pub(super) const fn of(verdict: u8) -> Self {
        match verdict {
            0 => Self::Ok,
            2 => Self::Usage,
            3 => Self::Stopped,
            4 => Self::Panic,
            5 => Self::Incomplete,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be done, and the next step.
#[derive(Debug, PartialEq)]
pub(super) struct Trouble {
    /// What is the matter; empty where nothing needs to be said.
    pub(super) what: String,
    /// The next step.
    pub(super) next: String,
    /// What is wrong with a text, place by place.
    pub(super) problems: Problems,
    /// How the command ends.
    pub(super) exit: Exit,
}

impl Trouble {
    /// Something failed; this is the next step.
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: next.into(),
            problems: Problems::default(),
            exit: Exit::Failed,
        }
    }

    /// The command line, a document or a profile is wrong.
    pub(super) fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(what, next)
        }
    }

    /// A file could not be read or written.
    pub(super) fn file(verb: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::usage(
            format!("{} cannot be {verb}: {}", path.display(), plain_error(error)),
            "check the name and the rights of the file",
        )
    }

    /// The same, with another way out.
    pub(super) fn or(mut self, next: &str) -> Self {
        self.next = format!("{}, or {next}", self.next);
        self
    }

    /// The same for programs: one object on one line.
    pub(super) fn json(&self) -> String {
        let mut said = json!({"error": self.what, "exit": self.exit as u8});
        if !self.next.is_empty() {
            said["next"] = json!(self.next);
        }
        if !self.problems.is_empty() {
            said["problems"] = json!(self.problems);
        }
        said.to_string()
    }

    /// Nobody reads what the command writes any more: nothing is wrong, and there is nobody to tell.
    pub(super) fn unread() -> Self {
        Self {
            exit: Exit::Ok,
            ..Self::new("", "")
        }
    }
}

impl From<Problems> for Trouble {
    fn from(problems: Problems) -> Self {
        let what = counted(problems.len(), "problem");
        Self {
            problems,
            ..Self::usage(what, "")
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.r#type {
            Kind::Panicked => Exit::Panic,
            Kind::Invalid | Kind::Malformed => Exit::Usage,
            _ => Exit::Failed,
        };
        // What is wrong stands above it, with its own next steps.
        let next = if refusal.problems.is_empty() {
            refusal.mend
        } else {
            String::new()
        };
        Self {
            exit,
            problems: refusal.problems,
            ..Self::new(refusal.detail, next)
        }
    }
}

/// Whatever comes back from a command.
pub(super) type Outcome = Result<Exit, Trouble>;

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problems.is_empty() {
            write!(f, "{}\n\n", self.problems)?;
        }
        write!(f, "error: {}", self.what)?;
        if self.next.is_empty() {
            Ok(())
        } else {
            write!(f, "\n  = next: {}", self.next)
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::Problem;

    #[test]
    fn trouble_says_the_next_step() {
        insta::assert_snapshot!(Trouble::new("nothing answers", "start it"), @r"
        error: nothing answers
          = next: start it
        ");
    }

    #[test]
    fn programs_get_an_object() {
        let check = |trouble: Trouble, expected: Value| {
            assert_eq!(serde_json::from_str::<Value>(&trouble.json()).unwrap(), expected);
        };
        check(
            Trouble::usage("wrong", "do right"),
            json!({"error": "wrong", "next": "do right", "exit": 2}),
        );
        let problem = Problem::whole("a.yaml", "wrong", "do right");
        let told = json!([{"file": "a.yaml", "what": "wrong", "mend": "do right"}]);
        check(
            Problems::from(problem).into(),
            json!({"error": "1 problem", "exit": 2, "problems": told}),
        );
    }

    #[test]
    fn a_refusal_ends_with_a_status_that_means_something() {
        let check = |kind, exit| {
            let trouble = Trouble::from(Refusal::new(kind, "no", "do something else"));
            assert_eq!((trouble.exit, trouble.next.as_str()), (exit, "do something else"));
        };
        check(Kind::Panicked, Exit::Panic);
        check(Kind::Invalid, Exit::Usage);
        check(Kind::ActRefused, Exit::Failed);
        check(Kind::NotFound, Exit::Failed);
    }
}
