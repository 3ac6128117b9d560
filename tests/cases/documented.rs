//! docs/configuration.md lists the flags that each program has, with their variables and defaults, and no
//! others.

use std::collections::BTreeMap;
use std::process::Command;

use relay_tests::harness::relayd::binary;

const PAGE: &str = include_str!("../../docs/configuration.md");

/// A flag's variable and default, both empty if it has none.
type Flags = BTreeMap<String, (String, String)>;

/// What `--help` of a program prints.
fn help(variable: &str, name: &str) -> String {
    help_of(variable, name, &[])
}

/// What `--help` of one of its commands prints.
fn help_of(variable: &str, name: &str, command: &[&str]) -> String {
    let mut program = Command::new(binary(variable, name));
    let output = program.args(command).arg("--help").output().expect("the program runs");
    assert!(output.status.success(), "{name}: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The flags in a text of `--help`, without `-h` and `-V`, which every program has.
fn flags_in_help(text: &str) -> Flags {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        match parts.last_mut() {
            _ if line.starts_with("--") => parts.push(line.to_owned()),
            Some(part) => *part += &format!(" {line}"),
            None => {}
        }
    }
    let name = |part: &str| part.split(' ').next().expect("a name").to_owned();
    parts.iter().map(|part| (name(part), (marked(part, "[env: "), marked(part, "[default: ")))).collect()
}

/// What a bracket says, such as `PORT` of `[env: PORT]`. A variable may have its value behind it.
fn marked(text: &str, bracket: &str) -> String {
    let inner = text.split_once(bracket).and_then(|(_, rest)| rest.split_once(']'));
    inner.map(|(inner, _)| inner.split('=').next().unwrap_or(inner).to_owned()).unwrap_or_default()
}

/// The cells of the rows below a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split_once(&format!("\n## {heading}\n")).expect("the heading").1;
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

#[test]
fn the_page_lists_the_flags_of_relayd() {
    let documented = table("Settings of relayd");
    let mut flags = flags_in_help(&help("RELAYD_BIN", "relayd"));
    for row in &documented {
        let (variable, flag, default) = (&row[1], &row[2], &row[3]);
        let (env, in_help) = flags.remove(flag).unwrap_or_else(|| panic!("relayd has no {flag}"));
        assert_eq!(variable, &env, "the variable of {flag}");
        match default.as_str() {
            "off" => assert_eq!(in_help, "", "{flag}"),
            other if other.starts_with("see ") => {}
            other => assert_eq!(other, in_help, "the default of {flag}"),
        }
    }
    assert!(flags.is_empty(), "not in docs/configuration.md: {flags:?}");
}

#[test]
fn the_page_lists_the_options_of_workstation() {
    let mut flags = flags_in_help(&help("WORKSTATION_BIN", "workstation"));
    for row in table("Options of workstation") {
        let flag = row[1].split(' ').next().expect("a flag");
        let (env, _) = flags.remove(flag).unwrap_or_else(|| panic!("workstation has no {flag}"));
        assert_eq!(row[1].contains('('), !env.is_empty(), "{}", row[1]);
        assert!(row[1].contains(&env), "the variable of {flag} is {env}");
    }
    assert!(flags.is_empty(), "not in docs/configuration.md: {flags:?}");
}

/// The commands that `--help` of workstation lists, without `help` itself.
fn commands() -> Vec<String> {
    let text = help("WORKSTATION_BIN", "workstation");
    let section = text.split_once("\nCommands:\n").expect("commands").1;
    let lines = section.lines().take_while(|line| !line.is_empty());
    // A description that is wrapped is indented further.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

#[test]
fn the_page_lists_the_commands_of_workstation() {
    let documented: Vec<String> =
        table("Commands of workstation").iter().map(|row| command_in(&row[1])).collect();
    assert_eq!(documented, commands());
}

/// The command that a cell begins with.
fn command_in(cell: &str) -> String {
    cell.split(' ').next().expect("a command").to_owned()
}

#[test]
fn the_page_lists_the_options_of_each_command() {
    let general = flags_in_help(&help("WORKSTATION_BIN", "workstation"));
    let mut own: BTreeMap<(String, String), String> = BTreeMap::new();
    for command in commands() {
        let flags = flags_in_help(&help_of("WORKSTATION_BIN", "workstation", &[&command]));
        for (flag, (env, _)) in flags.into_iter().filter(|(flag, _)| !general.contains_key(flag)) {
            own.insert((command.clone(), flag), env);
        }
    }
    for row in table("Options of the commands") {
        let flag = row[2].split(' ').next().expect("a flag").to_owned();
        for command in row[1].split(", ") {
            let env = own.remove(&(command.to_owned(), flag.clone()));
            let env = env.unwrap_or_else(|| panic!("{command} has no {flag}, or every command has it"));
            assert!(row[2].contains(&env), "the variable of {command} {flag} is {env}");
        }
    }
    assert!(own.is_empty(), "not in docs/configuration.md: {:?}", own.keys());
}

/// The recipes of docs/workstation.md name commands and options that exist.
#[test]
fn the_recipes_of_workstation_can_be_typed() {
    let page = include_str!("../../docs/workstation.md");
    let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
    let typed =
        lines.filter_map(|line| line.split_once("workstation").filter(|(before, _)| !before.contains('│')));
    let mut count = 0;
    for (_, rest) in typed.filter(|(_, rest)| rest.is_empty() || rest.starts_with(' ')) {
        let ours = rest.split(" -- ").next().expect("a part");
        let words: Vec<&str> = ours.split_whitespace().collect();
        let command = commands().into_iter().find(|command| words.contains(&command.as_str()));
        let help = help_of("WORKSTATION_BIN", "workstation", command.as_deref().as_slice());
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{rest}: {option} is not in {help}");
        }
        let first =
            words.first().is_none_or(|first| first.starts_with('-') || Some(*first) == command.as_deref());
        assert!(first, "{rest}: no command of this name");
        count += 1;
    }
    assert!(count > 15, "{count} recipes");
}

#[test]
fn a_man_page_and_a_completion_exist_for_each_command() {
    let folder = std::env::temp_dir().join(format!("relay-man-{}", std::process::id()));
    for (variable, name) in
        [("WORKSTATION_BIN", "workstation"), ("RELAY_WORKSTATION_BIN", "relay-workstation")]
    {
        let written = Command::new(binary(variable, name)).arg("man").arg(&folder).output().unwrap();
        assert!(written.status.success(), "{written:?}");
        let page = |file: &str| {
            std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        };
        assert!(page(&format!("{name}.1")).contains("Exit codes:"), "{name}");
        let script = Command::new(binary(variable, name)).args(["completions", "bash"]).output().unwrap();
        let script = String::from_utf8(script.stdout).expect("UTF-8");
        for command in commands() {
            assert!(page(&format!("{name}-{command}.1")).contains("Examples:"), "{command}");
            assert!(script.contains(&format!("{},{command})", name.replace('-', "__"))), "{command}");
            assert!(!script.contains("terminal-host"), "a command that nobody types");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
