//! The commands that are connected to the agent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::lines::PhoneKey;
use crate::ipc::link::Link;
use crate::ipc::wire::{self, FromAgent, ToAgent};

/// From the connection to the command's hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Commands that may be connected at once.
const COMMANDS_MAX: usize = 256;

/// Reads of one command in one turn.
const READS_MAX: usize = 8;

/// A command that leaves more unread gets no chat: it waits at the phone.
const UNREAD_CHAT_MAX: usize = 64 * 1024;

/// A command that leaves more unread has stopped.
const UNREAD_MAX: usize = 1024 * 1024;

/// The commands.
#[derive(Debug, Default)]
pub(super) struct Desk {
    commands: BTreeMap<Token, Command>,
}

#[derive(Debug)]
struct Command {
    link: Link,
    since: Instant,
    role: Role,
    is_over: bool,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has not said hello.
    Unknown,
    /// It asks.
    Asking,
    /// It shows the chat with these phones; with all if none is named.
    Chat { to: Vec<String> },
    /// It takes what phones bring. With `shell`, they may open shells, each with its right to.
    Serve { shell: bool },
    /// It shows the code of this phone.
    Pairing(PhoneKey),
}

impl Desk {
    /// Takes a connection.
    ///
    /// # Errors
    /// There are too many, or it can't be polled.
    pub(super) fn admit(
        &mut self,
        mut stream: UnixStream,
        token: Token,
        registry: &Registry,
    ) -> std::io::Result<()> {
        if self.commands.len() >= COMMANDS_MAX {
            return Err(std::io::Error::other(format!("{COMMANDS_MAX} commands are connected already")));
        }
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let link = Link::new(stream);
        let command = Command { link, since: Instant::now(), role: Role::Unknown, is_over: false };
        self.commands.insert(token, command);
        Ok(())
    }

    pub(super) fn note_readable(&mut self, token: Token) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.link.note_readable();
        }
    }

    /// Reads once or a few times from each. True if there may be more.
    pub(super) fn read(&mut self) -> bool {
        for command in self.commands.values_mut() {
            for _ in 0..READS_MAX {
                if command.link.is_readable() {
                    command.link.read();
                }
            }
        }
        self.commands.values().any(|command| command.link.is_readable())
    }

    /// The next request. Answers hello by itself.
    pub(super) fn next_request(&mut self) -> Option<(Token, ToAgent)> {
        for (token, command) in &mut self.commands {
            while let Some(frame) = command.link.next_frame() {
                match wire::parsed::<ToAgent>(frame.payload).filter(|_| frame.kind == wire::JSON) {
                    Some(ToAgent::Hello { .. }) => {
                        command.role = Role::Asking;
                        let hello = FromAgent::Hello { version: wire::VERSION, pid: std::process::id() };
                        command.tell(&hello);
                    }
                    Some(_) if command.role == Role::Unknown => command.is_over = true,
                    Some(request) => return Some((*token, request)),
                    None => {
                        let why = "the agent is of another version and does not know this request".to_owned();
                        command.tell(&FromAgent::Failed { why });
                    }
                }
            }
        }
        None
    }

    pub(super) fn role(&self, token: Token) -> Option<&Role> {
        self.commands.get(&token).map(|command| &command.role)
    }

    pub(super) fn set_role(&mut self, token: Token, role: Role) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.role = role;
        }
    }

    /// The command that does this.
    pub(super) fn with_role(&self, role: &Role) -> Option<Token> {
        self.commands.iter().find(|(_, command)| command.role == *role).map(|(token, _)| *token)
    }

    /// Tells one command. None is there if it has just left.
    pub(super) fn tell(&mut self, token: Token, message: &FromAgent) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.tell(message);
        }
    }

    /// The chats that show this phone.
    pub(super) fn chats_of(&self, phone: &str) -> Vec<Token> {
        let shows = |(_, command): &(&Token, &Command)| command.role.shows(phone);
        self.commands.iter().filter(shows).map(|(token, _)| *token).collect()
    }

    /// True if a command lets phones open shells.
    pub(super) fn serves_shells(&self) -> bool {
        self.commands.values().any(|command| command.role == Role::Serve { shell: true })
    }

    /// Tells every chat that shows this phone, and all chats if none is named; and what serves phones.
    pub(super) fn tell_chats(&mut self, phone: Option<&str>, message: &FromAgent) {
        for command in self.commands.values_mut() {
            if phone.is_none_or(|phone| command.role.shows(phone))
                && matches!(command.role, Role::Chat { .. })
                || matches!(command.role, Role::Serve { .. })
            {
                command.tell(message);
            }
        }
    }

    /// True if a chat shows this phone and takes what it says.
    pub(super) fn hears(&self, phone: &str) -> bool {
        let takes = |command: &Command| command.role.shows(phone) && command.link.queued() < UNREAD_CHAT_MAX;
        self.commands.values().any(takes)
    }

    /// Sends what can be sent, and lets go of the commands that have ended: which they were.
    pub(super) fn flush(&mut self, now: Instant) -> Vec<(Token, Role)> {
        for command in self.commands.values_mut() {
            command.link.flush();
            let is_late = command.role == Role::Unknown && now > command.since + HELLO_WITHIN;
            let has_stopped = command.link.queued() > UNREAD_MAX;
            command.is_over |= command.link.has_ended() || is_late || has_stopped;
        }
        let (over, going_on) =
            std::mem::take(&mut self.commands).into_iter().partition(|(_, command)| command.is_over);
        self.commands = going_on;
        let over: BTreeMap<Token, Command> = over;
        over.into_iter().map(|(token, command)| (token, command.role)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

impl Role {
    fn shows(&self, phone: &str) -> bool {
        matches!(self, Role::Chat { to } if to.is_empty() || to.iter().any(|name| name == phone))
    }
}

impl Command {
    fn tell(&mut self, message: &FromAgent) {
        self.link.send(wire::JSON, &wire::payload(message));
    }
}
