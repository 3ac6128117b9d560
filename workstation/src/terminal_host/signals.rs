//! The signals of a terminal's host, as events of its poll.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// A signal that the host acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A child may have ended.
    ChildEnded,
    /// The host is to end, and its command with it.
    Terminate,
}

/// Two pipes that signals write to.
#[derive(Debug)]
pub(super) struct SignalPipe {
    child: UnixStream,
    terminate: UnixStream,
}

impl SignalPipe {
    /// Begins to receive signals. SIGHUP and SIGINT have no effect from now on: the host outlives the
    /// terminal it was started from. Its command gets them as usual.
    pub(super) fn open(registry: &Registry, token: Token) -> io::Result<Self> {
        for ignored in [SIGHUP, SIGINT] {
            // A handler that does nothing: unlike "ignore", the command does not inherit it.
            flag::register(ignored, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(Self { child: pipe(registry, token, SIGCHLD)?, terminate: pipe(registry, token, SIGTERM)? })
    }

    /// The next signal that came.
    pub(super) fn poll_signal(&mut self) -> Option<Received> {
        let mut bytes = [0; 64];
        // Several of one kind count as one.
        if self.terminate.read(&mut bytes).is_ok_and(|count| count > 0) {
            return Some(Received::Terminate);
        }
        self.child.read(&mut bytes).is_ok_and(|count| count > 0).then_some(Received::ChildEnded)
    }
}

fn pipe(registry: &Registry, token: Token, signal: i32) -> io::Result<UnixStream> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    low_level::pipe::register(signal, theirs)?;
    let mut ours = UnixStream::from_std(ours);
    registry.register(&mut ours, token, Interest::READABLE)?;
    Ok(ours)
}
