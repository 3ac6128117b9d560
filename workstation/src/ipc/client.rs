//! A command's end of the agent's socket: finds the agent or starts it, then asks and listens. Blocking.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::program;
use anyhow::{Context, anyhow, bail};

use super::folder::Folders;
use super::frame::{self, Decoder};
use super::peer;
use super::wire::{self, FromAgent, ToAgent, carry};

/// From the first try to the agent's hello, its start and an older one's end included.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// From the connection to the agent's hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// The agent answers everything at once, but a revocation may have to wait for the relay.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

const TRY_EVERY: Duration = Duration::from_millis(20);

/// How long an agent may be gone before another one is started: long enough that one which fails at once
/// costs nothing.
pub(crate) const AGENT_PAUSE: Duration = Duration::from_secs(1);

/// A connection to the agent.
pub(crate) struct AgentClient {
    stream: UnixStream,
    decoder: Decoder,
}

/// One thing that the agent says.
pub(crate) enum Heard {
    Message(FromAgent),
    /// A message of the carried channel with this handle.
    Data(u32, Vec<u8>),
}

/// What a try to connect found.
enum Found {
    Agent(AgentClient),
    /// Nobody listens, or the agent was just ending.
    Nobody,
    /// An agent of an older version, which was asked to end.
    Older,
}

impl AgentClient {
    /// The agent of this profile, which is started if none runs.
    ///
    /// # Errors
    /// It could not be started, or what listens there must not be talked to.
    pub(crate) fn find_or_start(folders: &Folders, profile: &str) -> anyhow::Result<Self> {
        let deadline = Instant::now() + FOUND_WITHIN;
        let mut started: Option<Child> = None;
        while Instant::now() < deadline {
            if let Found::Agent(client) = connect(folders)? {
                leave(started);
                return Ok(client);
            }
            started = match started.take() {
                None => Some(start(profile)?),
                Some(mut child) => match child.try_wait().context("can't wait for the agent")? {
                    None => Some(child),
                    // Another one was there before it.
                    Some(status) if status.success() => None,
                    Some(status) => bail!("the agent did not start ({status}): {}", last_words(folders)),
                },
            };
            thread::sleep(TRY_EVERY);
        }
        leave(started);
        bail!("no agent answers at {}: {}", folders.agent_socket()?.display(), last_words(folders))
    }

    /// # Errors
    /// The agent is gone.
    pub(crate) fn send(&mut self, message: &ToAgent) -> io::Result<()> {
        send(&mut self.stream, message)
    }

    /// The next message; `None` when the agent has closed the connection. Messages of a later version are
    /// left out.
    ///
    /// # Errors
    /// The connection failed, or nothing came in time.
    pub(crate) fn next(&mut self) -> io::Result<Option<FromAgent>> {
        loop {
            match self.next_heard()? {
                Some(Heard::Message(message)) => return Ok(Some(message)),
                Some(Heard::Data(..)) => {}
                None => return Ok(None),
            }
        }
    }

    /// As [`AgentClient::next`]; waits until `deadline` at most.
    ///
    /// # Errors
    /// As there; `TimedOut` or `WouldBlock` if nothing came in time.
    pub(crate) fn next_until(&mut self, deadline: Instant) -> io::Result<Option<FromAgent>> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        self.next()
    }

    /// As [`AgentClient::next`], with the messages of carried channels.
    ///
    /// # Errors
    /// The connection failed, or nothing came in time.
    pub(crate) fn next_heard(&mut self) -> io::Result<Option<Heard>> {
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                let heard = match frame.kind {
                    wire::JSON => wire::parsed(frame.payload).map(Heard::Message),
                    wire::DATA => carry::parsed_data(frame.payload)
                        .map(|(handle, message)| Heard::Data(handle, message.to_vec())),
                    _ => None,
                };
                if heard.is_some() {
                    return Ok(heard);
                }
            }
            match self.decoder.read_from(&mut self.stream) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks, and gives the answer. What is told besides comes before it and goes to `told`.
    ///
    /// # Errors
    /// The agent says why it did not do it, or is gone.
    pub(crate) fn ask(
        &mut self,
        message: &ToAgent,
        mut told: impl FnMut(FromAgent),
    ) -> anyhow::Result<FromAgent> {
        self.stream.set_read_timeout(Some(ANSWER_WITHIN)).context("can't set a time limit")?;
        self.send(message).context(GONE)?;
        let answer = loop {
            match self.next().context(GONE)? {
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)).context(GONE),
                Some(FromAgent::Failed { why }) => bail!("{why}"),
                Some(
                    answer @ (FromAgent::Done | FromAgent::Devices { .. } | FromAgent::Notifying { .. }),
                ) => break answer,
                Some(other) => told(other),
            }
        };
        self.stream.set_read_timeout(None).context("can't set a time limit")?;
        Ok(answer)
    }

    /// A second handle that sends, for another thread.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    pub(crate) fn sender(&self) -> io::Result<AgentSender> {
        let stream = self.stream.try_clone()?;
        // Where the system allows less, it takes less at once.
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        Ok(AgentSender { stream, unwritten: Vec::new() })
    }
}

/// Sends to the agent, while another thread listens.
pub(crate) struct AgentSender {
    stream: UnixStream,
    /// Messages of channels that were not written yet: each write wakes the agent.
    unwritten: Vec<u8>,
}

/// With more than this they are written.
const UNWRITTEN_MAX: usize = 192 * 1024;

/// The system counts its own structures, too.
const SEND_BUFFER: usize = 2 * UNWRITTEN_MAX;

impl AgentSender {
    /// # Errors
    /// The agent is gone.
    pub(crate) fn send(&mut self, message: &ToAgent) -> io::Result<()> {
        self.flush()?;
        send(&mut self.stream, message)
    }

    /// Sends a message of the carried channel with this handle, with the next `flush` at the latest.
    ///
    /// # Errors
    /// The agent is gone.
    pub(crate) fn send_data(&mut self, handle: u32, message: &[u8]) -> io::Result<()> {
        self.unwritten.extend_from_slice(&frame::header(wire::DATA, 4 + message.len()));
        self.unwritten.extend_from_slice(&handle.to_be_bytes());
        self.unwritten.extend_from_slice(message);
        if self.unwritten.len() > UNWRITTEN_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The agent is gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.unwritten);
        self.unwritten.clear();
        written
    }
}

/// Said when the agent ends while a command needs it.
pub(crate) const GONE: &str = "the agent has ended; agent.log in the profile's state folder may say why";

fn send(stream: &mut UnixStream, message: &ToAgent) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::encode(wire::JSON, &wire::payload(message), &mut bytes);
    stream.write_all(&bytes)
}

fn connect(folders: &Folders) -> anyhow::Result<Found> {
    match (connect_at(&folders.agent_socket()?)?, folders.noted_socket()) {
        (Found::Nobody, Some(noted)) => connect_at(&noted),
        (found, _) => Ok(found),
    }
}

fn connect_at(path: &Path) -> anyhow::Result<Found> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => return Ok(Found::Nobody),
        Err(error) => return Err(error).with_context(|| format!("can't connect to {}", path.display())),
    };
    peer::check_own(&stream).with_context(|| format!("{} must not be used", path.display()))?;
    stream.set_read_timeout(Some(HELLO_WITHIN)).context("can't set a time limit")?;
    let mut client = AgentClient { stream, decoder: Decoder::default() };
    match client.greet() {
        Ok(Some(FromAgent::Hello { version, .. })) if version < wire::VERSION => {
            // It may have ended before it read this.
            drop(client.send(&ToAgent::StepDown));
            // Its end of the socket closes with it.
            while let Ok(Some(_)) = client.next() {}
            Ok(Found::Older)
        }
        Ok(Some(FromAgent::Hello { .. })) => {
            client.stream.set_read_timeout(None).context("can't set a time limit")?;
            Ok(Found::Agent(client))
        }
        // It was ending, or was killed.
        Ok(None) => Ok(Found::Nobody),
        Err(error) if is_nobody(&error) => Ok(Found::Nobody),
        Ok(Some(_)) => Err(anyhow!("{} does not answer like an agent: end its process", path.display())),
        Err(error) => {
            let pid = peer::pid_of(&client.stream).map(|pid| format!(" {pid}")).unwrap_or_default();
            Err(error).with_context(|| {
                format!("the agent at {} does not answer: end its process{pid} and try again", path.display())
            })
        }
    }
}

impl AgentClient {
    fn greet(&mut self) -> io::Result<Option<FromAgent>> {
        self.send(&ToAgent::Hello { version: wire::VERSION })?;
        self.next()
    }
}

/// What is found in the agent's place by a command that neither starts nor ends anything.
pub(crate) enum Present {
    Nobody,
    /// It answers. `is_older`: the next command replaces it.
    Agent {
        client: AgentClient,
        pid: u32,
        program: String,
        is_older: bool,
    },
}

/// Looks for the agent.
///
/// # Errors
/// Something else is there, or the agent does not answer.
pub(crate) fn look(folders: &Folders) -> anyhow::Result<Present> {
    let places = [Some(folders.agent_socket()?), folders.noted_socket()];
    for path in places.into_iter().flatten() {
        match look_at(&path)? {
            Present::Nobody => {}
            found => return Ok(found),
        }
    }
    Ok(Present::Nobody)
}

fn look_at(path: &Path) -> anyhow::Result<Present> {
    let mut client = match UnixStream::connect(path) {
        Ok(stream) => AgentClient { stream, decoder: Decoder::default() },
        Err(error) if is_nobody(&error) => return Ok(Present::Nobody),
        Err(error) => return Err(error).with_context(|| format!("can't connect to {}", path.display())),
    };
    peer::check_own(&client.stream).with_context(|| format!("{} must not be used", path.display()))?;
    client.stream.set_read_timeout(Some(HELLO_WITHIN)).context("can't set a time limit")?;
    match client.greet() {
        Ok(Some(FromAgent::Hello { version, pid, program })) => {
            Ok(Present::Agent { client, pid, program, is_older: version < wire::VERSION })
        }
        Ok(Some(_)) => bail!("{} does not answer like an agent: end its process", path.display()),
        Ok(None) => Ok(Present::Nobody),
        Err(error) if is_nobody(&error) => Ok(Present::Nobody),
        Err(error) => {
            let pid = peer::pid_of(&client.stream).map(|pid| format!(" {pid}")).unwrap_or_default();
            Err(error).with_context(|| format!("the agent does not answer: end its process{pid}"))
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    [NotFound, ConnectionRefused, ConnectionReset, BrokenPipe].contains(&error.kind())
}

/// Starts the agent in the background, away from this command's terminal.
fn start(profile: &str) -> anyhow::Result<Child> {
    let program = program::own().context("can't find this program's own file")?;
    let mut command = Command::new(&program);
    command.args(["agent", "--profile", profile]).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The agent gets keys over its socket, for one relay each.
    command.env_remove("REGISTER_KEY");
    command.spawn().with_context(|| format!("can't start the agent ({})", program.display()))
}

/// Lets the system forget the agent when it ends, in case it ends before this command does.
fn leave(child: Option<Child>) {
    let Some(mut child) = child else { return };
    // Without the thread, a dead agent's entry stays until this command ends.
    drop(thread::Builder::new().name("agent-end".into()).spawn(move || child.wait()));
}

/// The agent's last line in its log.
fn last_words(folders: &Folders) -> String {
    let path = log_path(folders);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let last = text.lines().next_back().unwrap_or("nothing was written there");
    format!("see {}: {last}", path.display())
}

/// The agent's log.
pub(crate) fn log_path(folders: &Folders) -> PathBuf {
    folders.state().join("agent.log")
}
