//! Events in the header's form: a batch that owns everything its events point to.

use std::ptr;

use protocol::ids::Role;
use relay_client::engine::EngineEvent;
use relay_client::lines::engine_line;

use super::codes::{Kind, Reason};

/// `relay_event`.
#[repr(C)]
pub struct RawEvent {
    pub(super) kind: Kind,
    pub(super) reason: Reason,
    pub(super) number: u64,
    pub(super) bytes: *const u8,
    pub(super) len: usize,
}

/// `relay_events`: C sees the first two members alone.
#[repr(C)]
pub struct Batch {
    pub(super) items: *const RawEvent,
    pub(super) count: usize,
    owned: Vec<RawEvent>,
    /// What `owned` points into; never touched while the batch lives.
    payloads: Vec<Vec<u8>>,
}

impl Batch {
    pub(super) fn new(events: Vec<EngineEvent>) -> Box<Self> {
        let mut batch = Batch { items: ptr::null(), count: 0, owned: Vec::new(), payloads: Vec::new() };
        for event in events {
            let (kind, reason, number) = (Kind::from(&event), reason_of(&event), number_of(&event));
            let (payload, len) = payload_of(event);
            batch.owned.push(RawEvent { kind, reason, number, bytes: payload.as_ptr(), len });
            batch.payloads.push(payload);
        }
        (batch.items, batch.count) = (batch.owned.as_ptr(), batch.owned.len());
        Box::new(batch)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owned.is_empty()
    }

    /// True if nothing follows it.
    pub(super) fn has_the_last(&self) -> bool {
        self.owned.last().is_some_and(|event| event.kind == Kind::Stopped)
    }
}

fn reason_of(event: &EngineEvent) -> Reason {
    match event {
        EngineEvent::Stopped { why, .. } => Reason::from(why),
        _ => Reason::None,
    }
}

fn number_of(event: &EngineEvent) -> u64 {
    match event {
        EngineEvent::Message(message) => message.number,
        EngineEvent::Acknowledged(number) => *number,
        EngineEvent::Restarted { unconfirmed } => *unconfirmed,
        EngineEvent::Reconnecting { after, .. } => u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        EngineEvent::Stopped { unacknowledged, .. } => *unacknowledged,
        _ => 0,
    }
}

/// What an event points to, and its length for C: a text has a 0 behind it. The bytes of a message are not
/// copied.
fn payload_of(event: EngineEvent) -> (Vec<u8>, usize) {
    let text = match event {
        EngineEvent::Message(message) => {
            let len = message.bytes.len();
            return (message.bytes, len);
        }
        EngineEvent::Asked { words } | EngineEvent::Opened { words } => words.to_string(),
        EngineEvent::Reconnecting { why, .. } => why.to_string(),
        EngineEvent::Stopped { why, .. } => why.to_string(),
        other if Kind::from(&other) == Kind::Other => {
            engine_line(&other, Role::Workstation).unwrap_or_else(|| format!("{other:?}"))
        }
        _ => String::new(),
    };
    let len = text.len();
    let mut bytes = text.into_bytes();
    bytes.push(0);
    (bytes, len)
}
