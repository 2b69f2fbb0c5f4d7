//! One entry for a fuzzer.

use super::chunked::Step;
use super::facts::Framing;
use super::fields::Scan;
use super::inbox::Inbox;
use super::reader::Reader;
use super::{Limits, request, response};

/// Reads any bytes as requests and as responses with their bodies, until something is wrong or they end. Panics are bugs.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits {
        head: 4096,
        fields: 16,
        target: 1024,
        body: 1 << 20,
    };
    let mut inbox = Inbox::from(bytes);
    while let Ok(Some(head)) = request::read(&mut inbox, &mut Scan::default(), &limits) {
        if !skip_body(head.framing, &mut inbox, &limits) {
            break;
        }
    }
    let mut inbox = Inbox::from(bytes);
    while let Ok(Some(head)) = response::read(&mut inbox, &mut Scan::default(), &limits) {
        match head.framing(&http::Method::GET, &limits) {
            Ok(framing) if skip_body(framing, &mut inbox, &limits) => {}
            _ => break,
        }
    }
}

fn skip_body(framing: Framing, inbox: &mut Inbox, limits: &Limits) -> bool {
    let mut reader = Reader::new(framing, limits);
    loop {
        match reader.next(inbox) {
            Ok(Step::End) => return true,
            Ok(Step::Data(_) | Step::Trailers(_)) => {}
            Ok(Step::More) | Err(_) => return false,
        }
    }
}
