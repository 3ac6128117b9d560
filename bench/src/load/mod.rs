//! The load: all sockets of a run on one poll in one thread.
//!
//! A run is a warm-up, the measured time, and a drain in which nothing new is sent and what is under way arrives.

mod pace;
mod pair;
mod record;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token};

use self::pace::{Clock, Schedule};
use self::pair::Pair;
use self::record::{Recorder, Snapshot};
use crate::join::Opened;
use crate::plan::{Pace, Timing, Workload};
use crate::target::{PublishCount, Target};

pub(crate) use self::record::{LOAD_SHARE_MAX, Sample};

/// Drives one run.
///
/// # Errors
/// A connection failed, the server broke RFC 6455, or a signal came.
pub(crate) fn run(
    workload: &Workload,
    timing: Timing,
    opened: Vec<Opened>,
    target: &Target,
    interrupted: &AtomicBool,
) -> anyhow::Result<Sample> {
    let watched = target.watched();
    let mut publish_count = target.publish_count()?;
    let mut load = Load::new(workload, opened, interrupted)?;
    let from = ns(timing.warmup);
    load.turns_until(from)?;
    load.recorder.measure_from(load.clock.now(), from + ns(timing.measured));
    let before = Snapshot::take(&watched, load.clock.now(), &load.recorder, load.spun);
    publish_count.as_mut().map_or(Ok(()), PublishCount::ask)?;
    load.turns_until(from + ns(timing.measured))?;
    let after = Snapshot::take(&watched, load.clock.now(), &load.recorder, load.spun);
    publish_count.as_mut().map_or(Ok(()), PublishCount::ask)?;
    load.drain()?;
    let faults = load.finish();
    let mut sample = Sample::new(&before, &after, &watched, workload.size, load.recorder, faults);
    if let Some(count) = publish_count {
        let counts = count.read()?;
        sample.publishes = Some(counts[1].saturating_sub(counts[0]));
    }
    Ok(sample)
}

struct Load<'a> {
    poll: Poll,
    events: Events,
    clock: Clock,
    pairs: Vec<Pair>,
    /// `Some` in an open loop.
    schedule: Option<Schedule>,
    /// Frames of the schedule that were due, over all pairs.
    released: u64,
    recorder: Recorder,
    /// Nanoseconds spent looking for work and finding none, while the next frame of an open loop was not due.
    spun: u64,
    interrupted: &'a AtomicBool,
}

/// How often a signal is looked for, at least.
const LOOK_WITHIN: u64 = 100_000_000;

/// How long frames under way may take to arrive before they count as lost.
const DRAIN_WITHIN: u64 = 5_000_000_000;

impl<'a> Load<'a> {
    fn new(workload: &Workload, opened: Vec<Opened>, interrupted: &'a AtomicBool) -> anyhow::Result<Self> {
        let (poll, count) = (Poll::new()?, opened.len());
        let schedule = match workload.pace {
            Pace::Window(_) => None,
            Pace::Rate(rate) => Some(Schedule { rate: u64::from(rate), pairs: count as u64 }),
        };
        let mut pairs = Vec::with_capacity(count);
        for (at, opened) in opened.into_iter().enumerate() {
            let mut pair = Pair::new(at, opened, workload.pace, schedule)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut pair.workstation, Token(at * 2), both)?;
            poll.registry().register(&mut pair.phone, Token(at * 2 + 1), Interest::READABLE)?;
            pairs.push(pair);
        }
        let events = Events::with_capacity(1024);
        // The clock starts last: an open loop is on time from its first frame.
        let (recorder, clock) = (Recorder::default(), Clock::start());
        Ok(Load { poll, events, clock, pairs, schedule, released: 0, recorder, spun: 0, interrupted })
    }

    /// Keeps the load up until `until`.
    fn turns_until(&mut self, until: u64) -> anyhow::Result<()> {
        let mut now = self.clock.now();
        if self.schedule.is_none() {
            self.each_sends(now)?;
        }
        while now < until {
            let timeout = if self.schedule.is_some() { 0 } else { (until - now).min(LOOK_WITHIN) };
            let had_work = self.turn(timeout, true)? | self.release()?;
            let was = std::mem::replace(&mut now, self.clock.now());
            if !had_work && self.schedule.is_some() {
                self.spun += now - was;
            }
        }
        Ok(())
    }

    /// Sends nothing new. What an open loop owes by now, and could not send, has waited since it was due.
    fn drain(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        for pair in &mut self.pairs {
            pair.stop(now, &mut self.recorder);
        }
        while self.clock.now() < now + DRAIN_WITHIN && !self.pairs.iter().all(Pair::is_done) {
            self.turn(LOOK_WITHIN, false)?;
        }
        Ok(())
    }

    /// The verdict over all pairs.
    fn finish(&self) -> crate::check::Faults {
        let mut faults = crate::check::Faults::default();
        self.pairs.iter().for_each(|pair| faults += pair.verdict());
        faults
    }

    /// One poll and all that it brings. True if it brought anything.
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
            if event.is_writable() && token % 2 == 0 {
                pair.on_writable();
            }
            let done = match token % 2 {
                0 if event.is_readable() => pair.receive_notices(),
                0 => Ok(()),
                _ => pair.receive(&self.clock, &mut self.recorder),
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
        let Some(schedule) = self.schedule else { return Ok(false) };
        let now = self.clock.now();
        let due = schedule.due(now);
        let pairs = schedule.pairs.min(due - self.released);
        for at in (self.released..self.released + pairs).map(|frame| (frame % schedule.pairs) as usize) {
            self.pairs[at].due = schedule.due_of(at as u64, due);
            self.pairs[at].send(now).with_context(|| broken(at))?;
        }
        self.released = due;
        Ok(pairs > 0)
    }

    fn each_sends(&mut self, now: u64) -> anyhow::Result<()> {
        for (at, pair) in self.pairs.iter_mut().enumerate() {
            pair.send(now).with_context(|| broken(at))?;
        }
        Ok(())
    }
}

fn broken(pair: usize) -> String {
    format!("pair {pair} broke under load")
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
