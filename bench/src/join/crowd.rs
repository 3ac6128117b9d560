//! Many conversations at once. Each connection sends something, and listens until it has the answer.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token};

use crate::socket::{Destination, Socket};

/// How many connections talk at the same time.
pub(super) const AT_ONCE: usize = 64;

/// The longest wait for any answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often a signal is looked for, at least.
const LOOK_WITHIN: Duration = Duration::from_millis(100);

/// One connection's part.
pub(super) trait Talk {
    /// Its result.
    type Done;

    /// What to say first.
    fn opening(&self) -> Vec<u8>;

    /// Looks at what came. `is_end`: nothing more will.
    ///
    /// # Errors The bytes are not what they must be.
    fn on_bytes(&mut self, bytes: &[u8], is_end: bool) -> anyhow::Result<Next>;

    /// The result; `stream` is no longer registered with a poll.
    fn finish(self, stream: Socket) -> Self::Done;
}

/// What a conversation needs now.
pub(super) enum Next {
    /// More bytes.
    Listen,
    /// To say this, and then to listen.
    Say(Vec<u8>),
    /// Nothing: it is over.
    Done,
}

struct Call<T> {
    talk: T,
    stream: Socket,
    /// `out[head..]` is still to be written.
    out: Vec<u8>,
    head: usize,
}

/// Runs all conversations, and returns their results in order. `talk` makes one, with the address to connect
/// to.
///
/// # Errors
/// One of them failed, none moved for ten seconds, or a signal came.
pub(super) fn converse<T: Talk>(
    count: usize,
    mut talk: impl FnMut(usize) -> (Destination, T),
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<T::Done>> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(AT_ONCE * 2));
    let mut calls: Vec<Option<Call<T>>> = Vec::with_capacity(count);
    let mut done: Vec<Option<T::Done>> = (0..count).map(|_| None).collect();
    let (mut over, mut moved) = (0, Instant::now());
    while over < count {
        while calls.len() < count && calls.len() - over < AT_ONCE {
            let (to, talk) = talk(calls.len());
            let call = Call::open(to, talk, &poll, Token(calls.len()));
            calls.push(Some(call.with_context(|| which(calls.len(), count))?));
        }
        if interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        match poll.poll(&mut events, Some(LOOK_WITHIN)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let Token(at) = event.token();
            moved = Instant::now();
            let Some(call) = calls[at].as_mut() else { continue };
            if !call.on_event().with_context(|| which(at, count))? {
                continue;
            }
            if let Some(mut call) = calls[at].take() {
                poll.registry().deregister(&mut call.stream)?;
                done[at] = Some(call.talk.finish(call.stream));
                over += 1;
            }
        }
        if moved.elapsed() > ANSWER_WITHIN {
            bail!("no answer within {ANSWER_WITHIN:?}, after {over} of {count}");
        }
    }
    Ok(done.into_iter().flatten().collect())
}

impl<T: Talk> Call<T> {
    fn open(to: Destination, talk: T, poll: &Poll, token: Token) -> anyhow::Result<Self> {
        let mut stream = Socket::connect(to)?;
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Call { out: talk.opening(), talk, stream, head: 0 })
    }

    /// True once it is over.
    fn on_event(&mut self) -> anyhow::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        self.write()?;
        let mut chunk = [0; 4096];
        loop {
            let count = match self.stream.read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_not_yet(&error) => {
                    // Under TLS, what was read may have ended the handshake.
                    self.write()?;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            match self.talk.on_bytes(&chunk[..count], count == 0)? {
                Next::Done => return Ok(true),
                Next::Say(bytes) => {
                    (self.out, self.head) = (bytes, 0);
                    self.write()?;
                }
                Next::Listen if count == 0 => bail!("the server ended the connection"),
                Next::Listen => {}
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.head < self.out.len() {
            if self.head == 0 {
                // Only a connection that stands takes it.
                let _ = self.stream.set_nodelay(true);
            }
            match self.stream.write(&self.out[self.head..]) {
                Ok(taken) => self.head += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Not connected yet, or nothing there yet: an event will tell.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

fn which(at: usize, count: usize) -> String {
    format!("connection {at} of {count}")
}
