//! `chat`: lines of text both ways, with every paired phone or with some.

use std::io::{self, IsTerminal};
use std::process::{self, Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use relay_client::lines::{LineError, read_line};

use super::devices;
use super::editor::{self, Done, Edit, Editing};
use super::inputs::{Input, Inputs};
use super::pairing::Pairer;
use super::said::Said;
use super::session::{Session, thread};
use crate::args::{CodeArgs, Global, RelayArgs};
use crate::exit::{self, Outcome};
use crate::ipc::client::{AgentClient, GONE};
use crate::ipc::wire::{FromAgent, State, ToAgent};
use crate::output::say;
use crate::program;
use crate::status::{Event, PhoneState, Reporter};
use crate::talk::close_on_signal;

/// Talk to the paired phones in lines of text; pair first if there is no phone yet.
///
/// From a pipe, sends the lines and ends when every phone has confirmed them. At a terminal: /run [CMD]
/// shares a terminal, /devices lists the phones, /quit ends, and // begins a line with a slash.
#[derive(Debug, clap::Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    #[command(flatten)]
    pub(crate) code: CodeArgs,

    /// Talk to this phone only. Can be given several times.
    #[arg(long, value_name = "PHONE")]
    pub(crate) to: Vec<String>,
}

/// A chat at work.
struct Chat {
    session: Arc<Session>,
    to: Vec<String>,
    inputs: Arc<Inputs>,
    reporter: Reporter,
    /// The connection to the agent, which is another one after the agent has ended.
    connection: u32,
}

/// # Errors
/// There is no agent, no relay to pair at, or stdout takes nothing more.
pub(crate) fn run(args: &ChatArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Arc::new(Session::open(global)?);
    let inputs = Arc::new(Inputs::default());
    let interrupted = Arc::clone(&inputs);
    close_on_signal(move || interrupted.put(Input::Interrupted))?;
    if session.phones()?.is_empty() {
        let reporter = &Reporter::open(session.json, false)?;
        let pairer = Pairer {
            session: &session,
            relay: &args.relay,
            code: &args.code,
            name: None,
            inputs: &inputs,
            reporter,
        };
        let outcome = pairer.pair()?;
        if outcome != Outcome::Delivered {
            return Ok(outcome.into());
        }
    }
    let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal() && !session.json;
    let reporter = Reporter::open(session.json, is_interactive)?;
    // Numbers below were used by the codes.
    let connection = CONNECTION_FIRST;
    let to = args.to.clone();
    Chat { session, to, inputs, reporter, connection }.talk(is_interactive, global)
}

const CONNECTION_FIRST: u32 = 1_000_000;

impl Chat {
    fn talk(mut self, is_interactive: bool, global: &Global) -> anyhow::Result<ExitCode> {
        let agent = self.attach()?;
        let said = Said::open(agent.sender().context(GONE)?, &self.inputs)?;
        self.inputs.listen_to(agent, self.connection).context("no thread for the agent")?;
        if is_interactive {
            return self.talk_beside_editor(&said, global);
        }
        let reading = Arc::clone(&said);
        thread("stdin", move || read_stdin(&reading)).context("no thread for stdin")?;
        let outcome = self.follow(&said);
        said.stop();
        Ok(told(&outcome?).into())
    }

    /// Follows in a thread of its own, which ends the process: nothing else ends the editor.
    fn talk_beside_editor(mut self, said: &Arc<Said>, global: &Global) -> anyhow::Result<ExitCode> {
        let (editing, edit) = self.edit(said, global)?;
        let said = Arc::clone(said);
        let follow = move || {
            let outcome = self.follow(&said);
            drop(editing);
            let outcome = outcome.as_ref().map_or_else(exit::say_error, told);
            process::exit(outcome.code().into())
        };
        let following = std::thread::Builder::new().name("chat".into()).spawn(follow);
        let following = following.context("no thread for the chat")?;
        edit();
        drop(following.join());
        bail!("the chat's thread has failed")
    }

    /// Tells the agent that this is a chat, and tells the user who is there.
    fn attach(&mut self) -> anyhow::Result<AgentClient> {
        let (agent, answer) = self.session.agent_that_answered(&ToAgent::Chat { to: self.to.clone() })?;
        if let FromAgent::Devices { phones, damaged } = answer {
            damaged.iter().for_each(|words| say(&format!("warning: {words}")));
            for phone in phones.into_iter().filter(|phone| self.shows(&phone.name)) {
                let state = phone_state(phone.state, None, String::new());
                self.reporter.tell(&Event::Phone { phone: phone.name, state })?;
            }
        }
        Ok(agent)
    }

    fn shows(&self, phone: &str) -> bool {
        self.to.is_empty() || self.to.iter().any(|name| name == phone)
    }

    fn edit(&self, said: &Arc<Said>, global: &Global) -> anyhow::Result<(Editing, Edit)> {
        let (session, global) = (Arc::clone(&self.session), global.clone());
        let command = Box::new(move |line: &str| on_command(line, &session, &global));
        let ended = Arc::clone(said);
        let inputs = Arc::clone(&self.inputs);
        let at_end = Arc::clone(&self.inputs);
        let on_end = move || {
            if !ended.waiting.end() {
                // Nothing was said, so there is nothing to wait for.
                at_end.put(Input::AllSaid);
            }
        };
        editor::open(inputs, on_end, command)
    }

    fn follow(&mut self, said: &Arc<Said>) -> anyhow::Result<Outcome> {
        loop {
            match self.inputs.next() {
                Input::Agent(of, Some(message)) if of == self.connection => self.on_message(message, said)?,
                Input::Agent(of, None) if of == self.connection => self.on_agent_gone(said)?,
                Input::Agent(..) | Input::CodeMade => {}
                Input::Typed(line, _) => {
                    if self.on_typed(&line, said) {
                        return Ok(outcome(said));
                    }
                }
                Input::AllSaid | Input::Interrupted => return Ok(outcome(said)),
                Input::Failed(error) => return Err(error),
            }
        }
    }

    /// The agent was killed, or a newer one takes its place: what was not confirmed is said again.
    fn on_agent_gone(&mut self, said: &Arc<Said>) -> anyhow::Result<()> {
        said.on_agent_gone();
        self.connection += 1;
        let agent = self.attach().context("the agent has ended, and another one can't be used")?;
        said.on_agent(agent.sender().context(GONE)?);
        self.inputs.listen_to(agent, self.connection).context("no thread for the agent")
    }

    fn on_message(&self, message: FromAgent, said: &Said) -> anyhow::Result<()> {
        let event = match message {
            FromAgent::Heard { number, phone, text, at_ms } => {
                self.reporter.tell(&Event::Message { phone, text, at_ms })?;
                said.printed(number);
                return Ok(());
            }
            FromAgent::Delivered { number } => {
                said.settle(number, false);
                Event::Delivered { number }
            }
            FromAgent::NotSaid { number, why } => {
                said.settle(number, true);
                Event::NotSent { number, why }
            }
            FromAgent::Status { phone, state, retry_in_ms, why } => {
                let state = phone_state(state, retry_in_ms, why);
                Event::Phone { phone, state }
            }
            FromAgent::Note { line } => Event::Note { text: line },
            FromAgent::Failed { why } => anyhow::bail!("{why}"),
            FromAgent::Hello { .. }
            | FromAgent::Done
            | FromAgent::Devices { .. }
            | FromAgent::Pairing(_)
            | FromAgent::Carried(_)
            | FromAgent::Notifying { .. }
            | FromAgent::Notified { .. } => {
                return Ok(());
            }
        };
        self.reporter.tell(&event)
    }

    /// A line of the line editor. True if it ends the chat.
    fn on_typed(&self, line: &str, said: &Said) -> bool {
        let line = line.trim_end();
        let line = match line.strip_prefix('/') {
            _ if line.is_empty() => {
                said.retry();
                return false;
            }
            None => line,
            Some(rest) if rest.starts_with('/') => rest,
            Some("quit") => {
                if said.unconfirmed() > 0 {
                    say("waiting until the phones have the last lines; Ctrl-C ends at once");
                }
                return !said.waiting.end();
            }
            Some(_) => {
                say(
                    "not sent: a line that begins with / is a command (/run, /devices, /quit); begin it with // to \
                     send it",
                );
                return false;
            }
        };
        if !said.waiting.try_put(line.to_owned()) {
            said.waiting.lose();
            say("not sent: too many lines are waiting for the phones");
        }
        false
    }
}

/// What a line of the editor asks for besides talking.
fn on_command(line: &str, session: &Session, global: &Global) -> Done {
    let line = line.trim_end();
    let done = match line.split_once(' ').unwrap_or((line, "")) {
        ("/run", script) => share(script.trim(), global),
        ("/devices", _) => session.phones().and_then(|phones| devices::list(&phones, false)),
        ("/quit", "") => return Done::Last,
        _ => return Done::Not,
    };
    if let Err(error) = done {
        say(&format!("error: {error:#}"));
    }
    Done::Here
}

/// Shares a terminal in this window, as `run` does, and comes back when its command has ended or is detached.
/// The command is a line for the shell; without one it is the user's shell. A process of its own, as its
/// window reads the terminal to its very end.
fn share(script: &str, global: &Global) -> anyhow::Result<()> {
    let program = program::own().context("can't find this program's own file")?;
    let mut command = Command::new(program);
    command.args(["run", "--profile", &global.profile]);
    if !script.is_empty() {
        command.args(["--", "sh", "-c", script]);
    }
    command.status().context("can't share a terminal")?;
    Ok(())
}

/// Tells the user what the outcome alone does not.
fn told(outcome: &Outcome) -> Outcome {
    if let Outcome::NotTaken(lines) = outcome {
        say(&format!("{lines} of the lines were not confirmed by every phone"));
    }
    outcome.clone()
}

fn outcome(said: &Said) -> Outcome {
    match said.unconfirmed() {
        0 => Outcome::Delivered,
        lines => Outcome::NotTaken(lines),
    }
}

pub(super) fn phone_state(state: State, retry_in_ms: Option<u64>, why: String) -> PhoneState {
    match (state, retry_in_ms) {
        (State::Online, _) => PhoneState::Encrypted,
        (State::Away, _) => PhoneState::Away,
        (State::Connecting, Some(ms)) => PhoneState::Retry { after: Duration::from_millis(ms), why },
        (State::Connecting, None) => PhoneState::Connecting,
        (State::Ended, _) => PhoneState::Ended,
    }
}

/// Takes the lines of a pipe, or of a terminal without an editor.
fn read_stdin(said: &Said) {
    let mut input = io::stdin().lock();
    loop {
        match read_line(&mut input) {
            Ok(Some(line)) => said.waiting.put(line),
            Ok(None) => {
                // A service runs with an empty input, which ends nothing.
                said.waiting.end();
                return;
            }
            Err(error) => {
                say(&error.to_string());
                said.waiting.lose();
                if matches!(error, LineError::Io(_)) {
                    said.waiting.end();
                    return;
                }
            }
        }
    }
}
