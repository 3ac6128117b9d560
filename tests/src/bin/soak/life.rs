//! What one pair does with its time.

use std::time::{Duration, Instant};

use relay_tests::harness::dial::{Refusal, delete, dial, register, register_again};
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;
use relay_tests::harness::{Role, Talk};

use crate::crowd::{PACE, Shared};
use crate::latency::Watch;

/// How long a client waits for each answer to its connect, then tries again.
const PATIENCE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(500);
/// How long an older connection is looked at after a takeover. It may be at a node that is stopped.
const OLDER: Duration = Duration::from_millis(500);
/// Both ends of a deleted session are closed within this, and at the end everything has come.
const END_WITHIN: Duration = Duration::from_secs(90);
/// In a rough time, a pair does something rash about once in so many turns.
const RASH_EVERY: usize = 300;

/// One pair.
pub struct Life<'a> {
    shared: &'a Shared,
    at: usize,
    talk: Talk,
    random: Random,
    watch: Watch,
    /// The round, and what each end had sent when it began.
    proof: Option<(u64, [u64; 2])>,
}

impl<'a> Life<'a> {
    /// The pair of this number.
    pub fn new(shared: &'a Shared, at: usize, talk: Talk, random: Random) -> Self {
        Self { shared, at, talk, random, watch: Watch::default(), proof: None }
    }

    /// Talks until told to end. What was wrong, in words.
    pub fn live(mut self) -> Result<(), String> {
        while !self.shared.is_over() {
            self.watch.aim(&self.talk);
            let count = 1 + self.random.below(6) as u64;
            self.talk.send(count, [50, 300, 4000][self.random.below(3)]);
            self.hear()?;
            self.watch.look(&self.talk, self.shared.is_rough(), &self.shared.latencies);
            for role in Role::BOTH {
                if self.talk.is_cut(role) {
                    self.reconnect(role)?;
                }
            }
            self.prove();
            if self.shared.is_rough() && self.random.below(RASH_EVERY) == 0 {
                self.be_rash()?;
            }
            let_pass(PACE);
        }
        let settled = self.hear_until(Talk::is_settled)?;
        self.add_up();
        settled.then_some(()).ok_or_else(|| format!("frames are missing at the end: {}", self.talk.state()))
    }

    fn hear(&mut self) -> Result<(), String> {
        self.talk.try_hear().map_err(|wrong| format!("{wrong}; {}", self.talk.state()))
    }

    /// Hears until it is so; false if that takes too long.
    fn hear_until(&mut self, is_so: impl Fn(&Talk) -> bool) -> Result<bool, String> {
        let started = Instant::now();
        while !is_so(&self.talk) && started.elapsed() < END_WITHIN {
            self.hear()?;
        }
        Ok(is_so(&self.talk))
    }

    /// A pair is whole once each end has heard what the other had sent, and more, since the round began.
    fn prove(&mut self) {
        let (round, talk) = (self.shared.round(), &self.talk);
        let sent = Role::BOTH.map(|role| talk.sent(role));
        let known = self.proof.filter(|(known, _)| *known == round);
        let (_, since) = *self.proof.insert(known.unwrap_or((round, sent)));
        if talk.is_linked() && (0..2).all(|end| talk.heard_to(Role::BOTH[1 - end]) > since[end]) {
            self.shared.note_whole(self.at, round);
        }
    }

    fn reconnect(&mut self, role: Role) -> Result<(), String> {
        let addr = self.shared.addr(&mut self.random);
        match dial(addr, &self.talk.session().hello(role), PATIENCE) {
            Ok(peer) => {
                self.shared.count(|counts| counts.reconnects += 1);
                self.talk.put(role, peer);
            }
            Err(refusal) => {
                // A Redis that came back empty knows only what a node had in its memory.
                if refusal == Refusal::Code(4401)
                    // Where it fails, the next connect is refused and tries again.
                    && register_again(self.talk.session(), addr, PATIENCE) == Some(409)
                {
                    return Err(format!("dead, though nobody deleted it: {}", self.talk.state()));
                }
                let_pass(RETRY);
            }
        }
        Ok(())
    }

    fn be_rash(&mut self) -> Result<(), String> {
        let role = Role::BOTH[self.random.below(2)];
        match self.random.below(5) {
            0 | 1 => {
                self.shared.count(|counts| counts.broken_off += 1);
                self.talk.break_off(role);
                Ok(())
            }
            2 | 3 => self.take_over(role),
            _ => self.begin_anew(),
        }
    }

    /// A newer connection, at any node; what the older one still gets is judged as ever.
    fn take_over(&mut self, role: Role) -> Result<(), String> {
        let addr = self.shared.addr(&mut self.random);
        let Ok(newer) = dial(addr, &self.talk.session().hello(role), PATIENCE) else { return Ok(()) };
        let taken_at = Instant::now();
        while !self.talk.is_cut(role) && taken_at.elapsed() < OLDER {
            self.hear()?;
        }
        self.shared.count(|counts| {
            counts.takeovers += 1;
            counts.closed_4409 += u64::from(self.talk.closed_by(role) == Some(4409));
        });
        self.talk.put(role, newer);
        Ok(())
    }

    /// Deletes the session, sees both ends closed, and goes on in another.
    fn begin_anew(&mut self) -> Result<(), String> {
        self.talk.expect_end();
        let started = Instant::now();
        while !self.is_over_for_both() {
            if started.elapsed() > END_WITHIN {
                return Err(format!("somebody sits in a deleted session: {}", self.talk.state()));
            }
            let addr = self.shared.addr(&mut self.random);
            match delete(self.talk.session(), addr, PATIENCE) {
                Some(204) => self.shared.note_doing(self.at, "waits to be closed, its delete being granted"),
                // Not granted in time it may have been done all the same. A Redis that came back empty does not know of
                // the session until a node has written it again.
                Some(404) => self.shared.note_doing(self.at, "waits to be closed, or to be deleted again"),
                _ => self.shared.note_doing(self.at, "waits for an answer to its delete"),
            }
            let asked_at = Instant::now();
            while !self.is_over_for_both() && asked_at.elapsed() < RETRY {
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
        Ok(())
    }

    fn is_over_for_both(&self) -> bool {
        Role::BOTH.iter().all(|&role| self.talk.is_cut(role))
    }

    /// Asks one node after the other until there is an answer, and hears meanwhile.
    fn ask_until<T>(&mut self, ask: impl Fn(&Self, std::net::SocketAddr) -> Option<T>) -> Result<T, String> {
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
                counts.told_left += self.talk.told_left(role);
            }
        });
    }
}
