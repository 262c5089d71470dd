#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| docxy::http::fuzzing::request_head(data));
