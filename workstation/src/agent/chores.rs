//! Requests to relays and push services, each on a short-lived thread, as they block for up to twenty
//! seconds.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::{Token, Waker};
use protocol::ids::SessionId;
use relay_client::AppLink;
use relay_client::app::notice::PushOutcome;
use relay_client::engine::{AllowError, ForgetError};
use relay_client::http;
use relay_client::lines::harmless;

use super::lines::PhoneKey;
use crate::relay::Relay;
use crate::state::retire::Retired;

/// The result of a chore.
pub(super) enum Done {
    /// A phone was let in, or not: what to tell.
    Allowed { phone: PhoneKey, words: Option<String> },
    /// A pair was ended at both ends, or partly.
    Forgotten { id: String, outcome: Result<(), ForgetError>, command: Token },
    /// A notice was posted for a phone, or not.
    Posted { phone: PhoneKey, outcome: PushOutcome },
    /// The relay was asked to delete sessions: those that are gone now, and what went wrong.
    Deleted { gone: Vec<SessionId>, failed: Vec<String> },
}

/// The chores under way.
pub(super) struct Chores {
    results: Sender<Done>,
    done: Receiver<Done>,
    wake: Arc<Waker>,
    running: usize,
}

impl Chores {
    pub(super) fn new(wake: Arc<Waker>) -> Self {
        let (results, done) = channel();
        Chores { results, done, wake, running: 0 }
    }

    /// Lets a phone in. In the code's own session if the relay gives no fresh one: pairing there is better
    /// than no pairing, and the user is told.
    pub(super) fn allow(&mut self, phone: PhoneKey, app: Arc<AppLink>, question: u64) {
        self.begin(move || {
            let mut words = None;
            let mut done = app.engine().allow(question);
            if let Err(AllowError::NoSession(error)) = done {
                words = Some(format!(
                    "Could not create a new session ({}). The one in the code stays in use, so keep that code \
                     secret.",
                    harmless(&error.to_string())
                ));
                done = app.engine().allow_here(question).map_err(AllowError::from);
            }
            let failed = done.err().map(|error| format!("the phone was not accepted: {error}"));
            Done::Allowed { phone, words: failed.or(words) }
        });
    }

    /// Ends a pair: the phone is told, what is kept is erased, its session is deleted.
    pub(super) fn forget(&mut self, id: String, app: Arc<AppLink>, command: Token) {
        self.begin(move || Done::Forgotten { id, outcome: app.engine().forget(), command });
    }

    /// Deletes sessions of revoked phones and of codes that nobody has used.
    pub(super) fn delete(&mut self, sessions: Vec<Retired>) {
        self.begin(move || {
            let (mut gone, mut failed) = (Vec::new(), Vec::new());
            for Retired { relay, credentials } in sessions {
                let deleted = Relay::of_record(&relay).and_then(|relay| {
                    Ok(http::delete(&relay.server, credentials.session, &credentials.token)?)
                });
                match deleted {
                    // 404 is as good: there is no such session.
                    Ok(_) => gone.push(credentials.session),
                    Err(error) => failed.push(harmless(&format!("{error:#}"))),
                }
            }
            Done::Deleted { gone, failed }
        });
    }

    /// Posts a notice to a push service; one at a time for each phone. False if that can't be begun now.
    pub(super) fn post(
        &mut self,
        phone: PhoneKey,
        work: impl FnOnce() -> PushOutcome + Send + 'static,
    ) -> bool {
        self.begin(move || Done::Posted { phone, outcome: work() })
    }

    /// False if there is no thread for it.
    fn begin(&mut self, work: impl FnOnce() -> Done + Send + 'static) -> bool {
        let (results, wake) = (self.results.clone(), Arc::clone(&self.wake));
        let run = move || {
            // Without the agent nobody needs the result.
            drop(results.send(work()));
            drop(wake.wake());
        };
        // Without a thread nothing is done: a question stays open and a deletion stays on the list.
        let has_begun = thread::Builder::new().name("chore".into()).spawn(run).is_ok();
        self.running += usize::from(has_begun);
        has_begun
    }

    /// The next result.
    pub(super) fn next_done(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.running -= 1;
        Some(done)
    }

    /// True if nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
    }
}
