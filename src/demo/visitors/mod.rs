//! Visitors of the demo's shop: they read and write at a steady rate, whatever becomes of them.
//!
//! The loop is open: visits are due by the clock and never wait for earlier ones, so that a slow service does not get
//! fewer visitors and look better than it is.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{self, Instant},
};

pub(super) use self::browser::Browser;
pub use self::tally::{Class, Counts, Failure, Tally, Visits};
use super::tasks::Tasks;
use crate::units::{Dice, Stream, stable_hash};

mod browser;
mod tally;

/// The time from one read to the next: 40 a second.
const READ_PERIOD: Duration = Duration::from_millis(25);

/// The time from one write to the next: 10 a second.
const WRITE_PERIOD: Duration = Duration::from_millis(100);

/// How long a visitor waits for a whole answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Visits of one class under way at a time: more than can be due within a visitor's patience, so that at the usual rate
/// none is skipped even when no answer ever comes.
const MAX_UNDER_WAY: usize = 256;

/// The share of reads that look at the list; the others look at one order that a list has shown.
const SHARE_OF_LISTS: f64 = 0.2;

/// What the shop sells.
pub(super) const ITEMS: [&str; 8] = [
    "tea", "coffee", "bread", "honey", "rice", "beans", "maize", "mangoes",
];

/// The visitors of one class.
#[derive(Debug)]
struct Crowd {
    class: Class,
    period: Duration,
    street: Arc<Street>,
}

/// What all visitors share.
#[derive(Debug)]
struct Street {
    shop: SocketAddr,
    browser: Browser,
    tally: Arc<Tally>,
    /// The orders that were last seen in a list.
    seen: Mutex<Vec<i64>>,
}

/// Sends visitors to `shop` until told to stop; the seed repeats when they come and what they do.
pub(super) fn visit(shop: SocketAddr, seed: u64, tasks: &Tasks) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let street = Arc::new(Street {
        shop,
        browser: Browser::new(shop, tasks.clone()),
        tally: Arc::clone(&tally),
        seen: Mutex::default(),
    });
    for (class, period) in [(Class::Read, READ_PERIOD), (Class::Write, WRITE_PERIOD)] {
        let crowd = Crowd {
            class,
            period,
            street: Arc::clone(&street),
        };
        let dice = Dice::new(seed).stream(stable_hash(b"demo visitors"), class as u64);
        let visits = tasks.clone();
        tasks.spawn(async move { crowd.come(dice, &visits).await });
    }
    tally
}

impl Crowd {
    /// Lets visitors set out, each when it is due.
    async fn come(&self, mut dice: Stream, visits: &Tasks) {
        let room = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        let mut due = Instant::now();
        loop {
            due += gap(self.period, &mut dice);
            let request = self.street.request(self.class, &mut dice);
            time::sleep_until(due).await;
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                self.street.tally.skipped(self.class);
                continue;
            };
            self.street.tally.sent(self.class);
            let (class, street) = (self.class, Arc::clone(&self.street));
            visits.spawn(async move {
                street.visit(class, request, due).await;
                drop(permit);
            });
        }
    }
}

/// The time to the next visit: half to one and a half periods, the period on the whole.
fn gap(period: Duration, dice: &mut Stream) -> Duration {
    period.mul_f64(0.5 + dice.unit())
}

impl Street {
    /// Makes one visit. Its time runs from when it was due: a late start is no excuse.
    async fn visit(&self, class: Class, request: Request<Full<Bytes>>, due: Instant) {
        let is_list = request.uri().path() == LIST;
        let answer = time::timeout(PATIENCE, self.browser.ask(request))
            .await
            .unwrap_or(Err(Failure::TimedOut));
        let outcome = match answer {
            Ok((status, _)) if !status.is_success() => Err(Failure::Status(status.as_u16())),
            Ok((_, body)) if class == Class::Read && is_list => self.remember(&body),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        };
        self.tally.ended(class, outcome, due.elapsed());
    }

    /// Takes note of the orders in a list; what is no list was changed on its way.
    fn remember(&self, list: &[u8]) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Order {
            id: i64,
        }
        let orders: Vec<Order> = serde_json::from_slice(list).map_err(|_| Failure::Broken)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            orders.into_iter().map(|order| order.id).collect();
        Ok(())
    }

    fn request(&self, class: Class, dice: &mut Stream) -> Request<Full<Bytes>> {
        let request = Request::builder()
            .header(header::HOST, self.shop.to_string())
            .header(header::USER_AGENT, "chaosproxy-visitor");
        let built = match class {
            Class::Read => request.uri(self.page(dice)).body(Full::default()),
            Class::Write => request
                .method(Method::POST)
                .uri(LIST)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::from(order(dice))),
        };
        built.expect("all parts are valid by construction")
    }

    /// The list, or one order that it has shown.
    fn page(&self, dice: &mut Stream) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_empty() || dice.unit() < SHARE_OF_LISTS {
            LIST.to_owned()
        } else {
            format!("{LIST}/{}", seen[dice.below(seen.len())])
        }
    }
}

/// Where orders are listed and made.
const LIST: &str = "/orders";

fn order(dice: &mut Stream) -> String {
    let item = ITEMS[dice.below(ITEMS.len())];
    let quantity = 1 + dice.below(5);
    serde_json::json!({"item": item, "quantity": quantity}).to_string()
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn gaps_are_jittered_and_keep_the_rate() {
        let gaps = |seed| {
            let mut dice = Dice::new(seed).stream(1, 0);
            (0..10_000)
                .map(|_| gap(READ_PERIOD, &mut dice))
                .collect::<Vec<_>>()
        };
        let bounds = READ_PERIOD / 2..READ_PERIOD * 3 / 2;
        assert!(gaps(1).iter().all(|gap| bounds.contains(gap)));
        let total: Duration = gaps(1).iter().sum();
        let rate = 10_000.0 / total.as_secs_f64();
        assert!((rate - 40.0).abs() < 0.5, "{rate}/s");
        assert_eq!(gaps(1), gaps(1));
        assert_ne!(gaps(1), gaps(2));
    }

    #[tokio::test]
    async fn when_no_answer_comes_waiting_visitors_have_a_limit_and_the_rest_are_skipped() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tasks = Tasks::new(CancellationToken::new());
        let shop = silent.local_addr().unwrap();
        let street = Arc::new(Street {
            shop,
            browser: Browser::new(shop, tasks.clone()),
            tally: Arc::default(),
            seen: Mutex::default(),
        });
        let crowd = Crowd {
            class: Class::Write,
            period: Duration::from_micros(100),
            street: Arc::clone(&street),
        };
        let come = crowd.come(Dice::new(1).stream(1, 0), &tasks);
        let skipped = crate::demo::tests::eventually("some are skipped", async || {
            street.tally.snapshot().write.skipped > 0
        });
        tokio::select! {
            () = come => {}
            () = skipped => {}
        }
        assert_eq!(street.tally.snapshot().write.sent, MAX_UNDER_WAY as u64);
    }
}
