//! Where a command writes: results to standard output, talk to standard error.
//!
//! Styles are written into the text; `anstream` leaves them out where nobody would see them (no terminal, `NO_COLOR`).

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::trouble::Trouble;

/// What people should see first.
pub(super) const STRONG: Style = Style::new().bold();
/// What may be overlooked.
pub(super) const FAINT: Style = Style::new().dimmed();
/// What is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();
/// What is broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A text in a style.
pub(super) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// Whether programs read the results.
    pub(super) json: bool,
}

impl Terminal {
    /// Shows a result: as JSON for programs, else as the text made for people.
    pub(super) fn show<T: Serialize>(
        self,
        result: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Trouble> {
        if !self.json {
            return Self::print(&text(result));
        }
        let json = serde_json::to_string_pretty(result).map_err(|error| {
            Trouble::new(format!("the result is no JSON: {error}"), "report this as a bug")
        })?;
        Self::print(&json)
    }

    /// Writes to standard output, with a line feed at the end.
    pub(super) fn print(text: &str) -> Result<(), Trouble> {
        written(line(&mut anstream::stdout().lock(), text))
    }

    /// Says something to the person at the terminal.
    pub(super) fn say(text: &str) {
        // Where nobody listens, nothing is lost.
        let _ = line(&mut anstream::stderr().lock(), text);
    }
}

fn line(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// Whether what was written arrived. A reader that has gone, as `head` does, is no trouble.
fn written(result: io::Result<()>) -> Result<(), Trouble> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Trouble::unread(),
        _ => Trouble::new(
            format!("cannot write the result: {error}"),
            "check where the output goes",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::trouble::Exit;

    #[test]
    fn a_reader_that_has_gone_is_no_trouble() {
        let gone = written(Err(io::ErrorKind::BrokenPipe.into())).unwrap_err();
        assert_eq!((gone.exit, gone.what.as_str()), (Exit::Ok, ""));
        assert_eq!(
            written(Err(io::ErrorKind::StorageFull.into())).unwrap_err().exit,
            Exit::Failed
        );
    }
}
