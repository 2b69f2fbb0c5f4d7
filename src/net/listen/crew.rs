//! The workers of a listener: how many connections each serves, and how one is handed to whoever has fewest.
//!
//! The kernel spreads connections by a hash of their addresses. That is even for many and not for few: of eight clients that stay,
//! such as a pool's, six or more meet the same of two workers in two cases of seven. What was accepted is therefore handed on
//! where another worker has clearly less to do, once, before a byte is read (as Envoy's exact balance does, without its lock).

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::mpsc;

use super::permits::Permit;

/// Connections that may be on their way to one worker; with more, whoever has accepted serves.
const MOST_HANDED: usize = 64;

/// A worker keeps what it accepts while it has no more connections than an eighth above the least: many that come and go are
/// even enough, and stay where they are.
const TOLERANCE: usize = 8;

/// A connection on its way from one worker to another.
#[derive(Debug)]
pub(in crate::net) struct Handed {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) permit: Permit,
    pub(super) place: Place,
}

/// What is handed to one worker.
pub(in crate::net) type Inbox = mpsc::Receiver<Handed>;

/// The workers of one listener.
#[derive(Debug)]
pub(in crate::net) struct Crew(Box<[Member]>);

#[derive(Debug)]
struct Member {
    serving: AtomicUsize,
    door: mpsc::Sender<Handed>,
}

impl Crew {
    /// So many workers, and where each finds what it is handed.
    pub(in crate::net) fn new(workers: usize) -> (Arc<Self>, Vec<Inbox>) {
        let (members, inboxes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (door, inbox) = mpsc::channel(MOST_HANDED);
                let serving = AtomicUsize::new(0);
                (Member { serving, door }, inbox)
            })
            .unzip();
        (Arc::new(Self(members.into())), inboxes)
    }

    /// Which worker serves what this one has accepted.
    pub(super) fn choose(&self, acceptor: usize) -> usize {
        choose(self.0.iter().map(|member| member.serving.load(Relaxed)), acceptor)
    }

    /// A place at a worker.
    pub(super) fn place(self: &Arc<Self>, worker: usize) -> Place {
        self.0[worker].serving.fetch_add(1, Relaxed);
        Place {
            crew: self.clone(),
            worker,
        }
    }

    /// Hands a connection to the worker of its place; returns it if that one takes nothing more.
    pub(super) fn hand(&self, handed: Handed) -> Result<(), Handed> {
        self.0[handed.place.worker]
            .door
            .try_send(handed)
            .map_err(mpsc::error::TrySendError::into_inner)
    }
}

/// A connection's place at a worker, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crew: Arc<Crew>,
    worker: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.0[self.worker].serving.fetch_sub(1, Relaxed);
    }
}

/// The worker itself, unless another one has clearly fewer connections.
fn choose(serving: impl Iterator<Item = usize>, acceptor: usize) -> usize {
    let (mut mine, mut fewest) = (0, (usize::MAX, acceptor));
    for (worker, count) in serving.enumerate() {
        fewest = fewest.min((count, worker));
        if worker == acceptor {
            mine = count;
        }
    }
    if mine.saturating_sub(fewest.0) > mine / TOLERANCE {
        fewest.1
    } else {
        acceptor
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::Permits;

    #[test]
    fn few_are_spread_exactly_and_many_to_an_eighth() {
        for (serving, acceptor, chosen) in [
            (&[0, 0][..], 1, 1),
            (&[1, 0], 0, 1),
            (&[1, 0], 1, 1),
            (&[7, 6, 6], 0, 1),
            (&[8, 7], 0, 0),
            (&[8, 6], 0, 1),
            (&[80, 70], 0, 0),
            (&[81, 70], 0, 1),
            (&[5], 0, 0),
        ] {
            assert_eq!(
                choose(serving.iter().copied(), acceptor),
                chosen,
                "{serving:?} {acceptor}"
            );
        }
    }

    proptest! {
        /// Whichever worker the kernel chooses, those that stay end up even.
        #[test]
        fn whoever_accepts_those_that_stay_end_up_even(
            workers in 1_usize..9,
            accepted in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut serving = vec![0; workers];
            for by in accepted {
                let acceptor = by.index(workers);
                let chosen = choose(serving.iter().copied(), acceptor);
                serving[chosen] += 1;
                let (most, least) = (serving.iter().max().unwrap(), serving.iter().min().unwrap());
                prop_assert!(most - least <= 1 + most / TOLERANCE, "{serving:?}");
            }
        }
    }

    #[test]
    fn a_place_is_given_back_and_who_takes_nothing_more_gives_the_connection_back() {
        let (crew, inboxes) = Crew::new(2);
        let first = crew.place(0);
        assert_eq!(crew.choose(0), 1);
        drop(first);
        assert_eq!(crew.choose(0), 0);
        drop(inboxes);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap();
        let handed = Handed {
            tcp: TcpStream::connect(peer).unwrap(),
            peer,
            permit: Permits::new(1).try_take().unwrap(),
            place: crew.place(1),
        };
        assert_eq!(crew.hand(handed).unwrap_err().peer, peer);
    }
}
