#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rescue::fuzz::public_key(data));
