//! The proxy in the place of `toxiproxy-server`: no document, Toxiproxy's API where that is expected, and proxies from its file.

use std::{io, net::SocketAddr, path::PathBuf};

use super::{InPlace, Plan, Written};
use crate::{
    admin::Guard,
    config::{Document, Drain, Problem},
    toxiproxy::{Told, Toxiproxy, find_address},
    units::Span,
};

/// What is shown where somebody asks for the document.
const DOCUMENT: &str = "# chaosproxy toxiproxy: there is no document; see GET /proxies\n";

impl Plan {
    /// A run in the place of Toxiproxy.
    pub fn in_place(place: InPlace, json: bool) -> Self {
        // As Toxiproxy does, it drops connections when it is told to end.
        let document = Document {
            drain: Drain {
                limit: Span::ZERO,
                ..Drain::default()
            },
            ..Document::default()
        };
        Self {
            document: Some(Written {
                file: None,
                name: "toxiproxy".to_owned(),
                text: DOCUMENT.to_owned(),
                document,
            }),
            incident: None,
            seed: None,
            workers: None,
            admin: None,
            tokens: None,
            state: None,
            reports: PathBuf::from("./reports"),
            json,
            toxiproxy: Some(place),
        }
    }
}

impl InPlace {
    /// Where the API listens, and who may use it: whoever reaches it, as with Toxiproxy.
    pub(super) async fn admin(&self) -> io::Result<(SocketAddr, Guard)> {
        let address = find_address(&self.listen).await.map_err(io::Error::other)?;
        if !address.ip().is_loopback() {
            tracing::info!(%address, "whoever reaches the API may use it, as with Toxiproxy");
        }
        Ok((address, Guard::open()))
    }

    /// Takes in the file's proxies. What goes wrong is told and no more: the API comes up, as Toxiproxy's does.
    pub(super) async fn populate(&self, toxiproxy: &Toxiproxy) {
        if self.metrics {
            toxiproxy.show_metrics();
        }
        let Some(file) = &self.config else { return };
        let shown = file.display();
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) => {
                return tracing::error!(file = %shown, %error, "the file of proxies cannot be read: check its name, and who may read it");
            }
        };
        let Told {
            problems,
            doubts,
            sum,
        } = toxiproxy.populate_from(&shown.to_string(), &text).await;
        for doubt in &doubts {
            tracing::warn!(file = %shown, doubt = line(doubt), "something in the file of proxies was hardly meant so");
        }
        for problem in &problems {
            tracing::error!(file = %shown, error = line(problem), "{sum}");
        }
        if problems.is_empty() {
            tracing::info!(file = %shown, "{sum}");
        }
    }
}

/// A problem in one line, as a log has it.
fn line(problem: &Problem) -> String {
    let Problem { file, what, mend, .. } = problem;
    let place = problem
        .place
        .map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
    format!("{file}{place}: {what}: {mend}")
}
