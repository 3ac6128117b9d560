//! Where a relay answers.

use std::net::{TcpStream, ToSocketAddrs};

use anyhow::Context;
use relay_client::Endpoint;

use super::crowd::ANSWER_WITHIN;
use crate::socket::Destination;

/// Resolves the name, and returns its first address that answers.
pub(super) fn resolve(url: &Endpoint) -> anyhow::Result<Destination> {
    let addrs = (url.host(), url.port()).to_socket_addrs().with_context(|| format!("{url} is not known"))?;
    let mut refusal = None;
    for addr in addrs {
        match TcpStream::connect_timeout(&addr, ANSWER_WITHIN) {
            Ok(_) => return Ok(Destination { addr, is_tls: url.is_tls(), resumes: false }),
            Err(error) => refusal = Some(error),
        }
    }
    let error = refusal.with_context(|| format!("{url} has no address"))?;
    Err(error).with_context(|| format!("{url} can't be reached"))
}
