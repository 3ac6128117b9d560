//! Clients whose way out leads through a proxy: which variable counts, what they tell of a proxy that does
//! not let them through, and that a pair goes on when it does again. `tests/python/way_out.py` has proxies by
//! others.

use std::process::Command;

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, EngineSettings};
use relay_client::{Lost, Proxy};
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::{Ends, fresh_code};
use relay_tests::harness::{Gate, Gateway, Options, Relay, SetUp};

/// A relay under a name that only proxies know.
fn hidden_relay() -> Relay {
    Relay::start_with(SetUp::Memory, &Options::new().env("PUBLIC_WS_URL", "ws://relay.test/ws"))
}

/// The relay's address for programs behind a proxy.
const RELAY: &str = "http://relay.test";

/// A program without any of this machine's own settings.
fn command(path: std::path::PathBuf) -> Command {
    let mut command = Command::new(path);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

fn workstation(server: &str) -> Command {
    let mut command = command(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--alone", "--server", server, "--yes"]).env_remove("REGISTER_KEY");
    command
}

fn phone() -> Command {
    command(binary("WORKSTATION_BIN", "relay-workstation").with_file_name("examples").join("phone"))
}

#[test]
fn both_programs_talk_through_the_proxies_of_their_environments() {
    let relay = hidden_relay();
    let http = Gateway::start(Gate::Http(Some("Basic bWU6cEBzcw==")), relay.addr());
    let socks = Gateway::start(Gate::Socks(Some(("me", "p@ss"))), relay.addr());
    let by_http = format!("http://me:p%40ss@{}", http.addr());
    let mut desk = Program::start(workstation(RELAY).env("HTTP_PROXY", by_http));
    let shown = desk.until("or paste this: ");
    let code = shown.trim_start_matches("or paste this: ").to_owned();
    let by_socks = format!("socks5h://me:p%40ss@{}", socks.addr());
    let mut phone = Program::start(phone().arg(code).env("ALL_PROXY", by_socks));
    desk.until("phone is here, encrypted");
    phone.until("workstation is here, encrypted");
    phone.type_line("from the phone");
    desk.until("from the phone");
    desk.type_line("from the desk");
    phone.until("workstation: from the desk");
    for gateway in [http, socks] {
        let asked = gateway.asked();
        assert!(!asked.is_empty() && asked.iter().all(|target| target == "relay.test:80"), "{asked:?}");
    }
}

#[test]
fn the_option_wins_over_the_environment() {
    let relay = hidden_relay();
    let gateway = Gateway::start(Gate::Http(None), relay.addr());
    let by_option = |proxy: &str| {
        let mut command = workstation(RELAY);
        Program::start(command.args(["--proxy", proxy]).env("HTTP_PROXY", "http://127.0.0.1:1"))
    };
    by_option(&format!("http://{}", gateway.addr())).until("or paste this: ");
    assert_eq!(gateway.asked()[0], "relay.test:80");
    let (status, said) = by_option("ftp://me:secret@h").finish();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("--proxy: \"ftp://***@h\" is not a proxy") && !said.contains("secret"), "{said}");
    let mut direct = workstation(&format!("http://{}", relay.addr()));
    let direct = Program::start(direct.args(["--proxy", "none"]).env("HTTP_PROXY", "nonsense://"));
    direct.until("or paste this: ");
}

#[test]
fn exempt_hosts_are_not_asked_of_the_proxy() {
    let relay = hidden_relay();
    let gateway = Gateway::start(Gate::Http(None), relay.addr());
    let to_nowhere = |exempt: &str| {
        // No machine has this address: a direct connect fails at once.
        let mut command = workstation("http://255.255.255.255");
        command.env("http_proxy", gateway.addr().to_string());
        Program::start(command.env("NO_PROXY", exempt))
    };
    let (status, said) = to_nowhere("10.0.0.0/8,255.255.255.255").finish();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("can't reach http://255.255.255.255: "), "{said}");
    assert_eq!(gateway.asked(), [""; 0]);
    to_nowhere("10.0.0.0/8").until("or paste this: ");
    assert_eq!(gateway.asked()[0], "255.255.255.255:80");
}

#[test]
fn what_is_wrong_with_a_proxy_is_told_without_its_password() {
    let relay = hidden_relay();
    let basic = Gate::Http(Some("Basic bWU6cEBzcw=="));
    let said_by = |gate: Gate, scheme: &str| {
        let gateway = Gateway::start(gate, relay.addr());
        let (status, said) = said_with(&format!("{scheme}{}", gateway.addr()));
        assert_eq!(status, Some(1), "{said}");
        let name = scheme.split_once("://").unwrap().0;
        let at = gateway.addr();
        assert!(
            said.contains(&format!(
                "can't reach http://relay.test through the proxy {name}://{at} (HTTP_PROXY): "
            )),
            "{said}"
        );
        said
    };
    for (gate, scheme, words) in [
        (
            basic.clone(),
            "http://",
            "it wants a user and a password (407 Proxy Authentication Required): write USER:PASSWORD@ before its host in HTTP_PROXY",
        ),
        (
            basic,
            "http://me:secret@",
            "it does not accept the user or the password (407 Proxy Authentication Required): correct them in HTTP_PROXY",
        ),
        (
            Gate::Socks(Some(("me", "p@ss"))),
            "socks5h://me:secret@",
            "it does not accept the user or the password (status 1)",
        ),
        (Gate::Socks(Some(("me", "p@ss"))), "socks5h://", "it wants a user and a password"),
        (
            Gate::Answer(b"HTTP/1.1 403 Not \x1b[2Jtoday\r\n\r\n"),
            "http://",
            "it does not answer like a proxy",
        ),
        (
            Gate::Answer(b"HTTP/1.1 403 Not today\r\n\r\n"),
            "http://",
            "it forbids this way (403 Not today): many proxies allow port 443 only",
        ),
        (
            Gate::Answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "http://",
            "it can't reach the relay (502 Bad Gateway): is relay.test:80 right",
        ),
        (
            Gate::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "socks5h://",
            "it answers like an HTTP proxy: write http:// in HTTP_PROXY",
        ),
        (Gate::Answer(b""), "http://", "it hung up before it answered"),
        (
            Gate::Answer(b"\x05\xff"),
            "http://",
            "it answers like a SOCKS proxy: write socks5h:// in HTTP_PROXY",
        ),
        (Gate::Silent, "http://", "waited for its answer in vain"),
    ] {
        let said = said_by(gate.clone(), scheme);
        assert!(said.contains(words) && !said.contains("secret"), "{gate:?}: {said}");
    }
    let (status, said) = said_with("ftp://me:secret@h:1");
    assert_eq!(status, Some(1), "{said}");
    let words = "HTTP_PROXY: \"ftp://***@h:1\" is not a proxy that can be used: write it as http://, socks5:// or socks5h://";
    assert!(said.contains(words) && !said.contains("secret"), "{said}");
}

/// How the workstation ends with this proxy, and what it says.
fn said_with(proxy: &str) -> (Option<i32>, String) {
    let (status, said) = Program::start(workstation(RELAY).env("HTTP_PROXY", proxy)).finish();
    (status.code(), said)
}

#[test]
fn a_pair_goes_on_when_the_proxy_lets_it_through_again() {
    let relay = Relay::start(SetUp::Memory);
    let gateway = Gateway::start(Gate::Http(None), relay.addr());
    let through = |role| EngineSettings {
        proxy: format!("http://{}", gateway.addr()).parse::<Proxy>().unwrap(),
        ..EngineSettings::new(role)
    };
    let mut ends = Ends::pair(fresh_code(relay.addr()), &through(Role::Workstation), &through(Role::Phone));
    for (gate, words) in [
        (
            Gate::Answer(b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n"),
            "it wants a user and a password",
        ),
        (Gate::Answer(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "it forbids this way"),
        (Gate::Answer(b"<html>"), "it does not answer like a proxy"),
    ] {
        gateway.change(gate);
        for end in [&mut ends.workstation, &mut ends.phone] {
            end.until("the proxy's words", |event| match event {
                Event::Reconnecting { why: Lost::Unreachable(why), .. } if why.contains(words) => Some(()),
                _ => None,
            });
        }
        gateway.change(Gate::Http(None));
        for end in [&mut ends.workstation, &mut ends.phone] {
            end.engine.retry_now();
            end.until_open();
        }
        ends.phone.send(b"still here");
        assert_eq!(ends.workstation.message(), b"still here");
    }
    let asked = gateway.asked();
    assert!(
        asked.iter().all(|target| *target == format!("localhost:{}", relay.addr().port())
            || *target == relay.addr().to_string()),
        "{asked:?}"
    );
}
