//! `/`: a plain page for a browser. It shows what stands and where to look further; it changes nothing.

use std::{fmt::Write as _, sync::LazyLock};

use axum::response::{IntoResponse, Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::header;
use schemars::{Schema, SchemaGenerator};
use sha2::{Digest, Sha256};

use super::{
    Desk,
    ask::{Answer, Ask},
    clusters::{BackendStatus, Health},
    faults::FaultStatus,
    refusal::Refusal,
    status::{self, Status},
};
use crate::units::Span;

/// A page.
pub(super) struct Html(String);

/// Nothing is loaded or run, and only our own style applies.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

impl Answer for Html {
    const MEDIA: &'static str = "text/html; charset=utf-8";

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn send(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, Self::MEDIA),
            (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (headers, self.0).into_response()
    }
}

/// Shows the page.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Html, Refusal> {
    Ok(Html(page(&status::status(desk))))
}

const STYLE: &str = "\
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}
table{border-collapse:collapse;width:100%}
th{font-weight:normal;opacity:.65;text-align:left}
th,td{border-bottom:1px solid #8884;padding:.2rem 1rem .2rem 0;vertical-align:top}
.bad{color:#c22;font-weight:bold}.good{color:#282}
nav a{margin-right:1rem}";

const LINKS: [(&str, &str); 6] = [
    ("/api/v1/status", "status"),
    ("/api/v1/config", "document"),
    ("/api/v1/faults/kinds", "kinds of faults"),
    ("/api/v1/events", "events"),
    ("/metrics", "metrics"),
    ("/api/openapi.json", "API"),
];

fn page(status: &Status) -> String {
    let mut page = head(status);
    let listeners = status.listeners.iter().map(|listener| {
        let connections = format!("{} of {}", listener.connections, listener.connections_at_most);
        vec![
            escaped(&listener.name),
            escaped(&listener.address),
            escaped(&listener.protocol),
            connections,
        ]
    });
    table(
        &mut page,
        "Listeners",
        &["listener", "address", "protocol", "connections"],
        listeners,
    );
    for cluster in &status.clusters {
        let title = format!(
            "Cluster {}: {} admitted",
            escaped(&cluster.name),
            cluster.admitted
        );
        let heading = [
            "backend",
            "address",
            "health",
            "weight",
            "active",
            "exchanges",
            "failed",
        ];
        table(&mut page, &title, &heading, cluster.backends.iter().map(backend));
    }
    match status.faults.as_slice() {
        [] => page.push_str("<h2>Faults</h2><p>None stands."),
        faults => table(
            &mut page,
            "Faults",
            &["fault", "odds", "hits", "ends in", "held by"],
            faults.iter().map(fault),
        ),
    }
    page.push_str("<h2>Further</h2><nav>");
    for (path, name) in LINKS {
        let _ = write!(page, "<a href=\"{path}\">{name}</a>");
    }
    page.push_str("</nav></html>\n");
    page
}

fn head(status: &Status) -> String {
    let ready = match status.ready {
        true => "<span class=\"good\">ready</span>",
        false => "<span class=\"bad\">not ready</span>",
    };
    let panic = match status.panic {
        Some(_) => {
            "<p class=\"bad\">Panic is in force: no fault is let in until <code>chaosproxy panic reset</code>."
        }
        None => "",
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>chaosproxy</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>chaosproxy {} is {ready}</h1>{panic}<p>Revision {}, up {}.",
        escaped(&status.version),
        status.revision,
        Span::secs(status.up.0.as_secs()),
    )
}

fn table(page: &mut String, title: &str, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = write!(page, "<h2>{title}</h2><table><tr>");
    for name in heading {
        let _ = write!(page, "<th>{name}");
    }
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{cell}");
        }
    }
    page.push_str("</table>");
}

fn backend(backend: &BackendStatus) -> Vec<String> {
    let why = if backend.drained { "" } else { &backend.why };
    let (class, word) = match backend.health {
        _ if backend.drained => ("", "drained"),
        Health::Up => ("good", "up"),
        Health::Down => ("bad", "down"),
        Health::Ejected => ("bad", "ejected"),
        Health::Unknown => ("", "unknown"),
    };
    vec![
        escaped(&backend.name),
        escaped(&backend.address),
        format!("<span class=\"{class}\">{word}</span> {}", escaped(why)),
        backend.weight.to_string(),
        backend.active.to_string(),
        backend.exchanges.to_string(),
        backend.failed.to_string(),
    ]
}

fn fault(fault: &FaultStatus) -> Vec<String> {
    let ends = fault.ends_in.map(|ends| Span::secs(ends.0.as_secs()).to_string());
    vec![
        escaped(&fault.name),
        fault.fault.odds.to_string(),
        fault.hits.to_string(),
        ends.unwrap_or_else(|| "-".to_owned()),
        escaped(&fault.owner),
    ]
}

/// Text that cannot be taken for markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
    }
}
