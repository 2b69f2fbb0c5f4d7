//! What makes an injected answer of a blind drill look like a backend's that has been passed on: its head, and the time it takes.

use http::{HeaderMap, HeaderValue, Version};
use jiff::Timestamp;
use tokio::time;

use super::{
    asked::{Asked, Ending},
    headers,
};
use crate::{
    snapshot::{Listener, Route},
    units::Stream,
};

/// Marks an answer as passed on, and edits it as its route says.
pub(super) fn passed_on(
    headers: &mut HeaderMap,
    version: Version,
    listener: &Listener,
    route: Option<&Route>,
) {
    if let Some(via) = &listener.settings.headers.via {
        headers::via(headers, version, via);
    }
    if let Some(route) = route {
        route.settings.answer_headers.apply(headers);
    }
}

/// Now, as a backend that has a clock says it (RFC 9110 section 6.6.1).
pub(super) fn date() -> HeaderValue {
    let text = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

impl Asked<'_> {
    /// Waits until a backend would usually have answered: an error that comes at once gives away that none was asked.
    pub async fn linger(&self, ending: &Ending) {
        let Ending::Injected(_) = ending else { return };
        let route = self.record.route.map(|place| &self.listener.routes[place]);
        let Some(cluster) = route.and_then(|route| route.cluster) else {
            return;
        };
        let worker = &self.client.worker;
        let lane = self.view.clusters[cluster].lanes.lane(worker.index);
        if let Some(usual) = lane.usual.draw(worker.draw(Stream::bits)) {
            time::sleep_until(self.record.begun + usual).await;
        }
    }
}
