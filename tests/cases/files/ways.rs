//! Files that arrive.

use std::fs;

use relay_tests::harness::{Relay, SetUp};

use super::{Phone, Place, assert_same, names, noise, text};

#[test]
fn a_file_and_a_folder_go_to_the_phone() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let bytes = noise(3_000_000);
    let file = place.file("photo.jpg", &bytes);
    fs::create_dir_all(place.at("out/notes/deep")).unwrap();
    fs::write(place.at("out/notes/deep/a.txt"), "one").unwrap();
    fs::write(place.at("out/notes/empty"), "").unwrap();
    let mut phone = place.phone.start(&["--inbox", &text(&place.phone.at("in")), "--once"]);
    let said = place.desk.run(&["send", &file, &text(&place.at("out/notes"))]);
    assert!(said.contains("\"Pixel\": all 3 files are there"), "{said}");
    phone.until("received 3 files, 3000003 bytes");
    assert_eq!(phone.exit_code(), Some(0));
    let inbox = place.phone.at("in");
    assert_same(&inbox.join("photo.jpg"), &bytes);
    assert_same(&inbox.join("notes/deep/a.txt"), b"one");
    assert_same(&inbox.join("notes/empty"), b"");
    assert_eq!(names(&inbox), ["notes", "photo.jpg"]);
}

#[test]
fn files_of_the_phone_come_into_the_folder_and_nothing_is_overwritten() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let bytes = noise(1_000_000);
    let file = place.phone.file("photo.jpg", &bytes);
    fs::write(place.at("in/photo.jpg"), "an older one").unwrap();
    let mut command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    phone.until("sent 1 files, 1000000 bytes");
    assert_eq!(phone.exit_code(), Some(0));
    command.until("\"Pixel\": all 1 files are there");
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.at("in/photo.jpg"), b"an older one");
    let names = names(&place.at("in"));
    let other = names.iter().find(|name| *name != "photo.jpg").expect("another file");
    assert!(names.len() == 2 && other.starts_with("photo"), "{names:?}");
    assert_same(&place.at("in").join(other), &bytes);
}

#[test]
fn both_directions_at_once() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let (down, up) = (noise(6_000_000), noise(5_000_000));
    let (file, sent) = (place.file("down", &down), place.phone.file("up", &up));
    let mut command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.taking();
    phone.type_line(&format!("/send {sent}"));
    place.desk.run(&["send", &file]);
    assert_eq!(command.exit_code(), Some(0));
    phone.until("sent 1 files");
    phone.type_line("/quit");
    assert_eq!(phone.exit_code(), Some(0));
    assert_same(&place.phone.at("in/down"), &down);
    assert_same(&place.at("in/up"), &up);
}

#[test]
fn of_two_phones_the_named_one_gets_it_and_each_has_its_result() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let tablet = Phone::pair(&place.desk, relay.addr(), "Tablet");
    let file = place.file("a", b"for one");
    let (code, said) = place.desk.try_run(&["send", &file]);
    assert!(code == Some(1) && said.contains("--to \"Pixel\" or --to \"Tablet\""), "{said}");
    let (code, said) = place.desk.try_run(&["send", "--to", "Nexus", &file]);
    assert!(code == Some(1) && said.contains("no phone is called \"Nexus\""), "{said}");
    // The other phone takes none.
    let (_pixel, mut other) = (place.phone.start(&[]), tablet.taking());
    let (code, said) = place.desk.try_run(&["send", "--to", "Tablet", "--to", "Pixel", &file]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("\"Tablet\": all 1 files are there"), "{said}");
    assert!(said.contains("\"Pixel\" refuses: this phone takes no files"), "{said}");
    other.until("received 1 files");
    other.type_line("/quit");
    assert_eq!(other.exit_code(), Some(0));
    assert_same(&tablet.at("in/a"), b"for one");
    assert!(names(&place.phone.at("in")).is_empty());
}

#[test]
fn the_same_name_from_two_phones_is_two_files() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let tablet = Phone::pair(&place.desk, relay.addr(), "Tablet");
    let (one, two) = (noise(2_000_000), vec![7; 2_000_000]);
    let (first, second) = (place.phone.file("a", &one), tablet.file("a", &two));
    let mut command = place.desk.start(&["receive", &text(&place.at("in"))]);
    command.until("phones can send files");
    let pixel = place.phone.start(&["--send", &first, "--once"]);
    let other = tablet.start(&["--send", &second, "--once"]);
    for mut phone in [pixel, other] {
        assert_eq!(phone.exit_code(), Some(0));
    }
    command.process().signal("INT");
    assert_eq!(command.exit_code(), Some(0), "nothing was on its way");
    let names = names(&place.at("in"));
    let mut found: Vec<Vec<u8>> =
        names.iter().map(|name| fs::read(place.at("in").join(name)).unwrap()).collect();
    found.sort();
    let mut sent = vec![one, two];
    sent.sort();
    assert!(found == sent, "{names:?}");
}
