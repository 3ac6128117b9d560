//! The way of a packet from the subscriber's thread to the reactor's: bounded by count and by bytes, one wake for
//! many packets, and the buffers go round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// What both ends share.
#[derive(Debug, Default)]
struct Gauge {
    /// Sum of the bytes that wait. `0 <= bytes <= INBOX_BYTES_MAX`
    bytes: AtomicUsize,
    /// The reactor was woken and has not found the inbox empty since.
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
    gauge: Arc<Gauge>,
    wake: W,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It waits for the reactor.
    Taken,
    /// There was no room.
    Full,
    /// Nobody will ever fetch it.
    Gone,
}

/// Both ends. `wake` is called from the subscriber's thread.
pub(super) fn pair<W: Fn()>(wake: W) -> (Delivery<W>, Inbox) {
    let (sender, packets) = bounded(INBOX_MAX);
    let (spare, emptied) = bounded(SPARE_MAX);
    let gauge = Arc::new(Gauge::default());
    let delivery = Delivery { packets: sender, spare: emptied, gauge: Arc::clone(&gauge), wake };
    (delivery, Inbox { packets, spare, gauge })
}

impl Inbox {
    /// The oldest packet that waits. After `None` the next packet wakes the reactor.
    pub(super) fn poll(&mut self) -> Option<Vec<u8>> {
        let packet = self.packets.try_recv().or_else(|_| {
            // Asked to be woken first, then looked once more: a packet that came in between is found here.
            self.gauge.is_woken.swap(false, Ordering::AcqRel);
            self.packets.try_recv()
        });
        let packet = packet.ok()?;
        self.gauge.bytes.fetch_sub(packet.len(), Ordering::AcqRel);
        Some(packet)
    }

    /// Takes a buffer back for later packets.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        // More than are wanted are freed.
        let _ = self.spare.try_send(buffer);
    }

    pub(super) fn has_packets(&self) -> bool {
        !self.packets.is_empty()
    }
}

impl<W: Fn()> Delivery<W> {
    /// Copies a packet to where the reactor finds it.
    pub(super) fn deliver(&self, packet: &[u8]) -> Delivered {
        let len = packet.len();
        if self.gauge.bytes.fetch_add(len, Ordering::AcqRel) + len > INBOX_BYTES_MAX {
            self.gauge.bytes.fetch_sub(len, Ordering::AcqRel);
            return Delivered::Full;
        }
        match self.packets.try_send(self.copy(packet)) {
            Ok(()) => {
                if !self.gauge.is_woken.swap(true, Ordering::AcqRel) {
                    (self.wake)();
                }
                Delivered::Taken
            }
            Err(unsent) => {
                self.gauge.bytes.fetch_sub(len, Ordering::AcqRel);
                if matches!(unsent, TrySendError::Full(_)) { Delivered::Full } else { Delivered::Gone }
            }
        }
    }

    fn copy(&self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        buffer.reserve_exact(packet.len());
        buffer.extend_from_slice(packet);
        buffer
    }
}

/// Bytes that may wait: all windows that this node advertises, 4 MiB in sum, and as much again in repeats.
const INBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Packets that may wait, small ones included.
const INBOX_MAX: usize = 4096;

/// Emptied buffers that are kept, of at most 66 KiB each.
const SPARE_MAX: usize = 64;
