//! A phone in a terminal; `--help` says how to call it.
//!
//! `app` speaks the app protocol with a desk: chat, files, and shared terminals (`terminal`). Its pairs are
//! kept (`desks`). `bare` passes lines through the tunnel, `plain` without encryption.

mod alone;
mod app;
mod args;
mod bare;
mod desks;
mod plain;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use relay_client::engine::FileKeeper;
use relay_mobile::lines::{LineError, read_line};
use relay_mobile::{Role, engine, parse_pairing};

use app::{Peer, Start};
use args::{Act, Args, FileArgs, HELP};
use desks::{Desk, Desks};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Ok(args)) => args,
        Ok(Err(words)) => {
            eprintln!("error: {words}");
            return ExitCode::from(2);
        }
        Err(error) => return failed(&error),
    };
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Failure) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// True if the phone ended because it was asked to.
fn run(args: Args) -> Result<bool, Failure> {
    match &args.act {
        Act::Help => {
            print_line(HELP);
            Ok(true)
        }
        Act::List => list(),
        Act::Forget(name) => forget(&Desks::open()?.find(name)?, &args),
        Act::Desk(name) => resume(Desks::open()?.find(name)?, args),
        Act::Pair(Some(code)) => pair(&code.clone(), args),
        Act::Pair(None) => match chosen()? {
            Chosen::Code(code) => pair(&code, args),
            Chosen::Desk(desk) => resume(desk, args),
        },
    }
}

fn pair(text: &str, args: Args) -> Result<bool, Failure> {
    if args.is_plain {
        return plain::talk(&parse_pairing(text)?, args.way);
    }
    let code = engine::parse_pairing(text)?;
    if code.key.is_none() {
        return Err(
            "this code has no key, so nothing would be encrypted: pass --plain to talk without encryption"
                .into(),
        );
    }
    if code.app {
        return Peer::start(Start::Pair(code), Desks::open()?.fresh()?, args)?.talk();
    }
    if args.watch.is_some() {
        return Err("this code is for lines of text only, so there is no terminal to watch: \
                    show a code with `workstation pair`"
            .into());
    }
    if args.files != FileArgs::default() {
        return Err(
            "this code is for lines of text only, so no files can go: show a code with `workstation pair`"
                .into(),
        );
    }
    bare::talk(code, args.way)
}

fn resume(desk: Desk, args: Args) -> Result<bool, Failure> {
    Peer::start(Start::Resume, desk, args)?.talk()
}

fn list() -> Result<bool, Failure> {
    let desks = Desks::open()?.list()?;
    if desks.is_empty() {
        eprintln!("no desks yet: start `workstation` at a desk, and give its code to `phone`");
    }
    for desk in desks {
        print_line(&format!("{}  {}", desk.id, if desk.name.is_empty() { "(no name)" } else { &desk.name }));
    }
    Ok(true)
}

/// Ends the pair at both ends. If the desk can't be told now, it finds out when it connects.
fn forget(desk: &Desk, args: &Args) -> Result<bool, Failure> {
    let keeper = Box::new(FileKeeper::new(desk.pair_file()));
    let settings = args.settings();
    let told = match engine::Engine::resume(&settings, keeper) {
        Ok(engine) => engine.forget().map_err(|error| error.to_string()),
        Err(error @ engine::StartError::InUse(_)) => return Err(error.into()),
        Err(error) => {
            // A damaged pair is of no use to anybody.
            desk.remove()?;
            Err(error.to_string())
        }
    };
    desk.tidy();
    match told {
        Ok(()) => print_line(&format!("{} is forgotten", desk.shown())),
        Err(why) => print_line(&format!("{} is forgotten here, but {why}", desk.shown())),
    }
    Ok(true)
}

/// What the input begins with.
enum Chosen {
    Code(String),
    Desk(Desk),
}

/// Reads a code, which may be wrapped over several lines; or at a terminal the name of a desk.
fn chosen() -> Result<Chosen, Failure> {
    let desks = if io::stdin().is_terminal() { Some(Desks::open()?) } else { None };
    let known = desks.as_ref().map(Desks::list).transpose()?.unwrap_or_default();
    if !known.is_empty() {
        eprintln!("desks: {}", known.iter().map(Desk::shown).collect::<Vec<_>>().join(", "));
        eprintln!("type the name of a desk, or paste the code that another one shows, then press Enter");
    } else if desks.is_some() {
        eprintln!("paste what the workstation shows behind \"or paste this:\", then press Enter");
    }
    let mut input = io::stdin().lock();
    let mut text = String::new();
    loop {
        let line = read_line(&mut input)?
            .ok_or("the input ended before a whole code came; --help says how to give one")?;
        if text.is_empty()
            && let Some(desk) =
                known.iter().find(|desk| [&desk.name, &desk.id].contains(&&line.trim().to_owned()))
        {
            return Ok(Chosen::Desk(desk.clone()));
        }
        text.push_str(&line);
        text.push('\n');
        match engine::parse_pairing(&text) {
            Err(error) if error.is_incomplete() => {}
            // The caller, which parses it again, reports any other error.
            _ => return Ok(Chosen::Code(text)),
        }
    }
}

/// Hands each line of the input to `send`, which may say why it was not sent; at the input's end says how
/// many were not.
fn each_line(mut send: impl FnMut(String) -> Result<(), String>) -> usize {
    let mut input = io::stdin().lock();
    let mut not_sent = 0;
    loop {
        let outcome = match read_line(&mut input) {
            Ok(Some(line)) => send(line),
            Ok(None) | Err(LineError::Io(_)) => return not_sent,
            Err(error) => Err(error.to_string()),
        };
        if let Err(words) = outcome {
            not_sent += 1;
            print_line(&words);
        }
    }
}

/// Prints a whole line at once, for a reader behind a pipe. If the reader is gone, the program ends.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// The other end.
const DESK: Role = Role::Workstation;
