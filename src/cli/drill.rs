//! `chaosproxy drill`: the facilitator's hand on the drill that runs.

mod check;
mod done;

use std::{io::IsTerminal as _, num::NonZeroU32, time::Duration};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::{
    Exit, Outcome, Terminal, Trouble,
    client::{Client, Whereabouts},
    run::Mode,
    terminal::{FAINT, STRONG, styled},
    values,
};
use crate::{
    admin::{Accept, DrillStatus, HintOf, More, News, Note, Onward, Rate, Refuse, Start},
    drill::{Autopilot, lead::Performance, profile::Audience, profiles, sealed::Sealed, watch},
    units::Span,
};

/// Lead the drill that runs: its pace, its gates, hints and news; notes and ratings
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy drill check orm-break --mode rehearse Can it begin?
  chaosproxy drill start orm-break --mode rehearse On the proxy that runs
  chaosproxy drill status                          Phase, clocks, success beside the original's
  chaosproxy drill hold                            The story stands still; faults stay as they are
  chaosproxy drill extend 10m                      The phase gets ten story minutes more
  chaosproxy drill inject \"The CEO is on the phone.\"
  chaosproxy drill accept restart                  The room is stuck: let it through
  chaosproxy drill rate localise some \"looked at the balancer first\"
  chaosproxy drill clear                           All faults off, and it is over")]
pub(super) enum Command {
    /// Look at all that a drill needs, on the proxy that runs, before it begins
    Check(Box<check::Args>),
    /// Start a drill on the proxy that runs, one at a time
    Start(Box<Begin>),
    /// Show where the drill stands
    Status {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Follow the drill to its end, a line a second
    Watch {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Go on to the next phase, or to the one that is named
    Next {
        /// The phase, or `end`; by default the first way out of the one that lasts
        phase: Option<String>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Let the story stand still: nothing falls due, faults stay, people may act; the limit on the wall runs on
    Hold {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Let the story go on
    Resume {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Give the phase more story time: for its waits and its deadline
    Extend {
        /// How much, as in 5m
        by: Span,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Tell people something that the profile does not know of
    Inject {
        /// What they are told
        text: String,
        /// Who is told: responders, facilitator or observers
        #[arg(
            long,
            value_enum,
            default_value_t = To::Responders,
            hide_possible_values = true
        )]
        to: To,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Give a hint; it costs the best rating
    Hint {
        /// Its level, from 1, the mildest
        level: usize,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Let an act through, whatever its gates say
    Accept {
        /// The act
        act: String,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Refuse an act, whatever its gates say, until it is accepted
    Refuse {
        /// The act
        act: String,
        /// What whoever tries it is told
        why: String,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Write something down; observers may, too
    Note {
        /// What
        text: String,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Say how an objective was performed; observers may, too
    Rate {
        /// The objective
        objective: String,
        /// Performed without, with some or with major challenges, or unable to be performed
        #[arg(value_enum)]
        rating: How,
        /// Why you think so
        why: Option<String>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Lift all faults and end the drill before its time: exit status 5
    Clear {
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
}

/// A drill to be started.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Begin {
    /// The incident: a name that `chaosproxy profiles` lists, or a file, sealed or not
    #[arg(required_unless_present = "wheel")]
    profile: Option<String>,
    /// Any of those that ship, by the seed, among those that fit the document
    #[arg(long, conflicts_with = "profile")]
    wheel: bool,
    /// Who drives it: replay, rehearse or step
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    mode: Mode,
    /// How many minutes of the story pass in a minute; with people, of waiting only
    #[arg(long, value_name = "N", value_parser = values::wait)]
    wait: Option<NonZeroU32>,
    /// End it after this time on the wall; at most what the profile says
    #[arg(long, value_name = "TIME", value_parser = super::lasting::lasting)]
    max_wall: Option<Span>,
    /// A runbook that acts in the team's place
    #[arg(long, value_name = "FILE")]
    autopilot: Option<String>,
    /// Keep what it is about from those who take part, until it is over; needs tokens
    #[arg(long)]
    blind: bool,
    /// The seed of the wheel, and of what a blind drill varies; by default a new one
    #[arg(long, value_name = "N", value_parser = values::seed)]
    seed: Option<u64>,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Begin {
    /// What is asked of the proxy; files are read here, not there.
    fn asked(&self) -> Result<Start, Trouble> {
        let (mut profile, mut story, mut sealed) = (None, None, None);
        if let Some(name) = &self.profile {
            match Sealed::load(name) {
                Some(read) => sealed = Some(read?),
                None if profiles::find(name).is_some() => profile = Some(name.clone()),
                None => story = Some(Box::new(profiles::load(name)?)),
            }
        }
        let runbook = match self.autopilot.as_deref().map(Autopilot::load).transpose()? {
            Some(Autopilot::Runbook(runbook)) => Some(runbook),
            Some(Autopilot::Original) | None => None,
        };
        Ok(Start {
            profile,
            story,
            sealed,
            wheel: self.wheel,
            seed: self.seed,
            mode: self.mode.into(),
            wait: self.wait,
            max_wall: self.max_wall,
            runbook,
            blind: self.blind,
        })
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum To {
    Responders,
    Facilitator,
    Observers,
}

/// How an objective was performed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum How {
    Without,
    Some,
    Major,
    Unable,
}

impl Command {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let hand = Hand {
            terminal,
            done: done::done(&self),
        };
        match self {
            Self::Check(args) => args.perform(terminal).await,
            Self::Start(begin) => post(&hand, &begin.whereabouts, "start", &begin.asked()?).await,
            Self::Status { whereabouts } => {
                let status = Client::new(&whereabouts)?.get("/api/v1/drill").await?;
                show(terminal, &status)
            }
            Self::Watch { whereabouts } => follow(terminal, &Client::new(&whereabouts)?).await,
            Self::Next { phase, whereabouts } => {
                let body = Onward { to: phase };
                post(&hand, &whereabouts, "next", &body).await
            }
            Self::Hold { whereabouts } => post(&hand, &whereabouts, "hold", &json!({})).await,
            Self::Resume { whereabouts } => post(&hand, &whereabouts, "resume", &json!({})).await,
            Self::Extend { by, whereabouts } => post(&hand, &whereabouts, "extend", &More { by }).await,
            Self::Inject {
                text,
                to,
                whereabouts,
            } => {
                let to = to.into();
                post(&hand, &whereabouts, "inject", &News { text, to }).await
            }
            Self::Hint { level, whereabouts } => post(&hand, &whereabouts, "hint", &HintOf { level }).await,
            Self::Accept { act, whereabouts } => post(&hand, &whereabouts, "accept", &Accept { act }).await,
            Self::Refuse {
                act,
                why,
                whereabouts,
            } => post(&hand, &whereabouts, "refuse", &Refuse { act, why }).await,
            Self::Note { text, whereabouts } => post(&hand, &whereabouts, "note", &Note { text }).await,
            Self::Rate {
                objective,
                rating,
                why,
                whereabouts,
            } => {
                let rating = rating.into();
                let body = Rate {
                    objective,
                    rating,
                    why,
                };
                post(&hand, &whereabouts, "rate", &body).await
            }
            Self::Clear { whereabouts } => post(&hand, &whereabouts, "clear", &json!({})).await,
        }
    }
}

/// Where what was done is shown, and the line that says it.
struct Hand {
    terminal: Terminal,
    done: Option<String>,
}

async fn post<B: Serialize + Sync>(hand: &Hand, whereabouts: &Whereabouts, verb: &str, body: &B) -> Outcome {
    let client = Client::new(whereabouts)?;
    let status: DrillStatus = client.post(&format!("/api/v1/drill/{verb}"), body).await?;
    let hint = status.hint.as_ref().map(|text| format!("the hint: “{text}”"));
    hand.terminal.show(&status, |status| {
        let said = hand.done.iter().chain(&hint).map(|line| format!("{line}\n"));
        said.collect::<String>() + &text(status)
    })?;
    Ok(Exit::Ok)
}

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Shows the drill until it is over; with `--json` a view a line.
async fn follow(terminal: Terminal, client: &Client) -> Outcome {
    loop {
        let status: DrillStatus = client.get("/api/v1/drill").await?;
        let over = status.over || status.view.as_ref().is_some_and(|view| view.ended.is_some());
        if terminal.json {
            Terminal::print(&json!(status).to_string())?;
        } else if over {
            Terminal::print(&text(&status))?;
        } else if let Some(view) = &status.view {
            let line = if status.sealed {
                watch::exercise(view)
            } else {
                watch::summary(view)
            };
            Terminal::print(&line)?;
        }
        if over {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn show(terminal: Terminal, status: &DrillStatus) -> Outcome {
    terminal.show(status, text)?;
    Ok(Exit::Ok)
}

/// How wide the view is drawn in a terminal; nothing is cut for a program.
const WIDTH: usize = 100;

fn text(status: &DrillStatus) -> String {
    let Some(view) = &status.view else {
        return format!("{} has not begun yet", styled(STRONG, &status.drill));
    };
    if let Some(ending) = &view.ended {
        return format!(
            "{} is over: {}",
            styled(STRONG, &status.drill),
            watch::ending(ending)
        );
    }
    if status.sealed {
        return watch::exercise(view);
    }
    let width = match std::io::stdout().is_terminal() {
        true => WIDTH,
        false => WIDTH.max(watch::room(view)),
    };
    let mut lines = watch::lines(view, width);
    if !view.hints.is_empty() {
        let levels: Vec<_> = view.hints.iter().map(ToString::to_string).collect();
        let offered = format!("hints offered by now: {}", levels.join(", "));
        lines.push(format!("  {}", styled(FAINT, offered)));
    }
    lines.join("\n")
}

impl From<To> for Audience {
    fn from(to: To) -> Self {
        match to {
            To::Responders => Self::Responders,
            To::Facilitator => Self::Facilitator,
            To::Observers => Self::Observers,
        }
    }
}

impl From<How> for Performance {
    fn from(how: How) -> Self {
        match how {
            How::Without => Self::Without,
            How::Some => Self::Some,
            How::Major => Self::Major,
            How::Unable => Self::Unable,
        }
    }
}
