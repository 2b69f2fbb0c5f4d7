//! The table of acts on the page: what people did, what they did not, and what the end cut short.

use maud::{Markup, html};

use super::{ticked, words};
use crate::drill::{
    event::{ActEnded, ActStarted, Stamp},
    profile::{Act, Outcome},
    report::Report,
    watch::clock,
};

/// What people did.
pub(super) fn acts(report: &Report) -> Markup {
    let Some(profile) = report.profile().filter(|profile| !profile.acts.is_empty()) else {
        return html! {};
    };
    let tried: Vec<_> = report.ledger.acts().collect();
    let begun: Vec<_> = report.ledger.unfinished().collect();
    let untried = profile.acts.iter().filter(|(name, _)| {
        tried.iter().all(|(_, ended)| ended.act != **name)
            && begun.iter().all(|(_, begun)| begun.act != **name)
    });
    html! {
        section {
            h2 { "What people did" }
            table {
                thead {
                    tr {
                        th class="number" { "story" } th class="number" { "wall" } th { "act" } th { "who" } th class="tight" { "how known" }
                        th { "result" } th class="number" { "original" }
                    }
                }
                tbody {
                    @for (at, ended) in &tried { (act(*at, ended, profile.acts.get(&ended.act))) }
                    @for (at, begun) in &begun { (unfinished(*at, begun, profile.acts.get(&begun.act))) }
                    @for (name, act) in untried {
                        tr class="faint" {
                            td class="number" data-th="story" { "–" } td {}
                            td data-th="act" { code { (name) } " " (ticked(&act.say)) } td {} td {}
                            td class="tight" data-th="result" { "not tried" }
                            td class="number" data-th="original" { (original(act)) }
                        }
                    }
                }
            }
        }
    }
}

fn act(at: Stamp, ended: &ActEnded, act: Option<&Act>) -> Markup {
    let class = match ended.result {
        Outcome::Ok => "good",
        Outcome::Refused => "bad",
    };
    html! {
        tr {
            td class="number" data-th="story" { (at.offset().rounded()) }
            td class="number faint" data-th="wall" { (clock(at.wall)) }
            td data-th="act" {
                (named(&ended.act, act))
                @if let Some(text) = &ended.text { br; "“" (text) "”" }
            }
            td class="tight" data-th="who" { (ended.by) }
            td data-th="how known" {
                (words::word(&ended.known))
                @if let Some(seen) = &ended.seen { ": " (ticked(seen)) }
            }
            td data-th="result" {
                span class=(class) { (words::result(ended.result)) }
                @if let Some(message) = &ended.message { ": “" (message) "”" }
                @if let Some(next) = &ended.next { "; " (ticked(next)) }
            }
            td class="number faint" data-th="original" { @if let Some(act) = act { (original(act)) } }
        }
    }
}

/// An act that the end of the drill cut short, with the moment at which it was begun.
fn unfinished(at: Stamp, begun: &ActStarted, act: Option<&Act>) -> Markup {
    html! {
        tr {
            td class="number" data-th="story" { (at.offset().rounded()) }
            td class="number faint" data-th="wall" { (clock(at.wall)) }
            td data-th="act" { (named(&begun.act, act)) }
            td class="tight" data-th="who" { (begun.by) }
            td data-th="how known" { (words::word(&begun.known)) }
            td data-th="result" { span class="odd" { (words::UNFINISHED) } }
            td class="number faint" data-th="original" { @if let Some(act) = act { (original(act)) } }
        }
    }
}

/// An act's name, and what it is.
fn named(name: &str, act: Option<&Act>) -> Markup {
    html! {
        code { (name) }
        @if let Some(act) = act { " " (ticked(&act.say)) @if act.detour { " (a detour)" } }
    }
}

fn original(act: &Act) -> String {
    let tried: Vec<_> = act.originals().map(|(_, at, _)| at.to_string()).collect();
    if tried.is_empty() {
        "never".into()
    } else {
        tried.join(", ")
    }
}
