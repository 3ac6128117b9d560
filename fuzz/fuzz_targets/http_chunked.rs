#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relayd::http::fuzz::http_chunked(bytes));
