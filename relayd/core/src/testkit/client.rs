//! One simulated connection: what its client sends, what is on its way in either direction, and the judge of
//! what reaches it.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::Role;
use protocol::message::{Notice, Version};

use crate::event::Goodbye;
use crate::limits::{Limits, PAUSED_PING};
use crate::store::Conn;
use crate::time::Time;

/// A frame, marked so that its whole way can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub session: usize,
    pub from: Role,
    /// [`Conn::name`] of the sender.
    pub sender: u64,
    /// From 1, rising by one with each frame of the sender.
    pub number: u64,
}

/// A link: by what both ends know of it.
pub(super) type LinkName = (u64, u64, u32);

/// What a client has sent and the server has not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent {
    Hello { is_good: bool },
    Frame(Mark),
    Heartbeat,
    Close,
}

/// What the server has queued and the client has not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Queued {
    Notice(Notice),
    /// A `peer-joined`, with the name of the link: both ends of one link are told with the same name.
    Joined {
        notice: Notice,
        link: LinkName,
    },
    Frame(Mark),
    Ping,
    Close(Goodbye),
}

#[derive(Debug)]
pub(super) struct Client {
    pub conn: Conn,
    pub session: usize,
    pub role: Role,
    pub sent: VecDeque<Sent>,
    pub queue: VecDeque<Queued>,
    /// The server's reactor was told that there is something to read.
    pub is_ready: bool,
    /// The client reads.
    pub reads: bool,
    /// The server queued a Close.
    pub is_closing: bool,
    /// It was admitted: its messages are frames.
    pub is_joined: bool,
    numbered: u64,
    view: View,
    /// Frames of ours that found nobody, as counted by the world.
    pub dropped: u64,
    /// Every link that was queued for it, as the relay names them.
    links: Vec<LinkName>,
    /// Bytes of other nodes' frames that came since the queue was last low.
    pub granted: usize,
    pub clocks: Clocks,
}

/// What is known of its silences and pauses.
#[derive(Debug)]
pub(super) struct Clocks {
    pub version: Version,
    /// The server knows its version.
    has_said_hello: bool,
    /// The server does not read it.
    pub is_unread: bool,
    /// When the server last read of it, or did not want to.
    heard: Time,
    /// How long its node stood still since.
    stood: Duration,
    /// When a pause began, or was last told of.
    paused: Option<Time>,
    /// When something began to wait for it.
    waits: Option<Time>,
}

impl Clocks {
    fn new(version: Version, now: Time) -> Self {
        Clocks {
            version,
            has_said_hello: false,
            is_unread: false,
            heard: now,
            stood: Duration::ZERO,
            paused: None,
            waits: None,
        }
    }

    /// The server heard it.
    pub fn note_heard(&mut self, now: Time) {
        (self.heard, self.stood) = (now, Duration::ZERO);
    }

    /// The server does not read it, or reads it again.
    pub fn note_unread(&mut self, is_unread: bool, now: Time) {
        self.note_heard(now);
        (self.is_unread, self.paused) = (is_unread, (is_unread && self.has_said_hello).then_some(now));
    }

    /// Its node stood still for so long.
    pub fn note_stop(&mut self, stood: Duration, now: Time) {
        self.stood += stood;
        self.paused = self.paused.map(|_| now);
    }

    /// Its hello waits for the store.
    pub fn note_claim(&mut self, now: Time) {
        (self.has_said_hello, self.paused) = (true, Some(now));
    }

    /// It holds its role.
    pub fn note_admitted(&mut self, now: Time) {
        self.note_heard(now);
        self.paused = self.paused.filter(|_| self.is_unread);
    }

    /// The server pinged it as it is paused.
    pub fn note_paused_ping(&mut self, now: Time) {
        assert!(self.version >= Version::V3, "an older client is not pinged while it is paused");
        self.note_heard(now);
        self.paused = self.paused.map(|_| now);
    }

    /// So much waits for it now.
    pub fn note_waiting(&mut self, left: usize, now: Time) {
        self.waits = if left == 0 { None } else { self.waits.or(Some(now)) };
    }

    /// The server closes it as silent, or as one that does not read.
    pub fn judge_timed_out(&self, limits: &Limits, now: Time) {
        let is_stalled = self.waits.is_some_and(|since| now.since(since) >= limits.stall);
        let silent = now.since(self.heard);
        assert!(
            is_stalled || (silent >= limits.silence_max(self.version) && !self.is_unread),
            "closed too early: {self:?} at {now:?}"
        );
    }

    /// What a client of version 3 can rely on while its node runs.
    pub fn check(&self, is_joined: bool, limits: &Limits, now: Time) {
        if self.version < Version::V3 {
            return;
        }
        let told = self.paused.map(|told| now.since(told));
        assert!(told.is_none_or(|since| since <= PAUSED_PING), "it hears nothing in its pause: {self:?}");
        let silent = now.since(self.heard);
        let is_overdue =
            is_joined && !self.is_unread && silent > limits.silence_max(self.version) + self.stood;
        assert!(!is_overdue, "a dead path is not noticed: {self:?} at {now:?}");
    }
}

/// What the client knows.
#[derive(Debug, Default)]
struct View {
    acked: bool,
    closed: bool,
    link: Option<Link>,
    /// By link: the first frame that the client sent knowing of it.
    first_sent: Vec<(LinkName, u64)>,
}

/// The client was told that its peer is here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub name: LinkName,
    /// Whom frames come from in this link, and the last of them.
    pub from: Option<(u64, u64)>,
}

impl Client {
    pub fn new(conn: Conn, session: usize, role: Role, is_good: bool, version: Version, now: Time) -> Self {
        Client {
            conn,
            session,
            role,
            sent: VecDeque::from([Sent::Hello { is_good }]),
            queue: VecDeque::new(),
            is_ready: true,
            reads: true,
            is_closing: false,
            is_joined: false,
            numbered: 0,
            view: View::default(),
            dropped: 0,
            links: Vec::new(),
            granted: 0,
            clocks: Clocks::new(version, now),
        }
    }

    /// It will be told of a link. Gives the name by which it is judged: two ends on one node may be linked,
    /// parted and linked again, and are told of that at the same times.
    pub fn note_link(&mut self, (workstation, phone, attempt): LinkName) -> LinkName {
        let name = (workstation, phone, attempt);
        let before = self.links.iter().filter(|&&link| link == name).count();
        self.links.push(name);
        (workstation, phone, attempt - before as u32)
    }

    /// Sends the next frame.
    pub fn send_frame(&mut self) {
        self.numbered += 1;
        if let Some(link) = self.view.link
            && self.first_sent(link.name).is_none()
        {
            self.view.first_sent.push((link.name, self.numbered));
        }
        let mark =
            Mark { session: self.session, from: self.role, sender: self.conn.name, number: self.numbered };
        self.sent.push_back(Sent::Frame(mark));
    }

    /// It holds its role and is not being closed.
    pub fn holds(&self) -> bool {
        self.is_joined && !self.is_closing
    }

    pub fn link(&self) -> Option<Link> {
        self.view.link
    }

    /// The first frame that the client sent knowing of a link.
    pub fn first_sent(&self, link: LinkName) -> Option<u64> {
        self.view.first_sent.iter().find(|(of, _)| *of == link).map(|&(_, first)| first)
    }

    /// The number of the last frame sent.
    pub fn last_sent(&self) -> u64 {
        self.numbered
    }

    /// Something reached the client. `first_known` is the first frame that a sender sent knowing of a link.
    pub fn receive(&mut self, item: Queued, first_known: impl Fn(u64, LinkName) -> Option<u64>) {
        assert!(!self.view.closed, "{item:?} after the Close frame");
        match item {
            Queued::Ping => {}
            Queued::Close(say) => {
                self.view.closed = true;
                self.view.link = None;
                assert!(say != Goodbye::Now(CloseCode::Internal), "an internal fault");
            }
            Queued::Notice(notice) => self.receive_notice(notice),
            Queued::Joined { notice, link } => self.receive_joined(notice, link),
            Queued::Frame(mark) => self.receive_frame(mark, first_known),
        }
    }

    fn receive_joined(&mut self, notice: Notice, name: LinkName) {
        let Notice::PeerJoined { role, .. } = notice else { panic!("{notice:?}") };
        assert!(self.view.acked, "peer-joined before hello-ack");
        assert_eq!(role, self.role.other());
        assert!(self.view.link.is_none(), "peer-joined twice without peer-left");
        self.view.link = Some(Link { name, from: None });
    }

    fn receive_notice(&mut self, notice: Notice) {
        match notice {
            Notice::HelloAck { .. } => {
                assert!(!self.view.acked, "a second hello-ack");
                self.view.acked = true;
            }
            Notice::PeerLeft { role } => {
                assert_eq!(role, self.role.other());
                assert!(self.view.link.take().is_some(), "peer-left without peer-joined");
            }
            Notice::SessionKilled { .. } => self.view.link = None,
            Notice::PeerAbsent => assert!(self.view.acked),
            _ => {}
        }
    }

    /// In order, once, without gaps, from one sender per link, and nothing lost that was sent in knowledge of
    /// it.
    fn receive_frame(&mut self, mark: Mark, first_known: impl Fn(u64, LinkName) -> Option<u64>) {
        assert_eq!((mark.session, mark.from), (self.session, self.role.other()), "a foreign frame");
        let link = self.view.link.as_mut().unwrap_or_else(|| panic!("{mark:?} outside a link"));
        match link.from {
            Some((sender, last)) => {
                assert_eq!((mark.sender, mark.number), (sender, last + 1), "a gap or a double");
            }
            None => {
                if let Some(first) = first_known(mark.sender, link.name) {
                    assert!(
                        mark.number <= first,
                        "{mark:?}: lost what was sent after peer-joined, from {first} on"
                    );
                }
            }
        }
        link.from = Some((mark.sender, mark.number));
    }
}
