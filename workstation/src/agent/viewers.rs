//! Phones that look at shared terminals: each has one connection to the terminal's host, whose messages are
//! passed on as they are, both ways and within the channel's credit.

use std::collections::BTreeMap;
use std::sync::Arc;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use relay_client::AppLink;
use relay_client::app::{ChannelError, ChannelId, Reason};

use super::lines::PhoneKey;
use super::terminals::Access;
use crate::ipc::link::Link;
use crate::terminal_host::wire::{DATA, VIEW, View, json};

/// Bytes for a host that does not read; what comes after it waits at the phone.
const UNREAD_MAX: usize = 64 * 1024;

/// Messages of one viewer that are passed on in one turn.
const TURN_MAX: usize = 64;

/// The viewers of one phone: a host has places for many phones, and for windows.
const VIEWERS_MAX: usize = 4;

/// The viewers.
#[derive(Default)]
pub(super) struct Viewers {
    all: BTreeMap<Token, Viewer>,
}

struct Viewer {
    phone: PhoneKey,
    app: Arc<AppLink>,
    ch: ChannelId,
    host: Link,
    /// The terminal's name.
    terminal: String,
    /// What the host was told of it.
    view: View,
    /// For the phone; its channel has no credit for it.
    held: Option<Vec<u8>>,
    /// Bytes of the phone that the host has not read.
    unread: usize,
    is_over: bool,
}

impl Viewers {
    /// Connects a phone's channel to the host of a terminal of this name.
    ///
    /// # Errors
    /// The connection can't be polled.
    pub(super) fn add(
        &mut self,
        (phone, app, ch): (PhoneKey, &Arc<AppLink>, ChannelId),
        (terminal, mut stream): (&str, UnixStream),
        view: View,
        (token, registry): (Token, &Registry),
    ) -> std::io::Result<()> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut host = Link::new(stream);
        host.send(VIEW, &json(&view));
        let (app, terminal) = (Arc::clone(app), terminal.to_owned());
        let viewer = Viewer { phone, app, ch, host, terminal, view, held: None, unread: 0, is_over: false };
        self.all.insert(token, viewer);
        Ok(())
    }

    /// True if this phone has as many viewers as it may.
    pub(super) fn is_full(&self, phone: PhoneKey) -> bool {
        self.all.values().filter(|viewer| viewer.phone == phone).count() >= VIEWERS_MAX
    }

    pub(super) fn note_readable(&mut self, token: Token) {
        if let Some(viewer) = self.all.get_mut(&token) {
            viewer.host.note_readable();
        }
    }

    /// Passes on what came from a phone. False if this channel is no viewer's.
    pub(super) fn on_data(&mut self, phone: PhoneKey, ch: ChannelId, bytes: &[u8]) -> bool {
        let viewer = self.all.values_mut().find(|viewer| viewer.phone == phone && viewer.ch == ch);
        let Some(viewer) = viewer else { return false };
        viewer.host.send(DATA, bytes);
        viewer.unread += bytes.len();
        true
    }

    /// What this phone is called or may do has changed: hosts are told, and terminals that it may not see any
    /// more are closed.
    pub(super) fn review(&mut self, phone: PhoneKey, device: &str, access: impl Fn(&str) -> Access) {
        for viewer in self.all.values_mut().filter(|viewer| viewer.phone == phone) {
            match access(&viewer.terminal) {
                // A shell that has just begun is not listed yet, and the end of a host tells itself.
                Access::Unknown => {}
                Access::Refused => viewer.close(Reason::new(Reason::RIGHTS, NOT_ANY_MORE)),
                access => viewer.update(device, access == Access::Type),
            }
        }
    }

    /// The phone's side of this channel is over.
    pub(super) fn on_closed(&mut self, phone: PhoneKey, ch: ChannelId) {
        for viewer in self.all.values_mut().filter(|viewer| viewer.phone == phone && viewer.ch == ch) {
            viewer.is_over = true;
        }
    }

    /// All channels of this phone are gone.
    pub(super) fn on_phone_gone(&mut self, phone: PhoneKey) {
        self.all.retain(|_, viewer| viewer.phone != phone);
    }

    /// Passes on what can be passed on. True if there may be more.
    pub(super) fn pump(&mut self) -> bool {
        let mut has_more = false;
        for viewer in self.all.values_mut() {
            has_more |= viewer.pump();
        }
        self.all.retain(|_, viewer| !viewer.is_over);
        has_more
    }
}

impl Viewer {
    fn close(&mut self, reason: Reason) {
        // The phone may have ended the channel already.
        let _ = self.app.reset(self.ch, reason);
        self.is_over = true;
    }

    fn update(&mut self, device: &str, may_type: bool) {
        let view = View { device: device.to_owned(), may_type, size: None };
        if (&view.device, view.may_type) != (&self.view.device, self.view.may_type) {
            self.host.send(VIEW, &json(&view));
            self.view = view;
        }
    }

    fn pump(&mut self) -> bool {
        self.host.flush();
        if self.unread > 0 && self.host.queued() < UNREAD_MAX {
            self.app.consumed(self.ch, std::mem::take(&mut self.unread));
        }
        for _ in 0..TURN_MAX {
            match self.held.take().or_else(|| self.next_message()) {
                Some(message) => {
                    if !self.passes(message) {
                        return false;
                    }
                }
                None => {
                    self.end_with_host();
                    return false;
                }
            }
        }
        true
    }

    /// The host's next message for the phone.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        loop {
            while let Some(frame) = self.host.next_frame() {
                if frame.kind == DATA {
                    return Some(frame.payload.to_vec());
                }
            }
            if !self.host.is_readable() {
                return None;
            }
            self.host.read();
        }
    }

    /// False if the channel takes no more now, or at all.
    fn passes(&mut self, message: Vec<u8>) -> bool {
        match self.app.try_send(self.ch, &message) {
            Ok(()) => true,
            Err(ChannelError::Full(_)) => {
                self.held = Some(message);
                false
            }
            Err(_) => {
                self.is_over = true;
                false
            }
        }
    }

    /// Everything that a host said before its end was passed on.
    fn end_with_host(&mut self) {
        if self.host.has_ended() {
            // The phone may have ended the channel already.
            let _ = self.app.end(self.ch);
            self.is_over = true;
        }
    }
}

const NOT_ANY_MORE: &str = "this phone may not see this terminal any more";
