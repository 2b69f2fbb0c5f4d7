//! Keys in the terminal of a drill that people drive: one key, no dialog, nothing to type.
//!
//! The terminal gives single keys only while such a drill runs, and is given back as it was when [`Keys`] is dropped, also by a
//! panic, and while Ctrl-Z stops the process. Ctrl-C stays a signal, and so does everything else that is one. Where standard
//! input is no terminal, nothing is changed and no key comes; where the process is in the background, keys are somebody else's.

use std::{
    future::pending,
    io::{self, IsTerminal as _, Stdin},
    time::Duration,
};

use rustix::{
    io::ioctl_fionread,
    process::getpgrp,
    termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};
use tokio::{
    signal::unix::Signal,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    drill::{Answer, Remote, lead::Verb},
    telemetry::{keyboard, screen::Screen},
};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Everything off, now.
    Panic,
    /// The story stands still, or goes on.
    Hold,
    /// On to the next phase.
    Next,
    /// Which keys there are.
    Help,
}

/// The keys, in a line.
pub(super) const HELP: &str = "Keys: space holds the story and lets it go on, n goes on to the next phase, p is panic: all \
     faults off at once; ? shows this.";

impl Key {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'p' | b'P' => Some(Self::Panic),
            b' ' => Some(Self::Hold),
            b'n' | b'N' => Some(Self::Next),
            b'?' => Some(Self::Help),
            _ => None,
        }
    }
}

/// How often it is looked whether a key was pressed: nobody feels less.
const LOOK: Duration = Duration::from_millis(50);

/// The keys as they are pressed.
#[derive(Debug)]
pub(super) struct Keys(Option<Terminal>);

#[derive(Debug)]
struct Terminal {
    input: Stdin,
    looks: Interval,
    /// How it was before, and is again afterwards.
    before: Termios,
    goes_on: Signal,
    screen: Screen,
}

/// What stands on the terminal of a process that Ctrl-Z has stopped.
const STOPPED: &str = "Stopped, and the proxy with it: nothing is served until `fg`. Away for longer than a lease, the drill ends.";

impl Keys {
    /// Listens where that is wanted and can be.
    pub(super) fn listen(wanted: bool, screen: &Screen) -> Self {
        Self(wanted.then(|| Terminal::open(screen)).flatten())
    }

    /// Whether keys are heard.
    pub(super) const fn are_heard(&self) -> bool {
        self.0.is_some()
    }

    /// The next key that means something; none where nobody can press one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Key {
        while let Some(terminal) = &mut self.0 {
            match terminal.read().await {
                Some(byte) if keyboard::stops(&terminal.before, byte) => terminal.stop().await,
                Some(byte) => {
                    if let Some(key) = Key::of(byte) {
                        return key;
                    }
                }
                // The terminal is gone.
                None => self.0 = None,
            }
        }
        pending().await
    }
}

impl Terminal {
    fn open(screen: &Screen) -> Option<Self> {
        let input = io::stdin();
        if !input.is_terminal() || !is_ours(&input) {
            return None;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let terminal = Self {
            before: tcgetattr(&input).ok()?,
            input,
            looks,
            goes_on: keyboard::goes_on().ok()?,
            screen: screen.clone(),
        };
        terminal.ask_for_keys().ok()?;
        Some(terminal)
    }

    /// Single keys, without an echo; a read never waits. Whoever stops us and lets us go on may have changed that.
    fn ask_for_keys(&self) -> io::Result<()> {
        let mut modes = tcgetattr(&self.input)?;
        if !keyboard::gives_keys(&modes) {
            keyboard::take_keys(&mut modes);
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(&self.input, OptionalActions::Now, &modes)?;
        }
        Ok(())
    }

    /// Gives the terminal back and stops; [`Self::read`] takes it again once the process goes on, and is in front.
    async fn stop(&mut self) {
        self.screen.keep(&[]);
        self.screen.say(&[STOPPED.to_owned()]);
        self.give_back();
        // A moment passes before the terminal is looked at again: stopping takes one.
        self.looks.reset();
        keyboard::stop(&mut self.goes_on).await;
    }

    fn give_back(&self) {
        // In the background its modes are somebody else's, and to change them would stop the process.
        if is_ours(&self.input) {
            let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
        }
    }

    /// One byte; nothing once the terminal is gone.
    async fn read(&mut self) -> Option<u8> {
        loop {
            self.looks.tick().await;
            // To read in the background would stop the process, with the faults of the drill standing.
            if !is_ours(&self.input) {
                continue;
            }
            self.ask_for_keys().ok()?;
            let mut byte = [0];
            // What is there is read at once: this never waits.
            if ioctl_fionread(&self.input).ok()? > 0 && rustix::io::read(&self.input, &mut byte).ok()? > 0 {
                return Some(byte[0]);
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Whether the process is in the foreground of this terminal.
fn is_ours(input: &Stdin) -> bool {
    tcgetpgrp(input).is_ok_and(|group| group == getpgrp())
}

/// Asks the drill for what a key means, in the name of whoever sits at the terminal; what is refused is said there.
pub(super) fn press(key: Key, by: &str, remote: &Remote, screen: &Screen) {
    let is_held = remote.view().is_some_and(|view| view.held);
    let verb = match key {
        Key::Hold if is_held => Verb::Resume,
        Key::Hold => Verb::Hold,
        Key::Next => Verb::Next(None),
        Key::Help => return screen.say(&[HELP.to_owned()]),
        Key::Panic => {
            // A drill that has just ended needs no telling.
            let _ = remote.panic(by);
            return;
        }
    };
    let (by, remote, screen) = (by.to_owned(), remote.clone(), screen.clone());
    tokio::spawn(async move {
        if let Ok(Answer::Refused(words)) = remote.lead(verb, &by).await {
            screen.say(&[words]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_keys_mean_something() {
        let check = |byte, key| assert_eq!(Key::of(byte), key, "{}", char::from(byte));
        check(b'p', Some(Key::Panic));
        check(b' ', Some(Key::Hold));
        check(b'n', Some(Key::Next));
        check(b'?', Some(Key::Help));
        for byte in [b'q', b'\n', b'\x1b', b'\x03', 0xff] {
            check(byte, None);
        }
    }
}
