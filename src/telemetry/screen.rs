//! Standard error as people see it: lines that stay, and below them a few that are kept up to date.
//!
//! The log and a drill's live lines share it, so that neither tears the other: what stays is written above what moves,
//! in one write, so that nothing flickers. Where there is no terminal, lines are only ever added.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, PoisonError},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

/// On a terminal that is narrower, lines would wrap and could not be taken away again.
const NARROWEST: usize = 60;
/// How wide a terminal is that does not say.
const USUAL_WIDTH: usize = 80;

/// Where people read what happens. Clones share it.
#[derive(Clone)]
pub struct Screen(Arc<Shared>);

struct Shared {
    in_place: bool,
    colours: bool,
    sheet: Mutex<Sheet>,
}

struct Sheet {
    out: Box<dyn Write + Send>,
    /// The lines that are kept up to date, as they were written.
    live: Vec<String>,
}

impl Screen {
    /// Standard error, as it wants to be written to: in place on a terminal, in colour unless `NO_COLOR` says otherwise.
    pub fn stderr() -> Self {
        let err = io::stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let in_place = err.is_terminal() && !dumb && width() >= NARROWEST;
        let colours = AutoStream::choice(&err) != ColorChoice::Never;
        Self::new(err, in_place, colours)
    }

    /// Another stream, line by line and without colours.
    pub fn plain(out: impl Write + Send + 'static) -> Self {
        Self::new(out, false, false)
    }

    fn new(out: impl Write + Send + 'static, in_place: bool, colours: bool) -> Self {
        let sheet = Mutex::new(Sheet {
            out: Box::new(out),
            live: Vec::new(),
        });
        Self(Arc::new(Shared {
            in_place,
            colours,
            sheet,
        }))
    }

    /// Whether lines can be kept up to date in place.
    pub fn is_live(&self) -> bool {
        self.0.in_place
    }

    /// Whether colours are shown.
    pub fn has_colours(&self) -> bool {
        self.0.colours
    }

    /// How many columns there are; one stays free, since some terminals wrap a full line.
    pub fn width(&self) -> usize {
        width() - 1
    }

    /// Adds lines that stay.
    pub fn say(&self, lines: &[String]) {
        let mut text = String::new();
        for line in lines {
            text.push_str(&self.shown(line));
            text.push('\n');
        }
        self.change(&text, None);
    }

    /// Puts these in place of the lines that are kept up to date; none takes them away. Nothing where that cannot be.
    pub fn keep(&self, lines: &[String]) {
        if self.0.in_place {
            let lines = lines.iter().map(|line| self.shown(line)).collect();
            self.change("", Some(lines));
        }
    }

    fn shown(&self, line: &str) -> String {
        match self.0.colours {
            true => line.to_owned(),
            false => strip_str(line).to_string(),
        }
    }

    /// Takes the live lines away, adds what stays, and draws them again or others instead. A stream that is closed is no
    /// reason to stop.
    fn change(&self, stays: &str, live: Option<Vec<String>>) {
        let mut sheet = self.0.sheet.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if !sheet.live.is_empty() {
            // Up so many lines, then clear to the end of the screen.
            text.push_str(&format!("\x1b[{}A\r\x1b[J", sheet.live.len()));
        }
        text.push_str(stays);
        if let Some(live) = live {
            sheet.live = live;
        }
        for line in &sheet.live {
            text.push_str(line);
            text.push('\n');
        }
        let _ = sheet.out.write_all(text.as_bytes());
        let _ = sheet.out.flush();
    }
}

/// What comes as bytes, such as a line of the log, stays; its colours are the writer's own affair.
impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.change(&String::from_utf8_lossy(bytes), None);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("in_place", &self.0.in_place)
            .field("colours", &self.0.colours)
            .finish_non_exhaustive()
    }
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    match size.map_or(0, |size| usize::from(size.ws_col)) {
        0 => USUAL_WIDTH,
        width => width,
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A stream that a test reads afterwards.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        /// A screen that writes on it.
        pub(crate) fn screen(&self, in_place: bool) -> Screen {
            Screen::new(self.clone(), in_place, false)
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::Paper, *};

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn what_stays_is_written_above_what_moves() {
        let paper = Paper::default();
        let mut screen = paper.screen(true);
        screen.keep(&lines(&["one", "two"]));
        screen.write_all(b"a line of the log\n").unwrap();
        screen.keep(&lines(&["three"]));
        screen.keep(&[]);
        screen.say(&lines(&["the end"]));
        let up = |n: usize| format!("\x1b[{n}A\r\x1b[J");
        let expected = [
            "one\ntwo\n",
            &format!("{}a line of the log\none\ntwo\n", up(2)),
            &format!("{}three\n", up(2)),
            &up(1),
            "the end\n",
        ];
        assert_eq!(paper.text(), expected.concat());
    }

    #[test]
    fn where_there_is_no_terminal_lines_are_only_added_and_have_no_colours() {
        let paper = Paper::default();
        let screen = paper.screen(false);
        screen.keep(&lines(&["moves"]));
        screen.say(&lines(&["\x1b[31mstays\x1b[0m"]));
        assert_eq!(paper.text(), "stays\n");
    }
}
