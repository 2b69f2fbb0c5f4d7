//! The report as a page: one file that needs no script and nothing from the network, in light, in dark and on paper.

mod acts;
mod tables;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{Report, story_span, words};
use crate::{
    drill::{
        chart,
        event::{Form, Started},
        profile::Origin,
        verdict::Verdict,
        watch::{clock, percent},
    },
    units::Span,
};

/// How the page looks.
const STYLE: &str = include_str!("html/page.css");

/// The report as a page.
pub fn render(report: &Report) -> String {
    let style = format!("{STYLE}{}", chart::STYLE);
    let hash = BASE64_STANDARD.encode(Sha256::digest(&style));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width";
                title { (name(report)) ": " (words::verdict(report)) }
                style { (PreEscaped(&style)) }
            }
            body {
                (head(report))
                main {
                    (charts(report))
                    (tables::figures(report))
                    (acts::acts(report))
                    (tables::objectives(report))
                    (tables::checks(report))
                    (backends(report))
                    (tables::injected(report))
                    (tables::story(report))
                    (debrief(report))
                    (provenance(report))
                }
            }
        }
    };
    page.into_string()
}

fn name(report: &Report) -> &str {
    report
        .profile()
        .map_or(report.drill.as_str(), |profile| profile.name.as_str())
}

/// What somebody reads who reads no more than this.
fn head(report: &Report) -> Markup {
    let class = match report.verdict() {
        Verdict::Held => "good",
        Verdict::Failed | Verdict::Stopped | Verdict::Panicked => "bad",
        Verdict::Incomplete => "odd",
    };
    html! {
        header {
            p class="kind" { "Exercise · report of a drill" }
            h1 { (name(report)) ": " span class=(class) { (words::verdict(report)) } }
            @if let Some(profile) = report.profile() { p class="headline" { (profile.headline()) } }
            p { @if !report.running { strong { "Exit status " (report.exit()) "." } " " } (ticked(&words::verdict_line(report))) }
            @if let Some((worst, classes)) = report.at_its_worst() {
                p {
                    "At its worst, in phase " strong { (worst.phase) } ", "
                    @for (i, (class, beside)) in classes.iter().enumerate() {
                        @if i > 0 { " and " }
                        strong { (percent(beside.run)) } " of " (class)
                        @if beside.original.is_some() { " (the original: " (percent(beside.original)) ")" }
                    }
                    " succeeded."
                }
            }
            @if let Some(started) = &report.started { p { (circumstances(report, started)) } }
            (evidence(report))
        }
    }
}

fn circumstances(report: &Report, started: &Started) -> Markup {
    let began = report
        .began
        .map(|began| began.strftime("%-d %B %Y, %H:%M:%S UTC").to_string());
    html! {
        (words::run(started.mode))
        @if let Some(began) = began { " of " (began) }
        ": " (story_span(Span(report.length.story))) " of the story in " (clock(report.length.wall)) " on the wall, in its "
        @match started.form {
            Form::Causal => "causal form: a fault took away what the application needs, and what failed there failed by itself.",
            Form::Simulated => "simulated form: the proxy answered in place of an application that would fail.",
            Form::Direct => "direct form: the proxy did what the profile says to the users' own traffic.",
        }
        @if let Some(unread) = words::unread(started) { " " (unread) }
    }
}

/// What speaks for the report itself: faults lifted, journal whole.
fn evidence(report: &Report) -> Markup {
    html! {
        @match &report.lifted {
            Some(lifted) if lifted.injected == 0 => p {
                span class="good" { "All faults are off: " } "lifted in " (words::micros(lifted.took_us)) "; of "
                (lifted.requests) " requests afterwards none carried an injected answer." (words::let_go(lifted))
            },
            Some(lifted) => p class="alarm" {
                strong { "Not clean: " } (lifted.injected) " of " (lifted.requests)
                " requests after the faults were lifted still carried an injected answer."
            },
            None => p { (words::not_lifted(report)) }
        }
        @if report.torn { p { "The last line of the journal was cut short, as by a crash, and is left out." } }
        @if !report.flaws.is_empty() {
            div class="alarm" {
                strong { "The journal is not as it was written." }
                ul { @for flaw in &report.flaws { li { (flaw) } } }
            }
        }
    }
}

fn charts(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Success over the story" }
            @match chart::success(&report.ledger) {
                Some(chart) => (chart),
                None => p { "Too little was seen to draw it." }
            }
            (tables::phases(report))
        }
    }
}

fn backends(report: &Report) -> Markup {
    html! {
        @if let Some(chart) = chart::servers(&report.ledger) {
            section { h2 { "Backends" } (chart) }
        }
        @if let Some(chart) = chart::traffic(&report.ledger) {
            section { h2 { "What users asked for, and what it cost: requests a second" } (chart) }
        }
    }
}

fn debrief(report: &Report) -> Markup {
    let questions = report
        .profile()
        .map(|profile| profile.debrief.as_slice())
        .unwrap_or_default();
    html! {
        @if !questions.is_empty() {
            section {
                h2 { "Debrief" }
                ol class="debrief" { @for question in questions { li { (question) } } }
            }
        }
    }
}

fn provenance(report: &Report) -> Markup {
    html! {
        section class="provenance" {
            h2 { "Where this comes from" }
            @match &report.started {
                None => p { "The journal does not say how the drill began." },
                Some(started) => {
                    (run(report, started))
                    @if let Some(origin) = &started.profile.origin { (origin_of(origin)) }
                }
            }
        }
    }
}

fn run(report: &Report, started: &Started) -> Markup {
    html! {
        dl {
            dt { "drill" } dd { (report.drill) ", seed " (started.seed) ", chaosproxy " (started.version) }
            dt { "profile" } dd { (started.profile.name) ", SHA-256 " code { (started.hash) } }
            dt { "journal" } dd { (report.lines) " lines, the last with the hash " code { (report.last) } }
            dt { "pace" } dd { (started.compression) " minutes of the story in a minute on the wall, while compressed" }
            @if started.blind { dt { "blind" } dd { "yes" (ticked(&words::varied(started))) } }
            @for (role, target) in &started.roles { dt { "role " (role) } dd { (target) } }
            @for (fault, stand_in) in &started.replaced {
                dt { "fault " (fault) } dd { "replaced by " (stand_in) ": its role is not bound" }
            }
        }
    }
}

fn origin_of(origin: &Origin) -> Markup {
    html! {
        p { "The story is taken from: " (origin.report) ". T0 is " (origin.t0.what) ", said to be " (origin.t0.said) "." }
        @if !origin.assumed.is_empty() {
            p { "Assumed, because the report does not say:" }
            ul { @for assumed in &origin.assumed { li { (assumed) } } }
        }
        @if !origin.disputed.is_empty() {
            p { "Disputed, and how it was read:" }
            ul { @for dispute in &origin.disputed { li { (dispute.point) ": " strong { (dispute.chosen) } } } }
        }
    }
}

/// A text in which names stand between backticks.
fn ticked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
