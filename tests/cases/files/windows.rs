//! `send` in a window of 80 columns and 24 rows, and in scripts.

use relay_tests::harness::fault_proxy::{Behaviour, FaultProxy};
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

use super::{Place, noise, until_part};

fn slow_place() -> (Relay, FaultProxy, Place) {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    proxy.behave(Behaviour::Rate(2_000_000));
    (relay, proxy, place)
}

#[test]
fn a_window_shows_a_bar_that_fits_and_goes_with_the_end() {
    let (_relay, proxy, place) = slow_place();
    let file = place.file("a\u{1b}[2J.bin", &noise(6_000_000));
    let _phone = place.phone.taking();
    let mut command = place.desk.command(&["send", &file]);
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    let mut window = Window::open(&command, 80, 24);
    let shown = window.until("█") + &window.until("/s  ");
    assert!(shown.contains(" of 6.0 MB"), "{shown}");
    for line in shown.split(['\r', '\n']) {
        assert!(line.trim_start_matches("\u{1b}[K").chars().count() < 80, "{line:?}");
    }
    proxy.behave(Behaviour::Clear);
    let (code, rest) = window.finish();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("\"Pixel\": all 1 files are there"), "{rest}");
    assert!(!format!("{shown}{rest}").contains("\u{1b}[2J"), "a name does nothing to the window");
}

#[test]
fn a_window_without_colours_or_movement_gets_lines() {
    let (_relay, proxy, place) = slow_place();
    let file = place.file("a.bin", &noise(14_000_000));
    let _phone = place.phone.taking();
    let mut command = place.desk.command(&["send", &file]);
    command.env("TERM", "dumb").env("NO_COLOR", "1");
    let mut window = Window::open(&command, 80, 24);
    let shown = window.until(" of 14.0 MB");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    proxy.behave(Behaviour::Clear);
    assert_eq!(window.finish().0, Some(0));
}

#[test]
fn a_script_reads_events_and_progress_never_runs_back() {
    let (_relay, proxy, place) = slow_place();
    let file = place.file("a.bin", &noise(8_000_000));
    let phone = place.phone.taking();
    let command = place.desk.start(&["send", "--json", &file]);
    until_part(&place.phone.at("in"), 1_000_000, &place.desk, &[&command, &phone]);
    command.until("{\"event\":\"progress\",\"phone\":\"Pixel\",\"files\":0,\"files_total\":1,");
    proxy.behave(Behaviour::Clear);
    let (status, said) = command.finish();
    assert!(status.success(), "{said}");
    let end = said.lines().last().unwrap_or_default();
    assert_eq!(
        end,
        r#"{"event":"transfer","phone":"Pixel","state":"complete","done":1,"failed":0,"bytes":8000000}"#
    );
    let done = r#"{"event":"file","phone":"Pixel","name":"a.bin","state":"done","kept_as":"a.bin"}"#;
    assert!(said.contains(done), "{said}");
}
