//! A command's end of carried channels: the agent passes them on to phones, and the command does their work.
//!
//! [`Carried`] keeps a connection to the agent, and makes another one where the agent was killed. Its methods
//! are those of the link that an agent holds, so the same work can be done over both. One thread reads; any
//! thread may open, send and wait for events. `state` is what is known of each channel, without a socket.

mod event;
mod state;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use relay_client::app::{Kind, Reason};

use self::state::State;
use super::client::{AGENT_PAUSE, AgentClient, AgentSender, Heard};
use super::wire::ToAgent;
use super::wire::carry::ToCarrier;

pub(crate) use self::event::{CarriedChannel, CarriedError, CarriedEvent, Peer};

/// Finds the agent, or starts one.
pub(crate) type Connect = Box<dyn Fn() -> anyhow::Result<AgentClient> + Send>;

/// The carried channels of this process. All methods may be called from any thread; clones are the same.
#[derive(Clone)]
pub(crate) struct Carried {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// The connection of this number takes what is sent. Locked behind `state`, if both are.
    sender: Mutex<(u32, AgentSender)>,
    /// Signalled when there is an event, and when a wait for the window may be over.
    news: Condvar,
}

/// Life.
impl Carried {
    /// Connects to the agent, and hears of the phones from now on.
    ///
    /// # Errors
    /// There is no agent, or the system has no thread.
    pub(crate) fn start(connect: Connect) -> anyhow::Result<Self> {
        let agent = connect()?;
        let sender = Mutex::new((0, agent.sender()?));
        let shared = Arc::new(Shared { state: Mutex::default(), sender, news: Condvar::new() });
        shared.tell(0, ToCarrier::Follow);
        let reading = Arc::clone(&shared);
        thread::Builder::new().name("carried".into()).spawn(move || reading.run(agent, &connect))?;
        Ok(Carried { shared })
    }

    /// The next events, at most `max` of them; waits at most `timeout` for the first. Empty if none came.
    pub(crate) fn next_events(&self, max: usize, timeout: Duration) -> Vec<CarriedEvent> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.shared.lock();
        while state.has_no_event() {
            match self.shared.wait(state, deadline) {
                Ok(again) => state = again,
                Err(_) => return Vec::new(),
            }
        }
        state.take_events(max)
    }

    /// Adds the event `Woken`: for a thread that has something to tell the one that waits here.
    pub(crate) fn wake(&self) {
        self.shared.with(|state| state.push(CarriedEvent::Woken));
    }
}

/// Channels.
impl Carried {
    /// Takes what phones open of this kind: these phones, by their ids, or all if none is named.
    pub(crate) fn take(&self, kind: Kind, from: Vec<String>) {
        let era = self.shared.with(|state| state.take(kind, from.clone()));
        self.shared.tell(era, ToCarrier::Take { kind: kind.as_str().to_owned(), from });
    }

    /// Opens a channel to the phone of this id. `params` is a JSON object. `Accepted`, `Refused` or `Lost`
    /// follows.
    pub(crate) fn open(&self, phone: &str, kind: Kind, params: &str) -> CarriedChannel {
        let ch = self.shared.with(State::open);
        let (phone, params) = (phone.to_owned(), params.to_owned());
        let kind = kind.as_str().to_owned();
        self.shared.tell(ch.era, ToCarrier::Open { handle: ch.handle, phone, kind, params });
        ch
    }

    /// Accepts a channel of `Opened`; both may send from now on. `params` is a JSON object.
    pub(crate) fn accept(&self, ch: CarriedChannel, params: &str) {
        if self.shared.with(|state| state.accept(ch)) {
            self.shared.tell(ch.era, ToCarrier::Accept { handle: ch.handle, params: params.to_owned() });
        }
    }

    /// Refuses a channel of `Opened`.
    pub(crate) fn refuse(&self, ch: CarriedChannel, reason: &Reason) {
        if self.shared.with(|state| state.forget(ch)) {
            let (reason, words) = (reason.token().to_owned(), reason.words().to_owned());
            self.shared.tell(ch.era, ToCarrier::Refuse { handle: ch.handle, reason, words });
        }
    }

    /// Sends one message; waits at most `timeout` until the phone takes it.
    ///
    /// # Errors
    /// Nothing was sent: `Full` after `timeout`, everything else at once.
    pub(crate) fn send(
        &self,
        ch: CarriedChannel,
        message: &[u8],
        timeout: Duration,
    ) -> Result<(), CarriedError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.shared.lock();
        loop {
            match state.send(ch, message.len()) {
                Err(CarriedError::Full) => match self.shared.wait(state, deadline) {
                    Ok(again) => state = again,
                    Err(_) => return Err(CarriedError::Full),
                },
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        drop(state);
        self.shared.with_sender(ch.era, |sender| {
            sender.send_data(ch.handle, message)?;
            sender.flush()
        });
        Ok(())
    }

    /// As [`Carried::send`]: never waits.
    ///
    /// # Errors
    /// Nothing was sent. After `Full`, `Writable` follows.
    pub(crate) fn try_send(&self, ch: CarriedChannel, message: &[u8]) -> Result<(), CarriedError> {
        self.send(ch, message, Duration::ZERO)
    }

    /// As [`Carried::try_send`]; the message may stay here until [`Carried::flush`], so that several go
    /// together.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn put(&self, ch: CarriedChannel, message: &[u8]) -> Result<(), CarriedError> {
        self.shared.lock().send(ch, message.len())?;
        self.shared.with_sender(ch.era, |sender| sender.send_data(ch.handle, message));
        Ok(())
    }

    /// Sends what was put.
    pub(crate) fn flush(&self, ch: CarriedChannel) {
        self.shared.with_sender(ch.era, AgentSender::flush);
    }

    /// A good length for the next message on this channel: what is typed does not wait long behind it.
    pub(crate) fn message_len(&self, ch: CarriedChannel) -> usize {
        self.shared.lock().message_len(ch)
    }

    /// The command is done with this many bytes of the `Data` of a channel, the oldest first.
    pub(crate) fn consumed(&self, ch: CarriedChannel, bytes: usize) {
        self.shared.tell(ch.era, ToCarrier::Consumed { handle: ch.handle, n: bytes });
    }

    /// Nothing more will be sent on this channel. What was sent goes before it.
    pub(crate) fn end(&self, ch: CarriedChannel) {
        if self.shared.with(|state| state.end(ch)) {
            self.shared.tell(ch.era, ToCarrier::End { handle: ch.handle });
        }
    }

    /// Ends both directions of a channel now; what waits in it is dropped.
    pub(crate) fn reset(&self, ch: CarriedChannel, reason: &Reason) {
        if self.shared.with(|state| state.forget(ch)) {
            let (reason, words) = (reason.token().to_owned(), reason.words().to_owned());
            self.shared.tell(ch.era, ToCarrier::Reset { handle: ch.handle, reason, words });
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the threads that wait for that.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.lock());
        self.news.notify_all();
        done
    }

    /// Waits for news; gives the lock back as an error at `deadline`.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, State>, MutexGuard<'a, State>> {
        let Some(deadline) = deadline else {
            return Ok(self.news.wait(state).unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(state);
        }
        Ok(self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Tells the agent of this connection. Where it is gone, the reader sees that, and its channels are lost.
    fn tell(&self, era: u32, request: ToCarrier) {
        self.with_sender(era, |sender| sender.send(&ToAgent::Carry(request)));
    }

    fn with_sender(&self, era: u32, send: impl FnOnce(&mut AgentSender) -> io::Result<()>) {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.0 == era {
            drop(send(&mut sender.1));
        }
    }

    /// The reader's life: this agent, and the next ones.
    fn run(&self, mut agent: AgentClient, connect: &Connect) {
        loop {
            // A connection that failed has ended, too.
            while let Ok(Some(heard)) = agent.next_heard() {
                self.with(|state| match heard {
                    Heard::Message(message) => state.on_message(message),
                    Heard::Data(handle, bytes) => state.on_data(handle, bytes),
                });
            }
            self.with(State::on_agent_gone);
            thread::sleep(AGENT_PAUSE);
            match connect().and_then(|next| Ok((next.sender()?, next))) {
                Ok((sender, next)) => {
                    self.begin_again(sender);
                    agent = next;
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    return self.with(|state| state.push(CarriedEvent::Failed { why }));
                }
            }
        }
    }

    /// Tells another agent what this command does.
    fn begin_again(&self, sender: AgentSender) {
        let mut state = self.lock();
        let (era, takes) = state.begin_era();
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = (era, sender);
        drop(state);
        for (kind, from) in takes {
            self.tell(era, ToCarrier::Take { kind: kind.as_str().to_owned(), from });
        }
        self.tell(era, ToCarrier::Follow);
    }
}
