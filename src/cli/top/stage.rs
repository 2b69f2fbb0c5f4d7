//! A terminal that is drawn on whole, and that takes a key; it is put back as it was, however that ends.

use std::{
    io::{self, Read as _, Write as _},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::telemetry::keyboard;

/// Another screen than the one with the shell's lines, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The shell's screen, with a cursor.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// How large a terminal is that does not say.
const USUAL: (usize, usize) = (80, 24);

/// A terminal of our own.
pub(super) struct Stage {
    before: Option<Termios>,
    keys: mpsc::Receiver<u8>,
    ends: Vec<Signal>,
    goes_on: Signal,
    colours: bool,
}

/// What ends the wait for the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// It is time for it.
    Due,
    /// The terminal was somebody else's meanwhile: what it shows is to be drawn at once.
    Back,
    /// Somebody leaves.
    Left,
}

impl Stage {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let stage = Self {
            // Where keys cannot be read one by one, Ctrl-C is enough.
            before: tcgetattr(io::stdin()).ok(),
            keys: keys(),
            colours: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            ends: kinds.into_iter().map(signal).collect::<io::Result<_>>()?,
            goes_on: keyboard::goes_on()?,
        };
        stage.take()?;
        Ok(stage)
    }

    fn take(&self) -> io::Result<()> {
        if let Some(before) = &self.before {
            let mut ours = before.clone();
            keyboard::take_keys(&mut ours);
            tcsetattr(io::stdin(), OptionalActions::Now, &ours)?;
        }
        write(ENTER)
    }

    fn give_back(&self) {
        // A terminal that has gone needs nothing put back.
        let _ = write(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout().as_fd());
        let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        size.ok()
            .filter(|(width, height)| *width > 0 && *height > 0)
            .unwrap_or(USUAL)
    }

    /// Draws what fits.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let (width, height) = self.size();
        let mut text = String::from("\x1b[H");
        for (i, line) in lines.iter().take(height).enumerate() {
            text.push_str(if i == 0 { "" } else { "\r\n" });
            let line = clipped(line, width);
            match self.colours {
                true => text.push_str(&line),
                false => text.push_str(&strip_str(&line).to_string()),
            }
            text.push_str("\x1b[0m\x1b[K");
        }
        text.push_str("\x1b[J");
        write(&text)
    }

    /// Waits so long, unless somebody leaves: by a key, by a signal, or by taking the terminal away. Ctrl-Z gives the terminal
    /// back until the job goes on.
    pub(super) async fn wait(&mut self, limit: Duration) -> io::Result<Until> {
        let Self {
            keys, ends, goes_on, ..
        } = self;
        let stops = |key| {
            self.before
                .as_ref()
                .is_some_and(|before| keyboard::stops(before, key))
        };
        let happens = async {
            loop {
                tokio::select! {
                    Some(key) = keys.recv() => {
                        if matches!(key, b'q' | b'Q' | ETX) {
                            return Happens::Leaves;
                        }
                        if stops(key) {
                            return Happens::Stops;
                        }
                    }
                    () = any(ends) => return Happens::Leaves,
                    Some(()) = goes_on.recv() => return Happens::GoesOn,
                }
            }
        };
        match tokio::time::timeout(limit, happens).await {
            Err(_) => return Ok(Until::Due),
            Ok(Happens::Leaves) => return Ok(Until::Left),
            Ok(Happens::Stops) => {
                self.give_back();
                keyboard::stop(&mut self.goes_on).await;
            }
            // Somebody else stopped it, who did not put the terminal back; the shell may have.
            Ok(Happens::GoesOn) => {}
        }
        self.take()?;
        Ok(Until::Back)
    }
}

/// What may happen while nothing is drawn.
enum Happens {
    Leaves,
    Stops,
    GoesOn,
}

/// Ctrl-C as a character, on a terminal that makes no signal of it.
const ETX: u8 = 3;

/// Waits for one of these signals.
async fn any(signals: &mut [Signal]) {
    std::future::poll_fn(|context| {
        let come = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if come {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// So many keys wait at most: nobody types faster than they are read.
const WAITING: usize = 16;

/// What is typed. A thread of its own waits for it, which ends with the process: reading cannot be given up.
fn keys() -> mpsc::Receiver<u8> {
    let (sender, keys) = mpsc::channel(WAITING);
    thread::spawn(move || {
        for byte in io::stdin().lock().bytes() {
            let Ok(byte) = byte else { return };
            if sender.blocking_send(byte).is_err() {
                return;
            }
        }
    });
    keys
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The part of a line that fits; what is no character, such as a colour, takes no room.
fn clipped(line: &str, width: usize) -> String {
    let mut kept = String::new();
    let mut room = width;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '\x1b' => rest.find('m').map_or(rest.len(), |m| m + 1),
            _ if room == 0 => return kept,
            c => {
                room -= 1;
                c.len_utf8()
            }
        };
        kept.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_clipped_by_what_is_seen() {
        let check = |line: &str, width: usize, kept: &str| assert_eq!(clipped(line, width), kept, "{line:?}");
        check("plain", 9, "plain");
        check("plain", 3, "pla");
        check("\x1b[1mstrong\x1b[0m and more", 6, "\x1b[1mstrong\x1b[0m");
        check("größer", 3, "grö");
        check("", 3, "");
    }
}
