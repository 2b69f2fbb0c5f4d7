//! `chaosproxy faults kinds`: the catalogue.

use std::fmt::Write as _;

use crate::{
    cli::{
        Exit, Outcome, Terminal, Trouble,
        table::Table,
        terminal::{FAINT, STRONG, styled},
    },
    faults::{Doc, catalogue},
    units::nearest,
};

/// Show what faults can do: all kinds, or one with its settings and examples
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy faults kinds
  chaosproxy faults kinds latency")]
pub(in crate::cli) struct Args {
    /// The kind to show in full
    kind: Option<String>,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        match self.kind {
            None => terminal.show(&catalogue(), |kinds| all_text(kinds))?,
            Some(name) => terminal.show(&find(&name)?, |doc| one_text(doc))?,
        }
        Ok(Exit::Ok)
    }
}

fn find(name: &str) -> Result<&'static Doc, Trouble> {
    let kinds = catalogue();
    kinds.iter().find(|doc| doc.kind == name).copied().ok_or_else(|| {
        let known: Vec<_> = kinds.iter().map(|doc| doc.kind).collect();
        let near = nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        Trouble::usage(
            format!("there is no kind `{name}`"),
            format!("{near}there are {}", known.join(", ")),
        )
    })
}

fn all_text(kinds: &[&Doc]) -> String {
    let mut table = Table::new(&["kind", "what it does"]);
    for doc in kinds {
        table.row([styled(STRONG, doc.kind), doc.does.to_owned()]);
    }
    format!(
        "{}\n`chaosproxy faults kinds KIND` shows settings and examples\n",
        table.indented(0)
    )
}

fn one_text(doc: &Doc) -> String {
    let hooks: Vec<_> = doc
        .acts_at
        .iter()
        .map(|hook| format!("{hook:?}").to_lowercase())
        .collect();
    let mut text = format!(
        "{}: {}\n{} {}\n",
        styled(STRONG, doc.kind),
        doc.does,
        styled(FAINT, "acts at"),
        hooks.join(", ")
    );
    if !doc.settings.is_empty() {
        let mut table = Table::new(&["setting", "meaning"]);
        for (name, meaning) in doc.settings {
            table.row([(*name).to_owned(), (*meaning).to_owned()]);
        }
        let _ = write!(text, "\n{}", table.indented(2));
    }
    for example in doc.examples {
        let _ = write!(text, "\n{}\n", indent(example));
    }
    text
}

fn indent(text: &str) -> String {
    text.trim()
        .lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_and_shown() {
        let all = all_text(catalogue());
        for doc in catalogue() {
            assert!(all.contains(doc.kind) && one_text(doc).contains(doc.does));
        }
        let next = |name: &str| find(name).unwrap_err().next;
        assert!(next("latancy").starts_with("did you mean `latency`? there are latency, abort"));
        assert!(next("earthquake").starts_with("there are latency, abort"));
    }
}
