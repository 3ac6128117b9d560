//! Connections that ask for `/health` and leave: what connecting costs.

use std::sync::atomic::AtomicBool;

use anyhow::ensure;
use relay_client::Endpoint;

use super::address::resolve;
use super::crowd::{self, Next, Talk};
use crate::socket::{Destination, Socket};

/// Makes `count` of them; returns how many were resumed.
///
/// # Errors
/// The relay can't be reached, or does not answer 200; or a signal came.
pub(super) fn all(
    url: &Endpoint,
    count: usize,
    resumes: bool,
    interrupted: &AtomicBool,
) -> anyhow::Result<usize> {
    let to = Destination { resumes, ..resolve(url)? };
    let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", url.authority());
    let talk = |_| (to, Glance { request: request.clone(), came: Vec::new() });
    let resumed = crowd::converse(count, talk, interrupted)?;
    Ok(resumed.into_iter().filter(|&is_resumed| is_resumed).count())
}

struct Glance {
    request: String,
    came: Vec<u8>,
}

impl Talk for Glance {
    /// True if its TLS was resumed.
    type Done = bool;

    fn opening(&self) -> Vec<u8> {
        self.request.clone().into_bytes()
    }

    fn on_bytes(&mut self, bytes: &[u8], is_end: bool) -> anyhow::Result<Next> {
        self.came.extend_from_slice(bytes);
        if !is_end {
            return Ok(Next::Listen);
        }
        let status = String::from_utf8_lossy(&self.came[..self.came.len().min(12)]).into_owned();
        ensure!(status == "HTTP/1.1 200", "/health was answered {status:?}");
        Ok(Next::Done)
    }

    fn finish(self, stream: Socket) -> bool {
        stream.is_resumed()
    }
}
