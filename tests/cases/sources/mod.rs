//! Checks of the sources: which layer may use which other, and rules of the house style.

mod line_lengths;
mod predicates;
pub mod source;
mod walks;

use relay_tests::harness::log_texts;

use self::source::{Source, sources};

/// Expects that no file of `rust` for which `applies` is true names any of `segments`.
fn expect_unnamed(rust: &[Source], segments: &[&str], applies: impl Fn(&Source) -> bool) {
    let checked: Vec<&Source> = rust.iter().filter(|source| applies(source)).collect();
    let wrong = |segment: &&str| checked.iter().flat_map(|source| source.naming(segment)).collect::<Vec<_>>();
    let found: Vec<String> = segments.iter().flat_map(wrong).collect();
    assert!(found.is_empty(), "{segments:?} must not be named here:\n{}", found.join("\n"));
}

fn is_in(source: &Source, folder: &str) -> bool {
    source.name.starts_with(folder)
}

#[test]
fn only_the_reactor_names_mio() {
    expect_unnamed(&sources(&[".rs"]), &["mio", "signal_hook_mio"], |source| {
        let is_shell = is_in(source, "relayd/src/") && !is_in(source, "relayd/src/reactor/");
        is_shell || is_in(source, "relayd/core/") || is_in(source, "protocol/")
    });
}

#[test]
fn only_its_backend_names_redis() {
    expect_unnamed(&sources(&[".rs"]), &["redis"], |source| {
        let declares_a_module_of_that_name =
            source.code().any(|(_, line)| line.trim().ends_with("mod redis;"));
        is_in(source, "relayd/src/")
            && !is_in(source, "relayd/src/backend/redis")
            && !declares_a_module_of_that_name
    });
}

#[test]
fn only_backends_name_channels() {
    expect_unnamed(&sources(&[".rs"]), &["crossbeam_channel"], |source| {
        is_in(source, "relayd/src/") && !is_in(source, "relayd/src/backend/")
    });
}

#[test]
fn the_core_sees_no_clock_socket_or_thread() {
    let worldly = [
        "net",
        "thread",
        "Instant",
        "SystemTime",
        "mio",
        "redis",
        "socket2",
        "crossbeam_channel",
        "tracing",
        "fs",
    ];
    expect_unnamed(&sources(&[".rs"]), &worldly, |source| is_in(source, "relayd/core/src/"));
    let core =
        sources(&["Cargo.toml"]).into_iter().find(|source| source.name == "relayd/core/Cargo.toml").unwrap();
    for banned in ["mio", "redis", "crossbeam-channel", "socket2", "tracing", "signal-hook", "getrandom"] {
        assert!(!core.text.lines().any(|line| line.starts_with(banned)), "the core depends on {banned}");
    }
}

#[test]
fn lower_layers_name_no_higher_ones() {
    let rust = sources(&[".rs"]);
    expect_unnamed(&rust, &["relayd", "relayd_core", "relay_client"], |source| is_in(source, "protocol/"));
    expect_unnamed(&rust, &["relayd", "relay_client"], |source| is_in(source, "relayd/core/"));
    expect_unnamed(&rust, &["backend", "reactor", "std::net::TcpStream"], |source| {
        is_in(source, "relayd/src/http/")
    });
    expect_unnamed(&rust, &["reactor", "http"], |source| is_in(source, "relayd/src/backend/"));
    expect_unnamed(&rust, &["reactor", "http", "backend", "net"], |source| is_in(source, "relayd/src/tls/"));
    expect_unnamed(&rust, &["crate::reactor", "crate::http", "crate::backend"], |source| {
        is_in(source, "relayd/src/acme/")
    });
    expect_unnamed(&rust, &["relayd", "relayd_core"], |source| {
        ["client/", "workstation/", "mobile/"].iter().any(|folder| is_in(source, folder))
    });
}

#[test]
fn main_is_short() {
    let rust = sources(&[".rs"]);
    let main = rust.iter().find(|source| source.name == "relayd/src/main.rs").expect("relayd has a main");
    assert!(main.text.lines().count() < 60, "relayd/src/main.rs has {} lines", main.text.lines().count());
}

#[test]
fn every_unsafe_says_why_it_is_sound() {
    for source in sources(&[".rs"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in source.code() {
            let is_block =
                line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl");
            let said = lines[at.saturating_sub(6)..at].iter().any(|near| near.contains("SAFETY:"));
            assert!(!is_block || said || line.contains('"'), "{}:{at}: unsafe without SAFETY", source.name);
        }
    }
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    // Put together here, so that the check does not find this file.
    let banned =
        [["thread::", "sleep("].concat(), ["#[", "ignore"].concat(), ["std::thread::", "sleep"].concat()];
    for source in
        sources(&[".rs"]).iter().filter(|source| is_in(source, "tests/") || source.name.contains("test"))
    {
        for (at, line) in source.code() {
            let found = banned.iter().find(|word| line.contains(word.as_str()));
            assert!(found.is_none(), "{}:{at}: {}", source.name, line.trim());
        }
    }
}

#[test]
fn no_file_names_a_ticket_or_a_home() {
    let homes = ["home", "Users", "root"].map(|name| format!("/{name}/"));
    for source in sources(&[".rs", ".md", ".sh", ".toml", ".py", ".mjs", ".js", ".yml"]) {
        for (at, line) in source.text.lines().enumerate() {
            let place = format!("{}:{}: {line}", source.name, at + 1);
            assert!(!homes.iter().any(|home| line.contains(home)), "somebody's folder: {place}");
            assert!(!names_a_ticket(line), "a ticket's number: {place}");
        }
    }
}

/// A `#` with digits behind it, after a space or a bracket: the number of an issue in a tracker.
fn names_a_ticket(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + 1..].chars().next();
        before.is_some_and(|c| c == ' ' || c == '(') && after.is_some_and(|c| c.is_ascii_digit())
    })
}

/// A case that expects not to find a text in the log can fail only if the server has that text.
#[test]
fn the_server_has_the_log_texts_that_cases_exclude() {
    let rust = sources(&[".rs"]);
    for text in log_texts::ALL {
        let is_there = rust.iter().any(|source| source.is_in(&["relayd/"]) && source.text.contains(text));
        assert!(is_there, "relayd no longer logs {text:?}: change tests/src/harness/log_texts.rs");
    }
}

/// If two branches add the same lines with different wrapping, they merge without a conflict.
#[test]
fn the_changelog_says_nothing_twice() {
    let files = sources(&["CHANGELOG.md"]);
    let page = files.iter().find(|file| file.name == "CHANGELOG.md").expect("CHANGELOG.md");
    let mut items: Vec<String> =
        page.text.split("\n- ").map(|item| item.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    items.sort();
    let doubled = items.windows(2).find(|two| two[0] == two[1]);
    assert_eq!(doubled, None);
    assert!(items.len() > 50, "{} items", items.len());
}

#[test]
fn the_readers_of_sources_see_what_they_look_for() {
    let source = |text: &str| Source { name: "x.rs".to_owned(), text: text.to_owned() };
    for named in ["use mio::Poll;", "    let x = mio::Token(1);", "fn f(x: ::mio::Poll)", "use mio;"] {
        assert_eq!(source(named).naming("mio").len(), 1, "{named}");
    }
    for unnamed in ["// mio::Poll", "signal_hook_mio::x()", "amio::x()", "let mio = 1;", "x.mio::<u8>()"] {
        assert_eq!(source(unnamed).naming("mio").len(), 0, "{unnamed}");
    }
    assert!(names_a_ticket(concat!("as told in ", "#", "12")) && !names_a_ticket("r#\"x\"# and #[test]"));
}
