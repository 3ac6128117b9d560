//! The conversation with a proxy of either kind, over any stream.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::connect::Connect;
use super::refusal::Refusal;
use super::socks::{Socks, Step};
use super::url::Kind;
use super::{Target, Through};

/// A machine of either kind.
#[derive(Debug)]
enum Machine {
    Http(Connect),
    Socks(Socks),
}

impl Machine {
    /// Begins; the bytes go to the proxy first.
    fn new(through: &Through, target: &Target) -> Result<(Self, Zeroizing<Vec<u8>>), Refusal> {
        let proxy = through.proxy();
        match proxy.kind() {
            Kind::Http => {
                let (machine, bytes) = Connect::new(&target.to_string(), proxy.login());
                Ok((Machine::Http(machine), bytes))
            }
            Kind::Socks5 | Kind::Socks5h => {
                let (machine, bytes) = Socks::new(target, proxy.login())?;
                Ok((Machine::Socks(machine), bytes))
            }
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        match self {
            Machine::Http(connect) => {
                connect.handle_bytes(bytes).map(|is_open| if is_open { Step::Done } else { Step::Wait })
            }
            Machine::Socks(socks) => socks.handle_bytes(bytes),
        }
    }
}

/// Has the proxy at the other end of `stream` open the way to `target`. Waits as `stream` does.
///
/// # Errors
/// The stream's own, with its kind; or the proxy's, as `ErrorKind::Other` with the words for it.
pub(in crate::net) fn pass(
    stream: &mut (impl Read + Write),
    through: &Through,
    target: &Target,
) -> io::Result<()> {
    let refused = |refusal: Refusal| io::Error::other(refusal.words(through, target));
    let (mut machine, mut outgoing) = Machine::new(through, target).map_err(refused)?;
    let mut chunk = [0; 1024];
    loop {
        stream.write_all(&outgoing)?;
        outgoing = loop {
            let count = match stream.read(&mut chunk) {
                Ok(0) => return Err(refused(Refusal::HungUp)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            match machine.handle_bytes(&chunk[..count]).map_err(refused)? {
                Step::Wait => {}
                Step::Send(bytes) => break bytes,
                Step::Done => return Ok(()),
            }
        };
    }
}
