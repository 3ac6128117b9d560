//! The load: all sockets of a run on one poll in one thread.
//!
//! A run has three parts: the warm-up, the measured time, and the drain. In the drain nothing new is sent,
//! and frames in flight arrive.

mod crowd;
mod group;
mod pace;
mod pair;
mod record;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token};

use self::crowd::Crowd;
use self::pace::Clock;
use self::pair::Pair;
use self::record::{Recorder, Snapshot};
use crate::check::Faults;
use crate::target::{PublishCount, Target};
use crate::workload::Timing;

pub(crate) use self::group::Group;
pub(crate) use self::record::{LOAD_SHARE_MAX, Sample};

/// Drives one run. A sample for each group, in their order.
///
/// # Errors
/// A connection failed, the server broke RFC 6455, or a signal came.
pub(crate) fn run(
    groups: Vec<Group>,
    timing: Timing,
    target: &Target,
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<Sample>> {
    let watched = target.watched();
    let mut publish_count = target.publish_count()?;
    let mut load = Load::new(groups, interrupted)?;
    let from = ns(timing.warmup);
    let until = from + ns(timing.measured);
    load.turns_until(from)?;
    let now = load.clock.now();
    load.crowds.iter_mut().for_each(|crowd| crowd.recorder.measure_from(now, until));
    let before = Snapshot::take(&watched, target.cores, load.clock.now(), load.arrived(), load.spun);
    publish_count.as_mut().map_or(Ok(()), PublishCount::ask)?;
    load.turns_until(until)?;
    let after = Snapshot::take(&watched, target.cores, load.clock.now(), load.arrived(), load.spun);
    publish_count.as_mut().map_or(Ok(()), PublishCount::ask)?;
    load.drain()?;
    let publishes = publish_count.map(PublishCount::read).transpose()?;
    let publishes = publishes.map(|counts| counts[1].saturating_sub(counts[0]));
    Ok(load.finish(|crowd, faults, recorder| {
        let common = record::common(&before, &after, &watched, publishes);
        Sample::new(common, [&before, &after].map(|snapshot| snapshot.arrived[crowd]), recorder, faults)
    }))
}

struct Load<'a> {
    poll: Poll,
    events: Events,
    clock: Clock,
    crowds: Vec<Crowd>,
    pairs: Vec<Pair>,
    /// Nanoseconds of polling without work, while the next frame of an open loop was not due.
    spun: u64,
    interrupted: &'a AtomicBool,
}

/// Signals are checked at least this often.
const LOOK_WITHIN: u64 = 100_000_000;

/// How long frames under way may take to arrive before they count as lost.
const DRAIN_WITHIN: u64 = 5_000_000_000;

impl<'a> Load<'a> {
    fn new(groups: Vec<Group>, interrupted: &'a AtomicBool) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let (mut crowds, mut pairs) = (Vec::new(), Vec::new());
        for group in groups {
            let crowd = Crowd::new(&group, pairs.len());
            for opened in group.opened {
                let mut pair = Pair::new(crowds.len(), &crowd, pairs.len(), opened);
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut pair.workstation, Token(pairs.len() * 2), both)?;
                poll.registry().register(&mut pair.phone, Token(pairs.len() * 2 + 1), Interest::READABLE)?;
                pairs.push(pair);
            }
            crowds.push(crowd);
        }
        let events = Events::with_capacity(1024);
        // The clock starts last: an open loop is on time from its first frame.
        Ok(Load { poll, events, clock: Clock::start(), crowds, pairs, spun: 0, interrupted })
    }

    /// Keeps the load up until `until`.
    fn turns_until(&mut self, until: u64) -> anyhow::Result<()> {
        let mut now = self.clock.now();
        let is_open = self.crowds.iter().any(|crowd| crowd.schedule.is_some());
        for at in 0..self.pairs.len() {
            if self.crowds[self.pairs[at].crowd].schedule.is_none() {
                self.pairs[at].send(now).with_context(|| broken(at))?;
            }
        }
        while now < until {
            let timeout = if is_open { 0 } else { (until - now).min(LOOK_WITHIN) };
            let had_work = self.turn(timeout, true)? | self.release()?;
            let was = std::mem::replace(&mut now, self.clock.now());
            if !had_work && is_open {
                self.spun += now - was;
            }
        }
        Ok(())
    }

    /// Sends nothing new, and reads what is left. Frames of an open loop that are due and could not be sent
    /// count as waiting since then.
    fn drain(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        for (at, pair) in self.pairs.iter_mut().enumerate() {
            let crowd = &mut self.crowds[pair.crowd];
            pair.stop(now, crowd);
            if crowd.reads_late {
                pair.receive(&self.clock, &mut crowd.recorder).with_context(|| broken(at))?;
            }
        }
        self.crowds.iter_mut().for_each(|crowd| crowd.reads_late = false);
        while self.clock.now() < now + DRAIN_WITHIN && !self.pairs.iter().all(Pair::is_done) {
            self.turn(LOOK_WITHIN, false)?;
        }
        Ok(())
    }

    /// How many frames came so far, by crowd.
    fn arrived(&self) -> Vec<u64> {
        self.crowds.iter().map(|crowd| crowd.recorder.arrived).collect()
    }

    /// The verdict over all pairs of each crowd.
    fn finish(self, sample: impl Fn(usize, Faults, Recorder) -> Sample) -> Vec<Sample> {
        let Load { crowds, pairs, .. } = self;
        let judge = |(at, crowd): (usize, Crowd)| {
            let mut faults = Faults::default();
            pairs.iter().filter(|pair| pair.crowd == at).for_each(|pair| faults += pair.verdict());
            sample(at, faults, crowd.recorder)
        };
        crowds.into_iter().enumerate().map(judge).collect()
    }

    /// One poll, and all its events. True if there were any.
    fn turn(&mut self, timeout: u64, sends: bool) -> anyhow::Result<bool> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        match self.poll.poll(&mut self.events, Some(Duration::from_nanos(timeout))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            other => other?,
        }
        for event in &self.events {
            let Token(token) = event.token();
            let pair = &mut self.pairs[token / 2];
            let crowd = &mut self.crowds[pair.crowd];
            if event.is_writable() && token % 2 == 0 {
                pair.on_writable();
            }
            let done = match token % 2 {
                0 if event.is_readable() => pair.receive_notices(),
                0 => Ok(()),
                _ if crowd.reads_late => Ok(()),
                _ => pair.receive(&self.clock, &mut crowd.recorder),
            };
            done.with_context(|| broken(token / 2))?;
            if sends || pair.has_unsent() {
                pair.send(self.clock.now()).with_context(|| broken(token / 2))?;
            }
        }
        Ok(!self.events.is_empty())
    }

    /// Sends what is due by now in an open loop. True if anything was.
    fn release(&mut self) -> anyhow::Result<bool> {
        let now = self.clock.now();
        let mut had_any = false;
        for crowd in &mut self.crowds {
            for (at, due) in crowd.release(now) {
                had_any = true;
                self.pairs[at].due = due;
                self.pairs[at].send(now).with_context(|| broken(at))?;
            }
        }
        Ok(had_any)
    }
}

fn broken(pair: usize) -> String {
    format!("pair {pair} broke under load")
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
