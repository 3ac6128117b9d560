//! Phones that do not read, each with as much in flight as the server takes. Their total cost is bounded.
//! Cases play some hundreds of them, the soak a thousand.

use std::time::Duration;

use crate::harness::wire::Wire;
use crate::harness::ws::{FrameSpec, Opcode, Upgrade};
use crate::harness::{Pair, Peer, Relay, Role, Session};

/// This many pairs whose phones do not read.
pub fn stuck(relay: &Relay, pairs: usize) -> Vec<Pair> {
    let flood = FrameSpec::new(Opcode::Binary, vec![7; 10_000]).encode().repeat(400);
    let link = |_| {
        let session = Session::register(relay);
        let workstation = Peer::join(relay, &session, Role::Workstation);
        let wire = Wire::connect_narrow(relay.next_addr(&session, Role::Phone), 16 << 10);
        let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
        Pair::linked(session, workstation, phone)
    };
    let mut all: Vec<Pair> = (0..pairs).map(link).collect();
    // In small rounds, so that all fill up together and none waits long.
    let mut sent = vec![0; pairs];
    for _ in 0..4 {
        for (pair, sent) in all.iter_mut().zip(&mut sent) {
            let wire = pair.workstation.ws().wire();
            *sent += wire.send_until_blocked(&flood[*sent..], Duration::from_millis(5));
        }
    }
    all
}
