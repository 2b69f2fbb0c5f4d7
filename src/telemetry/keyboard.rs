//! A terminal that gives single keys. Whoever takes them one by one must give the terminal back as it was before the job
//! stops, which a terminal left to itself would not wait for: so Ctrl-Z comes as a key, too, and what it does is done here.

use std::time::Duration;

use rustix::{
    process::{Signal, kill_current_process_group},
    termios::{LocalModes, SpecialCodeIndex, Termios},
};
use tokio::{
    signal::unix::{self, SignalKind},
    time::timeout,
};

/// A terminal that has no key for something has this in its place (`_POSIX_VDISABLE`).
const NO_KEY: u8 = 0;

/// A job that nobody could let go on is not stopped by the kernel, and hears nothing; any other has stopped by then.
const STOPPED_WITHIN: Duration = Duration::from_millis(100);

/// Asks for single keys, without an echo, the one that stops a job among them. Ctrl-C stays a signal.
pub fn take_keys(modes: &mut Termios) {
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
}

/// Whether a terminal gives single keys already.
pub fn gives_keys(modes: &Termios) -> bool {
    !modes
        .local_modes
        .intersects(LocalModes::ICANON | LocalModes::ECHO)
}

/// Whether a key is the one that stops a job, on a terminal that was like this before its keys were taken.
pub fn stops(before: &Termios, key: u8) -> bool {
    key != NO_KEY && key == before.special_codes[SpecialCodeIndex::VSUSP]
}

/// Told when a job that was stopped goes on.
pub fn goes_on() -> std::io::Result<unix::Signal> {
    unix::signal(SignalKind::from_raw(Signal::CONT.as_raw()))
}

/// Stops the job, as the terminal does at Ctrl-Z, until it goes on.
pub async fn stop(goes_on: &mut unix::Signal) {
    if kill_current_process_group(Signal::TSTP).is_ok() {
        let _ = timeout(STOPPED_WITHIN, goes_on.recv()).await;
    }
}
