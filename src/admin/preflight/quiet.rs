//! Nothing else is under way, and what happens can be written down.

use std::{fs, io, path::Path};

use super::{Line, Point};
use crate::{
    admin::{Desk, faults},
    units::shell_word,
};

/// Whether no drill runs, no fault stands and no panic is in force.
pub(super) fn quiet(desk: &Desk) -> Line {
    let mut obstacles = Vec::new();
    let mut next = Vec::new();
    if let Ok(drill) = desk.drill()
        && !drill.remote.is_over()
    {
        obstacles.push(format!("drill `{}` runs", drill.name));
        next.push("end it with `chaosproxy drill clear`".to_owned());
    }
    if desk.control.panicked().is_some() {
        obstacles.push("a panic is in force".to_owned());
        next.push("find out why, then `chaosproxy panic reset`".to_owned());
    }
    for fault in faults::all(desk) {
        obstacles.push(format!("fault `{}` stands, by {}", fault.name, fault.owner));
        if fault.by_hand {
            next.push(format!("`chaosproxy faults remove {}`", shell_word(&fault.name)));
        } else {
            next.push(format!(
                "take `{}` away where it was set ({})",
                fault.name, fault.owner
            ));
        }
    }
    match obstacles.is_empty() {
        true => Line::ok(
            Point::Quiet,
            "no drill runs, no fault stands, no panic is in force",
        ),
        false => Line::failed(Point::Quiet, obstacles.join("; "), next.join("; ")),
    }
}

/// The file by which it is tried whether reports can be written.
const TRIAL: &str = ".chaosproxy-drill-check";

/// Whether a journal can be written where reports are.
pub(super) fn journal(desk: &Desk) -> Line {
    let folder = &desk.reports;
    match written(folder) {
        Ok(()) => Line::ok(
            Point::Journal,
            format!("journal and report can be written to {}", folder.display()),
        ),
        Err(error) => Line::failed(
            Point::Journal,
            format!("nothing can be written to {}: {error}", folder.display()),
            "start the proxy with another `--report-dir`, or make room there",
        ),
    }
}

fn written(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let file = folder.join(TRIAL);
    fs::write(&file, "a drill would be written down here\n")?;
    match fs::remove_file(&file) {
        // Somebody who looks at the same time has been quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
