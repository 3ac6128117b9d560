//! The workstation program: registers a session, shows its QR code, passes lines to and from the phone.
//!
//! Both binaries call [`run`]. `args` is the command line, `address` decides what the phone is told to connect to,
//! `code` shows the code: `picture` draws it, `terminal` knows what fits. `talk` holds the conversation. The connection itself is `relay-client`'s.

mod address;
mod args;
mod code;
mod picture;
mod talk;
mod terminal;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, FileKeeper, KeepNothing, Keeper, Settings, StartError};
use relay_client::http::{self, Registration};
use relay_client::tunnel::{Code, PairingKey, SystemEntropy};
use relay_client::{Ca, Client, Settings as PlainSettings, Stop};

use address::Address;
use args::Args;
use talk::sealed::Manners;

/// The whole program; blocks until it ends. The exit code is 0 after Ctrl-C or the end of the input, 1 if the
/// session could not be had or was taken away, 2 for a bad command line.
pub fn run() -> ExitCode {
    match believing(Args::parse()).and_then(|args| converse(&args)) {
        Ok(Stop::Closed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The same arguments, with whom to believe at the relay's address.
fn believing(mut args: Args) -> anyhow::Result<Args> {
    let ca = args.ca.as_ref().map(Ca::read).transpose()?;
    args.server = args.server.with_ca(ca);
    Ok(args)
}

fn converse(args: &Args) -> anyhow::Result<Stop> {
    if args.plain {
        return converse_plain(args);
    }
    let keeper = || -> Box<dyn Keeper> {
        match &args.keep {
            Some(file) => Box::new(FileKeeper::new(file)),
            None => Box::new(KeepNothing),
        }
    };
    let engine = match Engine::resume(&settings(args), keeper()) {
        Err(StartError::NothingKept) if args.forget => anyhow::bail!(StartError::NothingKept),
        Err(StartError::NothingKept) => pair(args, keeper())?,
        resumed => {
            let engine = resumed?;
            if args.forget {
                engine.forget()?;
                print("the pair is forgotten\n")?;
                return Ok(Stop::Closed);
            }
            print("going on with the phone that is paired; end the pair with --forget\n")?;
            engine
        }
    };
    let manners = Manners {
        yes: args.yes,
        resume_for: args.resume_secs.map(|secs| Duration::from_secs(secs.into())),
        forget: args.kill,
    };
    talk::sealed::until_stopped(engine, manners)
}

fn settings(args: &Args) -> Settings {
    let mut settings = Settings::new(Role::Workstation);
    settings.options.pair_for = Duration::from_secs(args.pair_secs.into());
    // We reach the relay at this address; the one it calls its own may only be reachable from elsewhere.
    settings.endpoint = Some(args.server.web_socket());
    settings.server = Some(args.server.clone());
    settings.register_key.clone_from(&args.register_key);
    settings
}

/// Makes a session and a code for it, shows the code, and waits for a phone.
fn pair(args: &Args, keeper: Box<dyn Keeper>) -> anyhow::Result<Engine> {
    let registration = http::register(&args.server, args.register_key.as_deref())?;
    let (pairing, address) = pairing_for_phone(args, &registration)?;
    let key = PairingKey::random(&mut SystemEntropy).context("no key for the code")?;
    let code = Code { pairing, key: Some(key) };
    let text = match args.page_url {
        Some(_) => code.to_link().context("no link leads to this relay's page; leave out --page-url")?,
        None => code.to_json(),
    };
    code::show(args, &text, &address)?;
    Ok(Engine::pair(Role::Workstation, code, &settings(args), keeper)?)
}

/// The same without encryption, as the contract's first version has it.
fn converse_plain(args: &Args) -> anyhow::Result<Stop> {
    let registration = http::register(&args.server, args.register_key.as_deref())?;
    let (pairing, address) = pairing_for_phone(args, &registration)?;
    code::show(args, &pairing.to_json(), &address)?;
    let settings = PlainSettings {
        endpoint: args.server.web_socket(),
        ..PlainSettings::new(&pairing, Role::Workstation)?
    };
    let why = talk::plain::until_stopped(Client::connect(settings)?)?;
    if args.kill && why == Stop::Closed {
        end_session(args, &pairing)?;
    }
    Ok(why)
}

/// The pairing with an address that means the relay on the phone.
fn pairing_for_phone(args: &Args, registration: &Registration) -> anyhow::Result<(Pairing, Address)> {
    let address = address::for_phone(args, &registration.pairing.ws)?;
    Ok((Pairing { ws: address.endpoint.to_string(), ..registration.pairing.clone() }, address))
}

fn end_session(args: &Args, pairing: &Pairing) -> anyhow::Result<()> {
    let was_there = http::delete(&args.server, pairing.session, &pairing.token)
        .context("the session was not deleted and ends when it expires")?;
    print(if was_there { "session deleted\n" } else { "session was gone already\n" })
}

/// Writes to stdout at once: tests and pipes read line by line.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stdout")
}

/// Tells the user something, on stderr and at once. stdout is for what the phone says.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stderr")
}
