//! `chaosproxy init`: a first document, with comments, for the services that are named.

use std::{fmt::Write as _, io::Write as _, path::PathBuf, str::FromStr};

use serde::Serialize;

use super::{
    Exit, Outcome, Terminal, Trouble,
    terminal::{STRONG, styled},
};

/// Write a commented document for your services
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy init --backend app-a=10.0.0.5:9001 --backend app-b=10.0.0.6:9001 > chaosproxy.yaml
  chaosproxy init --backend app=127.0.0.1:9001 --tcp db=127.0.0.1:5432 --output chaosproxy.yaml")]
pub(super) struct Args {
    /// An HTTP server behind the proxy; may be repeated
    #[arg(
        long = "backend",
        value_name = "NAME=ADDRESS",
        required_unless_present = "tcp"
    )]
    backends: Vec<Service>,
    /// A server of another protocol, such as a database; each gets a port of its own
    #[arg(long, value_name = "NAME=ADDRESS")]
    tcp: Vec<Service>,
    /// The port on which clients find the HTTP servers
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// The file to write; one that exists is left alone
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A server with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// Its name.
    pub(super) name: String,
    /// Its address, as `host:port`.
    pub(super) address: String,
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no service: write it as `app=127.0.0.1:9001`");
        let (name, address) = text.split_once('=').ok_or_else(bad)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let fits =
            !name.is_empty() && name.chars().all(plain) && !host.is_empty() && port.parse::<u16>().is_ok();
        fits.then(|| Self {
            name: name.to_owned(),
            address: address.to_owned(),
        })
        .ok_or_else(bad)
    }
}

#[derive(Serialize)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    text: String,
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        distinct(&self.backends, &self.tcp)?;
        let text = document(&self.backends, &self.tcp, self.port);
        if let Some(file) = &self.output {
            write_new(file, &text)?;
        }
        terminal.show(
            &Written {
                file: self.output,
                text,
            },
            shown,
        )?;
        Ok(Exit::Ok)
    }
}

/// Names of services become names in the document, where each must be one thing.
fn distinct(backends: &[Service], tcp: &[Service]) -> Result<(), Trouble> {
    let taken = if backends.is_empty() {
        &[][..]
    } else {
        &["app", "public"]
    };
    let twice =
        |services: &[Service], place: usize, name: &str| services[..place].iter().any(|s| s.name == name);
    let clash = |services: &[Service], taken: &[&str]| {
        let mut names = services.iter().map(|service| service.name.as_str()).enumerate();
        names
            .find(|(place, name)| taken.contains(name) || twice(services, *place, name))
            .map(|(_, name)| name.to_owned())
    };
    match clash(backends, &[]).or_else(|| clash(tcp, taken)) {
        None => Ok(()),
        Some(name) => Err(Trouble::usage(
            format!("the document would have two things called `{name}`"),
            "give one of the services another name",
        )),
    }
}

/// Writes a file that does not exist yet.
pub(super) fn write_new(file: &std::path::Path, text: &str) -> Result<(), Trouble> {
    let written = std::fs::File::create_new(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Trouble::usage(
            format!("{} exists and was left alone", file.display()),
            "name another file with --output, or remove it first",
        ),
        _ => Trouble::file("written", file, &error),
    })
}

fn shown(written: &Written) -> String {
    match &written.file {
        None => written.text.clone(),
        Some(file) => {
            let start = styled(STRONG, format!("chaosproxy --config {}", file.display()));
            format!("{} is written; start with `{start}`", file.display())
        }
    }
}

/// The port of the first TCP listener; PostgreSQL's with a 1 before it, since the real one is likely to be in use.
const FIRST_TCP_PORT: u16 = 15432;

/// The document for these services.
pub(super) fn document(backends: &[Service], tcp: &[Service], port: u16) -> String {
    let mut text = String::from(HEAD);
    text.push_str("listeners:\n");
    if !backends.is_empty() {
        let _ = write!(text, "{}", http_listener(port));
    }
    for (service, port) in tcp.iter().zip(FIRST_TCP_PORT..) {
        let name = &service.name;
        let _ = writeln!(
            text,
            "  {name}: {{bind: 127.0.0.1:{port}, protocol: tcp, cluster: {name}}}"
        );
    }
    text.push_str("\nclusters:\n");
    if !backends.is_empty() {
        let _ = write!(text, "{}", http_cluster(backends));
    }
    for Service { name, address } in tcp {
        let _ = writeln!(text, "  {name}: {{backends: [{{address: \"{address}\"}}]}}");
    }
    text.push_str(&roles(backends, tcp));
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# A chaosproxy document. Check it with `chaosproxy check FILE`; your editor knows its words with `chaosproxy schema`.
# A change of this file is taken over while traffic runs: whole, or not at all. `chaosproxy config rollback` goes back.

# Where clients connect.
";

fn http_listener(port: u16) -> String {
    format!(
        "  public:
    bind: 127.0.0.1:{port}                  # 0.0.0.0:{port} to be reached from outside
    routes:                                 # the first that matches is taken
      - cluster: app
        retry: {{attempts: 2, on: [connect, refused, reset, 502, 503, 504], budget: 20%}}
"
    )
}

fn http_cluster(backends: &[Service]) -> String {
    let mut text = String::from(
        "  app:
    balance: least_request                  # or round_robin, random, hash
    backends:
",
    );
    for Service { name, address } in backends {
        let _ = writeln!(text, "      - {{name: {name}, address: \"{address}\"}}");
    }
    text.push_str(
        "    # Which path tells whether a backend is well? Without one it is watched by its traffic alone.
    # health: {http: {path: /healthz}, every: 2s}
    outlier: {consecutive_errors: 5, eject_for: 30s, at_most: 50%}
",
    );
    text
}

/// What profiles call the services: the first HTTP backend is what breaks, the second stands beside it.
fn roles(backends: &[Service], tcp: &[Service]) -> String {
    let mut roles = Vec::new();
    let http = ["http.source", "http.replica"].iter().zip(backends);
    roles.extend(http.map(|(role, service)| format!("  {role}: app/{}\n", service.name)));
    roles.extend(
        tcp.first()
            .map(|service| format!("  db.source: {}\n", service.name)),
    );
    format!(
        "\n# What the roles of profiles stand for here: see `chaosproxy profiles`.\nroles:\n{}",
        roles.concat()
    )
}

const TAIL: &str = "
# The port for people and their tools. A tokens file is needed before it may be reached from outside.
admin: {bind: 127.0.0.1:8474}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn services(names: &[&str]) -> Vec<Service> {
        names
            .iter()
            .map(|name| format!("{name}=10.0.0.5:9001").parse().unwrap())
            .collect()
    }

    #[test]
    fn the_document_is_commented_and_names_the_services() {
        insta::assert_snapshot!(document(&services(&["app-a", "app-b"]), &services(&["db"]), 8080), @r#"
        # A chaosproxy document. Check it with `chaosproxy check FILE`; your editor knows its words with `chaosproxy schema`.
        # A change of this file is taken over while traffic runs: whole, or not at all. `chaosproxy config rollback` goes back.

        # Where clients connect.
        listeners:
          public:
            bind: 127.0.0.1:8080                  # 0.0.0.0:8080 to be reached from outside
            routes:                                 # the first that matches is taken
              - cluster: app
                retry: {attempts: 2, on: [connect, refused, reset, 502, 503, 504], budget: 20%}
          db: {bind: 127.0.0.1:15432, protocol: tcp, cluster: db}

        clusters:
          app:
            balance: least_request                  # or round_robin, random, hash
            backends:
              - {name: app-a, address: "10.0.0.5:9001"}
              - {name: app-b, address: "10.0.0.5:9001"}
            # Which path tells whether a backend is well? Without one it is watched by its traffic alone.
            # health: {http: {path: /healthz}, every: 2s}
            outlier: {consecutive_errors: 5, eject_for: 30s, at_most: 50%}
          db: {backends: [{address: "10.0.0.5:9001"}]}

        # What the roles of profiles stand for here: see `chaosproxy profiles`.
        roles:
          http.source: app/app-a
          http.replica: app/app-b
          db.source: db

        # The port for people and their tools. A tokens file is needed before it may be reached from outside.
        admin: {bind: 127.0.0.1:8474}
        "#);
    }

    #[test]
    fn a_service_is_a_name_and_an_address() {
        let check = |text: &str, fits: bool| assert_eq!(text.parse::<Service>().is_ok(), fits, "{text}");
        check("app=127.0.0.1:9001", true);
        check("app=[::1]:9001", true);
        check("app=db.internal:5432", true);
        check("app=127.0.0.1", false);
        check("127.0.0.1:9001", false);
        check("=127.0.0.1:9001", false);
        check("a b=127.0.0.1:9001", false);
    }

    #[test]
    fn each_name_is_one_thing() {
        let check = |backends: &[&str], tcp: &[&str], fits: bool| {
            assert_eq!(
                distinct(&services(backends), &services(tcp)).is_ok(),
                fits,
                "{backends:?} {tcp:?}"
            );
        };
        check(&["app", "b"], &["db", "cache"], true);
        check(&["a", "a"], &[], false);
        check(&["a"], &["db", "db"], false);
        check(&["a"], &["app"], false);
        check(&[], &["app"], true);
    }

    #[test]
    fn a_file_that_exists_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chaosproxy.yaml");
        write_new(&file, "one").unwrap();
        let trouble = write_new(&file, "two").unwrap_err();
        assert!(trouble.what.contains("left alone") && trouble.exit == Exit::Usage);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
    }
}
