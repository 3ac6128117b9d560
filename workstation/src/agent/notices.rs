//! The notices of one phone: its channel, and the machine that knows what was shown.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use relay_client::AppLink;
use relay_client::app::notice::{DeskNews, Notice, NoticeDesk, PushJob, PushOutcome, Subscription};
use relay_client::app::{ChannelId, Reason};

/// How long a notice that nobody has shown keeps the agent alive: for the phone to come, or for a push.
const NEEDED_FOR: Duration = Duration::from_secs(30);

/// Changes of its subscription that a phone may make in a minute. Each one is checked and written down.
const CHANGES_MAX: usize = 10;

/// See the module.
pub(super) struct Notices {
    machine: NoticeDesk,
    channel: Option<ChannelId>,
    /// The start of the machine's time.
    began: Instant,
    /// When the subscription was changed, in the last minute.
    changes: VecDeque<Instant>,
}

impl Notices {
    /// Goes on with the subscription that is kept for the phone.
    pub(super) fn new(subscription: Option<Subscription>) -> Self {
        Notices {
            machine: NoticeDesk::new(subscription),
            channel: None,
            began: Instant::now(),
            changes: VecDeque::new(),
        }
    }

    /// The phone opened this channel. It takes the place of an earlier one.
    pub(super) fn on_opened(&mut self, link: &AppLink, ch: ChannelId) {
        if let Some(earlier) = self.channel.take() {
            let reason = Reason::new(Reason::CANCELLED, "another channel for notices took its place");
            // It may be gone already.
            let _ = link.reset(earlier, reason);
        }
        self.machine.on_closed();
        if link.accept(ch, "{}").is_ok() {
            self.channel = Some(ch);
            self.machine.on_opened();
        }
    }

    /// True if this is the channel of notices.
    pub(super) fn has(&self, ch: ChannelId) -> bool {
        self.channel == Some(ch)
    }

    /// The channel is gone.
    pub(super) fn on_closed(&mut self) {
        self.channel = None;
        self.machine.on_closed();
    }

    /// The phone's page was hidden, or came back.
    pub(super) fn set_hidden(&mut self, is_hidden: bool) {
        self.machine.set_hidden(is_hidden);
    }

    /// Takes what came on the channel.
    pub(super) fn on_data(&mut self, link: &AppLink, ch: ChannelId, bytes: &[u8]) {
        link.consumed(ch, bytes.len());
        if let Err(error) = self.machine.on_data(bytes) {
            // It may be gone already.
            let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
            self.on_closed();
        }
    }

    pub(super) fn raise(&mut self, notice: Notice) {
        self.machine.raise(notice, self.began.elapsed());
    }

    /// Counts a change of the subscription. False if there are too many.
    pub(super) fn admit_change(&mut self, now: Instant) -> bool {
        self.changes.retain(|at| now < *at + Duration::from_secs(60));
        let is_admitted = self.changes.len() < CHANGES_MAX;
        if is_admitted {
            self.changes.push_back(now);
        }
        is_admitted
    }

    /// A subscription was checked, and kept, or not.
    pub(super) fn set_subscription(&mut self, checked: Result<Option<Subscription>, String>) {
        self.machine.set_subscription(checked);
    }

    /// Sends what the channel takes.
    pub(super) fn pump(&mut self, link: &AppLink) {
        self.machine.on_time(self.began.elapsed());
        let Some(ch) = self.channel else { return };
        while let Some(part) = self.machine.next_part() {
            if link.try_send(ch, &part).is_err() {
                return;
            }
            self.machine.part_sent();
        }
    }

    /// The next thing to tell.
    pub(super) fn poll_news(&mut self) -> Option<DeskNews> {
        self.machine.poll_news()
    }

    /// The next notice to post.
    pub(super) fn next_push(&mut self) -> Option<PushJob> {
        self.machine.next_push(self.began.elapsed())
    }

    /// What came of it.
    pub(super) fn on_push(&mut self, outcome: PushOutcome) {
        self.machine.on_push(outcome, self.began.elapsed());
    }

    /// When there may be something to post or to give up.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.machine.due_at().map(|due| self.began + due)
    }

    /// True if a notice may still be shown or posted soon.
    pub(super) fn is_busy(&self) -> bool {
        self.machine.is_busy(self.began.elapsed(), NEEDED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_changes_its_subscription_in_a_loop_is_stopped() {
        let (mut notices, now) = (Notices::new(None), Instant::now());
        assert_eq!((0..100).filter(|_| notices.admit_change(now)).count(), CHANGES_MAX);
        assert!(notices.admit_change(now + Duration::from_secs(60)));
    }
}
