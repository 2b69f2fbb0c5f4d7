//! Writes a drill to a terminal, where a few lines are kept up to date in place, or line by line to anything else.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use anstream::adapter::strip_str;
use tokio::time::Instant;

use super::{
    event::{Event, Stamped},
    run::Watcher,
    timeline::View,
    watch::{line, lines, summary, verdict},
};

/// How often the lines on a terminal are drawn anew: faster than that nobody reads.
const REDRAW_EVERY: Duration = Duration::from_millis(200);
/// How often the state is written where lines are only ever added.
const REPEAT_EVERY: Duration = Duration::from_secs(15);
/// On a terminal that is narrower, lines would wrap and could not be taken away again.
const NARROWEST: usize = 60;
/// How wide a terminal is that does not say.
const USUAL_WIDTH: usize = 80;

/// A watcher that writes to a stream for people, as a rule stderr.
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    in_place: bool,
    colours: bool,
    /// How many lines stand below what stays.
    drawn: usize,
    last: Option<Instant>,
}

impl Terminal<io::Stderr> {
    /// Writes to stderr, as that wants to be written to: in place on a terminal, in colour unless `NO_COLOR` says otherwise.
    pub fn stderr() -> Self {
        let out = io::stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            in_place: out.is_terminal() && !dumb && width() >= NARROWEST,
            colours: anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never,
            out,
            drawn: 0,
            last: None,
        }
    }
}

impl<W: Write> Terminal<W> {
    /// Writes line by line and without colours.
    pub const fn plain(out: W) -> Self {
        Self {
            out,
            in_place: false,
            colours: false,
            drawn: 0,
            last: None,
        }
    }

    fn is_due(&self, every: Duration) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= every)
    }

    /// Takes the lines away that are kept up to date.
    fn erase(&mut self, text: &mut String) {
        if self.drawn > 0 {
            // Up so many lines, then clear to the end of the screen.
            text.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    fn push(&self, text: &mut String, line: &str) {
        if self.colours {
            text.push_str(line);
        } else {
            text.push_str(&strip_str(line).to_string());
        }
        text.push('\n');
    }

    /// One write, so that nothing flickers. A stream that is closed is no reason to end a drill.
    fn write(&mut self, text: &str) {
        let _ = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
    }

    fn draw(&mut self, view: &View, text: &mut String) {
        let lines = lines(view, width());
        for line in &lines {
            self.push(text, line);
        }
        self.drawn = lines.len();
    }
}

impl<W: Write + Send> Watcher for Terminal<W> {
    fn recorded(&mut self, stamped: &Stamped, _: &str) {
        let told = match &stamped.event {
            Event::Judged(judged) => verdict(judged),
            event => line(stamped.at.offset(), event).into_iter().collect(),
        };
        if told.is_empty() {
            return;
        }
        let mut text = String::new();
        self.erase(&mut text);
        for line in &told {
            self.push(&mut text, line);
        }
        self.write(&text);
        // What was erased is drawn anew with the next view, at once.
        self.last = self.last.filter(|_| !self.in_place);
    }

    fn looked(&mut self, view: &View) {
        let mut text = String::new();
        let every = if self.in_place { REDRAW_EVERY } else { REPEAT_EVERY };
        if view.ended.is_some() {
            self.erase(&mut text);
        } else if !self.is_due(every) {
            return;
        } else if self.in_place {
            self.erase(&mut text);
            self.draw(view, &mut text);
        } else {
            self.push(&mut text, &summary(view));
        }
        self.last = Some(Instant::now());
        self.write(&text);
    }
}

/// The width of the terminal; one column stays free, since some terminals wrap a full line.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let width = size.map_or(0, |size| usize::from(size.ws_col));
    if width == 0 { USUAL_WIDTH - 1 } else { width - 1 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::drill::{
        Mode,
        event::{Said, Stamp},
        facts::Observed,
        offset::Offset,
        profile::Audience,
        simulated::orm_break,
        timeline::Timeline,
    };

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_up_to_date_is_taken_away_before_anything_else_is_written() {
        let mut out = Vec::new();
        let mut terminal = Terminal {
            in_place: true,
            ..Terminal::plain(&mut out)
        };
        let script = Arc::new(orm_break(Mode::Replay, true));
        let (timeline, _) = Timeline::begin(script, Instant::now(), &Observed::default());
        let view = timeline.view(Instant::now());
        terminal.looked(&view);
        // Too soon to draw anew.
        terminal.looked(&view);
        let said = Said {
            to: Audience::Responders,
            text: "Can you look?".into(),
        };
        let at = Stamp::new(Offset::mins(6).0, Duration::from_secs(6));
        terminal.recorded(
            &Stamped {
                at,
                event: Event::Said(said),
            },
            "",
        );
        terminal.looked(&view);
        let text = String::from_utf8(out).unwrap();
        let drawn = text.matches("story +0m").count();
        let erased = text.find("\x1b[5A\x1b[J").unwrap();
        assert_eq!(drawn, 2, "{text}");
        assert!(erased < text.find("Can you look?").unwrap(), "{text}");
    }
}
