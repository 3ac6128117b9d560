//! The engines that apps hold by number: a freed or made-up number finds nothing, where an address would be
//! followed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use relay_client::engine::Engine;

use super::codes::Status;
use super::failure::Failure;

/// An engine, and whether its app has read the last event.
pub(super) struct Held {
    pub(super) engine: Engine,
    ended: AtomicBool,
}

impl Held {
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn on_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Takes an engine in and numbers it.
pub(super) fn insert(engine: Engine) -> u64 {
    let mut table = lock();
    table.last += 1;
    let number = table.last;
    table.engines.insert(number, Arc::new(Held { engine, ended: AtomicBool::new(false) }));
    number
}

/// The engine of this number; it lives as long as the call that asked.
pub(super) fn find(number: u64) -> Result<Arc<Held>, Failure> {
    let found = lock().engines.get(&number).cloned();
    found.ok_or_else(|| Failure::new(Status::NoEngine, "there is no such engine, or it was freed"))
}

/// Forgets the number.
pub(super) fn remove(number: u64) -> Option<Arc<Held>> {
    lock().engines.remove(&number)
}

struct Table {
    /// Never given twice.
    last: u64,
    engines: BTreeMap<u64, Arc<Held>>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { last: 0, engines: BTreeMap::new() });

fn lock() -> MutexGuard<'static, Table> {
    // Each change is one call of the map.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}
