//! `chaosproxy completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use super::{Cli, Exit, Outcome, Terminal};

/// Write the completion script for a shell
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  source <(chaosproxy completions bash)
  chaosproxy completions zsh > ~/.zfunc/_chaosproxy
  chaosproxy completions fish > ~/.config/fish/completions/chaosproxy.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "chaosproxy", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        terminal.show(
            &Script {
                shell: self.shell.to_string(),
                script,
            },
            |result| result.script.clone(),
        )?;
        Ok(Exit::Ok)
    }
}
