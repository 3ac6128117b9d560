//! The servers that are measured: processes that are started here and end with their owner, or a server that
//! runs already.
//!
//! `process` is one child, `redis` the Redis of a run, `nginx` one in
//! front of a relay, `peer` a relay to compare with, `contender` any server
//! that can be measured. Started, it is a `running` target.

mod contender;
mod nginx;
mod peer;
mod process;
mod redis;
mod running;

pub(crate) use self::contender::{Contender, Subject};
pub(crate) use self::process::in_path;
pub(crate) use self::redis::PublishCount;
pub(crate) use self::running::{Place, Target, Watched};
