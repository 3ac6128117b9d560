//! What nodes say to each other in the stream between them.
//!
//! A remote link is named by a handle at each end; an item that is about one carries the handle of its
//! receiver. Numbers are big-endian. Bytes from the bus never panic: what does not parse ends the batch.

use protocol::ids::{Role, SessionId};
use protocol::message::KillReason;

use crate::wire::inbound::Kind;

/// Payload bytes of one frame item; a longer message is several.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// The most bytes that an item takes besides a piece.
pub const OVERHEAD_MAX: usize = 64;

/// Names one link between connections of two nodes: a later claim of the workstation's role, or a later
/// attempt under the same claims, is a later link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkKey {
    /// The generation of the workstation's claim.
    pub workstation: u64,
    /// The generation of the phone's claim.
    pub phone: u64,
    /// Rises with each link between these two.
    pub attempt: u32,
}

impl LinkKey {
    /// The generation under which this role was claimed.
    pub const fn generation_of(&self, role: Role) -> u64 {
        match role {
            Role::Workstation => self.workstation,
            Role::Phone => self.phone,
        }
    }
}

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The phone's node asks the workstation's to open a link.
    Ask {
        /// The session.
        session: SessionId,
        /// The generation of the workstation that is asked for.
        workstation: u64,
        /// The generation of the phone.
        phone: u64,
    },
    /// The workstation's node opens a link.
    Open {
        /// The session.
        session: SessionId,
        /// Which link.
        key: LinkKey,
        /// The sender's name for it.
        handle: u32,
    },
    /// The phone's node has that connection: the link stands.
    Accept {
        /// The receiver's name for the link.
        handle: u32,
        /// The sender's.
        own: u32,
    },
    /// No connection holds this role under this generation here.
    Gone {
        /// The session.
        session: SessionId,
        /// The role.
        role: Role,
        /// The generation.
        generation: u64,
    },
    /// The link ended.
    Left {
        /// The receiver's name for the link.
        handle: u32,
    },
    /// A frame, or a piece of a large one.
    Frame {
        /// The receiver's name for the link.
        handle: u32,
        /// Text or binary.
        kind: Kind,
        /// The last piece.
        is_last: bool,
        /// The payload, at most [`PIECE_BYTES_MAX`].
        bytes: &'a [u8],
    },
    /// The sender's client has taken this much of what came over the link.
    Credit {
        /// The receiver's name for the link.
        handle: u32,
        /// How much, as it was charged.
        bytes: u32,
    },
    /// The longest message that the sender's node passes on, in bytes. The first item of each stream, so it
    /// is known before any link over it. A node that never says it is of an earlier version.
    Limit {
        /// At most what fits; more is said as `u32::MAX`.
        message_bytes_max: u32,
    },
    /// A later claim took this role: a holder with a lower generation must leave.
    Evict {
        /// The session.
        session: SessionId,
        /// The role.
        role: Role,
        /// The generation of the later claim.
        generation: u64,
        /// By the same client instance.
        same: bool,
    },
    /// The session ended.
    Kill {
        /// The session.
        session: SessionId,
        /// Why.
        reason: KillReason,
        /// By [`Role::index`]: the generation of the role's holder then; 0 if it had none. A holder with a
        /// higher one belongs to a session that was registered again.
        generations: [u64; 2],
    },
}

impl<'a> Item<'a> {
    /// Appends the item: at most [`OVERHEAD_MAX`] bytes and the piece.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match *self {
            Item::Ask { session, workstation, phone } => {
                begin(out, ASK, session);
                put64(out, [workstation, phone]);
            }
            Item::Open { session, key, handle } => {
                begin(out, OPEN, session);
                put64(out, [key.workstation, key.phone]);
                put32(out, [key.attempt, handle]);
            }
            Item::Accept { handle, own } => {
                out.push(ACCEPT);
                put32(out, [handle, own]);
            }
            Item::Gone { session, role, generation } => {
                begin(out, GONE, session);
                out.push(role.index() as u8);
                put64(out, [generation]);
            }
            Item::Left { handle } => {
                out.push(LEFT);
                put32(out, [handle]);
            }
            Item::Frame { handle, kind, is_last, bytes } => {
                out.push(FRAME);
                out.push(u8::from(kind == Kind::Binary) | u8::from(is_last) << 1);
                put32(out, [handle, bytes.len() as u32]);
                out.extend_from_slice(bytes);
            }
            Item::Credit { handle, bytes } => {
                out.push(CREDIT);
                put32(out, [handle, bytes]);
            }
            Item::Limit { message_bytes_max } => {
                out.push(CREDIT);
                put32(out, [NO_LINK, message_bytes_max]);
            }
            Item::Evict { session, role, generation, same } => {
                begin(out, EVICT, session);
                out.push(role.index() as u8 | u8::from(same) << 1);
                put64(out, [generation]);
            }
            Item::Kill { session, reason, generations } => {
                begin(out, KILL, session);
                out.push(u8::from(reason == KillReason::Expired));
                put64(out, generations);
            }
        }
    }

    /// Takes the next item off the front of `bytes`. `None` at the end, or where the rest is no item.
    pub fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let item = match rest.byte()? {
            ASK => Item::Ask { session: rest.session()?, workstation: rest.u64()?, phone: rest.u64()? },
            OPEN => {
                let session = rest.session()?;
                let (workstation, phone, attempt) = (rest.u64()?, rest.u64()?, rest.u32()?);
                Item::Open { session, key: LinkKey { workstation, phone, attempt }, handle: rest.u32()? }
            }
            ACCEPT => Item::Accept { handle: rest.u32()?, own: rest.u32()? },
            GONE => {
                let (session, role) = (rest.session()?, *Role::ALL.get(usize::from(rest.byte()?))?);
                Item::Gone { session, role, generation: rest.u64()? }
            }
            LEFT => Item::Left { handle: rest.u32()? },
            FRAME => {
                let (flags, handle, len) = (rest.byte()?, rest.u32()?, rest.u32()? as usize);
                let kind = if flags & 1 != 0 { Kind::Binary } else { Kind::Text };
                let bytes = rest.bytes(len).filter(|bytes| bytes.len() <= PIECE_BYTES_MAX)?;
                Item::Frame { handle, kind, is_last: flags & 2 != 0, bytes }
            }
            CREDIT => match (rest.u32()?, rest.u32()?) {
                (NO_LINK, message_bytes_max) => Item::Limit { message_bytes_max },
                (handle, bytes) => Item::Credit { handle, bytes },
            },
            EVICT => {
                let (session, flags) = (rest.session()?, rest.byte()?);
                let role = Role::ALL[usize::from(flags & 1)];
                Item::Evict { session, role, generation: rest.u64()?, same: flags & 2 != 0 }
            }
            KILL => {
                let (session, is_expired) = (rest.session()?, rest.byte()? != 0);
                let reason = if is_expired { KillReason::Expired } else { KillReason::Deleted };
                Item::Kill { session, reason, generations: [rest.u64()?, rest.u64()?] }
            }
            _ => return None,
        };
        *bytes = rest.0;
        Some(item)
    }
}

const ASK: u8 = 1;
const OPEN: u8 = 2;
const ACCEPT: u8 = 3;
const GONE: u8 = 4;
const LEFT: u8 = 5;
const FRAME: u8 = 6;
const CREDIT: u8 = 7;
const EVICT: u8 = 8;
const KILL: u8 = 9;

/// Handles begin at 1. What is said of this one is dropped by a node that does not know its meaning, where an
/// unknown tag would make it drop the rest of the batch: so nodes of two versions serve together.
const NO_LINK: u32 = 0;

fn begin(out: &mut Vec<u8>, tag: u8, session: SessionId) {
    out.push(tag);
    out.extend_from_slice(session.as_bytes());
}

fn put64<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

fn put32<const N: usize>(out: &mut Vec<u8>, numbers: [u32; N]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn session(&mut self) -> Option<SessionId> {
        Some(SessionId::from_bytes(self.bytes(16)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_item_comes_back_and_no_cut_is_one() {
        let session = SessionId::from_bytes([9; 16]);
        let key = LinkKey { workstation: 1 << 50, phone: 7, attempt: 3 };
        let items = [
            Item::Ask { session, workstation: 1, phone: u64::MAX },
            Item::Open { session, key, handle: 5 },
            Item::Accept { handle: 5, own: 6 },
            Item::Gone { session, role: Role::Phone, generation: 8 },
            Item::Left { handle: u32::MAX },
            Item::Frame { handle: 1, kind: Kind::Binary, is_last: true, bytes: b"abc" },
            Item::Frame { handle: 1, kind: Kind::Text, is_last: false, bytes: b"" },
            Item::Credit { handle: 2, bytes: 100 },
            Item::Limit { message_bytes_max: 16 << 20 },
            Item::Evict { session, role: Role::Workstation, generation: 3, same: true },
            Item::Evict { session, role: Role::Phone, generation: 3, same: false },
            Item::Kill { session, reason: KillReason::Expired, generations: [4, 0] },
        ];
        let mut all = Vec::new();
        for item in &items {
            let mut one = Vec::new();
            item.write_to(&mut one);
            assert!(one.len() <= OVERHEAD_MAX);
            for cut in 0..one.len() {
                assert_eq!(Item::take(&mut &one[..cut]), None, "{item:?} cut at {cut}");
            }
            all.extend_from_slice(&one);
        }
        let mut rest = &all[..];
        for item in items {
            assert_eq!(Item::take(&mut rest), Some(item));
        }
        assert!(rest.is_empty());
    }

    /// An earlier version reads it as credit for a link that it does not have.
    #[test]
    fn a_limit_is_credit_for_no_link() {
        let (mut limit, mut credit) = (Vec::new(), Vec::new());
        Item::Limit { message_bytes_max: 7 }.write_to(&mut limit);
        Item::Credit { handle: 0, bytes: 7 }.write_to(&mut credit);
        assert_eq!(limit, credit);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while Item::take(&mut rest).is_some() {}
        }
    }
}
