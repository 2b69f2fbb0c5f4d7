//! What the process is told from outside, one order after the other.

use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// End gently; the word says who told it.
    End(&'static str),
    /// Read the document again.
    Reload,
    /// All faults off.
    Panic,
}

/// The orders as they come.
pub(super) struct Orders {
    terminate: Signal,
    interrupt: Signal,
    /// None where it is to be ignored.
    hangup: Option<Signal>,
    user: Signal,
    failed: CancellationToken,
    told: bool,
    /// Whether a terminal controls the process: its end is then no wish for a reload.
    terminal: bool,
    /// Whether there is a document to read again.
    reloads: bool,
}

/// Begins to listen; from here on a signal is an order and no longer the end. That a part of the process `failed` is an
/// order to end. SIGHUP ends a process that has no document to read again, as it ends others, unless that was started to ignore it.
pub(super) fn listen(failed: CancellationToken, reloads: bool) -> io::Result<Orders> {
    let hears = reloads || !ignores(&status(), SignalKind::hangup());
    let hangup = hears.then(|| signal(SignalKind::hangup())).transpose()?;
    Ok(Orders {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup,
        user: signal(SignalKind::user_defined1())?,
        failed,
        told: false,
        terminal: io::stderr().is_terminal(),
        reloads,
    })
}

/// What the system says of this process; nothing where it does not.
fn status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// Whether a process of this status ignores a signal, as `nohup` makes it.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let place = u32::try_from(kind.as_raw_value() - 1).ok();
    let bit = place.and_then(|place| 1_u64.checked_shl(place));
    mask.zip(bit).is_some_and(|(mask, bit)| mask & bit != 0)
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

impl Orders {
    /// The next order. Cancel-safe.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End("SIGTERM"),
            _ = self.interrupt.recv() => Order::End("Ctrl-C"),
            // A terminal that was closed, or whose connection was lost, takes whoever held the faults with it.
            () = heard(&mut self.hangup) => if !self.reloads {
                Order::End("SIGHUP")
            } else if self.terminal && !io::stderr().is_terminal() {
                Order::End("the end of its terminal")
            } else {
                Order::Reload
            },
            _ = self.user.recv() => Order::Panic,
            () = self.failed.cancelled(), if !self.told => {
                self.told = true;
                Order::End("a failure of its own")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_system() {
        let check = |status: &str, ignored: bool| {
            assert_eq!(ignores(status, SignalKind::hangup()), ignored, "{status}");
        };
        check(
            "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n",
            true,
        );
        check("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false);
        check("SigIgn:\tnonsense\n", false);
        check("", false);
    }
}
