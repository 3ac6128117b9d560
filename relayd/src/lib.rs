//! relayd: pairs a workstation with a phone and passes frames between them.
//!
//! The shell around [`relayd_core`]: sockets, threads, stores, configuration.

pub mod backend;
pub mod http;
pub mod metrics;
pub mod reactor;
