//! The drill that runs, or ran last: where the story is, and how the service fares beside the original's.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    admin::{Drill, drill::DrillStatus},
    drill::{Gauge, View, lead::Performance},
};

/// All that those see of a drill who take part in it: that it is one and, unless it is blind, how far it is.
pub(super) fn banner(drill: &DrillStatus) -> Markup {
    html! {
        section class="drill banner" {
            h2 { "EXERCISE" }
            @match &drill.view {
                Some(view) if !drill.blind => p { "Phase " strong { (view.phase) } ", " (clock("", view.at.wall)) " since the beginning." },
                _ => p { "What you see is part of it. Real trouble? Say so, and press the button: it ends at once." },
            }
        }
    }
}

/// Where people write down what they saw, and rate objectives; empty without a drill.
pub(super) fn notes(drill: Option<&Drill>) -> Markup {
    html! {
        form id="note" hidden data-drill=[drill.map(|drill| &drill.name)] {
            @if let Some(drill) = drill {
                select name="objective" aria-label="what it is about" {
                    option value="" { "a note" }
                    @for name in drill.profile.objectives.names() { option { (name) } }
                }
                select name="rating" aria-label="how it was performed" {
                    @for (word, rating) in RATINGS { option value=(word) { (rating) } }
                }
                input name="text" maxlength="1000" placeholder="what you saw" aria-label="what you saw" autocomplete="off";
                button type="submit" { "Write down" }
                output {}
            }
        }
    }
}

/// The steps of a rating, as the API writes them.
const RATINGS: [(&str, Performance); 4] = [
    ("without", Performance::Without),
    ("some", Performance::Some),
    ("major", Performance::Major),
    ("unable", Performance::Unable),
];

/// The panel of a drill, with its chart once there is one.
pub(super) fn panel(drill: &DrillStatus, chart: Option<&Markup>) -> Markup {
    html! {
        section class="drill" {
            h2 { "Exercise " (drill.profile) @if drill.blind { span class="faint" { " blind" } } }
            @match &drill.view {
                None => p { "It has not begun yet." },
                Some(view) => { (running(view)) @if let Some(chart) = chart { (chart) } },
            }
        }
    }
}

fn running(view: &View) -> Markup {
    html! {
        dl {
            (fact("phase", html! { strong { (view.phase) } }))
            (fact("story", html! { (clock("+", view.at.story)) }))
            (fact("wall", html! { (clock("", view.at.wall)) }))
            (fact("next", html! { @match &view.next {
                _ if view.ended.is_some() => "over",
                Some(next) => { (next.what) " in " (clock("", next.within.0)) }
                None => "when people act",
            } }))
        }
        @for one in &view.gauges { (gauge(one)) }
        p class="faint" {
            "Failed so far: " strong { (view.total.injected) } " injected, "
            strong { (view.total.upstream) } " by the service, "
            strong { (view.total.proxy.saturating_sub(view.total.turned_away)) } " by the proxy, "
            @if view.total.turned_away > 0 { strong { (view.total.turned_away) } " turned away, " }
            "of " (view.total.requests()) " requests."
        }
        @if let Some(share) = view.turned_away {
            p class="odd" {
                (format!("{:.0}%", share * 100.0)) " are turned away, until more is admitted (" code { "chaosproxy lb admit" } ")."
            }
        }
    }
}

fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Success of a class: a bar, with a mark where the original stood.
fn gauge(gauge: &Gauge) -> Markup {
    let said = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.0}%", share * 100.0));
    let (now, original) = (said(gauge.ok), said(gauge.original));
    let label = format!("{}: {now} succeed now, {original} in the original", gauge.class);
    html! {
        div class="gauge" {
            span { (gauge.class) }
            svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=(label) {
                rect class="all" width="100" height="8" {}
                @if let Some(ok) = gauge.ok { rect class="ok" width=(format!("{:.1}", ok * 100.0)) height="8" {} }
                @if let Some(original) = gauge.original {
                    rect class="original" x=(format!("{:.1}", (original * 100.0 - 0.3).clamp(0.0, 99.4))) width="0.6" height="8" {}
                }
            }
            span { strong { (now) } span class="faint" { " original " (original) } }
        }
    }
}

/// Hours, minutes and seconds.
fn clock(sign: &str, time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{sign}{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
