//! What operators see and do: the pages of `--admin-listen`, and `relayctl`.
//!
//! Sockets are the reactor's, and requests are read in [`crate::http::admin`].

pub mod client;
pub mod closes;
pub mod ctl;
pub mod page;
pub mod pages;
pub mod socket;
pub mod survey;
mod top;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::http::admin::AdminHosts;

/// Where operators look in. Nothing is open by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// The address of the pages.
    pub listen: Option<SocketAddr>,
    /// Names that their requests may have as `Host`.
    pub hosts: AdminHosts,
    /// The path of the socket for `relayctl`.
    pub socket: Option<PathBuf>,
}
