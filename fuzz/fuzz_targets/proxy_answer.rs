#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relay_client::fuzz::proxy_answer(bytes));
