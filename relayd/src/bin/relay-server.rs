//! The relay daemon under its other name.

fn main() -> std::process::ExitCode {
    relayd::main()
}
