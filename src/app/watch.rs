//! Files that are followed: the document, which is put in force when it changes, and the panic file, whose appearance
//! lifts every fault.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecursiveMode, Watcher};
use tokio::{sync::mpsc, time};

use crate::{
    config,
    control::{Author, Control},
};

/// How long a file must be quiet before it is read: editors and ConfigMaps change it in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// How often it is looked whether the panic file is there.
const PANIC_LOOK: Duration = Duration::from_millis(250);

/// The name of the panic file in the state folder.
const PANIC_FILE: &str = "panic";

/// A folder in which something always changes, such as a log, is not waited for longer than this.
const RESTLESS: Duration = Duration::from_secs(1);

/// Puts the document in force whenever its file is no longer what was read before, for as long as the process lives.
pub(super) async fn document(control: Arc<Control>, file: PathBuf, before: String) {
    let (changed, mut changes) = mpsc::channel(1);
    let told = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A full channel already says that something changed.
            let _ = changed.try_send(());
        }
    };
    // The folder is watched, not the file: editors replace files, and a ConfigMap swaps a link beside it.
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        watcher
            .watch(&config::folder(&file), RecursiveMode::NonRecursive)
            .map(|()| watcher)
    });
    let _watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "the document's file is not followed; SIGHUP reads it again");
            return;
        }
    };
    let mut before = before;
    loop {
        // The first look is for a change between the start and the watch.
        if let Ok(now) = std::fs::read_to_string(&file)
            && now != before
        {
            if !is_known(&control, &now) {
                read(&control, &file, FILE);
            }
            before = now;
        }
        if changes.recv().await.is_none() {
            return;
        }
        let _ = time::timeout(RESTLESS, quiet(&mut changes)).await;
    }
}

/// Whether this is what was read from the file last, by a signal that overtook the watch. What came into force by another way
/// since then must not be undone by reading the same again.
fn is_known(control: &Control, text: &str) -> bool {
    let history = control.history();
    let read = history
        .iter()
        .rev()
        .find(|revision| READ.contains(&revision.author.via.as_str()));
    read.is_some_and(|revision| revision.text == text)
}

/// The ways by which a file is read.
const READ: [&str; 3] = ["start", FILE, "signal"];

/// The way of a change that was seen in the file.
const FILE: &str = "file";

/// Waits until nothing has changed for a while.
async fn quiet(changes: &mut mpsc::Receiver<()>) {
    while time::timeout(QUIET, changes.recv())
        .await
        .is_ok_and(|more| more.is_some())
    {}
}

/// Reads the document's file again. A document that did not come from a file cannot be.
pub(super) fn reload(control: &Control, file: Option<&Path>, via: &str) {
    match file {
        Some(file) => read(control, file, via),
        None => tracing::warn!("the document in force did not come from a file"),
    }
}

/// What stands in the way is told by `control` itself, as an event.
fn read(control: &Control, file: &Path, via: &str) {
    let author = Author::new(super::whoami(), via);
    match config::load(file) {
        Ok(loaded) => {
            let _ = control.apply(loaded.tree.text(), &file.display().to_string(), author);
        }
        Err(problems) => control.refuse(&problems, &author),
    }
}

/// Lifts every fault when a file named `panic` appears in the state folder; the file stays, as a sign.
pub(super) async fn panic_file(control: Arc<Control>, state: PathBuf) {
    let file = state.join(PANIC_FILE);
    let mut looks = time::interval(PANIC_LOOK);
    let mut was = false;
    loop {
        looks.tick().await;
        let is = tokio::fs::try_exists(&file).await.unwrap_or(false);
        if is && !was {
            control.panic(&Author::new(file.display().to_string(), "file"));
        }
        was = is;
    }
}
