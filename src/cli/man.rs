//! `chaosproxy man`: the manual page, from the definitions that parse the command line.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;

use super::{Cli, Exit, Outcome, Terminal, Trouble};

/// Write the manual page
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy man | man -l -
  chaosproxy man faults add > chaosproxy-faults-add.1")]
pub(super) struct Args {
    /// The command that the page is about; left out: the whole program
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

#[derive(Serialize)]
struct Page {
    name: String,
    roff: String,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let page = page(&self.path)?;
        terminal.show(&page, |page| page.roff.clone())?;
        Ok(Exit::Ok)
    }
}

fn page(path: &[String]) -> Result<Page, Trouble> {
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for name in path {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| unknown(command, name))?;
    }
    let name = command.get_display_name().unwrap_or_default().to_owned();
    let mut roff = Vec::new();
    Man::new(command.clone()).render(&mut roff).map_err(|error| {
        Trouble::new(
            format!("the page cannot be made: {error}"),
            "report this as a bug",
        )
    })?;
    Ok(Page {
        name,
        roff: String::from_utf8_lossy(&roff).into_owned(),
    })
}

fn unknown(parent: &Command, name: &str) -> Trouble {
    let known: Vec<_> = parent.get_subcommands().map(Command::get_name).collect();
    let next = match known.is_empty() {
        true => "leave it out".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    Trouble::usage(format!("`{}` has no command `{name}`", parent.get_name()), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        fn visit(command: &Command, path: &mut Vec<String>) {
            assert!(page(path).unwrap().roff.contains("NAME"), "{path:?}");
            for sub in command.get_subcommands() {
                path.push(sub.get_name().to_owned());
                visit(sub, path);
                path.pop();
            }
        }
        visit(&Cli::command(), &mut Vec::new());
        assert!(page(&["nonsense".to_owned()]).is_err());
    }
}
