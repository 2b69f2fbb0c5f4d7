//! The report as Markdown: what a person reads the day after.

mod tables;

use std::fmt::{self, Write as _};

use super::{Report, spark, story_span, words};
use crate::{
    drill::{
        event::{Form, Started},
        watch::{clock, percent},
    },
    units::Span,
};

/// The report as Markdown.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a `String` does not fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    title(report, out)?;
    evidence(report, out)?;
    chart(report, out)?;
    tables::phases(report, out)?;
    tables::story(report, out)?;
    tables::acts(report, out)?;
    tables::checks(report, out)?;
    tables::figures(report, out)?;
    tables::objectives(report, out)?;
    tables::injected(report, out)?;
    debrief(report, out)?;
    provenance(report, out)
}

fn title(report: &Report, out: &mut String) -> fmt::Result {
    let name = report
        .profile()
        .map_or(report.drill.as_str(), |profile| profile.name.as_str());
    let verdict = words::verdict(report);
    writeln!(out, "# {name}: {verdict}\n")?;
    if let Some(profile) = report.profile() {
        writeln!(out, "> {}\n", profile.headline())?;
    }
    if !report.running {
        write!(out, "**Exit status {}.** ", report.exit())?;
    }
    writeln!(out, "{}\n", words::verdict_line(report))?;
    if let Some((worst, classes)) = report.at_its_worst() {
        let beside = classes.iter().map(|(class, beside)| {
            let original = beside
                .original
                .map(|share| format!(" (the original: {})", percent(Some(share))));
            format!(
                "{} of `{class}`{}",
                percent(beside.run),
                original.unwrap_or_default()
            )
        });
        let beside: Vec<_> = beside.collect();
        writeln!(
            out,
            "At its worst, in phase **{}**, {} succeeded.\n",
            worst.phase,
            beside.join(" and ")
        )?;
    }
    if let Some(started) = &report.started {
        writeln!(out, "{}\n", circumstances(report, started))?;
    }
    Ok(())
}

fn circumstances(report: &Report, started: &Started) -> String {
    let run = words::run(started.mode);
    let date = report.began.map_or_else(String::new, |began| {
        format!(" of {}", began.strftime("%-d %B %Y, %H:%M:%S UTC"))
    });
    let form = match started.form {
        Form::Causal => {
            "causal form: a fault takes away what the application needs, and what fails there fails by itself"
        }
        Form::Simulated => "simulated form: the proxy answers in place of an application that would fail",
        Form::Direct => "direct form: the proxy does what the profile says to the users' own traffic",
    };
    let unread = words::unread(started).map_or_else(String::new, |unread| format!(" {unread}"));
    format!(
        "{run}{date}: {} of the story in {} on the wall. Run in its {form}.{unread}",
        story_span(Span(report.length.story)),
        clock(report.length.wall),
    )
}

/// What speaks for the report itself: faults lifted, journal whole.
fn evidence(report: &Report, out: &mut String) -> fmt::Result {
    match &report.lifted {
        Some(lifted) if lifted.injected == 0 => writeln!(
            out,
            "All faults are off: lifted in {}; of {} requests afterwards none carried an injected answer.{}\n",
            words::micros(lifted.took_us),
            lifted.requests,
            words::let_go(lifted)
        )?,
        Some(lifted) => writeln!(
            out,
            "**Not clean:** {} of {} requests after the faults were lifted still carried an injected answer.\n",
            lifted.injected, lifted.requests
        )?,
        None => writeln!(out, "{}\n", words::not_lifted(report))?,
    }
    if report.torn {
        writeln!(
            out,
            "The last line of the journal was cut short, as by a crash, and is left out.\n"
        )?;
    }
    if !report.flaws.is_empty() {
        writeln!(out, "**The journal is not as it was written:**\n")?;
        for flaw in &report.flaws {
            writeln!(out, "- {flaw}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn chart(report: &Report, out: &mut String) -> fmt::Result {
    let length = report.length.story;
    let Some(profile) = report.profile().filter(|_| !length.is_zero()) else {
        return Ok(());
    };
    let width = report
        .classes()
        .iter()
        .map(|class| class.len())
        .max()
        .unwrap_or(0)
        .max(8);
    writeln!(out, "## Success over the story\n\n```text")?;
    for class in report.classes() {
        writeln!(
            out,
            "{class:width$}  {}",
            spark::run(&report.ledger, class, length)
        )?;
        if profile.yardstick.ok_at(class, length).is_some() {
            let line = spark::original(&profile.yardstick, class, length);
            writeln!(out, "{:width$}  {line}", "original")?;
        }
    }
    let end = report.length.offset().rounded().to_string();
    let room = spark::WIDTH as usize - 3;
    writeln!(out, "{:width$}  +0m{end:>room$}\n```\n", "")
}

fn debrief(report: &Report, out: &mut String) -> fmt::Result {
    let Some(profile) = report.profile().filter(|profile| !profile.debrief.is_empty()) else {
        return Ok(());
    };
    writeln!(out, "## Debrief\n")?;
    for question in &profile.debrief {
        writeln!(out, "- [ ] {question}")?;
    }
    writeln!(out)
}

fn provenance(report: &Report, out: &mut String) -> fmt::Result {
    let Some(started) = &report.started else {
        return writeln!(out, "The journal does not say how the drill began.");
    };
    writeln!(out, "## Provenance\n")?;
    writeln!(
        out,
        "- drill `{}`, seed {}, chaosproxy {}",
        report.drill, started.seed, started.version
    )?;
    writeln!(
        out,
        "- profile `{}`, SHA-256 `{}`",
        started.profile.name, started.hash
    )?;
    writeln!(
        out,
        "- journal of {} lines, the last with the hash `{}`",
        report.lines, report.last
    )?;
    writeln!(
        out,
        "- mode {}, {} story minutes to a minute on the wall while compressed",
        words::word(&started.mode),
        started.compression
    )?;
    if started.blind {
        writeln!(out, "- blind{}", words::varied(started))?;
    }
    for (role, target) in &started.roles {
        writeln!(out, "- role `{role}` is `{target}`")?;
    }
    for (fault, stand_in) in &started.replaced {
        writeln!(
            out,
            "- `{fault}` was replaced by `{stand_in}`: its role is not bound"
        )?;
    }
    let Some(origin) = &started.profile.origin else {
        return Ok(());
    };
    writeln!(out, "\nThe story is taken from: {}.", origin.report)?;
    writeln!(out, "T0 is {}, said to be {}.", origin.t0.what, origin.t0.said)?;
    if !origin.assumed.is_empty() {
        writeln!(out, "\nAssumed, because the report does not say:\n")?;
        for assumed in &origin.assumed {
            writeln!(out, "- {assumed}")?;
        }
    }
    if !origin.disputed.is_empty() {
        writeln!(out, "\nDisputed, and how it was read:\n")?;
        for dispute in &origin.disputed {
            writeln!(out, "- {}: {}", dispute.point, dispute.chosen)?;
        }
    }
    Ok(())
}
