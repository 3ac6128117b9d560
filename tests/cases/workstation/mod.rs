//! The workstation program against a real relay, with phones that encrypt and phones that do not.

mod agent;
mod asking;
mod code;
mod doctor;
mod kept;
mod kill;
mod lines;
mod plain;
mod terminals;

use std::net::SocketAddr;
use std::process::Command;

use protocol::ids::Role;
use relay_client::tunnel::{Code, parse_pairing};
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::{End, at};
use relay_tests::harness::{Relay, SetUp};

/// The program in its own process alone, to be started with these options.
fn command(addr: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--alone", "--server", &format!("http://{addr}")]).args(args).env_remove("REGISTER_KEY");
    command
}

/// Started with pipes instead of a terminal.
fn workstation(addr: SocketAddr, args: &[&str]) -> Program {
    Program::start(&mut command(addr, args))
}

/// Started at a terminal, where the user can be asked.
fn at_terminal(addr: SocketAddr, args: &[&str]) -> Program {
    Program::at_terminal(&mut command(addr, args))
}

/// The pairing code that the program shows.
fn code_of(program: &Program) -> Code {
    let line = program.until("or paste this: ");
    parse_pairing(line.trim_start_matches("or paste this: ")).unwrap()
}

/// A phone that has scanned the code.
fn phone_of(code: Code, addr: SocketAddr) -> End {
    let mut settings = at(Role::Phone, addr);
    settings.options.name = "Pixel \u{1b}[2J8".into();
    End::pair(Role::Phone, code, &settings)
}

/// A relay, and a program without a terminal that has paired with a phone.
fn paired(args: &[&str]) -> (Relay, Program, End) {
    let relay = Relay::start(SetUp::Memory);
    let program = workstation(relay.addr(), args);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("phone is here, encrypted");
    phone.until_open();
    (relay, program, phone)
}
