//! The header and the code say the same; a wrong call from C is an error. The whole way is run by
//! `tests/cases/phone_programs.rs`.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_void};
use std::io::Write;
use std::mem::{offset_of, size_of};
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::{Arc, Mutex};

use super::codes::{Kind, Reason};
use super::event::RawEvent;
use super::keeper::KEPT_BYTES_MAX;
use super::*;

const HEADER: &str = include_str!("../../include/relay.h");

/// `ShakingHands` as C has it: `SHAKING_HANDS`.
fn in_capitals(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// Every enum's value, by its name in C.
fn values() -> BTreeSet<(String, u32)> {
    let named = |prefix: &str, all: &[(&str, u32)]| -> Vec<(String, u32)> {
        all.iter().map(|(name, value)| (format!("RELAY_{prefix}{}", in_capitals(name)), *value)).collect()
    };
    [
        named("", Status::ALL),
        named("STATE_", RawState::ALL),
        named("EVENT_", Kind::ALL),
        named("REASON_", Reason::ALL),
    ]
    .concat()
    .into_iter()
    .collect()
}

#[test]
fn the_header_names_the_same_values() {
    let in_header = HEADER.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix("RELAY_")?.split_once(" = ")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((format!("RELAY_{name}"), digits.parse().ok()?))
    });
    assert_eq!(in_header.collect::<BTreeSet<(String, u32)>>(), values());
}

#[test]
fn the_header_declares_the_same_functions() {
    let names = |text: &str, before: &[&str]| -> BTreeSet<String> {
        let starts = |line: &str| before.iter().find_map(|start| line.strip_prefix(start).map(str::to_owned));
        let found = text.lines().filter_map(starts).filter(|rest| rest.starts_with("relay_"));
        found.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())).collect()
    };
    let declared = names(HEADER, &["relay_status ", "void ", "size_t "]);
    let defined = names(include_str!("../ffi.rs"), &["unsafe extern \"C\" fn ", "extern \"C\" fn "]);
    assert_eq!((declared.len(), &declared), (15, &defined));
}

/// A C compiler is the judge of C: values, bounds and the places of members.
#[test]
fn a_compiler_reads_the_header_as_rust_does() {
    let mut program = String::from("#include \"relay.h\"\n");
    let mut holds = |claim: String| program += &format!("_Static_assert({claim}, \"\");\n");
    for (name, value) in values() {
        holds(format!("{name} == {value}"));
    }
    holds(format!("RELAY_FOREVER == {FOREVER}u"));
    holds(format!("RELAY_TEXT_BYTES_MAX == {TEXT_BYTES_MAX}"));
    holds(format!("RELAY_KEPT_BYTES_MAX == {KEPT_BYTES_MAX}"));
    macro_rules! same {
        ($rust:ty, $c:literal: $($member:ident),+) => {
            holds(format!("sizeof({}) >= {}", $c, [$(offset_of!($rust, $member)),+].into_iter().max().unwrap()));
            $(holds(format!("offsetof({}, {}) == {}", $c, stringify!($member), offset_of!($rust, $member)));)+
        };
    }
    same!(RawEvent, "relay_event": kind, reason, number, bytes, len);
    same!(Batch, "relay_events": items, count);
    same!(RawKeeper, "relay_keeper": user, load, store, forget, release);
    holds(format!("sizeof(relay_event) == {}", size_of::<RawEvent>()));
    holds(format!("sizeof(relay_keeper) == {}", size_of::<RawKeeper>()));
    holds(format!("sizeof(relay_status) == {}", size_of::<Status>()));
    holds(format!("sizeof(relay_engine_state) == {}", size_of::<RawState>()));
    holds(format!("sizeof(relay_engine) == {}", size_of::<u64>()));
    compile(&program);
}

fn compile(program: &str) {
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include")).args(["-x", "c", "-"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("this test needs a C compiler named cc: install gcc or clang");
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "the header differs from the code:\n{program}");
}

fn error() -> String {
    let mut text = [1; 300];
    // SAFETY: the buffer is as long as said.
    let len = unsafe { relay_last_error(text.as_mut_ptr(), text.len()) };
    // SAFETY: it ends with a 0, whatever was written.
    let words = unsafe { CStr::from_ptr(text.as_ptr()) }.to_str().unwrap().to_owned();
    assert_eq!(words.len(), len);
    words
}

/// Calls `relay_pair` with texts of Rust, and counts the releases of its keeper.
fn pair(code: Option<&[u8]>, name: Option<&[u8]>, has_store: bool, engine: *mut u64) -> (Status, usize) {
    unsafe extern "C" fn load(_: *mut c_void, _: *mut u8, _: usize) -> i64 {
        0
    }
    unsafe extern "C" fn store(_: *mut c_void, _: *const u8, _: usize) -> i32 {
        0
    }
    unsafe extern "C" fn forget(_: *mut c_void) -> i32 {
        0
    }
    unsafe extern "C" fn release(user: *mut c_void) {
        // SAFETY: the counter that is handed in below, which outlives the call.
        *unsafe { &*user.cast::<Mutex<usize>>() }.lock().unwrap() += 1;
    }
    let releases = Mutex::new(0_usize);
    let keeper = RawKeeper {
        user: (&raw const releases).cast_mut().cast(),
        load: Some(load),
        store: has_store.then_some(store),
        forget: Some(forget),
        release: Some(release),
    };
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| CString::new(bytes).unwrap());
    let (code, name) = (text(code), text(name));
    let start = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: texts with a 0 behind them, or null; a whole keeper; `engine` is null or writable.
    let status = unsafe { relay_pair(start(&code), start(&name), &raw const keeper, engine) };
    (status, releases.into_inner().unwrap())
}

#[test]
fn what_c_may_get_wrong_is_an_error_and_the_keeper_is_released() {
    let mut engine = 7;
    let keyless: &[u8] =
        br#"{"u":"ws://localhost:1/ws","s":"00112233445566778899aabbccddeeff","t":"ffeeddccbbaa99887766554433221100"}"#;
    let long = vec![b'x'; TEXT_BYTES_MAX + 1];
    let some: Option<&[u8]> = Some(b"x");
    for (code, name, has_store, status, words) in [
        (None, some, true, Status::InvalidArgument, "code is null"),
        (some, None, true, Status::InvalidArgument, "name is null"),
        (Some(&b"\xff"[..]), some, true, Status::InvalidArgument, "code is not UTF-8"),
        (Some(&long[..]), some, true, Status::InvalidArgument, "code has more than 4096 bytes"),
        (some, some, false, Status::InvalidArgument, "the keeper lacks load, store or forget"),
        (Some(&long[1..]), some, true, Status::BadCode, "pairing code"),
        (Some(keyless), some, true, Status::NoKey, "no key"),
    ] {
        assert_eq!(pair(code, name, has_store, &raw mut engine), (status, 1), "{words}");
        assert!(error().contains(words), "{}", error());
    }
    assert_eq!(pair(some, some, true, ptr::null_mut()), (Status::InvalidArgument, 1));
    assert_eq!((engine, error().as_str()), (7, "engine is null"));
    // SAFETY: null is allowed to be tried.
    let status = unsafe { relay_resume(ptr::null(), &raw mut engine) };
    assert_eq!((status, error().as_str()), (Status::InvalidArgument, "keeper is null"));
}

#[test]
fn an_engine_that_is_not_there_is_an_error_everywhere() {
    for engine in [0, u64::MAX] {
        let (mut batch, mut state) = (ptr::null_mut(), RawState::Open);
        // SAFETY: every pointer is null where that is allowed, or one of the values above.
        let with_pointers = unsafe {
            [
                relay_send(engine, ptr::null(), 0, 0, ptr::null_mut()),
                relay_try_send(engine, b"x".as_ptr(), 1, ptr::null_mut()),
                relay_next_events(engine, 1, FOREVER, &raw mut batch),
                relay_state(engine, &raw mut state),
            ]
        };
        let others = [
            relay_flush(engine, FOREVER),
            relay_set_foreground(engine, 1),
            relay_network_changed(engine),
            relay_close(engine),
            relay_forget(engine),
        ];
        assert_eq!((with_pointers, others), ([Status::NoEngine; 4], [Status::NoEngine; 5]));
        relay_free(engine);
    }
    // SAFETY: null is allowed.
    unsafe { relay_events_release(ptr::null_mut()) };
}

#[test]
fn a_freed_engine_is_gone_and_a_reader_ends_with_it() {
    let code = format!(
        r#"{{"u":"ws://127.0.0.1:9/ws","s":"00112233445566778899aabbccddeeff","t":"ffeeddccbbaa99887766554433221100","k":"{}"}}"#,
        "A".repeat(43)
    );
    let mut engine = 0;
    let status = {
        let code = CString::new(code).unwrap();
        // SAFETY: texts with a 0 behind them, no keeper, a number to write to.
        unsafe { relay_pair(code.as_ptr(), c"Pixel".as_ptr(), ptr::null(), &raw mut engine) }
    };
    assert_eq!(status, Status::Ok, "{}", error());
    let mut number = 7;
    // SAFETY: three readable bytes, one number to write to.
    let status = unsafe { relay_try_send(engine, b"abc".as_ptr(), 3, &raw mut number) };
    assert_eq!((status, number), (Status::NotOpen, 7));
    let reader = std::thread::spawn(move || {
        loop {
            let mut batch = ptr::null_mut();
            // SAFETY: a pointer to write to.
            let status = unsafe { relay_next_events(engine, 8, FOREVER, &raw mut batch) };
            // SAFETY: null, or the batch that was just given.
            unsafe { relay_events_release(batch) };
            if status != Status::Ok {
                return status;
            }
        }
    });
    // The table, this look, and the reader's call.
    while table::find(engine).is_ok_and(|held| Arc::strong_count(&held) < 3) {
        std::thread::yield_now();
    }
    relay_free(engine);
    assert_eq!(reader.join().unwrap(), Status::NoEngine);
    assert_eq!(relay_flush(engine, 0), Status::NoEngine);
}

#[test]
fn a_panic_is_a_status_and_words_are_cut_at_characters() {
    assert_eq!(guarded(|| panic!("a fault, on purpose")), Status::Internal);
    assert!(error().contains("internal fault"), "{}", error());
    guarded(|| Err(Failure::argument("aä")));
    for (size, expected) in [(1, c""), (2, c"a"), (3, c"a"), (4, c"aä"), (9, c"aä")] {
        let mut text = [1; 9];
        // SAFETY: not longer than the buffer.
        assert_eq!(unsafe { relay_last_error(text.as_mut_ptr(), size) }, 3);
        // SAFETY: it ends with a 0.
        assert_eq!(unsafe { CStr::from_ptr(text.as_ptr()) }, expected, "{size}");
    }
    // SAFETY: null is allowed where there is no room.
    assert_eq!(unsafe { relay_last_error(ptr::null_mut(), 0) }, 3);
}

/// A link of version 2 and a JSON with `"a":1` lead to the app protocol; other codes to bare messages.
#[test]
fn a_code_says_which_protocol_its_workstation_speaks() {
    let ids = format!(r#""s":"{}","t":"{}","k":"{}""#, "0".repeat(32), "1".repeat(32), "A".repeat(43));
    for (code, wanted) in [
        (format!("https://relay.example.org/p#2{}", "B".repeat(32)), 1),
        (format!(r#"{{"u":"wss://relay.example.org/ws",{ids},"a":1}}"#), 1),
        (format!(r#"{{"u":"wss://relay.example.org/ws",{ids}}}"#), 0),
    ] {
        let text = CString::new(code.clone()).unwrap();
        let mut is_app = -1;
        // SAFETY: a text with a 0 behind it, and a number.
        let status = unsafe { relay_code_is_app(text.as_ptr(), &raw mut is_app) };
        assert_eq!((status, is_app), (Status::Ok, wanted), "{code}");
    }
    let mut is_app = -1;
    // SAFETY: as above, or null, which is refused.
    let statuses = unsafe {
        [
            relay_code_is_app(c"no code".as_ptr(), &raw mut is_app),
            relay_code_is_app(ptr::null(), &raw mut is_app),
            relay_code_is_app(c"no code".as_ptr(), ptr::null_mut()),
        ]
    };
    assert_eq!(statuses, [Status::BadCode, Status::InvalidArgument, Status::InvalidArgument]);
    assert_eq!(is_app, -1);
}
