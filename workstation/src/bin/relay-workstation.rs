//! The workstation's end under its other name, for machines that have a `workstation` of their own.

use std::process::ExitCode;

fn main() -> ExitCode {
    workstation::run()
}
