//! One pair under load: what it may send, what arrived, and what is wrong with it.

use std::io::{self, Write};

use anyhow::{bail, ensure};
use protocol::ws::header::{self, OpCode};

use super::crowd::Crowd;
use super::pace::{Clock, Schedule};
use super::record::Recorder;
use crate::check::{Checker, Faults};
use crate::frame::{Pattern, Template};
use crate::inbox::{Filled, Inbox, Message};
use crate::join::Opened;
use crate::socket::Socket;

pub(super) struct Pair {
    /// Which one it belongs to.
    pub crowd: usize,
    pub workstation: Socket,
    pub phone: Socket,
    /// Frames that may be sent by now, from the first one. `sent <= due`
    pub due: u64,
    sent: u64,
    /// Its place in its crowd.
    index: usize,
    to_workstation: Inbox,
    to_phone: Inbox,
    template: Template,
    pattern: Pattern,
    checker: Checker,
    sent_at: SentAt,
    /// `out[head..]` waits for the workstation's socket.
    out: Vec<u8>,
    head: usize,
    /// The socket may take more.
    is_writable: bool,
    /// Nothing new is sent any more.
    is_stopped: bool,
}

/// When a frame was sent, or should have been.
enum SentAt {
    /// Closed loop: the times of the last frames, by number modulo the window.
    Noted(Vec<u64>),
    /// Open loop.
    Intended(Schedule),
}

/// Frames are written in batches of about this many bytes, so that with a slow server they are not made early
/// and queued here.
const BATCH_BYTES: usize = 64 * 1024;

impl Pair {
    /// `number` is its crowd's, `at` its place among all pairs.
    pub fn new(number: usize, crowd: &Crowd, at: usize, opened: Opened) -> Self {
        let sent_at = crowd.schedule.map_or_else(|| SentAt::Noted(vec![0; crowd.window]), SentAt::Intended);
        Pair {
            crowd: number,
            workstation: opened.workstation.stream,
            phone: opened.phone.stream,
            due: crowd.window as u64,
            sent: 0,
            index: at - crowd.first,
            to_workstation: opened.workstation.inbox,
            to_phone: opened.phone.inbox,
            template: opened.template,
            pattern: opened.pattern,
            checker: Checker::default(),
            sent_at,
            out: Vec::new(),
            head: 0,
            is_writable: true,
            is_stopped: false,
        }
    }

    /// Writes what is due, as far as the socket takes it.
    pub fn send(&mut self, now: u64) -> io::Result<()> {
        while self.is_writable {
            if self.head == self.out.len() {
                self.make_batch(now);
            }
            if self.out.is_empty() {
                return Ok(());
            }
            match self.workstation.write(&self.out[self.head..]) {
                Ok(taken) => {
                    self.head += taken;
                    self.is_writable = self.head == self.out.len();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn make_batch(&mut self, now: u64) {
        self.out.clear();
        self.head = 0;
        while self.sent < self.due && self.out.len() < BATCH_BYTES {
            if let SentAt::Noted(times) = &mut self.sent_at {
                let at = self.sent as usize % times.len();
                times[at] = now;
            }
            self.template.write(self.sent, &mut self.out);
            self.sent += 1;
        }
    }

    /// Takes all that came for the phone. In a closed loop each frame allows another.
    pub fn receive(&mut self, clock: &Clock, recorder: &mut Recorder) -> anyhow::Result<()> {
        loop {
            let filled = self.to_phone.fill(&mut self.phone)?;
            let now = clock.now();
            while let Some(message) = self.to_phone.next()? {
                match message {
                    Message::Data(opcode, body) => match self.pattern.number_of(opcode, body) {
                        Some(number) => {
                            if self.checker.on_number(number, self.sent) {
                                recorder.arrived += 1;
                                recorder.record(self.sent_at.of(self.index, number), now);
                            }
                        }
                        None => {
                            self.checker.on_foreign();
                            recorder.note_foreign(body);
                        }
                    },
                    Message::Ping(body) => pong(&mut self.phone, body)?,
                    Message::Close(body) => bail!("the server closed: {}", close_words(body)),
                }
            }
            if filled == Filled::Drained {
                break;
            }
        }
        if let SentAt::Noted(times) = &self.sent_at
            && !self.is_stopped
        {
            self.due = self.checker.arrived() + times.len() as u64;
        }
        Ok(())
    }

    /// The workstation's socket may take more.
    pub fn on_writable(&mut self) {
        self.is_writable = true;
    }

    /// Takes what came for the workstation, which under load can only be a ping.
    pub fn receive_notices(&mut self) -> anyhow::Result<()> {
        let has_unsent = self.has_unsent();
        loop {
            let filled = self.to_workstation.fill(&mut self.workstation)?;
            while let Some(message) = self.to_workstation.next()? {
                match message {
                    Message::Data(_, body) => {
                        bail!("the workstation was told {}", String::from_utf8_lossy(body))
                    }
                    // A pong must not be put inside a half-sent frame. That frame proves the same.
                    Message::Ping(_) if has_unsent => {}
                    Message::Ping(body) => pong(&mut self.workstation, body)?,
                    Message::Close(body) => bail!("the server closed: {}", close_words(body)),
                }
            }
            if filled == Filled::Drained {
                return Ok(());
            }
        }
    }

    /// No more frames are made. Frames that were due and not made are recorded as late.
    pub fn stop(&mut self, now: u64, crowd: &mut Crowd) {
        if let SentAt::Intended(_) = self.sent_at {
            for number in self.sent..self.due {
                crowd.recorder.record(self.sent_at.of(self.index, number), now);
            }
        }
        self.due = self.sent;
        self.is_stopped = true;
    }

    pub fn has_unsent(&self) -> bool {
        self.head < self.out.len()
    }

    /// Every frame that was sent has come.
    pub fn is_done(&self) -> bool {
        self.checker.arrived() == self.sent
    }

    pub fn verdict(&self) -> Faults {
        self.checker.finish(self.sent)
    }
}

impl SentAt {
    fn of(&self, pair: usize, number: u64) -> u64 {
        match self {
            SentAt::Noted(times) => times[number as usize % times.len()],
            SentAt::Intended(schedule) => schedule.intended(pair as u64, number),
        }
    }
}

/// RFC 6455 §5.5.3. A mask of zeros leaves the body as it is.
fn pong(socket: &mut Socket, body: &[u8]) -> anyhow::Result<()> {
    let mut frame = Vec::new();
    header::write(&mut frame, true, OpCode::Pong, body.len(), Some([0; 4]));
    frame.extend_from_slice(body);
    ensure!(socket.write(&frame)? == frame.len(), "a pong found no room in an idle socket");
    Ok(())
}

fn close_words(body: &[u8]) -> String {
    match body {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".to_owned(),
    }
}
