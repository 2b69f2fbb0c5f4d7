//! `chaosproxy compare`: two runs side by side, from their journals or their reports.

use std::path::{Path, PathBuf};

use super::{
    Exit, Outcome, Terminal, Trouble,
    report::journal,
    table::Table,
    terminal::{FAINT, GOOD, ODD, STRONG, styled},
};
use crate::{
    drill::{
        Offset, Verdict, journal as journals,
        report::{Comparison, Pair, Report, Side},
    },
    units::Span,
};

/// Put two runs side by side, from their journals or their reports as JSON
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy compare orm-break-20260117T2332 orm-break-20260124T1000
  chaosproxy compare last-quarter/report.json ./reports/orm-break-20260117T2332/journal.jsonl --json

Two runs show what was different, not a trend. What makes them hard to compare is said first.")]
pub(super) struct Args {
    /// The first run: the name of a drill, its folder, its journal, or its report as JSON
    #[arg(value_name = "A")]
    a: String,
    /// The second run
    #[arg(value_name = "B")]
    b: String,
    /// Where the drills' folders are
    #[arg(long, value_name = "DIR", default_value = "./reports")]
    report_dir: PathBuf,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let [a, b] = [&self.a, &self.b].map(|said| read(said, &self.report_dir));
        let (a, b) = (a?, b?);
        terminal.show(&comparison(&a, &b)?, text)?;
        Ok(Exit::Ok)
    }
}

/// A run that is meant, with the file that tells of it.
fn read(said: &str, folder: &Path) -> Result<(PathBuf, Report), Trouble> {
    let file = journal(Some(said), folder)?;
    // Before the text, so that a drill that ends meanwhile is not taken for one that crashed.
    let held = journals::is_held(&file);
    let text = journals::load(&file).map_err(|error| Trouble::file("read", &file, &error))?;
    // A report as JSON is one object; a journal is one a line.
    let report = serde_json::from_str(&text).unwrap_or_else(|_| Report::of(&text).written_to(held));
    Ok((file, report))
}

fn comparison(a: &(PathBuf, Report), b: &(PathBuf, Report)) -> Result<Comparison, Trouble> {
    Comparison::of(&a.1, &b.1).map_err(|unknown| {
        let (file, _) = if a.1.started.is_none() { a } else { b };
        Trouble::usage(
            format!("{} tells of no drill: {unknown}", file.display()),
            "name a drill, a journal.jsonl or a report.json",
        )
    })
}

fn text(compared: &Comparison) -> String {
    let mut text = String::new();
    for (name, side) in [("A", &compared.a), ("B", &compared.b)] {
        text += &format!("{} {}\n", styled(STRONG, name), headline(side));
    }
    for doubt in &compared.doubts {
        text += &format!("{} {doubt}\n", styled(ODD, "careful:"));
    }
    let mut took = Table::new(&["story time", "A", "B", "original", "B against A"]);
    let known = |row: &&Pair<Span>| row.a.is_some() || row.b.is_some();
    for row in compared.intervals.iter().filter(known) {
        took.row(cells(row, |span| span_words(*span), difference));
    }
    let minutes = |minutes: &f64| format!("{minutes:.1}");
    let share = |share: &f64| format!("{:.0}%", share * 100.0);
    let mut cost = Table::new(&["cost", "A", "B", "original", "B against A"]);
    cost.row(cells(&compared.bad_minutes, minutes, |a, b| {
        more_or_less(b - a, 0.05, |by| format!("{by:.1}"))
    }));
    cost.row(cells(&compared.budget, share, |a, b| {
        more_or_less((b - a) * 100.0, 0.5, points)
    }));
    let mut success = Table::new(&["success of", "A", "B", "original", "B against A"]);
    for row in &compared.success {
        success.row(cells(row, share, |a, b| {
            more_or_less((b - a) * 100.0, 0.5, points)
        }));
    }
    let mut objectives = Table::new(&["objective", "A", "B", "original"]);
    for row in &compared.objectives {
        objectives.row(
            words(row)
                .into_iter()
                .chain([row.original.clone().unwrap_or_default()]),
        );
    }
    let mut checks = Table::new(&["check", "A", "B"]);
    for row in &compared.checks {
        checks.row(words(row));
    }
    for table in [took, cost, success, objectives, checks] {
        if !table.is_empty() {
            text += &format!("\n{}", table.indented(0));
        }
    }
    text
}

fn headline(side: &Side) -> String {
    let verdict = match side.verdict {
        _ if side.running => styled(ODD, "still running"),
        Verdict::Held => styled(GOOD, "every check held"),
        _ => styled(ODD, format!("exit status {}", side.exit)),
    };
    format!(
        "{} {} {verdict}",
        side.drill,
        styled(FAINT, format!("({:?})", side.mode).to_lowercase())
    )
}

fn words(row: &Pair<String>) -> [String; 3] {
    [
        row.name.clone(),
        row.a.clone().unwrap_or_default(),
        row.b.clone().unwrap_or_default(),
    ]
}

fn cells<T>(row: &Pair<T>, shown: impl Fn(&T) -> String, against: impl Fn(&T, &T) -> String) -> [String; 5] {
    let show = |value: &Option<T>| value.as_ref().map(&shown).unwrap_or_default();
    let difference = row.a.as_ref().zip(row.b.as_ref()).map(|(a, b)| against(a, b));
    [
        row.name.replace('`', ""),
        show(&row.a),
        show(&row.b),
        show(&row.original),
        difference.unwrap_or_default(),
    ]
}

fn span_words(span: Span) -> String {
    Offset(span.0)
        .rounded()
        .to_string()
        .trim_start_matches('+')
        .to_owned()
}

fn difference(a: &Span, b: &Span) -> String {
    let (by, word) = if b.0 >= a.0 {
        (b.0 - a.0, "longer")
    } else {
        (a.0 - b.0, "shorter")
    };
    match by.as_millis() {
        0..500 => "the same".into(),
        _ => format!("{} {word}", span_words(Span(by))),
    }
}

fn points(by: f64) -> String {
    match format!("{by:.0}").as_str() {
        "1" => "1 point".into(),
        by => format!("{by} points"),
    }
}

fn more_or_less(by: f64, least: f64, shown: impl Fn(f64) -> String) -> String {
    match by {
        by if by.abs() < least => "the same".into(),
        by if by > 0.0 => format!("{} more", shown(by)),
        by => format!("{} less", shown(-by)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_said_in_words() {
        let check = |a: u64, b: u64, words: &str| {
            assert_eq!(difference(&Span::secs(a), &Span::secs(b)), words);
        };
        check(60, 60, "the same");
        check(60, 90, "30s longer");
        check(7200, 3600, "60m shorter");
        assert_eq!(more_or_less(-3.2, 0.05, |by| format!("{by:.1}")), "3.2 less");
        assert_eq!(more_or_less(0.01, 0.05, |by| format!("{by:.1}")), "the same");
    }

    #[test]
    fn what_one_run_does_not_know_is_not_subtracted() {
        let row = Pair {
            name: "bad minutes".into(),
            a: None,
            b: Some(3.0),
            original: Some(1.0),
        };
        let cells = cells(
            &row,
            |minutes: &f64| format!("{minutes:.1}"),
            |_, _| "a difference".into(),
        );
        assert_eq!(cells, ["bad minutes", "", "3.0", "1.0", ""]);
    }

    #[test]
    fn what_is_no_run_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "hello\n").unwrap();
        let read = read(file.to_str().unwrap(), folder.path()).unwrap();
        let trouble = comparison(&read, &read).unwrap_err();
        assert_eq!(trouble.exit, Exit::Usage);
        assert!(trouble.what.contains("tells of no drill"), "{trouble}");
    }
}
