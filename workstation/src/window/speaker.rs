//! What a window says to the host. Several threads share it, and one of its own writes.
//!
//! What is typed waits here while the command does not read it. Everything else overtakes what waits, so that
//! the window can be resized, detached and ended at any time.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::ipc::frame;
use crate::terminal_host::wire::{INPUT, INPUT_AHEAD_MAX};

/// With more than this typed and not sent, nothing more is read from the keyboard: not even the key that
/// detaches. It is far more than most people paste.
const WAITING_MAX: usize = 4 << 20;

/// The most bytes of one frame with what was typed.
const INPUT_LEN: usize = 16 << 10;

/// Sends frames to the host.
#[derive(Clone, Debug)]
pub(super) struct Speaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    has_changed: Condvar,
}

/// What waits.
#[derive(Debug)]
struct Queue {
    /// At most one frame of each type: a later one says the same, or more.
    control: Vec<(u8, Vec<u8>)>,
    typed: VecDeque<u8>,
    /// `bytes sent and not taken + room == INPUT_AHEAD_MAX`
    room: usize,
    is_gone: bool,
}

impl Speaker {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system has none.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let queue =
            Queue { control: Vec::new(), typed: VecDeque::new(), room: INPUT_AHEAD_MAX, is_gone: false };
        let speaker = Self(Arc::new(Shared { queue: Mutex::new(queue), has_changed: Condvar::new() }));
        let writing = speaker.clone();
        thread::Builder::new().name("speaker".into()).spawn(move || writing.write_to(stream))?;
        Ok(speaker)
    }

    /// Says one thing. Never blocks.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn say(&self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut queue = self.queue();
        queue.check()?;
        if kind == INPUT {
            queue.typed.extend(payload);
        } else {
            queue.control.retain(|(waiting, _)| *waiting != kind);
            queue.control.push((kind, payload.to_vec()));
        }
        self.0.has_changed.notify_all();
        Ok(())
    }

    /// Gives the command what was typed. Blocks while too much waits.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn type_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut queue = self.queue();
        while queue.typed.len() >= WAITING_MAX && !queue.is_gone {
            queue = self.wait(queue);
        }
        drop(queue);
        self.say(INPUT, bytes)
    }

    /// The command has taken so many bytes.
    pub(super) fn on_taken(&self, count: usize) {
        let mut queue = self.queue();
        queue.room = queue.room.saturating_add(count).min(INPUT_AHEAD_MAX);
        self.0.has_changed.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.0.has_changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is said until the host is gone.
    fn write_to(&self, mut stream: UnixStream) {
        loop {
            let (kind, payload) = self.next_frame();
            let mut bytes = Vec::with_capacity(frame::HEADER_LEN + payload.len());
            frame::encode(kind, &payload, &mut bytes);
            if stream.write_all(&bytes).is_err() {
                self.queue().is_gone = true;
                self.0.has_changed.notify_all();
                return;
            }
        }
    }

    fn next_frame(&self) -> (u8, Vec<u8>) {
        let mut queue = self.queue();
        loop {
            if let Some(frame) = queue.poll_frame() {
                self.0.has_changed.notify_all();
                return frame;
            }
            queue = self.wait(queue);
        }
    }
}

impl Queue {
    fn check(&self) -> io::Result<()> {
        if self.is_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// What was typed goes first, as far as there is room for it.
    fn poll_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let len = self.typed.len().min(INPUT_LEN).min(self.room);
        if len > 0 {
            self.room -= len;
            return Some((INPUT, self.typed.drain(..len).collect()));
        }
        (!self.control.is_empty()).then(|| self.control.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_host::wire::{DETACH, RESIZE};

    #[test]
    fn what_is_typed_waits_for_room_and_all_else_overtakes_it() {
        let typed = (0..INPUT_AHEAD_MAX + 10).map(|_| b'x').collect();
        let control = vec![(RESIZE, Vec::new()), (DETACH, Vec::new())];
        let mut queue = Queue { control, typed, room: INPUT_AHEAD_MAX, is_gone: false };
        let mut sent = 0;
        let mut kinds = Vec::new();
        while let Some((kind, payload)) = queue.poll_frame() {
            sent += payload.len();
            kinds.push(kind);
        }
        assert_eq!(sent, INPUT_AHEAD_MAX);
        assert_eq!(kinds, [INPUT, INPUT, INPUT, INPUT, RESIZE, DETACH]);
        queue.room += 10;
        assert_eq!(queue.poll_frame(), Some((INPUT, vec![b'x'; 10])));
    }
}
