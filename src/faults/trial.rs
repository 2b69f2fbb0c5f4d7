//! What the tests of the kinds share: reading an example, standing an exchange before it, and letting time pass.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request, response};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Chain, Entry, Fault, Flow, Piece, Plan, Verdict};
use crate::{
    route::{Command, Dialect, Session, matcher::Facts},
    units::Dice,
};

/// Reads YAML as the document's reader does: what looks like a number or a truth value is one, the rest is text.
pub(super) fn yaml(text: &str) -> Value {
    let events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    let mut events = events.filter(|event| {
        matches!(
            event,
            Event::Scalar(..)
                | Event::MappingStart(..)
                | Event::MappingEnd
                | Event::SequenceStart(..)
                | Event::SequenceEnd
        )
    });
    node(&mut events).unwrap()
}

/// `None` is the end of the mapping or sequence around.
fn node<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
    match events.next().unwrap() {
        Event::Scalar(text, style, ..) => Some(match serde_json::from_str(&text) {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) if style == saphyr_parser::ScalarStyle::Plain => {
                value
            }
            _ => Value::String(text.into_owned()),
        }),
        Event::MappingStart(..) => {
            let mut map = Map::new();
            while let Some(key) = node(events) {
                map.insert(key.as_str().unwrap().to_owned(), node(events).unwrap());
            }
            Some(Value::Object(map))
        }
        Event::SequenceStart(..) => Some(Value::Array(std::iter::from_fn(|| node(events)).collect())),
        _ => None,
    }
}

pub(super) fn entry(text: &str) -> Entry {
    serde_json::from_value(yaml(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The fault that `do: ...` writes, in all traffic.
pub(super) fn fault(kind: &str, now: Instant) -> Arc<Fault> {
    Fault::compile("trial", &entry(&format!("{{do: {kind}}}")), now)
}

pub(super) fn request(target: &str) -> request::Parts {
    Request::get(target).body(()).unwrap().into_parts().0
}

pub(super) fn reply(status: u16) -> response::Parts {
    Response::builder()
        .status(status)
        .body(())
        .unwrap()
        .into_parts()
        .0
}

pub(super) fn facts(head: Option<&request::Parts>) -> Facts<'_> {
    Facts {
        client: Ipv4Addr::LOCALHOST.into(),
        tls_name: None,
        head,
        session: None,
        command: None,
    }
}

/// The same in a session of a database, at a command.
pub(super) fn in_session(head: Option<&request::Parts>) -> Facts<'_> {
    static SESSION: LazyLock<Session> = LazyLock::new(|| Session {
        dialect: Dialect::Postgres,
        user: "web".into(),
        database: "shop".into(),
    });
    static COMMAND: LazyLock<Command> =
        LazyLock::new(|| Command::new(Dialect::Postgres, "insert into orders values (1)".into()));
    Facts {
        session: Some(&SESSION),
        command: Some(&COMMAND),
        ..facts(head)
    }
}

pub(super) fn plan(faults: &[Arc<Fault>], exchange: u64) -> Plan {
    Plan::roll(faults, Dice::new(7), exchange, &facts(Some(&request("/"))))
}

/// What an exchange that begins now is told by this fault alone.
pub(super) fn open(fault: &Arc<Fault>, exchange: u64, now: Instant) -> Verdict {
    let mut plan = Plan::roll(std::slice::from_ref(fault), Dice::new(7), exchange, &facts(None));
    plan.open(0, now, None)
}

/// The chain that these kinds make of a standing reply.
pub(crate) fn chain(kinds: &[&str], now: Instant) -> (Vec<Arc<Fault>>, Chain) {
    let faults: Vec<_> = kinds.iter().map(|kind| fault(kind, now)).collect();
    let mut plan = Plan::of_standing(&faults, Dice::new(7), 1, &facts(None));
    let chain = plan.flow(Flow::Reply, now).unwrap();
    (faults, chain)
}

pub(super) fn data(bytes: impl Into<Bytes>) -> Piece {
    Piece::Data(bytes.into())
}

pub(super) fn text(text: &'static str) -> Piece {
    data(text.as_bytes())
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Pushes a piece and gives what comes out at once.
pub(super) fn push(chain: &mut Chain, now: Instant, piece: Piece) -> Vec<Piece> {
    let mut out = VecDeque::new();
    chain.push(now, piece, &mut out);
    out.into()
}

pub(super) fn advance(chain: &mut Chain, now: Instant) -> Vec<Piece> {
    let mut out = VecDeque::new();
    chain.advance(now, &mut out);
    out.into()
}

pub(super) fn lift(chain: &mut Chain, now: Instant) -> Vec<Piece> {
    let mut out = VecDeque::new();
    chain.lift(now, &mut out);
    out.into()
}

/// Lets time pass until nothing is due by itself, and gives what came out with its time since the start.
pub(super) fn drain(chain: &mut Chain, start: Instant) -> Vec<(Duration, Piece)> {
    let mut all = Vec::new();
    while let Some(at) = chain.next_wakeup() {
        all.extend(advance(chain, at).into_iter().map(|piece| (at - start, piece)));
    }
    all
}

/// The bytes of pieces, one after the other.
pub(super) fn joined<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Vec<u8> {
    let bytes = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Data(bytes) => Some(bytes.as_ref()),
        _ => None,
    });
    bytes.collect::<Vec<_>>().concat()
}
