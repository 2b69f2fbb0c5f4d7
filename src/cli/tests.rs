//! The command line as people meet it: what parses, what helps, and a reference that cannot fall behind.

use std::{fmt::Write as _, path::Path};

use clap::Command as Grammar;

use super::*;

fn read(line: &str) -> Result<Cli, String> {
    Cli::read(std::iter::once("chaosproxy").chain(line.split_whitespace())).map_err(|error| error.to_string())
}

#[test]
fn the_grammar_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn json_may_be_asked_for_before_and_after_the_command() {
    for line in [
        "status --json",
        "--json status",
        "faults list --json",
        "--json --profile orm-break",
    ] {
        assert!(read(line).unwrap().json, "{line}");
    }
    assert!(!read("status").unwrap().json);
}

#[test]
fn what_is_said_to_run_is_not_lost_before_another_command() {
    let error = read("--profile orm-break status").unwrap_err();
    assert!(error.contains("'--profile' says how to run the proxy"), "{error}");
    assert!(read("run --profile orm-break").is_ok() && read("--profile orm-break").is_ok());
}

#[test]
fn the_commands_of_the_contract_parse() {
    for line in [
        "check a.yaml b.yaml -",
        "init --backend app=127.0.0.1:9001 --tcp db=127.0.0.1:5432 --output x.yaml",
        "profiles",
        "profiles show orm-break",
        "profiles show mine.yaml --resolved",
        "profiles new our-break --from orm-break --output -",
        "faults kinds latency",
        "faults add reset --for 5m --cluster app --odds 20% --leg upstream --name cut",
        "faults remove a b",
        "faults remove --all",
        "status --ready --admin 10.0.0.1:8474",
        "top --every 200ms",
        "lb drain app-a",
        "lb weight app/app-a 3",
        "lb admit 25% --cluster app",
        "act restart done",
        "drill check orm-break --mode rehearse --wait-alert 60s --alert-after 7m --test-panic",
        "panic",
        "panic reset",
        "config show 3",
        "config diff 1 2",
        "config apply x.yaml",
        "config rollback",
        "report orm-break-1 --md",
        "schema profile",
        "completions zsh",
        "man faults add",
    ] {
        if let Err(error) = read(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    for line in [
        "faults remove",
        "faults add reset",
        "check",
        "lb weight app-a many",
        "statsu",
        "init",
    ] {
        let line = std::iter::once("chaosproxy").chain(line.split_whitespace());
        assert_eq!(Cli::read(line).unwrap_err().exit_code(), Exit::Usage as i32);
    }
}

#[test]
fn help_fits_on_a_screen() {
    insta::assert_snapshot!(help("chaosproxy"), @r"
    A load-balancing reverse proxy that re-enacts documented incidents, so that teams can rehearse their
    recovery

    Usage: chaosproxy [OPTIONS] [COMMAND]

    Commands:
      run          Serve a document, run an incident, or both; `run` may be left out
      check        Check documents, profiles and runbooks; show what faults reach
      init         Write a commented document for your services
      profiles     List the incidents that can be run, show one, or begin one of your own
      faults       See, set and remove faults while the proxy runs
      status       Show listeners, clusters, backends, faults and the drill
      top          Watch listeners, clusters, backends, faults and the drill as they change
      lb           Work the balancer: drain backends, bring them back, shift weight, admit less
      act          Declare an act of the drill; the answer may be a refusal, as it was in the incident
      drill        Lead the drill that runs: its pace, its gates, hints and news; notes and ratings
      panic        Turn all faults off, now, and let none in until `panic reset`
      config       See, change and roll back the document in force
      report       Make a drill's report again, from its journal; also after a crash
      compare      Put two runs side by side, from their journals or their reports as JSON
      toxiproxy    Serve Toxiproxy's API in the place of toxiproxy-server
      schema       Write the JSON Schema of documents, or of profiles, for editors
      completions  Write the completion script for a shell
      man          Write the manual page

    Options:
          --json                    Write the result as JSON
          --config <FILE>           The document: listeners, clusters, roles [env: CHAOSPROXY_CONFIG]
          --backend <NAME=ADDRESS>  A server to put the proxy in front of, without a document; may be
                                    repeated
          --profile <NAME|FILE>     The incident to run: a name that `chaosproxy profiles` lists, a
                                    file, sealed or not, or `wheel` for any
      -h, --help                    Print help
      -V, --version                 Print version

    The incident:
          --mode <MODE>       Who drives it: replay (the original team, at its times), rehearse
                              (people), step (the facilitator) [default: replay]
          --wait <N>          How many minutes of the story pass in a minute; with people, of waiting
                              only; by default what the profile says
          --max-wall <TIME>   End it after this time on the wall, such as 2m, with exit status 1; by
                              default, and at most, what the profile says
          --autopilot <WHO>   Who acts in the team's place: original, or a file with a runbook; in a
                              replay it is the original team
          --blind             Keep what it is about from those who take part, until it is over; needs
                              tokens
          --seed <N>          The seed of all dice, to repeat a run; by default a new one, which is
                              shown
          --exit              End when the incident has ended, with the verdict as exit status
          --junit <FILE>      Write the verdict and every check as JUnit XML, for CI
          --report-dir <DIR>  Where reports are written [default: ./reports]

    The process:
          --workers <N>        How many threads carry traffic, 512 at most; by default the CPUs that the
                               process may use
          --admin <ADDRESS>    Where the admin API listens; by default what the document says, else
                               127.0.0.1:8474
          --tokens <FILE>      The file that gives tokens to people; by default what the document says
          --state <FOLDER>     Where history and journals are kept; by default what the document says
          --log-format <FORM>  The form of log lines: text or json [default: text]
          --log <LEVEL>        What is logged: error, warn, info, debug, trace, or as in
                               info,chaosproxy::net=debug; by default info, with --profile warn [env:
                               CHAOSPROXY_LOG]

    Examples:
      chaosproxy --profile orm-break                 Watch a real incident; nothing else is needed
      chaosproxy --config chaosproxy.yaml            Serve what the document says
      chaosproxy faults add 'latency: {add: 300ms}' --cluster app --odds 20% --for 5m
      chaosproxy panic                               All faults off, now

    Exit status: 0 done, 1 not done or a check failed, 2 wrong usage, document or profile,
    3 stopped by a rule, 4 panic, 5 not everything was evaluated
    ");
}

/// A width that every screen and page has.
const WIDTH: usize = 100;

/// `docs/commands.md` is this. Where they differ, `UPDATE_DOCS=1 cargo test` writes it anew.
#[test]
fn the_reference_is_what_the_commands_say_of_themselves() {
    let mut page = String::from(
        "# Commands\n\nWhat `--help` says of every command, written by a test from the definitions that parse them.\n",
    );
    let mut grammar = Cli::command().term_width(WIDTH);
    grammar.build();
    describe(&grammar, &mut page);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/commands.md has fallen behind: run `UPDATE_DOCS=1 cargo test --lib cli::tests`"
    );
}

fn describe(grammar: &Grammar, page: &mut String) {
    let name = grammar.get_bin_name().unwrap_or_else(|| grammar.get_name());
    let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", help(name).trim_end());
    grammar
        .get_subcommands()
        .for_each(|command| describe(command, page));
}

/// What somebody sees who asks a command for help.
fn help(name: &str) -> String {
    let line = name.split(' ').chain(["--help"]);
    let shown = Cli::command()
        .term_width(WIDTH)
        .try_get_matches_from(line)
        .unwrap_err()
        .to_string();
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    lines.join("\n")
}
