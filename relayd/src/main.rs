//! The relay daemon.

fn main() -> std::process::ExitCode {
    relayd::main()
}
