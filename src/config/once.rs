//! What a process takes from its document once, when it begins: a change of it holds from the next start.

use std::path::PathBuf;

use super::document::{AccessLog, Admin, Document, Drain};

/// What a process began with, of what it cannot change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    admin: Admin,
    access_log: AccessLog,
    drain: Drain,
    state_folder: Option<PathBuf>,
}

impl Once {
    /// What a process takes that begins with this document.
    pub fn of(document: &Document) -> Self {
        Self {
            admin: document.admin.clone(),
            access_log: document.access_log,
            drain: document.drain,
            state_folder: document.state_folder.clone(),
        }
    }

    /// The settings that another document has otherwise: they hold from the next start.
    pub fn waiting(&self, document: &Document) -> Vec<&'static str> {
        let now = Self::of(document);
        let settings = [
            ("admin.bind", self.admin.bind != now.admin.bind),
            (
                "admin.tokens_file",
                self.admin.tokens_file != now.admin.tokens_file,
            ),
            ("admin.names", self.admin.names != now.admin.names),
            ("access_log", self.access_log != now.access_log),
            ("drain", self.drain != now.drain),
            ("state_folder", self.state_folder != now.state_folder),
        ];
        let waiting = settings.into_iter().filter(|(_, differs)| *differs);
        waiting.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_can_do_once_waits_for_the_next_start() {
        let read = |text: &str| super::super::read::<Document>("a.yaml", text).unwrap();
        let once = Once::of(&read("{}"));
        let check = |text: &str, waiting: &[&str]| assert_eq!(once.waiting(&read(text)), waiting, "{text}");
        check("{}", &[]);
        check(
            "listeners: {a: {bind: 127.0.0.1:0, cluster: a}}\nsafety: {allow_public: [a.com]}",
            &[],
        );
        check("admin: {bind: 127.0.0.1:8474}\naccess_log: off", &[]);
        check(
            "admin: {bind: 127.0.0.1:9, tokens_file: t, names: [a]}",
            &["admin.bind", "admin.tokens_file", "admin.names"],
        );
        check(
            "access_log: json\ndrain: {delay: 1s}\nstate_folder: state",
            &["access_log", "drain", "state_folder"],
        );
    }
}
