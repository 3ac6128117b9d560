//! One end of a Unix socket in a poll loop: frames in, frames out, never blocking.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use mio::net::UnixStream;

use crate::ipc::frame::{self, Decoder, Frame};

/// A socket. The caller bounds what it queues by [`Link::queued`].
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    decoder: Decoder,
    queue: VecDeque<u8>,
    /// May be read; poll reports that once only.
    is_readable: bool,
    has_ended: bool,
    /// The other end takes nothing more. What it has sent before can still be read.
    is_cut: bool,
}

impl Link {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            queue: VecDeque::new(),
            is_readable: true,
            has_ended: false,
            is_cut: false,
        }
    }

    /// Poll says that there may be something to read.
    pub(crate) fn note_readable(&mut self) {
        self.is_readable = true;
    }

    /// True if a read may bring something.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_readable && !self.has_ended
    }

    /// The other end has closed, or the socket failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Gives up on it.
    pub(crate) fn close(&mut self) {
        self.has_ended = true;
    }

    /// How many bytes wait to be sent.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Reads once.
    pub(crate) fn read(&mut self) {
        match self.decoder.read_from(&mut self.stream) {
            Ok(0) => self.has_ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) => self.on_error(&error),
        }
    }

    /// The next frame that came. A stream that is not ours ends.
    pub(crate) fn next_frame(&mut self) -> Option<Frame<'_>> {
        match self.decoder.next_frame() {
            Ok(frame) => frame,
            Err(_) => {
                self.has_ended = true;
                None
            }
        }
    }

    /// Queues a frame. The link ends with one that is longer than a frame may be, as it would at the other
    /// end.
    pub(crate) fn send(&mut self, kind: u8, payload: &[u8]) {
        self.has_ended |= payload.len() > frame::PAYLOAD_MAX;
        if self.is_cut || payload.len() > frame::PAYLOAD_MAX {
            return;
        }
        let header = frame::header(kind, payload.len());
        if self.queue.is_empty() && !self.has_ended {
            let written = self.stream.write_vectored(&[IoSlice::new(&header), IoSlice::new(payload)]);
            self.queue_rest(&header, payload, written);
        } else {
            self.queue.extend(header);
            self.queue.extend(payload);
        }
    }

    fn queue_rest(&mut self, header: &[u8], payload: &[u8], written: io::Result<usize>) {
        let written = written.unwrap_or_else(|error| {
            self.on_write_error(&error);
            0
        });
        if self.is_cut {
            return;
        }
        self.queue.extend(&header[written.min(header.len())..]);
        self.queue.extend(&payload[written.saturating_sub(header.len())..]);
    }

    /// Sends what it can. True if that was something.
    pub(crate) fn flush(&mut self) -> bool {
        let before = self.queue.len();
        while !self.queue.is_empty() && !self.has_ended {
            match self.stream.write(self.queue.as_slices().0) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.on_write_error(&error),
            }
        }
        self.queue.len() < before
    }

    /// Its last words are to be read before it counts as ended.
    fn on_write_error(&mut self, error: &io::Error) {
        if !passes(error) {
            self.queue.clear();
            (self.is_cut, self.is_readable) = (true, true);
        }
    }

    fn on_error(&mut self, error: &io::Error) {
        self.has_ended |= !passes(error);
    }
}

fn passes(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_an_end_that_takes_nothing_more_are_read() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut link = Link::new(UnixStream::from_std(ours));
        let words = [&frame::header(7, 4)[..], b"last"].concat();
        (&theirs).write_all(&words).unwrap();
        // It was read before, and nothing was there.
        link.is_readable = false;
        drop(theirs);
        link.send(1, b"too late");
        link.flush();
        assert!(!link.has_ended() && link.queued() == 0);
        while link.is_readable() {
            link.read();
        }
        let frame = link.next_frame().map(|frame| (frame.kind, frame.payload.to_vec()));
        assert_eq!(frame, Some((7, b"last".to_vec())));
        assert!(link.has_ended());
    }
}
