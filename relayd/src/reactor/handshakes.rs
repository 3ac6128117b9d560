//! TLS handshakes: each begins with the client's first byte, has the time of a first request, and is
//! counted.
//!
//! An agreement on keys costs as much as hundreds of frames. So a turn takes a bounded number of steps, and
//! an address has a limit for each minute.

use std::io;

use relayd_core::limits::READ_BYTES;
use relayd_core::store::Conn;
use rustls::{AlertDescription, HandshakeKind};

use super::Reactor;
use super::read::Got;
use crate::metrics::{HandshakeFailure, Refused};
use crate::tls::Presenter;

/// Turns of connections that shake hands, in one turn of the loop.
const STEPS_PER_TURN: usize = 16;

/// The TLS of the listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    pub presenter: Presenter,
    /// Room for what one read brings.
    ciphertext: Box<[u8]>,
    steps_left: usize,
}

impl Handshakes {
    pub fn new(presenter: Presenter) -> Self {
        let ciphertext = vec![0; READ_BYTES].into_boxed_slice();
        Handshakes { presenter, ciphertext, steps_left: STEPS_PER_TURN }
    }

    /// A new turn of the loop begins.
    pub fn on_turn(&mut self) {
        self.steps_left = STEPS_PER_TURN;
    }
}

impl Reactor {
    /// True if a connection that shakes hands is served in the next turn, as this one had enough of them.
    pub(super) fn defer_handshake(&mut self, conn: Conn) -> bool {
        if self.handshakes.is_none() || !self.is_before_tls(conn) {
            return false;
        }
        let Some(handshakes) = &mut self.handshakes else { return false };
        let is_deferred = handshakes.steps_left == 0;
        handshakes.steps_left = handshakes.steps_left.saturating_sub(1);
        if is_deferred {
            self.conns.schedule(conn);
        }
        is_deferred
    }

    /// True if a connection has yet to begin TLS, or to agree on keys.
    pub(super) fn is_before_tls(&self, conn: Conn) -> bool {
        self.exchanges.expects_tls(conn) || self.conns.of(conn).is_some_and(|it| it.stream.is_handshaking())
    }

    /// The client's first bytes, `read_buffer[at..len]`, begin a handshake. False if the connection is gone.
    pub(super) fn begin_tls(&mut self, conn: Conn, at: usize, len: usize) -> bool {
        let (now, address) = (self.clock.now(), self.client_limits.address_of(conn));
        if !self.client_limits.try_handshake(address, now) {
            self.note_refused(Refused::Handshake, address);
            self.gone(conn);
            return false;
        }
        let (Some(handshakes), Some(connection)) = (&mut self.handshakes, self.conns.of_mut(conn)) else {
            return false;
        };
        let config = handshakes.presenter.current().config.clone();
        let hello = &self.read_buffer[at..len];
        let begun = connection.stream.begin_tls(config).map_err(io::Error::other);
        match begun.and_then(|()| connection.stream.feed(hello)) {
            Ok(()) => {
                self.conns.count_tls(conn);
                true
            }
            Err(error) => {
                self.fail_handshake(conn, failure_of(&error), &error);
                false
            }
        }
    }

    /// Reads under TLS, behind the first `at` bytes of the read buffer, `most` bytes at most.
    pub(super) fn read_tls(&mut self, conn: Conn, at: usize, most: usize) -> Got {
        let (Some(handshakes), Some(connection)) = (&mut self.handshakes, self.conns.of_mut(conn)) else {
            return Got::Nothing;
        };
        let was_handshaking = connection.stream.is_handshaking();
        let out = &mut self.read_buffer[at..at + most];
        let read = connection.stream.read_tls(out, &mut handshakes.ciphertext);
        let would_block = matches!(&read.result, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        connection.flags.readable = read.has_more || (connection.flags.read_closed && !would_block);
        if would_block && read.has_more {
            self.conns.schedule(conn);
        }
        self.conns.count_tls(conn);
        if was_handshaking {
            self.note_handshake(conn, &read.result);
        }
        match read.result {
            Ok(0) => Got::End,
            Ok(count) => Got::Bytes(count),
            Err(_) if would_block => Got::Nothing,
            Err(error) => {
                tracing::debug!(%error, name = conn.name, "a TLS connection failed");
                Got::Failed
            }
        }
    }

    /// A handshake took longer than a first request may take.
    pub(super) fn give_up_handshake(&mut self, conn: Conn) {
        let error = io::Error::from(io::ErrorKind::TimedOut);
        self.fail_handshake(conn, HandshakeFailure::Timeout, &error);
    }

    /// Counts a handshake that ended with this read.
    fn note_handshake(&mut self, conn: Conn, result: &io::Result<usize>) {
        let kind = self.conns.of(conn).and_then(|it| it.stream.handshake_kind());
        let is_over = self.conns.of(conn).is_some_and(|it| !it.stream.is_handshaking());
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_over => {}
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.metrics.count_handshake_failure(failure_of(error));
            }
            Ok(0) if !is_over => self.metrics.count_handshake_failure(HandshakeFailure::Left),
            _ => self.metrics.count_handshake(kind == Some(HandshakeKind::Resumed)),
        }
    }

    fn fail_handshake(&mut self, conn: Conn, failure: HandshakeFailure, error: &io::Error) {
        tracing::debug!(%error, name = conn.name, "a TLS handshake failed");
        self.metrics.count_handshake_failure(failure);
        self.gone(conn);
    }
}

/// The kind of a failure, for the metrics.
fn failure_of(error: &io::Error) -> HandshakeFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => {
            HandshakeFailure::Incompatible
        }
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        )) => HandshakeFailure::CertificateRefused,
        Some(rustls::Error::AlertReceived(_)) => HandshakeFailure::Left,
        // The only one with this shape: the resolver had nothing for the name.
        Some(rustls::Error::General(_)) => HandshakeFailure::NoCertificate,
        Some(_) => HandshakeFailure::Malformed,
        None => HandshakeFailure::Left,
    }
}
