//! The channel of one shared terminal: opened again after each restart of the desk, until its user leaves or
//! its program ends.

use std::io;
use std::time::{Duration, Instant};

use relay_client::AppLink;
use relay_client::app::terminal::{
    DeskMessage, Exit, Received, ScreenReceiver, Size, SizeOwner, Target, ViewerMessage, accepted_shell,
};
use relay_client::app::{AppEvent, ChannelError, ChannelId, Kind, Reason};
use relay_client::lines::harmless;

use super::dump::Dump;
use super::outbox::Outbox;
use super::typing::Typed;
use super::window::{Act, Shown, Window, message};

/// How a terminal is shown.
#[derive(Debug)]
pub(crate) enum Face {
    Window(Window),
    Dump(Dump),
}

/// Why a terminal is not shown any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its user left.
    Left,
    /// Its program ended.
    Ended(Exit),
    /// It could not be shown, in words.
    Failed(String),
}

/// How long a terminal that was seen may be unknown to its desk.
const RETURN_WITHIN: Duration = Duration::from_secs(10);

/// The same for one that was not.
const APPEAR_WITHIN: Duration = Duration::from_secs(3);

/// How often the desk is asked meanwhile.
const RETRY_EVERY: Duration = Duration::from_millis(300);

/// One shared terminal.
#[derive(Debug)]
pub(crate) struct Viewer {
    shown: Shown,
    /// A new shell is wanted, and the desk has not named its terminal yet.
    is_new_shell: bool,
    face: Face,
    channel: Option<(ChannelId, bool)>,
    receiver: ScreenReceiver,
    has_screen: bool,
    outbox: Outbox,
    /// Keys to send behind the first screen.
    keys: Vec<Typed>,
    outcome: Option<Outcome>,
    /// The desk has not known it since then.
    gone_at: Option<Instant>,
    /// Not opened again before then.
    retry_at: Option<Instant>,
}

impl Viewer {
    /// A terminal by its name. `keys` are sent when it is first seen.
    pub(crate) fn new(name: &str, face: Face, keys: Vec<Typed>) -> Self {
        let (name, way) = (name.to_owned(), Some("opening".to_owned()));
        let shown = Shown { name, may_type: true, owner: SizeOwner::Nobody, way, notice: None };
        let (receiver, outbox) = (ScreenReceiver::new(), Outbox::default());
        Viewer {
            shown,
            is_new_shell: false,
            face,
            channel: None,
            receiver,
            has_screen: false,
            outbox,
            keys,
            outcome: None,
            gone_at: None,
            retry_at: None,
        }
    }

    /// A shell of its own, which the desk names.
    pub(crate) fn shell(face: Face, keys: Vec<Typed>) -> Self {
        Viewer { is_new_shell: true, ..Self::new("shell", face, keys) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.shown.name
    }

    /// Why it is not shown any more, once it is not.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// True if it fills this terminal.
    pub(crate) fn is_window(&self) -> bool {
        matches!(self.face, Face::Window(_))
    }

    /// Words for its user.
    pub(crate) fn set_notice(&mut self, words: String) {
        self.shown.notice = Some(words);
    }

    /// When [`Viewer::on_time`] must be called.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let typing = match &self.face {
            Face::Window(window) => window.due_at(),
            Face::Dump(_) => None,
        };
        [typing, self.retry_at].into_iter().flatten().min()
    }

    /// The state of the way to the desk; `None`: all is well.
    pub(crate) fn set_way(&mut self, way: Option<String>) {
        self.shown.way = way;
    }

    /// Opens the channel if there is none.
    pub(crate) fn open(&mut self, link: &AppLink) {
        let waits = self.retry_at.is_some_and(|at| Instant::now() < at);
        if self.channel.is_some() || self.outcome.is_some() || !link.is_ready() || waits {
            return;
        }
        self.retry_at = None;
        // Another try follows with the next event.
        let opened = link.open(Kind::Terminal, &self.target().to_params());
        self.channel = opened.ok().map(|ch| (ch, false));
        self.receiver = ScreenReceiver::new();
        self.outbox.clear();
        if let Face::Window(window) = &mut self.face {
            window.on_reopened();
        }
    }

    fn target(&self) -> Target {
        match &self.face {
            _ if !self.is_new_shell => Target::Shared(self.shown.name.clone()),
            Face::Window(window) => Target::Shell(window.room()),
            Face::Dump(_) => Target::Shell(Size::clamped(80, 24)),
        }
    }

    /// The desk names the terminal of a new shell, so that it is found again.
    fn on_accepted(&mut self, params: &str) {
        if self.is_new_shell
            && let Some(name) = accepted_shell(params)
        {
            (self.shown.name, self.is_new_shell) = (name, false);
        }
    }

    /// Takes an event of its channel; false if it is of another one.
    pub(crate) fn on_event(&mut self, event: &AppEvent, link: &AppLink) -> bool {
        let own = self.channel.map(|(ch, _)| ch);
        match event {
            AppEvent::Accepted { ch, params } if Some(*ch) == own => {
                self.on_accepted(params);
                self.channel = Some((*ch, true));
                (self.shown.way, self.gone_at) = (None, None);
            }
            AppEvent::Refused { ch, reason } if Some(*ch) == own => self.on_refused(reason),
            AppEvent::Reset { ch, reason } if Some(*ch) == own => self.on_gone(Some(reason)),
            AppEvent::Ended { ch } if Some(*ch) == own => {
                // It may be gone already.
                let _ = link.end(*ch);
                self.on_gone(None);
            }
            AppEvent::Data { ch, bytes } if Some(*ch) == own => {
                self.on_data(*ch, bytes, link);
                link.consumed(*ch, bytes.len());
            }
            AppEvent::Writable { ch } if Some(*ch) == own => {}
            AppEvent::Restarted => {
                self.channel = None;
                return false;
            }
            _ => return false,
        }
        true
    }

    /// A desk's agent that has just started does not know its terminals yet.
    fn on_refused(&mut self, reason: &Reason) {
        let (now, wait) = (Instant::now(), if self.has_screen { RETURN_WITHIN } else { APPEAR_WITHIN });
        let is_early = now < *self.gone_at.get_or_insert(now) + wait;
        if reason.token() == Reason::NOT_FOUND && is_early {
            self.channel = None;
            self.retry_at = Some(now + RETRY_EVERY);
            self.shown.way = Some("waiting for it".to_owned());
        } else {
            self.on_gone(Some(reason));
        }
    }

    fn on_gone(&mut self, reason: Option<&Reason>) {
        self.channel = None;
        let words = reason.map_or("the desk ended it".to_owned(), |reason| harmless(&reason.to_string()));
        self.outcome.get_or_insert(Outcome::Failed(words));
    }

    fn on_data(&mut self, ch: ChannelId, bytes: &[u8], link: &AppLink) {
        match self.receiver.on_message(bytes) {
            Ok(Received::Updated { seq }) => {
                self.on_updated();
                self.push(&ViewerMessage::Ack { seq });
                self.has_screen = true;
                let keys = std::mem::take(&mut self.keys);
                self.type_keys(keys);
            }
            Ok(Received::Message(message)) => self.on_message(message),
            Ok(Received::Part | Received::Unknown) => {}
            Err(error) => {
                // A whole screen comes on the next channel.
                let _ = link.reset(ch, Reason::new(Reason::MALFORMED, error.to_string()));
                self.channel = None;
            }
        }
    }

    fn on_updated(&mut self) {
        let screen = self.receiver.screen();
        match &mut self.face {
            Face::Window(window) => {
                window.on_screen(screen);
            }
            Face::Dump(dump) => {
                if let Some(text) = dump.text_of(screen) {
                    crate::print_line(&text);
                }
                if dump.is_once {
                    self.outcome.get_or_insert(Outcome::Left);
                }
            }
        }
    }

    fn on_message(&mut self, message: DeskMessage) {
        match message {
            DeskMessage::Notice(notice) => {
                let words = [notice.title, notice.text].join(" ");
                self.shown.notice = Some(harmless(words.trim()));
            }
            DeskMessage::Scrollback(rows) => {
                if let Face::Window(window) = &mut self.face {
                    window.on_rows(rows);
                }
            }
            DeskMessage::SizeOwner { owner, may_type } => {
                self.shown.owner = owner;
                self.shown.may_type = may_type;
            }
            DeskMessage::Ended(exit) => self.outcome = Some(Outcome::Ended(exit)),
        }
    }

    /// Bytes of this terminal.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8]) {
        if let Face::Window(window) = &mut self.face {
            let acts = window.on_bytes(bytes, &self.shown, self.receiver.screen());
            self.act(acts);
        }
    }

    /// Keys that a script has named.
    pub(crate) fn type_keys(&mut self, keys: Vec<Typed>) {
        for message in keys.into_iter().filter_map(message) {
            self.push(&message);
        }
    }

    pub(crate) fn on_time(&mut self, now: Instant) {
        if let Face::Window(window) = &mut self.face {
            let acts = window.on_time(now, &self.shown, self.receiver.screen());
            self.act(acts);
        }
    }

    pub(crate) fn on_resized(&mut self) {
        if let Face::Window(window) = &mut self.face
            && let Some(message) = window.on_resized(&self.shown)
        {
            self.push(&message);
        }
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Send(message) => self.push(&message),
                Act::Leave => self.outcome = Some(Outcome::Left),
            }
        }
    }

    fn push(&mut self, message: &ViewerMessage) {
        if !self.outbox.try_push(message) {
            self.shown.notice = Some("the desk does not read: what was typed last is not sent".to_owned());
        }
    }

    /// Draws, and sends what the channel takes.
    pub(crate) fn settle(&mut self, link: &AppLink) -> io::Result<()> {
        if let Face::Window(window) = &mut self.face
            && self.outcome.is_none()
            && let Some(request) = window.draw(&self.shown, self.receiver.screen())?
        {
            self.push(&request);
        }
        if let Some((ch, true)) = self.channel {
            self.outbox.send(link, ch);
        }
        Ok(())
    }

    /// Gives the terminal up: the desk is told.
    pub(crate) fn close(self, link: &AppLink) -> Outcome {
        if let Some((ch, is_accepted)) = self.channel {
            let ended = if is_accepted { link.end(ch) } else { Err(ChannelError::NotAccepted(ch)) };
            if ended.is_err() {
                // It may be gone already.
                let _ = link.reset(ch, Reason::new(Reason::CANCELLED, "the phone's user left"));
            }
        }
        self.outcome.unwrap_or(Outcome::Left)
    }
}
