//! TLS of the listener: pairs talk over it, the certificate is chosen by name, and its end is an orderly one.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use relay_tests::harness::desk::Desk;
use relay_tests::harness::http::{Http, request};
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tls_client::TlsClient;
use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::ws::{FrameSpec, Message, Upgrade, Ws};
use relay_tests::harness::{Authority, Event, Options, Pair, Peer, Relayd, Role, Session, Talk};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

const NAME: &str = "localhost";

pub fn options(authority: &Authority, names: &[&str]) -> Options {
    names.iter().fold(Options::new().arg("--store", "memory"), |options, name| {
        let identity = authority.issue(name);
        options.arg("--tls-cert", &identity.certificate).arg("--tls-key", &identity.key)
    })
}

pub fn start(authority: &Authority, more: impl FnOnce(Options) -> Options) -> Relayd {
    Relayd::start(&more(options(authority, &[NAME])))
}

fn exchange(wire: Wire, method: &str, path: &str) -> (u16, String) {
    let mut http = Http::over(wire);
    http.send(request(method, path, &[], ""));
    let response = http.response();
    (response.status, response.text().to_owned())
}

/// The whole page of metrics.
pub fn metrics(relayd: &Relayd, client: &TlsClient) -> String {
    exchange(client.wire(relayd.addr(), NAME), "GET", "/metrics").1
}

pub fn metric(relayd: &Relayd, client: &TlsClient, sample: &str) -> u64 {
    let page = metrics(relayd, client);
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{page}")).parse().unwrap()
}

pub fn link(relayd: &Relayd, client: &TlsClient) -> Pair {
    let front = client.front(relayd.addr(), NAME);
    let session = Session::register_at(front);
    let join = |role| {
        let ws = Upgrade::default().open_over(client.wire(relayd.addr(), NAME)).0;
        Peer::join_over(ws, &session.hello(role).v2())
    };
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    Pair::linked(session.clone(), workstation, phone)
}

#[test]
fn a_workstation_and_a_phone_pair_and_talk_over_it() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let desk = Desk::new(relayd.addr());
    let server = format!("https://{NAME}:{}", relayd.addr().port());
    let ca = authority.file();
    let url = format!("wss://{NAME}:{}/ws", relayd.addr().port());
    let mut command = desk.command(&["chat", "--yes", "--ca", &ca, "--public-url", &url]);
    let mut chat = Program::start(command.env("RELAY_SERVER", &server));
    let code = chat.until("or paste this: ").trim_start_matches("or paste this: ").to_owned();
    assert!(code.starts_with(&format!("{server}/p#")), "{code}");
    let phone = binary("RELAY_PHONE_BIN", "examples/phone");
    let mut phone = Program::start(Command::new(phone).args(["--ca", &ca, &code]));
    chat.until("paired with");
    chat.type_line("from the desk");
    while !phone.line().contains("from the desk") {}
    phone.type_line("from the phone");
    while !chat.line().contains("from the phone") {}
}

#[test]
fn random_traffic_arrives_whole_and_in_order() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let relayd = start(&authority, |options| options);
        let client = TlsClient::with_versions(&authority, &[version]);
        let front = client.front(relayd.addr(), NAME);
        let mut talk = Talk::link(Session::register_at(front), |_| front);
        for length in [0, 1, 200, 16_300, 16_384, 70_000, 1 << 20] {
            talk.send(8, length);
            talk.settle();
        }
        talk.assert_undisturbed();
    }
}

/// What its socket does not take is kept whole, whatever piece of a record is on its way.
#[test]
fn a_phone_that_reads_late_misses_nothing() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    let session = Session::register_at(client.front(relayd.addr(), NAME));
    let join = |wire, role| Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role).v2());
    let mut workstation = join(client.wire(relayd.addr(), NAME), Role::Workstation);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&relayd.addr().into()).unwrap();
    let narrow = client.try_over(socket.into(), NAME).unwrap().into_wire();
    let mut phone = join(narrow, Role::Phone);
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
    let text = |number: usize| format!("{number}:{}", "x".repeat(number * 37 % 30_000));
    // More than all buffers hold, so the sender blocks until the phone reads.
    let sender = std::thread::spawn(move || {
        (0..600).for_each(|number| workstation.text(&text(number)));
        workstation
    });
    for number in 0..600 {
        phone.expect_text(&text(number));
    }
    drop(sender.join().unwrap());
}

#[test]
fn the_name_chooses_the_certificate() {
    let authority = Authority::new();
    let names = ["a.example", "b.example"];
    let relayd = Relayd::start(&options(&authority, &names));
    let client = TlsClient::new(&authority);
    let [a, b] = names.map(|name| client.connect(relayd.addr(), name));
    assert_ne!(a.certificate(), b.certificate());
    assert_eq!(a.alpn(), Some(&b"http/1.1"[..]));
    // An unknown name gets the first certificate, which the client then refuses.
    let refused = client.try_over(TcpStream::connect(relayd.addr()).unwrap(), "c.example").unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
}

#[test]
fn clients_resume_in_both_versions() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::with_versions(&authority, &[version]);
        let kinds = [(); 3].map(|()| {
            let connection = client.connect(relayd.addr(), NAME);
            let kind = connection.kind();
            // The ticket comes before the answer.
            assert_eq!(exchange(connection.into_wire(), "GET", "/health").0, 200);
            kind
        });
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed].map(Some));
    }
    let client = TlsClient::new(&authority);
    let page = metrics(&relayd, &client);
    assert!(page.contains("relay_tls_handshakes_total{kind=\"resumed\"} 4\n"), "{page}");
    assert!(page.contains("relay_tls_certificate_not_after_seconds{name=\"localhost\"} "), "{page}");
}

#[test]
fn each_end_says_close_notify() {
    let authority = Authority::new();
    let mut relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    // An HTTP connection that the server closes.
    let mut http = Http::over(client.wire(relayd.addr(), NAME));
    http.send(request("GET", "/health", &["Connection: close"], ""));
    assert_eq!(http.response().status, 200);
    http.expect_closed();
    // A WebSocket that the client closes: `expect_closed` takes an end without close_notify for a reset.
    let mut pair = link(&relayd, &client);
    pair.phone.ws().send(&FrameSpec::close(1000, ""));
    assert_eq!(pair.phone.ws().message(), Ok(Message::Close(1000, String::new())));
    assert_eq!(pair.phone.ws().wire().read_to_end("the end"), End::Eof);
    // One that the server closes, as it stops.
    relayd.process().signal("TERM");
    pair.workstation.until_closed(1001);
    relayd.wait_end(relay_tests::harness::guard::GUARD);
}

#[test]
fn a_client_that_ends_without_close_notify_has_left() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    let mut pair = link(&relayd, &client);
    pair.phone.into_ws().into_wire().reset();
    pair.workstation.expect(&Event::Left);
}

#[test]
fn openssl_agrees() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &relayd.addr().to_string(), "-servername", NAME, version]);
        command.args([
            "-CAfile",
            &authority.file(),
            "-verify_return_error",
            "-alpn",
            "h2,http/1.1",
            "-ign_eof",
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let child = child.as_mut().unwrap_or_else(|error| panic!("this case needs openssl: {error}"));
        let head = request("GET", "/health", &["Connection: close"], "");
        child.stdin.take().unwrap().write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        for line in ["Verification: OK", "ALPN protocol: http/1.1", "HTTP/1.1 200 OK", "New, TLSv1."] {
            assert!(said.contains(line), "{line} is not in\n{said}");
        }
        let expected = if version == "-tls1_2" { "Secure Renegotiation IS supported" } else { "TLSv1.3" };
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn plain_http_is_told_to_use_tls() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    for begin in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "G", "\r\n", "\0"] {
        let mut http = Http::connect(relayd.addr());
        http.send(begin);
        if begin.starts_with('\r') {
            // It may become a PROXY header.
            http.send("GET");
        }
        let response = http.response();
        assert_eq!(response.status, 400, "{begin:?}");
        assert!(
            response.text().contains("needs_tls") && response.text().contains("https://"),
            "{response:?}"
        );
        http.expect_closed();
    }
    assert_eq!(exchange(TlsClient::new(&authority).wire(relayd.addr(), NAME), "GET", "/health").0, 200);
}

#[test]
fn tls_at_a_plain_port_is_told_what_it_lacks() {
    let relayd = Relayd::start(&Options::new());
    let mut hello = Vec::new();
    TlsClient::new(&Authority::new()).begin(NAME).write_tls(&mut hello).unwrap();
    let mut http = Http::connect(relayd.addr());
    http.send(&hello);
    let response = http.response();
    assert!(response.status == 400 && response.text().contains("--tls-cert"), "{response:?}");
    drop(Ws::connect(relayd.addr()));
}
