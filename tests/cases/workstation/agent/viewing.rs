//! A terminal as a phone sees it through the agent.

use relay_client::LinkEvent;
use relay_client::app::terminal::{
    DeskMessage, Exit, Key, Modifiers, Received, ScreenReceiver, SizeOwner, ViewerMessage,
    encode_viewer_message,
};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::guard::GUARD;

/// An open channel of kind terminal.
pub(super) struct Viewing {
    ch: ChannelId,
    /// What the desk answered to the open.
    pub(super) accepted: String,
    receiver: ScreenReceiver,
    messages: Vec<DeskMessage>,
}

impl Viewing {
    pub(super) fn open(phone: &mut AppPhone, params: &str) -> Result<Self, Reason> {
        let opened = phone.link.open(Kind::Terminal, params).unwrap();
        let answer = phone.until("answer to an open", |event| match event {
            LinkEvent::App(AppEvent::Accepted { ch, params }) if *ch == opened => Some(Ok(params.clone())),
            LinkEvent::App(AppEvent::Refused { ch, reason }) if *ch == opened => Some(Err(reason.clone())),
            _ => None,
        });
        let (receiver, messages) = (ScreenReceiver::new(), Vec::new());
        answer.map(|accepted| Viewing { ch: opened, accepted, receiver, messages })
    }

    /// Takes the next message of the desk.
    fn read(&mut self, phone: &mut AppPhone) {
        let bytes = phone.until("data of the terminal", |event| match event {
            LinkEvent::App(AppEvent::Data { ch, bytes }) if *ch == self.ch => Some(bytes.clone()),
            _ => None,
        });
        phone.link.consumed(self.ch, bytes.len());
        match self.receiver.on_message(&bytes).unwrap() {
            Received::Updated { seq } => self.say(phone, &ViewerMessage::Ack { seq }),
            Received::Message(message) => self.messages.push(message),
            Received::Part | Received::Unknown => {}
        }
    }

    pub(super) fn say(&self, phone: &AppPhone, message: &ViewerMessage) {
        for part in encode_viewer_message(message) {
            phone.link.send(self.ch, &part, GUARD).unwrap();
        }
    }

    pub(super) fn type_line(&self, phone: &AppPhone, text: &str) {
        self.say(phone, &ViewerMessage::Text(text.into()));
        self.say(phone, &ViewerMessage::Key(Key::Enter, Modifiers::NONE));
    }

    /// Reads until a line of the screen is this one.
    pub(super) fn until_line(&mut self, phone: &mut AppPhone, line: &str) {
        while !self.lines().iter().any(|found| found == line) {
            self.read(phone);
        }
    }

    /// Opens a shell, and waits for its prompt: what is typed before it mixes with it.
    pub(super) fn shell(phone: &mut AppPhone, params: &str) -> Self {
        let mut shell = Self::open(phone, params).unwrap();
        while !shell.lines().iter().any(|line| ["$", "#"].contains(&line.as_str())) {
            shell.read(phone);
        }
        shell
    }

    /// Reads until the desk says who decides the size, and whether this phone may type.
    pub(super) fn until_owner(&mut self, phone: &mut AppPhone) -> (SizeOwner, bool) {
        loop {
            if let Some(at) =
                self.messages.iter().position(|message| matches!(message, DeskMessage::SizeOwner { .. }))
                && let DeskMessage::SizeOwner { owner, may_type } = self.messages.remove(at)
            {
                return (owner, may_type);
            }
            self.read(phone);
        }
    }

    /// Reads until the program has ended.
    pub(super) fn until_ended(&mut self, phone: &mut AppPhone) -> Exit {
        loop {
            if let Some(DeskMessage::Ended(exit)) = self.messages.last() {
                return *exit;
            }
            self.read(phone);
        }
    }

    /// Leaves the terminal, which goes on.
    pub(super) fn leave(self, phone: &mut AppPhone) {
        phone.link.end(self.ch).unwrap();
        phone.until("the desk's end of the channel", |event| match event {
            LinkEvent::App(AppEvent::Ended { ch }) => (*ch == self.ch).then_some(()),
            _ => None,
        });
    }

    /// Waits until the desk resets the channel.
    pub(super) fn until_reset(&self, phone: &mut AppPhone) -> Reason {
        phone.until("reset of the terminal", |event| match event {
            LinkEvent::App(AppEvent::Reset { ch, reason }) if *ch == self.ch => Some(reason.clone()),
            _ => None,
        })
    }

    pub(super) fn size(&self) -> (u16, u16) {
        let size = self.receiver.screen().size();
        (size.columns(), size.rows())
    }

    fn lines(&self) -> Vec<String> {
        self.receiver.screen().rows().iter().map(|row| row.to_text().trim_end().to_owned()).collect()
    }
}
