//! What a drill looks like while it runs: the [`View`] of one moment as a few lines for a terminal, an event as one.
//!
//! Pure: [`lines`] and [`line()`] make text with colours; [`super::terminal`] writes it and knows when to leave colours out.

use std::{fmt::Write as _, time::Duration};

use anstyle::{AnsiColor, Style};

use super::{
    event::{Ending, Event, Lifted, Stamp},
    facts::Counts,
    profile::{Audience, Outcome},
    timeline::{Gauge, View},
    verdict::{CheckResult, Checked, Judgement, Verdict},
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const POOR: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// The view as lines no wider than `width`, with colours.
pub fn lines(view: &View, width: usize) -> Vec<String> {
    let mut lines = vec![head(view, width)];
    lines.push(match (&view.ended, &view.next) {
        (Some(_), _) => format!("  {DIM}over; looking whether all is clean{DIM:#}"),
        (None, Some(next)) => {
            let what = clip(&next.what, width.saturating_sub(NEXT));
            format!(
                "  {DIM}next{DIM:#}   {what} {DIM}in{DIM:#} {}",
                clock(next.within.0)
            )
        }
        (None, None) if view.held => format!("  {DIM}next{DIM:#}   {BOLD}held{BOLD:#}, until it is resumed"),
        (None, None) => format!("  {DIM}next{DIM:#}   when people act"),
    });
    let column = view
        .gauges
        .iter()
        .map(|gauge| gauge.class.chars().count())
        .max()
        .unwrap_or(0);
    let bar = width.saturating_sub(column.max(5) + 30).min(32);
    lines.extend(
        view.gauges
            .iter()
            .map(|gauge| gauge_line(gauge, column.max(5), bar)),
    );
    lines.push(failed(&view.total));
    if let Some(share) = view.turned_away {
        let told = format!("{} are turned away, {LETS_MORE_IN}", percent(Some(share)));
        lines.push(format!(
            "  {POOR}{}{POOR:#}",
            clip(&told, width.saturating_sub(2))
        ));
    }
    lines
}

/// Whoever admits less forgets it where nobody says so.
const LETS_MORE_IN: &str = "until more is admitted (`chaosproxy lb admit`)";

/// Who failed so many requests. Those whom people turned away are people's doing, and not the proxy's.
fn failed(total: &Counts) -> String {
    let Counts {
        injected,
        upstream,
        turned_away,
        ..
    } = *total;
    let proxy = total.proxy.saturating_sub(turned_away);
    let colour = |n: u64, style: Style| if n > 0 { style } else { DIM };
    let (a, b, c) = (colour(injected, POOR), colour(upstream, BAD), colour(proxy, BAD));
    let mut line = format!(
        "  {DIM}failed{DIM:#} {a}{injected} injected{a:#} · {b}{upstream} by the service{b:#} · {c}{proxy} by the proxy{c:#}"
    );
    if turned_away > 0 {
        let _ = write!(line, " · {POOR}{turned_away} turned away{POOR:#}");
    }
    line
}

/// The view as one line, for where lines are only ever added.
pub fn summary(view: &View) -> String {
    let gauge = |gauge: &Gauge| {
        let original = gauge
            .original
            .map(|_| format!(" ({DIM}original {}{DIM:#})", percent(gauge.original)));
        format!(
            "{} {}{}",
            gauge.class,
            percent(gauge.ok),
            original.unwrap_or_default()
        )
    };
    let gauges: Vec<_> = view.gauges.iter().map(gauge).collect();
    let next = view
        .next
        .as_ref()
        .map(|next| format!("; next {} in {}", next.what, clock(next.within.0)));
    let turned_away = view
        .turned_away
        .map(|share| format!(", {} turned away", percent(Some(share))));
    format!(
        "{DIM}{:>6}{DIM:#}  {}  {}{}{}",
        moment(view.at),
        view.phase,
        gauges.join(", "),
        turned_away.unwrap_or_default(),
        next.unwrap_or_default()
    )
}

/// The one line that everybody may read of a blind drill.
pub fn exercise(view: &View) -> String {
    format!("{BOLD}EXERCISE{BOLD:#} {DIM}·{DIM:#} {}", clock(view.at.wall))
}

/// The width at which nothing of a view is cut.
pub fn room(view: &View) -> usize {
    let (phase, fixed) = measured(view);
    let next = view
        .next
        .as_ref()
        .map_or(0, |next| next.what.chars().count() + NEXT);
    next.max(phase.chars().count() + fixed)
}

/// What stands beside the name of what comes next.
const NEXT: usize = 20;

/// The phase with its faults, and how much stands beside them in the first line.
fn measured(view: &View) -> (String, usize) {
    let faults = match view.faults.is_empty() {
        true => String::new(),
        false => format!(" ({})", view.faults.join(", ")),
    };
    let fixed = view.profile.chars().count() + mode(view).len() + clocks(view).chars().count() + 8;
    (format!("{}{faults}", view.phase), fixed)
}

fn clocks(view: &View) -> String {
    format!("story {}  wall {}", moment(view.at), clock(view.at.wall))
}

fn mode(view: &View) -> String {
    let mode = serde_json::to_value(view.mode).ok();
    let mode = mode.as_ref().and_then(|mode| mode.as_str());
    mode.unwrap_or_default().to_owned()
}

fn head(view: &View, width: usize) -> String {
    let (mode, clocks) = (mode(view), clocks(view));
    let (phase, fixed) = measured(view);
    let phase = clip(&phase, width.saturating_sub(fixed));
    let used = fixed - 2 + phase.chars().count();
    let gap = width.saturating_sub(used).max(1);
    format!(
        "{BOLD}{}{BOLD:#} {DIM}·{DIM:#} {mode} {DIM}·{DIM:#} {BOLD}{phase}{BOLD:#}{:gap$}{clocks}",
        view.profile, ""
    )
}

fn gauge_line(gauge: &Gauge, column: usize, bar: usize) -> String {
    let style = match gauge.ok {
        None => DIM,
        Some(ok) if ok >= 0.99 => GOOD,
        Some(ok) if ok >= 0.2 => POOR,
        Some(_) => BAD,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a few dozen columns"
    )]
    let full = (gauge.ok.unwrap_or(0.0) * bar as f64).round() as usize;
    let (on, off) = ("█".repeat(full), "░".repeat(bar - full.min(bar)));
    let mut line = format!(
        "  {:column$}  {style}{on}{style:#}{DIM}{off}{DIM:#} {style}{:>5}{style:#}",
        gauge.class,
        percent(gauge.ok)
    );
    if gauge.original.is_some() {
        let _ = write!(line, "  {DIM}original {:>4}{DIM:#}", percent(gauge.original));
    }
    line
}

/// An event as one line, where it is one that people follow.
pub fn line(at: Stamp, event: &Event) -> Option<String> {
    let said = match event {
        Event::DrillStarted(started) => format!("{BOLD}{}{BOLD:#}", started.profile.headline()),
        Event::PhaseStarted(phase) => {
            let faults = match phase.faults.is_empty() {
                true => "no fault is active".to_owned(),
                false => phase.faults.join(", "),
            };
            format!(
                "{BOLD}{}{BOLD:#}  {faults} {DIM}({}){DIM:#}",
                phase.phase, phase.because
            )
        }
        Event::ActStarted(act) => format!("{}  begun {DIM}({}){DIM:#}", act.act, act.by),
        Event::ActProposed(act) => {
            format!("{}  declared, and needs others {DIM}({}){DIM:#}", act.act, act.by)
        }
        Event::Held(hand) => format!("{BOLD}hold{BOLD:#} {DIM}({}){DIM:#}", hand.by),
        Event::Resumed(hand) => format!("{BOLD}on{BOLD:#} {DIM}({}){DIM:#}", hand.by),
        Event::Extended(it) => format!("{}  {} more {DIM}({}){DIM:#}", it.phase, it.more, it.by),
        Event::Hinted(hint) => format!(
            "hint {}: “{}” {DIM}({}; at best {} now){DIM:#}",
            hint.level, hint.text, hint.by, hint.costs
        ),
        Event::Overruled(it) => match &it.why {
            None => format!("{}  let through {DIM}({}){DIM:#}", it.act, it.by),
            Some(why) => format!("{}  to be refused: {why} {DIM}({}){DIM:#}", it.act, it.by),
        },
        Event::Noted(note) => format!("{DIM}note:{DIM:#} {} {DIM}({}){DIM:#}", note.text, note.by),
        Event::Assessed(it) => format!("{}  {} {DIM}({}){DIM:#}", it.objective, it.rating, it.by),
        Event::ActEnded(act) => {
            let result = match (act.result, &act.message) {
                (Outcome::Ok, _) => format!("{GOOD}done{GOOD:#}"),
                (Outcome::Refused, None) => format!("{BAD}refused{BAD:#}"),
                (Outcome::Refused, Some(message)) => format!("{BAD}refused{BAD:#}: {message}"),
            };
            let next = act.next.as_ref().map(|next| format!("; {next}"));
            let seen = act.seen.as_ref().map(|seen| format!(": {seen}"));
            format!(
                "{}  {result}{} {DIM}({}{}){DIM:#}",
                act.act,
                next.unwrap_or_default(),
                act.by,
                seen.unwrap_or_default()
            )
        }
        Event::Said(said) => {
            let to = match said.to {
                Audience::Responders => "",
                Audience::Facilitator => "to the facilitator: ",
                Audience::Observers => "to the observers: ",
            };
            let by = said.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            format!("{DIM}{to}“{}”{by}{DIM:#}", said.text)
        }
        Event::Signalled(signal) => {
            let about = signal.about().map(|about| format!(" {DIM}({about}){DIM:#}"));
            format!(
                "signal {BOLD}{}{BOLD:#}{}",
                signal.name,
                about.unwrap_or_default()
            )
        }
        Event::DrillEnded(ended) => format!("{BOLD}end{BOLD:#}  {}", ending(&ended.how)),
        Event::MarkPassed(mark) => format!("{DIM}the original: {}{DIM:#}", mark.name.replace('_', " ")),
        Event::Lifted(lifted) => clean(lifted),
        Event::Sampled(_) | Event::Judged(_) => return None,
    };
    Some(format!("{DIM}{:>6}{DIM:#}  {said}", moment(at)))
}

/// Whether traffic confirms that the faults are gone.
fn clean(lifted: &Lifted) -> String {
    let Lifted {
        requests, injected, ..
    } = *lifted;
    match (requests, injected) {
        (0, _) => format!("{GOOD}no fault is left{GOOD:#} {DIM}(and nobody has asked anything since){DIM:#}"),
        (_, 0) => format!(
            "{GOOD}no fault is left{GOOD:#} {DIM}(of {requests} requests since, none was answered by a fault){DIM:#}"
        ),
        _ => {
            format!("{BAD}not clean{BAD:#}: {injected} of {requests} requests since were answered by a fault")
        }
    }
}

/// The verdict as a few lines: every check, with what was wanted and what was measured.
pub fn verdict(judged: &Judgement) -> Vec<String> {
    let next = |i: usize| judged.checks.get(i)?.hindrance.as_ref()?.next.as_ref();
    let mut lines = Vec::new();
    for (i, check) in judged.checks.iter().enumerate() {
        lines.push(checked(check));
        // What helps several checks is said once.
        let advice = next(i).filter(|advice| next(i + 1) != Some(advice));
        lines.extend(advice.map(|advice| format!("  {:13} {DIM}next:{DIM:#} {advice}", "")));
    }
    let (style, word) = match judged.verdict {
        Verdict::Held => (GOOD, "every check held"),
        Verdict::Failed => (BAD, "failed"),
        Verdict::Stopped => (BAD, "stopped by a rule"),
        Verdict::Panicked => (BAD, "panic"),
        Verdict::Incomplete => (POOR, "not everything was evaluated"),
    };
    lines.push(format!(
        "{style}{word}{style:#} {DIM}(exit status {}){DIM:#}",
        judged.exit
    ));
    lines
}

fn checked(check: &Checked) -> String {
    let (style, word) = match check.result {
        CheckResult::Held => (GOOD, "held"),
        CheckResult::Failed => (BAD, "failed"),
        CheckResult::NotEvaluated => (POOR, "not evaluated"),
        CheckResult::NotAsked => (DIM, "not asked"),
        CheckResult::Void => (DIM, "void"),
    };
    let measured = match (&check.hindrance, check.result) {
        (Some(hindrance), _) => Some(format!("; {}", hindrance.why)),
        (None, CheckResult::NotEvaluated) => Some(format!(", asked of {} requests only", check.requests)),
        (None, _) => check.measured_words().map(|words| format!(", measured {words}")),
    };
    format!(
        "  {style}{word:13}{style:#} in {}: {} {}{}",
        check.phase,
        check.what,
        check.wanted,
        measured.unwrap_or_default()
    )
}

/// How a drill ended, in words.
pub fn ending(how: &Ending) -> String {
    match how {
        Ending::Complete => "the story came to its end".into(),
        Ending::Overdue(what) => format!("closed by its deadline: {what}"),
        Ending::Stopped(rule) => format!("stopped: {rule}"),
        Ending::Panicked(by) => format!("panic, by {by}"),
        Ending::Interrupted(by) => format!("interrupted by {by}"),
    }
}

/// A moment of the story in whole minutes, as people speak of it; in seconds where the story is not told faster than it
/// happens.
fn moment(at: Stamp) -> String {
    match at.story <= at.wall {
        true => at.offset().rounded().to_string(),
        false => format!("+{}m", at.story.as_secs() / 60),
    }
}

/// Time on the wall as a clock shows it.
pub(super) fn clock(span: Duration) -> String {
    let secs = span.as_secs();
    match secs / 3600 {
        0 => format!("{}:{:02}", secs / 60, secs % 60),
        hours => format!("{hours}:{:02}:{:02}", secs / 60 % 60, secs % 60),
    }
}

/// A share as a percentage, or a dash where nothing was asked.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        None => "–".into(),
        // Neither "all" nor "none" unless it is so.
        Some(x) if x > 0.0 && x < 0.01 => format!("{:.1}%", (x * 100.0).max(0.1)),
        Some(x) if x < 1.0 && x > 0.99 => format!("{:.1}%", (x * 100.0).min(99.9)),
        Some(x) => format!("{:.0}%", x * 100.0),
    }
}

/// The beginning of a text that is too long.
fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([',', ' ']))
}

#[cfg(test)]
mod tests;
