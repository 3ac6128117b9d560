//! One phone: its file, its link, what is known of its connection, and its chat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use protocol::ids::Role;
use relay_client::app::{Hello, Reason, Right};
use relay_client::engine::{Engine, EngineEvent, EngineSettings, Spent};
use relay_client::lines::harmless;
use relay_client::tunnel::{Credentials, parse_pairing};
use relay_client::{AppLink, Listener, Stop};

use super::carried::Followed;
use super::chat::Chat;
use super::clips::Clips;
use super::notices::Notices;
use crate::ipc::wire::{self, FromAgent, Over, PairRequest, State};
use crate::relay::Relay;
use crate::state::phones::{PhoneFile, PhoneKeeper};
use crate::state::profile::RelayRecord;

/// A phone whose engine runs.
pub(super) struct Phone {
    pub(super) file: Arc<PhoneFile>,
    pub(super) app: Arc<AppLink>,
    pub(super) state: State,
    pub(super) chat: Chat,
    pub(super) notices: Notices,
    pub(super) clips: Clips,
    /// What the phone calls this machine.
    pub(super) desk: String,
    /// How many lines were told of what it does.
    pub(super) told: Told,
    /// While its code is shown, and until the phone has come.
    pub(super) pairing: Option<Pairing>,
}

/// Bounds what is told of what a phone does, which it could do in a loop.
#[derive(Debug, Default)]
pub(super) struct Told {
    since: Option<Instant>,
    count: u32,
}

/// Lines in a second.
const TOLD_MAX: u32 = 4;

impl Told {
    /// The line to tell; `None` if there were too many in this second. They are counted in the next line.
    pub(super) fn line(&mut self, line: String, now: Instant) -> Option<String> {
        let is_over = self.since.is_none_or(|since| now >= since + Duration::from_secs(1));
        let left_out = self.count.saturating_sub(TOLD_MAX);
        if is_over {
            *self = Told { since: Some(now), count: 0 };
        }
        self.count += 1;
        match left_out {
            0 if self.count <= TOLD_MAX => Some(line),
            more if is_over => Some(format!("{line} ({more} more before it are left out)")),
            _ => None,
        }
    }
}

/// What is known of a pairing.
pub(super) struct Pairing {
    /// The code's session, which goes with it unless the phone was let in.
    pub(super) session: Credentials,
    /// The name to give the phone instead of its own.
    pub(super) name: Option<String>,
    /// The question that is open at the command.
    pub(super) question: Option<u64>,
    /// Since then the user's yes is kept, and the phone is expected.
    pub(super) allowed_at: Option<Instant>,
    /// Why the code is of no more use.
    pub(super) spent: Option<Spent>,
}

impl Phone {
    /// Goes on with a kept pair. `profile` is the profile's relay, whose newer key counts where the phone's
    /// relay is the same.
    ///
    /// # Errors
    /// The pair is damaged, or the system refused a thread.
    pub(super) fn resume(
        file: Arc<PhoneFile>,
        profile: Option<&RelayRecord>,
        desk: &str,
    ) -> anyhow::Result<Self> {
        let mut relay = file.relay();
        if let Some(profile) = profile.filter(|profile| profile.server == relay.server) {
            relay.clone_from(profile);
        }
        let mut settings = settings(&relay)?;
        // The kept address is the one that this pair was made at.
        settings.endpoint = None;
        let engine = Engine::resume(&settings, Box::new(PhoneKeeper(Arc::clone(&file))))?;
        Self::start(file, engine, desk, None)
    }

    /// Begins to pair by a code.
    ///
    /// # Errors
    /// The code or the relay's address is bad, or the system refused a thread.
    pub(super) fn pair(file: Arc<PhoneFile>, request: PairRequest, desk: &str) -> anyhow::Result<Self> {
        let code = parse_pairing(&request.code).context("the code can't be used")?;
        let mut settings = settings(&request.relay)?;
        settings.options.pair_for = Duration::from_secs(request.valid_secs.into());
        let session = Credentials { session: code.pairing.session, token: code.pairing.token };
        let keeper = Box::new(PhoneKeeper(Arc::clone(&file)));
        let engine = Engine::pair(Role::Workstation, code, &settings, keeper)?;
        let pairing = Pairing { session, name: request.name, question: None, allowed_at: None, spent: None };
        Self::start(file, engine, desk, Some(pairing))
    }

    fn start(
        file: Arc<PhoneFile>,
        engine: Engine,
        desk: &str,
        pairing: Option<Pairing>,
    ) -> anyhow::Result<Self> {
        let app = Arc::new(AppLink::start(engine, Hello::new("workstation", desk))?);
        let notices = Notices::new(file.push());
        Ok(Phone {
            file,
            app,
            state: State::Connecting,
            chat: Chat::default(),
            notices,
            clips: Clips::default(),
            desk: desk.to_owned(),
            told: Told::default(),
            pairing,
        })
    }

    /// Has `listener` called when there is news.
    pub(super) fn listen(&self, listener: Listener) {
        self.app.set_listener(listener);
    }

    /// True if it is on the list of devices.
    pub(super) fn is_paired(&self) -> bool {
        self.file.is_paired()
    }

    /// True if lines of the chat go to it.
    pub(super) fn chats(&self) -> bool {
        self.is_paired() && self.state != State::Ended && self.file.rights().has(Right::Chat)
    }

    /// As commands know it that do the work of channels.
    pub(super) fn followed(&self) -> Followed {
        Followed {
            id: self.file.id().to_owned(),
            name: self.file.name(),
            is_here: self.state == State::Online && self.app.is_ready(),
        }
    }

    /// True if notices go to it.
    pub(super) fn takes_notices(&self) -> bool {
        self.is_paired() && self.state != State::Ended
    }

    /// Ends a chat that the phone has no right to any more. The link itself resets what the phone opened.
    pub(super) fn close_chat_without_right(&mut self) {
        if !self.file.rights().has(Right::Chat) {
            self.chat.close(&self.app, Reason::new(Reason::RIGHTS, "this phone may not chat any more"));
            self.clips.clear(&self.app);
        }
    }

    /// As commands list it.
    pub(super) fn listed(&self) -> wire::Phone {
        wire::Phone {
            name: self.file.name(),
            state: self.state,
            rights: self.file.rights().iter().map(|right| right.as_str().to_owned()).collect(),
            last_seen: self.file.last_seen(),
            relay: self.file.relay().server,
        }
    }

    /// Notes what an event of the engine says of the connection.
    pub(super) fn note(&mut self, event: &EngineEvent) {
        self.state = match event {
            EngineEvent::Connected | EngineEvent::Left => State::Away,
            EngineEvent::Opened { .. } => State::Online,
            EngineEvent::Reconnecting { .. } => State::Connecting,
            EngineEvent::Stopped { .. } => State::Ended,
            _ => self.state,
        };
    }
}

fn settings(relay: &RelayRecord) -> anyhow::Result<EngineSettings> {
    Ok(Relay::of_record(relay)?.engine_settings())
}

/// The line of the log about an event; `None` where there is nothing to tell.
pub(super) fn words(name: &str, event: &EngineEvent) -> Option<String> {
    Some(match event {
        EngineEvent::Opened { .. } => format!("\"{name}\" is here, encrypted"),
        EngineEvent::Left => format!("\"{name}\" left"),
        EngineEvent::Reconnecting { after, why } => {
            format!("no connection for \"{name}\", next try in {:.1} s: {why}", after.as_secs_f64())
        }
        EngineEvent::Refused(why) => format!("a phone was refused in the place of \"{name}\": {why}"),
        EngineEvent::Foreign => format!("ignored: a client in the place of \"{name}\" does not encrypt"),
        EngineEvent::NotDeleted(error) => {
            format!("the session of the code was not deleted and ends when it expires: {error}")
        }
        EngineEvent::Stopped { why, .. } if *why != Stop::Closed => {
            format!("the pair with \"{name}\" has ended: {why}; revoke \"{name}\" to take it off the list")
        }
        _ => return None,
    })
}

/// What the desk's chats are told of an event, after which the phone is in `state`.
pub(super) fn told(name: &str, state: State, event: &EngineEvent) -> Option<FromAgent> {
    let (retry_in_ms, why) = match event {
        EngineEvent::Connected | EngineEvent::Opened { .. } | EngineEvent::Left => (None, String::new()),
        EngineEvent::Reconnecting { after, why } => {
            (Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)), why.to_string())
        }
        EngineEvent::Stopped { why, .. } => (None, why.to_string()),
        event => return words(name, event).map(|line| FromAgent::Note { line: harmless(&line) }),
    };
    Some(FromAgent::Status { phone: name.to_owned(), state, retry_in_ms, why: harmless(&why) })
}

/// Why a pairing is over, by the end of its engine.
pub(super) fn over(spent: Option<Spent>, why: &Stop) -> (Over, String) {
    match (spent, why) {
        (Some(Spent::Denied), _) => (Over::Denied, Spent::Denied.to_string()),
        (Some(spent), _) => (Over::Expired, spent.to_string()),
        (None, Stop::Refused { .. } | Stop::Unpaired(_)) => (Over::Refused, why.to_string()),
        (None, why) => (Over::Failed, why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phone_does_in_a_loop_is_counted() {
        let (mut told, now) = (Told::default(), Instant::now());
        let lines = (0..100).filter_map(|_| told.line("x".into(), now)).count();
        assert_eq!(lines, 4);
        let later = now + Duration::from_secs(1);
        assert_eq!(told.line("y".into(), later).unwrap(), "y (96 more before it are left out)");
        assert_eq!(told.line("z".into(), later).unwrap(), "z");
    }
}
