//! One end of the app protocol.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use protocol::ids::Role;

use super::channels::{Channels, Heard, NewChannel};
use super::control::Control;
use super::event::{AppEvent, ChannelError, ChannelId, OpenError};
use super::greeting::{Greeted, Greeting};
use super::hello::{DeskInfo, Hello};
use super::kind::{Class, Kind};
use super::limits::DATA_HEADER_BYTES;
use super::reason::Reason;
use super::rights::{Right, Rights};
use super::wire::{self, Incoming};

/// One end of the app protocol: pure, as the tunnel is. Every `now` is the span since any fixed point. After
/// each call, drain [`AppEnd::poll_event`], and as far as the tunnel takes it [`AppEnd::poll_message`].
///
/// What it keeps is bounded: per channel by its two credits, besides that by the number of channels.
pub struct AppEnd {
    role: Role,
    greeting: Greeting,
    channels: Channels,
    events: VecDeque<AppEvent>,
    ignored: Ignored,
}

/// Shows no payload.
impl fmt::Debug for AppEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AppEnd { role, ignored, .. } = self;
        let mut out = f.debug_struct("AppEnd");
        out.field("role", role).field("is_ready", &self.is_ready()).field("ignored", ignored);
        out.field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

/// Messages of the other end that led to nothing, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Against the protocol: malformed, over the credit, about a channel that never was.
    pub faults: u64,
    /// Of a later version.
    pub unknown: u64,
    /// Before the two had said hello, so of an older process.
    pub early: u64,
}

impl AppEnd {
    /// An end that introduces itself as `hello`. `nonce` must be random at a phone; a desk does not need it.
    pub fn new(role: Role, hello: Hello, nonce: u64) -> Self {
        AppEnd {
            role,
            greeting: Greeting::new(role, hello, nonce),
            channels: Channels::new(role, 0),
            events: VecDeque::new(),
            ignored: Ignored::default(),
        }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// True if the two have said hello, so that channels can be opened.
    pub fn is_ready(&self) -> bool {
        self.greeting.is_ready()
    }

    /// The messages that led to nothing.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// Bytes of payload that wait to be sent, and that came and are not consumed.
    pub fn buffered(&self) -> (usize, usize) {
        self.channels.buffered()
    }
}

/// Inputs from the tunnel.
impl AppEnd {
    /// The tunnel is open: the first time in this process, or again.
    pub fn on_open(&mut self) {
        self.greeting.on_open();
    }

    /// The other end's process is new.
    pub fn on_restart(&mut self) {
        if self.greeting.on_restart() {
            self.channels.restart();
            self.events.push_back(AppEvent::Restarted);
        }
    }

    /// A message came through the tunnel.
    pub fn on_message(&mut self, message: impl Into<Vec<u8>>, now: Duration) {
        let mut message = message.into();
        match wire::parse(&message) {
            Err(_) => self.ignored.faults += 1,
            Ok(Incoming::Unknown) => self.ignored.unknown += 1,
            Ok(Incoming::Control(Control::Hello { hello, id, re })) => {
                self.on_hello(hello, id, re.as_deref());
            }
            Ok(_) if !self.is_ready() => self.ignored.early += 1,
            Ok(Incoming::Data { ch, .. }) => {
                message.drain(..DATA_HEADER_BYTES);
                let heard = self.channels.on_data(ch, message);
                self.note(heard);
            }
            Ok(Incoming::Control(control)) => self.on_control(control, now),
        }
        self.channels.check_invariants();
    }

    fn on_hello(&mut self, peer: Hello, id: Option<String>, re: Option<&str>) {
        match self.greeting.on_hello(id, re) {
            Greeted::Stale => {
                self.ignored.early += 1;
                return;
            }
            Greeted::First => {}
            Greeted::Again => {
                self.channels.restart();
                self.events.push_back(AppEvent::Restarted);
            }
        }
        self.events.push_back(AppEvent::Ready { peer });
    }

    fn on_control(&mut self, control: Control, now: Duration) {
        let rights = self.rights_of_the_other_end();
        let channels = &mut self.channels;
        let heard = match control {
            Control::Hello { .. } => Heard::default(),
            Control::Desk(desk) => self.on_other_role(Role::Phone, AppEvent::Desk(desk)),
            Control::Hidden(hidden) => self.on_other_role(Role::Workstation, AppEvent::Hidden(hidden)),
            Control::Open { ch, kind, credit, params } => {
                channels.on_open(NewChannel { number: ch, kind, credit, params }, rights)
            }
            Control::Accept { ch, credit, params } => channels.on_accept(ch, credit, params),
            Control::Refuse { ch, reason } => channels.on_refuse(ch, reason),
            Control::Credit { ch, n } => channels.on_credit(ch, n, now),
            Control::End { ch } => channels.on_end(ch),
            Control::Reset { ch, reason } => channels.on_reset(ch, reason),
        };
        self.note(heard);
    }

    /// A message that only one role receives.
    fn on_other_role(&self, receiver: Role, event: AppEvent) -> Heard {
        if self.role == receiver { Heard::event(event) } else { Heard::FAULT }
    }

    /// A desk may do everything: the phone's app says no by itself.
    fn rights_of_the_other_end(&self) -> Rights {
        match self.role {
            Role::Workstation => self.greeting.desk().rights,
            Role::Phone => Rights::default().with(Right::Shell),
        }
    }

    fn note(&mut self, heard: Heard) {
        self.ignored.faults += u64::from(heard.is_fault);
        self.events.extend(heard.event);
    }
}

/// Inputs from the app.
impl AppEnd {
    /// Desk: what it offers to this phone. The phone is told, if it changed. Channels that the phone has no
    /// right to any more are reset.
    pub fn set_desk(&mut self, desk: DeskInfo) {
        let rights = desk.rights;
        self.greeting.set_desk(desk);
        let reason = Reason::new(Reason::RIGHTS, "this phone may not do that any more at this desk");
        for ch in self.channels.without_right(rights) {
            if self.channels.reset(ch, reason.clone()).is_ok() {
                self.events.push_back(AppEvent::Reset { ch, reason: reason.clone() });
            }
        }
    }

    /// Phone: whether its page is hidden. The desk is told, if it changed.
    pub fn set_hidden(&mut self, hidden: bool) {
        self.greeting.set_hidden(hidden);
    }

    /// Opens a channel. `params` is a JSON object. `Accepted` or `Refused` follows, if the other end does not
    /// begin again before.
    ///
    /// # Errors
    /// Nothing was opened; the error says why.
    pub fn open(&mut self, kind: Kind, params: &str) -> Result<ChannelId, OpenError> {
        if !self.is_ready() {
            return Err(OpenError::NotReady);
        }
        self.channels.open(kind, params)
    }

    /// Accepts a channel of `Opened`; both may send from now on. `params` is a JSON object.
    ///
    /// # Errors
    /// The channel is gone, or was answered before, or the parameters can't be sent.
    pub fn accept(&mut self, ch: ChannelId, params: &str) -> Result<(), ChannelError> {
        self.channels.accept(ch, params)
    }

    /// Refuses a channel of `Opened`.
    ///
    /// # Errors
    /// The channel is gone, or was answered before.
    pub fn refuse(&mut self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        self.channels.refuse(ch, reason)
    }

    /// Sends one message of the channel's kind.
    ///
    /// # Errors
    /// Nothing was accepted. After `Full`, `Writable` follows.
    pub fn send(&mut self, ch: ChannelId, payload: &[u8]) -> Result<(), ChannelError> {
        self.channels.send(ch, payload)
    }

    /// As [`AppEnd::send`], without a copy: the message begins with [`DATA_HEADER_BYTES`] bytes of room, and
    /// its bytes are taken if it is accepted.
    ///
    /// # Errors
    /// As there.
    pub fn send_owned(&mut self, ch: ChannelId, message: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.channels.send_owned(ch, message)
    }

    /// A good length for the next message on this channel: on a bulk channel about 50 ms of what the line
    /// takes, so that interactive messages don't wait long behind it.
    pub fn message_len(&self, ch: ChannelId) -> usize {
        self.channels.message_len(ch)
    }

    /// The app is done with this many bytes of the `Data` of a channel, the oldest first. Nothing happens if
    /// the channel is gone.
    pub fn consumed(&mut self, ch: ChannelId, bytes: usize) {
        self.channels.consumed(ch, bytes);
    }

    /// Nothing more will be sent on this channel. What was accepted goes before it.
    ///
    /// # Errors
    /// The channel is gone, not accepted yet, or was ended before.
    pub fn end(&mut self, ch: ChannelId) -> Result<(), ChannelError> {
        self.channels.end(ch)
    }

    /// Ends both directions of a channel now; what waits in it is dropped.
    ///
    /// # Errors
    /// The channel is gone.
    pub fn reset(&mut self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        self.channels.reset(ch, reason)
    }
}

/// Outputs.
impl AppEnd {
    /// The next event for the app.
    pub fn poll_event(&mut self) -> Option<AppEvent> {
        self.events.pop_front()
    }

    /// The next message for the tunnel: control, then interactive channels, then bulk.
    pub fn poll_message(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.poll_interactive(now).or_else(|| self.poll_bulk(now))
    }

    /// As [`AppEnd::poll_message`], without bulk.
    pub fn poll_interactive(&mut self, now: Duration) -> Option<Vec<u8>> {
        if let Some(control) = self.greeting.poll_control() {
            return Some(control.to_bytes());
        }
        let message =
            self.channels.poll_control().or_else(|| self.channels.poll_data(Class::Interactive, now));
        self.channels.check_invariants();
        message
    }

    /// The next bulk message. Call it only where [`AppEnd::poll_interactive`] has nothing. Bulk is paced:
    /// there may be more after the other end's next message.
    pub fn poll_bulk(&mut self, now: Duration) -> Option<Vec<u8>> {
        let message = self.channels.poll_data(Class::Bulk, now);
        self.channels.check_invariants();
        message
    }
}
