//! Windows that come and go: detaching, closing, coming back, two at once, and the size that follows them.

use super::{Desk, pid, signal, until_file};

const BACK: &str = "detached: come back with `workstation attach sh`";

#[test]
fn after_the_key_the_command_goes_on_and_another_window_shows_its_screen() {
    let desk = Desk::new();
    let mut window = desk.run("printf 'first\\n'; read a; echo got $a; read b; exit 9");
    window.until("first");
    window.type_text("\u{1c}");
    window.type_text("d");
    window.until(BACK);
    assert_eq!(window.finish().0, Some(0));
    let listed = desk.until_terminals(1);
    assert_eq!(listed[0].number("windows"), 0);
    let mut second = desk.window(&["attach", "sh"]);
    second.until("first");
    second.type_text("typed\n");
    second.until("got typed");
    second.type_text("\n");
    assert_eq!(second.finish().0, Some(9));
    desk.until_terminals(0);
}

#[test]
fn a_closed_window_detaches() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a; read b");
    window.until("ready");
    window.close();
    assert_eq!(window.exit_code(), Some(129));
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text("on\n");
    second.until("got on");
}

#[test]
fn with_hang_up_a_closed_window_ends_the_command() {
    let desk = Desk::new();
    let mark = desk.file("mark");
    let script =
        format!("trap 'echo hung up >{}; exit' HUP; echo ready; while :; do sleep 0.1; done", mark.display());
    let mut window = desk.window(&["run", "--hang-up", "--", "sh", "-c", &script]);
    window.until("ready");
    window.close();
    until_file(&mark, "hung up");
    desk.until_terminals(0);
}

#[test]
fn a_command_that_ignores_the_hang_up_is_killed_in_the_end() {
    let desk = Desk::new();
    let mut window = desk.window(&[
        "run",
        "--hang-up",
        "--",
        "sh",
        "-c",
        "trap '' HUP; echo ready; while :; do sleep 0.1; done",
    ]);
    window.until("ready");
    window.close();
    desk.until_terminals(0);
}

#[test]
fn the_command_gets_the_windows_size_and_each_new_one() {
    let desk = Desk::new();
    let mut window = desk.run("trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done");
    window.until("24 80\r\n");
    window.resize(120, 50);
    window.until("50 120\r\n");
    // Fifty changes a second: the last one counts.
    for columns in 81..=130 {
        window.resize(columns, 40);
    }
    window.until("40 130\r\n");
    let mut second = relay_tests::harness::window::Window::open(&desk.command(&["attach", "sh"]), 60, 20);
    second.until("20 60\r\n");
    second.type_text("\u{1c}d");
    assert_eq!(second.finish().0, Some(0));
    window.until("40 130\r\n");
}

#[test]
fn two_windows_show_the_same() {
    let desk = Desk::new();
    let mut one = desk.run("read a; echo got $a; read b; exit 6");
    desk.until_terminals(1);
    let mut two = desk.window(&["attach", "sh"]);
    two.type_text("from two\n");
    one.until("got from two");
    two.until("got from two");
    one.type_text("\n");
    assert_eq!((one.finish().0, two.finish().0), (Some(6), Some(6)));
}

#[test]
fn a_key_that_is_no_detach_reaches_the_command() {
    let desk = Desk::new();
    let mut window =
        desk.run("stty raw -echo; echo ready; dd bs=1 count=3 status=none | od -An -tx1; stty sane");
    window.until("ready");
    window.type_text("\u{1c}\u{1c}\u{1c}x");
    window.until("1c 1c 78");
    assert_eq!(window.finish().0, Some(0));
}

#[test]
fn the_host_survives_what_ends_windows() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a; echo got $a");
    window.until("ready");
    let host = pid(&desk.until_terminals(1)[0]);
    signal("HUP", host);
    signal("INT", host);
    window.process().kill();
    let mut second = desk.window(&["attach", "sh"]);
    second.until("ready");
    second.type_text("x\n");
    second.until("got x");
    assert_eq!(second.finish().0, Some(0));
}

#[test]
fn a_terminal_that_is_not_there_is_an_error() {
    let desk = Desk::new();
    let mut window = desk.window(&["attach", "nobody"]);
    window.until("error: there is no terminal nobody: `workstation terminals` lists those that there are");
    assert_eq!(window.finish().0, Some(1));
}
