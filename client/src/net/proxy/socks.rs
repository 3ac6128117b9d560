//! SOCKS 5 (RFC 1928) with a user and a password (RFC 1929): bytes in, bytes out.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::Target;
use super::refusal::Refusal;
use super::url::Login;

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// One conversation, up to the answer to its request.
#[derive(Debug)]
pub(super) struct Socks {
    expects: Expects,
    /// RFC 1929's message, where there is a login.
    login: Option<Zeroizing<Vec<u8>>>,
    request: Vec<u8>,
    read: Vec<u8>,
}

/// The answer that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Method,
    LoginStatus,
    Reply,
    Nothing,
}

/// What follows from a whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More must come first.
    Wait,
    Send(Zeroizing<Vec<u8>>),
    /// The way is open.
    Done,
}

impl Socks {
    /// Begins; the bytes are the greeting.
    pub(super) fn new(target: &Target, login: Option<&Login>) -> Result<(Self, Zeroizing<Vec<u8>>), Refusal> {
        let request = request(target)?;
        let greeting = match login {
            Some(_) => vec![VERSION, 2, NO_LOGIN, BY_PASSWORD],
            None => vec![VERSION, 1, NO_LOGIN],
        };
        let login = login.map(|Login { user, password }| {
            // Both are at most 255 bytes long: the address was checked.
            let len = |text: &[u8]| u8::try_from(text.len()).unwrap_or(u8::MAX);
            let (head, between) = ([LOGIN_VERSION, len(user)], [len(password)]);
            Zeroizing::new([&head, user.as_slice(), &between, password.as_slice()].concat())
        });
        let machine = Socks { expects: Expects::Method, login, request, read: Vec::new() };
        Ok((machine, Zeroizing::new(greeting)))
    }

    /// Takes bytes of the proxy. No answer is longer than 262 bytes.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        self.read.extend_from_slice(bytes);
        let Some(len) = self.answer_len()? else { return Ok(Step::Wait) };
        if self.read.len() < len {
            return Ok(Step::Wait);
        }
        // The proxy answers what it is asked, and the relay waits for us to begin.
        if self.read.len() > len {
            return Err(Refusal::SpeaksFirst);
        }
        let answer = std::mem::take(&mut self.read);
        match self.expects {
            Expects::Method => self.on_method(answer[1]),
            Expects::LoginStatus if answer[1] == 0 => Ok(self.ask()),
            Expects::LoginStatus => Err(Refusal::WrongLogin(format!("status {}", answer[1]))),
            Expects::Reply => {
                self.expects = Expects::Nothing;
                Ok(Step::Done)
            }
            Expects::Nothing => Err(Refusal::SpeaksFirst),
        }
    }

    /// How long the answer is that has begun; `None` while its beginning does not say so.
    fn answer_len(&self) -> Result<Option<usize>, Refusal> {
        let version = if self.expects == Expects::LoginStatus { LOGIN_VERSION } else { VERSION };
        match self.read.first() {
            None => return Ok(None),
            Some(&first) if first != version => return Err(not_socks(first)),
            Some(_) => {}
        }
        if self.expects != Expects::Reply {
            return Ok(Some(2));
        }
        match self.read.get(1) {
            None => return Ok(None),
            Some(0) => {}
            Some(&code) => return Err(Refusal::of_reply(code)),
        }
        Ok(match (self.read.get(3), self.read.get(4)) {
            (None, _) => None,
            (Some(&IPV4), _) => Some(4 + 4 + 2),
            (Some(&IPV6), _) => Some(4 + 16 + 2),
            (Some(&NAME), len) => len.map(|len| 4 + 1 + usize::from(*len) + 2),
            (Some(_), _) => return Err(Refusal::NotAProxy),
        })
    }

    fn on_method(&mut self, method: u8) -> Result<Step, Refusal> {
        match (method, self.login.take()) {
            (NO_LOGIN, _) => Ok(self.ask()),
            (BY_PASSWORD, Some(login)) => {
                self.expects = Expects::LoginStatus;
                Ok(Step::Send(login))
            }
            (NONE_ACCEPTABLE, None) => Err(Refusal::NeedsLogin("no method is acceptable to it".into())),
            (NONE_ACCEPTABLE, Some(_)) => Err(Refusal::OtherLogin("no method is acceptable to it".into())),
            _ => Err(Refusal::NotAProxy),
        }
    }

    fn ask(&mut self) -> Step {
        self.expects = Expects::Reply;
        Step::Send(Zeroizing::new(std::mem::take(&mut self.request)))
    }
}

fn not_socks(first: u8) -> Refusal {
    if first == b'H' { Refusal::IsHttp } else { Refusal::NotAProxy }
}

/// `VER CMD RSV ATYP DST.ADDR DST.PORT`.
fn request(target: &Target) -> Result<Vec<u8>, Refusal> {
    let mut request = vec![VERSION, CONNECT, 0];
    let port = match target {
        Target::Address(address) => {
            push_address(&mut request, address.ip());
            address.port()
        }
        Target::Name(name, port) => {
            match name.parse::<IpAddr>() {
                Ok(address) => push_address(&mut request, address),
                Err(_) => {
                    let len = u8::try_from(name.len()).map_err(|_| Refusal::LongName)?;
                    request.extend([NAME, len]);
                    request.extend(name.as_bytes());
                }
            }
            *port
        }
    };
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn push_address(request: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        IpAddr::V6(address) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login { user: Zeroizing::new(user.into()), password: Zeroizing::new(password.into()) }
    }

    fn name(name: &str) -> Target {
        Target::Name(name.to_owned(), 443)
    }

    /// Plays `answers` byte by byte, and returns all that was sent, or the refusal.
    fn play(target: &Target, login: Option<&Login>, answers: &[&[u8]]) -> Result<Vec<Vec<u8>>, Refusal> {
        let (mut machine, greeting) = Socks::new(target, login)?;
        let mut sent = vec![greeting.to_vec()];
        for answer in answers {
            let mut last = Step::Wait;
            for byte in answer.chunks(1) {
                assert_eq!(last, Step::Wait, "nothing is said before an answer is whole");
                last = machine.handle_bytes(byte)?;
            }
            match last {
                Step::Wait => panic!("{answer:?} is a whole answer"),
                Step::Send(bytes) => sent.push(bytes.to_vec()),
                Step::Done => sent.push(b"open".to_vec()),
            }
        }
        Ok(sent)
    }

    const REPLY_V4: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_conversation_without_a_login() {
        let sent = play(&name("relay.test"), None, &[&[5, 0], REPLY_V4]).unwrap();
        let request = [&[5, 1, 0, 3, 10], b"relay.test".as_slice(), &[1, 187]].concat();
        assert_eq!(sent, [vec![5, 1, 0], request, b"open".to_vec()]);
        for (target, address) in [
            (Target::Address("10.0.0.1:443".parse().unwrap()), vec![1, 10, 0, 0, 1]),
            (name("::1"), [&[4][..], &[0; 15], &[1]].concat()),
        ] {
            for reply in [REPLY_V4, &[&[5, 0, 0, 4][..], &[9; 18]].concat(), &[5, 0, 0, 3, 1, b'x', 0, 0]] {
                let sent = play(&target, None, &[&[5, 0], reply]).unwrap();
                assert_eq!(sent[1], [&[5, 1, 0], address.as_slice(), &[1, 187]].concat());
                assert_eq!(sent[2], b"open");
            }
        }
    }

    #[test]
    fn a_login_is_said_only_where_it_is_wanted() {
        let me = login("me", "pass");
        let sent = play(&name("h"), Some(&me), &[&[5, 2], &[1, 0], REPLY_V4]).unwrap();
        assert_eq!(sent[0], [5, 2, 0, 2]);
        assert_eq!(sent[1], [&[1, 2], b"me".as_slice(), &[4], b"pass"].concat());
        let sent = play(&name("h"), Some(&me), &[&[5, 0], REPLY_V4]).unwrap();
        assert_eq!(sent.len(), 3);
    }

    #[test]
    fn every_refusal_has_its_kind() {
        let me = login("me", "pass");
        let none = || "no method is acceptable to it".to_owned();
        for (login, answers, refusal) in [
            (None, vec![&[5, 0xff][..]], Refusal::NeedsLogin(none())),
            (Some(&me), vec![&[5, 0xff]], Refusal::OtherLogin(none())),
            (Some(&me), vec![&[5, 2], &[1, 1]], Refusal::WrongLogin("status 1".into())),
            (None, vec![&[5, 2]], Refusal::NotAProxy),
            (None, vec![&[5, 1]], Refusal::NotAProxy),
            (None, vec![b"H"], Refusal::IsHttp),
            (None, vec![&[4]], Refusal::NotAProxy),
            (None, vec![&[5, 0], &[5, 1]], Refusal::CantReach("general failure".into())),
            (None, vec![&[5, 0], &[5, 2]], Refusal::Forbidden("not allowed by its rules".into())),
            (None, vec![&[5, 0], &[5, 3]], Refusal::CantReach("network unreachable".into())),
            (None, vec![&[5, 0], &[5, 4]], Refusal::CantReach("host unreachable".into())),
            (None, vec![&[5, 0], &[5, 5]], Refusal::CantReach("connection refused".into())),
            (None, vec![&[5, 0], &[5, 6]], Refusal::CantReach("TTL expired".into())),
            (None, vec![&[5, 0], &[5, 7]], Refusal::Answered("command not supported".into())),
            (None, vec![&[5, 0], &[5, 8]], Refusal::Answered("address type not supported".into())),
            (None, vec![&[5, 0], &[5, 99]], Refusal::Answered("code 99".into())),
            (None, vec![&[5, 0], &[5, 0, 0, 7]], Refusal::NotAProxy),
        ] {
            assert_eq!(play(&name("h"), login, &answers), Err(refusal), "{answers:?}");
        }
        let long = name(&"x".repeat(256));
        assert_eq!(Socks::new(&long, None).unwrap_err(), Refusal::LongName);
    }

    #[test]
    fn bytes_behind_an_answer_are_not_taken_for_the_relays() {
        let mut machine = Socks::new(&name("h"), None).unwrap().0;
        assert_eq!(machine.handle_bytes(&[5, 0, 5]), Err(Refusal::SpeaksFirst));
    }
}
