//! A text that a phone sends to this command.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use relay_client::app::clipboard::{GOT, TextReceiver};
use relay_client::app::{Kind, Reason};
use relay_client::lines::harmless;

use super::ClipArgs;
use crate::args::Global;
use crate::commands::session::Session;
use crate::commands::transfer::{self, EVENTS_MAX, named, paired};
use crate::exit::INTERRUPTED;
use crate::ipc::carried::{Carried, CarriedChannel, CarriedEvent};
use crate::output::say;

/// Texts that may be on their way at once: one is printed.
const TEXTS_MAX: usize = 8;

/// How long nothing is waited for at once.
const TURN_MAX: Duration = Duration::from_secs(1);

/// Waits for a text, and prints it.
///
/// # Errors
/// A phone is not known, there is no agent, or the output takes nothing.
pub(super) fn run(args: &ClipArgs, global: &Global, until: Option<Instant>) -> anyhow::Result<ExitCode> {
    let (carried, interrupted) = transfer::connect(Arc::new(Session::open(global)?))?;
    let phones = paired(&carried)?;
    ensure!(!phones.is_empty(), "no phone is paired: the command pair adds one");
    let from = named(&phones, &args.to)?;
    carried.take(Kind::Clipboard, from.into_iter().map(|peer| peer.id).collect());
    say("waiting for a text: send one on the phone; Ctrl-C ends it");
    let mut taking = Taking { carried, texts: BTreeMap::new() };
    while !interrupted.load(Ordering::Relaxed) {
        let now = Instant::now();
        if until.is_some_and(|until| now >= until) {
            say("no text came in time");
            return Ok(ExitCode::from(4));
        }
        let wait = until.map_or(TURN_MAX, |until| TURN_MAX.min(until.saturating_duration_since(now)));
        for event in taking.carried.next_events(EVENTS_MAX, wait) {
            if taking.on_event(event)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::from(INTERRUPTED))
}

/// The texts that are on their way.
struct Taking {
    carried: Carried,
    texts: BTreeMap<CarriedChannel, TextReceiver>,
}

impl Taking {
    /// True if a text was printed.
    fn on_event(&mut self, event: CarriedEvent) -> anyhow::Result<bool> {
        match event {
            CarriedEvent::Opened { ch, kind: Kind::Clipboard, params, .. } => self.on_opened(ch, &params),
            CarriedEvent::Opened { ch, .. } => {
                self.carried.refuse(ch, &Reason::new(Reason::UNAVAILABLE, "only a text is waited for"));
            }
            CarriedEvent::Data { ch, bytes } => {
                self.carried.consumed(ch, bytes.len());
                if let Some(Err(reason)) = self.texts.get_mut(&ch).map(|text| text.on_data(&bytes)) {
                    self.reset(ch, &reason);
                }
            }
            CarriedEvent::Ended { ch } => return self.on_ended(ch),
            CarriedEvent::Reset { ch, .. } | CarriedEvent::Lost { ch } => drop(self.texts.remove(&ch)),
            CarriedEvent::Failed { why } => anyhow::bail!("{why}"),
            _ => {}
        }
        Ok(false)
    }

    fn on_opened(&mut self, ch: CarriedChannel, params: &str) {
        let text = match self.texts.len() {
            TEXTS_MAX.. => Err(Reason::new(Reason::TOO_MANY, "too many texts are on their way")),
            _ => TextReceiver::new(params),
        };
        match text {
            Ok(text) => {
                self.carried.accept(ch, "{}");
                self.texts.insert(ch, text);
            }
            Err(reason) => self.carried.refuse(ch, &reason),
        }
    }

    /// The text is whole: it is printed before the phone is told.
    fn on_ended(&mut self, ch: CarriedChannel) -> anyhow::Result<bool> {
        let Some(text) = self.texts.remove(&ch) else { return Ok(false) };
        match text.on_end() {
            Ok(text) => {
                print(&text).context("the standard output takes nothing")?;
                // The phone that is gone meanwhile sends it again to another command.
                let _ = self.carried.send(ch, GOT, TURN_MAX);
                self.carried.end(ch);
                Ok(true)
            }
            Err(reason) => {
                self.reset(ch, &reason);
                Ok(false)
            }
        }
    }

    fn reset(&mut self, ch: CarriedChannel, reason: &Reason) {
        self.texts.remove(&ch);
        self.carried.reset(ch, reason);
    }
}

/// The text as it is; on a terminal, with a line end and nothing that acts there.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        text.lines().try_for_each(|line| writeln!(output, "{}", harmless(line)))?;
    } else {
        output.write_all(text.as_bytes())?;
    }
    output.flush()
}
