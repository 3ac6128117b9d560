//! One large message to a slow reader: fragmented as RFC 6455 §5.4 asks, with control frames between the
//! pieces.

use std::thread;

use relay_tests::harness::json::Object;
use relay_tests::harness::sequence::Numbered;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Received, Upgrade, Ws};
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(control_frames_overtake_a_large_message, notices_wait_for_the_end_of_the_message);

const BYTES: usize = 16 << 20;

fn link(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.next_addr(&session, Role::Phone), 32 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// Reads one message frame by frame, and returns its payload. `on_control` gets the control frames in
/// between.
fn gather(ws: &mut Ws, mut on_control: impl FnMut(Received)) -> Vec<u8> {
    let mut payload = Vec::new();
    loop {
        let frame = ws.frame().expect("a whole message");
        match frame.opcode {
            Opcode::Ping | Opcode::Pong | Opcode::Close => on_control(frame),
            opcode => {
                // The first frame has the kind, and the others continue it, up to the first FIN.
                assert_eq!(opcode, if payload.is_empty() { Opcode::Text } else { Opcode::Continuation });
                payload.extend_from_slice(&frame.payload);
                if frame.fin {
                    return payload;
                }
            }
        }
    }
}

/// The envelope holds exactly this text, which has no repeated parts.
fn expect_whole(envelope: Vec<u8>, text: &str) {
    let envelope = Object::parse(&String::from_utf8(envelope).expect("UTF-8"));
    assert!(envelope.text("frame") == text, "{} bytes are not the text", envelope.text("frame").len());
}

/// Fault 23.
fn control_frames_overtake_a_large_message(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let text = Numbered::new(&session, Role::Workstation).text(BYTES);
    thread::scope(|scope| {
        scope.spawn(|| workstation.text(&text));
        // Its first piece has arrived, and most of it has not: far more than any socket holds.
        let ws = phone.ws();
        let first = ws.frame().expect("a first piece");
        assert_eq!((first.opcode, first.fin), (Opcode::Text, false), "one frame leaves no room for a pong");
        ws.send(&FrameSpec::new(Opcode::Ping, "meanwhile"));
        let mut pongs = Vec::new();
        let mut rest = first.payload;
        while pongs.is_empty() {
            let frame = ws.frame().expect("the rest of it");
            match frame.opcode {
                Opcode::Pong => pongs.push(frame.payload),
                opcode => {
                    assert_eq!((opcode, frame.fin), (Opcode::Continuation, false), "no pong before its end");
                    rest.extend_from_slice(&frame.payload);
                }
            }
        }
        assert_eq!(pongs, [b"meanwhile"]);
        loop {
            let frame = ws.frame().expect("the rest of it");
            assert_eq!(frame.opcode, Opcode::Continuation);
            rest.extend_from_slice(&frame.payload);
            if frame.fin {
                break;
            }
        }
        expect_whole(rest, &text);
    });
    workstation.text("behind it");
    phone.expect_text("behind it");
}

fn notices_wait_for_the_end_of_the_message(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let text = Numbered::new(&session, Role::Workstation).text(BYTES / 2);
    thread::scope(|scope| {
        scope.spawn(|| {
            workstation.text(&text);
            workstation.text("last words");
            workstation.leave();
        });
        expect_whole(gather(phone.ws(), |control| panic!("{control:?}")), &text);
    });
    phone.expect_text("last words");
    phone.expect(&Event::Left);
    phone.fence();
}
