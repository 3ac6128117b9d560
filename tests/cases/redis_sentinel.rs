//! The master fails, or steps down, under frames between nodes: the new master is found, and nothing is lost
//! silently.

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::post;
use relay_tests::harness::redis::connect;
use relay_tests::harness::sentinel::Watched;
use relay_tests::harness::{Fleet, Options, Role, Talking};

const PAIRS: usize = 8;

/// Every frame is checked on arrival. Afterwards all pairs are linked, whatever they were told meanwhile.
fn nobody_is_lost(fail_over: impl FnOnce(&mut Watched, &Fleet)) {
    let mut watched = Watched::start();
    let fleet = Fleet::on(2, &Options::new().env("REDIS_URL", &watched.url()));
    let talking = Talking::start(fleet.talks(PAIRS));
    fail_over(&mut watched, &fleet);
    read_until("both nodes to be heard at the new master", || {
        let channels = redis::cmd("PUBSUB").arg(&["CHANNELS", "relay:node:*"]).to_owned();
        let channels: Vec<String> = channels.query(&mut connect(&watched.successor().url())).ok()?;
        (channels.len() == 2).then_some(())
    });
    for node in [0, 1] {
        read_until("a register to succeed", || {
            (post(fleet.addr(node), "/api/register", "").status == 200).then_some(())
        });
    }
    for talk in &mut talking.done() {
        talk.settle();
        assert!(talk.heard(Role::Phone) > 0);
    }
    let newer = fleet.talk(0, 1);
    newer.assert_undisturbed();
}

#[test]
fn a_master_that_is_killed_is_replaced() {
    nobody_is_lost(|watched, fleet| {
        watched.master().kill();
        fleet.node(0).wait_ready(503);
        watched.wait_for_failover();
    });
}

#[test]
fn a_master_that_steps_down_is_replaced() {
    nobody_is_lost(|watched, _| watched.fail_over());
}
