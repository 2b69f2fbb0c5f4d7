//! Dialling: a connection to whichever of a backend's addresses answers first.
//!
//! Several addresses are tried as RFC 8305 (happy eyeballs) says: families in turn, the next attempt after a short
//! delay or at once when one fails, and the first to connect wins.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use socket2::SockRef;
use tokio::{net::TcpSocket, time};

use super::{
    Stream,
    descriptors::{Use, for_traffic},
    listen::{is_shortage, keep_alive},
    resolve::{Addresses, Unresolved},
    tls::TlsError,
};

/// The delay between attempts that RFC 8305 section 5 recommends.
pub const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection, in the words that retries, outlier ejection and the client's answer need.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody listens there.
    #[error("connection to {0} refused")]
    Refused(SocketAddr),
    /// No answer in time.
    #[error("no connection to {to} within {}", crate::units::Span(*limit))]
    Timeout {
        /// The address, or the name that has not been resolved yet.
        to: String,
        /// The time limit that ran out.
        limit: Duration,
    },
    /// The network has no way there.
    #[error("{address} is unreachable: {error}")]
    Unreachable {
        /// The address that was tried.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The name has no address.
    #[error(transparent)]
    Resolve(#[from] Unresolved),
    /// Connected, but the TLS handshake failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// This machine is out of descriptors, memory or ports: not the backend's fault.
    #[error("this machine cannot open another connection: {0}")]
    Exhausted(io::Error),
    /// Anything else.
    #[error("connection to {address} failed: {error}")]
    Other {
        /// The address that was tried.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// Connects to backends.
#[derive(Clone, Copy, Debug)]
pub struct Dialer {
    /// How long all attempts together may take, the wait for a name's first resolution included.
    pub limit: Duration,
    /// How old the addresses of a name may be; without it, as old as their time to live allows.
    pub most_age: Option<Duration>,
}

impl Dialer {
    /// Connects to one of `to`. `turn` is the caller's own counter: the addresses take turns in being tried first.
    pub async fn dial(&self, to: &Addresses, turn: usize) -> Result<Stream, DialError> {
        let dialling = async {
            if let Some(most_age) = self.most_age {
                to.renew(most_age).await;
            }
            let addresses = match to.now() {
                Some(known) => known?,
                None => to.first().await?,
            };
            race(&addresses, turn).await
        };
        let dialled = match time::timeout(self.limit, dialling).await {
            Ok(done) => done,
            Err(_) => Err(DialError::Timeout {
                to: to.to_string(),
                limit: self.limit,
            }),
        };
        // What this machine lacks says nothing about where the backend is.
        if matches!(&dialled, Err(error) if !matches!(error, DialError::Exhausted(_))) {
            to.doubt();
        }
        dialled
    }

    /// Connects to exactly this address.
    pub async fn connect(&self, address: SocketAddr) -> Result<Stream, DialError> {
        match time::timeout(self.limit, connect(address)).await {
            Ok(done) => done,
            Err(_) => Err(DialError::Timeout {
                to: address.to_string(),
                limit: self.limit,
            }),
        }
    }
}

async fn race(addresses: &[SocketAddr], turn: usize) -> Result<Stream, DialError> {
    if let [only] = addresses {
        return connect(*only).await;
    }
    let mut waiting = order(addresses, turn).into_iter();
    let mut attempts = Vec::new();
    let mut failure = None;
    loop {
        match waiting.next() {
            Some(address) => attempts.push(Box::pin(connect(address))),
            None if attempts.is_empty() => {
                return Err(failure.expect("a name is published only with at least one address"));
            }
            None => {}
        }
        let outcome = if waiting.len() > 0 {
            time::timeout(STAGGER, first_of(&mut attempts)).await.ok()
        } else {
            Some(first_of(&mut attempts).await)
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = Some(error),
            None => {}
        }
    }
}

/// The next attempt to end; it is taken out of the list.
async fn first_of<F: Future + Unpin>(attempts: &mut Vec<F>) -> F::Output {
    poll_fn(|cx| {
        for i in 0..attempts.len() {
            if let Poll::Ready(output) = Pin::new(&mut attempts[i]).poll(cx) {
                drop(attempts.swap_remove(i));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// The addresses from the `turn`-th on, families alternating as long as there are both.
fn order(addresses: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let start = turn % addresses.len().max(1);
    let rotated = addresses[start..].iter().chain(&addresses[..start]).copied();
    let first_family = addresses.get(start).is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = rotated.partition(|a| a.is_ipv6() == first_family);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

async fn connect(address: SocketAddr) -> Result<Stream, DialError> {
    let connecting = async {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        for_traffic(&socket, Use::Dialled)?;
        socket.set_nodelay(true)?;
        keep_alive(&SockRef::from(&socket))?;
        socket.connect(address).await
    };
    match connecting.await {
        Ok(tcp) => Ok(Stream::new(tcp, address)),
        Err(error) => Err(DialError::from_system(address, error)),
    }
}

impl DialError {
    fn from_system(address: SocketAddr, error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            _ if is_shortage(&error) => Self::Exhausted(error),
            // No port is left to connect from.
            Kind::AddrNotAvailable => Self::Exhausted(error),
            // A RST in answer to our SYN comes as either, depending on when it arrives.
            Kind::ConnectionRefused | Kind::ConnectionReset => Self::Refused(address),
            Kind::TimedOut => Self::Unreachable { address, error },
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                Self::Unreachable { address, error }
            }
            _ => Self::Other { address, error },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::testing::listener;

    const DIALER: Dialer = Dialer {
        limit: Duration::from_secs(20),
        most_age: None,
    };

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A port that was free a moment ago.
    async fn nobody() -> SocketAddr {
        listener().await.local_addr().unwrap()
    }

    #[test]
    fn families_alternate_from_the_address_whose_turn_it_is() {
        let check = |turn, expected: &[&str]| {
            let all = ["1.1.1.1:1", "[2::2]:1", "3.3.3.3:1", "4.4.4.4:1"].map(address);
            assert_eq!(
                order(&all, turn),
                expected.iter().map(|a| address(a)).collect::<Vec<_>>(),
                "turn {turn}"
            );
        };
        check(0, &["1.1.1.1:1", "[2::2]:1", "3.3.3.3:1", "4.4.4.4:1"]);
        check(1, &["[2::2]:1", "3.3.3.3:1", "4.4.4.4:1", "1.1.1.1:1"]);
        check(2, &["3.3.3.3:1", "[2::2]:1", "4.4.4.4:1", "1.1.1.1:1"]);
        check(6, &["3.3.3.3:1", "[2::2]:1", "4.4.4.4:1", "1.1.1.1:1"]);
    }

    proptest! {
        #[test]
        fn every_address_is_tried_exactly_once_whatever_the_turn(v4 in 0u8..6, v6 in 0u16..6, turn: usize) {
            let mut all: Vec<SocketAddr> = (0..v4).map(|i| ([10, 0, 0, i], 80).into()).collect();
            all.extend((0..v6).map(|i| SocketAddr::from(([1, 0, 0, 0, 0, 0, 0, i], 80))));
            let mut ordered = order(&all, turn);
            ordered.sort_unstable();
            prop_assert_eq!(ordered, all);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_from_other_failures() {
        let to = nobody().await;
        assert!(matches!(DIALER.connect(to).await, Err(DialError::Refused(who)) if who == to));
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next_at_once() {
        let listener = listener().await;
        let (dead, live) = (nobody().await, listener.local_addr().unwrap());
        // The best of several: this machine may be busy.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let begun = time::Instant::now();
            let stream = race(&[dead, live], 0).await.unwrap();
            assert_eq!(stream.peer(), live);
            best = best.min(begun.elapsed());
        }
        assert!(best < STAGGER, "a refusal needs no waiting: {best:?}");
    }

    #[tokio::test]
    async fn when_all_fail_the_last_failure_is_told() {
        let (one, two) = (nobody().await, nobody().await);
        assert!(matches!(race(&[one, two], 0).await, Err(DialError::Refused(who)) if who == two));
    }

    #[tokio::test]
    async fn an_address_that_is_silent_is_overtaken_by_the_next() {
        let listener = listener().await;
        let live = listener.local_addr().unwrap();
        let silent = full().await;
        let stream = race(&[silent.address, live], 0).await.unwrap();
        assert_eq!(stream.peer(), live);
    }

    #[tokio::test]
    async fn a_silent_address_is_given_up_at_the_limit() {
        let silent = full().await;
        let dialer = Dialer {
            limit: Duration::from_millis(50),
            most_age: None,
        };
        let error = dialer.connect(silent.address).await.unwrap_err();
        assert!(matches!(&error, DialError::Timeout { .. }));
        assert_eq!(
            error.to_string(),
            format!("no connection to {} within 50ms", silent.address)
        );
    }

    /// A listener whose queue is full: the kernel leaves further SYNs without an answer.
    struct Full {
        address: SocketAddr,
        _listener: socket2::Socket,
        _queue: Vec<std::net::TcpStream>,
    }

    async fn full() -> Full {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&address("127.0.0.1:0").into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let patience = Duration::from_millis(100);
        let queue = std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, patience).ok())
            .take(64)
            .collect();
        Full {
            address,
            _listener: listener,
            _queue: queue,
        }
    }

    #[tokio::test]
    async fn small_messages_leave_at_once() {
        let listener = listener().await;
        let stream = DIALER.connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(stream.into_split().1.bare().unwrap().tcp.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_name_that_is_not_resolved_yet_is_waited_for() {
        let listener = listener().await;
        let to = Addresses::fixed(listener.local_addr().unwrap());
        let stream = DIALER.dial(&to, 3).await.unwrap();
        assert_eq!(stream.peer(), listener.local_addr().unwrap());
    }
}
