//! Web Push from this machine: a notice is encrypted for the phone's browser and posted to the push service
//! that the phone named.
//!
//! `services` decides where may be posted to, `payload` is the text, `encrypt` is RFC 8291, `vapid` is RFC
//! 8292, and `send` one request. When and how often is decided by `relay_client::app::notice`. See
//! `docs/app-notices.md`.

mod encrypt;
mod payload;
mod send;
mod services;
mod vapid;

pub(crate) use send::{Sender, check};
pub(crate) use services::Services;
