//! What the commands of a profile need: its folders, its relay, and the way to its agent.

use std::io;

use crate::args::{Global, RelayArgs};
use crate::ipc::client::AgentClient;
use crate::ipc::folder::Folders;
use crate::ipc::wire::{FromAgent, Phone, ToAgent};
use crate::output::say;
use crate::relay::{Relay, records};
use crate::state::profile::{Profile, RelayRecord};

/// A profile in use.
pub(crate) struct Session {
    pub(crate) folders: Folders,
    name: String,
    /// Events and entries are told as JSON.
    pub(crate) json: bool,
}

impl Session {
    /// # Errors
    /// A folder can't be made, or is not this user's alone.
    pub(crate) fn open(global: &Global) -> anyhow::Result<Self> {
        let folders = Folders::open(&global.profile)?;
        Ok(Session { folders, name: global.profile.clone(), json: global.json })
    }

    /// The agent, which is started if none runs.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn agent(&self) -> anyhow::Result<AgentClient> {
        AgentClient::find_or_start(&self.folders, &self.name)
    }

    /// Asks the agent for one thing.
    ///
    /// # Errors
    /// It says why it was not done.
    pub(crate) fn ask(&self, request: &ToAgent) -> anyhow::Result<FromAgent> {
        Ok(self.agent_that_answered(request)?.1)
    }

    /// Asks the agent for one thing, and goes on with it. Another agent is asked where one has ended before
    /// it did anything.
    ///
    /// # Errors
    /// It says why it was not done.
    pub(crate) fn agent_that_answered(&self, request: &ToAgent) -> anyhow::Result<(AgentClient, FromAgent)> {
        let mut tries = 1;
        loop {
            let mut agent = self.agent()?;
            let answer = agent.ask(request, |told| {
                if let FromAgent::Note { line } = told {
                    say(&line);
                }
            });
            match answer {
                Ok(answer) => return Ok((agent, answer)),
                Err(error) if tries < TRIES && was_not_read(&error, request) => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The paired phones. What is wrong with files of others is said.
    ///
    /// # Errors
    /// The agent does not answer.
    pub(crate) fn phones(&self) -> anyhow::Result<Vec<Phone>> {
        match self.ask(&ToAgent::Devices)? {
            FromAgent::Devices { phones, damaged } => {
                damaged.iter().for_each(|words| say(&format!("warning: {words}")));
                Ok(phones)
            }
            other => anyhow::bail!("the agent gave another answer: {other:?}"),
        }
    }

    /// The relay that these options mean, with the profile's for what they leave out; and as it is written
    /// down.
    ///
    /// # Errors
    /// The profile is damaged, or the file of the CAs can't be read.
    pub(crate) fn relay(&self, args: &RelayArgs) -> anyhow::Result<(Relay, RelayRecord)> {
        let profile = Profile::load(self.folders.state())?;
        let args = records::completed(args, profile.as_ref())?;
        let relay = Relay::of(&args)?;
        let record = relay.record(&args)?;
        Ok((relay, record))
    }

    /// Keeps the relay of the first pair, if `setup` has kept none.
    ///
    /// # Errors
    /// The profile can't be read or written.
    pub(crate) fn keep_first(&self, relay: &RelayRecord, args: &RelayArgs) -> anyhow::Result<()> {
        if Profile::load(self.folders.state())?.is_none() {
            let public_url = args.public_url.as_ref().map(ToString::to_string);
            let profile = Profile { relay: relay.clone(), public_url, push_services: Vec::new() };
            profile.save(self.folders.state()).map_err(anyhow::Error::from)?;
        }
        Ok(())
    }
}

/// How many agents may end just when they are asked.
const TRIES: u32 = 4;

/// True if the agent's end has left the request undone, or doing it twice does no harm.
fn was_not_read(error: &anyhow::Error, request: &ToAgent) -> bool {
    let kind = error.root_cause().downcast_ref().map(io::Error::kind);
    let changes_nothing = matches!(
        request,
        ToAgent::Devices | ToAgent::Chat { .. } | ToAgent::Serve { .. } | ToAgent::Notify(_)
    );
    match kind {
        Some(io::ErrorKind::BrokenPipe) => true,
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => changes_nothing,
        _ => false,
    }
}

/// Starts a thread; its name is for people who look at the process.
///
/// # Errors
/// The system has none.
pub(crate) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
