//! Whose message goes next: control, then interactive channels in turn, then bulk channels in turn.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::channel::Channel;
use super::super::control::Control;
use super::super::flow::Next;
use super::super::kind::Class;
use super::Channels;

/// The numbers of channels with something to send, the next one first. None is in it twice.
#[derive(Debug, Default)]
pub(super) struct Turns {
    interactive: VecDeque<u32>,
    bulk: VecDeque<u32>,
}

impl Turns {
    /// The channel has something to send.
    pub(super) fn line_up(&mut self, number: u32, class: Class) {
        let line = self.of(class);
        if !line.contains(&number) {
            line.push_back(number);
        }
    }

    /// The channel is gone.
    pub(super) fn leave(&mut self, number: u32) {
        self.interactive.retain(|other| *other != number);
        self.bulk.retain(|other| *other != number);
    }

    fn of(&mut self, class: Class) -> &mut VecDeque<u32> {
        match class {
            Class::Interactive => &mut self.interactive,
            Class::Bulk => &mut self.bulk,
        }
    }

    pub(super) fn check_invariants(&self, channels: &BTreeMap<u32, Channel>) {
        let waiting = channels.values().filter(|channel| channel.out.has_more()).count();
        assert_eq!(waiting, self.interactive.len() + self.bulk.len(), "each that waits is in line, once");
    }
}

impl Channels {
    /// The next message that is not data.
    pub(in crate::app) fn poll_control(&mut self) -> Option<Vec<u8>> {
        let farewell = self.farewells.pop_front();
        let control = farewell
            .or_else(|| self.channels.iter_mut().find_map(|(number, channel)| channel.poll_control(*number)));
        control.map(|control| control.to_bytes())
    }

    /// The next message of this class: the channels take turns.
    pub(in crate::app) fn poll_data(&mut self, class: Class, now: Duration) -> Option<Vec<u8>> {
        for _ in 0..self.turns.of(class).len() {
            let number = self.turns.of(class).pop_front()?;
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            let next = channel.out.poll(now);
            if channel.out.has_more() {
                self.turns.of(class).push_back(number);
            }
            match next {
                Some(Next::Data(message)) => return Some(message),
                Some(Next::End) => {
                    if channel.is_over() {
                        self.remove(number);
                    }
                    return Some(Control::End { ch: number }.to_bytes());
                }
                None => {}
            }
        }
        None
    }
}
