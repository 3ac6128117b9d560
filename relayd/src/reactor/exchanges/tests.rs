//! Deadlines and states of HTTP connections, without sockets.

use std::net::Ipv4Addr;

use super::*;
use crate::http::{HttpDate, Policy, Reply};

const CONN: Conn = Conn { slot: 3, name: 7 };
const NOW: Time = Time::from_ms(1 << 40);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn secs(secs: u64) -> Time {
    NOW + Duration::from_secs(secs)
}

fn begun() -> (Exchanges, Conns) {
    let mut exchanges = Exchanges::new(false);
    exchanges.begin(CONN, PEER, NOW);
    (exchanges, Conns::default())
}

/// A request that was read whole and asks for a register.
fn reply(exchanges: &mut Exchanges) -> Reply {
    let (policy, date) = (Policy::default(), HttpDate::at(0));
    let context = Context { policy: &policy, date: &date };
    let heard = exchanges.read(CONN, b"POST /api/register HTTP/1.1\r\nHost: h\r\n\r\n", &context);
    let Heard::Request(Parsed::Call { reply, .. }) = heard else { panic!("{heard:?}") };
    reply
}

fn pending(exchanges: &mut Exchanges, is_doubted: bool) -> PendingRequest {
    let limited = Some(Address::of(PEER));
    PendingRequest { reply: reply(exchanges), pairing: None, limited, is_doubted }
}

#[test]
fn the_first_request_must_be_whole_in_time_and_its_bytes_do_not_extend_it() {
    let (mut exchanges, mut conns) = begun();
    exchanges.note_part(CONN, true, &mut conns, secs(9));
    assert_eq!(exchanges.next_due(), Some(secs(10)));
    assert_eq!(exchanges.poll_due(secs(10)), Some(Overdue::Request(CONN)));
    assert_eq!(exchanges.poll_due(secs(99)), None, "once");
}

#[test]
fn a_later_request_has_its_time_from_its_first_byte() {
    let (mut exchanges, mut conns) = begun();
    exchanges.queue_answer(CONN, false, &[], &mut conns, secs(1));
    exchanges.note_part(CONN, false, &mut conns, secs(2));
    assert_eq!(exchanges.next_due(), Some(secs(31)), "idle");
    exchanges.note_part(CONN, true, &mut conns, secs(20));
    exchanges.note_part(CONN, true, &mut conns, secs(29));
    assert_eq!(exchanges.next_due(), Some(secs(30)));
    exchanges.queue_answer(CONN, false, &[], &mut conns, secs(30));
    assert_eq!(exchanges.poll_due(secs(60)), Some(Overdue::Connection(CONN)), "idle again");
}

#[test]
fn nothing_is_parsed_while_the_store_is_asked() {
    let (mut exchanges, mut conns) = begun();
    let pending = pending(&mut exchanges, true);
    assert!(exchanges.may_parse(CONN) && exchanges.doubted_address(CONN).is_none());
    exchanges.await_store(CONN, pending, secs(1));
    assert!(!exchanges.may_parse(CONN));
    assert_eq!(exchanges.doubted_address(CONN), Some(Address::of(PEER)));
    assert!(exchanges.take_pending(CONN).is_some() && exchanges.take_pending(CONN).is_none());
    exchanges.close(CONN, &mut conns, secs(2));
    assert!(!exchanges.may_parse(CONN) && exchanges.take_pending(CONN).is_none());
    assert_eq!(exchanges.poll_due(secs(12)), Some(Overdue::Connection(CONN)));
}

#[test]
fn a_connection_that_is_gone_leaves_no_deadline_and_its_slot_may_be_used_again() {
    let (mut exchanges, _) = begun();
    exchanges.end(CONN);
    assert_eq!(exchanges.next_due(), None);
    let later = Conn { name: CONN.name + 1, ..CONN };
    exchanges.begin(later, PEER, secs(5));
    assert!(exchanges.may_parse(later) && !exchanges.may_parse(CONN));
    exchanges.end(CONN);
    assert_eq!(exchanges.next_due(), Some(secs(15)), "the later one is not touched");
}

#[test]
fn a_drain_closes_all_but_those_that_wait_for_the_store() {
    let (mut exchanges, mut conns) = begun();
    let other = Conn { slot: 4, name: 8 };
    exchanges.begin(other, PEER, NOW);
    let pending = pending(&mut exchanges, false);
    exchanges.await_store(CONN, pending, NOW);
    exchanges.drain(&mut conns, secs(1));
    assert!(!exchanges.may_parse(other));
    assert_eq!(exchanges.poll_due(secs(11)), Some(Overdue::Connection(other)));
    assert!(exchanges.take_pending(CONN).is_some());
}
