//! The workstation program: registers a session, shows its QR code, passes lines to and from the phone.
//!
//! Both binaries call [`run`]. `args` is the command line, `address` decides what the phone is told to
//! connect to, `code` shows the code: `picture` draws it, `terminal` knows what fits. `talk` holds the
//! conversation, `output` prints, `exit` has the exit codes. The connection itself is `relay-client`'s.

mod address;
mod args;
mod code;
mod exit;
mod output;
mod picture;
mod talk;
mod terminal;
mod terminal_host;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, EngineSettings, FileKeeper, KeepNothing, Keeper, StartError};
use relay_client::http::{self, HttpError, Registration};
use relay_client::tunnel::{Code, PairingKey, SystemEntropy};
use relay_client::{Ca, Client, ConnectionSettings};

use address::Address;
use args::Args;
use exit::Outcome;
use output::say;
use talk::keyboard::Keyboard;
use talk::sealed::{Conversation, Options};

/// The whole program; blocks until it ends. The exit code is 0 after Ctrl-C, or at the end of the input when
/// the phone has taken all of it; 1 for a failure; 2 for a bad command line; 3 if the phone has not taken all
/// lines; 4 if no phone came; 5 if the user or the relay refused.
pub fn run() -> ExitCode {
    let outcome = believing(Args::parse()).and_then(|args| converse(&args)).unwrap_or_else(|error| {
        say(&format!("error: {error:#}"));
        exit::of_error(&error)
    });
    if let Outcome::NotTaken(lines) = outcome {
        say(&format!("the phone has not confirmed {lines} of the lines"));
    }
    outcome.into()
}

/// The same arguments, with the CAs to trust at the relay's address.
fn believing(mut args: Args) -> anyhow::Result<Args> {
    let ca = args.ca.as_ref().map(Ca::read).transpose()?;
    args.server = args.server.with_ca(ca);
    Ok(args)
}

fn converse(args: &Args) -> anyhow::Result<Outcome> {
    if args.plain {
        return converse_plain(args);
    }
    let resumed = match Engine::resume(&settings(args), keeper(args)) {
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
    if resumed.is_none() && keyboard.is_none() && !args.yes {
        anyhow::bail!(
            "there is no terminal to ask whether a phone may pair: run this in a terminal, or with --yes"
        );
    }
    let options = Options {
        yes: args.yes,
        resume_for: args.resume_secs.map(|secs| Duration::from_secs(secs.into())),
        forget: args.kill,
    };
    let mut engine = match resumed {
        Some(engine) => {
            say("resuming with the paired phone; --forget ends the pair");
            engine
        }
        None => pair(args)?,
    };
    let conversation = Conversation::open(options, keyboard)?;
    loop {
        let (outcome, ending) = conversation.talk(engine)?;
        if !ending.code_spent || !conversation.wants_new_code() {
            return Ok(outcome);
        }
        engine = pair(args)?;
    }
}

fn keeper(args: &Args) -> Box<dyn Keeper> {
    match &args.keep {
        Some(file) => Box::new(FileKeeper::new(file)),
        None => Box::new(KeepNothing),
    }
}

fn settings(args: &Args) -> EngineSettings {
    let mut settings = EngineSettings::new(Role::Workstation);
    settings.options.pair_for = Duration::from_secs(args.pair_secs.into());
    // We reach the relay at this address; the one it calls its own may only be reachable from elsewhere.
    settings.endpoint = Some(args.server.web_socket());
    settings.server = Some(args.server.clone());
    settings.register_key.clone_from(&args.register_key);
    settings
}

/// Makes a session and a code for it, shows the code, and waits for a phone.
fn pair(args: &Args) -> anyhow::Result<Engine> {
    let registration = register(args)?;
    let (pairing, address) = pairing_for_phone(args, &registration)?;
    let key = PairingKey::random(&mut SystemEntropy).context("could not make a key for the code")?;
    let code = Code { pairing, key: Some(key), app: false };
    let text = match args.page_url {
        Some(_) => {
            code.to_link().context("could not make a link to this relay's page; leave out --page-url")?
        }
        None => code.to_json(),
    };
    code::show(args, &text, &address)?;
    Ok(Engine::pair(Role::Workstation, code, &settings(args), keeper(args))?)
}

/// Makes a session. What the relay refuses is put into words of the command line.
fn register(args: &Args) -> anyhow::Result<Registration> {
    let registered = http::register(&args.server, args.register_key.as_deref());
    let status = registered.as_ref().err().and_then(HttpError::status);
    let hint = match (status, &args.register_key) {
        (Some(401), Some(_)) => "--register-key (REGISTER_KEY) is wrong",
        (Some(401), None) => "the relay requires a key: give it with --register-key, or in REGISTER_KEY",
        (Some(404), _) => "--server (RELAY_SERVER) does not lead to a relay; check its path",
        _ => return Ok(registered?),
    };
    registered.context(hint)
}

/// The same without encryption, as the contract's first version has it.
fn converse_plain(args: &Args) -> anyhow::Result<Outcome> {
    let registration = register(args)?;
    let (pairing, address) = pairing_for_phone(args, &registration)?;
    code::show(args, &pairing.to_json(), &address)?;
    let settings = ConnectionSettings {
        endpoint: args.server.web_socket(),
        ..ConnectionSettings::new(&pairing, Role::Workstation)?
    };
    let outcome = talk::plain::talk(Client::connect(settings)?)?;
    if args.kill && matches!(outcome, Outcome::Delivered | Outcome::NotTaken(_)) {
        end_session(args, &pairing)?;
    }
    Ok(outcome)
}

/// The pairing with an address that means the relay on the phone.
fn pairing_for_phone(args: &Args, registration: &Registration) -> anyhow::Result<(Pairing, Address)> {
    let address = address::for_phone(args, &registration.pairing.ws)?;
    Ok((Pairing { ws: address.endpoint.to_string(), ..registration.pairing.clone() }, address))
}

fn end_session(args: &Args, pairing: &Pairing) -> anyhow::Result<()> {
    let was_there = http::delete(&args.server, pairing.session, &pairing.token)
        .context("the session was not deleted and ends when it expires")?;
    say(if was_there { "session deleted" } else { "the session had already ended" });
    Ok(())
}
