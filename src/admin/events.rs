//! `/api/v1/events`: what happens, as it happens, as server-sent events.
//!
//! Events named `proxy` are those of the log, events named `drill` the lines of a drill's journal. A reader that is too
//! slow for its buffer is told how many it lost (`lost`); nobody waits for it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use http_body_util::channel::{Channel, Sender};
use schemars::{Schema, SchemaGenerator};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time,
};

use super::{
    Desk,
    ask::{Answer, Ask},
    clearance::{Clearance, Tell},
    feed::Line,
    refusal::{Kind, Refusal},
    tokens::Role,
};
use crate::telemetry::events::Record;

/// So many events wait for a slow reader in its own buffer; the streams themselves hold more.
const BUFFER: usize = 64;

/// Balancers and browsers give a silent stream up after a minute at the earliest.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A stream of events.
pub(super) struct Stream(Channel<Bytes>);

impl Tell for Stream {
    /// What its reader may know is asked anew for each event: it changes while the stream lasts.
    fn told(self, _: Clearance) -> Self {
        self
    }
}

impl Answer for Stream {
    const MEDIA: &'static str = "text/event-stream";

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn send(self) -> Response {
        ([(header::CONTENT_TYPE, Self::MEDIA)], Body::new(self.0)).into_response()
    }
}

/// Begins a stream of what happens from now on.
pub(super) fn stream(desk: &Desk, ask: &Ask) -> Result<Stream, Refusal> {
    let permit = Arc::clone(&desk.feeds).try_acquire_owned().map_err(|_| {
        Refusal::new(
            Kind::Overloaded,
            "too many live feeds are open",
            "close one, then try again",
        )
    })?;
    let (sender, body) = Channel::new(BUFFER);
    let reader = Reader {
        desk: desk.clone(),
        role: ask.caller.role,
        plain: 0,
        sender,
        proxy: desk.control.events().subscribe(),
        drill: desk.feed.read(),
        _permit: permit,
    };
    let end = desk.end.clone();
    tokio::spawn(async move { end.run_until_cancelled(reader.read()).await });
    Ok(Stream(body))
}

/// Copies both streams to one reader until it goes away.
struct Reader {
    desk: Desk,
    /// Whose stream it is.
    role: Role,
    /// How many events of the proxy it was told that does not know all: it counts them without a gap, too.
    plain: u64,
    sender: Sender<Bytes>,
    proxy: broadcast::Receiver<Arc<Record>>,
    drill: broadcast::Receiver<Arc<Line>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    async fn read(mut self) {
        let mut heartbeat = time::interval(HEARTBEAT);
        loop {
            // Every arm is cancel-safe: what was not received stays in its stream.
            let frame = tokio::select! {
                record = self.proxy.recv() => record.map(|record| self.of_proxy(&record)),
                line = self.drill.recv() => line.map(|line| self.of_drill(&line)),
                _ = heartbeat.tick() => Ok(Some(": still here\n\n".to_owned())),
            };
            let frame = match frame {
                Ok(None) => continue,
                Ok(Some(frame)) => frame,
                Err(broadcast::error::RecvError::Lagged(lost)) => frame_lost(lost),
                Err(broadcast::error::RecvError::Closed) => return,
            };
            if self.sender.send_data(frame.into()).await.is_err() {
                return;
            }
        }
    }

    fn of_proxy(&mut self, record: &Record) -> Option<String> {
        if self.desk.clearance(self.role).is_full() {
            return Some(proxy_frame(record));
        }
        let event = record.event.plain()?;
        self.plain += 1;
        Some(proxy_frame(&Record {
            number: self.plain,
            at: record.at,
            event,
        }))
    }

    fn of_drill(&self, line: &Line) -> Option<String> {
        let line = line.told(self.desk.clearance(self.role))?;
        Some(frame("drill", None, line))
    }
}

fn proxy_frame(record: &Record) -> String {
    let data = serde_json::to_string(record).unwrap_or_default();
    frame("proxy", Some(record.number), &data)
}

fn frame_lost(lost: u64) -> String {
    frame("lost", None, &format!("{{\"lost\":{lost}}}"))
}

/// An event on the wire; its data is JSON on one line.
fn frame(name: &str, id: Option<u64>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
