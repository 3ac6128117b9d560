//! The C interface for Swift and Kotlin: `include/relay.h` says what each function does, and is the
//! documentation of all that is public here. Thin: pointers in, the engine's own call, a status out.
//!
//! Engines are numbers of a `table`, so that a freed one is an error; a batch of events owns what it points
//! to (`event`); `keeper` calls the app back; `failure` keeps panics in and words for people; `codes` are the
//! header's numbers. The only place of this package with `unsafe`.
#![allow(unsafe_code, reason = "C hands over pointers, and takes functions by their bare names")]

mod codes;
mod event;
mod failure;
mod keeper;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{Engine, EngineSettings, EngineState, KeepNothing, Keeper, parse_pairing};

use codes::{RawState, Status};
use event::Batch;
use failure::{Failure, guarded, last_error};
use keeper::{CallbackKeeper, RawKeeper};

/// `RELAY_TEXT_BYTES_MAX`.
const TEXT_BYTES_MAX: usize = 4096;
/// `RELAY_FOREVER`.
const FOREVER: u32 = u32::MAX;

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_pair(
    code: *const c_char,
    name: *const c_char,
    keeper: *const RawKeeper,
    engine: *mut u64,
) -> Status {
    guarded(|| {
        // SAFETY: null, or a keeper, as the header asks. Taken first, so that it is released whatever comes.
        let keeper = unsafe { taken(keeper) }?;
        let keeper = keeper.unwrap_or_else(|| Box::new(KeepNothing));
        // SAFETY: null, or texts with a 0 behind them that nobody changes during the call, as the header
        // asks.
        let (code, name) = unsafe { (text(code, "code")?, text(name, "name")?) };
        let engine = present(engine, "engine")?;
        let code = parse_pairing(code).map_err(|error| Failure::new(Status::BadCode, error.to_string()))?;
        let mut settings = EngineSettings::new(Role::Phone);
        settings.options.name = name.to_owned();
        let started = Engine::pair(Role::Phone, code, &settings, keeper)?;
        // SAFETY: not null; writable, as the header asks.
        unsafe { engine.write(table::insert(started)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_code_is_app(code: *const c_char, is_app: *mut i32) -> Status {
    guarded(|| {
        // SAFETY: null, or a text with a 0 behind it that nobody changes during the call, as the header asks.
        let code = unsafe { text(code, "code")? };
        let is_app = present(is_app, "is_app")?;
        let code = parse_pairing(code).map_err(|error| Failure::new(Status::BadCode, error.to_string()))?;
        // SAFETY: not null; writable, as the header asks.
        unsafe { is_app.write(code.app.into()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_resume(keeper: *const RawKeeper, engine: *mut u64) -> Status {
    guarded(|| {
        // SAFETY: null, or a keeper, as the header asks.
        let keeper = unsafe { taken(keeper) }?.ok_or_else(|| Failure::argument("keeper is null"))?;
        let engine = present(engine, "engine")?;
        let started = Engine::resume(&EngineSettings::new(Role::Phone), keeper)?;
        // SAFETY: not null; writable, as the header asks.
        unsafe { engine.write(table::insert(started)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_send(
    engine: u64,
    bytes: *const u8,
    len: usize,
    timeout_ms: u32,
    number: *mut u64,
) -> Status {
    guarded(|| {
        let held = table::find(engine)?;
        // SAFETY: null, or readable for `len` bytes that nobody changes during the call, as the header asks.
        let message = unsafe { message(bytes, len) }?;
        let given = held.engine.send(message, span(timeout_ms))?;
        if !number.is_null() {
            // SAFETY: not null; writable, as the header asks.
            unsafe { number.write(given) };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_try_send(engine: u64, bytes: *const u8, len: usize, number: *mut u64) -> Status {
    // SAFETY: the same promises.
    unsafe { relay_send(engine, bytes, len, 0, number) }
}

#[unsafe(no_mangle)]
extern "C" fn relay_flush(engine: u64, timeout_ms: u32) -> Status {
    guarded(|| {
        let held = table::find(engine)?;
        held.engine.flush(span(timeout_ms)).map_err(|error| {
            let is_over = held.engine.state() == EngineState::Stopped;
            Failure::new(if is_over { Status::Closed } else { Status::Timeout }, error.to_string())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_next_events(
    engine: u64,
    max: usize,
    timeout_ms: u32,
    events: *mut *mut Batch,
) -> Status {
    guarded(|| {
        let events = present(events, "events")?;
        // SAFETY: not null; writable, as the header asks. An app may release what is there, whatever is
        // returned.
        unsafe { events.write(ptr::null_mut()) };
        let held = table::find(engine)?;
        let timeout = if max == 0 { Duration::ZERO } else { span(timeout_ms) };
        let batch = Batch::new(held.engine.next_events(max, timeout));
        if max == 0 {
            return Ok(());
        }
        if batch.is_empty() {
            let none = || Failure::new(Status::Timeout, "no event came in time");
            let over = || Failure::new(Status::Closed, "the engine has stopped, and all was read");
            return Err(if held.has_ended() { over() } else { none() });
        }
        if batch.has_the_last() {
            held.on_ended();
        }
        // SAFETY: as above. The app owns the batch until it hands it back.
        unsafe { events.write(Box::into_raw(batch)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_events_release(events: *mut Batch) {
    guarded(|| {
        if !events.is_null() {
            // SAFETY: from `relay_next_events`, and handed back once, as the header asks.
            drop(unsafe { Box::from_raw(events) });
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_state(engine: u64, state: *mut RawState) -> Status {
    guarded(|| {
        let state = present(state, "state")?;
        let now = table::find(engine)?.engine.state();
        // SAFETY: not null; writable, as the header asks.
        unsafe { state.write(now.into()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn relay_set_foreground(engine: u64, shown: i32) -> Status {
    guarded(|| {
        table::find(engine)?.engine.set_foreground(shown != 0);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn relay_network_changed(engine: u64) -> Status {
    guarded(|| {
        table::find(engine)?.engine.network_changed();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn relay_close(engine: u64) -> Status {
    guarded(|| {
        table::find(engine)?.engine.close();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn relay_forget(engine: u64) -> Status {
    guarded(|| Ok(table::find(engine)?.engine.forget()?))
}

#[unsafe(no_mangle)]
extern "C" fn relay_free(engine: u64) {
    guarded(|| {
        if let Some(held) = table::remove(engine) {
            // A call under way on another thread holds the engine, too, and must end.
            held.engine.close();
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn relay_last_error(text: *mut c_char, size: usize) -> usize {
    let words = last_error();
    if let Some(room) = size.checked_sub(1).filter(|_| !text.is_null()) {
        let end = (0..=room.min(words.len())).rev().find(|&at| words.is_char_boundary(at));
        let cut = &words[..end.unwrap_or(0)];
        // SAFETY: writable for `size` bytes, as the header asks; what is written is at most `size - 1` bytes
        // and a 0.
        unsafe {
            ptr::copy_nonoverlapping(cut.as_ptr(), text.cast(), cut.len());
            text.add(cut.len()).write(0);
        }
    }
    words.len()
}

/// The app's keeper; `None` for null.
///
/// SAFETY: `raw` is null or points to a whole `relay_keeper`.
unsafe fn taken(raw: *const RawKeeper) -> Result<Option<Box<dyn Keeper>>, Failure> {
    // SAFETY: the caller's promise.
    let Some(raw) = (unsafe { raw.as_ref() }) else { return Ok(None) };
    Ok(Some(Box::new(CallbackKeeper::new(*raw)?)))
}

/// A text of C, in place: nothing is copied that would have to be wiped. Reads no further than
/// `TEXT_BYTES_MAX` and one.
///
/// SAFETY: `start` is null or points to bytes that end with a 0 and stay as they are for `'a`.
unsafe fn text<'a>(start: *const c_char, what: &str) -> Result<&'a str, Failure> {
    let start: *const u8 = present(start.cast_mut(), what)?.cast_const().cast();
    // SAFETY: the caller's promise; no byte behind the first 0 is looked at.
    let len = (0..=TEXT_BYTES_MAX).find(|&at| unsafe { start.add(at).read() } == 0);
    let len = len.ok_or_else(|| Failure::argument(format!("{what} has more than {TEXT_BYTES_MAX} bytes")))?;
    // SAFETY: these bytes were just read, and the caller's promise holds for them.
    let bytes = unsafe { std::slice::from_raw_parts(start, len) };
    std::str::from_utf8(bytes).map_err(|_| Failure::argument(format!("{what} is not UTF-8")))
}

/// A message of C, in place.
///
/// SAFETY: `bytes` is null or readable for `len` bytes that stay as they are for `'a`.
unsafe fn message<'a>(bytes: *const u8, len: usize) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    let bytes = present(bytes.cast_mut(), "bytes")?;
    if isize::try_from(len).is_err() {
        return Err(Failure::argument(format!("no message has {len} bytes")));
    }
    // SAFETY: not null, not longer than memory may be; for the rest the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(bytes, len) })
}

fn present<T>(pointer: *mut T, what: &str) -> Result<*mut T, Failure> {
    if pointer.is_null() { Err(Failure::argument(format!("{what} is null"))) } else { Ok(pointer) }
}

fn span(timeout_ms: u32) -> Duration {
    if timeout_ms == FOREVER { Duration::MAX } else { Duration::from_millis(timeout_ms.into()) }
}
