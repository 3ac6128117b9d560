//! Where log lines go: standard error, by way of a thread of their own.
//!
//! A line that finds the queue full is dropped. So whoever reads standard error may stop reading, or close it, and
//! neither blocks nor ends the process. Set up once, by `main`.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::{Subscriber, SubscriberBuilder};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes out what is still queued when dropped, for at most [`FLUSH_MAX`]. Hold it until the process ends.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(Option<WorkerGuard>);

/// Starts logging for the whole process. `filter` is what the configuration let through; a directive in it that is
/// none is passed over.
///
/// # Errors
/// Logging was started before.
pub fn start(filter: &str, format: LogFormat) -> Result<LogGuard, SetGlobalDefaultError> {
    let (writer, guard) = queue_before(io::stderr());
    let lines = lines(writer, filter);
    match format {
        LogFormat::Text => set_global_default(lines.with_ansi(io::stderr().is_terminal()).finish())?,
        LogFormat::Json => set_global_default(lines.json().flatten_event(true).finish())?,
    }
    Ok(guard)
}

fn queue_before<W: Write + Send + 'static>(sink: W) -> (NonBlocking, LogGuard) {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).lossy(true);
    let (writer, guard) = builder.thread_name("log").finish(sink);
    (writer, LogGuard(Some(guard)))
}

fn lines(writer: NonBlocking, filter: &str) -> Lines {
    // Its own errors would be printed to standard error by the thread that logs, which may block there.
    let lines = Subscriber::builder().with_target(false).log_internal_errors(false);
    lines.with_env_filter(EnvFilter::new(filter)).with_writer(writer)
}

type Lines = SubscriberBuilder<DefaultFields, Format, EnvFilter, NonBlocking>;

impl Drop for LogGuard {
    /// The worker's own guard prints to standard output if it can't get through, which may block or panic. That must
    /// not keep the process from ending, so it happens aside.
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else { return };
        let (done, flushed) = mpsc::channel::<()>();
        let spawned = thread::Builder::new().name("log-flush".into()).spawn(move || {
            drop(guard);
            drop(done);
        });
        if spawned.is_ok() {
            // Either way it is over: flushed, or given up.
            let _ = flushed.recv_timeout(FLUSH_MAX);
        }
    }
}

/// Lines that wait for standard error at most; some 200 bytes each.
const LINES_MAX: usize = 4096;

/// How long the end of the process waits for the last lines.
pub const FLUSH_MAX: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Takes each write to a reader, who may not be reading.
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
        let (writer, guard) = queue_before(Pipe(sender));
        let subscriber = lines(writer, "info").with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..3 * LINES_MAX {
                tracing::info!(n, "line");
                tracing::debug!("never");
            }
        });
        (receiver, guard)
    }

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
        let (writer, guard) = queue_before(Pipe(sender));
        let subscriber = lines(writer, "info").json().flatten_event(true).finish();
        tracing::subscriber::with_default(subscriber, || tracing::warn!(port = 7, "bound"));
        drop(guard);
        let line = String::from_utf8(receiver.try_recv().unwrap()).unwrap();
        assert!(
            line.contains(r#""level":"WARN""#) && line.contains(r#""port":7"#) && line.ends_with("}\n"),
            "{line}"
        );
    }
}
