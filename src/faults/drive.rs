//! Drives a chain by a program of bytes, for fuzzing and for properties: whatever the program, a chain must keep its word.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Body, Chain, Close, Corrupt, Do, Entry, Fault, Flow, IdleCut, Latency, LimitData, Piece, Plan, Reset,
    Since, Slice, SlowClose, Stall, Throttle, Timeout, Truncate,
};
use crate::{
    route::matcher::Facts,
    units::{ByteRate, ByteSize, Dice, Span},
};

/// What went into a chain and what came out.
#[derive(Debug, Default)]
pub struct Driven {
    /// The bytes that were pushed before the end.
    pub sent: Vec<u8>,
    /// The bytes that came out.
    pub received: Vec<u8>,
    /// The piece that ended the flow.
    pub last: Option<Piece>,
    /// Whether something came out after the end.
    pub spoke_after_end: bool,
    /// Whether all faults in the chain were of kinds that must lose nothing.
    pub lossless: bool,
    /// Whether all faults in the chain were of kinds that must not add anything.
    pub adds_nothing: bool,
    /// How many bytes the chain still held when every fault was lifted and the end had been pushed.
    pub held: usize,
}

impl Driven {
    /// A fault of this kind in this place among the others.
    fn fault(&mut self, place: usize, kind: u8, size: u8, now: Instant) -> Arc<Fault> {
        let (r#do, loses, adds) = kind_of(kind, size);
        self.lossless &= !loses;
        self.adds_nothing &= !adds;
        Fault::compile(&format!("driven-{place}"), &Entry::new(r#do), now)
    }

    /// Whether the chain kept its word; else what it broke.
    pub fn verdict(&self) -> Result<(), &'static str> {
        let end_is_missing = self.last.is_none();
        let rules = [
            (self.spoke_after_end, "a piece came out after the end"),
            (end_is_missing, "the end never came out"),
            (
                self.held > 0,
                "bytes were still held after every fault was lifted",
            ),
            (
                self.lossless && self.received != self.sent,
                "bytes were lost, added or reordered",
            ),
            (
                self.adds_nothing && self.received.len() > self.sent.len(),
                "bytes were added",
            ),
        ];
        rules
            .into_iter()
            .find(|(broken, _)| *broken)
            .map_or(Ok(()), |(_, rule)| Err(rule))
    }
}

/// Runs a program: faults first, then pieces, waits, liftings and changes in any order, then the end of the stream, by a failure
/// of the peer or not, a lifting of all that is left, and silence. Every program is valid; time begins at `start`.
pub fn drive_chain(program: &[u8], start: Instant) -> Driven {
    let mut program = program.iter().copied();
    let mut driven = Driven {
        lossless: true,
        adds_nothing: true,
        ..Driven::default()
    };
    let mut faults = Vec::new();
    let first = program.next().unwrap_or(0);
    for place in 0..1 + first % MOST_FAULTS {
        let (kind, size) = (program.next().unwrap_or(0), program.next().unwrap_or(0));
        faults.push(driven.fault(place.into(), kind, size, start));
    }
    let mut drive = Drive {
        chain: chain_of(&faults, start),
        faults,
        now: start,
        driven,
    };
    while let (Some(step), Some(size)) = (program.next(), program.next()) {
        drive.step(step, size);
    }
    let is_broken = first / MOST_FAULTS % 2 == 1;
    drive.finish(if is_broken { Piece::Broken } else { Piece::End })
}

/// More faults than this in one chain add nothing new.
const MOST_FAULTS: u8 = 5;

fn chain_of(faults: &[Arc<Fault>], now: Instant) -> Chain {
    let facts = Facts {
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        tls_name: None,
        head: None,
        session: None,
        command: None,
    };
    faults
        .iter()
        .enumerate()
        .fold(Chain::default(), |mut chain, (i, fault)| {
            // One plan each: some kinds would end the exchange before the next is rolled.
            let mut plan = Plan::roll(std::slice::from_ref(fault), Dice::new(i as u64), 0, &facts);
            chain.extend(plan.flow(Flow::Reply, now).unwrap_or_default());
            chain
        })
}

/// So many of the first kinds lose nothing.
const LOSSLESS: u8 = 7;

/// A kind, whether it may lose bytes, and whether it may add some.
fn kind_of(kind: u8, size: u8) -> (Do, bool, bool) {
    let bytes = ByteSize(u64::from(size));
    let time = Span::millis(u64::from(size));
    let flow = Flow::Reply;
    match kind % 16 {
        0 => (
            Do::Latency(Latency::of_chunks(time, Span::millis(10), flow)),
            false,
            false,
        ),
        1 | 2 => {
            let rate = ByteRate::new(1 + u64::from(size) * 997).expect("it is at least one");
            let shared = kind % 14 == 2;
            (Do::Throttle(Throttle { rate, shared, flow }), false, false)
        }
        3 => (
            Do::Slice(Slice {
                size: bytes,
                vary: ByteSize(3),
                pause: Span::ZERO,
                flow,
            }),
            false,
            false,
        ),
        4 => (
            Do::Slice(Slice {
                size: bytes,
                vary: ByteSize(0),
                pause: time,
                flow,
            }),
            false,
            false,
        ),
        5 => (
            Do::Stall(Stall {
                after_bytes: bytes,
                flow,
            }),
            false,
            false,
        ),
        6 => (Do::SlowClose(SlowClose { delay: time, flow }), false, false),
        7 => (
            Do::Truncate(Truncate {
                after_bytes: bytes,
                flow,
            }),
            true,
            false,
        ),
        8 => (Do::LimitData(LimitData { bytes, flow }), true, false),
        9 => (
            Do::Timeout(Timeout {
                after: time,
                flow,
                ..Timeout::default()
            }),
            true,
            false,
        ),
        10 => (
            Do::Reset(Reset {
                after_bytes: Some(bytes),
                flow,
                ..Reset::default()
            }),
            true,
            false,
        ),
        11 => (
            Do::Close(Close {
                after_bytes: None,
                after: Some(time),
                flow,
            }),
            true,
            false,
        ),
        12 => (
            Do::Corrupt(Corrupt {
                every: Some(bytes),
                ..Corrupt::default()
            }),
            true,
            false,
        ),
        13 => (Do::IdleCut(IdleCut { after: time }), true, false),
        14 => (
            Do::Reset(Reset {
                after: Some(time),
                since: Since::Data,
                flow,
                ..Reset::default()
            }),
            true,
            false,
        ),
        _ => {
            let find = String::from_utf8_lossy(&[size % 4, size % 4 + 1]).into_owned();
            let body = Body {
                replace: "chaos".into(),
                find,
                at_most: None,
                flow,
            };
            (Do::Body(body), true, true)
        }
    }
}

struct Drive {
    chain: Chain,
    faults: Vec<Arc<Fault>>,
    now: Instant,
    driven: Driven,
}

impl Drive {
    fn step(&mut self, step: u8, size: u8) {
        let mut out = VecDeque::new();
        match step % 9 {
            0..=4 => {
                let bytes: Vec<u8> = (0..size).map(|i| i.wrapping_add(step)).collect();
                self.driven.sent.extend(&bytes);
                self.chain
                    .push(self.now, Piece::Data(Bytes::from(bytes)), &mut out);
            }
            5 | 6 => {
                self.now += Duration::from_millis(u64::from(size));
                self.chain.advance(self.now, &mut out);
            }
            7 => {
                self.faults[usize::from(size) % self.faults.len()].lift();
                self.chain.lift(self.now, &mut out);
            }
            _ => self.change(step / 9, size, &mut out),
        }
        self.take(out);
    }

    /// One of the faults becomes another kind; what loses nothing becomes nothing that does.
    fn change(&mut self, kind: u8, size: u8, out: &mut VecDeque<Piece>) {
        let place = usize::from(size) % self.faults.len();
        let kind = if self.driven.lossless {
            kind % LOSSLESS
        } else {
            kind
        };
        let fault = self.driven.fault(place, kind, size, self.now);
        let before = std::mem::replace(&mut self.faults[place], fault);
        let changed = chain_of(&self.faults[place..=place], self.now);
        self.chain.follow(changed, self.now);
        before.lift();
        self.chain.lift(self.now, out);
    }

    fn finish(mut self, end: Piece) -> Driven {
        let mut out = VecDeque::new();
        self.chain.push(self.now, end, &mut out);
        self.faults.iter().for_each(|fault| fault.lift());
        self.chain.lift(self.now, &mut out);
        // What stays although it is lifted may still have something due.
        while let Some(at) = self.chain.next_wakeup() {
            self.chain.advance(at, &mut out);
        }
        self.take(out);
        self.driven.held = self.chain.held();
        self.driven
    }

    fn take(&mut self, out: VecDeque<Piece>) {
        for piece in out {
            self.driven.spoke_after_end |= self.driven.last.is_some();
            match piece {
                Piece::Data(bytes) => self.driven.received.extend(&bytes),
                Piece::Trailers(_) => {}
                last => self.driven.last = Some(last),
            }
        }
    }
}
