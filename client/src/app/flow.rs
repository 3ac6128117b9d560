//! The two directions of a channel: what may be sent and is queued, and what came and is not consumed.
//!
//! Credit is the sum of what messages cost: their payload and [`MESSAGE_COST`]. Knows numbers and bytes only.

use std::collections::VecDeque;
use std::time::Duration;

use super::kind::Class;
use super::limits::{CREDIT_MAX, DATA_HEADER_BYTES, MESSAGE_COST, PAYLOAD_BYTES_MAX};
use super::pace::Pace;

pub(super) fn cost(len: usize) -> usize {
    len + MESSAGE_COST
}

fn payload_len(message: &[u8]) -> usize {
    message.len() - DATA_HEADER_BYTES
}

/// What this end sends: `cost of queue + credit` is what the other end has granted and not yet heard of.
pub(super) struct Outflow {
    /// Data messages, as they go into the tunnel.
    queue: VecDeque<Vec<u8>>,
    /// Granted by the other end and not spent on the queue.
    credit: usize,
    /// Of a bulk channel.
    pace: Option<Pace>,
    /// The cost of the last message that there was no credit for.
    wanted: Option<usize>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// It goes behind the queue.
    Due,
    Sent,
}

/// The next thing to send on a channel.
#[derive(PartialEq, Eq)]
pub(super) enum Next {
    Data(Vec<u8>),
    End,
}

/// The other end grants more than a channel may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuchCredit;

impl Outflow {
    /// A direction without credit.
    pub(super) fn new(class: Class) -> Self {
        let pace = (class == Class::Bulk).then(Pace::new);
        Outflow { queue: VecDeque::new(), credit: 0, pace, wanted: None, end: End::Open }
    }

    /// The other end takes `more`. True if the message that was too much would be accepted now.
    pub(super) fn grant(&mut self, more: usize, now: Duration) -> Result<bool, TooMuchCredit> {
        if self.credit + self.queued() + self.queue.len() * MESSAGE_COST + more > CREDIT_MAX {
            return Err(TooMuchCredit);
        }
        self.credit += more;
        if let Some(pace) = &mut self.pace {
            pace.on_return(more, now);
        }
        Ok(self.wanted.take_if(|wanted| *wanted <= self.credit).is_some())
    }

    /// Accepts a message with a payload of this length if there is credit for it.
    pub(super) fn push(&mut self, len: usize, message: impl FnOnce() -> Vec<u8>) -> bool {
        let cost = cost(len);
        if cost > self.credit {
            self.wanted = Some(cost);
            return false;
        }
        self.credit -= cost;
        self.queue.push_back(message());
        true
    }

    /// No message follows the queue. False if that was said before.
    pub(super) fn end(&mut self) -> bool {
        let is_open = self.end == End::Open;
        if is_open {
            self.end = End::Due;
        }
        is_open
    }

    /// What goes next, if it may go now.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Next> {
        let Some(first) = self.queue.front() else {
            return (self.end == End::Due).then(|| {
                self.end = End::Sent;
                Next::End
            });
        };
        let cost = cost(payload_len(first));
        if self.pace.as_mut().is_some_and(|pace| !pace.admit(cost, now)) {
            return None;
        }
        self.queue.pop_front().map(Next::Data)
    }

    /// True if something waits, even if it may not go now.
    pub(super) fn has_more(&self) -> bool {
        !self.queue.is_empty() || self.end == End::Due
    }

    /// True if the app has ended this direction.
    pub(super) fn is_ended(&self) -> bool {
        self.end != End::Open
    }

    /// True if nothing will be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Sent
    }

    /// A good length for the next message.
    pub(super) fn message_len(&self) -> usize {
        self.pace.as_ref().map_or(PAYLOAD_BYTES_MAX, Pace::message_len)
    }

    /// Bytes of payload that wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.iter().map(|message| payload_len(message)).sum()
    }
}

/// What this end receives: `granted + cost of held + unreturned` is the window.
pub(super) struct Inflow {
    window: usize,
    /// What the other end may still send.
    granted: usize,
    /// The lengths of messages that came and are not consumed, the oldest first.
    held: VecDeque<usize>,
    /// Bytes of the oldest that are consumed.
    consumed: usize,
    /// Consumed, and the other end has not been told.
    unreturned: usize,
    is_ended: bool,
}

/// Why a message that came is a fault of its sender.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Excess {
    OverCredit,
    AfterEnd,
}

impl Inflow {
    pub(super) fn new(window: usize) -> Self {
        Inflow { window, granted: 0, held: VecDeque::new(), consumed: 0, unreturned: 0, is_ended: false }
    }

    /// The first credit, to be told with `open` or `accept`.
    pub(super) fn grant_window(&mut self) -> u32 {
        self.granted = self.window;
        u32::try_from(self.window).unwrap_or(u32::MAX)
    }

    /// A message of this length came.
    pub(super) fn take(&mut self, len: usize) -> Result<(), Excess> {
        if self.is_ended {
            return Err(Excess::AfterEnd);
        }
        self.granted = self.granted.checked_sub(cost(len)).ok_or(Excess::OverCredit)?;
        self.held.push_back(len);
        Ok(())
    }

    /// The app is done with this many bytes of the oldest messages. A message counts when all of it is
    /// consumed; one that is empty, with the one before it.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
        while let Some(&len) = self.held.front()
            && len <= self.consumed
        {
            self.held.pop_front();
            self.consumed -= len;
            self.unreturned += cost(len);
        }
        if self.held.is_empty() {
            self.consumed = 0;
        }
    }

    /// True if enough is consumed to tell the other end.
    pub(super) fn has_credit_due(&self, class: Class) -> bool {
        let enough = match class {
            // Its sender is paced by it.
            Class::Bulk => 1,
            Class::Interactive => self.window / 4,
        };
        !self.is_ended && self.unreturned >= enough
    }

    /// Returns what is consumed.
    pub(super) fn poll_credit(&mut self, class: Class) -> Option<u32> {
        if !self.has_credit_due(class) {
            return None;
        }
        let more = std::mem::take(&mut self.unreturned);
        self.granted += more;
        u32::try_from(more).ok()
    }

    /// The other end sends nothing more. False if it said so before.
    pub(super) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.is_ended, true)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Bytes of payload that came and are not consumed.
    pub(super) fn held(&self) -> usize {
        self.held.iter().sum::<usize>() - self.consumed
    }
}
