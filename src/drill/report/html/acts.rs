//! The table of acts on the page: what people did, in order, and what they did not.

use maud::{Markup, html};

use super::{ticked, words};
use crate::drill::{
    report::{
        Report,
        acts::{ActLine, Came, Try},
    },
    watch::clock,
};

/// What people did.
pub(super) fn acts(report: &Report) -> Markup {
    let acts = report.acts.iter();
    let mut tried: Vec<_> = acts
        .clone()
        .flat_map(|act| act.tries.iter().map(move |tried| (act, tried)))
        .collect();
    // What was decided comes first: what was not is at the end of the story.
    tried.sort_by_key(|(_, tried)| (is_open(tried.result), tried.at));
    let untried = acts.filter(|act| act.tries.is_empty());
    html! {
        @if !report.acts.is_empty() {
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
                        @for (act, tried) in tried { (row(act, tried)) }
                        @for act in untried {
                            tr class="faint" {
                                td class="number" data-th="story" { "–" } td {}
                                td data-th="act" { code { (act.act) } " " (ticked(&act.say)) } td {} td {}
                                td class="tight" data-th="result" { "not tried" }
                                td class="number" data-th="original" { (act.original()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn is_open(came: Came) -> bool {
    matches!(came, Came::Unfinished | Came::Proposed)
}

fn row(act: &ActLine, tried: &Try) -> Markup {
    let class = match tried.result {
        Came::Ok => "good",
        Came::Refused => "bad",
        Came::Unfinished | Came::Proposed => "odd",
    };
    html! {
        tr {
            td class="number" data-th="story" { (tried.at.offset().rounded()) }
            td class="number faint" data-th="wall" { (clock(tried.at.wall)) }
            td data-th="act" {
                code { (act.act) }
                @if !act.say.is_empty() { " " (ticked(&act.what())) }
                @if let Some(text) = &tried.text { br; "“" (text) "”" }
            }
            td class="tight" data-th="who" { (tried.by) }
            td data-th="how known" {
                (words::word(&tried.known))
                @if let Some(seen) = &tried.seen { ": " (ticked(seen)) }
            }
            td data-th="result" {
                span class=(class) { (tried.result.words()) }
                @if let Some(message) = &tried.message { ": “" (message) "”" }
                @if let Some(next) = &tried.next { "; " (ticked(next)) }
            }
            td class="number faint" data-th="original" { @if !act.say.is_empty() { (act.original()) } }
        }
    }
}
