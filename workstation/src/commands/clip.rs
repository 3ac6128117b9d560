//! `clip`: a text to the phones' clipboards, or one of a phone.

mod taking;
mod text_out;

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use relay_client::app::clipboard::CLIPBOARD_BYTES_MAX;

use self::text_out::{Fate, TextOut};
use super::session::Session;
use super::transfer::{self, EVENTS_MAX, chosen};
use crate::args::Global;
use crate::exit::INTERRUPTED;
use crate::ipc::carried::CarriedEvent;
use crate::output::say;

/// Send the standard input to a phone's clipboard, or wait for a text of the phone.
///
/// The phone shows the text in a box, and puts it into its clipboard when you tap there. If the input is a
/// terminal, or with --get, the command waits for a text that the phone sends, and prints it.
#[derive(Debug, clap::Args)]
pub(crate) struct ClipArgs {
    /// Wait for a text of the phone.
    #[arg(long)]
    pub(crate) get: bool,

    /// The phone. Can be given several times. [default: the only one; with --get: all]
    #[arg(long, value_name = "PHONE")]
    pub(crate) to: Vec<String>,

    /// Give up if the phone is not there, or sends nothing, for this long. [default: wait]
    #[arg(long, value_name = "SECS")]
    pub(crate) wait: Option<u32>,
}

/// How long nothing is waited for at once.
const TURN_MAX: Duration = Duration::from_secs(1);

/// # Errors
/// The text is too long, a phone is not known, or there is no agent.
pub(crate) fn run(args: &ClipArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let until = args.wait.map(|secs| Instant::now() + Duration::from_secs(secs.into()));
    if args.get || io::stdin().is_terminal() {
        return taking::run(args, global, until);
    }
    let text = input()?;
    let (carried, interrupted) = transfer::connect(Arc::new(Session::open(global)?))?;
    let mut texts = Vec::new();
    for peer in chosen(&carried, &args.to)? {
        texts.push(TextOut::new(peer, &text)?);
    }
    while texts.iter().any(|text| text.fate().is_none()) {
        if interrupted.load(Ordering::Relaxed) {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let now = Instant::now();
        if until.is_some_and(|until| now >= until) {
            texts.iter_mut().for_each(TextOut::give_up);
            break;
        }
        texts.iter_mut().for_each(|text| text.settle(&carried, now));
        let wait = until.map_or(TURN_MAX, |until| TURN_MAX.min(until.saturating_duration_since(now)));
        for event in carried.next_events(EVENTS_MAX, wait) {
            if let CarriedEvent::Failed { why } = &event {
                anyhow::bail!("{why}");
            }
            texts.iter_mut().for_each(|text| text.on_event(&event, &carried));
        }
    }
    Ok(ExitCode::from(texts.iter().map(tell).max().unwrap_or_default()))
}

/// Says how it ended for one phone; its exit code.
fn tell(text: &TextOut) -> u8 {
    let name = text.name();
    match text.fate() {
        Some(Fate::Shown) => 0,
        Some(Fate::Refused(why)) => {
            say(&format!("\"{name}\" refused the text: {why}"));
            5
        }
        Some(Fate::Absent) | None => {
            say(&format!("\"{name}\" was not there in time"));
            4
        }
    }
}

fn input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let limit = CLIPBOARD_BYTES_MAX as u64 + 1;
    io::stdin().lock().take(limit).read_to_end(&mut bytes).context("can't read the input")?;
    ensure!(
        bytes.len() <= CLIPBOARD_BYTES_MAX,
        "the text has more than {CLIPBOARD_BYTES_MAX} bytes: send it as a file, by the command send"
    );
    ensure!(!bytes.is_empty(), "there is nothing to send: the input is empty");
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the input is not text in UTF-8: send it as a file"))
}
