//! Who says hello when. The phone says it first, in each new epoch of either end, and the desk answers;
//! before that the desk says nothing. What the desk offers follows its hello, and again when it changes.
//!
//! A desk's message may be on its way while one of the two starts again. So the phone's hello has an id which
//! differs each time, and only the answer that names it counts.

use protocol::ids::Role;

use super::control::Control;
use super::hello::{DeskInfo, Hello};

/// The hello of one end, and how far the two have come with it.
pub(super) struct Greeting {
    role: Role,
    hello: Hello,
    /// The id of the phone's next hello.
    nonce: u64,
    phase: Phase,
    /// Hello, until it is sent.
    due: Option<Control>,
    desk: DeskInfo,
    /// The desk's page, or the phone's being hidden, has changed since it was told.
    changed: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// The tunnel was never open.
    Unopened,
    /// The other end's hello is awaited; a phone's own has this id.
    Waiting(Option<String>),
    Ready,
}

/// The other end said hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeted {
    /// It was not asked for, or is an answer to an older one.
    Stale,
    First,
    /// It had said so before, and begins again.
    Again,
}

impl Greeting {
    pub(super) fn new(role: Role, hello: Hello, nonce: u64) -> Self {
        let (phase, desk) = (Phase::Unopened, DeskInfo::default());
        Greeting { role, hello: hello.bounded(), nonce, phase, due: None, desk, changed: false }
    }

    /// The tunnel is open.
    pub(super) fn on_open(&mut self) {
        if self.phase == Phase::Unopened {
            self.begin();
        }
    }

    /// The other end's process is new. True if the two had said hello.
    pub(super) fn on_restart(&mut self) -> bool {
        let was_ready = self.is_ready();
        if self.phase != Phase::Unopened {
            self.begin();
        }
        was_ready
    }

    fn begin(&mut self) {
        self.changed = false;
        self.due = None;
        let id = (self.role == Role::Phone).then(|| format!("{:016x}", self.nonce));
        if id.is_some() {
            self.nonce = self.nonce.wrapping_add(1);
            self.due = Some(Control::Hello { hello: self.hello.clone(), id: id.clone(), re: None });
        }
        self.phase = Phase::Waiting(id);
    }

    /// The other end says hello.
    pub(super) fn on_hello(&mut self, id: Option<String>, re: Option<&str>) -> Greeted {
        match (self.role, &self.phase) {
            (Role::Phone, Phase::Waiting(own)) if own.as_deref() == re => {
                self.phase = Phase::Ready;
                Greeted::First
            }
            (Role::Phone, _) | (_, Phase::Unopened) => Greeted::Stale,
            (Role::Workstation, phase) => {
                let greeted = if *phase == Phase::Ready { Greeted::Again } else { Greeted::First };
                self.due = Some(Control::Hello { hello: self.hello.clone(), id: None, re: id });
                self.phase = Phase::Ready;
                self.changed = true;
                greeted
            }
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Desk: what it offers.
    pub(super) fn set_desk(&mut self, desk: DeskInfo) {
        let desk = desk.bounded();
        self.changed |= self.is_ready() && desk != self.desk;
        self.desk = desk;
    }

    pub(super) fn desk(&self) -> &DeskInfo {
        &self.desk
    }

    /// Phone: whether its page is hidden.
    pub(super) fn set_hidden(&mut self, hidden: bool) {
        self.changed |= self.is_ready() && hidden != self.hello.hidden;
        self.hello.hidden = hidden;
        if let Some(Control::Hello { hello, .. }) = &mut self.due {
            hello.hidden = hidden;
        }
    }

    /// The next message about the two ends. Only the newest of each sort is of interest.
    pub(super) fn poll_control(&mut self) -> Option<Control> {
        if self.due.is_some() {
            return self.due.take();
        }
        std::mem::take(&mut self.changed).then(|| match self.role {
            Role::Phone => Control::Hidden(self.hello.hidden),
            Role::Workstation => Control::Desk(self.desk.clone()),
        })
    }
}
