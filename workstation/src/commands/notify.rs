//! `notify`: show a notice on the phones.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use relay_client::app::notice::limits::TEXT_BYTES_MAX;
use relay_client::tunnel::{Entropy, SystemEntropy};
use serde::Serialize;

use super::session::Session;
use crate::args::Global;
use crate::ipc::client::{AgentClient, GONE};
use crate::ipc::wire::{Fate, FromAgent, NotifyRequest, ToAgent};
use crate::output::{print, say};

/// Show a notice on your phones.
///
/// A phone that is connected and visible shows it at once. One that is not gets it as a push notification, if
/// you allowed that on the phone. The command ends when a phone has shown it, or when nothing more is to be
/// expected.
#[derive(Debug, clap::Args)]
pub(crate) struct NotifyArgs {
    /// What to say; `-` reads it from the standard input.
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) text: Vec<String>,

    /// A title above it. [default: this machine's name]
    #[arg(long, value_name = "TITLE")]
    pub(crate) title: Option<String>,

    /// It can't wait: phones may make a sound in their quiet hours.
    #[arg(long)]
    pub(crate) urgent: bool,

    /// How long to wait until a phone has shown it.
    #[arg(long, value_name = "SECS", default_value = "20")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub(crate) wait: u32,

    /// Show it on this phone only; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Vec<String>,
}

/// After a push service has taken it, so long other phones may show it.
const OTHERS_WITHIN: Duration = Duration::from_secs(6);

/// # Errors
/// There is no such phone, nothing to say, or no agent.
pub(crate) fn run(args: &NotifyArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let text = text(args)?;
    let request = NotifyRequest {
        id: new_id()?,
        title: args.title.clone().unwrap_or_default(),
        text,
        urgent: args.urgent,
        to: args.to.clone(),
    };
    let deadline = Instant::now() + Duration::from_secs(args.wait.into());
    let (agent, answer) = session.agent_that_answered(&ToAgent::Notify(Box::new(request)))?;
    let FromAgent::Notifying { phones } = answer else {
        anyhow::bail!("the agent gave another answer: {answer:?}");
    };
    let mut waiting = Waiting { phones, pushed: Vec::new(), json: session.json };
    Ok(waiting.wait(agent, deadline)?.into())
}

/// The phones that have not shown it.
struct Waiting {
    /// Nothing is known of these.
    phones: Vec<String>,
    /// A push service has it for these.
    pushed: Vec<String>,
    json: bool,
}

/// One line for scripts.
#[derive(Serialize)]
struct Event<'a> {
    event: Fate,
    phone: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
}

impl Waiting {
    /// The exit code: 0 if a phone has shown it, 3 if a push service has it, 1 if neither.
    fn wait(&mut self, mut agent: AgentClient, mut deadline: Instant) -> anyhow::Result<u8> {
        while !self.phones.is_empty() && Instant::now() < deadline {
            let news = match agent.next_until(deadline) {
                Err(error) if is_timeout(&error) => break,
                news => news.context(GONE)?,
            };
            let Some(news) = news else { anyhow::bail!(GONE) };
            let FromAgent::Notified { phone, fate, why } = news else { continue };
            self.tell(&phone, fate, &why)?;
            match fate {
                Fate::Shown => return Ok(0),
                Fate::Pushed => {
                    deadline = deadline.min(Instant::now() + OTHERS_WITHIN);
                    self.pushed.push(phone.clone());
                    self.phones.retain(|name| *name != phone);
                }
                Fate::Dropped => self.phones.retain(|name| *name != phone),
                // The phone may still come.
                Fate::NotPushed => {}
            }
        }
        if !self.pushed.is_empty() {
            return Ok(3);
        }
        if !self.json {
            say(
                "not shown: no phone has shown it, and no push service has it. It is kept only while the agent \
                 runs, as with `workstation serve`",
            );
        }
        Ok(1)
    }

    fn tell(&self, phone: &str, fate: Fate, why: &str) -> anyhow::Result<()> {
        if self.json {
            let line = sonic_rs::to_string(&Event { event: fate, phone, why }).unwrap_or_default();
            print(&line, line.as_bytes())?;
            return Ok(());
        }
        match fate {
            Fate::Shown => {}
            Fate::Pushed => say(&format!("\"{phone}\" gets it as a push notification")),
            Fate::NotPushed | Fate::Dropped => say(&format!("\"{phone}\": {why}")),
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock].contains(&error.kind())
}

/// The text of the command line or of the standard input. Of a long input, the writer is not stopped by the
/// end of this process.
fn text(args: &NotifyArgs) -> anyhow::Result<String> {
    let text = match args.text.as_slice() {
        [dash] if dash == "-" => {
            let mut input = io::stdin().lock();
            if input.is_terminal() {
                say("type the text, and then Ctrl-D");
            }
            let mut bytes = Vec::new();
            (&mut input)
                .take(TEXT_BYTES_MAX as u64)
                .read_to_end(&mut bytes)
                .context("can't read the input")?;
            // At a terminal, an input that has ended would go on.
            if bytes.len() == TEXT_BYTES_MAX {
                io::copy(&mut input, &mut io::sink()).context("can't read the input")?;
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
        words => words.join(" "),
    };
    ensure!(!text.trim().is_empty(), "there is nothing to say: the text is empty");
    Ok(text)
}

fn new_id() -> anyhow::Result<String> {
    let mut bytes = [0; 12];
    SystemEntropy.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
