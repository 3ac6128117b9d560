//! The fuzz body for answers of a relay's HTTP side.

use super::answer::parse;

/// An answer: its first part says nothing, what the whole says, or what can't become better; never a panic.
pub fn http_answer(bytes: &[u8]) {
    let whole = parse(bytes, false);
    let _ = parse(bytes, true);
    let cut = bytes.first().map_or(0, |&byte| usize::from(byte) * bytes.len() / 256);
    for len in [cut, cut / 2, bytes.len() - bytes.len().min(1)] {
        match (parse(&bytes[..len], false), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(part)), Ok(Some(whole))) => assert_eq!(&part, whole, "at {len}"),
            (Err(_), Err(_)) => {}
            (part, whole) => panic!("{part:?} at {len}, then {whole:?}"),
        }
    }
}
