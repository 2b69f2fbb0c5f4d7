//! Success of each class over the story, this run over the original, with what people did below it.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{
    frame::{AXIS, Frame, SIZES, Size, n, steps},
    marks::{self, SYMBOLS},
};
use crate::drill::{
    ledger::Ledger,
    profile::{ALL, Curve, Profile, Yardstick},
    watch::percent,
};

/// The height of the plot.
const HEIGHT: f64 = 220.0;
/// The room at the left: the names of the lanes must not meet what happened at the very beginning.
pub(super) const LEFT: f64 = 60.0;
/// As many classes as have a colour of their own.
const COLOURS: usize = 4;

/// The chart. Without a single stretch between two samples there is nothing to draw.
pub fn success(ledger: &Ledger) -> Option<Markup> {
    let started = ledger.started.as_ref()?;
    if ledger.samples.len() < 2 {
        return None;
    }
    let profile = &started.profile;
    let mut classes: Vec<&str> = profile.traffic.names().collect();
    if classes.is_empty() {
        classes.push(ALL);
    }
    Some(html! {
        figure class="chart" {
            (legend(&classes, &profile.yardstick))
            @for size in SIZES { (drawing(ledger, profile, &classes, size)) }
        }
    })
}

fn drawing(ledger: &Ledger, profile: &Profile, classes: &[&str], size: Size) -> Markup {
    let frame = Frame::new(ledger, size, LEFT, HEIGHT);
    let samples = frame.samples(ledger);
    let run = |class: &str| {
        let stretches = samples.windows(2).map(|pair| {
            let counts = pair[1]
                .1
                .traffic
                .of(Some(class))
                .since(&pair[0].1.traffic.of(Some(class)));
            (
                frame.x(pair[0].0.story),
                frame.x(pair[1].0.story),
                counts.ok_share().map(|share| frame.y(share)),
            )
        });
        steps(stretches)
    };
    let top = frame.bottom() + AXIS;
    let mine = marks::lane(&frame, "this run", &marks::of_run(ledger), top);
    let theirs = marks::of_original(profile);
    let original = (!theirs.is_empty()).then(|| marks::lane(&frame, "original", &theirs, top + mine.height));
    let height = top + mine.height + original.as_ref().map_or(0.0, |lane| lane.height);
    html! {
        svg class=(size.name) viewBox={ "0 0 " (n(size.width)) " " (n(height)) } role="img" aria-label=(told(ledger, classes)) {
            (frame.bands(ledger))
            (frame.scale(&[(0.0, "0%".into()), (0.5, "50%".into()), (1.0, "100%".into())]))
            (frame.axis())
            @if let Some(lane) = &original { g class="theirs" { (lane.markup) } }
            (mine.markup)
            @for (i, class) in classes.iter().enumerate() {
                @if let Some(curve) = curve(&profile.yardstick, class) {
                    path class={ "curve original c" (i % COLOURS) } d=(drawn(&frame, curve)) {}
                }
            }
            @for (i, class) in classes.iter().enumerate() {
                path class={ "curve c" (i % COLOURS) } d=(run(class)) {}
            }
        }
    }
}

fn curve<'a>(yardstick: &'a Yardstick, class: &str) -> Option<&'a Curve> {
    yardstick.ok.get(class).or_else(|| yardstick.ok.get(ALL))
}

/// The original's curve, from point to point, and level to the end.
fn drawn(frame: &Frame, curve: &Curve) -> String {
    let mut path = String::new();
    for (i, (at, share)) in curve.0.iter().enumerate() {
        let (x, y) = (frame.x(at.0), frame.y(share.get()));
        // Writing to a `String` does not fail.
        let _ = write!(path, "{}{} {}", if i == 0 { "M" } else { "L" }, n(x), n(y));
    }
    let _ = write!(path, "H{}", n(frame.x(frame.end())));
    path
}

fn legend(classes: &[&str], yardstick: &Yardstick) -> Markup {
    let swatch = |class: &str| {
        html! { svg class="swatch" viewBox="0 0 24 8" aria-hidden="true" { path class=(class) d="M0 4H24" {} } }
    };
    html! {
        ul class="legend" {
            @for (i, class) in classes.iter().enumerate() {
                li { (swatch(&format!("curve c{}", i % COLOURS))) (class) }
                @if curve(yardstick, class).is_some() {
                    li { (swatch(&format!("curve original c{}", i % COLOURS))) (class) ", original" }
                }
            }
            @for (symbol, name) in SYMBOLS {
                li { svg class="swatch narrow" viewBox="0 0 12 12" aria-hidden="true" { (marks::symbol(symbol, 6.0, 6.0)) } (name) }
            }
        }
    }
}

/// The chart in words.
fn told(ledger: &Ledger, classes: &[&str]) -> String {
    let mut text = format!(
        "Success over the story, {} to {}.",
        "+0m",
        ledger.end().offset().rounded()
    );
    for visit in &ledger.visits {
        let samples = ledger.samples_of(visit);
        let (Some((_, first)), Some((_, last))) = (samples.first(), samples.last()) else {
            continue;
        };
        let traffic = last.traffic.since(&first.traffic);
        let shares: Vec<_> = classes
            .iter()
            .map(|class| format!("{} of {class}", percent(traffic.of(Some(class)).ok_share())))
            .collect();
        let _ = write!(
            text,
            " In phase {} from {}: {}.",
            visit.phase,
            visit.from.offset().rounded(),
            shares.join(", ")
        );
    }
    text
}
