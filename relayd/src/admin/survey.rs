//! One look at all connections, in as many steps as the caller likes: sums, and the few with most bytes.
//!
//! Connections that come and go meanwhile may be counted or not.

use protocol::ids::{Role, SessionId};
use relayd_core::relay::{ConnectionStage, ConnectionView, LinkState, SessionView};

use super::top::Top;
use crate::http::admin::HashDigits;

/// Sessions and connections that a page shows at most.
pub const SHOWN_MAX: usize = 100;

/// What was seen so far.
#[derive(Debug)]
pub struct Survey {
    /// Only sessions whose hash begins so, and their connections, are listed. All are counted.
    digits: HashDigits,
    counts: Counts,
    /// Sessions that may be listed.
    sessions_found: usize,
    /// Connections that may be listed.
    connections_found: usize,
    sessions: Top<SessionView>,
    connections: Top<ConnectionRow>,
}

/// What a survey found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of everything.
    pub counts: Counts,
    /// The sessions with most bytes. At most [`SHOWN_MAX`].
    pub sessions: Vec<SessionView>,
    /// How many sessions there were to choose from.
    pub sessions_all: usize,
    /// The connections with most bytes. At most [`SHOWN_MAX`].
    pub connections: Vec<ConnectionRow>,
    /// How many connections there were to choose from.
    pub connections_all: usize,
    /// Only some sessions were asked for.
    pub is_part: bool,
}

/// Sums over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// WebSockets whose hello has not come.
    pub expect_hello: usize,
    /// WebSockets whose hello the store has not answered.
    pub expect_claim: usize,
    /// WebSockets that hold a role.
    pub joined: usize,
    /// WebSockets whose Close frame is queued.
    pub closing: usize,
    /// Sessions with one role here, and no other anywhere that is known.
    pub alone: usize,
    /// Sessions whose link to another node does not stand yet.
    pub opening: usize,
    /// Sessions with both ends here.
    pub linked_here: usize,
    /// Sessions whose other end is on another node.
    pub linked_there: usize,
    /// Connections that are not read now.
    pub unread: usize,
    /// Connections whose queue is over the high mark.
    pub congested: usize,
    /// Bytes that wait for the sockets of WebSockets.
    pub queued: u64,
}

/// One connection of a list.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionRow {
    /// What the core knows.
    pub view: ConnectionView,
    /// Bytes that wait for its socket.
    pub queued: usize,
}

impl ConnectionRow {
    /// The session that it named, if any.
    pub fn session(&self) -> Option<SessionId> {
        match self.view.stage {
            ConnectionStage::ExpectClaim { session } | ConnectionStage::Joined { session, .. } => {
                Some(session)
            }
            ConnectionStage::ExpectHello | ConnectionStage::Closing => None,
        }
    }

    /// The role that it holds.
    pub fn role(&self) -> Option<Role> {
        match self.view.stage {
            ConnectionStage::Joined { role, .. } => Some(role),
            _ => None,
        }
    }
}

impl Survey {
    /// Of the sessions whose hash begins with these digits.
    pub fn new(digits: HashDigits) -> Self {
        Survey {
            digits,
            counts: Counts::default(),
            sessions_found: 0,
            connections_found: 0,
            sessions: Top::new(SHOWN_MAX),
            connections: Top::new(SHOWN_MAX),
        }
    }

    /// A connection, with the session if this is the one connection of it that stands for the session.
    pub fn note(&mut self, row: ConnectionRow, session: Option<SessionView>) {
        self.count(&row);
        if let Some(session) = session {
            self.note_session(session);
        }
        if self.is_meant(row.session()) {
            self.connections_found += 1;
            self.connections.offer(row.view.received, || row);
        }
    }

    /// All connections were seen.
    pub fn finish(self) -> Found {
        Found {
            counts: self.counts,
            sessions: self.sessions.into_sorted(),
            sessions_all: self.sessions_found,
            connections: self.connections.into_sorted(),
            connections_all: self.connections_found,
            is_part: !self.digits.as_str().is_empty(),
        }
    }

    fn note_session(&mut self, session: SessionView) {
        let count = match session.link {
            LinkState::Alone => &mut self.counts.alone,
            LinkState::Opening(_) => &mut self.counts.opening,
            LinkState::Here => &mut self.counts.linked_here,
            LinkState::There(_) => &mut self.counts.linked_there,
        };
        *count += 1;
        if self.is_meant(Some(session.session)) {
            self.sessions_found += 1;
            self.sessions.offer(session.received(), || session);
        }
    }

    fn count(&mut self, row: &ConnectionRow) {
        let counts = &mut self.counts;
        let count = match row.view.stage {
            ConnectionStage::ExpectHello => &mut counts.expect_hello,
            ConnectionStage::ExpectClaim { .. } => &mut counts.expect_claim,
            ConnectionStage::Joined { .. } => &mut counts.joined,
            ConnectionStage::Closing => &mut counts.closing,
        };
        *count += 1;
        counts.unread += usize::from(row.view.is_unread);
        counts.congested += usize::from(row.view.is_congested);
        counts.queued += row.queued as u64;
    }

    /// Without digits everything is meant, and no hash is made.
    fn is_meant(&self, session: Option<SessionId>) -> bool {
        let digits = self.digits.as_str();
        digits.is_empty() || session.is_some_and(|session| session.hash().begins_with(digits))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::message::Version;
    use relayd_core::store::Conn;

    use super::*;

    fn row(number: u8) -> ConnectionRow {
        let session = SessionId::from_bytes([number; 16]);
        let view = ConnectionView {
            conn: Conn { slot: u32::from(number), name: 1 },
            stage: ConnectionStage::Joined { session, role: Role::Phone },
            version: Version::V3,
            received: u64::from(number),
            silent: Duration::ZERO,
            is_unread: false,
            is_congested: number == 7,
        };
        ConnectionRow { view, queued: 2 }
    }

    fn session(row: &ConnectionRow) -> SessionView {
        let ends = [None, Some(row.view)];
        SessionView { session: row.session().unwrap(), ends, link: LinkState::Alone, idle: Duration::ZERO }
    }

    #[test]
    fn everything_is_counted_and_the_largest_are_listed() {
        let mut survey = Survey::new(HashDigits::default());
        for number in 0..=200 {
            survey.note(row(number), Some(session(&row(number))));
        }
        let counts = Counts { joined: 201, alone: 201, congested: 1, queued: 402, ..Counts::default() };
        let found = survey.finish();
        assert_eq!((found.counts, found.sessions_all, found.connections_all), (counts, 201, 201));
        assert_eq!((found.sessions.len(), found.connections.len()), (SHOWN_MAX, SHOWN_MAX));
        assert_eq!((found.sessions[0].received(), found.connections[99].view.received), (200, 101));
    }

    #[test]
    fn digits_choose_what_is_listed_and_not_what_is_counted() {
        let wanted = row(9).session().unwrap().hash().to_string();
        for len in [8, 64] {
            let mut survey = Survey::new(HashDigits::parse(&wanted[..len]).unwrap());
            for number in 0..20 {
                survey.note(row(number), Some(session(&row(number))));
            }
            let found = survey.finish();
            assert_eq!((found.counts.joined, found.sessions_all, found.connections_all), (20, 1, 1));
            assert_eq!(found.sessions[0].received(), 9);
        }
    }
}
