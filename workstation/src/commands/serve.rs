//! `serve`: be there for the paired phones, until the end is asked for.

mod files;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use relay_client::app::Right;
use relay_client::lines::harmless;

use files::FileTaker;

use super::chat::phone_state;
use super::devices::may;
use super::inputs::{Input, Inputs};
use super::rights::changed;
use super::session::Session;
use crate::args::Global;
use crate::ipc::client::{AGENT_PAUSE, AgentClient};
use crate::ipc::wire::{FromAgent, RightsChange, ToAgent};
use crate::output::say;
use crate::status::{Event, Reporter};
use crate::talk::close_on_signal;

/// Be there for the paired phones, until Ctrl-C.
///
/// The agent stays, so phones reach this machine although no other command runs. If it is killed, another one
/// is started. `service install` runs this command whenever you are logged in.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) options: ServeOptions,
}

/// What is done for phones. A service has the same options.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServeOptions {
    /// Take the files that phones send, into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) inbox: Option<PathBuf>,

    /// Let phones that have the right `shell` open shells here.
    #[arg(long)]
    pub(crate) shell: bool,

    /// With --shell: give this phone the right. Can be given several times.
    #[arg(long = "for", value_name = "PHONE", requires = "shell")]
    pub(crate) shell_for: Vec<String>,
}

impl ServeOptions {
    /// True if one is given.
    pub(super) fn is_any(&self) -> bool {
        self.shell || !self.shell_for.is_empty() || self.inbox.is_some()
    }

    /// The words of a command line with these options. A right is given once, and not at each start.
    ///
    /// # Errors
    /// The path of the folder can't be made whole.
    pub(super) fn words(&self) -> anyhow::Result<Vec<OsString>> {
        let mut words: Vec<OsString> = self.shell.then(|| "--shell".into()).into_iter().collect();
        if let Some(folder) = &self.inbox {
            words.extend(["--inbox".into(), files::whole(folder)?.into_os_string()]);
        }
        Ok(words)
    }
}

/// # Errors
/// There is no agent, no phone of a name, or stdout takes nothing more.
pub(crate) fn run(args: &ServeArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Arc::new(Session::open(global)?);
    let inputs = Arc::new(Inputs::default());
    let interrupted = Arc::clone(&inputs);
    close_on_signal(move || interrupted.put(Input::Interrupted))?;
    grant_shells(&session, &args.options.shell_for)?;
    let reporter = Reporter::open(session.json, false)?;
    let inbox = args.options.inbox.as_deref();
    let taking = inbox.map(|folder| FileTaker::start(Arc::clone(&session), folder, &inputs)).transpose()?;
    let serves = Serves { shell: args.options.shell, inbox: args.options.inbox.clone() };
    Serve { session, serves, inputs, reporter, connection: 0, attached_at: None }.serve()?;
    drop(taking);
    Ok(ExitCode::SUCCESS)
}

/// Gives these phones the right to open shells.
///
/// # Errors
/// No phone has one of the names.
pub(super) fn grant_shells(session: &Session, phones: &[String]) -> anyhow::Result<()> {
    let change = RightsChange { add: vec![Right::Shell.as_str().to_owned()], ..RightsChange::default() };
    for name in phones {
        let phone = changed(session, name, &change)?;
        say(&format!("\"{}\" now has: {}", harmless(&phone.name), may(&phone.rights)));
    }
    Ok(())
}

/// What is done for phones.
struct Serves {
    shell: bool,
    inbox: Option<PathBuf>,
}

/// A `serve` at work.
struct Serve {
    session: Arc<Session>,
    serves: Serves,
    inputs: Arc<Inputs>,
    reporter: Reporter,
    /// The connection to the agent, which is another one after the agent has ended.
    connection: u32,
    attached_at: Option<Instant>,
}

impl Serves {
    fn words(&self) -> String {
        let mut words = "phones reach this machine".to_owned();
        if let Some(folder) = &self.inbox {
            words.push_str(&format!(", files go to {}", folder.display()));
        }
        if self.shell {
            words.push_str(", phones with the right to it open shells");
        }
        words
    }
}

impl Serve {
    fn serve(&mut self) -> anyhow::Result<()> {
        self.attach()?;
        loop {
            match self.inputs.next() {
                Input::Agent(of, Some(message)) if of == self.connection => self.on_message(message)?,
                Input::Agent(of, None) if of == self.connection => {
                    self.reporter.tell(&note("the agent has ended: starting another one"))?;
                    self.pause();
                    self.attach().context("another agent can't be used")?;
                }
                Input::Interrupted => return Ok(()),
                Input::Failed(error) => return Err(error),
                Input::Agent(..) | Input::Typed(..) | Input::AllSaid | Input::CodeMade => {}
            }
        }
    }

    /// An agent that fails at once is not started in a loop.
    fn pause(&self) {
        let has_lived = self.attached_at.is_some_and(|at| at.elapsed() > AGENT_PAUSE);
        if !has_lived {
            thread::sleep(AGENT_PAUSE);
        }
    }

    /// Tells the agent what this is, and the user who is there.
    fn attach(&mut self) -> anyhow::Result<()> {
        let (agent, answer) =
            self.session.agent_that_answered(&ToAgent::Serve { shell: self.serves.shell })?;
        self.connection += 1;
        self.attached_at = Some(Instant::now());
        self.tell_phones(answer)?;
        self.listen_to(agent)
    }

    fn listen_to(&self, agent: AgentClient) -> anyhow::Result<()> {
        self.inputs.listen_to(agent, self.connection).context("no thread for the agent")
    }

    fn tell_phones(&self, answer: FromAgent) -> anyhow::Result<()> {
        let FromAgent::Devices { phones, damaged } = answer else { return Ok(()) };
        damaged.iter().for_each(|words| say(&format!("warning: {words}")));
        self.reporter.tell(&note(&format!("serving: {}", self.serves.words())))?;
        if phones.is_empty() {
            self.reporter.tell(&note("no phone is paired yet: `workstation pair` adds one"))?;
        }
        for phone in phones {
            let state = phone_state(phone.state, None, String::new());
            self.reporter.tell(&Event::Phone { phone: phone.name, state })?;
        }
        Ok(())
    }

    fn on_message(&self, message: FromAgent) -> anyhow::Result<()> {
        match message {
            FromAgent::Status { phone, state, retry_in_ms, why } => {
                let state = phone_state(state, retry_in_ms, why);
                self.reporter.tell(&Event::Phone { phone, state })
            }
            FromAgent::Note { line } => self.reporter.tell(&note(&line)),
            FromAgent::Failed { why } => anyhow::bail!("{why}"),
            _ => Ok(()),
        }
    }
}

fn note(text: &str) -> Event {
    Event::Note { text: text.to_owned() }
}
