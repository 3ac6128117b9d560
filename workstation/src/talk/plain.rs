//! Without encryption: with phones that speak plain frames, and the relay can read every message.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use protocol::ids::Role;
use relay_client::lines::{event_line, refusal_line};
use relay_client::{Client, ClientEvent, ClientSendError};

use super::close_on_signal;
use super::keyboard::{Listener, listen_to_stdin};
use super::waiting::{Next, Waiting};
use crate::exit::{Ending, Outcome};
use crate::output::{print, say};

struct PlainConversation {
    client: Client,
    waiting: Waiting,
    link: Mutex<Link>,
    linked: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Absent,
    Present,
    Over,
}

/// Talks until the client has stopped. If stdout takes nothing more, the client is let go.
pub(crate) fn talk(client: Client) -> anyhow::Result<Outcome> {
    let link = Mutex::new(Link::Absent);
    let conversation =
        Arc::new(PlainConversation { client, waiting: Waiting::default(), link, linked: Condvar::new() });
    let closing = Arc::clone(&conversation);
    close_on_signal(move || closing.close())?;
    listen_to_stdin(Arc::clone(&conversation))?;
    let sending = Arc::clone(&conversation);
    let send = move || sending.send_lines();
    thread::Builder::new().name("send".into()).spawn(send).context("no thread to send")?;
    conversation.show_events()
}

impl PlainConversation {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_link(&self, link: Link) {
        *self.link() = link;
        self.linked.notify_all();
    }

    /// Blocks until a phone is there. False: none will be.
    fn wait_for_phone(&self) -> bool {
        let mut link = self.link();
        while *link == Link::Absent {
            link = self.linked.wait(link).unwrap_or_else(PoisonError::into_inner);
        }
        *link == Link::Present
    }

    fn wait_for_news(&self) {
        drop(self.linked.wait_timeout(self.link(), NEWS_WAIT));
    }

    fn send_lines(&self) {
        loop {
            match self.waiting.next() {
                Next::Line(line) => {
                    if !self.wait_for_phone() {
                        return;
                    }
                    match self.client.send_text(line) {
                        // The phone has left, and the line waits for it. The event that says so may still be
                        // on its way.
                        Err(ClientSendError::NotLinked) => self.wait_for_news(),
                        Err(ClientSendError::Closed) => return,
                        Err(error) => {
                            self.waiting.refused();
                            say(&refusal_line(&error, Role::Phone));
                        }
                        Ok(()) => self.waiting.sent(),
                    }
                }
                Next::Ended => return self.close(),
                Next::Stopped => return,
            }
        }
    }

    fn show_events(&self) -> anyhow::Result<Outcome> {
        let mut ending = Ending::default();
        loop {
            let Some(event) = self.client.next_event(Duration::MAX) else { continue };
            ending.not_taken += lost_with(&event);
            ending.had_phone |= matches!(event, ClientEvent::Joined { .. });
            // First: a user who reads that a phone is there may type at once.
            self.note_link(&event);
            let line = event_line(&event, Role::Phone);
            match &event {
                ClientEvent::Text(text) => print(&line, text.as_bytes())?,
                ClientEvent::Binary(bytes) => print(&line, bytes)?,
                _ => say(&line),
            }
            if let ClientEvent::Stopped { why, .. } = event {
                ending.not_taken += self.waiting.not_sent();
                return Ok(ending.outcome(&why));
            }
        }
    }

    fn note_link(&self, event: &ClientEvent) {
        match event {
            ClientEvent::Joined { .. } => self.set_link(Link::Present),
            ClientEvent::Left { .. } => self.set_link(Link::Absent),
            ClientEvent::Stopped { .. } => self.set_link(Link::Over),
            _ => {}
        }
    }

    fn close(&self) {
        self.waiting.close();
        self.client.close();
    }
}

impl Listener for PlainConversation {
    fn on_line(self: &Arc<Self>, line: String, _: Instant) {
        if *self.link() == Link::Absent {
            say("no phone is connected: the line is sent when one is");
        }
        self.waiting.put(line);
    }

    /// Nothing is asked here, so this comes behind the end of the input.
    fn on_answer(self: &Arc<Self>, _: &str, _: Instant) {
        say("not sent: the input has ended");
    }

    fn on_bad_line(&self) {
        self.waiting.lose();
    }

    fn on_end(&self) -> bool {
        self.waiting.end()
    }
}

/// How many lines that were taken for sending the phone will not get, as this event tells.
fn lost_with(event: &ClientEvent) -> u64 {
    match event {
        ClientEvent::Joined { missed } => *missed,
        ClientEvent::Left { unsent } | ClientEvent::Stopped { unsent, .. } => *unsent as u64,
        _ => 0,
    }
}

/// How soon a line is tried again that the phone's leaving has kept from being sent.
const NEWS_WAIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use relay_client::Stop;

    use super::*;

    #[test]
    fn what_was_dropped_at_the_end_of_any_link_counts() {
        for (event, lost) in [
            (ClientEvent::Joined { missed: 2 }, 2),
            (ClientEvent::Left { unsent: 3 }, 3),
            (ClientEvent::Stopped { why: Stop::Closed, unsent: 1 }, 1),
            (ClientEvent::Connected, 0),
        ] {
            assert_eq!(lost_with(&event), lost, "{event:?}");
        }
    }
}
