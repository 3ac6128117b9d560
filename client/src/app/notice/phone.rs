//! The phone's side: each notice is told once, and confirmed when the app has shown it.

use std::collections::VecDeque;

use super::limits::{KNOWN_MAX, WAITING_MAX};
use super::{FromDesk, FromPhone, Notice, NoticeError, PushState, Subscription};

/// One phone's notices of one desk. Pure: the app opens the channel, and moves bytes.
///
/// Send [`NoticePhone::next_part`] while the channel takes it, each time followed by
/// [`NoticePhone::part_sent`]. Call [`NoticePhone::reopened`] when a new channel is accepted.
#[derive(Debug, Default)]
pub struct NoticePhone {
    /// The newest ids, and whether the app has shown them. At most [`KNOWN_MAX`].
    known: VecDeque<(String, bool)>,
    /// To be confirmed. At most [`WAITING_MAX`]; an older one comes again.
    owed: VecDeque<String>,
    /// What the desk is to have; `None` if the app has said nothing.
    subscription: Option<Option<Box<Subscription>>>,
    /// It was not said on this channel.
    must_subscribe: bool,
}

/// What a data message of the desk means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneNews {
    /// Show this, then call [`NoticePhone::shown`].
    Notice(Notice),
    /// What has become of the subscription.
    Push(PushState, String),
}

impl NoticePhone {
    /// A data message came. `None` if there is nothing to do about it.
    ///
    /// # Errors
    /// It is not one of this kind: reset the channel.
    pub fn on_data(&mut self, bytes: &[u8]) -> Result<Option<PhoneNews>, NoticeError> {
        Ok(match FromDesk::parse(bytes)? {
            Some(FromDesk::Notice(notice)) => self.on_notice(notice),
            Some(FromDesk::Push { state, words }) => Some(PhoneNews::Push(state, words)),
            None => None,
        })
    }

    fn on_notice(&mut self, notice: Notice) -> Option<PhoneNews> {
        match self.known.iter().find(|(id, _)| *id == notice.id) {
            Some((_, true)) => self.owe(notice.id),
            Some((_, false)) => {}
            None => {
                if self.known.len() >= KNOWN_MAX {
                    self.known.pop_front();
                }
                self.known.push_back((notice.id.clone(), false));
                return Some(PhoneNews::Notice(notice));
            }
        }
        None
    }

    /// The user has seen the notice of this id, here or as a Web Push.
    pub fn shown(&mut self, id: &str) {
        match self.known.iter_mut().find(|(known, _)| known == id) {
            Some((_, is_shown)) => *is_shown = true,
            None => {
                if self.known.len() >= KNOWN_MAX {
                    self.known.pop_front();
                }
                self.known.push_back((id.to_owned(), true));
            }
        }
        self.owe(id.to_owned());
    }

    fn owe(&mut self, id: String) {
        if self.owed.contains(&id) {
            return;
        }
        if self.owed.len() >= WAITING_MAX {
            self.owed.pop_front();
        }
        self.owed.push_back(id);
    }

    /// The desk is to have this subscription, or none.
    pub fn subscribe(&mut self, subscription: Option<Subscription>) {
        (self.subscription, self.must_subscribe) = (Some(subscription.map(Box::new)), true);
    }

    /// A new channel is there. The subscription is said again: the desk may have lost it.
    pub fn reopened(&mut self) {
        self.must_subscribe = self.subscription.is_some();
    }

    /// The next data message to send, the subscription first.
    pub fn next_part(&self) -> Option<Vec<u8>> {
        let part = match &self.subscription {
            Some(Some(subscription)) if self.must_subscribe => FromPhone::Subscribe(subscription.clone()),
            Some(None) if self.must_subscribe => FromPhone::Unsubscribe,
            _ => FromPhone::Shown(self.owed.front()?.clone()),
        };
        Some(part.to_bytes())
    }

    /// The channel has taken what [`NoticePhone::next_part`] gave.
    pub fn part_sent(&mut self) {
        if !std::mem::take(&mut self.must_subscribe) {
            self.owed.pop_front();
        }
    }
}
