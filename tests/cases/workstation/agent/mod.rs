//! The agent: several phones behind one process that commands find or start, whatever ends it.

mod chat;
mod damage;
mod lives;
mod notices;
mod pairing;
mod revoked;
mod rights;
mod serving;
mod shells;
mod terminals;
mod times;
mod viewing;

use relay_client::Stop;
use relay_client::app::{Kind, Right};
use relay_tests::harness::desk::Desk;
use relay_tests::harness::{Relay, SetUp};

#[test]
fn phones_are_paired_listed_renamed_and_revoked() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut pixel = desk.pair("Pixel");
    let mut second = desk.pair("Pixel");
    let agent = desk.present_agent();
    let listed = desk.run(&["devices"]);
    assert!(listed.contains("Pixel    online") && listed.contains("Pixel 2  online"), "{listed}");
    desk.run(&["rename", "Pixel 2", "Tablet"]);
    let listed = desk.run(&["devices", "--json"]);
    assert!(listed.contains(r#""name":"Tablet","state":"online","online":true"#), "{listed}");
    for (args, words) in [
        (&["rename", "Nexus", "x"][..], "no phone is called \"Nexus\""),
        (&["rename", "Tablet", "Pixel"], "another phone is called \"Pixel\" already"),
        (&["rename", "Tablet", ""], "1 to 64 bytes"),
        (&["revoke", "Nexus"], "no phone is called \"Nexus\""),
    ] {
        let (code, text) = desk.try_run(args);
        assert!(code == Some(1) && text.contains(words), "{args:?}: {code:?} {text}");
    }
    desk.run(&["revoke", "Pixel"]);
    assert!(matches!(pixel.until_stopped(), Stop::Removed { is_proven: true, .. }));
    let listed = desk.run(&["devices"]);
    assert!(!listed.contains("Pixel") && listed.contains("Tablet"), "{listed}");
    assert_eq!(desk.phone_files().len(), 1);
    assert_eq!(desk.present_agent(), agent, "all of it is one agent's work");
    second.open_chat();
}

#[test]
fn setup_keeps_a_relay_that_answers_and_no_other() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let url = format!("http://{}", relay.addr());
    let words = desk.run(&["setup", &url]);
    assert!(words.contains("answers; the profile \"default\" uses it"), "{words}");
    let kept = desk.state().join("profile.json");
    assert!(std::fs::read_to_string(&kept).unwrap().contains(&url));
    // Nothing listens there.
    let (code, words) = desk.try_run(&["setup", "http://127.0.0.1:9"]);
    assert!(code == Some(1) && words.contains("127.0.0.1:9"), "{words}");
    assert!(std::fs::read_to_string(&kept).unwrap().contains(&url), "the old one stays");
    let mut program = desk.start(&["pair", "--yes"]);
    program.until("or paste this: ");
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(4));
}

#[test]
fn a_phone_may_do_what_its_file_says_and_no_more() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    let rights = phone.until_desk(|desk| Some(desk.rights));
    assert!(rights.has(Right::Type) && !rights.has(Right::Shell), "all but a shell: {rights:?}");
    desk.kill_agent();
    let file = &desk.phone_files()[0];
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace(r#"["chat","files","view","type"]"#, r#"["chat","flying"]"#)).unwrap();
    assert!(
        desk.run(&["devices", "--json"]).contains(r#""rights":["chat"]"#),
        "what is not known is not given"
    );
    phone.until_ready();
    phone.open_chat();
    assert_eq!(phone.open(Kind::Terminal, r#"{"name":"x"}"#).unwrap_err().token(), "rights");
    assert_eq!(phone.open(Kind::File, "{}").unwrap_err().token(), "rights");
}
