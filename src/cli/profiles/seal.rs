//! `chaosproxy profiles seal`: a profile that cannot be read by eye, for a blind drill.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    super::{
        Exit, Outcome, Terminal, Trouble,
        init::write_new,
        terminal::{STRONG, styled},
    },
    load, written,
};
use crate::{app::fresh_seed, drill::sealed::Sealed};

/// Put a profile under seal, for a blind drill: command line, unit and ConfigMap then show an id only
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy profiles seal orm-break               In a file named by its id, such as 5f1c8a02.sealed
  chaosproxy --config chaosproxy.yaml --tokens tokens.yaml --profile 5f1c8a02.sealed --mode rehearse
  chaosproxy drill start 5f1c8a02.sealed --mode rehearse

A curtain and no lock: whoever has the file and this program can open it. Such a drill is always blind.")]
pub(super) struct Args {
    /// A name, or a file
    #[arg(value_name = "NAME|FILE")]
    name: String,
    /// The folder in which the file is written
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What was sealed, and where it is.
#[derive(Serialize)]
struct Put {
    id: String,
    file: PathBuf,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let sealed = Sealed::new(&load(&self.name)?, fresh_seed()).map_err(|error| {
            Trouble::new(
                format!("the profile cannot be written down: {error}"),
                "report this as a bug",
            )
        })?;
        let file = self.dir.join(format!("{}.sealed", sealed.id));
        write_new(&file, &written(&sealed)?)?;
        terminal.show(&Put { id: sealed.id, file }, |put| {
            format!(
                "{}: sealed, in {}\nrun it with `chaosproxy --profile {}`, or on a proxy that runs with `chaosproxy drill start`",
                styled(STRONG, &put.id),
                put.file.display(),
                put.file.display()
            )
        })?;
        Ok(Exit::Ok)
    }
}
