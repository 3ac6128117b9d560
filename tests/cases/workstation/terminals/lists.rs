//! `terminals`, and the names.

use super::{Desk, pid, signal};

#[test]
fn terminals_are_listed_with_names_sizes_and_commands() {
    let desk = Desk::new();
    assert_eq!(desk.output(&["terminals"]), "");
    let mut one = desk.run("printf '\\033]2;its title\\007'; echo ready; read a");
    let mut two = desk.run("echo ready; read a");
    let mut three =
        desk.window(&["run", "--view-only", "--name", "my.own", "--", "sh", "-c", "echo ready; read a"]);
    for window in [&mut one, &mut two, &mut three] {
        window.until("ready");
    }
    let listed = desk.until_terminals(3);
    let names: Vec<&str> = listed.iter().map(|terminal| terminal.text("name")).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["my.own", "sh", "sh2"]);
    for terminal in &listed {
        assert_eq!((terminal.number("columns"), terminal.number("rows")), (80, 24));
        assert_eq!(terminal.number("windows"), 1);
        assert_eq!(terminal.flag("viewOnly"), terminal.text("name") == "my.own");
    }
    let table = desk.output(&["terminals"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "SIZE", "SINCE", "WINDOWS", "PHONES", "COMMAND"]
    );
    assert!(
        lines[1].starts_with("my.own  80×24  ") && lines[1].ends_with("sh -c echo ready; read a"),
        "{table}"
    );
}

#[test]
fn a_name_that_is_taken_or_bad_is_refused() {
    let desk = Desk::new();
    let mut window = desk.window(&["run", "--name", "x", "--", "sh", "-c", "echo ready; read a"]);
    window.until("ready");
    let mut second = desk.window(&["run", "--name", "x", "--", "true"]);
    second.until("error: there is a terminal x already: come back to it with `workstation attach x`");
    assert_eq!(second.finish().0, Some(125));
    let mut bad = desk.window(&["run", "--name", "../x", "--", "true"]);
    bad.until("a terminal's name has 1 to 32 letters");
    assert_eq!(bad.finish().0, Some(2));
}

#[test]
fn a_terminal_that_does_not_answer_is_no_empty_list() {
    let desk = Desk::new();
    let mut window = desk.run("echo ready; read a");
    window.until("ready");
    let host = pid(&desk.until_terminals(1)[0]);
    signal("STOP", host);
    let listed = desk.command(&["terminals"]).output().unwrap();
    signal("CONT", host);
    let said = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(said.contains("sh: no answer") && !said.contains("no shared terminals"), "{said}");
    assert_eq!(listed.status.code(), Some(1));
}
