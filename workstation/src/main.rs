//! The workstation's end in a terminal.

use std::process::ExitCode;

fn main() -> ExitCode {
    workstation::run()
}
