//! `chaosproxy panic`: the emergency button.

use clap::ValueEnum;
use serde_json::json;

use super::{
    Exit, Outcome, Terminal,
    client::{Client, Whereabouts},
    count::counted,
    terminal::{BAD, GOOD, STRONG, styled},
};
use crate::admin::{Panicked, Reset};

/// Turn all faults off, now, and let none in until `panic reset`
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy panic            All faults off; prints how long it took
  chaosproxy panic reset      Let faults in again

SIGUSR1 to the proxy and `POST /api/v1/panic` do the same. A drill that runs is over.")]
pub(super) struct Args {
    /// What to do in place of pressing the button: reset lets faults in again
    #[arg(value_enum, hide_possible_values = true)]
    action: Option<Action>,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    Reset,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        match self.action {
            None => {
                let panicked: Panicked = client.post("/api/v1/panic", &json!({})).await?;
                terminal.show(&panicked, panicked_text)?;
            }
            Some(Action::Reset) => {
                let reset: Reset = client.post("/api/v1/panic/reset", &json!({})).await?;
                terminal.show(&reset, reset_text)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn panicked_text(panicked: &Panicked) -> String {
    let Panicked {
        lifted,
        leases,
        took_ms,
        clean,
    } = panicked;
    let clean = match clean {
        true => styled(GOOD, format!("clean in {took_ms:.1}ms")),
        false => styled(
            BAD,
            "traffic has not said yet that it is clean; see `chaosproxy status`",
        ),
    };
    let reset = styled(STRONG, "chaosproxy panic reset");
    let (lifted, leases) = (counted(*lifted, "fault"), counted(*leases, "lease"));
    format!("{clean}: {lifted} lifted, {leases} ended\nno fault is let in until `{reset}`")
}

fn reset_text(reset: &Reset) -> String {
    match reset.was_in_force {
        true => "faults are let in again".to_owned(),
        false => "no panic was in force: nothing changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_tells_how_long_it_took_and_how_to_go_on() {
        let text = panicked_text(&Panicked {
            lifted: 2,
            leases: 1,
            took_ms: 0.412,
            clean: true,
        });
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        clean in 0.4ms: 2 faults lifted, 1 lease ended
        no fault is let in until `chaosproxy panic reset`
        ");
    }
}
