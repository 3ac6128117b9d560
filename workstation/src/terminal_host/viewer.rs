//! One phone that looks on, through the agent.
//!
//! It gets the screen as it is when it can take it, never what was in between, so it holds up nobody and
//! costs little memory.

use std::collections::VecDeque;
use std::time::Duration;

use relay_client::app::terminal::{
    DeskMessage, Exit, Modes, Screen, ScreenSender, ScrollbackRows, SizeOwner, ViewerInput, ViewerMessage,
    Wait, encode_desk_message, paste_bytes, text_bytes,
};

use super::terminal::Terminal;
use super::wire::{DATA, End, View, Viewing, WindowSize};
use crate::ipc::link::Link;

/// Notices wait no further than this in what is queued for it.
const QUEUED_MAX: usize = 64 << 10;

/// Requests for scrollback that may wait; of more, the oldest are forgotten.
const REQUESTS_MAX: usize = 4;

/// Once it can't be told of the end for so long, it is left alone.
const PATIENCE_AT_END: Duration = Duration::from_secs(5);

/// A phone that looks on.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) link: Link,
    view: View,
    input: ViewerInput,
    sender: ScreenSender,
    requests: VecDeque<(u32, u64, u16)>,
    /// What it knows of who decides the size.
    told: Option<SizeOwner>,
    has_typed: bool,
    is_leaving: bool,
}

impl Viewer {
    pub(super) fn new(link: Link, view: View) -> Self {
        Self {
            link,
            view,
            input: ViewerInput::new(),
            sender: ScreenSender::new(),
            requests: VecDeque::new(),
            told: None,
            has_typed: false,
            is_leaving: false,
        }
    }

    /// The phone's name.
    pub(super) fn device(&self) -> &str {
        &self.view.device
    }

    pub(super) fn may_type(&self) -> bool {
        self.view.may_type
    }

    /// The size that it had when it opened the terminal as a shell of its own.
    pub(super) fn size(&self) -> Option<WindowSize> {
        self.view.size.filter(|_| self.may_type())
    }

    /// Its rights or its name have changed.
    pub(super) fn set_view(&mut self, view: View) {
        // What it may do is told together with who decides the size.
        self.told = None;
        self.view = view;
    }

    /// What `terminals` shows of it.
    pub(super) fn viewing(&self) -> Viewing {
        Viewing { device: self.view.device.clone(), may_type: self.may_type(), has_typed: self.has_typed }
    }

    /// Notes that it types. True if it does so for the first time.
    pub(super) fn note_typed(&mut self) -> bool {
        !std::mem::replace(&mut self.has_typed, true)
    }

    /// Takes one message of its channel. Acknowledgements and requests are dealt with here; the rest is
    /// returned. A viewer that speaks something else is left.
    pub(super) fn on_message(&mut self, message: &[u8], now: Duration) -> Option<ViewerMessage> {
        match self.input.on_message(message) {
            Ok(Some(ViewerMessage::Ack { seq })) => self.sender.on_ack(seq, now),
            Ok(Some(ViewerMessage::Scrollback { request, first, count })) => {
                self.requests.push_back((request, first, count));
                if self.requests.len() > REQUESTS_MAX {
                    self.requests.pop_front();
                }
            }
            Ok(message) => return message,
            Err(_) => self.link.close(),
        }
        None
    }

    /// Sends what it should know, if it takes it.
    pub(super) fn update(&mut self, terminal: &mut Terminal, owner: &SizeOwner, now: Duration) {
        self.link.flush();
        if self.link.queued() > 0 || self.is_leaving {
            return;
        }
        if self.told.as_ref() != Some(owner) {
            self.told = Some(owner.clone());
            self.tell(&DeskMessage::SizeOwner { owner: owner.clone(), may_type: self.may_type() });
        }
        if self.sender.wait(now) == Wait::Now
            && let Some(messages) = self.sender.poll_update(terminal.emulator(now).screen(), now)
        {
            messages.iter().for_each(|message| self.link.send(DATA, message));
        }
        if self.link.queued() == 0
            && let Some((request, first, count)) = self.requests.pop_front()
        {
            let emulator = terminal.emulator(now);
            let (first, rows) = emulator.scrollback(first..first.saturating_add(count.into()));
            let generation = emulator.history().generation;
            self.tell(&DeskMessage::Scrollback(ScrollbackRows { request, generation, first, rows }));
        }
    }

    /// When to update it once more, if something waits for the time alone.
    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        match self.sender.wait(now) {
            Wait::Until(at) if self.link.queued() == 0 && !self.is_leaving => Some(at),
            _ => None,
        }
    }

    /// Tells it something, as messages of its channel. Where too much waits already, it is left out.
    pub(super) fn tell(&mut self, message: &DeskMessage) {
        if !self.is_leaving && self.link.queued() < QUEUED_MAX {
            encode_desk_message(message).iter().for_each(|message| self.link.send(DATA, message));
        }
    }

    /// Shows it the last screen, and tells it how the command ended, as soon as it takes both.
    pub(super) fn end(&mut self, end: &End, screen: &Screen, ended_at: Duration, now: Duration) {
        self.link.flush();
        let is_late = now >= ended_at + PATIENCE_AT_END;
        let may_tell = self.link.queued() == 0 && self.sender.wait(now) == Wait::Now;
        if self.is_leaving || !(may_tell || is_late) {
            return;
        }
        if let Some(messages) = self.sender.poll_update(screen, now) {
            messages.iter().for_each(|message| self.link.send(DATA, message));
        }
        self.tell(&DeskMessage::Ended(exit_of(end)));
        self.is_leaving = true;
    }

    /// True if there is nothing more to do with it.
    pub(super) fn is_over(&self) -> bool {
        self.link.has_ended() || (self.is_leaving && self.link.queued() == 0)
    }
}

fn exit_of(end: &End) -> Exit {
    match end {
        End::Code(code) => Exit::Code(*code),
        End::Signal(signal) => Exit::Signal(*signal),
        End::NotStarted { .. } => Exit::Unknown,
    }
}

/// What the command reads when a phone types this.
pub(super) fn typed_bytes(message: &ViewerMessage, modes: &Modes) -> Vec<u8> {
    match message {
        ViewerMessage::Text(text) => text_bytes(text),
        ViewerMessage::Key(key, modifiers) => key.bytes(*modifiers, modes),
        ViewerMessage::Paste(text) => paste_bytes(text, modes),
        ViewerMessage::Mouse(mouse) => mouse.bytes(modes),
        _ => Vec::new(),
    }
}
