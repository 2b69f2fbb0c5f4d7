//! `chaosproxy profiles`: the incidents that ship with us.

use std::fmt::Write as _;

mod new;
mod seal;

use clap::Subcommand;
use serde::Serialize;

use super::{
    Exit, Outcome, Terminal, Trouble,
    table::Table,
    terminal::{STRONG, styled},
};
use crate::{
    config,
    drill::{
        profile::Profile,
        profiles::{Opened, SHIPPED, find, load, open},
    },
};

/// List the incidents that can be run, show one, or begin one of your own
#[derive(clap::Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  chaosproxy profiles
  chaosproxy profiles show orm-break
  chaosproxy profiles new our-outage                     A commented skeleton, which can be run as it stands
  chaosproxy profiles seal orm-break                     For a blind drill: nothing can be read off it
  chaosproxy profiles new our-break --from orm-break     A shipped incident, and what may be changed in it"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Show what a profile is about, or its text
    Show {
        /// A name, or a file
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// Show the profile as it is written
        #[arg(long)]
        text: bool,
        /// Show it with what it extends filled in, as YAML
        #[arg(long, conflicts_with = "text")]
        resolved: bool,
    },
    New(new::Args),
    Seal(seal::Args),
}

/// A profile in a line.
#[derive(Serialize)]
struct Line {
    name: String,
    title: String,
    origin: String,
    needs: Vec<String>,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        match self.command {
            None => terminal.show(&all()?, |lines| list_text(lines))?,
            Some(Command::Show { name, text: true, .. }) => terminal.show(&text(&name)?, Clone::clone)?,
            Some(Command::Show { name, resolved, .. }) => {
                let Opened {
                    profile,
                    extends,
                    sealed,
                } = open(&name)?;
                if let Some(id) = sealed {
                    terminal.show(&id, |id| format!("{id} is under seal: nothing is shown of it"))?;
                    return Ok(Exit::Ok);
                }
                let yaml = resolved.then(|| written(&profile)).transpose()?;
                terminal.show(&profile, |profile| {
                    yaml.unwrap_or_else(|| page(profile, &extends))
                })?;
            }
            Some(Command::New(args)) => return args.perform(terminal),
            Some(Command::Seal(args)) => return args.perform(terminal),
        }
        Ok(Exit::Ok)
    }
}

fn all() -> Result<Vec<Line>, Trouble> {
    let line = |profile: Profile| Line {
        title: profile.headline().to_owned(),
        origin: profile
            .origin
            .as_ref()
            .map(|origin| origin.report.clone())
            .unwrap_or_default(),
        needs: needs(&profile),
        name: profile.name,
    };
    SHIPPED
        .iter()
        .map(|shipped| Ok(line(load(shipped.name)?)))
        .collect()
}

fn text(name: &str) -> Result<String, Trouble> {
    match find(name) {
        Some(shipped) => Ok(shipped.text.to_owned()),
        None => Ok(config::read_text(name.as_ref())?),
    }
}

/// A profile, or a part of one, as YAML.
fn written(profile: &impl Serialize) -> Result<String, Trouble> {
    config::to_yaml(profile)
        .map_err(|error| Trouble::new(format!("the profile is no YAML: {error}"), "report this as a bug"))
}

/// The roles that a document must bind; those that may be left out are marked.
fn needs(profile: &Profile) -> Vec<String> {
    let mark = |(role, need): (&String, &crate::drill::profile::Need)| {
        if need.optional {
            format!("{role}?")
        } else {
            role.clone()
        }
    };
    profile.needs.iter().map(mark).collect()
}

fn list_text(lines: &[Line]) -> String {
    let mut table = Table::new(&["profile", "what happens", "from"]);
    for line in lines {
        table.row([
            styled(STRONG, &line.name),
            line.title.clone(),
            line.origin.clone(),
        ]);
    }
    format!(
        "{}\nrun one with `chaosproxy --profile NAME`, look at one with `chaosproxy profiles show NAME`,\nbegin one of your own with `chaosproxy profiles new`\n",
        table.indented(0)
    )
}

fn page(profile: &Profile, extends: &[String]) -> String {
    let mut text = format!("{}: {}\n", styled(STRONG, &profile.name), profile.headline());
    if !extends.is_empty() {
        let _ = writeln!(text, "extends {}", extends.join(", which extends "));
    }
    if let Some(origin) = &profile.origin {
        let _ = writeln!(
            text,
            "from {}; it begins with: {} ({})",
            origin.report, origin.t0.what, origin.t0.said
        );
        section(&mut text, "Assumed", origin.assumed.iter().cloned());
        let disputed = origin
            .disputed
            .iter()
            .map(|dispute| format!("{}: {}", dispute.point, dispute.chosen));
        section(&mut text, "Disputed, and the reading chosen", disputed);
    }
    section(
        &mut text,
        "Roles that a document binds (`?`: may be left out)",
        needs(profile).into_iter(),
    );
    let phases = profile.phases.iter().map(|phase| match phase.faults.as_slice() {
        [] => phase.name.clone(),
        faults => format!("{}: {}", phase.name, faults.join(", ")),
    });
    section(&mut text, "Phases and their faults", phases);
    section(
        &mut text,
        "Acts",
        profile
            .acts
            .iter()
            .map(|(name, act)| format!("{name}: {}", act.say)),
    );
    section(
        &mut text,
        "Questions for afterwards",
        profile.debrief.iter().cloned(),
    );
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let _ = writeln!(text, "\n{}", styled(STRONG, title));
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_is_listed_and_shown() {
        let list = list_text(&all().unwrap());
        for shipped in SHIPPED {
            assert!(list.contains(shipped.name), "{list}");
            let page = page(&load(shipped.name).unwrap(), &[]);
            assert!(page.contains("Phases and their faults"), "{page}");
            assert_eq!(text(shipped.name).unwrap(), shipped.text);
        }
    }
}
