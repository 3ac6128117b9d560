//! The life of one pair.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use relay_tests::harness::dial::{Refusal, delete, dial, register, register_again};
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;
use relay_tests::harness::talk::Shape;
use relay_tests::harness::{Hello, Role, Session, Talk};

use crate::crowd::{PACE, Shared};
use crate::latency::Watch;

/// How long a client waits for each answer while it connects, before it tries again.
const PATIENCE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(500);
/// A claim whose answer was lost is noticed within this time: when roles are compared again, once Redis can
/// be asked.
const CLAIM_KNOWN_WITHIN: Duration = Duration::from_secs(90);
/// A connection that was taken over is closed within this time, whatever happens to its node and to Redis
/// meanwhile.
const OLDER_WITHIN: Duration = Duration::from_secs(180);
/// How many of these connections are read, and in about one of how many turns.
const OLDER_MAX: usize = 8;
const OLDER_EVERY: usize = 16;
/// Both ends of a deleted session are closed within this time, and at the end everything has arrived.
const END_WITHIN: Duration = Duration::from_secs(90);
/// In a rough phase, a pair does something rash in about one of this many turns.
const RASH_EVERY: usize = 300;
/// In about one of this many turns, a message is large: many pieces between nodes, text or binary, fragmented
/// or not.
const LARGE_EVERY: usize = 1000;
const LARGE: usize = 300_000;

/// One pair.
pub struct Life<'a> {
    shared: &'a Shared,
    at: usize,
    talk: Talk,
    random: Random,
    watch: Watch,
    /// The round, and what each end had sent when it began.
    proof: Option<(u64, [u64; 2])>,
    /// The address of each end's node, also after its connection ended.
    addrs: [SocketAddr; 2],
    /// Of which ends it is noted that they have no connection.
    is_lost: [bool; 2],
    /// When a hello of each end last got no answer. Its claim may have been granted.
    unanswered_at: [Option<Instant>; 2],
    /// The end lost its connection to such a claim, so neither that loss nor the next connect counts.
    is_excused: [bool; 2],
    /// When both were last seen linked, or the session was made.
    linked_at: Instant,
    /// How many told ends of links are counted.
    told_left: u64,
    /// The session is being deleted.
    is_ending: bool,
}

impl<'a> Life<'a> {
    /// The pair of this number, which is linked; the nodes of its ends listen there.
    pub fn new(shared: &'a Shared, at: usize, talk: Talk, addrs: [SocketAddr; 2], random: Random) -> Self {
        Self {
            shared,
            at,
            talk,
            random,
            watch: Watch::default(),
            proof: None,
            addrs,
            is_lost: [false; 2],
            unanswered_at: [None; 2],
            is_excused: [false; 2],
            linked_at: Instant::now(),
            told_left: 0,
            is_ending: false,
        }
    }

    /// Talks until told to end. What was wrong, in words.
    pub fn live(mut self) -> Result<(), String> {
        while !self.shared.is_over() {
            self.watch.aim(&self.talk);
            self.say();
            self.hear()?;
            self.watch.look(&self.talk, self.shared.has_faults(), &self.shared.latencies);
            for role in Role::BOTH {
                if self.talk.is_cut(role) {
                    self.connect(role)?;
                }
            }
            self.prove();
            if self.shared.is_rough() && self.random.below(RASH_EVERY) == 0 {
                self.be_rash()?;
            }
            let_pass(PACE);
        }
        if self.shared.is_broken() {
            // The failure of another pair ended the run, so this pair may be in any state.
            self.add_up();
            return Ok(());
        }
        let settled = self.hear_until(|talk| talk.is_settled() && talk.older_open_since().is_none())?;
        self.add_up();
        settled.then_some(()).ok_or_else(|| {
            let older = self.talk.older_open_since().map(|since| since.elapsed());
            format!(
                "frames are missing at the end, or an older connection is open: {older:?}, {}",
                self.talk.state()
            )
        })
    }

    fn say(&mut self) {
        if self.random.below(LARGE_EVERY) > 0 {
            let count = 1 + self.random.below(6) as u64;
            return self.talk.send(count, [50, 300, 4000][self.random.below(3)]);
        }
        let shape = Shape { is_binary: self.random.below(2) == 0, pieces: [1, 9][self.random.below(2)] };
        self.talk.send_shaped(1, LARGE, shape);
    }

    fn hear(&mut self) -> Result<(), String> {
        self.talk.try_hear().map_err(|wrong| format!("{wrong}; {}", self.talk.state()))?;
        self.note_ends()?;
        if self.random.below(OLDER_EVERY) == 0 { self.hear_older() } else { Ok(()) }
    }

    /// Counts and judges how connections and links ended.
    fn note_ends(&mut self) -> Result<(), String> {
        if self.talk.is_linked() {
            self.linked_at = Instant::now();
        }
        let told_left = Role::BOTH.iter().map(|&role| self.talk.told_left(role)).sum();
        if told_left > self.told_left {
            self.shared.count(|counts| counts.told_left += told_left - self.told_left);
            self.told_left = told_left;
        }
        for (at, role) in Role::BOTH.into_iter().enumerate() {
            if self.talk.is_cut(role) && !self.is_lost[at] {
                self.is_lost[at] = true;
                let code = self.talk.closed_by(role);
                let may_be_claimed =
                    self.unanswered_at[at].is_some_and(|at| at.elapsed() < CLAIM_KNOWN_WITHIN);
                self.is_excused[at] = code == Some(4409) && may_be_claimed;
                self.shared.count(|counts| counts.lost += u64::from(!self.is_excused[at]));
                self.judge_end(self.addrs[at], code)?;
            }
        }
        Ok(())
    }

    fn judge_end(&self, addr: SocketAddr, code: Option<u16>) -> Result<(), String> {
        let judged = self.shared.expected.judge_end(addr, code, self.is_ending);
        judged.map_err(|wrong| format!("{wrong}: {}", self.talk.state()))
    }

    /// What still arrives at connections that were taken over is judged too, and none of it may arrive twice.
    fn hear_older(&mut self) -> Result<(), String> {
        let ended = self.talk.try_hear_older().map_err(|wrong| format!("{wrong}; {}", self.talk.state()))?;
        for older in ended {
            self.shared.count(|counts| counts.closed_4409 += u64::from(older.code == Some(4409)));
            self.judge_end(older.addr, older.code)?;
        }
        match self.talk.older_open_since() {
            Some(since) if since.elapsed() > OLDER_WITHIN => {
                Err(format!("taken over and open after {OLDER_WITHIN:?}: {}", self.talk.state()))
            }
            _ => Ok(()),
        }
    }

    /// Hears until it is so. False if that takes too long.
    fn hear_until(&mut self, is_so: impl Fn(&Talk) -> bool) -> Result<bool, String> {
        let started = Instant::now();
        while !is_so(&self.talk) && started.elapsed() < END_WITHIN {
            self.hear()?;
        }
        Ok(is_so(&self.talk))
    }

    /// A pair has recovered once each end has heard everything that the other had sent when the round began,
    /// and more.
    fn prove(&mut self) {
        let (round, talk) = (self.shared.round(), &self.talk);
        let sent = Role::BOTH.map(|role| talk.sent(role));
        let known = self.proof.filter(|(known, _)| *known == round);
        let (_, since) = *self.proof.insert(known.unwrap_or((round, sent)));
        if talk.is_sound() && (0..2).all(|end| talk.heard_to(Role::BOTH[1 - end]) > since[end]) {
            self.shared.note_whole(self.at, round);
        }
    }

    fn connect(&mut self, role: Role) -> Result<(), String> {
        let addr = self.shared.addr(&mut self.random);
        match dial(addr, &hello(self.talk.session(), role), PATIENCE) {
            Ok(peer) => {
                let is_excused = std::mem::take(&mut self.is_excused[usize::from(role == Role::Phone)]);
                self.shared.count(|counts| counts.connects += u64::from(!is_excused));
                self.talk.put(role, peer);
                self.note_connected(role, addr);
            }
            Err(refusal) => {
                self.note_refused(role, refusal);
                self.judge_refusal(refusal, addr)?;
                let_pass(RETRY);
            }
        }
        Ok(())
    }

    fn note_connected(&mut self, role: Role, addr: SocketAddr) {
        let at = usize::from(role == Role::Phone);
        (self.addrs[at], self.is_lost[at]) = (addr, false);
    }

    fn note_refused(&mut self, role: Role, refusal: Refusal) {
        // A node that lost its Redis over the claim says 1013.
        if matches!(refusal, Refusal::NoAnswer | Refusal::Code(1013)) {
            self.unanswered_at[usize::from(role == Role::Phone)] = Some(Instant::now());
        }
    }

    /// Whether a hello may be refused so.
    fn judge_refusal(&self, refusal: Refusal, addr: SocketAddr) -> Result<(), String> {
        match refusal {
            // Try again. The node is away, has no store, or does not know its store's state yet; or there
            // were too many claims of this role, or failed hellos, in the last minute.
            Refusal::NoAnswer | Refusal::Code(1013 | 4429) => Ok(()),
            // A Redis that came back empty knows only what a node had in its memory.
            Refusal::Code(4401) => match register_again(self.talk.session(), addr, PATIENCE) {
                Some(409) => Err(format!("deleted, though no client deleted it: {}", self.talk.state())),
                Some(200) if !self.shared.expected.may_be_lost(self.linked_at) => {
                    Err(format!("unknown, though Redis has lost nothing: {}", self.talk.state()))
                }
                // If it fails, the next connect is refused and tries again.
                _ => Ok(()),
            },
            Refusal::Code(code) => self.judge_end(addr, Some(code)),
        }
    }

    fn be_rash(&mut self) -> Result<(), String> {
        let role = Role::BOTH[self.random.below(2)];
        match self.random.below(5) {
            0 | 1 => {
                self.shared.count(|counts| counts.broken_off += 1);
                self.talk.break_off(role);
                self.is_lost[usize::from(role == Role::Phone)] = true;
                Ok(())
            }
            2 | 3 if self.talk.older_count() < OLDER_MAX => self.take_over(role),
            2 | 3 => Ok(()),
            _ => self.begin_anew(),
        }
    }

    /// A newer connection, at any node.
    fn take_over(&mut self, role: Role) -> Result<(), String> {
        let addr = self.shared.addr(&mut self.random);
        let newer = match dial(addr, &hello(self.talk.session(), role), PATIENCE) {
            Ok(newer) => newer,
            Err(refusal) => {
                self.note_refused(role, refusal);
                return self.judge_refusal(refusal, addr);
            }
        };
        self.shared.count(|counts| counts.takeovers += 1);
        self.talk.take_over(role, newer, self.addrs[usize::from(role == Role::Phone)]);
        self.note_connected(role, addr);
        Ok(())
    }

    /// Deletes the session, sees both ends closed, and continues in another.
    fn begin_anew(&mut self) -> Result<(), String> {
        self.talk.expect_end();
        self.is_ending = true;
        let started = Instant::now();
        while !self.is_over_for_all() {
            if started.elapsed() > END_WITHIN {
                return Err(format!("a client is in a deleted session: {}", self.talk.state()));
            }
            let addr = self.shared.addr(&mut self.random);
            match delete(self.talk.session(), addr, PATIENCE) {
                Some(204) => self.shared.note_doing(self.at, "waits to be closed, its delete being granted"),
                // Without an answer in time, it may have been done all the same. A Redis that came back empty
                // does not know the session until a node has written it again.
                Some(404) => self.shared.note_doing(self.at, "waits to be closed, or to be deleted again"),
                _ => self.shared.note_doing(self.at, "waits for an answer to its delete"),
            }
            let asked_at = Instant::now();
            while !self.is_over_for_all() && asked_at.elapsed() < RETRY {
                self.hear()?;
            }
        }
        self.shared.count(|counts| counts.deleted += 1);
        let killed = Role::BOTH.iter().filter(|&&role| self.talk.closed_by(role) == Some(4410)).count();
        self.shared.count(|counts| counts.closed_4410 += killed as u64);
        if dial(self.shared.addr(&mut self.random), &self.talk.session().hello(Role::Phone), PATIENCE).is_ok()
        {
            return Err(format!("a deleted session was joined: {}", self.talk.state()));
        }
        self.shared.note_doing(self.at, "registers");
        let session = self.ask_until(|life, addr| {
            let session = register(addr, PATIENCE);
            life.shared.count(|counts| counts.unanswered += u64::from(session.is_none()));
            session
        })?;
        self.shared.count(|counts| counts.sessions += 1);
        self.add_up();
        self.shared.note_doing(self.at, "talks");
        (self.talk, self.proof, self.watch) = (Talk::apart(session), None, Watch::default());
        (self.is_lost, self.linked_at, self.told_left, self.is_ending) =
            ([true; 2], Instant::now(), 0, false);
        Ok(())
    }

    fn is_over_for_all(&self) -> bool {
        let both = Role::BOTH.iter().all(|&role| self.talk.is_cut(role));
        both && self.talk.older_open_since().is_none()
    }

    /// Asks one node after another until one answers, and hears meanwhile.
    fn ask_until<T>(&mut self, ask: impl Fn(&Self, SocketAddr) -> Option<T>) -> Result<T, String> {
        loop {
            let addr = self.shared.addr(&mut self.random);
            if let Some(answer) = ask(self, addr) {
                return Ok(answer);
            }
            self.hear()?;
            let_pass(RETRY);
        }
    }

    fn add_up(&self) {
        self.shared.count(|counts| {
            for role in Role::BOTH {
                counts.sent += self.talk.sent(role);
                counts.delivered += self.talk.heard(role);
            }
        });
    }
}

/// A workstation that reconnects uses version 3. Phones use version 1.
fn hello(session: &Session, role: Role) -> Hello {
    let hello = session.hello(role);
    if role == Role::Workstation { hello.v3() } else { hello }
}
