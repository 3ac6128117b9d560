//! What the desk has, in words. Pure.

use relay_client::app::DeskInfo;
use relay_client::app::terminal::Exit;

/// The names of the desk's terminals.
pub(super) fn names(info: &DeskInfo) -> Vec<&str> {
    info.terminals.iter().map(|one| one.name.as_str()).collect()
}

/// What the desk shares.
pub(super) fn shared(info: &DeskInfo) -> String {
    match info.terminals.len() {
        0 => "shares no terminal".to_owned(),
        _ => format!("shares {}; /open NAME shows one", names(info).join(", ")),
    }
}

/// A line for each terminal.
pub(super) fn rows(info: &DeskInfo) -> Vec<String> {
    let row = |terminal: &relay_client::app::TerminalInfo| {
        let size = format!("{}x{}", terminal.cols, terminal.rows);
        let only = if terminal.view_only { ", to watch only" } else { "" };
        format!("{}  {size}  {}{only}", terminal.name, terminal.title)
    };
    info.terminals.iter().map(row).collect()
}

/// How a terminal's program ended.
pub(super) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!(" with exit code {code}"),
        Exit::Signal(signal) => format!(" by signal {signal}"),
        Exit::Unknown => String::new(),
    }
}
