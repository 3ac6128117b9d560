//! Why a proxy did not open the way, and what to do about it. Pure text.

use std::fmt::Write;

use thiserror::Error;

use super::{Target, Through};

/// Why a proxy did not open the way; the texts are its own words, made harmless.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("it wants a user and a password ({0})")]
    NeedsLogin(String),
    #[error("it does not accept the user or the password ({0})")]
    WrongLogin(String),
    #[error("it wants a kind of login that this client does not know ({0})")]
    OtherLogin(String),
    #[error("it forbids this way ({0})")]
    Forbidden(String),
    #[error("it can't reach the relay ({0})")]
    CantReach(String),
    #[error("it did not open the way ({0})")]
    Answered(String),
    #[error("it does not answer like a proxy")]
    NotAProxy,
    #[error("it answers like a SOCKS proxy")]
    IsSocks,
    #[error("it answers like an HTTP proxy")]
    IsHttp,
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("it sent data that nobody asked for")]
    SpeaksFirst,
    #[error("it hung up before it answered")]
    HungUp,
    #[error("the relay's name is longer than 255 bytes, which SOCKS can't say")]
    LongName,
}

impl Refusal {
    /// The meaning of SOCKS's reply codes, RFC 1928 §6.
    pub(super) fn of_reply(code: u8) -> Self {
        match code {
            1 => Refusal::CantReach("general failure".to_owned()),
            2 => Refusal::Forbidden("not allowed by its rules".to_owned()),
            3 => Refusal::CantReach("network unreachable".to_owned()),
            4 => Refusal::CantReach("host unreachable".to_owned()),
            5 => Refusal::CantReach("connection refused".to_owned()),
            6 => Refusal::CantReach("TTL expired".to_owned()),
            7 => Refusal::Answered("command not supported".to_owned()),
            8 => Refusal::Answered("address type not supported".to_owned()),
            _ => Refusal::Answered(format!("code {code}")),
        }
    }

    /// The whole sentence behind "can't reach … through the proxy …: ".
    pub(super) fn words(&self, through: &Through, target: &Target) -> String {
        let mut words = self.to_string();
        let place = through.place();
        // Writing into a string does not fail.
        let _ = match self {
            Refusal::NeedsLogin(_) => write!(words, ": write USER:PASSWORD@ before its host in {place}"),
            Refusal::WrongLogin(_) => write!(words, ": correct them in {place}"),
            Refusal::OtherLogin(_) => {
                write!(words, ": only a user with a password can be sent; use another proxy")
            }
            Refusal::Forbidden(_) if !is_https(target) => write!(
                words,
                ": many proxies allow port 443 only, so use a relay at that port, or have {target} allowed there"
            ),
            Refusal::Forbidden(_) => write!(words, ": have {target} allowed there, or use another proxy"),
            Refusal::CantReach(_) => {
                write!(words, ": is {target} right, and can the proxy reach it? If not, put it into NO_PROXY")
            }
            Refusal::Answered(_) | Refusal::NotAProxy => write!(words, ": is {} a proxy?", through.proxy()),
            Refusal::IsSocks => write!(words, ": write socks5h:// in {place}"),
            Refusal::IsHttp => write!(words, ": write http:// in {place}"),
            Refusal::HungUp | Refusal::TooLong(_) | Refusal::SpeaksFirst => {
                write!(words, ": is it a proxy, and does it allow {target}?")
            }
            Refusal::LongName => Ok(()),
        };
        words
    }
}

fn is_https(target: &Target) -> bool {
    match target {
        Target::Name(_, port) => *port == 443,
        Target::Address(address) => address.port() == 443,
    }
}
