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
    hangup: Signal,
    user: Signal,
    failed: CancellationToken,
    told: bool,
    /// Whether a terminal controls the process: its end is then no wish for a reload.
    terminal: bool,
}

/// Begins to listen; from here on a signal is an order and no longer the end. That a part of the process `failed` is an
/// order to end.
pub(super) fn listen(failed: CancellationToken) -> io::Result<Orders> {
    Ok(Orders {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
        user: signal(SignalKind::user_defined1())?,
        failed,
        told: false,
        terminal: io::stderr().is_terminal(),
    })
}

impl Orders {
    /// The next order. Cancel-safe.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::End("SIGTERM"),
            _ = self.interrupt.recv() => Order::End("Ctrl-C"),
            // A terminal that was closed, or whose connection was lost, takes whoever held the faults with it.
            _ = self.hangup.recv() => if self.terminal && !io::stderr().is_terminal() {
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
