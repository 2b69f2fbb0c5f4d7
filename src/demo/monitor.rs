//! The demo's monitoring: asks the shop for its orders once a second, and raises an alert when that fails.
//!
//! It is as good as most: it asks what visitors ask, and waits for the answer without a time limit. It can be switched off.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use tokio::{
    sync::watch,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{tasks::Tasks, visitors::Browser};

/// How often it asks.
const EVERY: Duration = Duration::from_secs(1);

/// So many failures in a row raise the alert, and so many successes end it.
const IN_A_ROW: u32 = 2;

/// What it calls itself.
const USER_AGENT: &str = "chaosproxy-monitor/1.0";

/// The monitoring, while it is switched on.
#[derive(Clone, Debug)]
pub struct Monitor {
    alert: watch::Receiver<bool>,
    off: CancellationToken,
}

impl Monitor {
    /// Begins to watch the shop.
    pub(super) fn start(shop: SocketAddr, tasks: &Tasks) -> Self {
        let (raise, alert) = watch::channel(false);
        let off = CancellationToken::new();
        let browser = Browser::new(shop, tasks.clone());
        let told = off.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = told.cancelled() => {}
                () = watch_over(shop, &browser, &raise) => {}
            }
        });
        Self { alert, off }
    }

    /// Switches it off, for good.
    pub fn switch_off(&self) {
        self.off.cancel();
    }

    /// Whether it asks no more.
    pub fn is_off(&self) -> bool {
        self.alert.has_changed().is_err()
    }

    /// Waits until it raises an alert; comes back at once while one stands. `false`: it was switched off and never will.
    pub async fn alert(&self) -> bool {
        self.alert.clone().wait_for(|raised| *raised).await.is_ok()
    }
}

async fn watch_over(shop: SocketAddr, browser: &Browser, raise: &watch::Sender<bool>) {
    let mut ticks = time::interval(EVERY);
    // One that was kept waiting does not make up for what it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut streak = Streak::default();
    loop {
        ticks.tick().await;
        let request = Request::builder()
            .uri("/orders")
            .header(header::HOST, shop.to_string())
            .header(header::USER_AGENT, USER_AGENT)
            .body(Full::<Bytes>::default())
            .expect("all parts are valid by construction");
        let answer = browser.ask(request).await;
        let is_good = answer.is_ok_and(|(status, _)| status.is_success());
        if let Some(raised) = streak.add(is_good) {
            raise.send_replace(raised);
        }
    }
}

/// Answers of one kind in a row.
#[derive(Debug, Default)]
struct Streak {
    good: bool,
    length: u32,
}

impl Streak {
    /// Adds an answer; says whether an alert stands, where the row is long enough to know.
    const fn add(&mut self, is_good: bool) -> Option<bool> {
        self.length = if is_good == self.good { self.length + 1 } else { 1 };
        self.good = is_good;
        if self.length >= IN_A_ROW {
            Some(!is_good)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_answer_is_no_alert_and_one_good_one_no_end_of_it() {
        let mut streak = Streak::default();
        let answers = [
            true, true, false, true, false, false, true, false, false, true, true,
        ];
        let told: Vec<_> = answers.map(|is_good| streak.add(is_good)).into();
        let (raised, ended) = (Some(true), Some(false));
        assert_eq!(
            told,
            [
                None, ended, None, None, None, raised, None, None, raised, None, ended
            ]
        );
    }
}
