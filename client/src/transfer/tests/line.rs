//! The two ends of a set and what is between them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::*;
use crate::app::Reason;
use crate::app::limits::{CREDIT_FILE, MESSAGE_COST, PAYLOAD_BYTES_MAX};
use crate::folder::Inbox;

/// Held for reading while a transfer runs, and for writing while another process is started: between `fork`
/// and `exec` that one has the locks of all parts, and a part that is looked for then seems to be in use.
static STARTS: RwLock<()> = RwLock::new(());

/// Runs another process to its end.
pub(super) fn output_of(command: &mut Command) -> Output {
    let starting = STARTS.write();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(starting);
    child.wait_with_output().unwrap()
}

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    is_owned: bool,
}

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("relay-files-{}-{number}", std::process::id()));
        for side in ["from", "to"] {
            fs::create_dir_all(path.join(side)).unwrap();
        }
        Scratch { path, is_owned: true }
    }

    /// One of another process.
    pub(super) fn at(path: PathBuf) -> Self {
        Scratch { path, is_owned: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the sender's files are.
    pub(super) fn from(&self, name: &str) -> PathBuf {
        self.path.join("from").join(name)
    }

    /// Where the receiver's files are.
    pub(super) fn to(&self, name: &str) -> PathBuf {
        self.path.join("to").join(name)
    }

    /// Writes a file of the sender's.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.from(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names in the receiver's folder.
    pub(super) fn kept(&self) -> Vec<String> {
        names(&self.to(""))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_owned {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The files below a folder, with their relative names, without the mark of a received folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        } else if name != ".relay-from" {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// Bytes that differ everywhere.
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(len / 8 + 1).flatten().collect();
    bytes.truncate(len);
    bytes
}

/// One direction of a channel, with the credit of a real one.
#[derive(Debug, Default)]
struct Direction {
    messages: VecDeque<Vec<u8>>,
    /// The cost of those that were sent and are not consumed.
    held: usize,
    lengths: VecDeque<usize>,
    has_ended: bool,
}

/// What is between the two ends.
#[derive(Debug)]
pub(super) struct Between {
    /// To the receiver, and to the sender.
    directions: [Direction; 2],
    pub(super) message_len: usize,
    reset: Option<Reason>,
    /// Messages that went to the receiver, and the longest that is accepted to go.
    pub(super) sent: u64,
    /// How often the receiver has returned credit.
    pub(super) returns: u64,
    pub(super) held_most: usize,
}

impl Between {
    /// The cost of messages that the receiver has not returned.
    pub(super) fn held_by_receiver(&self) -> usize {
        self.directions[0].held
    }
}

/// One end's view.
#[derive(Debug, Clone)]
pub(super) struct End {
    between: Rc<RefCell<Between>>,
    /// The direction that it sends to.
    out: usize,
}

impl FileChannel for End {
    fn try_send(&mut self, payload: &[u8]) -> Result<(), SendRefused> {
        let mut between = self.between.borrow_mut();
        assert!(!payload.is_empty() && payload.len() <= PAYLOAD_BYTES_MAX);
        if between.reset.is_some() {
            return Err(SendRefused::Gone);
        }
        let direction = &mut between.directions[self.out];
        let cost = payload.len() + MESSAGE_COST;
        if direction.held + cost > CREDIT_FILE {
            return Err(SendRefused::Full);
        }
        direction.held += cost;
        let held = direction.held;
        direction.messages.push_back(payload.to_vec());
        between.sent += u64::from(self.out == 0);
        between.held_most = between.held_most.max(held);
        Ok(())
    }

    fn message_len(&self) -> usize {
        self.between.borrow().message_len
    }

    fn consumed(&mut self, bytes: usize) {
        let mut between = self.between.borrow_mut();
        between.returns += u64::from(self.out == 1);
        let direction = &mut between.directions[1 - self.out];
        let mut left = bytes;
        while left > 0 {
            let len = direction.lengths.pop_front().filter(|len| *len <= left);
            let len = len.expect("whole messages are consumed, in the order they came");
            left -= len;
            direction.held -= len + MESSAGE_COST;
        }
    }

    fn end(&mut self) {
        self.between.borrow_mut().directions[self.out].has_ended = true;
    }

    fn reset(&mut self, reason: Reason) {
        self.between.borrow_mut().reset.get_or_insert(reason);
    }
}

impl End {
    fn next(&mut self) -> Option<Vec<u8>> {
        let direction = &mut self.between.borrow_mut().directions[1 - self.out];
        let message = direction.messages.pop_front()?;
        direction.lengths.push_back(message.len());
        Some(message)
    }

    fn is_reset(&self) -> bool {
        self.between.borrow().reset.is_some()
    }
}

/// A set on its way.
pub(super) struct Transfer {
    pub(super) sender: SendSet,
    pub(super) receiver: ReceiveSet,
    ends: [End; 2],
    pub(super) now: Duration,
    pub(super) sent_events: Vec<SendEvent>,
    pub(super) received_events: Vec<ReceiveEvent>,
}

pub(super) fn receive(scratch: &Scratch, from: &str, sender: &SendSet) -> ReceiveSet {
    let inbox = Inbox::open(&scratch.to("")).unwrap();
    ReceiveSet::new(inbox, from, &sender.params(), ReceiveOptions::default()).unwrap()
}

pub(super) fn send(paths: &[PathBuf]) -> SendSet {
    SendSet::new(paths, SendOptions::default()).unwrap()
}

impl Transfer {
    pub(super) fn new(sender: SendSet, receiver: ReceiveSet) -> Self {
        let between = Rc::new(RefCell::new(Between {
            directions: Default::default(),
            message_len: PAYLOAD_BYTES_MAX,
            reset: None,
            sent: 0,
            returns: 0,
            held_most: 0,
        }));
        let ends = [0, 1].map(|out| End { between: Rc::clone(&between), out });
        let now = Duration::from_secs(1);
        let (sent_events, received_events) = (Vec::new(), Vec::new());
        let mut transfer = Transfer { sender, receiver, ends, now, sent_events, received_events };
        transfer.sender.on_accepted(now);
        transfer
    }

    pub(super) fn of(scratch: &Scratch, paths: &[PathBuf]) -> Self {
        let sender = send(paths);
        let receiver = receive(scratch, "phone", &sender);
        Self::new(sender, receiver)
    }

    pub(super) fn between(&self) -> std::cell::RefMut<'_, Between> {
        self.ends[0].between.borrow_mut()
    }

    /// One bit of work of the sender. Gives what it said.
    pub(super) fn step_sender(&mut self) -> Step {
        while let Some(message) = self.ends[0].next() {
            self.sender.on_data(message, self.now);
        }
        let step = self.sender.advance(&mut self.ends[0], self.now);
        self.sent_events.extend(std::iter::from_fn(|| self.sender.poll_event()));
        step
    }

    /// The same of the receiver.
    pub(super) fn step_receiver(&mut self) -> Step {
        while let Some(message) = self.ends[1].next() {
            self.receiver.on_data(message, self.now);
        }
        if self.ends[1].is_reset() {
            self.receiver.on_gone();
        } else if self.between().directions[0].has_ended {
            self.receiver.on_ended();
        }
        let step = self.receiver.advance(&mut self.ends[1], self.now);
        self.received_events.extend(std::iter::from_fn(|| self.receiver.poll_event()));
        step
    }

    /// Both work until neither can go on. Gives how it ended for the sender, if it did.
    pub(super) fn run(&mut self) -> Option<Outcome> {
        self.run_until(|_| false)
    }

    /// As [`Transfer::run`], or until `stops` is true.
    pub(super) fn run_until(&mut self, mut stops: impl FnMut(&mut Self) -> bool) -> Option<Outcome> {
        let _no_start = STARTS.read();
        let mut idle_rounds = 0;
        // What is written is told after a while.
        while idle_rounds < 40 {
            self.now += Duration::from_millis(10);
            if stops(self) {
                return None;
            }
            let (sent, received) = (self.step_sender(), self.step_receiver());
            if let Step::Over(outcome) = sent {
                while matches!(self.step_receiver(), Step::More) {}
                return Some(outcome);
            }
            let is_idle = sent != Step::More && received != Step::More && !self.has_messages();
            idle_rounds = if is_idle { idle_rounds + 1 } else { 0 };
        }
        None
    }

    fn has_messages(&self) -> bool {
        self.ends[0].between.borrow().directions.iter().any(|direction| !direction.messages.is_empty())
    }

    /// The channel broke and the receiver is gone. The sender goes on.
    pub(super) fn into_broken_sender(mut self) -> SendSet {
        self.sender.on_gone();
        self.sender
    }

    pub(super) fn complete(&mut self) -> Totals {
        match self.run() {
            Some(Outcome::Complete(totals)) => totals,
            other => panic!("{other:?}\n{:?}\n{:?}", self.sent_events, self.received_events),
        }
    }

    /// Why each file failed at the sender.
    pub(super) fn failures(&self) -> Vec<(String, String)> {
        let failed = |event: &SendEvent| match event {
            SendEvent::Failed { name, reason } => Some((name.clone(), reason.token().to_owned())),
            _ => None,
        };
        self.sent_events.iter().filter_map(failed).collect()
    }
}
