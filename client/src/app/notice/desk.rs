//! The desk's side for one phone: each notice is kept until the phone has shown it, or a day has passed.

use std::collections::VecDeque;
use std::time::Duration;

use super::limits::{BACK_OFF, PUSH_WITHIN, RETRY_AFTER_MAX, SHOWN_WITHIN, WAIT_MAX, WAITING_MAX};
use super::{FromDesk, FromPhone, Notice, NoticeError, PushState, Subscription};

/// What the app does about a phone's notices. Pure: the app moves bytes, and posts what must be posted.
///
/// After each input, take all of [`NoticeDesk::poll_news`], send [`NoticeDesk::next_part`] while the channel
/// takes it, each time followed by [`NoticeDesk::part_sent`], and post what [`NoticeDesk::next_push`] gives.
#[derive(Debug, Default)]
pub struct NoticeDesk {
    /// Not shown yet, the oldest first. At most [`WAITING_MAX`].
    waiting: VecDeque<Waiting>,
    /// The first so many of them were sent on the present channel.
    sent: usize,
    is_open: bool,
    is_hidden: bool,
    subscription: Option<Subscription>,
    /// To be told to the phone.
    state: Option<(PushState, String)>,
    /// One post at a time.
    posting: Option<PushJob>,
    /// The push service is left alone until then.
    push_after: Duration,
    /// Posts that failed in a row.
    failures: u32,
    news: VecDeque<DeskNews>,
}

#[derive(Debug)]
struct Waiting {
    notice: Notice,
    raised: Duration,
    push: Push,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    /// It has not been taken by a push service.
    Open,
    /// It was taken, or will not be.
    Settled,
}

/// What happened to a notice, or to the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskNews {
    /// The phone has shown the notice of this id.
    Shown(String),
    /// A push service took it.
    Pushed(String),
    /// No push service will get it; the phone may still show it. The words say why.
    NotPushed(String, String),
    /// It was not shown, and is given up.
    Dropped(String),
    /// The phone gave another subscription, or took it back: check it, keep it, and tell
    /// [`NoticeDesk::set_subscription`].
    Subscribed(Option<Box<Subscription>>),
    /// The push service does not know the subscription any more. It is forgotten here.
    Unsubscribed,
}

/// A notice to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushJob {
    /// What to post.
    pub notice: Notice,
    /// To whom.
    pub subscription: Subscription,
}

/// What came of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The push service has it.
    Accepted,
    /// The push service does not know this subscription any more.
    Gone,
    /// It will not take this notice; the words say why.
    Refused(String),
    /// It failed, or asks to be left alone; for so long, if it says.
    Later(Option<Duration>),
}

impl NoticeDesk {
    /// Goes on with the subscription that is kept for the phone.
    pub fn new(subscription: Option<Subscription>) -> Self {
        NoticeDesk { subscription, ..NoticeDesk::default() }
    }

    /// Raises a notice. The oldest one gives way where too many wait.
    pub fn raise(&mut self, notice: Notice, now: Duration) {
        if self.waiting.len() >= WAITING_MAX {
            self.drop_at(0);
        }
        self.waiting.push_back(Waiting { notice, raised: now, push: Push::Open });
    }

    /// The phone's channel is accepted.
    pub fn on_opened(&mut self) {
        (self.is_open, self.sent) = (true, 0);
    }

    /// The channel is gone. What was not shown goes again on the next one.
    pub fn on_closed(&mut self) {
        (self.is_open, self.sent) = (false, 0);
    }

    /// The phone's page was hidden, or came back.
    pub fn set_hidden(&mut self, is_hidden: bool) {
        self.is_hidden = is_hidden;
    }

    /// A data message came.
    ///
    /// # Errors
    /// It is not one of this kind: reset the channel.
    pub fn on_data(&mut self, bytes: &[u8]) -> Result<(), NoticeError> {
        match FromPhone::parse(bytes) {
            Ok(Some(FromPhone::Shown(id))) => self.on_shown(id),
            Ok(Some(FromPhone::Subscribe(subscription))) => self.subscribed(Some(subscription)),
            Ok(Some(FromPhone::Unsubscribe)) => self.subscribed(None),
            Ok(None) => {}
            // Notices of the open channel are of use without it.
            Err(error @ NoticeError::BadSubscription(_)) => {
                self.state = Some((PushState::Refused, error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The newest word counts: a phone that says it in a loop makes no queue.
    fn subscribed(&mut self, subscription: Option<Box<Subscription>>) {
        self.news.retain(|news| !matches!(news, DeskNews::Subscribed(_)));
        self.news.push_back(DeskNews::Subscribed(subscription));
    }

    fn on_shown(&mut self, id: String) {
        if let Some(at) = self.position(&id) {
            self.remove(at);
            self.news.push_back(DeskNews::Shown(id));
        }
    }

    /// The app's word on what [`DeskNews::Subscribed`] brought: it is used from now on, or why not.
    pub fn set_subscription(&mut self, checked: Result<Option<Subscription>, String>) {
        (self.push_after, self.failures) = (Duration::ZERO, 0);
        self.state = Some(match &checked {
            Ok(Some(_)) => (PushState::On, String::new()),
            Ok(None) => (PushState::Off, String::new()),
            Err(words) => (PushState::Refused, words.clone()),
        });
        self.subscription = checked.unwrap_or_default();
    }

    /// True if the phone can be reached by Web Push.
    pub fn has_subscription(&self) -> bool {
        self.subscription.is_some()
    }

    /// The next data message to send.
    pub fn next_part(&self) -> Option<Vec<u8>> {
        if !self.is_open {
            return None;
        }
        if let Some((state, words)) = &self.state {
            return Some(FromDesk::Push { state: *state, words: words.clone() }.to_bytes());
        }
        self.waiting.get(self.sent).map(|waiting| FromDesk::Notice(waiting.notice.clone()).to_bytes())
    }

    /// The channel has taken what [`NoticeDesk::next_part`] gave.
    pub fn part_sent(&mut self) {
        if self.state.take().is_none() && self.sent < self.waiting.len() {
            self.sent += 1;
        }
    }

    /// The next notice to post, if it is time. Answer by [`NoticeDesk::on_push`] before there is another.
    pub fn next_push(&mut self, now: Duration) -> Option<PushJob> {
        if self.posting.is_some() || now < self.push_after {
            return None;
        }
        let subscription = self.subscription.as_ref()?;
        let is_due = |waiting: &&Waiting| waiting.push == Push::Open && now >= self.push_due_at(waiting);
        let notice = self.waiting.iter().find(is_due)?.notice.clone();
        let job = PushJob { notice, subscription: subscription.clone() };
        self.posting = Some(job.clone());
        Some(job)
    }

    /// A phone that is not here may be on its way, as the desk's agent may just have been started.
    fn push_due_at(&self, waiting: &Waiting) -> Duration {
        if self.is_open && self.is_hidden { waiting.raised } else { waiting.raised + SHOWN_WITHIN }
    }

    /// What came of the post that was given last.
    pub fn on_push(&mut self, outcome: PushOutcome, now: Duration) {
        let Some(PushJob { notice: Notice { id, .. }, subscription }) = self.posting.take() else { return };
        let is_present = self.subscription.as_ref().is_some_and(|own| own.endpoint == subscription.endpoint);
        if !is_present && outcome != PushOutcome::Accepted {
            // It says nothing of the subscription that is used now: the notice is posted there.
            return;
        }
        self.failures = if matches!(outcome, PushOutcome::Later(_)) { self.failures + 1 } else { 0 };
        match outcome {
            PushOutcome::Accepted => self.settle(&id, DeskNews::Pushed(id.clone())),
            PushOutcome::Refused(why) => self.settle(&id, DeskNews::NotPushed(id.clone(), why)),
            PushOutcome::Later(wait) => {
                let wait = wait.map_or_else(|| self.back_off(), |wait| wait.min(RETRY_AFTER_MAX));
                self.push_after = now + wait;
                self.give_up_late(now);
            }
            PushOutcome::Gone => {
                self.subscription = None;
                self.state = Some((PushState::Gone, String::new()));
                self.news.push_back(DeskNews::Unsubscribed);
            }
        }
    }

    fn back_off(&self) -> Duration {
        let (first, longest) = BACK_OFF;
        (first * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(10))).min(longest)
    }

    fn settle(&mut self, id: &str, news: DeskNews) {
        // It may have been shown meanwhile.
        if let Some(at) = self.position(id) {
            self.waiting[at].push = Push::Settled;
            self.news.push_back(news);
        }
    }

    /// Posts that would come too late to be of use.
    fn give_up_late(&mut self, now: Duration) {
        let after = self.push_after;
        for waiting in &mut self.waiting {
            let until = waiting.raised + SHOWN_WITHIN + PUSH_WITHIN;
            if waiting.push == Push::Open && now >= waiting.raised + SHOWN_WITHIN && after > until {
                waiting.push = Push::Settled;
                let why = "the push service did not take it in time".to_owned();
                self.news.push_back(DeskNews::NotPushed(waiting.notice.id.clone(), why));
            }
        }
    }

    /// Gives up what has waited for too long.
    pub fn on_time(&mut self, now: Duration) {
        while self.waiting.front().is_some_and(|waiting| now >= waiting.raised + WAIT_MAX) {
            self.drop_at(0);
        }
    }

    /// When there may be something to post or to give up.
    pub fn due_at(&self) -> Option<Duration> {
        let expires = self.waiting.front().map(|waiting| waiting.raised + WAIT_MAX);
        let is_ready = self.posting.is_none() && self.subscription.is_some();
        let open = self.waiting.iter().filter(|waiting| is_ready && waiting.push == Push::Open);
        let push = open.map(|waiting| self.push_due_at(waiting)).min().map(|due| due.max(self.push_after));
        [expires, push].into_iter().flatten().min()
    }

    /// True while a notice that is younger than this may still be shown soon, or posted.
    pub fn is_busy(&self, now: Duration, young: Duration) -> bool {
        let may_push = self.subscription.is_some();
        let is_urgent = |waiting: &Waiting| now < waiting.raised + young && waiting.push == Push::Open;
        self.posting.is_some() || self.waiting.iter().any(|one| is_urgent(one) && (may_push || self.is_open))
    }

    /// The next thing to tell.
    pub fn poll_news(&mut self) -> Option<DeskNews> {
        self.news.pop_front()
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.notice.id == id)
    }

    fn remove(&mut self, at: usize) -> Option<Waiting> {
        self.sent -= usize::from(at < self.sent);
        self.waiting.remove(at)
    }

    fn drop_at(&mut self, at: usize) {
        let dropped = self.remove(at).map(|waiting| DeskNews::Dropped(waiting.notice.id));
        self.news.extend(dropped);
    }
}
