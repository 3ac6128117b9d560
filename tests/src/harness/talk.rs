//! A pair that keeps talking while nodes and Redis come and go. Every frame and every notice is checked.
//!
//! An end sends while it knows of a peer. Each frame must be the next one, except the first after a
//! `peer-joined`: what was in flight when a link ended may be missing. Notices must alternate, and no frame
//! arrives outside a link. A pair is settled if nothing is missing that was sent over the current link, and
//! every end of a link was reported to the end that stayed.

mod end;
mod older;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::guard::{GUARD, let_pass};
use super::peer::{Event, Peer};
use super::role::Role;
use super::sequence::Wrong;
use super::session::Session;

use self::end::End;
use self::older::Older;

pub use self::end::Shape;
pub use self::older::OlderEnd;

/// Both ends of a session.
#[derive(Debug)]
pub struct Talk {
    session: Session,
    ends: [End; 2],
    /// Connections that were taken over and are still read, or not yet compared; the oldest first.
    older: Vec<Older>,
}

impl Talk {
    /// Joins both ends and waits until each is told of the other.
    pub fn link(session: Session, addr_of: impl Fn(Role) -> SocketAddr) -> Self {
        let mut talk = Self::apart(session);
        for role in Role::BOTH {
            talk.join(role, addr_of(role));
        }
        talk.settle();
        talk
    }

    /// A session that neither end has joined yet; see [`Talk::put`].
    pub fn apart(session: Session) -> Self {
        let ends = Role::BOTH.map(|role| End::new(&session, role));
        Self { session, ends, older: Vec::new() }
    }

    /// Allows both ends to be told that the session was deleted.
    pub fn expect_end(&mut self) {
        let older = self.older.iter_mut().map(|older| &mut older.end);
        self.ends.iter_mut().chain(older).for_each(|end| end.may_be_killed = true);
    }

    /// Ends a connection with a reset, as a client that dies.
    pub fn break_off(&mut self, role: Role) {
        let end = self.end_mut(role);
        if let Some(peer) = end.peer.take() {
            peer.into_ws().into_wire().reset();
        }
        end.cut(None);
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Joins an end again. An older connection is dropped.
    pub fn join(&mut self, role: Role, addr: SocketAddr) -> Option<Peer> {
        let peer = Peer::join_as(addr, &self.session.hello(role));
        self.put(role, peer)
    }

    /// Continues with a connection that has joined. Returns the older one.
    pub fn put(&mut self, role: Role, peer: Peer) -> Option<Peer> {
        let stays = self.end_mut(role.other());
        // It knows of a link that has ended, whether it was told so or not yet.
        stays.is_left_due |= stays.is_linked;
        self.end_mut(role).put(peer)
    }

    /// Each end that knows of a peer sends up to `count` frames.
    pub fn send(&mut self, count: u64, length: usize) {
        self.send_shaped(count, length, Shape::TEXT);
    }

    /// The same, in messages of this shape.
    pub fn send_shaped(&mut self, count: u64, length: usize, shape: Shape) {
        let came = [self.ends[1].came.count(), self.ends[0].came.count()];
        for (end, came) in self.ends.iter_mut().zip(came) {
            end.send(count, length, shape, came);
        }
    }

    /// Reads what has arrived.
    pub fn try_hear(&mut self) -> Result<(), Wrong> {
        let id = &self.session.id;
        self.ends
            .iter_mut()
            .try_for_each(|end| end.hear().map_err(|wrong| format!("the {} of {id}: {wrong}", end.role)))
    }

    /// [`Talk::try_hear`]; a violation fails the case.
    pub fn hear(&mut self) {
        self.try_hear().unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// Hears until `is_so`.
    pub fn hear_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(started.elapsed() < GUARD, "waited {GUARD:?} for {what}: {}", self.state());
            self.hear();
        }
    }

    /// Waits until the node of this end has read all that it sent.
    pub fn fence(&mut self, role: Role) {
        let end = self.end_mut(role);
        let answered = end.hb_acks + 1;
        end.peer.as_mut().expect("connected").text(r#"{"type":"hb"}"#);
        let started = Instant::now();
        while self.end(role).hb_acks < answered {
            assert!(started.elapsed() < GUARD, "no heartbeat was answered: {}", self.state());
            let end = self.end_mut(role);
            end.hear().unwrap_or_else(|wrong| panic!("{wrong}"));
        }
    }

    /// Frames that an older connection of this end received.
    pub fn heard_elsewhere(&mut self, role: Role, events: &[Event]) {
        for event in events {
            let Event::Text(text) = event else { panic!("{event:?} at the older connection") };
            self.end_mut(role).came.take(text);
        }
    }

    /// Waits until both are linked, everything sent since has arrived, and one more frame each way.
    pub fn settle(&mut self) {
        let started = Instant::now();
        let mut links = None;
        while !(links == self.links() && self.is_settled()) {
            assert!(started.elapsed() < GUARD, "not linked, or a frame is missing: {}", self.state());
            if self.is_linked() && links != self.links() {
                links = self.links();
                self.send(1, 0);
            }
            self.hear();
        }
    }

    /// Both ends are told of each other.
    pub fn is_linked(&self) -> bool {
        self.ends.iter().all(|end| end.is_linked)
    }

    /// This end is told of the other.
    pub fn is_linked_at(&self, role: Role) -> bool {
        self.end(role).is_linked
    }

    /// How often an end was told that its peer left.
    pub fn told_left(&self, role: Role) -> u64 {
        self.end(role).told_left
    }

    /// The connection of this end has ended.
    pub fn is_cut(&self, role: Role) -> bool {
        self.end(role).peer.is_none()
    }

    /// The code of the Close that ended it, if there was a Close.
    pub fn closed_by(&self, role: Role) -> Option<u16> {
        self.end(role).closed_by
    }

    /// How many frames this end has sent.
    pub fn sent(&self, role: Role) -> u64 {
        self.end(role).sent.count()
    }

    /// One more than the number of the last frame that this end received.
    pub fn heard_to(&self, role: Role) -> u64 {
        self.end(role).came.count()
    }

    /// How many frames this end received.
    pub fn heard(&self, role: Role) -> u64 {
        self.end(role).came_count
    }

    /// Asserts that no link ended, no connection was closed, and every frame has arrived.
    pub fn assert_undisturbed(&self) {
        for end in &self.ends {
            assert!(end.peer.is_some() && end.told_left == 0, "disturbed: {}", self.state());
        }
        assert!(self.is_settled(), "a frame is missing: {}", self.state());
    }

    /// The pair's state, for failure messages.
    pub fn state(&self) -> String {
        let say = |end: &End| {
            format!(
                "{}: linked {}, connected {}, closed by {:?}, told left {}, has still to be told {}, sent {}, of which {} \
                 before this link, heard to {}, in this link from {}; ",
                end.role,
                end.is_linked,
                end.peer.is_some(),
                end.closed_by,
                end.told_left,
                end.is_left_due,
                end.sent.count(),
                end.sent_before,
                end.came.count(),
                end.came.gap_to()
            )
        };
        format!("{}: {}", self.session.id, self.ends.iter().map(say).collect::<String>())
    }

    /// True if both are linked, and everything sent has arrived.
    pub fn is_settled(&self) -> bool {
        let [one, other] = &self.ends;
        let has_all = |to: &End, from: &End| to.came.count() == from.sent.count();
        self.is_sound() && has_all(one, other) && has_all(other, one)
    }

    /// True if both are linked, nothing is missing of what each sent since it was told so, and both were told
    /// of every link's end. False also while a notice is on its way.
    pub fn is_sound(&self) -> bool {
        let [one, other] = &self.ends;
        self.is_linked() && one.misses_nothing_of(other) && other.misses_nothing_of(one)
    }

    /// Changes with every link.
    fn links(&self) -> Option<u64> {
        self.is_linked().then(|| self.ends.iter().map(|end| end.told_left + 1).sum())
    }

    fn end(&self, role: Role) -> &End {
        &self.ends[usize::from(role == Role::Phone)]
    }

    fn end_mut(&mut self, role: Role) -> &mut End {
        &mut self.ends[usize::from(role == Role::Phone)]
    }
}

/// Pairs that talk, each on its own thread, until told to end.
#[derive(Debug)]
#[must_use = "only done() gives the pairs back"]
pub struct Talking {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Talk>>,
}

impl Talking {
    /// Lets them send and hear at a steady pace.
    pub fn start(talks: Vec<Talk>) -> Self {
        Self::start_with(talks, |_| {})
    }

    /// The same. `each_turn` may look at a pair and act.
    pub fn start_with(talks: Vec<Talk>, each_turn: impl Fn(&mut Talk) + Clone + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let start = |mut talk: Talk| {
            let (is_over, each_turn) = (Arc::clone(&is_over), each_turn.clone());
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    talk.send(4, 300);
                    talk.hear();
                    each_turn(&mut talk);
                    let_pass(PACE);
                }
                talk
            })
        };
        let threads = talks.into_iter().map(start).collect();
        Self { is_over, threads }
    }

    /// Ends the talk and returns the pairs.
    pub fn done(self) -> Vec<Talk> {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("no pair met a breach")).collect()
    }
}

/// Between two turns of a pair.
const PACE: Duration = Duration::from_millis(10);
