//! The agent: several phones behind one process that commands find or start, whatever ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use relay_client::Stop;
use relay_client::app::Kind;
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::guard::read_until;
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
