//! Writes log lines to standard error, on a thread of its own.
//!
//! When the queue is full, new lines are dropped. So a reader of standard error that stops, or closes it,
//! neither blocks nor ends the process. Set up once, by `main`.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::fmt::{MakeWriter, Subscriber, SubscriberBuilder};
use tracing_subscriber::{EnvFilter, reload};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people to read.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging could not start.
#[derive(Debug, Error)]
pub enum LogError {
    /// No thread could be started.
    #[error("no thread for the log could be started ({0}); raise the process's thread or memory limit")]
    Thread(#[source] io::Error),
    /// Logging was started before.
    #[error("logging was started twice: {0}")]
    Twice(#[from] SetGlobalDefaultError),
}

/// When dropped, it waits until the queued lines are written, for at most [`FLUSH_MAX`]. Keep it until the
/// process ends.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(LogQueue);

/// Changes what is logged.
#[derive(Clone)]
pub struct LogFilter(Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

/// The queue of lines for standard error. Loggers write to it, and threads that exit wait for it.
#[derive(Clone, Debug)]
pub struct LogQueue(SyncSender<LogMessage>);

#[derive(Debug)]
enum LogMessage {
    Line(Vec<u8>),
    /// Confirms that all earlier lines are written.
    Flush(SyncSender<()>),
}

/// Starts logging for the whole process. The configuration has checked `filter`; an invalid directive is
/// skipped.
///
/// # Errors
/// See [`LogError`].
pub fn start(filter: &str, format: LogFormat) -> Result<(LogGuard, LogFilter), LogError> {
    let guard = queue_before(io::stderr()).map_err(LogError::Thread)?;
    let lines = lines(guard.queue(), filter);
    let filter = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
            let handle = lines.reload_handle();
            set_global_default(lines.finish())?;
            LogFilter(Arc::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            set_global_default(lines.finish())?;
            LogFilter(Arc::new(move |filter| handle.reload(filter)))
        }
    };
    Ok((guard, filter))
}

fn queue_before<W: Write + Send + 'static>(sink: W) -> io::Result<LogGuard> {
    let (sender, messages) = sync_channel(LINES_MAX);
    thread::Builder::new().name("log".into()).spawn(move || write_out(&messages, sink))?;
    Ok(LogGuard(LogQueue(sender)))
}

/// The thread's body. A line that can't be written is lost: there is no place to report that.
fn write_out(messages: &Receiver<LogMessage>, mut sink: impl Write) {
    for message in messages {
        match message {
            LogMessage::Line(line) => drop(sink.write_all(&line)),
            LogMessage::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
    }
}

fn lines(queue: LogQueue, filter: &str) -> Lines {
    // Internal errors would be printed by the logging thread itself, which could block there.
    let lines = Subscriber::builder().with_target(false).log_internal_errors(false);
    lines.with_env_filter(EnvFilter::new(filter)).with_writer(queue)
}

type Lines = SubscriberBuilder<DefaultFields, Format, EnvFilter, LogQueue>;

impl LogGuard {
    /// The queue, for a thread that must wait for its last line.
    pub fn queue(&self) -> LogQueue {
        self.0.clone()
    }
}

impl LogFilter {
    /// Takes a filter that the configuration has checked.
    pub fn set(&self, filter: &str) {
        if let Err(error) = (self.0)(EnvFilter::new(filter)) {
            tracing::error!("the log filter can't be changed: {error}");
        }
    }
}

#[cfg(test)]
impl LogFilter {
    /// Takes any filter and does nothing.
    pub(crate) fn unused() -> Self {
        LogFilter(Arc::new(|_| Ok(())))
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFilter")
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_MAX);
    }
}

impl LogQueue {
    /// Waits until all lines so far are written. Gives up after `within`.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let (done, flushed) = sync_channel(1);
        let mut message = LogMessage::Flush(done);
        while let Err(TrySendError::Full(unsent)) = self.0.try_send(message) {
            if left().is_zero() {
                return;
            }
            thread::sleep(FULL_FOR.min(left()));
            message = unsent;
        }
        // Flushed, or given up: nothing is left to do.
        let _ = flushed.recv_timeout(left());
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = &'a LogQueue;

    fn make_writer(&'a self) -> &'a LogQueue {
        self
    }
}

/// Takes one line per call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // If the queue is full, the line is dropped.
        let _ = self.0.try_send(LogMessage::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The most lines that wait. Each has about 200 bytes.
const LINES_MAX: usize = 4096;

/// How long the process waits for its last log lines.
pub const FLUSH_MAX: Duration = Duration::from_millis(500);

/// The wait before a full queue is tried again.
const FULL_FOR: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends each write to a reader that may not be reading.
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

    /// Logs many more lines than the queue holds, and returns the lines' receiver.
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
    fn a_reader_that_stops_blocks_neither_the_loop_nor_the_exit() {
        let (receiver, guard) = flood();
        drop(guard);
        let first = String::from_utf8(receiver.recv().unwrap()).unwrap();
        assert!(first.ends_with("INFO line n=0\n"), "{first:?}");
    }

    #[test]
    fn a_reader_that_closes_does_not_end_the_process() {
        let (receiver, guard) = flood();
        drop(receiver);
        drop(guard);
    }

    #[test]
    fn the_last_lines_are_written_at_exit() {
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
