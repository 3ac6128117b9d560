//! One connection through the proxy: its two sockets, and a reader and a writer for each direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::flow::{Chunk, Flow, HELD_MAX, Over, Step, Way};
use super::{Behaviour, Tally, add, reset_on_close};
use crate::harness::wire::{is_timeout, retry};

/// A client and its upstream.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where each direction goes: the upstream, the client.
    ends: [TcpStream; 2],
    flow: Mutex<Flow>,
    changed: Condvar,
}

impl Connection {
    /// Joins the upstream and the client. Nothing passes before [`Connection::run`].
    pub(super) fn new(ends: [TcpStream; 2], behaviour: Behaviour) -> Self {
        for end in &ends {
            // Both fail only on a closed socket. The first read notices that.
            let _ = end.set_nodelay(true);
            let _ = end.set_write_timeout(Some(LOOK_UP));
        }
        Self { ends, flow: Mutex::new(Flow::new(behaviour)), changed: Condvar::new() }
    }

    /// Passes what is to pass, until both directions have ended.
    pub(super) fn run(&self, tally: &Tally) {
        thread::scope(|scope| {
            for way in Way::BOTH {
                scope.spawn(move || self.read_all(way));
                scope.spawn(move || self.write_all(way, tally));
            }
        });
    }

    pub(super) fn is_live(&self) -> bool {
        self.flow().over().is_none()
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.change(|flow| flow.behave(behaviour));
    }

    /// True if it is cut at once.
    pub(super) fn cut_after(&self, count: Option<u64>) -> bool {
        self.change(|flow| flow.cut_after(count))
    }

    pub(super) fn reset(&self) {
        self.change(|flow| self.end_with_reset(flow));
    }

    /// Waits for a write that was under way when the state changed, so that nothing passes afterwards.
    pub(super) fn settle(&self) {
        drop(self.changed.wait_while(self.flow(), |flow| !flow.is_settled()).unwrap());
    }

    /// Changes the state and wakes the threads that wait for it.
    fn change<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        let changed = change(&mut self.flow());
        self.changed.notify_all();
        changed
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap()
    }

    /// Takes in what one end sends.
    fn read_all(&self, way: Way) {
        let mut source = &self.ends[1 - way as usize];
        let mut bytes = vec![0; HELD_MAX];
        loop {
            // Only peeks, so that nothing has left the socket when a stall begins.
            let seen = retry(|| source.peek(&mut [0]));
            let is_closed = |flow: &mut Flow| flow.over().is_none() && flow.room(way) == 0;
            let mut flow = self.changed.wait_while(self.flow(), is_closed).unwrap();
            let room = match flow.over() {
                None => flow.room(way),
                // Read the rest: a socket that is closed with unread bytes sends a reset, and a cut must not.
                Some(Over::Cut) => HELD_MAX,
                Some(Over::Reset) => return,
            };
            let read = match seen {
                // There are bytes, and no other thread reads, so this does not block.
                Ok(1..) => retry(|| source.read(&mut bytes[..room])),
                ended => ended,
            };
            match read {
                Ok(count @ 1..) if flow.over().is_none() => {
                    flow.handle_bytes(way, &bytes[..count], Instant::now());
                }
                Ok(1..) => {}
                ended => {
                    flow.handle_end(way, ended.is_ok(), Instant::now());
                    self.changed.notify_all();
                    return;
                }
            }
            self.changed.notify_all();
        }
    }

    /// Gives the other end what is to pass.
    fn write_all(&self, way: Way, tally: &Tally) {
        loop {
            match self.next_step(way) {
                Step::Pass(chunk) => {
                    if !self.pass(way, chunk, tally) {
                        return;
                    }
                }
                Step::Finish => {
                    // It may have ended already.
                    let _ = self.ends[way as usize].shutdown(Shutdown::Write);
                    return;
                }
                Step::Reset => return self.reset(),
                Step::Wait | Step::WaitUntil(_) => unreachable!("these were waited for"),
            }
        }
    }

    fn next_step(&self, way: Way) -> Step {
        let mut flow = self.flow();
        loop {
            let now = Instant::now();
            flow = match flow.poll_step(way, now) {
                Step::Wait => self.changed.wait(flow).unwrap(),
                Step::WaitUntil(due) => self.changed.wait_timeout(flow, due - now).unwrap().0,
                step => return step,
            };
        }
    }

    /// Writes a chunk or a part of it. False if that is no longer possible.
    fn pass(&self, way: Way, chunk: Chunk, tally: &Tally) -> bool {
        let written = retry(|| (&self.ends[way as usize]).write(chunk.bytes()));
        let mut flow = self.flow();
        let count = *written.as_ref().unwrap_or(&0);
        if count > 0 {
            add(&tally.passed[way as usize], count as u64);
            add(&tally.writes, 1);
        }
        if flow.on_written(way, chunk, count) {
            add(&tally.cut, 1);
        }
        let has_failed = written.is_err_and(|error| !is_timeout(&error));
        if has_failed && flow.on_failed(way) {
            self.end_with_reset(&mut flow);
        }
        self.changed.notify_all();
        !has_failed
    }

    /// Makes both sockets send a reset when they are closed, and wakes the readers, so that they are closed.
    fn end_with_reset(&self, flow: &mut Flow) {
        if flow.try_end(Over::Reset) {
            for end in &self.ends {
                // Either fails only if the other side was faster.
                let _ = reset_on_close(end);
                let _ = end.shutdown(Shutdown::Read);
            }
        }
    }
}

/// A write to an end that takes nothing is retried at this interval, so that it notices a change of the
/// proxy.
const LOOK_UP: Duration = Duration::from_millis(20);
