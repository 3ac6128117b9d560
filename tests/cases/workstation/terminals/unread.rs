//! Commands that do not read what is typed, and long command lines.

use relay_client::app::terminal::ViewerMessage;

use super::viewers::Phone;
use super::{Desk, read_until, until_file};

/// Reads nothing, in raw mode: what is typed stays where it is.
const DEAF: &str = "stty raw -echo; echo ready; exec sleep 1000";

const BACK: &str = "detached: come back with `workstation attach sh`";

#[test]
fn a_phone_that_types_what_is_not_read_locks_nobody_out() {
    let desk = Desk::new();
    let mut window = desk.run(DEAF);
    window.until("ready");
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.until_line("ready");
    for _ in 0..30 {
        phone.say(&ViewerMessage::Text("x".repeat(8000)));
    }
    assert_eq!(desk.until_terminals(1)[0].number("windows"), 1);
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.resize(70, 20);
    read_until("the size of the second window", || {
        (desk.terminals()[0].number("columns") == 70).then_some(())
    });
    for window in [&mut window, &mut second] {
        window.type_text("\u{1c}d");
        window.until(BACK);
        assert_eq!(window.finish().0, Some(0));
    }
}

#[test]
fn a_long_paste_that_is_not_read_holds_up_neither_the_key_nor_signals() {
    let desk = Desk::new();
    let mut window = desk.run(DEAF);
    window.until("ready");
    let paste = "x".repeat(1 << 20);
    window.type_text(&paste);
    window.type_text("\u{1c}d");
    window.until(BACK);
    assert_eq!(window.finish().0, Some(0));
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text(&paste);
    second.resize(70, 20);
    second.process().signal("TERM");
    assert_eq!(second.exit_code(), Some(143));
}

#[test]
fn a_long_paste_arrives_whole() {
    let desk = Desk::new();
    let count = desk.file("count");
    let script = format!(
        "stty raw -echo; echo ready; head -c 1048576 | tr -d y | wc -c >{0}.new; mv {0}.new {0}; stty sane",
        count.display()
    );
    let mut window = desk.run(&script);
    window.until("ready");
    window.type_text(&"x".repeat(1 << 20));
    until_file(&count, "1048576");
    assert_eq!(window.finish().0, Some(0));
}

#[test]
fn a_command_with_very_long_arguments_runs_and_is_listed() {
    let desk = Desk::new();
    let long = "x".repeat(100_000);
    let mut args = vec!["run", "--", "sh", "-c", "echo ready; read a; echo got $a"];
    args.extend([long.as_str(); 12]);
    let mut window = desk.window(&args);
    window.until("ready");
    let listed = desk.until_terminals(1);
    let command = listed[0].text("command");
    assert!(command.starts_with("sh -c echo ready") && command.len() < 2000, "{} bytes", command.len());
    window.type_text("on\n");
    window.until("got on");
    assert_eq!(window.finish().0, Some(0));
}
