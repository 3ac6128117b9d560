//! The queue of packets from the subscriber's thread to the reactor's. It is bounded by count and by bytes,
//! one wake serves many packets, and buffers are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::batch::PACKET_BYTES_MAX;
use super::message_reader::BESIDES_PACKET;

/// State that both ends share.
#[derive(Debug, Default)]
struct Gauge {
    /// The bytes of all waiting packets. `0 <= bytes <= INBOX_BYTES_MAX`
    bytes: AtomicUsize,
    /// The reactor was woken, and has not found the inbox empty since then.
    is_woken: AtomicBool,
}

/// The reactor's end.
#[derive(Debug)]
pub(super) struct Inbox {
    packets: Receiver<Vec<u8>>,
    spare: Sender<Vec<u8>>,
    gauge: Arc<Gauge>,
}

/// The subscriber's end.
pub(super) struct Delivery<W> {
    packets: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    /// The buffer of a packet that found no room.
    refused: Option<Vec<u8>>,
    gauge: Arc<Gauge>,
    wake: W,
}

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It waits for the reactor.
    Taken,
    /// There was no room.
    Full,
    /// The reactor's end is gone.
    Gone,
}

/// Both ends. `wake` is called from the subscriber's thread.
pub(super) fn pair<W: Fn()>(wake: W) -> (Delivery<W>, Inbox) {
    let (sender, packets) = bounded(INBOX_MAX);
    let (spare, emptied) = bounded(SPARE_MAX);
    let gauge = Arc::new(Gauge::default());
    let delivery =
        Delivery { packets: sender, spare: emptied, refused: None, gauge: Arc::clone(&gauge), wake };
    (delivery, Inbox { packets, spare, gauge })
}

impl Inbox {
    /// The oldest waiting packet. After `None`, the next packet wakes the reactor.
    pub(super) fn poll(&mut self) -> Option<Vec<u8>> {
        let packet = self.packets.try_recv().or_else(|_| {
            // First ask to be woken, then look again: this finds a packet that came in between.
            self.gauge.is_woken.swap(false, Ordering::AcqRel);
            self.packets.try_recv()
        });
        let packet = packet.ok()?;
        self.gauge.bytes.fetch_sub(packet.len(), Ordering::AcqRel);
        Some(packet)
    }

    /// Takes a buffer back for later packets.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        // Buffers beyond [`SPARE_MAX`] are freed.
        let _ = self.spare.try_send(buffer);
    }

    pub(super) fn has_packets(&self) -> bool {
        !self.packets.is_empty()
    }
}

impl<W: Fn()> Delivery<W> {
    /// A buffer for the next packet. It may still hold an earlier one.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.refused.take().or_else(|| self.spare.try_recv().ok()).unwrap_or_default()
    }

    /// Queues a packet for the reactor.
    pub(super) fn deliver(&mut self, packet: Vec<u8>) -> Delivered {
        let len = packet.len();
        if self.gauge.bytes.fetch_add(len, Ordering::AcqRel) + len > INBOX_BYTES_MAX {
            return self.refuse(packet, Delivered::Full);
        }
        match self.packets.try_send(packet) {
            Ok(()) => {
                if !self.gauge.is_woken.swap(true, Ordering::AcqRel) {
                    (self.wake)();
                }
                Delivered::Taken
            }
            Err(TrySendError::Full(packet)) => self.refuse(packet, Delivered::Full),
            Err(TrySendError::Disconnected(packet)) => self.refuse(packet, Delivered::Gone),
        }
    }

    fn refuse(&mut self, packet: Vec<u8>, delivered: Delivered) -> Delivered {
        self.gauge.bytes.fetch_sub(packet.len(), Ordering::AcqRel);
        self.refused = Some(packet);
        delivered
    }
}

/// Bytes that may wait: the windows of all streams, 4 MiB in sum, and as much again in repeats.
const INBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Packets that may wait, small ones included.
const INBOX_MAX: usize = 4096;

/// Emptied buffers that are kept, each at most a little over 66 KiB.
const SPARE_MAX: usize = 64;

/// The most that all of these take, in bytes. A small packet may lie in a large buffer that was kept.
pub(super) const HELD_MAX: usize =
    INBOX_BYTES_MAX + SPARE_MAX * PACKET_BYTES_MAX + (INBOX_MAX + SPARE_MAX) * BESIDES_PACKET;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread;

    use super::*;

    fn deliver<W: Fn()>(delivery: &mut Delivery<W>, packet: &[u8]) -> Delivered {
        let mut buffer = delivery.lend();
        buffer.clear();
        buffer.extend_from_slice(packet);
        delivery.deliver(buffer)
    }

    #[test]
    fn one_wake_serves_all_packets_until_the_inbox_was_found_empty() {
        let wakes = Cell::new(0);
        let (mut delivery, mut inbox) = pair(|| wakes.set(wakes.get() + 1));
        for expected in 1..4 {
            for packet in [&b"a"[..], b"", b"c"] {
                assert_eq!(deliver(&mut delivery, packet), Delivered::Taken);
            }
            assert_eq!(wakes.get(), expected);
            assert!(inbox.has_packets());
            for packet in [&b"a"[..], b"", b"c"] {
                assert_eq!(inbox.poll().as_deref(), Some(packet));
            }
            assert_eq!(inbox.poll(), None);
            assert!(!inbox.has_packets());
        }
    }

    #[test]
    fn it_is_bounded_by_count_and_by_bytes_and_has_room_again() {
        let long = vec![1; 64 * 1024];
        for (packet, room) in
            [(&b""[..], INBOX_MAX), (b"x", INBOX_MAX), (&long, INBOX_BYTES_MAX / long.len())]
        {
            let (mut delivery, mut inbox) = pair(|| {});
            for _ in 0..2 {
                for _ in 0..room {
                    assert_eq!(deliver(&mut delivery, packet), Delivered::Taken);
                }
                assert_eq!(deliver(&mut delivery, packet), Delivered::Full);
                assert_eq!(deliver(&mut delivery, packet), Delivered::Full);
                while let Some(taken) = inbox.poll() {
                    assert_eq!(taken, packet);
                }
                assert_eq!(inbox.gauge.bytes.load(Ordering::Relaxed), 0);
            }
        }
    }

    #[test]
    fn buffers_go_round() {
        let (mut delivery, mut inbox) = pair(|| {});
        deliver(&mut delivery, b"a long packet");
        let first = inbox.poll().unwrap();
        let place = first.as_ptr();
        inbox.recycle(first);
        deliver(&mut delivery, b"short");
        let second = inbox.poll().unwrap();
        assert_eq!((second.as_ptr(), second.as_slice()), (place, &b"short"[..]));
    }

    #[test]
    fn the_buffer_of_a_packet_that_finds_no_room_is_lent_again() {
        let (mut delivery, _inbox) = pair(|| {});
        while deliver(&mut delivery, b"") == Delivered::Taken {}
        let refused = vec![1; 10];
        let place = refused.as_ptr();
        assert_eq!(delivery.deliver(refused), Delivered::Full);
        let lent = delivery.lend();
        assert_eq!(lent.as_ptr(), place);
    }

    #[test]
    fn a_reactor_that_sleeps_after_none_misses_no_wake() {
        const ALL: usize = 100_000;
        // Room for all wakes. The real reactor's wakes are counted by the kernel.
        let (wake, woken) = bounded(ALL);
        let (mut delivery, mut inbox) = pair(move || wake.send(()).unwrap());
        let sender = thread::spawn(move || {
            for number in 0..ALL {
                while deliver(&mut delivery, &number.to_be_bytes()) == Delivered::Full {
                    thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < ALL {
            woken.recv_timeout(std::time::Duration::from_secs(60)).expect("a wake for what waits");
            while let Some(packet) = inbox.poll() {
                assert_eq!(packet, next.to_be_bytes());
                next += 1;
                inbox.recycle(packet);
            }
        }
        sender.join().unwrap();
    }

    #[test]
    fn the_subscriber_notices_that_the_reactor_is_gone() {
        let (mut delivery, inbox) = pair(|| {});
        drop(inbox);
        assert_eq!(deliver(&mut delivery, b"for nobody"), Delivered::Gone);
    }
}
