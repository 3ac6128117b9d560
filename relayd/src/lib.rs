//! The shell around [`relayd_core`]: sockets, threads, stores, configuration.

pub mod http;
