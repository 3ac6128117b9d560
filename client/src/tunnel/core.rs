//! What both roles share: the link, the live connection and the stream under it, and what leaves the machine.
//!
//! Decides nothing about keys or pairing; the roles do. Called by them and by the machine.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroizing;

use super::clock::ElapsedTime;
use super::connection::{QueuedRecord, SealedConnection};
use super::entropy::{Entropy, draw};
use super::event::{Fault, TunnelEvent};
use super::limits::CLEAR_MAX;
use super::record::{Epoch, Record, ResumeState};
use super::stream::MessageStreams;
use super::wire::Tag;

/// The shared part of a machine.
pub(super) struct Core {
    pub(super) clock: ElapsedTime,
    pub(super) entropy: Box<dyn Entropy + Send>,
    /// The driver is connected and the peer is there.
    pub(super) linked: bool,
    /// The newest confirmed connection.
    pub(super) live: Option<SealedConnection>,
    pub(super) stream: MessageStreams,
    /// The tunnel was open before in this process.
    pub(super) has_opened: bool,
    /// What the phone calls itself.
    pub(super) name: String,
    /// Where records are opened; kept for its room.
    pub(super) opened: Zeroizing<Vec<u8>>,
    clear: VecDeque<Vec<u8>>,
    events: VecDeque<TunnelEvent>,
    /// The app was told `Full` and not yet `Room`.
    wants_room: bool,
    ping: Option<Ping>,
    pings: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    token: u64,
    at: Duration,
}

impl Core {
    /// Not linked. Draws the epoch.
    pub(super) fn new(
        window: u32,
        name: String,
        mut entropy: Box<dyn Entropy + Send>,
        now: Duration,
    ) -> Result<Self, super::RandomError> {
        let epoch = Epoch(draw(&mut *entropy)?);
        Ok(Core {
            clock: ElapsedTime::new(now),
            entropy,
            linked: false,
            live: None,
            stream: MessageStreams::new(epoch, window),
            has_opened: false,
            name,
            opened: Zeroizing::default(),
            clear: VecDeque::new(),
            events: VecDeque::new(),
            wants_room: false,
            ping: None,
            pings: 0,
        })
    }

    /// The span since the machine began.
    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// `N` random bytes.
    pub(super) fn draw<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        draw(&mut *self.entropy).map_err(|_| Fault::NoEntropy)
    }

    /// Puts an event in the driver's queue.
    pub(super) fn tell(&mut self, event: TunnelEvent) {
        if let (TunnelEvent::Acknowledged(newest), Some(TunnelEvent::Acknowledged(last))) =
            (&event, self.events.back_mut())
        {
            *last = *newest;
            return;
        }
        self.events.push_back(event);
    }

    /// The next event.
    pub(super) fn poll_event(&mut self) -> Option<TunnelEvent> {
        self.events.pop_front()
    }

    /// Puts a message in clear in the queue for the wire.
    pub(super) fn send_clear(&mut self, message: Vec<u8>) {
        if self.clear.len() == CLEAR_MAX {
            self.clear.pop_front();
        }
        self.clear.push_back(message);
    }

    /// Queues a small record if there is a live connection.
    pub(super) fn queue(&mut self, due: QueuedRecord) {
        if let Some(live) = &mut self.live {
            live.queue(due);
        }
    }

    /// The pair is over: the peer is told after all accepted messages were sent.
    pub(super) fn revoke(&mut self) {
        if let Some(live) = &mut self.live {
            live.is_revoked = true;
        }
    }

    /// The link is gone, and all that hung on it.
    pub(super) fn unlink(&mut self) {
        self.linked = false;
        self.live = None;
        self.ping = None;
        self.clear.clear();
    }

    /// A new epoch of this end, in another session.
    pub(super) fn begin_epoch(&mut self) -> Result<(), Fault> {
        let epoch = Epoch(self.draw()?);
        self.stream = self.stream.reborn(epoch);
        Ok(())
    }

    /// Makes `connection` the live one: the peer proved itself and said `theirs`.
    pub(super) fn confirm(
        &mut self,
        connection: SealedConnection,
        theirs: &ResumeState,
    ) -> Result<(), Fault> {
        let restarted = self.stream.resume(theirs, self.clock.now())?;
        self.live = Some(connection);
        self.ping = None;
        if let Some(unconfirmed) = restarted
            && self.has_opened
        {
            self.tell(TunnelEvent::Restarted { unconfirmed });
        }
        Ok(())
    }

    /// Lets messages through the live connection.
    pub(super) fn open(&mut self) {
        let Some(live) = &mut self.live else { return };
        live.open = true;
        self.has_opened = true;
        let words = live.words();
        self.tell(TunnelEvent::Opened { words });
        self.tell_room();
    }

    /// True if messages go through.
    pub(super) fn is_open(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.open)
    }

    /// True if `c` names the live connection.
    pub(super) fn is_live(&self, c: Tag) -> bool {
        self.live.as_ref().is_some_and(|live| live.c() == c)
    }

    /// The app was told `Full`.
    pub(super) fn want_room(&mut self) {
        self.wants_room = true;
    }

    fn tell_room(&mut self) {
        if self.wants_room && self.stream.has_room() {
            self.wants_room = false;
            self.tell(TunnelEvent::Room);
        }
    }

    /// Asks the peer for an answer. False if there is no connection to ask on.
    pub(super) fn send_ping(&mut self) -> bool {
        if !self.live.as_ref().is_some_and(|live| live.greeted) {
            return false;
        }
        self.pings += 1;
        self.ping = Some(Ping { token: self.pings, at: self.clock.now() });
        self.queue(QueuedRecord::Ping(self.pings));
        true
    }

    /// Takes a record that means the same to both roles.
    pub(super) fn on_record(&mut self, record: &Record<'_>) -> Result<(), Fault> {
        match *record {
            Record::Ping { token } => self.queue(QueuedRecord::Pong(token)),
            Record::Pong { token } => self.on_pong(token),
            _ if !self.is_open() => return Err(Fault::OutOfPlace("record of an open tunnel")),
            Record::Data { number, ack, fin, bytes } => {
                self.on_ack(ack)?;
                if let Some(message) = self.stream.on_data(number, fin, bytes)? {
                    self.tell(TunnelEvent::Message(message));
                }
            }
            Record::Ack { ack } => self.on_ack(ack)?,
            Record::Close { last } => {
                if self.stream.on_close(last)? {
                    self.tell(TunnelEvent::PeerClosed);
                }
            }
            _ => return Err(Fault::OutOfPlace("record of the other role")),
        }
        Ok(())
    }

    fn on_ack(&mut self, ack: u64) -> Result<(), Fault> {
        if let Some(message) = self.stream.on_ack(ack)? {
            self.tell(TunnelEvent::Acknowledged(message));
        }
        self.tell_room();
        Ok(())
    }

    fn on_pong(&mut self, token: u64) {
        if let Some(ping) = self.ping.take_if(|ping| ping.token == token) {
            let after = self.clock.now().saturating_sub(ping.at);
            self.tell(TunnelEvent::Pong { after });
        }
    }

    /// The next message for the wire.
    pub(super) fn poll_transmit(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(message) = self.clear.pop_front() {
            return Ok(Some(message));
        }
        let now = self.clock.now();
        let Some(live) = &mut self.live else { return Ok(None) };
        let record = match live.poll_due() {
            Some(QueuedRecord::Hello) => Record::Hello { state: self.stream.state(), name: &self.name },
            Some(QueuedRecord::Welcome(credentials)) => Record::Welcome { credentials },
            Some(QueuedRecord::Settled) => Record::Settled,
            Some(QueuedRecord::Denied) => Record::Denied,
            Some(QueuedRecord::Ping(token)) => Record::Ping { token },
            Some(QueuedRecord::Pong(token)) => Record::Pong { token },
            None => match Some(&mut self.stream).filter(|_| live.open).and_then(|open| open.poll_record(now))
            {
                Some(record) => record,
                None if std::mem::take(&mut live.is_revoked) => Record::Denied,
                None => return Ok(None),
            },
        };
        live.seal(&record).map(Some)
    }

    /// When an acknowledgement becomes due. One that is due already waits only for `poll_transmit`.
    pub(super) fn ack_due_at(&self) -> Option<Duration> {
        self.stream.ack_due_at().filter(|&due_at| self.is_open() && due_at > self.clock.now())
    }
}
