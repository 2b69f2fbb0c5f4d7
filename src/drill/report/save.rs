//! The report on disk: each form beside the journal that it was made from.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Report, html, json, markdown};

/// Where the forms of a report are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The one for a browser.
    pub html: PathBuf,
    /// The one for people who read text.
    pub markdown: PathBuf,
    /// The one for machines.
    pub json: PathBuf,
}

/// Writes a report into a folder, which is made if it is not there.
pub fn save(report: &Report, folder: &Path) -> io::Result<Saved> {
    fs::create_dir_all(folder)?;
    let saved = Saved {
        html: folder.join("report.html"),
        markdown: folder.join("report.md"),
        json: folder.join("report.json"),
    };
    write(&saved.html, &html(report))?;
    write(&saved.markdown, &markdown(report))?;
    write(&saved.json, &json(report)?)?;
    Ok(saved)
}

/// Writes a file whole or not at all: to a neighbour first, which then takes its place.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}
