//! State tables on a virtual clock: two machines, a link between them, and all that they say.

mod codes;
mod damage;
mod keys;
mod noise;
mod pairing;
mod questions;
mod refusals;
mod resuming;
mod vectors;

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};

use super::model::Rng;
use super::*;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// Repeatable randomness.
struct Seeded(Rng);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        out.iter_mut().for_each(|byte| *byte = self.0.next().to_be_bytes()[0]);
        Ok(())
    }
}

pub(super) fn seeded(seed: u64) -> Box<dyn Entropy + Send> {
    Box::new(Seeded(Rng::new(seed)))
}

fn credentials(byte: u8) -> Credentials {
    Credentials { session: SessionId::from_bytes([byte; 16]), token: Token::from_bytes([byte; 16]) }
}

fn code() -> PairingKey {
    PairingKey::from_bytes(&[0xc0; 32])
}

fn named(role: Role) -> Options {
    Options { name: "Anna's phone".into(), ..Options::new(role) }
}

/// One end, and what came out of it.
struct End {
    tunnel: Tunnel,
    told: Vec<TunnelEvent>,
    /// Written, not yet at the other end.
    wire: VecDeque<Vec<u8>>,
    /// Calls `on_stored` at each `Store`.
    stores: bool,
    /// The last question's number.
    question: u64,
}

impl End {
    fn new(tunnel: Tunnel) -> Self {
        End { tunnel, told: Vec::new(), wire: VecDeque::new(), stores: true, question: 0 }
    }

    fn drain(&mut self, now: Duration) {
        while let Some(event) = self.tunnel.poll_event() {
            if event == TunnelEvent::Store && self.stores {
                self.tunnel.on_stored(now);
            }
            if let TunnelEvent::Ask { question, .. } = event {
                self.question = question;
            }
            self.told.push(event);
        }
        self.wire.extend(std::iter::from_fn(|| self.tunnel.poll_transmit()));
        while let Some(event) = self.tunnel.poll_event() {
            self.told.push(event);
        }
    }

    /// What was told since last asked, but for `Store` and the end of a question that was answered with yes,
    /// which follow from what the tests do anyway.
    fn news(&mut self) -> Vec<TunnelEvent> {
        let is_news = |event: &TunnelEvent| {
            !matches!(event, TunnelEvent::Store | TunnelEvent::AskOver { allowed: true, .. })
        };
        self.told.drain(..).filter(is_news).collect()
    }

    /// The same as words, shortened to the events' names.
    fn words(&mut self) -> Vec<String> {
        let name =
            |event: TunnelEvent| format!("{event:?}").split(['(', '{']).next().unwrap_or_default().to_owned();
        self.news().into_iter().map(name).collect()
    }
}

/// A phone and a workstation on one link.
struct TunnelBench {
    now: Duration,
    phone: End,
    desk: End,
}

impl TunnelBench {
    /// A workstation that shows a code and a phone that has scanned it, not linked.
    fn new() -> Self {
        let now = SEC * 1000;
        let phone =
            Tunnel::pair(Role::Phone, credentials(1), code(), &named(Role::Phone), seeded(1), now).unwrap();
        let desk = Options::new(Role::Workstation);
        let desk = Tunnel::pair(Role::Workstation, credentials(1), code(), &desk, seeded(2), now).unwrap();
        TunnelBench { now, phone: End::new(phone), desk: End::new(desk) }
    }

    /// Paired without a move, linked, open, all news read.
    fn open() -> Self {
        let mut bench = TunnelBench::new();
        bench.link();
        bench.answer(Answer::Allow { session: None });
        assert_eq!(bench.phone.words(), ["Asked", "Opened"]);
        assert_eq!(bench.desk.words(), ["Ask", "Opened"]);
        bench
    }

    fn link(&mut self) {
        self.phone.tunnel.on_link(self.now);
        self.desk.tunnel.on_link(self.now);
        self.pump();
    }

    /// The link breaks with all that is on it.
    fn cut(&mut self) {
        for end in [&mut self.phone, &mut self.desk] {
            end.drain(self.now);
            end.wire.clear();
            end.tunnel.on_unlink(self.now);
            end.drain(self.now);
        }
    }

    /// Both take what the other wrote until nobody has anything to say.
    fn pump(&mut self) {
        loop {
            self.phone.drain(self.now);
            self.desk.drain(self.now);
            if self.phone.wire.is_empty() && self.desk.wire.is_empty() {
                return;
            }
            while let Some(message) = self.phone.wire.pop_front() {
                self.desk.tunnel.on_message(&message, self.now);
            }
            while let Some(message) = self.desk.wire.pop_front() {
                self.phone.tunnel.on_message(&message, self.now);
            }
        }
    }

    fn after(&mut self, span: Duration) {
        self.now += span;
        self.phone.tunnel.on_timeout(self.now);
        self.desk.tunnel.on_timeout(self.now);
        self.pump();
    }

    /// The user's answer to the newest question.
    fn answer(&mut self, answer: Answer) -> bool {
        let done = self.answer_to(self.desk.question, answer);
        self.pump();
        done
    }

    /// The same to any question, and nothing is carried yet.
    fn answer_to(&mut self, question: u64, answer: Answer) -> bool {
        self.desk.tunnel.answer(question, answer, self.now)
    }

    /// What the phone writes next, taken off the link.
    fn phone_says(&mut self) -> Vec<u8> {
        self.phone.drain(self.now);
        self.phone.wire.pop_front().expect("the phone says something")
    }

    fn desk_says(&mut self) -> Vec<u8> {
        self.desk.drain(self.now);
        self.desk.wire.pop_front().expect("the workstation says something")
    }

    fn phone_hears(&mut self, message: &[u8]) {
        self.phone.tunnel.on_message(message, self.now);
        self.phone.drain(self.now);
    }

    fn desk_hears(&mut self, message: &[u8]) {
        self.desk.tunnel.on_message(message, self.now);
        self.desk.drain(self.now);
    }
}

/// The payloads among the news, each taken by the app at once.
fn take_all(end: &mut End, now: Duration) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    for event in end.news() {
        if let TunnelEvent::Message(message) = event {
            end.tunnel.taken(message.number, now);
            taken.push(message.bytes);
        }
    }
    taken
}
