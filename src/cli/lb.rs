//! `chaosproxy lb`: the responder's balancer.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Exit, Outcome, Terminal, Trouble,
    client::{Client, Whereabouts, segment},
    status::backend_table,
    terminal::{STRONG, styled},
    values,
};
use crate::{
    admin::{Admit, BackendStatus, ClusterStatus, Weight},
    units::Probability,
};

/// Work the balancer: drain backends, bring them back, shift weight, admit less
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy lb drain app-a                 No new exchanges; those that run may end
  chaosproxy lb enable app-a
  chaosproxy lb weight app/app-a 3
  chaosproxy lb admit 25% --cluster app     Turn three of four away

What is changed here holds until it is changed again; the document stays as it is.")]
pub(super) enum Command {
    /// Send a backend nothing new
    Drain(One),
    /// Let a backend serve again
    Enable(One),
    /// Give a backend another weight
    Weight {
        /// The backend, as app-a or app/app-a
        backend: String,
        /// The weight, from 0 (it gets nothing) to 1000
        #[arg(value_parser = values::weight)]
        weight: u32,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
    /// Take only a share of the exchanges; the rest is turned away with 503
    Admit {
        /// The share, as in 25%
        share: Probability,
        /// The cluster; needed where there are several
        #[arg(long)]
        cluster: Option<String>,
        #[command(flatten)]
        whereabouts: Whereabouts,
    },
}

/// One backend.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct One {
    /// The backend, as app-a or app/app-a
    backend: String,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Command {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        match self {
            Self::Drain(one) => change(terminal, &one, "drain", json!({})).await,
            Self::Enable(one) => change(terminal, &one, "enable", json!({})).await,
            Self::Weight {
                backend,
                weight,
                whereabouts,
            } => {
                change(
                    terminal,
                    &One { backend, whereabouts },
                    "weight",
                    json!(Weight { weight }),
                )
                .await
            }
            Self::Admit {
                share,
                cluster,
                whereabouts,
            } => admit(terminal, &Client::new(&whereabouts)?, share, cluster).await,
        }
    }
}

async fn change(terminal: Terminal, one: &One, verb: &str, body: Value) -> Outcome {
    let client = Client::new(&one.whereabouts)?;
    let backends: Vec<BackendStatus> = client.get("/api/v1/backends").await?;
    let BackendStatus { cluster, name, .. } = find(&backends, &one.backend)?;
    let path = format!("/api/v1/backends/{}/{}/{verb}", segment(cluster), segment(name));
    let changed: ClusterStatus = client.post(&path, &body).await?;
    terminal.show(&changed, text)?;
    Ok(Exit::Ok)
}

async fn admit(terminal: Terminal, client: &Client, share: Probability, cluster: Option<String>) -> Outcome {
    let cluster = match cluster {
        Some(cluster) => cluster,
        None => only(client.get("/api/v1/clusters").await?)?,
    };
    let path = format!("/api/v1/clusters/{}/admit", segment(&cluster));
    let changed: ClusterStatus = client.post(&path, &Admit { share }).await?;
    terminal.show(&changed, text)?;
    Ok(Exit::Ok)
}

/// The backend that is meant by `app-a` or `app/app-a`.
fn find<'a>(backends: &'a [BackendStatus], said: &str) -> Result<&'a BackendStatus, Trouble> {
    let is_meant = |b: &&BackendStatus| b.name == said || format!("{}/{}", b.cluster, b.name) == said;
    let meant: Vec<_> = backends.iter().filter(is_meant).collect();
    let names = |backends: &[&BackendStatus]| {
        backends
            .iter()
            .map(|b| format!("{}/{}", b.cluster, b.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match meant.as_slice() {
        [one] => Ok(one),
        [] => Err(Trouble::usage(
            format!("there is no backend `{said}`"),
            format!("there are {}", names(&backends.iter().collect::<Vec<_>>())),
        )),
        several => Err(Trouble::usage(
            format!("`{said}` could be several backends"),
            format!("say which: {}", names(several)),
        )),
    }
}

/// The cluster that is meant where none is named.
fn only(clusters: Vec<ClusterStatus>) -> Result<String, Trouble> {
    let mut names: Vec<_> = clusters.into_iter().map(|cluster| cluster.name).collect();
    match names.len() {
        1 => Ok(names.remove(0)),
        _ => Err(Trouble::usage(
            "the cluster must be named",
            format!("say which with --cluster: {}", names.join(", ")),
        )),
    }
}

fn text(cluster: &ClusterStatus) -> String {
    let backends = backend_table(&cluster.backends).indented(2);
    format!(
        "{}: {} admitted\n{backends}",
        styled(STRONG, &cluster.name),
        cluster.admitted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::backend;

    #[test]
    fn a_backend_is_found_by_its_name_if_that_is_enough() {
        let other = BackendStatus {
            cluster: "api".to_owned(),
            ..backend("app-a")
        };
        let backends = [backend("app-a"), backend("app-b"), other];
        let check = |said: &str, found: &str| {
            let found_as = match find(&backends, said) {
                Ok(backend) => format!("{}/{}", backend.cluster, backend.name),
                Err(trouble) => trouble.next,
            };
            assert_eq!(found_as, found, "{said}");
        };
        check("app-b", "app/app-b");
        check("api/app-a", "api/app-a");
        check("app-a", "say which: app/app-a, api/app-a");
        check("app-c", "there are app/app-a, app/app-b, api/app-a");
    }

    #[test]
    fn what_was_changed_is_shown() {
        let cluster = ClusterStatus {
            name: "app".to_owned(),
            balance: "random".to_owned(),
            admitted: "25%".parse().unwrap(),
            backends: vec![BackendStatus {
                drained: true,
                ..backend("app-a")
            }],
            took: Vec::new(),
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&cluster)), @r"
        app: 25% admitted
          backend  address              health   tier  weight  active  exchanges  failed
          app-a    app-a.internal:9001  drained  0     1       3       48211      2
        ");
    }
}
