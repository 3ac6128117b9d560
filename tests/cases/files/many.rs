//! Many small files.

use std::fs;

use relay_tests::harness::{Relay, SetUp};

use super::{Place, names, text};

const FILES: usize = 10_000;

#[test]
fn ten_thousand_small_files_go_both_ways() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let folder = place.at("out/many");
    fs::create_dir(&folder).unwrap();
    for number in 0..FILES {
        fs::write(folder.join(format!("{number}.txt")), number.to_string().repeat(20)).unwrap();
    }
    let mut phone = place.phone.taking();
    let said = place.desk.run(&["send", &text(&folder)]);
    assert!(said.contains("all 10000 files are there"), "{said}");
    phone.until("received 10000 files");
    let there = place.phone.at("in/many");
    let mut command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    phone.type_line(&format!("/send {}", text(&there)));
    assert_eq!(command.exit_code(), Some(0));
    phone.until("sent 10000 files");
    for folder in [there, place.at("in/many")] {
        assert_eq!(names(&folder).len(), FILES);
        for number in [0, 1, FILES - 1] {
            let found = fs::read_to_string(folder.join(format!("{number}.txt"))).unwrap();
            assert_eq!(found, number.to_string().repeat(20));
        }
    }
}
