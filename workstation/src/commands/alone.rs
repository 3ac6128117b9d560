//! With `--alone`: bare lines to one phone, in this process alone. No agent, and none of the profile's
//! phones.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, EngineSettings, FileKeeper, KeepNothing, Keeper, StartError};
use relay_client::http::{self, Registration};
use relay_client::{Client, ConnectionSettings};

use crate::address::{self, Address};
use crate::args::{CodeArgs, Global, RelayArgs};
use crate::code::{MadeCode, Shown};
use crate::commands::chat::ChatArgs;
use crate::exit::Outcome;
use crate::output::say;
use crate::relay::Relay;
use crate::talk;
use crate::talk::keyboard::Keyboard;
use crate::talk::sealed::{Conversation, Options};

/// Talk to one phone in this process.
#[derive(Debug, clap::Args)]
pub(crate) struct AloneArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    #[command(flatten)]
    pub(crate) code: CodeArgs,

    /// Talk to one phone in this process, without an agent. Nothing is kept unless --keep says so.
    #[arg(long)]
    pub(crate) alone: bool,

    /// Keep the pair in this file. If the file has a pair, resume it without showing a code. Implies --alone.
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub(crate) keep: Option<PathBuf>,

    /// End the kept pair, and exit.
    #[arg(long, requires = "keep")]
    pub(crate) forget: bool,

    /// Exit when the phone has been away for this long. Implies --alone. [default: never]
    #[arg(long, value_name = "SECS", conflicts_with = "plain")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) resume_secs: Option<u32>,

    /// Talk without encryption, for phones that do not support it. The relay can read every message. Implies
    /// --alone.
    #[arg(long, conflicts_with = "page_url")]
    pub(crate) plain: bool,

    /// At the end, end the pair and delete the session: the phone is told, and it cannot reconnect. Implies
    /// --alone.
    #[arg(long)]
    pub(crate) kill: bool,
}

impl AloneArgs {
    /// True if an option asks for the conversation without an agent.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone || self.plain || self.kill || self.keep.is_some() || self.resume_secs.is_some()
    }

    /// The same options for the chat through the agent.
    pub(crate) fn chat(&self) -> ChatArgs {
        ChatArgs { relay: self.relay.clone(), code: self.code.clone(), to: Vec::new() }
    }
}

/// One conversation, with what it needs of the relay.
struct Alone<'a> {
    args: &'a AloneArgs,
    relay: Relay,
}

/// # Errors
/// The conversation could not begin, or its output takes nothing more.
pub(crate) fn run(args: &AloneArgs, _: &Global) -> anyhow::Result<ExitCode> {
    let outcome = Alone { args, relay: Relay::of(&args.relay)? }.converse()?;
    if let Outcome::NotTaken(lines) = outcome {
        say(&format!("the phone has not confirmed {lines} of the lines"));
    }
    Ok(outcome.into())
}

impl Alone<'_> {
    fn converse(&self) -> anyhow::Result<Outcome> {
        let args = self.args;
        if args.plain {
            return self.converse_plain();
        }
        let resumed = match Engine::resume(&self.settings(), self.keeper()) {
            Err(StartError::NothingKept) if args.forget => anyhow::bail!(StartError::NothingKept),
            Err(StartError::NothingKept) => None,
            resumed => Some(resumed.with_context(|| match &args.keep {
                Some(file) => format!("--keep {}", file.display()),
                None => "could not resume the pair".to_owned(),
            })?),
        };
        if args.forget
            && let Some(engine) = &resumed
        {
            engine.forget()?;
            say("the pair is forgotten");
            return Ok(Outcome::Delivered);
        }
        let keyboard = Keyboard::find();
        if resumed.is_none() && keyboard.is_none() && !args.code.yes {
            anyhow::bail!(
                "there is no terminal to ask whether a phone may pair: run this in a terminal, or with --yes"
            );
        }
        let options = Options {
            yes: args.code.yes,
            resume_for: args.resume_secs.map(|secs| Duration::from_secs(secs.into())),
            forget: args.kill,
        };
        let (mut engine, mut shown) = match resumed {
            Some(engine) => {
                say("resuming with the paired phone; --forget ends the pair");
                (engine, None)
            }
            None => self.pair().map(|(engine, shown)| (engine, Some(shown)))?,
        };
        let conversation = Conversation::open(options, keyboard)?;
        loop {
            let (outcome, ending) = conversation.talk(engine, shown.as_ref())?;
            if !ending.code_spent || !conversation.wants_new_code() {
                return Ok(outcome);
            }
            // It lets go of its place on the screen, which the next one takes.
            drop(shown);
            let (next, code) = self.pair()?;
            (engine, shown) = (next, Some(code));
        }
    }

    fn keeper(&self) -> Box<dyn Keeper> {
        match &self.args.keep {
            Some(file) => Box::new(FileKeeper::new(file)),
            None => Box::new(KeepNothing),
        }
    }

    fn settings(&self) -> EngineSettings {
        let mut settings = self.relay.engine_settings();
        settings.options.pair_for = Duration::from_secs(self.args.code.pair_secs.into());
        settings
    }

    /// Makes a session and a code for it, shows the code, and waits for a phone.
    fn pair(&self) -> anyhow::Result<(Engine, Shown)> {
        let MadeCode { code, text, address } = MadeCode::for_bare_messages(&self.relay)?;
        let shown = Shown::show(&self.args.code.show_options(), &text, &address)?;
        Ok((Engine::pair(Role::Workstation, code, &self.settings(), self.keeper())?, shown))
    }

    /// The same without encryption, as the contract's first version has it.
    fn converse_plain(&self) -> anyhow::Result<Outcome> {
        let registration = self.relay.register()?;
        let (pairing, address) = self.pairing_for_phone(&registration)?;
        let _shown = Shown::show(&self.args.code.show_options(), &pairing.to_json(), &address)?;
        let settings = ConnectionSettings {
            endpoint: self.relay.server.web_socket(),
            ..ConnectionSettings::new(&pairing, Role::Workstation)?
        };
        let outcome = talk::plain::talk(Client::connect(settings)?)?;
        if self.args.kill && matches!(outcome, Outcome::Delivered | Outcome::NotTaken(_)) {
            self.end_session(&pairing)?;
        }
        Ok(outcome)
    }

    /// The pairing with an address that means the relay on the phone.
    fn pairing_for_phone(&self, registration: &Registration) -> anyhow::Result<(Pairing, Address)> {
        let address = address::for_phone(&self.relay, &registration.pairing.ws)?;
        Ok((Pairing { ws: address.endpoint.to_string(), ..registration.pairing.clone() }, address))
    }

    fn end_session(&self, pairing: &Pairing) -> anyhow::Result<()> {
        let was_there = http::delete(&self.relay.server, pairing.session, &pairing.token)
            .context("the session was not deleted and ends when it expires")?;
        say(if was_there { "session deleted" } else { "the session had already ended" });
        Ok(())
    }
}
