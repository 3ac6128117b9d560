//! From a socket to messages: what was parked first, then one read of bounded size.
//!
//! A connection that has more gets its next turn with all the others, so none is starved.

use std::io::{self, Read};

use relayd_core::event::Input;
use relayd_core::limits::{READ_BYTES, READ_BYTES_SHORT};
use relayd_core::store::Conn;

use super::Reactor;
use super::connection::{Stage, Turn};
use super::forward::StopReason;

/// Room for what one connection may park and what one read brings.
pub(super) const BUFFER_BYTES: usize = 3 * READ_BYTES;

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The peer has ended its side of the stream.
    End,
    /// The socket failed.
    Failed,
}

impl Reactor {
    /// Gives a connection its turn.
    pub(super) fn serve(&mut self, conn: Conn) {
        let Some(connection) = self.conns.of_mut(conn) else { return };
        connection.flags.is_ready = false;
        match connection.stage {
            Stage::Open { .. } => self.serve_open(conn),
            Stage::Http => self.serve_requests(conn),
            Stage::Closing | Stage::Lingering => self.discard(conn),
        }
        self.count_early(conn);
    }

    /// Serves an open WebSocket. The core is told when it is not read any more, and when it is again.
    fn serve_open(&mut self, conn: Conn) {
        let is_unread = !self.read_and_forward(conn);
        let Some(connection) = self.conns.of_mut(conn) else { return };
        if std::mem::replace(&mut connection.flags.is_unread, is_unread) != is_unread {
            self.relay.note_unread(conn, is_unread, self.clock.now());
        }
    }

    /// Forwards parked bytes, then one read of the socket. False if the connection must wait though there may
    /// be more.
    fn read_and_forward(&mut self, conn: Conn) -> bool {
        let Some(connection) = self.conns.of(conn) else { return true };
        let is_over = connection.flags.failed || self.has_left_while_doubted(conn);
        if self.check_must_wait(conn) {
            // Nothing in flight is of use to a failed socket. A FIN waits for the bytes before it.
            if is_over {
                self.gone(conn);
            }
            return false;
        }
        let Some(mut turn) = self.conns.begin_turn(conn) else { return true };
        if !self.forwarder().pump(conn, &mut turn) {
            self.conns.end_turn(conn, turn);
            return false;
        }
        let mut len = self.unpark(conn);
        let mut stop = None;
        if len > 0 {
            (len, stop) = self.forward_from(conn, &mut turn, len);
        }
        let mut got = Got::Nothing;
        if stop.is_none() {
            got = self.read_socket(conn, len);
            if let Got::Bytes(count) = got {
                self.relay.note_read(conn, count, self.clock.now());
                (len, stop) = self.forward_from(conn, &mut turn, len + count);
            }
        }
        self.park(conn, len);
        self.conns.end_turn(conn, turn);
        let is_read = !matches!(stop, Some(StopReason::Wait));
        self.after_forward(conn, stop, got);
        is_read
    }

    /// True if a connection waits for its hello to be looked up in turn, or for the answer, and has ended its
    /// stream. It must not take a turn from the others, or a role from a client that came back elsewhere.
    fn has_left_while_doubted(&self, conn: Conn) -> bool {
        let has_left = self.conns.of(conn).is_some_and(|connection| connection.flags.read_closed);
        has_left && self.relay.is_doubted(conn)
    }

    fn after_forward(&mut self, conn: Conn, stop: Option<StopReason>, got: Got) {
        match stop {
            None => match got {
                Got::Bytes(_) if self.conns.of(conn).is_some_and(|c| c.flags.readable) => {
                    self.conns.schedule(conn);
                }
                Got::Bytes(_) | Got::Nothing => {}
                Got::End => self.handle(Input::Left { conn, said: None }),
                Got::Failed => self.gone(conn),
            },
            Some(StopReason::Wait) => {}
            Some(StopReason::Hello(hello)) => {
                if let Some(connection) = self.conns.of_mut(conn) {
                    connection.flags.awaits_role = true;
                }
                let is_doubted = self.client_limits.is_hello_doubted(conn, self.clock.now());
                self.handle(Input::Hello { conn, hello, is_doubted });
            }
            Some(StopReason::Left(said)) => self.handle(Input::Left { conn, said: Some(said) }),
            Some(StopReason::Fault(code)) => self.handle(Input::Fault { conn, code }),
        }
        self.carry_out();
    }

    /// Looks whether the connection must not be read now. Whatever ends that puts it on the list to serve.
    fn check_must_wait(&mut self, conn: Conn) -> bool {
        let Some(connection) = self.conns.of(conn) else { return true };
        if !connection.outbound().has_answer_room() {
            // It is resumed at its own low mark.
            self.relay.note_congested(conn);
            return true;
        }
        connection.flags.is_held || self.relay.is_paused(conn)
    }

    /// Parses and forwards the first `len` bytes of the read buffer, and moves what was not taken to its
    /// front. Gives its length, and why it stopped before the end.
    fn forward_from(&mut self, conn: Conn, turn: &mut Turn, len: usize) -> (usize, Option<StopReason>) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let (taken, stop) = self.forwarder().forward(conn, turn, &mut buffer[..len]);
        buffer.copy_within(taken..len, 0);
        self.read_buffer = buffer;
        (len - taken, stop)
    }

    /// Reads once, behind the first `at` bytes of the read buffer.
    pub(super) fn read_socket(&mut self, conn: Conn, at: usize) -> Got {
        let most = self.read_bytes_max();
        let Some(connection) = self.conns.of_mut(conn) else { return Got::Nothing };
        if !connection.flags.readable {
            return Got::Nothing;
        }
        if connection.stream.is_tls() {
            return self.read_tls(conn, at, most);
        }
        loop {
            return match connection.stream.socket.read(&mut self.read_buffer[at..at + most]) {
                Ok(0) => Got::End,
                Ok(count) => {
                    // epoll(7): a short read says that a stream socket is drained, but not that its end was
                    // seen.
                    connection.flags.readable = count == most || connection.flags.read_closed;
                    Got::Bytes(count)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.flags.readable = false;
                    Got::Nothing
                }
                Err(_) => Got::Failed,
            };
        }
    }

    /// What one read takes at most: little while memory is short, as connections that wait park it.
    fn read_bytes_max(&self) -> usize {
        let is_short = self.conns.pool.lent() > self.settings.limits.memory_short();
        if is_short { READ_BYTES_SHORT } else { READ_BYTES }
    }

    /// Moves what is parked to the front of the read buffer. Gives its length.
    pub(super) fn unpark(&mut self, conn: Conn) -> usize {
        let Some((connection, pool)) = self.conns.with_pool(conn) else { return 0 };
        let Some(buffers) = &mut connection.buffers else { return 0 };
        let parked = std::mem::take(&mut buffers.parked);
        let len = parked.len();
        self.read_buffer[..len].copy_from_slice(&parked);
        pool.give_back(parked);
        len
    }

    /// Keeps the first `len` bytes of the read buffer for the connection's next turn.
    pub(super) fn park(&mut self, conn: Conn, len: usize) {
        if len == 0 {
            return self.conns.settle(conn);
        }
        if let Some((buffers, pool)) = self.conns.with_buffers(conn) {
            buffers.parked = pool.lend_copy(&self.read_buffer[..len]);
        }
    }

    /// Reads a closing connection to its end. Otherwise closing the socket would reset it, and the Close
    /// frame would be lost.
    fn discard(&mut self, conn: Conn) {
        match self.read_socket(conn, 0) {
            Got::Bytes(_) => {
                if self.conns.of(conn).is_some_and(|connection| connection.flags.readable) {
                    self.conns.schedule(conn);
                }
            }
            Got::Nothing => {}
            Got::Failed => self.gone(conn),
            Got::End => {
                if let Some(connection) = self.conns.of_mut(conn) {
                    connection.flags.readable = false;
                    if matches!(connection.stage, Stage::Lingering) {
                        self.gone(conn);
                    }
                }
            }
        }
    }
}
