//! The fuzz body for answers of proxies.

use zeroize::Zeroizing;

use super::Target;
use super::connect::Connect;
use super::refusal::Refusal;
use super::socks::{Socks, Step};
use super::url::Login;
use crate::fuzz::support::Input;

/// Answers of a proxy, whole and in pieces: never a panic, and both ways the same end.
pub fn proxy_answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let login = || Login { user: Zeroizing::new(b"u".to_vec()), password: Zeroizing::new(b"p".to_vec()) };
    let login = (choice & 1 == 1).then(login);
    let (rest, pieces) = input.cut_rest();
    let outcome = |pieces: &[&[u8]]| match choice & 2 {
        0 => of_http(login.as_ref(), pieces),
        _ => of_socks(login.as_ref(), pieces),
    };
    let whole = outcome(&[rest]);
    // What comes behind an answer is seen only in the same piece.
    if whole != Some(Err(Refusal::SpeaksFirst)) {
        assert_eq!(outcome(&pieces), whole, "{pieces:?}");
    }
}

/// `None`: more must come.
fn of_http(login: Option<&Login>, pieces: &[&[u8]]) -> Option<Result<(), Refusal>> {
    let (mut machine, _) = Connect::new("h:443", login);
    pieces.iter().find_map(|piece| match machine.handle_bytes(piece) {
        Ok(false) => None,
        Ok(true) => Some(Ok(())),
        Err(refusal) => Some(Err(refusal)),
    })
}

fn of_socks(login: Option<&Login>, pieces: &[&[u8]]) -> Option<Result<(), Refusal>> {
    let (mut machine, _) = Socks::new(&Target::Name("h".into(), 443), login).expect("a short name");
    pieces.iter().find_map(|piece| match machine.handle_bytes(piece) {
        Ok(Step::Done) => Some(Ok(())),
        Ok(_) => None,
        Err(refusal) => Some(Err(refusal)),
    })
}
