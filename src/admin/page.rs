//! `/`: the page for a browser. It shows what stands, keeps itself up to date, and has three things to press: panic, what
//! looks before a drill whether all is there, and what writes down a note or a rating of one, also after its end.
//!
//! The page is drawn here, whole, each time it is asked for; the script in it only asks again and puts the new middle in
//! place of the old one. So it shows the same without a script, and there is one place that knows what it looks like.

mod check;
mod drill;
mod parts;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::header;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use schemars::{Schema, SchemaGenerator};
use sha2::{Digest, Sha256};

use super::{
    Desk, Drill,
    ask::{Answer, Ask},
    clearance::{Clearance, Tell},
    refusal::Refusal,
    status::{self, Status},
};
use crate::{drill::chart, units::Span};

/// A page: what stands, the chart of the drill, and where notes of it are taken.
pub(super) struct Page {
    status: Status,
    chart: Option<Markup>,
    drill: Option<Drill>,
    /// Whether the check before a drill can be asked for; nothing for those who do not lead.
    check: Option<bool>,
}

impl Tell for Page {
    fn told(self, clearance: Clearance) -> Self {
        Self {
            status: self.status.told(clearance),
            chart: None,
            drill: None,
            check: None,
        }
    }
}

/// How it looks, charts included.
static STYLE: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", include_str!("page/page.css"), chart::STYLE));
/// How it keeps itself up to date, and what its button does.
const SCRIPT: &str = include_str!("page/live.js");

/// Only our own style and script apply, and only this proxy is asked.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(&STYLE),
        hash(SCRIPT)
    )
});

impl Answer for Page {
    const MEDIA: &'static str = "text/html; charset=utf-8";

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn send(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, Self::MEDIA),
            (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, page(&self).into_string()).into_response()
    }
}

/// Shows the page.
pub(super) fn show(desk: &Desk, ask: &Ask) -> Result<Page, Refusal> {
    let drill = desk.drill().ok();
    Ok(Page {
        check: check::offer(ask, drill.as_ref().map(|drill| &drill.remote)),
        status: status::status(desk),
        chart: chart::success(&desk.feed.ledger()),
        drill,
    })
}

/// Where to look further.
const LINKS: [(&str, &str); 5] = [
    ("/api/v1/status", "status"),
    ("/api/v1/config", "document"),
    ("/api/v1/events", "events"),
    ("/metrics", "metrics"),
    ("/api/openapi.json", "API"),
];

fn page(page: &Page) -> Markup {
    let Page {
        status,
        chart,
        drill,
        check,
    } = page;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "chaosproxy" }
                meta name="viewport" content="width=device-width";
                style { (PreEscaped(STYLE.as_str())) }
            }
            body {
                header {
                    h1 { "chaosproxy" }
                    p id="stale" class="bad" hidden { "No answer from the proxy; what is shown is old." }
                    form id="panic" hidden {
                        input type="password" name="token" placeholder="token" aria-label="token" autocomplete="off" hidden;
                        output {}
                        button type="submit" title="Makes everything whole now, and lets nothing be broken until it is reset" { "Panic" }
                    }
                }
                main { (what_stands(status, chart.as_ref())) }
                (check::check(*check))
                (drill::notes(drill.as_ref()))
                footer {
                    nav {
                        @for (path, name) in LINKS { a href=(path) { (name) } }
                        @if status.faults.is_some() { a href="/api/v1/faults/kinds" { "kinds of faults" } }
                    }
                }
                script type="module" { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// What changes from one moment to the next.
fn what_stands(status: &Status, chart: Option<&Markup>) -> Markup {
    html! {
        (state(status))
        @match &status.drill {
            Some(drill) if drill.sealed => { (drill::banner(drill)) }
            Some(drill) => { (drill::panel(drill, chart)) }
            None => {}
        }
        @if let Some(faults) = &status.faults { (parts::faults(faults)) }
        @for cluster in &status.clusters { (parts::cluster(cluster)) }
        (parts::listeners(&status.listeners))
    }
}

/// Whether it forwards, and since when.
fn state(status: &Status) -> Markup {
    html! {
        p class="state" {
            @if status.ready { span class="good" { "ready" } } @else { span class="bad" { "not ready" } }
            " · version " (status.version) " · revision " (status.revision)
            " · up " (Span::secs(status.up.0.as_secs()))
        }
        @if status.panic.is_some() {
            p class="alarm" {
                strong { "Panic is in force." } " No fault is let in until " code { "chaosproxy panic reset" } "."
            }
        }
    }
}
