//! Fuzz bodies for the app protocol: its bytes, and two ends that hear anything.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::Role;

use super::chat::ChatPart;
use super::clipboard::{GOT, TextReceiver, is_got};
use super::control::Control;
use super::pipe::{PipeEnd, PipeNews};
use super::wire::{self, Incoming};
use super::*;
use crate::fuzz::support::Input;

/// The messages: a value that is read is written so that it reads back, within the bounds.
pub fn app_bytes(bytes: &[u8]) {
    match wire::parse(bytes) {
        Ok(Incoming::Data { ch, payload }) => assert_eq!(wire::data(ch, payload), bytes),
        Ok(Incoming::Control(control)) => {
            let written = control.to_bytes();
            assert!(written.len() <= limits::CONTROL_BYTES_MAX, "{} bytes", written.len());
            assert_eq!(Control::parse(&written), Ok(Some(control)));
        }
        Ok(Incoming::Unknown) | Err(_) => {}
    }
    if let Ok(part) = ChatPart::parse(bytes)
        && let Ok(written) = part.to_bytes()
    {
        assert_eq!(ChatPart::parse(&written), Ok(part));
    }
    small_kinds(bytes);
}

/// The bytes as what a clipboard's channel and a pipe bring: no panic, and never more than came.
fn small_kinds(bytes: &[u8]) {
    let (params, text) = bytes.split_at(bytes.len().min(usize::from(bytes.first().copied().unwrap_or(0))));
    if let Ok(params) = std::str::from_utf8(params)
        && let Ok(mut receiver) = TextReceiver::new(params)
        && receiver.on_data(text).is_ok()
        && let Ok(read) = receiver.on_end()
    {
        assert_eq!(read.as_bytes(), text);
    }
    assert!(!is_got(bytes) || bytes.len() >= GOT.len() - 1);
    let (mut end, mut came) = (PipeEnd::default(), 0);
    for message in bytes.chunks(9) {
        if let Ok(PipeNews::Bytes(bytes)) = end.on_message(message) {
            came += bytes.len() as u64;
            end.wrote(bytes.len());
        }
        assert!(end.counts() == (0, came) && end.next_part().is_none_or(|part| part.len() == 9));
    }
}

/// Two ends in any phase, whose messages are lost, doubled, damaged and made up: no panic, memory within the
/// credits, one or two events for a message.
pub fn app_machine(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut ends = [Role::Phone, Role::Workstation].map(FuzzedEnd::new);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        step(&mut ends, &mut input);
    }
}

const STEPS_MAX: usize = 400;

/// Time changes how much goes, never what.
const NOW: Duration = Duration::ZERO;

/// Messages that a line holds.
const LINE_MAX: usize = 16;

struct FuzzedEnd {
    end: AppEnd,
    /// Said, not yet at the other end.
    line: VecDeque<Vec<u8>>,
    /// The channels that the app has heard of, the newest last.
    channels: Vec<ChannelId>,
}

impl FuzzedEnd {
    fn new(role: Role) -> Self {
        let hello = Hello::new(role.as_str(), "n");
        FuzzedEnd { end: AppEnd::new(role, hello, 1), line: VecDeque::new(), channels: Vec::new() }
    }

    /// One of the channels that the app knows.
    fn chosen(&self, input: &mut Input<'_>) -> ChannelId {
        let from_last = usize::from(input.byte()) % self.channels.len().max(1);
        let chosen = self.channels.iter().rev().nth(from_last);
        chosen.copied().unwrap_or(ChannelId { era: 0, number: 1 })
    }

    fn drain(&mut self) {
        let mut told = 0;
        while let Some(event) = self.end.poll_event() {
            told += 1;
            assert!(told <= EVENTS_MAX, "{event:?} is one of many for one input");
            if let AppEvent::Opened { ch, .. } = event {
                self.channels.push(ch);
            }
        }
        while self.line.len() < LINE_MAX {
            let Some(message) = self.end.poll_message(NOW) else { break };
            let most = if message[0] == b'{' { limits::CONTROL_BYTES_MAX } else { limits::DATA_BYTES_MAX };
            assert!(message.len() <= most, "{} bytes", message.len());
            self.line.push_back(message);
        }
        let (waits, came) = self.end.buffered();
        assert!(waits <= 2 * limits::CHANNELS_MAX * limits::CREDIT_MAX, "{waits} bytes wait");
        assert!(came <= 2 * limits::CHANNELS_MAX * limits::CREDIT_FILE, "{came} bytes came");
    }
}

/// A right that is taken away ends all channels at once.
const EVENTS_MAX: usize = limits::CHANNELS_MAX + 2;

fn step(ends: &mut [FuzzedEnd; 2], input: &mut Input<'_>) {
    let choice = input.byte();
    let at = usize::from(choice >> 7);
    let side = &mut ends[at];
    match choice & 0x1F {
        0 => side.end.on_open(),
        1 if choice & 0x60 == 0 => side.end.on_restart(),
        2 | 3 => {
            let kind = Kind::ALL[usize::from(input.byte()) % Kind::ALL.len()];
            side.channels.extend(side.end.open(kind, "{\"a\":[1]}").ok());
        }
        4 => {
            let params = String::from_utf8_lossy(input.piece());
            side.channels.extend(side.end.open(Kind::Terminal, &params).ok());
        }
        5 | 6 => drop(side.end.accept(side.chosen(input), "{}")),
        7 => drop(side.end.refuse(side.chosen(input), Reason::new(Reason::OTHER, "no"))),
        8..=10 => drop(side.end.send(side.chosen(input), &vec![choice; input.short()])),
        11 => side.end.consumed(side.chosen(input), input.short()),
        12 => drop(side.end.end(side.chosen(input))),
        13 => drop(side.end.reset(side.chosen(input), Reason::new(Reason::CANCELLED, ""))),
        14 => side.end.set_desk(offer(input)),
        15 => side.end.set_hidden(choice & 0x20 != 0),
        16 => side.end.on_message(input.piece(), NOW),
        17 => side.end.on_message(forged_control(input), NOW),
        18 => side.end.on_message(wire::data(u32::from(input.byte()), &vec![0; input.short()]), NOW),
        19 => drop(side.line.pop_front()),
        20 => side.line.extend(side.line.front().cloned()),
        21 => damage(&mut side.line, input),
        _ => {
            if let Some(message) = side.line.pop_front() {
                ends[1 - at].end.on_message(message, NOW);
            }
        }
    }
    ends.iter_mut().for_each(FuzzedEnd::drain);
}

fn offer(input: &mut Input<'_>) -> DeskInfo {
    let terminal = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).repeat(9);
        TerminalInfo { name: text.clone(), title: text, ..TerminalInfo::default() }
    };
    let terminals = vec![terminal(input.piece()); usize::from(input.byte())];
    let rights = Right::ALL.into_iter().zip(0..).filter(|(_, bit)| terminals.len() >> bit & 1 == 0);
    let rights = rights.fold(Rights::NONE, |rights, (right, _)| rights.with(right));
    DeskInfo { name: "d".into(), rights, terminals }
}

/// A control message that an honest end may not send there.
fn forged_control(input: &mut Input<'_>) -> Vec<u8> {
    let types = ["open", "accept", "refuse", "credit", "end", "reset", "hello", "desk", "hidden"];
    let of_type = types[usize::from(input.byte()) % types.len()];
    let (ch, n) = (input.byte(), u64::from(input.byte()) << (input.byte() % 40));
    let rest = r#""kind":"file","v":1,"rights":["x"],"hidden":true,"p":{}"#;
    format!(r#"{{"t":"{of_type}","ch":{ch},"n":{n},"credit":{n},{rest}}}"#).into_bytes()
}

fn damage(line: &mut VecDeque<Vec<u8>>, input: &mut Input<'_>) {
    let Some(message) = line.front_mut() else { return };
    let at = input.short() % message.len();
    match input.byte() {
        0 => message.truncate(at),
        change => message[at] ^= change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_runs_open_channels_and_move_data() {
        let run = |bytes: &[u8]| {
            let mut input = Input::new(bytes);
            let mut ends = [Role::Phone, Role::Workstation].map(FuzzedEnd::new);
            while !input.is_empty() {
                step(&mut ends, &mut input);
            }
            ends
        };
        let ends = run(include_bytes!("../../../fuzz/corpus/app_machine/chat"));
        assert!(ends.iter().all(|side| side.end.is_ready() && side.channels.len() == 1));
        let [phone, _] = run(include_bytes!("../../../fuzz/corpus/app_machine/file"));
        assert!((1..9 * 0x7F00).contains(&phone.end.buffered().0), "some of the nine messages went");
    }
}
