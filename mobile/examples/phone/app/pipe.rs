//! This program's input and output as the phone's end of a pipe.

use std::collections::VecDeque;
use std::io::{self, Write};

use relay_client::AppLink;
use relay_client::app::pipe::{PipeEnd, PipeNews};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};

/// One pipe: the first that the desk opens.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    end: PipeEnd,
    channel: Option<ChannelId>,
    /// Read before the desk opened it.
    early: Option<Vec<u8>>,
    has_input_ended: bool,
    /// Not taken by the channel; at most a piece, the end and a confirmation.
    waiting: VecDeque<Vec<u8>>,
    outcome: Option<Result<(), String>>,
}

impl Pipe {
    /// Takes an event of the pipe. False if it is not its.
    pub(super) fn on_event(&mut self, event: &AppEvent, link: &AppLink) -> bool {
        let own = self.channel;
        match event {
            AppEvent::Opened { ch, kind: Kind::Pipe, .. } => {
                if self.channel.is_some() {
                    // It may be gone already.
                    let _ = link.refuse(*ch, Reason::new(Reason::TOO_MANY, "the pipe is open already"));
                } else if link.accept(*ch, "{}").is_ok() {
                    self.begin(*ch);
                }
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => self.on_data(*ch, bytes, link),
            AppEvent::Writable { ch } if Some(*ch) == own => {}
            AppEvent::Ended { ch } if Some(*ch) == own => {
                self.finish("the desk ended before everything was written");
            }
            AppEvent::Reset { ch, reason } if Some(*ch) == own => self.finish(&reason.to_string()),
            AppEvent::Restarted => {
                if self.channel.is_some() {
                    self.finish("the desk started again");
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn begin(&mut self, ch: ChannelId) {
        self.channel = Some(ch);
        if let Some(piece) = self.early.take() {
            self.waiting.push_back(self.end.data(&piece));
        }
        if self.has_input_ended {
            self.waiting.push_back(self.end.input_ended());
        }
    }

    fn on_data(&mut self, ch: ChannelId, message: &[u8], link: &AppLink) {
        let written = match self.end.on_message(message) {
            Ok(PipeNews::Bytes(bytes)) => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush()).map(|()| bytes.len())
            }
            Ok(_) => Ok(0),
            Err(error) => Err(io::Error::other(error)),
        };
        link.consumed(ch, message.len());
        match written {
            Ok(count) => self.end.wrote(count),
            Err(error) => {
                let words = format!("the phone's program takes nothing more: {error}");
                // It may be gone already.
                let _ = link.reset(ch, Reason::new(Reason::CANCELLED, words.clone()));
                return self.finish(&words);
            }
        }
        self.waiting.extend(self.end.next_part());
    }

    fn finish(&mut self, why: &str) {
        let is_complete = self.end.is_complete();
        self.outcome.get_or_insert(if is_complete { Ok(()) } else { Err(why.to_owned()) });
    }

    /// A piece of the input.
    pub(super) fn push(&mut self, piece: &[u8]) {
        match self.channel {
            None => self.early = Some(piece.to_vec()),
            Some(_) => self.waiting.push_back(self.end.data(piece)),
        }
    }

    /// The input has ended.
    pub(super) fn on_input_ended(&mut self) {
        self.has_input_ended = true;
        if self.channel.is_some() {
            self.waiting.push_back(self.end.input_ended());
        }
    }

    /// Sends what the channel takes. True if more input can be taken.
    pub(super) fn settle(&mut self, link: &AppLink) -> bool {
        let Some(ch) = self.channel else { return false };
        while let Some(message) = self.waiting.front() {
            if link.try_send(ch, message).is_err() {
                return false;
            }
            self.waiting.pop_front();
        }
        if self.end.is_complete() && self.outcome.is_none() {
            // It may be gone already.
            let _ = link.end(ch);
            self.outcome = Some(Ok(()));
        }
        true
    }

    /// How it ended, once.
    pub(super) fn take_outcome(&mut self) -> Option<Result<(), String>> {
        self.outcome.take()
    }
}
