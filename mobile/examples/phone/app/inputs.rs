//! What the phone waits for: news of the link, what is typed, and signals, in one queue.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Instant;

use relay_client::AppLink;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Input {
    /// The link has events.
    News,
    /// Bytes of the input. More are read after [`Inputs::read_on`].
    Typed(Vec<u8>),
    /// The input has ended.
    Ended,
    Resized,
    /// The program must end.
    MustEnd,
}

/// The queue. It holds at most one piece of input and one note of news.
pub(super) struct Inputs {
    receiver: Receiver<Input>,
    permit: SyncSender<()>,
    has_news: Arc<AtomicBool>,
}

impl Inputs {
    /// Begins to wait.
    ///
    /// # Errors
    /// The system gives no thread, or takes no handler of signals.
    pub(super) fn start(link: &AppLink) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let (permit, permits) = sync_channel(1);
        let has_news = Arc::new(AtomicBool::new(false));
        let (news, is_told) = (sender.clone(), Arc::clone(&has_news));
        link.set_listener(Arc::new(move || {
            if !is_told.swap(true, Ordering::AcqRel) {
                // The receiver is gone if the program is ending.
                let _ = news.send(Input::News);
            }
        }));
        let typed = sender.clone();
        thread::Builder::new().name("phone-input".into()).spawn(move || read(&permits, &typed))?;
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])?;
        thread::Builder::new().name("phone-signals".into()).spawn(move || {
            for signal in signals.forever() {
                let input = if signal == SIGWINCH { Input::Resized } else { Input::MustEnd };
                if sender.send(input).is_err() {
                    return;
                }
            }
        })?;
        let inputs = Inputs { receiver, permit, has_news };
        inputs.read_on();
        Ok(inputs)
    }

    /// The next thing; `None` at `due_at`.
    pub(super) fn next(&self, due_at: Option<Instant>) -> Option<Input> {
        let input = match due_at {
            None => self.receiver.recv().ok(),
            Some(due_at) => self.receiver.recv_timeout(due_at.saturating_duration_since(Instant::now())).ok(),
        };
        if matches!(input, Some(Input::News)) {
            // Before the events are read: one that comes while they are is told again.
            self.has_news.store(false, Ordering::Release);
        }
        input
    }

    /// Everything typed was dealt with.
    pub(super) fn read_on(&self) {
        // A permit that is there already is enough.
        let _ = self.permit.try_send(());
    }
}

/// The reader's thread: a piece for each permit.
fn read(permits: &Receiver<()>, typed: &Sender<Input>) {
    let mut input = io::stdin().lock();
    while permits.recv().is_ok() {
        let piece = loop {
            match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // An input that fails has ended.
                other => break other.map(<[u8]>::to_vec).unwrap_or_default(),
            }
        };
        input.consume(piece.len());
        let is_end = piece.is_empty();
        let input = if is_end { Input::Ended } else { Input::Typed(piece) };
        if typed.send(input).is_err() || is_end {
            return;
        }
    }
}
