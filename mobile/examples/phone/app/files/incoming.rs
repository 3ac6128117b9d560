//! A set of files that the desk sends, over one channel.

use std::path::{Path, PathBuf};
use std::time::Duration;

use relay_client::AppLink;
use relay_client::app::{AppEvent, ChannelId, Reason};
use relay_client::folder::Inbox;
use relay_client::lines::harmless;
use relay_client::transfer::{
    LinkChannel, Outcome, Progress, ReceiveEvent, ReceiveOptions, ReceiveSet, Step,
};

/// See the module.
pub(super) struct Incoming {
    ch: ChannelId,
    folder: PathBuf,
    set: ReceiveSet,
    outcome: Option<Outcome>,
}

impl Incoming {
    /// # Errors
    /// The desk speaks a version that is not known.
    pub(super) fn accept(
        inbox: Inbox,
        folder: &Path,
        desk: &str,
        (ch, params): (ChannelId, &str),
        link: &AppLink,
    ) -> Result<Self, Reason> {
        let set = ReceiveSet::new(inbox, desk, params, ReceiveOptions::default())?;
        link.accept(ch, &set.params()).map_err(|error| Reason::new(Reason::OTHER, error.to_string()))?;
        Ok(Incoming { ch, folder: folder.to_owned(), set, outcome: None })
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

    /// The desk's process is new: it sends the rest over another channel.
    pub(super) fn on_restarted(&mut self) {
        self.on_gone(Reason::new(Reason::CANCELLED, "the desk has started again; it may go on"));
    }

    fn on_gone(&mut self, reason: Reason) {
        self.set.on_gone();
        self.outcome.get_or_insert(Outcome::Broken(reason));
    }

    pub(super) fn is(&self, ch: ChannelId) -> bool {
        self.ch == ch
    }

    pub(super) fn on_data(&mut self, bytes: Vec<u8>, now: Duration) {
        self.set.on_data(bytes, now);
    }

    /// False if it is not about this set. Its data goes to `on_data`.
    pub(super) fn on_event(&mut self, event: &AppEvent) -> bool {
        match event {
            AppEvent::Ended { ch } if *ch == self.ch => self.set.on_ended(),
            AppEvent::Reset { ch, reason } if *ch == self.ch => self.on_gone(reason.clone()),
            AppEvent::Writable { ch } if *ch == self.ch => {}
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
        let mut until = None;
        if self.outcome.is_none() {
            match self.set.advance(&mut LinkChannel::new(link, self.ch), now) {
                Step::More => until = Some(now),
                Step::Wait { until: wait } => until = Some(wait),
                Step::Over(outcome) => self.outcome = Some(outcome),
            }
        }
        while let Some(event) = self.set.poll_event() {
            lines.extend(self.words(event));
        }
        until
    }

    fn words(&self, event: ReceiveEvent) -> Option<String> {
        Some(match event {
            ReceiveEvent::Started { offset: 0, .. } => return None,
            ReceiveEvent::Started { name, offset, .. } => {
                format!("{}: goes on at byte {offset}", harmless(&name))
            }
            ReceiveEvent::Done { kept_as, .. } => {
                format!("received {}", harmless(&self.folder.join(kept_as).display().to_string()))
            }
            ReceiveEvent::Failed { name, reason } => format!("{}: not taken: {reason}", harmless(&name)),
        })
    }

    pub(super) fn cancel(&mut self, link: &AppLink, now: Duration) {
        self.set.cancel();
        self.set.advance(&mut LinkChannel::new(link, self.ch), now);
        // It is gone already, as a rule.
        let _ = link.reset(self.ch, Reason::new(Reason::CANCELLED, "the phone does not take it any more"));
    }
}
