#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relay_client::fuzz::file_messages(bytes));
