#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relayd_core::fuzz::node_stream(bytes));
