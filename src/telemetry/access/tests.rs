//! The access log as a whole: real files, a real thread, and a disk that cannot keep up.

use std::fs;

use tokio::task::LocalSet;

use super::*;
use crate::telemetry::Origin;

fn note(pen: &Pen, path: &str) {
    pen.write(Entry {
        client: "192.0.2.7:5000".parse().unwrap(),
        listener: "public",
        route: None,
        method: Some("GET"),
        path: Some(path.as_bytes()),
        status: Some(200),
        received: 0,
        sent: 0,
        duration: Duration::ZERO,
        backend: None,
        attempts: 1,
        origin: Origin::Proxy,
        faults: &mut std::iter::empty(),
        reason: None,
        request_id: None,
        blind: false,
    });
}

fn paths(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let path = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["path"]
            .as_str()
            .unwrap()
            .into()
    };
    text.lines().map(path).collect()
}

/// Waits for what another thread does, without guessing how long that takes.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let patience = time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(time::Instant::now() < patience, "it never happened");
        time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn every_line_of_every_worker_is_written_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let log = AccessLog::open(Target::File(file.clone()), Format::Json, Metrics::new(1)).unwrap();
    let expected: Vec<_> = (0..2000).map(|i| format!("/{i}")).collect();
    let pen = log.pen();
    LocalSet::new()
        .run_until(async {
            for path in &expected {
                note(&pen, path);
            }
        })
        .await;
    drop(pen);
    log.close();
    assert_eq!(paths(&file), expected);
}

#[tokio::test]
async fn a_single_line_does_not_wait_for_company() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let log = AccessLog::open(Target::File(file.clone()), Format::Json, Metrics::new(1)).unwrap();
    let pen = log.pen();
    LocalSet::new()
        .run_until(async {
            note(&pen, "/alone");
            eventually(|| paths(&file) == ["/alone"]).await;
        })
        .await;
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (file, old) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.1"),
    );
    let log = AccessLog::open(Target::File(file.clone()), Format::Json, Metrics::new(1)).unwrap();
    let pen = log.pen();
    LocalSet::new()
        .run_until(async {
            note(&pen, "/before");
            pen.flush();
            eventually(|| fs::metadata(&file).unwrap().len() > 0).await;
            fs::rename(&file, &old).unwrap();
            log.reopen();
            note(&pen, "/after");
        })
        .await;
    drop(pen);
    log.close();
    assert_eq!(
        (paths(&old), paths(&file)),
        (vec!["/before".into()], vec!["/after".into()])
    );
}

#[tokio::test]
async fn lines_that_the_disk_cannot_take_are_dropped_and_counted() {
    let metrics = Metrics::new(1);
    // A writer that never comes: the queue is there, the thread is not.
    let (queue, messages) = sync_channel(1);
    let log = AccessLog {
        queue,
        format: Format::Text,
        metrics: Arc::clone(&metrics),
        writer: std::thread::spawn(|| {}),
    };
    let pen = log.pen();
    LocalSet::new()
        .run_until(async {
            for _ in 0..3 {
                note(&pen, "/");
                note(&pen, "/");
                pen.flush();
            }
        })
        .await;
    assert_eq!(metrics.access_lines_dropped.get(), 4);
    drop(messages);
    drop(pen);
    log.close();
}
