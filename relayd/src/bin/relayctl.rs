//! What an operator of a running `relayd` asks and orders, over its Unix socket.

fn main() -> std::process::ExitCode {
    relayd::admin::ctl::main()
}
