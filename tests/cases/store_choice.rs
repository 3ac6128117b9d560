//! Which store a node uses without a setting.

use std::net::TcpStream;

use relay_tests::harness::http::{fetch, post};
use relay_tests::harness::redis::Shared;
use relay_tests::harness::{Options, Relayd};

#[test]
fn without_a_url_the_default_address_is_tried_once() {
    let relayd = Relayd::start(&Options::new());
    if TcpStream::connect("127.0.0.1:6379").is_ok() {
        // Something listens there, so it is required, whatever it turns out to be.
        let ready = fetch(relayd.addr(), "/ready");
        assert!(ready.status == 503 || ready.json().text("store") == "redis", "{ready:?}");
        return;
    }
    let ready = fetch(relayd.addr(), "/ready").expect(200).json();
    assert_eq!(ready.text("store"), "memory");
    post(relayd.addr(), "/api/register", "").expect(200);
    let told = relayd
        .log()
        .text()
        .lines()
        .filter(|line| line.contains("embedded") || line.contains("memory"))
        .count();
    assert!(told >= 1, "nothing in the log about it:\n{}", relayd.log().text());
}

#[test]
fn the_flag_decides() {
    let redis = Shared::open();
    let relayd = Relayd::start(&Options::new().env("REDIS_URL", redis.url()).arg("--store", "memory"));
    assert_eq!(fetch(relayd.addr(), "/ready").expect(200).json().text("store"), "memory");
    let relayd = Relayd::start_ready(&Options::new().arg("--redis-url", redis.url()).arg("--store", "redis"));
    assert_eq!(fetch(relayd.addr(), "/ready").expect(200).json().text("store"), "redis");
}
