//! The access log: a line an exchange, written without making traffic wait.
//!
//! Each worker formats into a buffer of its own ([`Pen`]); full buffers, or those a moment old, go through a bounded queue
//! to one thread that writes. When the disk is slower than the traffic, lines are dropped and counted.

mod line;

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::time;
use tracing::warn;

use line::Clock;
pub use line::{Entry, Format};

use super::Metrics;

/// A buffer goes off once it holds so much.
const BATCH: usize = 32 * 1024;

/// A buffer that fills slowly goes off after this, so that `tail -f` is of use.
const LINGER: Duration = Duration::from_millis(200);

/// Batches that may wait for the disk, over all workers: 16 MiB at most.
const QUEUE: usize = 512;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// The access log of the process. Dropping it, and all pens, writes what is left and ends the thread.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
    format: Format,
    metrics: Arc<Metrics>,
    writer: JoinHandle<()>,
}

enum Message {
    Batch(Batch),
    Reopen,
}

struct Batch {
    text: Vec<u8>,
    lines: u64,
    /// Where the empty buffer goes back to.
    home: SyncSender<Vec<u8>>,
}

impl AccessLog {
    /// Opens the target and starts the thread that writes.
    pub fn open(target: Target, format: Format, metrics: Arc<Metrics>) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let (queue, messages) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write(sink, &messages))?;
        Ok(Self {
            queue,
            format,
            metrics,
            writer,
        })
    }

    /// A pen for one worker, to be used on its runtime only.
    pub fn pen(&self) -> Pen {
        let (home, empty) = sync_channel(EMPTY_BUFFERS);
        Pen(Rc::new(Desk {
            queue: self.queue.clone(),
            format: self.format,
            metrics: Arc::clone(&self.metrics),
            home,
            page: RefCell::new(Page {
                text: Vec::new(),
                lines: 0,
                clock: Clock::default(),
                timer: false,
                empty,
            }),
        }))
    }

    /// Opens the file anew, after somebody has moved it away (`logrotate`). It may wait for the disk.
    pub fn reopen(&self) {
        // Fails only when the writer is gone, and then there is nothing to reopen.
        let _ = self.queue.send(Message::Reopen);
    }

    /// Waits until everything is written. All pens must be gone.
    pub fn close(self) {
        let Self { queue, writer, .. } = self;
        drop(queue);
        if writer.join().is_err() {
            warn!("the access log's writer has panicked");
        }
    }
}

/// Empty buffers that may wait for a pen; each pen has few under way.
const EMPTY_BUFFERS: usize = 4;

/// Writes the lines of one worker.
#[derive(Clone)]
pub struct Pen(Rc<Desk>);

struct Desk {
    queue: SyncSender<Message>,
    format: Format,
    metrics: Arc<Metrics>,
    home: SyncSender<Vec<u8>>,
    page: RefCell<Page>,
}

/// The buffer that is being filled.
struct Page {
    text: Vec<u8>,
    lines: u64,
    clock: Clock,
    /// Whether a timer runs that will flush it.
    timer: bool,
    empty: Receiver<Vec<u8>>,
}

impl Pen {
    /// Notes an exchange that has ended. Must be called within the worker's local runtime.
    pub fn write(&self, entry: Entry<'_>) {
        let (first, full) = {
            let mut page = self.0.page.borrow_mut();
            let Page {
                text, lines, clock, ..
            } = &mut *page;
            self.0.format.write(text, clock.now(), entry);
            *lines += 1;
            (*lines == 1, text.len() >= BATCH)
        };
        if full {
            self.flush();
        } else if first {
            self.flush_soon();
        }
    }

    /// Hands over what is noted so far.
    pub fn flush(&self) {
        let Desk {
            queue,
            metrics,
            home,
            page,
            ..
        } = &*self.0;
        let mut page = page.borrow_mut();
        if page.lines == 0 {
            return;
        }
        let empty = page
            .empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(BATCH + BATCH / 8));
        let batch = Batch {
            text: std::mem::replace(&mut page.text, empty),
            lines: std::mem::take(&mut page.lines),
            home: home.clone(),
        };
        if let Err(
            TrySendError::Full(Message::Batch(lost)) | TrySendError::Disconnected(Message::Batch(lost)),
        ) = queue.try_send(Message::Batch(batch))
        {
            metrics.access_lines_dropped.add_shared(lost.lines);
            page.text = reuse(lost.text);
        }
    }

    /// One timer for all lines of a moment, not one each.
    fn flush_soon(&self) {
        let pen = self.clone();
        tokio::task::spawn_local(async move {
            time::sleep(LINGER).await;
            pen.0.page.borrow_mut().timer = false;
            pen.flush();
        });
    }
}

impl Drop for Desk {
    /// What a worker noted last is not lost when it ends.
    fn drop(&mut self) {
        let page = self.page.get_mut();
        if page.lines > 0 {
            let text = std::mem::take(&mut page.text);
            let batch = Batch {
                text,
                lines: page.lines,
                home: self.home.clone(),
            };
            // The worker has nothing else to do any more, so it may wait.
            let _ = self.queue.send(Message::Batch(batch));
        }
    }
}

fn reuse(mut text: Vec<u8>) -> Vec<u8> {
    text.clear();
    text
}

/// The writer's thread: until the log and the last pen are gone.
fn write(mut sink: Sink, messages: &Receiver<Message>) {
    let mut failing = false;
    for message in messages {
        let done = match message {
            Message::Reopen => sink.reopen(),
            Message::Batch(Batch { text, home, .. }) => {
                let written = sink.out.write_all(&text).and_then(|()| sink.out.flush());
                // A pen that has enough, or is gone, needs no buffer.
                let _ = home.try_send(reuse(text));
                written
            }
        };
        // Said once, not for each batch of a full disk.
        if let Err(error) = &done
            && !failing
        {
            warn!(%error, "the access log cannot be written");
        }
        failing = done.is_err();
    }
}

struct Sink {
    target: Target,
    out: Box<dyn Write + Send>,
}

impl Sink {
    fn open(target: Target) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match &target {
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(append_to(path)?),
        };
        Ok(Self { target, out })
    }

    /// The old file stays in use when the new one cannot be opened.
    fn reopen(&mut self) -> io::Result<()> {
        if let Target::File(path) = &self.target {
            self.out = Box::new(append_to(path)?);
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests;
