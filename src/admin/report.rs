//! `/api/v1/report`: a drill's report, made again from its journal.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Answer, Ask},
    clearance::{Clearance, Tell},
    refusal::{Kind, Refusal},
};
use crate::drill::{Ledger, journal, report};

/// The name of the journal in a drill's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// A form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// For people.
    #[default]
    Markdown,
    /// For a browser.
    Html,
    /// For programs.
    Json,
    /// For the test reports of a CI.
    Junit,
}

/// Which report, in which form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct Which {
    /// The drill; left out: the last one.
    drill: Option<String>,
    /// The form; left out: `markdown`.
    form: Option<Form>,
}

/// A report in its form.
pub(super) struct Rendered {
    form: Form,
    text: String,
}

impl Tell for Rendered {
    /// It is of a drill that is over, or it was not asked for.
    fn told(self, _: Clearance) -> Self {
        self
    }
}

impl Answer for Rendered {
    const MEDIA: &'static str = "text/markdown; charset=utf-8";

    fn schema(_: &mut schemars::SchemaGenerator) -> Option<schemars::Schema> {
        None
    }

    fn send(self) -> axum::response::Response {
        let media = match self.form {
            Form::Markdown => Self::MEDIA,
            Form::Html => "text/html; charset=utf-8",
            Form::Json => "application/json",
            Form::Junit => "application/xml",
        };
        axum::response::IntoResponse::into_response(([(http::header::CONTENT_TYPE, media)], self.text))
    }
}

/// Makes a report from its journal.
pub(super) async fn show(desk: Desk, ask: Ask<Which>) -> Result<Rendered, Refusal> {
    let form = ask.at.form.unwrap_or_default();
    let drill = match (ask.at.drill, desk.drill()) {
        (Some(drill), _) => drill,
        (None, Ok(drill)) => drill.name,
        (None, Err(refusal)) => newest(&desk.reports).ok_or(refusal)?,
    };
    // Before the text, so that a drill that ends meanwhile is not taken for one that crashed.
    let held = journal_of(&desk.reports, &drill).is_some_and(|path| journal::is_held(&path));
    let report = report::Report::of(&text(&desk, &drill).await?).written_to(held);
    let failed = |error: &dyn std::fmt::Display| {
        Refusal::new(Kind::Internal, error.to_string(), "ask for another form")
    };
    let text = match form {
        Form::Markdown => report::markdown(&report),
        Form::Html => report::html(&report),
        Form::Json => report::json(&report).map_err(|error| failed(&error))?,
        Form::Junit => report::junit(&report).map_err(|error| failed(&error))?,
    };
    Ok(Rendered { form, text })
}

/// What a drill's journal says.
pub(super) async fn ledger(desk: &Desk, drill: &str) -> Result<Ledger, Refusal> {
    Ok(Ledger::of(journal::read(&text(desk, drill).await?).events()))
}

/// The text of a drill's journal.
async fn text(desk: &Desk, drill: &str) -> Result<String, Refusal> {
    let missing = |why: String| {
        let detail = format!("there is no journal of a drill `{drill}`: {why}");
        Refusal::new(
            Kind::NotFound,
            detail,
            format!("look into {}", desk.reports.display()),
        )
    };
    let path =
        journal_of(&desk.reports, drill).ok_or_else(|| missing("that is no name of a drill".to_owned()))?;
    let read = tokio::task::spawn_blocking(move || journal::load(&path)).await;
    read.map_err(|error| missing(error.to_string()))?
        .map_err(|error| missing(error.to_string()))
}

/// Where a drill's journal is. Names that would lead out of the folder are none.
pub fn journal_of(reports: &Path, drill: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !drill.is_empty() && !drill.starts_with('.') && drill.chars().all(plain);
    fits.then(|| reports.join(drill).join(JOURNAL))
}

/// The drill whose journal was written to last.
pub fn newest(reports: &Path) -> Option<String> {
    let written = |entry: io::Result<std::fs::DirEntry>| -> Option<(SystemTime, String)> {
        let entry = entry.ok()?;
        let modified = entry.path().join(JOURNAL).metadata().ok()?.modified().ok()?;
        Some((modified, entry.file_name().into_string().ok()?))
    };
    std::fs::read_dir(reports)
        .ok()?
        .filter_map(written)
        .max()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_is_looked_for_only_in_its_folder() {
        let check = |name: &str, is_name: bool| {
            assert_eq!(
                journal_of(Path::new("/reports"), name).is_some(),
                is_name,
                "{name}"
            );
        };
        check("orm-break-20260117T2332", true);
        check("..", false);
        check("../../etc", false);
        check("/etc", false);
        check(".hidden", false);
        check("", false);
    }

    #[test]
    fn the_newest_journal_is_the_one_written_to_last() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path()), None);
        for (name, age) in [("b", 20), ("a", 10), ("no-journal", 0)] {
            let drill = folder.path().join(name);
            std::fs::create_dir(&drill).unwrap();
            if age > 0 {
                let file = std::fs::File::create(drill.join(JOURNAL)).unwrap();
                file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age))
                    .unwrap();
            }
        }
        assert_eq!(newest(folder.path()).as_deref(), Some("a"));
    }
}
