//! `run`: run a command, or your shell, and share its terminal with the paired phones.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::Context;

use super::session::Session;
use crate::args::Global;
use crate::ipc::client::AGENT_PAUSE;
use crate::output::say;
use crate::state::phones::{PhoneFile, load_all};
use crate::terminal_host::names;
use crate::terminal_host::start::{NewTerminal, Started, shell, start};
use crate::terminal_host::wire::End;
use crate::window::{self, Outcome, Parting};

/// Run a command, or your shell, and share its terminal with the paired phones.
///
/// You use it here exactly as if it ran alone. If the window is closed, the command goes on: `attach` comes
/// back to it. So does `Ctrl-\` and then `d`. The exit code is the command's; 125 if the terminal failed, 126
/// or 127 if the command could not be started, 0 after you detached.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Let phones watch, and not type.
    #[arg(long)]
    pub(crate) view_only: bool,

    /// Pass on to the phones what the command puts into the clipboard (OSC 52): it lies in a box there until
    /// you tap it.
    #[arg(long)]
    pub(crate) clipboard: bool,

    /// Share with this phone only. Can be given several times.
    #[arg(long, value_name = "PHONE")]
    pub(crate) to: Vec<String>,

    /// End the command when the window is closed.
    #[arg(long)]
    pub(crate) hang_up: bool,

    /// The terminal's name. [default: the command's, with a number if that is taken]
    #[arg(long, value_name = "NAME", value_parser = names::checked_name)]
    pub(crate) name: Option<String>,

    /// The command and its arguments. [default: your shell]
    #[arg(trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// The exit code if the terminal itself failed. `env`, `timeout` and others have the same.
const FAILED: u8 = 125;

/// # Errors
/// None: the exit code tells, apart from the command's.
pub(crate) fn run(args: &RunArgs, global: &Global) -> anyhow::Result<ExitCode> {
    Ok(share(args, global).unwrap_or_else(|error| {
        say(&format!("error: {error:#}"));
        ExitCode::from(FAILED)
    }))
}

fn share(args: &RunArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let phones = load_all(session.folders.state())?.0;
    // Another phone may have the name later, but no other one has the id.
    let args = &RunArgs { to: ids_of(&args.to, &phones)?, ..args.clone() };
    let command = if args.command.is_empty() { vec![shell()] } else { args.command.clone() };
    let terminal = NewTerminal {
        name: args.name.as_deref(),
        command: &command,
        view_only: args.view_only,
        clipboard: args.clipboard,
        to: &args.to,
        shell: None,
    };
    // The host outlives this process.
    let Started { stream, name, .. } = start(&session.folders, &global.profile, &terminal)?;
    let has_phones = !phones.is_empty();
    // Only before a shell: a command's output is to be its own.
    if !has_phones && args.command.is_empty() && io::stderr().is_terminal() {
        say("no phone is paired yet: `workstation pair` in another window adds one");
    }
    // The command need not wait for the agent.
    let agent = has_phones.then(|| thread::spawn(move || keep_agent(&session)));
    let code = show(stream, &name, args.hang_up)?;
    let started = agent.filter(JoinHandle::is_finished).and_then(|agent| agent.join().ok());
    if let Some(Err(error)) = started {
        say(&format!("no phone saw this: {error:#}"));
    }
    Ok(code)
}

/// Starts the agent, and another one when it was killed, so that phones reach the terminal while its window
/// is open. Returns only if none can be started.
fn keep_agent(session: &Session) -> anyhow::Result<()> {
    loop {
        let mut agent = session.agent()?;
        // What it says is for other commands. It ends, or its connection breaks, when it is gone.
        while let Ok(Some(_)) = agent.next() {}
        thread::sleep(AGENT_PAUSE);
    }
}

/// The ids of the phones of these names.
fn ids_of(names: &[String], phones: &[Arc<PhoneFile>]) -> anyhow::Result<Vec<String>> {
    let id_of = |name: &String| {
        let phone = phones.iter().find(|phone| phone.name() == *name);
        let phone =
            phone.with_context(|| format!("no phone is called \"{name}\"; the command devices lists them"));
        Ok(phone?.id().to_owned())
    };
    names.iter().map(id_of).collect()
}

/// Shows the terminal in this window, and says what there is to say afterwards.
pub(super) fn show(stream: UnixStream, name: &str, hang_up: bool) -> anyhow::Result<ExitCode> {
    let Parting { outcome, notes } = window::show(stream, name, hang_up)?;
    let code = match outcome {
        Outcome::Ended(end) => {
            if let End::NotStarted { why, .. } = &end {
                say(&format!("error: could not start the command: {why}"));
            }
            end.exit_code()
        }
        Outcome::Detached => {
            say(&window::way_back(name));
            0
        }
        Outcome::Closed => FAILED,
        Outcome::Lost => {
            say(&format!(
                "error: the process that kept the terminal {name} was killed, and its command with it"
            ));
            FAILED
        }
    };
    if !notes.is_empty() {
        say(&format!("meanwhile: {}", notes.join(", ")));
    }
    Ok(ExitCode::from(code))
}
