//! Fuzz bodies for the tunnel: its bytes, and two machines whose link is driven by the input.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};

use super::record::{Record, answer, parse_answer};
use super::wire::{self, Outer};
use super::{Answer, Credentials, Options, PairingKey, Tunnel, TunnelEvent, limits};
use crate::fuzz::Chosen;
use crate::fuzz::support::Input;

/// The messages outside and inside of the encryption: a value that is read is written so that it reads back.
pub fn tunnel_bytes(bytes: &[u8]) {
    match Outer::parse(bytes) {
        Some(Outer::H1 { c, key_id, noise }) => assert_eq!(wire::h1(c, key_id, noise), bytes),
        Some(Outer::H2 { c, noise }) => assert_eq!(wire::h2(c, noise), bytes),
        Some(Outer::Refused { c, why }) => assert_eq!(wire::refused(c, why), bytes),
        Some(Outer::Record { c, sealed }) => {
            assert_eq!([&wire::record_head(c, 0), sealed].concat(), bytes);
        }
        Some(Outer::OtherVersion { version, .. }) => assert_ne!(version, wire::VERSION),
        None => {}
    }
    if let Ok(record) = Record::parse(bytes) {
        let mut written = Vec::new();
        record.write(&mut written);
        assert_eq!(written, bytes, "{record:?}");
    }
    if let Ok((state, key)) = parse_answer(bytes) {
        assert_eq!(*answer(&state, key.as_ref()), bytes);
    }
}

/// A phone and a workstation in any phase, whose link breaks, loses, doubles and damages, and ends that seal
/// any plaintext: no panic, memory within the windows, messages numbered without a gap.
pub fn tunnel_machine(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = FuzzedPair::new(&mut input);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
}

const STEPS_MAX: usize = 300;

/// The most events for one input: empty pieces are bounded by the bytes that came.
const EVENTS_MAX: usize = 16;

struct FuzzedEnd {
    tunnel: Tunnel,
    /// Written, not yet at the other end.
    wire: VecDeque<Vec<u8>>,
    /// The last message's number.
    message: u64,
    /// The last question's number.
    question: u64,
    stores: bool,
}

struct FuzzedPair {
    now: Duration,
    /// The phone, then the workstation.
    ends: [FuzzedEnd; 2],
}

impl FuzzedEnd {
    fn new(role: Role, now: Duration, input: &mut Input<'_>) -> Self {
        let options =
            Options { window: limits::WINDOW_MIN, name: "n".into(), pair_for: Duration::from_secs(30) };
        let code = PairingKey::from_bytes(&[0xc0; 32]);
        let tunnel = Tunnel::pair(role, credentials(1), code, &options, Box::new(Chosen::new(input)), now);
        FuzzedEnd {
            tunnel: tunnel.expect("there is entropy"),
            wire: VecDeque::new(),
            message: 0,
            question: 0,
            stores: true,
        }
    }

    /// The user answers the last question, if there was one.
    fn answer(&mut self, answer: Answer, now: Duration) {
        let _was_asked = self.tunnel.answer(self.question, answer, now);
    }

    /// Reads the machine's output, as far as the link takes it.
    fn drain(&mut self, now: Duration) {
        let mut told = 0;
        while let Some(event) = self.tunnel.poll_event() {
            told += 1;
            assert!(told <= EVENTS_MAX, "{event:?} is one of many for one input");
            match event {
                TunnelEvent::Store if self.stores => self.tunnel.on_stored(now),
                TunnelEvent::Ask { question, .. } => self.question = question,
                TunnelEvent::Message(message) => {
                    // After a restart this end counts from the start.
                    let is_next = message.number == self.message + 1 || message.number == 1;
                    assert!(is_next, "message {} after {}", message.number, self.message);
                    self.message = message.number;
                }
                _ => {}
            }
        }
        while self.wire.len() < LINK_MAX {
            let Some(message) = self.tunnel.poll_transmit() else { break };
            assert!(message.len() <= limits::WIRE_BYTES_MAX, "{} bytes", message.len());
            self.wire.push_back(message);
        }
        let (kept, came) = self.tunnel.buffered();
        assert!(kept <= limits::WINDOW_MAX as usize, "{kept} bytes kept");
        assert!(came <= limits::WINDOW_MIN as usize, "{came} bytes came and are held");
    }
}

impl FuzzedPair {
    fn new(input: &mut Input<'_>) -> Self {
        let now = Duration::from_secs(1000);
        let ends = [Role::Phone, Role::Workstation].map(|role| FuzzedEnd::new(role, now, input));
        FuzzedPair { now, ends }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (choice, now) = (input.byte(), self.now);
        let at = usize::from(choice >> 7);
        let end = &mut self.ends[at];
        match choice & 0x1F {
            0 => end.tunnel.on_link(now),
            1 => end.tunnel.on_unlink(now),
            2 => drop(end.wire.pop_front()),
            3 => drop(end.tunnel.try_send(&vec![choice; input.short() & 0x1_FFFF])),
            4 => drop(end.tunnel.try_send(input.piece())),
            5 => {
                end.tunnel.taken(end.message, now);
            }
            6 => end.answer(Answer::Allow { session: None }, now),
            7 => end.answer(Answer::Allow { session: Some(credentials(choice)) }, now),
            8 if choice & 0x60 == 0 => end.answer(Answer::Deny, now),
            9 => self.pass(Duration::from_millis(8 * u64::from(input.byte()))),
            10 if choice & 0x60 == 0 => self.pass(Duration::from_secs(512 * u64::from(input.byte()))),
            11 => drop(end.tunnel.on_session_gone(now)),
            12 => end.tunnel.on_stored(now),
            13 => end.stores = !end.stores,
            14 if choice & 0x60 == 0 => end.tunnel.close(),
            15 => drop(end.tunnel.ping(now)),
            16 => end.tunnel.on_message(input.piece(), now),
            17 => self.damage(at, input),
            18 => self.double(at),
            19 | 20 => self.seal(at, input),
            21 if choice & 0x60 == 0 => self.resume(at, input),
            22 => self.link(),
            _ => self.carry(at),
        }
        self.ends.iter_mut().for_each(|end| end.drain(self.now));
    }

    fn link(&mut self) {
        for end in &mut self.ends {
            end.wire.clear();
            end.tunnel.on_link(self.now);
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.ends.iter_mut().for_each(|end| end.tunnel.on_timeout(self.now));
    }

    /// The next message arrives.
    fn carry(&mut self, from: usize) {
        if let Some(message) = self.ends[from].wire.pop_front() {
            self.ends[1 - from].tunnel.on_message(&message, self.now);
        }
    }

    /// The next message arrives with one byte changed, or cut.
    fn damage(&mut self, from: usize, input: &mut Input<'_>) {
        let Some(mut message) = self.ends[from].wire.pop_front() else { return };
        let at = input.short() % message.len();
        match input.byte() {
            0 => message.truncate(at),
            change => message[at] ^= change,
        }
        self.ends[1 - from].tunnel.on_message(&message, self.now);
    }

    fn double(&mut self, from: usize) {
        if let Some(message) = self.ends[from].wire.front().cloned() {
            self.ends[1 - from].tunnel.on_message(&message, self.now);
        }
    }

    /// An end with the keys sends a record that no real end sends. Messages under way come first, as in any
    /// order.
    fn seal(&mut self, from: usize, input: &mut Input<'_>) {
        while !self.ends[from].wire.is_empty() {
            self.carry(from);
        }
        self.ends[1 - from].drain(self.now);
        let mut plaintext = input.piece().to_vec();
        // A piece that is not the last one must be as long as pieces are.
        if plaintext.len() == 19 && plaintext[0] == 1 {
            plaintext.resize(18 + limits::PIECE_BYTES_MAX, 7);
        }
        let live = self.ends[from].tunnel.core.live.as_mut();
        if let Some(Ok(message)) = live.map(|live| live.seal_bytes(&plaintext)) {
            self.ends[1 - from].tunnel.on_message(&message, self.now);
        }
    }

    /// The process ends, and another one starts from the stored state.
    fn resume(&mut self, at: usize, input: &mut Input<'_>) {
        let Some(saved) = self.ends[at].tunnel.saved() else { return };
        let options = Options { window: limits::WINDOW_MIN, ..Options::new(saved.role) };
        let tunnel = Tunnel::resume(&saved, &options, Box::new(Chosen::new(input)), self.now);
        self.ends[at].tunnel = tunnel.expect("there is entropy");
        self.ends[at].message = 0;
    }
}

/// Messages that the link holds.
const LINK_MAX: usize = 8;

fn credentials(byte: u8) -> Credentials {
    Credentials { session: SessionId::from_bytes([byte; 16]), token: Token::from_bytes([byte; 16]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_run_that_pairs_opens_both_ends() {
        let mut input = Input::new(include_bytes!("../../../fuzz/corpus/tunnel_machine/pair"));
        let mut world = FuzzedPair::new(&mut input);
        while !input.is_empty() {
            world.step(&mut input);
        }
        assert!(world.ends.iter().all(|end| end.tunnel.core.is_open()));
    }
}
