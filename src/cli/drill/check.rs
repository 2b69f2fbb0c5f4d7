//! `chaosproxy drill check`: everything that a drill needs, looked at before it begins.

use std::{fmt::Write as _, time::Duration};

use anstyle::Style;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{
        Exit, Outcome, Terminal, Trouble,
        client::Client,
        terminal::{BAD, FAINT, GOOD, ODD, STRONG, styled},
    },
    Begin,
};
use crate::{
    admin::{
        Tool,
        preflight::{Point, Preflight, Readiness, State},
    },
    units::Span,
};

/// What is to be looked at.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy drill check orm-break --mode rehearse
  chaosproxy drill check orm-break --mode rehearse --wait-alert 60s --test-panic

Looking changes nothing; the emergency button is pressed only with --test-panic.

Exit status: 0 the drill can begin, 1 something failed")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    begin: Begin,
    /// Wait so long for an alert to come in at one of the webhooks
    #[arg(long, value_name = "TIME")]
    wait_alert: Option<Span>,
    /// How long your alerts take, from a fault to a person [default: 5m]
    #[arg(long, value_name = "TIME")]
    alert_after: Option<Span>,
    /// Press the emergency button for a moment, over one fault that hits nothing, and measure it
    #[arg(long)]
    test_panic: bool,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let asked = Preflight {
            drill: self.begin.asked()?,
            alert_after: self.alert_after,
            test_panic: self.test_panic,
        };
        let client = Client::new(&self.begin.whereabouts)?;
        let silent = match self.wait_alert {
            Some(limit) if !alert_comes(&client, limit).await? => Some(limit),
            _ => None,
        };
        let mut readiness: Readiness = client.post("/api/v1/drill/check", &asked).await?;
        if let Some(limit) = silent {
            note_silence(&mut readiness, limit);
        }
        terminal.show(&readiness, |readiness| text(readiness, client.address()))?;
        Ok(match readiness.ready {
            true => Exit::Ok,
            false => Exit::Failed,
        })
    }
}

/// Where alerts are sent.
const WEBHOOKS: &str = "/api/v1/webhooks";

/// How often it is looked whether one has come.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for an alert, and tells where it is to be sent; whether one came.
async fn alert_comes(client: &Client, limit: Span) -> Result<bool, Trouble> {
    let pages = async || -> Result<u64, Trouble> {
        let tools: Vec<Tool> = client.get(WEBHOOKS).await?;
        Ok(tools.iter().map(|tool| tool.pages).sum())
    };
    let before = pages().await?;
    let url = format!("http://{}{WEBHOOKS}", client.address());
    Terminal::say(&format!(
        "waiting {limit} for an alert at {url}/alertmanager (or grafana, pagerduty, mapped); by hand it is\n  \
         curl -H 'Content-Type: application/json' -d '{{}}' '{url}/mapped?signal=page'"
    ));
    let end = Instant::now() + limit.0;
    while Instant::now() < end {
        if pages().await? > before {
            return Ok(true);
        }
        tokio::time::sleep(LOOK.min(end - Instant::now())).await;
    }
    Ok(false)
}

/// An alert that was waited for and did not come is no warning.
fn note_silence(readiness: &mut Readiness, limit: Span) {
    for line in readiness
        .lines
        .iter_mut()
        .filter(|line| line.point == Point::Alert)
    {
        line.state = State::Failed;
        line.says = format!("no alert came within {limit}; {}", line.says);
        line.next = format!(
            "look at the route of your alerts: the receiver's address ({WEBHOOKS}/...), its token, and `admin.names`"
        );
    }
    readiness.ready = false;
}

fn text(readiness: &Readiness, address: &str) -> String {
    let count = |state| readiness.lines.iter().filter(|line| line.state == state).count();
    let (failed, warned) = (count(State::Failed), count(State::Warning));
    let sum = match (failed, warned) {
        (0, 0) => styled(GOOD, "ready"),
        (0, 1) => styled(ODD, "ready, with 1 warning"),
        (0, _) => styled(ODD, format!("ready, with {warned} warnings")),
        _ => styled(BAD, "not ready"),
    };
    let mut text = format!(
        "{} ({}): {sum}\n",
        styled(STRONG, &readiness.profile),
        word(&readiness.mode)
    );
    for line in &readiness.lines {
        let (style, point) = (style(line.state), word(&line.point));
        let state = styled(style, format!("{:7}", word(&line.state)));
        let _ = writeln!(text, "  {state}  {point:7}  {}", line.says);
        if !line.next.is_empty() {
            let next = line
                .next
                .replace(WEBHOOKS, &format!("http://{address}{WEBHOOKS}"));
            let _ = writeln!(
                text,
                "  {:7}  {:7}  {}",
                "",
                "",
                styled(FAINT, format!("next: {next}"))
            );
        }
    }
    text
}

const fn style(state: State) -> Style {
    match state {
        State::Ok => GOOD,
        State::Warning => ODD,
        State::Failed => BAD,
    }
}

/// A word as the API writes it.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin::preflight::Line, drill::Mode};

    #[test]
    fn each_line_says_how_it_stands_and_what_to_do() {
        let line = |point, state, says: &str, next: &str| Line {
            point,
            state,
            says: says.into(),
            next: next.into(),
        };
        let mut readiness = Readiness {
            profile: "orm-break".into(),
            mode: Mode::Rehearse,
            ready: true,
            lines: vec![
                line(Point::Quiet, State::Ok, "nothing stands", ""),
                line(
                    Point::Alert,
                    State::Warning,
                    "no tool has said anything",
                    "send one to /api/v1/webhooks/grafana",
                ),
            ],
        };
        let shown =
            |readiness: &Readiness| anstream::adapter::strip_str(&text(readiness, "proxy:8474")).to_string();
        insta::assert_snapshot!(shown(&readiness), @r"
        orm-break (rehearse): ready, with 1 warning
          ok       quiet    nothing stands
          warning  alert    no tool has said anything
                            next: send one to http://proxy:8474/api/v1/webhooks/grafana
        ");
        note_silence(&mut readiness, Span::secs(60));
        let shown = shown(&readiness);
        assert!(shown.starts_with("orm-break (rehearse): not ready\n"), "{shown}");
        assert!(
            shown.contains("failed   alert    no alert came within 1m; no tool"),
            "{shown}"
        );
    }
}
