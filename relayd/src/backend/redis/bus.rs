//! The bus between nodes, as the reactor sees it: packets out, packets in, and counts of both. Two threads do
//! the work. A packet may get lost here at any step. Each loss is counted, and the streams between nodes
//! repeat the packet.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use protocol::ids::NodeId;

use super::batch::{Batch, PACKET_BYTES_MAX, PACKETS_PER_WRITE};
use super::dialer::Dialer;
use super::inbox::{self, Inbox};
use super::keys::Keys;
use super::publisher::{Order, Publisher};
use super::settings::RedisSettings;
use super::subscriber::{News, Subscriber};
use super::tally::{BusCounts, Tally};
use super::worker;
use crate::backend::{BackendError, Published};

/// The reactor's ends of the channels. Only [`Bus::stop`] blocks.
pub(super) struct Bus {
    node: NodeId,
    orders: Sender<Order>,
    /// The empty buffer of the next packet. Without capacity, another must be fetched first.
    next: Vec<u8>,
    /// Buffers that the publisher has written.
    emptied: Receiver<Vec<u8>>,
    inbox: Inbox,
    /// Orders the subscriber to dial again. Dropping this end tells it to stop.
    redial: Sender<()>,
    news: Receiver<News>,
    subscription: Subscription,
    /// Packets that found no room. `tally` has what the threads count.
    refused: u64,
    tally: Arc<Tally>,
    threads: [JoinHandle<()>; 2],
    /// Disconnected when both threads have ended. Nothing is ever sent.
    alive: Receiver<Infallible>,
}

/// The state of this node's subscription to its own channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// Never confirmed so far, for this reason.
    Never(String),
    /// Confirmed once, and lost.
    Lost,
    /// Confirmed.
    Up,
}

impl Bus {
    /// Starts both threads. They dial until Redis accepts them, and call `wake` when there is something to
    /// fetch.
    pub(super) fn start(
        settings: &RedisSettings,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Result<Self, BackendError> {
        let dialer = Dialer::for_bus(settings)?;
        let (orders, to_publish) = bounded(OUTBOX_MAX);
        let (back, emptied) = bounded(OUTBOX_MAX + IN_HAND);
        let (redial, subscriber_orders) = bounded(1);
        let (told, news) = bounded(NEWS_MAX);
        let (life, alive) = bounded(0);
        let (delivery, inbox) = inbox::pair(wake.clone());
        let tally = Arc::new(Tally::default());
        let publisher = Publisher {
            dialer: dialer.clone(),
            settings: settings.clone(),
            orders: to_publish,
            emptied: back,
            batch: Batch::new(&Keys::new(&settings.prefix)),
            tally: Arc::clone(&tally),
            _life: life.clone(),
        };
        let subscriber = Subscriber {
            dialer,
            settings: settings.clone(),
            channel: Keys::new(&settings.prefix).inbox(settings.node),
            redial: subscriber_orders,
            news: told,
            delivery,
            tally: Arc::clone(&tally),
            wake,
            _life: life,
        };
        let threads =
            [worker::spawn("redis-publish", publisher)?, worker::spawn("redis-subscribe", subscriber)?];
        Ok(Bus {
            node: settings.node,
            orders,
            next: Vec::new(),
            emptied,
            inbox,
            redial,
            news,
            subscription: Subscription::Never("not subscribed yet".to_owned()),
            refused: 0,
            tally,
            threads,
            alive,
        })
    }

    /// Has `write` append the next packet to the buffer that the publisher writes from, and queues it.
    pub(super) fn publish(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<NodeId>) -> Published {
        if self.next.capacity() == 0 {
            // Room for the longest: a buffer is allocated once, however long the packets it carries.
            let emptied = self.emptied.try_recv();
            self.next = emptied.unwrap_or_else(|_| Vec::with_capacity(PACKET_BYTES_MAX));
        }
        let Some(to) = write(&mut self.next) else { return Published::Nothing };
        let packet = std::mem::take(&mut self.next);
        if packet.len() <= PACKET_BYTES_MAX {
            match self.orders.try_send(Order::Publish { to, packet }) {
                Ok(()) => return Published::Queued,
                Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) => self.take_back(order),
            }
        }
        self.refused += 1;
        Published::Refused(to)
    }

    /// Keeps the buffer of a packet that found no room.
    fn take_back(&mut self, order: Order) {
        if let Order::Publish { mut packet, .. } = order {
            packet.clear();
            self.next = packet;
        }
    }

    /// The oldest packet that was not fetched.
    pub(super) fn poll_packet(&mut self) -> Option<Vec<u8>> {
        self.inbox.poll()
    }

    /// Takes back the buffer of a packet.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.inbox.recycle(buffer);
    }

    /// True while packets wait.
    pub(super) fn has_packets(&self) -> bool {
        self.inbox.has_packets()
    }

    /// Makes both threads dial again.
    pub(super) fn redial(&mut self) {
        // If the channel is full, an earlier order waits already.
        let _ = self.redial.try_send(());
        let _ = self.orders.try_send(Order::Redial);
    }

    /// The subscription, as of the last [`Bus::take_news`].
    pub(super) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Takes in the subscriber's news of its connection.
    pub(super) fn take_news(&mut self) {
        loop {
            match self.news.try_recv() {
                Ok(news) => self.on_news(news),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.on_news(News::Cut("its thread has ended; restart this process".to_owned()));
                    return;
                }
            }
        }
    }

    fn on_news(&mut self, news: News) {
        self.subscription = match (news, &self.subscription) {
            (News::Subscribed, _) => Subscription::Up,
            (News::Cut(reason), Subscription::Never(_)) => Subscription::Never(reason),
            (News::Cut(_), _) => Subscription::Lost,
        };
    }

    /// All counts so far.
    pub(super) fn counts(&self) -> BusCounts {
        BusCounts { refused: self.refused, ..self.tally.counts() }
    }

    /// Publishes what is queued and ends both threads, within `deadline`. If Redis hangs, they end later, by
    /// their own timeouts.
    pub(super) fn stop(self, deadline: Instant) {
        let Bus { node, orders, redial, threads, alive, .. } = self;
        drop(redial);
        // The subscriber blocks in a read; a packet to this node ends that. Without room for it, the read
        // times out.
        let _ = orders.send_deadline(Order::Publish { to: node, packet: Vec::new() }, deadline);
        drop(orders);
        let Err(ended) = alive.recv_deadline(deadline);
        if ended.is_disconnected() {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the bus panicked");
                }
            }
        }
    }
}

/// Packets that may wait for the publisher: [`PACKET_BYTES_MAX`] each at most, so 8.25 MiB.
const OUTBOX_MAX: usize = 128;

/// The most that these packets and the buffers in hand take, in bytes.
pub(super) const OUTBOX_HELD_MAX: usize = (OUTBOX_MAX + IN_HAND) * PACKET_BYTES_MAX;

/// Buffers that are in neither channel: the reactor's next one, those of the publisher's write, and one that
/// it has just taken from the queue.
const IN_HAND: usize = PACKETS_PER_WRITE + 2;

/// News that the reactor has not taken yet.
const NEWS_MAX: usize = 4;
