//! The shell around [`relayd_core`]: sockets, threads, stores, configuration.

pub mod config;
pub mod http;
pub mod logging;
pub mod metrics;
