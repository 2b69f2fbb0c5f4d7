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

/// Puts the document in force whenever its file changes, for as long as the process lives.
pub(super) async fn document(control: Arc<Control>, file: PathBuf) {
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
    let mut before = std::fs::read_to_string(&file).ok();
    while changes.recv().await.is_some() {
        while time::timeout(QUIET, changes.recv())
            .await
            .is_ok_and(|more| more.is_some())
        {}
        let now = std::fs::read_to_string(&file).ok();
        if now.is_some() && now != before {
            before = now;
            read(&control, &file, "file");
        }
    }
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
