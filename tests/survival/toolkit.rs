//! The public Chaos Toolkit drives a drill over the admin API, as `examples/chaos-toolkit` says.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use chaosproxy::drill::profiles;

use crate::kit::{
    drill::{Process, Stage, enters},
    free, http,
};

/// What is installed, once; `target/tmp` is kept between runs.
const PACKAGES: [&str; 2] = ["chaostoolkit==1.19.0", "chaostoolkit-lib==1.44.0"];

/// The toolkit, installed by whichever test asks first.
static TOOLKIT: LazyLock<PathBuf> = LazyLock::new(installed);

/// The toolkit in a virtual environment of its own.
fn installed() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaostoolkit");
    let chaos = place.join("bin/chaos");
    if !chaos.exists() {
        let venv = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
        done(
            &venv.unwrap(),
            "python3-venv cannot make an environment; tests/run installs it",
        );
        let pip = Command::new(place.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(PACKAGES)
            .output();
        done(
            &pip.unwrap(),
            "Chaos Toolkit cannot be installed from PyPI; this test needs it",
        );
    }
    chaos
}

#[track_caller]
fn done(output: &Output, what: &str) {
    assert!(
        output.status.success(),
        "{what}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A drill of the example, under way, with visitors.
struct Played {
    stage: Stage,
    admin: SocketAddr,
    _proxy: Process,
    _visitors: crate::kit::drill::Visitors,
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chaos-toolkit")
}

async fn play() -> Played {
    let file = example().join("search-down.yaml");
    let profile = profiles::load(file.to_str().unwrap()).unwrap();
    let stage = Stage::of(&profile).await;
    let (visitors, admin) = (stage.visit(), free());
    let proxy = stage
        .command(admin, &["--profile", file.to_str().unwrap()])
        .spawn();
    let proxy = Process(proxy.unwrap());
    enters(admin, "outage").await;
    Played {
        stage,
        admin,
        _proxy: proxy,
        _visitors: visitors,
    }
}

impl Played {
    /// Runs the experiment; its journal, and all that it said.
    async fn experiment(&self, vars: &[&str]) -> (serde_json::Value, String) {
        let journal = self.stage.folder.path().join("chaos.json");
        let mut command = Command::new(&*TOOLKIT);
        command
            .args(["--no-version-check", "run", "--rollback-strategy=always"])
            .arg("--hypothesis-strategy=after-method-only")
            .arg("--journal-path")
            .arg(&journal)
            .args(["--var", &format!("admin=http://{}", self.admin)])
            .args(vars.iter().flat_map(|var| ["--var", var]))
            .arg(example().join("experiment.json"))
            .current_dir(self.stage.folder.path())
            .env("HOME", self.stage.folder.path());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = std::fs::read_to_string(journal).unwrap_or_else(|error| panic!("{error}: {said}"));
        (serde_json::from_str(&text).unwrap(), said)
    }

    async fn panics(&self) -> bool {
        let answer = http::get(self.admin, "/api/v1/panic").await.unwrap();
        answer.status() == 200 && String::from_utf8_lossy(answer.body()).contains("lifted")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_toolkit_follows_the_runbook_and_takes_the_verdict() {
    let played = play().await;
    let (journal, said) = played.experiment(&["pause:float=3", "until_over:float=8"]).await;
    assert_eq!(journal["status"], "completed", "{said}");
    assert_eq!(journal["deviated"], false, "{said}");
    let statuses: Vec<_> = journal["run"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["output"]["status"])
        .collect();
    assert_eq!(
        statuses,
        [200, 409, 200, 200],
        "the first restart is refused: {said}"
    );
    let rollback = &journal["rollbacks"][0];
    assert_eq!(rollback["output"]["status"], 200, "panic, whatever came: {said}");
    assert!(played.panics().await, "no fault is let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_that_is_not_there_yet_is_no_pass() {
    let played = play().await;
    // Asked before the drill is over.
    let (journal, said) = played.experiment(&["pause:float=0", "until_over:float=0"]).await;
    assert_eq!(journal["deviated"], true, "{said}");
    assert_eq!(
        journal["rollbacks"][0]["output"]["status"], 200,
        "panic all the same: {said}"
    );
    assert!(played.panics().await, "no fault is let in");
}
