//! The report as JUnit XML, for the test reports of a CI.
//!
//! A case for the drill as a whole, one for its journal, and one for each check and objective. Some CIs show neither the
//! properties of a suite nor the message of a failure, so everything is in the name of a case and in its text. What was not
//! evaluated is skipped and never passes; the case of the drill then fails, so that a run that proved nothing is not green.

use quick_junit::{NonSuccessKind, Report as Document, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Report, story_span, words};
use crate::drill::{
    measure::{Rated, Rating},
    verdict::{CheckKind, CheckResult, Checked, Hindrance, Verdict},
};

/// The report as JUnit XML. Fails where the journal holds text that XML cannot carry.
pub fn render(report: &Report) -> Result<String, SerializeError> {
    let name = report.profile().map_or("drill", |profile| profile.name.as_str());
    let mut document = Document::new(name);
    document.set_time(report.length.wall);
    let mut drill = suite(name, "drill", [whole(report), journal(report)]);
    drill.set_time(report.length.wall);
    let mut told = format!(
        "drill {}: exit status {}. {}\n",
        report.drill,
        report.exit(),
        words::verdict_line(report)
    );
    for (phase, fault, counts) in report.effects() {
        let words = words::EFFECTS.iter().zip(counts);
        let counts: Vec<_> = words.map(|(word, count)| format!("{word} {count}")).collect();
        told += &format!("in {phase}, {fault}: {}\n", counts.join(", "));
    }
    drill.set_system_out(told);
    document.add_test_suite(drill);
    for kind in [CheckKind::Fidelity, CheckKind::Team] {
        let checks = report.judgement.checks.iter().filter(|check| check.kind == kind);
        document.add_test_suite(suite(name, words::kind_name(kind), checks.map(check)));
    }
    document.add_test_suite(suite(name, "objectives", report.objectives.iter().map(objective)));
    document.test_suites.retain(|suite| !suite.test_cases.is_empty());
    document.to_string()
}

fn suite(profile: &str, group: &str, cases: impl IntoIterator<Item = TestCase>) -> TestSuite {
    let class = format!("{profile}.{group}");
    let mut suite = TestSuite::new(class.clone());
    for mut case in cases {
        case.set_classname(class.clone());
        suite.add_test_case(case);
    }
    suite
}

fn failed(kind: NonSuccessKind, what: &str, text: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(what)
        .set_message(text.clone())
        .set_description(text);
    status
}

fn skipped(why: impl Into<String>) -> TestCaseStatus {
    let (mut status, why) = (TestCaseStatus::skipped(), why.into());
    status.set_message(why.clone()).set_description(why);
    status
}

/// The drill as a whole: it alone says what the exit status says.
fn whole(report: &Report) -> TestCase {
    let text = || {
        let verdict = words::verdict(report);
        format!(
            "{verdict} (exit status {}). {}",
            report.exit(),
            words::verdict_line(report)
        )
    };
    let status = match report.verdict() {
        Verdict::Held => TestCaseStatus::success(),
        Verdict::Failed => failed(NonSuccessKind::Failure, "failed", text()),
        verdict => failed(NonSuccessKind::Error, &words::word(&verdict), text()),
    };
    let mut case = TestCase::new("the drill comes to its end and every check holds", status);
    case.set_time(report.length.wall);
    case
}

/// What the report rests on.
fn journal(report: &Report) -> TestCase {
    let status = if report.flaws.is_empty() {
        TestCaseStatus::success()
    } else {
        let flaws: Vec<_> = report.flaws.iter().map(ToString::to_string).collect();
        failed(NonSuccessKind::Error, "journal", flaws.join("\n"))
    };
    TestCase::new("the journal is as it was written", status)
}

fn check(check: &Checked) -> TestCase {
    let measured = || {
        let measured = check.measured_words().unwrap_or_else(|| "nothing".into());
        let why = check
            .why
            .as_ref()
            .map_or_else(String::new, |why| format!("\n{why}"));
        format!(
            "in {}, {}: wanted {}, measured {measured} of {} requests{why}",
            check.phase, check.what, check.wanted, check.requests
        )
    };
    let status = match check.result {
        CheckResult::Held => TestCaseStatus::success(),
        CheckResult::Failed => failed(NonSuccessKind::Failure, words::kind_name(check.kind), measured()),
        CheckResult::NotEvaluated => skipped(format!("not evaluated: {}; {}", hindered(check), measured())),
        CheckResult::NotAsked => skipped(format!("not asked: phase {} was never entered", check.phase)),
        CheckResult::Void => skipped("void: the incident was not reproduced"),
    };
    let name = format!("in {}: {} {}", check.phase, check.what, check.wanted);
    TestCase::new(name.replace('`', ""), status)
}

/// Why a check could not be evaluated.
fn hindered(check: &Checked) -> String {
    let hindrance = check.hindrance.as_ref().map(Hindrance::words);
    hindrance.unwrap_or_else(|| "too little was asked".to_owned())
}

/// An objective never decides the verdict, so one that was missed does not fail; nor does it pass.
fn objective(rated: &Rated) -> TestCase {
    let status = match &rated.rating {
        Rating::Reached => TestCaseStatus::success(),
        Rating::Missed => match rated.took {
            Some(took) => skipped(format!(
                "missed: it took {} (objectives decide nothing)",
                story_span(took)
            )),
            None => skipped("missed (objectives decide nothing)"),
        },
        Rating::NotMeasured(why) => skipped(format!("not measured: {why}")),
    };
    TestCase::new(format!("{}: {}", rated.name, rated.asks).replace('`', ""), status)
}
