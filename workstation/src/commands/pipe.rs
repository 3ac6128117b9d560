//! `pipe`: the standard input to a phone, and what the phone sends to the standard output.

mod output;

use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use relay_client::app::pipe::{PARAMS, PIECE_BYTES_MAX, PipeEnd, PipeNews};
use relay_client::app::{Kind, Reason};

use self::output::Output;
use super::session::{Session, thread};
use super::transfer::{self, EVENTS_MAX, chosen};
use crate::args::Global;
use crate::exit::INTERRUPTED;
use crate::ipc::carried::{Carried, CarriedChannel, CarriedEvent, Peer};
use crate::ipc::wire::carry::Presence;
use crate::output::say;

/// Connect this command's input and output with a phone.
///
/// What comes in at the standard input goes to the phone, and what the phone sends comes out at the standard
/// output, byte for byte. The command ends when both sides have ended and written everything. A phone that
/// does not read stops the input.
#[derive(Debug, clap::Args)]
pub(crate) struct PipeArgs {
    /// The phone. [default: the only one]
    #[arg(long, value_name = "PHONE")]
    pub(crate) to: Option<String>,

    /// Give up if the phone has not opened its end for this long. [default: wait]
    #[arg(long, value_name = "SECS")]
    pub(crate) wait: Option<u32>,
}

/// How often a phone that has not opened its end is asked again.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What the phone may take with the last word.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How long nothing is waited for at once.
const TURN_MAX: Duration = Duration::from_secs(1);

/// # Errors
/// The phone is not known, or there is no agent.
pub(crate) fn run(args: &PipeArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let (carried, interrupted) = transfer::connect(Arc::new(Session::open(global)?))?;
    let to: Vec<String> = args.to.iter().cloned().collect();
    let Some(peer) = chosen(&carried, &to)?.into_iter().next() else { bail!("no phone is paired") };
    carried.take(Kind::Pipe, vec![peer.id.clone()]);
    let until = args.wait.map(|secs| Instant::now() + Duration::from_secs(secs.into()));
    let mut pipe = Pipe::new(carried, peer, until)?;
    loop {
        if interrupted.load(Ordering::Relaxed) {
            pipe.give_up("the desk's user stopped it");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if let Some(over) = pipe.turn()? {
            return Ok(over.code());
        }
    }
}

/// How a pipe ended.
enum Over {
    Complete,
    /// Something was lost; the words say what happened.
    Broken(String),
    /// The phone did not open its end.
    Absent,
    /// The phone does not want it.
    Refused(String),
}

impl Over {
    fn code(&self) -> ExitCode {
        match self {
            Over::Complete => {}
            Over::Broken(why) => say(&format!("not everything was passed on: {why}")),
            Over::Absent => say("the phone did not open its end in time"),
            Over::Refused(why) => say(&format!("the phone refused: {why}")),
        }
        ExitCode::from(match self {
            Over::Complete => 0,
            Over::Broken(_) => 3,
            Over::Absent => 4,
            Over::Refused(_) => 5,
        })
    }
}

struct Pipe {
    carried: Carried,
    peer: Peer,
    channel: Option<CarriedChannel>,
    /// The phone has opened its end.
    is_open: bool,
    /// The phone is asked, or asked again.
    ask_at: Instant,
    /// Then nothing is waited for any more: for the phone to open, and to say its last word.
    until: Option<Instant>,
    has_told: bool,
    end: Arc<Mutex<PipeEnd>>,
    output: Output,
    /// The input can't be read; the words say why.
    input_failed: Arc<OnceLock<String>>,
    over: Option<Over>,
}

impl Pipe {
    fn new(carried: Carried, peer: Peer, until: Option<Instant>) -> io::Result<Self> {
        Ok(Pipe {
            carried,
            peer,
            channel: None,
            is_open: false,
            ask_at: Instant::now(),
            until,
            has_told: false,
            end: Arc::default(),
            output: Output::open()?,
            input_failed: Arc::default(),
            over: None,
        })
    }

    fn end(&self) -> MutexGuard<'_, PipeEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what there is to do now, and waits for more. How it ended, if it has.
    fn turn(&mut self) -> anyhow::Result<Option<Over>> {
        let now = Instant::now();
        if self.channel.is_none()
            && !self.is_open
            && self.peer.presence == Presence::Here
            && now >= self.ask_at
        {
            self.channel = Some(self.carried.open(&self.peer.id, Kind::Pipe, PARAMS));
        }
        if self.until.is_some_and(|until| now >= until) {
            return Ok(Some(if self.is_open { self.rest() } else { Over::Absent }));
        }
        let asks_at = Some(self.ask_at).filter(|at| *at > now);
        let wait = [asks_at, self.until, Some(now + TURN_MAX)].into_iter().flatten().min();
        let wait = wait.map_or(TURN_MAX, |at| at.saturating_duration_since(now));
        for event in self.carried.next_events(EVENTS_MAX, wait) {
            self.on_event(event)?;
        }
        if let Some(why) = self.input_failed.get().cloned() {
            self.give_up(&why);
        }
        Ok(self.over.take())
    }

    fn on_event(&mut self, event: CarriedEvent) -> anyhow::Result<()> {
        match event {
            CarriedEvent::Phone(peer) if peer.id == self.peer.id => self.on_phone(peer),
            CarriedEvent::Opened { ch, phone, kind: Kind::Pipe, .. } if phone == self.peer.id => {
                self.on_opened(ch);
            }
            CarriedEvent::Opened { ch, .. } => {
                self.carried.refuse(ch, &Reason::new(Reason::UNAVAILABLE, "the pipe is for another phone"));
            }
            CarriedEvent::Accepted { ch, .. } if self.is_own(ch) => self.begin(ch)?,
            CarriedEvent::Refused { ch, reason } if self.is_own(ch) => self.on_refused(&reason),
            CarriedEvent::Data { ch, bytes } => {
                self.carried.consumed(ch, bytes.len());
                if self.is_own(ch) {
                    self.on_data(ch, &bytes);
                }
            }
            CarriedEvent::Ended { ch } if self.is_own(ch) => self.over = Some(self.rest()),
            CarriedEvent::Reset { ch, reason } if self.is_own(ch) => self.on_gone(&reason.to_string()),
            CarriedEvent::Lost { ch } if self.is_own(ch) => {
                self.on_gone("the phone's app or the agent started again");
            }
            CarriedEvent::Failed { why } => bail!("{why}"),
            _ => {}
        }
        Ok(())
    }

    fn is_own(&self, ch: CarriedChannel) -> bool {
        self.channel == Some(ch)
    }

    fn on_phone(&mut self, peer: Peer) {
        if peer.presence == Presence::Gone {
            self.over = Some(Over::Broken(format!("\"{}\" is no longer paired", peer.name)));
        }
        self.peer = peer;
    }

    /// The phone's channel counts, unless the pipe is open.
    fn on_opened(&mut self, ch: CarriedChannel) {
        if self.is_open {
            return self.carried.refuse(ch, &Reason::new(Reason::TOO_MANY, "the pipe is open already"));
        }
        if let Some(own) = self.channel.replace(ch) {
            self.carried.reset(own, &Reason::new(Reason::CANCELLED, "the phone's own pipe counts"));
        }
        self.carried.accept(ch, "{}");
        if let Err(error) = self.begin(ch) {
            self.over = Some(Over::Broken(error.to_string()));
        }
    }

    fn on_refused(&mut self, reason: &Reason) {
        self.channel = None;
        self.ask_at = Instant::now() + ASK_EVERY;
        if ![Reason::UNAVAILABLE, Reason::AWAY].contains(&reason.token()) {
            self.over = Some(Over::Refused(reason.to_string()));
        } else if !std::mem::replace(&mut self.has_told, true) {
            say(&format!("waiting until \"{}\" opens its end", self.peer.name));
        }
    }

    /// Both ends are there: the input goes out from now on.
    fn begin(&mut self, ch: CarriedChannel) -> io::Result<()> {
        (self.is_open, self.until) = (true, None);
        let (carried, end, failed) =
            (self.carried.clone(), Arc::clone(&self.end), Arc::clone(&self.input_failed));
        thread("pipe", move || {
            if let Err(error) = send_input(&carried, ch, &end) {
                // The phone must not take what came for the whole input.
                failed.get_or_init(|| format!("the input can't be read: {error}"));
                carried.wake();
            }
        })
    }

    fn on_data(&mut self, ch: CarriedChannel, message: &[u8]) {
        let news = self.end().on_message(message).map(|news| match news {
            PipeNews::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        match news {
            Ok(Some(bytes)) => {
                if let Err(error) = self.output.write(&bytes) {
                    return self.give_up(&format!("the standard output takes nothing more: {error}"));
                }
                self.end().wrote(bytes.len());
            }
            Ok(None) => {}
            Err(error) => return self.give_up(&error.to_string()),
        }
        let part = self.end().next_part();
        if let Some(part) = part {
            // It is gone if the phone is: that is told.
            let _ = self.carried.send(ch, &part, CLOSE_WITHIN);
        }
        if self.end().is_complete() {
            self.carried.end(ch);
            self.until = Some(Instant::now() + CLOSE_WITHIN);
        }
    }

    fn on_gone(&mut self, why: &str) {
        self.channel = None;
        if self.is_open {
            self.over =
                Some(if self.end().is_complete() { Over::Complete } else { Over::Broken(why.to_owned()) });
        } else {
            self.ask_at = Instant::now() + ASK_EVERY;
        }
    }

    /// How it ended, when nothing more comes.
    fn rest(&self) -> Over {
        if self.end().is_complete() {
            return Over::Complete;
        }
        Over::Broken("the phone ended before everything was written".to_owned())
    }

    fn give_up(&mut self, why: &str) {
        if let Some(ch) = self.channel.take() {
            self.carried.reset(ch, &Reason::new(Reason::CANCELLED, why));
        }
        self.over = Some(Over::Broken(why.to_owned()));
    }
}

/// Sends the standard input until it ends; each piece waits until the phone takes it.
///
/// # Errors
/// It can't be read.
fn send_input(carried: &Carried, ch: CarriedChannel, end: &Mutex<PipeEnd>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    let mut input = io::stdin().lock();
    loop {
        let len = carried.message_len(ch).saturating_sub(1).clamp(1, PIECE_BYTES_MAX);
        let count = match input.read(&mut buffer[..len]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
            Ok(count) => count,
        };
        let message = {
            let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
            if count == 0 { end.input_ended() } else { end.data(&buffer[..count]) }
        };
        // A channel that is gone is told to the other thread.
        if carried.send(ch, &message, Duration::MAX).is_err() || count == 0 {
            return Ok(());
        }
    }
}
