//! A set of files for the desk, over any number of channels.

use std::time::Duration;

use relay_client::AppLink;
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};
use relay_client::lines::harmless;
use relay_client::transfer::{LinkChannel, Outcome, Progress, SendEvent, SendSet, Step};

/// See the module.
pub(super) struct Outgoing {
    set: SendSet,
    /// And whether it was accepted.
    channel: Option<(ChannelId, bool)>,
    outcome: Option<Outcome>,
}

impl Outgoing {
    pub(super) fn new(set: SendSet) -> Self {
        Outgoing { set, channel: None, outcome: None }
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    pub(super) fn progress(&self) -> Progress {
        self.set.progress()
    }

    pub(super) fn on_link(&mut self, is_up: bool, now: Duration) {
        self.set.on_link(is_up, now);
    }

    /// The desk's process is new: another channel is opened.
    pub(super) fn on_restarted(&mut self) {
        if self.channel.take().is_some() {
            self.set.on_gone();
        }
    }

    /// False if it is not about this set.
    pub(super) fn on_event(&mut self, event: &AppEvent, now: Duration) -> bool {
        let own = self.channel.map(|(ch, _)| ch);
        match event {
            AppEvent::Accepted { ch, .. } if Some(*ch) == own => {
                self.channel = Some((*ch, true));
                self.set.on_accepted(now);
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => self.set.on_data(bytes.clone(), now),
            AppEvent::Ended { ch } if Some(*ch) == own => self.set.on_ended(),
            AppEvent::Refused { ch, reason } | AppEvent::Reset { ch, reason } if Some(*ch) == own => {
                self.channel = None;
                self.set.on_gone();
                self.outcome = Some(Outcome::Broken(reason.clone()));
            }
            AppEvent::Writable { ch } if Some(*ch) == own => {}
            _ => return false,
        }
        true
    }

    /// Works on. Gives when to call it again at the latest.
    pub(super) fn work(
        &mut self,
        link: &AppLink,
        now: Duration,
        lines: &mut Vec<String>,
    ) -> Option<Duration> {
        if self.channel.is_none() && self.outcome.is_none() && link.is_ready() {
            // It is tried again with the next event.
            self.channel = link.open(Kind::File, &self.set.params()).ok().map(|ch| (ch, false));
        }
        let mut until = None;
        if let Some((ch, true)) = self.channel {
            match self.set.advance(&mut LinkChannel::new(link, ch), now) {
                Step::More => until = Some(now),
                Step::Wait { until: wait } => until = Some(wait),
                Step::Over(outcome) => (self.channel, self.outcome) = (None, Some(outcome)),
            }
        }
        while let Some(event) = self.set.poll_event() {
            lines.extend(words(event));
        }
        until
    }

    pub(super) fn cancel(&mut self, link: &AppLink, now: Duration) {
        self.set.cancel();
        let Some((ch, is_accepted)) = self.channel.take() else { return };
        if is_accepted {
            self.set.advance(&mut LinkChannel::new(link, ch), now);
        }
        // It is gone already, as a rule.
        let _ = link.reset(ch, Reason::new(Reason::CANCELLED, "the phone does not send it any more"));
    }
}

fn words(event: SendEvent) -> Option<String> {
    Some(match event {
        SendEvent::Skipped { name, why } => format!("{}: not sent: {}", harmless(&name), harmless(&why)),
        SendEvent::Resumed { name, offset } => format!("{}: goes on at byte {offset}", harmless(&name)),
        SendEvent::Failed { name, reason } => format!("{}: not taken: {reason}", harmless(&name)),
        SendEvent::Done { .. } => return None,
    })
}
