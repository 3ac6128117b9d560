//! Where log lines go: standard error, by way of a thread of their own.
//!
//! A line that finds the queue full is dropped. So a reader of standard error may stop reading, or close it, and
//! neither blocks nor ends the process. Set up once, by `main`.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::{MakeWriter, Subscriber, SubscriberBuilder};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why nothing can be logged.
#[derive(Debug, Error)]
pub enum LogError {
    /// No thread could be started.
    #[error("no thread for the log could be started ({0}); raise the process's thread or memory limit")]
    Thread(#[source] io::Error),
    /// Logging was started before.
    #[error("logging was started twice: {0}")]
    Twice(#[from] SetGlobalDefaultError),
}

/// Writes out what is still queued when dropped, for at most [`FLUSH_MAX`]. Hold it until the process ends.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(LogQueue);

/// The queue before standard error: what loggers and those that wait for the last line share.
#[derive(Clone, Debug)]
pub struct LogQueue(SyncSender<Message>);

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Everything before this is written: say so.
    Flush(SyncSender<()>),
}

/// Starts logging for the whole process. `filter` is what the configuration let through; a directive in it that is
/// none is passed over.
///
/// # Errors
/// See [`LogError`].
pub fn start(filter: &str, format: LogFormat) -> Result<LogGuard, LogError> {
    let guard = queue_before(io::stderr()).map_err(LogError::Thread)?;
    let lines = lines(guard.queue(), filter);
    match format {
        LogFormat::Text => set_global_default(lines.with_ansi(io::stderr().is_terminal()).finish())?,
        LogFormat::Json => set_global_default(lines.json().flatten_event(true).finish())?,
    }
    Ok(guard)
}

fn queue_before<W: Write + Send + 'static>(sink: W) -> io::Result<LogGuard> {
    let (sender, messages) = sync_channel(LINES_MAX);
    thread::Builder::new().name("log".into()).spawn(move || write_out(&messages, sink))?;
    Ok(LogGuard(LogQueue(sender)))
}

/// The thread's body. A line that standard error does not take is lost: there is no place to say so.
fn write_out(messages: &Receiver<Message>, mut sink: impl Write) {
    for message in messages {
        match message {
            Message::Line(line) => drop(sink.write_all(&line)),
            Message::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
    }
}

fn lines(queue: LogQueue, filter: &str) -> Lines {
    // Its own errors would be printed to standard error by the thread that logs, which may block there.
    let lines = Subscriber::builder().with_target(false).log_internal_errors(false);
    lines.with_env_filter(EnvFilter::new(filter)).with_writer(queue)
}

type Lines = SubscriberBuilder<DefaultFields, Format, EnvFilter, LogQueue>;

impl LogGuard {
    /// The queue, for another thread that waits for its last line.
    pub fn queue(&self) -> LogQueue {
        self.0.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_MAX);
    }
}

impl LogQueue {
    /// Waits until every line so far is written, or given up because nobody reads. Blocks for at most `within`.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let (done, flushed) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(unsent)) = self.0.try_send(message) {
            if left().is_zero() {
                return;
            }
            thread::sleep(FULL_FOR.min(left()));
            message = unsent;
        }
        // Either way it is over: flushed, or given up.
        let _ = flushed.recv_timeout(left());
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = &'a LogQueue;

    fn make_writer(&'a self) -> &'a LogQueue {
        self
    }
}

/// Takes one line a call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A full queue: the line is dropped.
        let _ = self.0.try_send(Message::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that wait for standard error at most; some 200 bytes each.
const LINES_MAX: usize = 4096;

/// How long the end of the process waits for the last lines.
pub const FLUSH_MAX: Duration = Duration::from_millis(500);

/// How long a full queue is left alone.
const FULL_FOR: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes each write to a reader that may not be reading.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs far more lines than can wait, and gives what is left to read.
    fn flood() -> (Receiver<Vec<u8>>, LogGuard) {
        let (sender, receiver) = sync_channel(0);
        let guard = queue_before(Pipe(sender)).unwrap();
        let subscriber = lines(guard.queue(), "info").with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..3 * LINES_MAX {
                tracing::info!(n, "line");
                tracing::debug!("never");
            }
        });
        (receiver, guard)
    }

    /// Fault 45.
    #[test]
    fn a_reader_that_stopped_blocks_neither_the_loop_nor_the_end() {
        let (receiver, guard) = flood();
        drop(guard);
        let first = String::from_utf8(receiver.recv().unwrap()).unwrap();
        assert!(first.ends_with("INFO line n=0\n"), "{first:?}");
    }

    #[test]
    fn a_reader_that_went_away_does_not_end_the_process() {
        let (receiver, guard) = flood();
        drop(receiver);
        drop(guard);
    }

    #[test]
    fn the_last_lines_are_written_at_the_end() {
        let (sender, receiver) = sync_channel(10);
        let guard = queue_before(Pipe(sender)).unwrap();
        let subscriber = lines(guard.queue(), "info").json().flatten_event(true).finish();
        tracing::subscriber::with_default(subscriber, || tracing::warn!(port = 7, "bound"));
        drop(guard);
        let line = String::from_utf8(receiver.try_recv().unwrap()).unwrap();
        assert!(
            line.contains(r#""level":"WARN""#) && line.contains(r#""port":7"#) && line.ends_with("}\n"),
            "{line}"
        );
    }
}
