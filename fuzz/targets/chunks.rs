#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| docxy::http::fuzzing::chunks(data));
