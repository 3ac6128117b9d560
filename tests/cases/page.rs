//! The page for phones, over real sockets: it loads whole, what is not there leads to a node that has it, and
//! clients that do not read it cost no memory.

use std::net::SocketAddr;

use relay_tests::harness::http::{Http, Response, exchange, fetch, post, request};
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::{Bystander, Options, Relay, SetUp};
use relay_tests::on_one_node;

on_one_node!(
    every_file_that_the_shell_names_is_there,
    a_register_names_the_page_where_its_host_is_known,
    the_page_may_connect_where_others_may_not,
    without_the_page_nothing_of_it_is_answered,
    two_thousand_readers_of_the_page_that_do_not_read_cost_little,
);

fn get(addr: SocketAddr, path: &str, headers: &[&str]) -> Response {
    exchange(addr, request("GET", path, headers, ""))
}

/// The values of an attribute in HTML, such as `href="`.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn every_file_that_the_shell_names_is_there(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let shell = fetch(relay.addr(), "/p").expect(200);
    let html = shell.text().to_owned();
    let mut paths = values(&html, "href=\"");
    paths.extend(values(&html, "src=\""));
    assert!(paths.len() > 3, "{html}");
    let mut http = Http::connect(relay.addr());
    for path in paths {
        // All over one connection: bodies that are part of the program follow each other in order.
        http.send(request("GET", path, &["Accept-Encoding: br"], ""));
        let whole = http.response();
        assert_eq!(whole.status, 200, "{path}");
        http.send(request("GET", path, &[&format!("If-None-Match: {}", whole.header("etag").unwrap())], ""));
        assert_eq!(http.response().status, 304, "{path}");
    }
    assert!(fetch(relay.addr(), "/").expect(200).text().contains("href=\"/p\""));
    get(relay.addr(), "/p/0123456789abcdef/ui/main.js?try=99", &[]).expect(404);
    let elsewhere = get(relay.addr(), "/p/0123456789abcdef/ui/main.js", &[]).expect(307);
    assert_eq!(elsewhere.header("location"), Some("/p/0123456789abcdef/ui/main.js?try=1"));
}

fn a_register_names_the_page_where_its_host_is_known(set_up: SetUp) {
    let named = |options: &Options| {
        let relay = Relay::start_with(set_up, options);
        let answer = post(relay.addr(), "/api/register", "").expect(200).json();
        answer.names().contains(&"page").then(|| answer.text("page").to_owned())
    };
    let at = |url: &str| Options::new().env("PUBLIC_WS_URL", url);
    assert_eq!(named(&at("wss://relay.example/ws")), Some("https://relay.example/p".to_owned()));
    assert_eq!(named(&at("wss://relay.example/a/ws")), None);
    assert_eq!(named(&at("wss://relay.example/ws").flag("--no-page")), None);
    assert_eq!(named(&Options::new()), None);
}

fn the_page_may_connect_where_others_may_not(set_up: SetUp) {
    let options = Options::new()
        .env("PUBLIC_WS_URL", "wss://relay.example/ws")
        .env("ALLOWED_ORIGINS", "https://app.example");
    let relay = Relay::start_with(set_up, &options);
    let register = |origin: &str| {
        exchange(relay.addr(), request("POST", "/api/register", &[&format!("Origin: {origin}")], ""))
    };
    register("https://relay.example").expect(200);
    register("https://app.example").expect(200);
    register("https://evil.example").expect(403);
}

fn without_the_page_nothing_of_it_is_answered(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().flag("--no-page"));
    for path in ["/", "/p", "/p/sw.js", "/p/0123456789abcdef/ui/main.js"] {
        fetch(relay.addr(), path).expect(404);
    }
}

/// Each has asked for the page a hundred times. One answer is under way to each, and its body is not copied.
fn two_thousand_readers_of_the_page_that_do_not_read_cost_little(set_up: SetUp) {
    allow_descriptors(8192);
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    fetch(relay.addr(), "/p").expect(200);
    let before = relay.node().process().resident_kib();
    let asked = request("GET", "/p", &[], "").repeat(100);
    let mut readers: Vec<Wire> = Vec::new();
    for _ in 0..2000 {
        let mut wire = Wire::connect_narrow(relay.addr(), 4 << 10);
        wire.send(asked.as_bytes());
        readers.push(wire);
    }
    // A new client is served, and by then the server has seen all of them.
    fetch(relay.addr(), "/p").expect(200);
    let grown = relay.node().process().resident_kib().saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB for 2,000 readers");
    bystander.done();
}
