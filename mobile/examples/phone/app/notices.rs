//! Notices of the desk, and the subscription to Web Push that the desk is to have.

use relay_client::AppLink;
use relay_client::app::notice::{NoticePhone, PhoneNews, Subscription};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};

/// The notices, over any number of channels.
#[derive(Debug, Default)]
pub(super) struct Notices {
    machine: NoticePhone,
    /// And whether it was accepted.
    channel: Option<(ChannelId, bool)>,
    /// The desk has said what it offers, so a channel may be opened.
    may_open: bool,
    /// The user can't see anything now: what comes is not confirmed.
    is_hidden: bool,
}

impl Notices {
    /// The desk is to have this subscription, or none; `None` says nothing about it.
    pub(super) fn new(push: Option<Option<Subscription>>, is_hidden: bool) -> Self {
        let mut machine = NoticePhone::default();
        if let Some(subscription) = push {
            machine.subscribe(subscription);
        }
        Notices { machine, channel: None, may_open: false, is_hidden }
    }

    /// Takes an event of the notices: what is to be shown is added to `lines`. False if it is not theirs.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink, lines: &mut Vec<String>) -> bool {
        let own = self.channel.map(|(ch, _)| ch);
        match event {
            AppEvent::Accepted { ch, .. } if Some(*ch) == own => {
                self.channel = Some((*ch, true));
                self.machine.reopened();
            }
            AppEvent::Refused { ch, .. } if Some(*ch) == own => {
                // A desk of an earlier version.
                (self.channel, self.may_open) = (None, false);
            }
            AppEvent::Reset { ch, .. } | AppEvent::Ended { ch } if Some(*ch) == own => {
                // It may be gone already.
                let _ = link.end(*ch);
                self.channel = None;
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => {
                link.consumed(*ch, bytes.len());
                self.on_data(*ch, bytes, link, lines);
            }
            AppEvent::Writable { ch } if Some(*ch) == own => {}
            AppEvent::Restarted => {
                (self.channel, self.may_open) = (None, false);
                return false;
            }
            AppEvent::Desk(_) => {
                self.may_open = true;
                return false;
            }
            _ => return false,
        }
        true
    }

    fn on_data(&mut self, ch: ChannelId, bytes: &[u8], link: &AppLink, lines: &mut Vec<String>) {
        match self.machine.on_data(bytes) {
            Ok(Some(PhoneNews::Notice(notice))) => {
                let title =
                    if notice.title.is_empty() { String::new() } else { format!("{}: ", notice.title) };
                lines.push(format!("notice: {title}{}", notice.text));
                if !self.is_hidden {
                    self.machine.shown(&notice.id);
                }
            }
            Ok(Some(PhoneNews::Push(state, words))) if words.is_empty() => {
                lines.push(format!("push: {}", state.as_str()));
            }
            Ok(Some(PhoneNews::Push(state, words))) => {
                lines.push(format!("push: {}: {words}", state.as_str()));
            }
            Ok(None) => {}
            Err(error) => {
                // It may be gone already.
                let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
                self.channel = None;
            }
        }
    }

    /// Opens a channel if there is none, and sends what it takes.
    pub(super) fn settle(&mut self, link: &AppLink) {
        if self.channel.is_none() && self.may_open && link.is_ready() {
            // It is tried again with the next event.
            self.channel = link.open(Kind::Notice, r#"{"v":1}"#).ok().map(|ch| (ch, false));
        }
        let Some((ch, true)) = self.channel else { return };
        while let Some(part) = self.machine.next_part() {
            if link.try_send(ch, &part).is_err() {
                return;
            }
            self.machine.part_sent();
        }
    }
}
