//! A path dies silently, in both directions or in one: the end notices, connects again, and meets its peer.

use std::thread;
use std::time::Duration;

use relay_tests::dead_path::{Scene, play, start_relay};
use relay_tests::harness::Namespace;
use relay_tests::harness::namespace::Way;

/// Fault 62: The path of a client dies silently.
/// Played: All its packets, or those of one direction, vanish, in a network of the case's own. A workstation
/// before the scan and with its phone, and a phone, idle and sending.
/// Holds: It connects again and meets its peer: a sender and a workstation within 20 s, an idle phone within
/// 50 s (`dead_path RUNS` measures it). A slow upload is not taken for a dead path.
#[test]
fn each_end_notices_it_and_recovers() {
    Namespace::play("dead_path::each_end_notices_it_and_recovers", |network| {
        let relay = start_relay();
        let scenes = Scene::ALL
            .into_iter()
            .flat_map(|scene| [Way::Both, Way::ToServer, Way::ToClient].map(|way| (scene, way)));
        thread::scope(|scope| {
            for (number, (scene, way)) in (1..).zip(scenes) {
                let relay = &relay;
                scope.spawn(move || {
                    let took = play(network, relay, number, scene, way, Duration::from_secs(1));
                    eprintln!(
                        "{scene:?}, {way:?}: noticed after {:?}, back after {:?}",
                        took.noticed, took.back
                    );
                });
            }
        });
    });
}
