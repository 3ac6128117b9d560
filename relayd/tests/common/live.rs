//! An allocator that knows how many bytes the marked threads hold. An allocator is global, so each such test
//! is a binary of its own.

#![allow(unsafe_code, reason = "a counting allocator is one line of unsafe around the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

struct Live;

static LIVE: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Counts the calling thread from now on.
pub fn count_this_thread() {
    IS_COUNTED.with(|counted| counted.set(true));
}

/// The bytes that counted threads have allocated and not freed.
pub fn bytes() -> i64 {
    LIVE.load(Ordering::SeqCst)
}

/// The size of an allocation, with glibc's overhead.
fn taken(layout: Layout) -> i64 {
    (layout.size() + 8).next_multiple_of(16).max(32) as i64
}

fn add(bytes: i64) {
    if IS_COUNTED.with(Cell::get) {
        LIVE.fetch_add(bytes, Ordering::SeqCst);
    }
}

// SAFETY: every call goes unchanged to the system's allocator. Counting touches none of the allocated memory.
unsafe impl GlobalAlloc for Live {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(taken(layout));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        add(-taken(layout));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Live = Live;
