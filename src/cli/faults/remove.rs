//! `chaosproxy faults remove`: faults set by hand, taken back.

use crate::{
    admin::FaultStatus,
    cli::{
        Exit, Outcome, Terminal,
        client::{Client, Whereabouts, segment},
        count::counted,
    },
};

/// Take faults back that were set by hand
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy faults remove latency
  chaosproxy faults remove --all")]
pub(in crate::cli) struct Args {
    /// The faults
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// All that were set by hand; those of the document and of a drill stay
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        let names = match self.all {
            false => self.names,
            true => by_hand(client.get("/api/v1/faults").await?),
        };
        let mut removed = Vec::new();
        let mut trouble = None;
        for name in names {
            match client
                .delete::<FaultStatus>(&format!("/api/v1/faults/{}", segment(&name)))
                .await
            {
                Ok(fault) => removed.push(fault),
                // What was removed before it is told all the same.
                Err(met) => {
                    trouble = Some(met);
                    break;
                }
            }
        }
        if trouble.is_none() || !removed.is_empty() {
            terminal.show(&removed, |removed| text(removed))?;
        }
        trouble.map_or(Ok(Exit::Ok), Err)
    }
}

fn by_hand(faults: Vec<FaultStatus>) -> Vec<String> {
    faults
        .into_iter()
        .filter(|fault| fault.by_hand)
        .map(|fault| fault.name)
        .collect()
}

fn text(removed: &[FaultStatus]) -> String {
    let line = |fault: &FaultStatus| {
        let came = match fault.fault.r#do.touches_exchanges() {
            true => format!(
                "it touched {}",
                counted(usize::try_from(fault.hits).unwrap_or(usize::MAX), "exchange")
            ),
            false => "the document before it is in force".to_owned(),
        };
        format!("{} is gone; {came}\n", fault.name)
    };
    match removed {
        [] => "no fault was set by hand: nothing changed".to_owned(),
        removed => removed.iter().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::faults::list::tests::sample;

    #[test]
    fn only_faults_set_by_hand_are_taken_back() {
        let of_a_drill = FaultStatus {
            name: "db-cut".to_owned(),
            by_hand: false,
            ..sample()
        };
        assert_eq!(by_hand(vec![of_a_drill, sample()]), ["slow-checkout"]);
        assert_eq!(
            text(&[sample()]),
            "slow-checkout is gone; it touched 1204 exchanges\n"
        );
        let once = FaultStatus { hits: 1, ..sample() };
        assert_eq!(text(&[once]), "slow-checkout is gone; it touched 1 exchange\n");
        let pushed = FaultStatus {
            fault: crate::config::read("test", "{do: {bad_reload: {misspell: cluster}}}").unwrap(),
            ..sample()
        };
        assert!(!text(&[pushed]).contains("touched"));
    }
}
