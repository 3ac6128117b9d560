//! One connection of an operator: a request at a time, and its answer.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::event::Event;
use protocol::limits::HEAD_BYTES_MAX;
use relayd_core::time::Time;

use super::stream::Stream;
use crate::http::admin::{self, AdminCall, AdminHosts, AdminParsed};
use crate::http::{Answered, Context, Progress, Reply};

/// From accept, or from the last answer, to a whole request.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// From a request to its answer taken by the peer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// From our FIN to the peer's.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Reads of a turn, so that one peer holds nobody up.
const READS_PER_TURN: usize = 4;

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub name: u64,
    stream: Stream,
    state: State,
    /// What came and was not parsed. At most [`HEAD_BYTES_MAX`].
    input: Vec<u8>,
    progress: Progress,
    /// The answer, and how much of it is written.
    answer: Vec<u8>,
    written: usize,
    /// When it goes, whatever it does.
    pub due: Time,
    readable: bool,
    writable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request may come.
    Reading,
    /// The reactor makes the answer.
    Asked,
    /// The answer is written. `closes`: it is the last one.
    Writing { closes: bool },
    /// Everything is written, and its end is awaited.
    Ending,
}

/// What a connection came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing more for now.
    Idle,
    /// More in the next turn.
    Again,
    /// It asks for something. Answer with [`Peer::answer`].
    Call(AdminCall, Reply),
    /// It is over.
    Gone,
}

impl Peer {
    pub fn new(name: u64, stream: Stream, now: Time) -> Self {
        Peer {
            name,
            stream,
            state: State::Reading,
            input: Vec::new(),
            progress: Progress::default(),
            answer: Vec::new(),
            written: 0,
            due: now + REQUEST_WITHIN,
            readable: true,
            writable: true,
        }
    }

    /// Notes what the poll says.
    pub fn note_event(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Reads, parses and writes as far as that goes.
    pub fn serve(&mut self, hosts: &AdminHosts, context: &Context<'_>, now: Time) -> Step {
        let mut reads = 0;
        loop {
            let went_on = match self.state {
                State::Asked => return Step::Idle,
                State::Writing { closes } => self.write(closes, now),
                State::Reading => match self.parse(hosts, context, now) {
                    AdminParsed::Call(_, call, reply) => return Step::Call(call, reply),
                    AdminParsed::Answered(..) => Ok(true),
                    AdminParsed::NeedMore => self.read(),
                },
                State::Ending => self.discard(),
            };
            match went_on {
                Ok(true) => {}
                Ok(false) => return Step::Idle,
                Err(_) => return Step::Gone,
            }
            reads += 1;
            if reads > READS_PER_TURN {
                return Step::Again;
            }
        }
    }

    /// The answer that [`Step::Call`] waits for is ready.
    pub fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Answered, now: Time) {
        if self.state == State::Asked {
            let answered = write(&mut self.answer);
            self.begin_writing(answered, now);
        }
    }

    /// Writes of an answer what the socket takes. What fails here fails again in [`Peer::serve`], which says
    /// so.
    pub fn write_now(&mut self, now: Time) {
        if let State::Writing { closes } = self.state {
            let _ = self.write(closes, now);
        }
    }

    fn parse(&mut self, hosts: &AdminHosts, context: &Context<'_>, now: Time) -> AdminParsed {
        if self.input.is_empty() {
            return AdminParsed::NeedMore;
        }
        let (door, progress) = (self.stream.door(), &mut self.progress);
        let parsed = admin::parse(&self.input, door, hosts, progress, context, &mut self.answer);
        match &parsed {
            AdminParsed::NeedMore => {}
            AdminParsed::Answered(taken, answered) => {
                self.input.drain(..taken);
                self.begin_writing(*answered, now);
            }
            AdminParsed::Call(taken, ..) => {
                self.input.drain(..taken);
                (self.state, self.due) = (State::Asked, now + ANSWER_WITHIN);
            }
        }
        parsed
    }

    fn begin_writing(&mut self, answered: Answered, now: Time) {
        self.written = 0;
        (self.state, self.due) = (State::Writing { closes: answered.close }, now + ANSWER_WITHIN);
    }

    /// Returns true if the next step can be taken at once. The same holds for [`Peer::read`] and
    /// [`Peer::discard`].
    fn write(&mut self, closes: bool, now: Time) -> io::Result<bool> {
        while self.written < self.answer.len() {
            if !self.writable {
                return Ok(false);
            }
            match self.stream.write(&self.answer[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) => self.writable = !would_block(error)?,
            }
        }
        // Each request has a page made, and an idle connection needs no memory.
        self.answer = Vec::new();
        if closes {
            self.stream.shut_down()?;
            (self.state, self.due) = (State::Ending, now + END_WITHIN);
        } else {
            (self.state, self.due) = (State::Reading, now + REQUEST_WITHIN);
        }
        Ok(true)
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; READ_BYTES];
        // A head that long was refused by now.
        let most = READ_BYTES.min(HEAD_BYTES_MAX.saturating_sub(self.input.len()));
        let count = self.read_into(&mut bytes[..most])?;
        self.input.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }

    fn discard(&mut self) -> io::Result<bool> {
        self.read_into(&mut [0; READ_BYTES]).map(|count| count > 0)
    }

    /// Gives 0 if nothing is there, and an error at the end.
    fn read_into(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.readable {
            match self.stream.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => return Ok(count),
                Err(error) => self.readable = !would_block(error)?,
            }
        }
        Ok(0)
    }
}

/// Returns true if the socket has to be waited for, and false if the call is to be repeated.
fn would_block(error: io::Error) -> io::Result<bool> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(true),
        io::ErrorKind::Interrupted => Ok(false),
        _ => Err(error),
    }
}

const READ_BYTES: usize = 2048;
