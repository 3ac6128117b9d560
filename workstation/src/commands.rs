//! The commands of the program, each with its options and its work in a file of its own.

pub(crate) mod agent;
pub(crate) mod alone;
mod answers;
pub(crate) mod attach;
pub(crate) mod chat;
pub(crate) mod clip;
pub(crate) mod completions;
pub(crate) mod devices;
pub(crate) mod doctor;
mod editor;
mod inputs;
pub(crate) mod man;
pub(crate) mod notify;
pub(crate) mod pair;
mod pairing;
pub(crate) mod pipe;
pub(crate) mod receive;
pub(crate) mod rename;
pub(crate) mod revoke;
pub(crate) mod rights;
pub(crate) mod run;
mod said;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod service;
mod session;
pub(crate) mod setup;
pub(crate) mod terminal_guard;
pub(crate) mod terminal_host;
pub(crate) mod terminals;
mod transfer;

use std::process::ExitCode;

use crate::args::{Args, Command};

/// Does what the command line asks for; blocks until it is done.
///
/// # Errors
/// The command could not do its work.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let global = &args.global;
    match &args.command {
        None if args.alone.is_alone() => alone::run(&args.alone, global),
        None => chat::run(&args.alone.chat(), global),
        Some(Command::Chat(args)) => chat::run(args, global),
        Some(Command::Run(args)) => run::run(args, global),
        Some(Command::Send(args)) => send::run(args, global),
        Some(Command::Receive(args)) => receive::run(args, global),
        Some(Command::Terminals(args)) => terminals::run(args, global),
        Some(Command::Attach(args)) => attach::run(args, global),
        Some(Command::Notify(args)) => notify::run(args, global),
        Some(Command::Clip(args)) => clip::run(args, global),
        Some(Command::Pipe(args)) => pipe::run(args, global),
        Some(Command::Setup(args)) => setup::run(args, global),
        Some(Command::Pair(args)) => pair::run(args, global),
        Some(Command::Devices(args)) => devices::run(args, global),
        Some(Command::Rename(args)) => rename::run(args, global),
        Some(Command::Revoke(args)) => revoke::run(args, global),
        Some(Command::Rights(args)) => rights::run(args, global),
        Some(Command::Serve(args)) => serve::run(args, global),
        Some(Command::Service(args)) => service::run(args, global),
        Some(Command::Doctor(args)) => doctor::run(args, global),
        Some(Command::Completions(args)) => completions::run(args),
        Some(Command::Man(args)) => man::run(args),
        Some(Command::Agent(args)) => agent::run(args, global),
        Some(Command::TerminalHost(args)) => terminal_host::run(args, global),
        Some(Command::TerminalGuard(args)) => terminal_guard::run(args),
    }
}
