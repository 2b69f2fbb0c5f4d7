//! The tables of the Markdown report.

use std::fmt::{self, Write as _};

use crate::{
    drill::{
        event::Stamp,
        measure::{Rating, Row},
        report::{
            Report,
            acts::Try,
            story_span,
            told::{Piece, told},
            words::{EFFECTS, EFFECTS_MEAN, by_the_proxy, kind_name, micros, opinion, target, word},
        },
        verdict::CheckResult,
        watch::{clock, percent},
    },
    units::Span,
};

/// A cell must neither end its row nor its column.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

pub(super) fn phases(report: &Report, out: &mut String) -> fmt::Result {
    if report.phases.is_empty() {
        return Ok(());
    }
    let classes = report.classes();
    writeln!(out, "## Success by phase\n")?;
    write!(out, "| phase | story | original |")?;
    for class in &classes {
        write!(out, " {class} | original |")?;
    }
    write!(out, "\n|---|---|---|")?;
    writeln!(out, "{}", "--:|--:|".repeat(classes.len()))?;
    for phase in &report.phases {
        let original = phase.original.map_or_else(|| "never".into(), |at| at.to_string());
        write!(
            out,
            "| **{}** | {} to {} | {original} |",
            phase.phase,
            phase.from.rounded(),
            phase.to.rounded()
        )?;
        for class in &classes {
            let beside = phase.ok.get(*class).copied().unwrap_or_default();
            write!(out, " {} | {} |", percent(beside.run), percent(beside.original))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

pub(super) fn story(report: &Report, out: &mut String) -> fmt::Result {
    if report.story.is_empty() {
        return Ok(());
    }
    writeln!(out, "## What happened\n\n| story | wall | |\n|--:|--:|---|")?;
    for line in &report.story {
        let Stamp { wall, .. } = line.at;
        writeln!(
            out,
            "| {} | {} | {} |",
            line.at.offset().rounded(),
            clock(wall),
            cell(&dressed(told(&line.event)))
        )?;
    }
    writeln!(out)
}

/// A sentence in Markdown.
fn dressed(pieces: Vec<Piece>) -> String {
    let dressed = pieces.into_iter().map(|piece| match piece {
        Piece::Plain(text) => text,
        Piece::Strong(text) => format!("**{text}**"),
        Piece::Name(text) => format!("`{text}`"),
        Piece::Faint(text) => format!("*{text}*"),
    });
    dressed.collect()
}

pub(super) fn acts(report: &Report, out: &mut String) -> fmt::Result {
    if report.acts.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Acts\n\n| act | what it is | story | who | how known | result | original |"
    )?;
    writeln!(out, "|---|---|--:|---|---|---|--:|")?;
    for act in &report.acts {
        let (name, what, original) = (&act.act, cell(&act.what()), act.original());
        if act.tries.is_empty() {
            writeln!(out, "| `{name}` | {what} | – | | | not tried | {original} |")?;
        }
        for tried in &act.tries {
            writeln!(
                out,
                "| `{name}` | {what} | {} | {} | {} | {} | {original} |",
                tried.at.offset().rounded(),
                cell(&tried.by),
                how_known(tried),
                came(tried)
            )?;
        }
    }
    writeln!(out)
}

fn how_known(tried: &Try) -> String {
    let seen = tried.seen.as_ref().map(|seen| format!(": {seen}"));
    cell(&format!("{}{}", word(&tried.known), seen.unwrap_or_default()))
}

fn came(tried: &Try) -> String {
    let message = tried.message.as_ref().map(|message| format!(": “{message}”"));
    let next = tried.next.as_ref().map(|next| format!("; {next}"));
    cell(&format!(
        "{}{}{}",
        tried.result.words(),
        message.unwrap_or_default(),
        next.unwrap_or_default()
    ))
}

pub(super) fn checks(report: &Report, out: &mut String) -> fmt::Result {
    let checks = &report.judgement.checks;
    if checks.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Checks\n\n| kind | in phase | what | wanted | measured | of requests | result |"
    )?;
    writeln!(out, "|---|---|---|---|--:|--:|---|")?;
    for check in checks {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            kind_name(check.kind),
            check.phase,
            cell(&check.what),
            check.wanted,
            check.measured_words().as_deref().unwrap_or("–"),
            check.requests,
            verdict(check.result)
        )?;
    }
    writeln!(out)?;
    for why in checks
        .iter()
        .filter_map(|check| Some((check, check.why.as_ref()?)))
    {
        writeln!(out, "{} in {}: {}.\n", why.0.what, why.0.phase, why.1)?;
    }
    for (check, hindrance) in checks
        .iter()
        .filter_map(|check| Some((check, check.hindrance.as_ref()?)))
    {
        let (what, phase, why) = (&check.what, &check.phase, hindrance.words());
        writeln!(out, "{what} in {phase}: not evaluated, since {why}.\n")?;
    }
    Ok(())
}

const fn verdict(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Held => "held",
        CheckResult::Failed => "**failed**",
        CheckResult::NotEvaluated => "**not evaluated**",
        CheckResult::NotAsked => "not asked: the phase was never entered",
        CheckResult::Void => "void",
    }
}

pub(super) fn figures(report: &Report, out: &mut String) -> fmt::Result {
    let figures = &report.figures;
    if figures.rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Intervals\n\n| from the first damage, unless said | story | wall | original |"
    )?;
    writeln!(out, "|---|--:|--:|--:|")?;
    for row in &figures.rows {
        interval(row, out)?;
    }
    let minutes = |minutes: Option<f64>| minutes.map_or_else(|| "–".into(), |n| format!("{n:.1}"));
    let (run, original) = (
        minutes(figures.bad_minutes),
        minutes(figures.original_bad_minutes),
    );
    writeln!(
        out,
        "| bad minutes (failed share over time) | {run} | | {original} |"
    )?;
    let budget = |share: Option<f64>| share.map_or_else(|| "–".into(), |x| format!("{:.0}%", x * 100.0));
    if let Some(profile) = report.profile() {
        let slo = &profile.slo;
        writeln!(
            out,
            "| error budget burnt ({} over {}) | {} | | {} |\n",
            target(slo.target),
            slo.window,
            budget(figures.budget),
            budget(figures.original_budget)
        )?;
    }
    Ok(())
}

fn interval(row: &Row, out: &mut String) -> fmt::Result {
    let span = |span: Option<Span>| span.map_or_else(|| "–".into(), story_span);
    let story = match (&row.why, row.story) {
        (Some(why), _) => why.clone(),
        (None, Some(story)) => story_span(story),
        (None, None) => String::new(),
    };
    let wall = match row.wall {
        Some(wall) if wall.0.as_secs() == 0 => micros(u64::try_from(wall.0.as_micros()).unwrap_or(u64::MAX)),
        Some(wall) => clock(wall.0),
        None => "–".into(),
    };
    writeln!(
        out,
        "| {} | {} | {wall} | {} |",
        cell(&row.name),
        cell(&story),
        span(row.original)
    )
}

pub(super) fn objectives(report: &Report, out: &mut String) -> fmt::Result {
    if report.objectives.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "## Objectives\n\n| objective | asks | took | original | |\n|---|---|--:|--:|---|"
    )?;
    for rated in &report.objectives {
        let span = |span: Option<Span>| span.map_or_else(|| "–".into(), story_span);
        let mut rating: String = match &rated.rating {
            Rating::Reached => "reached".into(),
            Rating::Missed => "missed".into(),
            Rating::NotMeasured(why) => format!("not measured: {why}"),
        };
        for said in &rated.observers {
            rating += &format!("; {}", opinion(said));
        }
        let (took, original) = (span(rated.took), span(rated.original));
        let asks = cell(&rated.asks);
        writeln!(
            out,
            "| {} | {asks} | {took} | {original} | {} |",
            rated.name,
            cell(&rating)
        )?;
    }
    writeln!(out)
}

pub(super) fn injected(report: &Report, out: &mut String) -> fmt::Result {
    if report.phases.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Who failed what\n")?;
    writeln!(
        out,
        "| phase | requests | attempts | succeeded | injected | failed by the service | failed by the proxy | exchanges touched |"
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|---|")?;
    for phase in &report.phases {
        let all = phase.sample.traffic.of(None);
        let hits = phase.sample.hits.iter().filter(|(_, hits)| **hits > 0);
        let hits: Vec<_> = hits.map(|(fault, hits)| format!("`{fault}` {hits}")).collect();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            phase.phase,
            all.requests(),
            all.attempts,
            all.ok,
            all.injected,
            all.upstream,
            by_the_proxy(&all),
            hits.join(", ")
        )?;
    }
    writeln!(out)?;
    effects(report, out)
}

/// What came of each fault, phase by phase.
fn effects(report: &Report, out: &mut String) -> fmt::Result {
    if report.effects().next().is_none() {
        return Ok(());
    }
    writeln!(
        out,
        "| phase | fault | {} |\n|---|---|--:|--:|--:|--:|--:|",
        EFFECTS.join(" | ")
    )?;
    for (phase, fault, counts) in report.effects() {
        let counts = counts.map(|count| count.to_string()).join(" | ");
        writeln!(out, "| {phase} | `{fault}` | {counts} |")?;
    }
    writeln!(out, "\n{EFFECTS_MEAN}\n")
}
