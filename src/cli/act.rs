//! `chaosproxy act`: what the responders do, declared.

use super::{
    Exit, Outcome, Terminal,
    client::{Client, Whereabouts},
    table::Table,
    terminal::{BAD, GOOD, styled},
};
use crate::admin::{ActStatus, Declare, Declared, Kind, Refusal};

/// Declare an act of the drill; the answer may be a refusal, as it was in the incident
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy act                                       List the acts of the drill
  chaosproxy act restore-config \"from Tuesday's backup\"
  chaosproxy act restart                               May be refused: exit status 1")]
pub(super) struct Args {
    /// The act; left out: the acts are listed
    name: Option<String>,
    /// What the journal should say with it
    #[arg(requires = "name")]
    text: Option<String>,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        let Some(name) = self.name else {
            let acts: Vec<ActStatus> = client.get("/api/v1/acts").await?;
            terminal.show(&acts, |acts| list_text(acts))?;
            return Ok(Exit::Ok);
        };
        let body = serde_json::to_vec(&Declare {
            name,
            text: self.text,
        })
        .unwrap_or_default();
        let reply = client
            .send(
                http::Method::POST,
                "/api/v1/acts",
                Some(("application/json", body.into())),
            )
            .await?;
        match reply.refusal() {
            Some(refusal) if refusal.r#type == Kind::ActRefused => {
                terminal.show(&refusal, refused_text)?;
                Ok(Exit::Failed)
            }
            _ => {
                let declared: Declared = reply.read()?;
                terminal.show(&declared, declared_text)?;
                Ok(Exit::Ok)
            }
        }
    }
}

fn list_text(acts: &[ActStatus]) -> String {
    let mut table = Table::new(&["act", "what", "state"]);
    for act in acts {
        let seen = if act.declare { "" } else { " (when seen)" };
        table.row([act.name.clone(), act.say.clone(), format!("{}{seen}", act.state)]);
    }
    if table.is_empty() {
        return "the drill has no acts".to_owned();
    }
    let mut text = table.indented(0);
    if acts.iter().any(|act| !act.declare) {
        text.push_str("When seen: the proxy must see it; `chaosproxy act NAME` says what it looks for.\n");
    }
    text
}

fn declared_text(declared: &Declared) -> String {
    let done = format!("{}: {}", declared.name, styled(GOOD, &declared.state));
    match &declared.by_proxy {
        Some(commands) => format!("{done}, by the proxy itself: {commands}"),
        None => done,
    }
}

fn refused_text(refusal: &Refusal) -> String {
    format!("{}: {}", styled(BAD, "refused"), refusal.detail)
}
