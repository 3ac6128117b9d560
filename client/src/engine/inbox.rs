//! The events that the app has not read yet. Bounded: messages by the tunnel's window, everything else here.

use std::collections::VecDeque;

use super::event::EngineEvent;

/// Unread comings and goings of connections; the oldest give way.
const PASSING_MAX: usize = 64;

/// A queue of events.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: VecDeque<EngineEvent>,
    /// Only the newest number is news. It is told first, unless a restart is to be told before.
    acknowledged: Option<u64>,
    /// A `Restarted` is in the queue: an acknowledgement that came after it must not be heard before.
    restarted: bool,
    /// How many of them only tell of connections.
    passing: usize,
}

impl Inbox {
    /// Appends an event, and removes those that it makes obsolete.
    pub(super) fn push(&mut self, event: EngineEvent) {
        let event = match event {
            EngineEvent::Acknowledged(number) if !self.restarted => {
                self.acknowledged = Some(number);
                return;
            }
            event => self.joined_with_older(event),
        };
        match &event {
            EngineEvent::Restarted { .. } => self.restarted = true,
            event if is_passing(event) => {
                self.passing += 1;
                if self.passing > PASSING_MAX
                    && let Some(oldest) = self.events.iter().position(is_passing)
                {
                    self.events.remove(oldest);
                    self.passing -= 1;
                }
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    /// The oldest event.
    pub(super) fn pop(&mut self) -> Option<EngineEvent> {
        if let Some(number) = self.acknowledged.take() {
            return Some(EngineEvent::Acknowledged(number));
        }
        let event = self.events.pop_front()?;
        match &event {
            EngineEvent::Restarted { .. } => self.restarted = false,
            event if is_passing(event) => self.passing -= 1,
            _ => {}
        }
        Some(event)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.acknowledged.is_none()
    }

    /// Counts add up, and only the newest try or question is news. Before a restart everything of the former
    /// process was read, so two restarts in a row have nothing between them that matters.
    fn joined_with_older(&mut self, event: EngineEvent) -> EngineEvent {
        match event {
            EngineEvent::Restarted { unconfirmed } => {
                // Acknowledgements in between belong before the later restart as well.
                if let Some(EngineEvent::Acknowledged(number)) =
                    self.remove_last(|event| matches!(event, EngineEvent::Acknowledged(_)))
                {
                    self.acknowledged = Some(number);
                }
                match self.remove_last(|event| matches!(event, EngineEvent::Restarted { .. })) {
                    Some(EngineEvent::Restarted { unconfirmed: older }) => {
                        EngineEvent::Restarted { unconfirmed: older + unconfirmed }
                    }
                    _ => EngineEvent::Restarted { unconfirmed },
                }
            }
            EngineEvent::Acknowledged(_)
            | EngineEvent::Reconnecting { .. }
            | EngineEvent::Ask { .. }
            | EngineEvent::AskOver { .. }
            | EngineEvent::Asked { .. }
            | EngineEvent::Refused(_)
            | EngineEvent::NotDeleted(_)
            | EngineEvent::PeerClosed => {
                let kind = std::mem::discriminant(&event);
                if let Some(older) = self.remove_last(|event| std::mem::discriminant(event) == kind) {
                    self.passing -= usize::from(is_passing(&older));
                }
                event
            }
            event => event,
        }
    }

    fn remove_last(&mut self, is_it: impl Fn(&EngineEvent) -> bool) -> Option<EngineEvent> {
        let at = self.events.iter().rposition(&is_it)?;
        self.events.remove(at)
    }
}

fn is_passing(event: &EngineEvent) -> bool {
    matches!(
        event,
        EngineEvent::Connected
            | EngineEvent::Opened { .. }
            | EngineEvent::Left
            | EngineEvent::Reconnecting { .. }
            | EngineEvent::Foreign
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Lost;
    use crate::tunnel::{Message, Refusal};

    fn drained(inbox: &mut Inbox) -> Vec<EngineEvent> {
        std::iter::from_fn(|| inbox.pop()).collect()
    }

    fn message(number: u64) -> EngineEvent {
        EngineEvent::Message(Message { number, bytes: vec![] })
    }

    #[test]
    fn comings_and_goings_are_bounded_and_messages_stay() {
        let mut inbox = Inbox::default();
        inbox.push(message(1));
        for _ in 0..1000 {
            inbox.push(EngineEvent::Connected);
            inbox.push(EngineEvent::Left);
            inbox.push(EngineEvent::Reconnecting { after: Duration::ZERO, why: Lost::EventsUnread });
        }
        inbox.push(message(2));
        let events = drained(&mut inbox);
        assert_eq!(events.len(), 2 + PASSING_MAX);
        assert_eq!((events.first(), events.last()), (Some(&message(1)), Some(&message(2))));
        let tries = events.iter().filter(|event| matches!(event, EngineEvent::Reconnecting { .. })).count();
        assert_eq!((tries, inbox.passing, inbox.is_empty()), (1, 0, true));
    }

    #[test]
    fn counts_add_up_and_the_newest_number_counts() {
        let mut inbox = Inbox::default();
        for number in 1..5 {
            inbox.push(EngineEvent::Acknowledged(number));
            inbox.push(EngineEvent::Restarted { unconfirmed: number });
            inbox.push(EngineEvent::Refused(Refusal::CodeUsed));
        }
        // Of the new epoch: not to be heard before the restart.
        inbox.push(EngineEvent::Acknowledged(5));
        inbox.push(EngineEvent::Acknowledged(6));
        let expected = [
            EngineEvent::Acknowledged(4),
            EngineEvent::Restarted { unconfirmed: 10 },
            EngineEvent::Refused(Refusal::CodeUsed),
            EngineEvent::Acknowledged(6),
        ];
        assert_eq!(drained(&mut inbox), expected);
        inbox.push(EngineEvent::Acknowledged(7));
        assert_eq!(drained(&mut inbox), [EngineEvent::Acknowledged(7)]);
    }
}
