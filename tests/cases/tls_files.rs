//! The files of the listener's TLS: renewed ones are shown without a break, and mistakes say what to do.

use std::fs;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::tls_client::TlsClient;
use relay_tests::harness::{Authority, Options, Relayd};

use crate::tls::{link, start};

const NAME: &str = "localhost";

#[test]
fn renewed_files_are_shown_and_nobody_is_dropped() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    let mut pair = link(&relayd, &client);
    let shown = || client.connect(relayd.addr(), NAME).certificate();
    for hang_up in [false, true] {
        let before = shown();
        authority.issue(NAME);
        if hang_up {
            relayd.process().signal("HUP");
        }
        read_until("the renewed certificate", || (shown() != before).then_some(()));
        pair.expect_alive();
    }
    relayd.log().wait_for("line about it", |line| line.contains("renewed certificate").then_some(()));
}

#[test]
fn broken_files_are_logged_and_the_earlier_ones_stay() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    let shown = || client.connect(relayd.addr(), NAME).certificate();
    let (before, identity) = (shown(), authority.issue("other"));
    let key = authority.issue(NAME).key;
    let unrelated = fs::read(&identity.key).unwrap();
    for (broken, words) in [
        (&unrelated[..], "is not the key of the certificate"),
        (&b"broken"[..], "holds no private key that can be used"),
    ] {
        fs::write(&key, broken).unwrap();
        relayd.process().signal("HUP");
        relayd.log().wait_for(words, |line| {
            (line.contains("the earlier one stays") && line.contains(words)).then_some(())
        });
        assert_eq!(shown(), before);
    }
    authority.issue(NAME);
    read_until("the repaired certificate", || (shown() != before).then_some(()));
}

#[test]
fn mistakes_at_the_start_end_it_in_one_line() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("a.example"), authority.issue("b.example"));
    let secret = fs::read_to_string(&one.key).unwrap().lines().nth(1).unwrap().to_owned();
    let refused = |options: Options, words: &str| {
        let (status, _, said) = Relayd::run_to_end(&options);
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.lines().count() == 1 && said.contains(words), "{said}");
        assert!(!said.contains(&secret), "{said}");
    };
    let pair =
        |certificate: &str, key: &str| Options::new().arg("--tls-cert", certificate).arg("--tls-key", key);
    refused(pair("/absent.pem", &one.key), "/absent.pem can't be read (");
    refused(pair(&one.certificate, &other.key), "name the two files that were issued together");
    refused(pair(&one.key, &one.key), "holds no certificate");
    refused(pair(&one.certificate, &one.certificate), "holds no private key");
    refused(Options::new().arg("--tls-cert", &one.certificate), "give one key for each certificate");
    refused(Options::new().env("TLS_KEY", &one.key), "give one key for each certificate");
}

#[test]
fn the_variables_name_several_too() {
    let authority = Authority::new();
    let identities = ["a.example", "b.example"].map(|name| authority.issue(name));
    let both = |pick: fn(&relay_tests::harness::authority::Identity) -> &String| {
        identities.each_ref().map(|identity| pick(identity).as_str()).join(",")
    };
    let options = Options::new()
        .arg("--store", "memory")
        .env("TLS_CERT", &both(|it| &it.certificate))
        .env("TLS_KEY", &both(|it| &it.key));
    let relayd = Relayd::start(&options);
    let client = TlsClient::new(&authority);
    for name in ["a.example", "b.example"] {
        client.connect(relayd.addr(), name);
    }
    relayd
        .log()
        .wait_for("the address with the name", |line| line.contains("wss://a.example:").then_some(()));
}
