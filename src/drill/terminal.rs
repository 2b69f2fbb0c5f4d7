//! Writes a drill to a terminal, where a few lines are kept up to date in place, or line by line to anything else.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    event::{Event, Stamped},
    plain::unpaced,
    run::Watcher,
    timeline::View,
    watch::{exercise, line, lines, summary, verdict},
};
use crate::telemetry::screen::Screen;

/// How often the lines on a terminal are drawn anew: faster than that nobody reads.
const REDRAW_EVERY: Duration = Duration::from_millis(200);
/// How often the state is written where lines are only ever added.
const REPEAT_EVERY: Duration = Duration::from_secs(15);

/// A watcher that writes to a screen for people.
#[derive(Debug)]
pub struct Terminal {
    screen: Screen,
    blind: bool,
    last: Option<Instant>,
}

impl Terminal {
    /// Writes to this screen; of a blind drill only what everybody may know.
    pub const fn new(screen: Screen, blind: bool) -> Self {
        Self {
            screen,
            blind,
            last: None,
        }
    }

    fn is_due(&self, every: Duration) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= every)
    }
}

impl Watcher for Terminal {
    fn recorded(&mut self, stamped: &Stamped, _: &str) {
        let Stamped { at, event } = match self.blind {
            true => match stamped.event.plain(true) {
                Some(event) => Stamped {
                    at: unpaced(stamped.at),
                    event,
                },
                None => return,
            },
            false => stamped.clone(),
        };
        let told = match &event {
            Event::Judged(judged) => verdict(judged),
            event => line(at, event).into_iter().collect(),
        };
        if !told.is_empty() {
            self.screen.say(&told);
        }
    }

    fn looked(&mut self, view: &View) {
        let live = self.screen.is_live();
        if view.ended.is_some() {
            self.screen.keep(&[]);
        } else if !self.is_due(if live { REDRAW_EVERY } else { REPEAT_EVERY }) {
            return;
        } else if live && self.blind {
            self.screen.keep(&[exercise(view)]);
        } else if self.blind {
            self.screen.say(&[exercise(view)]);
        } else if live {
            self.screen.keep(&lines(view, self.screen.width()));
        } else {
            self.screen.say(&[summary(view)]);
        }
        self.last = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        drill::{
            Mode,
            event::{Said, Stamp},
            facts::Observed,
            offset::Offset,
            profile::Audience,
            simulated::orm_break,
            timeline::Timeline,
        },
        telemetry::screen::testing::Paper,
    };

    #[tokio::test(start_paused = true)]
    async fn what_happens_is_written_above_what_is_kept_up_to_date() {
        let paper = Paper::default();
        let mut terminal = Terminal::new(paper.screen(true), false);
        let script = Arc::new(orm_break(Mode::Replay, true));
        let (timeline, _) = Timeline::begin(script, Instant::now(), &Observed::default());
        let view = timeline.view(Instant::now());
        terminal.looked(&view);
        // Too soon to draw anew.
        terminal.looked(&view);
        let said = Said {
            to: Audience::Responders,
            text: "Can you look?".into(),
            by: None,
        };
        let at = Stamp::new(Offset::mins(6).0, Duration::from_secs(6));
        terminal.recorded(
            &Stamped {
                at,
                event: Event::Said(said),
            },
            "",
        );
        let text = paper.text();
        assert_eq!(text.matches("story +0m").count(), 2, "{text}");
        let erased = text.find("\x1b[5A").unwrap();
        let said = text.find("Can you look?").unwrap();
        assert!(erased < said && said < text.rfind("story +0m").unwrap(), "{text}");
    }
}
