//! The project's own vectors, byte by byte, for every other implementation to check itself against: one
//! pairing, and one later handshake with all that a pairing does not show.
//!
//! `client/vectors/tunnel-1.json` and `tunnel-1-pair.json` are what this computes from fixed inputs. They
//! were written once, by `RELAY_TUNNEL_WRITE_VECTORS=1 cargo test -p relay-client vector`, and change only
//! with the version of the protocol.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::tunnel::noise::{Initiator, Keys, Responder, prologue};
use crate::tunnel::record::{Epoch, Record, ResumeState, answer};
use crate::tunnel::wire::{self, Tag};

const SESSION: [u8; 16] = [0x51; 16];
const CODE: [u8; 32] = [0xc0; 32];
const PAIR: [u8; 32] = [0xaa; 32];
const C: [u8; 4] = [1, 2, 3, 4];
const PHONE_EPHEMERAL: [u8; 32] = [0x11; 32];
const DESK_EPHEMERAL: [u8; 32] = [0x22; 32];
const PHONE_EPOCH: [u8; 16] = [0x33; 16];
const DESK_EPOCH: [u8; 16] = [0x44; 16];
const NAME: &str = "Anna's phone";

/// Everything in hex but names.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    about: String,
    protocol_name: String,
    session: String,
    key: String,
    key_id: String,
    prologue: String,
    c: String,
    phone_ephemeral_private: String,
    workstation_ephemeral_private: String,
    h1: String,
    h2_payload: String,
    h2: String,
    handshake_hash: String,
    words: String,
    records: Vec<Sealed>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<Refused>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    from: String,
    what: String,
    plaintext: String,
    message: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    reason: u8,
    message: String,
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(digits: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn seal(keys: &mut Keys, from: Role, what: &str, record: &Record<'_>) -> Sealed {
    let plaintext = record.to_bytes();
    let mut message = wire::record_head(Tag(C), plaintext.len());
    keys.seal(&plaintext, &mut message).unwrap();
    let (plaintext, message) = (hex(&plaintext), hex(&message));
    Sealed { from: from.to_string(), what: what.to_owned(), plaintext, message }
}

/// A handshake from the pieces, without the machine; `of_desk` is what H2 says. The keys are the phone's and
/// the workstation's.
fn shaken(
    about: &str,
    (key, key_id): (&secret::Secret, KeyId),
    of_desk: &ResumeState,
    fresh: Option<&PairKey>,
) -> (Vector, Keys, Keys) {
    let session = SessionId::from_bytes(SESSION);
    let (phone, first) = Initiator::new(key, session, key_id, PHONE_EPHEMERAL).unwrap();
    let desk = Responder::new(key, session, key_id, DESK_EPHEMERAL, &first).unwrap();
    let payload = answer(of_desk, fresh);
    let (desk, second) = desk.answer(&payload).unwrap();
    let (phone, read) = phone.finish(&second).unwrap();
    assert_eq!(*read, *payload);
    let vector = Vector {
        about: format!("{about} of the tunnel, version 1: see docs/tunnel.md. Everything in hex but names."),
        protocol_name: "Noise_NNpsk0_25519_AESGCM_SHA256".into(),
        session: hex(&SESSION),
        key: hex(key.bytes()),
        key_id: hex(key_id.as_bytes()),
        prologue: hex(&prologue(session, key_id)),
        c: hex(&C),
        phone_ephemeral_private: hex(&PHONE_EPHEMERAL),
        workstation_ephemeral_private: hex(&DESK_EPHEMERAL),
        h1: hex(&wire::h1(Tag(C), key_id, &first)),
        h2_payload: hex(&payload),
        h2: hex(&wire::h2(Tag(C), &second)),
        handshake_hash: hex(phone.hash()),
        words: Words::of(phone.hash()).to_string(),
        records: Vec::new(),
        refusals: Vec::new(),
    };
    (vector, phone, desk)
}

fn of_desk(known: Option<Epoch>, received: u64) -> ResumeState {
    ResumeState { epoch: Epoch(DESK_EPOCH), known, received, window: limits::WINDOW_WORKSTATION }
}

fn of_phone(received: u64) -> ResumeState {
    let (epoch, known) = (Epoch(PHONE_EPOCH), Some(Epoch(DESK_EPOCH)));
    ResumeState { epoch, known, received, window: limits::WINDOW_PHONE }
}

/// The pairing.
fn pairing() -> Vector {
    let (code, pair) = (PairingKey::from_bytes(&CODE), PairKey::from_bytes(&PAIR));
    let key = (code.secret(), code.id());
    let (vector, mut phone, mut desk) = shaken("One pairing", key, &of_desk(None, 0), Some(&pair));
    let data = |ack, bytes| Record::Data { number: 1, ack, fin: true, bytes };
    let records = vec![
        seal(&mut phone, Role::Phone, "HELLO", &Record::Hello { state: of_phone(0), name: NAME }),
        seal(&mut desk, Role::Workstation, "WELCOME", &Record::Welcome { credentials: None }),
        seal(&mut phone, Role::Phone, "DATA", &data(0, "grüß dich".as_bytes())),
        seal(&mut desk, Role::Workstation, "DATA", &data(1, b"hello")),
    ];
    Vector { records, ..vector }
}

/// A handshake under the pair key. The records are one of each kind that the pairing has not, and no
/// conversation.
fn later() -> Vector {
    let pair = PairKey::from_bytes(&PAIR);
    let state = of_desk(Some(Epoch(PHONE_EPOCH)), 258);
    let about = "One handshake under a pair key, single records, and the refusals";
    let (vector, mut phone, mut desk) = shaken(about, (pair.secret(), pair.id()), &state, None);
    let credentials =
        Credentials { session: SessionId::from_bytes([0x52; 16]), token: Token::from_bytes([0x77; 16]) };
    let token = 0x0102_0304_0506_0708;
    let records = vec![
        seal(&mut phone, Role::Phone, "HELLO", &Record::Hello { state: of_phone(772), name: "" }),
        seal(&mut desk, Role::Workstation, "WELCOME", &Record::Welcome { credentials: Some(credentials) }),
        seal(&mut phone, Role::Phone, "SETTLED", &Record::Settled),
        seal(&mut desk, Role::Workstation, "DENIED", &Record::Denied),
        seal(&mut desk, Role::Workstation, "PING", &Record::Ping { token }),
        seal(&mut phone, Role::Phone, "PONG", &Record::Pong { token }),
        seal(&mut phone, Role::Phone, "ACK", &Record::Ack { ack: 773 }),
        seal(&mut desk, Role::Workstation, "CLOSE", &Record::Close { last: 1029 }),
    ];
    let refused = |why: &Refusal| Refused { reason: why.code(), message: hex(&wire::refused(Tag(C), *why)) };
    Vector { records, refusals: Refusal::ALL.iter().map(refused).collect(), ..vector }
}

/// The content of the file. If it is to be written, `computed` is put there first.
pub(super) fn kept<V: Serialize + DeserializeOwned>(name: &str, computed: &V) -> V {
    let file = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RELAY_TUNNEL_WRITE_VECTORS").is_some() {
        std::fs::write(&file, sonic_rs::to_string_pretty(computed).unwrap() + "\n").unwrap();
    }
    sonic_rs::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_vectors_are_met_by_the_pieces() {
    for (name, computed) in [("tunnel-1.json", pairing()), ("tunnel-1-pair.json", later())] {
        assert_eq!(kept(name, &computed), computed, "{name}");
    }
}

#[test]
fn what_the_vectors_show_is_read_as_it_was_written() {
    for vector in [pairing(), later()] {
        for Sealed { what, plaintext, .. } in &vector.records {
            let plaintext = unhex(plaintext);
            let record = Record::parse(&plaintext).unwrap();
            assert!(format!("{record:?}").to_uppercase().starts_with(what.as_str()), "{what}: {record:?}");
            assert_eq!(record.to_bytes(), plaintext);
        }
        for Refused { reason, message } in &vector.refusals {
            let message = unhex(message);
            let Some(Outer::Refused { c, why }) = Outer::parse(&message) else { panic!("{reason}") };
            assert_eq!((c, why.code()), (Tag(C), *reason));
        }
    }
    let h2 = unhex(&later().h2);
    assert_eq!((h2.len(), unhex(&pairing().h2).len()), (97, 129), "without a pair key, and with one");
}

/// Gives out what was written down, in order.
struct Scripted(VecDeque<u8>);

impl Entropy for Scripted {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        out.iter_mut()
            .for_each(|byte| *byte = self.0.pop_front().expect("more was drawn than is written down"));
        Ok(())
    }
}

fn scripted(parts: &[&[u8]]) -> Box<dyn Entropy + Send> {
    Box::new(Scripted(parts.concat().into()))
}

#[test]
fn the_vector_is_met_by_the_machines() {
    let (home, now) = (Credentials { session: SessionId::from_bytes(SESSION), ..credentials(0) }, SEC);
    let key = || PairingKey::from_bytes(&CODE);
    let drawn = scripted(&[&PHONE_EPOCH, &PHONE_EPHEMERAL, &C]);
    let phone = Tunnel::pair(Role::Phone, home, key(), &named(Role::Phone), drawn, now).unwrap();
    let drawn = scripted(&[&DESK_EPOCH, &DESK_EPHEMERAL, &PAIR]);
    let desk = Options::new(Role::Workstation);
    let desk = Tunnel::pair(Role::Workstation, home, key(), &desk, drawn, now).unwrap();
    let mut bench = TunnelBench { now, phone: End::new(phone), desk: End::new(desk) };
    let vector = pairing();
    bench.phone.tunnel.on_link(now);
    bench.desk.tunnel.on_link(now);
    let h1 = bench.phone_says();
    assert_eq!(hex(&h1), vector.h1);
    bench.desk_hears(&h1);
    let h2 = bench.desk_says();
    assert_eq!(hex(&h2), vector.h2);
    bench.phone_hears(&h2);
    let hello = bench.phone_says();
    bench.desk_hears(&hello);
    bench.desk.tunnel.answer(1, Answer::Allow { session: None }, now);
    let welcome = bench.desk_says();
    bench.phone_hears(&welcome);
    assert!(
        matches!(&bench.phone.news()[..], [TunnelEvent::Asked { words }, _] if words.to_string() == vector.words)
    );
    bench.phone.tunnel.try_send("grüß dich".as_bytes()).unwrap();
    let up = bench.phone_says();
    bench.desk_hears(&up);
    assert_eq!(take_all(&mut bench.desk, now), ["grüß dich".as_bytes()]);
    bench.desk.tunnel.try_send(b"hello").unwrap();
    let down = bench.desk_says();
    bench.phone_hears(&down);
    assert_eq!(take_all(&mut bench.phone, now), [b"hello"]);
    let said = [hello, welcome, up, down].map(|message| hex(&message));
    assert_eq!(said.as_slice(), vector.records.into_iter().map(|record| record.message).collect::<Vec<_>>());
}
