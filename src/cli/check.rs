//! `chaosproxy check`: documents, profiles and runbooks, proved before they are used.

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::faults::{CheckedFault, checked_faults};
use super::{
    Exit, Outcome, Terminal,
    count::counted,
    terminal::{GOOD, STRONG, styled},
};
use crate::{
    config::{self, Document, Problems, Tree},
    drill::{
        Runbook,
        profile::Profile,
        profiles::{self, Opened},
    },
};

mod faults;

/// Check documents, profiles and runbooks; show what faults reach
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy check chaosproxy.yaml
  chaosproxy check chaosproxy.yaml my-incident.yaml
  render-template | chaosproxy check -

A file with `schema: chaosproxy.profile/v1` is a profile, one with `schema: chaosproxy.runbook/v1` a runbook;
every other file is a document.
Everything that is wrong is told at once, with file, line and column, and how to mend it.

Exit status: 0 all are right, 2 one is not")]
pub(super) struct Args {
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What was found in a file.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<CheckedFault>,
    #[serde(skip_serializing_if = "Problems::is_empty")]
    problems: Problems,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let checked: Vec<_> = self.files.iter().map(|file| check(file)).collect();
        let right = checked.iter().all(|checked| checked.problems.is_empty());
        terminal.show(&checked, |checked| text(checked))?;
        Ok(if right { Exit::Ok } else { Exit::Usage })
    }
}

fn check(file: &Path) -> Checked {
    let shown = if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let wrong = |kind, problems| Checked {
        file: shown.clone(),
        kind,
        summary: String::new(),
        faults: Vec::new(),
        problems,
    };
    let text = match config::read_text(file) {
        Ok(text) => text,
        Err(problems) => return wrong("file", problems),
    };
    if is_runbook(&shown, &text) {
        return match config::read::<Runbook>(&shown, &text) {
            Ok(runbook) => of_runbook(shown, &runbook),
            Err(problems) => wrong("runbook", problems),
        };
    }
    if is_profile(&shown, &text) {
        return match profiles::open_text(&shown, &text) {
            Ok(Opened { sealed: Some(id), .. }) => of_sealed(shown, &id),
            Ok(Opened { profile, extends, .. }) => of_profile(shown, &profile.expand(), &extends),
            Err(problems) => wrong("profile", problems),
        };
    }
    match config::load_text(file, &text) {
        Ok(loaded) => of_document(shown, &loaded.document),
        Err(problems) => wrong("document", problems),
    }
}

/// Of a profile under seal nothing is told but that it can be run.
fn of_sealed(file: String, id: &str) -> Checked {
    Checked {
        file,
        kind: "profile",
        summary: format!("{id}, under seal"),
        faults: Vec::new(),
        problems: Problems::default(),
    }
}

/// Of a runbook it is not known which profile it is for, nor whether its acts are.
fn of_runbook(file: String, runbook: &Runbook) -> Checked {
    Checked {
        file,
        kind: "runbook",
        summary: format!("{}: {}", runbook.name, counted(runbook.steps.len(), "step")),
        faults: Vec::new(),
        problems: Problems::default(),
    }
}

/// Runbooks name their grammar.
fn is_runbook(file: &str, text: &str) -> bool {
    let schema = config::Path::of(["schema"]);
    let says = |tree: Tree| {
        tree.word(&schema)
            .is_some_and(|word| word.starts_with("chaosproxy.runbook/"))
    };
    Tree::parse(file, text).is_ok_and(says)
}

/// Profiles name their grammar, or a profile that does; documents do not.
fn is_profile(file: &str, text: &str) -> bool {
    let says = |tree: &Tree, key| tree.has(&config::Path::of([key]));
    Tree::parse(file, text).is_ok_and(|tree| says(&tree, "schema") || says(&tree, "extends"))
}

fn of_document(file: String, document: &Document) -> Checked {
    let backends: usize = document
        .clusters
        .iter()
        .map(|(_, cluster)| cluster.backends.len())
        .sum();
    let summary = [
        counted(document.listeners.len(), "listener"),
        counted(document.clusters.len(), "cluster"),
        counted(backends, "backend"),
        counted(document.roles.len(), "role"),
    ];
    let summary = summary.join(", ");
    let faults: Vec<_> = document.faults.iter().collect();
    Checked {
        file,
        kind: "document",
        summary,
        faults: checked_faults(&faults, Some(document)),
        problems: Problems::default(),
    }
}

fn of_profile(file: String, profile: &Profile, extends: &[String]) -> Checked {
    let checks = profile.checks.fidelity.len() + profile.checks.team.len();
    let extends = match extends.first() {
        Some(below) => format!(", extends {below}"),
        None => String::new(),
    };
    let summary = format!(
        "{}: {}, {}, {}{extends}",
        profile.headline(),
        counted(profile.phases.len(), "phase"),
        counted(profile.acts.len(), "act"),
        counted(checks, "check"),
    );
    let mut faults = Vec::new();
    for phase in &profile.phases {
        let active: Vec<_> = phase
            .faults
            .iter()
            .filter_map(|name| Some((name.as_str(), profile.faults.get(name)?)))
            .collect();
        let named = checked_faults(&active, None).into_iter();
        faults.extend(named.map(|fault| fault.in_phase(&phase.name)));
    }
    Checked {
        file,
        kind: "profile",
        summary,
        faults,
        problems: Problems::default(),
    }
}

fn text(checked: &[Checked]) -> String {
    checked.iter().map(one_text).collect::<Vec<_>>().join("\n")
}

fn one_text(checked: &Checked) -> String {
    if !checked.problems.is_empty() {
        let count = counted(checked.problems.len(), "problem");
        return format!(
            "{}\n\n{}: {count}\n",
            checked.problems,
            styled(STRONG, &checked.file)
        );
    }
    let head = format!(
        "{}: {} ({}): {}\n",
        checked.file,
        styled(GOOD, "right"),
        checked.kind,
        checked.summary
    );
    if checked.faults.is_empty() {
        return head;
    }
    head + &faults::text(&checked.faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "
listeners: {public: {bind: 127.0.0.1:8080, cluster: app}}
clusters: {app: {backends: [{name: a, address: 10.0.0.1:80}, {name: b, address: 10.0.0.2:80}]}}
faults:
  half: {where: {cluster: app}, odds: 50%, do: {abort: {status: 503}}}
  slow: {where: {cluster: app}, odds: 20%, do: {latency: {add: 300ms}}}
  cut: {where: {backend: a}, odds: 10%, do: reset}
  front: {odds: 10%, do: {abort: {status: 500}}}
";

    fn checked(name: &str, text: &str) -> Checked {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        Checked {
            file: name.to_owned(),
            ..check(&file)
        }
    }

    #[test]
    fn a_document_is_shown_with_what_its_faults_come_to() {
        let text = one_text(&checked("chaosproxy.yaml", DOCUMENT));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        chaosproxy.yaml: right (document): 1 listener, 1 cluster, 2 backends, 0 roles
          fault  does                   odds  effective  reaches
          half   abort: {status: 503}   50%   50%        all 2 backends (upstream)
          slow   latency: {add: 300ms}  20%   10%        all 2 backends (upstream)
          cut    reset                  10%   5%         app/a (upstream)
          front  abort: {status: 500}   10%   10%        all 2 backends (client)
        ");
    }

    const ROUTES: &str = "
listeners:
  public:
    bind: 127.0.0.1:8080
    routes: [{name: orders, match: {path: /orders/**}, cluster: app}, {name: rest, cluster: app}]
  raw: {bind: 127.0.0.1:8081, protocol: tcp, cluster: db}
clusters:
  app: {backends: [{name: a, address: 10.0.0.1:80}, {name: b, address: 10.0.0.2:80}]}
  db: {backends: [{name: d, address: 10.0.0.3:80}]}
faults:
  a: {where: {match: {path: /a}}, do: {abort: {status: 500}}}
  b: {where: {match: {path: /b}}, odds: 40%, do: {abort: {status: 501}}}
  orders: {where: {route: orders}, odds: 50%, do: {abort: {status: 502}}}
  seven: {where: {match: {path: /orders/7}}, odds: 50%, do: {abort: {status: 503}}}
  posts: {where: {route: rest, match: {method: POST}}, do: {abort: {status: 504}}}
  again: {where: {route: rest, match: {method: POST, path: /c}}, do: hang}
  turned-away: {where: {listener: public}, odds: 10%, do: refuse}
  one: {where: {backend: a}, odds: 50%, do: reset}
  each: {where: {cluster: app}, odds: 50%, every: 2, do: reset}
  other: {where: {backend: b}, first: 5, do: hang}
  third: {where: {listener: raw}, nth: 3, do: reset}
  told: {do: {health: pass}}
";

    #[test]
    fn faults_share_only_what_comes_to_both() {
        let text = one_text(&checked("chaosproxy.yaml", ROUTES));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        chaosproxy.yaml: right (document): 2 listeners, 2 clusters, 3 backends, 0 roles
          fault        does                  odds  effective           reaches
          a            abort: {status: 500}  100%  100%                all 3 backends (client, some)
          b            abort: {status: 501}  40%   40%                 all 3 backends (client, some)
          orders       abort: {status: 502}  50%   50%                 2 of 3 backends (client)
          seven        abort: {status: 503}  50%   25%                 all 3 backends (client, some)
          posts        abort: {status: 504}  100%  0% to 100%          2 of 3 backends (client, some)
          again        hang                  100%  0%                  2 of 3 backends (client, some)
          turned-away  refuse                10%   10%                 2 of 3 backends (client)
          one          reset                 50%   50%                 app/a (upstream)
          each         reset                 50%   12.5% to 25%        2 of 3 backends (upstream, some)
          other        hang                  100%  75% of the first 5  app/b (upstream, some)
          third        reset                 100%  100% of exchange 3  db/d (client, some)
          told         health: pass          100%  100%                all 3 backends (upstream)
          posts: depends on how much of the same traffic is taken first by a, b
          again: nothing is left by posts, which is tried first
          each: depends on how much of the same traffic is taken first by one
        ");
        let json = serde_json::to_value(checked("chaosproxy.yaml", ROUTES)).unwrap();
        let fault = |at: usize| json["faults"][at].clone();
        assert_eq!(fault(0)["effective"], serde_json::json!({"min": 1.0, "max": 1.0}));
        assert_eq!(fault(4)["depends_on"], serde_json::json!(["a", "b"]));
        assert_eq!(fault(5)["nothing_left_by"], "posts");
    }

    const DATABASES: &str = "
listeners:
  web: {bind: 127.0.0.1:8080, cluster: web}
  orders: {bind: 127.0.0.1:8081, protocol: postgres, encryption: pass, cluster: orders}
  carts: {bind: 127.0.0.1:8082, protocol: mysql, cluster: carts}
  sealed: {bind: 127.0.0.1:8083, protocol: mysql, encryption: pass, cluster: sealed}
  cache: {bind: 127.0.0.1:8084, protocol: redis, cluster: cache}
  raw: {bind: 127.0.0.1:8085, protocol: tcp, cluster: raw}
clusters:
  web: {backends: [{name: a, address: 10.0.0.1:80}]}
  orders: {backends: [{name: b, address: 10.0.0.2:80}]}
  carts: {backends: [{name: c, address: 10.0.0.3:80}]}
  sealed: {backends: [{name: d, address: 10.0.0.4:80}]}
  cache: {backends: [{name: e, address: 10.0.0.5:80}]}
  raw: {backends: [{name: f, address: 10.0.0.6:80}]}
faults:
  dead: {odds: 50%, do: {abort: {error: deadlock}}}
  told: {odds: 50%, do: {abort: {status: 500, error: deadlock}}}
  hand: {do: {abort: {error: {code: \"1213\", message: no}}}}
  page: {where: {listener: web}, do: {abort: {status: 500}}}
  busy: {where: {listener: cache}, do: {abort: {error: busy}}}
  bytes: {where: {listener: orders}, odds: 10%, do: reset}
  whose: {where: {listener: orders, match: {user: web}}, do: {throttle: {rate: 1KiB/s}}}
  turns: {where: {listener: orders}, first: 3, do: deadlocks}
  away: {do: failover}
";

    #[test]
    fn faults_reach_what_knows_them_and_a_share_of_what_passes_unread_is_a_range() {
        let text = one_text(&checked("chaosproxy.yaml", DATABASES));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        chaosproxy.yaml: right (document): 6 listeners, 6 clusters, 6 backends, 0 roles
          fault  does                                       odds  effective             reaches
          dead   abort: {error: deadlock}                   50%   0% to 50%             2 of 6 backends (client, some)
          told   abort: {status: 500, error: deadlock}      50%   0% to 50%             4 of 6 backends (client, some)
          hand   abort: {error: {code: 1213, message: no}}  100%  25%                   carts/c (client)
          page   abort: {status: 500}                       100%  50%                   web/a (client)
          busy   abort: {error: busy}                       100%  100%                  cache/e (client)
          bytes  reset                                      10%   10%                   orders/b (client)
          whose  throttle: {rate: 1KiB/s}                   100%  0% to 90%             orders/b (client, some)
          turns  deadlocks                                  100%  22.5% of the first 3  orders/b (client, some)
          away   failover                                   100%  0% to 100%            5 of 6 backends (client)
          dead: sessions that pass encrypted at orders are unread (`encryption: pass`), and it meets none of them
          told: depends on how much of the same traffic is taken first by dead
          told: sessions that pass encrypted at orders are unread (`encryption: pass`), and it meets none of them
          whose: sessions that pass encrypted at orders are unread (`encryption: pass`), and it meets none of them
          away: depends on how much of the same traffic is taken first by dead, told, hand, busy, bytes
        ");
        let json = serde_json::to_value(checked("chaosproxy.yaml", DATABASES)).unwrap();
        let dead = &json["faults"][0];
        assert_eq!(dead["effective"], serde_json::json!({"min": 0.0, "max": 0.5}));
        assert_eq!(dead["unread"], serde_json::json!(["orders"]));
        assert_eq!(
            dead["reach"]["backends"],
            serde_json::json!(["orders/b", "carts/c"])
        );
    }

    #[test]
    fn a_file_that_names_its_grammar_is_a_profile() {
        let shipped = profiles::find("orm-break").unwrap();
        let text = one_text(&checked("orm-break.yaml", shipped.text));
        assert!(text.contains("(profile)"), "{text}");
        let broken = checked("mine.yaml", "schema: chaosproxy.profile/v1\nname: mine\n");
        assert!(broken.kind == "profile" && !broken.problems.is_empty());
    }

    #[test]
    fn a_runbook_is_checked_as_one() {
        let book =
            "schema: chaosproxy.runbook/v1\nname: the nightly team\nsteps:\n  - {after: 5m, act: restart}\n";
        let text = one_text(&checked("runbook.yaml", book));
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(
            text.contains("right (runbook): the nightly team: 1 step"),
            "{text}"
        );
        let broken = checked("runbook.yaml", &book.replace("5m", "5"));
        assert!(broken.kind == "runbook" && broken.problems.len() == 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let text = one_text(&checked("chaosproxy.yaml", "listeners: {public: {bind: 8080}}"));
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(
            text.contains(":1:28: ") && text.contains("chaosproxy.yaml: 1 problem"),
            "{text}"
        );
    }
}
