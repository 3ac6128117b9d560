//! Files to and from the desk: one set after the other goes out, and what the desk sends goes into a folder.

mod incoming;
mod outgoing;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use relay_client::AppLink;
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};
use relay_client::folder::Inbox;
use relay_client::transfer::{Outcome, Progress, SendOptions, SendSet};

use incoming::Incoming;
use outgoing::Outgoing;

/// Sets that the desk may send at once.
const SETS_MAX: usize = 4;

/// How often it is told how far they are.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Files {
    /// Names the desk in what is kept for resuming.
    desk: String,
    inbox: Option<(Inbox, PathBuf)>,
    outgoing: VecDeque<Outgoing>,
    incoming: Vec<Incoming>,
    started: Instant,
    due_at: Option<Duration>,
    tell_at: Duration,
    /// Sets that are over, and those of which something is missing.
    over: usize,
    failed: usize,
    lines: Vec<String>,
}

impl Files {
    /// # Errors
    /// The folder can't be used.
    pub(super) fn new(desk: &str, inbox: Option<&Path>) -> Result<Self, String> {
        let open = |path: &Path| {
            let opened = Inbox::open(path).map(|inbox| (inbox, path.to_owned()));
            opened.map_err(|error| format!("can't use {}: {error}", path.display()))
        };
        Ok(Files {
            desk: desk.to_owned(),
            inbox: inbox.map(open).transpose()?,
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
            started: Instant::now(),
            due_at: None,
            tell_at: Duration::ZERO,
            over: 0,
            failed: 0,
            lines: Vec::new(),
        })
    }

    /// Sends these behind those that are on their way.
    ///
    /// # Errors
    /// A path can't be read.
    pub(super) fn send(&mut self, paths: &[PathBuf]) -> Result<(), String> {
        let set = SendSet::new(paths, SendOptions::default()).map_err(|error| error.to_string())?;
        self.outgoing.push_back(Outgoing::new(set));
        Ok(())
    }

    /// True if files are on their way, or wait for it.
    pub(super) fn is_busy(&self) -> bool {
        !self.outgoing.is_empty() || !self.incoming.is_empty()
    }

    /// Sets that are over.
    pub(super) fn over(&self) -> usize {
        self.over
    }

    /// Sets of which something is missing.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// What there is to say.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// When something is to be done.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let tell_at = self.is_busy().then_some(self.tell_at);
        let due_at = [self.due_at, tell_at].into_iter().flatten().min()?;
        Some(self.started + due_at)
    }

    /// Whether the desk is connected.
    pub(super) fn on_link(&mut self, is_up: bool) {
        let now = self.started.elapsed();
        self.outgoing.iter_mut().for_each(|set| set.on_link(is_up, now));
        self.incoming.iter_mut().for_each(|set| set.on_link(is_up, now));
    }

    /// Takes the data of a set that comes. Gives back any other event.
    pub(super) fn take_data(&mut self, event: AppEvent) -> Option<AppEvent> {
        match event {
            AppEvent::Data { ch, bytes } => match self.incoming.iter_mut().find(|set| set.is(ch)) {
                None => Some(AppEvent::Data { ch, bytes }),
                Some(set) => {
                    set.on_data(bytes, self.started.elapsed());
                    None
                }
            },
            event => Some(event),
        }
    }

    /// Takes an event about files. False if it is not about them.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink) -> bool {
        let now = self.started.elapsed();
        match event {
            AppEvent::Opened { ch, kind: Kind::File, params } => {
                if let Err(reason) = self.on_opened(*ch, params, link) {
                    // It may be gone already.
                    let _ = link.refuse(*ch, reason);
                }
                true
            }
            AppEvent::Restarted => {
                self.outgoing.iter_mut().for_each(Outgoing::on_restarted);
                self.incoming.iter_mut().for_each(Incoming::on_restarted);
                false
            }
            event => {
                self.outgoing.front_mut().is_some_and(|set| set.on_event(event, now))
                    || self.incoming.iter_mut().any(|set| set.on_event(event))
            }
        }
    }

    fn on_opened(&mut self, ch: ChannelId, params: &str, link: &AppLink) -> Result<(), Reason> {
        let Some((inbox, folder)) = &self.inbox else {
            return Err(Reason::new(
                Reason::UNAVAILABLE,
                "this phone takes no files: start it with --inbox DIR",
            ));
        };
        if self.incoming.len() >= SETS_MAX {
            return Err(Reason::new(Reason::TOO_MANY, "several sets of files are on their way already"));
        }
        let incoming = Incoming::accept(inbox.clone(), folder, &self.desk, (ch, params), link)?;
        self.incoming.push(incoming);
        Ok(())
    }

    /// Works on.
    pub(super) fn settle(&mut self, link: &AppLink) {
        let now = self.started.elapsed();
        let going = self.outgoing.front_mut().and_then(|set| set.work(link, now, &mut self.lines));
        let coming = self.incoming.iter_mut().filter_map(|set| set.work(link, now, &mut self.lines));
        self.due_at = coming.chain(going).min();
        if self.outgoing.front().is_some_and(|set| set.outcome().is_some())
            && let Some(set) = self.outgoing.pop_front()
        {
            self.finish("sent", set.outcome());
            // The next one begins at once.
            self.due_at = Some(now);
        }
        for set in self.incoming.extract_if(.., |set| set.outcome().is_some()).collect::<Vec<_>>() {
            self.finish("received", set.outcome());
        }
        if self.is_busy() && now >= self.tell_at {
            self.tell_progress(now);
        }
    }

    fn finish(&mut self, done: &str, outcome: Option<&Outcome>) {
        self.over += 1;
        let is_whole = outcome.is_some_and(Outcome::is_all_taken);
        self.failed += usize::from(!is_whole);
        let words = match outcome {
            Some(Outcome::Complete(totals)) => {
                let (whole, bytes) = (totals.done, totals.bytes);
                let failed = if is_whole { String::new() } else { format!(", {} not taken", totals.failed) };
                format!("{done} {whole} files, {bytes} bytes{failed}")
            }
            Some(Outcome::Broken(reason)) => format!("not {done}: {reason}"),
            None => return,
        };
        self.lines.push(words);
    }

    fn tell_progress(&mut self, now: Duration) {
        let each = self.outgoing.front().map(Outgoing::progress).into_iter();
        let each = each.chain(self.incoming.iter().map(Incoming::progress));
        for Progress { files_total, bytes_total, files_settled, bytes_written } in each {
            // At first nothing is known.
            if files_total > 0 && self.tell_at > Duration::ZERO {
                let files = format!("{files_settled} of {files_total} files");
                self.lines.push(format!("{bytes_written} of {bytes_total} bytes, {files}"));
            }
        }
        self.tell_at = now + TELL_EVERY;
    }

    /// Nothing more is sent or taken.
    pub(super) fn cancel(&mut self, link: &AppLink) {
        let now = self.started.elapsed();
        self.outgoing.iter_mut().for_each(|set| set.cancel(link, now));
        self.incoming.iter_mut().for_each(|set| set.cancel(link, now));
        self.failed += self.outgoing.len() + self.incoming.len();
        self.outgoing.clear();
        self.incoming.clear();
    }
}
