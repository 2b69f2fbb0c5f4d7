//! The tables of the page. Each cell knows its column's name, since on a phone a row stands alone.

use maud::{Markup, html};

use super::{story_span, ticked, words};
use crate::{
    drill::{
        measure::{Figures, Rating, Row},
        profile::Slo,
        report::{
            Report,
            told::{Piece, told},
            words::{EFFECTS, EFFECTS_MEAN},
        },
        verdict::CheckResult,
        watch::{clock, percent},
    },
    units::Span,
};

fn span(span: Option<Span>) -> String {
    span.map_or_else(|| "–".into(), story_span)
}

pub(super) fn phases(report: &Report) -> Markup {
    let classes = report.classes();
    html! {
        table {
            thead {
                tr {
                    th { "phase" } th class="number" { "this run" } th class="number" { "original" }
                    @for class in &classes { th class="number" { (class) " succeeded" } th class="number" { "original" } }
                }
            }
            tbody {
                @for phase in &report.phases {
                    tr {
                        td data-th="phase" { strong { (phase.phase) } }
                        td class="number" data-th="this run" { (phase.from.rounded()) " to " (phase.to.rounded()) }
                        td class="number" data-th="original" { @match phase.original { Some(at) => (at), None => "never" } }
                        @for class in &classes {
                            @let beside = phase.ok.get(*class).copied().unwrap_or_default();
                            td class="number" data-th={ (class) " succeeded" } { (percent(beside.run)) }
                            td class="number faint" data-th={ (class) ", original" } { (percent(beside.original)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn figures(report: &Report) -> Markup {
    let figures = &report.figures;
    html! {
        @if !figures.rows.is_empty() {
            section {
                h2 { "How long it took" }
                table {
                    thead {
                        tr {
                            th { "from the first damage, unless said" } th class="number" { "story" }
                            th class="number" { "wall" } th class="number" { "original" }
                        }
                    }
                    tbody { @for row in &figures.rows { (interval(row)) } }
                }
                @if let Some(profile) = report.profile() { (cost(figures, &profile.slo)) }
            }
        }
    }
}

fn interval(row: &Row) -> Markup {
    html! {
        tr {
            td { (ticked(&row.name)) }
            @match &row.why {
                Some(why) => { td class="number faint" colspan="2" { (why) } },
                None => {
                    td class="number" data-th="story" { @if let Some(story) = row.story { (story_span(story)) } }
                    td class="number" data-th="wall" { @match row.wall {
                        Some(wall) if wall.0.as_secs() == 0 => (words::micros(u64::try_from(wall.0.as_micros()).unwrap_or(u64::MAX))),
                        Some(wall) => (clock(wall.0)),
                        None => "–",
                    } }
                }
            }
            td class="number faint" data-th="original" { (span(row.original)) }
        }
    }
}

/// What it cost, in minutes and in budget, as bars on one scale.
fn cost(figures: &Figures, slo: &Slo) -> Markup {
    let rows = [
        ("this run", figures.bad_minutes, figures.budget),
        ("original", figures.original_bad_minutes, figures.original_budget),
    ];
    let most = rows.iter().filter_map(|(.., budget)| *budget).fold(1.0, f64::max);
    let wide = |share: f64| format!("{:.1}", 100.0 * share / most);
    html! {
        h3 { "What it cost" }
        table class="cost" {
            thead {
                tr {
                    th {} th class="number" { "bad minutes" } th class="number" { "error budget" }
                    th { "of " (words::target(slo.target)) " over " (slo.window) }
                }
            }
            tbody {
                @for (name, minutes, budget) in rows {
                    @if minutes.is_some() || name == "this run" {
                        tr {
                            td { (name) }
                            td class="number" data-th="bad minutes" { @match minutes { Some(minutes) => (format!("{minutes:.1}")), None => "–" } }
                            td class="number" data-th="error budget" { @match budget { Some(budget) => (format!("{:.0}%", budget * 100.0)), None => "–" } }
                            @if let Some(budget) = budget {
                                td class="wide" {
                                    svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                                        rect class=(if name == "original" { "bar-original" } else { "bar-run" }) width=(wide(budget)) height="10" {}
                                        rect class="bar-whole" x=(wide(1.0 - 0.004 * most)) width="0.4" height="10" {}
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        p class="faint" {
            "A bad minute is one in which every request failed, or two in which half did. The mark in the bars is the whole \
             budget of the window."
        }
    }
}

pub(super) fn objectives(report: &Report) -> Markup {
    html! {
        @if !report.objectives.is_empty() {
            section {
                h2 { "Objectives" }
                table {
                    thead {
                        tr {
                            th { "objective" } th { "asks" } th class="number" { "took" } th class="number" { "original" } th {}
                        }
                    }
                    tbody {
                        @for rated in &report.objectives {
                            tr {
                                td data-th="objective" { strong { (rated.name) } }
                                td data-th="asks" { (ticked(&rated.asks)) }
                                td class="number" data-th="took" { (span(rated.took)) }
                                td class="number faint" data-th="original" { (span(rated.original)) }
                                td data-th="result" { @match &rated.rating {
                                    Rating::Reached => { span class="good" { "reached" } },
                                    Rating::Missed => { span class="bad" { "missed" } },
                                    Rating::NotMeasured(why) => { "not measured: " (ticked(why)) },
                                }
                                @for said in &rated.observers { br; (words::opinion(said)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn checks(report: &Report) -> Markup {
    let checks = &report.judgement.checks;
    html! {
        @if !checks.is_empty() {
            section {
                h2 { "Checks" }
                p class="faint" {
                    "Fidelity: was the incident reproduced? Team: did they recover? A fidelity check that failed voids what the team \
                     reached."
                }
                table {
                    thead {
                        tr {
                            th { "kind" } th { "in phase" } th { "what" } th { "wanted" } th class="number" { "measured" }
                            th class="number" { "of requests" } th {}
                        }
                    }
                    tbody {
                        @for check in checks {
                            tr {
                                td data-th="kind" { (words::kind_name(check.kind)) }
                                td data-th="in phase" { (check.phase) }
                                td data-th="what" { (ticked(&check.what)) @if let Some(why) = &check.why { br; span class="faint" { (why) } } }
                                td data-th="wanted" { (check.wanted) }
                                td class="number" data-th="measured" { (check.measured_words().as_deref().unwrap_or("–")) }
                                td class="number" data-th="of requests" { (check.requests) }
                                td data-th="result" {
                                    (result(check.result))
                                    @if let Some(hindrance) = &check.hindrance {
                                        br; span class="faint" { (ticked(&hindrance.words())) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn result(result: CheckResult) -> Markup {
    let (class, word) = match result {
        CheckResult::Held => ("good", "held"),
        CheckResult::Failed => ("bad", "failed"),
        CheckResult::NotEvaluated => ("odd", "not evaluated"),
        CheckResult::NotAsked => ("faint", "not asked: the phase was never entered"),
        CheckResult::Void => ("odd", "void"),
    };
    html! { span class=(class) { (word) } }
}

/// What is counted in each phase.
const COUNTS: [&str; 6] = [
    "requests",
    "attempts",
    "succeeded",
    "injected",
    "by the service",
    "by the proxy",
];

pub(super) fn injected(report: &Report) -> Markup {
    html! {
        @if !report.phases.is_empty() {
            section {
                h2 { "What was injected, and who failed what" }
                table {
                    thead {
                        tr {
                            th { "phase" } th { "faults, with the exchanges that they touched" }
                            @for name in COUNTS { th class="number" { (name) } }
                        }
                    }
                    tbody {
                        @for phase in &report.phases {
                            @let all = phase.sample.traffic.of(None);
                            tr {
                                td data-th="phase" { strong { (phase.phase) } }
                                td data-th="faults" {
                                    @if phase.faults.is_empty() { span class="faint" { "none" } }
                                    @for (i, fault) in phase.faults.iter().enumerate() {
                                        @if i > 0 { ", " }
                                        code { (fault) } " " (phase.sample.hits.get(fault).copied().unwrap_or_default())
                                    }
                                }
                                @for (name, count) in COUNTS.iter().zip([all.requests(), all.attempts, all.ok, all.injected, all.upstream]) {
                                    td class="number" data-th=(name) { (count) }
                                }
                                td class="number" data-th=(COUNTS[5]) { (words::by_the_proxy(&all)) }
                            }
                        }
                    }
                }
                (effects(report))
            }
        }
    }
}

/// What came of each fault, phase by phase.
fn effects(report: &Report) -> Markup {
    html! {
        @if report.effects().next().is_some() {
            table {
                thead {
                    tr {
                        th { "phase" } th { "fault" }
                        @for word in EFFECTS { th class="number" { (word) } }
                    }
                }
                tbody {
                    @for (phase, fault, counts) in report.effects() {
                        tr {
                            td data-th="phase" { strong { (phase) } }
                            td data-th="fault" { code { (fault) } }
                            @for (word, count) in EFFECTS.iter().zip(counts) { td class="number" data-th=(word) { (count) } }
                        }
                    }
                }
            }
            p class="faint" { (EFFECTS_MEAN) }
        }
    }
}

pub(super) fn story(report: &Report) -> Markup {
    html! {
        @if !report.story.is_empty() {
            section {
                h2 { "What happened" }
                table {
                    thead { tr { th class="number" { "story" } th class="number" { "wall" } th {} } }
                    tbody {
                        @for line in &report.story {
                            tr {
                                td class="number" data-th="story" { (line.at.offset().rounded()) }
                                td class="number faint" data-th="wall" { (clock(line.at.wall)) }
                                td { @for piece in told(&line.event) { @match piece {
                                    Piece::Plain(text) => (text),
                                    Piece::Strong(text) => { strong { (text) } },
                                    Piece::Name(text) => { code { (text) } },
                                    Piece::Faint(text) => { span class="faint" { (text) } },
                                } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
