//! The workstation program: pairs with phones, passes lines to and from them, shares terminals with them.
//!
//! Both binaries call [`run`]. `args` is the command line and `help` what is said of it, `commands` does what
//! it asks for. `relay` is the relay that they use, `address` decides what the phone is told to connect to,
//! `code` makes and shows the code, `terminal` knows what fits. `talk` holds a conversation in this process
//! alone, `status` tells what happens, `output` prints, `exit` has the exit codes, `push` posts notices to
//! push services. `doctor` looks for what is wrong, `service` has the program run by a service manager,
//! `program` is its own file, `user` the user as the system knows them. The connection itself is
//! `relay-client`'s.

mod address;
mod agent;
mod args;
mod code;
mod commands;
mod doctor;
mod exit;
mod help;
mod ipc;
mod output;
mod program;
mod push;
mod relay;
mod service;
mod state;
mod status;
mod talk;
mod terminal;
mod terminal_host;
mod user;
mod window;

use std::process::ExitCode;

use args::Args;

/// The whole program; blocks until it ends. The exit code is 0 after Ctrl-C, or at the end of the input when
/// the phone has taken all of it; 1 for a failure; 2 for a bad command line; 3 if the phone has not taken all
/// lines; 4 if no phone came; 5 if the user or the relay refused. `run` and `attach` give their command's.
pub fn run() -> ExitCode {
    commands::run(&Args::of_process()).unwrap_or_else(|error| exit::say_error(&error).into())
}
