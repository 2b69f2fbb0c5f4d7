//! Whose connection to Redis it is and with which database: what AUTH, HELLO, SELECT and RESET ask for, once the server agrees.

use std::collections::VecDeque;

use crate::wire::dialogue::Lost;

/// So many choices may wait for their answers; more are none of a client that can be followed.
const MOST_WAITING: usize = 1024;

/// The user of a connection that has named none.
pub const DEFAULT_USER: &str = "default";

/// The database of a connection that has selected none.
pub const DEFAULT_DATABASE: &str = "0";

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    User(String),
    Database(String),
    /// All as it was at first.
    Anew,
}

impl Choice {
    /// What these words ask for; `None`: nothing.
    fn of(words: &[&str]) -> Option<Self> {
        let user = |user: &str| Some(Self::User(user.to_owned()));
        let (verb, rest) = words.split_first()?;
        match (verb.to_ascii_lowercase().as_str(), rest) {
            ("auth", [_]) => user(DEFAULT_USER),
            ("auth", [name, ..]) => user(name),
            ("hello", _) => {
                let at = rest.iter().position(|word| word.eq_ignore_ascii_case("auth"))?;
                user(rest.get(at + 1)?)
            }
            ("select", [number, ..]) => Some(Self::Database((*number).to_owned())),
            ("reset", _) => Some(Self::Anew),
            _ => None,
        }
    }
}

/// What was chosen, and what is waiting for the server to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    waiting: VecDeque<(u64, Choice)>,
    /// User and database, where anything was ever chosen.
    login: Option<(String, String)>,
}

impl Choices {
    /// The client asks, with a command that this unit answers.
    pub(super) fn ask(&mut self, unit: u64, words: &[&str]) -> Result<(), Lost> {
        if let Some(choice) = Choice::of(words) {
            if self.waiting.len() >= MOST_WAITING {
                return Err(Lost("the client does not wait for the answers to its choices"));
            }
            self.waiting.push_back((unit, choice));
        }
        Ok(())
    }

    /// Whether this unit's answer agrees to a choice, or refuses it.
    pub(super) fn awaits(&self, unit: u64) -> bool {
        self.waiting.front().is_some_and(|(of, _)| *of == unit)
    }

    /// The answer to the first that waits begins with these two bytes. Within MULTI it is `+QUEUED`, and nothing is known.
    pub(super) fn answered(&mut self, front: [u8; 2]) {
        let agrees = match front {
            [b'+', second] => second != b'Q',
            [b'%' | b'*', _] => true,
            _ => false,
        };
        let Some((_, choice)) = self.waiting.pop_front().filter(|_| agrees) else {
            return;
        };
        let (user, database) = self
            .login
            .get_or_insert_with(|| (DEFAULT_USER.to_owned(), DEFAULT_DATABASE.to_owned()));
        match choice {
            Choice::User(name) => *user = name,
            Choice::Database(number) => *database = number,
            Choice::Anew => {
                DEFAULT_USER.clone_into(user);
                DEFAULT_DATABASE.clone_into(database);
            }
        }
    }

    /// User and database, where anything was ever chosen.
    pub(super) fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|(user, database)| (&**user, &**database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(command: &str) -> Option<Choice> {
        let words: Vec<_> = command.split(' ').collect();
        Choice::of(&words)
    }

    #[test]
    fn who_it_is_and_which_database_is_read_in_every_form() {
        let user = |name: &str| Some(Choice::User(name.to_owned()));
        assert_eq!(asked("AUTH secret"), user("default"));
        assert_eq!(asked("auth web secret"), user("web"));
        assert_eq!(asked("HELLO 3 AUTH web secret SETNAME shop"), user("web"));
        assert_eq!(asked("SELECT 3"), Some(Choice::Database("3".to_owned())));
        assert_eq!(asked("RESET"), Some(Choice::Anew));
        for nothing in ["AUTH", "HELLO 3", "HELLO 3 AUTH", "SELECT", "GET auth"] {
            assert_eq!(asked(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_choice_holds_once_the_server_agrees() {
        let mut choices = Choices::default();
        let mut unit = 7;
        let mut after = |command: &str, answer: [u8; 2]| {
            let words: Vec<_> = command.split(' ').collect();
            choices.ask(unit, &words).unwrap();
            assert!(choices.awaits(unit) && !choices.awaits(unit + 1));
            choices.answered(answer);
            unit += 1;
            choices
                .login()
                .map(|(user, database)| format!("{user} {database}"))
        };
        let holds = |text: &str| Some(text.to_owned());
        assert_eq!(after("select 3", *b"-E"), None);
        assert_eq!(after("select 3", *b"+O"), holds("default 3"));
        assert_eq!(after("select 4", *b"+Q"), holds("default 3"));
        assert_eq!(after("auth web x", *b"+O"), holds("web 3"));
        assert_eq!(after("hello 3 auth clerk x", *b"%7"), holds("clerk 3"));
        assert_eq!(after("reset", *b"+R"), holds("default 0"));
    }

    #[test]
    fn who_never_waits_cannot_be_followed() {
        let mut choices = Choices::default();
        for unit in 0..MOST_WAITING as u64 {
            choices.ask(unit, &["select", "1"]).unwrap();
        }
        choices.ask(9999, &["get", "a"]).unwrap();
        choices.ask(9999, &["select", "1"]).unwrap_err();
    }
}
